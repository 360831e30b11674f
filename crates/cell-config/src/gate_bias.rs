//! The bias of the gate that decides how much of a unit's state stays.

use nalgebra::DVector;
use rand::rngs::ChaCha8Rng;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use theory::gate_decay::ln_logistic;

use crate::{InvalidConfig, Law, Relation, require, require_finite, uniform};

/// The whole bias of a gate that keeps where it is near 1.
///
/// In a config file a number, or the table `{ chrono = T_max }`.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum GateBias {
    /// The same for every unit.
    Constant(f64),
    /// b = ln u, u uniform in [1, T_max − 1): with the other inputs of the gate at zero, a unit
    /// forgets within about u steps (Tallec & Ollivier 2018, Eq. 16).
    #[schemars(with = "Chrono")]
    Chrono(f64),
}

/// The table form of [`GateBias`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chrono {
    /// T_max, the longest time over which a unit is to remember.
    #[schemars(extend("exclusiveMinimum" = 2.0))]
    chrono: f64,
}

impl GateBias {
    /// Checks the number; `key` is the bias's in the cell's table, such as `forget_bias`.
    pub fn validate(&self, key: &str) -> Result<(), InvalidConfig> {
        match *self {
            GateBias::Constant(bias) => require_finite(key, bias),
            GateBias::Chrono(t_max) => require(
                t_max.is_finite() && t_max > 2.0,
                &format!("{key}.chrono"),
                "a finite number above 2",
                t_max,
            ),
        }
    }

    /// The biases of `hidden` units. Every T_max sees the same underlying numbers; a constant takes none.
    pub fn draw(&self, hidden: usize, rng: ChaCha8Rng) -> DVector<f64> {
        match *self {
            GateBias::Constant(bias) => DVector::from_element(hidden, bias),
            GateBias::Chrono(t_max) => {
                let times = uniform(hidden, 1, 1.0, t_max - 1.0, rng);
                times.column(0).map(f64::ln)
            }
        }
    }

    /// What the gate alone does to the gradient of `quantity` behind it: unit by unit the rate ln σ(b)
    /// of these biases, which were [drawn](Self::draw), and one rate where all have the same.
    pub fn law(&self, quantity: &'static str, drawn: &[f64]) -> Law {
        let (name, rates) = match *self {
            GateBias::Constant(bias) => ("ln sigma(b)", vec![ln_logistic(bias)]),
            GateBias::Chrono(_) => {
                let rates = drawn.iter().map(|&bias| ln_logistic(bias));
                ("ln rms sigma(b)^k", rates.collect())
            }
        };
        Law {
            quantity,
            name,
            relation: Relation::Rate,
            rates,
        }
    }
}

impl Serialize for GateBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            GateBias::Constant(bias) => serializer.serialize_f64(bias),
            GateBias::Chrono(chrono) => Chrono { chrono }.serialize(serializer),
        }
    }
}

// By hand, because an untagged enum would buffer the value and lose its place in the file.
impl<'de> Deserialize<'de> for GateBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GateBiasVisitor)
    }
}

struct GateBiasVisitor;

