//! The wall: where the error surface of a recurrent network is steep, and what clipping does there.
//!
//! R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), Eq. 8 and Fig. 6 (Fig. 3, after Doya:
//! w = 5). One logistic unit without input in the paper's pre-activation form,
//!
//! ```text
//! x_t = w·σ(x_{t−1}) + b,   x_0 = 0.5,   E = (σ(x_50) − 0.7)²,
//! ```
//!
//! is our h_t = σ(w·h_{t−1} + b) with h_0 = σ(0.5) and E = (h_50 − 0.7)². Its gradient with respect to (w,
//! b) is exact in either form. The grid is w ∈ [4, 7] in 601 and b ∈ [−4, −1.5] in 1001 points; b is a
//! constant input, one sequence for each.
//!
//! Between saddle-node bifurcations two attractors coexist: x = wσ(x) + b with wσ'(x) = 1 gives σ± =
//! (1 ± √(1 − 4/w))/2 and b = ln(σ/(1 − σ)) − wσ, at w = 5 the strip b ∈ (−2.6556103, −2.3443897). The
//! wall is where a trajectory changes sides, so it must lie in the strip.
//!
//! Descents of rate 0.03 from a grid of 16 starts, 1000 steps each: clipped at norm 1 (Algorithm 1) they
//! must all stay on the grid; unclipped, half of them or more must jump farther than 1 in one step, a
//! third of the grid's width and 33 times as far as a clipped one can.

use gradient_tracking::clip_norm;
use gradient_tracking::probes::SequenceGradients;
use gradient_tracking::source::SquaredDistance;
use nalgebra::DMatrix;
use theory::scalar_maps::bistable_biases;
use vanilla_rnn::Activation;

use super::measure::{Trajectory, largest, scalar};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotHeat, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "pascanu-2013-wall",
    source: "R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), Eq. 8, Fig. 6, Algorithm 1",
    statement: "The error surface of one logistic unit has a wall, in its bistable strip, that throws a plain \
                descent out; a clipped one stays",
    scale: Scale::Full,
    cost_seconds: 1.6,
    check,
};

const STEPS: usize = 50;
const TARGET: f64 = 0.7;
const WEIGHTS: (f64, f64, usize) = (4.0, 7.0, 601);
const BIASES: (f64, f64, usize) = (-4.0, -1.5, 1001);
const RATE: f64 = 0.03;
const DESCENT_STEPS: usize = 1000;

fn check() -> Result<Evidence, String> {
    let biases: Vec<f64> = (0..BIASES.2).map(|j| at(BIASES, j)).collect();
    let mut norms = Vec::with_capacity(WEIGHTS.2 * BIASES.2);
    let mut peak = (0.0, 0.0, 0.0);
    let mut at_five = (0.0, 0.0);
    for i in 0..WEIGHTS.2 {
        let w = at(WEIGHTS, i);
        for (point, b) in surface(w, &biases)?.iter().zip(&biases) {
            let norm = point.dw.hypot(point.db);
            if norm > peak.0 {
                peak = (norm, w, *b);
            }
            if i == 200 && norm > at_five.0 {
                at_five = (norm, *b);
            }
            norms.push(norm);
        }
    }
    let grid = norms.clone();
    norms.sort_by(f64::total_cmp);
    let median = norms[norms.len() / 2];
    let strip = |w| bistable_biases(w).ok_or("one attractor only");
    let ((low, high), own) = (strip(5.0)?, strip(peak.1)?);

    let (mut left, mut jumps) = (0, Vec::new());
    for w in [4.5, 5.0, 5.5, 6.0] {
        for b in [-3.5, -3.0, -2.5, -2.3] {
            left += usize::from(!descend(w, b, Some(1.0))?.stays);
            jumps.push(descend(w, b, None)?.longest);
        }
    }
    jumps.sort_by(f64::total_cmp);
    Ok(Evidence {
        checks: vec![
            // Seven decimals are stated.
            Check::within("lower edge of the strip at w = 5", low, -2.655_610_3, 5e-8),
            Check::within("upper edge of the strip at w = 5", high, -2.344_389_7, 5e-8),
            Check::none(
                "edges where the unit is not bistable just inside, monostable just outside",
                bistable_errors(low, high)?,
                4,
            ),
            Check::at_least(
                "largest / median ‖∇E‖ on the grid",
                largest(norms) / median,
                1e4,
            ),
            Check::between("b of the largest ‖∇E‖ at w = 5", at_five.1, low, high),
            Check::between(
                "b of the largest ‖∇E‖ of all, within the strip of its w",
                peak.2,
                own.0,
                own.1,
            ),
            Check::none("clipped descents that leave the grid", left, jumps.len()),
            Check::at_least(
                "unclipped descents: median of the longest step",
                jumps[jumps.len() / 2],
                1.0,
            ),
        ],
        seeds: 0,
        plot: Some(picture(&grid, peak.0 / median)),
        remark: format!(
            "largest ‖∇E‖ {:.0} at w = {:.3}, b = {:.4}; median {median:.3}",
            peak.0, peak.1, peak.2
        ),
    })
}

/// Point `k` of an axis.
fn at((from, to, points): (f64, f64, usize), k: usize) -> f64 {
    from + (to - from) * k as f64 / (points - 1) as f64
}

/// The gradient of E.
struct Point {
    dw: f64,
    db: f64,
}

