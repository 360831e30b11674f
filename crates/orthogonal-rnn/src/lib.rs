//! The orthogonal recurrent network of the scaled Cayley transform (scoRNN):
//! h_t = modReLU(W·h_{t−1} + W_ih·x_t), W = (I + A)⁻¹(I − A)·D.
//!
//! K. Helfrich, D. Willmott, Q. Ye, "Orthogonal recurrent neural networks with scaled Cayley transform",
//! ICML 2018 (arXiv:1707.09520). A is skew-symmetric, Aᵀ = −A, so that (I + A)⁻¹(I − A) is orthogonal
//! whatever its entries are; D is diagonal, ±1, and brings the orthogonal matrices within reach that have
//! an eigenvalue −1, which no bounded A gives. What is trained is A, so an ordinary step of gradient
//! descent stays on the manifold: nothing is projected back.
//!
//! modReLU(z) = sign(z)·max(|z| + b, 0), one b per unit. Its slope is 1, or 0 where |z| + b < 0, so
//! ‖∂h_t/∂h_{t−1}‖ ≤ 1: **no gradient grows, and while all units are active none vanishes**: r_k = 1. With
//! b ≥ 0 all always are, and with b = 0 the cell is linear.
//!
//! # What is trained
//!
//! The H(H−1)/2 entries of A below its diagonal, W_ih and b ([`Trainable::parameters`]). A tape knows
//! ∂L/∂W, which is reported as that of `weight_hh`;
//! ∂L/∂A = Vᵀ − V with V = (I + A)⁻ᵀ·∂L/∂W·(D + Wᵀ) (Theorem 3.2 of the paper), is what
//! [`Trainable::pull_back_parameters`] gives. b enters behind the product, so δ_t has 2H rows: the
//! adjoints of z_t and those of b.
//!
//! ```
//! use gradient_tracking::Trainable;
//! use nalgebra::{DMatrix, DVector};
//! use orthogonal_rnn::OrthogonalRnn;
//!
//! // Anything below the diagonal gives an orthogonal matrix.
//! let a = DMatrix::from_fn(4, 4, |i, j| (1 + 3 * i + j) as f64 / 7.0);
//! let d = DVector::from_column_slice(&[1.0, 1.0, -1.0, -1.0]);
//! let mut cell = OrthogonalRnn::new(&a, d, DMatrix::zeros(4, 1), DVector::zeros(4));
//! assert!(cell.deviation_from_orthogonality() < 1e-14);
//!
//! let changed: Vec<f64> = cell.parameters().iter().map(|entry| entry - 0.5).collect();
//! cell.set_parameters(&changed);
//! assert!(cell.deviation_from_orthogonality() < 1e-14);
//! ```

mod config;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AffineMap, Block, CellShape, Factor, ParameterBlock, Point, RecurrentCell,
    Trainable, View, ViewMut,
};
use nalgebra::{DMatrix, DVector};

pub use config::OrthogonalRnnConfig;

/// h_t = modReLU(W·h_{t−1} + W_ih·x_t), W = (I + A)⁻¹(I − A)·D; state `[h]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrthogonalRnn {
    /// The diagonal of D.
    signs: DVector<f64>,
    /// A below its diagonal, column after column; W_ih; b.
    parameters: Vec<f64>,
    /// W and W_ih; its bias is zero.
    affine: AffineMap,
    parameter_blocks: [ParameterBlock; 3],
    state_blocks: Vec<Block>,
}

impl OrthogonalRnn {
    /// Shapes: `skew` H×H, of which only what lies below the diagonal is read (A_ij, i > j;
    /// A_ji = −A_ij); `signs` (the diagonal of D) H; `input` H×I; `bias` (b) H.
    ///
    /// # Panics
    /// If the shapes do not fit each other, or if a sign is not ±1.
    pub fn new(
        skew: &DMatrix<f64>,
        signs: DVector<f64>,
        input: DMatrix<f64>,
        bias: DVector<f64>,
    ) -> Self {
        let hidden = bias.len();
        assert_eq!(skew.shape(), (hidden, hidden), "the shape of A");
        assert_eq!(signs.len(), hidden, "the size of D");
        assert!(
            signs.iter().all(|sign| sign.abs() == 1.0),
            "the diagonal of D is ±1: {signs}"
        );
        let below_diagonal: Vec<f64> = triangle(hidden).map(|place| skew[place]).collect();
        let w = scaled_cayley(&antisymmetric(hidden, &below_diagonal), &signs);
        let affine = AffineMap::new(&w, &input, &DVector::zeros(hidden));
        let [recurrent, inputs, _] = affine.blocks() else {
            unreachable!("an affine map has three blocks")
        };
        let parameter_blocks = [
            recurrent.clone(),
            inputs.clone(),
            ParameterBlock {
                name: "bias".to_owned(),
                factor: Factor::Constant,
                rows: hidden..2 * hidden,
                columns: 1,
                range: inputs.range.end..inputs.range.end + hidden,
            },
        ];
        OrthogonalRnn {
            parameters: [&below_diagonal, input.as_slice(), bias.as_slice()].concat(),
            signs,
            affine,
            parameter_blocks,
            state_blocks: Block::consecutive(&["h"], hidden),
        }
    }

