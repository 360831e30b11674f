//! ∂L/∂W: the gradient with respect to all parameters.

use kernels::{Update, View, ViewMut};

use crate::cell::{Factor, ParameterBlock, Trainable};
use crate::probe::{BackwardChunk, Probe};
use crate::scaled::{Scaled, scale_by_power_of_two, scale_slice};

/// Adds up Σ_t δ_t·factor_tᵀ, chunk by chunk.
///
/// The sum has one exponent: its value is `values · 2^exponent`. An adjoint that explodes or
/// vanishes therefore gives its parameter gradient in full precision too.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterGradient {
    /// Mantissas, laid out like [`Trainable::parameters`].
    pub values: Vec<f64>,
    /// The common power of two.
    pub exponent: i64,
    blocks: Vec<ParameterBlock>,
    output_rows: std::ops::Range<usize>,
    delta_rows: usize,
    /// δ brought to the common exponent, where a chunk's columns differ in theirs.
    aligned: Vec<f64>,
}

impl ParameterGradient {
    /// Zero, for the parameters of `cell` and runs of `batch` sequences.
    pub fn new(cell: &dyn Trainable, batch: usize) -> Self {
        let shape = cell.shape();
        ParameterGradient {
            values: vec![0.0; cell.parameters().len()],
            exponent: 0,
            blocks: cell.parameter_blocks().to_vec(),
            output_rows: cell.output_rows(),
            delta_rows: shape.delta,
            aligned: vec![0.0; shape.delta * batch * crate::workspace::chunk_steps(batch)],
        }
    }

    /// log₁₀ of the Frobenius norm of each block, with its name.
    pub fn log10_norms(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.blocks.iter().map(|block| {
            let values = &self.values[block.range.clone()];
            // A sum of tiny contributions may sit far below 1, so bring it up before squaring.
            let norm = crate::scaled::log10_norm_of(values, self.exponent);
            (block.name, norm)
        })
    }

    /// The gradient as plain numbers, 0 or ±∞ where f64 cannot hold them.
    pub fn to_f64(&self) -> Vec<f64> {
        self.values
            .iter()
            .map(|v| scale_by_power_of_two(*v, self.exponent))
            .collect()
    }

    fn add(&mut self, chunk: &BackwardChunk) {
        let Some(largest) = largest_column_exponent(chunk.deltas) else {
            return;
        };
        let untouched = self.values.iter().all(|v| *v == 0.0);
        let target = if untouched {
            largest
        } else {
            self.exponent.max(largest)
        };
        scale_slice(&mut self.values, self.exponent - target);
        self.exponent = target;

        let deltas = if chunk.deltas.exponents.iter().all(|e| *e == target) {
            chunk.deltas.values
        } else {
            let size = chunk.deltas.values.len();
            let aligned = &mut self.aligned[..size];
            for ((aligned, delta), exponent) in aligned
                .chunks_exact_mut(self.delta_rows)
                .zip(chunk.deltas.values.column_iter())
                .zip(chunk.deltas.exponents)
            {
                aligned.copy_from_slice(delta.as_slice());
                scale_slice(aligned, exponent - target);
            }
            View::from_slice(aligned, self.delta_rows, chunk.deltas.values.ncols())
        };
        for block in &self.blocks {
            let sum = ViewMut::from_slice(
                &mut self.values[block.range.clone()],
                self.delta_rows,
                block.columns,
            );
            match block.factor {
                Factor::Output => kernels::multiply_by_transpose(
                    Update::Add,
                    deltas,
                    crate::scaled::rows(&chunk.previous, &self.output_rows),
                    sum,
                ),
                Factor::Input => {
                    kernels::multiply_by_transpose(Update::Add, deltas, chunk.inputs, sum)
                }
                Factor::Constant => {
                    let mut sum = sum;
                    for column in deltas.column_iter() {
                        sum.column_mut(0).zip_apply(&column, |s, d| *s += d);
                    }
                }
            }
        }
    }
}

impl Probe for ParameterGradient {
    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        self.add(chunk);
    }
}

/// The largest exponent among columns that are not zero.
fn largest_column_exponent(deltas: Scaled) -> Option<i64> {
    deltas
        .values
        .column_iter()
        .zip(deltas.exponents)
        .filter(|(column, _)| column.as_slice().iter().any(|v| *v != 0.0))
        .map(|(_, exponent)| *exponent)
        .max()
}
