//! The steps of an LSTM, forward, back and along a tangent.
//!
//! Beside the two matrix products of a step, gates, cell state and their derivatives go over all units
//! and sequences once, eight units at a time. Rows are those of the state `[h; c]`, the saved
//! `[i; f; g; o; tanh_c]` and the pre-activations in the order i, f, g, o.

use std::ops::Range;

use gradient_tracking::{AdjointMut, AdjointsMut, CellPasses, Point, Points, View, ViewMut};
use kernels::simd::{LANES, Simd, Vector};
use kernels::{entries, entries_mut, logistic_of, tanh_of};

use crate::Lstm;

impl CellPasses for Lstm {
    /// The crate's walk through the cell.
    #[inline(always)]
    fn step_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        previous: View,
        next: ViewMut,
        mut saved: ViewMut,
    ) {
        let hidden = self.affine.hidden();
        // 1. a_t = W_hh·h_{t−1} + W_ih·x_t + b, in the rows where the gates will stand.
        let activations = saved.rows_mut(0, 4 * hidden);
        (self.affine).activations_within(simd, input, previous.rows(0, hidden), activations);
        gates(simd, self.forget_gate, previous, next, saved);
    }

    #[inline(always)]
    fn steps_at_once<S: Simd>(
        &self,
        simd: S,
        inputs: &View,
        states: &mut ViewMut,
        saved: &mut ViewMut,
    ) -> bool {
        let batch = states.ncols() - inputs.ncols();
        if const { !S::KEEPS_STATE } || batch != 1 || self.affine.input() == 0 {
            return false;
        }
        match self.affine.hidden() {
            8 => self.steps_in_registers::<S, 1, 4>(simd, inputs, states, saved),
            16 => self.steps_in_registers::<S, 2, 8>(simd, inputs, states, saved),
            32 => self.steps_in_registers::<S, 4, 16>(simd, inputs, states, saved),
            _ => false,
        }
    }

    /// With h̄, c̄ the carried adjoints: c̄_node = c̄ + o(1 − tanh² c) ⊙ h̄, then
    ///
    /// * δ_i = c̄_node ⊙ g ⊙ i(1 − i),  δ_f = c̄_node ⊙ c_{t−1} ⊙ f(1 − f),
    /// * δ_g = c̄_node ⊙ i ⊙ (1 − g²),  δ_o = h̄ ⊙ tanh c ⊙ o(1 − o),
    /// * c̄_{t−1} = f ⊙ c̄_node and h̄_{t−1} = W_hhᵀ·δ.
    #[inline(always)]
    fn pull_back_within<S: Simd>(&self, simd: S, at: &Point, adjoint: AdjointMut) {
        let AdjointMut {
            carried,
            node,
            mut delta,
            mut previous,
        } = adjoint;
        let results = (delta.as_view_mut(), previous.as_view_mut());
        gates_back(simd, self.forget_gate, at, carried, node, results);
        let output = previous.rows_mut(0, self.affine.hidden());
        (self.affine).pull_back_recurrent_within(simd, delta.as_view(), output);
    }

    #[inline(always)]
    fn pull_back_at_once<S: Simd>(
        &self,
        simd: S,
        along: &Points,
        adjoints: &mut AdjointsMut,
        squares: (f64, f64),
    ) -> Option<usize> {
        if const { !S::KEEPS_STATE } || adjoints.columns != 1 {
            return None;
        }
        match self.affine.hidden() {
            8 => self.pull_back_in_registers::<S, 1, 4>(simd, along, adjoints, squares),
            16 => self.pull_back_in_registers::<S, 2, 8>(simd, along, adjoints, squares),
            32 => self.pull_back_in_registers::<S, 4, 16>(simd, along, adjoints, squares),
            _ => None,
        }
    }

    /// With ȧ = W_hh·ḣ_{t−1} + W_ih·ẋ_t: ċ_t = f ⊙ ċ_{t−1} + f(1−f)c_{t−1} ⊙ ȧ_f + i(1−i)g ⊙ ȧ_i +
    /// i(1−g²) ⊙ ȧ_g and ḣ_t = o(1−o) tanh c ⊙ ȧ_o + o(1 − tanh² c) ⊙ ċ_t.
    #[inline(always)]
    fn push_forward_within<S: Simd>(
        &self,
        simd: S,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        let hidden = self.affine.hidden();
        (self.affine).tangent(input, tangent.rows(0, hidden), activation.as_view_mut());
        let batch = at.next.ncols();
        let one = simd.splat(1.0);
        let tangents = tangent.column_iter().zip(activation.column_iter());
        for (j, ((tangent, activation), mut next)) in
            tangents.zip(next.column_iter_mut()).enumerate()
        {
            let saved = at.saved.column(j % batch);
            let Saved { i, f, g, o, tanh_c } = Saved::of(saved.as_slice(), hidden);
            let state_before = at.previous.column(j % batch);
            let c_previous = &state_before.as_slice()[hidden..];
            let c_dot = &tangent.as_slice()[hidden..];
            let a = activation.as_slice();
            let (a_i, a_f) = (&a[..hidden], &a[hidden..2 * hidden]);
            let (a_g, a_o) = (&a[2 * hidden..3 * hidden], &a[3 * hidden..]);
            let (h_next, c_next) = next.as_mut_slice().split_at_mut(hidden);
            for k in (0..hidden).step_by(LANES) {
                let (i, f) = (simd.load(i, k), simd.load(f, k));
                let (g, o) = (simd.load(g, k), simd.load(o, k));
                let tanh_c = simd.load(tanh_c, k);
                let kept = f * simd.load(c_dot, k);
                let written =
                    i * (one - i) * g * simd.load(a_i, k) + i * (one - g * g) * simd.load(a_g, k);
                let erased = if self.forget_gate {
                    f * (one - f) * simd.load(c_previous, k) * simd.load(a_f, k)
                } else {
                    simd.splat(0.0)
                };
                let c = kept + erased + written;
                let through_o = o * (one - o) * tanh_c * simd.load(a_o, k);
                simd.store(c_next, k, c);
                simd.store(h_next, k, through_o + o * (one - tanh_c * tanh_c) * c);
            }
        }
    }
}

