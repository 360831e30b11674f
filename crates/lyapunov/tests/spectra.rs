//! Exponents of networks whose exponents, or their sum, are known.

mod common;

use common::{Normal, jacobian, recurrent_weights};
use gradient_tracking::{NonFinite, RecurrentCell, Stack, Tape, rollout};
use lstm::Lstm;
use lyapunov::{Exponents, Interval, Lyapunov, Options, Spectrum, spectrum};
use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

fn measured(cell: &dyn RecurrentCell, tape: &Tape, transient: usize) -> Spectrum {
    let options = Options {
        transient,
        ..Options::default()
    };
    spectrum(cell, tape, 0, options).unwrap()
}

/// Exponents of powers of one matrix.
fn of_powers(matrix: &DMatrix<f64>, transient: usize, steps: usize) -> Spectrum {
    let mut exponents = Exponents::new(matrix.nrows(), matrix.nrows());
    for step in 0..transient + steps {
        if step == transient {
            exponents.discard();
        }
        exponents.push(matrix.as_view());
    }
    exponents.spectrum()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let is_same = found == expected || (found - expected).abs() <= tolerance;
        assert!(is_same, "{found} is not {expected}");
    }
}

/// Q_t converges to the eigenvectors by the ratio of neighbouring eigenvalues per step, here ½: after 100
/// steps to 10⁻³⁰, and R_ii to the square of that.
#[test]
fn of_a_constant_normal_matrix_they_are_the_logarithms_of_its_eigenvalues() {
    let golden = of_powers(
        &DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 1.0]),
        100,
        50,
    )
    .exponents;
    assert_close(
        &golden,
        &[0.962_423_650_119_206_9, -0.962_423_650_119_206_9],
        1e-13,
    );
    let q = Normal::new(1).orthogonal(40);
    let eigenvalues = DVector::from_fn(
        40,
        |i, _| if i % 3 == 0 { -1.0 } else { 1.0 } * 8.0 * 0.5_f64.powi(i as i32),
    );
    let matrix = &q * DMatrix::from_diagonal(&eigenvalues) * q.transpose();
    let found = of_powers(&matrix, 100, 50).exponents;
    // 2⁻³⁹ beside 1: the smallest eigenvalue of a rounded matrix is its own to ε·2³⁹ only.
    for (i, (found, eigenvalue)) in found.iter().zip(&eigenvalues).enumerate() {
        let tolerance = 100.0 * f64::EPSILON * 2.0_f64.powi(i as i32);
        let expected = eigenvalue.abs().ln();
        assert!(
            (found - expected).abs() < tolerance,
            "{i}: {found} is not {expected}"
        );
    }
}

/// Without a generic start they would come in the order of the diagonal.
#[test]
fn of_a_diagonal_matrix_they_come_in_falling_order() {
    let values = [0.1, 0.9, 0.5];
    let found = of_powers(
        &DMatrix::from_diagonal(&DVector::from_row_slice(&values)),
        200,
        10,
    );
    let expected = [0.9_f64.ln(), 0.5_f64.ln(), 0.1_f64.ln()];
    assert_close(&found.exponents, &expected, 1e-14);
}

/// Newman 1986: λ_i = ln σ + ½[ln(2/N) + ψ((N−i+1)/2)], N = 4 and σ = 1. ψ at halves: ψ(½) = −γ − 2 ln 2,
/// ψ(1) = −γ, ψ(x+1) = ψ(x) + 1/x. The variance of ln R_ii is ¼ψ′((N−i+1)/2), ψ′(½) = π²/2, ψ′(1) = π²/6,
/// ψ′(x+1) = ψ′(x) − 1/x².
#[test]
fn of_fresh_gaussian_matrices_they_are_newmans_with_his_fluctuations() {
    let (n, steps) = (4, 20_000);
    let mut normal = Normal::new(2);
    let mut exponents = Exponents::new(n, n);
    for _ in 0..steps {
        exponents.push(normal.matrix(n, n, 0.5).as_view());
    }
    let found = exponents.spectrum();
    let gamma = 0.577_215_664_901_532_9;
    let pi2 = std::f64::consts::PI.powi(2);
    let half = -gamma - 2.0 * 2.0_f64.ln();
    let psi = [1.0 - gamma, 2.0 + half, -gamma, half];
    let trigamma = [pi2 / 6.0 - 1.0, pi2 / 2.0 - 4.0, pi2 / 6.0, pi2 / 2.0];
    for i in 0..n {
        let expected = 0.5 * ((2.0 / n as f64).ln() + psi[i]);
        let error = (0.25 * trigamma[i] / steps as f64).sqrt();
        let z = (found.exponents[i] - expected) / error;
        assert!(z.abs() < 3.0, "λ_{}: z = {z}", i + 1);
        // From 32 to 63 batches: the error of an error is at most 1/√62 of it, three times that 0.38.
        let ratio = found.standard_errors[i] / error;
        assert!(
            (0.62..1.38).contains(&ratio),
            "standard error of λ_{}: {ratio}",
            i + 1
        );
    }
}

