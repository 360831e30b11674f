//! The LSTM as it was published: memory blocks, no forget gate, and a gradient that is truncated on
//! purpose.
//!
//! S. Hochreiter, J. Schmidhuber, "Long short-term memory", *Neural Computation* 9(8):1735–1780, 1997, §4
//! and appendix A.1. A **memory block** is some memory cells that share one input and one output gate. A
//! network of β blocks of S cells each has H = βS cells; u is a cell, β(u) its block.
//!
//! # One step
//!
//! Gates and cells see the inputs and, from the step before, the outputs of all cells **and of all
//! gates**, s_t's first rows y_{t−1} = [h; y_in; y_out]:
//!
//! * a_t = W_hh·y_{t−1} + W_ih·x_t + b, in the rows input gates, output gates, cells;
//! * y_in = σ(a_in), y_out = σ(a_out), one of each per block;
//! * c_t = c_{t−1} + y_in ⊙ (4σ(a_c) − 2) = c_{t−1} + 2 y_in ⊙ g_t, g_t = tanh(a_c/2): nothing is ever erased;
//! * h_t = y_out ⊙ h(c_t), h(c) = 2σ(c) − 1 = tanh(c/2).
//!
//! The paper writes s_c for c_t, y^c for h_t and g for our 2g_t: a candidate has values in −1…1 here as in
//! every other cell. A state is `[h; y_in; y_out; c]`. Its h is a function of y_out and c, so that a step's
//! Jacobian has H singular values 0 or more, which rounding leaves at some 10⁻¹⁶ of the largest.
//!
//! # The constant error carousel, and truncation
//!
//! ∂c_t/∂c_{t−1} = 1 along the memory, so an error inside it stays what it is however long the lag. By full
//! backpropagation it also leaves through the gates and comes back through W_hh, changed. The paper stops
//! that: an error that reaches a_in, a_out or a_c changes the weights and goes **no further back**. That is
//! the gradient with all pre-activations held, [`Lstm1997::is_truncated`], and then ∂L/∂c_t is the same bits
//! at every lag.
//!
//! Both directions are then those of the truncated step: [`push_forward`](RecurrentCell::push_forward) is the
//! Jacobian with a_t held, whose transpose [`pull_back`](RecurrentCell::pull_back) is, and neither is that of
//! the step. Nothing reaches the inputs either, nor a layer below (∂a/∂y^u = 0 for *every* unit u, appendix
//! A.1). The weights' gradient is what an error does on its arrival.
//!
//! ```
//! use gradient_tracking::{RecurrentCell, Trainable};
//! use lstm_1997::Lstm1997;
//! use nalgebra::{DMatrix, DVector};
//!
//! // The adding problem of the paper: two inputs, two blocks of two cells, one output unit.
//! let (blocks, cells, inputs) = (2, 2, 2);
//! let units = blocks * cells + 2 * blocks;
//! let weights = |columns| DMatrix::zeros(units, columns);
//! let cell = Lstm1997::new(cells, weights(units), weights(inputs), Some(DVector::zeros(units)), true);
//! assert_eq!(cell.weights_with_outputs(1, true), 93);
//! ```

mod config;

use std::ops::Range;

use gradient_tracking::{
    AdjointMut, AffineMap, Block, CellShape, ParameterBlock, Point, RecurrentCell, Trainable, View,
    ViewMut,
};
use nalgebra::{DMatrix, DVector};

pub use config::{InputGateBias, Lstm1997Config};

/// An LSTM of 1997; state `[h; y_in; y_out; c]`, saved `[i; o; g; h_c]`, H rows each: the gates of every
/// cell, its candidate and h(c_t).
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm1997 {
    affine: AffineMap,
    cells_per_block: usize,
    has_biases: bool,
    truncated: bool,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
}

/// The sizes of its parts.
#[derive(Clone, Copy)]
struct Sizes {
    /// Memory blocks, hence gates of either kind.
    blocks: usize,
    /// H, memory cells.
    cells: usize,
    /// Cells in each block.
    per_block: usize,
}

impl Sizes {
    /// Rows of a_t: two gates per block, and the cells.
    fn units(self) -> usize {
        2 * self.blocks + self.cells
    }

