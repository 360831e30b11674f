//! Norm clipping: the norm becomes min(n, c), the direction stays, and below c not a bit changes.
//!
//! R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, Algorithm 1. Gradients of 50 numbers: a norm is off by
//! some 50 roundings at most.

use gradient_tracking::clip_norm;
use nalgebra::DVector;

use super::measure::{Cases, Draws, EPSILON, Worst, differing_bits, smallest};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-clipping",
    source: "exact; R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), Algorithm 1",
    statement: "Clipping gives the norm min(n, c), keeps the direction and changes no bit below c",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const SIZE: usize = 50;
const SEEDS: u64 = 100;

fn check() -> Result<Evidence, String> {
    let (mut norms, mut directions) = (Worst::default(), Worst::default());
    let (mut changed, mut kept, mut clipped) = (0, 0, Cases::default());
    for replicate in 0..SEEDS {
        let draws = Draws {
            claim: CLAIM.id,
            replicate,
        };
        let gradient = draws
            .gaussian("gradient", SIZE, 1, 1.0)
            .column(0)
            .into_owned();
        let n = gradient.norm();
        for share in [1e-6, 0.1, 0.999, 1.001, 10.0] {
            let c = share * n;
            let mut found: DVector<f64> = gradient.clone();
            let reported = clip_norm(found.as_mut_slice(), c);
            let tolerance = SIZE as f64 * EPSILON;
            norms.see(reported / n, 1.0, tolerance);
            norms.see(found.norm() / smallest([n, c]), 1.0, tolerance);
            directions.see(
                (found.normalize() - gradient.normalize()).norm(),
                0.0,
                tolerance,
            );
            if share > 1.0 {
                kept += SIZE;
                changed += differing_bits(found.as_slice(), gradient.as_slice());
            } else {
                clipped.see(found.norm() <= c * (1.0 + tolerance));
            }
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "norm / min(n, c) − 1 in units of its rounding",
                norms.0,
                1.0,
            ),
            Check::at_most(
                "change of direction in units of its rounding",
                directions.0,
                1.0,
            ),
            Check::none(
                "numbers below the threshold that changed a bit",
                changed,
                kept,
            ),
            Check::none(
                "gradients that are longer than c",
                clipped.violations,
                clipped.of,
            ),
        ],
        seeds: SEEDS as usize,
        plot: None,
        remark: String::new(),
    })
}
