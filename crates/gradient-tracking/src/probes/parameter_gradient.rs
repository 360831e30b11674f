//! ∂L/∂W: the gradient with respect to all matrices that enter the pre-activations.

use kernels::{PANEL, Packed, Start, View, ViewMut};

use crate::cell::{FactorValues, ParameterBlock, Trainable};
use crate::probe::{BackwardChunk, Probe, Watches};
use crate::scaled::{Scaled, rows, scale_by_power_of_two, scale_slice};
use crate::workspace::chunk_steps;

/// Adds up Σ_t δ_t·factor_tᵀ, or Σ_t δ_t ⊙ factor_t, chunk by chunk.
///
/// The sum has one exponent: its value is `values · 2^exponent`. An adjoint that explodes or
/// vanishes therefore gives its parameter gradient in full precision too.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterGradient {
    /// Mantissas, laid out as [`Trainable::parameter_blocks`] say.
    pub values: Vec<f64>,
    /// The common power of two.
    pub exponent: i64,
    blocks: Vec<ParameterBlock>,
    is_zero: bool,
    /// A few rows of δ of a chunk, at the common exponent.
    deltas: Packed,
}

impl ParameterGradient {
    /// Zero, for the parameters of `cell` and runs of `steps` steps of `batch` sequences.
    pub fn new(cell: &dyn Trainable, steps: usize, batch: usize) -> Self {
        let blocks = cell.parameter_blocks().to_vec();
        ParameterGradient {
            values: vec![0.0; blocks.last().map_or(0, |block| block.range.end)],
            exponent: 0,
            blocks,
            is_zero: true,
            deltas: Packed::with_capacity(PANEL, batch * chunk_steps(batch).min(steps)),
        }
    }

    /// log₁₀ of the Frobenius norm of each block, with its name.
    pub fn log10_norms(&self) -> impl Iterator<Item = (&str, f64)> {
        self.blocks.iter().map(|block| {
            let values = &self.values[block.range.clone()];
            let norm = Scaled {
                values: View::from_slice(values, values.len(), 1),
                exponents: &[self.exponent],
            };
            (block.name.as_str(), norm.log10_norm())
        })
    }

    /// The gradient as plain numbers, 0 or ±∞ where f64 cannot hold them.
    /// [`Trainable::pull_back_parameters`] makes of it that of the parameters.
    pub fn to_f64(&self) -> Vec<f64> {
        self.values
            .iter()
            .map(|v| scale_by_power_of_two(*v, self.exponent))
            .collect()
    }

