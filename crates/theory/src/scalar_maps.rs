//! One unit at a time: fixed points, the factor of a gradient at them, and how many there are.
//!
//! A network of a single unit shows exactly what a large one shows roughly: a memory that holds is
//! an attractor, and at an attractor the gradient vanishes (Bengio, Simard & Frasconi 1994).
//!
//! Sources: S. Hochreiter, J. Schmidhuber, Neural Computation 9:1735 (1997); Y. Bengio, P. Simard,
//! P. Frasconi, IEEE Trans. Neural Networks 5:157 (1994); R. Pascanu, T. Mikolov, Y. Bengio, ICML
//! 2013, arXiv:1211.5063.

use special::LambertW;

use crate::roots::turning_point;

/// σ(a) = 1/(1 + e^−a).
pub(crate) fn logistic(a: f64) -> f64 {
    (1.0 + (-a).exp()).recip()
}

/// The fixed point of x ← σ(w·x), which is the only one.
pub fn logistic_fixed_point(weight: f64) -> f64 {
    // σ(wx) − x falls from ½ at 0 to below 0 at 1; for w > 0 because it is concave there.
    turning_point(0.0, 1.0, |x| logistic(weight * x) > x)
}

/// |w|·x(1 − x) at the fixed point of x ← σ(w·x): what is left of a gradient after each step.
pub fn logistic_factor(weight: f64) -> f64 {
    let x = logistic_fixed_point(weight);
    // σ'(wx), and not x(1 − x), which loses its digits where x rounds to 1.
    weight.abs() * logistic(weight * x) * logistic(-weight * x)
}

/// The weight w > 0 of the unit x ← σ(w·x) whose gradient decays slowest, and its factor: the
/// Lambert function W(1/e) = 0.2785 at w = 1.6345. However large, no positive weight does better.
///
/// With t = wx the factor is t/(1 + e^t), which is largest where (t − 1)e^t = 1, that is at
/// t = 1 + W(1/e); its value there is t − 1.
pub fn logistic_ceiling() -> (f64, f64) {
    let factor = (-1f64).exp().lambert_w0();
    let t = 1.0 + factor;
    (t / logistic(t), factor)
}

/// The weight w with the largest |σ'(w·y)·w| at a fixed output y > 0, and that value: w = (1/y)
/// coth(net/2), net = wy, and about 0.2239/y (Hochreiter & Schmidhuber 1997, §3.1). Beyond it a
/// larger weight makes the error vanish faster.
///
/// # Panics
///
/// Unless y > 0.
pub fn largest_local_factor(output: f64) -> (f64, f64) {
    assert!(output > 0.0, "y = {output}");
    // net·tanh(net/2) = 1 rises through 1 between 1 and 2.
    let net = turning_point(1.0, 2.0, |net| net * (net / 2.0).tanh() < 1.0);
    let weight = net / output;
    (weight, weight * logistic(net) * logistic(-net))
}

/// The attractor ā ≥ 0 of a ← w·tanh(a): 0 for w ≤ 1, and one of ±ā above.
///
/// # Panics
///
/// If w is negative or not finite.
pub fn tanh_attractor(weight: f64) -> f64 {
    assert!(weight >= 0.0 && weight.is_finite(), "w = {weight}");
    if weight <= 1.0 {
        return 0.0;
    }
    // w tanh a − a is positive from 0 to ā, which lies below w. Near 0 it is rounding alone, but
    // there its maximum, at s, lies to the left of ā.
    let maximum = (1.0 - weight.recip()).sqrt().atanh();
    turning_point(maximum, weight, |a| weight * a.tanh() > a)
}

/// w(1 − tanh² ā) at the attractor, which is what is left of a gradient after each step: w for
/// w ≤ 1, and 2ā/sinh 2ā < 1 above. Both sides of w = 1 vanish.
///
/// # Panics
///
/// If w is negative or not finite.
pub fn tanh_factor(weight: f64) -> f64 {
    match 2.0 * tanh_attractor(weight) {
        0.0 => weight,
        double => double / double.sinh(),
    }
}

/// h*, the largest constant input that never flips the memory of a ← w·tanh(a) + h, w > 1, from one
/// attractor to the other: h* = w·s − artanh(s) with s = √(1 − 1/w), where the attractor against the
/// input meets the repeller between them. `None` for w ≤ 1, which remembers nothing.
///
/// The existence of h* is Bengio, Simard & Frasconi 1994, §III; this form follows from
/// w(1 − tanh² a) = 1.
pub fn latch_threshold(weight: f64) -> Option<f64> {
    (weight > 1.0).then(|| {
        let s = (1.0 - weight.recip()).sqrt();
        weight * s - s.atanh()
    })
}

