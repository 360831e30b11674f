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
use crate::probe::{Probe, ProbeList};
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

/// The probes of one layer, for both directions.
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

/// [`rollout_layers`](crate::rollout_layers) and
/// [`backpropagate_layers`](crate::backpropagate_layers) in one, segment by segment, with the same
/// results bit for bit.
///
/// Everything that there is one of for each layer begins with the layer that sees the inputs.
/// Shapes: `initial` S×B each.
///
/// # Errors
/// As those two.
///
/// # Panics
/// As those two, and if a segment does not end where a chunk does.
pub fn with_checkpoints(
    layers: &[&dyn RecurrentCell],
    horizon: Horizon,
    inputs: &mut dyn Inputs,
    initial: &[View],
    source: &mut dyn AdjointSource,
    (tapes, workspaces): (&mut [Tape], &mut [Workspace]),
    probes: &mut [Probes],
) -> Result<(), NonFinite> {
    let Horizon {
        steps,
        segment,
        truncation,
    } = horizon;
    let (mut forward, mut backward): (Vec<ProbeList>, Vec<ProbeList>) = probes
        .iter_mut()
        .map(|Probes { forward, backward }| (&mut **forward, &mut **backward))
        .unzip();
    let batch = initial[0].ncols();
    let length = segment.min(steps);
    let segments = steps.div_ceil(length);
    let times = |k: usize| 1 + k * length..(1 + (k + 1) * length).min(steps + 1);
    // Of each layer, side by side.
    let mut starts: Vec<DMatrix<f64>> = initial
        .iter()
        .map(|initial| {
            let mut starts = DMatrix::zeros(initial.nrows(), batch * segments);
            starts.columns_mut(0, batch).copy_from(initial);
            starts
        })
        .collect();
    for k in 0..segments {
        let start = starts_of(&starts, k, batch);
        let inputs = inputs.segment(times(k));
        roll_on(layers, inputs, &start, k * length, tapes, &mut forward)?;
        if k + 1 < segments {
            for (starts, tape) in starts.iter_mut().zip(tapes.iter()) {
                let mut next = starts.columns_mut((k + 1) * batch, batch);
                next.copy_from(&tape.state(times(k).end - 1));
            }
        }
    }
    let mut way = WayBack::new(layers, steps, batch, truncation, workspaces);
    for k in (0..segments).rev() {
        let inputs = inputs.segment(times(k));
        // The last segment is still on the tapes.
        if k + 1 < segments {
            let start = starts_of(&starts, k, batch);
            roll_on(layers, inputs, &start, k * length, tapes, &mut [])?;
        }
        way.segment(inputs, tapes, source, &mut backward)?;
    }
    way.finish(initial.iter().copied(), &mut backward);
    Ok(())
}

/// The states with which segment `k` begins, of each layer.
fn starts_of(starts: &[DMatrix<f64>], k: usize, batch: usize) -> Vec<View<'_>> {
    let layers = starts.iter();
    layers
        .map(|starts| starts.columns(k * batch, batch))
        .collect()
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
