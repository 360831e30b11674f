//! The copy task's baseline: what a network without memory loses, 10·ln 8/(T + 20).
//!
//! M. Arjovsky, A. Shah, Y. Bengio, ICML 2016 (arXiv:1511.06464): ten symbols of eight, T − 1 blanks, a
//! marker, ten blanks; at the last ten of T + 20 steps the symbols are to be repeated. The best that can be
//! done without memory is to say blank until the marker, then each symbol with probability 1/8. Stated to
//! eight decimals, measured with an ignorant readout at the last ten steps of an LSTM: an average over 10
//! equal terms, so to rounding. (That tanh RNNs and LSTMs stay at this baseline is a claim about
//! training and not part of this one.)

use gradient_tracking::RecurrentCell;
use gradient_tracking::source::{Readout, Target};
use nalgebra::{DMatrix, DVector};

use super::measure::{Draws, Trajectory, labels, random_lstm};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "urnn-2016",
    source: "M. Arjovsky, A. Shah, Y. Bengio, ICML 2016 (arXiv:1511.06464)",
    statement: "The memoryless baseline of the copy task is 10·ln 8/(T + 20)",
    scale: Scale::Reduced("the baselines only: nothing is trained"),
    cost_seconds: 0.01,
    check,
};

const TABLE: [(usize, f64); 5] = [
    (100, 0.173_286_80),
    (200, 0.094_520_07),
    (300, 0.064_982_55),
    (500, 0.039_989_26),
    (1000, 0.020_386_68),
];

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let cell = random_lstm(draws, 8, 10);
    let mut checks = Vec::new();
    for (delay, stated) in TABLE {
        let steps = delay + 20;
        let symbols = labels(draws, "symbols", 8, 10);
        let blank_and_marker = (8, 9);
        let shown = |t: usize| match t {
            0..10 => symbols[t],
            _ if t == delay + 9 => blank_and_marker.1,
            _ => blank_and_marker.0,
        };
        let inputs = DMatrix::from_fn(10, steps, |row, t| f64::from(u8::from(row == shown(t))));
        let rest = DMatrix::zeros(cell.shape().state, 1);
        let trajectory = Trajectory::new(&cell, inputs, &rest)?;
        let mut wanted = vec![0; steps];
        wanted[steps - 10..].copy_from_slice(&symbols);
        let (weights, bias) = (DMatrix::zeros(8, 8), DVector::zeros(8));
        let mut readout = Readout::new(weights, bias, Target::CrossEntropy(&wanted), steps - 9, 1);
        trajectory.backpropagate(&mut readout, None, &mut [])?;
        let loss = readout.loss / steps as f64;
        let formula = theory::baselines::copy(10, 8, steps);
        checks.push(Check::within(
            format!("loss per step at T = {delay}"),
            loss,
            stated,
            5e-9,
        ));
        checks.push(Check::within(
            format!("against 10·ln 8/(T+20), T = {delay}"),
            loss,
            formula,
            1e-15,
        ));
    }
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
