//! What a forget gate leaves of a gradient.
//!
//! Along the direct path of an LSTM's cell state, c_t = f_t ⊙ c_{t−1} + …, a gradient is multiplied
//! by the forget gate f = σ(a) at every step. With a ≡ b its rate is ln σ(b) exactly.
//!
//! Sources: R. Jozefowicz, W. Zaremba, I. Sutskever, ICML 2015 (forget bias); C. Tallec,
//! Y. Ollivier, ICLR 2018, arXiv:1804.11188 (chrono); D. Gilboa et al. 2019, arXiv:1901.08987
//! (random pre-activations).

use std::f64::consts::LN_2;

use crate::quadrature::{gaussian_mean, simpson};

/// ln σ(b) = −ln(1 + e^−b), the rate behind a forget gate of bias b whose other inputs are zero;
/// without overflow or cancellation.
pub fn ln_logistic(bias: f64) -> f64 {
    if bias < 0.0 {
        bias - bias.exp().ln_1p()
    } else {
        -(-bias).exp().ln_1p()
    }
}

/// ln 2/−ln σ(b), the steps in which half of the gradient is lost; 1 for b = 0.
pub fn half_life(bias: f64) -> f64 {
    LN_2 / -ln_logistic(bias)
}

/// The state after `step` steps from 0 with a constant gate f and a constant input i·g at every
/// step: i·g·(1 − f^t)/(1 − f), and t·i·g for f ≡ 1, which grows without bound (Gers, Schmidhuber &
/// Cummins 2000, §2).
pub fn cell_state(forget: f64, input: f64, step: usize) -> f64 {
    if forget == 1.0 {
        return input * step as f64;
    }
    // f^t by its logarithm, so that the difference keeps its digits near f = 1.
    let remaining = -(step as f64 * forget.ln()).exp_m1();
    input * remaining / (1.0 - forget)
}

/// The typical rate behind a gate with pre-activations N(b, q), independent from step to step:
/// E\[ln σ(a)\], the rate of the median gradient (after Gilboa et al. 2019).
///
/// # Panics
///
/// If the variance is negative.
pub fn typical_rate(bias: f64, variance: f64) -> f64 {
    gaussian_mean(bias, variance, ln_logistic)
}

/// The rate of the root mean square over units, ½ ln E\[σ(a)²\]: above the typical one, because few
/// units carry most of the mean (after Gilboa et al. 2019).
///
/// # Panics
///
/// If the variance is negative.
pub fn rms_rate(bias: f64, variance: f64) -> f64 {
    0.5 * gaussian_mean(bias, variance, |a| (2.0 * ln_logistic(a)).exp()).ln()
}

/// ln √(mean_u e^{2λ_u·lag}), the root mean square over units that keep to a rate λ_u each and begin with
/// equal shares. At lag 0 it falls at the mean of the rates, and in the end at the largest of them: the
/// slowest unit is what is left.
///
/// # Panics
///
/// Without units.
pub fn ln_rms(rates: &[f64], lag: f64) -> f64 {
    assert!(!rates.is_empty(), "a mean over no units");
    if lag == 0.0 {
        return 0.0;
    }
    let largest = rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    // Relative to the slowest unit, which leaves nothing to underflow.
    let squares = rates
        .iter()
        .map(|rate| (2.0 * lag * (rate - largest)).exp());
    let mean = squares.sum::<f64>() / rates.len() as f64;
    largest * lag + 0.5 * mean.ln()
}

/// E\[f^k\]^(1/p), f = u/(u + 1) with u uniform in [1, T_max − 1] and k = p·lag.
fn chrono_moment(t_max: f64, lag: f64, power: f64) -> f64 {
    assert!(t_max > 2.0, "T_max = {t_max}");
    // f^k = exp(−k ln(1 + 1/u)).
    let kept = |u: f64| (-power * lag * u.recip().ln_1p()).exp();
    // In y = ln u, since f^k varies on the scale of u itself.
    let integral = simpson(0.0, (t_max - 1.0).ln(), 5000, |y| kept(y.exp()) * y.exp());
    (integral / (t_max - 2.0)).powf(power.recip())
}

/// What chrono initialisation leaves of the cell's gradient at this lag, the mean over units: E\[f^k\]
/// with b_f = ln u, u uniform in [1, T_max − 1] (Tallec & Ollivier 2018, Eq. 16).
///
/// # Panics
///
/// Unless T_max > 2.
pub fn chrono_mean(t_max: f64, lag: f64) -> f64 {
    chrono_moment(t_max, lag, 1.0)
}

