//! Spectral radius ρ and largest singular value σ_max of a real matrix.

use kernels::Start;
use nalgebra::DMatrix;

/// The number of squarings in [`spectral_radius`]. What the formula leaves after m of them is
/// ln(C)/2ᵐ, C of the order of the condition number of the eigenvectors: below 1e-12 even at
/// C = 10¹⁰.
const SQUARINGS: usize = 45;

/// The spectral radius ρ = max |λᵢ| of a square matrix; NaN if an entry is not finite.
///
/// Gelfand's formula ρ = lim ‖Aⁿ‖^(1/n) with n = 2⁴⁵ by repeated squaring, the norm being the
/// largest entry, kept as a logarithm. Unlike a QR iteration for the eigenvalues (nalgebra's does
/// not end on the cyclic shift of size 4) it always takes the same number of matrix products.
///
/// # Panics
///
/// If the matrix is not square.
pub fn spectral_radius(matrix: &DMatrix<f64>) -> f64 {
    assert!(
        matrix.is_square(),
        "spectral radius of a {}×{} matrix",
        matrix.nrows(),
        matrix.ncols()
    );
    if !matrix.iter().all(|entry| entry.is_finite()) {
        return f64::NAN;
    }
    let mut power = matrix.clone();
    let mut square = matrix.clone();
    let mut ln_rho = 0.0;
    let mut weight = 1.0; // 1/n
    for _ in 0..=SQUARINGS {
        let norm = power.amax();
        if norm == 0.0 {
            return 0.0; // nilpotent
        }
        power /= norm;
        ln_rho += weight * norm.ln();
        weight *= 0.5;
        let factor = power.as_view();
        kernels::multiply(Start::Zero, factor, factor, square.as_view_mut());
        std::mem::swap(&mut power, &mut square);
    }
    ln_rho.exp()
}

/// The largest singular value σ_max, the square root of the largest eigenvalue of AᵀA; NaN if an
/// entry is not finite.
pub fn largest_singular_value(matrix: &DMatrix<f64>) -> f64 {
    if !matrix.iter().all(|entry| entry.is_finite()) {
        return f64::NAN;
    }
    // Scaled first, because AᵀA overflows or underflows where A does not.
    let scale = matrix.amax();
    if scale == 0.0 {
        return 0.0;
    }
    let scaled = matrix / scale;
    scale * scaled.tr_mul(&scaled).symmetric_eigenvalues().max().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialization, Scheme, Streams};

    fn gaussian(rows: usize, cols: usize) -> DMatrix<f64> {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        Initialization {
            init: Scheme::Gaussian,
            gain: 1.0,
        }
        .draw(rows, cols, rows, streams.stream(&["test"], &[rows, cols]))
    }

    fn shift(size: usize, wrap: bool) -> DMatrix<f64> {
        DMatrix::from_fn(size, size, |i, j| {
            f64::from(i + 1 == j || wrap && i + 1 == j + size)
        })
    }

    #[track_caller]
    fn assert_close(value: f64, expected: f64) {
        assert!(
            (value - expected).abs() <= 1e-12 * expected.abs(),
            "{value:e} is not {expected:e}"
        );
    }

    #[test]
    fn spectral_radius_is_the_largest_eigenvalue() {
        for size in [1, 2, 5, 33, 64] {
            let matrix = gaussian(size, size);
            let eigenvalues = matrix.complex_eigenvalues();
            let expected = eigenvalues.iter().map(|z| z.norm()).fold(0.0, f64::max);
            assert_close(spectral_radius(&matrix), expected);
        }
    }

    #[test]
    fn spectral_radius_of_a_cyclic_shift_is_one() {
        for size in [1, 2, 3, 4, 16] {
            assert_close(spectral_radius(&(shift(size, true) * 0.9)), 0.9);
        }
    }

    #[test]
    fn spectral_radius_of_a_nilpotent_or_empty_matrix_is_zero() {
        assert_eq!(spectral_radius(&shift(7, false)), 0.0);
        assert_eq!(spectral_radius(&DMatrix::zeros(3, 3)), 0.0);
        assert_eq!(spectral_radius(&DMatrix::zeros(0, 0)), 0.0);
    }

    #[test]
    fn largest_singular_value_agrees_with_the_singular_value_decomposition() {
        for (rows, cols) in [(1, 1), (5, 3), (3, 5), (33, 33), (64, 64)] {
            let matrix = gaussian(rows, cols);
            let expected = matrix.singular_values().max();
            assert_close(largest_singular_value(&matrix), expected);
        }
        assert_close(largest_singular_value(&shift(7, false)), 1.0);
        assert_eq!(largest_singular_value(&DMatrix::zeros(3, 2)), 0.0);
    }

    #[test]
    fn entries_of_any_size_neither_overflow_nor_underflow() {
        for scale in [1e-300, 1e300] {
            let matrix = DMatrix::from_row_slice(2, 2, &[3.0, 0.0, 4.0, 2.0]) * scale;
            assert_close(spectral_radius(&matrix), 3.0 * scale);
            // AᵀA = [25 8; 8 4]: its larger eigenvalue is (29 + √697)/2.
            let expected = ((29.0 + 697f64.sqrt()) / 2.0).sqrt() * scale;
            assert_close(largest_singular_value(&matrix), expected);
        }
    }

    #[test]
    fn entries_that_are_not_finite_give_nan() {
        for entry in [f64::INFINITY, f64::NAN] {
            let matrix = DMatrix::from_row_slice(2, 2, &[1.0, entry, 0.0, 1.0]);
            assert!(spectral_radius(&matrix).is_nan());
            assert!(largest_singular_value(&matrix).is_nan());
        }
    }
}
