//! What a linear recurrent unit does unit by unit, eight at a time. Of 2H rows the first H are real
//! parts, the others imaginary ones.

use gradient_tracking::{AdjointsMut, View, ViewMut};
use kernels::simd::{LANES, Pass, Simd};
use kernels::{Identity, Packed, Start};

use crate::Spectrum;

/// h_t = Λ ⊙ h_{t−1} + γ ⊙ B·x_t.
///
/// Shapes: `input` I×B, `previous` and `next` 2H×B, `saved` 4H×B.
pub struct Step<'a> {
    pub spectrum: &'a Spectrum,
    pub weights: &'a Packed,
    pub input: View<'a>,
    pub previous: View<'a>,
    pub next: ViewMut<'a>,
    pub saved: ViewMut<'a>,
}

impl Pass for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        step(
            simd,
            self.spectrum,
            self.weights,
            self.input,
            self.previous,
            self.next,
            self.saved,
        );
    }
}

/// n steps.
///
/// Shapes: `inputs` I×(n·B), `states` 2H×((n+1)·B), `saved` 4H×(n·B).
pub struct Steps<'a> {
    pub spectrum: &'a Spectrum,
    pub weights: &'a Packed,
    pub inputs: View<'a>,
    pub states: ViewMut<'a>,
    pub saved: ViewMut<'a>,
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
            step(
                simd,
                self.spectrum,
                self.weights,
                self.inputs.columns(k, batch),
                previous.as_view(),
                next,
                self.saved.columns_range_mut(k..k + batch),
            );
        }
    }
}

/// Also saves what changes of ν and θ do to h_t, divided by γ: −exp(ν)/γ·Λ ⊙ h_{t−1} + (∂γ/∂ν)/γ·a_t
/// and i/γ·Λ ⊙ h_{t−1}.
#[inline(always)]
fn step<S: Simd>(
    simd: S,
    spectrum: &Spectrum,
    weights: &Packed,
    input: View,
    previous: View,
    mut next: ViewMut,
    mut saved: ViewMut,
) {
    let hidden = spectrum.hidden();
    // a_t, where h_t will stand.
    weights.multiply_within(simd, Start::Zero, [input], next.as_view_mut(), Identity);
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

/// The product of two complex numbers, each (real part, imaginary part).
#[inline(always)]
fn product<S: Simd>(simd: S, (a, b): (S::V, S::V), (x, y): (S::V, S::V)) -> (S::V, S::V) {
    (a * x - b * y, simd.mul_add(a, y, b * x))
}

/// δ_t = γ ⊙ h̄_t, and h̄_{t−1} = Λ* ⊙ h̄_t. The trajectory does not matter.
///
/// Shapes: all 2H×N.
pub struct PullBack<'a> {
    pub spectrum: &'a Spectrum,
    pub carried: View<'a>,
    pub node: ViewMut<'a>,
    pub delta: ViewMut<'a>,
    pub previous: ViewMut<'a>,
}

impl Pass for PullBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        pull_back(
            simd,
            self.spectrum,
            self.carried,
            self.node,
            self.delta,
            self.previous,
        );
    }
}

/// n steps back, while columns keep their scale.
pub struct PullBackSteps<'a> {
    pub spectrum: &'a Spectrum,
    pub steps: usize,
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
        for k in (0..self.steps).rev() {
            let (mut previous, carried) =
                carried.columns_range_pair_mut(k * n..(k + 1) * n, (k + 1) * n..(k + 2) * n);
            pull_back(
                simd,
                self.spectrum,
                carried.as_view(),
                nodes.columns_range_mut(k * n..(k + 1) * n),
                deltas.columns_range_mut(k * n..(k + 1) * n),
                previous.as_view_mut(),
            );
            if !kernels::columns_lie_within_of(simd, previous.as_view(), low, high) {
                return self.steps - k;
            }
        }
        self.steps
    }
}

#[inline(always)]
fn pull_back<S: Simd>(
    simd: S,
    spectrum: &Spectrum,
    carried: View,
    mut node: ViewMut,
    mut delta: ViewMut,
    mut previous: ViewMut,
) {
    let hidden = spectrum.hidden();
    let (real, imaginary) = (spectrum.real(), spectrum.imaginary());
    let gamma = spectrum.gamma();
    let minus = simd.splat(-1.0);
    let adjoints = carried.column_iter().zip(node.column_iter_mut());
    let results = delta.column_iter_mut().zip(previous.column_iter_mut());
    for ((carried, mut node), (mut delta, mut previous)) in adjoints.zip(results) {
        let (re, im) = carried.as_slice().split_at(hidden);
        let (node_re, node_im) = node.as_mut_slice().split_at_mut(hidden);
        let (delta_re, delta_im) = delta.as_mut_slice().split_at_mut(hidden);
        let (before_re, before_im) = previous.as_mut_slice().split_at_mut(hidden);
        for k in (0..hidden).step_by(LANES) {
            let (re, im) = (simd.load(re, k), simd.load(im, k));
            let gamma = simd.load(gamma, k);
            let conjugate = (simd.load(real, k), minus * simd.load(imaginary, k));
            let (turned_re, turned_im) = product(simd, conjugate, (re, im));
            simd.store(node_re, k, re);
            simd.store(node_im, k, im);
            simd.store(delta_re, k, gamma * re);
            simd.store(delta_im, k, gamma * im);
            simd.store(before_re, k, turned_re);
            simd.store(before_im, k, turned_im);
        }
    }
}

/// ḣ_t = Λ ⊙ ḣ_{t−1} + γ ⊙ ȧ_t, with ȧ_t = B·ẋ_t, which the caller brings.
///
/// Shapes: all 2H×N.
pub struct PushForward<'a> {
    pub spectrum: &'a Spectrum,
    pub tangent: View<'a>,
    pub activation: View<'a>,
    pub next: ViewMut<'a>,
}

impl Pass for PushForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let hidden = self.spectrum.hidden();
        let (real, imaginary) = (self.spectrum.real(), self.spectrum.imaginary());
        let gamma = self.spectrum.gamma();
        let tangents = self
            .tangent
            .column_iter()
            .zip(self.activation.column_iter());
        for ((tangent, activation), mut next) in tangents.zip(self.next.column_iter_mut()) {
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
