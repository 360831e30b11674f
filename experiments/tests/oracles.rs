//! Gradients whose value is known without computing them: closed forms, exact zeros, symmetries
//! and identities, all through the public interface.
//!
//! Each test names its oracle (O1, O2, …) and states its formula. r_k = ‖∂L/∂q_{T−k}‖ / ‖∂L/∂h_T‖
//! is the gradient ratio at lag k, λ an eigenvalue, ρ a spectral radius, ⊙ the product unit by
//! unit. The last tests state properties of random networks of random shapes.

use std::num::NonZeroUsize;
use std::ops::Range;

use gradient_tracking::conformance;
use gradient_tracking::probes::{
    BlockNorms, Norms, ParameterGradient, PathSplit, SequenceGradients,
};
use gradient_tracking::scaled::{Scaled, scale_by_power_of_two};
use gradient_tracking::source::{EveryStep, Readout, SquaredDistance, Target, Terminal};
use gradient_tracking::{
    AdjointMut, AdjointSource, AffineMap, BackwardChunk, BackwardStep, Block, CellShape, Factor,
    ParameterBlock, Point, Probe, RecurrentCell, Tape, Trainable, View, ViewMut, Workspace,
    backpropagate, rollout,
};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use vanilla_rnn::{Activation, VanillaRnn};

/// 2⁻⁵²: one rounding errs by at most half of it, relatively.
const EPSILON: f64 = f64::EPSILON;

/// Two evaluations of one expression that differ only in the order of their sums, over at most a
/// few dozen steps of at most 64 pre-activations: up to 10³ roundings of 10⁻¹⁶ that add up, in
/// networks whose weights are too weak for chaos to amplify them.
const ROUNDING: f64 = 1e-13;

// ------------------------------------------------------------------------------------------------
// Helpers

fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Uniform in ±`scale`.
fn random(rng: &mut ChaCha8Rng, rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| scale * rng.random_range(-1.0..1.0))
}

fn random_vector(rng: &mut ChaCha8Rng, rows: usize, scale: f64) -> DVector<f64> {
    DVector::from_fn(rows, |_, _| scale * rng.random_range(-1.0..1.0))
}

fn orthogonal(rng: &mut ChaCha8Rng, size: usize) -> DMatrix<f64> {
    random(rng, size, size, 1.0).qr().q()
}

/// Weights of order 1/√H, so that nothing saturates and no term is hidden.
fn random_rnn(seed: u64, activation: Activation, hidden: usize, input: usize) -> VanillaRnn {
    let rng = &mut generator(seed);
    let scale = 1.5 / (hidden as f64).sqrt();
    VanillaRnn::new(
        activation,
        random(rng, hidden, hidden, scale),
        random(rng, hidden, input, 1.0),
        random_vector(rng, hidden, 0.5),
    )
}

/// As [`random_rnn`].
fn random_lstm(seed: u64, hidden: usize, input: usize) -> Lstm {
    let rng = &mut generator(seed);
    let scale = 1.5 / (hidden as f64).sqrt();
    Lstm::new(
        random(rng, 4 * hidden, hidden, scale),
        random(rng, 4 * hidden, input, 1.0),
        random_vector(rng, 4 * hidden, 0.5),
        true,
    )
}

/// One cell of each kind with the name that messages use.
fn both_cells(seed: u64, hidden: usize, input: usize) -> [(&'static str, Box<dyn Trainable>); 2] {
    [
        (
            "vanilla RNN",
            Box::new(random_rnn(seed, Activation::Tanh, hidden, input)),
        ),
        ("LSTM", Box::new(random_lstm(seed, hidden, input))),
    ]
}

/// A linear network without input that starts at rest: all that matters is W_hh.
fn linear(recurrent: DMatrix<f64>) -> VanillaRnn {
    undriven(Activation::Identity, recurrent)
}

fn undriven(activation: Activation, recurrent: DMatrix<f64>) -> VanillaRnn {
    let hidden = recurrent.nrows();
    VanillaRnn::new(
        activation,
        recurrent,
        DMatrix::zeros(hidden, 1),
        DVector::zeros(hidden),
    )
}

fn roll_out(cell: &dyn RecurrentCell, inputs: &DMatrix<f64>, initial: &DMatrix<f64>) -> Tape {
    let mut tape = Tape::new();
    rollout(
        cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    tape
}

/// What one way back gives.
struct Gradients {
    norms: BlockNorms,
    adjoints: Adjoints,
}

impl Gradients {
    fn of(
        cell: &dyn RecurrentCell,
        inputs: &DMatrix<f64>,
        tape: &Tape,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
        others: &mut [&mut dyn Probe],
    ) -> Self {
        let (steps, batch) = (tape.steps(), tape.batch());
        let mut norms = BlockNorms::new(cell, steps, batch, true);
        let mut adjoints = Adjoints::new(steps);
        let mut probes: Vec<&mut dyn Probe> = vec![&mut norms, &mut adjoints];
        for probe in others {
            probes.push(*probe);
        }
        backpropagate(
            cell,
            inputs.as_view(),
            tape,
            source,
            truncation.map(|tau| NonZeroUsize::new(tau).unwrap()),
            &mut Workspace::new(),
            &mut probes,
        )
        .unwrap();
        Gradients { norms, adjoints }
    }

    /// From a terminal adjoint.
    fn terminal(
        cell: &dyn RecurrentCell,
        inputs: &DMatrix<f64>,
        tape: &Tape,
        adjoint: &DMatrix<f64>,
    ) -> Self {
        let mut source = Terminal {
            steps: tape.steps(),
            adjoint: adjoint.as_view(),
        };
        Self::of(cell, inputs, tape, &mut source, None, &mut [])
    }

    /// Of a cell with one input that is always zero, from a state that is zero.
    fn at_rest(cell: &dyn RecurrentCell, steps: usize, adjoint: &DMatrix<f64>) -> Self {
        let batch = adjoint.ncols();
        let inputs = DMatrix::zeros(cell.shape().input, steps * batch);
        let initial = DMatrix::zeros(cell.shape().state, batch);
        let tape = roll_out(cell, &inputs, &initial);
        Self::terminal(cell, &inputs, &tape, adjoint)
    }

    fn block(&self, name: &str) -> &gradient_tracking::probes::BlockGradients {
        let mut blocks = self.norms.blocks.iter();
        blocks.find(|block| block.name == name).unwrap()
    }

    /// log₁₀ r_k of the node gradient of block `name`, k = 0…T.
    fn log10_ratios(&self, name: &str) -> Vec<f64> {
        let reference = *self.block("h").node.log10_norm.last().unwrap();
        let norms = self.block(name).node.log10_norm.iter().rev();
        norms.map(|log10_norm| log10_norm - reference).collect()
    }
}

/// A matrix of adjoints with its exponents, as a probe saw it.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    values: DMatrix<f64>,
    exponents: Vec<i64>,
}

impl Kept {
    fn of(scaled: Scaled) -> Self {
        Kept {
            values: scaled.values.into_owned(),
            exponents: scaled.exponents.to_vec(),
        }
    }

    /// As plain numbers, for adjoints of ordinary size.
    fn plain(&self) -> DMatrix<f64> {
        let mut values = self.values.clone();
        for (mut column, exponent) in values.column_iter_mut().zip(&self.exponents) {
            column.apply(|v| *v = scale_by_power_of_two(*v, *exponent));
        }
        values
    }

    /// The entry as (m, e), its value being m·2^e with 1 ≤ |m| < 2, or m = 0.
    fn entry(&self, i: usize, j: usize) -> (f64, i64) {
        let (mantissa, exponent) = mantissa_and_exponent(self.values[(i, j)]);
        (mantissa, exponent + self.exponents[j])
    }
}

/// `value` = m·2^e with 1 ≤ |m| < 2, for a normal number; (0, 0) for zero.
fn mantissa_and_exponent(value: f64) -> (f64, i64) {
    if value == 0.0 {
        return (0.0, 0);
    }
    assert!(value.is_normal());
    let exponent = (value.to_bits() >> 52 & 0x7ff) as i64 - 1023;
    (scale_by_power_of_two(value, -exponent), exponent)
}

/// Keeps the adjoints themselves, of which the crate's probes keep norms.
struct Adjoints {
    /// t = 0…T, S×B each.
    node: Vec<Kept>,
    carried: Vec<Kept>,
    /// t = 0…T, the loss's direct derivative, H×B, where there is one.
    injected: Vec<Option<Kept>>,
    /// δ_t, P×B, t = 1…T at index t − 1.
    deltas: Vec<Kept>,
}

impl Adjoints {
    fn new(steps: usize) -> Self {
        let unset = Kept {
            values: DMatrix::zeros(0, 0),
            exponents: Vec::new(),
        };
        Adjoints {
            node: vec![unset.clone(); steps + 1],
            carried: vec![unset.clone(); steps + 1],
            injected: vec![None; steps + 1],
            deltas: vec![unset; steps],
        }
    }
}

impl Probe for Adjoints {
    fn backward(&mut self, step: &BackwardStep) {
        self.node[step.t] = Kept::of(step.node);
        self.carried[step.t] = Kept::of(step.carried);
        self.injected[step.t] = step.injected.map(Kept::of);
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        let batch = chunk.batch;
        for k in 0..chunk.deltas.values.ncols() / batch {
            self.deltas[chunk.first_step - 1 + k] = Kept::of(Scaled {
                values: chunk.deltas.values.columns(k * batch, batch),
                exponents: &chunk.deltas.exponents[k * batch..(k + 1) * batch],
            });
        }
    }
}

/// |found − expected| ≤ tolerance; infinities must be equal.
#[track_caller]
fn assert_near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        found == expected || (found - expected).abs() <= tolerance,
        "{what}: found {found}, expected {expected}, off by {:e}, tolerance {tolerance:e}",
        found - expected
    );
}

/// ‖found − expected‖ ≤ tolerance·‖expected‖.
#[track_caller]
fn assert_close(what: &str, found: &DMatrix<f64>, expected: &DMatrix<f64>, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let (error, norm) = ((found - expected).norm(), expected.norm());
    assert!(
        error <= tolerance * norm,
        "{what}: error {error:e} of {norm:e}"
    );
}

/// Two curves of log₁₀ norms, each within `tolerance`; exact zeros must coincide.
#[track_caller]
fn assert_curves_near(what: &str, found: &Norms, expected: &Norms, tolerance: f64) {
    assert_eq!(found.log10_norm.len(), expected.log10_norm.len(), "{what}");
    let pairs = found.log10_norm.iter().zip(&expected.log10_norm);
    for (t, (found, expected)) in pairs.enumerate() {
        assert_near(&format!("{what}, t = {t}"), *found, *expected, tolerance);
    }
}

fn unit_vector(size: usize, k: usize) -> DMatrix<f64> {
    DMatrix::from_fn(size, 1, |i, _| if i == k { 1.0 } else { 0.0 })
}

