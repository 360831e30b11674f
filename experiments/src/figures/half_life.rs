//! `half-life`: the number of steps in which the gradient halves, against a factor.

use super::FigureError;
use super::against_factor::{self, Measured, Seen, Shown};
use super::data::Request;
use super::labels;
use super::ticks::{self, Tick};
use crate::tables::FitRow;
use decay_analysis::ROUNDING;

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    against_factor::draw(
        request,
        &Shown {
            y_label: "half-life ln 2 / (−λ) (steps)",
            measured,
            of_rate: |rate| half_life(rate).filter(|height| height.is_finite()),
            with_early_and_late: false,
            border: None,
            ticks: steps,
            title,
        },
    )
}

/// log₁₀ of the half-life of a rate in nats per step; infinite for one that differs from 0 by rounding,
/// such as ln ρ of an orthogonal matrix.
fn half_life(rate: f64) -> Option<f64> {
    if rate.is_nan() {
        None
    } else if rate < -ROUNDING {
        Some((std::f64::consts::LN_2 / -rate).log10())
    } else {
        Some(f64::INFINITY)
    }
}

fn measured(fit: &FitRow) -> Option<Measured> {
    let at = fit.half_life.filter(|steps| *steps > 0.0)?.log10();
    let interval = fit
        .rate_low
        .and_then(half_life)
        .zip(fit.rate_high.and_then(half_life));
    Some(Measured { at, interval })
}

/// Marks at powers of ten, and at 2 and 5 times these where the axis spans few.
fn steps(low: f64, high: f64) -> Vec<Tick> {
    let multiples: &[f64] = if high - low < 2.5 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    if high - low > 8.0 {
        return ticks::powers(low, high, 6);
    }
    (low.floor() as i32..=high.ceil() as i32)
        .flat_map(|decade| {
            multiples.iter().map(move |multiple| {
                let steps = multiple * 10f64.powi(decade);
                let label = if decade < 0 {
                    labels::number(steps, decade.unsigned_abs() as usize)
                } else if steps < 1e6 {
                    labels::thousands(steps as usize)
                } else {
                    labels::concise(steps)
                };
                Tick {
                    at: steps.log10(),
                    label,
                }
            })
        })
        .filter(|tick| (low..=high).contains(&tick.at))
        .collect()
}

fn title(seen: &[Seen<'_>]) -> String {
    let steps = |log10: f64| {
        if log10.is_infinite() {
            "infinite".to_owned()
        } else {
            format!("{} steps", labels::concise(10f64.powf(log10)))
        }
    };
    let parts: Vec<String> = seen
        .iter()
        .filter_map(|panel| {
            let [lowest, highest] = panel.extremes()?;
            Some(format!(
                "{}: half-life from {} ({} {}) to {} ({})",
                panel.cell,
                steps(lowest.1),
                panel.factor,
                lowest.0,
                steps(highest.1),
                highest.0,
            ))
        })
        .collect();
    if parts.is_empty() {
        return "No half-life could be fitted".into();
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_life_is_infinite_where_nothing_vanishes() {
        let rate = -std::f64::consts::LN_2 / 10.0;
        assert!((half_life(rate).unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(half_life(0.0), Some(f64::INFINITY));
        assert_eq!(half_life(-1e-16), Some(f64::INFINITY));
        assert_eq!(half_life(f64::NAN), None);
    }

    #[test]
    fn marks_are_round_numbers_of_steps() {
        let labels = |low, high| -> Vec<String> {
            steps(low, high)
                .into_iter()
                .map(|tick| tick.label)
                .collect()
        };
        assert_eq!(labels(-0.4, 1.1), ["0.5", "1", "2", "5", "10"]);
        assert_eq!(labels(0.0, 4.0), ["1", "10", "100", "1000", "10\u{a0}000"]);
    }
}
