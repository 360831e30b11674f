//! The loss of the best predictor that remembers nothing: what a network must beat to show memory.

/// Mean squared error of the best constant in the adding problem with two values uniform in
/// [0, 1]: the variance 2/12 of their sum (Le, Jaitly & Hinton 2015; Arjovsky, Shah & Bengio 2016).
pub const ADDING: f64 = 1.0 / 6.0;

/// The same for the target ½ + (X₁ + X₂)/4 with values uniform in [−1, 1]
/// (Hochreiter & Schmidhuber 1997, experiment 4).
pub const ADDING_1997: f64 = 1.0 / 24.0;

/// The same for the product of two values uniform in [0, 1]: 1/9 − 1/16
/// (Hochreiter & Schmidhuber 1997, experiment 5).
pub const PRODUCT: f64 = 7.0 / 144.0;

/// Mean cross-entropy per step, in nats, of the copy problem without memory: `recalled` symbols out of
/// `alphabet` are guessed, everything else in a sequence of `steps` is known:
/// recalled·ln(alphabet)/steps (Arjovsky, Shah & Bengio 2016, §4.1).
///
/// # Panics
///
/// If more symbols are recalled than there are steps, or the alphabet is empty.
pub fn copy(recalled: usize, alphabet: usize, steps: usize) -> f64 {
    assert!(
        recalled <= steps && steps > 0 && alphabet > 0,
        "{recalled} of {alphabet} symbols in {steps} steps"
    );
    recalled as f64 * (alphabet as f64).ln() / steps as f64
}

/// Cross-entropy in nats of guessing one of `classes` equally likely classes.
///
/// # Panics
///
/// If there are no classes.
pub fn classification(classes: usize) -> f64 {
    assert!(classes > 0, "no classes");
    (classes as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variances by the midpoint rule over both values.
    fn variance(low: f64, high: f64, target: impl Fn(f64, f64) -> f64) -> f64 {
        const POINTS: usize = 1000;
        let at = |index: usize| low + (high - low) * (index as f64 + 0.5) / POINTS as f64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for first in 0..POINTS {
            for second in 0..POINTS {
                let value = target(at(first), at(second));
                sum += value;
                squares += value * value;
            }
        }
        let count = (POINTS * POINTS) as f64;
        squares / count - (sum / count).powi(2)
    }

    #[test]
    fn baselines_are_variances_of_the_targets() {
        // The midpoint rule is off by a millionth of the second derivative.
        assert!((variance(0.0, 1.0, |a, b| a + b) - ADDING).abs() <= 1e-6);
        assert!((variance(-1.0, 1.0, |a, b| 0.5 + (a + b) / 4.0) - ADDING_1997).abs() <= 1e-6);
        assert!((variance(0.0, 1.0, |a, b| a * b) - PRODUCT).abs() <= 1e-6);
    }

    #[test]
    fn copying_ten_of_eight_symbols() {
        for (delay, expected) in [
            (100, 0.173_286_80),
            (200, 0.094_520_07),
            (300, 0.064_982_55),
            (500, 0.039_989_26),
            (1000, 0.020_386_68),
        ] {
            assert!((copy(10, 8, delay + 20) - expected).abs() <= 5.1e-9);
        }
        assert!((classification(4) - 1.386_294_4).abs() <= 5.1e-8);
        assert!((classification(8) - 2.079_441_5).abs() <= 5.1e-8);
    }
}