/// log₁₀ √(Σ (s_i^k)² v_i² / Σ v_i²), whatever its size: the largest excited factor is taken out.
fn log10_mode_sum(factors: &[f64], excitations: &[f64], lag: usize) -> f64 {
    let excited = || factors.iter().zip(excitations).filter(|(_, v)| **v != 0.0);
    let largest = excited().fold(0.0_f64, |m, (s, _)| m.max(s.abs()));
    let power = |s: f64| (s / largest).powi(lag as i32);
    let sum: f64 = excited().map(|(s, v)| (power(*s) * v).powi(2)).sum();
    let total: f64 = excitations.iter().map(|v| v * v).sum();
    lag as f64 * largest.log10() + 0.5 * (sum / total).log10()
}

// ------------------------------------------------------------------------------------------------
// O1–O6: linear networks

/// The seven units of a signed permutation: unit `j` receives ±unit `SOURCE[j]`.
const SOURCE: [usize; 7] = [3, 0, 6, 5, 1, 2, 4];
const SIGN: [f64; 7] = [1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0];

fn signed_permutation(factor: f64) -> DMatrix<f64> {
    DMatrix::from_fn(7, 7, |i, j| {
        if SOURCE[i] == j {
            factor * SIGN[i]
        } else {
            0.0
        }
    })
}

/// O1. W = ρQ, linear: r_k = ρ^k. Q a signed permutation and ρ a power of two: every entry of the
/// adjoint keeps its mantissa bit for bit and moves its exponent by exactly k·log₂ρ.
#[test]
fn o1_signed_permutation_keeps_every_mantissa_at_every_lag() {
    let steps = 5000;
    for log2_rho in [-1_i64, 1, 0, -7, 7] {
        let cell = linear(signed_permutation(scale_by_power_of_two(1.0, log2_rho)));
        // One column takes the matrix–vector path, several the packed product.
        for batch in [1, 3] {
            let adjoint = random(&mut generator(1), 7, batch, 1.0);
            let found = Gradients::at_rest(&cell, steps, &adjoint).adjoints;
            // Entry i of the seed now stands at unit `place[i]`, with this sign.
            let mut place: Vec<(usize, f64)> = (0..7).map(|i| (i, 1.0)).collect();
            for lag in 0..=steps {
                for (i, (unit, sign)) in place.iter().enumerate() {
                    for j in 0..batch {
                        let (mantissa, exponent) = mantissa_and_exponent(adjoint[(i, j)]);
                        assert_eq!(
                            found.carried[steps - lag].entry(*unit, j),
                            (sign * mantissa, exponent + lag as i64 * log2_rho),
                            "ρ = 2^{log2_rho}, lag {lag}, entry {i} of column {j}"
                        );
                    }
                }
                for (unit, sign) in &mut place {
                    (*sign, *unit) = (*sign * SIGN[*unit], SOURCE[*unit]);
                }
            }
        }
    }
}

/// O1. From a unit adjoint, r_k = ρ^k where f64 itself ends: for ρ = ½ a plain product is 0 from
/// lag 1075 on, for ρ = 2 infinite from lag 1024 on.
#[test]
fn o1_ratios_go_on_where_plain_f64_is_zero_or_infinite() {
    let steps = 5000;
    for (rho, last_lag) in [(0.5_f64, 1074), (2.0, 1023)] {
        let weights = signed_permutation(rho);
        let adjoint = unit_vector(7, 2);
        let gradients = Gradients::at_rest(&linear(weights.clone()), steps, &adjoint);
        let ratios = gradients.log10_ratios("h");

        let mut plain = adjoint;
        for (lag, log10_ratio) in ratios.iter().enumerate() {
            let expected = lag as f64 * rho.log10();
            // Half a rounding in log₁₀ 2, in its product with the exponent, in the logarithm of
            // the mantissa and in the sum, on each side.
            let tolerance = 4.0 * EPSILON * expected.abs();
            assert_near(&format!("lag {lag}"), *log10_ratio, expected, tolerance);

            let in_range = plain.amax() != 0.0 && plain.amax().is_finite();
            assert_eq!(in_range, lag <= last_lag, "plain f64 at lag {lag}");
            plain = weights.tr_mul(&plain);
        }
    }
}

/// O1. W = ρQ with a random orthogonal Q: r_k = ρ^k.
#[test]
fn o1_orthogonal_weights_give_the_power_of_their_gain() {
    let (size, steps) = (12, 4000);
    let rng = &mut generator(2);
    let q = orthogonal(rng, size);
    let defect = (q.tr_mul(&q) - DMatrix::identity(size, size)).norm();
    for rho in [0.5_f64, 0.9, 1.0, 1.1, 3.0] {
        for batch in [1, 4] {
            let adjoint = random(rng, size, batch, 1.0);
            let gradients = Gradients::at_rest(&linear(rho * &q), steps, &adjoint);
            for (lag, found) in gradients.log10_ratios("h").iter().enumerate() {
                let expected = lag as f64 * rho.log10();
                // Each step sums 12 products of rounded weights, and Q is orthogonal only so far.
                let tolerance = lag as f64 * (size as f64 * EPSILON + defect)
                    // As above, and both norms are rounded.
                    + 4.0 * EPSILON * (1.0 + expected.abs());
                assert_near(
                    &format!("ρ = {rho}, lag {lag}"),
                    *found,
                    expected,
                    tolerance,
                );
            }
        }
    }
}

