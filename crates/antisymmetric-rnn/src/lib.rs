//! The antisymmetric recurrent network: h_t = h_{t−1} + ε tanh((A − Aᵀ − γI)·h_{t−1} + W_ih·x_t + b).
//!
//! B. Chang, M. Chen, E. Haber, E. Chi, "AntisymmetricRNN: a dynamical system view on recurrent neural
//! networks", ICLR 2019 (arXiv:1902.09689), without the gate of its second variant. The network is
//! the ordinary differential equation ḣ = tanh(M·h + …), M = A − Aᵀ − γI, in Euler steps of length ε.
//! A − Aᵀ has imaginary eigenvalues ±iω, so those of M are −γ ± iω whatever A is, and training cannot
//! move their real part: in continuous time nothing grows, and without diffusion nothing vanishes.
//!
//! # What a step leaves of that
//!
//! An Euler step is not the flow. Where φ' = 1 its Jacobian is I + εM, which is normal, so that a mode of
//! frequency ω grows by exactly
//!
//! √((1 − εγ)² + ε²ω²) per step,
//!
//! above 1 for every ω ≠ 0 when γ = 0: the diffusion is there to make up for it, and can for
//! ω² ≤ 2γ/ε − γ². With A = 0 all that is left is a leaky unit, (1 − εγ)ᵏ. Away from the origin the
//! Jacobian is I + ε·diag(1 − tanh² a_t)·M.
//!
//! # What is trained
//!
//! A, all H² entries of it ([`Trainable::parameters`]: A, W_ih, b). A tape knows ∂L/∂M, which is
//! reported as that of `weight_hh`, and ∂L/∂A = ∂L/∂M − (∂L/∂M)ᵀ
//! ([`Trainable::pull_back_parameters`]).
//!
//! ```
//! use antisymmetric_rnn::AntisymmetricRnn;
//! use gradient_tracking::{Tape, rollout};
//! use nalgebra::{DMatrix, DVector};
//!
//! // One mode of frequency 2, so small that tanh is linear: (1 − 0.1·0.5)² + 0.1²·2² per step.
//! let a = DMatrix::from_row_slice(2, 2, &[0.0, 2.0, 0.0, 0.0]);
//! let cell = AntisymmetricRnn::new(0.1, 0.5, a, DMatrix::zeros(2, 1), DVector::zeros(2));
//! let (inputs, initial) = (DMatrix::zeros(1, 40), DMatrix::from_element(2, 1, 1e-9));
//! let mut tape = Tape::new();
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! let growth: f64 = 0.95_f64.powi(2) + 0.2_f64.powi(2);
//! let found = tape.state(40).norm_squared() / initial.norm_squared();
//! assert!((found / growth.powi(40) - 1.0).abs() < 1e-12);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod config;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AffineMap, Block, CellShape, ParameterBlock, Point, RecurrentCell, Trainable, View,
    ViewMut,
};
use kernels::Epilogue;
use kernels::simd::Simd;
use nalgebra::{DMatrix, DVector};

pub use config::AntisymmetricRnnConfig;

/// h_t = h_{t−1} + ε tanh(M·h_{t−1} + W_ih·x_t + b), M = A − Aᵀ − γI; state `[h]`, saved `[tanh_a]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AntisymmetricRnn {
    step: f64,
    diffusion: f64,
    /// A, W_ih, b.
    parameters: Vec<f64>,
    /// M, W_ih, b.
    affine: AffineMap,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
}

impl AntisymmetricRnn {
    /// `step` is ε, `diffusion` γ. Shapes: `recurrent` (A) H×H, `input` H×I, `bias` H.
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        step: f64,
        diffusion: f64,
        recurrent: DMatrix<f64>,
        input: DMatrix<f64>,
        bias: DVector<f64>,
    ) -> Self {
        assert!(
            recurrent.is_square(),
            "A is {}×{}, not square",
            recurrent.nrows(),
            recurrent.ncols()
        );
        let parts = [recurrent.as_slice(), input.as_slice(), bias.as_slice()];
        AntisymmetricRnn {
            step,
            diffusion,
            parameters: parts.concat(),
            affine: AffineMap::new(&entering(&recurrent, diffusion), &input, &bias),
            state_blocks: Block::consecutive(&["h"], recurrent.ncols()),
            saved_blocks: Block::consecutive(&["tanh_a"], recurrent.ncols()),
        }
    }

    /// ε.
    pub fn step_length(&self) -> f64 {
        self.step
    }

    /// γ.
    pub fn diffusion(&self) -> f64 {
        self.diffusion
    }

    /// A, H×H.
    pub fn recurrent_weights(&self) -> View<'_> {
        let hidden = self.affine.hidden();
        View::from_slice(&self.parameters[..hidden * hidden], hidden, hidden)
    }

    /// M = A − Aᵀ − γI, W_ih and b.
    pub fn affine(&self) -> &AffineMap {
        &self.affine
    }
}

