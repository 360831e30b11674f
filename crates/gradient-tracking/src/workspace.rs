//! Buffers of the rollout and of the way back, reused from run to run.

use std::ops::Range;

/// Scratch memory; grows to the largest run seen and is then allocated no more.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// W_ih·X + b of one chunk, P×(n·B).
    pub(crate) projected: Vec<f64>,
    /// δ of one chunk, P×(n·B), and its exponents.
    pub(crate) deltas: Vec<f64>,
    pub(crate) delta_exponents: Vec<i64>,
    /// Adjoints of one step, S×B each.
    pub(crate) carried: Vec<f64>,
    pub(crate) arrived: Vec<f64>,
    pub(crate) previous: Vec<f64>,
    pub(crate) node: Vec<f64>,
    pub(crate) exponents: Vec<i64>,
    /// The loss's direct derivative, H×B.
    pub(crate) injected: Vec<f64>,
    pub(crate) injected_exponents: Vec<i64>,
}

impl Workspace {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first `size` values of a buffer, made large enough; contents are unspecified.
    pub(crate) fn slice(buffer: &mut Vec<f64>, size: usize) -> &mut [f64] {
        if buffer.len() < size {
            buffer.resize(size, 0.0);
        }
        &mut buffer[..size]
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

/// The ranges of t = 1…T that are treated together.
pub(crate) fn chunks(
    steps: usize,
    batch: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    let length = chunk_steps(batch);
    (0..steps.div_ceil(length)).map(move |k| {
        let start = 1 + k * length;
        start..(start + length).min(steps + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_step_once_in_order() {
        for (steps, batch) in [(1, 1), (512, 1), (513, 1), (100, 16), (7, 10_000)] {
            let covered: Vec<_> = chunks(steps, batch).flatten().collect();
            assert_eq!(covered, (1..=steps).collect::<Vec<_>>());
        }
    }
}