    /// A, H×H.
    pub fn skew(&self) -> DMatrix<f64> {
        antisymmetric(self.affine.hidden(), &self.parameters)
    }

    /// The diagonal of D.
    pub fn signs(&self) -> &DVector<f64> {
        &self.signs
    }

    /// W, H×H, orthogonal.
    pub fn recurrent_weights(&self) -> View<'_> {
        self.affine.recurrent_weights()
    }

    /// W_ih, H×I.
    pub fn input_weights(&self) -> View<'_> {
        self.affine.input_weights()
    }

    /// b, H values.
    pub fn bias(&self) -> &[f64] {
        &self.parameters[self.parameters.len() - self.affine.hidden()..]
    }

    /// ‖WᵀW − I‖, the Frobenius norm.
    pub fn deviation_from_orthogonality(&self) -> f64 {
        let w = self.recurrent_weights();
        let mut product = w.tr_mul(&w);
        for k in 0..product.ncols() {
            product[(k, k)] -= 1.0;
        }
        product.norm()
    }
}

/// The places below the diagonal, column after column.
fn triangle(hidden: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..hidden).flat_map(move |column| (column + 1..hidden).map(move |row| (row, column)))
}

/// The skew-symmetric matrix with these entries below its diagonal; more of them are not read.
fn antisymmetric(hidden: usize, below_diagonal: &[f64]) -> DMatrix<f64> {
    let mut a = DMatrix::zeros(hidden, hidden);
    for (place, entry) in triangle(hidden).zip(below_diagonal) {
        a[place] = *entry;
        a[(place.1, place.0)] = -entry;
    }
    a
}

/// W = (I + A)⁻¹(I − A)·D. I + A has the eigenvalues 1 ± iω, so that it has an inverse.
fn scaled_cayley(a: &DMatrix<f64>, signs: &DVector<f64>) -> DMatrix<f64> {
    let one = DMatrix::identity(a.nrows(), a.ncols());
    let mut w = &one - a;
    // Entries that are not finite have no solution, and are then those of W too.
    if !(one + a).lu().solve_mut(&mut w) {
        w.fill(f64::NAN);
    }
    for (mut column, sign) in w.column_iter_mut().zip(signs.iter()) {
        column *= *sign;
    }
    w
}

/// sign(z)·max(|z| + b, 0), which is 0 at z = 0 whatever b is. Keeps NaN, which would hide an overflow
/// as 0.
#[inline]
fn mod_relu(z: f64, bias: f64) -> f64 {
    let magnitude = z.abs() + bias;
    if z == 0.0 || magnitude <= 0.0 {
        0.0
    } else {
        magnitude.copysign(z)
    }
}

/// Its slope in z, from what it gave. At z = 0 that of either side: 1 where b ≥ 0.
#[inline]
fn slope(h: f64, bias: f64) -> f64 {
    f64::from(h != 0.0 || bias >= 0.0)
}

/// Its derivative in b, sign(z) where the unit is active, from what it gave.
#[inline]
fn bias_slope(h: f64) -> f64 {
    if h == 0.0 { 0.0 } else { h.signum() }
}

