//! Forward and back with a tape of about √T steps, for horizons whose whole trajectory would not fit
//! into memory.
//!
//! On the way forward only the state at the start of each segment is kept; on the way back each
//! segment is rolled out once more from there (Chen, Xu, Zhang & Guestrin 2016, arXiv:1604.06174,
//! for sequences). That is one more rollout, and the same numbers bit for bit: segments begin where
//! chunks of steps do, and nothing else depends on where they lie.

use std::num::NonZeroUsize;
use std::ops::Range;

use kernels::View;
use nalgebra::DMatrix;

use crate::backpropagation::WayBack;
use crate::cell::RecurrentCell;
use crate::probe::Probe;
use crate::rollout::{NonFinite, roll_on};
use crate::source::AdjointSource;
use crate::tape::Tape;
use crate::workspace::{Workspace, chunk_steps};

/// Inputs that need not all exist at once.
pub trait Inputs {
    /// x_t for the given times (from 1), steps one after the other: I×(n·B).
    ///
    /// Asked for segment by segment, in order, and once more in reversed order: the same times
    /// must give the same numbers.
    fn segment(&mut self, times: Range<usize>) -> View<'_>;
}

/// The probes of both directions.
pub struct Probes<'a, 'p> {
    /// Shown every step of the rollout, once.
    pub forward: &'a mut [&'p mut dyn Probe],
    /// Shown every step of the way back.
    pub backward: &'a mut [&'p mut dyn Probe],
}

/// Steps per segment for T steps of B sequences: the multiple of [`chunk_steps`] next above √T, where
/// a segment's tape is about as large as all the states at segments' starts.
pub fn segment_steps(steps: usize, batch: usize) -> usize {
    let chunk = chunk_steps(batch);
    steps.isqrt().max(1).div_ceil(chunk) * chunk
}

/// How far a trajectory goes and how much of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// T.
    pub steps: usize,
    /// Steps on the tape at once: T or more for the whole trajectory, else a multiple of
    /// [`chunk_steps`], such as [`segment_steps`].
    pub segment: usize,
    /// τ, as for [`backpropagate`](crate::backpropagate()).
    pub truncation: Option<NonZeroUsize>,
}

/// [`rollout`](crate::rollout()) and [`backpropagate`](crate::backpropagate()) in one, segment by
/// segment, with the same results bit for bit.
///
/// Shapes: `initial` S×B.
///
/// # Errors
/// As those two.
///
/// # Panics
/// As those two, and if a segment does not end where a chunk does.
pub fn with_checkpoints(
    cell: &dyn RecurrentCell,
    horizon: Horizon,
    inputs: &mut dyn Inputs,
    initial: View,
    source: &mut dyn AdjointSource,
    (tape, workspace): (&mut Tape, &mut Workspace),
    probes: Probes,
) -> Result<(), NonFinite> {
    let Horizon {
        steps,
        segment,
        truncation,
    } = horizon;
    let batch = initial.ncols();
    let length = segment.min(steps);
    let segments = steps.div_ceil(length);
    let times = |k: usize| 1 + k * length..(1 + (k + 1) * length).min(steps + 1);
    let state_size = initial.nrows() * batch;
    let mut starts = DMatrix::zeros(initial.nrows(), batch * segments);
    kernels::copy(initial, starts.columns_mut(0, batch).as_view_mut());
    for k in 0..segments {
        let start = starts.columns(k * batch, batch);
        let inputs = inputs.segment(times(k));
        roll_on(cell, inputs, start, k * length, tape, probes.forward)?;
        if k + 1 < segments {
            let end = tape.state(times(k).end - 1);
            let next = &mut starts.as_mut_slice()[(k + 1) * state_size..][..state_size];
            kernels::copy(end, kernels::ViewMut::from_slice(next, end.nrows(), batch));
        }
    }
    let mut way = WayBack::new(cell, steps, batch, truncation, workspace);
    for k in (0..segments).rev() {
        let inputs = inputs.segment(times(k));
        // The last segment is still on the tape.
        if k + 1 < segments {
            let start = starts.columns(k * batch, batch);
            roll_on(cell, inputs, start, k * length, tape, &mut [])?;
        }
        way.segment(inputs, tape, source, probes.backward)?;
    }
    way.finish(initial, probes.backward);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_whole_chunks_about_the_root_of_the_horizon() {
        assert_eq!(segment_steps(1_000_000, 1), 1024);
        assert_eq!(segment_steps(1_000_000, 16), 1024);
        assert_eq!(segment_steps(10_000, 16), 128);
        assert_eq!(segment_steps(1, 1), 512);
        assert_eq!(segment_steps(3, 1000), 1);
    }
}