/// O2. Diagonal W: r_k² = Σ λ_i^{2k} v_i² / Σ v_i², so in the end the rate is ln|λ| of the largest
/// mode that v excites, not of the largest there is.
#[test]
fn o2_diagonal_weights_give_a_sum_of_powers() {
    let steps = 3000;
    let eigenvalues = [0.5, -0.9, 0.99, 1.01, 0.0, 0.3];
    let cell = linear(DMatrix::from_diagonal(&DVector::from_column_slice(
        &eigenvalues,
    )));
    let all = [0.3, 1.0, -0.7, 0.2, 2.0, -1.5];
    let without_the_largest = [0.3, 1.0, -0.7, 0.0, 2.0, -1.5];
    for (v, largest) in [(all, 1.01_f64), (without_the_largest, 0.99)] {
        let adjoint = DMatrix::from_column_slice(6, 1, &v);
        let ratios = Gradients::at_rest(&cell, steps, &adjoint).log10_ratios("h");
        for (lag, found) in ratios.iter().enumerate() {
            let expected = log10_mode_sum(&eigenvalues, &v, lag);
            // Half a rounding per lag here, one or two in the reference's power.
            let tolerance = EPSILON * (2.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
            assert_near(&format!("lag {lag}"), *found, expected, tolerance);
        }
        let rate = (ratios[steps] - ratios[steps - 1000]) / 1000.0 * std::f64::consts::LN_10;
        // The next mode, 0.99 or 0.9, is smaller by 0.98^4000 < 10⁻³⁵ in the square; the rest is
        // the tolerance above, over 1000 lags.
        assert_near("rate", rate, largest.ln(), 1e-14);
    }
}

/// O3. Symmetric or normal W: r_k² = Σ |λ_j|^{2k} ‖P_j v‖² / ‖v‖², P_j the projection on mode j;
/// the rate tends to ln|λ| of the largest excited mode.
#[test]
fn o3_normal_weights_give_the_same_sum_in_their_eigenbasis() {
    let (size, steps) = (6, 2000);
    let rng = &mut generator(3);
    let basis = orthogonal(rng, size);
    let adjoint = random(rng, size, 1, 1.0);
    let amplitudes = basis.tr_mul(&adjoint);

    let moduli = [0.97, 0.97, 0.9, 0.9, 0.8, 0.5];
    let symmetric = DMatrix::from_diagonal(&DVector::from_column_slice(&[
        0.97, -0.97, 0.9, 0.9, -0.8, 0.5,
    ]));
    // Two complex pairs, a rotation each, and two real eigenvalues.
    let mut normal = symmetric.clone();
    for (first, modulus, angle) in [(0, 0.97, 0.7_f64), (2, 0.9, 2.1)] {
        let (sine, cosine) = angle.sin_cos();
        let rotation = DMatrix::from_row_slice(2, 2, &[cosine, -sine, sine, cosine]);
        let mut block = normal.view_mut((first, first), (2, 2));
        block.copy_from(&(modulus * rotation));
    }
    for (name, modes) in [("symmetric", symmetric), ("normal", normal)] {
        let weights = &basis * modes * basis.transpose();
        let gradients = Gradients::at_rest(&linear(weights), steps, &adjoint);
        let ratios = gradients.log10_ratios("h");
        for (lag, found) in ratios.iter().enumerate() {
            let expected = log10_mode_sum(&moduli, amplitudes.as_slice(), lag);
            // The weights are three products of six terms, off by some 10 roundings, each step by
            // another 6; v lies within a factor of two of its largest mode.
            let tolerance = EPSILON * (40.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
            let what = format!("{name}, lag {lag}");
            assert_near(&what, *found, expected, tolerance);
        }
        let rate = (ratios[steps] - ratios[steps - 500]) / 500.0 * std::f64::consts::LN_10;
        // (0.9/0.97)^3000 < 10⁻⁹⁷ of the next mode is left; 40 roundings per step as above.
        assert_near(name, rate, 0.97_f64.ln(), 1e-13);
    }
}

/// The gradient of h_T with respect to w in h_t = w·h_{t−1}, h_0 = `start`.
fn scalar_weight_gradient(w: f64, start: f64, steps: usize) -> ParameterGradient {
    let cell = linear(DMatrix::from_element(1, 1, w));
    let inputs = DMatrix::zeros(1, steps);
    let tape = roll_out(&cell, &inputs, &DMatrix::from_element(1, 1, start));
    let mut gradient = ParameterGradient::new(&cell, 1, 1);
    let one = DMatrix::from_element(1, 1, 1.0);
    let mut source = Terminal {
        steps,
        adjoint: one.as_view(),
    };
    Gradients::of(
        &cell,
        &inputs,
        &tape,
        &mut source,
        None,
        &mut [&mut gradient],
    );
    gradient
}

/// O4. Scalar linear x_t = w·x_{t−1}: ∂x_T/∂w = T·x₀·w^{T−1}; for w a power of two every term is
/// exact and so is the sum.
#[test]
fn o4_scalar_weight_gradient_is_exact_for_powers_of_two() {
    for w in [0.5, 2.0, -2.0] {
        // T = 1000 is two chunks of steps whose adjoints differ by up to 10³⁰⁰.
        for steps in [1, 2, 600, 1000_i32] {
            let found = scalar_weight_gradient(w, 1.5, steps as usize).to_f64()[0];
            let expected = f64::from(steps) * 1.5 * f64::powi(w, steps - 1);
            assert_eq!(found, expected, "w = {w}, T = {steps}");
        }
    }
}

/// O4. The same for any w, and ∂²x_T/∂w² = T(T−1)·x₀·w^{T−2}.
#[test]
fn o4_scalar_weight_gradient_and_its_slope_have_the_power_law() {
    for w in [0.7_f64, 0.9, 1.05, -1.1] {
        for steps in [2, 30, 1500_i32] {
            let gradient = scalar_weight_gradient(w, 0.8, steps as usize);
            let (_, found) = gradient.log10_norms().next().unwrap();
            let log10_w = w.abs().log10();
            let expected = (f64::from(steps) * 0.8).log10() + f64::from(steps - 1) * log10_w;
            // Half a rounding per step in each of the two powers that make up a term.
            let tolerance = EPSILON * (f64::from(steps) + 8.0 + 4.0 * expected.abs());
            let what = format!("w = {w}, T = {steps}");
            assert_near(&what, found, expected, tolerance);
        }
        let (steps, h) = (30, 1e-5);
        let at = |w| scalar_weight_gradient(w, 0.8, steps).to_f64()[0];
        let difference = (at(w + h) - at(w - h)) / (2.0 * h);
        let expected = (steps * (steps - 1)) as f64 * 0.8 * w.powi(steps as i32 - 2);
        // h²(T−2)(T−3)/6w² = 3·10⁻⁸ of curvature for w = 0.7; rounding is below 10⁻¹².
        assert_near("slope", difference / expected, 1.0, 1e-7);
    }
}

/// O5. Delay line, W the nilpotent shift of N units, ρ(W) = 0 and σ_max(W) = 1: the adjoint of the
/// last unit has r_k = 1 for k ≤ N−1, then exactly 0. The spectral radius says nothing about
/// either.
#[test]
fn o5_delay_line_carries_the_gradient_whole_and_then_drops_it() {
    let (size, steps) = (9, 40);
    let shift = DMatrix::from_fn(size, size, |i, j| if i == j + 1 { 1.0 } else { 0.0 });
    let cell = linear(shift);
    // Column j is the adjoint of unit j, which lives for j steps more.
    let identity = DMatrix::identity(size, size);
    let gradients = Gradients::at_rest(&cell, steps, &identity);
    let per_sequence = gradients.block("h").node.per_sequence.as_ref().unwrap();
    for lag in 0..=steps {
        for unit in 0..size {
            let found = per_sequence[(steps - lag) * size + unit];
            // log₁₀ 1 and log₁₀ 0, both exact.
            let expected = if lag <= unit { 0.0 } else { f64::NEG_INFINITY };
            assert_eq!(found, expected, "unit {unit}, lag {lag}");
        }
    }
    // The end-to-end adjoint alone, by the matrix–vector path.
    let ratios = Gradients::at_rest(&cell, steps, &unit_vector(size, size - 1)).log10_ratios("h");
    assert!(ratios[..size].iter().all(|r| *r == 0.0));
    assert!(ratios[size..].iter().all(|r| *r == f64::NEG_INFINITY));
}

/// O6. Jordan block W = [[λ, 1], [0, λ]], g_T = (1, 0): r_k = λ^{k−1}·√(λ² + k²). For λ = 0.95 it
/// grows to 7.5565 at k = 19 before it vanishes.
#[test]
fn o6_jordan_block_grows_before_it_vanishes() {
    let steps = 3000;
    for lambda in [0.5_f64, 0.95, 1.0, 1.05] {
        let weights = DMatrix::from_row_slice(2, 2, &[lambda, 1.0, 0.0, lambda]);
        let gradients = Gradients::at_rest(&linear(weights), steps, &unit_vector(2, 0));
        let ratios = gradients.log10_ratios("h");
        for (lag, found) in ratios.iter().enumerate() {
            let k = lag as f64;
            let expected = (k - 1.0) * lambda.log10() + 0.5 * (lambda * lambda + k * k).log10();
            // Positive terms only: at most two roundings per lag, and those of the reference.
            let tolerance = EPSILON * (2.0 * k + 8.0 + 4.0 * expected.abs());
            assert_near(
                &format!("λ = {lambda}, lag {lag}"),
                *found,
                expected,
                tolerance,
            );
        }
        if lambda == 0.95 {
            let peak = (0..=steps).max_by(|a, b| ratios[*a].total_cmp(&ratios[*b]));
            assert_eq!(peak, Some(19));
            // The four decimals stated above.
            assert_near("peak", 10_f64.powf(ratios[19]), 7.5565, 5e-5);
        }
    }
}

// ------------------------------------------------------------------------------------------------
// O7–O9: nonlinear networks where the slope is known

/// O7. Tanh at the fixed point 0, without input: φ'(0) = 1, so the adjoints are those of the
/// linear network, bit for bit.
#[test]
fn o7_tanh_at_rest_is_linear() {
    let rng = &mut generator(7);
    let weights = random(rng, 8, 8, 0.5);
    for batch in [1, 3] {
        let adjoint = random(rng, 8, batch, 1.0);
        let run = |activation| {
            let cell = undriven(activation, weights.clone());
            Gradients::at_rest(&cell, 2000, &adjoint).adjoints
        };
        let (tanh, identity) = (run(Activation::Tanh), run(Activation::Identity));
        assert_eq!(tanh.carried, identity.carried);
        assert_eq!(tanh.deltas, identity.deltas);
        assert!(identity.carried[0].exponents[0] < -100, "a long decay");
    }
}

/// O7. Scalar tanh at a fixed point ā = w·tanh ā + b: r_k = (w(1 − tanh² ā))^k.
#[test]
fn o7_scalar_tanh_at_its_fixed_point_decays_at_its_slope() {
    let steps = 3000;
    for (w, bias) in [(1.5_f64, 0.0), (2.5, 0.0), (0.8, 0.3), (-0.9, 0.4)] {
        let cell = VanillaRnn::new(
            Activation::Tanh,
            DMatrix::from_element(1, 1, w),
            DMatrix::zeros(1, 1),
            DVector::from_element(1, bias),
        );
        // Found by iterating the standard library's tanh, not the cell; |slope| < 0.9, so 1000
        // iterations leave the last bits only.
        let h = (0..1000).fold(0.9_f64, |h, _| (w * h + bias).tanh());
        let slope = w * (1.0 - h * h);
        assert!(h > 0.1 && slope.abs() < 0.9);
        // Each tanh errs by up to 3 units in the last place and the map adds errors up as a
        // geometric series; d(1 − h²) = −2h·dh; two more roundings for the slope itself. All of
        // it twice, here and in the cell.
        let state_error = 3.0 * EPSILON / (1.0 - slope.abs());
        let step_error = 2.0 * (2.0 * h * state_error / (1.0 - h * h) + 2.0 * EPSILON);

        let inputs = DMatrix::zeros(1, steps);
        let tape = roll_out(&cell, &inputs, &DMatrix::from_element(1, 1, h));
        let one = DMatrix::from_element(1, 1, 1.0);
        let ratios = Gradients::terminal(&cell, &inputs, &tape, &one).log10_ratios("h");
        for (lag, found) in ratios.iter().enumerate() {
            let expected = lag as f64 * slope.abs().log10();
            let tolerance = step_error * lag as f64 + 4.0 * EPSILON * expected.abs();
            let what = format!("w = {w}, b = {bias}, lag {lag}");
            assert_near(&what, *found, expected, tolerance);
        }
    }
}

/// O8. ReLU with every unit active is linear, bit for bit.
#[test]
fn o8_active_relu_is_linear() {
    let (hidden, steps) = (8, 300);
    let rng = &mut generator(8);
    // Positive weights, inputs and states: no unit can become inactive.
    let positive = |rng: &mut ChaCha8Rng, rows, columns, scale: f64| {
        random(rng, rows, columns, 1.0).map(|v: f64| scale * (v.abs() + 0.01))
    };
    let recurrent = positive(rng, hidden, hidden, 0.2);
    let input = positive(rng, hidden, 2, 1.0);
    for batch in [1, 3] {
        let inputs = positive(rng, 2, steps * batch, 1.0);
        let initial = positive(rng, hidden, batch, 1.0);
        let adjoint = random(rng, hidden, batch, 1.0);
        let run = |activation| {
            let bias = DVector::from_element(hidden, 0.1);
            let cell = VanillaRnn::new(activation, recurrent.clone(), input.clone(), bias);
            let tape = roll_out(&cell, &inputs, &initial);
            let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);
            (tape.state(steps).into_owned(), gradients.adjoints)
        };
        let (relu, identity) = (run(Activation::Relu), run(Activation::Identity));
        assert_eq!(relu.0, identity.0);
        assert_eq!(relu.1.carried, identity.1.carried);
        assert_eq!(relu.1.deltas, identity.1.deltas);
    }
}

/// O8. A dead ReLU unit passes exactly 0: one that dies at step 10 cuts off everything before.
#[test]
fn o8_dead_relu_passes_exactly_nothing() {
    let (steps, dies_at) = (30, 10);
    let cell = VanillaRnn::new(
        Activation::Relu,
        DMatrix::from_element(1, 1, 0.9),
        DMatrix::from_element(1, 1, 1.0),
        DVector::zeros(1),
    );
    let inputs = DMatrix::from_fn(1, steps, |_, t| if t + 1 == dies_at { -100.0 } else { 1.0 });
    let tape = roll_out(&cell, &inputs, &DMatrix::from_element(1, 1, 1.0));
    let one = DMatrix::from_element(1, 1, 1.0);
    let gradients = Gradients::terminal(&cell, &inputs, &tape, &one);
    for t in 0..=steps {
        let found = gradients.block("h").node.log10_norm[t];
        if t < dies_at {
            assert_eq!(found, f64::NEG_INFINITY, "t = {t}");
        } else {
            let expected = (steps - t) as f64 * 0.9_f64.log10();
            // Half a rounding per step, and those of the logarithms.
            assert_near("alive", found, expected, 40.0 * EPSILON);
        }
    }
}

/// O8. A unit that is dead throughout: its incoming weights and bias have gradient exactly 0, and
/// the others' gradients are those of the network without it.
#[test]
fn o8_dead_relu_unit_might_as_well_not_exist() {
    let (hidden, steps, batch, dead) = (5, 12, 2, 3);
    let rng = &mut generator(9);
    let recurrent = random(rng, hidden, hidden, 0.5);
    let input = random(rng, hidden, 2, 1.0);
    let mut bias = DVector::from_element(hidden, 0.5);
    bias[dead] = -1000.0;
    let inputs = random(rng, 2, steps * batch, 1.0);
    let adjoint = random(rng, hidden, batch, 1.0);

    let gradients = |cell: &VanillaRnn, adjoint: &DMatrix<f64>| {
        let initial = DMatrix::zeros(adjoint.nrows(), batch);
        let tape = roll_out(cell, &inputs, &initial);
        let mut parameters = ParameterGradient::new(cell, steps, batch);
        let mut source = Terminal {
            steps,
            adjoint: adjoint.as_view(),
        };
        let probes: &mut [&mut dyn Probe] = &mut [&mut parameters];
        let gradients = Gradients::of(cell, &inputs, &tape, &mut source, None, probes);
        (gradients, parameters.to_f64())
    };
    let whole = VanillaRnn::new(
        Activation::Relu,
        recurrent.clone(),
        input.clone(),
        bias.clone(),
    );
    let (with_it, parameters) = gradients(&whole, &adjoint);
    for block in whole.parameter_blocks() {
        let block_gradient = &parameters[block.range.clone()];
        let matrix = View::from_slice(block_gradient, hidden, block.columns);
        assert!(matrix.row(dead).iter().all(|v| *v == 0.0), "{}", block.name);
        assert!(matrix.norm() > 1e-3, "{} of the others", block.name);
    }

    let smaller = VanillaRnn::new(
        Activation::Relu,
        recurrent.remove_row(dead).remove_column(dead),
        input.remove_row(dead),
        bias.remove_row(dead),
    );
    let (without, _) = gradients(&smaller, &adjoint.clone().remove_row(dead));
    for t in 0..=steps {
        let found = with_it.adjoints.node[t].plain().remove_row(dead);
        let expected = without.adjoints.node[t].plain();
        assert_close(&format!("t = {t}"), &found, &expected, ROUNDING);
    }
}

/// O9. Zero recurrent matrix: ∂h_T/∂h_t = 0 exactly for t < T.
#[test]
fn o9_without_recurrent_weights_no_gradient_arrives() {
    let (hidden, steps) = (6, 20);
    for activation in [Activation::Tanh, Activation::Logistic, Activation::Identity] {
        for batch in [1, 3] {
            let rng = &mut generator(10);
            let cell = VanillaRnn::new(
                activation,
                DMatrix::zeros(hidden, hidden),
                random(rng, hidden, 2, 1.0),
                random_vector(rng, hidden, 0.5),
            );
            let inputs = random(rng, 2, steps * batch, 1.0);
            let tape = roll_out(&cell, &inputs, &random(rng, hidden, batch, 1.0));
            let adjoint = random(rng, hidden, batch, 1.0);
            let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);
            let h = &gradients.block("h").node;
            assert!(
                h.log10_norm[..steps]
                    .iter()
                    .all(|r| *r == f64::NEG_INFINITY)
            );
            // Eighteen squares at most, summed in two orders.
            let expected = adjoint.norm().log10();
            assert_near("t = T", h.log10_norm[steps], expected, 8.0 * EPSILON);
        }
    }
}

