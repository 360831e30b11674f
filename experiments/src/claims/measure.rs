//! What claims share: cells of given matrices, matrices from named random streams, and the gradients
//! of a trajectory.
//!
//! Everything is measured through the product's own cells, [`rollout`] and [`backpropagate`]. A
//! scalar map is a vanilla RNN with H = 1 ([`scalar`]); a whole Jacobian is a trajectory whose
//! columns are the same sequence again and again ([`same_sequence`]) with the unit vectors as their
//! terminal adjoints.

use std::num::NonZeroUsize;
use std::ops::Range;

use cell_config::{Initialization, Scheme, Streams};
use decay_analysis::{Line, Window};
use gradient_tracking::probes::{BlockGradients, BlockNorms};
use gradient_tracking::scaled::{Scaled, scale_by_power_of_two};
use gradient_tracking::source::Terminal;
use gradient_tracking::{
    AdjointSource, BackwardChunk, BackwardStep, Factor, NonFinite, Probe, RecurrentCell, Tape,
    Trainable, Workspace, backpropagate, rollout,
};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use rand::rngs::ChaCha8Rng;
use vanilla_rnn::{Activation, VanillaRnn};

/// The seed of all random numbers of all claims.
pub const SEED: u64 = 20;

/// 2⁻⁵²: one rounding errs by at most half of it, relatively.
pub const EPSILON: f64 = f64::EPSILON;

/// Two evaluations of one expression that differ only in the order of their sums, over at most a few
/// dozen steps of at most 64 pre-activations: up to 10³ roundings of 10⁻¹⁶ that add up, in networks
/// whose weights are too weak for chaos to amplify them.
pub const ROUNDING: f64 = 1e-13;

// ------------------------------------------------------------------------------------------------
// Random numbers

/// The random matrices of one replicate of a claim: each a function of the claim's id, the
/// replicate, its own name and its shape, never of what was drawn before it.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// The claim's id.
    pub claim: &'static str,
    /// The number of the replicate, from 0.
    pub replicate: u64,
}

impl Draws {
    /// The generator behind the quantity called `name`, of this shape.
    pub fn generator(&self, name: &str, shape: &[usize]) -> ChaCha8Rng {
        let streams = Streams {
            seed: SEED,
            replicate: self.replicate,
        };
        streams.stream(&["claim", self.claim, name], shape)
    }

    /// Independent entries uniform in ±`scale`.
    pub fn uniform(&self, name: &str, rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
        let generator = self.generator(name, &[rows, columns]);
        cell_config::uniform(rows, columns, -scale, scale, generator)
    }

    /// Independent normal entries of mean 0 and standard deviation `std`.
    pub fn gaussian(&self, name: &str, rows: usize, columns: usize, std: f64) -> DMatrix<f64> {
        let gain = std * (columns as f64).sqrt();
        self.initialized(name, Scheme::Gaussian, gain, rows, columns)
    }

    /// Uniform (Haar) on the orthogonal matrices.
    pub fn orthogonal(&self, name: &str, size: usize) -> DMatrix<f64> {
        self.initialized(name, Scheme::Orthogonal, 1.0, size, size)
    }

    /// By one of the schemes of a config file.
    pub fn initialized(
        &self,
        name: &str,
        init: Scheme,
        gain: f64,
        rows: usize,
        columns: usize,
    ) -> DMatrix<f64> {
        let generator = self.generator(name, &[rows, columns]);
        Initialization { init, gain }.draw(rows, columns, rows, generator)
    }
}

/// A list of labels, 0…`classes` − 1.
pub fn labels(draws: Draws, name: &str, classes: usize, count: usize) -> Vec<usize> {
    let values = draws.uniform(name, count, 1, 0.5);
    let label = |v: &f64| (((v + 0.5) * classes as f64) as usize).min(classes - 1);
    values.iter().map(label).collect()
}

// ------------------------------------------------------------------------------------------------
// Cells

