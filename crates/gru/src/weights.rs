//! The parameters of a GRU, and its products.

use gradient_tracking::{Factor, ParameterBlock, View, ViewMut};
use kernels::simd::Simd;
use kernels::{Identity, Packed, Start};
use nalgebra::{DMatrix, DVector};

/// W_hh, W_ih and b in one flat vector, each column-major; and the matrices once more, laid out for
/// the products of the inner loops.
///
/// Their rows are those of the pre-activations `[a_in; a_r; a_z; a_hn]`: W_ih has the first three
/// quarters, W_hh the last three, b all of them. So neither matrix has rows of zeros, and no product
/// multiplies any.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    hidden: usize,
    input: usize,
    parameters: Vec<f64>,
    blocks: [ParameterBlock; 3],
    packed: PackedMatrices,
}

/// Derived from the parameters, never the other way round.
#[derive(Clone, Debug, Default, PartialEq)]
struct PackedMatrices {
    recurrent: Packed,
    recurrent_transposed: Packed,
    input: Packed,
    input_transposed: Packed,
}

impl Weights {
    /// From PyTorch's order r, z, n; shapes as of [`Gru::new`](crate::Gru::new).
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        recurrent: &DMatrix<f64>,
        input: &DMatrix<f64>,
        bias: &DVector<f64>,
        hidden_bias: &DVector<f64>,
    ) -> Self {
        let hidden = recurrent.ncols();
        let rows = 3 * hidden;
        assert!(
            recurrent.nrows() == rows
                && input.nrows() == rows
                && bias.len() == rows
                && hidden_bias.len() == hidden,
            "W_hh has {hidden} columns, so it needs {rows} rows, and so do W_ih and b; they have {}, \
             {} and {}, and b_hn has {}",
            recurrent.nrows(),
            input.nrows(),
            bias.len(),
            hidden_bias.len(),
        );
        let mut parameters = Vec::with_capacity(recurrent.len() + input.len() + 4 * hidden);
        parameters.extend_from_slice(recurrent.as_slice());
        for column in input.column_iter() {
            let (gates, candidate) = column.as_slice().split_at(2 * hidden);
            parameters.extend_from_slice(candidate);
            parameters.extend_from_slice(gates);
        }
        let (gates, candidate) = bias.as_slice().split_at(2 * hidden);
        for part in [candidate, gates, hidden_bias.as_slice()] {
            parameters.extend_from_slice(part);
        }

        let mut start = 0;
        let mut block = |name: &str, factor, rows: std::ops::Range<usize>, columns| {
            let range = start..start + rows.len() * columns;
            start = range.end;
            ParameterBlock {
                name: name.to_owned(),
                factor,
                rows,
                columns,
                range,
            }
        };
        let blocks = [
            block(
                "weight_hh",
                Factor::Previous(0..hidden),
                hidden..4 * hidden,
                hidden,
            ),
            block("weight_ih", Factor::Input, 0..rows, input.ncols()),
            block("bias", Factor::Constant, 0..4 * hidden, 1),
        ];
        let mut weights = Weights {
            hidden,
            input: input.ncols(),
            parameters,
            blocks,
            packed: PackedMatrices::default(),
        };
        weights.pack();
        weights
    }

    fn pack(&mut self) {
        let mut packed = std::mem::take(&mut self.packed);
        let (recurrent, input) = (self.recurrent_weights(), self.input_weights());
        packed.recurrent.set(recurrent);
        packed.recurrent_transposed.set_transposed(recurrent);
        packed.input.set(input);
        packed.input_transposed.set_transposed(input);
        self.packed = packed;
    }

    /// H.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// I.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The three blocks.
    pub fn blocks(&self) -> &[ParameterBlock] {
        &self.blocks
    }

    /// W_hh, W_ih, b, one after the other.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// Replaces W_hh, W_ih and b, one after the other.
    ///
    /// # Panics
    /// If there are more or fewer of them.
    pub fn set_parameters(&mut self, parameters: &[f64]) {
        self.parameters.copy_from_slice(parameters);
        self.pack();
    }

    /// W_hh, 3H×H, rows in the order r, z, n.
    pub fn recurrent_weights(&self) -> View<'_> {
        self.matrix(0)
    }

    /// W_ih, 3H×I, rows in the order n, r, z.
    pub fn input_weights(&self) -> View<'_> {
        self.matrix(1)
    }

    /// b_in, b_r, b_z and b_hn, 4H values.
    #[inline]
    pub fn bias(&self) -> &[f64] {
        &self.parameters[self.blocks[2].range.clone()]
    }

    fn matrix(&self, block: usize) -> View<'_> {
        let block = &self.blocks[block];
        View::from_slice(
            &self.parameters[block.range.clone()],
            block.rows.len(),
            block.columns,
        )
    }

    /// `activations` = `[a_in; a_r; a_z; a_hn]`. Shapes: I×N, H×N, 4H×N.
    #[inline(always)]
    pub(crate) fn activations_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        output: View,
        mut activations: ViewMut,
    ) {
        let hidden = self.hidden;
        let (of_input, of_hidden) = self.bias().split_at(3 * hidden);
        self.packed.input.multiply_within(
            simd,
            Start::Column(of_input),
            [input],
            activations.rows_mut(0, 3 * hidden),
            Identity,
        );
        for mut column in activations.column_iter_mut() {
            column.as_mut_slice()[3 * hidden..].copy_from_slice(of_hidden);
        }
        self.packed.recurrent.multiply_within(
            simd,
            Start::Destination,
            [output],
            activations.rows_mut(hidden, 3 * hidden),
            Identity,
        );
    }

    /// `activations` = the tangent of the pre-activations, that of the input zero if there is none.
    /// Shapes: I×N, H×N, 4H×N.
    pub(crate) fn tangent(&self, input: Option<View>, output: View, mut activations: ViewMut) {
        let hidden = self.hidden;
        match input {
            Some(input) => {
                let of_input = activations.rows_mut(0, 3 * hidden);
                self.packed.input.multiply(Start::Zero, input, of_input);
            }
            None => activations.rows_mut(0, 3 * hidden).fill(0.0),
        }
        activations.rows_mut(3 * hidden, hidden).fill(0.0);
        self.packed.recurrent.multiply(
            Start::Destination,
            output,
            activations.rows_mut(hidden, 3 * hidden),
        );
    }

    /// `output` += W_hhᵀ·`delta`. Shapes: 4H×N, H×N.
    #[inline(always)]
    pub(crate) fn add_pull_back_recurrent_within<S: Simd>(
        &self,
        simd: S,
        delta: View,
        output: ViewMut,
    ) {
        self.packed.recurrent_transposed.multiply_within(
            simd,
            Start::Destination,
            [delta.rows(self.hidden, 3 * self.hidden)],
            output,
            Identity,
        );
    }

    /// `input` = W_ihᵀ·`delta`. Shapes: 4H×N, I×N.
    pub(crate) fn pull_back_input(&self, delta: View, input: ViewMut) {
        let delta = delta.rows(0, 3 * self.hidden);
        self.packed
            .input_transposed
            .multiply(Start::Zero, delta, input);
    }
}
