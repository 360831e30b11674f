//! Jordan block W = [[λ, 1], [0, λ]], g_T = (1, 0): r_k = λ^{k−1}·√(λ² + k²).
//!
//! A gradient may grow before it vanishes: for λ = 0.95 it reaches 7.5565 at lag 19. Only positive terms
//! are added, so at most two roundings a lag separate measurement and formula.

use nalgebra::DMatrix;
use vanilla_rnn::Activation;

use super::measure::{EPSILON, Trajectory, Worst, undriven, unit_vector};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-jordan",
    source: "exact",
    statement: "A Jordan block has r_k = λ^{k−1}·√(λ² + k²): at λ = 0.95 the gradient grows to 7.5565 first",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const STEPS: usize = 3000;
/// Lags that are drawn: the way up and back below 1.
const DRAWN: usize = 200;

fn check() -> Result<Evidence, String> {
    let mut worst = Worst::default();
    let mut peak = (0, 0.0);
    let mut series = Vec::new();
    for lambda in [0.5_f64, 0.95, 1.0, 1.05] {
        let weights = DMatrix::from_row_slice(2, 2, &[lambda, 1.0, 0.0, lambda]);
        let cell = undriven(Activation::Identity, weights);
        let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(2, 1), STEPS)?;
        let ratios = trajectory.terminal(&unit_vector(2, 0))?.ratios("h");
        if lambda == 0.95 {
            let points = ratios[..=DRAWN].iter().enumerate();
            let points = points.map(|(k, r)| (k as f64, *r));
            series.push(PlotSeries::new("r_k", Mark::Line, 0, points));
            let radius = [0.0, DRAWN as f64].map(|k| (k, k * lambda.log10()));
            series.push(PlotSeries::new("0.95^k", Mark::Dashed, 1, radius));
        }
        for (lag, found) in ratios.iter().enumerate() {
            let k = lag as f64;
            let expected = (k - 1.0) * lambda.log10() + 0.5 * (lambda * lambda + k * k).log10();
            worst.see(
                *found,
                expected,
                EPSILON * (2.0 * k + 8.0 + 4.0 * expected.abs()),
            );
            let ratio = 10_f64.powf(*found);
            if lambda == 0.95 && ratio > peak.1 {
                peak = (lag, ratio);
            }
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "|log₁₀ r_k − formula| in units of its rounding",
                worst.0,
                1.0,
            ),
            Check::exactly("lag of the peak at λ = 0.95", peak.0 as f64, 19.0),
            // The four decimals stated.
            Check::within("r_k there", peak.1, 7.5565, 5e-5),
        ],
        seeds: 0,
        plot: Some(Plot {
            title: "A gradient may rise sevenfold before it vanishes".to_owned(),
            subtitle: "Linear network, W = [[λ, 1], [0, λ]], λ = 0.95. Dashed: what the spectral radius alone says.".to_owned(),
            x: PlotAxis::linear("lag k = T − t (steps)"),
            y: PlotAxis::log10("‖∂L/∂h(T−k)‖ / ‖∂L/∂h(T)‖"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}
