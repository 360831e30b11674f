//! How slowly a logistic unit with a positive self-connection can forget: never slower than × 0.2785.
//!
//! A companion to Hochreiter's |w| < 4 that is exact. The unit h_t = σ(w·h_{t−1}), w > 0, has one
//! attracting fixed point h; there the gradient loses the factor w·h(1 − h) a step. With t = w·h the
//! factor is t/(1 + e^t), whose largest value over all t, hence over all w, is Lambert's W(1/e) =
//! 0.2784645, at t = 1 + W(1/e), w = 1.634472. A larger weight saturates the unit faster than it
//! amplifies. Negative weights can do better: w = −5.8 keeps 0.992 a step.
//!
//! The slope is a function of the unit's output, h(1 − h), so 1 − h loses digits as h → 1: a rate is
//! known to 2⁻⁵²/(1 − h) or so, and from w = 37 on, where f64 rounds h to 1, the gradient is exactly zero.
//! The tolerance against the exact ln[w·h(1 − h)] is four times that.

use nalgebra::DMatrix;
use theory::scalar_maps::{logistic_ceiling, logistic_factor, logistic_fixed_point};
use vanilla_rnn::Activation;

use super::measure::{Cases, EPSILON, Trajectory, Worst, maximum, scalar, slope};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "hochreiter-unit-ceiling",
    source: "derived; companion to Hochreiter & Schmidhuber, Neural Computation 9(8) (1997), §3.1",
    statement: "No positive weight lets a bias-free logistic unit's gradient decay slower than \
                ×W(1/e) = ×0.2785 a step",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

/// The gradient loses a factor of 4 a step or more, and so does the way to the fixed point; that of
/// w = −5.8 needs longer.
const STEPS: usize = 200;
const LAGS: usize = 60;

fn check() -> Result<Evidence, String> {
    let (mut worst, mut below, mut dead) = (Worst::default(), Cases::default(), 0);
    let mut factors = Vec::new();
    let (best, factor) = logistic_ceiling();
    let ceiling = factor.ln();
    for k in 1..=5000 {
        let w = f64::from(k) / 100.0;
        let rate = rate(w, STEPS)?;
        below.see(rate <= ceiling + 1e-4);
        if rate == f64::NEG_INFINITY {
            dead += 1;
            continue;
        }
        factors.push((w.log10(), rate.exp()));
        let rounding = 4.0 * EPSILON / (1.0 - logistic_fixed_point(w));
        // The rest is the slope's: a state that has settled to 10⁻¹⁶ over 60 lags.
        worst.see(rate, logistic_factor(w).ln(), rounding + 1e-14);
    }
    let (place, value) = maximum(1.0, 3.0, |w| rate(w, STEPS).unwrap_or(f64::NAN));
    let negative = rate(-5.8, 20_000)?;
    let series = vec![
        PlotSeries::new("measured", Mark::Line, 0, factors),
        PlotSeries::new(
            "W(1/e) = 0.2785",
            Mark::Dashed,
            1,
            [-2.0, 50_f64.log10()].map(|x| (x, factor)),
        ),
    ];
    Ok(Evidence {
        checks: vec![
            Check::within(
                "largest rate over w > 0, nats per step",
                value,
                ceiling,
                1e-4,
            ),
            // A flat top of height rounded to 10⁻¹⁵ has its place known to a few 10⁻⁸.
            Check::within("the w where it is", place, best, 1e-6),
            Check::none("rates above the ceiling, w = 0.01…50", below.violations, below.of),
            Check::at_most(
                "|rate − ln w·h(1−h)|, worst in units of its rounding",
                worst.0,
                1.0,
            ),
            Check::within("factor a step at w = −5.8", negative.exp(), 0.992, 5e-4),
        ],
        seeds: 0,
        plot: Some(Plot {
            title: "No positive weight lets a logistic unit keep more than 0.2785 of its gradient".to_owned(),
            subtitle: "Factor per step of h ← σ(w·h) at its fixed point, lags 1–60. Dashed: the ceiling, at w\u{a0}=\u{a0}1.634.".to_owned(),
            x: PlotAxis::log10("weight w"),
            y: PlotAxis::linear("factor of the gradient per step"),
            series,
            heat: None,
        }),
        remark: format!(
            "{dead} of 5000 weights saturate the unit to h = 1 in f64 and pass exactly nothing"
        ),
    })
}

/// The rate at the attractor, lags 1…60 after so many steps; −∞ where no gradient is left at any of them.
fn rate(w: f64, steps: usize) -> Result<f64, String> {
    let cell = scalar(Activation::Logistic, w, 0.0);
    let trajectory = Trajectory::undriven(&cell, &DMatrix::from_element(1, 1, 0.5), steps)?;
    let ratios = trajectory.scalar_ratios()?;
    let is_dead = ratios[1..=LAGS].iter().all(|r| *r == f64::NEG_INFINITY);
    Ok(if is_dead {
        f64::NEG_INFINITY
    } else {
        slope(&ratios, 1..LAGS + 1)
    })
}
