//! Why an LSTM has a forget gate: without one its cell state grows without bound on a continual
//! stream; with one it converges.
//!
//! Source: F. Gers, J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction with
//! LSTM", Neural Computation 12(10):2451–2471, 2000, §2.1.
//!
//! Setup: an LSTM without weights, so that its biases hold the gates constant: i = σ(b_i), g =
//! tanh(b_g), f ≡ 1 or f = σ(b_f). Exactly, c_t = t·i·g for f ≡ 1 and c_t → i·g/(1 − f) for f < 1
//! (derived; the paper's success rates are not repeated). The tolerance, 10⁻¹² of the expected
//! value, is that of some thousand roundings.

use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use theory::gate_decay::cell_state;

use super::measure::Trajectory;
use super::{Check, Claim, Evidence, Scale};

pub const CLAIM: Claim = Claim {
    id: "gers-2000-forget",
    source: "F. Gers, J. Schmidhuber, F. Cummins, Neural Computation 12:2451 (2000)",
    statement: "Without a forget gate the cell state grows linearly without bound; with one it converges to i·g/(1 − f)",
    scale: Scale::Reduced("the states behind the argument, not the tasks that were trained"),
    cost_seconds: 0.01,
    check,
};

const STEPS: usize = 10_000;
const INPUT_BIAS: f64 = 0.4;
const CANDIDATE_BIAS: f64 = 1.2;

fn check() -> Result<Evidence, String> {
    let input = logistic(INPUT_BIAS) * CANDIDATE_BIAS.tanh();
    let endless = states(None)?;
    let mut checks = vec![
        Check::within(
            "growth of c per step over 10,000 steps with f = 1, in units of i·g",
            endless[STEPS] / STEPS as f64 / input,
            1.0,
            1e-12,
        ),
        Check::at_least(
            "|c| after 10,000 steps with f = 1",
            endless[STEPS].abs(),
            1000.0,
        ),
    ];
    for bias in [0.0, 1.0, 3.0] {
        let forget = logistic(bias);
        let states = states(Some(bias))?;
        checks.push(Check::within(
            format!("c after 10,000 steps with f = σ({bias}), in units of i·g/(1 − f)"),
            states[STEPS] / (input / (1.0 - forget)),
            1.0,
            1e-12,
        ));
        checks.push(Check::within(
            format!("c after 5 steps with f = σ({bias}), in units of i·g(1 − f⁵)/(1 − f)"),
            states[5] / cell_state(forget, input, 5),
            1.0,
            1e-12,
        ));
    }
    Ok(Evidence::of(checks, 0))
}

/// c_0 … c_T of one unit.
fn states(forget_bias: Option<f64>) -> Result<Vec<f64>, String> {
    let biases = [INPUT_BIAS, forget_bias.unwrap_or(0.0), CANDIDATE_BIAS, 0.0];
    let cell = Lstm::new(
        DMatrix::zeros(4, 1),
        DMatrix::zeros(4, 1),
        DVector::from_column_slice(&biases),
        forget_bias.is_some(),
    );
    let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(2, 1), STEPS)?;
    Ok((0..=STEPS).map(|t| trajectory.tape.state(t)[1]).collect())
}

fn logistic(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}
