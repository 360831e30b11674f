//! What one run leaves behind.

use std::collections::BTreeMap;

/// The raw curves of one finished run: deterministic values only, in a fixed order.
///
/// | array | shape | contents |
/// |---|---|---|
/// | `h`, `c`, `h_carried`, `c_carried`, `c_direct`, `c_gated` | T+1 | log₁₀ norms, t = 0…T |
/// | `x`, `weight_hh`, `weight_ih`, `bias` | T | log₁₀ norms (of contributions), t = 1…T |
/// | `reference` | 2 or 0 | log₁₀ of the denominator of all ratios, and its t |
/// | `<quantity>.sequences` | (T+1 or T)×B | the same per sequence |
/// | `gate.<name>` | T×8 | mean, five quantiles, fractions below 0.1 and above 0.9 |
/// | `series.<name>` | T×units | values of the first sequence |
/// | `total.<parameter>` | 1 | log₁₀ norm of ∂L/∂W |
/// | `law:<quantity>:<relation>:<name>` | 1 | a theoretical rate, nats per step |
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The run's resolved spec as JSON with sorted keys.
    pub spec: String,
    /// The curves, by name.
    pub arrays: BTreeMap<String, Array>,
}

/// A row-major array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f64>,
}

impl Array {
    /// A one-dimensional array.
    pub fn line(values: Vec<f64>) -> Self {
        Array {
            shape: vec![values.len()],
            values,
        }
    }

    /// A two-dimensional array with rows of `columns` values.
    pub fn rows(columns: usize, values: Vec<f64>) -> Self {
        Array {
            shape: vec![values.len() / columns.max(1), columns],
            values,
        }
    }
}
