//! What the largest singular value says about a gradient, and what it does not.
//!
//! R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), §2.1. With γ = max φ' (1 for tanh,
//! 1/4 for the logistic function), η = γ·σ_max(W) < 1 is *sufficient* for vanishing: ‖g_{T−k}‖ ≤
//! η^k·‖g_T‖. η > 1 is *necessary*, not sufficient, for exploding. For a linear network ρ(W) < 1 is
//! sufficient for vanishing as k → ∞, and only then. The paper differentiates with respect to the state
//! before the activation, we after it: J_t = diag(φ'(a_t))·W against W·diag(φ'(a_{t−1})), with the same
//! bound for the product of k of them.
//!
//! (i) 100 random networks of each kind, every sequence, lags to 100: no ratio above η^k·(1 + 10⁻¹²), a
//! hundred steps of some 10⁻¹⁵ each. (ii) σ_max = 1.5 with inputs that saturate: still vanishes, by
//! more than the decade that our verdicts ask for. (iii) The bound is tight: W = ηQ, linear, reaches
//! it. (iv) A Jordan block of ρ = 0.95 first lets the gradient grow beyond 7.

use cell_config::largest_singular_value;
use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Cases, Draws, EPSILON, Trajectory, Worst, largest, undriven, unit_vector};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "pascanu-2013-bound",
    source: "R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), §2.1",
    statement: "γ·σ_max(W) < 1 bounds every gradient by its power; above 1 nothing need explode, and ρ(W) \
                < 1 rules in the limit only",
    scale: Scale::Full,
    cost_seconds: 0.3,
    check,
};

const SEEDS: u64 = 100;
const HIDDEN: usize = 16;
const INPUT: usize = 4;
const BATCH: usize = 4;
const LAGS: usize = 100;

fn check() -> Result<Evidence, String> {
    let (mut bounded, mut saturated) = (Cases::default(), Vec::new());
    let mut series = Vec::new();
    // Networks that are drawn; only the first of each kind is named.
    let mut draw = |name: &str, replicate: u64, colour: usize, curve: &[f64]| {
        if replicate < 5 {
            let name = if replicate == 0 { name } else { "" };
            let points = curve.iter().enumerate().map(|(k, r)| (k as f64, *r));
            series.push(PlotSeries::new(name, Mark::Line, colour, points));
        }
    };
    for replicate in 0..SEEDS {
        let draws = Draws {
            claim: CLAIM.id,
            replicate,
        };
        for (activation, sigma, input) in [
            (Activation::Tanh, 0.95, 1.0),
            (Activation::Logistic, 3.8, 1.0),
        ] {
            let (eta, curves) = driven(draws, activation, sigma, input)?;
            match activation {
                Activation::Tanh => draw("tanh, η = 0.95", replicate, 0, &curves[0]),
                _ => draw("logistic, η = 0.95", replicate, 2, &curves[0]),
            }
            for curve in curves {
                for (k, log10_ratio) in curve.iter().enumerate() {
                    let bound = k as f64 * eta.log10() + 1e-12 * std::f64::consts::LOG10_E;
                    bounded.see(*log10_ratio <= bound);
                }
            }
        }
        // Pre-activations of standard deviation 5: φ' is below 0.1 more often than not.
        let (_, curves) = driven(draws, Activation::Tanh, 1.5, 5.0)?;
        draw("tanh, η = 1.5", replicate, 1, &curves[0]);
        saturated.extend(curves.iter().map(|curve| curve[LAGS]));
    }

    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let mut tight = Worst::default();
    for eta in [0.5_f64, 0.95, 1.5] {
        let q = draws.orthogonal("Q", HIDDEN);
        let defect = (q.tr_mul(&q) - DMatrix::identity(HIDDEN, HIDDEN)).norm();
        let cell = undriven(Activation::Identity, eta * q);
        let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(HIDDEN, 1), LAGS)?;
        let adjoint = draws.gaussian("adjoint", HIDDEN, 1, 1.0);
        for (k, found) in trajectory
            .terminal(&adjoint)?
            .ratios("h")
            .iter()
            .enumerate()
        {
            let expected = k as f64 * eta.log10();
            // Each step sums 16 products of rounded weights, and Q is orthogonal only so far.
            let step = HIDDEN as f64 * EPSILON + defect;
            tight.see(
                *found,
                expected,
                k as f64 * step + 4.0 * EPSILON * (1.0 + expected.abs()),
            );
        }
    }

    let jordan = DMatrix::from_row_slice(2, 2, &[0.95, 1.0, 0.0, 0.95]);
    let cell = undriven(Activation::Identity, jordan);
    let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(2, 1), 1000)?;
    let curve = trajectory.terminal(&unit_vector(2, 0))?.ratios("h");
    let bound = [0.0, LAGS as f64].map(|k| (k, k * 0.95_f64.log10()));
    series.push(PlotSeries::new("bound 0.95^k", Mark::Dashed, 0, bound));
    let peak = largest(curve.iter().copied());
    Ok(Evidence {
        checks: vec![
            Check::none("gradient ratios above η^k, η = 0.95", bounded.violations, bounded.of),
            Check::at_most(
                "log₁₀ r_100 with σ_max = 1.5 and saturating inputs, largest",
                largest(saturated),
                -1.0,
            ),
            Check::at_most(
                "W = ηQ, linear: |log₁₀ r_k − k·log₁₀ η| in units of its rounding",
                tight.0,
                1.0,
            ),
            Check::at_least(
                "largest r_k of a Jordan block with ρ = 0.95",
                10_f64.powf(peak),
                7.0,
            ),
            Check::at_most("its log₁₀ r_1000", curve[1000], -1.0),
        ],
        seeds: SEEDS as usize,
        plot: Some(Plot {
            title: "η < 1 bounds every gradient; above 1 it can vanish all the same".to_owned(),
            subtitle: "Five random networks of each kind, N = 16, driven by noise; those of η = γ·σ_max(W) = 1.5 by inputs \
                       that saturate. Dashed: the bound for η = 0.95.".to_owned(),
            x: PlotAxis::linear("lag k = T − t (steps)"),
            y: PlotAxis::log10("‖∂L/∂h(T−k)‖ / ‖∂L/∂h(T)‖"),
            series,
            heat: None,
        }),
        remark: String::new(),
    })
}

/// γ·σ_max and the curves of each sequence of a random network of σ_max = `sigma`, whose inputs have
/// pre-activations of standard deviation `input`.
fn driven(
    draws: Draws,
    activation: Activation,
    sigma: f64,
    input: f64,
) -> Result<(f64, Vec<Vec<f64>>), String> {
    let gaussian = draws.gaussian("weight_hh", HIDDEN, HIDDEN, 1.0);
    let weights = &gaussian * (sigma / largest_singular_value(&gaussian));
    let eta = activation.largest_slope() * largest_singular_value(&weights);
    let input_weights = draws.gaussian("weight_ih", HIDDEN, INPUT, input / (INPUT as f64).sqrt());
    let cell = VanillaRnn::new(activation, weights, input_weights, DVector::zeros(HIDDEN));
    let inputs = draws.gaussian("inputs", INPUT, LAGS * BATCH, 1.0);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(HIDDEN, BATCH))?;
    let gradients = trajectory.terminal(&draws.gaussian("adjoint", HIDDEN, BATCH, 1.0))?;
    let curves = (0..BATCH)
        .map(|j| gradients.sequence_ratios("h", j))
        .collect();
    Ok((eta, curves))
}
