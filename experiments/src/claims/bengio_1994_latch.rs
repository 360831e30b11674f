//! A bit that is latched robustly is a gradient that vanishes.
//!
//! Y. Bengio, P. Simard, P. Frasconi, *IEEE Trans. Neural Networks* 5(2):157–166, 1994. One unit
//! a_t = w·tanh(a_{t−1}) + x_t, in our form h_t = tanh(w·h_{t−1} + x_t), h = tanh a. For w > 1 it has
//! two attractors ±ā; inputs below a threshold h* never flip its sign. A system that latches robustly
//! has |∂a_t/∂a_{t−1}| < 1 near its attractors, so its gradient vanishes. In closed form
//!
//! ```text
//! ā = w·tanh ā,   ∂a_t/∂a_{t−1} = w(1 − tanh² ā) = 2ā/sinh 2ā,   h* = w·s − artanh s, s = √(1 − 1/w).
//! ```
//!
//! Rates are the slope of ln r_k after the unit has settled; h and a give the same, because r_k differs
//! by one factor φ' at each end and these are equal at a fixed point. For w ≤ 1 the attractor is 0 and
//! the factor w. The stated digits have errors of 5·10⁻⁷, hence the tolerance of 10⁻⁶;
//! of the closed form only rounding separates a unit that has settled, 10⁻¹² with room.

use nalgebra::DMatrix;
use theory::scalar_maps::{latch_threshold, tanh_factor};
use vanilla_rnn::Activation;

use super::measure::{Cases, Trajectory, Worst, scalar, slope};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "bengio-1994-latch",
    source: "Y. Bengio, P. Simard, P. Frasconi, IEEE Trans. Neural Networks 5(2):157 (1994)",
    statement: "A unit that latches a bit robustly has a gradient that vanishes at ln(2ā/sinh 2ā), and \
                flips only above the input h*",
    scale: Scale::Full,
    cost_seconds: 0.3,
    check,
};

/// (w, ā, rate, h*).
const TABLE: [(f64, f64, f64, f64); 4] = [
    (1.1, 0.553_235, -0.196_312, 0.020_481),
    (1.25, 0.888_015, -0.479_418, 0.077_805),
    (1.5, 1.287_839, -0.930_610, 0.207_546),
    (2.0, 1.915_008, -1.793_529, 0.532_840),
];

/// Enough for a unit to pass the place where an input just above h* leaves it almost at rest.
const PATIENCE: usize = 100_000;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    let mut exact = Worst::default();
    let (mut flips_below, mut stays_above) = (0, 0);
    for (w, attractor, rate, _) in TABLE {
        let (found, state) = settled(w)?;
        checks.push(Check::within(
            format!("ā at w = {w}"),
            state.atanh(),
            attractor,
            1e-6,
        ));
        checks.push(Check::within(format!("rate at w = {w}"), found, rate, 1e-6));
        exact.see(found, tanh_factor(w).ln(), 1e-12);
    }
    for (w, _, _, stated) in TABLE {
        let threshold = latch_threshold(w).ok_or("only w > 1 latches")?;
        checks.push(Check::within(
            format!("h* at w = {w}"),
            threshold,
            stated,
            1e-6,
        ));
        flips_below += usize::from(flips(w, 0.999 * threshold)?);
        stays_above += usize::from(!flips(w, 1.001 * threshold)?);
    }
    checks.push(Check::none(
        "flips under a constant input of 0.999·h*",
        flips_below,
        TABLE.len(),
    ));
    checks.push(Check::none(
        "rests under a constant input of 1.001·h*",
        stays_above,
        TABLE.len(),
    ));

    checks.push(Check::at_most(
        "|rate − ln(2ā/sinh 2ā)| in units of 10⁻¹²",
        exact.0,
        1.0,
    ));
    let grid: Vec<f64> = (50..=200).map(|k| f64::from(k) / 100.0).collect();
    let rates: Result<Vec<f64>, String> = grid.iter().map(|w| Ok(settled(*w)?.0)).collect();
    let rates = rates?;
    let critical = 50;
    let mut leads_away = Cases::default();
    for (k, pair) in rates.windows(2).enumerate() {
        leads_away.see(match k < critical {
            true => pair[0] < pair[1],
            false => pair[0] >= pair[1],
        });
    }
    checks.push(Check::exactly("rate at w = 1", rates[critical], 0.0));
    checks.push(Check::none(
        "steps of w = 0.5…2 that do not bring the rate away from that of w = 1",
        leads_away.violations,
        leads_away.of,
    ));
    let theory = grid.iter().map(|w| (*w, tanh_factor(*w).ln()));
    let series = vec![
        PlotSeries::new(
            "measured",
            Mark::Points,
            0,
            grid.iter().copied().zip(rates.iter().copied()).step_by(5),
        ),
        PlotSeries::new("theory", Mark::Dashed, 0, theory),
    ];
    Ok(Evidence {
        checks,
        seeds: 0,
        plot: Some(Plot {
            title: "The gradient vanishes on both sides of w = 1".to_owned(),
            subtitle: "Rate of h ← tanh(w·h) at its attractor, lags 1–200: forgets for w < 1, latches a bit for w > 1. \
                       Dashed: ln w, and ln(2a / sinh 2a) with a the attractor.".to_owned(),
            x: PlotAxis::linear("self-connection w"),
            y: PlotAxis::linear("rate (nats per step)"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}

/// The rate of a unit that has settled, and its state.
fn settled(w: f64) -> Result<(f64, f64), String> {
    let cell = scalar(Activation::Tanh, w, 0.0);
    // The unit forgets where it started at the rate that is measured, 0.02 a step at w = 1.01. For
    // w ≤ 1 it starts where it would end, because at w = 1 it would never get there.
    let start = if w > 1.0 { 0.9 } else { 0.0 };
    let steps = if w > 1.0 { 3000 } else { 500 };
    let trajectory = Trajectory::undriven(&cell, &DMatrix::from_element(1, 1, start), steps)?;
    let state = trajectory.state(steps)[0];
    Ok((slope(&trajectory.scalar_ratios()?, 1..201), state))
}

/// Whether a constant input takes the unit from −ā to the other side.
fn flips(w: f64, input: f64) -> Result<bool, String> {
    let cell = scalar(Activation::Tanh, w, 0.0);
    let rest = settled(w)?.1;
    let inputs = DMatrix::from_element(1, PATIENCE, input);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::from_element(1, 1, -rest))?;
    Ok(trajectory.state(PATIENCE)[0] > 0.0)
}
