//! The curse of memory: h_{t+1} = λ·h_t + x_{t+1} with white inputs of unit variance has
//! E[h²] = 1/(1 − λ²) and E[(∂h/∂λ)²] = (1 + λ²)/(1 − λ²)³ (Zucchet & Orvieto 2024, §2).
//!
//! 10⁶ samples of one trajectory for each λ, after 5000 steps (0.99^5000 < 10⁻²¹) in which it forgets
//! its start. Samples are correlated over at most some hundred steps, at λ = 0.99; the standard errors are those
//! of the means of 100 batches of 10⁴ samples, which are all but independent. Ten numbers, each within
//! three standard errors.
//!
//! The exponents are slopes of logarithms over λ = 0.5…0.99. The first is −1 for the formula; the
//! factor 1 + λ², which goes from 1.25 to 1.98, makes the second −3.1 for this range and −3 in the
//! limit, so that 0.2 leaves room for it.
//!
//! ∂h_T/∂λ of the recursion is the parameter gradient that the workspace's own backpropagation gives.

use gradient_tracking::probes::ParameterGradient;
use nalgebra::DMatrix;
use theory::sensitivity::{sensitivity_variance, state_variance};
use vanilla_rnn::Activation;

use super::measure::{Draws, Trajectory, largest, regression, scalar};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "zucchet-2024-curse",
    source: "N. Zucchet, A. Orvieto, NeurIPS 2024, arXiv:2405.21064",
    statement: "A linear memory grows ever more sensitive to its own factor: E[(∂h/∂λ)²] = (1 + λ²)/(1 − λ²)³",
    scale: Scale::Full,
    cost_seconds: 0.3,
    check,
};

const FACTORS: [f64; 5] = [0.5, 0.8, 0.9, 0.95, 0.99];
const FORGOTTEN: usize = 5000;
const BATCHES: usize = 100;
const SAMPLES_PER_BATCH: usize = 10_000;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    let (mut gaps, mut states, mut sensitivities) = (Vec::new(), Vec::new(), Vec::new());
    for (replicate, lambda) in FACTORS.into_iter().enumerate() {
        let draws = Draws {
            claim: CLAIM.id,
            replicate: replicate as u64,
        };
        let samples = FORGOTTEN + BATCHES * SAMPLES_PER_BATCH;
        let inputs = draws.gaussian("inputs", 1, samples, 1.0);
        let (mut h, mut slope) = (0.0, 0.0);
        let mut means = [[0.0; BATCHES]; 2];
        for (t, x) in inputs.iter().enumerate() {
            slope = lambda * slope + h;
            h = lambda * h + x;
            if let Some(t) = t.checked_sub(FORGOTTEN) {
                let batch = t / SAMPLES_PER_BATCH;
                means[0][batch] += h * h / SAMPLES_PER_BATCH as f64;
                means[1][batch] += slope * slope / SAMPLES_PER_BATCH as f64;
            }
        }
        let of_state = mean_and_error(&means[0]);
        let of_slope = mean_and_error(&means[1]);
        for (what, (mean, error), expected) in [
            ("E[h²]", of_state, state_variance(lambda)),
            ("E[(∂h/∂λ)²]", of_slope, sensitivity_variance(lambda)),
        ] {
            let what = format!("{what} at λ = {lambda}");
            checks.push(Check::standard_errors(what, mean, error, expected, 3.0));
        }
        gaps.push((1.0 - lambda * lambda).ln());
        states.push(of_state.0.ln());
        sensitivities.push(of_slope.0.ln());
    }
    checks.push(Check::within(
        "exponent of E[h²] in 1 − λ²",
        regression(&gaps, &states),
        -1.0,
        0.05,
    ));
    checks.push(Check::within(
        "exponent of E[(∂h/∂λ)²] in 1 − λ²",
        regression(&gaps, &sensitivities),
        -3.0,
        0.2,
    ));
    checks.push(backpropagated()?);
    let log10 = |values: &[f64]| -> Vec<(f64, f64)> {
        let points = gaps.iter().zip(values);
        points
            .map(|(gap, value)| {
                let e = std::f64::consts::LOG10_E;
                (gap * e, value * e)
            })
            .collect()
    };
    let law = |moment: fn(f64) -> f64| {
        let fine = (0..=100).map(|k| -2.0 + 0.02 * f64::from(k));
        fine.map(move |gap| {
            (
                gap,
                moment(largest([1.0 - 10_f64.powf(gap), 0.0]).sqrt()).log10(),
            )
        })
    };
    let series = vec![
        PlotSeries::new("E[(∂h/∂λ)²]", Mark::Dashed, 1, law(sensitivity_variance)),
        PlotSeries::new("", Mark::Points, 1, log10(&sensitivities)),
        PlotSeries::new("E[h²]", Mark::Dashed, 0, law(state_variance)),
        PlotSeries::new("", Mark::Points, 0, log10(&states)),
    ];
    let plot = Plot {
            title: "The longer the memory, the more sensitive it is to its own factor".to_owned(),
            subtitle: "h ← λ·h + x, white inputs: dots, 10⁶ samples for λ = 0.5, 0.8, 0.9, 0.95, 0.99 (right to left). \
                       Dashed: 1/(1 − λ²) and (1 + λ²)/(1 − λ²)³.".to_owned(),
            x: PlotAxis::log10("1 − λ²"),
            y: PlotAxis::log10("moment"),
            series,
            heat: None,
        };
    Ok(Evidence {
        plot: Some(plot),
        ..Evidence::of(checks, FACTORS.len())
    })
}

/// The mean over batches and its standard error.
fn mean_and_error(means: &[f64]) -> (f64, f64) {
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let square: f64 = means.iter().map(|m| (m - mean).powi(2)).sum();
    (mean, (square / (n - 1.0) / n).sqrt())
}

/// ∂h_T/∂λ by backpropagation beside the recursion, T = 2000: sums of 2000 terms in another order, up to
/// 10³ roundings of 10⁻¹⁶ and no cancellation beyond that of a random walk.
fn backpropagated() -> Result<Check, String> {
    let (lambda, steps) = (0.95, 2000);
    let draws = Draws {
        claim: CLAIM.id,
        replicate: FACTORS.len() as u64,
    };
    let cell = scalar(Activation::Identity, lambda, 0.0);
    let inputs = draws.gaussian("inputs", 1, steps, 1.0);
    let (mut h, mut slope) = (0.0, 0.0);
    for x in inputs.iter() {
        slope = lambda * slope + h;
        h = lambda * h + x;
    }
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(1, 1))?;
    let mut gradient = ParameterGradient::new(&cell, steps, 1);
    let one = DMatrix::from_element(1, 1, 1.0);
    let mut source = trajectory.terminal_source(&one);
    trajectory.backpropagate(&mut source, None, &mut [&mut gradient])?;
    // The block of W_hh comes first.
    let found = gradient.to_f64()[0];
    Ok(Check::within(
        "∂h_T/∂λ by backpropagation, relative to the recursion's",
        found / slope,
        1.0,
        1e-11,
    ))
}
