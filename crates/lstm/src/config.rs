//! The configuration of an LSTM.

use cell_config::{
    CellConfig, GateBias, Initialization, InvalidConfig, Law, LawContext, Relation, WeightStreams,
    require, require_finite,
};
use gradient_tracking::CellShape;
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Lstm;

/// An LSTM: a cell state behind an input, a forget and an output gate.
///
/// The configuration of an [`Lstm`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LstmConfig {
    /// The hidden size H.
    pub hidden: usize,
    /// Each gate's H×H block of W_hh.
    #[serde(default)]
    pub recurrent_weights: Initialization,
    /// Each gate's H×I block of W_ih.
    #[serde(default)]
    pub input_weights: Initialization,
    /// The whole bias of the forget gate; default 1. Chrono biases also set those of the input gate,
    /// b_i = −b_f. A number has no effect without a forget gate.
    #[serde(default = "forget_bias_default")]
    pub forget_bias: ForgetBias,
    /// Without the forget gate f ≡ 1, the LSTM of 1997; default true.
    #[serde(default = "forget_gate_default")]
    pub forget_gate: bool,
    /// Every element of the biases of i, g and o; default 0. A chrono forget bias replaces that
    /// of i.
    #[serde(default)]
    pub bias: f64,
}

fn forget_gate_default() -> bool {
    true
}

/// The bias of the forget gate.
pub type ForgetBias = GateBias;

fn forget_bias_default() -> ForgetBias {
    ForgetBias::Constant(1.0)
}

impl CellConfig for LstmConfig {
    type Cell = Lstm;

    const KIND: &'static str = "lstm";

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
        self.forget_bias.validate("forget_bias")?;
        match self.forget_bias {
            ForgetBias::Constant(_) => Ok(()),
            ForgetBias::Chrono(t_max) => require(
                self.forget_gate,
                "forget_bias",
                "a number, because forget_gate = false",
                format_args!("{{ chrono = {t_max} }}"),
            ),
        }
    }

    fn shape(&self, input: usize) -> CellShape {
        CellShape {
            input,
            state: 2 * self.hidden,
            output: self.hidden,
            saved: 5 * self.hidden,
            delta: 4 * self.hidden,
        }
    }

    fn build(&self, input: usize, streams: &WeightStreams) -> Result<Lstm, InvalidConfig> {
        self.validate(input)?;
        Ok(Lstm::new(
            self.draw(&self.recurrent_weights, "weight_hh", self.hidden, streams),
            self.draw(&self.input_weights, "weight_ih", input, streams),
            self.draw_bias(streams),
            self.forget_gate,
        ))
    }

    /// One law for `c`, a rate: ln σ(b_f) of every unit, which the direct cell path follows when the
    /// other inputs of the forget gate are zero; exact with zero weights, and for chrono biases there
    /// if the other biases are zero too, so that units start with equal shares.
    fn laws(&self, cell: &Lstm, _context: LawContext) -> Vec<Law> {
        let forget = &cell.affine().bias()[self.hidden..2 * self.hidden];
        vec![if self.forget_gate {
            self.forget_bias.law("c", forget)
        } else {
            Law {
                quantity: "c",
                name: "ln 1",
                relation: Relation::Rate,
                rates: vec![0.0],
            }
        }]
    }
}

impl LstmConfig {
    /// One block per gate, each from a stream of its own.
    fn draw(
        &self,
        weights: &Initialization,
        name: &str,
        cols: usize,
        streams: &WeightStreams,
    ) -> DMatrix<f64> {
        let hidden = self.hidden;
        let mut matrix = DMatrix::zeros(4 * hidden, cols);
        for (gate, letter) in ["i", "f", "g", "o"].into_iter().enumerate() {
            let rng = streams.stream(&format!("{name}.{letter}"), (hidden, cols));
            matrix
                .rows_mut(gate * hidden, hidden)
                .copy_from(&weights.draw(hidden, cols, hidden, rng));
        }
        matrix
    }

