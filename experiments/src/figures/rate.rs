//! `rate`: the fitted rate against a factor, with theory beside it.

use super::FigureError;
use super::against_factor::{self, Measured, Seen, SeenLine, Shown};
use super::data::Request;
use super::{labels, ticks};
use crate::tables::FitRow;

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    against_factor::draw(
        request,
        &Shown {
            y_label: "rate λ (nats per step)",
            measured: |fit: &FitRow| {
                Some(Measured {
                    at: fit.rate?,
                    interval: fit.rate_low.zip(fit.rate_high),
                })
            },
            of_rate: |rate| rate.is_finite().then_some(rate),
            with_early_and_late: true,
            border: Some(0.0),
            ticks: |low, high| ticks::linear(low, high, 6),
            title,
        },
    )
}

fn title(seen: &[Seen<'_>]) -> String {
    let parts: Vec<String> = seen.iter().filter_map(describe).collect();
    if parts.is_empty() {
        return "No rate could be fitted".into();
    }
    parts.join("; ")
}

/// What the rate's sign changes to, and where, if that is the same for all lines; else the extremes.
fn describe(panel: &Seen<'_>) -> Option<String> {
    let mut changes = panel.lines.iter().map(Change::of);
    if let (true, Some(Some(change))) = (panel.is_numeric, changes.next())
        && changes.all(|other| other.as_ref() == Some(&change))
    {
        return Some(format!(
            "{}: the rate is {}",
            panel.cell,
            change.describe(&panel.factor)
        ));
    }
    let [lowest, highest] = panel.extremes()?;
    Some(format!(
        "{}: rates from {} ({} {}) to {} ({})",
        panel.cell,
        labels::concise(lowest.1),
        panel.factor,
        lowest.0,
        labels::concise(highest.1),
        highest.0,
    ))
}

/// How the rate's sign changes along a line, and the factor values on both sides. It has a sign where its
/// whole interval has it, and else none that could be told.
#[derive(PartialEq)]
enum Change<'a> {
    /// From negative to positive, maybe with values in between where there is no sign.
    Sign { to: &'a str, from: &'a str },
    /// From negative to no sign; `is_zero` if it is 0 there without any spread.
    ToNone {
        to: &'a str,
        from: &'a str,
        is_zero: bool,
    },
    /// From no sign to positive.
    FromNone {
        to: &'a str,
        from: &'a str,
        is_zero: bool,
    },
}

impl<'a> Change<'a> {
    /// `None` where the sign does not change or changes back, or where a fit has no interval.
    fn of(line: &'a SeenLine<'_>) -> Option<Self> {
        let sign = |(_, measured): &(String, Measured)| match measured.interval? {
            (_, high) if high < 0.0 => Some(-1),
            (low, _) if low > 0.0 => Some(1),
            _ => Some(0),
        };
        let signs: Vec<i32> = line.points.iter().map(sign).collect::<Option<_>>()?;
        if !signs.is_sorted() {
            return None;
        }
        let place = |index: usize| Some(line.points.get(index)?.0.as_str());
        let (negative, positive) = (
            signs.partition_point(|sign| *sign < 0),
            signs.partition_point(|sign| *sign < 1),
        );
        let before = |index: usize| place(index.checked_sub(1)?);
        let mut none = line.points[negative..positive].iter();
        let is_zero = none.all(|(_, measured)| measured.interval == Some((0.0, 0.0)));
        match (before(negative), place(positive)) {
            (Some(to), Some(from)) => Some(Self::Sign { to, from }),
            (Some(to), None) => place(negative).map(|from| Self::ToNone { to, from, is_zero }),
            (None, Some(from)) => before(positive).map(|to| Self::FromNone { to, from, is_zero }),
            (None, None) => None,
        }
    }

