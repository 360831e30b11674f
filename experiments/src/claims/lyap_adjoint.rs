//! The adjoint goes back at the rate of the largest Lyapunov exponent.
//!
//! A product of Jacobians and its transpose have the same singular values, so a generic adjoint's norm
//! changes per step by what a generic tangent's does on the way forward, λ_1, once both have turned to
//! their directions. Tanh networks of 256 units without input: the same 500 steps both ways, of 1100, from
//! one end to the other, after 500 in which the tangent turns and before 100 in which the adjoint does.
//! (The least-squares slope of ln r_k is another estimate of the same limit, but not of the same finite mean:
//! its largest difference from λ_1 stands beside the verdict.) Tolerances: 0.003 nats per step
//! in the mean of four seeds and 0.01 for each, some times what the two ends of 500 steps make of it (a
//! factor of 2 in one norm is 0.0014 per step).

use cell_config::Streams;
use nalgebra::DMatrix;

use super::measure::{largest, regression};
use super::networks::{
    SETTLING, adjoint_rate, exponents_before_settling, ln_adjoints, mean, tanh_network, trajectory,
};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "lyap-adjoint",
    source: "exact in the limit; V. Oseledets, Trans. Moscow Math. Soc. 19:197 (1968)",
    statement: "A generic adjoint decays or grows at the rate λ₁",
    scale: Scale::Full,
    cost_seconds: 3.0,
    check,
};

const SIZE: usize = 256;
const LAGS: usize = 500;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    let (mut all_differences, mut fitted_differences) = (Vec::new(), Vec::new());
    for gain in [0.9, 1.5, 2.0, 3.0] {
        let mut differences = Vec::new();
        for replicate in 0..4 {
            let streams = Streams { seed: 5, replicate };
            let network = tanh_network(&streams, SIZE, gain, 0.0);
            let inputs = DMatrix::zeros(SIZE, 2 * LAGS + SETTLING);
            let tape = trajectory(&streams, &network, &inputs)?;
            let found = exponents_before_settling(&network, &tape, LAGS, Some(1))?;
            let rate = adjoint_rate(&streams, &network, &inputs, &tape, LAGS)?;
            let difference = rate - found.exponents[0];
            let by_lag = ln_adjoints(&streams, &network, &inputs, &tape, SETTLING + LAGS)?;
            let lags: Vec<f64> = (0..=LAGS).map(|lag| lag as f64).collect();
            let fitted = regression(&lags, &by_lag[SETTLING..]);
            fitted_differences.push((fitted - found.exponents[0]).abs());
            all_differences.push((difference.abs(), gain));
            differences.push(difference);
        }
        let what = format!("adjoint rate − λ₁ at gain {gain}, mean of 4 seeds, nats per step");
        checks.push(Check::within(what, mean(&differences), 0.0, 0.003));
    }
    let worst = largest(all_differences.iter().map(|(difference, _)| *difference));
    let mut at_worst = all_differences
        .iter()
        .filter(|(difference, _)| *difference == worst);
    let worst_gain = at_worst.next().map_or(f64::NAN, |(_, gain)| *gain);
    let worst_fitted = largest(fitted_differences);
    let what = "largest |adjoint rate − λ₁| of the 16 networks, nats per step";
    checks.push(Check::at_most(what, worst, 0.01));
    Ok(Evidence {
        remark: format!(
            "the largest difference is that of a network of gain {worst_gain}; of least-squares \
             slopes instead of changes from end to end it is {worst_fitted:.4}"
        ),
        ..Evidence::of(checks, 4)
    })
}
