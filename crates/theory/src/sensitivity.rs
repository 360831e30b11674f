//! The curse of memory: how strongly the state of a linear unit depends on its own factor.
//!
//! For h_{t+1} = λ h_t + x_{t+1} with white inputs of unit variance, in the long run
//!
//! ```text
//! E[h²] = 1/(1 − λ²),        E[(∂h/∂λ)²] = (1 + λ²)/(1 − λ²)³.
//! ```
//!
//! The gradient neither vanishes nor explodes along the states, and yet the loss becomes ever
//! sharper in λ as the memory grows.
//!
//! Source: N. Zucchet, A. Orvieto, NeurIPS 2024, arXiv:2405.21064, §2.

/// E\[h²\] of the stationary state, for real λ.
///
/// # Panics
///
/// Unless |λ| < 1.
pub fn state_variance(lambda: f64) -> f64 {
    1.0 / gap(lambda)
}

/// E\[(∂h/∂λ)²\] of the stationary state, for real λ.
///
/// # Panics
///
/// Unless |λ| < 1.
pub fn sensitivity_variance(lambda: f64) -> f64 {
    (1.0 + lambda * lambda) / gap(lambda).powi(3)
}

/// 1 − λ², which keeps its digits near |λ| = 1.
fn gap(lambda: f64) -> f64 {
    assert!(lambda.abs() < 1.0, "λ = {lambda} has no stationary state");
    (1.0 - lambda) * (1.0 + lambda)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_at_0_95() {
        assert!((state_variance(0.95) - 10.2564).abs() <= 5.1e-5);
        assert!((sensitivity_variance(0.95) - 2052.63).abs() <= 5.1e-3);
    }

    /// h = Σ λ^k x_{t−k}, ∂h/∂λ = Σ k λ^(k−1) x_{t−k}: the variances are sums of squares.
    #[test]
    fn moments_are_sums_of_squared_responses() {
        for lambda in [-0.5f64, 0.0, 0.3, 0.9] {
            let powers = (0..2000).map(|k| lambda.powi(k));
            let state: f64 = powers.map(|power| power * power).sum();
            let slopes = (1..2000).map(|k| f64::from(k) * lambda.powi(k - 1));
            let sensitivity: f64 = slopes.map(|slope| slope * slope).sum();
            assert!((state_variance(lambda) / state - 1.0).abs() <= 1e-12);
            assert!((sensitivity_variance(lambda) / sensitivity - 1.0).abs() <= 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "no stationary state")]
    fn an_integrator_has_no_stationary_state() {
        state_variance(1.0);
    }
}
