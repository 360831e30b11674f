//! What one run leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use decay_analysis::thinned_lags;
use gradient_tracking::probes::Summary;

use crate::config::{Record, Recorded};
use crate::network::Named;

/// The array that every record has, because no ratio can be formed without it.
pub const REFERENCE: &str = "reference";
/// The end of the names of norms per sequence.
pub const SEQUENCES: &str = ".sequences";
/// The beginning of the names of gate statistics.
pub const GATE: &str = "gate.";
/// The beginning of the names of values of the first sequence.
pub const SERIES: &str = "series.";
/// The beginning of the names of norms of whole parameter gradients.
pub const TOTAL: &str = "total.";
/// The beginning of the names of theoretical rates.
pub const LAW: &str = "law:";

/// The name of the singular values of ∂s_T/∂s_t.
pub const SINGULAR_VALUES: &str = "singular_values";
/// The name of the Lyapunov exponents.
pub const LYAPUNOV: &str = "lyapunov";
/// The name of their means as of some steps.
pub const LYAPUNOV_BY_STEP: &str = "lyapunov.by_step";
/// The beginning of the names of loss × state matrices.
pub const LOSS_STATE: &str = "loss_state.";
/// The beginning of the names of gradients by unit.
pub const UNIT: &str = "unit.";

/// The beginning of the names of what a sequence has on its own: its loss and gradients of parameters.
pub const SEQUENCE: &str = "sequence.";

/// The raw curves of one finished run: deterministic values only, in a fixed order.
///
/// | array | shape | contents |
/// |---|---|---|
/// | `h`, `c`, `h_carried`, `c_carried`, `c_direct`, `c_gated` | T+1 | log₁₀ norms, t = 0…T |
/// | `x`, `weight_hh`, `weight_ih`, `bias` | T | log₁₀ norms (of contributions), t = 1…T |
/// | `reference` | 2 or 0 | log₁₀ of the denominator of all ratios, and its t |
/// | `<quantity>.sequences` | (T+1 or T)×B | the same per sequence |
/// | `gate.<name>` | T×8 | mean, five quantiles, fractions below 0.1 and above 0.9 |
/// | `series.<name>` | n×units | values of the first sequence at the n steps of [`series_times`] |
/// | `total.<parameter>` | 1 | log₁₀ norm of ∂L/∂W |
/// | `singular_values` | lags×S | log₁₀, in falling order; of the first sequence |
/// | `lyapunov` | S×2 | exponents of the first sequence, nats per step, and their standard errors (−∞: none) |
/// | `lyapunov.by_step` | n×S | their means over the steps that count, up to n times |
/// | `loss_state.<block>` | losses×(losses+1) | log₁₀ norms of ∂L_τ/∂(block)_t: rows τ, columns t = 0 and all τ |
/// | `unit.<block>` | lags×units | log₁₀ norms over the batch |
/// | `sequence.loss` | B | the loss of each sequence, where the loss has a value |
/// | `sequence.<parameter>` | B | log₁₀ norm of each sequence's own ∂L/∂W |
/// | `law:<quantity>:<relation>:<name>` | n×2 | a theoretical rate, nats per step, one or that of each unit, and its place among the laws of the cell |
///
/// Where a network has several layers, the names of quantities, gates, series and parameters begin
/// with the layer and a dot, counted from 0 at the inputs: `0.h`, `gate.1.f`. Those of `x` do not.
///
/// Rows by lag are those of [`grids::times`](crate::grids::times), from t = 0 on; losses those of
/// [`grids::loss_times`](crate::grids::loss_times), and the times of exponents
/// [`grids::exponent_times`](crate::grids::exponent_times).
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The run's resolved spec as JSON with sorted keys.
    pub spec: String,
    /// The curves, by name.
    pub arrays: BTreeMap<String, Array>,
}