impl Lstm {
    /// The steps of one sequence of 8K units, P = 4K, state and gates in registers: false if the
    /// columns do not lie one after the other or there are no inputs, and nothing is done.
    #[inline(always)]
    fn steps_in_registers<S: Simd, const K: usize, const P: usize>(
        &self,
        simd: S,
        inputs: &View,
        states: &mut ViewMut,
        saved: &mut ViewMut,
    ) -> bool {
        let hidden = K * LANES;
        let (Some(inputs), Some(states), Some(saved)) =
            (entries(inputs), entries_mut(states), entries_mut(saved))
        else {
            return false;
        };
        if inputs.is_empty() {
            return false;
        }
        let (initial, states) = states.split_at_mut(2 * hidden);
        let mut h: [S::V; K] = simd.load_all(&initial[..hidden]);
        let mut c: [S::V; K] = simd.load_all(&initial[hidden..]);
        let steps = inputs.chunks_exact(self.affine.input());
        let written = (states.chunks_exact_mut(2 * hidden)).zip(saved.chunks_exact_mut(5 * hidden));
        for (input, (next, saved)) in steps.zip(written) {
            let a: [S::V; P] = self.affine.activations_in_registers(simd, input, h);
            let mut o = h;
            for k in 0..K {
                let gates = [a[k], a[K + k], a[3 * K + k]];
                let ([i_t, f_t, o_t], [g_t]) =
                    (logistic_of(simd, gates), tanh_of(simd, [a[2 * K + k]]));
                let f_t = if self.forget_gate {
                    f_t
                } else {
                    simd.splat(1.0)
                };
                c[k] = simd.mul_add(f_t, c[k], i_t * g_t);
                o[k] = o_t;
                simd.store(saved, k * LANES, i_t);
                simd.store(saved, hidden + k * LANES, f_t);
                simd.store(saved, 2 * hidden + k * LANES, g_t);
                simd.store(saved, 3 * hidden + k * LANES, o_t);
            }
            let tanh_c = tanh_of(simd, c);
            for k in 0..K {
                h[k] = o[k] * tanh_c[k];
            }
            simd.store_all(&mut saved[4 * hidden..], tanh_c);
            simd.store_all(&mut next[..hidden], h);
            simd.store_all(&mut next[hidden..], c);
        }
        true
    }

