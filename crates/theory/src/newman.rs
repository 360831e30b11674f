//! The Lyapunov spectrum of products of independent Gaussian matrices.
//!
//! For N×N matrices W_t with independent elements of variance σ²/N the exponents are, from the
//! largest i = 1 to the smallest i = N,
//!
//! ```text
//! λ_i = ln σ + ½ [ln(2/N) + ψ((N − i + 1)/2)],
//! ```
//!
//! because the i-th one is the mean logarithm of a chi-distributed length with N − i + 1 degrees of
//! freedom. For the same reason the logarithms that QR collects have the variance
//! ¼ψ'((N − i + 1)/2) per step, and are independent from step to step: a measurement over T steps
//! has a known standard error.
//!
//! Source: C. Newman, Commun. Math. Phys. 103:121 (1986).

use special::Gamma;

fn half_freedom(index: usize, size: usize) -> f64 {
    assert!(
        (1..=size).contains(&index),
        "exponent {index} of {size}, counted from 1"
    );
    (size - index + 1) as f64 / 2.0
}

/// λ_i in nats per step; `index` is i from 1, the largest, to N = `size`, `deviation` is σ.
///
/// # Panics
///
/// If the index is not one of 1…N.
pub fn exponent(index: usize, size: usize, deviation: f64) -> f64 {
    let mean_ln = half_freedom(index, size).digamma() + (2.0 / size as f64).ln();
    deviation.ln() + 0.5 * mean_ln
}

/// All exponents, the largest first.
pub fn spectrum(size: usize, deviation: f64) -> Vec<f64> {
    let index = 1..=size;
    index
        .map(|index| exponent(index, size, deviation))
        .collect()
}

/// The variance of ln R_ii of one step of QR around λ_i.
///
/// # Panics
///
/// If the index is not one of 1…N.
pub fn step_variance(index: usize, size: usize) -> f64 {
    0.25 * half_freedom(index, size).trigamma()
}

/// The standard error of λ_i measured over `steps` steps of QR.
///
/// # Panics
///
/// If the index is not one of 1…N.
pub fn standard_error(index: usize, size: usize, steps: usize) -> f64 {
    (step_variance(index, size) / steps as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_exponents_to_six_decimals() {
        let expected = [
            -0.065088, -0.141569, -0.231755, -0.341569, -0.481755, -0.674902, -0.981755, -1.674902,
        ];
        for (exponent, expected) in spectrum(8, 1.0).iter().zip(expected) {
            assert!((exponent - expected).abs() <= 5.1e-7, "{exponent}");
        }
        for (double, one) in spectrum(8, 2.0).iter().zip(spectrum(8, 1.0)) {
            assert!((double - one - 2f64.ln()).abs() <= 1e-15);
        }
    }

    /// ψ(½) = −γ − 2 ln 2, ψ'(½) = π²/2.
    #[test]
    fn one_normal_number_is_known_in_closed_form() {
        let euler = 0.577_215_664_901_532_9;
        let expected = -0.5 * (euler + 2f64.ln());
        assert!((exponent(1, 1, 1.0) - expected).abs() <= 1e-15);
        let variance = std::f64::consts::PI.powi(2) / 8.0;
        assert!((step_variance(1, 1) - variance).abs() <= 1e-14);
        assert!((standard_error(1, 1, 100) - 0.1 * variance.sqrt()).abs() <= 1e-15);
    }

    /// det W is a product of independent chi variables, so the exponents add up to E ln|det W|.
    #[test]
    fn exponents_add_up_to_the_determinant() {
        // ψ at 1, 1/2 + 1 and so on by its recurrence alone.
        let euler = 0.577_215_664_901_532_9;
        let (half, one) = (-euler - 2.0 * 2f64.ln(), -euler);
        let psi = [half, one, half + 2.0, one + 1.0];
        let sum: f64 = psi.iter().map(|psi| 0.5 * (psi + 0.5f64.ln())).sum();
        assert!((spectrum(4, 1.0).iter().sum::<f64>() - sum).abs() <= 1e-14);
    }

    #[test]
    #[should_panic(expected = "exponent 0 of 8")]
    fn exponents_are_counted_from_one() {
        exponent(0, 8, 1.0);
    }
}
