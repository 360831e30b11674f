//! Least squares over a window of lags.

use crate::Window;

/// Fewer finite lags than this determine no rate.
pub const MIN_LAGS: usize = 3;

/// A curve whose finite values lie within this many nats of each other is constant up to
/// rounding: the share of its variance that a line explains means nothing, and nor does its slope.
///
/// A norm at lag k has gone through k products, each of which rounds by some ε = 2.2·10⁻¹⁶ of it, so
/// that ln r_k of a gradient that nothing changes wanders by a few k·ε at most: by this much after
/// a million steps, the longest sequence that one measures.
pub const FLAT: f64 = 1e-9;

/// The least-squares line through the finite points of a curve.
///
/// ```text
/// slope = Σ (k − k̄)(y_k − ȳ) / Σ (k − k̄)²,    R² = 1 − Σ (residual_k)² / Σ (y_k − ȳ)²
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Change of the curve per step of lag.
    pub slope: f64,
    /// The line's value at lag 0.
    pub intercept: f64,
    /// The share of the variance that the line explains; `None` for a curve that varies by less
    /// than [`FLAT`].
    pub r_squared: Option<f64>,
    /// How many lags were finite.
    pub lags: usize,
}

impl Line {
    /// Fits the lags of `window` at which `curve` (indexed by lag) is finite; `None` if there
    /// are fewer than [`MIN_LAGS`].
    ///
    /// ```
    /// use decay_analysis::{Line, Window};
    ///
    /// let zero = f64::NEG_INFINITY;
    /// let line = Line::fit(&[9.0, -2.0, -4.0, zero, -8.0], Window { from: 1, to: 4 }).unwrap();
    /// assert_eq!((line.slope, line.intercept, line.lags), (-2.0, 0.0, 3));
    /// ```
    pub fn fit(curve: &[f64], window: Window) -> Option<Self> {
        let window = window.clip(curve.len())?;
        let points = || {
            (window.from..=window.to)
                .map(|lag| (lag as f64, curve[lag]))
                .filter(|(_, y)| y.is_finite())
        };
        let lags = points().count();
        if lags < MIN_LAGS {
            return None;
        }
        let n = lags as f64;
        let (sum_k, sum_y) = points().fold((0.0, 0.0), |sum, (k, y)| (sum.0 + k, sum.1 + y));
        let (mean_k, mean_y) = (sum_k / n, sum_y / n);

        // Deviations from the means in a second pass: the one-pass formula Σky − n·k̄ȳ would
        // lose half the digits over 10,000 lags.
        let (mut s_kk, mut s_ky, mut s_yy) = (0.0, 0.0, 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (k, y) in points() {
            let (dk, dy) = (k - mean_k, y - mean_y);
            s_kk += dk * dk;
            s_ky += dk * dy;
            s_yy += dy * dy;
            low = low.min(y);
            high = high.max(y);
        }
        let slope = s_ky / s_kk;

        // R² from the residuals themselves: s_ky²/(s_kk·s_yy) rounds to more than 1.
        let residuals: f64 = points()
            .map(|(k, y)| ((y - mean_y) - slope * (k - mean_k)).powi(2))
            .sum();
        Some(Self {
            slope,
            intercept: mean_y - slope * mean_k,
            r_squared: (high - low >= FLAT).then(|| 1.0 - residuals / s_yy),
            lags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(curve: &[f64]) -> Window {
        Window {
            from: 0,
            to: curve.len() - 1,
        }
    }

    #[test]
    fn an_exact_line_gives_its_slope_and_unit_r_squared_over_ten_thousand_lags() {
        for slope in [-0.1053605, -23.0, 0.7, -1e-6] {
            let curve: Vec<f64> = (0..=10_000).map(|lag| slope * f64::from(lag)).collect();
            let line = Line::fit(
                &curve,
                Window {
                    from: 1,
                    to: 10_000,
                },
            )
            .unwrap();
            let tolerance = 1e-12 * f64::max(1.0, f64::abs(slope));
            assert!((line.slope - slope).abs() < tolerance, "{line:?}");
            assert!((line.r_squared.unwrap() - 1.0).abs() < 1e-12, "{line:?}");
        }
    }

    #[test]
    fn a_large_offset_costs_no_digits_that_the_values_had() {
        let curve: Vec<f64> = (0..=10_000)
            .map(|k| -2_000.0 - 0.25 * f64::from(k))
            .collect();
        let line = Line::fit(&curve, whole(&curve)).unwrap();
        assert!((line.slope + 0.25).abs() < 1e-12);
        assert!((line.intercept + 2_000.0).abs() < 1e-8);
    }

    #[test]
    fn a_parabola_has_the_closed_form_slope_and_r_squared() {
        // y = k² over k = 0 … m: slope m; residual k² − mk + m(m − 1)/6. With m = 4:
        // Σ(y − ȳ)² = 174, Σ residual² = 14.
        let curve = [0.0, 1.0, 4.0, 9.0, 16.0];
        let line = Line::fit(&curve, whole(&curve)).unwrap();
        assert!((line.slope - 4.0).abs() < 1e-14);
        assert!((line.r_squared.unwrap() - (1.0 - 14.0 / 174.0)).abs() < 1e-14);
    }

    #[test]
    fn exact_zeros_are_skipped() {
        let mut curve: Vec<f64> = (0..100).map(|k| -0.5 * f64::from(k)).collect();
        curve[60..].fill(f64::NEG_INFINITY);
        curve[7] = f64::NEG_INFINITY;
        let line = Line::fit(&curve, Window { from: 1, to: 99 }).unwrap();
        assert!((line.slope + 0.5).abs() < 1e-14);
        assert_eq!(line.lags, 58);
    }

    #[test]
    fn fewer_than_three_finite_lags_fit_no_line() {
        let zero = f64::NEG_INFINITY;
        assert_eq!(
            Line::fit(&[0.0, -1.0, zero, -3.0], Window { from: 1, to: 3 }),
            None
        );
        assert_eq!(Line::fit(&[], Window { from: 1, to: 3 }), None);
        assert_eq!(Line::fit(&[0.0; 4], Window { from: 4, to: 9 }), None);
    }

    #[test]
    fn a_constant_curve_has_no_r_squared() {
        let curve: Vec<f64> = (0..50).map(|k| 1e-10 * f64::from(k % 2)).collect();
        let line = Line::fit(&curve, whole(&curve)).unwrap();
        assert_eq!(line.r_squared, None);
        assert!(line.slope.abs() < 1e-11);
    }

    #[test]
    fn r_squared_does_not_depend_on_the_unit_of_the_curve() {
        let curve: Vec<f64> = (0..40)
            .map(|k| f64::from(k * k % 17) - f64::from(k))
            .collect();
        let scaled: Vec<f64> = curve.iter().map(|y| y * 1e-5).collect();
        let (line, small) = (
            Line::fit(&curve, whole(&curve)).unwrap(),
            Line::fit(&scaled, whole(&scaled)).unwrap(),
        );
        assert!((line.r_squared.unwrap() - small.r_squared.unwrap()).abs() < 1e-12);
    }
}
