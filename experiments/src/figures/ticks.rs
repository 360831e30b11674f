//! Round positions for the marks on an axis.

use super::labels;

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, in data coordinates.
    pub at: f64,
    /// What is written beside it.
    pub label: String,
}

/// About `count` round numbers in [`low`, `high`], a step of 1, 2 or 5 times a power of ten apart.
pub fn linear(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let (step, decimals) = step(high - low, count);
    positions(low, high, step)
        .map(|at| Tick {
            at,
            label: labels::number(at, decimals),
        })
        .collect()
}

/// Whole numbers, for lags and steps.
pub fn whole(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let (step, _) = step(high - low, count);
    positions(low, high, step.max(1.0))
        .map(|at| Tick {
            at,
            label: labels::thousands(at.max(0.0) as usize),
        })
        .collect()
}

/// Powers of ten for an axis that shows exponents.
pub fn powers(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let (step, _) = step(high - low, count);
    positions(low, high, step.max(0.1))
        .map(|at| Tick {
            at,
            label: labels::power_of_ten(at),
        })
        .collect()
}

fn positions(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let slack = 1e-9;
    let first = (low / step - slack).ceil();
    let last = (high / step + slack).floor();
    let steps = if last >= first {
        (last - first) as usize + 1
    } else {
        0
    };
    (0..steps).map(move |index| (first + index as f64) * step)
}

/// The smallest round step that gives no more than `count` intervals, and the decimals it needs.
fn step(span: f64, count: usize) -> (f64, usize) {
    let raw = span.max(1e-12) / count.max(1) as f64;
    let magnitude = raw.log10().floor();
    let base = 10f64.powf(magnitude);
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * base >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0);
    let exponent = if factor == 10.0 {
        magnitude + 1.0
    } else {
        magnitude
    };
    (factor * base, (-exponent).max(0.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_inside() {
        assert_eq!(labels(&linear(-0.7, 0.13, 4)), ["−0.5", "0.0"]);
        assert_eq!(
            labels(&linear(0.5, 1.5, 5)),
            ["0.6", "0.8", "1.0", "1.2", "1.4"]
        );
    }

    #[test]
    fn whole_ticks_never_fall_between_steps() {
        assert_eq!(labels(&whole(0.0, 3.0, 8)), ["0", "1", "2", "3"]);
        assert_eq!(
            labels(&whole(0.0, 10000.0, 4)),
            ["0", "5000", "10\u{a0}000"]
        );
    }

    #[test]
    fn powers_stay_readable_over_any_span() {
        assert_eq!(
            labels(&powers(-94.0, 2.0, 5)),
            ["10⁻⁸⁰", "10⁻⁶⁰", "10⁻⁴⁰", "10⁻²⁰", "10⁰"]
        );
        assert_eq!(
            labels(&powers(-3010.0, 0.0, 4)),
            ["10⁻³⁰⁰⁰", "10⁻²⁰⁰⁰", "10⁻¹⁰⁰⁰", "10⁰"]
        );
        assert_eq!(
            labels(&powers(-0.3, 0.0, 4)),
            ["10⁻⁰·³", "10⁻⁰·²", "10⁻⁰·¹", "10⁰"]
        );
    }
}
