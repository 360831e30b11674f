//! ∂L_b/∂W of every sequence b on its own: the gradient with respect to all parameters, before the sum
//! over the batch.
//!
//! Where sequences differ in an input that is held, or are examples of one batch, this is the gradient
//! that each of them asks for. It has no large product to be taken over sequences, so it costs what the
//! parameter gradient costs for sequences that are run one by one. Memory: |W|·B numbers.

use kernels::View;

use crate::cell::{FactorValues, ParameterBlock, Trainable};
use crate::probe::{BackwardChunk, Probe, Watches};
use crate::probes::parameter_gradient::add_elementwise;
use crate::scaled::{Scaled, scale_by_power_of_two, scale_slice};

/// Adds up Σ_t δ_t·factor_tᵀ of each sequence. A sum has one exponent for each sequence, so a gradient
/// that explodes or vanishes keeps its precision beside others that do not.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceGradients {
    /// Mantissas: for each sequence one after the other, laid out as [`Trainable::parameter_blocks`]
    /// say.
    values: Vec<f64>,
    /// The power of two of each sequence, and whether nothing but zeros has been added so far.
    exponents: Vec<(i64, bool)>,
    parameters: usize,
    blocks: Vec<ParameterBlock>,
}

impl SequenceGradients {
    /// Zero, for the parameters of `cell` and `batch` sequences.
    pub fn new(cell: &dyn Trainable, batch: usize) -> Self {
        let blocks = cell.parameter_blocks();
        // What enters the pre-activations, which need not be the parameters themselves.
        let parameters = blocks.last().map_or(0, |block| block.range.end);
        SequenceGradients {
            values: vec![0.0; parameters * batch],
            exponents: vec![(0, true); batch],
            parameters,
            blocks: blocks.to_vec(),
        }
    }

    /// The gradient of one sequence as plain numbers, 0 or ±∞ where f64 cannot hold them.
    ///
    /// # Panics
    /// If there is no such sequence.
    pub fn to_f64(&self, sequence: usize) -> Vec<f64> {
        let values = &self.values[sequence * self.parameters..][..self.parameters];
        let (exponent, _) = self.exponents[sequence];
        let plain = |v: &f64| scale_by_power_of_two(*v, exponent);
        values.iter().map(plain).collect()
    }

    /// log₁₀ of the Frobenius norm of each block, with its name, of each sequence; −∞ for an exact
    /// zero.
    pub fn log10_norms(&self) -> impl Iterator<Item = (&str, Vec<f64>)> {
        self.blocks.iter().map(|block| {
            let of_sequence = self.values.chunks_exact(self.parameters.max(1));
            let norms = of_sequence
                .zip(&self.exponents)
                .map(|(values, (exponent, _))| {
                    let values = &values[block.range.clone()];
                    let norm = Scaled {
                        values: View::from_slice(values, values.len(), 1),
                        exponents: &[*exponent],
                    };
                    norm.log10_norm()
                });
            (block.name.as_str(), norms.collect())
        })
    }
}

impl Probe for SequenceGradients {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: false,
        }
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        let batch = chunk.batch;
        let deltas = chunk.deltas;
        for column in (0..deltas.exponents.len()).rev() {
            let sequence = column % batch;
            let delta = deltas.values.column(column);
            let delta = delta.as_slice();
            if delta.iter().all(|v| *v == 0.0) {
                continue;
            }
            let values = &mut self.values[sequence * self.parameters..][..self.parameters];
            let (exponent, is_zero) = &mut self.exponents[sequence];
            let own = deltas.exponents[column];
            if *is_zero || own > *exponent {
                scale_slice(values, *exponent - own);
                (*exponent, *is_zero) = (own, false);
            }
            let scale = scale_by_power_of_two(1.0, own - *exponent);
            for block in &self.blocks {
                let rows = block.rows.len();
                let delta = &delta[block.rows.clone()];
                let sum = &mut values[block.range.clone()];
                let add = |sum: &mut [f64], factor: f64| {
                    for (sum, delta) in sum.iter_mut().zip(delta) {
                        *sum += delta * factor;
                    }
                };
                match block.factor.of(chunk) {
                    FactorValues::Ones => add(sum, scale),
                    FactorValues::Elementwise(factors) => {
                        let delta = View::from_slice(delta, delta.len(), 1);
                        let factors = factors.columns(column, 1);
                        add_elementwise(delta, |_, v| v * scale, factors, sum);
                    }
                    FactorValues::Matrix(factors) => {
                        let sums = sum.chunks_exact_mut(rows.max(1));
                        for (sum, factor) in sums.zip(factors.column(column).iter()) {
                            add(sum, factor * scale);
                        }
                    }
                }
            }
        }
    }
}
