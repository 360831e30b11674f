//! At the edge between forgetting and latching a gradient vanishes as a power of the horizon.
//!
//! x_{t+1} = tanh x_t (w = 1, no input) comes to rest as x_t ≈ √(3/2t), so ln(1 − x²) ≈ −3/(2t) and
//! |∂x_T/∂x_0| ∝ T^(−3/2): a power law, where every other w gives an exponential. At one fixed T the
//! gradient ratio is r_k = ((T − k)/T)^(3/2): almost flat until the start. Both are laws for large t;
//! corrections are of order (ln t)/t, 0.4 % of the slope at t = 10³, hence the tolerance of 0.005; the
//! shape is compared where T − k ≥ T/10, with T = 10⁵.

use nalgebra::DMatrix;
use theory::scalar_maps::{CRITICAL_EXPONENT, critical_state};
use vanilla_rnn::Activation;

use super::measure::{Trajectory, Worst, regression, scalar};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "tanh-critical-power-law",
    source: "derived; the boundary case of Bengio, Simard & Frasconi (1994)",
    statement: "At w = 1 the gradient of a tanh unit vanishes as T^(−3/2), not exponentially",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

const LONGEST: usize = 100_000;

fn check() -> Result<Evidence, String> {
    let horizons: Vec<usize> = (0..=20)
        .map(|k| (1000.0 * 10_f64.powf(f64::from(k) / 10.0)).round() as usize)
        .collect();
    let logs = |horizons: &[usize]| {
        horizons
            .iter()
            .map(|t| (*t as f64).ln())
            .collect::<Vec<_>>()
    };
    let critical = end_to_end(1.0, &horizons)?;
    let exponent = regression(&logs(&horizons), &critical);

    let cell = scalar(Activation::Tanh, 1.0, 0.0);
    let trajectory = start(&cell, LONGEST)?;
    let amplitude = trajectory.state(LONGEST)[0] / critical_state(LONGEST);
    let ratios = trajectory.scalar_ratios()?;
    let mut shape = Worst::default();
    for (k, log10_ratio) in ratios[..=LONGEST - LONGEST / 10].iter().enumerate() {
        let left = (LONGEST - k) as f64 / LONGEST as f64;
        shape.see(
            10_f64.powf(*log10_ratio) / left.powf(-CRITICAL_EXPONENT),
            1.0,
            1.0,
        );
    }

    // How much worse a power law describes w = 0.99 than an exponential does, and the reverse at 1.
    let short: Vec<usize> = (1..=20).map(|k| 100 * k).collect();
    let linear: Vec<f64> = short.iter().map(|t| *t as f64).collect();
    let misfits = |values: &[f64]| (residuals(&linear, values), residuals(&logs(&short), values));
    let beside = end_to_end(0.99, &short)?;
    let below = misfits(&beside);
    let at_one = misfits(&end_to_end(1.0, &short)?);
    let log10 = |horizons: &[usize], values: &[f64]| -> Vec<(f64, f64)> {
        let points = horizons.iter().zip(values);
        points
            .map(|(t, value)| ((*t as f64).log10(), value * std::f64::consts::LOG10_E))
            .collect()
    };
    let at_critical = log10(&horizons, &critical);
    let (first, last) = (at_critical[0], at_critical[at_critical.len() - 1]);
    let power_law = [
        first,
        (last.0, first.1 + CRITICAL_EXPONENT * (last.0 - first.0)),
    ];
    let series = vec![
        PlotSeries::new("w = 0.99", Mark::Points, 1, log10(&short, &beside)),
        PlotSeries::new("w = 1", Mark::Points, 0, at_critical),
        PlotSeries::new("slope −3/2", Mark::Dashed, 0, power_law),
    ];
    Ok(Evidence {
        checks: vec![
            Check::within(
                "slope of ln|∂x_T/∂x_0| against ln T, T = 10³…10⁵",
                exponent,
                CRITICAL_EXPONENT,
                0.005,
            ),
            Check::within("x_T·√(2T/3) at T = 10⁵", amplitude, 1.0, 0.001),
            Check::at_most(
                "|r_k / ((T−k)/T)^(3/2) − 1| for T − k ≥ T/10",
                shape.0,
                0.01,
            ),
            Check::at_most(
                "w = 0.99: residual of an exponential / of a power law",
                below.0 / below.1,
                1.0,
            ),
            Check::at_most(
                "w = 1: residual of a power law / of an exponential",
                at_one.1 / at_one.0,
                1.0,
            ),
        ],
        seeds: 0,
        plot: Some(Plot {
            title: "At w = 1 a gradient falls as a power law, below exponentially".to_owned(),
            subtitle: "h ← tanh(w·h) from h = 0.9, without input. Dashed: the power law through the first dot of w = 1.".to_owned(),
            x: PlotAxis::log10("horizon T (steps)"),
            y: PlotAxis::log10("|∂h(T)/∂h(0)|"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}

fn start(cell: &vanilla_rnn::VanillaRnn, steps: usize) -> Result<Trajectory<'_>, String> {
    Trajectory::undriven(cell, &DMatrix::from_element(1, 1, 0.9), steps)
}

/// ln|∂x_T/∂x_0| for each T, a network of its own each time.
fn end_to_end(w: f64, horizons: &[usize]) -> Result<Vec<f64>, String> {
    let cell = scalar(Activation::Tanh, w, 0.0);
    let of = |steps: &usize| {
        let ratios = start(&cell, *steps)?.scalar_ratios()?;
        Ok(ratios[*steps] * std::f64::consts::LN_10)
    };
    horizons.iter().map(of).collect()
}

/// The sum of squares that a line leaves.
fn residuals(x: &[f64], y: &[f64]) -> f64 {
    let slope = regression(x, y);
    let n = x.len() as f64;
    let intercept = (y.iter().sum::<f64>() - slope * x.iter().sum::<f64>()) / n;
    let squares = x
        .iter()
        .zip(y)
        .map(|(x, y)| (y - slope * x - intercept).powi(2));
    squares.sum()
}
