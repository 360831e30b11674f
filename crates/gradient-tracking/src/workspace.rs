//! Buffers of the way back, reused from run to run.

use std::ops::Range;

use kernels::Buffer;

/// Scratch memory; grows to the largest run seen and is then allocated no more.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// Of one chunk: δ, P×(n·B), the node gradients, S×(n·B), the carried adjoints, S×((n+1)·B),
    /// those of the state before the first step in front; and the exponents of all.
    pub(crate) deltas: Buffer,
    pub(crate) nodes: Buffer,
    pub(crate) carried: Buffer,
    pub(crate) delta_exponents: Vec<i64>,
    /// Adjoints of one step, S×B each: before the loss was added; and what nobody is shown.
    pub(crate) arrived: Buffer,
    pub(crate) unseen: Buffer,
    /// Of the adjoint at hand.
    pub(crate) exponents: Vec<i64>,
    /// The loss's direct derivative, H×B.
    pub(crate) injected: Buffer,
    pub(crate) injected_exponents: Vec<i64>,
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
