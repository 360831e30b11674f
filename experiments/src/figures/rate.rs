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

/// The place where the sign changes, if all lines have it there; else the extremes.
fn describe(panel: &Seen<'_>) -> Option<String> {
    let mut changes = panel.lines.iter().map(change_of_sign);
    if let (true, Some(Some((before, after)))) = (panel.is_numeric, changes.next())
        && changes.all(|change| change == Some((before, after)))
    {
        let mut heights = panel
            .lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(_, height)| *height));
        let from = if heights.any(|height| height == 0.0) {
            "not from"
        } else {
            "positive from"
        };
        return Some(format!(
            "{}: the rate is negative up to {} {before}, {from} {after} on",
            panel.cell, panel.factor,
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

/// The factor values between which a line goes from below zero to above, if it does so once. Whether
/// that is more than its spread the intervals show, and the verdict of `fits.csv` says.
fn change_of_sign<'a>(line: &'a SeenLine<'_>) -> Option<(&'a str, &'a str)> {
    let is_positive = |point: &(String, f64)| point.1 >= 0.0;
    let start = line.points.partition_point(|point| !is_positive(point));
    let (before, after) = line.points.split_at(start);
    let passes_once = !before.iter().any(is_positive) && after.iter().all(is_positive);
    let places = before.last().zip(after.first());
    places
        .filter(|_| passes_once)
        .map(|(before, after)| (before.0.as_str(), after.0.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[(&str, &[(&str, f64)])], is_numeric: bool) -> String {
        let lines = lines.iter().map(|&(label, points)| SeenLine {
            label,
            points: points.iter().map(|&(x, y)| (x.into(), y)).collect(),
        });
        title(&[Seen {
            cell: "lstm",
            factor: "gain".into(),
            is_numeric,
            lines: lines.collect(),
        }])
    }

    #[test]
    fn title_names_the_change_of_sign_or_the_extremes() {
        let change = &[("0.5", -0.7), ("1", -0.1), ("2", 0.3)];
        assert_eq!(
            seen(&[("", change)], true),
            "lstm: the rate is negative up to gain 1, positive from 2 on"
        );
        let constant = &[("0.5", -0.7), ("1", 0.0), ("2", 0.3)];
        assert_eq!(
            seen(&[("", constant)], true),
            "lstm: the rate is negative up to gain 0.5, not from 1 on"
        );
        assert_eq!(
            seen(&[("", &[("a", -0.7), ("b", -0.1), ("c", -0.3)])], false),
            "lstm: rates from −0.7 (gain a) to −0.1 (b)"
        );
        assert_eq!(seen(&[], true), "No rate could be fitted");
        assert_eq!(seen(&[("", &[])], true), "No rate could be fitted");
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