    fn add(&mut self, chunk: &BackwardChunk) {
        let deltas = chunk.deltas;
        let Some(own) = common_exponent(deltas) else {
            return;
        };
        if !self.is_zero && own + LARGEST_COLUMN + SMALLEST_F64 < self.exponent {
            // At the sum's exponent every δ of this chunk is an exact zero.
            return;
        }
        let target = if self.is_zero {
            own
        } else {
            self.exponent.max(own)
        };
        // What is zero is not read.
        let start = if self.is_zero {
            Start::Zero
        } else {
            scale_slice(&mut self.values, self.exponent - target);
            Start::Destination
        };
        (self.exponent, self.is_zero) = (target, false);

        let agree = deltas.exponents.iter().all(|exponent| *exponent == target);
        for blocks in self.blocks.chunk_by(|one, next| one.rows == next.rows) {
            let all = &blocks[0].rows;
            for block in blocks {
                if let FactorValues::Elementwise(factor) = block.factor.of(chunk) {
                    let scaled =
                        |j: usize, v| scale_by_power_of_two(v, deltas.exponents[j] - target);
                    let values = &mut self.values[block.range.clone()];
                    add_elementwise(rows(&deltas.values, all), scaled, factor, values);
                }
            }
            // A few rows for all blocks, so that δ comes from afar once.
            for first in all.clone().step_by(PANEL) {
                let panel = first..all.end.min(first + PANEL);
                let own = rows(&deltas.values, &panel);
                if !agree {
                    self.deltas.set(own);
                    self.deltas.change_columns(|j, column| {
                        scale_slice(column, deltas.exponents[j] - target);
                    });
                }
                let mut is_laid_out = !agree;
                let within = first - all.start..panel.end - all.start;
                for block in blocks {
                    let values = &mut self.values[block.range.clone()];
                    match block.factor.of(chunk) {
                        FactorValues::Elementwise(_) => {}
                        FactorValues::Ones => {
                            let sums = &mut values[within.clone()];
                            if is_laid_out {
                                self.deltas.add_columns(sums);
                            } else {
                                kernels::add_columns(own, sums);
                            }
                        }
                        FactorValues::Matrix(factor) => {
                            let mut sums = ViewMut::from_slice(values, all.len(), block.columns);
                            let sums = sums.rows_range_mut(within.clone());
                            let deltas = &mut self.deltas;
                            if is_laid_out {
                                deltas.multiply_by_transpose(start, factor, sums);
                            } else if block.columns >= WORTH_LAYING_OUT {
                                deltas.set_and_multiply_by_transpose(own, start, factor, sums);
                                is_laid_out = true;
                            } else {
                                kernels::multiply_by_transpose(start, own, factor, sums);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Probe for ParameterGradient {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: false,
        }
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        self.add(chunk);
    }
}

/// Adds δ ⊙ `factor` to `sums`, one for each parameter: over all columns, and over the rows k, K + k,
/// 2K + k, … of parameter k of K. `scaled` brings an entry of δ's column j to the scale of the sums.
pub(super) fn add_elementwise(
    delta: View,
    scaled: impl Fn(usize, f64) -> f64,
    factor: View,
    sums: &mut [f64],
) {
    let columns = delta.column_iter().zip(factor.column_iter());
    for (j, (delta, factor)) in columns.enumerate() {
        let parts = delta.as_slice().chunks_exact(sums.len());
        for (delta, factor) in parts.zip(factor.as_slice().chunks_exact(sums.len())) {
            for ((sum, delta), factor) in sums.iter_mut().zip(delta).zip(factor) {
                *sum += scaled(j, *delta) * factor;
            }
        }
    }
}

/// Columns of W from which on it pays to lay δ out: its columns lie a power of two apart as a rule, which
/// caches keep in a few places only, and products read it once for every few columns of W.
const WORTH_LAYING_OUT: usize = 32;

/// Columns of an adjoint are held below 2 to this power (they are rescaled at 2²⁰⁰), and δ, an
/// adjoint times slopes, not far from it.
const LARGEST_COLUMN: i64 = 256;

/// 2 to minus this power is the smallest number above zero, with a margin.
const SMALLEST_F64: i64 = 1100;

/// An exponent for all columns: their own if they agree and hold numbers of ordinary size, else
/// that of the largest column; `None` if all are zero.
fn common_exponent(deltas: Scaled) -> Option<i64> {
    let first = *deltas.exponents.first()?;
    if deltas.exponents.iter().all(|own| *own == first) && deltas.has_sound_columns() {
        return Some(first);
    }
    let mut largest = None;
    deltas.column_squares(|block| {
        let of_roots = block.iter().filter_map(|(square, exponent)| {
            // Half the exponent of the square, which is no less than 10⁻²⁰⁰ or 0.
            let own = ((square.to_bits() >> 52) as i64 - 1023) / 2;
            (*square > 0.0).then_some(own + exponent)
        });
        largest = largest.max(of_roots.max());
    });
    largest
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;
    use crate::cell::Factor;

    /// Rows of δ: three that no block has, and more than a panel.
    const ROWS: std::ops::Range<usize> = 3..PANEL + 11;
    const COLUMNS: usize = 6;

    /// Small integers, whose products add up exactly in any order.
    fn filled(rows: usize, salt: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, COLUMNS, |i, j| {
            ((i * 31 + j * 17 + salt * 7) % 13) as f64 - 6.0
        })
    }

    /// Blocks of the same rows: W of `wide` columns of the state, of two of the input, and a bias.
    fn blocks(wide: usize) -> Vec<ParameterBlock> {
        let rows = ROWS.len();
        let factors = [
            (Factor::Previous(1..1 + wide), wide),
            (Factor::Input, 2),
            (Factor::Constant, 1),
        ];
        let mut end = 0;
        let block = |(factor, columns)| {
            let range = end..end + rows * columns;
            end = range.end;
            ParameterBlock {
                name: String::new(),
                factor,
                rows: ROWS,
                columns,
                range,
            }
        };
        factors.into_iter().map(block).collect()
    }

    /// Chunks whose columns have one scale, and others: each is added to what is there, in all rows.
    #[test]
    fn chunks_of_any_scales_add_up_in_all_rows() {
        const AGREE: [i64; COLUMNS] = [0; COLUMNS];
        const DIFFER: [i64; COLUMNS] = [0, 3, -2, 1, 0, 5];
        let scales = [
            [AGREE, AGREE],
            [AGREE, DIFFER],
            [DIFFER, AGREE],
            [DIFFER, DIFFER],
        ];
        // δ where it lies, and laid out.
        let widths = [3, WORTH_LAYING_OUT + 5];
        for (scales, wide) in scales
            .iter()
            .flat_map(|scales| widths.map(|wide| (scales, wide)))
        {
            let blocks = blocks(wide);
            let mut gradient = ParameterGradient {
                values: vec![0.0; blocks.last().unwrap().range.end],
                exponent: 0,
                blocks,
                is_zero: true,
                deltas: Packed::default(),
            };
            let mut expected = DMatrix::zeros(ROWS.len(), wide + 3);
            for (salt, exponents) in scales.iter().enumerate() {
                let (deltas, previous) = (filled(ROWS.end, salt), filled(wide + 2, salt + 2));
                let inputs = filled(2, salt + 4);
                let states = Scaled {
                    values: previous.as_view(),
                    exponents,
                };
                gradient.backward_chunk(&BackwardChunk {
                    first_step: 1,
                    batch: COLUMNS,
                    carried: states,
                    nodes: states,
                    differing: 0..0,
                    deltas: Scaled {
                        values: deltas.as_view(),
                        exponents,
                    },
                    previous: previous.as_view(),
                    next: previous.as_view(),
                    saved: previous.rows(0, 0),
                    inputs: inputs.as_view(),
                });
                for (i, row) in ROWS.enumerate() {
                    for (j, exponent) in exponents.iter().enumerate() {
                        let delta = deltas[(row, j)] * 2.0_f64.powi(*exponent as i32);
                        for k in 0..wide {
                            expected[(i, k)] += delta * previous[(1 + k, j)];
                        }
                        for k in 0..2 {
                            expected[(i, wide + k)] += delta * inputs[(k, j)];
                        }
                        expected[(i, wide + 2)] += delta;
                    }
                }
            }
            assert_eq!(gradient.to_f64(), expected.as_slice(), "{scales:?}, {wide}");
        }
    }
}