    fn describe(&self, factor: &str) -> String {
        let none = |is_zero: &bool| match is_zero {
            true => "zero",
            false => "indistinguishable from 0",
        };
        match self {
            Self::Sign { to, from } => {
                format!("negative up to {factor} {to}, positive from {from} on")
            }
            Self::ToNone { to, from, is_zero } => format!(
                "negative up to {factor} {to}, {} from {factor} {from} on",
                none(is_zero)
            ),
            Self::FromNone { to, from, is_zero } => format!(
                "{} up to {factor} {to}, positive from {from} on",
                none(is_zero)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate with an interval of ± 0.05, the rate 0 with none.
    fn measured(rate: f64) -> Measured {
        let half = if rate == 0.0 { 0.0 } else { 0.05 };
        Measured {
            at: rate,
            interval: Some((rate - half, rate + half)),
        }
    }

    fn seen(lines: &[(&str, &[(&str, f64)])], is_numeric: bool) -> String {
        let lines: Vec<SeenLine<'_>> = lines
            .iter()
            .map(|&(label, points)| SeenLine {
                label,
                points: points
                    .iter()
                    .map(|&(x, y)| (x.into(), measured(y)))
                    .collect(),
            })
            .collect();
        title_of(lines, is_numeric)
    }

    fn title_of(lines: Vec<SeenLine<'_>>, is_numeric: bool) -> String {
        title(&[Seen {
            cell: "lstm",
            factor: "gain".into(),
            is_numeric,
            lines,
        }])
    }

    #[test]
    fn title_names_the_change_of_sign_or_the_extremes() {
        let change = &[("0.5", -0.7), ("1", -0.1), ("2", 0.3)];
        assert_eq!(
            seen(&[("", change)], true),
            "lstm: the rate is negative up to gain 1, positive from 2 on"
        );
        let constant = &[("0.5", -0.7), ("1", 0.0), ("2", 0.0)];
        assert_eq!(
            seen(&[("", constant)], true),
            "lstm: the rate is negative up to gain 0.5, zero from gain 1 on"
        );
        assert_eq!(
            seen(&[("", &[("a", -0.7), ("b", -0.1), ("c", -0.3)])], false),
            "lstm: rates from −0.7 (gain a) to −0.1 (b)"
        );
        assert_eq!(seen(&[], true), "No rate could be fitted");
        assert_eq!(seen(&[("", &[])], true), "No rate could be fitted");
    }

    #[test]
    fn title_asserts_no_sign_that_an_interval_leaves_open() {
        let noisy = &[("0.5", -0.7), ("1", -0.04), ("2", 0.003)];
        assert_eq!(
            seen(&[("", noisy)], true),
            "lstm: the rate is negative up to gain 0.5, indistinguishable from 0 from gain 1 on"
        );
        let wide = &[("0.5", -0.7), ("1", 0.04), ("2", 0.3)];
        assert_eq!(
            seen(&[("", wide)], true),
            "lstm: the rate is negative up to gain 0.5, positive from 2 on"
        );
        let late = &[("0.5", 0.04), ("1", -0.03), ("2", 0.3)];
        assert_eq!(
            seen(&[("", late)], true),
            "lstm: the rate is indistinguishable from 0 up to gain 1, positive from 2 on"
        );
        let back = &[("0.5", -0.7), ("1", 0.2), ("2", -0.01)];
        assert_eq!(
            seen(&[("", back)], true),
            "lstm: rates from −0.7 (gain 0.5) to 0.2 (1)"
        );
        let open = &[("0.5", -0.04), ("1", 0.04)];
        assert_eq!(
            seen(&[("", open)], true),
            "lstm: rates from −0.04 (gain 0.5) to 0.04 (1)"
        );
        // Two replicates have no interval.
        let point = |value: &str, at| {
            let interval = None;
            (value.to_owned(), Measured { at, interval })
        };
        let line = SeenLine {
            label: "",
            points: vec![point("1", -0.5), point("2", 0.3)],
        };
        assert_eq!(
            title_of(vec![line], true),
            "lstm: rates from −0.5 (gain 1) to 0.3 (2)"
        );
    }

    #[test]
    fn title_keeps_sign_and_size_of_small_rates() {
        assert_eq!(
            seen(&[("", &[("0.99991", -9e-5), ("0.99995", -5e-5)])], true),
            "lstm: rates from −9 × 10⁻⁵ (gain 0.99991) to −5 × 10⁻⁵ (0.99995)"
        );
    }

    #[test]
    fn title_speaks_of_all_lines_and_says_which_it_means() {
        let change: &[(&str, f64)] = &[("1", -0.1), ("2", 0.3)];
        assert_eq!(
            seen(&[("H = 8", change), ("H = 9", change)], true),
            "lstm: the rate is negative up to gain 1, positive from 2 on"
        );
        assert_eq!(
            seen(
                &[("H = 8", change), ("H = 9", &[("1", -2.0), ("2", -1.0)])],
                true
            ),
            "lstm: rates from −2 (gain 1, H = 9) to 0.3 (2, H = 8)"
        );
    }
}
