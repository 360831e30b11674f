//! Bounds that no gradient exceeds, whatever the inputs are.

/// η = γ·σ_max(W): ‖∂h_t/∂h_{t−1}‖ ≤ η, with γ = max |φ'|
/// ([`Phi::largest_slope`](crate::mean_field::Phi::largest_slope)).
///
/// η < 1 is sufficient for a gradient to vanish; η > 1 is necessary for it to explode and not
/// sufficient (Pascanu, Mikolov & Bengio, ICML 2013, §2.1).
pub fn contraction(largest_slope: f64, largest_singular_value: f64) -> f64 {
    largest_slope * largest_singular_value
}

/// ln η, which no rate of a gradient exceeds, in nats per step.
pub fn largest_rate(largest_slope: f64, largest_singular_value: f64) -> f64 {
    contraction(largest_slope, largest_singular_value).ln()
}

/// τ = n·w_max/4, and with it the bound n·τ^q on every element of ∂(unit)_t/∂(unit)_{t−q} in a fully
/// recurrent network of n logistic units with |w_ij| ≤ w_max
/// (Hochreiter & Schmidhuber 1997, §3.1; Hochreiter 1991).
pub fn path_factor(units: usize, largest_weight: f64) -> f64 {
    units as f64 * largest_weight / 4.0
}

/// ln(n·τ^q), the logarithm of the bound on one element after `lag` steps.
pub fn ln_path_bound(units: usize, largest_weight: f64, lag: usize) -> f64 {
    (units as f64).ln() + lag as f64 * path_factor(units, largest_weight).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mean_field::Phi;

    /// σ_max < 1 for tanh and < 4 for the logistic function are sufficient for vanishing.
    #[test]
    fn thresholds_are_those_of_pascanu() {
        let is_sufficient = |phi: Phi, sigma| contraction(phi.largest_slope(), sigma) < 1.0;
        assert!(is_sufficient(Phi::Tanh, 0.999) && !is_sufficient(Phi::Tanh, 1.0));
        assert!(is_sufficient(Phi::Logistic, 3.999) && !is_sufficient(Phi::Logistic, 4.0));
        assert_eq!(largest_rate(0.25, 8.0), 2f64.ln());
        assert_eq!(largest_rate(1.0, 0.0), f64::NEG_INFINITY);
    }

    #[test]
    fn weights_below_four_over_n_vanish() {
        assert!(path_factor(16, 0.9 * 4.0 / 16.0) < 1.0);
        assert_eq!(path_factor(16, 4.0 / 16.0), 1.0);
        let bound = ln_path_bound(16, 0.225, 60);
        assert!((bound - (16.0 * 0.9f64.powi(60)).ln()).abs() <= 1e-12);
    }
}