    /// The steps back of one sequence of 8K units, P = 4K, the adjoint and δ in registers: `None` if the
    /// columns do not lie one after the other or no node gradients are asked for, and nothing is done.
    #[inline(always)]
    fn pull_back_in_registers<S: Simd, const K: usize, const P: usize>(
        &self,
        simd: S,
        along: &Points,
        adjoints: &mut AdjointsMut,
        (low, high): (f64, f64),
    ) -> Option<usize> {
        let hidden = K * LANES;
        let steps = along.steps();
        let states = entries(&along.states)?;
        let saved = entries(&along.saved)?;
        let nodes = entries_mut(adjoints.nodes.as_mut()?)?;
        let deltas = entries_mut(&mut adjoints.deltas)?;
        let (carried, last) = entries_mut(&mut adjoints.carried)?.split_at_mut(2 * hidden * steps);
        let mut h_bar: [S::V; K] = simd.load_all(&last[..hidden]);
        let mut c_bar: [S::V; K] = simd.load_all(&last[hidden..]);
        for step in (0..steps).rev() {
            let state = 2 * hidden * step..2 * hidden * (step + 1);
            let node = &mut nodes[state.clone()];
            let delta = &mut deltas[4 * hidden * step..][..4 * hidden];
            let saved = &saved[5 * hidden * step..][..5 * hidden];
            let c_previous = &states[state.clone()][hidden..];
            let mut delta_t = [simd.splat(0.0); P];
            simd.store_all(&mut node[..hidden], h_bar);
            for k in 0..K {
                let unit = Unit {
                    i: simd.load(saved, k * LANES),
                    f: simd.load(saved, hidden + k * LANES),
                    g: simd.load(saved, 2 * hidden + k * LANES),
                    o: simd.load(saved, 3 * hidden + k * LANES),
                    tanh_c: simd.load(saved, 4 * hidden + k * LANES),
                    c_previous: simd.load(c_previous, k * LANES),
                };
                let back = unit.back(simd, self.forget_gate, h_bar[k], c_bar[k]);
                simd.store(&mut node[hidden..], k * LANES, back.c_node);
                for (gate, delta) in back.deltas.into_iter().enumerate() {
                    delta_t[gate * K + k] = delta;
                }
                c_bar[k] = back.c_previous;
            }
            simd.store_all(delta, delta_t);
            h_bar = (self.affine).pull_back_recurrent_in_registers(simd, delta_t);
            let previous = &mut carried[state];
            simd.store_all(&mut previous[..hidden], h_bar);
            simd.store_all(&mut previous[hidden..], c_bar);
            if !kernels::lies_within_of(simd, [h_bar, c_bar], low, high) {
                return Some(steps - step);
            }
        }
        Some(steps)
    }
}

#[inline(always)]
fn gates<S: Simd>(
    simd: S,
    forget_gate: bool,
    previous: View,
    mut next: ViewMut,
    mut saved: ViewMut,
) {
    let hidden = next.nrows() / 2;
    let whole = (
        entries(&previous),
        entries_mut(&mut next),
        entries_mut(&mut saved),
    );
    if let (Some(previous), Some(next), Some(saved)) = whole {
        let states = (previous.chunks_exact(2 * hidden)).zip(next.chunks_exact_mut(2 * hidden));
        for ((previous, next), saved) in states.zip(saved.chunks_exact_mut(5 * hidden)) {
            gates_of(simd, forget_gate, previous, next, saved);
        }
        return;
    }
    let columns = saved.column_iter_mut().zip(next.column_iter_mut());
    for ((mut saved, mut next), previous) in columns.zip(previous.column_iter()) {
        let (next, saved) = (next.as_mut_slice(), saved.as_mut_slice());
        gates_of(simd, forget_gate, previous.as_slice(), next, saved);
    }
}

