//! Quantiles over replicates.

use crate::MIN_REPLICATES;

/// Order statistics of one number over replicates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The smallest value.
    pub min: f64,
    /// The lower quartile.
    pub q25: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub q75: f64,
    /// The largest value.
    pub max: f64,
    /// How many values there were.
    pub n: usize,
}

impl Summary {
    /// Sorts `values` and summarises them; `None` if there are none.
    ///
    /// ```
    /// use decay_analysis::Summary;
    ///
    /// let summary = Summary::new(&mut [4.0, 1.0, 3.0, 2.0]).unwrap();
    /// assert_eq!((summary.q25, summary.median, summary.q75), (1.75, 2.5, 3.25));
    /// ```
    pub fn new(values: &mut [f64]) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        Some(Self {
            min,
            q25: quantile(values, 0.25),
            median: quantile(values, 0.5),
            q75: quantile(values, 0.75),
            max,
            n: values.len(),
        })
    }
}

/// The `p`-quantile of sorted values by linear interpolation between the two order statistics
/// around (n − 1)·p (type 7 of Hyndman & Fan, "Sample quantiles in statistical packages",
/// The American Statistician 50, 1996; the default of R and NumPy).
///
/// An infinite order statistic stays infinite: a quantile between −∞ and a number is −∞, because
/// the mean of 0 and a gradient is not what a log-quantile should show; it is never NaN.
///
/// ```
/// use decay_analysis::quantile;
///
/// assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
/// assert_eq!(quantile(&[f64::NEG_INFINITY, 2.0], 0.5), f64::NEG_INFINITY);
/// ```
///
/// # Panics
///
/// If there are no values, or `p` is not in 0…1.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    assert!(!sorted.is_empty(), "the quantile of no values");
    assert!((0.0..=1.0).contains(&p), "p = {p} is not in 0…1");
    let position = (sorted.len() - 1) as f64 * p;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    if below == above || below == f64::NEG_INFINITY {
        below
    } else {
        below + position.fract() * (above - below)
    }
}

/// The arithmetic mean; `None` if there are no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean and its standard error over replicates, s/√n with s² = Σ(x − x̄)²/(n − 1); `None` for
/// fewer than two values.
///
/// ```
/// use decay_analysis::mean_and_standard_error;
///
/// assert_eq!(mean_and_standard_error(&[1.0, 3.0]), Some((2.0, 1.0)));
/// assert_eq!(mean_and_standard_error(&[1.0]), None);
/// ```
pub fn mean_and_standard_error(values: &[f64]) -> Option<(f64, f64)> {
    let mean = mean(values).filter(|_| values.len() >= 2)?;
    let n = values.len() as f64;
    let sum_of_squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    Some((mean, (sum_of_squares / (n - 1.0) / n).sqrt()))
}

/// Rates that agree to this many nats per step differ by rounding.
pub const ROUNDING: f64 = 1e-12;

/// The mean of differences of rates in units of its standard error over replicates: of normal differences
/// with the mean 0 a value of Student's t. `None` for fewer than [`MIN_REPLICATES`], and where they do not
/// differ beyond [`ROUNDING`], so that there is nothing to measure in.
///
/// ```
/// use decay_analysis::in_standard_errors;
///
/// assert_eq!(in_standard_errors(&[0.0, 0.0, 3.0]), Some(1.0));
/// assert_eq!(in_standard_errors(&[1.0, 3.0]), None);
/// assert_eq!(in_standard_errors(&[2.0, 2.0, 2.0]), None);
/// ```
pub fn in_standard_errors(differences: &[f64]) -> Option<f64> {
    let is_enough = differences.len() >= MIN_REPLICATES;
    let (mean, standard_error) = mean_and_standard_error(differences).filter(|_| is_enough)?;
    let is_measured = standard_error > ROUNDING && standard_error.is_finite();
    is_measured.then(|| mean / standard_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: f64 = f64::NEG_INFINITY;

    #[test]
    fn quantiles_agree_with_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [0, 0.1, 0.25, 0.5, 0.9, 1])
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (p, expected) in [
            (0.0, 1.0),
            (0.1, 1.4),
            (0.25, 2.0),
            (0.5, 4.0),
            (0.9, 12.8),
            (1.0, 16.0),
        ] {
            assert!((quantile(&sorted, p) - expected).abs() < 1e-12, "p = {p}");
        }
    }

    #[test]
    fn exact_zeros_give_minus_infinity_and_never_nan() {
        for zeros in 0..=4 {
            let mut values = [1.0, 2.0, 3.0, 4.0];
            values[..zeros].fill(ZERO);
            for percent in 0..=100 {
                let p = f64::from(percent) / 100.0;
                let value = quantile(&values, p);
                assert!(!value.is_nan(), "{zeros} zeros, p = {p}");
                let touches_a_zero = ((3.0 * p).floor() as usize) < zeros;
                assert_eq!(value == ZERO, touches_a_zero, "{zeros} zeros, p = {p}");
            }
        }
    }

    #[test]
    fn one_value_is_every_quantile() {
        let summary = Summary::new(&mut [-3.0]).unwrap();
        assert_eq!(
            summary,
            Summary {
                min: -3.0,
                q25: -3.0,
                median: -3.0,
                q75: -3.0,
                max: -3.0,
                n: 1
            }
        );
    }

    #[test]
    fn no_values_have_no_summary() {
        assert_eq!(Summary::new(&mut []), None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn order_does_not_matter() {
        assert_eq!(
            Summary::new(&mut [2.0, ZERO, 1.0]),
            Summary::new(&mut [1.0, 2.0, ZERO])
        );
    }
}