/// The same as the root mean square over units: [`ln_rms`] of very many of them.
///
/// # Panics
///
/// Unless T_max > 2.
pub fn chrono_rms(t_max: f64, lag: f64) -> f64 {
    chrono_moment(t_max, lag, 2.0)
}

/// The limit of [`chrono_mean`] at lag T_max for long T_max: ∫₀¹ e^{−1/v} dv = e⁻¹ − E₁(1) = 0.1485.
/// What is left does not depend on how far the memory is to reach.
pub fn chrono_mean_limit() -> f64 {
    (-1f64).exp() - exponential_integral(1.0)
}

/// The limit of [`chrono_rms`]: √(e⁻² − 2E₁(2)) = 0.1937.
pub fn chrono_rms_limit() -> f64 {
    ((-2f64).exp() - 2.0 * exponential_integral(2.0)).sqrt()
}

/// E₁(x) = ∫ₓ^∞ e^−t/t dt for x > 0.
///
/// Below 2 by its series −γ − ln x − Σ (−x)^k/(k·k!), from there on by the continued fraction
/// e^−x/(x + 1 − 1/(x + 3 − 4/(x + 5 − …))) (Abramowitz & Stegun, 5.1.11 and 5.1.22).
///
/// # Panics
///
/// Unless x > 0.
pub fn exponential_integral(x: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    assert!(x > 0.0, "E₁({x})");
    if x < 2.0 {
        let mut power = 1.0;
        let mut sum = 0.0;
        for k in 1..=30 {
            let k = f64::from(k);
            power *= -x / k;
            sum -= power / k;
        }
        return sum - EULER - x.ln();
    }
    // From far inside out; 100 levels are enough at x = 2.
    let mut fraction = 0.0;
    for k in (1..=100).rev() {
        let k = f64::from(k);
        fraction = k * k / (x + 2.0 * k + 1.0 - fraction);
    }
    (-x).exp() / (x + 1.0 - fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forget_bias_sets_rate_and_half_life() {
        for (bias, rate, steps) in [
            (0.0, -LN_2, 1.0),
            (1.0, -0.313262, 2.21268),
            (2.0, -0.126928, 5.46095),
            (3.0, -0.0485874, 14.2660),
            (5.0, -0.00671535, 103.218),
        ] {
            // Half a unit of the sixth digit.
            assert!((ln_logistic(bias) / rate - 1.0).abs() <= 5e-6);
            assert!((half_life(bias) / steps - 1.0).abs() <= 5e-6);
        }
        assert_eq!(ln_logistic(0.0), -LN_2);
        assert_eq!((ln_logistic(-1000.0), ln_logistic(1000.0)), (-1000.0, 0.0));
        assert_eq!(half_life(1000.0), f64::INFINITY);
    }

    #[test]
    fn a_state_without_forgetting_grows_and_with_it_converges() {
        assert_eq!(cell_state(1.0, 0.3, 1000), 300.0);
        for forget in [0.5, 0.99, 1.0 - 1e-9] {
            let by_steps = (0..100).fold(0.0, |c, _| forget * c + 0.3);
            assert!((cell_state(forget, 0.3, 100) / by_steps - 1.0).abs() <= 1e-12);
        }
        assert!((cell_state(0.9, 0.3, 10_000) - 3.0).abs() <= 1e-14);
        assert_eq!(cell_state(0.0, 0.3, 5), 0.3);
    }

    #[test]
    fn random_gates_have_a_typical_and_a_mean_rate() {
        for (bias, variance, typical, rms) in [
            (0.0, 1.0, -0.806059, -0.613145),
            (1.0, 1.0, -0.406856, -0.328127),
            (2.0, 1.0, -0.182737, -0.158192),
            (1.0, 4.0, -0.642495, -0.339397),
        ] {
            assert!((typical_rate(bias, variance) - typical).abs() <= 5.1e-7);
            assert!((rms_rate(bias, variance) - rms).abs() <= 5.1e-7);
        }
        assert_eq!(typical_rate(1.0, 0.0), ln_logistic(1.0));
        assert!((rms_rate(1.0, 0.0) - ln_logistic(1.0)).abs() <= 1e-15);
    }

    #[test]
    fn chrono_keeps_the_same_share_at_any_horizon() {
        assert!((chrono_mean_limit() - 0.148496).abs() <= 5.1e-7);
        assert!((chrono_rms_limit() - 0.193738).abs() <= 5.1e-7);
        assert!((chrono_mean(100.0, 100.0) - 0.14965).abs() <= 5.1e-6);
        assert!((chrono_rms(100.0, 100.0) - 0.19394).abs() <= 5.1e-6);
        // The finite horizon is off by about 0.1/T_max.
        assert!((chrono_mean(1e6, 1e6) - chrono_mean_limit()).abs() <= 1e-6);
        assert!((chrono_rms(1e6, 1e6) - chrono_rms_limit()).abs() <= 1e-6);
        // Nothing is lost at lag 0.
        assert!((chrono_mean(50.0, 0.0) - 1.0).abs() <= 1e-12);
    }

    #[test]
    fn the_slowest_unit_is_what_is_left_of_many() {
        let rates = [-0.5, -0.1, -0.02];
        let mean = rates.iter().sum::<f64>() / 3.0;
        // Half the variance of the rates times the squared lag.
        assert!((ln_rms(&rates, 1e-6) / 1e-6 - mean).abs() <= 1e-7);
        let by_squares = (rates.iter().map(|r| (14.0 * r).exp()).sum::<f64>() / 3.0).sqrt();
        assert!((ln_rms(&rates, 7.0) - by_squares.ln()).abs() <= 1e-15);
        // e^−2000 is 0, its logarithm is not. The next unit is e^−16000 of the slowest.
        let late = -0.02 * 1e5 - 0.5 * 3f64.ln();
        assert!((ln_rms(&rates, 1e5) / late - 1.0).abs() <= 1e-15);
        assert_eq!(ln_rms(&rates, 0.0), 0.0);
        assert_eq!(ln_rms(&[f64::NEG_INFINITY], 1.0), f64::NEG_INFINITY);
        let one_is_dead = ln_rms(&[f64::NEG_INFINITY, -1.0], 3.0);
        assert!((one_is_dead - (-3.0 - 0.5 * LN_2)).abs() <= 1e-15);
    }

    /// The expectation of Tallec & Ollivier, by the middles of as many equal parts of the times.
    #[test]
    fn chrono_is_the_root_mean_square_of_its_units() {
        let (t_max, units) = (100.0, 20_000);
        let time = |unit: i32| 1.0 + (t_max - 2.0) * (f64::from(unit) + 0.5) / f64::from(units);
        let rates: Vec<f64> = (0..units)
            .map(|unit| ln_logistic(time(unit).ln()))
            .collect();
        for lag in [1.0, 30.0, 100.0] {
            let difference = ln_rms(&rates, lag) - chrono_rms(t_max, lag).ln();
            // The midpoint rule's error, (time step)²/24 of a slope difference below 1/2·lag.
            assert!(difference.abs() <= 1e-6, "{lag}: {difference}");
        }
    }

    /// Where the times are few, the mean is a plain average.
    #[test]
    fn chrono_mean_is_an_average_over_times() {
        let t_max = 12.0;
        let units = 1_000_000;
        let time = |unit: i32| 1.0 + (t_max - 2.0) * (f64::from(unit) + 0.5) / f64::from(units);
        let kept = |u: f64| (u / (u + 1.0)).powi(7);
        let mean = (0..units).map(|unit| kept(time(unit))).sum::<f64>() / f64::from(units);
        assert!((chrono_mean(t_max, 7.0) - mean).abs() <= 1e-12);
    }

    /// Abramowitz & Stegun, tables 5.1 and 5.2.
    #[test]
    fn exponential_integral_is_that_of_the_tables() {
        for (x, value) in [
            (0.5, 0.559_773_595),
            (1.0, 0.219_383_934),
            (1.9, 0.056_204_378),
            (2.0, 0.048_900_511),
        ] {
            assert!((exponential_integral(x) - value).abs() <= 5.1e-10, "{x}");
        }
        // x·e^x·E₁(x) at 10.
        let scaled = 10.0 * 10f64.exp() * exponential_integral(10.0);
        assert!((scaled - 0.915_633_339).abs() <= 5.1e-10);
        // Where the two forms meet they agree.
        let slope = -(-2f64).exp() / 2.0;
        let (below, above) = (exponential_integral(2.0 - 1e-9), exponential_integral(2.0));
        assert!((below - above + 1e-9 * slope).abs() <= 1e-15);
    }
}
