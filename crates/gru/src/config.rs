//! The configuration of a GRU.

use cell_config::{
    CellConfig, GateBias, Initialization, InvalidConfig, Law, LawContext, WeightStreams, require,
    require_finite,
};
use gradient_tracking::CellShape;
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Gru;

/// A GRU: one state that an update gate mixes with a candidate, which a reset gate cuts off from it.
///
/// The configuration of a [`Gru`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GruConfig {
    /// The hidden size H.
    pub hidden: usize,
    /// The H×H blocks of W_hh, one for each gate and one for the candidate.
    #[serde(default)]
    pub recurrent_weights: Initialization,
    /// The H×I blocks of W_ih, one for each gate and one for the candidate.
    #[serde(default)]
    pub input_weights: Initialization,
    /// The whole bias of the update gate z, which keeps where it is near 1; default 0. Chrono biases
    /// are those of Tallec & Ollivier 2018 for gated RNNs, −b = ln(U[T_min, T_max] − 1) for their gate
    /// 1 − z, with T_min = 2 as in theirs of the LSTM.
    #[serde(default = "update_bias_default")]
    pub update_bias: UpdateBias,
    /// Every element of the biases of r and n, of the latter the one that the reset gate does not
    /// multiply; default 0.
    #[serde(default)]
    pub bias: f64,
    /// Every element of b_hn, the bias of n that the reset gate multiplies; default 0.
    #[serde(default)]
    pub hidden_bias: f64,
}

/// The bias of the update gate.
pub type UpdateBias = GateBias;

fn update_bias_default() -> UpdateBias {
    UpdateBias::Constant(0.0)
}

impl CellConfig for GruConfig {
    type Cell = Gru;

    const KIND: &'static str = "gru";

    fn hidden(&self) -> usize {
        self.hidden
    }

    fn validate(&self, input: usize) -> Result<(), InvalidConfig> {
        require(self.hidden > 0, "hidden", "at least 1", self.hidden)?;
        self.recurrent_weights
            .validate("recurrent_weights", self.hidden, self.hidden)?;
        self.input_weights
            .validate("input_weights", self.hidden, input)?;
        require_finite("bias", self.bias)?;
        require_finite("hidden_bias", self.hidden_bias)?;
        self.update_bias.validate("update_bias")
    }

    fn shape(&self, input: usize) -> CellShape {
        CellShape {
            input,
            state: self.hidden,
            output: self.hidden,
            saved: 4 * self.hidden,
            delta: 4 * self.hidden,
        }
    }

    /// Neither matrix has all the rows of the pre-activations.
    fn weights(&self, input: usize) -> u128 {
        let (hidden, input) = (self.hidden as u128, input as u128);
        hidden * (3 * hidden + 3 * input + 4)
    }

    fn build(&self, input: usize, streams: &WeightStreams) -> Result<Gru, InvalidConfig> {
        self.validate(input)?;
        Ok(Gru::new(
            self.draw(&self.recurrent_weights, "weight_hh", self.hidden, streams),
            self.draw(&self.input_weights, "weight_ih", input, streams),
            self.draw_bias(streams),
            DVector::from_element(self.hidden, self.hidden_bias),
        ))
    }

    /// One law for `h`, a rate: ln σ(b_z) of every unit, which the gradient follows when the other
    /// inputs of the update gate are zero and the recurrent weights small; exact with zero weights,
    /// whatever the other biases are.
    fn laws(&self, cell: &Gru, _context: LawContext) -> Vec<Law> {
        let update = &cell.weights().bias()[2 * self.hidden..3 * self.hidden];
        vec![self.update_bias.law("h", update)]
    }
}

impl GruConfig {
    /// One block each of r, z and n, each from a stream of its own.
    fn draw(
        &self,
        weights: &Initialization,
        name: &str,
        cols: usize,
        streams: &WeightStreams,
    ) -> DMatrix<f64> {
        let hidden = self.hidden;
        let mut matrix = DMatrix::zeros(3 * hidden, cols);
        for (part, letter) in ["r", "z", "n"].into_iter().enumerate() {
            let rng = streams.stream(&format!("{name}.{letter}"), (hidden, cols));
            matrix
                .rows_mut(part * hidden, hidden)
                .copy_from(&weights.draw(hidden, cols, hidden, rng));
        }
        matrix
    }