/// ln R of one factor e^x, x an AR(1) process with correlation 0.9: the standard error of its mean is
/// √((1+a)/(1−a)) = 4.36 times that of independent numbers.
#[test]
fn standard_errors_allow_for_correlation() {
    let (a, steps) = (0.9_f64, 40_000);
    let mut normal = Normal::new(3);
    let mut exponents = Exponents::new(1, 1);
    let mut x = 0.0;
    for _ in 0..steps {
        x = a * x + normal.number();
        exponents.push(DMatrix::from_row_slice(1, 1, &[x.exp()]).as_view());
    }
    let found = exponents.spectrum();
    let expected = 1.0 / (1.0 - a) / (steps as f64).sqrt();
    let ratio = found.standard_errors[0] / expected;
    assert!((0.62..1.38).contains(&ratio), "{ratio}");
    assert!(found.exponents[0].abs() < 3.0 * expected);
}

/// Σ λ_i is the mean of ln |det J_t| over the same steps: 10⁻⁹ is far above the rounding of a mean and far
/// below any error of method.
const SUM_RULE: f64 = 1e-9;

#[test]
fn the_sum_of_a_vanilla_network_is_that_of_its_determinants() {
    for gain in [0.5, 1.5, 3.0] {
        let cell = Normal::new(4).rnn(2, 30, Activation::Tanh, gain);
        let tape = Normal::new(5).tape(&cell, 600, 1);
        let weights = recurrent_weights(&cell);
        let log_det = weights.lu().determinant().abs().ln();
        let slopes = (101..=600).map(|t| {
            let slopes = tape.state(t).map(|h| (1.0 - h * h).ln());
            log_det + slopes.sum()
        });
        let expected = slopes.sum::<f64>() / 500.0;
        let found = measured(&cell, &tape, 100).sum();
        assert!(
            (found - expected).abs() < SUM_RULE,
            "{gain}: {found} {expected}"
        );
    }
}

/// ln |det J| = ln |det W_ho| + Σ [ln |tanh c_t| + ln o(1−o) + ln f], W_ho the output gate's rows of W_hh: with
/// δc of c_{t−1} and δh of h_{t−1} as blocks, [∂h; ∂c] = [o(1−tanh²)·∂c + tanh c·o(1−o)·W_ho·δh; f·δc + …], and the first
/// part of the upper rows is a multiple of the lower ones.
#[test]
fn the_sum_of_an_lstm_is_that_of_its_determinants() {
    let (hidden, steps, transient) = (12, 700, 200);
    for (gain, forget_bias) in [(1.0, 0.0), (2.0, 1.0), (4.0, 3.0)] {
        let cell = Normal::new(6).lstm(3, hidden, gain, forget_bias);
        let tape = Normal::new(7).tape(&cell, steps, 1);
        let weights = recurrent_weights(&cell)
            .rows(3 * hidden, hidden)
            .clone_owned();
        let log_det = weights.lu().determinant().abs().ln();
        let mut sum = 0.0;
        for t in transient + 1..=steps {
            let saved = tape.saved(t);
            for k in 0..hidden {
                let (f, o) = (saved[(hidden + k, 0)], saved[(3 * hidden + k, 0)]);
                let tanh_c = saved[(4 * hidden + k, 0)];
                sum += tanh_c.abs().ln() + (o * (1.0 - o)).ln() + f.ln();
            }
        }
        let expected = log_det + sum / (steps - transient) as f64;
        let found = measured(&cell, &tape, transient);
        assert_eq!(found.exponents.len(), 2 * hidden);
        assert!(
            (found.sum() - expected).abs() < SUM_RULE,
            "{gain}: {} {expected}",
            found.sum()
        );
    }
}

