//! The linear recurrent unit of Orvieto et al. 2023 (arXiv:2303.06349): what its gradient, its state
//! and its eigenvalues are at the start.
//!
//! * The gradient that enters unit j has decayed by |Λ_j|^k at lag k, at every lag and whatever the
//!   inputs are: 32 units, 3000 lags, white inputs. A lag costs a few roundings, so does the logarithm
//!   of the reference.
//! * With γ = √(1 − |Λ|²) white inputs give E|h_j|² = Σ_i |B_ji|², whatever |Λ_j| is (§3.4); here divided
//!   by it, so that 1 is expected; without γ 1/(1 − |Λ_j|²). 200 independent sequences, averaged over
//!   units and 500 steps each after 1000 in which they forget their start (0.99^2000 < 10⁻⁸); the standard
//!   error is that of the 200 averages.
//! * |Λ|² and the phase are uniform (Lemma 3.2): the largest deviation of the distribution of 10⁴ draws,
//!   times √10⁴, is above 1.63 in one of a hundred cases (Kolmogorov and Smirnov).

use cell_config::{CellConfig, Initialization, Streams};
use gradient_tracking::RecurrentCell;
use lru::{Lru, LruConfig};
use nalgebra::DMatrix;

use super::measure::{Draws, EPSILON, SEED, Trajectory, Worst, largest};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "lru-2023",
    source: "A. Orvieto et al., ICML 2023, arXiv:2303.06349",
    statement: "The gradient of every unit decays by |Λ|^k exactly; γ = √(1 − |Λ|²) gives E|h|² = 1; |Λ|² is uniform in the ring",
    scale: Scale::Full,
    cost_seconds: 0.5,
    check,
};

const INPUT: usize = 4;

fn config(hidden: usize, normalization: bool) -> LruConfig {
    LruConfig {
        hidden,
        r_min: 0.5,
        r_max: 0.99,
        max_phase: std::f64::consts::TAU,
        input_weights: Initialization::default(),
        normalization,
    }
}

fn build(hidden: usize, normalization: bool) -> Result<Lru, String> {
    let streams = Streams {
        seed: SEED,
        replicate: 0,
    };
    let config = config(hidden, normalization);
    let cell = config.build(INPUT, &streams.weights(CLAIM.id));
    cell.map_err(|error| error.to_string())
}

fn check() -> Result<Evidence, String> {
    let mut checks = vec![decay()?];
    checks.push(second_moment(true)?);
    checks.push(second_moment(false)?);
    checks.extend(ring()?);
    Ok(Evidence::of(checks, 1))
}

fn decay() -> Result<Check, String> {
    const STEPS: usize = 3000;
    let cell = build(32, true)?;
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let inputs = draws.gaussian("inputs", INPUT, STEPS, 1.0);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(64, 1))?;
    let mut worst = Worst::default();
    for (j, modulus) in cell.spectrum().modulus().iter().enumerate() {
        let mut adjoint = DMatrix::zeros(64, 1);
        // Any direction in the plane of the unit.
        let (sine, cosine) = (j as f64).sin_cos();
        (adjoint[j], adjoint[32 + j]) = (cosine, sine);
        let ratios = trajectory.terminal(&adjoint)?.ratios("h");
        for (lag, found) in ratios.iter().enumerate() {
            let expected = lag as f64 * modulus.log10();
            let tolerance = EPSILON * (4.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
            worst.see(*found, expected, tolerance);
        }
    }
    Ok(Check::at_most(
        "|log₁₀ r_k − k·log₁₀|Λ_j|| in units of its rounding, 32 units, 3000 lags",
        worst.0,
        1.0,
    ))
}

fn second_moment(normalization: bool) -> Result<Check, String> {
    const SEQUENCES: usize = 200;
    const FORGOTTEN: usize = 1000;
    const STEPS: usize = 1500;
    let hidden = 32;
    let cell = build(hidden, normalization)?;
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 1,
    };
    let inputs = draws.gaussian("inputs", INPUT, STEPS * SEQUENCES, 1.0);
    let start = DMatrix::zeros(cell.shape().state, SEQUENCES);
    let trajectory = Trajectory::new(&cell, inputs, &start)?;
    let weights = cell.input_weights();
    let of_input: Vec<f64> = (0..hidden)
        .map(|j| weights.row(j).norm_squared() + weights.row(hidden + j).norm_squared())
        .collect();
    let mut means = vec![0.0; SEQUENCES];
    let count = (hidden * (STEPS - FORGOTTEN)) as f64;
    for t in FORGOTTEN + 1..=STEPS {
        let state = trajectory.tape.state(t);
        for (mean, h) in means.iter_mut().zip(state.column_iter()) {
            let squares = (0..hidden).map(|j| (h[j].powi(2) + h[hidden + j].powi(2)) / of_input[j]);
            *mean += squares.sum::<f64>() / count;
        }
    }
    let n = SEQUENCES as f64;
    let mean = means.iter().sum::<f64>() / n;
    let square: f64 = means.iter().map(|m| (m - mean).powi(2)).sum();
    let error = (square / (n - 1.0) / n).sqrt();
    let (what, expected) = if normalization {
        ("E|h|² with γ, relative to that of the inputs", 1.0)
    } else {
        let of_units = cell
            .spectrum()
            .modulus()
            .iter()
            .map(|r| 1.0 / (1.0 - r * r));
        (
            "E|h|² without γ, relative to that of the inputs",
            of_units.sum::<f64>() / hidden as f64,
        )
    };
    Ok(Check::standard_errors(what, mean, error, expected, 3.0))
}

fn ring() -> Result<Vec<Check>, String> {
    let draws = 10_000;
    let cell = build(draws, true)?;
    let spectrum = cell.spectrum();
    let (low, high) = (0.5_f64.powi(2), 0.99_f64.powi(2));
    let squares = spectrum
        .modulus()
        .iter()
        .map(|r| (r * r - low) / (high - low));
    let parts = spectrum.real().iter().zip(spectrum.imaginary());
    let turn = std::f64::consts::TAU;
    let phases = parts.map(|(re, im)| im.atan2(*re).rem_euclid(turn) / turn);
    Ok(vec![
        Check::at_most(
            "√n·D of |Λ|² against the uniform distribution",
            kolmogorov(squares.collect()),
            1.63,
        ),
        Check::at_most(
            "√n·D of the phase against the uniform distribution",
            kolmogorov(phases.collect()),
            1.63,
        ),
    ])
}

/// √n times the largest deviation of the distribution of n numbers from the uniform one on 0…1.
fn kolmogorov(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let steps = values.iter().enumerate();
    let deviations = steps.flat_map(|(k, v)| [(k + 1) as f64 / n - v, v - k as f64 / n]);
    n.sqrt() * largest(deviations)
}
