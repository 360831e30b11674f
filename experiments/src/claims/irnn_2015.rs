//! Why a ReLU network that starts from W_hh = I remembers: its gradient ratio is exactly 1.
//!
//! Q. Le, N. Jaitly, G. Hinton, arXiv:1504.00941: ReLU, W_hh = I, b = 0. While a unit's pre-activation is
//! positive its step has slope 1 and weight 1, so r_k = 1 for every k, bit for bit; once it is at or
//! below 0 the unit blocks its own gradient exactly, and everything before that step is lost to it. (The
//! paper's trained comparison on the adding task is not part of this claim. Its baseline of "always predict
//! 1" is 1/6: see oracle-memoryless.)

use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Draws, Trajectory};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "irnn-2015",
    source: "Q. Le, N. Jaitly, G. Hinton, arXiv:1504.00941 (2015)",
    statement: "At W_hh = I a ReLU unit passes its gradient on unchanged while it is active, and not at all \
                from before a step at which it is not",
    scale: Scale::Reduced("the initial network only: nothing is trained"),
    cost_seconds: 0.02,
    check,
};

const HIDDEN: usize = 100;
const STEPS: usize = 400;
const BATCH: usize = 4;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    // The adding task: a value in [0, 1] and a marker. Weights of standard deviation 0.001, here of
    // their moduli, so that every pre-activation is positive.
    let input = draws.gaussian("weight_ih", HIDDEN, 2, 0.001);
    let inputs = draws
        .uniform("inputs", 2, STEPS * BATCH, 0.5)
        .add_scalar(0.5);
    let identity = DMatrix::identity(HIDDEN, HIDDEN);
    let adjoint = draws.gaussian("adjoint", HIDDEN, BATCH, 1.0);
    let cell = |input| {
        VanillaRnn::new(
            Activation::Relu,
            identity.clone(),
            input,
            DVector::zeros(HIDDEN),
        )
    };
    let start = DMatrix::from_element(HIDDEN, BATCH, 0.1);

    let active = cell(input.map(f64::abs));
    let trajectory = Trajectory::new(&active, inputs.clone(), &start)?;
    let found = trajectory.adjoints(&mut trajectory.terminal_source(&adjoint), None)?;
    let last = &found.carried[STEPS];
    let changed = found
        .carried
        .iter()
        .map(|kept| kept.differing_bits(last))
        .sum();
    let ratios = trajectory.terminal(&adjoint)?.ratios("h");
    let not_one = ratios.iter().filter(|r| **r != 0.0).count();

    // Weights of either sign: units die and may come back.
    let mixed = cell(100.0 * input);
    let driven = inputs.map(|x| x - 0.5);
    let trajectory = Trajectory::new(&mixed, driven, &start)?;
    let found = trajectory.adjoints(&mut trajectory.terminal_source(&adjoint), None)?;
    let (mut wrong, mut alive, mut blocked) = (0, 0, 0);
    let mut open = DMatrix::from_element(HIDDEN, BATCH, true);
    for t in (0..=STEPS).rev() {
        let carried = found.carried[t].plain();
        for (index, g) in carried.iter().enumerate() {
            let expected = if open[index] { adjoint[index] } else { 0.0 };
            wrong += usize::from(*g != expected);
            if open[index] {
                alive += 1
            } else {
                blocked += 1
            }
        }
        let state = trajectory.state(t);
        open.zip_apply(&state, |open, h| *open &= h > 0.0);
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "numbers of ∂L/∂h_t, all units active, that are not those of ∂L/∂h_T bit for bit",
                changed,
                (STEPS + 1) * HIDDEN * BATCH,
            ),
            Check::none("ratios r_k that are not exactly 1", not_one, STEPS + 1),
            Check::none(
                "units whose gradient is neither whole nor, once they have been at 0, exactly 0",
                wrong,
                alive + blocked,
            ),
            Check::between(
                "share of gradients that a unit at 0 has blocked: both kinds occur",
                blocked as f64 / (alive + blocked) as f64,
                0.05,
                0.95,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