/// A vanilla RNN without bias whose only input has no weight: all that matters is W_hh, H×H.
pub fn undriven(activation: Activation, recurrent: DMatrix<f64>) -> VanillaRnn {
    let hidden = recurrent.nrows();
    let (input, bias) = (DMatrix::zeros(hidden, 1), DVector::zeros(hidden));
    VanillaRnn::new(activation, recurrent, input, bias)
}

/// h_t = φ(w·h_{t−1} + x_t + b), a scalar.
pub fn scalar(activation: Activation, w: f64, b: f64) -> VanillaRnn {
    let one = |value| DMatrix::from_element(1, 1, value);
    VanillaRnn::new(activation, one(w), one(1.0), DVector::from_element(1, b))
}

/// A vanilla RNN with uniform weights of order 1/√H, so that nothing saturates and no term is
/// hidden.
pub fn random_rnn(draws: Draws, activation: Activation, hidden: usize, input: usize) -> VanillaRnn {
    let scale = 1.5 / (hidden as f64).sqrt();
    VanillaRnn::new(
        activation,
        draws.uniform("weight_hh", hidden, hidden, scale),
        draws.uniform("weight_ih", hidden, input, 1.0),
        draws.uniform("bias", hidden, 1, 0.5).column(0).into_owned(),
    )
}

/// As [`random_rnn`].
pub fn random_lstm(draws: Draws, hidden: usize, input: usize) -> Lstm {
    let (rows, scale) = (4 * hidden, 1.5 / (hidden as f64).sqrt());
    Lstm::new(
        draws.uniform("weight_hh", rows, hidden, scale),
        draws.uniform("weight_ih", rows, input, 1.0),
        draws.uniform("bias", rows, 1, 0.5).column(0).into_owned(),
        true,
    )
}

/// A random tanh RNN and a random LSTM, for what holds of every cell.
pub fn both_cells(draws: Draws, hidden: usize, input: usize) -> [Box<dyn Trainable>; 2] {
    [
        Box::new(random_rnn(draws, Activation::Tanh, hidden, input)),
        Box::new(random_lstm(draws, hidden, input)),
    ]
}

/// Sets the biases of a cell to zero.
pub fn clear_biases(cell: &mut dyn Trainable) {
    let mut parameters = cell.parameters().to_vec();
    for block in cell.parameter_blocks() {
        if block.factor == Factor::Constant {
            parameters[block.range.clone()].fill(0.0);
        }
    }
    cell.set_parameters(&parameters);
}

// ------------------------------------------------------------------------------------------------
// Trajectories and their gradients

/// A cell with the trajectory it took.
pub struct Trajectory<'a> {
    /// The cell.
    pub cell: &'a dyn RecurrentCell,
    /// x_1…x_T side by side, I×(T·B).
    pub inputs: DMatrix<f64>,
    /// s_0…s_T and what the steps saved.
    pub tape: Tape,
}

impl<'a> Trajectory<'a> {
    /// Rolls `cell` out. Shapes: `inputs` I×(T·B), `initial` S×B.
    ///
    /// # Errors
    /// If a state leaves the range of f64.
    pub fn new(
        cell: &'a dyn RecurrentCell,
        inputs: DMatrix<f64>,
        initial: &DMatrix<f64>,
    ) -> Result<Self, String> {
        let mut tape = Tape::new();
        let (x, start) = (inputs.as_view(), initial.as_view());
        rollout(cell, x, start, &mut tape, &mut []).map_err(describe)?;
        Ok(Trajectory { cell, inputs, tape })
    }

