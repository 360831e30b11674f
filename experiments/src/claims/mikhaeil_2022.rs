//! Gradients stay bounded where the dynamics are stable, and diverge where they are chaotic.
//!
//! J. Mikhaeil, Z. Monfared, D. Durstewitz, NeurIPS 2022 (arXiv:2110.07238): loss gradients of networks with
//! stable equilibria or cycles are bounded, those of chaotic ones always diverge, at the rate λ_1. Tanh
//! networks of 64 units without input, gain 0.8 and 2.5, T = 600, five seeds: r_300 < 1 and > 10¹⁰, and the
//! adjoint's rate over 300 steps, after a transient of 200 and before 100 in which it turns to its own
//! direction, within 0.01 nats per step of λ_1 over the same steps: its change from end to end, and the
//! least-squares slope that is the rate everywhere else here.

use cell_config::Streams;
use nalgebra::DMatrix;

use super::measure::{largest, regression, smallest};
use super::networks::{
    SETTLING, adjoint_rate, exponents_before_settling, ln_adjoints, tanh_network, trajectory,
};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "mikhaeil-2022",
    source: "J. Mikhaeil, Z. Monfared, D. Durstewitz, NeurIPS 2022 (arXiv:2110.07238)",
    statement: "Gradients are bounded in stable networks and diverge at the rate λ₁ in chaotic ones",
    scale: Scale::Full,
    cost_seconds: 0.5,
    check,
};

const SIZE: usize = 64;
const LAGS: usize = 300;
const TRANSIENT: usize = 200;

fn check() -> Result<Evidence, String> {
    let (mut stable, mut chaotic, mut exponents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut differences, mut fitted_differences) = (Vec::new(), Vec::new());
    for gain in [0.8, 2.5] {
        for replicate in 0..5 {
            let streams = Streams { seed: 8, replicate };
            let network = tanh_network(&streams, SIZE, gain, 0.0);
            let inputs = DMatrix::zeros(SIZE, TRANSIENT + LAGS + SETTLING);
            let tape = trajectory(&streams, &network, &inputs)?;
            let found = exponents_before_settling(&network, &tape, TRANSIENT, Some(1))?;
            let adjoints = ln_adjoints(&streams, &network, &inputs, &tape, LAGS)?;
            let rate = adjoint_rate(&streams, &network, &inputs, &tape, LAGS)?;
            let log10_ratio = (adjoints[LAGS] - adjoints[0]) * std::f64::consts::LOG10_E;
            if gain < 1.0 {
                stable.push(log10_ratio);
            } else {
                chaotic.push(log10_ratio);
                exponents.push(format!("{:.3}", found.exponents[0]));
            }
            differences.push((rate - found.exponents[0]).abs());
            let by_lag = ln_adjoints(&streams, &network, &inputs, &tape, SETTLING + LAGS)?;
            let lags: Vec<f64> = (0..=LAGS).map(|lag| lag as f64).collect();
            let fitted = regression(&lags, &by_lag[SETTLING..]);
            fitted_differences.push((fitted - found.exponents[0]).abs());
        }
    }
    let checks = vec![
        Check::at_most("largest log₁₀ r_300 at gain 0.8", largest(stable), 0.0),
        Check::at_least("smallest log₁₀ r_300 at gain 2.5", smallest(chaotic), 10.0),
        Check::at_most(
            "largest |change from end to end − λ₁|, nats per step",
            largest(differences),
            0.01,
        ),
        Check::at_most(
            "largest |least-squares slope − λ₁|, nats per step",
            largest(fitted_differences),
            0.01,
        ),
    ];
    Ok(Evidence {
        remark: format!(
            "λ₁ at gain 2.5: {}; the rates of single steps scatter in a chaotic network, so that over 300 lags \
             both measures lie about 0.01 from λ₁, and the last bits of the arithmetic decide which of them \
             lies further",
            exponents.join(", ")
        ),
        ..Evidence::of(checks, 5)
    })
}
