//! ‖∂⁺L/∂W at t‖: how much each step adds to the gradient of each parameter block.
//!
//! The contribution of step t is M = Δ·Fᵀ, Δ = δ_t (P×B), F the factor (H×B, I×B or a row of
//! ones). Its squared norm is Σ_{b,b'} (ΔᵀΔ)_{bb'} (FᵀF)_{bb'}, two Gram matrices of B×B, which is
//! cheaper than the product where B is no larger than F has rows; the sum of products can cancel
//! to just below 0, so it is clamped. Otherwise M itself is formed, in one reused buffer; and so is the
//! vector of parameters that enter elementwise.

use std::ops::Range;

use kernels::Start;
use nalgebra::DMatrix;

use crate::cell::{Factor, FactorValues, ParameterBlock, Trainable};
use crate::probe::{BackwardChunk, Probe, Watches};
use crate::probes::norms::Norms;
use crate::probes::parameter_gradient::add_elementwise;
use crate::scaled::{LogSum, largest_exponent, rows, scale_slice};

/// Contribution norms of all parameter blocks, t = 1…T (index t − 1).
#[derive(Clone, Debug, PartialEq)]
pub struct ContributionNorms {
    /// One per parameter block, with its name.
    pub blocks: Vec<(String, Norms)>,
    parameters: Vec<ParameterBlock>,
    /// δ_t at one exponent, P×B.
    delta: DMatrix<f64>,
    gram_delta: DMatrix<f64>,
    gram_factor: DMatrix<f64>,
    product: DMatrix<f64>,
    /// Σ δ ⊙ factor, as many as any block has of parameters that enter elementwise.
    elementwise: Vec<f64>,
}

impl ContributionNorms {
    /// For a run of `steps` steps of `batch` sequences.
    pub fn new(cell: &dyn Trainable, steps: usize, batch: usize) -> Self {
        let shape = cell.shape();
        let parameters = cell.parameter_blocks().to_vec();
        let widest = parameters
            .iter()
            .filter(|block| batch > block.columns)
            .map(|block| block.columns)
            .max()
            .unwrap_or(0);
        let vectors = parameters
            .iter()
            .filter(|block| matches!(block.factor, Factor::Elementwise(_)));
        let longest = vectors.map(|block| block.range.len()).max().unwrap_or(0);
        ContributionNorms {
            blocks: parameters
                .iter()
                .map(|block| (block.name.clone(), Norms::new(steps, batch, false)))
                .collect(),
            delta: DMatrix::zeros(shape.delta, batch),
            gram_delta: DMatrix::zeros(batch, batch),
            gram_factor: DMatrix::zeros(batch, batch),
            product: DMatrix::zeros(shape.delta, widest),
            elementwise: vec![0.0; longest],
            parameters,
        }
    }

    /// `columns` are those of step t in the chunk.
    fn record(&mut self, t: usize, chunk: &BackwardChunk, columns: Range<usize>) {
        let delta = chunk.deltas.values.columns_range(columns.clone());
        let exponents = &chunk.deltas.exponents[columns.clone()];
        // Columns of different sequences add up in a weight's gradient: one exponent for all. It is
        // that of δ itself, which may lie far below the adjoint whose exponent it came with.
        let own = |j: usize| Some(largest_exponent(delta.column(j).as_slice())? + exponents[j]);
        let exponent = (0..exponents.len()).filter_map(own).max().unwrap_or(0);
        kernels::copy(delta, self.delta.as_view_mut());
        for (mut column, own) in self.delta.column_iter_mut().zip(exponents) {
            scale_slice(column.as_mut_slice(), own - exponent);
        }
        let batch = columns.len();
        let all_rows = self.delta.as_view();
        let mut in_gram = None;
        for (block, (_, norms)) in self.parameters.iter().zip(&mut self.blocks) {
            let delta = rows(&all_rows, &block.rows);
            // Once for all blocks with the same rows.
            if in_gram != Some(&block.rows) {
                let gram = self.gram_delta.as_view_mut();
                kernels::multiply_transposed(Start::Zero, delta, delta, gram);
                in_gram = Some(&block.rows);
            }
            let square = match block.factor.of(chunk) {
                FactorValues::Ones => self.gram_delta.sum().max(0.0),
                FactorValues::Elementwise(factor) => {
                    let sums = &mut self.elementwise[..block.range.len()];
                    sums.fill(0.0);
                    let factor = factor.columns_range(columns.clone());
                    add_elementwise(delta, |_, v| v, factor, sums);
                    sums.iter().map(|v| v * v).sum()
                }
                FactorValues::Matrix(factor) if batch <= block.columns => {
                    let factor = factor.columns_range(columns.clone());
                    kernels::multiply_transposed(
                        Start::Zero,
                        factor,
                        factor,
                        self.gram_factor.as_view_mut(),
                    );
                    self.gram_delta.dot(&self.gram_factor).max(0.0)
                }
                FactorValues::Matrix(factor) => {
                    let factor = factor.columns_range(columns.clone());
                    let shape = (block.rows.len(), block.columns);
                    let mut product = self.product.view_mut((0, 0), shape);
                    kernels::multiply_by_transpose(
                        Start::Zero,
                        delta,
                        factor,
                        product.as_view_mut(),
                    );
                    kernels::sum_of_squares(product.as_view())
                }
            };
            norms.set_sum(t - 1, LogSum::of([(square, exponent)].into_iter()));
        }
    }
}

impl Probe for ContributionNorms {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: false,
        }
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        let batch = chunk.batch;
        for (k, t) in chunk.times().enumerate() {
            self.record(t, chunk, k * batch..(k + 1) * batch);
        }
        // Index t − 1.
        let indices = chunk.first_step - 1..chunk.times().end - 1;
        for (_, norms) in &mut self.blocks {
            norms.finish(indices.clone());
        }
    }
}