/// M = A − Aᵀ − γI.
fn entering(a: &DMatrix<f64>, diffusion: f64) -> DMatrix<f64> {
    let mut m = a - a.transpose();
    m.fill_diagonal(-diffusion);
    m
}

#[derive(Clone, Copy)]
struct Tanh;

impl Epilogue for Tanh {
    #[inline(always)]
    fn of<S: Simd, const N: usize>(self, simd: S, a: [S::V; N]) -> [S::V; N] {
        kernels::tanh_of(simd, a)
    }
}

impl RecurrentCell for AntisymmetricRnn {
    fn shape(&self) -> CellShape {
        let hidden = self.affine.hidden();
        CellShape {
            input: self.affine.input(),
            state: hidden,
            output: hidden,
            // tanh a_t: from h_t − h_{t−1} it would come with the rounding of both.
            saved: hidden,
            delta: hidden,
        }
    }

    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }

    fn saved_blocks(&self) -> &[Block] {
        &self.saved_blocks
    }

    fn output_rows(&self) -> Range<usize> {
        0..self.affine.hidden()
    }

    fn inner_paths(&self) -> Range<usize> {
        0..0
    }

    /// h_t = h_{t−1} + ε tanh(M·h_{t−1} + W_ih·x_t + b).
    fn step(&self, input: View, previous: View, mut next: ViewMut, mut saved: ViewMut) {
        self.affine
            .activated(input, previous, saved.as_view_mut(), Tanh);
        for (j, mut next) in next.column_iter_mut().enumerate() {
            let (tanh_a, previous) = (saved.column(j), previous.column(j));
            let rows = tanh_a.as_slice().iter().zip(previous.as_slice());
            for (h, (tanh_a, before)) in next.as_mut_slice().iter_mut().zip(rows) {
                *h = before + self.step * tanh_a;
            }
        }
    }

    /// δ_t = ε(1 − tanh² a_t) ⊙ ∂L/∂h_t;  ∂L/∂h_{t−1} = ∂L/∂h_t + Mᵀ·δ_t.
    fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        let AdjointMut {
            carried,
            node,
            mut delta,
            mut previous,
        } = adjoint;
        if let Some(node) = node {
            kernels::copy(carried, node);
        }
        self.slopes(at, carried, delta.as_view_mut());
        self.affine
            .pull_back_recurrent(delta.as_view(), previous.as_view_mut());
        for (mut previous, carried) in previous.column_iter_mut().zip(carried.column_iter()) {
            add(previous.as_mut_slice(), carried.as_slice());
        }
    }

    fn pull_back_input(&self, delta: View, input: ViewMut) {
        self.affine.pull_back_input(delta, input);
    }

    /// ḣ_t = ḣ_{t−1} + ε(1 − tanh² a_t) ⊙ (M·ḣ_{t−1} + W_ih·ẋ_t).
    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        self.affine
            .tangent(input, tangent, activation.as_view_mut());
        self.slopes(at, activation.as_view(), next.as_view_mut());
        for (mut next, tangent) in next.column_iter_mut().zip(tangent.column_iter()) {
            add(next.as_mut_slice(), tangent.as_slice());
        }
    }
}

impl AntisymmetricRnn {
    /// `scaled` = ε(1 − tanh² a_t) ⊙ `values`, column j along trajectory j mod B.
    #[inline]
    fn slopes(&self, at: &Point, values: View, mut scaled: ViewMut) {
        let batch = at.saved.ncols();
        for (j, mut scaled) in scaled.column_iter_mut().enumerate() {
            let (tanh_a, values) = (at.saved.column(j % batch), values.column(j));
            let rows = tanh_a.as_slice().iter().zip(values.as_slice());
            for (scaled, (tanh_a, value)) in scaled.as_mut_slice().iter_mut().zip(rows) {
                *scaled = self.step * (1.0 - tanh_a * tanh_a) * value;
            }
        }
    }
}

#[inline]
fn add(sum: &mut [f64], values: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

impl Trainable for AntisymmetricRnn {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        self.affine.blocks()
    }

    /// A, W_ih, b.
    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn set_parameters(&mut self, parameters: &[f64]) {
        self.parameters.copy_from_slice(parameters);
        let hidden = self.affine.hidden();
        let a = self.recurrent_weights().into_owned();
        let m = entering(&a, self.diffusion);
        let others = &parameters[hidden * hidden..];
        self.affine.set_parameters(&[m.as_slice(), others].concat());
    }

    /// ∂L/∂A = ∂L/∂M − (∂L/∂M)ᵀ.
    fn pull_back_parameters(&self, entering: &[f64], gradient: &mut [f64]) {
        gradient.copy_from_slice(entering);
        let hidden = self.affine.hidden();
        for column in 0..hidden {
            for row in 0..hidden {
                gradient[column * hidden + row] -= entering[row * hidden + column];
            }
        }
    }
}
