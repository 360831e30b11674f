//! Roots by bisection: slow, and never wrong.

/// Where `is_left` turns from true (at `low`) to false (at `high`), between neighbouring numbers.
pub fn turning_point(mut low: f64, mut high: f64, is_left: impl Fn(f64) -> bool) -> f64 {
    debug_assert!(low <= high, "{low} to {high}");
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if is_left(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_neighbouring_number() {
        let root = turning_point(1.0, 2.0, |x| x * x < 2.0);
        assert!((root - 2f64.sqrt()).abs() <= f64::EPSILON);
        assert_eq!(turning_point(3.0, 3.0, |_| true), 3.0);
        // Down to the smallest numbers, where a tolerance in absolute terms would stop early.
        let root = turning_point(0.0, 1.0, |x| x < 1e-300);
        assert!((root - 1e-300).abs() <= 1e-315);
    }
}
