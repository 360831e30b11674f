//! `rate`: the fitted rate against a factor, with theory beside it.

use super::FigureError;
use super::against_factor::{self, Measured, Seen, Shown};
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

/// The place where the sign changes, if there is one; else the extremes.
fn describe(panel: &Seen<'_>) -> Option<String> {
    let signs: Vec<bool> = panel.points.iter().map(|(_, rate)| *rate >= 0.0).collect();
    let changes = signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let explodes_from = signs.iter().position(|explodes| *explodes);
    if let (true, 1, Some(index @ 1..)) = (panel.is_numeric, changes, explodes_from) {
        return Some(format!(
            "{}: the gradient vanishes up to {} {}, explodes from {} on",
            panel.cell,
            panel.factor,
            panel.points[index - 1].0,
            panel.points[index].0,
        ));
    }
    let [lowest, highest] = panel.extremes()?;
    Some(format!(
        "{}: rates from {} ({} {}) to {} ({})",
        panel.cell,
        labels::significant(lowest.1),
        panel.factor,
        lowest.0,
        labels::significant(highest.1),
        highest.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(points: &[(&str, f64)], is_numeric: bool) -> String {
        title(&[Seen {
            cell: "lstm",
            factor: "gain".into(),
            is_numeric,
            points: points.iter().map(|&(x, y)| (x.into(), y)).collect(),
        }])
    }

    #[test]
    fn title_names_the_change_of_sign_or_the_extremes() {
        assert_eq!(
            seen(&[("0.5", -0.7), ("1", -0.1), ("2", 0.3)], true),
            "lstm: the gradient vanishes up to gain 1, explodes from 2 on"
        );
        assert_eq!(
            seen(&[("a", -0.7), ("b", -0.1), ("c", -0.3)], false),
            "lstm: rates from −0.7 (gain a) to −0.1 (b)"
        );
        assert_eq!(seen(&[], true), "No rate could be fitted");
    }
}
