//! A constant forget gate multiplies the cell gradient by itself at every step, and f ≡ 1 by nothing.
//!
//! The LSTM with forget gate, all its weights zero, so that f = σ(b): ∂L/∂c_{T−k} = fᵏ ∂L/∂c_T (Gers,
//! Schmidhuber & Cummins 2000). ln r_k is compared with k ln σ(b) at every lag to 1000; each step rounds f and
//! a product, so 10⁻¹² of lag times ln σ(b), or of 1 where that is less. Two values have no rounding at all:
//! σ(0) = ½, where a thousand steps are 2⁻¹⁰⁰⁰ bit for bit, and f ≡ 1, the carousel of 1997, where the
//! gradient stays what it is.

use cell_config::{Streams, uniform};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};

use super::measure::{Cases, differing_bits, largest};
use super::one_cell::{Gradients, gradients, ln_ratios};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// See the [module](self).
pub const CLAIM: Claim = Claim {
    id: "carousel-constant-gate",
    source: "derived; F. Gers, J. Schmidhuber, F. Cummins, Neural Computation 12(10):2451, 2000",
    statement: "With a constant forget gate f the cell gradient decays as fᵏ exactly, and with f ≡ 1 it \
                keeps its bits",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

const HIDDEN: usize = 8;
const STEPS: usize = 1000;

fn check() -> Result<Evidence, String> {
    let (mut deviation, mut series) = (0.0, Vec::new());
    for (colour, bias) in [-2.0_f64, 0.0, 1.0, 3.0, 5.0].into_iter().enumerate() {
        let found = run(Some(bias))?;
        let ratios = ln_ratios_of_cells(&found);
        // ln σ(b) = −ln(1 + e^−b).
        let rate = -(-bias).exp().ln_1p();
        let errors = ratios.iter().enumerate().map(|(k, ratio)| {
            let expected = k as f64 * rate;
            (ratio - expected).abs() / largest([expected.abs(), 1.0])
        });
        deviation = largest(errors.chain([deviation]));
        let log10 = std::f64::consts::LOG10_E;
        let measured = ratios.iter().enumerate().step_by(50);
        let measured = measured.map(|(k, ratio)| (k as f64, ratio * log10));
        let ends = [0, STEPS].map(|k| (k as f64, k as f64 * rate * log10));
        let label = format!("f = σ({bias})").replace('-', "−");
        series.push(PlotSeries::new(label, Mark::Dashed, colour, ends));
        series.push(PlotSeries::new("", Mark::Points, colour, measured));
    }
    let differing = |found: &Gradients, factor: f64| {
        let last: Vec<f64> = cells(&found.node[STEPS])
            .iter()
            .map(|c| c * factor)
            .collect();
        differing_bits(&cells(&found.node[0]), &last)
    };
    let (open, half) = (run(None)?, run(Some(0.0))?);
    let mut alive = Cases::default();
    for c in cells(&open.node[STEPS]) {
        alive.see(c.abs() > 0.0);
    }
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "largest deviation of ln r_k from k ln σ(b), k ≤ 1000, relative to it",
                deviation,
                1e-12,
            ),
            Check::none(
                "f ≡ 1: cells whose gradient at lag 1000 is not that at lag 0 bit for bit",
                differing(&open, 1.0),
                HIDDEN,
            ),
            Check::none(
                "f = ½: cells whose gradient at lag 1000 is not 2⁻¹⁰⁰⁰ of that at lag 0 bit for bit",
                differing(&half, 2_f64.powi(-1000)),
                HIDDEN,
            ),
            Check::none("cells without a gradient", alive.violations, alive.of),
        ],
        seeds: 1,
        plot: Some(Plot {
            title: "A constant forget gate is the whole decay of the cell gradient".to_owned(),
            subtitle: "LSTM without weights, f = σ(b); dots measured, dashed: f to the power k"
                .to_owned(),
            x: PlotAxis::linear("lag k (steps)"),
            y: PlotAxis::log10("‖∂L/∂c‖ relative to the last step's"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}

/// With a forget bias, or without a forget gate.
fn run(forget_bias: Option<f64>) -> Result<Gradients, String> {
    let mut bias = DVector::zeros(4 * HIDDEN);
    bias.rows_mut(HIDDEN, HIDDEN)
        .fill(forget_bias.unwrap_or(0.0));
    let none = |columns| DMatrix::zeros(4 * HIDDEN, columns);
    let cell = Lstm::new(none(HIDDEN), none(1), bias, forget_bias.is_some());
    let streams = Streams {
        seed: 1,
        replicate: 0,
    };
    let draw = |name, rows| {
        let stream = streams.stream(&["carousel-constant-gate", name], &[rows]);
        uniform(rows, 1, -1.0, 1.0, stream)
    };
    let (initial, adjoint) = (draw("initial", 2 * HIDDEN), draw("adjoint", HIDDEN));
    gradients(&cell, DMatrix::zeros(1, STEPS), &initial, &adjoint)
}

/// ∂L/∂c_t: the lower half of the state.
fn cells(node: &DMatrix<f64>) -> Vec<f64> {
    node.rows(HIDDEN, HIDDEN).iter().copied().collect()
}

fn ln_ratios_of_cells(found: &Gradients) -> Vec<f64> {
    ln_ratios(&found.norms, 1)
}
