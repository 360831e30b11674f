//! The steps of a vanilla RNN, forward, back and along a tangent, eight units at a time.

use std::ops::Range;

use gradient_tracking::{AdjointMut, AdjointsMut, CellPasses, Point, Points, View, ViewMut};
use kernels::simd::{LANES, Simd};
use kernels::{Epilogue, entries, entries_mut};

use crate::{Activation, VanillaRnn};

impl CellPasses for VanillaRnn {
    /// h_t = φ(W_hh·h_{t−1} + W_ih·x_t + b).
    #[inline(always)]
    fn step_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        previous: View,
        next: ViewMut,
        _saved: ViewMut,
    ) {
        (self.affine).activated_within(simd, input, previous, next, self.activation);
    }

    #[inline(always)]
    fn steps_at_once<S: Simd>(
        &self,
        simd: S,
        inputs: &View,
        states: &mut ViewMut,
        _saved: &mut ViewMut,
    ) -> bool {
        let batch = states.ncols() - inputs.ncols();
        if const { !S::KEEPS_STATE } || batch != 1 || self.affine.input() == 0 {
            return false;
        }
        match self.affine.hidden() {
            8 => self.steps_in_registers::<S, 1>(simd, inputs, states),
            16 => self.steps_in_registers::<S, 2>(simd, inputs, states),
            32 => self.steps_in_registers::<S, 4>(simd, inputs, states),
            _ => false,
        }
    }

    /// δ_t = φ'(a_t) ⊙ ∂L/∂h_t;  ∂L/∂h_{t−1} = W_hhᵀ·δ_t. h_t has no path within its own step.
    #[inline(always)]
    fn pull_back_within<S: Simd>(&self, simd: S, at: &Point, adjoint: AdjointMut) {
        let AdjointMut {
            carried,
            node,
            mut delta,
            previous,
        } = adjoint;
        slopes(
            simd,
            self.activation,
            at.next,
            carried.as_view(),
            &mut delta,
        );
        self.affine
            .pull_back_recurrent_within(simd, delta.as_view(), previous);
        if let Some(node) = node {
            kernels::copy(carried, node);
        }
    }

    #[inline(always)]
    fn pull_back_at_once<S: Simd>(
        &self,
        simd: S,
        along: &Points,
        adjoints: &mut AdjointsMut,
        squares: (f64, f64),
    ) -> Option<usize> {
        if const { !S::KEEPS_STATE } || adjoints.columns != 1 || adjoints.nodes.is_some() {
            return None;
        }
        match self.affine.hidden() {
            8 => self.pull_back_in_registers::<S, 1>(simd, along, adjoints, squares),
            16 => self.pull_back_in_registers::<S, 2>(simd, along, adjoints, squares),
            32 => self.pull_back_in_registers::<S, 4>(simd, along, adjoints, squares),
            _ => None,
        }
    }

    /// ḣ_t = φ'(a_t) ⊙ (W_hh·ḣ_{t−1} + W_ih·ẋ_t).
    #[inline(always)]
    fn push_forward_within<S: Simd>(
        &self,
        simd: S,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        (self.affine).tangent(input, tangent, activation.as_view_mut());
        let activation = activation.as_view();
        slopes(simd, self.activation, at.next, activation, &mut next);
    }
}

impl VanillaRnn {
    /// The steps of one sequence of 8K units, h_t in registers: false if the columns do not lie one
    /// after the other or there are no inputs, and nothing is done.
    #[inline(always)]
    fn steps_in_registers<S: Simd, const K: usize>(
        &self,
        simd: S,
        inputs: &View,
        states: &mut ViewMut,
    ) -> bool {
        let (Some(inputs), Some(states)) = (entries(inputs), entries_mut(states)) else {
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

    /// The steps back of one sequence of 8K units, the adjoint in registers: `None` if the columns
    /// do not lie one after the other, and nothing is done.
    #[inline(always)]
    fn pull_back_in_registers<S: Simd, const K: usize>(
        &self,
        simd: S,
        along: &Points,
        adjoints: &mut AdjointsMut,
        (low, high): (f64, f64),
    ) -> Option<usize> {
        let hidden = K * LANES;
        let steps = along.steps();
        let states = entries(&along.states)?;
        let deltas = entries_mut(&mut adjoints.deltas)?;
        let (carried, last) = entries_mut(&mut adjoints.carried)?.split_at_mut(steps * hidden);
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

/// `scaled` = φ'(a_t) ⊙ `values`, column j along trajectory j mod B.
///
/// Shapes, N = m·B: `output` H×B, the others H×N.
#[inline(always)]
fn slopes<S: Simd>(
    simd: S,
    activation: Activation,
    output: View,
    values: View,
    scaled: &mut ViewMut,
) {
    let whole = (entries(&output), entries(&values), entries_mut(scaled));
    if let (Some(h), Some(values), Some(scaled)) = whole
        && h.len() == values.len()
    {
        return slopes_of(simd, activation, h, values, scaled);
    }
    let batch = output.ncols();
    let columns = values.column_iter().zip(scaled.column_iter_mut());
    for (j, (values, mut scaled)) in columns.enumerate() {
        let h = output.column(j % batch);
        let (h, values) = (h.as_slice(), values.as_slice());
        slopes_of(simd, activation, h, values, scaled.as_mut_slice());
    }
}

#[inline(always)]
fn slopes_of<S: Simd>(
    simd: S,
    activation: Activation,
    h: &[f64],
    values: &[f64],
    scaled: &mut [f64],
) {
    let mut k = 0;
    // Whole vectors apart, whose loads and stores need not ask how many numbers there are.
    while k + LANES <= h.len() {
        units(simd, activation, h, values, scaled, k..k + LANES);
        k += LANES;
    }
    if k < h.len() {
        units(simd, activation, h, values, scaled, k..h.len());
    }
}

/// Up to eight units.
#[inline(always)]
fn units<S: Simd>(
    simd: S,
    activation: Activation,
    h: &[f64],
    values: &[f64],
    scaled: &mut [f64],
    rows: Range<usize>,
) {
    let h = simd.load(&h[rows.clone()], 0);
    let values = simd.load(&values[rows.clone()], 0);
    let slope = activation.slope_times(simd, h, values);
    simd.store(&mut scaled[rows], 0, slope);
}