    /// The cells of a block.
    fn cells_of(self, block: usize) -> Range<usize> {
        block * self.per_block..(block + 1) * self.per_block
    }
}

impl Lstm1997 {
    /// With P = 2β + βS units, rows in the order input gates, output gates, cells. Shapes: `recurrent` P×P,
    /// with columns in the order cells, input gates, output gates; `input` P×I; `bias` P. Without `bias`
    /// there are none to train. `cells_per_block` is S.
    ///
    /// # Panics
    /// If the shapes do not fit each other.
    pub fn new(
        cells_per_block: usize,
        recurrent: DMatrix<f64>,
        input: DMatrix<f64>,
        bias: Option<DVector<f64>>,
        truncated: bool,
    ) -> Self {
        let units = recurrent.nrows();
        assert!(
            recurrent.is_square() && units > 0 && units.is_multiple_of(cells_per_block + 2),
            "W_hh is {units}×{}; blocks of {cells_per_block} cells and two gates need a square of a \
             multiple of {}",
            recurrent.ncols(),
            cells_per_block + 2
        );
        let blocks = units / (cells_per_block + 2);
        let cells = blocks * cells_per_block;
        let has_biases = bias.is_some();
        let bias = bias.unwrap_or_else(|| DVector::zeros(units));
        let named = |parts: [(&str, usize); 4]| {
            let mut next = 0;
            let block = |(name, rows): (&str, usize)| {
                let start = next;
                next += rows;
                Block {
                    name: name.to_owned(),
                    rows: start..next,
                }
            };
            parts.into_iter().map(block).collect::<Vec<_>>()
        };
        Lstm1997 {
            affine: AffineMap::new(&recurrent, &input, &bias),
            cells_per_block,
            has_biases,
            truncated,
            state_blocks: named([
                ("h", cells),
                ("y_in", blocks),
                ("y_out", blocks),
                ("c", cells),
            ]),
            saved_blocks: Block::consecutive(&["i", "o", "g", "h_c"], cells),
        }
    }

    /// S.
    pub fn cells_per_block(&self) -> usize {
        self.cells_per_block
    }

    /// Whether the gradient stops at the pre-activations.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// W_hh, W_ih and b; b is zero if there are no biases.
    pub fn affine(&self) -> &AffineMap {
        &self.affine
    }

    /// The trainable weights of a whole network of the paper: this layer's, and those of `outputs` output
    /// units that see the memory cells and, if `biased`, a bias.
    pub fn weights_with_outputs(&self, outputs: usize, biased: bool) -> usize {
        self.parameters().len() + outputs * (self.sizes().cells + usize::from(biased))
    }

    fn sizes(&self) -> Sizes {
        let per_block = self.cells_per_block;
        let blocks = self.affine.rows() / (per_block + 2);
        Sizes {
            blocks,
            cells: blocks * per_block,
            per_block,
        }
    }
}

/// The parts of a column of the state, or of an adjoint or tangent of it.
struct State<'a> {
    h: &'a [f64],
    y_in: &'a [f64],
    y_out: &'a [f64],
    c: &'a [f64],
}

impl<'a> State<'a> {
    #[inline]
    fn of(column: &'a [f64], sizes: Sizes) -> Self {
        let (h, rest) = column.split_at(sizes.cells);
        let (y_in, rest) = rest.split_at(sizes.blocks);
        let (y_out, c) = rest.split_at(sizes.blocks);
        State { h, y_in, y_out, c }
    }
}

/// The same, to be written.
struct StateMut<'a> {
    h: &'a mut [f64],
    y_in: &'a mut [f64],
    y_out: &'a mut [f64],
    c: &'a mut [f64],
}

impl<'a> StateMut<'a> {
    #[inline]
    fn of(column: &'a mut [f64], sizes: Sizes) -> Self {
        let (h, rest) = column.split_at_mut(sizes.cells);
        let (y_in, rest) = rest.split_at_mut(sizes.blocks);
        let (y_out, c) = rest.split_at_mut(sizes.blocks);
        StateMut { h, y_in, y_out, c }
    }
}

/// The parts of a column of what is saved, cell by cell.
struct Saved<'a> {
    i: &'a [f64],
    o: &'a [f64],
    g: &'a [f64],
    h_c: &'a [f64],
}

