//! What a recurrent cell is: a discrete dynamical system with a flat state in named blocks.

use std::ops::Range;

use kernels::{View, ViewMut};

use crate::probe::BackwardChunk;

/// Row counts of everything a cell reads and writes; every matrix has one column per sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellShape {
    /// I, rows of an input x_t.
    pub input: usize,
    /// S, rows of the state s_t: H for a vanilla RNN, 2H (`[h; c]`) for an LSTM.
    pub state: usize,
    /// H, rows of the output: what a readout or an upper layer sees.
    pub output: usize,
    /// R, rows kept from each step for the way back (gates and the like); may be 0.
    pub saved: usize,
    /// P, rows of the pre-activations a_t, hence of their adjoint δ_t: H, or 4H for an LSTM. A
    /// [`Stack`](crate::Stack) adds rows of scratch.
    pub delta: usize,
}

/// A named range of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The letter of the notation table: `h`, `c`, `i`, `f`, …
    pub name: String,
    /// Its rows.
    pub rows: Range<usize>,
}

impl Block {
    /// Consecutive blocks of `rows` rows each, starting at row 0.
    pub fn consecutive(names: &[&str], rows: usize) -> Vec<Block> {
        names
            .iter()
            .enumerate()
            .map(|(k, name)| Block {
                name: (*name).to_owned(),
                rows: k * rows..(k + 1) * rows,
            })
            .collect()
    }
}

/// Where on a trajectory a step is linearised.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// s_{t−1}, S×B.
    pub previous: View<'a>,
    /// s_t, S×B.
    pub next: View<'a>,
    /// What [`RecurrentCell::step`] saved on the way from one to the other, R×B.
    pub saved: View<'a>,
}

/// n consecutive steps of a trajectory.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// The states, S×((n+1)·B), the one before the first step in front.
    pub states: View<'a>,
    /// What the steps saved, R×(n·B).
    pub saved: View<'a>,
    /// B.
    pub batch: usize,
}

impl Points<'_> {
    /// n.
    #[inline]
    pub fn steps(&self) -> usize {
        self.saved.ncols() / self.batch
    }

    /// Step k, counted from 0.
    #[inline]
    pub fn step(&self, k: usize) -> Point<'_> {
        let batch = self.batch;
        Point {
            previous: self.states.columns(k * batch, batch),
            next: self.states.columns((k + 1) * batch, batch),
            saved: self.saved.columns(k * batch, batch),
        }
    }
}

/// The adjoints of one step back, N = m·B columns each: column j belongs to trajectory j mod B.
#[derive(Debug)]
pub struct AdjointMut<'a> {
    /// ∂L/∂s_t with the coordinates of s_t independent, S×N.
    pub carried: View<'a>,
    /// If asked for, receives the gradient with respect to s_t as nodes of the computation graph, S×N:
    /// paths inside step t included, such as c_t → h_t.
    pub node: Option<ViewMut<'a>>,
    /// Receives δ_t = ∂L/∂a_t, P×N.
    pub delta: ViewMut<'a>,
    /// Receives (∂s_t/∂s_{t−1})ᵀ · `carried`, S×N.
    pub previous: ViewMut<'a>,
}

impl AdjointMut<'_> {
    /// # Panics
    /// If these are not the adjoints of a cell of this shape at points of B sequences.
    #[inline]
    #[track_caller]
    pub fn assert_fits(&self, shape: CellShape, at: &Point) {
        let (batch, columns) = (at.next.ncols(), self.carried.ncols());
        let node = (self.node.as_ref()).map_or(self.carried.shape(), |node| node.shape());
        let fit = self.carried.nrows() == shape.state
            && node == self.carried.shape()
            && self.delta.shape() == (shape.delta, columns)
            && self.previous.shape() == self.carried.shape()
            && at.next.nrows() == shape.state
            && at.previous.shape() == at.next.shape()
            && at.saved.shape() == (shape.saved, batch)
            && columns.is_multiple_of(batch);
        assert!(
            fit,
            "shapes of a step back do not fit {shape:?}: carried {:?}, node {node:?}, delta {:?}, \
             previous {:?} at states {:?} and {:?} and saved {:?}",
            self.carried.shape(),
            self.delta.shape(),
            self.previous.shape(),
            at.previous.shape(),
            at.next.shape(),
            at.saved.shape(),
        );
    }
}

/// The adjoints of n consecutive steps, of N columns each, N = m·B.
#[derive(Debug)]
pub struct AdjointsMut<'a> {
    /// S×((n+1)·N): that of the state after the last step comes in its last columns, those of the
    /// states before it are to be written.
    pub carried: ViewMut<'a>,
    /// S×(n·N), to be written if asked for.
    pub nodes: Option<ViewMut<'a>>,
    /// δ, P×(n·N), to be written.
    pub deltas: ViewMut<'a>,
    /// N.
    pub columns: usize,
}