    /// With inputs that are all zero.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn undriven(
        cell: &'a dyn RecurrentCell,
        initial: &DMatrix<f64>,
        steps: usize,
    ) -> Result<Self, String> {
        let inputs = DMatrix::zeros(cell.shape().input, steps * initial.ncols());
        Self::new(cell, inputs, initial)
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.tape.steps()
    }

    /// s_t, S×B.
    pub fn state(&self, t: usize) -> DMatrix<f64> {
        self.tape.state(t).into_owned()
    }

    /// The rows of a block that step t saved, such as a gate.
    ///
    /// # Panics
    /// If the cell has no such block.
    pub fn saved(&self, name: &str, t: usize) -> DMatrix<f64> {
        let mut blocks = self.cell.saved_blocks().iter();
        let block = blocks
            .find(|block| block.name == name)
            .unwrap_or_else(|| panic!("the cell saves no {name}"));
        self.tape
            .saved(t)
            .rows_range(block.rows.clone())
            .into_owned()
    }

    /// Carries the adjoint of `source` back, truncated as [`backpropagate`] says, past `probes`.
    ///
    /// # Errors
    /// If an adjoint leaves the range of f64 in a single step.
    pub fn backpropagate(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
        probes: &mut [&mut dyn Probe],
    ) -> Result<(), String> {
        backpropagate(
            self.cell,
            self.inputs.as_view(),
            &self.tape,
            source,
            truncation.and_then(NonZeroUsize::new),
            &mut Workspace::new(),
            probes,
        )
        .map_err(describe)
    }

    /// The norms of the gradients of `source`.
    ///
    /// # Errors
    /// As [`backpropagate`](Self::backpropagate).
    pub fn norms(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
    ) -> Result<Gradients, String> {
        let (steps, batch) = (self.steps(), self.tape.batch());
        let mut norms = BlockNorms::new(self.cell, steps, batch, true);
        self.backpropagate(source, truncation, &mut [&mut norms])?;
        Ok(Gradients { norms, batch })
    }

    /// The norms from a terminal adjoint ∂L/∂h_T, H×B.
    ///
    /// # Errors
    /// As [`backpropagate`](Self::backpropagate).
    pub fn terminal(&self, adjoint: &DMatrix<f64>) -> Result<Gradients, String> {
        self.norms(&mut self.terminal_source(adjoint), None)
    }

    /// The adjoints themselves, of `source`.
    ///
    /// # Errors
    /// As [`backpropagate`](Self::backpropagate).
    pub fn adjoints(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
    ) -> Result<Adjoints, String> {
        let mut adjoints = Adjoints::new(self.steps());
        self.backpropagate(source, truncation, &mut [&mut adjoints])?;
        Ok(adjoints)
    }

    /// The loss ⟨`adjoint`, h_T⟩ of this trajectory.
    pub fn terminal_source<'m>(&self, adjoint: &'m DMatrix<f64>) -> Terminal<'m> {
        Terminal {
            steps: self.steps(),
            adjoint: adjoint.as_view(),
        }
    }

    /// log₁₀ r_k of h, k = 0…T, from the terminal adjoint 1 of a scalar network.
    ///
    /// # Errors
    /// As [`backpropagate`](Self::backpropagate).
    pub fn scalar_ratios(&self) -> Result<Vec<f64>, String> {
        let one = DMatrix::from_element(1, self.tape.batch(), 1.0);
        Ok(self.terminal(&one)?.ratios("h"))
    }
}

/// One sequence, I×T, `batch` times over, I×(T·B); one initial state, S×1, likewise.
pub fn same_sequence(
    inputs: &DMatrix<f64>,
    initial: &DMatrix<f64>,
    batch: usize,
) -> (DMatrix<f64>, DMatrix<f64>) {
    let (rows, steps) = inputs.shape();
    (
        DMatrix::from_fn(rows, steps * batch, |i, j| inputs[(i, j / batch)]),
        DMatrix::from_fn(initial.nrows(), batch, |i, _| initial[(i, 0)]),
    )
}

fn describe(error: NonFinite) -> String {
    match error {
        NonFinite::State { t, .. } => format!("a state is not finite at step {t}"),
        NonFinite::Adjoint { t, .. } => format!("an adjoint is not finite at step {t}"),
        NonFinite::Tangent { t } => format!("a tangent is not finite at step {t}"),
    }
}

