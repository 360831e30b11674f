//! The trait between a cell's configuration and the experiments.

use std::fmt::{Debug, Display};

use gradient_tracking::{CellShape, Trainable};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::WeightStreams;

/// The configuration of one kind of cell: plain data that can be checked and built.
///
/// Reading a configuration accepts every value of the right type; [`validate`](Self::validate)
/// refuses those without meaning. [`shape`](Self::shape) and [`build`](Self::build) may be called
/// on valid configurations only.
///
/// Editors learn its keys from the derived JSON Schema: the doc comment of each field is the key's
/// description, its serde default the key's default.
pub trait CellConfig:
    Serialize + DeserializeOwned + JsonSchema + Clone + PartialEq + Debug + Send + Sync + 'static
{
    /// The cell this configuration builds.
    type Cell: Trainable + 'static;

    /// The name of the cell in a config file, such as `vanilla-rnn`.
    const KIND: &'static str;

    /// The hidden size H.
    fn hidden(&self) -> usize;

    /// Makes other keys fit that depend on `hidden`, after that was changed alone.
    fn fit_to_hidden(&mut self) {}

    /// Checks every value; `input` is the input size I.
    fn validate(&self, input: usize) -> Result<(), InvalidConfig>;

    /// The sizes of the cell that [`build`](Self::build) returns, known without building it.
    fn shape(&self, input: usize) -> CellShape;

    /// How many numbers there are in the matrices that the cell's steps multiply, known without building
    /// it: unless a cell says otherwise, all pre-activations have weights for every output and input,
    /// and a bias.
    fn weights(&self, input: usize) -> u128 {
        let shape = self.shape(input);
        shape.delta as u128 * (shape.output as u128 + shape.input as u128 + 1)
    }

    /// Draws the weights and builds the cell.
    fn build(&self, input: usize, streams: &WeightStreams) -> Result<Self::Cell, InvalidConfig>;

    /// What theory says about the decay of this cell's gradient, from its parameters and what is
    /// known of its inputs. Of several rates of one quantity the first is the prediction that
    /// measured rates are compared with, so the law that takes account of most comes first.
    fn laws(&self, _cell: &Self::Cell, _context: LawContext) -> Vec<Law> {
        Vec::new()
    }
}

/// What laws may take account of beside the parameters of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LawContext {
    /// E\[x²\], the mean over coordinates and steps of the squared inputs; `None` where it is not
    /// known, as in a layer that is fed by another one.
    pub mean_square_input: Option<f64>,
    /// Whether laws that take an eigenvalue or singular value decomposition are wanted.
    pub with_spectrum: bool,
}

/// A theoretical rate, to be drawn over the measured one.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// The quantity it speaks about, such as `h`.
    pub quantity: &'static str,
    /// Its formula, such as `ln rho(W)`.
    pub name: &'static str,
    /// How the measured rate relates to it.
    pub relation: Relation,
    /// The rate in nats per step; −∞ where the gradient is exactly zero. Several of them are those of
    /// units that decay each on its own, with equal shares of the squared norm at lag 0: the norm then
    /// follows their root mean square ([`theory::gate_decay::ln_rms`]), which is no straight line, for the
    /// slowest units come to be all of it.
    pub rates: Vec<f64>,
}

/// How a measured rate relates to a [`Law`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The law predicts the rate, in the limit its cell documents.
    Rate,
    /// The measured rate cannot exceed the law.
    UpperBound,
}

impl Relation {
    /// The name in tables: `rate` or `upper-bound`.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Rate => "rate",
            Relation::UpperBound => "upper-bound",
        }
    }
}

/// A configuration value that has the right type but no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, found {found}")]
pub struct InvalidConfig {
    /// The key within the cell's table, such as `recurrent_weights.gain`.
    pub key: String,
    /// What would have been accepted.
    pub expected: String,
    /// What was given.
    pub found: String,
}

/// Refuses `found` as the value of `key` unless `valid`.
pub fn require(
    valid: bool,
    key: &str,
    expected: &str,
    found: impl Display,
) -> Result<(), InvalidConfig> {
    if valid {
        return Ok(());
    }
    Err(InvalidConfig {
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: readable(found.to_string()),
    })
}

/// A number with more digits than f64 has, such as 1e300, is written with its exponent.
fn readable(found: String) -> String {
    const DIGITS: usize = 17;
    match found.parse::<f64>() {
        Ok(number) if number.is_finite() && found.len() > DIGITS + "-0.".len() => {
            format!("{number:e}")
        }
        _ => found,
    }
}

/// Refuses infinities and NaN.
pub fn require_finite(key: &str, value: f64) -> Result<(), InvalidConfig> {
    require(value.is_finite(), key, "a finite number", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_names_key_expectation_and_value() {
        let error = require_finite("bias", f64::NEG_INFINITY).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`bias`: expected a finite number, found -inf"
        );
        for (value, found) in [
            (-1e300, "-1e300"),
            (-1.5e-9, "-0.0000000015"),
            (1e9, "1000000000"),
        ] {
            let error = require(false, "bias", "no number", value).unwrap_err();
            assert_eq!(error.found, found);
        }
        assert_eq!(require_finite("bias", -3.0), Ok(()));
    }
}