/// The fixed points of a ← w·tanh(a) + h in rising order: one, or three inside the strip |h| < h*,
/// the middle one being a repeller. On its edge, up to rounding, two.
///
/// # Panics
///
/// If w is negative or anything is not finite.
pub fn tanh_fixed_points(weight: f64, input: f64) -> Vec<f64> {
    assert!(
        weight >= 0.0 && weight.is_finite() && input.is_finite(),
        "w = {weight}, h = {input}"
    );
    let rises = |a: f64| weight * a.tanh() + input > a;
    let bound = weight + input.abs() + 1.0;
    let turn = match latch_threshold(weight) {
        None => return vec![turning_point(-bound, bound, rises)],
        // The difference w tanh a + h − a falls, rises between the turns ±a, and falls again.
        Some(_) => (1.0 - weight.recip()).sqrt().atanh(),
    };
    let mut points = Vec::new();
    if !rises(-turn) {
        points.push(turning_point(-bound, -turn, rises));
    }
    if !rises(-turn) && rises(turn) {
        points.push(turning_point(-turn, turn, |a| !rises(a)));
    }
    if rises(turn) {
        points.push(turning_point(turn, bound, rises));
    }
    points
}

/// The interval of biases b in which x ← w·σ(x) + b has two attractors: the strip with the wall in
/// the error surface of Pascanu et al. 2013, §2.2 and Fig. 6. `None` for w ≤ 4.
///
/// Its ends are the saddle-nodes: wσ'(x) = 1, so σ(x) = ½(1 ± √(1 − 4/w)) and b = x − wσ(x).
pub fn bistable_biases(weight: f64) -> Option<(f64, f64)> {
    (weight > 4.0).then(|| {
        let root = (1.0 - 4.0 / weight).sqrt();
        // x = ln(σ/(1 − σ)) = ±2 artanh(root).
        let edge = |root: f64| 2.0 * root.atanh() - weight * (0.5 + 0.5 * root);
        (edge(root), edge(-root))
    })
}

/// x_t of x ← tanh(x) long after its start: √(3/(2t)), whatever x_0 > 0 was. At the critical weight
/// w = 1 a memory fades as a power of time.
pub fn critical_state(step: usize) -> f64 {
    (1.5 / step as f64).sqrt()
}

