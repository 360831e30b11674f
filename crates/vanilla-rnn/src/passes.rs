//! What a vanilla RNN does unit by unit on the way back and along a tangent: everything but the matrix
//! products, each pass over all units and sequences once, eight units at a time.

use gradient_tracking::{AdjointsMut, AffineMap, Points, View, ViewMut};
use kernels::simd::{LANES, Pass, Simd};
use kernels::{entries, entries_mut};

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
            self.carried,
            &mut self.node,
            &mut self.delta,
        );
    }
}

/// n steps back, δ_t as above and ∂L/∂h_{t−1} = W_hhᵀ·δ_t, while columns keep their scale.
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
    fn run<S: Simd>(self, simd: S) -> usize {
        let AdjointsMut {
            mut carried,
            mut nodes,
            mut deltas,
            columns: n,
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
                &mut nodes.columns_range_mut(k * n..(k + 1) * n),
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

#[inline(always)]
fn slopes<S: Simd>(
    simd: S,
    activation: Activation,
    output: View,
    carried: View,
    node: &mut ViewMut,
    delta: &mut ViewMut,
) {
    let whole = (
        entries(&output),
        entries(&carried),
        entries_mut(node),
        entries_mut(delta),
    );
    if let (Some(h), Some(carried), Some(node), Some(delta)) = whole
        && h.len() == carried.len()
    {
        return slopes_of(simd, activation, h, carried, node, delta);
    }
    let batch = output.ncols();
    let results = node.column_iter_mut().zip(delta.column_iter_mut());
    let columns = carried.column_iter().zip(results);
    for (j, (carried, (mut node, mut delta))) in columns.enumerate() {
        let h = output.column(j % batch);
        let (h, carried) = (h.as_slice(), carried.as_slice());
        let (node, delta) = (node.as_mut_slice(), delta.as_mut_slice());
        slopes_of(simd, activation, h, carried, node, delta);
    }
}

#[inline(always)]
fn slopes_of<S: Simd>(
    simd: S,
    activation: Activation,
    h: &[f64],
    carried: &[f64],
    node: &mut [f64],
    delta: &mut [f64],
) {
    for k in (0..h.len()).step_by(LANES) {
        let (h, carried) = (simd.load(h, k), simd.load(carried, k));
        simd.store(node, k, carried);
        simd.store(delta, k, activation.slope_times(simd, h, carried));
    }
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
