//! The LSTM with forget gate, in the order in which a lecture walks through it.
//!
//! Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000 and
//! without peepholes: the cell of PyTorch's `nn.LSTM`, its gates in the same order i, f, g, o.
//!
//! # One step, equation beside code
//!
//! The code is [`Lstm::step`](gradient_tracking::RecurrentCell::step); σ is the logistic function,
//! ⊙ the product unit by unit.
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
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut Workspace::new(), &mut [])?;
//! let forget = 1.0 / (1.0 + (-2.0_f64).exp());
//! assert!((tape.state(10)[1] - forget.powi(10)).abs() < 1e-14);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod config;

use std::ops::Range;

use gradient_tracking::{
    AffineMap, Block, CellShape, ParameterBlock, Point, RecurrentCell, Trainable, View, ViewMut,
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

    /// Whether f is a gate; if not, f ≡ 1.
    pub fn has_forget_gate(&self) -> bool {
        self.forget_gate
    }
}

/// The five saved parts of one column.
struct Saved<'a> {
    i: &'a [f64],
    f: &'a [f64],
    g: &'a [f64],
    o: &'a [f64],
    tanh_c: &'a [f64],
}

impl<'a> Saved<'a> {
    fn of(column: &'a [f64]) -> Self {
        let hidden = column.len() / 5;
        let (i, rest) = column.split_at(hidden);
        let (f, rest) = rest.split_at(hidden);
        let (g, rest) = rest.split_at(hidden);
        let (o, tanh_c) = rest.split_at(hidden);
        Saved { i, f, g, o, tanh_c }
    }
}

