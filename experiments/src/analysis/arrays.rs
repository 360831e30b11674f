//! What the arrays of a record are, by their names.

use decay_analysis::{Line, Window};
use theory::gate_decay::ln_rms;

use crate::network::split_layer;
use crate::record::{Array, LAW, REFERENCE, RunRecord, is_quantity};

/// Quantities in the order of the tables; others follow by name.
const ORDER: [&str; 10] = [
    "h",
    "c",
    "h_carried",
    "c_carried",
    "x",
    "c_direct",
    "c_gated",
    "weight_hh",
    "weight_ih",
    "bias",
];

/// The quantities of which a record holds log₁₀ norms by step.
pub(super) fn quantities(record: &RunRecord) -> Vec<&str> {
    let names = record.arrays.keys().map(String::as_str);
    let mut names: Vec<&str> = names.filter(|name| is_quantity(name)).collect();
    sort(&mut names);
    names
}

/// Sorts quantities as in the tables.
pub(super) fn sort(names: &mut [&str]) {
    // Layer by layer. Stable, so that a new cell's quantities keep the record's order, by name.
    names.sort_by_key(|name| {
        let (layer, quantity) = split_layer(name);
        let place = ORDER.iter().position(|known| *known == quantity);
        (layer, place.unwrap_or(ORDER.len()))
    });
}

/// The arrays whose names begin with `prefix`, without it.
pub(super) fn with_prefix<'a>(
    record: &'a RunRecord,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Array)> {
    let arrays = record.arrays.iter();
    arrays.filter_map(move |(name, array)| Some((name.strip_prefix(prefix)?, array)))
}

/// What the name of a law's array says.
pub(super) struct LawName<'a> {
    /// The array's name after [`LAW`].
    pub array: &'a str,
    pub quantity: &'a str,
    pub relation: &'a str,
    pub name: &'a str,
}

/// The laws of a record: the cell's in its order, then by name those that have no place in it.
pub(super) fn laws(record: &RunRecord) -> Vec<LawName<'_>> {
    let mut laws: Vec<(f64, LawName<'_>)> = with_prefix(record, LAW)
        .map(|(array, values)| {
            // A law's own name may hold colons, the parts before it do not.
            let mut parts = array.splitn(3, ':');
            let mut part = || parts.next().unwrap_or_default();
            let law = LawName {
                array,
                quantity: part(),
                relation: part(),
                name: part(),
            };
            let place = values.values.get(1).copied();
            (place.unwrap_or(f64::INFINITY), law)
        })
        .collect();
    laws.sort_by(|a, b| a.0.total_cmp(&b.0));
    laws.into_iter().map(|(_, law)| law).collect()
}

/// The rate of a law over the lags that measured rates are fitted over, in a run of `steps` steps.
///
/// Units with rates of their own have that of their root mean square, fitted as the measured one is:
/// the least-squares slope over the window, without the lags at which the gradient is exactly zero,
/// as behind a truncation. `None` if the window has too few lags for a line.
pub(super) fn law_rate(
    record: &RunRecord,
    law: &LawName,
    steps: usize,
    window: Window,
) -> Option<f64> {
    let array = record.arrays.get(&format!("{LAW}{}", law.array))?;
    let rates: Vec<f64> = rows(array).filter_map(|row| row.first().copied()).collect();
    let [_, _, ..] = rates[..] else {
        return rates.first().copied();
    };
    let mut curve: Vec<f64> = (0..=steps).map(|lag| ln_rms(&rates, lag as f64)).collect();
    let whole = Line::fit(&curve, window);
    let measured = ratios(record, law.quantity).into_iter().flatten();
    let mut has_zeros = false;
    for (ln_ratio, measured) in curve.iter_mut().zip(measured) {
        if measured == f64::NEG_INFINITY {
            *ln_ratio = measured;
            has_zeros = true;
        }
    }
    let without_zeros = has_zeros.then(|| Line::fit(&curve, window)).flatten();
    Some(without_zeros.or(whole)?.slope)
}

/// log₁₀ r_k of a quantity, indexed by lag k = T − t; `None` if it was not recorded.
///
/// Every quantity of a run has the same denominator. Where there is none, because no gradient
/// reaches the top layer's h at any step, every gradient is zero, and so is every ratio.
pub(super) fn log10_ratios(record: &RunRecord, quantity: &str) -> Option<Vec<f64>> {
    Some(ratios(record, quantity)?.collect())
}

/// The same, one by one.
fn ratios(record: &RunRecord, quantity: &str) -> Option<impl Iterator<Item = f64>> {
    let norms = &record.arrays.get(quantity)?.values;
    // t ends at T, whether it begins at 0 or at 1.
    let norms = norms.iter().rev().copied();
    Some(norms.map(log10_ratio(record)))
}

/// From log₁₀ of a norm to that of its ratio to the denominator of the run.
pub(super) fn log10_ratio(record: &RunRecord) -> impl Fn(f64) -> f64 {
    let reference = record.arrays.get(REFERENCE);
    let denominator = reference.and_then(|array| array.values.first()).copied();
    move |norm| denominator.map_or(f64::NEG_INFINITY, |log10| norm - log10)
}

/// The step of row 0 of an array with one row per step: 0 if it has T + 1 of them, else 1.
pub(super) fn first_step(rows: usize, steps: usize) -> usize {
    (steps + 1).saturating_sub(rows)
}

/// The rows of an array, each a slice.
pub(super) fn rows(array: &Array) -> impl Iterator<Item = &[f64]> {
    let width: usize = array.shape.iter().skip(1).product();
    array.values.chunks(width.max(1))
}
