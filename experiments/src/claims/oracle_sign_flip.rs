//! Sign flip h → −h, x → −x: with an odd φ and zero bias the network mirrors itself, and all norms stay.
//!
//! An LSTM's gates are not odd; there the sign of a single hidden unit is a convention: h_u → −h_u with
//! the weights that read and write it changed alike leaves all norms, for an RNN as well.

use vanilla_rnn::Activation;

use super::measure::{Draws, ROUNDING, Trajectory, Worst, clear_biases, random_rnn};
use super::oracle_relabelling::largest_change;
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-sign-flip",
    source: "exact symmetry",
    statement: "The mirror image of a network, or of some of its units, has the same gradient norms",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const HIDDEN: usize = 6;
const STEPS: usize = 25;
const BATCH: usize = 3;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let mut checks = Vec::new();
    for (name, activation) in [("tanh", Activation::Tanh), ("linear", Activation::Identity)] {
        let mut cell = random_rnn(draws, activation, HIDDEN, 3);
        clear_biases(&mut cell);
        let inputs = draws.uniform("inputs", 3, STEPS * BATCH, 1.0);
        let initial = draws.uniform("initial", HIDDEN, BATCH, 1.0);
        // The adjoint stays: the Jacobians themselves are even.
        let adjoint = draws.uniform("adjoint", HIDDEN, BATCH, 1.0);
        let of = |sign: f64| Trajectory::new(&cell, sign * &inputs, &(sign * &initial));
        let (plain, mirrored) = (of(1.0)?, of(-1.0)?);
        let mut worst = Worst::default();
        worst.see_matrix(&mirrored.state(STEPS), &(-plain.state(STEPS)), ROUNDING);
        let (plain, mirrored) = (plain.terminal(&adjoint)?, mirrored.terminal(&adjoint)?);
        for (found, expected) in mirrored.norms.blocks.iter().zip(&plain.norms.blocks) {
            worst.see_curve(&found.node.log10_norm, &expected.node.log10_norm, ROUNDING);
        }
        let what = format!("{name} RNN mirrored: change of log₁₀ norms in units of rounding");
        checks.push(Check::at_most(what, worst.0, 1.0));
    }
    let unit: Vec<usize> = (0..HIDDEN).collect();
    for (what, sign) in [
        ("three units", [-1.0, 1.0, -1.0, -1.0, 1.0, 1.0]),
        ("all units", [-1.0; HIDDEN]),
    ] {
        for (name, worst) in ["RNN", "LSTM"]
            .into_iter()
            .zip(largest_change(draws, &unit, &sign)?)
        {
            let what = format!("{name}, {what} flipped: in units of rounding");
            checks.push(Check::at_most(what, worst, 1.0));
        }
    }
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
