//! What a check finds, and the verdict that follows from it.

use std::fmt;

use crate::figures::Plot;
use crate::tables::format_number;

/// Everything a claim's check has found.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The numbers, the one that matters most first.
    pub checks: Vec<Check>,
    /// How many random seeds were used; 0 where nothing is random.
    pub seeds: usize,
    /// What can be seen of it.
    pub plot: Option<Plot>,
    /// What a reader must know to judge the result: doubts, and why something fails. May be empty.
    pub remark: String,
}

impl Evidence {
    /// Evidence of a check without a figure or a remark.
    pub fn of(checks: Vec<Check>, seeds: usize) -> Self {
        Self {
            checks,
            seeds,
            plot: None,
            remark: String::new(),
        }
    }

    /// Whether there is at least one check and all of them pass.
    pub fn passes(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::passes)
    }
}

/// A measured number beside what was expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was measured, in words, with its unit.
    pub what: String,
    /// What was expected.
    pub expected: Expected,
    /// What was found; NaN passes no check.
    pub measured: f64,
    /// One standard error of what was found, where it is a statistic.
    pub uncertainty: Option<f64>,
}

/// What a check expects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// value ± tolerance, bounds included.
    Within {
        /// The number expected.
        value: f64,
        /// How far from it is near enough.
        tolerance: f64,
    },
    /// A value, up to so many standard errors of the measurement.
    StandardErrors {
        /// The number expected.
        value: f64,
        /// How many standard errors from it are few enough.
        limit: f64,
    },
    /// low ≤ measured ≤ high.
    Between {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// measured ≤ limit.
    AtMost(f64),
    /// measured ≥ limit.
    AtLeast(f64),
    /// The same bits.
    Exactly(f64),
}

impl Check {
    fn new(what: impl Into<String>, measured: f64, expected: Expected) -> Self {
        Self {
            what: what.into(),
            expected,
            measured,
            uncertainty: None,
        }
    }

    /// |measured − value| ≤ tolerance.
    pub fn within(what: impl Into<String>, measured: f64, value: f64, tolerance: f64) -> Self {
        Self::new(what, measured, Expected::Within { value, tolerance })
    }

    /// |measured − value| ≤ limit · `standard_error`, the standard error of what was measured.
    pub fn standard_errors(
        what: impl Into<String>,
        measured: f64,
        standard_error: f64,
        value: f64,
        limit: f64,
    ) -> Self {
        let expected = Expected::StandardErrors { value, limit };
        Self::new(what, measured, expected).with_uncertainty(standard_error)
    }

    /// low ≤ measured ≤ high.
    pub fn between(what: impl Into<String>, measured: f64, low: f64, high: f64) -> Self {
        Self::new(what, measured, Expected::Between { low, high })
    }

    /// measured ≤ limit.
    pub fn at_most(what: impl Into<String>, measured: f64, limit: f64) -> Self {
        Self::new(what, measured, Expected::AtMost(limit))
    }

    /// measured ≥ limit.
    pub fn at_least(what: impl Into<String>, measured: f64, limit: f64) -> Self {
        Self::new(what, measured, Expected::AtLeast(limit))
    }

    /// The same number, bit for bit.
    pub fn exactly(what: impl Into<String>, measured: f64, value: f64) -> Self {
        Self::new(what, measured, Expected::Exactly(value))
    }

    /// No violation among `of` cases. Without cases nothing has been shown.
    pub fn none(what: impl Into<String>, violations: usize, of: usize) -> Self {
        let what = format!("{} (of {of})", what.into());
        let measured = if of == 0 { f64::NAN } else { violations as f64 };
        Self::new(what, measured, Expected::Exactly(0.0))
    }

    /// The same check with one standard error beside the measured number.
    pub fn with_uncertainty(self, standard_error: f64) -> Self {
        Self {
            uncertainty: Some(standard_error),
            ..self
        }
    }

    /// The verdict.
    pub fn passes(&self) -> bool {
        let measured = self.measured;
        match self.expected {
            Expected::Within { value, tolerance } => {
                measured == value || (measured - value).abs() <= tolerance
            }
            Expected::StandardErrors { value, limit } => {
                let error = self.uncertainty.unwrap_or(f64::NAN);
                (measured - value).abs() <= limit * error
            }
            Expected::Between { low, high } => (low..=high).contains(&measured),
            Expected::AtMost(limit) => measured <= limit,
            Expected::AtLeast(limit) => measured >= limit,
            Expected::Exactly(value) => measured.to_bits() == value.to_bits(),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format_number;
        match *self {
            Expected::Within { value, tolerance } => {
                write!(f, "{} ± {}", number(value), number(tolerance))
            }
            Expected::StandardErrors { value, limit } => {
                write!(f, "{} ± {} standard errors", number(value), number(limit))
            }
            Expected::Between { low, high } => {
                write!(f, "{} … {}", number(low), number(high))
            }
            Expected::AtMost(limit) => write!(f, "≤ {}", number(limit)),
            Expected::AtLeast(limit) => write!(f, "≥ {}", number(limit)),
            Expected::Exactly(value) => write!(f, "= {}", number(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_from_the_numbers() {
        let nan = f64::NAN;
        let zero_up_to_sign = Check::exactly("", -0.0, 0.0);
        for (passes, check) in [
            (true, Check::within("", 1.5, 1.0, 0.5)),
            (false, Check::within("", 1.6, 1.0, 0.5)),
            (false, Check::within("", nan, 1.0, 0.5)),
            (
                true,
                Check::within("", f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0),
            ),
            (true, Check::standard_errors("", 1.2, 0.1, 1.0, 3.0)),
            (false, Check::standard_errors("", 1.4, 0.1, 1.0, 3.0)),
            (false, Check::standard_errors("", 1.0, nan, 1.0, 3.0)),
            (true, Check::between("", 2.0, 1.0, 2.0)),
            (false, Check::between("", nan, 1.0, 2.0)),
            (true, Check::at_most("", 2.0, 2.0)),
            (false, Check::at_most("", nan, 2.0)),
            (true, Check::at_least("", 2.0, 2.0)),
            (false, Check::at_least("", 1.9, 2.0)),
            (true, Check::exactly("", 0.1, 0.1)),
            (false, zero_up_to_sign),
            (true, Check::none("", 0, 5)),
            (false, Check::none("", 1, 5)),
            (false, Check::none("", 0, 0)),
        ] {
            assert_eq!(check.passes(), passes, "{check:?}");
        }
        assert!(!Evidence::of(Vec::new(), 0).passes());
    }

    #[test]
    fn expectations_read_as_mathematics() {
        let text = |check: Check| check.expected.to_string();
        assert_eq!(text(Check::within("", 0.0, -0.5, 1e-9)), "-0.5 ± 1e-9");
        assert_eq!(text(Check::between("", 0.0, 1.0, 2.0)), "1 … 2");
        assert_eq!(text(Check::none("", 0, 5)), "= 0");
        assert_eq!(
            text(Check::standard_errors("", 0.0, 1.0, 2.0, 3.0)),
            "2 ± 3 standard errors"
        );
    }
}
