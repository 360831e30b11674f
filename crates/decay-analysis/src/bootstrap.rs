//! How far the mean over replicates can be trusted.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use crate::quantile;

/// How many resamples an interval rests on.
///
/// Efron & Tibshirani (§13.3) ask for about 1,000 for percentile intervals; twice that keeps the
/// Monte Carlo error of the 2.5 % points well below the interval's own width.
pub const RESAMPLES: usize = 2_000;

/// Below this many replicates a resample takes too few distinct values to say anything.
const MIN_REPLICATES: usize = 3;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The 2.5 % point.
    pub low: f64,
    /// The 97.5 % point.
    pub high: f64,
}

/// The 95 % percentile interval of the mean of `values` by the nonparametric bootstrap:
/// [`RESAMPLES`] times, draw as many values with replacement and take their mean
/// (B. Efron & R. J. Tibshirani, *An Introduction to the Bootstrap*, Chapman & Hall 1993, §13.3).
/// `None` for fewer than three values.
///
/// The values are the replicates' rates: replicates are independent, lags of one curve are not,
/// so resampling lags would promise far too much. The interval is a function of `values` and
/// `seed` alone.
///
/// ```
/// use decay_analysis::bootstrap_mean;
///
/// let rates = [-0.11, -0.10, -0.12, -0.09, -0.10];
/// let interval = bootstrap_mean(&rates, 20).unwrap();
/// assert!(-0.12 < interval.low && interval.low < -0.104);
/// assert!(-0.104 < interval.high && interval.high < -0.09);
/// assert_eq!(bootstrap_mean(&rates[..2], 20), None);
/// ```
pub fn bootstrap_mean(values: &[f64], seed: u64) -> Option<Interval> {
    let n = values.len();
    if n < MIN_REPLICATES {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64)
        .collect();
    Some(Interval {
        low: quantile_of(&mut means, 0.025),
        high: quantile_of(&mut means, 0.975),
    })
}

/// The [`quantile`] of values in any order, which are reordered: two order statistics are all that it
/// takes, and finding them is a tenth of the work of sorting.
fn quantile_of(values: &mut [f64], p: f64) -> f64 {
    let below = ((values.len() - 1) as f64 * p).floor() as usize;
    let (_, _, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    if !above.is_empty() {
        above.select_nth_unstable_by(0, f64::total_cmp);
    }
    // Sorted as far as the quantile looks.
    quantile(values, p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_a_function_of_values_and_seed() {
        let values = [0.3, -0.2, 0.8, 0.1];
        assert_eq!(bootstrap_mean(&values, 1), bootstrap_mean(&values, 1));
        assert_ne!(bootstrap_mean(&values, 1), bootstrap_mean(&values, 2));
    }

    #[test]
    fn the_interval_is_stable_across_versions() {
        // A change of generator or of the order of draws would silently move every interval.
        let interval = bootstrap_mean(&[1.0, 2.0, 4.0, 8.0, 16.0], 20).unwrap();
        assert!((interval.low - 2.0).abs() < 1e-12);
        assert!((interval.high - 11.205).abs() < 1e-12);
    }

    #[test]
    fn quantiles_need_no_sorting() {
        let values: Vec<f64> = (0..97).map(|i| f64::from(i * i % 89)).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for percent in 0..=100 {
            let p = f64::from(percent) / 100.0;
            assert_eq!(quantile_of(&mut values.clone(), p), quantile(&sorted, p));
        }
    }

    #[test]
    fn equal_values_have_an_interval_of_no_width() {
        let interval = bootstrap_mean(&[-0.25; 4], 0).unwrap();
        assert_eq!((interval.low, interval.high), (-0.25, -0.25));
    }

    #[test]
    fn the_interval_of_many_values_approaches_the_normal_one() {
        // 0 … 99: mean 49.5, population standard deviation 28.866, so ±1.96 · 2.8866.
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let interval = bootstrap_mean(&values, 7).unwrap();
        assert!((interval.low - (49.5 - 5.658)).abs() < 0.5, "{interval:?}");
        assert!((interval.high - (49.5 + 5.658)).abs() < 0.5, "{interval:?}");
    }

    #[test]
    fn the_interval_lies_within_the_values() {
        let interval = bootstrap_mean(&[-3.0, -1.0, 5.0], 3).unwrap();
        assert!(-3.0 <= interval.low && interval.low <= interval.high && interval.high <= 5.0);
    }
}