impl AdjointsMut<'_> {
    /// Those of step k, counted from 0.
    #[inline]
    pub fn step(&mut self, k: usize) -> AdjointMut<'_> {
        let n = self.columns;
        let own = k * n..(k + 1) * n;
        let (previous, carried) = self
            .carried
            .columns_range_pair_mut(own.clone(), (k + 1) * n..(k + 2) * n);
        AdjointMut {
            carried: carried.into(),
            node: (self.nodes.as_mut()).map(|nodes| nodes.columns_range_mut(own.clone())),
            delta: self.deltas.columns_range_mut(own),
            previous,
        }
    }
}

/// A cell: s_t = F(s_{t−1}, x_t), its transposed Jacobian and its Jacobian.
///
/// The state is one flat vector, so norms, tape, Jacobians, finite differences and optimisers are
/// written once for every cell, and a pair (h, c) needs no special case. Adjoints are ∂L/∂s,
/// never negated. Every method writes all of its output buffers and allocates nothing of its own.
/// Shapes that do not fit are a bug of the caller: those of products and of a step back panic; where
/// another method only goes through columns side by side, what has no partner may be left out.
///
/// In [`pull_back`](Self::pull_back) and [`push_forward`](Self::push_forward) a point of B columns
/// may serve m·B adjoint or tangent columns: column j belongs to trajectory j mod B. So a whole
/// Jacobian costs one trajectory.
///
/// Implementations must pass [`crate::conformance`].
pub trait RecurrentCell: Send + Sync {
    /// The row counts.
    fn shape(&self) -> CellShape;

    /// The blocks of the state, in row order, without gaps.
    fn state_blocks(&self) -> &[Block];

    /// The blocks of what a step saves, in row order, without gaps; empty if nothing is saved.
    fn saved_blocks(&self) -> &[Block];

    /// The saved blocks that are gates, with values in 0…1 where near 1 keeps and near 0 discards.
    fn gate_names(&self) -> &[&'static str] {
        &[]
    }

    /// The rows of the state that are its output.
    fn output_rows(&self) -> Range<usize>;

    /// The rows of the state from which a path leads to the output inside the same step, as from c_t
    /// to h_t. Elsewhere a node gradient *is* the carried adjoint, and need not be measured twice.
    /// Unless a cell says otherwise, all rows may have one.
    fn inner_paths(&self) -> Range<usize> {
        0..self.shape().state
    }

    /// One step, s_t = F(s_{t−1}, x_t).
    ///
    /// Shapes: `input` I×B, `previous` and `next` S×B, `saved` R×B.
    fn step(&self, input: View, previous: View, next: ViewMut, saved: ViewMut);

    /// n consecutive steps.
    ///
    /// Shapes: `inputs` I×(n·B), `states` S×((n+1)·B) with s_{t−1} in front, `saved` R×(n·B).
    fn steps(&self, inputs: View, mut states: ViewMut, mut saved: ViewMut) {
        let batch = states.ncols() - inputs.ncols();
        for k in (0..inputs.ncols()).step_by(batch) {
            let (previous, next) =
                states.columns_range_pair_mut(k..k + batch, k + batch..k + 2 * batch);
            let saved = saved.columns_range_mut(k..k + batch);
            self.step(inputs.columns(k, batch), previous.as_view(), next, saved);
        }
    }

    /// One step back: from the carried adjoint of s_t to that of s_{t−1}.
    ///
    /// # Panics
    /// If shapes do not fit ([`AdjointMut::assert_fits`]).
    fn pull_back(&self, at: &Point, adjoint: AdjointMut);

    /// [`pull_back`](Self::pull_back) of consecutive steps, the last one first, until the carried
    /// adjoint of the state before a step has a column whose squared norm lies outside of `low`…`high`,
    /// or there are no more. Returns how many steps it took, one at least.
    fn pull_back_steps(
        &self,
        along: &Points,
        mut adjoints: AdjointsMut,
        (low, high): (f64, f64),
    ) -> usize {
        for k in (0..along.steps()).rev() {
            self.pull_back(&along.step(k), adjoints.step(k));
            if !kernels::columns_lie_within(adjoints.step(k).previous.as_view(), low, high) {
                return along.steps() - k;
            }
        }
        along.steps()
    }

    /// From δ to ∂L/∂x: W_ihᵀ·δ, any number of columns. Shapes: `delta` P×N, `input` I×N.
    fn pull_back_input(&self, delta: View, input: ViewMut);