/// The Jacobian of layers is block triangular: their spectrum is the union of their own, each along its own
/// inputs.
#[test]
fn the_spectrum_of_a_stack_is_that_of_its_layers() {
    let mut normal = Normal::new(8);
    let lower = normal.lstm(2, 6, 1.0, 1.0);
    let upper = normal.rnn(6, 9, Activation::Tanh, 1.4);
    let (steps, transient) = (2000, 500);
    let inputs = normal.matrix(2, steps, 1.0);
    let stack = Stack::new(vec![Box::new(lower.clone()), Box::new(upper.clone())]).unwrap();
    let roll = |cell: &dyn RecurrentCell, inputs: &DMatrix<f64>| {
        let mut tape = Tape::new();
        let initial = DMatrix::zeros(cell.shape().state, 1);
        rollout(
            cell,
            inputs.as_view(),
            initial.as_view(),
            &mut tape,
            &mut [],
        )
        .unwrap();
        tape
    };
    let tape = roll(&lower, &inputs);
    let outputs = DMatrix::from_fn(6, steps, |i, k| tape.state(k + 1)[(i, 0)]);
    let mut parts = measured(&lower, &tape, transient).exponents;
    let tape = roll(&upper, &outputs);
    parts.extend(measured(&upper, &tape, transient).exponents);
    parts.sort_by(|a, b| b.total_cmp(a));
    let tape = roll(&stack, &inputs);
    let found = measured(&stack, &tape, transient);
    let expected: f64 = parts.iter().sum();
    assert!(
        (found.sum() - expected).abs() < SUM_RULE,
        "{} {expected}",
        found.sum()
    );
    // Where directions of two layers are about as fast, which is which is found in about 1/gap steps, and
    // moves each by its share of 1500.
    assert_close(&found.exponents, &parts, 0.02);
}

/// Any cell, by LU of its explicit Jacobian.
#[test]
fn the_sum_is_that_of_explicit_determinants() {
    let mut normal = Normal::new(9);
    let stack = Stack::new(vec![
        Box::new(normal.lstm(2, 4, 2.0, 0.0)),
        Box::new(normal.rnn(4, 5, Activation::Logistic, 6.0)),
        Box::new(normal.lstm(5, 3, 1.0, 2.0)),
    ])
    .unwrap();
    let tape = normal.tape(&stack, 400, 1);
    let log_det = (51..=400).map(|t| jacobian(&stack, &tape, t).lu().determinant().abs().ln());
    let expected = log_det.sum::<f64>() / 350.0;
    let found = measured(&stack, &tape, 50).sum();
    assert!((found - expected).abs() < SUM_RULE, "{found} {expected}");
}

/// Between orthonormalisations nothing happens but products, so when they are changes rounding alone, and
/// an interval at which columns would collapse is cut up.
#[test]
fn the_interval_changes_no_exponent() {
    let mut normal = Normal::new(10);
    let cells: [Box<dyn RecurrentCell>; 2] = [
        Box::new(normal.rnn(2, 25, Activation::Tanh, 2.0)),
        Box::new(normal.lstm(2, 10, 1.5, 2.0)),
    ];
    for cell in &cells {
        let tape = normal.tape(&**cell, 501, 1);
        let with = |interval, exponents| {
            let options = Options {
                interval,
                exponents,
                transient: 100,
                ..Options::default()
            };
            spectrum(&**cell, &tape, 0, options).unwrap().exponents
        };
        let every_step = with(Interval::Steps(1), None);
        for interval in [Interval::Steps(3), Interval::Steps(64), Interval::Automatic] {
            assert_close(&with(interval, None), &every_step, 1e-9);
        }
        // The first of them do not depend on whether the others are measured, once they are ordered.
        let few = with(Interval::Automatic, Some(3));
        assert_eq!(few.len(), 3);
        assert_close(&few[..1], &with(Interval::Steps(1), Some(1)), 1e-10);
    }
}

