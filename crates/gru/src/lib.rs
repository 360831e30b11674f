//! The gated recurrent unit: one state, which an update gate mixes with a candidate.
//!
//! Cho et al. 2014 (arXiv:1406.1078), in the form of PyTorch's `nn.GRU` and of cuDNN.
//!
//! # One step, equation beside code
//!
//! The code is [`Gru::step`](gradient_tracking::RecurrentCell::step) for the linear layers and the
//! module `passes` for the rest; σ is the logistic function, ⊙ the product unit by unit.
//!
//! 1. **The current input and the previous hidden state pass linear layers.** Those of the gates are
//!    added up, a_r = W_ir·x_t + W_hr·h_{t−1} + b_r and a_z likewise; those of the candidate stay
//!    apart: a_in = W_in·x_t + b_in and a_hn = W_hn·h_{t−1} + b_hn.
//! 2. **A sigmoid gives two gates**, r_t = σ(a_r) and z_t = σ(a_z).
//! 3. **The reset gate decides how much of the past the candidate hears**:
//!    n_t = tanh(a_in + r_t ⊙ a_hn).
//! 4. **The update gate decides what is kept and what is replaced**:
//!    h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}. Near 1 keeps, near 0 discards, as an LSTM's forget gate;
//!    its input gate is tied to 1 − z_t.
//!
//! # Why the gradient survives, and by how much
//!
//! ∂h_t/∂h_{t−1} = diag z_t + (everything through W_hh). Where the update gate is held, at z ≡ σ(b)
//! with zero recurrent weights, the second part is absent and the gradient decays at exactly ln σ(b)
//! per step, as along an LSTM's cell. Otherwise the two parts add up in one and the same state.
//!
//! # Which GRU
//!
//! The literature has two by that name, and two signs.
//!
//! * *Reset before or after the product.* Cho et al. (Eq. 8) and Chung et al. 2014 (arXiv:1412.3555,
//!   Eq. 8) reset the state, W_hn·(r_t ⊙ h_{t−1}); cuDNN and PyTorch, and so this crate, reset the product,
//!   r_t ⊙ (W_hn·h_{t−1} + b_hn), so that one product serves all three. Trained weights of the one do not fit
//!   the other. The latter needs a second bias: b_hn is reset, b_in is not.
//! * *What z = 1 means.* Here, in PyTorch and in Cho et al. (Eq. 7) it keeps h_{t−1}; in Chung et al.
//!   (Eq. 5) it takes the candidate. Their z is our 1 − z, so a bias has the other sign.
//!
//! ```
//! use gradient_tracking::{Tape, Workspace, rollout};
//! use gru::Gru;
//! use nalgebra::{DMatrix, DVector};
//!
//! // No weights, update bias 2: the state decays by σ(2) at every step and nothing is written.
//! let bias = DVector::from_column_slice(&[0.0, 2.0, 0.0]); // r, z, n
//! let cell = Gru::new(DMatrix::zeros(3, 1), DMatrix::zeros(3, 1), bias, DVector::zeros(1));
//! let inputs = DMatrix::zeros(1, 10);
//! let initial = DMatrix::from_element(1, 1, 1.0);
//! let mut tape = Tape::new();
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! let update = 1.0 / (1.0 + (-2.0_f64).exp());
//! assert!((tape.state(10)[0] - update.powi(10)).abs() < 1e-14);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod config;
mod passes;
mod weights;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AdjointsMut, Block, CellPasses, CellShape, ParameterBlock, Point, Points,
    RecurrentCell, Trainable, View, ViewMut,
};
use nalgebra::{DMatrix, DVector};

pub use config::{GruConfig, UpdateBias};
pub use weights::Weights;

/// A GRU; state `[h]`, saved `[n; r; z; a_hn]`.
///
/// Its pre-activations, hence the rows of δ, are `[a_in; a_r; a_z; a_hn]`: W_ih has the first three,
/// W_hh the last three, and b all four.
#[derive(Clone, Debug, PartialEq)]
pub struct Gru {
    weights: Weights,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
}

impl Gru {
    /// Shapes: `recurrent` 3H×H, `input` 3H×I, `bias` 3H, rows in PyTorch's order r, z, n;
    /// `hidden_bias` H.
    ///
    /// `bias` holds b_r, b_z and b_in. Of PyTorch's biases b_r and b_z are `bias_ih` + `bias_hh`, b_in
    /// is the last third of `bias_ih`, and `hidden_bias` = b_hn, which the reset gate multiplies, that
    /// of `bias_hh`.
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        recurrent: DMatrix<f64>,
        input: DMatrix<f64>,
        bias: DVector<f64>,
        hidden_bias: DVector<f64>,
    ) -> Self {
        let hidden = recurrent.ncols();
        Gru {
            weights: Weights::new(&recurrent, &input, &bias, &hidden_bias),
            state_blocks: Block::consecutive(&["h"], hidden),
            saved_blocks: Block::consecutive(&["n", "r", "z", "a_hn"], hidden),
        }
    }

    /// W_hh, W_ih and b.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }
}

impl RecurrentCell for Gru {
    fn shape(&self) -> CellShape {
        let hidden = self.weights.hidden();
        CellShape {
            input: self.weights.input(),
            state: hidden,
            output: hidden,
            saved: 4 * hidden,
            delta: 4 * hidden,
        }
    }

    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }

    fn saved_blocks(&self) -> &[Block] {
        &self.saved_blocks
    }

    fn gate_names(&self) -> &[&'static str] {
        &["r", "z"]
    }

    fn output_rows(&self) -> Range<usize> {
        0..self.weights.hidden()
    }

    /// None: the state is the output.
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
        self.weights.pull_back_input(delta, input);
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

impl Trainable for Gru {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        self.weights.blocks()
    }
    fn parameters(&self) -> &[f64] {
        self.weights.parameters()
    }
    fn set_parameters(&mut self, parameters: &[f64]) {
        self.weights.set_parameters(parameters);
    }
}
