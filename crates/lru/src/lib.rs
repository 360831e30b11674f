//! The linear recurrent unit: a diagonal, complex, linear recurrence.
//!
//! Orvieto et al. 2023 (arXiv:2303.06349), the recurrent part alone: without the skip connection, the
//! output matrix and the nonlinear layers between which it stands.
//!
//! # One step, equation beside code
//!
//! 1. **The current input passes a complex linear layer**: a_t = B·x_t, `Packed::multiply_within` in the
//!    module `passes`.
//! 2. **Every unit turns and shrinks, and takes it in**: h_t = Λ ⊙ h_{t−1} + γ ⊙ a_t.
//!
//! * Λ = exp(−exp(ν) + iθ), so that |Λ| = exp(−exp ν) < 1 whatever ν is (§3.3).
//! * γ = √(1 − |Λ|²), or 1: with white inputs E|h|² is then that of a_t, however slowly a unit
//!   forgets (§3.4). Here γ is a function of ν; the paper starts from it and learns it apart.
//! * Λ is drawn in a ring: |Λ|² uniform in r_min²…r_max², the phase in 0…`max_phase` (Lemma 3.2).
//!
//! The state is one block `h` of 2H rows: the real parts, then the imaginary parts of the H units. A
//! readout or an upper layer sees both.
//!
//! # What the gradient does
//!
//! There is no squashing and no mixing: ∂h_t/∂h_{t−1} is a rotation and a factor |Λ_j| for each
//! unit j, and nothing else, whatever the inputs are. A gradient that enters unit j has decayed by exactly |Λ_j|^k
//! at lag k. As units differ, the norm over all of them falls fast at first and then as the slowest.
//!
//! # Gradients with respect to ν and θ
//!
//! They enter elementwise and not through a_t = B·x_t. But to change ν_j a little is to change a_t by
//! (∂h_t/∂ν_j)/γ at every step, which the step saves, so that their gradients are sums of δ_t, the
//! adjoint of a_t, times that: [`Factor::Elementwise`].
//!
//! ```
//! use gradient_tracking::{Tape, rollout};
//! use lru::Lru;
//! use nalgebra::{DMatrix, DVector};
//!
//! // One unit with |Λ| = 0.9 that turns by a right angle at every step.
//! let nu = DVector::from_element(1, (-(0.9_f64.ln())).ln());
//! let theta = DVector::from_element(1, std::f64::consts::FRAC_PI_2);
//! let cell = Lru::new(nu, theta, DMatrix::zeros(2, 1), true);
//! let inputs = DMatrix::zeros(1, 2);
//! let initial = DMatrix::from_column_slice(2, 1, &[1.0, 0.0]);
//! let mut tape = Tape::new();
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! assert!((tape.state(1)[1] - 0.9).abs() < 1e-15); // 0.9 i
//! assert!((tape.state(2)[0] + 0.81).abs() < 1e-15); // −0.81
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod config;
mod passes;
mod spectrum;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AdjointsMut, Block, CellPasses, CellShape, Factor, ParameterBlock, Point, Points,
    RecurrentCell, Trainable, View, ViewMut,
};
use kernels::{Packed, Start};
use nalgebra::{DMatrix, DVector};

pub use config::LruConfig;
pub use spectrum::Spectrum;

/// A linear recurrent unit; state `[h]`, the real parts above the imaginary ones.
///
/// Saved are `[by_nu; by_theta]`: the changes of a_t, real parts above imaginary ones, that have the
/// effect on h_t of a change of ν and θ.
#[derive(Clone, Debug, PartialEq)]
pub struct Lru {
    spectrum: Spectrum,
    /// ν, θ and B, column-major.
    parameters: Vec<f64>,
    blocks: [ParameterBlock; 3],
    input: Packed,
    input_transposed: Packed,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
}

impl Lru {
    /// Shapes: `nu` and `theta` H; `input` 2H×I, the real part of B above the imaginary one. With
    /// `normalized` inputs γ = √(1 − |Λ|²), else γ = 1.
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        nu: DVector<f64>,
        theta: DVector<f64>,
        input: DMatrix<f64>,
        normalized: bool,
    ) -> Self {
        let hidden = nu.len();
        assert!(
            theta.len() == hidden && input.nrows() == 2 * hidden,
            "{hidden} values of ν need as many of θ and twice as many rows of B, found {} and {}",
            theta.len(),
            input.nrows()
        );
        let parameters = [nu.as_slice(), theta.as_slice(), input.as_slice()].concat();
        let block = |name: &str, factor, columns, range| ParameterBlock {
            name: name.to_owned(),
            factor,
            rows: 0..2 * hidden,
            columns,
            range,
        };
        let elementwise = |part: usize| Factor::Elementwise(part * hidden..(part + 2) * hidden);
        let blocks = [
            block("nu", elementwise(0), 1, 0..hidden),
            block("theta", elementwise(2), 1, hidden..2 * hidden),
            block(
                "weight_ih",
                Factor::Input,
                input.ncols(),
                2 * hidden..parameters.len(),
            ),
        ];
        let mut cell = Lru {
            spectrum: Spectrum::new(nu.as_slice(), theta.as_slice(), normalized),
            parameters,
            blocks,
            input: Packed::default(),
            input_transposed: Packed::default(),
            state_blocks: Block::consecutive(&["h"], 2 * hidden),
            saved_blocks: Block::consecutive(&["by_nu", "by_theta"], 2 * hidden),
        };
        cell.pack();
        cell
    }

    fn pack(&mut self) {
        let block = &self.blocks[2];
        let weights = View::from_slice(
            &self.parameters[block.range.clone()],
            block.rows.len(),
            block.columns,
        );
        self.input.set(weights);
        self.input_transposed.set_transposed(weights);
    }

    /// Λ and γ.
    pub fn spectrum(&self) -> &Spectrum {
        &self.spectrum
    }

    /// B, 2H×I: the real part above the imaginary one.
    pub fn input_weights(&self) -> View<'_> {
        let block = &self.blocks[2];
        let values = &self.parameters[block.range.clone()];
        View::from_slice(values, block.rows.len(), block.columns)
    }
}

impl RecurrentCell for Lru {
    fn shape(&self) -> CellShape {
        let rows = 2 * self.spectrum.hidden();
        CellShape {
            input: self.blocks[2].columns,
            state: rows,
            output: rows,
            saved: 2 * rows,
            delta: rows,
        }
    }

    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }

    fn saved_blocks(&self) -> &[Block] {
        &self.saved_blocks
    }

    /// Both parts of every unit.
    fn output_rows(&self) -> Range<usize> {
        0..2 * self.spectrum.hidden()
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

    /// Bᵀ·δ, whose real part it is: δ holds the adjoints of real and imaginary parts.
    fn pull_back_input(&self, delta: View, input: ViewMut) {
        self.input_transposed.multiply(Start::Zero, delta, input);
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

impl Trainable for Lru {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        &self.blocks
    }
    fn parameters(&self) -> &[f64] {
        &self.parameters
    }
    fn set_parameters(&mut self, parameters: &[f64]) {
        self.parameters.copy_from_slice(parameters);
        let (nu, theta) = (self.blocks[0].range.clone(), self.blocks[1].range.clone());
        self.spectrum
            .set(&self.parameters[nu], &self.parameters[theta]);
        self.pack();
    }
}