/// The exponent −3/2 with which ∂x_T/∂x_0 of x ← tanh(x) falls with the horizon T: Π(1 − x_t²) ≈
/// exp(−Σ 3/(2t)). At the edge of chaos the gradient vanishes as a power of time.
pub const CRITICAL_EXPONENT: f64 = -1.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attractor_of_a_latch_and_its_factor() {
        for (weight, attractor, factor, rate, threshold) in [
            (1.1, 0.553235, 0.821756, -0.196312, 0.020481),
            (1.25, 0.888015, 0.619144, -0.479418, 0.077805),
            (1.5, 1.287839, 0.394313, -0.930610, 0.207546),
            (2.0, 1.915008, 0.166372, -1.793529, 0.532840),
        ] {
            let half_a_digit = 5.1e-7;
            assert!((tanh_attractor(weight) - attractor).abs() <= half_a_digit);
            assert!((tanh_factor(weight) - factor).abs() <= half_a_digit);
            // The slope of the logarithm widens the last digit.
            assert!((tanh_factor(weight).ln() - rate).abs() <= half_a_digit);
            assert!((latch_threshold(weight).unwrap() - threshold).abs() <= half_a_digit);
        }
        assert_eq!((tanh_attractor(0.7), tanh_factor(0.7)), (0.0, 0.7));
        assert_eq!(tanh_factor(1.0), 1.0);
        assert_eq!(latch_threshold(1.0), None);
        // ā² = 3(w − 1) + O((w − 1)²).
        assert!((tanh_attractor(1.0 + 1e-8) / 3e-8f64.sqrt() - 1.0).abs() <= 1e-7);
    }

    #[test]
    fn below_the_threshold_the_latch_holds_and_above_it_flips() {
        for weight in [1.1, 2.0] {
            let threshold = latch_threshold(weight).unwrap();
            let ends = |input: f64| {
                let start = -tanh_attractor(weight);
                (0..100_000).fold(start, |a: f64, _| weight * a.tanh() + input)
            };
            assert!(ends(0.999 * threshold) < 0.0);
            assert!(ends(1.001 * threshold) > 0.0);
            assert_eq!(tanh_fixed_points(weight, 0.999 * threshold).len(), 3);
            assert_eq!(tanh_fixed_points(weight, 1.001 * threshold).len(), 1);
            assert_eq!(tanh_fixed_points(weight, -1.001 * threshold).len(), 1);
        }
    }

    #[test]
    fn fixed_points_are_fixed() {
        for (weight, input) in [
            (0.0, 0.4),
            (0.8, -0.3),
            (1.0, 2.0),
            (3.0, 0.2),
            (3.0, -40.0),
        ] {
            let points = tanh_fixed_points(weight, input);
            assert!(points.is_sorted() && !points.is_empty());
            for a in points {
                let next = weight * a.tanh() + input;
                // One rounding of each side, and the map may stretch it by w.
                assert!((next - a).abs() <= 1e-15 * (1.0 + weight) * (1.0 + a.abs()));
            }
        }
        let points = tanh_fixed_points(2.0, 0.0);
        assert!((points[2] - tanh_attractor(2.0)).abs() <= 1e-15);
        assert!(points[1].abs() <= 1e-15);
    }

    #[test]
    fn no_positive_weight_beats_the_lambert_ceiling() {
        let (weight, factor) = logistic_ceiling();
        assert!((weight - 1.634472).abs() <= 5.1e-7);
        assert!((factor - 0.2784645).abs() <= 5.1e-8);
        assert!((factor.ln() + 1.278465).abs() <= 5.1e-7);
        assert!((logistic_factor(weight) - factor).abs() <= 1e-15);
        for hundredths in 1..=5000 {
            assert!(logistic_factor(f64::from(hundredths) / 100.0) <= factor + 1e-15);
        }
        // Negative weights do.
        assert!((logistic_factor(-5.8) - 0.992).abs() <= 5.1e-4);
    }

    #[test]
    fn fixed_points_of_the_logistic_unit_are_fixed() {
        for weight in [-20.0, -1.0, 0.0, 0.5, 3.0, 60.0] {
            let x = logistic_fixed_point(weight);
            assert!((logistic(weight * x) - x).abs() <= 1e-15 * (1.0 + f64::abs(weight)));
        }
        assert_eq!(logistic_factor(0.0), 0.0);
        // Far out x = 1 to rounding, and the factor is w e^(−w).
        let expected = 60.0 * (-60f64).exp();
        assert!((logistic_factor(60.0) / expected - 1.0).abs() <= 1e-13);
    }

    #[test]
    fn a_large_weight_cannot_beat_the_slope() {
        let (weight, factor) = largest_local_factor(1.0);
        assert!((weight - 1.5434).abs() <= 5.1e-5);
        assert!((factor - 0.2238716).abs() <= 5.1e-8);
        let net: f64 = weight;
        assert!((weight - (net / 2.0).tanh().recip()).abs() <= 1e-14);
        let (half, double) = largest_local_factor(0.5);
        assert!((half - 2.0 * weight).abs() + (double - 2.0 * factor).abs() <= 1e-14);
    }

    #[test]
    fn the_wall_stands_between_two_attractors() {
        let (low, high) = bistable_biases(5.0).unwrap();
        assert!((low + 2.6556103).abs() <= 5.1e-8);
        assert!((high + 2.3443897).abs() <= 5.1e-8);
        assert_eq!(bistable_biases(4.0), None);
        let settle =
            |bias: f64, start| (0..10_000).fold(start, |x: f64, _| 5.0 * logistic(x) + bias);
        let is_bistable = |bias| (settle(bias, -9.0) - settle(bias, 9.0)).abs() > 0.1;
        assert!(is_bistable(low + 1e-4) && is_bistable(high - 1e-4));
        assert!(!is_bistable(low - 1e-4) && !is_bistable(high + 1e-4));
    }

    #[test]
    fn at_the_critical_weight_memory_fades_as_a_power() {
        let (mut x, mut ln_gradient) = (1.0f64, 0.0);
        let mut at = Vec::new();
        for step in 1..=100_000usize {
            x = x.tanh();
            ln_gradient += (-x * x).ln_1p();
            if step == 10_000 || step == 100_000 {
                at.push((x / critical_state(step), ln_gradient));
            }
        }
        // The next terms, which also know the start, are of relative order ln t / t.
        assert!((at[1].0 - 1.0).abs() <= 1e-4, "{}", at[1].0);
        let slope = (at[1].1 - at[0].1) / 10f64.ln();
        assert!((slope - CRITICAL_EXPONENT).abs() <= 1e-3, "{slope}");
    }
}