/// Columns that stay orthogonal would bear any interval, and each rounds in its own way.
#[test]
fn no_interval_is_longer_than_64_steps() {
    let mut normal = Normal::new(14);
    let cell = VanillaRnn::new(
        Activation::Identity,
        normal.orthogonal(10) * 0.9,
        normal.matrix(10, 2, 1.0),
        DVector::zeros(10),
    );
    let tape = normal.tape(&cell, 300, 1);
    let every = |steps| {
        let options = Options {
            interval: Interval::Steps(steps),
            ..Options::default()
        };
        spectrum(&cell, &tape, 0, options).unwrap().exponents
    };
    assert_eq!(every(1000), every(64));
    assert_ne!(every(63), every(64));
}

#[test]
fn a_dead_unit_costs_an_exponent_at_once_and_for_ever() {
    // Unit 1 is never active; unit 0 and 2 are a linear network.
    let recurrent = DMatrix::from_row_slice(3, 3, &[1.5, 7.0, 0.0, 0.3, 0.2, 0.1, 0.0, 5.0, 0.5]);
    let cell = VanillaRnn::new(
        Activation::Relu,
        recurrent,
        DMatrix::zeros(3, 1),
        DVector::from_row_slice(&[1.0, -1e300, 1.0]),
    );
    let tape = Normal::new(11).tape(&cell, 150, 1);
    let found = measured(&cell, &tape, 100);
    assert_close(
        &found.exponents,
        &[1.5_f64.ln(), 0.5_f64.ln(), f64::NEG_INFINITY],
        1e-12,
    );
    assert_eq!(found.lost.len(), 1);
    assert!(found.lost[0].exact && found.lost[0].step == 1);
    assert!(found.standard_errors[2].is_nan());
    let dimension = found.kaplan_yorke_dimension().unwrap();
    assert!((dimension - (1.0 + 1.5_f64.ln() / 2.0_f64.ln())).abs() < 1e-12);
}

/// Without recurrent weights nothing reads h: J = [0, o(1−tanh²)f; 0, f], and ln σ(b_f) is all there is.
#[test]
fn a_memory_that_nobody_reads_is_no_dimension() {
    let hidden = 5;
    let mut bias = DVector::zeros(4 * hidden);
    bias.rows_mut(hidden, hidden).fill(2.0);
    let cell = Lstm::new(
        DMatrix::zeros(20, hidden),
        Normal::new(12).matrix(20, 2, 0.0),
        bias,
        true,
    );
    let tape = Normal::new(13).tape(&cell, 300, 1);
    for interval in [Interval::Automatic, Interval::Steps(7)] {
        let options = Options {
            interval,
            // c_t has then decayed below 10⁻⁶, and tanh has a slope of 1.
            transient: 100,
            ..Options::default()
        };
        let found = spectrum(&cell, &tape, 0, options).unwrap();
        let rate = -(-2.0_f64).exp().ln_1p();
        let mut expected = vec![rate; hidden];
        expected.extend([f64::NEG_INFINITY; 5]);
        // All five are the same, so only the directions' order is left to chance.
        assert_close(&found.exponents, &expected, 1e-10);
        assert!(found.lost.iter().all(|lost| lost.exact && lost.step == 1));
    }
}

#[test]
fn a_delay_line_loses_a_dimension_at_every_step() {
    let n = 6;
    let shift = DMatrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j + 1)));
    let found = of_powers(&shift, 0, 10);
    assert!(found.exponents.iter().all(|e| *e == f64::NEG_INFINITY));
    let steps: Vec<usize> = found.lost.iter().map(|lost| lost.step).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    assert!(found.lost.iter().all(|lost| lost.exact));
    assert_eq!(found.kaplan_yorke_dimension(), Some(0.0));
    assert_eq!(found.sum(), f64::NEG_INFINITY);
}

#[test]
fn a_matrix_singular_to_rounding_is_reported_as_that() {
    let found = of_powers(&DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, 1.0]), 0, 10);
    assert_close(&found.exponents[..1], &[2.0_f64.ln()], 1e-1);
    assert_eq!(found.exponents[1], f64::NEG_INFINITY);
    assert!(!found.lost[0].exact);
}

