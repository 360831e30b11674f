//! Symmetric or normal W, linear: the sum of powers of a diagonal matrix, in its eigenbasis.
//!
//! r_k² = Σ |λ_j|^{2k}·‖P_j v‖²/‖v‖², P_j the projection on mode j; the rate tends to ln|λ| of the
//! largest excited mode. The weights are products of three matrices with sums of six terms, off by some
//! ten roundings, and each step adds another six: 40 roundings a lag.

use nalgebra::{DMatrix, DVector};
use vanilla_rnn::Activation;

use super::measure::{Draws, EPSILON, Trajectory, Worst, log10_mode_sum, slope, undriven};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-symmetric",
    source: "exact",
    statement: "With a normal W, rotations included, r_k is the same sum over modes, and the rate tends to \
                ln|λ| of the largest excited one",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const STEPS: usize = 2000;
const MODULI: [f64; 6] = [0.97, 0.97, 0.9, 0.9, 0.8, 0.5];

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let basis = draws.orthogonal("basis", 6);
    let adjoint = draws.uniform("adjoint", 6, 1, 1.0);
    let amplitudes = basis.tr_mul(&adjoint);
    let symmetric = DMatrix::from_diagonal(&DVector::from_column_slice(&[
        0.97, -0.97, 0.9, 0.9, -0.8, 0.5,
    ]));
    // Two complex pairs, a rotation each, and two real eigenvalues.
    let mut normal = symmetric.clone();
    for (first, modulus, angle) in [(0, 0.97, 0.7_f64), (2, 0.9, 2.1)] {
        let (sine, cosine) = angle.sin_cos();
        let rotation = DMatrix::from_row_slice(2, 2, &[cosine, -sine, sine, cosine]);
        let mut block = normal.view_mut((first, first), (2, 2));
        block.copy_from(&(modulus * rotation));
    }
    let mut checks = Vec::new();
    for (name, modes) in [("symmetric", symmetric), ("normal", normal)] {
        let weights = &basis * modes * basis.transpose();
        let cell = undriven(Activation::Identity, weights);
        let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(6, 1), STEPS)?;
        let ratios = trajectory.terminal(&adjoint)?.ratios("h");
        let mut worst = Worst::default();
        for (lag, found) in ratios.iter().enumerate() {
            let expected = log10_mode_sum(&MODULI, amplitudes.as_slice(), lag);
            let tolerance = EPSILON * (40.0 * lag as f64 + 8.0 + 4.0 * expected.abs());
            worst.see(*found, expected, tolerance);
        }
        let what = format!("{name}: |log₁₀ r_k − formula| in units of its rounding");
        checks.push(Check::at_most(what, worst.0, 1.0));
        // (0.9/0.97)^3000 < 10⁻⁹⁷ of the next mode is left; 40 roundings a step as above.
        let rate = slope(&ratios, 1500..STEPS + 1);
        checks.push(Check::within(
            format!("{name}: late rate"),
            rate,
            0.97_f64.ln(),
            1e-13,
        ));
    }
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
