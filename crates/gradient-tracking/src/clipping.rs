//! Norm clipping: a gradient that is too long keeps its direction and loses its length.

/// Rescales `gradient` to the norm `threshold` if its Euclidean norm n is larger, and returns n:
/// g ← g·c/n where n > c (Pascanu, Mikolov & Bengio 2013, §3.2, Algorithm 1).
///
/// Below the threshold not a bit changes. Norms are taken relative to the largest entry, so a gradient
/// of 10²⁰⁰ or 10⁻²⁰⁰ is clipped like any other. A gradient that is not finite has no direction: it
/// comes back as it is, with a norm that is infinite or not a number, for the caller to judge.
///
/// ```
/// use gradient_tracking::clip_norm;
///
/// let mut gradient = [3.0, -4.0];
/// assert_eq!(clip_norm(&mut gradient, 1.0), 5.0);
/// assert!((gradient[0] - 0.6).abs() < 1e-15 && (gradient[1] + 0.8).abs() < 1e-15);
/// assert_eq!(clip_norm(&mut gradient, 2.0), 1.0);
/// ```
///
/// # Panics
/// If `threshold` is not positive.
pub fn clip_norm(gradient: &mut [f64], threshold: f64) -> f64 {
    assert!(
        threshold > 0.0,
        "a threshold of {threshold} is not positive"
    );
    let largest = gradient.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        // Zero, or nothing but NaN, which max ignores.
        return gradient.iter().sum::<f64>().abs();
    }
    let root = gradient
        .iter()
        .map(|v| (v / largest).powi(2))
        .sum::<f64>()
        .sqrt();
    let norm = largest * root;
    if largest.is_finite() && root.is_finite() && norm > threshold {
        // Divided by the largest entry first: c/n itself may underflow.
        let factor = threshold / root;
        gradient.iter_mut().for_each(|v| *v = *v / largest * factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_squares_of_f64_are_clipped_alike() {
        for scale in [1e-300, 1.0, 1e300] {
            let mut gradient = [3.0 * scale, 4.0 * scale];
            let norm = clip_norm(&mut gradient, 1e-305);
            assert!((norm / scale - 5.0).abs() < 1e-14);
            assert!((gradient[0] / 0.6e-305 - 1.0).abs() < 1e-10, "{gradient:?}");
            assert!((gradient[1] / 0.8e-305 - 1.0).abs() < 1e-10, "{gradient:?}");
        }
    }

    #[test]
    fn what_is_not_finite_comes_back_as_it_is() {
        let mut gradient = [1.0, f64::INFINITY];
        assert!(!clip_norm(&mut gradient, 1.0).is_finite());
        assert_eq!(gradient, [1.0, f64::INFINITY]);
        for mut gradient in [[f64::NAN, 0.0], [f64::NAN, 7.0]] {
            let before = gradient.map(f64::to_bits);
            assert!(clip_norm(&mut gradient, 1.0).is_nan());
            assert_eq!(gradient.map(f64::to_bits), before);
        }
        assert_eq!(clip_norm(&mut [0.0, -0.0], 1.0), 0.0);
        assert_eq!(clip_norm(&mut [], 1.0), 0.0);
    }
}