/// A column of 4H values as its four gates.
fn gates_mut(column: &mut [f64]) -> [&mut [f64]; 4] {
    let hidden = column.len() / 4;
    let (i, rest) = column.split_at_mut(hidden);
    let (f, rest) = rest.split_at_mut(hidden);
    let (g, o) = rest.split_at_mut(hidden);
    [i, f, g, o]
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

    fn project(&self, inputs: View, projected: ViewMut) {
        self.affine.project(inputs, projected);
    }

    fn step(&self, projected: View, previous: View, mut next: ViewMut, mut saved: ViewMut) {
        let hidden = self.affine.hidden();
        // 1. a_t = W_hh·h_{t−1} + W_ih·x_t + b, in the rows where the gates will stand.
        saved.rows_mut(0, 4 * hidden).copy_from(&projected);
        self.affine
            .add_recurrent(previous.rows(0, hidden), saved.rows_mut(0, 4 * hidden));
        for ((mut saved, previous), mut next) in saved
            .column_iter_mut()
            .zip(previous.column_iter())
            .zip(next.column_iter_mut())
        {
            let (gates, tanh_c) = saved.as_mut_slice().split_at_mut(4 * hidden);
            let [i, f, g, o] = gates_mut(gates);
            // 2. Gates in 0…1, candidate in −1…1.
            kernels::logistic(i);
            if self.forget_gate {
                kernels::logistic(f);
            } else {
                f.fill(1.0);
            }
            kernels::tanh(g);
            kernels::logistic(o);
            // 3.–5. Erase, then add: c_t = f ⊙ c_{t−1} + i ⊙ g.
            let c_previous = &previous.as_slice()[hidden..];
            let (h, c) = next.as_mut_slice().split_at_mut(hidden);
            for k in 0..hidden {
                c[k] = f[k] * c_previous[k] + i[k] * g[k];
            }
            // 6. h_t = o ⊙ tanh c_t.
            tanh_c.copy_from_slice(c);
            kernels::tanh(tanh_c);
            for k in 0..hidden {
                h[k] = o[k] * tanh_c[k];
            }
        }
    }

    /// With h̄, c̄ the carried adjoints: c̄_node = c̄ + o(1 − tanh² c) ⊙ h̄, then
    ///
    /// * δ_i = c̄_node ⊙ g ⊙ i(1 − i),  δ_f = c̄_node ⊙ c_{t−1} ⊙ f(1 − f),
    /// * δ_g = c̄_node ⊙ i ⊙ (1 − g²),  δ_o = h̄ ⊙ tanh c ⊙ o(1 − o),
    /// * c̄_{t−1} = f ⊙ c̄_node,  h̄_{t−1} = W_hhᵀ·δ.
    fn pull_back(
        &self,
        at: &Point,
        carried: View,
        mut node: ViewMut,
        mut delta: ViewMut,
        mut previous: ViewMut,
    ) {
        let hidden = self.affine.hidden();
        let batch = at.next.ncols();
        let forget_slope = if self.forget_gate { 1.0 } else { 0.0 };
        let adjoints = carried.column_iter().zip(node.column_iter_mut());
        let results = delta.column_iter_mut().zip(previous.column_iter_mut());
        for (j, ((carried, mut node), (mut delta, mut previous))) in
            adjoints.zip(results).enumerate()
        {
            let saved = at.saved.column(j % batch);
            let Saved { i, f, g, o, tanh_c } = Saved::of(saved.as_slice());
            let state_before = at.previous.column(j % batch);
            let c_previous = &state_before.as_slice()[hidden..];
            let (h_bar, c_bar) = carried.as_slice().split_at(hidden);
            let (h_node, c_node) = node.as_mut_slice().split_at_mut(hidden);
            let [delta_i, delta_f, delta_g, delta_o] = gates_mut(delta.as_mut_slice());
            let c_bar_previous = &mut previous.as_mut_slice()[hidden..];
            h_node.copy_from_slice(h_bar);
            for k in 0..hidden {
                let c = c_bar[k] + o[k] * (1.0 - tanh_c[k] * tanh_c[k]) * h_bar[k];
                c_node[k] = c;
                delta_i[k] = c * g[k] * (i[k] * (1.0 - i[k]));
                delta_f[k] = forget_slope * c * c_previous[k] * (f[k] * (1.0 - f[k]));
                delta_g[k] = c * i[k] * (1.0 - g[k] * g[k]);
                delta_o[k] = h_bar[k] * tanh_c[k] * (o[k] * (1.0 - o[k]));
                c_bar_previous[k] = f[k] * c;
            }
        }
        self.affine
            .pull_back_recurrent(delta.as_view(), previous.rows_mut(0, hidden));
    }

    fn pull_back_input(&self, delta: View, input: ViewMut) {
        self.affine.pull_back_input(delta, input);
    }

    /// With ȧ = W_hh·ḣ_{t−1}: ċ_t = f ⊙ ċ_{t−1} + f(1−f)c_{t−1} ⊙ ȧ_f + i(1−i)g ⊙ ȧ_i +
    /// i(1−g²) ⊙ ȧ_g and ḣ_t = o(1−o) tanh c ⊙ ȧ_o + o(1 − tanh² c) ⊙ ċ_t.
    fn push_forward(&self, at: &Point, tangent: View, mut activation: ViewMut, mut next: ViewMut) {
        let hidden = self.affine.hidden();
        let batch = at.next.ncols();
        let forget_slope = if self.forget_gate { 1.0 } else { 0.0 };
        self.affine
            .recurrent(tangent.rows(0, hidden), activation.as_view_mut());
        let tangents = tangent.column_iter().zip(activation.column_iter());
        for (j, ((tangent, activation), mut next)) in
            tangents.zip(next.column_iter_mut()).enumerate()
        {
            let saved = at.saved.column(j % batch);
            let Saved { i, f, g, o, tanh_c } = Saved::of(saved.as_slice());
            let state_before = at.previous.column(j % batch);
            let c_previous = &state_before.as_slice()[hidden..];
            let c_dot = &tangent.as_slice()[hidden..];
            let a = activation.as_slice();
            let (a_i, a_f, a_g, a_o) = (
                &a[..hidden],
                &a[hidden..2 * hidden],
                &a[2 * hidden..3 * hidden],
                &a[3 * hidden..],
            );
            let (h_next, c_next) = next.as_mut_slice().split_at_mut(hidden);
            for k in 0..hidden {
                let c = f[k] * c_dot[k]
                    + forget_slope * f[k] * (1.0 - f[k]) * c_previous[k] * a_f[k]
                    + i[k] * (1.0 - i[k]) * g[k] * a_i[k]
                    + i[k] * (1.0 - g[k] * g[k]) * a_g[k];
                c_next[k] = c;
                h_next[k] = o[k] * (1.0 - o[k]) * tanh_c[k] * a_o[k]
                    + o[k] * (1.0 - tanh_c[k] * tanh_c[k]) * c;
            }
        }
    }
}

impl Trainable for Lstm {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        self.affine.blocks()
    }
    fn parameters(&self) -> &[f64] {
        self.affine.parameters()
    }
    fn parameters_mut(&mut self) -> &mut [f64] {
        self.affine.parameters_mut()
    }
}
