//! Forward in time.

use kernels::{View, ViewMut};

use crate::cell::{CellShape, RecurrentCell};
use crate::probe::{ForwardStep, Probe};
use crate::tape::Tape;
use crate::workspace::{Workspace, chunks};

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
/// [`NonFinite::State`] at the first step whose state is not finite.
///
/// # Panics
/// If the shapes do not fit the cell, or if T or B is 0.
pub fn rollout(
    cell: &dyn RecurrentCell,
    inputs: View,
    initial: View,
    tape: &mut Tape,
    workspace: &mut Workspace,
    probes: &mut [&mut dyn Probe],
) -> Result<(), NonFinite> {
    let shape = cell.shape();
    let batch = initial.ncols();
    let steps = steps_of(shape, inputs, batch);
    assert_eq!(initial.nrows(), shape.state, "rows of the initial state");
    tape.prepare(shape, steps, batch);
    tape.initial_mut().copy_from(&initial);
    for chunk in chunks(steps, batch) {
        let columns = chunk.len() * batch;
        let first = (chunk.start - 1) * batch;
        let projected = Workspace::slice(&mut workspace.projected, shape.delta * columns);
        cell.project(
            inputs.columns(first, columns),
            ViewMut::from_slice(projected, shape.delta, columns),
        );
        for t in chunk.clone() {
            let size = shape.delta * batch;
            let offset = (t - chunk.start) * size;
            let activations =
                View::from_slice(&projected[offset..offset + size], shape.delta, batch);
            let (previous, next, saved) = tape.step_mut(t);
            cell.step(activations, previous, next, saved);
            // A finite sum has finite terms; an infinite one may be a sum of large terms, so look.
            let state = tape.state(t);
            if !state.sum().is_finite() && state.iter().any(|v| !v.is_finite()) {
                return Err(NonFinite::State { t });
            }
            let step = ForwardStep {
                t,
                input: inputs.columns((t - 1) * batch, batch),
                point: tape.point(t),
            };
            for probe in probes.iter_mut() {
                probe.forward(&step);
            }
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