    fn draw_bias(&self, streams: &WeightStreams) -> DVector<f64> {
        let hidden = self.hidden;
        let mut bias = DVector::from_element(4 * hidden, self.bias);
        let rng = streams.stream("chrono", (hidden, 1));
        let forget = self.forget_bias.draw(hidden, rng);
        if let ForgetBias::Chrono(_) = self.forget_bias {
            bias.rows_mut(0, hidden).copy_from(&-&forget);
        }
        bias.rows_mut(hidden, hidden).copy_from(&forget);
        bias
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::RecurrentCell;

    use super::*;

    const INPUT: usize = 3;

    fn config(hidden: usize) -> LstmConfig {
        LstmConfig {
            hidden,
            recurrent_weights: Initialization::default(),
            input_weights: Initialization::default(),
            forget_bias: forget_bias_default(),
            forget_gate: true,
            bias: 0.25,
        }
    }

    fn build(config: &LstmConfig) -> Lstm {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        config.build(INPUT, &streams.weights("lstm")).unwrap()
    }

    fn only_law(config: &LstmConfig) -> Law {
        let mut laws = config.laws(&build(config), LawContext::default());
        assert_eq!(laws.len(), 1);
        laws.remove(0)
    }

    #[test]
    fn shape_is_that_of_the_built_cell() {
        assert_eq!(config(5).shape(INPUT), build(&config(5)).shape());
    }

    #[test]
    fn each_gate_has_an_initialization_and_a_stream_of_its_own() {
        let mut config = config(5);
        config.recurrent_weights.init = Scheme::Orthogonal;
        let cell = build(&config);
        let weights = cell.affine().recurrent_weights();
        for gate in 0..4 {
            let q = weights.rows(5 * gate, 5);
            assert!((q.transpose() * q - DMatrix::identity(5, 5)).amax() <= 1e-12);
            for other in 0..gate {
                assert_ne!(q, weights.rows(5 * other, 5));
            }
        }
    }

    #[test]
    fn forget_bias_is_the_whole_bias_of_the_forget_gate() {
        let mut config = config(2);
        config.forget_bias = ForgetBias::Constant(3.0);
        assert_eq!(
            build(&config).affine().bias(),
            [0.25, 0.25, 3.0, 3.0, 0.25, 0.25, 0.25, 0.25]
        );
    }

    #[test]
    fn chrono_biases_open_one_gate_as_far_as_they_close_the_other() {
        let mut config = config(50);
        config.forget_bias = ForgetBias::Chrono(200.0);
        let cell = build(&config);
        let (input, rest) = cell.affine().bias().split_at(50);
        let (forget, other) = rest.split_at(50);
        assert!(forget.iter().all(|b| (0.0..199f64.ln()).contains(b)));
        assert!(input.iter().zip(forget).all(|(i, f)| *i == -f));
        assert!(other.iter().all(|&b| b == 0.25));
    }

    #[test]
    fn law_is_that_of_the_forget_gate() {
        let mut config = config(5);
        for bias in [ForgetBias::Constant(2.0), ForgetBias::Chrono(100.0)] {
            config.forget_bias = bias;
            let cell = build(&config);
            let law = bias.law("c", &cell.affine().bias()[5..10]);
            assert_eq!(only_law(&config), law);
        }
        config.forget_bias = forget_bias_default();
        config.forget_gate = false;
        let law = only_law(&config);
        assert_eq!((law.name, law.rates), ("ln 1", vec![0.0]));
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |change: fn(&mut LstmConfig)| {
            let mut config = config(5);
            change(&mut config);
            config.validate(INPUT).unwrap_err().key
        };
        assert_eq!(key(|config| config.hidden = 0), "hidden");
        assert_eq!(key(|config| config.bias = f64::INFINITY), "bias");
        assert_eq!(
            key(|config| config.input_weights.init = Scheme::SpectralRadius),
            "input_weights.init"
        );
        assert_eq!(
            key(|config| config.forget_bias = ForgetBias::Constant(f64::NAN)),
            "forget_bias"
        );
        assert_eq!(
            key(|config| config.forget_bias = ForgetBias::Chrono(2.0)),
            "forget_bias.chrono"
        );
        assert_eq!(
            key(|config| {
                config.forget_bias = ForgetBias::Chrono(200.0);
                config.forget_gate = false;
            }),
            "forget_bias"
        );
        assert_eq!(config(5).validate(INPUT), Ok(()));
    }
}
