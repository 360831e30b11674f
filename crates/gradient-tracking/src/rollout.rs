//! Forward in time.

use kernels::View;

use crate::cell::{CellShape, RecurrentCell};
use crate::probe::{ForwardStep, Probe};
use crate::tape::Tape;
use crate::workspace::chunks;

/// A number left the range of f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    /// The state is NaN or infinite at this step.
    State {
        /// The first such step.
        t: usize,
    },
    /// The adjoint is NaN or infinite at this step, although it is rescaled at every step: a
    /// single Jacobian multiplied it by more than the range of f64 holds.
    Adjoint {
        /// The first such step, counted from the end.
        t: usize,
    },
}

impl std::fmt::Display for NonFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            NonFinite::State { t } => {
                write!(f, "the state overflowed (NaN or infinite) at step {t}")
            }
            NonFinite::Adjoint { t } => write!(
                f,
                "the adjoint overflowed (NaN or infinite) within the single step {t}"
            ),
        }
    }
}

impl std::error::Error for NonFinite {}

/// Runs `cell` over `inputs` from `initial` and keeps the trajectory on `tape`.
///
/// Shapes: `inputs` I×(T·B), steps one after the other; `initial` S×B, which sets B.
///
/// # Errors
/// [`NonFinite::State`] at the first step whose state is not finite. Probes may have seen that state
/// and a few after it.
///
/// # Panics
/// If the shapes do not fit the cell, or if T or B is 0.
pub fn rollout(
    cell: &dyn RecurrentCell,
    inputs: View,
    initial: View,
    tape: &mut Tape,
    probes: &mut [&mut dyn Probe],
) -> Result<(), NonFinite> {
    roll_on(cell, inputs, initial, 0, tape, probes)
}

/// [`rollout`] of a segment that begins with the state at time `first`.
pub(crate) fn roll_on(
    cell: &dyn RecurrentCell,
    inputs: View,
    initial: View,
    first: usize,
    tape: &mut Tape,
    probes: &mut [&mut dyn Probe],
) -> Result<(), NonFinite> {
    let shape = cell.shape();
    let batch = initial.ncols();
    let steps = steps_of(shape, inputs, batch);
    assert_eq!(initial.nrows(), shape.state, "rows of the initial state");
    tape.prepare(shape, first, steps, batch);
    tape.initial_mut().copy_from(&initial);
    for chunk in chunks(tape.times(), batch) {
        for t in chunk.clone() {
            let input = inputs.columns((t - first - 1) * batch, batch);
            let (previous, next, saved) = tape.step_mut(t);
            cell.step(input, previous, next, saved);
            if !probes.is_empty() {
                let point = tape.point(t);
                let step = ForwardStep { t, input, point };
                for probe in probes.iter_mut() {
                    probe.forward(&step);
                }
            }
        }
        // Looked at chunk by chunk, which costs a tenth of looking at every step.
        if !tape.is_finite(chunk.clone()) {
            let is_bad = |t: &usize| !tape.is_finite(*t..*t + 1);
            let t = chunk.clone().find(is_bad).unwrap_or(chunk.end - 1);
            return Err(NonFinite::State { t });
        }
    }
    Ok(())
}

/// T from the shape of the inputs.
pub(crate) fn steps_of(shape: CellShape, inputs: View, batch: usize) -> usize {
    assert!(batch > 0, "a batch of 0 sequences");
    assert_eq!(inputs.nrows(), shape.input, "rows of the inputs");
    assert_eq!(inputs.ncols() % batch, 0, "columns of the inputs per step");
    let steps = inputs.ncols() / batch;
    assert!(steps > 0, "a rollout of 0 steps");
    steps
}
