//! The configuration of a GRU.

use cell_config::{
    CellConfig, Initialization, InvalidConfig, Law, LawContext, Relation, WeightStreams, require,
    require_finite, uniform,
};
use gradient_tracking::CellShape;
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use theory::gate_decay::ln_logistic;

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
    /// The whole bias of the update gate z, which keeps where it is near 1; default 0.
    #[serde(default)]
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
///
/// In a config file a number, or the table `{ chrono = T_max }`.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum UpdateBias {
    /// The same for every unit.
    Constant(f64),
    /// b_z = ln u, u uniform in [1, T_max − 1): with the other inputs of the gate at zero, a unit
    /// forgets within about u + 1 steps, 2 to T_max. It is the initialisation of Tallec & Ollivier
    /// 2018 for gated RNNs, −b = ln(U[T_min, T_max] − 1) for their gate 1 − z, with T_min = 2 as in
    /// theirs of the LSTM.
    #[schemars(with = "Chrono")]
    Chrono(f64),
}

impl Default for UpdateBias {
    fn default() -> Self {
        UpdateBias::Constant(0.0)
    }
}

/// The table form of [`UpdateBias`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chrono {
    /// T_max, the longest time over which a unit is to remember.
    #[schemars(extend("exclusiveMinimum" = 2.0))]
    chrono: f64,
}

impl Serialize for UpdateBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            UpdateBias::Constant(bias) => serializer.serialize_f64(bias),
            UpdateBias::Chrono(chrono) => Chrono { chrono }.serialize(serializer),
        }
    }
}

// By hand, because an untagged enum would buffer the value and lose its place in the file.
impl<'de> Deserialize<'de> for UpdateBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpdateBiasVisitor)
    }
}

struct UpdateBiasVisitor;

impl<'de> Visitor<'de> for UpdateBiasVisitor {
    type Value = UpdateBias;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a number or { chrono = T_max }")
    }

    fn visit_i64<E: Error>(self, bias: i64) -> Result<UpdateBias, E> {
        Ok(UpdateBias::Constant(bias as f64))
    }

    fn visit_u64<E: Error>(self, bias: u64) -> Result<UpdateBias, E> {
        Ok(UpdateBias::Constant(bias as f64))
    }

    fn visit_f64<E: Error>(self, bias: f64) -> Result<UpdateBias, E> {
        Ok(UpdateBias::Constant(bias))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UpdateBias, A::Error> {
        let table = Chrono::deserialize(MapAccessDeserializer::new(map))?;
        Ok(UpdateBias::Chrono(table.chrono))
    }
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
        match self.update_bias {
            UpdateBias::Constant(bias) => require_finite("update_bias", bias),
            UpdateBias::Chrono(t_max) => require(
                t_max.is_finite() && t_max > 2.0,
                "update_bias.chrono",
                "a finite number above 2",
                t_max,
            ),
        }
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

    /// One law for `h`, a rate: the mean over units of ln σ(b_z), which the gradient follows when the
    /// other inputs of the update gate are zero and the recurrent weights small; exact with zero
    /// weights and the same bias for every unit, whatever the other biases are.
    fn laws(&self, cell: &Gru, _context: LawContext) -> Vec<Law> {
        let (name, rate) = match self.update_bias {
            UpdateBias::Constant(bias) => ("ln sigma(b)", ln_logistic(bias)),
            UpdateBias::Chrono(_) => {
                let update = &cell.weights().bias()[2 * self.hidden..3 * self.hidden];
                let sum: f64 = update.iter().map(|&b| ln_logistic(b)).sum();
                ("mean ln sigma(b)", sum / self.hidden as f64)
            }
        };
        vec![Law {
            quantity: "h",
            name,
            relation: Relation::Rate,
            rate,
        }]
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
        let mut update = bias.rows_mut(hidden, hidden);
        match self.update_bias {
            UpdateBias::Constant(bias) => update.fill(bias),
            UpdateBias::Chrono(t_max) => {
                let rng = streams.stream("chrono", (hidden, 1));
                update.copy_from(&uniform(hidden, 1, 1.0, t_max - 1.0, rng).map(f64::ln));
            }
        }
        bias
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::{RecurrentCell, Trainable};
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    const INPUT: usize = 3;

    fn config(hidden: usize) -> GruConfig {
        GruConfig {
            hidden,
            recurrent_weights: Initialization::default(),
            input_weights: Initialization::default(),
            update_bias: UpdateBias::default(),
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

    /// ln u has mean (m ln m − m + 1)/(m − 1) for u uniform in [1, m), m = T_max − 1.
    #[test]
    fn chrono_biases_are_logarithms_of_uniform_times() {
        let (hidden, t_max) = (10_000, 200.0f64);
        let mut config = config(hidden);
        config.update_bias = UpdateBias::Chrono(t_max);
        // The biases alone: the matrices of so many units would fill gigabytes.
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        let bias = config.draw_bias(&streams.weights("gru"));
        let update = bias.rows(hidden, hidden);
        assert!(bias.rows(0, hidden).iter().all(|&b| b == 0.25));
        assert!(bias.rows(2 * hidden, hidden).iter().all(|&b| b == 0.25));
        let m = t_max - 1.0;
        assert!(update.min() >= 0.0 && update.max() < m.ln());
        let mean = (m * m.ln() - m + 1.0) / (m - 1.0);
        // The variance of ln u is below 1; five standard errors.
        assert!((update.mean() - mean).abs() <= 5.0 / (hidden as f64).sqrt());
    }

    #[test]
    fn law_is_the_logarithm_of_the_update_gate() {
        let mut config = config(5);
        for (bias, rate) in [
            (0.0, -2f64.ln()),
            (2.0, -0.126_928_011_042_972_5),
            (-1000.0, -1000.0),
            (1000.0, 0.0),
        ] {
            config.update_bias = UpdateBias::Constant(bias);
            let law = only_law(&config);
            assert_eq!((law.quantity, law.name), ("h", "ln sigma(b)"));
            assert!((law.rate - rate).abs() <= 1e-15, "{law:?}");
        }
    }

    #[test]
    fn law_of_chrono_biases_is_their_mean() {
        let mut config = config(5);
        config.update_bias = UpdateBias::Chrono(100.0);
        let cell = build(&config);
        let update = &cell.weights().bias()[10..15];
        // ln σ(ln u) = −ln(1 + 1/u).
        let mean = update.iter().map(|b| -(-b).exp().ln_1p()).sum::<f64>() / 5.0;
        let law = only_law(&config);
        assert_eq!(law.name, "mean ln sigma(b)");
        assert!((law.rate - mean).abs() <= 1e-15);
    }

    #[test]
    fn update_bias_reads_numbers_and_a_chrono_table() {
        type Read = Result<UpdateBias, Error>;
        let integer: Read = UpdateBias::deserialize(3i64.into_deserializer());
        assert_eq!(integer, Ok(UpdateBias::Constant(3.0)));
        let float: Read = UpdateBias::deserialize((-0.5f64).into_deserializer());
        assert_eq!(float, Ok(UpdateBias::Constant(-0.5)));
        let table = |key| -> Read {
            UpdateBias::deserialize(MapDeserializer::new(std::iter::once((key, 200i64))))
        };
        assert_eq!(table("chrono"), Ok(UpdateBias::Chrono(200.0)));
        assert!(table("t_max").is_err());
        let text: Read = UpdateBias::deserialize("big".into_deserializer());
        assert_eq!(
            text.unwrap_err().to_string(),
            "invalid type: string \"big\", expected a number or { chrono = T_max }"
        );
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