fn surface(w: f64, biases: &[f64]) -> Result<Vec<Point>, String> {
    let cell = scalar(Activation::Logistic, w, 0.0);
    let batch = biases.len();
    let inputs = DMatrix::from_fn(1, STEPS * batch, |_, column| biases[column % batch]);
    let start = 1.0 / (1.0 + (-0.5_f64).exp());
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::from_element(1, batch, start))?;
    let mut gradients = SequenceGradients::new(&cell, batch);
    let mut loss = SquaredDistance::new(STEPS, TARGET);
    trajectory.backpropagate(&mut loss, None, &mut [&mut gradients])?;
    Ok((0..batch)
        .map(|j| {
            // W_hh, W_ih, b.
            let gradient = gradients.to_f64(j);
            Point {
                dw: gradient[0],
                db: gradient[2],
            }
        })
        .collect())
}

/// Columns and rows of the grid that are one cell of the picture.
const BLOCK: usize = 5;

/// log₁₀ ‖∇E‖ over (b, w), the largest of each block of 25 points so that the wall has no holes, and the
/// edges of the strip. `grid` has a row of norms for each w.
fn picture(grid: &[f64], steepness: f64) -> Plot {
    let blocks = |points: usize| (0..points).step_by(BLOCK);
    let middles = |axis: (f64, f64, usize)| {
        let half = BLOCK / 2;
        let middle = |k: usize| at(axis, usize::min(k + half, axis.2 - 1));
        blocks(axis.2).map(middle).collect::<Vec<f64>>()
    };
    let of_block = |row: usize, column: usize| {
        let rows = row..usize::min(row + BLOCK, WEIGHTS.2);
        let norms = rows.flat_map(|i| {
            let columns = column..usize::min(column + BLOCK, BIASES.2);
            columns.map(move |j| grid[i * BIASES.2 + j])
        });
        let norm = largest(norms).log10();
        // Two decimals are more than a colour shows.
        norm.is_finite().then(|| (norm * 100.0).round() / 100.0)
    };
    let values = blocks(WEIGHTS.2)
        .map(|row| {
            blocks(BIASES.2)
                .map(|column| of_block(row, column))
                .collect()
        })
        .collect();
    let edge = |choose: fn((f64, f64)) -> f64| {
        let points = (0..WEIGHTS.2).map(|i| at(WEIGHTS, i));
        let points = points.filter_map(|w| Some((choose(bistable_biases(w)?), w)));
        // Nothing outside of the grid is drawn.
        points
            .filter(|(b, _)| (BIASES.0..=BIASES.1).contains(b))
            .collect::<Vec<_>>()
    };
    let (lower, upper) = (edge(|edges| edges.0), edge(|edges| edges.1));
    let decades = steepness.log10();
    Plot {
        title: format!(
            "A wall {decades:.1} decades steeper than its surroundings crosses the error surface"
        ),
        subtitle:
            "One logistic unit, x(t) = w·σ(x(t−1)) + b, x(0) = 0.5, E = (σ(x(50)) − 0.7)². Dashed: \
                   between these biases it has two attractors (theory)."
                .to_owned(),
        x: PlotAxis::linear("bias b"),
        y: PlotAxis::linear("recurrent weight w"),
        series: vec![
            PlotSeries::new("", Mark::Dashed, 1, lower),
            PlotSeries::new("two attractors", Mark::Dashed, 1, upper),
        ],
        heat: Some(PlotHeat {
            label: "‖∂E/∂(w, b)‖".to_owned(),
            log10: true,
            diverging: false,
            x: middles(BIASES),
            y: middles(WEIGHTS),
            values,
        }),
    }
}

/// Sides of the edges at w = 5 on which the unit does not have the number of attractors it should.
fn bistable_errors(low: f64, high: f64) -> Result<usize, String> {
    // Within 10⁻³ of an edge a trajectory passes the place of the vanished attractor in about 100 steps.
    let near = 1e-3;
    let (places, expected) = (
        [low - near, low + near, high - near, high + near],
        [1, 2, 2, 1],
    );
    let cell = scalar(Activation::Logistic, 5.0, 0.0);
    let (steps, batch) = (10_000, 2 * places.len());
    let inputs = DMatrix::from_fn(1, steps * batch, |_, column| places[column % batch / 2]);
    // From below and from above.
    let initial = DMatrix::from_fn(1, batch, |_, column| (column % 2) as f64);
    let last = Trajectory::new(&cell, inputs, &initial)?.state(steps);
    let attractors = (0..places.len()).map(|k| {
        let apart = (last[2 * k] - last[2 * k + 1]).abs();
        if apart > 0.01 { 2 } else { 1 }
    });
    Ok(attractors
        .zip(expected)
        .filter(|(found, expected)| found != expected)
        .count())
}

struct Descent {
    /// Whether it never left the grid.
    stays: bool,
    longest: f64,
}

fn descend(mut w: f64, mut b: f64, threshold: Option<f64>) -> Result<Descent, String> {
    let mut descent = Descent {
        stays: true,
        longest: 0.0,
    };
    for _ in 0..DESCENT_STEPS {
        let point = &surface(w, &[b])?[0];
        let mut gradient = [point.dw, point.db];
        if let Some(threshold) = threshold {
            clip_norm(&mut gradient, threshold);
        }
        (w, b) = (w - RATE * gradient[0], b - RATE * gradient[1]);
        descent.longest = largest([descent.longest, RATE * gradient[0].hypot(gradient[1])]);
        descent.stays &= (WEIGHTS.0..=WEIGHTS.1).contains(&w) && (BIASES.0..=BIASES.1).contains(&b);
    }
    Ok(descent)
}
