//! Mean-field theory of wide random networks: q*, χ₁, and networks that have them.
//!
//! Source: B. Poole et al., "Exponential expressivity in deep neural networks through transient
//! chaos", NeurIPS 2016, arXiv:1606.05340, Eqs. 3 and 6; S. Schoenholz et al., ICLR 2017.
//!
//! Setup: tanh layers h_l = tanh(W_l h_{l−1} + b_l) with fresh weights of variance σ_w²/N and biases of
//! variance σ_b², N = 512. The variance of the pre-activations converges to q*, and a squared
//! gradient norm is multiplied by χ₁ per layer.
//!
//! The numbers of the table come from iterating q from 1 with trapezoidal sums of 400,001 points;
//! tolerance 10⁻⁵. Networks: 8 seeds of 40 layers, of which the first 10 are for q to converge. The
//! tolerances were set beforehand: 3 % of q*, as its 240 layers of 512 units have a relative standard
//! error of √(2/512/240) = 0.4 % but neighbouring layers are correlated; and 0.01 nats of the rate
//! ½ ln χ₁, whose standard error is about 0.04/√240 and which a finite N shifts by order 1/N.

use nalgebra::DMatrix;
use theory::mean_field::{MeanField, Phi};

use super::measure::Draws;
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

pub const CLAIM: Claim = Claim {
    id: "poole-2016-chi",
    source: "B. Poole et al., NeurIPS 2016, arXiv:1606.05340, Eqs. 3 and 6",
    statement: "Wide random tanh networks have the activity q* and multiply squared gradients by χ₁, above 1 for σ_w > 1",
    scale: Scale::Full,
    cost_seconds: 8.0,
    check,
};

/// σ_w, σ_b, q*, χ₁.
const TABLE: [(f64, f64, f64, f64); 9] = [
    (0.9, 0.0, 0.0, 0.81),
    (0.9, 0.05, 0.011975, 0.791373),
    (1.0, 0.0, 0.0, 1.0),
    (1.0, 0.05, 0.037122, 0.934059),
    (1.25, 0.0, 0.326464, 1.048195),
    (1.5, 0.0, 0.793354, 1.139323),
    (1.5, 0.05, 0.798387, 1.136708),
    (2.0, 0.0, 2.121474, 1.362673),
    (3.0, 0.0, 6.305391, 1.859855),
];

const SIZE: usize = 512;
const SEEDS: usize = 8;
const LAYERS: usize = 40;
const SETTLED: usize = 10;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    for (gain, noise, variance, chi) in TABLE {
        let network = MeanField {
            gain,
            bias: 0.0,
            noise_variance: noise * noise,
        };
        let of = format!("σ_w = {gain}, σ_b = {noise}");
        let theory = network.variance(&Phi::Tanh);
        checks.push(Check::within(
            format!("q* by theory, {of}"),
            theory,
            variance,
            1e-5,
        ));
        let theory = network.chi(&Phi::Tanh);
        checks.push(Check::within(
            format!("χ₁ by theory, {of}"),
            theory,
            chi,
            1e-5,
        ));
    }
    let (mut points, mut errors) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (gain, noise, variance, chi) in TABLE.into_iter().filter(|row| row.0 >= 1.5) {
        let mut measured = [0.0; 2];
        let mut rates = Vec::new();
        for seed in 0..SEEDS {
            let [q, rate] = network(gain, noise, seed);
            measured[0] += q / SEEDS as f64;
            measured[1] += rate / SEEDS as f64;
            rates.push(rate);
        }
        let of_rates = decay_analysis::mean_and_standard_error(&rates);
        let (mean, error) = of_rates.ok_or("a single seed".to_owned())?;
        points[usize::from(noise > 0.0)].push((gain, mean));
        errors[usize::from(noise > 0.0)].push(error);
        let of = format!("σ_w = {gain}, σ_b = {noise}, N = {SIZE}");
        checks.push(Check::within(
            format!("activity of the networks in units of q*, {of}"),
            measured[0] / variance,
            1.0,
            0.03,
        ));
        checks.push(Check::within(
            format!("rate of the gradient of the networks, nats per layer, {of}"),
            measured[1],
            0.5 * chi.ln(),
            0.01,
        ));
    }
    let mut series = Vec::new();
    for (colour, ((points, errors), noise)) in
        points.into_iter().zip(errors).zip([0.0, 0.05]).enumerate()
    {
        let theory = (0..=110).map(|k| {
            let gain = 0.8 + 0.02 * f64::from(k);
            let network = MeanField {
                gain,
                bias: 0.0,
                noise_variance: noise * noise,
            };
            (gain, network.rate(&Phi::Tanh))
        });
        series.push(PlotSeries::new(
            format!("σ_b = {noise}"),
            Mark::Dashed,
            colour,
            theory,
        ));
        series.push(PlotSeries::new("", Mark::Points, colour, points).with_errors(errors));
    }
    let plot = Plot {
            title: "Gradients of wide tanh networks follow mean-field theory".to_owned(),
            subtitle: "Dots: N = 512, mean and standard error of 8 networks of 40 layers. Dashed: ½ ln χ₁, which changes \
                       its sign at σ_w = 1 without biases.".to_owned(),
            x: PlotAxis::linear("gain σ_w"),
            y: PlotAxis::linear("rate (nats per layer)"),
            series,
            heat: None,
        };
    Ok(Evidence {
        plot: Some(plot),
        remark: "200 nodes of Gauss–Hermite quadrature, which are often used, give χ₁ = 1.859752 \
                 at σ_w = 3: the poles of tanh come too close"
            .to_owned(),
        ..Evidence::of(checks, SEEDS)
    })
}

/// Mean squared pre-activation, and rate of the gradient, over the settled layers.
fn network(gain: f64, noise: f64, seed: usize) -> [f64; 2] {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: seed as u64,
    };
    let scale = gain / (SIZE as f64).sqrt();
    let weights = |layer: usize| draws.gaussian(&format!("weights {layer}"), SIZE, SIZE, scale);
    let mut h = draws.gaussian("state", SIZE, 1, 1.0);
    let mut activity = 0.0;
    let mut slopes: Vec<DMatrix<f64>> = Vec::new();
    for layer in 0..LAYERS {
        let bias = draws.gaussian(&format!("bias {layer}"), SIZE, 1, noise);
        let a = weights(layer) * &h + bias;
        if layer >= SETTLED {
            activity += a.norm_squared() / SIZE as f64;
        }
        h = a.map(f64::tanh);
        slopes.push(h.map(|h| 1.0 - h * h));
    }
    let mut adjoint = draws.gaussian("loss", SIZE, 1, 1.0);
    let start = adjoint.norm().ln();
    for layer in (SETTLED..LAYERS).rev() {
        adjoint = weights(layer).tr_mul(&slopes[layer].component_mul(&adjoint));
    }
    let settled = (LAYERS - SETTLED) as f64;
    [activity / settled, (adjoint.norm().ln() - start) / settled]
}
