//! The gradient unit by unit: one unit that remembers can hide that the rest are deaf.
//!
//! ‖∂L/∂h_t‖ is the root of a sum over units, so it follows the slowest of them. Here each unit has its
//! own norm, ‖∂L/∂h_{t,u}‖ over the sequences of the batch; their squares add up to that of the whole.

use std::ops::Range;

use crate::cell::RecurrentCell;
use crate::probe::{BackwardStep, Probe, Watches};

/// Node gradient norms of every unit of every block of the state, at chosen times.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitGradients {
    /// The times t, in rising order.
    pub times: Vec<usize>,
    /// In the order of the state.
    pub blocks: Vec<UnitNorms>,
}

/// Norms of one block.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitNorms {
    /// Its name, `h` or `c`.
    pub name: String,
    /// How many units it has.
    pub units: usize,
    /// log₁₀ of the norm over the batch, `units` values for each of the times; −∞ for an exact zero.
    pub log10_norm: Vec<f64>,
    rows: Range<usize>,
}

impl UnitGradients {
    /// At `times` of a run, in rising order and without repetition.
    pub fn new(cell: &dyn RecurrentCell, times: Vec<usize>) -> Self {
        let blocks = cell.state_blocks().iter().map(|block| UnitNorms {
            name: block.name.clone(),
            units: block.rows.len(),
            log10_norm: vec![f64::NEG_INFINITY; block.rows.len() * times.len()],
            rows: block.rows.clone(),
        });
        UnitGradients {
            blocks: blocks.collect(),
            times,
        }
    }
}

impl Probe for UnitGradients {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: true,
        }
    }

    fn backward(&mut self, step: &BackwardStep) {
        let Ok(index) = self.times.binary_search(&step.t) else {
            return;
        };
        for block in &mut self.blocks {
            let norms = &mut block.log10_norm[index * block.units..(index + 1) * block.units];
            for (norm, row) in norms.iter_mut().zip(block.rows.clone()) {
                *norm = step.node.row_log10_norm(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaled::Scaled;
    use crate::test_cell::Halving;
    use nalgebra::DMatrix;

    /// Sequences that have decayed to different scales.
    #[test]
    fn a_units_norm_combines_its_sequences_at_their_own_exponents() {
        let values = DMatrix::from_row_slice(1, 3, &[3.0, 4.0 * 2.0_f64.powi(40), 1.0]);
        let state = DMatrix::zeros(1, 3);
        let scaled = Scaled {
            values: values.as_view(),
            exponents: &[-5000, -5040, -90_000],
        };
        let mut probe = UnitGradients::new(&Halving, vec![2, 7]);
        for t in [7, 5, 2] {
            probe.backward(&BackwardStep {
                t,
                state: state.as_view(),
                point: None,
                arrived: scaled,
                injected: None,
                carried: scaled,
                node: if t == 2 {
                    scaled
                } else {
                    Scaled {
                        values: state.as_view(),
                        ..scaled
                    }
                },
                cut: false,
                kept: None,
            });
        }
        let [at_2, at_7] = probe.blocks[0].log10_norm[..] else {
            panic!("two times, one unit")
        };
        let expected = 5.0_f64.log10() - 5000.0 * 2.0_f64.log10();
        // 1500 has 52 binary digits behind it: 2·10⁻¹³.
        assert!((at_2 - expected).abs() < 1e-12, "{at_2} {expected}");
        assert_eq!(at_7, f64::NEG_INFINITY);
    }
}