// ------------------------------------------------------------------------------------------------
// O10–O12: the additive path

/// An LSTM without recurrent weights, whose gates follow its input.
fn unconnected_lstm(seed: u64, hidden: usize, input: usize, forget_gate: bool) -> Lstm {
    let rng = &mut generator(seed);
    Lstm::new(
        DMatrix::zeros(4 * hidden, hidden),
        random(rng, 4 * hidden, input, 1.0),
        random_vector(rng, 4 * hidden, 1.0),
        forget_gate,
    )
}

/// The rows of a saved block at step t.
fn saved(cell: &dyn RecurrentCell, tape: &Tape, name: &str, t: usize) -> DMatrix<f64> {
    let mut blocks = cell.saved_blocks().iter();
    let block = blocks.find(|block| block.name == name).unwrap();
    tape.saved(t).rows_range(block.rows.clone()).into_owned()
}

/// ε_t = o_t ⊙ (1 − tanh² c_t).
fn exposure(cell: &dyn RecurrentCell, tape: &Tape, t: usize) -> DMatrix<f64> {
    let slope = saved(cell, tape, "tanh_c", t).map(|v| 1.0 - v * v);
    saved(cell, tape, "o", t).component_mul(&slope)
}

/// O10. LSTM, zero recurrent weights, loss at T: for every t,
/// ∂L/∂c_t = (∂L/∂h_T ⊙ o_T ⊙ (1 − tanh² c_T)) ⊙ ∏_{s=t+1…T} f_s, while ∂L/∂h_t = 0 exactly for
/// t < T. The norm of h alone would call this gradient dead.
#[test]
fn o10_without_recurrent_weights_the_memory_decays_by_the_forget_gates_alone() {
    let (hidden, steps) = (5, 60);
    for batch in [1, 3] {
        let rng = &mut generator(11);
        let cell = unconnected_lstm(11, hidden, 3, true);
        let inputs = random(rng, 3, steps * batch, 1.0);
        let tape = roll_out(&cell, &inputs, &random(rng, 2 * hidden, batch, 1.0));
        let adjoint = random(rng, hidden, batch, 1.0);
        let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);

        let mut expected = adjoint.component_mul(&exposure(&cell, &tape, steps));
        let (mut low, mut high) = (1.0_f64, 0.0_f64);
        for t in (0..=steps).rev() {
            let node = gradients.adjoints.node[t].plain();
            let found = node.rows(hidden, hidden);
            // Up to two roundings per factor, of which there are k + 3.
            let tolerance = 2.0 * EPSILON * (steps - t + 3) as f64;
            for (found, expected) in found.iter().zip(expected.iter()) {
                let what = format!("c at t = {t}, relative");
                assert_near(&what, found / expected, 1.0, tolerance);
            }
            if t > 0 {
                let forget = saved(&cell, &tape, "f", t);
                (low, high) = (low.min(forget.min()), high.max(forget.max()));
                expected.component_mul_assign(&forget);
            }
        }
        assert!(low < 0.3 && high > 0.7, "the forget gates vary");

        let (h, c) = (gradients.block("h"), gradients.block("c"));
        assert!(h.node.log10_norm[steps].is_finite());
        let gone = |norms: &[f64]| norms.iter().all(|r| *r == f64::NEG_INFINITY);
        assert!(gone(&h.node.log10_norm[..steps]) && gone(&h.carried.log10_norm[..steps]));
        // Nothing but h_T carries the loss at T; before, the path c_t → h_t carries nothing.
        assert!(gone(&c.carried.log10_norm[steps..]));
        assert_eq!(c.carried.log10_norm[..steps], c.node.log10_norm[..steps]);
    }
}

/// O10. The same far beyond the range of f64, for one unit: log₁₀|∂L/∂c_t| =
/// log₁₀|∂L/∂h_T · o_T(1 − tanh² c_T)| + Σ_{s=t+1…T} log₁₀ f_s.
#[test]
fn o10_the_product_of_forget_gates_goes_on_beyond_f64() {
    let steps = 4000;
    let cell = unconnected_lstm(12, 1, 2, true);
    let inputs = random(&mut generator(12), 2, steps, 1.0);
    let tape = roll_out(&cell, &inputs, &DMatrix::zeros(2, 1));
    let adjoint = DMatrix::from_element(1, 1, -0.37);
    let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);
    let mut expected = (adjoint[0] * exposure(&cell, &tape, steps)[0])
        .abs()
        .log10();
    for t in (0..=steps).rev() {
        let found = gradients.block("c").node.log10_norm[t];
        // A rounding per factor on the way back; in the reference a logarithm and a sum per
        // factor, each off by half a unit of the sum's size.
        let k = (steps - t) as f64;
        let tolerance = EPSILON * (4.0 + k * (1.0 + expected.abs()));
        assert_near(&format!("t = {t}"), found, expected, tolerance);
        if t > 0 {
            expected += saved(&cell, &tape, "f", t)[0].log10();
        }
    }
    assert!(expected < -400.0, "beyond f64");
}

/// O11. f ≡ 1 (the constant error carousel), no gradient through the gates: ∂L/∂c_t is the same
/// number at every t ≤ T, bit for bit, though the memory itself changes at every step.
#[test]
fn o11_carousel_carries_the_gradient_unchanged() {
    let (hidden, steps) = (4, 5000);
    for batch in [1, 2] {
        let rng = &mut generator(13);
        let mut cell = unconnected_lstm(13, hidden, 2, false);
        // No bias and small inputs: a memory that only ever adds must not saturate tanh c_T.
        let bias = cell.parameter_blocks()[2].range.clone();
        let mut parameters = cell.parameters().to_vec();
        parameters[bias].fill(0.0);
        cell.set_parameters(&parameters);
        let inputs = random(rng, 2, steps * batch, 0.01);
        let tape = roll_out(&cell, &inputs, &DMatrix::zeros(2 * hidden, batch));
        let adjoint = random(rng, hidden, batch, 1.0);
        let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);
        let node = |t: usize| &gradients.adjoints.node[t];
        let c = |t: usize| node(t).values.rows(hidden, hidden).into_owned();
        let (last, exponents) = (c(steps), &node(steps).exponents);
        assert!(last.iter().all(|v| *v != 0.0));
        for t in 0..steps {
            assert_eq!(
                (c(t), &node(t).exponents),
                (last.clone(), exponents),
                "t = {t}"
            );
            assert_ne!(
                tape.state(t).rows(hidden, hidden),
                tape.state(t + 1).rows(hidden, hidden)
            );
        }
        let c = &gradients.block("c").carried;
        assert!(c.log10_norm[..steps].iter().all(|r| *r == c.log10_norm[0]));
        assert_eq!(c.log10_norm[steps], f64::NEG_INFINITY);
    }
}

/// O11. Constant f: ‖∂L/∂c_{T−k}‖ = f^k·‖∂L/∂c_T‖; with f = ½ exactly.
#[test]
fn o11_constant_forget_gate_decays_by_its_power() {
    let (hidden, steps) = (3, 4000);
    for forget_bias in [0.0, 1.0, 5.0, -2.0] {
        let rng = &mut generator(14);
        let mut input = random(rng, 4 * hidden, 2, 1.0);
        input.rows_mut(hidden, hidden).fill(0.0);
        let mut bias = random_vector(rng, 4 * hidden, 0.5);
        bias.rows_mut(hidden, hidden).fill(forget_bias);
        let cell = Lstm::new(DMatrix::zeros(4 * hidden, hidden), input, bias, true);
        let inputs = random(rng, 2, steps, 1.0);
        let tape = roll_out(&cell, &inputs, &DMatrix::zeros(2 * hidden, 1));
        let adjoint = random(rng, hidden, 1, 1.0);
        let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);
        let c = &gradients.block("c").node.log10_norm;
        let forget = 1.0 / (1.0 + f64::exp(-forget_bias));
        for (t, found) in c.iter().enumerate() {
            let k = (steps - t) as f64;
            let expected = c[steps] + k * forget.log10();
            // The gate is within 2.5 units in the last place, and so is the reference's.
            let tolerance = EPSILON * (6.0 * k + 8.0 + 4.0 * expected.abs());
            let what = format!("f = {forget}, t = {t}");
            assert_near(&what, *found, expected, tolerance);
        }
        if forget_bias == 0.0 {
            let last = &gradients.adjoints.node[steps];
            for t in 0..=steps {
                for unit in hidden..2 * hidden {
                    let (mantissa, exponent) = last.entry(unit, 0);
                    let expected = (mantissa, exponent - (steps - t) as i64);
                    assert_eq!(
                        gradients.adjoints.node[t].entry(unit, 0),
                        expected,
                        "t = {t}"
                    );
                }
            }
        }
    }
}