/// log₁₀ norms of one way back.
pub struct Gradients {
    /// Of every block of the state, node and carried, of the batch and of each sequence.
    pub norms: BlockNorms,
    batch: usize,
}

impl Gradients {
    /// A block of the state.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn block(&self, name: &str) -> &BlockGradients {
        let mut blocks = self.norms.blocks.iter();
        blocks
            .find(|block| block.name == name)
            .unwrap_or_else(|| panic!("the state has no {name}"))
    }

    /// log₁₀ r_k of the node gradient of a block, k = 0…T, relative to ‖∂L/∂h_T‖.
    pub fn ratios(&self, name: &str) -> Vec<f64> {
        let h = &self.block("h").node.log10_norm;
        let reference = h[h.len() - 1];
        let norms = self.block(name).node.log10_norm.iter().rev();
        norms.map(|log10_norm| log10_norm - reference).collect()
    }

    /// The same of one sequence alone, relative to its own ‖∂L/∂h_T‖.
    pub fn sequence_ratios(&self, name: &str, sequence: usize) -> Vec<f64> {
        let of = |name| {
            let all = self.block(name).node.per_sequence.as_deref();
            let all = all.expect("recorded per sequence");
            all.iter().skip(sequence).step_by(self.batch)
        };
        let reference = of("h").next_back().copied().unwrap_or(0.0);
        of(name)
            .rev()
            .map(|log10_norm| log10_norm - reference)
            .collect()
    }
}

/// The adjoints of one step with their exponents, as a probe was shown them.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Mantissas.
    pub values: DMatrix<f64>,
    /// One power of two for each column.
    pub exponents: Vec<i64>,
}

impl Kept {
    fn of(scaled: Scaled) -> Self {
        Kept {
            values: scaled.values.into_owned(),
            exponents: scaled.exponents.to_vec(),
        }
    }

    /// As plain numbers, 0 or ±∞ where f64 cannot hold them.
    pub fn plain(&self) -> DMatrix<f64> {
        let mut values = self.values.clone();
        for (mut column, exponent) in values.column_iter_mut().zip(&self.exponents) {
            column.apply(|v| *v = scale_by_power_of_two(*v, *exponent));
        }
        values
    }

    /// Entry (i, j) as (m, e), its value being m·2^e with 1 ≤ |m| < 2; (0, 0) for zero.
    pub fn entry(&self, i: usize, j: usize) -> (f64, i64) {
        match mantissa_and_exponent(self.values[(i, j)]) {
            (mantissa, exponent) if mantissa != 0.0 => (mantissa, exponent + self.exponents[j]),
            zero => zero,
        }
    }

    /// Whether every entry is exactly zero.
    pub fn is_zero(&self) -> bool {
        self.values.iter().all(|v| *v == 0.0)
    }

    /// How many numbers of two adjoints differ, as [`differing_bits`] counts them.
    pub fn differing_bits(&self, other: &Kept) -> usize {
        let values = differing_bits(self.values.as_slice(), other.values.as_slice());
        values + usize::from(self.exponents != other.exponents)
    }
}

/// How many entries of two lists are not the same number, bit for bit, what is not a number among them; all
/// of them if the lengths differ.
pub fn differing_bits(a: &[f64], b: &[f64]) -> usize {
    if a.len() != b.len() {
        return a.len().max(b.len());
    }
    let pairs = a.iter().zip(b);
    let differ = |(a, b): &(&f64, &f64)| a.is_nan() || a.to_bits() != b.to_bits();
    pairs.filter(differ).count()
}

/// `value` = m·2^e with 1 ≤ |m| < 2, subnormal numbers included; (0, 0) for zero.
pub fn mantissa_and_exponent(value: f64) -> (f64, i64) {
    if value == 0.0 {
        return (0.0, 0);
    }
    let shift = if value.is_normal() { 0 } else { 100 };
    let normal = scale_by_power_of_two(value, shift);
    let exponent = (normal.to_bits() >> 52 & 0x7ff) as i64 - 1023;
    (scale_by_power_of_two(normal, -exponent), exponent - shift)
}

