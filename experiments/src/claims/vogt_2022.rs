//! An LSTM has 2H Lyapunov exponents, those of its joint state (h, c).
//!
//! R. Vogt, M. Puelma Touzel, E. Shlizerman, G. Lajoie, Front. Appl. Math. Stat. 8:818799 (2022), measure
//! exponents of driven recurrent networks by QR. Of an LSTM's two states neither is a state by itself: c_t
//! reaches h_t within the step, h_t reaches c_{t+1}. Checked, for H = 64 under Gaussian inputs: there are 2H
//! exponents, all finite; they obey the sum rule of (h, c) to 10⁻⁹; the adjoint's rate over 500 lags is λ_1
//! over the same steps, to the tolerances of `lyap-adjoint`, 0.003 in the mean of four seeds and 0.01 for
//! each.

use cell_config::Streams;
use serde_json::json;

use super::lyap_sum_rule::output_gate_weights;
use super::measure::{largest, smallest};
use super::networks::{
    SETTLING, adjoint_rate, cell, exponents_before_settling, gaussian, mean, trajectory,
};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "vogt-2022",
    source: "R. Vogt, M. Puelma Touzel, E. Shlizerman, G. Lajoie, Front. Appl. Math. Stat. 8:818799 (2022)",
    statement: "An LSTM has 2H exponents on (h, c), which obey its sum rule and whose largest is the adjoint’s rate",
    scale: Scale::Full,
    cost_seconds: 5.0,
    check,
};

const HIDDEN: usize = 64;
const LAGS: usize = 500;
const TRANSIENT: usize = 200;
/// The last of the steps that exponents are means over.
const LAST: usize = TRANSIENT + LAGS;

fn check() -> Result<Evidence, String> {
    let mut series = Vec::new();
    let (mut differences, mut sums, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for replicate in 0..4 {
        let streams = Streams { seed: 9, replicate };
        let config = json!({
            "hidden": HIDDEN,
            "forget_bias": 1.0,
            "recurrent_weights": { "init": "gaussian", "gain": 1.0 },
        });
        let lstm = cell(&streams, "lstm", config, 8)?;
        let inputs = gaussian(&streams, "inputs", 8, LAST + SETTLING, 1.0);
        let tape = trajectory(&streams, &*lstm, &inputs)?;
        let found = exponents_before_settling(&*lstm, &tape, TRANSIENT, None)?;
        let finite = found
            .exponents
            .iter()
            .filter(|exponent| exponent.is_finite());
        counts.push(finite.count() as f64);
        let lu = output_gate_weights(&*lstm, HIDDEN)?.lu();
        let weights: f64 = lu.u().diagonal().iter().map(|pivot| pivot.abs().ln()).sum();
        let determinants = (TRANSIENT + 1..=LAST).map(|t| {
            let saved = tape.saved(t);
            let units = (0..HIDDEN).map(|k| {
                let (f, o) = (saved[(HIDDEN + k, 0)], saved[(3 * HIDDEN + k, 0)]);
                let tanh_c: f64 = saved[(4 * HIDDEN + k, 0)];
                tanh_c.abs().ln() + (o * (1.0 - o)).ln() + f.ln()
            });
            weights + units.sum::<f64>()
        });
        let determinants: Vec<f64> = determinants.collect();
        sums.push((found.sum() - mean(&determinants)).abs());
        let rate = adjoint_rate(&streams, &*lstm, &inputs, &tape, LAGS)?;
        differences.push(rate - found.exponents[0]);
        if replicate == 0 {
            let size = found.exponents.len() as f64;
            let points = found.exponents.iter().enumerate();
            let points = points.map(|(i, exponent)| ((i + 1) as f64 / size, *exponent));
            series.push(PlotSeries::new("", Mark::Line, 1, points));
        }
    }
    let checks = vec![
        Check::exactly(
            "finite exponents of an LSTM with H = 64",
            smallest(counts),
            2.0 * HIDDEN as f64,
        ),
        Check::at_most(
            "largest |Σλ − mean ln |det J|| of 4 seeds, nats per step",
            largest(sums),
            1e-9,
        ),
        Check::within(
            "adjoint rate − λ₁, mean of 4 seeds, nats per step",
            mean(&differences),
            0.0,
            0.003,
        ),
        Check::at_most(
            "largest |adjoint rate − λ₁| of 4 seeds, nats per step",
            largest(differences.iter().map(|difference| difference.abs())),
            0.01,
        ),
    ];
    Ok(Evidence {
        checks,
        seeds: 4,
        plot: Some(Plot {
            title: "An LSTM’s spectrum has two halves: what c keeps, and what h loses".to_owned(),
            subtitle: "Lyapunov exponents of (h, c), H = 64, forget bias 1, weights of gain 1, Gaussian inputs."
                .to_owned(),
            x: PlotAxis::linear("i / 2H"),
            y: PlotAxis::linear("λ (nats per step)"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}