/// A leaky unit, h_t = (1−α)·h_{t−1} + α·tanh(W_hh·h_{t−1} + W_ih·x_t + b).
///
/// Neither cell of the workspace is leaky, so it is written here, against the public interface
/// alone: that it can be is part of what is tested.
struct Leaky {
    alpha: f64,
    affine: AffineMap,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
}

impl Leaky {
    fn new(
        alpha: f64,
        recurrent: &DMatrix<f64>,
        input: &DMatrix<f64>,
        bias: &DVector<f64>,
    ) -> Self {
        Leaky {
            alpha,
            affine: AffineMap::new(recurrent, input, bias),
            state_blocks: Block::consecutive(&["h"], bias.len()),
            saved_blocks: Block::consecutive(&["tanh_a"], bias.len()),
        }
    }

    /// α(1 − tanh² a) ⊙ `values`, column j at trajectory j mod B.
    fn multiply_by_slope(&self, at: &Point, values: &mut ViewMut) {
        let batch = at.saved.ncols();
        for (j, mut column) in values.column_iter_mut().enumerate() {
            column.zip_apply(&at.saved.column(j % batch), |v, tanh_a| {
                *v *= self.alpha * (1.0 - tanh_a * tanh_a);
            });
        }
    }
}

impl RecurrentCell for Leaky {
    fn shape(&self) -> CellShape {
        let hidden = self.affine.hidden();
        CellShape {
            input: self.affine.input(),
            state: hidden,
            output: hidden,
            saved: hidden,
            delta: hidden,
        }
    }
    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }
    fn saved_blocks(&self) -> &[Block] {
        &self.saved_blocks
    }
    fn output_rows(&self) -> Range<usize> {
        0..self.affine.hidden()
    }
    fn step(&self, input: View, previous: View, mut next: ViewMut, mut saved: ViewMut) {
        self.affine
            .activations(input, previous, saved.as_view_mut());
        saved.apply(|a| *a = a.tanh());
        next.copy_from(&previous);
        next.zip_apply(&saved, |h, tanh_a| {
            *h = (1.0 - self.alpha) * *h + self.alpha * tanh_a;
        });
    }
    fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        let AdjointMut {
            carried,
            node,
            mut delta,
            mut previous,
        } = adjoint;
        if let Some(mut node) = node {
            node.copy_from(&carried);
        }
        delta.copy_from(&carried);
        self.multiply_by_slope(at, &mut delta);
        self.affine
            .pull_back_recurrent(delta.as_view(), previous.as_view_mut());
        previous.zip_apply(&carried, |p, g| *p += (1.0 - self.alpha) * g);
    }
    fn pull_back_input(&self, delta: View, input: ViewMut) {
        self.affine.pull_back_input(delta, input);
    }
    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        self.affine
            .tangent(input, tangent, activation.as_view_mut());
        next.copy_from(&activation);
        self.multiply_by_slope(at, &mut next);
        next.zip_apply(&tangent, |n, v| *n += (1.0 - self.alpha) * v);
    }
}

impl Trainable for Leaky {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        self.affine.blocks()
    }
    fn parameters(&self) -> &[f64] {
        self.affine.parameters()
    }
    fn set_parameters(&mut self, parameters: &[f64]) {
        self.affine.set_parameters(parameters);
    }
}

/// O12. Leaky unit, h_t = (1−α)h_{t−1} + α·φ(…), with W_hh = 0: r_k = (1−α)^k.
#[test]
fn o12_leaky_unit_without_weights_decays_at_its_leak() {
    let (hidden, steps) = (4, 5000);
    let rng = &mut generator(15);
    let input = random(rng, hidden, 2, 1.0);
    let bias = random_vector(rng, hidden, 0.5);
    for alpha in [0.5_f64, 0.1, 0.003, 0.9] {
        let cell = Leaky::new(alpha, &DMatrix::zeros(hidden, hidden), &input, &bias);
        for batch in [1, 2] {
            let inputs = random(rng, 2, steps * batch, 1.0);
            let tape = roll_out(&cell, &inputs, &random(rng, hidden, batch, 1.0));
            let adjoint = random(rng, hidden, batch, 1.0);
            let gradients = Gradients::terminal(&cell, &inputs, &tape, &adjoint);
            for (lag, found) in gradients.log10_ratios("h").iter().enumerate() {
                let expected = lag as f64 * (1.0 - alpha).log10();
                // Half a rounding per lag, and those of two norms and their logarithms.
                let tolerance = EPSILON * (lag as f64 + 8.0 + 4.0 * expected.abs());
                assert_near(
                    &format!("α = {alpha}, lag {lag}"),
                    *found,
                    expected,
                    tolerance,
                );
            }
        }
    }
}

/// O12 rests on a cell of this file; with weights it must pass what every cell must pass.
#[test]
fn o12_leaky_unit_conforms() {
    let rng = &mut generator(16);
    let mut cell = Leaky::new(
        0.3,
        &random(rng, 4, 4, 0.8),
        &random(rng, 4, 2, 1.0),
        &random_vector(rng, 4, 0.5),
    );
    let options = conformance::Options::default();
    conformance::check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0)).unwrap();
}

// ------------------------------------------------------------------------------------------------
// O16: forward and backward products

/// O16. J = ∂s_T/∂s_{T−k} as k forward steps of tangents and as k backward steps of adjoints:
/// ⟨u, Jv⟩ = ⟨Jᵀu, v⟩, for several tangents and adjoints over each trajectory.
#[test]
fn o16_forward_and_backward_products_are_adjoint() {
    let (hidden, input, steps, batch, per_trajectory) = (6, 3, 25, 2, 3);
    for (name, cell) in both_cells(17, hidden, input) {
        let rng = &mut generator(18);
        let shape = cell.shape();
        let columns = per_trajectory * batch;
        let inputs = random(rng, input, steps * batch, 1.0);
        let tape = roll_out(&*cell, &inputs, &random(rng, shape.state, batch, 1.0));
        for k in [1, 2, 7, steps] {
            let v = random(rng, shape.state, columns, 1.0);
            let u = random(rng, shape.state, columns, 1.0);
            let mut scratch = DMatrix::zeros(shape.delta, columns);

            let mut tangent = v.clone();
            for t in steps - k + 1..=steps {
                let mut next = DMatrix::zeros(shape.state, columns);
                cell.push_forward(
                    &tape.point(t),
                    tangent.as_view(),
                    scratch.as_view_mut(),
                    next.as_view_mut(),
                );
                tangent = next;
            }
            let mut adjoint = u.clone();
            for t in (steps - k + 1..=steps).rev() {
                let mut previous = DMatrix::zeros(shape.state, columns);
                let carried = AdjointMut {
                    carried: adjoint.as_view(),
                    node: None,
                    delta: scratch.as_view_mut(),
                    previous: previous.as_view_mut(),
                };
                cell.pull_back(&tape.point(t), carried);
                adjoint = previous;
            }
            for j in 0..columns {
                let forward = u.column(j).dot(&tangent.column(j));
                let backward = adjoint.column(j).dot(&v.column(j));
                let size = u.column(j).norm() * tangent.column(j).norm()
                    + adjoint.column(j).norm() * v.column(j).norm();
                let what = format!("{name}, {k} steps, column {j}");
                assert_near(&what, forward, backward, ROUNDING * size);
                assert!(size > 1e-9, "{what}: products are not zero");
            }
        }
    }
}

/// O16. The same for the whole machinery: ⟨u, (Jv)_h⟩ = ⟨g_0, v⟩, g_0 the carried adjoint that
/// [`backpropagate`] brings to t = 0 from the terminal adjoint u of h_T.
#[test]
fn o16_backpropagation_is_adjoint_to_the_forward_product() {
    let (hidden, input, steps, batch) = (6, 3, 25, 2);
    for (name, cell) in both_cells(19, hidden, input) {
        let rng = &mut generator(20);
        let shape = cell.shape();
        let inputs = random(rng, input, steps * batch, 1.0);
        let tape = roll_out(&*cell, &inputs, &random(rng, shape.state, batch, 1.0));
        let (u, v) = (
            random(rng, hidden, batch, 1.0),
            random(rng, shape.state, batch, 1.0),
        );
        let mut tangent = v.clone();
        for t in 1..=steps {
            let mut next = DMatrix::zeros(shape.state, batch);
            let mut scratch = DMatrix::zeros(shape.delta, batch);
            cell.push_forward(
                &tape.point(t),
                tangent.as_view(),
                scratch.as_view_mut(),
                next.as_view_mut(),
            );
            tangent = next;
        }
        let gradients = Gradients::terminal(&*cell, &inputs, &tape, &u);
        let adjoint = gradients.adjoints.carried[0].plain();
        for j in 0..batch {
            let output = tangent.rows_range(cell.output_rows());
            let forward = u.column(j).dot(&output.column(j));
            let backward = adjoint.column(j).dot(&v.column(j));
            let size = u.column(j).norm() * tangent.column(j).norm()
                + adjoint.column(j).norm() * v.column(j).norm();
            let what = format!("{name}, column {j}");
            assert_near(&what, forward, backward, ROUNDING * size);
            assert!(size > 1e-9, "{what}: products are not zero");
        }
    }
}

// ------------------------------------------------------------------------------------------------
// O19, O20: truncation and the readout

/// A network with its trajectory and an adjoint for every step.
struct Driven {
    cell: Box<dyn Trainable>,
    inputs: DMatrix<f64>,
    tape: Tape,
    adjoints: DMatrix<f64>,
}

impl Driven {
    fn new(seed: u64, cell: Box<dyn Trainable>, steps: usize, batch: usize) -> Self {
        let rng = &mut generator(seed);
        let shape = cell.shape();
        let inputs = random(rng, shape.input, steps * batch, 1.0);
        let initial = random(rng, shape.state, batch, 1.0);
        Driven {
            tape: roll_out(&*cell, &inputs, &initial),
            adjoints: random(rng, shape.output, steps * batch, 1.0),
            cell,
            inputs,
        }
    }

    fn steps(&self) -> usize {
        self.tape.steps()
    }

    fn batch(&self) -> usize {
        self.tape.batch()
    }

    fn adjoint_of_step(&self, t: usize) -> DMatrix<f64> {
        let batch = self.batch();
        self.adjoints.columns((t - 1) * batch, batch).into_owned()
    }

    fn gradients(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
    ) -> (Gradients, ParameterGradient) {
        let mut parameters = ParameterGradient::new(&*self.cell, self.steps(), self.batch());
        let probes: &mut [&mut dyn Probe] = &mut [&mut parameters];
        let (cell, inputs, tape) = (&*self.cell, &self.inputs, &self.tape);
        let gradients = Gradients::of(cell, inputs, tape, source, truncation, probes);
        (gradients, parameters)
    }