impl RecurrentCell for OrthogonalRnn {
    fn shape(&self) -> CellShape {
        let hidden = self.affine.hidden();
        CellShape {
            input: self.affine.input(),
            state: hidden,
            output: hidden,
            // The slopes are functions of h_t, which the tape holds.
            saved: 0,
            delta: 2 * hidden,
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

    /// h_t = modReLU(W·h_{t−1} + W_ih·x_t).
    fn step(&self, input: View, previous: View, mut next: ViewMut, _saved: ViewMut) {
        self.affine.activations(input, previous, next.as_view_mut());
        for mut column in next.column_iter_mut() {
            for (z, bias) in column.as_mut_slice().iter_mut().zip(self.bias()) {
                *z = mod_relu(*z, *bias);
            }
        }
    }

    /// δ_t = [slope ⊙ ∂L/∂h_t; sign(h_t) ⊙ ∂L/∂h_t], the adjoints of z_t and of b;
    /// ∂L/∂h_{t−1} = Wᵀ·δ_t's upper half.
    fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        let AdjointMut {
            carried,
            node,
            mut delta,
            previous,
        } = adjoint;
        let (hidden, batch) = (self.affine.hidden(), at.next.ncols());
        if let Some(node) = node {
            kernels::copy(carried, node);
        }
        for (j, mut delta) in delta.column_iter_mut().enumerate() {
            let (h, adjoint) = (at.next.column(j % batch), carried.column(j));
            let (z_bar, b_bar) = delta.as_mut_slice().split_at_mut(hidden);
            let entering = h.as_slice().iter().zip(adjoint.as_slice());
            let results = z_bar.iter_mut().zip(b_bar).zip(self.bias());
            for (((z_bar, b_bar), bias), (h, adjoint)) in results.zip(entering) {
                *z_bar = slope(*h, *bias) * adjoint;
                *b_bar = bias_slope(*h) * adjoint;
            }
        }
        self.affine
            .pull_back_recurrent(delta.rows(0, hidden).as_view(), previous);
    }

    fn pull_back_input(&self, delta: View, input: ViewMut) {
        let upper = delta.rows(0, self.affine.hidden());
        self.affine.pull_back_input(upper, input);
    }

    /// ḣ_t = slope ⊙ (W·ḣ_{t−1} + W_ih·ẋ_t).
    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        let (hidden, batch) = (self.affine.hidden(), at.next.ncols());
        activation.rows_mut(hidden, hidden).fill(0.0);
        self.affine
            .tangent(input, tangent, activation.rows_mut(0, hidden));
        for (j, mut next) in next.column_iter_mut().enumerate() {
            let (h, z_dot) = (at.next.column(j % batch), activation.column(j));
            let rows = h.as_slice().iter().zip(z_dot.as_slice());
            let results = next.as_mut_slice().iter_mut().zip(self.bias());
            for ((next, bias), (h, z_dot)) in results.zip(rows) {
                *next = slope(*h, *bias) * z_dot;
            }
        }
    }
}

impl Trainable for OrthogonalRnn {
    /// W, W_ih, b.
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        &self.parameter_blocks
    }

    /// A below its diagonal, column after column; W_ih; b.
    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn set_parameters(&mut self, parameters: &[f64]) {
        self.parameters.copy_from_slice(parameters);
        let hidden = self.affine.hidden();
        let w = scaled_cayley(&self.skew(), &self.signs);
        let input = &parameters[hidden * (hidden - 1) / 2..parameters.len() - hidden];
        let no_bias = vec![0.0; hidden];
        self.affine
            .set_parameters(&[w.as_slice(), input, &no_bias].concat());
    }

    /// ∂L/∂A = Vᵀ − V below the diagonal, V = (I + A)⁻ᵀ·∂L/∂W·(D + Wᵀ).
    fn pull_back_parameters(&self, entering: &[f64], gradient: &mut [f64]) {
        let hidden = self.affine.hidden();
        let (recurrent, others) = entering.split_at(hidden * hidden);
        let (of_a, of_others) = gradient.split_at_mut(hidden * (hidden - 1) / 2);
        of_others.copy_from_slice(others);

        let mut sum = self.recurrent_weights().transpose();
        for (k, sign) in self.signs.iter().enumerate() {
            sum[(k, k)] += sign;
        }
        let mut v = View::from_slice(recurrent, hidden, hidden) * sum;
        // (I + A)ᵀ = I − A.
        let transposed = DMatrix::identity(hidden, hidden) - self.skew();
        if !transposed.lu().solve_mut(&mut v) {
            v.fill(f64::NAN);
        }
        for (entry, (row, column)) in of_a.iter_mut().zip(triangle(hidden)) {
            *entry = v[(column, row)] - v[(row, column)];
        }
    }
}
