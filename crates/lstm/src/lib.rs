//! The LSTM with forget gate, in the order in which a lecture walks through it.
//!
//! Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000 and
//! without peepholes: the cell of PyTorch's `nn.LSTM`, its gates in the same order i, f, g, o.
//!
//! # One step, equation beside code
//!
//! The code is [`Lstm::step`](gradient_tracking::RecurrentCell::step) for the linear layer and the
//! module `passes` for the rest; σ is the logistic function, ⊙ the product unit by unit.
//!
//! 1. **The previous hidden state and the current input pass a linear layer.** One matrix holds
//!    the rows of all four gates, so that this is one product:
//!    a_t = W_hh·h_{t−1} + W_ih·x_t + b, split into a_i, a_f, a_g, a_o.
//! 2. **A sigmoid turns three of them into gates** with values in 0…1: near 1 keeps, near 0
//!    discards. i_t = σ(a_i), f_t = σ(a_f), o_t = σ(a_o).
//! 3. **The forget gate decides what is erased** from the cell memory: f_t ⊙ c_{t−1}.
//! 4. **The input gate and a candidate decide what is written**: the candidate
//!    g_t = tanh(a_g) has values in −1…1, the input gate says how much of it: i_t ⊙ g_t.
//! 5. **The new cell state is erase, then add**: c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t.
//! 6. **The output gate decides what leaves as hidden state**, both to the output and back into
//!    the network: h_t = o_t ⊙ tanh(c_t).
//!
//! # Why the gradient survives, and by how much
//!
//! Step 5 is a sum, so ∂c_t/∂c_{t−1} along the memory is f_t and nothing else: no matrix, no
//! squashing. Along that direct path k steps multiply the gradient by ∏ f, which is near 1 as long
//! as the forget gates are: with f ≡ σ(b) it decays at ln σ(b) per step, −0.69 at b = 0 but −0.007
//! at b = 5. Everything else goes through the gates and W_hhᵀ, as in a vanilla RNN, and usually
//! vanishes like there. [`gradient_tracking::probes::PathSplit`] measures the two parts apart.
//!
//! Node and carried gradients of c_t differ by the path c_t → h_t of step 6:
//! ∂L/∂c_t (node) = ∂L/∂c_t (carried) + o_t ⊙ (1 − tanh² c_t) ⊙ ∂L/∂h_t.
//!
//! ```
//! use gradient_tracking::{Tape, Workspace, rollout};
//! use lstm::Lstm;
//! use nalgebra::{DMatrix, DVector};
//!
//! // No weights, forget bias 2: the memory decays by σ(2) at every step and nothing is written.
//! let bias = DVector::from_column_slice(&[0.0, 2.0, 0.0, 0.0]);
//! let cell = Lstm::new(DMatrix::zeros(4, 1), DMatrix::zeros(4, 1), bias, true);
//! let inputs = DMatrix::zeros(1, 10);
//! let initial = DMatrix::from_column_slice(2, 1, &[0.0, 1.0]); // [h_0; c_0]
//! let mut tape = Tape::new();
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! let forget = 1.0 / (1.0 + (-2.0_f64).exp());
//! assert!((tape.state(10)[1] - forget.powi(10)).abs() < 1e-14);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod config;
mod passes;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AdjointsMut, AffineMap, Block, CellPasses, CellShape, ParameterBlock, Point,
    Points, RecurrentCell, Trainable, View, ViewMut,
};
use nalgebra::{DMatrix, DVector};

pub use config::{ForgetBias, LstmConfig};

/// An LSTM; state `[h; c]`, saved `[i; f; g; o; tanh_c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm {
    affine: AffineMap,
    forget_gate: bool,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
}

impl Lstm {
    /// Shapes: `recurrent` 4H×H, `input` 4H×I, `bias` 4H; rows in the order i, f, g, o.
    ///
    /// Without `forget_gate` f ≡ 1, the cell of 1997; its rows are then ignored.
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        recurrent: DMatrix<f64>,
        input: DMatrix<f64>,
        bias: DVector<f64>,
        forget_gate: bool,
    ) -> Self {
        let hidden = recurrent.ncols();
        assert_eq!(
            recurrent.nrows(),
            4 * hidden,
            "W_hh has {hidden} columns, so four gates need {} rows",
            4 * hidden
        );
        Lstm {
            affine: AffineMap::new(&recurrent, &input, &bias),
            forget_gate,
            state_blocks: Block::consecutive(&["h", "c"], hidden),
            saved_blocks: Block::consecutive(&["i", "f", "g", "o", "tanh_c"], hidden),
        }
    }

    /// W_hh, W_ih and b.
    pub fn affine(&self) -> &AffineMap {
        &self.affine
    }
}

impl RecurrentCell for Lstm {
    fn shape(&self) -> CellShape {
        let hidden = self.affine.hidden();
        CellShape {
            input: self.affine.input(),
            state: 2 * hidden,
            output: hidden,
            saved: 5 * hidden,
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
        if self.forget_gate {
            &["i", "f", "o"]
        } else {
            &["i", "o"]
        }
    }

    fn output_rows(&self) -> Range<usize> {
        0..self.affine.hidden()
    }

    /// c_t.
    fn inner_paths(&self) -> Range<usize> {
        self.affine.hidden()..2 * self.affine.hidden()
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

impl Trainable for Lstm {
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
