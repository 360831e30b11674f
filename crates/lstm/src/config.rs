//! The configuration of an LSTM.

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
    /// The whole bias of the forget gate; default 1. A number has no effect without a forget gate.
    #[serde(default)]
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
///
/// In a config file a number, or the table `{ chrono = T_max }`.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum ForgetBias {
    /// The same for every unit.
    Constant(f64),
    /// b_f = ln u, u uniform in [1, T_max − 1), and b_i = −b_f: with the other inputs of the gate
    /// at zero, a unit forgets within about u steps (Tallec & Ollivier 2018, Eq. 16).
    #[schemars(with = "Chrono")]
    Chrono(f64),
}

impl Default for ForgetBias {
    fn default() -> Self {
        ForgetBias::Constant(1.0)
    }
}

/// The table form of [`ForgetBias`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chrono {
    /// T_max, the longest time over which a unit is to remember.
    #[schemars(extend("exclusiveMinimum" = 2.0))]
    chrono: f64,
}

impl Serialize for ForgetBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            ForgetBias::Constant(bias) => serializer.serialize_f64(bias),
            ForgetBias::Chrono(chrono) => Chrono { chrono }.serialize(serializer),
        }
    }
}

// By hand, because an untagged enum would buffer the value and lose its place in the file.
impl<'de> Deserialize<'de> for ForgetBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ForgetBiasVisitor)
    }
}

struct ForgetBiasVisitor;