/// One column.
#[inline(always)]
fn gates_of<S: Simd>(
    simd: S,
    forget_gate: bool,
    previous: &[f64],
    next: &mut [f64],
    saved: &mut [f64],
) {
    let hidden = next.len() / 2;
    let (gates, tanh_c) = saved.split_at_mut(4 * hidden);
    let mut gates = Quarters::of(gates, hidden);
    let (h, c) = next.split_at_mut(hidden);
    let c_previous = &previous[hidden..];
    let mut k = 0;
    // Whole vectors apart, whose loads and stores need not ask how many numbers there are.
    while k + LANES <= hidden {
        gates.open(simd, forget_gate, c_previous, c, k..k + LANES);
        k += LANES;
    }
    if k < hidden {
        gates.open(simd, forget_gate, c_previous, c, k..hidden);
    }
    let mut k = 0;
    while k + 4 * LANES <= hidden {
        outputs::<S, 4>(simd, c, gates.o, tanh_c, h, k..k + 4 * LANES);
        k += 4 * LANES;
    }
    if k + 2 * LANES <= hidden {
        outputs::<S, 2>(simd, c, gates.o, tanh_c, h, k..k + 2 * LANES);
        k += 2 * LANES;
    }
    if k + LANES <= hidden {
        outputs::<S, 1>(simd, c, gates.o, tanh_c, h, k..k + LANES);
        k += LANES;
    }
    if k < hidden {
        outputs::<S, 1>(simd, c, gates.o, tanh_c, h, k..hidden);
    }
}

/// 6. h_t = o ⊙ tanh c_t, of the N vectors that `rows` are.
#[inline(always)]
fn outputs<S: Simd, const N: usize>(
    simd: S,
    c: &[f64],
    o: &[f64],
    tanh_c: &mut [f64],
    h: &mut [f64],
    rows: Range<usize>,
) {
    let (c, o) = (&c[rows.clone()], &o[rows.clone()]);
    let tanh_c_t: [S::V; N] = tanh_of(simd, simd.load_all(c));
    let mut h_t: [S::V; N] = simd.load_all(o);
    for (h_t, tanh_c_t) in h_t.iter_mut().zip(tanh_c_t) {
        *h_t = *h_t * tanh_c_t;
    }
    simd.store_all(&mut tanh_c[rows.clone()], tanh_c_t);
    simd.store_all(&mut h[rows], h_t);
}

/// What a step back needs of eight units.
struct Unit<V> {
    i: V,
    f: V,
    g: V,
    o: V,
    tanh_c: V,
    c_previous: V,
}

/// What it gives.
struct Back<V> {
    c_node: V,
    /// δ_i, δ_f, δ_g, δ_o.
    deltas: [V; 4],
    /// c̄_{t−1}.
    c_previous: V,
}

impl<V: Vector> Unit<V> {
    /// The formulas of [`CellPasses::pull_back_within`].
    #[inline(always)]
    fn back<S: Simd<V = V>>(self, simd: S, forget_gate: bool, h_bar: V, c_bar: V) -> Back<V> {
        let one = simd.splat(1.0);
        let Unit { i, f, g, o, .. } = self;
        let tanh_c = self.tanh_c;
        let c_node = c_bar + o * (one - tanh_c * tanh_c) * h_bar;
        let delta_f = if forget_gate {
            c_node * self.c_previous * (f * (one - f))
        } else {
            simd.splat(0.0)
        };
        Back {
            c_node,
            deltas: [
                c_node * g * (i * (one - i)),
                delta_f,
                c_node * i * (one - g * g),
                h_bar * tanh_c * (o * (one - o)),
            ],
            c_previous: f * c_node,
        }
    }
}