/// φ′ of 10⁻⁴⁰ beside 1, as saturated units have: no digit of the sum is lost, though no condition number
/// is defined for such a matrix.
#[test]
fn rows_of_any_size_keep_their_digits() {
    let n = 20;
    let mut normal = Normal::new(14);
    let mut exponents = Exponents::new(n, n);
    let mut expected = 0.0;
    for step in 0..50 {
        let weights = normal.matrix(n, n, 0.4);
        let slopes = DVector::from_fn(n, |i, _| 10.0_f64.powi(-(((i * 7 + step) % 20) as i32 * 2)));
        expected += weights.clone().lu().determinant().abs().ln() + slopes.map(f64::ln).sum();
        exponents.push((DMatrix::from_diagonal(&slopes) * weights).as_view());
    }
    let found = exponents.spectrum();
    assert!(found.lost.is_empty());
    assert!(
        (found.sum() - expected / 50.0).abs() < SUM_RULE,
        "{} {}",
        found.sum(),
        expected / 50.0
    );
}

#[test]
fn a_probe_follows_the_sequence_it_is_told_and_keeps_means_on_the_way() {
    let mut normal = Normal::new(15);
    let cell = normal.rnn(2, 8, Activation::Tanh, 1.5);
    let (steps, batch) = (300, 3);
    let inputs = normal.matrix(2, steps * batch, 1.0);
    let initial = DMatrix::zeros(8, batch);
    let options = Options {
        transient: 50,
        times: vec![10, 50, 51, 170, 300],
        ..Options::default()
    };
    let mut probe = Lyapunov::new(&cell, 1, options.clone());
    let mut tape = Tape::new();
    rollout(
        &cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [&mut probe],
    )
    .unwrap();
    let found = probe.spectrum();
    assert_eq!(found, spectrum(&cell, &tape, 1, options.clone()).unwrap());
    assert_ne!(found, spectrum(&cell, &tape, 0, options).unwrap());
    assert!(probe.running_means[..16].iter().all(|v| v.is_nan()));
    assert!(probe.running_means[16..].iter().all(|v| v.is_finite()));
    assert_eq!(probe.running_means[32..], found.exponents);
    assert_eq!(found.steps, 250);
}

/// The state stays at rest, where J = W, and the second step takes (1, 1)/√2 beyond the range.
#[test]
fn a_jacobian_out_of_range_is_an_overflow_of_the_tangent() {
    let cell = VanillaRnn::new(
        Activation::Tanh,
        DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, -1.0]) * 1.5e308,
        DMatrix::zeros(2, 1),
        DVector::zeros(2),
    );
    let mut tape = Tape::new();
    let (inputs, initial) = (DMatrix::zeros(1, 5), DMatrix::zeros(2, 1));
    rollout(
        &cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let error = spectrum(&cell, &tape, 0, Options::default()).unwrap_err();
    assert_eq!(error, NonFinite::Tangent { t: 2 });
    assert_eq!(
        error.to_string(),
        "a tangent overflowed (NaN or infinite) within the single step 2"
    );
}

#[test]
fn dimension_and_entropy_are_those_of_their_formulas() {
    let of = |exponents: &[f64], size| Spectrum {
        exponents: exponents.to_vec(),
        standard_errors: Vec::new(),
        size,
        steps: 1,
        lost: Vec::new(),
    };
    // The Lorenz attractor's, per unit of time.
    let lorenz = of(&[0.9056, 0.0, -14.5723], 3);
    assert!((lorenz.kaplan_yorke_dimension().unwrap() - 2.062_145).abs() < 1e-6);
    assert_eq!(lorenz.entropy_bound(), 0.9056);
    assert_eq!(of(&[-0.1, -0.2], 2).kaplan_yorke_dimension(), Some(0.0));
    assert!(of(&[-0.1, -0.2], 2).entropy_bound().is_sign_positive());
    assert_eq!(of(&[0.3, -0.2], 2).kaplan_yorke_dimension(), Some(2.0));
    assert_eq!(of(&[0.3, -0.2], 5).kaplan_yorke_dimension(), None);
    assert_eq!(
        of(&[0.3, f64::NEG_INFINITY], 2).kaplan_yorke_dimension(),
        Some(1.0)
    );
}
