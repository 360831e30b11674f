//! The vanilla (Elman) recurrent network: h_t = φ(W_hh·h_{t−1} + W_ih·x_t + b).
//!
//! Its Jacobian is ∂h_t/∂h_{t−1} = diag(φ'(a_t))·W_hh, so an adjoint going back k steps is
//! multiplied by k such matrices. Their norms are at most γ·σ_max(W_hh), γ = max φ': below 1 the
//! gradient vanishes (Pascanu, Mikolov & Bengio 2013, §2.1); there is no path that avoids them.
//!
//! The state is stored after the activation ("post-activation form"): Pascanu et al. differentiate
//! with respect to the state before it, which changes a ratio by one factor φ' at each end.
//!
//! ```
//! use gradient_tracking::{RecurrentCell, Tape, Workspace, rollout};
//! use nalgebra::{DMatrix, DVector};
//! use vanilla_rnn::{Activation, VanillaRnn};
//!
//! let cell = VanillaRnn::new(
//!     Activation::Tanh,
//!     DMatrix::from_element(1, 1, 0.5), // W_hh
//!     DMatrix::from_element(1, 1, 1.0), // W_ih
//!     DVector::zeros(1),
//! );
//! let (inputs, initial) = (DMatrix::from_element(1, 3, 1.0), DMatrix::zeros(1, 1));
//! let mut tape = Tape::new();
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! let h1 = 1.0_f64.tanh();
//! assert!((tape.state(2)[0] - (0.5 * h1 + 1.0).tanh()).abs() < 1e-15);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod activation;
mod config;
mod passes;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AdjointsMut, AffineMap, Block, CellPasses, CellShape, ParameterBlock, Point,
    Points, RecurrentCell, Trainable, View, ViewMut,
};
use nalgebra::{DMatrix, DVector};

pub use activation::Activation;
pub use config::VanillaRnnConfig;

/// h_t = φ(W_hh·h_{t−1} + W_ih·x_t + b), state `[h]`.
#[derive(Clone, Debug, PartialEq)]
pub struct VanillaRnn {
    affine: AffineMap,
    activation: Activation,
    state_blocks: Vec<Block>,
}

impl VanillaRnn {
    /// Shapes: `recurrent` H×H, `input` H×I, `bias` H.
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        activation: Activation,
        recurrent: DMatrix<f64>,
        input: DMatrix<f64>,
        bias: DVector<f64>,
    ) -> Self {
        assert!(
            recurrent.is_square(),
            "W_hh is {}×{}, not square",
            recurrent.nrows(),
            recurrent.ncols()
        );
        VanillaRnn {
            affine: AffineMap::new(&recurrent, &input, &bias),
            activation,
            state_blocks: Block::consecutive(&["h"], recurrent.ncols()),
        }
    }

    /// φ.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// W_hh, W_ih and b.
    pub fn affine(&self) -> &AffineMap {
        &self.affine
    }
}

impl RecurrentCell for VanillaRnn {
    fn shape(&self) -> CellShape {
        let hidden = self.affine.hidden();
        CellShape {
            input: self.affine.input(),
            state: hidden,
            output: hidden,
            // φ' is a function of h_t, which the tape holds.
            saved: 0,
            delta: hidden,
        }
    }

    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }

    fn saved_blocks(&self) -> &[Block] {
        &[]
    }

    fn output_rows(&self) -> Range<usize> {
        0..self.affine.hidden()
    }

    fn inner_paths(&self) -> Range<usize> {
        0..0
    }

    fn step(&self, input: View, previous: View, next: ViewMut, saved: ViewMut) {
        self.run_step(input, previous, next, saved);
    }

    fn steps(&self, inputs: View, states: ViewMut, saved: ViewMut) {
        self.run_steps(inputs, states, saved);
    }

    fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
        self.run_pull_back(at, adjoint);
    }

    fn pull_back_steps(&self, along: &Points, adjoints: AdjointsMut, squares: (f64, f64)) -> usize {
        self.run_pull_back_steps(along, adjoints, squares)
    }

    fn pull_back_input(&self, delta: View, input: ViewMut) {
        self.affine.pull_back_input(delta, input);
    }

    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        activation: ViewMut,
        next: ViewMut,
    ) {
        self.run_push_forward(at, input, tangent, activation, next);
    }
}

impl Trainable for VanillaRnn {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        self.affine.blocks()
    }
    fn parameters(&self) -> &[f64] {
        self.affine.parameters()
    }
    fn set_parameters(&mut self, parameters: &[f64]) {
        self.affine.set_parameters(parameters);
    }
}
