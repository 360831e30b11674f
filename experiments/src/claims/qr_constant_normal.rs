//! Repeated QR of one normal matrix finds the logarithms of its eigenvalues' moduli.
//!
//! For a normal matrix the eigenvectors are orthogonal, so once Q has turned to them R is diagonal and every
//! step has the same R_ii. After 300 steps, at neighbouring moduli 0.7 times each other or less, what is
//! left of the turning is 0.7⁶⁰⁰ < 10⁻⁹⁰. Checked to 10⁻¹⁰ for [[2, 1], [1, 1]], whose eigenvalues are the
//! golden ratio to the powers ±2, and to 10⁻¹² for an 8×8 matrix with real and complex eigenvalues, where
//! only the rounding of a few hundred operations is left.

use cell_config::Streams;
use lyapunov::Exponents;
use nalgebra::DMatrix;

use super::networks::gaussian;
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "qr-constant-normal",
    source: "exact; method of G. Benettin et al., Meccanica 15:9 (1980)",
    statement: "The exponents of a constant normal matrix are ln |eigenvalue|",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

fn check() -> Result<Evidence, String> {
    let golden = DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 1.0]);
    let found = exponents(&golden);
    let expected = 2.0 * (0.5 * (1.0 + 5.0_f64.sqrt())).ln();
    let mut checks = vec![
        Check::within("λ_1 of [[2, 1], [1, 1]]", found[0], expected, 1e-10),
        Check::within("λ_2 of [[2, 1], [1, 1]]", found[1], -expected, 1e-10),
    ];
    // Pairs of eigenvalues r·e^{±iφ}, and real ones of both signs.
    let mut blocks = DMatrix::zeros(8, 8);
    for (place, modulus, angle) in [(0, 2.0, 0.7), (2, 1.2, 2.1), (4, 0.5, 1.3)] {
        let (sin, cos) = f64::sin_cos(angle);
        for (i, j, value) in [(0, 0, cos), (0, 1, -sin), (1, 0, sin), (1, 1, cos)] {
            blocks[(place + i, place + j)] = modulus * value;
        }
    }
    blocks[(6, 6)] = -0.8;
    blocks[(7, 7)] = 0.3;
    let streams = Streams {
        seed: 3,
        replicate: 0,
    };
    let q = gaussian(&streams, "normal matrix", 8, 8, 1.0).qr().q();
    let found = exponents(&(&q * blocks * q.transpose()));
    let moduli: [f64; 8] = [2.0, 2.0, 1.2, 1.2, 0.8, 0.5, 0.5, 0.3];
    for (i, (found, modulus)) in found.iter().zip(moduli).enumerate() {
        let what = format!("λ_{} of a random normal 8×8 matrix", i + 1);
        checks.push(Check::within(what, *found, modulus.ln(), 1e-12));
    }
    Ok(Evidence::of(checks, 1))
}

fn exponents(matrix: &DMatrix<f64>) -> Vec<f64> {
    let mut exponents = Exponents::new(matrix.nrows(), matrix.nrows());
    for step in 0..400 {
        if step == 300 {
            exponents.discard();
        }
        exponents.push(matrix.as_view());
    }
    exponents.spectrum().exponents
}
