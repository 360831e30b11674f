//! The steps of a linear recurrent unit, forward, back and along a tangent, eight units at a time. Of 2H
//! rows the first H are real parts, the others imaginary ones.

use gradient_tracking::{AdjointMut, CellPasses, Point, View, ViewMut};
use kernels::simd::{LANES, Simd};
use kernels::{Identity, Start};

use crate::Lru;

impl CellPasses for Lru {
    /// h_t = Λ ⊙ h_{t−1} + γ ⊙ B·x_t.
    ///
    /// Also saves what changes of ν and θ do to h_t, divided by γ: −exp(ν)/γ·Λ ⊙ h_{t−1} +
    /// (∂γ/∂ν)/γ·a_t and i/γ·Λ ⊙ h_{t−1}.
    #[inline(always)]
    fn step_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        previous: View,
        mut next: ViewMut,
        mut saved: ViewMut,
    ) {
        let spectrum = &self.spectrum;
        let hidden = spectrum.hidden();
        // a_t, where h_t will stand.
        (self.input).multiply_within(simd, Start::Zero, [input], next.as_view_mut(), Identity);
        let (real, imaginary) = (spectrum.real(), spectrum.imaginary());
        let (gamma, by_theta) = (spectrum.gamma(), spectrum.by_theta());
        let (by_nu, through_gamma) = spectrum.by_nu();
        let minus = simd.splat(-1.0);
        let columns = next.column_iter_mut().zip(saved.column_iter_mut());
        for ((mut next, mut saved), previous) in columns.zip(previous.column_iter()) {
            let (h_re, h_im) = next.as_mut_slice().split_at_mut(hidden);
            let (before_re, before_im) = previous.as_slice().split_at(hidden);
            let (nu_re, rest) = saved.as_mut_slice().split_at_mut(hidden);
            let (nu_im, rest) = rest.split_at_mut(hidden);
            let (theta_re, theta_im) = rest.split_at_mut(hidden);
            for k in (0..hidden).step_by(LANES) {
                let (turned_re, turned_im) = product(
                    simd,
                    (simd.load(real, k), simd.load(imaginary, k)),
                    (simd.load(before_re, k), simd.load(before_im, k)),
                );
                let (a_re, a_im) = (simd.load(h_re, k), simd.load(h_im, k));
                let gamma = simd.load(gamma, k);
                simd.store(h_re, k, simd.mul_add(gamma, a_re, turned_re));
                simd.store(h_im, k, simd.mul_add(gamma, a_im, turned_im));
                let (by_nu, through) = (simd.load(by_nu, k), simd.load(through_gamma, k));
                simd.store(nu_re, k, simd.mul_add(by_nu, turned_re, through * a_re));
                simd.store(nu_im, k, simd.mul_add(by_nu, turned_im, through * a_im));
                let by_theta = simd.load(by_theta, k);
                simd.store(theta_re, k, minus * by_theta * turned_im);
                simd.store(theta_im, k, by_theta * turned_re);
            }
        }
    }

    /// δ_t = γ ⊙ h̄_t, and h̄_{t−1} = Λ* ⊙ h̄_t. The trajectory does not matter.
    #[inline(always)]
    fn pull_back_within<S: Simd>(&self, simd: S, _at: &Point, adjoint: AdjointMut) {
        let AdjointMut {
            carried,
            node,
            mut delta,
            mut previous,
        } = adjoint;
        let spectrum = &self.spectrum;
        let hidden = spectrum.hidden();
        let (real, imaginary) = (spectrum.real(), spectrum.imaginary());
        let gamma = spectrum.gamma();
        let minus = simd.splat(-1.0);
        let results = delta.column_iter_mut().zip(previous.column_iter_mut());
        for (carried, (mut delta, mut previous)) in carried.column_iter().zip(results) {
            let (re, im) = carried.as_slice().split_at(hidden);
            let (delta_re, delta_im) = delta.as_mut_slice().split_at_mut(hidden);
            let (before_re, before_im) = previous.as_mut_slice().split_at_mut(hidden);
            for k in (0..hidden).step_by(LANES) {
                let (re, im) = (simd.load(re, k), simd.load(im, k));
                let gamma = simd.load(gamma, k);
                let conjugate = (simd.load(real, k), minus * simd.load(imaginary, k));
                let (turned_re, turned_im) = product(simd, conjugate, (re, im));
                simd.store(delta_re, k, gamma * re);
                simd.store(delta_im, k, gamma * im);
                simd.store(before_re, k, turned_re);
                simd.store(before_im, k, turned_im);
            }
        }
        if let Some(node) = node {
            kernels::copy(carried, node);
        }
    }

    /// ḣ_t = Λ ⊙ ḣ_{t−1} + γ ⊙ ȧ_t, with ȧ_t = B·ẋ_t.
    #[inline(always)]
    fn push_forward_within<S: Simd>(
        &self,
        simd: S,
        _at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        match input {
            Some(input) => self
                .input
                .multiply(Start::Zero, input, activation.as_view_mut()),
            None => activation.fill(0.0),
        }
        let hidden = self.spectrum.hidden();
        let (real, imaginary) = (self.spectrum.real(), self.spectrum.imaginary());
        let gamma = self.spectrum.gamma();
        let tangents = tangent.column_iter().zip(activation.column_iter());
        for ((tangent, activation), mut next) in tangents.zip(next.column_iter_mut()) {
            let (re, im) = tangent.as_slice().split_at(hidden);
            let (a_re, a_im) = activation.as_slice().split_at(hidden);
            let (next_re, next_im) = next.as_mut_slice().split_at_mut(hidden);
            for k in (0..hidden).step_by(LANES) {
                let (turned_re, turned_im) = product(
                    simd,
                    (simd.load(real, k), simd.load(imaginary, k)),
                    (simd.load(re, k), simd.load(im, k)),
                );
                let gamma = simd.load(gamma, k);
                let (a_re, a_im) = (simd.load(a_re, k), simd.load(a_im, k));
                simd.store(next_re, k, simd.mul_add(gamma, a_re, turned_re));
                simd.store(next_im, k, simd.mul_add(gamma, a_im, turned_im));
            }
        }
    }
}

/// The product of two complex numbers, each (real part, imaginary part).
#[inline(always)]
fn product<S: Simd>(simd: S, (a, b): (S::V, S::V), (x, y): (S::V, S::V)) -> (S::V, S::V) {
    (a * x - b * y, simd.mul_add(a, y, b * x))
}