/// A probe that keeps the adjoints themselves.
#[derive(Clone, Debug)]
pub struct Adjoints {
    /// ∂L/∂s_t as nodes of the graph, t = 0…T, S×B each.
    pub node: Vec<Kept>,
    /// ∂L/∂s_t with the coordinates independent, t = 0…T, S×B each.
    pub carried: Vec<Kept>,
    /// δ_t = ∂L/∂a_t, t = 1…T at index t − 1, P×B each.
    pub deltas: Vec<Kept>,
}

impl Adjoints {
    /// For T steps.
    pub fn new(steps: usize) -> Self {
        let unset = Kept {
            values: DMatrix::zeros(0, 0),
            exponents: Vec::new(),
        };
        Adjoints {
            node: vec![unset.clone(); steps + 1],
            carried: vec![unset.clone(); steps + 1],
            deltas: vec![unset; steps],
        }
    }
}

impl Probe for Adjoints {
    fn backward(&mut self, step: &BackwardStep) {
        self.node[step.t] = Kept::of(step.node);
        self.carried[step.t] = Kept::of(step.carried);
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        let batch = chunk.batch;
        for (k, t) in chunk.times().enumerate() {
            let columns = k * batch..(k + 1) * batch;
            self.deltas[t - 1] = Kept::of(Scaled {
                values: chunk.deltas.values.columns_range(columns.clone()),
                exponents: &chunk.deltas.exponents[columns],
            });
        }
    }
}

// ------------------------------------------------------------------------------------------------
// Curves

/// The least-squares slope of ln r_k over these lags, in nats per step, from log₁₀ r_k at every lag.
/// Not a number where fewer than three of them are finite.
pub fn slope(log10_ratios: &[f64], lags: Range<usize>) -> f64 {
    let window = Window {
        from: lags.start,
        to: lags.end.saturating_sub(1),
    };
    let line = Line::fit(log10_ratios, window);
    line.map_or(f64::NAN, |line| line.slope * std::f64::consts::LN_10)
}

/// The least-squares slope of y against x.
pub fn regression(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let deviations = || x.iter().zip(y).map(|(x, y)| (x - mean_x, y - mean_y));
    let products: f64 = deviations().map(|(x, y)| x * y).sum();
    products / deviations().map(|(x, _)| x * x).sum::<f64>()
}

/// log₁₀ √(Σ (s_i^k)² v_i² / Σ v_i²), whatever its size: the largest excited factor is taken out.
pub fn log10_mode_sum(factors: &[f64], excitations: &[f64], lag: usize) -> f64 {
    let excited = || factors.iter().zip(excitations).filter(|(_, v)| **v != 0.0);
    let largest = excited().fold(0.0_f64, |m, (s, _)| m.max(s.abs()));
    let power = |s: f64| (s / largest).powi(lag as i32);
    let sum: f64 = excited().map(|(s, v)| (power(*s) * v).powi(2)).sum();
    let total: f64 = excitations.iter().map(|v| v * v).sum();
    lag as f64 * largest.log10() + 0.5 * (sum / total).log10()
}

/// A unit vector, `size`×1.
pub fn unit_vector(size: usize, k: usize) -> DMatrix<f64> {
    DMatrix::from_fn(size, 1, |i, _| if i == k { 1.0 } else { 0.0 })
}

/// Keeps the largest of many deviations, each measured in units of the tolerance it may have: a
/// check that it is at most 1 is a check of all of them. What is not a number counts as infinite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worst(pub f64);

impl Worst {
    /// |found − expected| in units of `tolerance`; equal infinities agree.
    pub fn see(&mut self, found: f64, expected: f64, tolerance: f64) {
        let off = if found == expected {
            0.0
        } else {
            (found - expected).abs() / tolerance
        };
        self.0 = if off.is_nan() {
            f64::INFINITY
        } else {
            self.0.max(off)
        };
    }

