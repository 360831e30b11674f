//! One linear network shows two laws: mean field at first, the spectral radius later.
//!
//! Derived here. In h_t = W h_{t−1} with W_ij ~ N(0, σ_w²/N) the adjoint is a power of Wᵀ. On a vector
//! that knows nothing of W every early step multiplies the norm by about σ_w (the root mean square
//! singular value, which is mean-field theory); what remains after many steps is the leading
//! eigenvector, at ρ(W), which in a finite network exceeds σ_w. So a rate fitted over all lags can be
//! neither.
//!
//! Setup: σ_w = 0.9, N = 256 and 64, 6 seeds. Early: the slope over lags 1–10, whose mean must be
//! within 0.02 of ln σ_w, about four standard errors. Late: over lags 1000–2000, within 0.004 of ln ρ(W)
//! for every seed; the leading pair is complex, and ln of its norm goes up and down by about 1, which
//! over 1000 lags bends a slope by some 0.001.

use cell_config::spectral_radius;
use nalgebra::DMatrix;
use vanilla_rnn::Activation;

use super::measure::{Draws, Trajectory, slope, undriven};
use super::{Check, Claim, Evidence, Scale};

pub const CLAIM: Claim = Claim {
    id: "two-regime-gradient",
    source: "derived: powers of a Gaussian matrix",
    statement: "In a linear Gaussian network early lags decay at ln σ_w and late ones at ln ρ(W), so one rate per curve can be wrong",
    scale: Scale::Full,
    cost_seconds: 3.0,
    check,
};

const GAIN: f64 = 0.9;
const SEEDS: usize = 6;
const STEPS: usize = 2000;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    for size in [256, 64] {
        let (mut early, mut late) = (Vec::new(), Vec::new());
        let (mut violations, mut worst) = (0, 0.0f64);
        for seed in 0..SEEDS {
            let [first, last, radius] = rates(size, seed)?;
            early.push(first);
            late.push(last);
            worst = worst.max((last - radius).abs());
            violations += usize::from((last - radius).abs() > 0.004);
        }
        let of = |values: &[f64]| {
            decay_analysis::mean_and_standard_error(values).ok_or("a single seed".to_owned())
        };
        let (early, early_error) = of(&early)?;
        let (late, _) = of(&late)?;
        let what = format!("slope over lags 1–10, N = {size}, nats per step");
        checks.push(Check::within(what, early, GAIN.ln(), 0.02).with_uncertainty(early_error));
        let what = format!("seeds whose late slope is not within 0.004 of ln ρ(W), N = {size}");
        checks.push(Check::none(what, violations, SEEDS));
        let what = format!("largest distance of a late slope to ln ρ(W), N = {size}");
        checks.push(Check::at_most(what, worst, 0.004));
        let what = format!("late minus early slope, N = {size}");
        checks.push(Check::at_least(what, late - early, 0.0));
    }
    Ok(Evidence::of(checks, SEEDS))
}

/// Early slope, late slope, and ln ρ(W).
fn rates(size: usize, seed: usize) -> Result<[f64; 3], String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: seed as u64,
    };
    let recurrent = draws.gaussian("weight_hh", size, size, GAIN / (size as f64).sqrt());
    let cell = undriven(Activation::Identity, recurrent.clone());
    let gradients = Trajectory::undriven(&cell, &DMatrix::zeros(size, 1), STEPS)?
        .terminal(&draws.gaussian("loss", size, 1, 1.0))?;
    let ratios = gradients.ratios("h");
    Ok([
        slope(&ratios, 1..11),
        slope(&ratios, 1000..STEPS + 1),
        spectral_radius(&recurrent).ln(),
    ])
}
