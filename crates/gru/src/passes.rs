//! The steps of a GRU, forward, back and along a tangent.
//!
//! Everything but the matrix products goes over all units and sequences once, eight units at a time.
//! Rows are those of the state `[h]`, the saved `[n; r; z; a_hn]` and the pre-activations
//! `[a_in; a_r; a_z; a_hn]`, each of which the saved one replaces where it stands.

use gradient_tracking::{AdjointMut, CellPasses, Point, View, ViewMut};
use kernels::simd::{LANES, Simd};
use kernels::{logistic_of, tanh_of};

use crate::Gru;

impl CellPasses for Gru {
    /// The crate's walk through the cell.
    #[inline(always)]
    fn step_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        previous: View,
        next: ViewMut,
        mut saved: ViewMut,
    ) {
        (self.weights).activations_within(simd, input, previous, saved.as_view_mut());
        gates(simd, previous, next, saved);
    }

    /// With h̄ the adjoint of h_t, which has no path within its own step:
    ///
    /// * δ_in = h̄ ⊙ (1 − z) ⊙ (1 − n²),  δ_hn = δ_in ⊙ r,
    /// * δ_r = δ_in ⊙ a_hn ⊙ r(1 − r),  δ_z = h̄ ⊙ (h_{t−1} − n) ⊙ z(1 − z),
    /// * h̄_{t−1} = z ⊙ h̄ + W_hhᵀ·[δ_r; δ_z; δ_hn].
    #[inline(always)]
    fn pull_back_within<S: Simd>(&self, simd: S, at: &Point, adjoint: AdjointMut) {
        let AdjointMut {
            carried,
            node,
            mut delta,
            mut previous,
        } = adjoint;
        let hidden = carried.nrows();
        let batch = at.next.ncols();
        let one = simd.splat(1.0);
        let results = delta.column_iter_mut().zip(previous.column_iter_mut());
        for (j, (carried, (mut delta, mut previous))) in
            carried.column_iter().zip(results).enumerate()
        {
            let saved = at.saved.column(j % batch);
            let Saved { n, r, z, a_hn } = Saved::of(saved.as_slice(), hidden);
            let state_before = at.previous.column(j % batch);
            let h_previous = state_before.as_slice();
            let h_bar = carried.as_slice();
            let (delta_in, rest) = delta.as_mut_slice().split_at_mut(hidden);
            let (delta_r, rest) = rest.split_at_mut(hidden);
            let (delta_z, delta_hn) = rest.split_at_mut(hidden);
            let kept = previous.as_mut_slice();
            for k in (0..hidden).step_by(LANES) {
                let (n, r) = (simd.load(n, k), simd.load(r, k));
                let (z, a_hn) = (simd.load(z, k), simd.load(a_hn, k));
                let h = simd.load(h_bar, k);
                let through_n = h * (one - z) * (one - n * n);
                let replaced = simd.load(h_previous, k) - n;
                simd.store(delta_in, k, through_n);
                simd.store(delta_r, k, through_n * a_hn * (r * (one - r)));
                simd.store(delta_z, k, h * replaced * (z * (one - z)));
                simd.store(delta_hn, k, through_n * r);
                simd.store(kept, k, z * h);
            }
        }
        (self.weights).add_pull_back_recurrent_within(simd, delta.as_view(), previous);
        if let Some(node) = node {
            kernels::copy(carried, node);
        }
    }

    /// With ȧ the tangent of the pre-activations:
    /// ṅ = (1 − n²) ⊙ (ȧ_in + r ⊙ ȧ_hn + r(1 − r)a_hn ⊙ ȧ_r) and
    /// ḣ_t = z ⊙ ḣ_{t−1} + (1 − z) ⊙ ṅ + z(1 − z)(h_{t−1} − n) ⊙ ȧ_z.
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
        let hidden = self.weights.hidden();
        (self.weights).tangent(input, tangent, activation.as_view_mut());
        let batch = at.next.ncols();
        let one = simd.splat(1.0);
        let tangents = tangent.column_iter().zip(activation.column_iter());
        for (j, ((tangent, activation), mut next)) in
            tangents.zip(next.column_iter_mut()).enumerate()
        {
            let saved = at.saved.column(j % batch);
            let Saved { n, r, z, a_hn } = Saved::of(saved.as_slice(), hidden);
            let state_before = at.previous.column(j % batch);
            let h_previous = state_before.as_slice();
            let h_dot = tangent.as_slice();
            let dots = Saved::of(activation.as_slice(), hidden);
            let h_next = next.as_mut_slice();
            for k in (0..hidden).step_by(LANES) {
                let (n, r) = (simd.load(n, k), simd.load(r, k));
                let (z, a_hn) = (simd.load(z, k), simd.load(a_hn, k));
                let heard =
                    r * simd.load(dots.a_hn, k) + r * (one - r) * a_hn * simd.load(dots.r, k);
                let n_dot = (one - n * n) * (simd.load(dots.n, k) + heard);
                let replaced = simd.load(h_previous, k) - n;
                let through_z = z * (one - z) * replaced * simd.load(dots.z, k);
                let h = z * simd.load(h_dot, k) + (one - z) * n_dot + through_z;
                simd.store(h_next, k, h);
            }
        }
    }
}

/// Steps 2 to 4 of the crate's walk through the cell.
#[inline(always)]
fn gates<S: Simd>(simd: S, previous: View, mut next: ViewMut, mut saved: ViewMut) {
    let hidden = next.nrows();
    let one = simd.splat(1.0);
    let columns = saved.column_iter_mut().zip(next.column_iter_mut());
    for ((mut saved, mut next), previous) in columns.zip(previous.column_iter()) {
        let (n, rest) = saved.as_mut_slice().split_at_mut(hidden);
        let (r, rest) = rest.split_at_mut(hidden);
        let (z, a_hn) = rest.split_at_mut(hidden);
        let (h, h_previous) = (next.as_mut_slice(), previous.as_slice());
        for k in (0..hidden).step_by(LANES) {
            // 2. The gates.
            let [r_t, z_t] = logistic_of(simd, [simd.load(r, k), simd.load(z, k)]);
            // 3. The candidate hears what the reset gate lets through.
            let a_n = simd.mul_add(r_t, simd.load(a_hn, k), simd.load(n, k));
            let [n_t] = tanh_of(simd, [a_n]);
            // 4. Keep, or replace.
            let h_t = simd.mul_add(z_t, simd.load(h_previous, k), (one - z_t) * n_t);
            simd.store(r, k, r_t);
            simd.store(z, k, z_t);
            simd.store(n, k, n_t);
            simd.store(h, k, h_t);
        }
    }
}

/// The four saved parts of one column, or those of the pre-activations' tangent.
struct Saved<'a> {
    n: &'a [f64],
    r: &'a [f64],
    z: &'a [f64],
    a_hn: &'a [f64],
}

impl<'a> Saved<'a> {
    #[inline(always)]
    fn of(column: &'a [f64], hidden: usize) -> Self {
        let (n, rest) = column.split_at(hidden);
        let (r, rest) = rest.split_at(hidden);
        let (z, a_hn) = rest.split_at(hidden);
        Saved { n, r, z, a_hn }
    }
}
