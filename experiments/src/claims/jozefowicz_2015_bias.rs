//! The forget bias sets how long the gradient of the cell state lives.
//!
//! Source: R. Jozefowicz, W. Zaremba, I. Sutskever, "An empirical exploration of recurrent network
//! architectures", ICML 2015: adding 1 to the forget bias closes most of the gap between LSTM and GRU.
//!
//! Setup: without weights the cell gradient's rate is ln σ(b_f) exactly (derived), so biases of 0, 1,
//! 2, 3 and 5 have half-lives of 1, 2.21, 5.46, 14.3 and 103 steps; tolerance 10⁻¹² nats per step, the
//! rounding of 100 steps. With default random weights (H = 32, gain 1, inputs N(0, 1), T = 100) there
//! is no formula, but the order of the rates must be that of the biases in each of 20 networks. The
//! tasks of the paper are not trained here.

use cell_config::{CellConfig, Initialization, Scheme, Streams};
use lstm::{ForgetBias, LstmConfig};
use nalgebra::DMatrix;
use theory::gate_decay::{half_life, ln_logistic};

use super::measure::{Draws, SEED, Trajectory, slope};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

pub const CLAIM: Claim = Claim {
    id: "jozefowicz-2015-bias",
    source: "R. Jozefowicz, W. Zaremba, I. Sutskever, ICML 2015",
    statement: "The forget bias sets the rate of the cell gradient, ln σ(b) without weights, and in its order with them",
    scale: Scale::Reduced("the gradients behind the advice, not the tasks that were trained"),
    cost_seconds: 0.5,
    check,
};

const STEPS: usize = 100;
const SEEDS: usize = 20;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    let mut exact = Vec::new();
    for bias in [0.0, 1.0, 2.0, 3.0, 5.0] {
        let rate = rate(bias, Scheme::Zero, 0)?;
        exact.push((bias, (-std::f64::consts::LN_2 / rate).log10()));
        checks.push(Check::within(
            format!("rate of c with forget bias {bias} and no weights, nats per step"),
            rate,
            ln_logistic(bias),
            1e-12,
        ));
        checks.push(Check::within(
            format!(
                "half-life of c with forget bias {bias} and no weights, relative to ln 2/−ln σ(b)"
            ),
            -std::f64::consts::LN_2 / rate / half_life(bias),
            1.0,
            1e-9,
        ));
    }
    let mut violations = 0;
    let mut random = Vec::new();
    for seed in 0..SEEDS {
        let mut rates = Vec::new();
        for bias in [0.0, 1.0, 3.0] {
            let rate = rate(bias, Scheme::Gaussian, seed)?;
            random.push((bias, (-std::f64::consts::LN_2 / rate).log10()));
            rates.push(rate);
        }
        violations += usize::from(!rates.is_sorted_by(|a, b| a < b));
    }
    checks.push(Check::none(
        "random networks whose rates of c are not in the order of the forget biases 0, 1, 3",
        violations,
        SEEDS,
    ));
    let fine = (0..=100).map(|k| 0.05 * f64::from(k));
    let theory = fine.map(|bias| (bias, half_life(bias).log10()));
    let series = vec![
        PlotSeries::new("theory", Mark::Dashed, 0, theory),
        PlotSeries::new("random weights", Mark::Points, 1, random),
        PlotSeries::new("no weights", Mark::Points, 0, exact),
    ];
    let plot = Plot {
            title: "The forget bias sets how long the gradient of the cell state lives".to_owned(),
            subtitle: "Half-life from the rate over lags 1–100: LSTM without weights, and 20 with random weights of gain 1, \
                       H = 32. Those that grow have none. Dashed: ln 2 / −ln σ(b).".to_owned(),
            x: PlotAxis::linear("forget bias b"),
            y: PlotAxis::log10("half-life (steps)"),
            series,
            heat: None,
        };
    Ok(Evidence {
        plot: Some(plot),
        ..Evidence::of(checks, SEEDS)
    })
}

/// The slope of ln ‖∂L/∂c‖ over lags 1…T.
fn rate(bias: f64, init: Scheme, seed: usize) -> Result<f64, String> {
    const HIDDEN: usize = 32;
    const INPUT: usize = 8;
    const BATCH: usize = 4;
    let initialization = Initialization { init, gain: 1.0 };
    let config = LstmConfig {
        hidden: HIDDEN,
        recurrent_weights: initialization,
        input_weights: initialization,
        forget_bias: ForgetBias::Constant(bias),
        forget_gate: true,
        bias: 0.0,
    };
    let replicate = seed as u64;
    let streams = Streams {
        seed: SEED,
        replicate,
    };
    let cell = config
        .build(INPUT, &streams.weights("lstm"))
        .map_err(|error| error.to_string())?;
    let draws = Draws {
        claim: CLAIM.id,
        replicate,
    };
    let inputs = draws.gaussian("inputs", INPUT, STEPS * BATCH, 1.0);
    let initial = DMatrix::zeros(2 * HIDDEN, BATCH);
    let gradients = Trajectory::new(&cell, inputs, &initial)?
        .terminal(&draws.gaussian("loss", HIDDEN, BATCH, 1.0))?;
    Ok(slope(&gradients.ratios("c"), 1..STEPS + 1))
}
