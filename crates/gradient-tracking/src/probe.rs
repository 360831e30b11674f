//! Observers of a trajectory and of its adjoint.
//!
//! A probe is pushed every step and keeps what it wants; it can neither fail nor stop the run, and
//! does no I/O. What it needs per step it allocates when it is made. Both hooks do nothing unless
//! a probe says otherwise.

use std::ops::Range;

use kernels::View;

use crate::cell::Point;
use crate::scaled::Scaled;

/// One step of the rollout, t = 1…T.
#[derive(Clone, Copy, Debug)]
pub struct ForwardStep<'a> {
    /// t.
    pub t: usize,
    /// x_t, I×B.
    pub input: View<'a>,
    /// s_{t−1}, s_t and what the step saved.
    pub point: Point<'a>,
}

/// One step of the way back, t = T…0.
#[derive(Clone, Copy, Debug)]
pub struct BackwardStep<'a> {
    /// t; its lag is k = T − t.
    pub t: usize,
    /// s_t, S×B.
    pub state: View<'a>,
    /// The step that led to s_t; `None` at t = 0.
    pub point: Option<Point<'a>>,
    /// ∂L/∂s_t as it came from step t+1, before anything was added at t, S×B.
    pub arrived: Scaled<'a>,
    /// What enters h_t from outside the layer, H×B: the loss's direct derivative, or, below another
    /// layer, what comes down from it at the same step. `None` where nothing does.
    pub injected: Option<Scaled<'a>>,
    /// The carried adjoint ∂L/∂s_t, the coordinates of s_t independent, those of a layer above too:
    /// `arrived`, and in the top layer what the loss injects, S×B.
    pub carried: Scaled<'a>,
    /// The gradients with respect to s_t as nodes of the graph, S×B.
    pub node: Scaled<'a>,
    /// Whether truncation detaches this state: what arrived goes no further back than here.
    pub cut: bool,
    /// The part of `injected` that goes on from here: all of it, except below another layer whose
    /// own state is detached at this step.
    pub kept: Option<Scaled<'a>>,
}

/// The adjoints of a run of consecutive steps, handed over together so that products and sums over
/// them are large. Chunks come in order of falling t; their lengths depend on T and B alone.
#[derive(Clone, Debug)]
pub struct BackwardChunk<'a> {
    /// The smallest t of the chunk; it covers `first_step` … `first_step` + n − 1.
    pub first_step: usize,
    /// B.
    pub batch: usize,
    /// The carried adjoints ∂L/∂s_t, as of [`BackwardStep`], S×(n·B).
    pub carried: Scaled<'a>,
    /// The node gradients, S×(n·B).
    pub nodes: Scaled<'a>,
    /// The rows in which the two may differ.
    pub differing: Range<usize>,
    /// δ_t = ∂L/∂a_t, P×(n·B).
    pub deltas: Scaled<'a>,
    /// s_{t−1} for the same steps, S×(n·B).
    pub previous: View<'a>,
    /// s_t for the same steps, S×(n·B).
    pub next: View<'a>,
    /// What the same steps saved, R×(n·B).
    pub saved: View<'a>,
    /// x_t for the same steps, I×(n·B).
    pub inputs: View<'a>,
}

impl BackwardChunk<'_> {
    /// The times of its steps.
    pub fn times(&self) -> Range<usize> {
        self.first_step..self.first_step + self.inputs.ncols() / self.batch
    }
}

/// The probes of one layer.
pub type ProbeList<'a, 'p> = &'a mut [&'p mut dyn Probe];

/// An observer.
pub trait Probe {
    /// After step t of the rollout.
    fn forward(&mut self, _step: &ForwardStep) {}

    /// After step t of the way back.
    fn backward(&mut self, _step: &BackwardStep) {}

    /// After a chunk of steps of the way back.
    fn backward_chunk(&mut self, _chunk: &BackwardChunk) {}

    /// Which steps the first two want to be shown: calls that do nothing cost as much as a step of a
    /// small network. All of them, unless a probe says otherwise.
    fn watches(&self) -> Watches {
        Watches {
            forward: true,
            backward: true,
        }
    }
}

/// The steps that a probe wants to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watches {
    /// Those of the rollout.
    pub forward: bool,
    /// Those of the way back, down to t = 1. The state at t = 0 is shown in any case.
    pub backward: bool,
}
