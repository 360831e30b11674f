//! Buffers of the way back, reused from run to run.

use std::ops::Range;

use kernels::{Buffer, View, ViewMut};

use crate::cell::RecurrentCell;
use crate::scaled::{NotFinite, Scaled, rescale};

/// Scratch memory; grows to the largest run seen and is then allocated no more.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// Of one chunk: δ, P×(n·B), the node gradients if the cell has inner paths, S×(n·B), and the adjoints, S×((n+1)·B), those
    /// of the state before its first step in front; with the exponents of the columns.
    pub(crate) deltas: Buffer,
    pub(crate) delta_exponents: Vec<i64>,
    pub(crate) nodes: Buffer,
    pub(crate) adjoints: Buffer,
    pub(crate) adjoint_exponents: Vec<i64>,
    /// Of the adjoint at hand.
    pub(crate) exponents: Vec<i64>,
    /// The adjoints before what enters from outside was added: of one step, S×B, or below another
    /// layer of the chunk.
    pub(crate) arrived: Buffer,
    pub(crate) arrived_exponents: Vec<i64>,
    /// What goes on past a detached state, S×B.
    pub(crate) resumed: Buffer,
    /// The loss's direct derivative, H×B.
    pub(crate) injected: Buffer,
    pub(crate) injected_exponents: Vec<i64>,
    /// What goes down to the layer below over one chunk.
    pub(crate) downward: Downward,
    /// The same at detached states, where the steps after them count as well.
    pub(crate) downward_at_cuts: Downward,
}

/// The gradient with respect to a layer's inputs over one chunk, I×(n·B), and its exponents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Downward {
    values: Buffer,
    exponents: Vec<i64>,
    /// I·B and B.
    step: (usize, usize),
}

impl Downward {
    /// Makes room for `steps` steps of `batch` sequences; contents are unspecified afterwards.
    pub fn prepare(&mut self, rows: usize, steps: usize, batch: usize) {
        self.step = (rows * batch, batch);
        self.values.resize(rows * batch * steps);
        self.exponents.resize(batch * steps, 0);
    }

    /// W_ihᵀ·δ of steps from `first` on, counted from the start of the chunk.
    ///
    /// # Errors
    /// The first step, counted likewise, that leaves the range of f64.
    pub fn set(
        &mut self,
        first: usize,
        cell: &dyn RecurrentCell,
        deltas: Scaled,
    ) -> Result<(), usize> {
        let (size, batch) = self.step;
        let (rows, columns) = (size / batch, deltas.exponents.len());
        let values = &mut self.values[first * size..][..rows * columns];
        let exponents = &mut self.exponents[first * batch..][..columns];
        cell.pull_back_input(deltas.values, ViewMut::from_slice(values, rows, columns));
        exponents.copy_from_slice(deltas.exponents);
        rescale(ViewMut::from_slice(values, rows, columns), exponents).map_err(|NotFinite| {
            let is_bad = |step: &[f64]| !kernels::all_finite(step);
            first + values.chunks_exact(size).position(is_bad).unwrap_or(0)
        })
    }

    /// One step, counted from the start of the chunk.
    pub fn at(&self, step: usize) -> Scaled<'_> {
        let (size, batch) = self.step;
        Scaled {
            values: View::from_slice(&self.values[step * size..][..size], size / batch, batch),
            exponents: &self.exponents[step * batch..][..batch],
        }
    }
}

impl Workspace {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Columns that a chunk aims at: enough for a product to run at full speed, few enough that the
/// chunk stays in the cache.
const CHUNK_COLUMNS: usize = 512;

/// Steps per chunk. A function of B alone, so that sums over chunks have one order whatever else
/// is recorded.
pub fn chunk_steps(batch: usize) -> usize {
    (CHUNK_COLUMNS / batch.max(1)).max(1)
}

/// The ranges of steps that are treated together. Their borders lie at multiples of
/// [`chunk_steps`], wherever a segment begins.
pub(crate) fn chunks(
    times: Range<usize>,
    batch: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    let length = chunk_steps(batch);
    assert_eq!(
        (times.start - 1) % length,
        0,
        "a segment begins within a chunk"
    );
    (0..times.len().div_ceil(length)).map(move |k| {
        let start = times.start + k * length;
        start..(start + length).min(times.end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_step_once_in_order() {
        for (steps, batch) in [(1, 1), (512, 1), (513, 1), (100, 16), (7, 10_000)] {
            let covered: Vec<_> = chunks(1..steps + 1, batch).flatten().collect();
            assert_eq!(covered, (1..=steps).collect::<Vec<_>>());
        }
    }
}
