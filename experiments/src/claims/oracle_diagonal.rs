//! Diagonal W, linear: r_k² = Σ λ_i^{2k} v_i² / Σ v_i².
//!
//! In the end the rate is ln|λ| of the largest mode that the loss excites, not of the largest there is.
//! A lag costs half a rounding here and one or two in the reference's power; of the next mode nothing is
//! left after 2000 lags (0.98^4000 < 10⁻³⁵), so the late rate is good to 10⁻¹⁴.

use nalgebra::{DMatrix, DVector};
use vanilla_rnn::Activation;

use super::measure::{EPSILON, Trajectory, Worst, log10_mode_sum, slope, undriven};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-diagonal",
    source: "exact",
    statement: "A linear network with diagonal W has r_k² = Σ λ_i^{2k} v_i² / Σ v_i²",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const STEPS: usize = 3000;
const EIGENVALUES: [f64; 6] = [0.5, -0.9, 0.99, 1.01, 0.0, 0.3];

fn check() -> Result<Evidence, String> {
    let diagonal = DVector::from_column_slice(&EIGENVALUES);
    let cell = undriven(Activation::Identity, DMatrix::from_diagonal(&diagonal));
    let all = [0.3, 1.0, -0.7, 0.2, 2.0, -1.5];
    let without_the_largest = [0.3, 1.0, -0.7, 0.0, 2.0, -1.5];
    let mut worst = Worst::default();
    let mut rates = [0.0; 2];
    for (v, rate) in [all, without_the_largest].iter().zip(&mut rates) {
        let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(6, 1), STEPS)?;
        let ratios = trajectory
            .terminal(&DMatrix::from_column_slice(6, 1, v))?
            .ratios("h");
        for (lag, found) in ratios.iter().enumerate() {
            let expected = log10_mode_sum(&EIGENVALUES, v, lag);
            let tolerance = EPSILON * (2.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
            worst.see(*found, expected, tolerance);
        }
        *rate = slope(&ratios, 2000..STEPS + 1);
    }
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "|log₁₀ r_k − formula| in units of its rounding",
                worst.0,
                1.0,
            ),
            Check::within(
                "late rate, all modes excited: ln 1.01",
                rates[0],
                1.01_f64.ln(),
                1e-14,
            ),
            Check::within(
                "late rate without the largest: ln 0.99",
                rates[1],
                0.99_f64.ln(),
                1e-14,
            ),
        ],
        seeds: 0,
        plot: None,
        remark: String::new(),
    })
}
