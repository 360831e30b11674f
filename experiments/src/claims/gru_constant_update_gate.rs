//! A GRU whose update gate is held and whose recurrent weights are zero decays at exactly ln σ(b_z).
//!
//! h_t = (1 − z) ⊙ n_t + z ⊙ h_{t−1} with z = σ(b_z): n_t depends on inputs alone, so
//! ∂h_t/∂h_{t−1} = σ(b_z)·I at every step, whatever the inputs write. It is the GRU's counterpart of
//! the LSTM's forget gate. A lag costs one rounding of the product, and σ(b_z) is off by at most 2.5 units in
//! its last place at each of them.

use gru::Gru;
use nalgebra::{DMatrix, DVector};

use super::measure::{Draws, EPSILON, Trajectory, Worst, largest, slope};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "gru-constant-update-gate",
    source: "exact; K. Cho et al., EMNLP 2014, arXiv:1406.1078, Eq. 7",
    statement: "Without recurrent weights a GRU's gradient decays by σ(b_z) at every step",
    scale: Scale::Full,
    cost_seconds: 0.02,
    check,
};

const STEPS: usize = 1000;
const BIASES: [f64; 5] = [-2.0, 0.0, 1.0, 3.0, 5.0];

fn check() -> Result<Evidence, String> {
    let (hidden, input) = (16, 4);
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let mut worst = Worst::default();
    let mut checks = Vec::new();
    for bias in BIASES {
        // r and n hear the inputs, z does not.
        let mut weights = draws.gaussian("input weights", 3 * hidden, input, 1.0);
        weights.rows_mut(hidden, hidden).fill(0.0);
        let mut biases = DVector::zeros(3 * hidden);
        biases.rows_mut(hidden, hidden).fill(bias);
        let cell = Gru::new(
            DMatrix::zeros(3 * hidden, hidden),
            weights,
            biases,
            DVector::from_element(hidden, 0.5),
        );
        let inputs = draws.gaussian("inputs", input, STEPS, 1.0);
        let start = draws.gaussian("start", hidden, 1, 1.0);
        let trajectory = Trajectory::new(&cell, inputs, &start)?;
        let adjoint = draws.gaussian("adjoint", hidden, 1, 1.0);
        let ratios = trajectory.terminal(&adjoint)?.ratios("h");
        let rate = theory::gate_decay::ln_logistic(bias);
        for (lag, found) in ratios.iter().enumerate() {
            let expected = lag as f64 * rate / std::f64::consts::LN_10;
            let tolerance = EPSILON * (3.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
            worst.see(*found, expected, tolerance);
        }
        checks.push(Check::within(
            format!("rate at b_z = {bias}"),
            slope(&ratios, 1..STEPS + 1),
            rate,
            1e-14 * largest([rate.abs(), 1.0]),
        ));
    }
    checks.insert(
        0,
        Check::at_most(
            "|log₁₀ r_k − k·log₁₀ σ(b_z)| in units of its rounding",
            worst.0,
            1.0,
        ),
    );
    Ok(Evidence::of(checks, 1))
}
