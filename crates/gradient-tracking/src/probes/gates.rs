//! Gate statistics: how open the gates are at each step.

use std::ops::Range;

use crate::cell::RecurrentCell;
use crate::probe::{ForwardStep, Probe, Watches};

/// One gate at one step, over all units and sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// 10 %, 25 %, 50 %, 75 % and 90 % quantiles, interpolated linearly (Hyndman & Fan's type 7).
    pub quantiles: [f64; 5],
    /// Fraction below 0.1: saturated, closed.
    pub low_fraction: f64,
    /// Fraction above 0.9: saturated, open.
    pub high_fraction: f64,
}

/// The probabilities of [`Summary::quantiles`].
const PROBABILITIES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// Statistics of every gate, t = 1…T (index t − 1).
#[derive(Clone, Debug, PartialEq)]
pub struct GateStatistics {
    /// Name and statistics of each gate.
    pub gates: Vec<(String, Vec<Summary>)>,
    rows: Vec<Range<usize>>,
    sorted: Vec<f64>,
}

impl GateStatistics {
    /// For a run of `steps` steps of `batch` sequences; no gates if the cell has none.
    pub fn new(cell: &dyn RecurrentCell, steps: usize, batch: usize) -> Self {
        let blocks = cell
            .saved_blocks()
            .iter()
            .filter(|block| cell.gate_names().contains(&block.name.as_str()));
        let rows: Vec<_> = blocks.clone().map(|block| block.rows.clone()).collect();
        let largest = rows.iter().map(|rows| rows.len()).max().unwrap_or(0);
        GateStatistics {
            gates: blocks
                .map(|block| (block.name.clone(), vec![Summary::default(); steps]))
                .collect(),
            sorted: vec![0.0; largest * batch],
            rows,
        }
    }
}

impl Probe for GateStatistics {
    fn watches(&self) -> Watches {
        Watches {
            forward: true,
            backward: false,
        }
    }

    fn forward(&mut self, step: &ForwardStep) {
        for ((_, summaries), rows) in self.gates.iter_mut().zip(&self.rows) {
            let batch = step.point.saved.ncols();
            let sorted = &mut self.sorted[..rows.len() * batch];
            for (part, column) in sorted
                .chunks_exact_mut(rows.len())
                .zip(step.point.saved.column_iter())
            {
                part.copy_from_slice(&column.as_slice()[rows.clone()]);
            }
            summaries[step.t - 1] = summarise(sorted);
        }
    }
}

/// Sorts `values` and summarises them.
fn summarise(values: &mut [f64]) -> Summary {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let quantile = |p: f64| {
        let position = p * (n - 1.0);
        let below = position.floor() as usize;
        let above = (below + 1).min(values.len() - 1);
        values[below] + (position - below as f64) * (values[above] - values[below])
    };
    Summary {
        mean: values.iter().sum::<f64>() / n,
        quantiles: PROBABILITIES.map(quantile),
        low_fraction: values.partition_point(|v| *v < 0.1) as f64 / n,
        high_fraction: 1.0 - values.partition_point(|v| *v <= 0.9) as f64 / n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_an_even_grid_are_its_own_quantiles() {
        let mut values: Vec<f64> = (0..=100).rev().map(|k| f64::from(k) / 100.0).collect();
        let summary = summarise(&mut values);
        assert!((summary.mean - 0.5).abs() < 1e-12);
        for (found, wanted) in summary.quantiles.iter().zip(PROBABILITIES) {
            assert!((found - wanted).abs() < 1e-12);
        }
        assert_eq!(summary.low_fraction, 10.0 / 101.0);
        assert!((summary.high_fraction - 10.0 / 101.0).abs() < 1e-12);
    }
}