    /// One step of the tangent: (∂s_t/∂s_{t−1}) · `tangent` + (∂s_t/∂x_t) · `input`.
    ///
    /// Shapes, N = m·B: `tangent` and `next` S×N; `input` I×N, none for an input that is held;
    /// `activation` P×N is scratch and receives ȧ_t.
    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        activation: ViewMut,
        next: ViewMut,
    );

    /// [`push_forward_with`](Self::push_forward_with) the input held: the Jacobian ∂s_t/∂s_{t−1}.
    fn push_forward(&self, at: &Point, tangent: View, activation: ViewMut, next: ViewMut) {
        self.push_forward_with(at, None, tangent, activation, next);
    }
}

/// What δ_t multiplies to give a parameter's gradient at step t.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Rows of s_{t−1}, an output: a recurrent weight matrix, P×H.
    Previous(Range<usize>),
    /// Rows of s_t, the output of the layer below: the input weights of an upper layer.
    Current(Range<usize>),
    /// x_t: an input weight matrix, P×I.
    Input,
    /// 1: a bias, P×1.
    Constant,
    /// Rows of what step t saved, one by one and not as a product: a vector of K parameters that enter
    /// elementwise, as a diagonal recurrence does, each through the rows k, K + k, 2K + k, … of δ_t (a
    /// complex unit has two). There the cell saves how a_t would have to change to have the effect that
    /// a small change of the parameter has on s_t.
    Elementwise(Range<usize>),
}

/// A named block of the parameters as they enter a_t: a matrix, column-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterBlock {
    /// PyTorch's name without its layer: `weight_hh`, `weight_ih`, `bias`; after the layer and a
    /// dot in a stack.
    pub name: String,
    /// Its gradient is Σ_t δ_t · factor_tᵀ; of an elementwise factor Σ_t δ_t ⊙ factor_t, added up over
    /// sequences and over the rows of each parameter,
    pub factor: Factor,
    /// with these rows of δ_t.
    pub rows: Range<usize>,
    /// Columns: H, I or 1. There are as many parameters as rows for each, unless they enter elementwise.
    pub columns: usize,
    /// Where it lies in the gradient, and, unless the cell has a
    /// [`pull_back_parameters`](Trainable::pull_back_parameters) of its own, in
    /// [`Trainable::parameters`].
    pub range: Range<usize>,
}

/// The values of a [`Factor`].
pub(crate) enum FactorValues<'a> {
    /// Of a matrix.
    Matrix(View<'a>),
    /// Of a bias.
    Ones,
    /// Of parameters that enter elementwise.
    Elementwise(View<'a>),
}

impl Factor {
    /// Its values for all steps of a chunk.
    pub(crate) fn of<'a>(&self, chunk: &'a BackwardChunk) -> FactorValues<'a> {
        let rows = crate::scaled::rows;
        match self {
            Factor::Previous(range) => FactorValues::Matrix(rows(&chunk.previous, range)),
            Factor::Current(range) => FactorValues::Matrix(rows(&chunk.next, range)),
            Factor::Input => FactorValues::Matrix(chunk.inputs.as_view()),
            Factor::Constant => FactorValues::Ones,
            Factor::Elementwise(range) => FactorValues::Elementwise(rows(&chunk.saved, range)),
        }
    }
}

/// A cell whose parameters enter through a_t = W_hh·h_{t−1} + W_ih·x_t + b, or elementwise.
///
/// The gradient with respect to what enters, W_hh, W_ih and b, is then a sum of products with δ_t and
/// needs no code of the cell's own. Of most cells that *is* the parameters. A cell that is to stay
/// antisymmetric or orthogonal while it is trained makes them from other numbers, which it has as
/// [`parameters`](Self::parameters), and says how a gradient goes back to those
/// ([`pull_back_parameters`](Self::pull_back_parameters)).
pub trait Trainable: RecurrentCell {
    /// The blocks of the matrices that enter a_t, in order, without gaps.
    fn parameter_blocks(&self) -> &[ParameterBlock];

    /// All parameters: what a step of gradient descent changes.
    fn parameters(&self) -> &[f64];

    /// Replaces all parameters. Not in place, because a cell keeps more than one form of them.
    ///
    /// # Panics
    /// If there are more or fewer of them.
    fn set_parameters(&mut self, parameters: &[f64]);

    /// From ∂L/∂(W_hh, W_ih, b), laid out as [`parameter_blocks`](Self::parameter_blocks) say, to
    /// ∂L/∂[`parameters`](Self::parameters): the transposed derivative of the former by the latter.
    /// The same numbers where they are the same.
    ///
    /// # Panics
    /// If one of the two has another length.
    fn pull_back_parameters(&self, entering: &[f64], gradient: &mut [f64]) {
        gradient.copy_from_slice(entering);
    }
}