    fn draw_bias(&self, streams: &WeightStreams) -> DVector<f64> {
        let hidden = self.hidden;
        let mut bias = DVector::from_element(3 * hidden, self.bias);
        let rng = streams.stream("chrono", (hidden, 1));
        let update = self.update_bias.draw(hidden, rng);
        bias.rows_mut(hidden, hidden).copy_from(&update);
        bias
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::{RecurrentCell, Trainable};

    use super::*;

    const INPUT: usize = 3;

    fn config(hidden: usize) -> GruConfig {
        GruConfig {
            hidden,
            recurrent_weights: Initialization::default(),
            input_weights: Initialization::default(),
            update_bias: update_bias_default(),
            bias: 0.25,
            hidden_bias: 0.5,
        }
    }

    fn build(config: &GruConfig) -> Gru {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        config.build(INPUT, &streams.weights("gru")).unwrap()
    }

    fn only_law(config: &GruConfig) -> Law {
        let mut laws = config.laws(&build(config), LawContext::default());
        assert_eq!(laws.len(), 1);
        laws.remove(0)
    }

    #[test]
    fn shape_and_weights_are_those_of_the_built_cell() {
        let cell = build(&config(5));
        assert_eq!(config(5).shape(INPUT), cell.shape());
        let count = cell.parameters().len() as u128;
        assert_eq!(config(5).weights(INPUT), count);
    }

    #[test]
    fn each_gate_has_an_initialization_and_a_stream_of_its_own() {
        let mut config = config(5);
        config.recurrent_weights.init = Scheme::Orthogonal;
        let cell = build(&config);
        let weights = cell.weights().recurrent_weights();
        for part in 0..3 {
            let q = weights.rows(5 * part, 5);
            assert!((q.transpose() * q - DMatrix::identity(5, 5)).amax() <= 1e-12);
            for other in 0..part {
                assert_ne!(q, weights.rows(5 * other, 5));
            }
        }
    }

    /// Rows n, r, z, and b_hn behind them.
    #[test]
    fn update_bias_is_the_whole_bias_of_the_update_gate() {
        let mut config = config(2);
        config.update_bias = UpdateBias::Constant(3.0);
        assert_eq!(
            build(&config).weights().bias(),
            [0.25, 0.25, 0.25, 0.25, 3.0, 3.0, 0.5, 0.5]
        );
    }

    #[test]
    fn chrono_biases_are_those_of_the_update_gate_alone() {
        let mut config = config(50);
        config.update_bias = UpdateBias::Chrono(200.0);
        let cell = build(&config);
        let (others, rest) = cell.weights().bias().split_at(100);
        let (update, hidden) = rest.split_at(50);
        assert!(update.iter().all(|b| (0.0..199f64.ln()).contains(b)));
        assert!(others.iter().all(|&b| b == 0.25));
        assert!(hidden.iter().all(|&b| b == 0.5));
    }

    #[test]
    fn law_is_that_of_the_update_gate() {
        let mut config = config(5);
        for bias in [UpdateBias::Constant(2.0), UpdateBias::Chrono(100.0)] {
            config.update_bias = bias;
            let cell = build(&config);
            let law = bias.law("h", &cell.weights().bias()[10..15]);
            assert_eq!(only_law(&config), law);
        }
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |change: fn(&mut GruConfig)| {
            let mut config = config(5);
            change(&mut config);
            config.validate(INPUT).unwrap_err().key
        };
        assert_eq!(key(|config| config.hidden = 0), "hidden");
        assert_eq!(key(|config| config.bias = f64::INFINITY), "bias");
        assert_eq!(key(|config| config.hidden_bias = f64::NAN), "hidden_bias");
        assert_eq!(
            key(|config| config.input_weights.init = Scheme::SpectralRadius),
            "input_weights.init"
        );
        assert_eq!(
            key(|config| config.update_bias = UpdateBias::Constant(f64::NAN)),
            "update_bias"
        );
        assert_eq!(
            key(|config| config.update_bias = UpdateBias::Chrono(2.0)),
            "update_bias.chrono"
        );
        assert_eq!(config(5).validate(INPUT), Ok(()));
    }
}