impl<'de> Visitor<'de> for GateBiasVisitor {
    type Value = GateBias;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a number or { chrono = T_max }")
    }

    fn visit_i64<E: Error>(self, bias: i64) -> Result<GateBias, E> {
        Ok(GateBias::Constant(bias as f64))
    }

    fn visit_u64<E: Error>(self, bias: u64) -> Result<GateBias, E> {
        Ok(GateBias::Constant(bias as f64))
    }

    fn visit_f64<E: Error>(self, bias: f64) -> Result<GateBias, E> {
        Ok(GateBias::Constant(bias))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GateBias, A::Error> {
        let table = Chrono::deserialize(MapAccessDeserializer::new(map))?;
        Ok(GateBias::Chrono(table.chrono))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;
    use crate::Streams;

    fn draw(bias: GateBias, hidden: usize) -> DVector<f64> {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        let weights = streams.weights("test");
        bias.draw(hidden, weights.stream("chrono", (hidden, 1)))
    }

    /// Changing these numbers changes every published result. The tolerance allows for libraries
    /// whose logarithm rounds differently.
    #[test]
    fn first_draws_are_pinned() {
        let biases = draw(GateBias::Chrono(200.0), 3);
        let expected = [4.805251583567617, 3.9933959720910757, 3.655313898393422];
        for (bias, expected) in biases.iter().zip(expected) {
            assert!((bias - expected).abs() <= 1e-15 * expected, "{biases}");
        }
    }

    /// ln u has mean (m ln m − m + 1)/(m − 1) for u uniform in [1, m), m = T_max − 1.
    #[test]
    fn chrono_biases_are_logarithms_of_uniform_times() {
        let (hidden, t_max) = (10_000, 200.0f64);
        let biases = draw(GateBias::Chrono(t_max), hidden);
        let m = t_max - 1.0;
        assert!(biases.min() >= 0.0 && biases.max() < m.ln());
        let mean = (m * m.ln() - m + 1.0) / (m - 1.0);
        // The variance of ln u is below 1; five standard errors.
        assert!((biases.mean() - mean).abs() <= 5.0 / (hidden as f64).sqrt());
    }

    #[test]
    fn t_max_scales_the_same_chrono_draw() {
        let unit_times = |t_max: f64| {
            let biases = draw(GateBias::Chrono(t_max), 4);
            biases.map(|b| (b.exp() - 1.0) / (t_max - 2.0))
        };
        assert!((unit_times(10.0) - unit_times(1000.0)).amax() <= 1e-12);
    }

    #[test]
    fn law_of_a_constant_is_the_logarithm_of_the_gate() {
        for (bias, rate) in [
            (0.0, -2f64.ln()),
            (2.0, -0.126_928_011_042_972_5),
            (-1000.0, -1000.0),
            (1000.0, 0.0),
        ] {
            let bias = GateBias::Constant(bias);
            let law = bias.law("c", draw(bias, 5).as_slice());
            assert_eq!((law.quantity, law.name), ("c", "ln sigma(b)"));
            assert_eq!((law.relation, law.rates.len()), (Relation::Rate, 1));
            assert!((law.rates[0] - rate).abs() <= 1e-15, "{law:?}");
        }
    }

    #[test]
    fn law_of_chrono_biases_has_a_rate_for_every_unit() {
        let bias = GateBias::Chrono(100.0);
        let drawn = draw(bias, 5);
        let law = bias.law("c", drawn.as_slice());
        assert_eq!(
            (law.name, law.relation),
            ("ln rms sigma(b)^k", Relation::Rate)
        );
        assert_eq!(law.rates.len(), 5);
        for (rate, bias) in law.rates.iter().zip(&drawn) {
            // ln σ(ln u) = −ln(1 + 1/u).
            let u = bias.exp();
            assert!((rate + u.recip().ln_1p()).abs() <= 1e-15, "{law:?}");
        }
    }

    #[test]
    fn it_reads_numbers_and_a_chrono_table() {
        type Read = Result<GateBias, Error>;
        let integer: Read = GateBias::deserialize(3i64.into_deserializer());
        assert_eq!(integer, Ok(GateBias::Constant(3.0)));
        let float: Read = GateBias::deserialize((-0.5f64).into_deserializer());
        assert_eq!(float, Ok(GateBias::Constant(-0.5)));
        let table = |key| -> Read {
            GateBias::deserialize(MapDeserializer::new(std::iter::once((key, 200i64))))
        };
        assert_eq!(table("chrono"), Ok(GateBias::Chrono(200.0)));
        assert!(table("t_max").is_err());
        let text: Read = GateBias::deserialize("big".into_deserializer());
        assert_eq!(
            text.unwrap_err().to_string(),
            "invalid type: string \"big\", expected a number or { chrono = T_max }"
        );
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |bias: GateBias| bias.validate("forget_bias").unwrap_err().key;
        assert_eq!(key(GateBias::Constant(f64::NAN)), "forget_bias");
        for t_max in [2.0, f64::INFINITY, f64::NAN] {
            assert_eq!(key(GateBias::Chrono(t_max)), "forget_bias.chrono");
        }
        for bias in [GateBias::Constant(-3.0), GateBias::Chrono(2.5)] {
            assert_eq!(bias.validate("forget_bias"), Ok(()));
        }
    }
}
