//! Noise suppresses chaos, and with it exploding gradients.
//!
//! L. Molgedey, J. Schuchhardt, H. Schuster, Phys. Rev. Lett. 69:3717 (1992), for h ← tanh(W·h + σξ) with
//! W_ij ~ N(0, g²/N) and fresh noise. In the limit of wide networks λ_1 = ½ ln χ₁ at the fixed point of the
//! length map with the noise variance σ² (the same mean field as of Poole et al. 2016): noise drives units
//! to where tanh is flat. At g = 1.5 chaos ends at σ = 0.4314, at g = 1.25 at 0.1480.
//!
//! Measured: N = 256, mean of 4 networks, 1000 steps after 200. Theory's own numbers to the digits quoted;
//! λ_1 within 0.012 of it for σ ≥ 0.3, which covers the finite size (about −0.007 at N = 256), and with
//! theory's sign on both sides of the transition at g = 1.5.

use cell_config::Streams;
use lyapunov::{Options, spectrum};
use theory::mean_field::{MeanField, Phi, critical_noise};

use super::networks::{gaussian, mean, tanh_network, trajectory};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "molgedey-1992-noise",
    source: "L. Molgedey, J. Schuchhardt, H. Schuster, Phys. Rev. Lett. 69:3717 (1992)",
    statement: "Noise suppresses chaos: λ₁ of a random tanh network falls with the noise and changes its sign",
    scale: Scale::Full,
    cost_seconds: 15.0,
    check,
};

const SIZE: usize = 256;
const STEPS: usize = 1200;
const TRANSIENT: usize = 200;
const SEEDS: u64 = 4;
const NOISES: [f64; 9] = [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8];

fn check() -> Result<Evidence, String> {
    let theory = |gain: f64, noise: f64| {
        let network = MeanField {
            gain,
            bias: 0.0,
            noise_variance: noise * noise,
        };
        network.rate(&Phi::Tanh)
    };
    let mut checks = Vec::new();
    let mut series = Vec::new();
    for (colour, gain) in [1.25, 1.5].into_iter().enumerate() {
        let (mut points, mut errors) = (Vec::new(), Vec::new());
        for noise in NOISES {
            let rates = (0..SEEDS).map(|replicate| largest(gain, noise, replicate));
            let rates = rates.collect::<Result<Vec<f64>, String>>()?;
            let middle = mean(&rates);
            let squares = rates
                .iter()
                .map(|rate| (rate - middle).powi(2))
                .sum::<f64>();
            let error = (squares / ((SEEDS - 1) * SEEDS) as f64).sqrt();
            points.push((noise, middle));
            errors.push(error);
            let what = |what: &str| format!("{what}, g = {gain}, σ = {noise}, nats per step");
            if gain == 1.5 && noise == 0.3 {
                checks.push(Check::at_least(what("λ₁ is positive"), middle, 0.0));
            }
            if gain == 1.5 && noise == 0.5 {
                checks.push(Check::at_most(what("λ₁ is negative"), middle, 0.0));
            }
            if noise == 0.3 || (gain == 1.5 && noise == 0.5) {
                let expected = theory(gain, noise);
                let check = Check::within(what("λ₁ is theory’s"), middle, expected, 0.012);
                checks.push(check.with_uncertainty(error));
            }
        }
        let fine = (0..=80).map(|k| 0.01 * f64::from(k));
        let fine = fine.map(|noise| (noise, theory(gain, noise)));
        series.push(PlotSeries::new("", Mark::Dashed, colour, fine));
        let name = format!("g = {gain}");
        series.push(PlotSeries::new(name, Mark::Points, colour, points).with_errors(errors));
    }
    for (gain, noise, expected) in [
        (1.5, 0.3, 0.02960),
        (1.5, 0.5, -0.01673),
        (1.25, 0.05, 0.02048),
        (1.25, 0.3, -0.04939),
    ] {
        let what = format!("½ ln χ₁ at g = {gain}, σ = {noise}");
        checks.push(Check::within(what, theory(gain, noise), expected, 1e-5));
    }
    for (gain, expected) in [(1.5, 0.4314), (1.25, 0.1480)] {
        let found = critical_noise(&Phi::Tanh, gain, 0.0).unwrap_or(f64::NAN);
        let what = format!("the noise that ends chaos at g = {gain}");
        checks.push(Check::within(what, found, expected, 1e-4));
    }
    Ok(Evidence {
        checks,
        seeds: SEEDS as usize,
        plot: Some(Plot {
            title: "Noise ends chaos: gradients stop exploding".to_owned(),
            subtitle: "Largest Lyapunov exponent of h ← tanh(W·h + σξ), W of gain g, N = 256: dots, mean and \
                       standard error of 4 networks. Dashed: mean field."
                .to_owned(),
            x: PlotAxis::linear("noise σ"),
            y: PlotAxis::linear("λ₁ (nats per step)"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}

fn largest(gain: f64, noise: f64, replicate: u64) -> Result<f64, String> {
    let streams = Streams { seed: 6, replicate };
    let network = tanh_network(&streams, SIZE, gain, noise);
    let inputs = gaussian(&streams, "noise", SIZE, STEPS, 1.0);
    let tape = trajectory(&streams, &network, &inputs)?;
    let options = Options {
        exponents: Some(1),
        transient: TRANSIENT,
        ..Options::default()
    };
    let found = spectrum(&network, &tape, 0, options).map_err(|error| error.to_string())?;
    Ok(found.exponents[0])
}