    /// ‖found − expected‖ in units of `tolerance`·‖expected‖.
    pub fn see_matrix(&mut self, found: &DMatrix<f64>, expected: &DMatrix<f64>, tolerance: f64) {
        self.see((found - expected).norm(), 0.0, tolerance * expected.norm());
    }

    /// Two curves, each entry within `tolerance`; exact zeros must coincide.
    pub fn see_curve(&mut self, found: &[f64], expected: &[f64], tolerance: f64) {
        if found.len() != expected.len() {
            self.0 = f64::INFINITY;
        }
        for (found, expected) in found.iter().zip(expected) {
            self.see(*found, *expected, tolerance);
        }
    }
}

/// The largest of these numbers, not a number if one of them is not or there are none: what was not
/// measured passes no check. ([`f64::max`] would leave it out.)
pub fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    extreme(numbers, f64::max)
}

/// The smallest of these numbers, not a number where [`largest`] is not.
pub fn smallest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    extreme(numbers, f64::min)
}

fn extreme(numbers: impl IntoIterator<Item = f64>, of_two: fn(f64, f64) -> f64) -> f64 {
    let numbers = numbers.into_iter();
    let extreme = numbers.reduce(|a, b| match a.is_nan() || b.is_nan() {
        true => f64::NAN,
        false => of_two(a, b),
    });
    extreme.unwrap_or(f64::NAN)
}

/// Counts the cases in which what is claimed does not hold. Asked what holds, a comparison with what is
/// not a number says no; asked what does not, it would say no as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cases {
    /// Those in which it does not hold.
    pub violations: usize,
    /// All of them.
    pub of: usize,
}

impl Cases {
    /// One more, in which it does or does not hold.
    pub fn see(&mut self, holds: bool) {
        self.of += 1;
        self.violations += usize::from(!holds);
    }
}

/// The place and value of the maximum of a function of one peak between `low` and `high`, by golden
/// sections. The place is known to the root of the rounding of the values, about 10⁻⁸.
pub fn maximum(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> (f64, f64) {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    // 0.618^80 < 10⁻¹⁶ of the interval is left.
    for _ in 0..80 {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if f(left) < f(right) {
            low = left;
        } else {
            high = right;
        }
    }
    let middle = 0.5 * (low + high);
    (middle, f(middle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_neither_lost_nor_outweighed() {
        for numbers in [
            [f64::NAN, 1.0, 2.0],
            [1.0, f64::NAN, 2.0],
            [1.0, 2.0, f64::NAN],
        ] {
            assert!(largest(numbers).is_nan() && smallest(numbers).is_nan());
        }
        assert!(largest([]).is_nan() && smallest([]).is_nan());
        let infinite = [1.0, f64::NEG_INFINITY, 3.0, f64::INFINITY, 2.0];
        assert_eq!(largest(infinite), f64::INFINITY);
        assert_eq!(smallest(infinite), f64::NEG_INFINITY);
        assert_eq!((largest([-2.0]), smallest([-2.0])), (-2.0, -2.0));
    }

    #[test]
    fn what_is_not_a_number_differs_from_itself() {
        let numbers = [0.0, f64::NAN, 1.0];
        assert_eq!(differing_bits(&numbers, &numbers), 1);
        assert_eq!(differing_bits(&[0.0, 1.0], &[-0.0, 1.0]), 1);
        assert_eq!(differing_bits(&[0.0], &[0.0, 1.0]), 2);
    }

    #[test]
    fn what_is_not_a_number_is_a_violation() {
        let mut cases = Cases::default();
        for found in [0.5, 1.0, 1.5, f64::NAN] {
            cases.see(found <= 1.0);
        }
        assert_eq!((cases.violations, cases.of), (2, 4));
    }
}
