//! What a vanilla RNN does unit by unit on the way back and along a tangent: everything but the matrix
//! products, each pass over all units and sequences once, eight units at a time.

use std::ops::Range;

use gradient_tracking::{AdjointsMut, AffineMap, Points, View, ViewMut};
use kernels::simd::{LANES, Pass, Simd};
use kernels::{Epilogue, entries, entries_mut};

use crate::Activation;

/// n steps, h_t = φ(W_hh·h_{t−1} + W_ih·x_t + b).
///
/// Shapes: `inputs` I×(n·B), `states` H×((n+1)·B).
pub struct Steps<'a> {
    pub affine: &'a AffineMap,
    pub activation: Activation,
    pub inputs: View<'a>,
    pub states: ViewMut<'a>,
}

impl Pass for Steps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let batch = self.states.ncols() - self.inputs.ncols();
        if const { S::KEEPS_STATE } && batch == 1 && self.affine.input() > 0 {
            let done = match self.affine.hidden() {
                8 => self.in_registers::<S, 1>(simd),
                16 => self.in_registers::<S, 2>(simd),
                32 => self.in_registers::<S, 4>(simd),
                _ => false,
            };
            if done {
                return;
            }
        }
        for k in (0..self.inputs.ncols()).step_by(batch) {
            let (previous, next) = self
                .states
                .columns_range_pair_mut(k..k + batch, k + batch..k + 2 * batch);
            self.affine.activated_within(
                simd,
                self.inputs.columns(k, batch),
                previous.as_view(),
                next,
                self.activation,
            );
        }
    }
}

impl Steps<'_> {
    /// The steps of one sequence of 8K units, h_t in registers: false if the columns do not lie one
    /// after the other or there are no inputs, and nothing is done.
    #[inline(always)]
    fn in_registers<S: Simd, const K: usize>(&mut self, simd: S) -> bool {
        let (Some(inputs), Some(states)) = (entries(&self.inputs), entries_mut(&mut self.states))
        else {
            return false;
        };
        if inputs.is_empty() {
            return false;
        }
        let (initial, states) = states.split_at_mut(K * LANES);
        let mut h: [S::V; K] = simd.load_all(initial);
        let inputs = inputs.chunks_exact(self.affine.input());
        for (input, next) in inputs.zip(states.chunks_exact_mut(K * LANES)) {
            let a: [S::V; K] = self.affine.activations_in_registers(simd, input, h);
            h = self.activation.of(simd, a);
            simd.store_all(next, h);
        }
        true
    }
}

/// δ_t = φ'(a_t) ⊙ ∂L/∂h_t, and the node gradient: h_t has no path within its own step.
///
/// Shapes, N = m·B: `output` H×B, the others H×N.
pub struct PullBack<'a> {
    pub activation: Activation,
    pub output: View<'a>,
    pub carried: View<'a>,
    pub node: ViewMut<'a>,
    pub delta: ViewMut<'a>,
}

impl Pass for PullBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        slopes(
            simd,
            self.activation,
            self.output,
            self.carried.as_view(),
            &mut self.delta,
        );
        kernels::copy(self.carried, self.node);
    }
}

/// n steps back, δ_t as above and ∂L/∂h_{t−1} = W_hhᵀ·δ_t, while columns keep their scale. Node
/// gradients are the carried adjoints and are not written.
pub struct PullBackSteps<'a> {
    pub affine: &'a AffineMap,
    pub activation: Activation,
    pub along: &'a Points<'a>,
    pub adjoints: AdjointsMut<'a>,
    pub squares: (f64, f64),
}

impl Pass for PullBackSteps<'_> {
    /// How many.
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> usize {
        if const { S::KEEPS_STATE } && self.adjoints.columns == 1 {
            let done = match self.affine.hidden() {
                8 => self.in_registers::<S, 1>(simd),
                16 => self.in_registers::<S, 2>(simd),
                32 => self.in_registers::<S, 4>(simd),
                _ => None,
            };
            if let Some(done) = done {
                return done;
            }
        }
        let AdjointsMut {
            mut carried,
            mut deltas,
            columns: n,
            ..
        } = self.adjoints;
        let (low, high) = self.squares;
        let steps = self.along.steps();
        for k in (0..steps).rev() {
            let (mut previous, carried) =
                carried.columns_range_pair_mut(k * n..(k + 1) * n, (k + 1) * n..(k + 2) * n);
            let mut delta = deltas.columns_range_mut(k * n..(k + 1) * n);
            slopes(
                simd,
                self.activation,
                self.along.step(k).next,
                carried.as_view(),
                &mut delta,
            );
            self.affine
                .pull_back_recurrent_within(simd, delta.as_view(), previous.as_view_mut());
            if !kernels::columns_lie_within_of(simd, previous.as_view(), low, high) {
                return steps - k;
            }
        }
        steps
    }
}