/// The gates' part of a step back, all but the product.
#[inline(always)]
fn gates_back<S: Simd>(
    simd: S,
    forget_gate: bool,
    at: &Point,
    carried: View,
    mut node: Option<ViewMut>,
    (mut delta, mut previous): (ViewMut, ViewMut),
) {
    let hidden = carried.nrows() / 2;
    let batch = at.next.ncols();
    let tape = entries(&at.saved).zip(entries(&at.previous));
    let adjoints = entries(&carried).zip(node.as_mut().and_then(entries_mut));
    let results = entries_mut(&mut delta).zip(entries_mut(&mut previous));
    if let (Some((saved, before)), Some((carried, node)), Some((delta, previous))) =
        (tape, adjoints, results)
    {
        let step = 16 * hidden * batch * size_of::<f64>();
        let is_asked_for = WORTH_ASKING.contains(&step) && carried.len() == before.len();
        // Once for every time the trajectory serves: see `RecurrentCell`.
        let adjoints = (carried.chunks_exact(2 * hidden * batch))
            .zip(node.chunks_exact_mut(2 * hidden * batch));
        let results = (delta.chunks_exact_mut(4 * hidden * batch))
            .zip(previous.chunks_exact_mut(2 * hidden * batch));
        for ((carried, node), (delta, previous)) in adjoints.zip(results) {
            let tape = (saved.chunks_exact(5 * hidden)).zip(before.chunks_exact(2 * hidden));
            let adjoints =
                (carried.chunks_exact(2 * hidden)).zip(node.chunks_exact_mut(2 * hidden));
            let results =
                (delta.chunks_exact_mut(4 * hidden)).zip(previous.chunks_exact_mut(2 * hidden));
            for ((tape, adjoints), results) in tape.zip(adjoints).zip(results) {
                if is_asked_for {
                    ask_for_step_before(simd, batch, tape, adjoints.1, (&*results.0, &*results.1));
                }
                let (carried, node) = adjoints;
                gates_back_of(simd, forget_gate, tape, (carried, Some(node)), results);
            }
        }
        return;
    }
    for j in 0..carried.ncols() {
        let (saved, before) = (at.saved.column(j % batch), at.previous.column(j % batch));
        let carried = carried.column(j);
        let mut node = node.as_mut().map(|node| node.column_mut(j));
        let node = node.as_mut().map(|node| node.as_mut_slice());
        let mut delta = delta.column_mut(j);
        gates_back_of(
            simd,
            forget_gate,
            (saved.as_slice(), before.as_slice()),
            (carried.as_slice(), node),
            (delta.as_mut_slice(), previous.column_mut(j).as_mut_slice()),
        );
    }
}

/// Bytes that a step back reads and writes: more than the first cache holds, and few enough that those
/// of two steps leave room in the second one. What the step before will need then arrives in time.
const WORTH_ASKING: Range<usize> = (1 << 17)..(1 << 19);

/// Asks for one column of the step before: steps lie one after the other, and are gone through from the
/// last to the first, which no machine foresees.
#[inline(always)]
fn ask_for_step_before<S: Simd>(
    simd: S,
    batch: usize,
    (saved, before): (&[f64], &[f64]),
    node: &[f64],
    (delta, previous): (&[f64], &[f64]),
) {
    let hidden = before.len() / 2;
    for (column, rows) in [
        (saved, 0..5 * hidden),
        (before, hidden..2 * hidden),
        (node, 0..2 * hidden),
        (delta, 0..4 * hidden),
        (previous, 0..2 * hidden),
    ] {
        let earlier = column.as_ptr().wrapping_sub(column.len() * batch);
        for k in rows.step_by(LANES) {
            simd.prefetch(earlier.wrapping_add(k));
        }
    }
}

/// One column: saved and previous state, carried and, if asked for, node adjoint, δ and the adjoint before.
#[inline(always)]
fn gates_back_of<S: Simd>(
    simd: S,
    forget_gate: bool,
    (saved, before): (&[f64], &[f64]),
    (carried, node): (&[f64], Option<&mut [f64]>),
    (delta, previous): (&mut [f64], &mut [f64]),
) {
    let hidden = carried.len() / 2;
    let Saved { i, f, g, o, tanh_c } = Saved::of(saved, hidden);
    let (h_bar, c_bar) = carried.split_at(hidden);
    let mut column = ColumnBack {
        i,
        f,
        g,
        o,
        tanh_c,
        c_before: &before[hidden..],
        h_bar,
        c_bar,
        node: node.map(|node| node.split_at_mut(hidden)),
        delta: Quarters::of(delta, hidden),
        c_previous: &mut previous[hidden..],
    };
    let mut k = 0;
    // Whole vectors apart, whose loads and stores need not ask how many numbers there are.
    while k + LANES <= hidden {
        column.units(simd, forget_gate, k..k + LANES);
        k += LANES;
    }
    if k < hidden {
        column.units(simd, forget_gate, k..hidden);
    }
}

