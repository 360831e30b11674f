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

use super::measure::{Cases, Draws, Trajectory, largest, slope, undriven};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

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
/// Lags that are drawn: those at which one law gives way to the other.
const DRAWN: usize = 200;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    let mut series = Vec::new();
    for (colour, size) in [256, 64].into_iter().enumerate() {
        let (mut early, mut late) = (Vec::new(), Vec::new());
        let (mut near, mut distances) = (Cases::default(), Vec::new());
        for seed in 0..SEEDS {
            let ([first, last, radius], ratios) = rates(size, seed)?;
            if seed == 0 {
                series.extend(curves(size, colour, radius, &ratios));
            }
            early.push(first);
            late.push(last);
            let distance = (last - radius).abs();
            near.see(distance <= 0.004);
            distances.push(distance);
        }
        let of = |values: &[f64]| {
            decay_analysis::mean_and_standard_error(values).ok_or("a single seed".to_owned())
        };
        let (early, early_error) = of(&early)?;
        let (late, _) = of(&late)?;
        let what = format!("slope over lags 1–10, N = {size}, nats per step");
        checks.push(Check::within(what, early, GAIN.ln(), 0.02).with_uncertainty(early_error));
        let what = format!("seeds whose late slope is not within 0.004 of ln ρ(W), N = {size}");
        checks.push(Check::none(what, near.violations, near.of));
        let what = format!("largest distance of a late slope to ln ρ(W), N = {size}");
        checks.push(Check::at_most(what, largest(distances), 0.004));
        let what = format!("late minus early slope, N = {size}");
        checks.push(Check::at_least(what, late - early, 0.0));
    }
    let plot = Plot {
        title: "Early lags decay at σ_w, late ones at the spectral radius".to_owned(),
        subtitle: "Linear networks with W_ij ~ N(0, σ_w²/N), σ_w = 0.9, one of each size. Dashed: \
                       at ln σ_w from lag 0, and at ln ρ(W) back from lag 2000."
            .to_owned(),
        x: PlotAxis::linear("lag k = T − t (steps)"),
        y: PlotAxis::log10("‖∂L/∂h(T−k)‖ / ‖∂L/∂h(T)‖"),
        series,
        heat: None,
    };
    Ok(Evidence {
        plot: Some(plot),
        ..Evidence::of(checks, SEEDS)
    })
}

/// A measured curve with the two laws: from lag 0 at ln σ_w, and back from the last lag at ln ρ(W).
fn curves(size: usize, colour: usize, radius: f64, ratios: &[f64]) -> [PlotSeries; 3] {
    let measured = ratios.iter().enumerate().map(|(k, r)| (k as f64, *r));
    let measured = measured.take(DRAWN + 1);
    let (last, right) = (STEPS as f64, DRAWN as f64);
    let early = GAIN.log10();
    let late = radius * std::f64::consts::LOG10_E;
    let end = ratios[STEPS];
    let name = format!("N = {size}");
    // The same for both sizes.
    let early_name = if colour == 0 { "σ_w = 0.9" } else { "" };
    [
        PlotSeries::new(name, Mark::Line, colour, measured),
        PlotSeries::new(
            early_name,
            Mark::Dashed,
            2,
            [0.0, right].map(|k| (k, early * k)),
        ),
        PlotSeries::new(
            "",
            Mark::Dashed,
            colour,
            [0.0, right].map(|k| (k, end + late * (k - last))),
        ),
    ]
}

/// Early slope, late slope, and ln ρ(W); and log₁₀ r_k.
fn rates(size: usize, seed: usize) -> Result<([f64; 3], Vec<f64>), String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: seed as u64,
    };
    let recurrent = draws.gaussian("weight_hh", size, size, GAIN / (size as f64).sqrt());
    let cell = undriven(Activation::Identity, recurrent.clone());
    let gradients = Trajectory::undriven(&cell, &DMatrix::zeros(size, 1), STEPS)?
        .terminal(&draws.gaussian("loss", size, 1, 1.0))?;
    let ratios = gradients.ratios("h");
    let rates = [
        slope(&ratios, 1..11),
        slope(&ratios, 1000..STEPS + 1),
        spectral_radius(&recurrent).ln(),
    ];
    Ok((rates, ratios))
}
