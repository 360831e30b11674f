//! Means over a Gaussian variable, and integrals over an interval.
//!
//! Gauss–Hermite quadrature, the usual choice, loses digits where networks are interesting: tanh has
//! poles at ±iπ/2, which come as close as π/(2√q) in units of the standard deviation, and n nodes
//! then leave an error of about exp(−π√(n/q)): two digits at q = 100 with n = 200. The trapezoidal
//! rule on the whole line converges as exp(−2πd/h) in the width d of the strip in which the
//! integrand is analytic (Trefethen & Weideman, SIAM Review 56:385, 2014, Theorem 5.1), and its
//! step h is ours to choose.

/// Gaussian weights below e^(−0.5·9²) ≈ 10⁻¹⁸ of the largest do not count.
const DEVIATIONS: f64 = 9.0;

/// The mean of `f(a)` for a normal a with this `mean` and `variance`.
///
/// To about 15 digits for f that is analytic where |Im a| < π/2 and grows as a polynomial, and whose
/// features stand around a = 0 at a scale of 1 or more: squares of tanh, of the logistic function
/// and of their slopes. The cost is at most a few thousand evaluations, whatever the variance.
///
/// # Panics
///
/// If the variance is negative, infinite or NaN.
pub fn gaussian_mean(mean: f64, variance: f64, f: impl Fn(f64) -> f64) -> f64 {
    assert!(
        variance >= 0.0 && variance.is_finite(),
        "the variance is {variance}"
    );
    if variance == 0.0 {
        return f(mean);
    }
    let deviation = variance.sqrt();
    let distance = mean.abs() / deviation;
    let weight = |z: f64| (-0.5 * z * z).exp();
    // Sums of weights normalise, which also cancels the rule's error in the weight itself.
    let mut total = 0.0;
    let mut sum = 0.0;
    if deviation <= 8.0 || distance > DEVIATIONS + 1.0 {
        // In z = (a − mean)/√q. The poles at ±iπ/2 are π/(2√q) away: exp(−2π·π/2/0.25) < 10⁻¹⁷.
        let step = 0.25 / deviation.clamp(1.0, 8.0);
        let last = (DEVIATIONS / step).ceil() as i32;
        for node in -last..=last {
            let z = f64::from(node) * step;
            total += weight(z);
            sum += weight(z) * f(mean + deviation * z);
        }
    } else {
        // In u, a = sinh u, which keeps the step near a = 0 however wide the distribution is. All
        // poles are on |Im u| = π/2 and the weight decays for |Im u| < π/4; it does so less far where
        // the centre is not at 0.
        let step = 0.1 / (distance / 4.0).max(1.0);
        let node_at = |z: f64| (mean + deviation * z).asinh() / step;
        let first = node_at(-DEVIATIONS).floor() as i32;
        let last = node_at(DEVIATIONS).ceil() as i32;
        for node in first..=last {
            let u = f64::from(node) * step;
            let a = u.sinh();
            let weight = weight((a - mean) / deviation) * u.cosh();
            total += weight;
            sum += weight * f(a);
        }
    }
    sum / total
}

/// ∫ f from `low` to `high` by Simpson's rule with `intervals` pairs of steps, whose error is
/// (high − low)·s⁴/180·max|f⁗| for steps of length s.
///
/// # Panics
///
/// If `intervals` is zero.
pub fn simpson(low: f64, high: f64, intervals: u32, f: impl Fn(f64) -> f64) -> f64 {
    assert!(intervals > 0, "no intervals");
    let step = (high - low) / f64::from(2 * intervals);
    let inner = |node: u32| f(low + step * f64::from(node));
    let odd: f64 = (0..intervals).map(|pair| inner(2 * pair + 1)).sum();
    let even: f64 = (1..intervals).map(|pair| inner(2 * pair)).sum();
    step / 3.0 * (f(low) + 4.0 * odd + 2.0 * even + f(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distribution() {
        for mean in [0.0f64, -1.5, 40.0] {
            for variance in [1e-20f64, 0.3, 1.0, 63.0, 65.0, 1e4, 1e12] {
                let square = mean * mean + variance;
                let fourth = mean.powi(4) + 6.0 * mean * mean * variance + 3.0 * variance.powi(2);
                let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * b.abs();
                assert!(close(gaussian_mean(mean, variance, |_| 1.0), 1.0));
                assert!(close(gaussian_mean(mean, variance, |a| a * a), square));
                assert!(close(gaussian_mean(mean, variance, |a| a.powi(4)), fourth));
            }
        }
        assert_eq!(gaussian_mean(0.5, 0.0, |a| a + 1.0), 1.5);
    }

    /// Both substitutions against a trapezoidal sum so fine that it needs no theory.
    #[test]
    fn activations_agree_with_brute_force() {
        for (mean, deviation) in [(0.0, 0.1), (0.0, 7.9), (0.0, 8.1), (3.0, 8.1), (-70.0, 9.0)] {
            let slope = |a: f64| (1.0 - a.tanh().powi(2)).powi(2);
            let (mut total, mut sum) = (0.0, 0.0);
            for node in -40_000..=40_000 {
                let z = f64::from(node) * 12.0 / 40_000.0;
                let weight = (-0.5 * z * z).exp();
                total += weight;
                sum += weight * slope(mean + deviation * z);
            }
            let measured = gaussian_mean(mean, deviation * deviation, slope);
            // 80,001 roundings.
            assert!(
                (measured - sum / total).abs() <= 1e-13,
                "{mean} {deviation}"
            );
        }
    }

    /// For a wide distribution E f = ∫ f / √(2πq), and ∫ (1 − tanh²)² = 4/3.
    #[test]
    fn a_narrow_feature_is_seen_however_wide_the_distribution() {
        for deviation in [1e3f64, 1e6, 1e100] {
            let slope = |a: f64| (1.0 - a.tanh().powi(2)).powi(2);
            let expected = 4.0 / 3.0 / (std::f64::consts::TAU.sqrt() * deviation);
            let measured = gaussian_mean(0.0, deviation * deviation, slope);
            // The next term is of relative order 1/q.
            let relative = (measured / expected - 1.0).abs();
            assert!(relative <= 1e-13 + deviation.powi(-2), "{relative}");
        }
    }

    #[test]
    fn simpson_is_exact_for_cubics() {
        let integral = simpson(-1.0, 3.0, 1, |x| x * x * x - x * x);
        assert!((integral - (20.0 - 28.0 / 3.0)).abs() <= 1e-14);
        let integral = simpson(0.0, std::f64::consts::PI, 500, f64::sin);
        let step = std::f64::consts::PI / 1000.0;
        let bound = std::f64::consts::PI * step.powi(4) / 180.0;
        assert!((integral - 2.0).abs() <= bound && (integral - 2.0).abs() > bound / 10.0);
    }

    #[test]
    #[should_panic(expected = "the variance is inf")]
    fn an_infinite_variance_is_a_mistake() {
        gaussian_mean(0.0, f64::INFINITY, f64::tanh);
    }

    #[test]
    #[should_panic(expected = "the variance is -1")]
    fn a_negative_variance_is_a_mistake() {
        gaussian_mean(0.0, -1.0, |a| a);
    }
}