/// One column of a step back, all parts of H numbers.
struct ColumnBack<'a> {
    i: &'a [f64],
    f: &'a [f64],
    g: &'a [f64],
    o: &'a [f64],
    tanh_c: &'a [f64],
    c_before: &'a [f64],
    h_bar: &'a [f64],
    c_bar: &'a [f64],
    /// Of h and c.
    node: Option<(&'a mut [f64], &'a mut [f64])>,
    delta: Quarters<'a>,
    c_previous: &'a mut [f64],
}

impl ColumnBack<'_> {
    /// Up to eight units.
    #[inline(always)]
    fn units<S: Simd>(&mut self, simd: S, forget_gate: bool, rows: Range<usize>) {
        let unit = Unit {
            i: simd.load(&self.i[rows.clone()], 0),
            f: simd.load(&self.f[rows.clone()], 0),
            g: simd.load(&self.g[rows.clone()], 0),
            o: simd.load(&self.o[rows.clone()], 0),
            tanh_c: simd.load(&self.tanh_c[rows.clone()], 0),
            c_previous: simd.load(&self.c_before[rows.clone()], 0),
        };
        let h_bar = simd.load(&self.h_bar[rows.clone()], 0);
        let c_bar = simd.load(&self.c_bar[rows.clone()], 0);
        let back = unit.back(simd, forget_gate, h_bar, c_bar);
        let [i, f, g, o] = back.deltas;
        if let Some((h_node, c_node)) = &mut self.node {
            simd.store(&mut h_node[rows.clone()], 0, h_bar);
            simd.store(&mut c_node[rows.clone()], 0, back.c_node);
        }
        simd.store(&mut self.delta.i[rows.clone()], 0, i);
        simd.store(&mut self.delta.f[rows.clone()], 0, f);
        simd.store(&mut self.delta.g[rows.clone()], 0, g);
        simd.store(&mut self.delta.o[rows.clone()], 0, o);
        simd.store(&mut self.c_previous[rows], 0, back.c_previous);
    }
}

/// The parts of a column of 4H.
struct Quarters<'a> {
    i: &'a mut [f64],
    f: &'a mut [f64],
    g: &'a mut [f64],
    o: &'a mut [f64],
}

impl<'a> Quarters<'a> {
    #[inline(always)]
    fn of(column: &'a mut [f64], hidden: usize) -> Self {
        let (i, rest) = column.split_at_mut(hidden);
        let (f, rest) = rest.split_at_mut(hidden);
        let (g, rest) = rest.split_at_mut(hidden);
        let (o, _) = rest.split_at_mut(hidden);
        Quarters { i, f, g, o }
    }

    /// Steps 2 to 5 for up to eight units: pre-activations become gates.
    #[inline(always)]
    fn open<S: Simd>(
        &mut self,
        simd: S,
        forget_gate: bool,
        c_previous: &[f64],
        c: &mut [f64],
        rows: Range<usize>,
    ) {
        let (i, f) = (&mut self.i[rows.clone()], &mut self.f[rows.clone()]);
        let (g, o) = (&mut self.g[rows.clone()], &mut self.o[rows.clone()]);
        // 2. Gates in 0…1, candidate in −1…1.
        let gates = [simd.load(i, 0), simd.load(f, 0), simd.load(o, 0)];
        let [i_t, f_t, o_t] = logistic_of(simd, gates);
        let f_t = if forget_gate { f_t } else { simd.splat(1.0) };
        let [g_t] = tanh_of(simd, [simd.load(g, 0)]);
        simd.store(i, 0, i_t);
        simd.store(f, 0, f_t);
        simd.store(g, 0, g_t);
        simd.store(o, 0, o_t);
        // 3.–5. Erase, then add: c_t = f ⊙ c_{t−1} + i ⊙ g.
        let c_previous = simd.load(&c_previous[rows.clone()], 0);
        let c_t = simd.mul_add(f_t, c_previous, i_t * g_t);
        simd.store(&mut c[rows], 0, c_t);
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
    #[inline(always)]
    fn of(column: &'a [f64], hidden: usize) -> Self {
        let (i, rest) = column.split_at(hidden);
        let (f, rest) = rest.split_at(hidden);
        let (g, rest) = rest.split_at(hidden);
        let (o, rest) = rest.split_at(hidden);
        let tanh_c = &rest[..hidden];
        Saved { i, f, g, o, tanh_c }
    }
}
