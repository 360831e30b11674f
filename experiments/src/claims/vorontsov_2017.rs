//! A margin around orthogonality bounds how fast a linear network's gradient can vanish or explode.
//!
//! E. Vorontsov et al., ICML 2017: W = U·diag(s)·Vᵀ with s_i = 1 + 2m(σ(p_i) − ½), so every singular value
//! lies within 1 ± m whatever the parameters p are, and (1 − m)^k ≤ r_k ≤ (1 + m)^k. Checked for random
//! U, V and p of every size, 10¹² of which saturate σ, at lags to 200; 10⁻¹² allows for the rounding of
//! 200 steps. (That a small margin trains better than none is a claim about training, not part of
//! this one.)

use nalgebra::{DMatrix, DVector};
use vanilla_rnn::Activation;

use super::measure::{Cases, Draws, Trajectory, largest, smallest, undriven};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "vorontsov-2017",
    source: "E. Vorontsov et al., ICML 2017 (arXiv:1702.00071)",
    statement: "Singular values within a margin m of 1 keep (1−m)^k ≤ r_k ≤ (1+m)^k, whatever the parameters",
    scale: Scale::Reduced("the bound only: nothing is trained"),
    cost_seconds: 0.1,
    check,
};

const SEEDS: u64 = 20;
const SIZE: usize = 16;
const LAGS: usize = 200;

fn check() -> Result<Evidence, String> {
    let mut within = Cases::default();
    // How much of the interval is used, at the largest margin.
    let mut shares = Vec::new();
    for replicate in 0..SEEDS {
        let draws = Draws {
            claim: CLAIM.id,
            replicate,
        };
        let (u, v) = (draws.orthogonal("U", SIZE), draws.orthogonal("V", SIZE));
        for margin in [0.001, 0.01, 0.1, 0.5] {
            for size in [0.1, 3.0, 1e12] {
                let p = draws.gaussian("p", SIZE, 1, size);
                let s = p.map(|p| 1.0 + 2.0 * margin * (1.0 / (1.0 + (-p).exp()) - 0.5));
                let middle = DMatrix::from_diagonal(&DVector::from_column_slice(s.as_slice()));
                let cell = undriven(Activation::Identity, &u * middle * v.transpose());
                let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(SIZE, 1), LAGS)?;
                let adjoint = draws.gaussian("adjoint", SIZE, 1, 1.0);
                for (k, found) in trajectory
                    .terminal(&adjoint)?
                    .ratios("h")
                    .iter()
                    .enumerate()
                {
                    let k = k as f64;
                    let (low, high) = (k * (1.0 - margin).log10(), k * (1.0 + margin).log10());
                    within.see((low - 1e-12..=high + 1e-12).contains(found));
                    if k == 1.0 {
                        shares.push((10_f64.powf(*found) - 1.0) / margin);
                    }
                }
            }
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "ratios outside of (1−m)^k…(1+m)^k",
                within.violations,
                within.of,
            ),
            Check::at_most(
                "smallest (r_1 − 1)/m: the margin is used",
                smallest(shares.iter().copied()),
                -0.1,
            ),
            Check::at_least("largest (r_1 − 1)/m", largest(shares), 0.1),
        ],
        seeds: SEEDS as usize,
        plot: None,
        remark: String::new(),
    })
}