impl RunRecord {
    /// The bytes of its curves.
    pub fn bytes(&self) -> usize {
        let values = self.arrays.values().map(|array| &array.values);
        values.map(|values| size_of_val(&values[..])).sum()
    }
}

/// The steps at which the values of a sequence of T steps are kept, from the first on: as far before T
/// as the lags of a stored curve, so all of them if there are no more than 1,001, and always the first.
///
/// ```
/// use experiments::record::series_times;
/// assert_eq!(series_times(3), [1, 2, 3]);
/// let times = series_times(1_000_000);
/// assert_eq!((times.len(), times[0], times[1]), (1_301, 1, 22_763));
/// assert_eq!(times[300..302], [999_000, 999_001]);
/// ```
pub fn series_times(steps: usize) -> Vec<usize> {
    let lags = steps.checked_sub(1).map(thinned_lags).unwrap_or_default();
    lags.into_iter().rev().map(|lag| steps - lag).collect()
}

/// Whether this is the name of the log₁₀ norms of a quantity over the batch, step by step: of
/// anything that no other line of [`RunRecord`]'s table describes.
pub fn is_quantity(name: &str) -> bool {
    let is_other = |prefix: &&str| name.starts_with(*prefix);
    name != REFERENCE
        && !name.ends_with(SEQUENCES)
        && ![SINGULAR_VALUES, LYAPUNOV, LYAPUNOV_BY_STEP].contains(&name)
        && ![GATE, SERIES, TOTAL, LAW, LOSS_STATE, UNIT, SEQUENCE]
            .iter()
            .any(is_other)
}

/// How many quantities a run records that have a norm at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantities {
    /// Node and carried norms of blocks of the state, and those of the inputs: of these the norms of each
    /// sequence may be kept too.
    pub by_sequence: u128,
    /// Contributions to parameters, and paths.
    pub others: u128,
}

impl Quantities {
    /// Those of a network of these layers.
    pub fn new(layers: &[Named], record: &Record) -> Self {
        let wanted = |quantity| record.quantities.contains(&quantity);
        let sum =
            |named: fn(&Named) -> usize| layers.iter().map(|l| named(l) as u128).sum::<u128>();
        let of_block = match (wanted(Recorded::Adjoint), wanted(Recorded::Node)) {
            (true, _) => 2,
            (false, node) => u128::from(node),
        };
        let of_inputs = u128::from(wanted(Recorded::InputGradient));
        let contributions = match wanted(Recorded::ParameterContributions) {
            true => sum(|named| named.parameters),
            false => 0,
        };
        let paths = match wanted(Recorded::PathSplit) {
            true => 2 * sum(|named| usize::from(named.splits)),
            false => 0,
        };
        Quantities {
            by_sequence: of_block * sum(|named| named.blocks) + of_inputs,
            others: contributions + paths,
        }
    }

    /// All of them.
    pub fn count(&self) -> u128 {
        self.by_sequence + self.others
    }
}

/// What the record of a run must be, known without computing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The run's resolved spec as JSON with sorted keys.
    pub spec: String,
    /// The run's steps T.
    pub steps: usize,
    /// The names of the arrays, those of every law that there can be among them, of which a record
    /// may lack some; none if they are not known.
    pub arrays: Option<Arc<BTreeSet<String>>>,
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

    /// That of a gate, of which these are the statistics at each step.
    pub fn of_gate(summaries: &[Summary]) -> Self {
        let values = summaries.iter().flat_map(|summary| {
            let [q10, q25, q50, q75, q90] = summary.quantiles;
            let (low, high) = (summary.low_fraction, summary.high_fraction);
            [summary.mean, q10, q25, q50, q75, q90, low, high]
        });
        Array::rows(8, values.collect())
    }

    /// A two-dimensional array with rows of `columns` values.
    pub fn rows(columns: usize, values: Vec<f64>) -> Self {
        Array {
            shape: vec![values.len() / columns.max(1), columns],
            values,
        }
    }
}
