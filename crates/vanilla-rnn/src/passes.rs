//! What a vanilla RNN does unit by unit on the way back and along a tangent: everything but the matrix
//! products, each pass over all units and sequences once, eight units at a time.

use gradient_tracking::{View, ViewMut};
use kernels::simd::{LANES, Pass, Simd};
use kernels::{entries, entries_mut};

use crate::Activation;

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
        let whole = (
            entries(&self.output),
            entries(&self.carried),
            entries_mut(&mut self.node),
            entries_mut(&mut self.delta),
        );
        if let (Some(h), Some(carried), Some(node), Some(delta)) = whole
            && h.len() == carried.len()
        {
            slopes(simd, self.activation, h, carried, node, delta);
        } else {
            let batch = self.output.ncols();
            let results = self
                .node
                .column_iter_mut()
                .zip(self.delta.column_iter_mut());
            let columns = self.carried.column_iter().zip(results);
            for (j, (carried, (mut node, mut delta))) in columns.enumerate() {
                let h = self.output.column(j % batch);
                let (h, carried) = (h.as_slice(), carried.as_slice());
                let (node, delta) = (node.as_mut_slice(), delta.as_mut_slice());
                slopes(simd, self.activation, h, carried, node, delta);
            }
        }
    }
}

#[inline(always)]
fn slopes<S: Simd>(
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
