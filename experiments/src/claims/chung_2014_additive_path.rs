//! The additive path of Chung et al. 2014 (arXiv:1412.3555, §3.3): the update of a GRU is a sum, which
//! lets an error pass back without being squashed or multiplied by a matrix.
//!
//! * *What passes is z, unit by unit.* For random GRUs with every weight in play, the adjoint of h_{t−1}
//!   less the part that went through W_hh is z_t ⊙ ∂L/∂h_t. The difference cancels: a few roundings of
//!   the parts, which are of order 1.
//! * *With z held it is the whole of it once the reset gate is closed.* b_r = −40 lets σ(−40) = 4·10⁻¹⁸ of
//!   W_hn through, less than a rounding of z, so that the gradient decays by z at every step, although
//!   W_hn is as large as in a network that explodes without its gates (gain 3).
//! * *A dead end.* With b_z = b_r = −40 both paths are closed: what is left after one step is at most
//!   max z + max r·σ_max(W_hn), a part in 10¹⁶.

use gru::Gru;
use nalgebra::{DMatrix, DVector};

use super::measure::{Draws, EPSILON, Kept, ROUNDING, Trajectory, Worst};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "chung-2014-additive-path",
    source: "J. Chung et al., 2014, arXiv:1412.3555, §3.3",
    statement: "Beside what goes through W_hh, a GRU passes exactly z_t ⊙ ∂L/∂h_t back, and nothing where both gates are closed",
    scale: Scale::Full,
    cost_seconds: 0.02,
    check,
};

const HIDDEN: usize = 24;
const INPUT: usize = 4;
const STEPS: usize = 200;
/// σ of it is 4·10⁻¹⁸.
const CLOSED: f64 = -40.0;

fn check() -> Result<Evidence, String> {
    Ok(Evidence::of(
        vec![additive_path()?, reset_gate_closed()?, dead_end()?],
        5,
    ))
}

fn draws(replicate: u64) -> Draws {
    Draws {
        claim: CLAIM.id,
        replicate,
    }
}

fn additive_path() -> Result<Check, String> {
    let mut worst = Worst::default();
    for replicate in 0..5 {
        let draws = draws(replicate);
        let gain = 1.0 / (HIDDEN as f64).sqrt();
        let cell = Gru::new(
            draws.gaussian("recurrent", 3 * HIDDEN, HIDDEN, gain),
            draws.gaussian("input", 3 * HIDDEN, INPUT, 0.5),
            draws
                .gaussian("bias", 3 * HIDDEN, 1, 0.5)
                .column(0)
                .into_owned(),
            draws
                .gaussian("hidden bias", HIDDEN, 1, 0.5)
                .column(0)
                .into_owned(),
        );
        let inputs = draws.gaussian("inputs", INPUT, STEPS, 1.0);
        let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(HIDDEN, 1))?;
        let adjoint = draws.gaussian("adjoint", HIDDEN, 1, 1.0);
        let mut source = trajectory.terminal_source(&adjoint);
        let adjoints = trajectory.adjoints(&mut source, None)?;
        let recurrent = cell.weights().recurrent_weights();
        for t in 1..=STEPS {
            let [after, before] = [&adjoints.carried[t], &adjoints.carried[t - 1]];
            let delta = &adjoints.deltas[t - 1];
            // One scale for all three, that of what arrived.
            let scaled = |kept: &Kept| {
                let shift = kept.exponents[0] - after.exponents[0];
                kept.values.map(|v| v * 2f64.powi(shift as i32))
            };
            let through_weights = recurrent.tr_mul(&scaled(delta).rows(HIDDEN, 3 * HIDDEN));
            let passed = scaled(before) - through_weights;
            let z = trajectory.saved("z", t);
            let expected = z.component_mul(&after.values);
            let size = after.values.norm();
            worst.see_matrix(&(passed / size), &(expected / size), ROUNDING);
        }
    }
    Ok(Check::at_most(
        "|∂L/∂h_{t−1} − W_hhᵀδ_t − z_t ⊙ ∂L/∂h_t| / ‖∂L/∂h_t‖ in units of 10⁻¹³",
        worst.0,
        1.0,
    ))
}

/// A GRU whose gates hear nothing.
fn held(update: f64, reset: f64, draws: Draws) -> (Gru, DMatrix<f64>) {
    let gain = 3.0 / (HIDDEN as f64).sqrt();
    let candidate = draws.gaussian("recurrent", HIDDEN, HIDDEN, gain);
    let mut recurrent = DMatrix::zeros(3 * HIDDEN, HIDDEN);
    recurrent.rows_mut(2 * HIDDEN, HIDDEN).copy_from(&candidate);
    let mut input = DMatrix::zeros(3 * HIDDEN, INPUT);
    let of_input = draws.gaussian("input", HIDDEN, INPUT, 0.5);
    input.rows_mut(2 * HIDDEN, HIDDEN).copy_from(&of_input);
    let mut bias = DVector::zeros(3 * HIDDEN);
    bias.rows_mut(0, HIDDEN).fill(reset);
    bias.rows_mut(HIDDEN, HIDDEN).fill(update);
    let hidden_bias = DVector::zeros(HIDDEN);
    (Gru::new(recurrent, input, bias, hidden_bias), candidate)
}

fn ratios(cell: &Gru, draws: Draws) -> Result<Vec<f64>, String> {
    let inputs = draws.gaussian("inputs", INPUT, STEPS, 1.0);
    let trajectory = Trajectory::new(cell, inputs, &DMatrix::zeros(HIDDEN, 1))?;
    let adjoint = draws.gaussian("adjoint", HIDDEN, 1, 1.0);
    Ok(trajectory.terminal(&adjoint)?.ratios("h"))
}

fn reset_gate_closed() -> Result<Check, String> {
    let bias = 2.0;
    let (cell, _) = held(bias, CLOSED, draws(0));
    let rate = theory::gate_decay::ln_logistic(bias) / std::f64::consts::LN_10;
    let mut worst = Worst::default();
    for (lag, found) in ratios(&cell, draws(0))?.iter().enumerate() {
        let expected = lag as f64 * rate;
        let tolerance = EPSILON * (4.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
        worst.see(*found, expected, tolerance);
    }
    Ok(Check::at_most(
        "reset gate closed: |log₁₀ r_k − k·log₁₀ σ(b_z)| in units of its rounding",
        worst.0,
        1.0,
    ))
}

fn dead_end() -> Result<Check, String> {
    let (cell, candidate) = held(CLOSED, CLOSED, draws(0));
    let gate = theory::gate_decay::ln_logistic(CLOSED).exp();
    let largest = cell_config::largest_singular_value(&candidate);
    let bound = (gate * (1.0 + largest)).log10();
    let first = ratios(&cell, draws(0))?[1];
    Ok(Check::at_most(
        "both gates closed: log₁₀ r_1, at most log₁₀(z + r·σ_max(W_hn))",
        first,
        bound + 1e-12,
    ))
}
