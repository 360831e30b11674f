//! How open the gates are on the whole: over all steps, units and sequences at once.

use std::ops::Range;

use crate::cell::RecurrentCell;
use crate::probe::{ForwardStep, Probe, Watches};

/// One gate over everything it was seen at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Σ of its values.
    pub sum: f64,
    /// How many of them lie below 0.1: saturated, closed.
    pub low: u64,
    /// How many lie above 0.9: saturated, open.
    pub high: u64,
    /// How many there are.
    pub count: u64,
}

impl Totals {
    /// Adds what another has seen.
    pub fn add(&mut self, other: &Totals) {
        self.sum += other.sum;
        self.low += other.low;
        self.high += other.high;
        self.count += other.count;
    }

    /// The mean, and the fractions below 0.1 and above 0.9; `None` if it has seen nothing.
    pub fn fractions(&self) -> Option<[f64; 3]> {
        let count = (self.count > 0).then_some(self.count as f64)?;
        Some([
            self.sum / count,
            self.low as f64 / count,
            self.high as f64 / count,
        ])
    }
}

/// Totals of every gate. [`GateStatistics`](super::GateStatistics) has them step by step with
/// quantiles, for which it sorts; this costs one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct GateTotals {
    /// Name and totals of each gate.
    pub gates: Vec<(String, Totals)>,
    rows: Vec<Range<usize>>,
}

impl GateTotals {
    /// For a cell; no gates if it has none.
    pub fn new(cell: &dyn RecurrentCell) -> Self {
        let blocks = cell
            .saved_blocks()
            .iter()
            .filter(|block| cell.gate_names().contains(&block.name.as_str()));
        GateTotals {
            gates: blocks
                .clone()
                .map(|block| (block.name.clone(), Totals::default()))
                .collect(),
            rows: blocks.map(|block| block.rows.clone()).collect(),
        }
    }
}

impl Probe for GateTotals {
    fn watches(&self) -> Watches {
        Watches {
            forward: true,
            backward: false,
        }
    }

    fn forward(&mut self, step: &ForwardStep) {
        for ((_, totals), rows) in self.gates.iter_mut().zip(&self.rows) {
            for column in step.point.saved.column_iter() {
                totals.add(&of(&column.as_slice()[rows.clone()]));
            }
        }
    }
}

/// Eight sums side by side, which the compiler turns into wide instructions.
fn of(values: &[f64]) -> Totals {
    const LANES: usize = 8;
    let (mut sums, mut low, mut high) = ([0.0; LANES], [0_u64; LANES], [0_u64; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut add = |part: &[f64]| {
        let lanes = sums.iter_mut().zip(&mut low).zip(&mut high);
        for (((sum, low), high), value) in lanes.zip(part) {
            *sum += value;
            *low += u64::from(*value < 0.1);
            *high += u64::from(*value > 0.9);
        }
    };
    for chunk in chunks {
        add(chunk);
    }
    add(rest);
    Totals {
        sum: sums.iter().sum(),
        low: low.iter().sum(),
        high: high.iter().sum(),
        count: values.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_count_as_neither_open_nor_closed() {
        let values: Vec<f64> = (0..=100).map(|k| f64::from(k) / 100.0).collect();
        let totals = of(&values);
        assert_eq!((totals.low, totals.high, totals.count), (10, 10, 101));
        let [mean, low, high] = totals.fractions().unwrap();
        assert!((mean - 0.5).abs() < 1e-14);
        assert_eq!((low, high), (10.0 / 101.0, 10.0 / 101.0));
        assert_eq!(Totals::default().fractions(), None);
    }

    #[test]
    fn totals_of_parts_add_up() {
        let values: Vec<f64> = (0..37).map(|k| f64::from(k) / 37.0).collect();
        let mut sum = of(&values[..20]);
        sum.add(&of(&values[20..]));
        let whole = of(&values);
        assert_eq!((sum.low, sum.high, sum.count), (whole.low, whole.high, 37));
        assert!((sum.sum - whole.sum).abs() < 1e-13);
    }
}
