//! The pre-activations shared by gated cells: a_t = W_hh·h_{t−1} + W_ih·x_t + b.

use kernels::simd::Simd;
use kernels::{Epilogue, Identity, Packed, Start, View, ViewMut};
use nalgebra::{DMatrix, DVector};

use crate::cell::{Factor, ParameterBlock};

/// W_hh, W_ih and b in one flat vector, each column-major, with P rows; and the matrices once more,
/// laid out for the products of the inner loops.
///
/// A step's product is one: `[W_ih W_hh]·[x_t; h_{t−1}]`, started from b. Hoisting W_ih·X out of the
/// loop over time would save no arithmetic and cost a pass through memory.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineMap {
    rows: usize,
    hidden: usize,
    input: usize,
    parameters: Vec<f64>,
    blocks: [ParameterBlock; 3],
    packed: PackedMatrices,
}

/// Derived from the parameters, never the other way round.
#[derive(Clone, Debug, Default, PartialEq)]
struct PackedMatrices {
    /// `[W_ih W_hh]`.
    both: Packed,
    recurrent: Packed,
    recurrent_transposed: Packed,
    input_transposed: Packed,
}

impl AffineMap {
    /// Of a cell whose output h_t stands in the first rows of its state.
    ///
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
        let mut block = |name: &str, factor, values: &[f64]| {
            let start = parameters.len();
            parameters.extend_from_slice(values);
            ParameterBlock {
                name: name.to_owned(),
                factor,
                rows: 0..rows,
                columns: values.len() / rows.max(1),
                range: start..parameters.len(),
            }
        };
        let blocks = [
            block(
                "weight_hh",
                Factor::Previous(0..recurrent.ncols()),
                recurrent.as_slice(),
            ),
            block("weight_ih", Factor::Input, input.as_slice()),
            block("bias", Factor::Constant, bias.as_slice()),
        ];
        let mut map = AffineMap {
            rows,
            hidden: recurrent.ncols(),
            input: input.ncols(),
            parameters,
            blocks,
            packed: PackedMatrices::default(),
        };
        map.pack();
        map
    }

    fn pack(&mut self) {
        let mut packed = std::mem::take(&mut self.packed);
        packed
            .both
            .set_side_by_side(&[self.input_weights(), self.recurrent_weights()]);
        packed.recurrent.set(self.recurrent_weights());
        packed
            .recurrent_transposed
            .set_transposed(self.recurrent_weights());
        packed.input_transposed.set_transposed(self.input_weights());
        self.packed = packed;
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

    /// Replaces W_hh, W_ih and b, one after the other.
    ///
    /// # Panics
    /// If there are more or fewer of them.
    pub fn set_parameters(&mut self, parameters: &[f64]) {
        self.parameters.copy_from_slice(parameters);
        self.pack();
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
    #[inline]
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

    /// `activations` = W_hh·`output` + W_ih·`input` + b. Shapes: I×N, H×N, P×N.
    #[inline]
    pub fn activations(&self, input: View, output: View, activations: ViewMut) {
        let bias = Start::Column(self.bias());
        self.packed
            .both
            .multiply_stacked(bias, [input, output], activations);
    }

    /// [`activations`](Self::activations) as part of a pass.
    #[inline(always)]
    pub fn activations_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        output: View,
        activations: ViewMut,
    ) {
        self.activated_within(simd, input, output, activations, Identity);
    }

    /// [`activations`](Self::activations) of one sequence whose `output` stays in registers. Shapes:
    /// I, H = 8K, P = 8R.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline(always)]
    pub fn activations_in_registers<S: Simd, const R: usize, const K: usize>(
        &self,
        simd: S,
        input: &[f64],
        output: [S::V; K],
    ) -> [S::V; R] {
        let both = &self.packed.both;
        both.multiply_registers(simd, Some(self.bias()), input, output)
    }

    /// `outputs` = f(W_hh·`output` + W_ih·`input` + b). Shapes: I×N, H×N, P×N.
    #[inline]
    pub fn activated(&self, input: View, output: View, outputs: ViewMut, f: impl Epilogue) {
        let bias = Start::Column(self.bias());
        self.packed
            .both
            .multiply_stacked_then(bias, [input, output], outputs, f);
    }

    /// [`activated`](Self::activated) as part of a pass.
    #[inline(always)]
    pub fn activated_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        output: View,
        outputs: ViewMut,
        f: impl Epilogue,
    ) {
        let bias = Start::Column(self.bias());
        self.packed
            .both
            .multiply_within(simd, bias, [input, output], outputs, f);
    }

    /// `activations` = W_hh·`output`. Shapes: H×N, P×N.
    #[inline]
    pub fn recurrent(&self, output: View, activations: ViewMut) {
        self.packed
            .recurrent
            .multiply(Start::Zero, output, activations);
    }

    /// `activations` = W_hh·`output` + W_ih·`input`, without the latter if there is none. Shapes: I×N,
    /// H×N, P×N.
    #[inline]
    pub fn tangent(&self, input: Option<View>, output: View, activations: ViewMut) {
        match input {
            None => self.recurrent(output, activations),
            Some(input) => {
                let both = &self.packed.both;
                both.multiply_stacked(Start::Zero, [input, output], activations);
            }
        }
    }

    /// `output` = W_hhᵀ·`delta`. Shapes: P×N, H×N.
    #[inline]
    pub fn pull_back_recurrent(&self, delta: View, output: ViewMut) {
        self.packed
            .recurrent_transposed
            .multiply(Start::Zero, delta, output);
    }

    /// [`pull_back_recurrent`](Self::pull_back_recurrent) as part of a pass.
    #[inline(always)]
    pub fn pull_back_recurrent_within<S: Simd>(&self, simd: S, delta: View, output: ViewMut) {
        self.packed.recurrent_transposed.multiply_within(
            simd,
            Start::Zero,
            [delta],
            output,
            Identity,
        );
    }

    /// [`pull_back_recurrent`](Self::pull_back_recurrent) of one sequence whose `delta` stays in
    /// registers. Shapes: P = 8R, H = 8K.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline(always)]
    pub fn pull_back_recurrent_in_registers<S: Simd, const R: usize, const K: usize>(
        &self,
        simd: S,
        delta: [S::V; R],
    ) -> [S::V; K] {
        let transposed = &self.packed.recurrent_transposed;
        transposed.multiply_registers(simd, None, &[], delta)
    }

    /// `input` = W_ihᵀ·`delta`. Shapes: P×N, I×N.
    pub fn pull_back_input(&self, delta: View, input: ViewMut) {
        self.packed
            .input_transposed
            .multiply(Start::Zero, delta, input);
    }
}
