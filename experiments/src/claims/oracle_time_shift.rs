//! Time shift: zero inputs before the sequence, from the zero state and with zero biases, change no
//! gradient at any lag.
//!
//! The wait, 700 steps, makes steps fall into other chunks of the machinery. No step leads to s_0, so
//! node gradients are compared from t = 1 on, carried ones from t = 0.

use gradient_tracking::Trainable;

use nalgebra::DMatrix;

use super::measure::{Draws, ROUNDING, Trajectory, Worst, both_cells, clear_biases, largest};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-time-shift",
    source: "exact symmetry",
    statement: "Waiting at rest before a sequence leaves the gradient at each lag as it was",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const HIDDEN: usize = 6;
const INPUT: usize = 3;
const STEPS: usize = 30;
const BATCH: usize = 2;
const WAIT: usize = 700;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let [mut rnn, mut lstm] = both_cells(draws, HIDDEN, INPUT);
    let of_rnn = deviation(draws, &mut *rnn)?;
    let of_lstm = deviation(draws, &mut *lstm)?;
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "tanh RNN: change of log₁₀ norms in units of rounding",
                of_rnn.0,
                1.0,
            ),
            Check::at_most(
                "LSTM: change of log₁₀ norms in units of rounding",
                of_lstm.0,
                1.0,
            ),
            Check::exactly(
                "largest state after the wait",
                largest([of_rnn.1, of_lstm.1]),
                0.0,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

/// The largest change, and the largest state after the wait.
fn deviation(draws: Draws, cell: &mut dyn Trainable) -> Result<(f64, f64), String> {
    clear_biases(cell);
    let inputs = draws.uniform("inputs", INPUT, STEPS * BATCH, 1.0);
    let late = inputs.clone().insert_columns(0, WAIT * BATCH, 0.0);
    let adjoint = draws.uniform("adjoint", HIDDEN, BATCH, 1.0);
    let rest = DMatrix::zeros(cell.shape().state, BATCH);
    let soon = Trajectory::new(&*cell, inputs, &rest)?;
    let late = Trajectory::new(&*cell, late, &rest)?;
    let mut worst = Worst::default();
    worst.see_matrix(&late.state(WAIT + STEPS), &soon.state(STEPS), ROUNDING);
    let (found, expected) = (late.terminal(&adjoint)?, soon.terminal(&adjoint)?);
    for (found, expected) in found.norms.blocks.iter().zip(&expected.norms.blocks) {
        let (node, carried) = (&found.node.log10_norm, &found.carried.log10_norm);
        worst.see_curve(&node[WAIT + 1..], &expected.node.log10_norm[1..], ROUNDING);
        worst.see_curve(&carried[WAIT..], &expected.carried.log10_norm, ROUNDING);
    }
    let after_wait = largest(late.state(WAIT).iter().map(|s| s.abs()));
    Ok((worst.0, after_wait))
}