impl<'a> Saved<'a> {
    #[inline]
    fn of(column: &'a [f64], sizes: Sizes) -> Self {
        let (i, rest) = column.split_at(sizes.cells);
        let (o, rest) = rest.split_at(sizes.cells);
        let (g, h_c) = rest.split_at(sizes.cells);
        Saved { i, o, g, h_c }
    }
}

/// h'(c) = ½(1 − tanh²(c/2)), from h(c) = tanh(c/2).
#[inline]
fn h_slope(h_c: f64) -> f64 {
    0.5 * (1.0 - h_c * h_c)
}

impl RecurrentCell for Lstm1997 {
    fn shape(&self) -> CellShape {
        let sizes = self.sizes();
        CellShape {
            input: self.affine.input(),
            state: sizes.units() + sizes.cells,
            output: sizes.cells,
            saved: 4 * sizes.cells,
            delta: sizes.units(),
        }
    }

    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }

    fn saved_blocks(&self) -> &[Block] {
        &self.saved_blocks
    }

    fn gate_names(&self) -> &[&'static str] {
        &["i", "o"]
    }

    fn output_rows(&self) -> Range<usize> {
        0..self.sizes().cells
    }

    /// y_in and y_out, which open c_t and h_t at the step at which they see the inputs, and c_t.
    fn inner_paths(&self) -> Range<usize> {
        self.sizes().cells..self.shape().state
    }

    fn step(&self, input: View, previous: View, mut next: ViewMut, mut saved: ViewMut) {
        let sizes = self.sizes();
        // a_t, in the rows where y_in, y_out and c_t will stand.
        self.affine.activations(
            input,
            previous.rows(0, sizes.units()).as_view(),
            next.rows_mut(sizes.cells, sizes.units()),
        );
        for (j, mut next) in next.column_iter_mut().enumerate() {
            let before = previous.column(j);
            let before = State::of(before.as_slice(), sizes);
            let next = StateMut::of(next.as_mut_slice(), sizes);
            let mut saved = saved.column_mut(j);
            let (i, rest) = saved.as_mut_slice().split_at_mut(sizes.cells);
            let (o, rest) = rest.split_at_mut(sizes.cells);
            let (g, h_c) = rest.split_at_mut(sizes.cells);

            kernels::logistic(next.y_in);
            kernels::logistic(next.y_out);
            for (g, a) in g.iter_mut().zip(&*next.c) {
                *g = 0.5 * a;
            }
            kernels::tanh(g);
            for u in 0..sizes.cells {
                i[u] = next.y_in[u / sizes.per_block];
                o[u] = next.y_out[u / sizes.per_block];
                // c_t = c_{t−1} + 2 y_in ⊙ g.
                next.c[u] = before.c[u] + 2.0 * i[u] * g[u];
                h_c[u] = 0.5 * next.c[u];
            }
            // h_t = y_out ⊙ h(c_t), h(c) = tanh(c/2).
            kernels::tanh(h_c);
            for u in 0..sizes.cells {
                next.h[u] = o[u] * h_c[u];
            }
        }
    }

    /// With h̄, ȳ, c̄ the carried adjoints, per cell u and block β:
    ///
    /// * node gradients c̄ + y_out h'(c) h̄; ȳ_out + Σ_{u∈β} h(c) h̄; ȳ_in + Σ_{u∈β} 2g c̄_node;
    /// * δ_in = ȳ_in,node y_in(1 − y_in), δ_out = ȳ_out,node y_out(1 − y_out), δ_c = c̄_node y_in (1 − g²);
    /// * c̄_{t−1} = c̄_node and `[h̄; ȳ_in; ȳ_out]`_{t−1} = W_hhᵀ·δ, or 0 if that is truncated.
    fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        let AdjointMut {
            carried,
            node,
            mut delta,
            mut previous,
        } = adjoint;
        let (sizes, batch) = (self.sizes(), at.saved.ncols());
        for (j, carried) in carried.column_iter().enumerate() {
            let saved = at.saved.column(j % batch);
            let saved = Saved::of(saved.as_slice(), sizes);
            let carried = State::of(carried.as_slice(), sizes);
            let mut delta = delta.column_mut(j);
            let (delta_in, rest) = delta.as_mut_slice().split_at_mut(sizes.blocks);
            let (delta_out, delta_c) = rest.split_at_mut(sizes.blocks);
            let mut previous = previous.column_mut(j);
            // The node gradient first: its c̄ is what goes back, and the rest makes room for it.
            let node = StateMut::of(previous.as_mut_slice(), sizes);

            node.h.copy_from_slice(carried.h);
            for block in 0..sizes.blocks {
                let (i, o) = (
                    saved.i[block * sizes.per_block],
                    saved.o[block * sizes.per_block],
                );
                let (mut y_in, mut y_out) = (carried.y_in[block], carried.y_out[block]);
                for u in sizes.cells_of(block) {
                    let (g, h_c, h) = (saved.g[u], saved.h_c[u], carried.h[u]);
                    let c = carried.c[u] + o * h_slope(h_c) * h;
                    node.c[u] = c;
                    delta_c[u] = c * i * (1.0 - g * g);
                    y_in += 2.0 * g * c;
                    y_out += h_c * h;
                }
                (node.y_in[block], node.y_out[block]) = (y_in, y_out);
                delta_in[block] = y_in * i * (1.0 - i);
                delta_out[block] = y_out * o * (1.0 - o);
            }
        }
        if let Some(node) = node {
            kernels::copy(previous.as_view(), node);
        }
        let mut reached = previous.rows_mut(0, sizes.units());
        if self.truncated {
            reached.fill(0.0);
        } else {
            self.affine.pull_back_recurrent(delta.as_view(), reached);
        }
    }

    fn pull_back_input(&self, delta: View, mut input: ViewMut) {
        if self.truncated {
            input.fill(0.0);
        } else {
            self.affine.pull_back_input(delta, input);
        }
    }

    /// With ȧ = W_hh·ẏ_{t−1} + W_ih·ẋ_t, or 0 if that is truncated: ẏ = y(1 − y)ȧ of either gate,
    /// ċ_t = ċ_{t−1} + 2g ẏ_in + y_in (1 − g²) ȧ_c and ḣ_t = ẏ_out h(c) + y_out h'(c) ċ_t.
    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        let (sizes, batch) = (self.sizes(), at.saved.ncols());
        if self.truncated {
            activation.fill(0.0);
        } else {
            let seen = tangent.rows(0, sizes.units());
            self.affine
                .tangent(input, seen.as_view(), activation.as_view_mut());
        }
        for (j, tangent) in tangent.column_iter().enumerate() {
            let saved = at.saved.column(j % batch);
            let saved = Saved::of(saved.as_slice(), sizes);
            let before = State::of(tangent.as_slice(), sizes);
            let activation = activation.column(j);
            let (a_in, rest) = activation.as_slice().split_at(sizes.blocks);
            let (a_out, a_c) = rest.split_at(sizes.blocks);
            let mut next = next.column_mut(j);
            let next = StateMut::of(next.as_mut_slice(), sizes);
            for block in 0..sizes.blocks {
                let (i, o) = (
                    saved.i[block * sizes.per_block],
                    saved.o[block * sizes.per_block],
                );
                let y_in = i * (1.0 - i) * a_in[block];
                let y_out = o * (1.0 - o) * a_out[block];
                (next.y_in[block], next.y_out[block]) = (y_in, y_out);
                for u in sizes.cells_of(block) {
                    let (g, h_c) = (saved.g[u], saved.h_c[u]);
                    let c = before.c[u] + (2.0 * y_in * g + i * (1.0 - g * g) * a_c[u]);
                    next.c[u] = c;
                    next.h[u] = y_out * h_c + o * h_slope(h_c) * c;
                }
            }
        }
    }
}

impl Trainable for Lstm1997 {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        let blocks = self.affine.blocks();
        if self.has_biases {
            blocks
        } else {
            &blocks[..blocks.len() - 1]
        }
    }

    /// W_hh, W_ih and, if there are any, b.
    fn parameters(&self) -> &[f64] {
        let all = self.affine.parameters();
        if self.has_biases {
            all
        } else {
            &all[..all.len() - self.affine.rows()]
        }
    }

    fn set_parameters(&mut self, parameters: &[f64]) {
        if self.has_biases {
            self.affine.set_parameters(parameters);
        } else {
            let none = vec![0.0; self.affine.rows()];
            self.affine.set_parameters(&[parameters, &none].concat());
        }
    }
}
