//! Delay line, W the nilpotent shift of N units: ρ(W) = 0, σ_max(W) = 1.
//!
//! The adjoint of the last unit travels N − 1 steps undiminished, r_k = 1, and is then exactly 0. The
//! spectral radius predicts neither: at a finite lag it says nothing.

use nalgebra::DMatrix;
use vanilla_rnn::Activation;

use super::measure::{Trajectory, undriven, unit_vector};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-delay-line",
    source: "exact",
    statement: "A delay line of N units has ρ(W) = 0, yet r_k = 1 for k < N, then exactly 0",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const SIZE: usize = 9;
const STEPS: usize = 40;

fn check() -> Result<Evidence, String> {
    let shift = DMatrix::from_fn(SIZE, SIZE, |i, j| if i == j + 1 { 1.0 } else { 0.0 });
    let rho = cell_config::spectral_radius(&shift);
    let sigma = cell_config::largest_singular_value(&shift);
    let cell = undriven(Activation::Identity, shift);
    // Column j is the adjoint of unit j, which lives for j steps more.
    let together = Trajectory::undriven(&cell, &DMatrix::zeros(SIZE, SIZE), STEPS)?;
    let gradients = together.terminal(&DMatrix::identity(SIZE, SIZE))?;
    let alone = Trajectory::undriven(&cell, &DMatrix::zeros(SIZE, 1), STEPS)?;
    let end_to_end = alone.terminal(&unit_vector(SIZE, SIZE - 1))?.ratios("h");
    let mut differ = 0;
    let expected = |lag, unit| if lag <= unit { 0.0 } else { f64::NEG_INFINITY };
    for unit in 0..SIZE {
        for (lag, found) in gradients.sequence_ratios("h", unit).iter().enumerate() {
            differ += usize::from(*found != expected(lag, unit));
        }
    }
    for (lag, found) in end_to_end.iter().enumerate() {
        differ += usize::from(*found != expected(lag, SIZE - 1));
    }
    Ok(Evidence {
        checks: vec![
            Check::exactly("ρ(W)", rho, 0.0),
            // A singular value of a matrix of zeros and ones, by an iterative method.
            Check::within("σ_max(W)", sigma, 1.0, 1e-14),
            Check::none(
                "ratios that are not exactly 1 while a unit's adjoint travels, exactly 0 after",
                differ,
                (SIZE + 1) * (STEPS + 1),
            ),
            Check::exactly(
                "r_8 of the last of 9 units",
                10_f64.powf(end_to_end[SIZE - 1]),
                1.0,
            ),
            Check::exactly("its r_9", 10_f64.powf(end_to_end[SIZE]), 0.0),
        ],
        seeds: 0,
        plot: None,
        remark: String::new(),
    })
}
