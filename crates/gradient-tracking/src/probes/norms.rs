//! Norms of the gradient with respect to every block of the state, at every step.

use std::ops::Range;

use crate::cell::RecurrentCell;
use crate::probe::{BackwardChunk, BackwardStep, Probe, Watches};
use crate::scaled::{LogSum, Scaled};
use crate::workspace::chunk_steps;

/// log₁₀ norms of one quantity, t = 0…T.
///
/// While the adjoint flows, squares are kept with their exponents; logarithms are taken chunk by
/// chunk, eight at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Norms {
    /// Frobenius norm over the batch at each t; −∞ for an exact zero.
    pub log10_norm: Vec<f64>,
    /// If asked for: the norm of each sequence, B values at each t.
    pub per_sequence: Option<Vec<f64>>,
    /// B.
    batch: usize,
    /// Of the squares whose logarithm is not yet taken: that of index k at k mod its length.
    exponents: Vec<i64>,
}

impl Norms {
    /// Room for `length` times of `batch` sequences.
    pub(crate) fn new(length: usize, batch: usize, per_sequence: bool) -> Self {
        Norms {
            log10_norm: vec![0.0; length],
            per_sequence: per_sequence.then(|| vec![f64::NEG_INFINITY; length * batch]),
            batch,
            exponents: vec![0; chunk_steps(batch).min(length)],
        }
    }

    /// Records `values` at `index`.
    #[inline]
    pub(crate) fn set(&mut self, index: usize, values: Scaled) {
        self.set_sum(index, values.sum_of_squares());
        if let Some(all) = &mut self.per_sequence {
            let batch = values.exponents.len();
            for (j, log10_norm) in all[index * batch..(index + 1) * batch]
                .iter_mut()
                .enumerate()
            {
                *log10_norm = values.column_log10_norm(j);
            }
        }
    }

    /// Records the values of consecutive steps, no more than a chunk, and takes their logarithms.
    pub(crate) fn set_all(&mut self, first: usize, values: Scaled) {
        let (batch, length) = (self.batch, self.exponents.len());
        let indices = first..first + values.exponents.len() / batch;
        let squares = &mut self.log10_norm[indices.clone()];
        kernels::grouped_squares(values.values, batch, squares);
        for (k, square) in squares.iter_mut().enumerate() {
            let of_step = k * batch..(k + 1) * batch;
            let exponents = &values.exponents[of_step.clone()];
            let sum = Scaled::common_sum(*square, exponents).unwrap_or_else(|| {
                let values = values.values.columns_range(of_step);
                Scaled { values, exponents }.sum_of_squares()
            });
            (*square, self.exponents[(first + k) % length]) = sum.parts();
        }
        self.finish(indices);
        if let Some(all) = &mut self.per_sequence {
            let norms = &mut all[first * batch..][..values.exponents.len()];
            for (j, log10_norm) in norms.iter_mut().enumerate() {
                *log10_norm = values.column_log10_norm(j);
            }
        }
    }

    /// Records the same norms as `other`, which are finished, at these indices.
    fn copy_from(&mut self, other: &Norms, indices: Range<usize>) {
        self.log10_norm[indices.clone()].copy_from_slice(&other.log10_norm[indices.clone()]);
        if let (Some(all), Some(other)) = (&mut self.per_sequence, &other.per_sequence) {
            let columns = indices.start * self.batch..indices.end * self.batch;
            all[columns.clone()].copy_from_slice(&other[columns]);
        }
    }

    /// Records a norm by its square.
    #[inline]
    pub(crate) fn set_sum(&mut self, index: usize, sum_of_squares: LogSum) {
        let length = self.exponents.len();
        let exponent = &mut self.exponents[index % length];
        (self.log10_norm[index], *exponent) = sum_of_squares.parts();
    }

    /// Takes the logarithms of no more than a chunk, once it is recorded.
    pub(crate) fn finish(&mut self, indices: Range<usize>) {
        let length = self.exponents.len();
        let values = &mut self.log10_norm[indices.clone()];
        kernels::log10(values);
        for (value, index) in values.iter_mut().zip(indices) {
            let exponent = self.exponents[index % length];
            *value = 0.5 * *value + exponent as f64 * std::f64::consts::LOG10_2;
        }
    }
}

/// The gradients with respect to one block of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockGradients {
    /// Its name, `h` or `c`.
    pub name: String,
    rows: Range<usize>,
    /// As nodes of the graph: what PyTorch's `retain_grad` reports.
    pub node: Norms,
    /// As independent coordinates of s_t: what arrives through step t+1 and from the loss.
    pub carried: Norms,
}

/// Node and carried gradient norms of all blocks of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockNorms {
    /// In the order of the state.
    pub blocks: Vec<BlockGradients>,
}

impl BlockNorms {
    /// For a run of `steps` steps of `batch` sequences, with the norm of each sequence if asked.
    pub fn new(cell: &dyn RecurrentCell, steps: usize, batch: usize, per_sequence: bool) -> Self {
        let blocks = cell
            .state_blocks()
            .iter()
            .map(|block| BlockGradients {
                name: block.name.clone(),
                rows: block.rows.clone(),
                node: Norms::new(steps + 1, batch, per_sequence),
                carried: Norms::new(steps + 1, batch, per_sequence),
            })
            .collect();
        BlockNorms { blocks }
    }
}

impl Probe for BlockNorms {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: false,
        }
    }

    fn backward(&mut self, step: &BackwardStep) {
        // The steps come chunk by chunk; the initial state has none.
        if step.t == 0 {
            for block in &mut self.blocks {
                block.node.set_all(0, step.node.rows(&block.rows));
                block.carried.set_all(0, step.carried.rows(&block.rows));
            }
        }
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        for block in &mut self.blocks {
            let (node, carried) = (&mut block.node, &mut block.carried);
            carried.set_all(chunk.first_step, chunk.carried.rows(&block.rows));
            let differing = &chunk.differing;
            if block.rows.end <= differing.start || differing.end <= block.rows.start {
                node.copy_from(carried, chunk.times());
            } else {
                node.set_all(chunk.first_step, chunk.nodes.rows(&block.rows));
            }
        }
    }
}