impl PullBackSteps<'_> {
    /// The steps of one sequence of 8K units, the adjoint in registers: `None` if the columns do
    /// not lie one after the other, and nothing is done.
    #[inline(always)]
    fn in_registers<S: Simd, const K: usize>(&mut self, simd: S) -> Option<usize> {
        let hidden = K * LANES;
        let (low, high) = self.squares;
        let steps = self.along.steps();
        let states = entries(&self.along.states)?;
        let deltas = entries_mut(&mut self.adjoints.deltas)?;
        let (carried, last) = entries_mut(&mut self.adjoints.carried)?.split_at_mut(steps * hidden);
        let mut adjoint: [S::V; K] = simd.load_all(last);
        let written = (deltas.chunks_exact_mut(hidden)).zip(carried.chunks_exact_mut(hidden));
        let along = states[hidden..].chunks_exact(hidden).zip(written);
        for (done, (h, (delta, previous))) in (1..).zip(along.rev()) {
            let mut slopes: [S::V; K] = simd.load_all(h);
            for (slope, adjoint) in slopes.iter_mut().zip(adjoint) {
                *slope = self.activation.slope_times(simd, *slope, adjoint);
            }
            simd.store_all(delta, slopes);
            adjoint = self.affine.pull_back_recurrent_in_registers(simd, slopes);
            simd.store_all(previous, adjoint);
            if !kernels::lies_within_of(simd, [adjoint], low, high) {
                return Some(done);
            }
        }
        Some(steps)
    }
}

#[inline(always)]
fn slopes<S: Simd>(
    simd: S,
    activation: Activation,
    output: View,
    carried: View,
    delta: &mut ViewMut,
) {
    let whole = (entries(&output), entries(&carried), entries_mut(delta));
    if let (Some(h), Some(carried), Some(delta)) = whole
        && h.len() == carried.len()
    {
        return slopes_of(simd, activation, h, carried, delta);
    }
    let batch = output.ncols();
    let columns = carried.column_iter().zip(delta.column_iter_mut());
    for (j, (carried, mut delta)) in columns.enumerate() {
        let h = output.column(j % batch);
        let (h, carried) = (h.as_slice(), carried.as_slice());
        slopes_of(simd, activation, h, carried, delta.as_mut_slice());
    }
}

#[inline(always)]
fn slopes_of<S: Simd>(
    simd: S,
    activation: Activation,
    h: &[f64],
    carried: &[f64],
    delta: &mut [f64],
) {
    let mut k = 0;
    // Whole vectors apart, whose loads and stores need not ask how many numbers there are.
    while k + LANES <= h.len() {
        units(simd, activation, h, carried, delta, k..k + LANES);
        k += LANES;
    }
    if k < h.len() {
        units(simd, activation, h, carried, delta, k..h.len());
    }
}

/// Up to eight units.
#[inline(always)]
fn units<S: Simd>(
    simd: S,
    activation: Activation,
    h: &[f64],
    carried: &[f64],
    delta: &mut [f64],
    rows: Range<usize>,
) {
    let h = simd.load(&h[rows.clone()], 0);
    let carried = simd.load(&carried[rows.clone()], 0);
    let slope = activation.slope_times(simd, h, carried);
    simd.store(&mut delta[rows], 0, slope);
}

/// ḣ_t = φ'(a_t) ⊙ ȧ_t, with ȧ_t = W_hh·ḣ_{t−1}, which the caller brings.
///
/// Shapes, N = m·B: `output` H×B, the others H×N.
pub struct PushForward<'a> {
    pub activation: Activation,
    pub output: View<'a>,
    pub tangent: View<'a>,
    pub next: ViewMut<'a>,
}

impl Pass for PushForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let batch = self.output.ncols();
        let columns = self.tangent.column_iter().zip(self.next.column_iter_mut());
        for (j, (tangent, mut next)) in columns.enumerate() {
            let h = self.output.column(j % batch);
            let (h, tangent) = (h.as_slice(), tangent.as_slice());
            let next = next.as_mut_slice();
            for k in (0..h.len()).step_by(LANES) {
                let (h, tangent) = (simd.load(h, k), simd.load(tangent, k));
                simd.store(next, k, self.activation.slope_times(simd, h, tangent));
            }
        }
    }
}