impl<'de> Visitor<'de> for ForgetBiasVisitor {
    type Value = ForgetBias;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a number or { chrono = T_max }")
    }

    fn visit_i64<E: Error>(self, bias: i64) -> Result<ForgetBias, E> {
        Ok(ForgetBias::Constant(bias as f64))
    }

    fn visit_u64<E: Error>(self, bias: u64) -> Result<ForgetBias, E> {
        Ok(ForgetBias::Constant(bias as f64))
    }

    fn visit_f64<E: Error>(self, bias: f64) -> Result<ForgetBias, E> {
        Ok(ForgetBias::Constant(bias))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ForgetBias, A::Error> {
        let table = Chrono::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ForgetBias::Chrono(table.chrono))
    }
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
        match self.forget_bias {
            ForgetBias::Constant(bias) => require_finite("forget_bias", bias),
            ForgetBias::Chrono(t_max) => {
                require(
                    t_max.is_finite() && t_max > 2.0,
                    "forget_bias.chrono",
                    "a finite number above 2",
                    t_max,
                )?;
                require(
                    self.forget_gate,
                    "forget_bias",
                    "a number, because forget_gate = false",
                    format_args!("{{ chrono = {t_max} }}"),
                )
            }
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

    /// One law for `c`, a rate: the mean over units of ln σ(b_f), which the direct cell path
    /// follows when the other inputs of the forget gate are zero; exact with zero weights and the
    /// same bias for every unit.
    fn laws(&self, cell: &Lstm, _context: LawContext) -> Vec<Law> {
        let (name, rate) = match (self.forget_gate, self.forget_bias) {
            (false, _) => ("ln 1", 0.0),
            (true, ForgetBias::Constant(bias)) => ("ln sigma(b)", ln_logistic(bias)),
            (true, ForgetBias::Chrono(_)) => {
                let forget = &cell.affine().bias()[self.hidden..2 * self.hidden];
                let sum: f64 = forget.iter().map(|&b| ln_logistic(b)).sum();
                ("mean ln sigma(b)", sum / self.hidden as f64)
            }
        };
        vec![Law {
            quantity: "c",
            name,
            relation: Relation::Rate,
            rate,
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
        match self.forget_bias {
            ForgetBias::Constant(forget) => bias.rows_mut(hidden, hidden).fill(forget),
            ForgetBias::Chrono(t_max) => {
                let rng = streams.stream("chrono", (hidden, 1));
                let forget = uniform(hidden, 1, 1.0, t_max - 1.0, rng).map(f64::ln);
                bias.rows_mut(0, hidden).copy_from(&-&forget);
                bias.rows_mut(hidden, hidden).copy_from(&forget);
            }
        }
        bias
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::RecurrentCell;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    const INPUT: usize = 3;

    fn config(hidden: usize) -> LstmConfig {
        LstmConfig {
            hidden,
            recurrent_weights: Initialization::default(),
            input_weights: Initialization::default(),
            forget_bias: ForgetBias::default(),
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

    /// The constants of Tallec & Ollivier: b_f = ln u has mean
    /// (m ln m − m + 1)/(m − 1) for u uniform in [1, m), m = T_max − 1.
    #[test]
    fn chrono_biases_are_logarithms_of_uniform_times() {
        let (hidden, t_max) = (10_000, 200.0f64);
        let mut config = config(hidden);
        config.forget_bias = ForgetBias::Chrono(t_max);
        // The biases alone: the matrices of so many units would fill gigabytes.
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        let bias = config.draw_bias(&streams.weights("lstm"));
        let input = bias.rows(0, hidden);
        let forget = bias.rows(hidden, hidden);
        assert_eq!(input, -forget);
        assert!(bias.rows(2 * hidden, 2 * hidden).iter().all(|&b| b == 0.25));
        let m = t_max - 1.0;
        assert!(forget.min() >= 0.0 && forget.max() < m.ln());
        let mean = (m * m.ln() - m + 1.0) / (m - 1.0);
        // The variance of ln u is below 1; five standard errors.
        assert!((forget.mean() - mean).abs() <= 5.0 / (hidden as f64).sqrt());
    }

    #[test]
    fn t_max_scales_the_same_chrono_draw() {
        let unit_times = |t_max: f64| {
            let mut config = config(4);
            config.forget_bias = ForgetBias::Chrono(t_max);
            let cell = build(&config);
            let forget = DVector::from_column_slice(&cell.affine().bias()[4..8]);
            forget.map(|b| (b.exp() - 1.0) / (t_max - 2.0))
        };
        assert!((unit_times(10.0) - unit_times(1000.0)).amax() <= 1e-12);
    }

    #[test]
    fn law_is_the_logarithm_of_the_forget_gate() {
        let mut config = config(5);
        for (bias, rate) in [
            (0.0, -2f64.ln()),
            (2.0, -0.126_928_011_042_972_5),
            (-1000.0, -1000.0),
            (1000.0, 0.0),
        ] {
            config.forget_bias = ForgetBias::Constant(bias);
            let law = only_law(&config);
            assert_eq!((law.quantity, law.name), ("c", "ln sigma(b)"));
            assert!((law.rate - rate).abs() <= 1e-15, "{law:?}");
        }
        config.forget_gate = false;
        assert_eq!(
            (only_law(&config).name, only_law(&config).rate),
            ("ln 1", 0.0)
        );
    }

    #[test]
    fn law_of_chrono_biases_is_their_mean() {
        let mut config = config(5);
        config.forget_bias = ForgetBias::Chrono(100.0);
        let cell = build(&config);
        let forget = &cell.affine().bias()[5..10];
        // ln σ(ln u) = −ln(1 + 1/u).
        let mean = forget.iter().map(|b| -(-b).exp().ln_1p()).sum::<f64>() / 5.0;
        let law = only_law(&config);
        assert_eq!(law.name, "mean ln sigma(b)");
        assert!((law.rate - mean).abs() <= 1e-15);
    }

    #[test]
    fn forget_bias_reads_numbers_and_a_chrono_table() {
        type Read = Result<ForgetBias, Error>;
        let integer: Read = ForgetBias::deserialize(3i64.into_deserializer());
        assert_eq!(integer, Ok(ForgetBias::Constant(3.0)));
        let float: Read = ForgetBias::deserialize((-0.5f64).into_deserializer());
        assert_eq!(float, Ok(ForgetBias::Constant(-0.5)));
        let table = |key| -> Read {
            ForgetBias::deserialize(MapDeserializer::new(std::iter::once((key, 200i64))))
        };
        assert_eq!(table("chrono"), Ok(ForgetBias::Chrono(200.0)));
        assert!(table("t_max").is_err());
        let text: Read = ForgetBias::deserialize("big".into_deserializer());
        assert_eq!(
            text.unwrap_err().to_string(),
            "invalid type: string \"big\", expected a number or { chrono = T_max }"
        );
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