    fn terminal(&self, truncation: Option<usize>) -> (Gradients, ParameterGradient) {
        let adjoint = self.adjoint_of_step(self.steps());
        let mut source = Terminal {
            steps: self.steps(),
            adjoint: adjoint.as_view(),
        };
        self.gradients(&mut source, truncation)
    }

    fn every_step(&self, truncation: Option<usize>) -> (Gradients, ParameterGradient) {
        let mut source = EveryStep {
            adjoints: self.adjoints.as_view(),
        };
        self.gradients(&mut source, truncation)
    }

    /// Steps `after`+1…`last` as a network of their own, which starts at s_after.
    fn window(&self, after: usize, last: usize, cell: Box<dyn Trainable>) -> Driven {
        let columns = after * self.batch()..last * self.batch();
        let inputs = self.inputs.columns_range(columns.clone()).into_owned();
        Driven {
            tape: roll_out(&*cell, &inputs, &self.tape.state(after).into_owned()),
            adjoints: self.adjoints.columns_range(columns).into_owned(),
            cell,
            inputs,
        }
    }
}

fn column(values: Vec<f64>) -> DMatrix<f64> {
    DMatrix::from_vec(values.len(), 1, values)
}

/// O19. Truncation at τ, terminal loss: every gradient at a lag above τ is exactly 0, those up to
/// τ are untouched bit for bit, and the parameter gradient is that of the last τ steps alone.
#[test]
fn o19_truncation_leaves_exactly_nothing_beyond_its_reach() {
    let (steps, batch) = (40, 2);
    for tau in [1, 7, 10, 39] {
        let windows = both_cells(21, 5, 3);
        for ((name, cell), (_, same)) in both_cells(21, 5, 3).into_iter().zip(windows) {
            let network = Driven::new(22, cell, steps, batch);
            let (full, _) = network.terminal(None);
            let (truncated, parameters) = network.terminal(Some(tau));
            for t in 0..=steps {
                let what = format!("{name}, τ = {tau}, t = {t}");
                let (found, whole) = (&truncated.adjoints, &full.adjoints);
                if steps - t <= tau {
                    assert_eq!(found.node[t], whole.node[t], "{what}");
                    assert_eq!(found.carried[t], whole.carried[t], "{what}");
                } else {
                    let zero = |kept: &Kept| kept.values.iter().all(|v| *v == 0.0);
                    assert!(zero(&found.node[t]) && zero(&found.carried[t]), "{what}");
                    assert!(!zero(&whole.carried[t]), "{what}");
                    for block in &truncated.norms.blocks {
                        assert_eq!(block.node.log10_norm[t], f64::NEG_INFINITY, "{what}");
                    }
                }
                // δ_t is what reaches the parameters: τ steps of it.
                if t >= 1 && steps - t >= tau {
                    assert!(
                        found.deltas[t - 1].values.iter().all(|v| *v == 0.0),
                        "{what}"
                    );
                }
            }
            let (_, last_steps) = network.window(steps - tau, steps, same).terminal(None);
            assert_close(
                &format!("{name}, τ = {tau}: parameters"),
                &column(parameters.to_f64()),
                &column(last_steps.to_f64()),
                ROUNDING,
            );
        }
    }
}

/// O19. Losses at every step: truncation at τ is backpropagation through windows of τ steps,
/// counted from the end, that start from given states; their parameter gradients add up.
#[test]
fn o19_truncation_is_backpropagation_through_separate_windows() {
    let (steps, batch, tau) = (40, 2, 9);
    for cells in 0..2 {
        let make = || both_cells(23, 5, 3).into_iter().nth(cells).unwrap();
        let (name, cell) = make();
        let network = Driven::new(24, cell, steps, batch);
        let (_, truncated) = network.every_step(Some(tau));
        let mut sum = DMatrix::zeros(network.cell.parameters().len(), 1);
        let mut last = steps;
        while last > 0 {
            let after = last.saturating_sub(tau);
            let (_, part) = network.window(after, last, make().1).every_step(None);
            sum += column(part.to_f64());
            last = after;
        }
        let truncated = column(truncated.to_f64());
        assert_close(name, &truncated, &sum, ROUNDING);
        let full = column(network.every_step(None).1.to_f64());
        assert!((full - truncated).norm() > 1e-3, "{name}: it matters here");
    }
}

/// O19. τ ≥ T is full backpropagation, bit for bit, parameter gradients included.
#[test]
fn o19_truncation_beyond_the_sequence_changes_no_bit() {
    // More than one chunk of steps.
    let (steps, batch) = (300, 2);
    for (name, cell) in both_cells(25, 5, 3) {
        let network = Driven::new(26, cell, steps, batch);
        for tau in [steps, steps + 1, 10 * steps] {
            for terminal in [true, false] {
                let run = |truncation| match terminal {
                    true => network.terminal(truncation),
                    false => network.every_step(truncation),
                };
                let ((full, full_parameters), (found, parameters)) = (run(None), run(Some(tau)));
                let what = format!("{name}, τ = {tau}");
                assert_eq!(found.norms, full.norms, "{what}");
                assert_eq!(found.adjoints.node, full.adjoints.node, "{what}");
                assert_eq!(found.adjoints.carried, full.adjoints.carried, "{what}");
                assert_eq!(found.adjoints.deltas, full.adjoints.deltas, "{what}");
                assert_eq!(parameters.values, full_parameters.values, "{what}");
                assert_eq!(parameters.exponent, full_parameters.exponent, "{what}");
            }
        }
        // One step less does change something.
        let (full, cut) = (
            network.every_step(None),
            network.every_step(Some(steps - 1)),
        );
        assert_ne!(full.1.values, cut.1.values, "{name}");
    }
}

