//! The pre-activations shared by gated cells: a_t = W_hh·h_{t−1} + W_ih·x_t + b.

use kernels::{Update, View, ViewMut};
use nalgebra::{DMatrix, DVector};

use crate::cell::{Factor, ParameterBlock};

/// W_hh, W_ih and b in one flat vector, each column-major, with P rows.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineMap {
    rows: usize,
    hidden: usize,
    input: usize,
    parameters: Vec<f64>,
    blocks: [ParameterBlock; 3],
}

impl AffineMap {
    /// Shapes: `recurrent` P×H, `input` P×I, `bias` P.
    ///
    /// # Panics
    /// If the row counts differ.
    pub fn new(recurrent: &DMatrix<f64>, input: &DMatrix<f64>, bias: &DVector<f64>) -> Self {
        let rows = bias.len();
        assert!(
            recurrent.nrows() == rows && input.nrows() == rows,
            "rows of W_hh ({}), W_ih ({}) and b ({rows}) differ",
            recurrent.nrows(),
            input.nrows(),
        );
        let mut parameters = Vec::with_capacity(recurrent.len() + input.len() + rows);
        let mut block = |name, factor, values: &[f64]| {
            let start = parameters.len();
            parameters.extend_from_slice(values);
            ParameterBlock {
                name,
                factor,
                columns: values.len() / rows.max(1),
                range: start..parameters.len(),
            }
        };
        let blocks = [
            block("weight_hh", Factor::Output, recurrent.as_slice()),
            block("weight_ih", Factor::Input, input.as_slice()),
            block("bias", Factor::Constant, bias.as_slice()),
        ];
        AffineMap {
            rows,
            hidden: recurrent.ncols(),
            input: input.ncols(),
            parameters,
            blocks,
        }
    }

    /// H, the columns of W_hh.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// I, the columns of W_ih.
    pub fn input(&self) -> usize {
        self.input
    }

    /// P, the rows of all three.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The three blocks.
    pub fn blocks(&self) -> &[ParameterBlock] {
        &self.blocks
    }

    /// W_hh, W_ih, b, one after the other.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// W_hh, W_ih, b, to be changed in place.
    pub fn parameters_mut(&mut self) -> &mut [f64] {
        &mut self.parameters
    }

    /// W_hh, P×H.
    pub fn recurrent_weights(&self) -> View<'_> {
        self.matrix(0)
    }

    /// W_ih, P×I.
    pub fn input_weights(&self) -> View<'_> {
        self.matrix(1)
    }

    /// b, P values.
    pub fn bias(&self) -> &[f64] {
        &self.parameters[self.blocks[2].range.clone()]
    }

    fn matrix(&self, block: usize) -> View<'_> {
        let block = &self.blocks[block];
        View::from_slice(
            &self.parameters[block.range.clone()],
            self.rows,
            block.columns,
        )
    }

    /// `projected` = W_ih·`inputs` + b. Shapes: I×N, P×N.
    pub fn project(&self, inputs: View, mut projected: ViewMut) {
        for mut column in projected.column_iter_mut() {
            column.as_mut_slice().copy_from_slice(self.bias());
        }
        kernels::multiply(Update::Add, self.input_weights(), inputs, projected);
    }

    /// `activations` += W_hh·`output`. Shapes: H×N, P×N.
    pub fn add_recurrent(&self, output: View, activations: ViewMut) {
        kernels::multiply(Update::Add, self.recurrent_weights(), output, activations);
    }

    /// `activations` = W_hh·`output`. Shapes: H×N, P×N.
    pub fn recurrent(&self, output: View, activations: ViewMut) {
        kernels::multiply(
            Update::Replace,
            self.recurrent_weights(),
            output,
            activations,
        );
    }

    /// `output` = W_hhᵀ·`delta`. Shapes: P×N, H×N.
    pub fn pull_back_recurrent(&self, delta: View, output: ViewMut) {
        kernels::multiply_transposed(Update::Replace, self.recurrent_weights(), delta, output);
    }

    /// `input` = W_ihᵀ·`delta`. Shapes: P×N, I×N.
    pub fn pull_back_input(&self, delta: View, input: ViewMut) {
        kernels::multiply_transposed(Update::Replace, self.input_weights(), delta, input);
    }
}