/// O20. Zero readout weights and biases: the loss is ln C per step and sequence, whatever the
/// network does (ln 4 = 1.3862944, ln 8 = 2.0794415), its bias gradient Σ(1/C − 1[label]), and
/// nothing goes back.
#[test]
fn o20_ignorant_readout_loses_the_logarithm_of_the_number_of_classes() {
    for (classes, stated) in [(4_usize, 1.3862944), (8, 2.0794415)] {
        let log = (classes as f64).ln();
        // The seven decimals stated above.
        assert_near("ln C", log, stated, 5e-8);
        for (name, cell) in both_cells(27, 5, 3) {
            let (steps, batch) = (9, 3);
            let network = Driven::new(28, cell, steps, batch);
            let labels: Vec<usize> = (0..steps * batch).map(|k| (k * k + 1) % classes).collect();
            // From this step on: one step of three sequences, …, nine steps.
            for first_step in (1..=steps).rev() {
                let mut readout = Readout::new(
                    DMatrix::zeros(classes, 5),
                    DVector::zeros(classes),
                    Target::CrossEntropy(&labels),
                    first_step,
                    batch,
                );
                let (gradients, parameters) = network.gradients(&mut readout, None);
                // e⁰ = 1 and sums of ones are exact, so each term is ln C itself, and the loss is
                // that number added up, term by term.
                let terms = (steps - first_step + 1) * batch;
                let expected = (0..terms).fold(0.0, |sum, _| sum + log);
                assert_eq!(readout.loss, expected, "{name}, C = {classes}");

                let used = &labels[(first_step - 1) * batch..];
                for class in 0..classes {
                    let hits = used.iter().filter(|label| **label == class).count();
                    let expected = terms as f64 / classes as f64 - hits as f64;
                    // Multiples of 1/8 add up exactly.
                    assert_eq!(readout.bias_gradient[class], expected, "{name}");
                }
                for block in &gradients.norms.blocks {
                    let mut norms = block.node.log10_norm.iter();
                    assert!(norms.all(|r| *r == f64::NEG_INFINITY), "{name}");
                }
                assert!(parameters.to_f64().iter().all(|v| *v == 0.0), "{name}");
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------
// O25: finite differences

/// A loss through a readout at every step, with everything that its value depends on.
struct Learner {
    cell: Box<dyn Trainable>,
    inputs: DMatrix<f64>,
    initial: DMatrix<f64>,
    weights: DMatrix<f64>,
    bias: DVector<f64>,
    targets: DMatrix<f64>,
    labels: Option<Vec<usize>>,
}

impl Learner {
    const CLASSES: usize = 3;

    fn new(seed: u64, cell: Box<dyn Trainable>, classify: bool) -> Self {
        let (steps, batch) = (6, 3);
        let rng = &mut generator(seed);
        let shape = cell.shape();
        Learner {
            inputs: random(rng, shape.input, steps * batch, 1.0),
            initial: random(rng, shape.state, batch, 0.5),
            weights: random(rng, Self::CLASSES, shape.output, 1.0),
            bias: random_vector(rng, Self::CLASSES, 0.5),
            targets: random(rng, Self::CLASSES, steps * batch, 1.0),
            labels: classify.then(|| {
                (0..steps * batch)
                    .map(|_| rng.random_range(0..Self::CLASSES))
                    .collect()
            }),
            cell,
        }
    }

    /// The loss, and the gradients of the cell's parameters and of the readout's W and b.
    fn evaluate(&self) -> (f64, Vec<f64>, DMatrix<f64>, DVector<f64>) {
        let batch = self.initial.ncols();
        let tape = roll_out(&*self.cell, &self.inputs, &self.initial);
        let target = match &self.labels {
            Some(labels) => Target::CrossEntropy(labels),
            None => Target::SquaredError(self.targets.as_view()),
        };
        let (weights, bias) = (self.weights.clone(), self.bias.clone());
        let mut readout = Readout::new(weights, bias, target, 1, batch);
        let mut parameters = ParameterGradient::new(&*self.cell, tape.steps(), batch);
        let probes: &mut [&mut dyn Probe] = &mut [&mut parameters];
        Gradients::of(&*self.cell, &self.inputs, &tape, &mut readout, None, probes);
        (
            readout.loss,
            parameters.to_f64(),
            readout.weights_gradient,
            readout.bias_gradient,
        )
    }

    /// (L(p + h) − L(p − h)) / 2h for one number p of this learner.
    fn difference(&mut self, number: impl Fn(&mut Self) -> &mut f64) -> f64 {
        let value = *number(self);
        self.difference_by(|learner, by| *number(learner) = value + by)
    }

    /// (L(p + h) − L(p − h)) / 2h for parameter k of the cell.
    fn parameter_difference(&mut self, k: usize) -> f64 {
        let original = self.cell.parameters().to_vec();
        self.difference_by(|learner, by| {
            let mut shifted = original.clone();
            shifted[k] += by;
            learner.cell.set_parameters(&shifted);
        })
    }

    fn difference_by(&mut self, shift: impl Fn(&mut Self, f64)) -> f64 {
        let h = 1e-5;
        let mut at = |by: f64| {
            shift(self, by);
            self.evaluate().0
        };
        let difference = (at(h) - at(-h)) / (2.0 * h);
        shift(self, 0.0);
        difference
    }
}

/// Relative error below 10⁻⁶ in every entry. With step 10⁻⁵ a central difference has an error of
/// about 10⁻¹⁰ from curvature, h²·L‴/6, and a few times that from rounding, 10⁻¹⁶·L/h with L about
/// 20. Both are absolute, so an entry below 3·10⁻³ is compared as if it were that large.
#[track_caller]
fn assert_gradient(what: &str, found: &[f64], differences: &[f64]) {
    assert_eq!(found.len(), differences.len(), "{what}");
    let largest = differences.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(largest > 0.1, "{what}: of order 1");
    for (k, (found, difference)) in found.iter().zip(differences).enumerate() {
        let size = difference.abs().max(3e-3);
        let what = format!("{what}, entry {k}");
        assert_near(&what, *found, *difference, 1e-6 * size);
    }
}

/// O25. Central differences on every parameter, of cell and readout: relative error below 10⁻⁶ in
/// f64 with step 10⁻⁵.
#[test]
fn o25_every_parameter_gradient_matches_central_differences() {
    let cells = || {
        let smooth = [Activation::Tanh, Activation::Logistic, Activation::Identity];
        let mut cells: Vec<(String, Box<dyn Trainable>)> = Vec::new();
        for activation in smooth {
            let cell = random_rnn(29, activation, 4, 2);
            cells.push((format!("{activation:?} network"), Box::new(cell)));
        }
        cells.push(("LSTM".to_owned(), Box::new(random_lstm(29, 4, 2))));
        cells
    };
    for classify in [false, true] {
        for (name, cell) in cells() {
            let blocks = cell.parameter_blocks().to_vec();
            let mut learner = Learner::new(30, cell, classify);
            let (_, parameters, weights, bias) = learner.evaluate();
            for block in blocks {
                let differences: Vec<f64> = block
                    .range
                    .clone()
                    .map(|k| learner.parameter_difference(k))
                    .collect();
                let what = format!("{name}, {}", block.name);
                assert_gradient(&what, &parameters[block.range], &differences);
            }
            let differences: Vec<f64> = (0..weights.len())
                .map(|k| learner.difference(|l| &mut l.weights[k]))
                .collect();
            assert_gradient(
                &format!("{name}, readout W"),
                weights.as_slice(),
                &differences,
            );
            let differences: Vec<f64> = (0..bias.len())
                .map(|k| learner.difference(|l| &mut l.bias[k]))
                .collect();
            assert_gradient(&format!("{name}, readout b"), bias.as_slice(), &differences);
        }
    }
}

/// The gradients that sequences ask for on their own are those of the sequences run alone, bit for bit,
/// and add up to that of the batch; also where one of them is 10³⁰ times larger than another.
#[test]
fn gradients_of_sequences_are_those_of_sequences_alone() {
    let (hidden, input, steps, batch) = (5, 3, 300, 3);
    for (name, cell) in both_cells(60, hidden, input) {
        let rng = &mut generator(61);
        let inputs = random(rng, input, steps * batch, 1.0);
        let initial = random(rng, cell.shape().state, batch, 1.0);
        let mut adjoint = random(rng, hidden, batch, 1.0);
        adjoint.column_mut(1).scale_mut(1e30);
        let gradients = |inputs: &DMatrix<f64>, initial: &DMatrix<f64>, adjoint: &DMatrix<f64>| {
            let tape = roll_out(&*cell, inputs, initial);
            let mut own = SequenceGradients::new(&*cell, initial.ncols());
            let mut sum = ParameterGradient::new(&*cell, steps, initial.ncols());
            let mut source = Terminal {
                steps,
                adjoint: adjoint.as_view(),
            };
            let probes: &mut [&mut dyn Probe] = &mut [&mut own, &mut sum];
            Gradients::of(&*cell, inputs, &tape, &mut source, None, probes);
            (own, sum)
        };
        let (own, sum) = gradients(&inputs, &initial, &adjoint);
        let mut total = DMatrix::zeros(cell.parameters().len(), 1);
        for sequence in 0..batch {
            let columns: Vec<usize> = (0..steps).map(|t| t * batch + sequence).collect();
            let (alone, whole) = gradients(
                &inputs.select_columns(&columns),
                &initial.columns(sequence, 1).into_owned(),
                &adjoint.columns(sequence, 1).into_owned(),
            );
            let what = format!("{name}, sequence {sequence}");
            let (found, expected) = (column(own.to_f64(sequence)), column(alone.to_f64(0)));
            assert_close(&what, &found, &expected, ROUNDING);
            assert_close(&what, &expected, &column(whole.to_f64()), ROUNDING);
            let norms = own.log10_norms().zip(whole.log10_norms());
            for ((block, norms), (_, expected)) in norms {
                assert_near(
                    &format!("{what}, {block}"),
                    norms[sequence],
                    expected,
                    ROUNDING,
                );
            }
            total += found;
        }
        assert_close(name, &total, &column(sum.to_f64()), ROUNDING);
    }
}

/// L = ‖h_T − y‖²: its value, and its gradient by central differences in h_T.
#[test]
fn squared_error_is_the_squared_distance_from_the_target() {
    let (steps, batch, target) = (4, 2, 0.7);
    let network = Driven::new(
        62,
        Box::new(random_rnn(63, Activation::Tanh, 3, 2)),
        steps,
        batch,
    );
    let mut loss = SquaredDistance::new(steps, target);
    let (gradients, _) = network.gradients(&mut loss, None);
    let last = network.tape.state(steps).into_owned();
    let expected = last.add_scalar(-target);
    for (found, column) in loss.losses.iter().zip(expected.column_iter()) {
        assert_near("loss", *found, column.norm_squared(), 4.0 * EPSILON);
    }
    assert_eq!(loss.losses.len(), batch);
    assert_eq!(gradients.adjoints.node[steps].plain(), 2.0 * expected);
}

// ------------------------------------------------------------------------------------------------
// O26–O28: symmetries

/// O26. Time shift: zero inputs before the sequence, from the zero state and with zero biases,
/// leave the state at zero and the gradient at each lag as it was.
#[test]
fn o26_waiting_at_rest_changes_no_gradient() {
    // The wait is long enough that steps fall into other chunks.
    let (hidden, input, steps, batch, wait) = (6, 3, 30, 2, 700);
    for (name, mut cell) in both_cells(31, hidden, input) {
        let blocks = cell.parameter_blocks().to_vec();
        let bias = blocks.iter().find(|block| block.factor == Factor::Constant);
        let mut parameters = cell.parameters().to_vec();
        parameters[bias.unwrap().range.clone()].fill(0.0);
        cell.set_parameters(&parameters);

        let rng = &mut generator(32);
        let inputs = random(rng, input, steps * batch, 1.0);
        let adjoint = random(rng, hidden, batch, 1.0);
        let late = inputs.clone().insert_columns(0, wait * batch, 0.0);
        let run = |inputs: &DMatrix<f64>| {
            let initial = DMatrix::zeros(cell.shape().state, batch);
            let tape = roll_out(&*cell, inputs, &initial);
            let gradients = Gradients::terminal(&*cell, inputs, &tape, &adjoint);
            (tape, gradients)
        };
        let ((tape, gradients), (late_tape, late_gradients)) = (run(&inputs), run(&late));
        assert!(late_tape.state(wait).iter().all(|v| *v == 0.0), "{name}");
        assert_close(
            name,
            &late_tape.state(wait + steps).into_owned(),
            &tape.state(steps).into_owned(),
            ROUNDING,
        );
        for (block, late_block) in gradients
            .norms
            .blocks
            .iter()
            .zip(&late_gradients.norms.blocks)
        {
            // No step leads to s_0, so its gradient there is the carried one; the late run has a
            // step before it. Nodes are compared from t = 1 on.
            for (first, norms, late) in [
                (1, &block.node, &late_block.node),
                (0, &block.carried, &late_block.carried),
            ] {
                for t in first..=steps {
                    let what = format!("{name}, {} at lag {}", block.name, steps - t);
                    let (found, expected) = (late.log10_norm[wait + t], norms.log10_norm[t]);
                    assert_near(&what, found, expected, ROUNDING);
                }
            }
        }
    }
}

/// The norms of two networks that should have the same gradients.
#[track_caller]
fn assert_same_norms(what: &str, found: &BlockNorms, expected: &BlockNorms) {
    for (found, expected) in found.blocks.iter().zip(&expected.blocks) {
        let what = format!("{what}: {}", expected.name);
        assert_curves_near(&what, &found.node, &expected.node, ROUNDING);
        assert_curves_near(&what, &found.carried, &expected.carried, ROUNDING);
        let finite = |norms: &Norms| norms.log10_norm.iter().filter(|r| r.is_finite()).count();
        assert!(finite(&expected.node) >= expected.node.log10_norm.len() - 1);
    }
}

/// O27. Sign flip h → −h, x → −x: with an odd φ and zero bias the network mirrors itself, and all
/// norms stay.
#[test]
fn o27_mirrored_network_has_the_same_norms() {
    let (hidden, input, steps, batch) = (6, 3, 25, 3);
    for activation in [Activation::Tanh, Activation::Identity] {
        let mut cell = random_rnn(33, activation, hidden, input);
        let bias = cell.parameter_blocks()[2].range.clone();
        let mut parameters = cell.parameters().to_vec();
        parameters[bias].fill(0.0);
        cell.set_parameters(&parameters);
        let rng = &mut generator(34);
        let inputs = random(rng, input, steps * batch, 1.0);
        let initial = random(rng, hidden, batch, 1.0);
        let adjoint = random(rng, hidden, batch, 1.0);
        let run = |sign: f64| {
            let inputs = sign * &inputs;
            let tape = roll_out(&cell, &inputs, &(sign * &initial));
            let last = tape.state(steps).into_owned();
            // The adjoint stays: the Jacobians themselves are even.
            (
                last,
                Gradients::terminal(&cell, &inputs, &tape, &adjoint).norms,
            )
        };
        let (plain, mirrored) = (run(1.0), run(-1.0));
        assert_close("mirror image", &mirrored.0, &(-plain.0), ROUNDING);
        assert_same_norms(&format!("{activation:?}"), &mirrored.1, &plain.1);
    }
}

/// Applies `sign` and `unit` to the parameters of a cell with gates: new row `unit` of a gate is
/// the old row, times the sign of its unit if the gate is odd (tanh); columns likewise.
fn relabel(cell: &mut dyn Trainable, unit: &[usize], sign: &[f64]) {
    let hidden = unit.len();
    let rows = cell.shape().delta;
    let old = cell.parameters().to_vec();
    let mut new = old.clone();
    for block in cell.parameter_blocks() {
        for column in 0..block.columns {
            let (old_column, column_sign) = match block.factor {
                Factor::Previous(_) => (unit[column], sign[column]),
                Factor::Current(_) | Factor::Input | Factor::Constant | Factor::Elementwise(_) => {
                    (column, 1.0)
                }
            };
            for row in 0..rows {
                let (gate, k) = (row / hidden, row % hidden);
                // The RNN's only pre-activation and the LSTM's candidate (i, f, g, o) go through
                // tanh, the gates do not.
                let odd = rows == hidden || gate == 2;
                let row_sign = if odd { sign[k] } else { 1.0 };
                let old_row = gate * hidden + unit[k];
                new[block.range.start + column * rows + row] =
                    row_sign * column_sign * old[block.range.start + old_column * rows + old_row];
            }
        }
    }
    cell.set_parameters(&new);
}

/// Runs a network and its relabelled twin and compares all norms.
fn assert_relabelling_changes_no_norm(unit: &[usize], sign: &[f64]) {
    let (hidden, steps, batch) = (unit.len(), 25, 3);
    let twins = both_cells(35, hidden, 3);
    for ((name, cell), (_, mut twin)) in both_cells(35, hidden, 3).into_iter().zip(twins) {
        relabel(&mut *twin, unit, sign);
        assert_ne!(cell.parameters(), twin.parameters());
        // Rows of h, and those of c below them.
        let permuted = |matrix: &DMatrix<f64>| {
            DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
                let (block, k) = (i / hidden, i % hidden);
                sign[k] * matrix[(block * hidden + unit[k], j)]
            })
        };
        let rng = &mut generator(36);
        let inputs = random(rng, 3, steps * batch, 1.0);
        let initial = random(rng, cell.shape().state, batch, 1.0);
        let adjoint = random(rng, hidden, batch, 1.0);
        let run = |cell: &dyn Trainable, initial: &DMatrix<f64>, adjoint: &DMatrix<f64>| {
            let tape = roll_out(cell, &inputs, initial);
            let last = tape.state(steps).into_owned();
            (
                last,
                Gradients::terminal(cell, &inputs, &tape, adjoint).norms,
            )
        };
        let plain = run(&*cell, &initial, &adjoint);
        let relabelled = run(&*twin, &permuted(&initial), &permuted(&adjoint));
        assert_close(name, &relabelled.0, &permuted(&plain.0), ROUNDING);
        assert_same_norms(name, &relabelled.1, &plain.1);
    }
}

/// O27. The sign of a hidden unit is a convention: h_k → −h_k (and c_k → −c_k), with the weights
/// that read and write it changed alike, leaves all norms. For an LSTM this is what takes the
/// place of h → −h, x → −x, because its gates are not odd.
#[test]
fn o27_signs_of_hidden_units_change_no_norm() {
    let unit: Vec<usize> = (0..6).collect();
    assert_relabelling_changes_no_norm(&unit, &[-1.0, 1.0, -1.0, -1.0, 1.0, 1.0]);
    assert_relabelling_changes_no_norm(&unit, &[-1.0; 6]);
}

/// O28. Relabelling hidden units leaves all norms.
#[test]
fn o28_order_of_hidden_units_changes_no_norm() {
    let rng = &mut generator(37);
    for hidden in [2, 7, 16] {
        let mut unit: Vec<usize> = (0..hidden).collect();
        while unit.is_sorted() {
            unit.shuffle(rng);
        }
        assert_relabelling_changes_no_norm(&unit, &vec![1.0; hidden]);
    }
}

// ------------------------------------------------------------------------------------------------
// Properties of random networks

/// A random problem: everything follows from its numbers.
#[derive(Clone, Copy, Debug)]
struct Case {
    seed: u64,
    hidden: usize,
    input: usize,
    batch: usize,
    steps: usize,
    every_step: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1..=6_usize, 1..=4_usize, 1..=4_usize, 1..=12_usize);
    (any::<u32>(), sizes, any::<bool>()).prop_map(|(seed, sizes, every_step)| {
        let (hidden, input, batch, steps) = sizes;
        Case {
            seed: seed.into(),
            hidden,
            input,
            batch,
            steps,
            every_step,
        }
    })
}

impl Case {
    fn lstm(&self) -> Lstm {
        random_lstm(self.seed, self.hidden, self.input)
    }

    fn networks(&self) -> [Driven; 2] {
        both_cells(self.seed, self.hidden, self.input)
            .map(|(_, cell)| Driven::new(2000 + self.seed, cell, self.steps, self.batch))
    }
}

/// The two paths of an LSTM's cell gradient, recomputed in plain numbers from gates, δ and loss:
/// D_t = f_{t+1} ⊙ D_{t+1} + ε_t ⊙ e_t and G_t = f_{t+1} ⊙ G_{t+1} + ε_t ⊙ (W_hhᵀ δ_{t+1}), with
/// e_t the loss's direct derivative; at t = 0 only the first terms.
fn paths(cell: &Lstm, tape: &Tape, adjoints: &Adjoints) -> Vec<(DMatrix<f64>, DMatrix<f64>)> {
    let (steps, batch) = (tape.steps(), tape.batch());
    let hidden = cell.shape().output;
    let mut direct = DMatrix::zeros(hidden, batch);
    let mut gated = DMatrix::zeros(hidden, batch);
    let mut all = Vec::new();
    for t in (0..=steps).rev() {
        if t < steps {
            let forget = saved(cell, tape, "f", t + 1);
            direct.component_mul_assign(&forget);
            gated.component_mul_assign(&forget);
        }
        if t > 0 {
            let exposure = exposure(cell, tape, t);
            if let Some(injected) = &adjoints.injected[t] {
                direct += exposure.component_mul(&injected.plain());
            }
            if t < steps {
                let weights = cell.affine().recurrent_weights();
                let arriving = weights.tr_mul(&adjoints.deltas[t].plain());
                gated += exposure.component_mul(&arriving);
            }
        }
        all.push((direct.clone(), gated.clone()));
    }
    all.reverse();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The batch's norm is a Frobenius norm: ‖∂L/∂q_t‖² = Σ_b ‖∂L/∂q_t,b‖².
    #[test]
    fn batch_norm_is_made_of_the_norms_of_its_sequences(case in cases()) {
        for network in case.networks() {
            let (gradients, _) = match case.every_step {
                false => network.terminal(None),
                true => network.every_step(None),
            };
            for block in &gradients.norms.blocks {
                for norms in [&block.node, &block.carried] {
                    let per_sequence = norms.per_sequence.as_ref().unwrap();
                    let sequences = per_sequence.chunks_exact(case.batch);
                    for (t, (whole, parts)) in norms.log10_norm.iter().zip(sequences).enumerate() {
                        let sum: f64 = parts.iter().map(|r| 100_f64.powf(*r)).sum();
                        // Powers of 100 and logarithms, each to a few units in the last place of
                        // numbers within 10^±30.
                        let what = format!("{case:?}, {} at t = {t}", block.name);
                        assert_near(&what, *whole, 0.5 * sum.log10(), 1e-13);
                    }
                }
            }
        }
    }

    /// Backpropagation is linear: a sequence's terminal adjoint times 2^k shifts all its log₁₀ norms
    /// by k·log₁₀ 2, even where squares of the adjoint leave the range of f64.
    #[test]
    fn scaling_the_adjoint_shifts_every_norm(case in cases()) {
        for network in case.networks() {
            let (plain, _) = network.terminal(None);
            let rng = &mut generator(3000 + case.seed);
            // Each sequence by its own power.
            let powers: Vec<i64> = (0..case.batch)
                .map(|_| rng.random_range(-950..=950))
                .collect();
            let mut adjoint = network.adjoint_of_step(case.steps);
            for (mut column, power) in adjoint.column_iter_mut().zip(&powers) {
                column.apply(|v| *v = scale_by_power_of_two(*v, *power));
            }
            let mut source = Terminal {
                steps: case.steps,
                adjoint: adjoint.as_view(),
            };
            let (scaled, _) = network.gradients(&mut source, None);
            for (block, plain) in scaled.norms.blocks.iter().zip(&plain.norms.blocks) {
                for (norms, plain) in [(&block.node, &plain.node), (&block.carried, &plain.carried)]
                {
                    let pairs = norms.per_sequence.iter().flatten();
                    let pairs = pairs.zip(plain.per_sequence.iter().flatten());
                    for (index, (found, plain)) in pairs.enumerate() {
                        let (t, column) = (index / case.batch, index % case.batch);
                        let expected = plain + powers[column] as f64 * 2_f64.log10();
                        let what = format!("{case:?}, {} at t = {t}", block.name);
                        // Powers of two are exact; logarithms of up to 10³⁰⁰ are not.
                        assert_near(&what, *found, expected, 1e-12);
                    }
                }
            }
        }
    }

    /// D_t + G_t = ∂L/∂c_t, the norms reported for D and G are those of these vectors, and so
    /// | ‖D_t‖ − ‖G_t‖ | ≤ ‖∂L/∂c_t‖ ≤ ‖D_t‖ + ‖G_t‖.
    #[test]
    fn direct_and_gated_path_add_up_to_the_cell_gradient(case in cases()) {
        let cell = case.lstm();
        let network = &case.networks()[1];
        let mut split = PathSplit::new(&cell, case.steps, case.batch).unwrap();
        let adjoint = network.adjoint_of_step(case.steps);
        let source: &mut dyn AdjointSource = match case.every_step {
            false => &mut Terminal {
                steps: case.steps,
                adjoint: adjoint.as_view(),
            },
            true => &mut EveryStep {
                adjoints: network.adjoints.as_view(),
            },
        };
        let probes: &mut [&mut dyn Probe] = &mut [&mut split];
        let (inputs, tape) = (&network.inputs, &network.tape);
        let gradients = Gradients::of(&cell, inputs, tape, source, None, probes);
        let norms = &gradients.block("c").node.log10_norm;
        let mut both = 0;
        for (t, (direct, gated)) in paths(&cell, tape, &gradients.adjoints).iter().enumerate() {
            let what = format!("{case:?}, t = {t}");
            let whole = gradients.adjoints.node[t].plain();
            let whole = whole.rows(case.hidden, case.hidden);
            let size = direct.norm() + gated.norm();
            let error = (direct + gated - whole).norm();
            assert!(error <= ROUNDING * size, "{what}: D + G off by {error:e}");

            let (d, g) = (split.direct.log10_norm[t], split.gated.log10_norm[t]);
            assert_near(&what, d, direct.norm().log10(), ROUNDING);
            // G may be zero, at t = T, and small by cancellation: compared with the whole.
            assert_near(&what, 10_f64.powf(g), gated.norm(), ROUNDING * size);
            let (d, g, c) = (10_f64.powf(d), 10_f64.powf(g), 10_f64.powf(norms[t]));
            let slack = ROUNDING * size;
            assert!(c <= d + g + slack && c >= (d - g).abs() - slack, "{what}");
            both += usize::from(d > 0.0 && g > 0.0);
        }
        // Nothing but the loss reaches c_T.
        assert!(both >= case.steps - 1, "{case:?}: {both} steps with both paths");
    }
}
