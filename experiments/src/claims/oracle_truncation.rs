//! Truncated backpropagation at τ: gradients older than τ are exactly 0, younger ones untouched; τ ≥ T
//! is full backpropagation, bit for bit.
//!
//! For losses at every step it is backpropagation through windows of τ steps, counted from the end,
//! that start from given states: their parameter gradients add up, to the rounding of sums in another
//! order.

use gradient_tracking::probes::ParameterGradient;
use gradient_tracking::source::{EveryStep, Terminal};
use gradient_tracking::{AdjointSource, Trainable};
use nalgebra::DMatrix;

use super::measure::{Draws, ROUNDING, Trajectory, Worst, both_cells, differing_bits};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-truncation",
    source: "exact; R. J. Williams, J. Peng, Neural Computation 2(4):490 (1990)",
    statement: "Truncation at τ leaves exactly nothing of gradients older than τ and changes no bit if τ ≥ T",
    scale: Scale::Full,
    cost_seconds: 0.05,
    check,
};

const HIDDEN: usize = 5;
const INPUT: usize = 3;
const BATCH: usize = 2;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let (mut beyond, mut older, mut within, mut younger) = (0, 0, 0, 0);
    let (mut changed, mut numbers) = (0, 0);
    let mut windows = Worst::default();
    for cell in both_cells(draws, HIDDEN, INPUT) {
        let short = trajectory(draws, &*cell, 40)?;
        let adjoint = draws.uniform("adjoint", HIDDEN, BATCH, 1.0);
        let full = short.adjoints(&mut short.terminal_source(&adjoint), None)?;
        for tau in [1, 7, 10, 39] {
            let cut = short.adjoints(&mut short.terminal_source(&adjoint), Some(tau))?;
            for t in 0..=40 {
                if 40 - t <= tau {
                    younger += 1;
                    let differ = cut.node[t].differing_bits(&full.node[t])
                        + cut.carried[t].differing_bits(&full.carried[t]);
                    within += usize::from(differ > 0);
                } else {
                    older += 1;
                    beyond += usize::from(!cut.node[t].is_zero() || !cut.carried[t].is_zero());
                }
            }
        }

        // More than one chunk of steps.
        let long = trajectory(draws, &*cell, 300)?;
        let adjoints = draws.uniform("adjoints", HIDDEN, 300 * BATCH, 1.0);
        for tau in [300, 301, 3000] {
            for terminal in [true, false] {
                let of = |truncation| {
                    let (mut last, mut every) = (
                        Terminal {
                            steps: 300,
                            adjoint: adjoints.columns(299 * BATCH, BATCH),
                        },
                        EveryStep {
                            adjoints: adjoints.as_view(),
                        },
                    );
                    let source: &mut dyn AdjointSource =
                        if terminal { &mut last } else { &mut every };
                    everything(&long, &*cell, source, truncation)
                };
                let (full, cut) = (of(None)?, of(Some(tau))?);
                changed += differing_bits(&full, &cut);
                numbers += full.len();
            }
        }

        let adjoints = draws.uniform("adjoints", HIDDEN, 40 * BATCH, 1.0);
        let gradient = |trajectory: &Trajectory, adjoints: &DMatrix<f64>, truncation| {
            let mut source = EveryStep {
                adjoints: adjoints.as_view(),
            };
            let gradient = parameters(trajectory, &*cell, &mut source, truncation)?.to_f64();
            Ok::<_, String>(DMatrix::from_vec(gradient.len(), 1, gradient))
        };
        let truncated = gradient(&short, &adjoints, Some(9))?;
        let mut sum = DMatrix::zeros(truncated.len(), 1);
        let mut last = 40;
        while last > 0 {
            let after = usize::saturating_sub(last, 9);
            let columns = after * BATCH..last * BATCH;
            let inputs = short.inputs.columns_range(columns.clone()).into_owned();
            let window = Trajectory::new(&*cell, inputs, &short.state(after))?;
            sum += gradient(&window, &adjoints.columns_range(columns).into_owned(), None)?;
            last = after;
        }
        windows.see_matrix(&truncated, &sum, ROUNDING);
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "gradients older than τ that are not exactly 0",
                beyond,
                older,
            ),
            Check::none(
                "gradients of lag up to τ that changed a bit",
                within,
                younger,
            ),
            Check::none(
                "numbers (norms, ∂L/∂W) that τ ≥ T changed",
                changed,
                numbers,
            ),
            Check::at_most(
                "losses at every step: against separate windows, in units of rounding",
                windows.0,
                1.0,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

fn trajectory<'a>(
    draws: Draws,
    cell: &'a dyn Trainable,
    steps: usize,
) -> Result<Trajectory<'a>, String> {
    let inputs = draws.uniform("inputs", INPUT, steps * BATCH, 1.0);
    let initial = draws.uniform("initial", cell.shape().state, BATCH, 1.0);
    Trajectory::new(cell, inputs, &initial)
}

fn parameters(
    trajectory: &Trajectory,
    cell: &dyn Trainable,
    source: &mut dyn AdjointSource,
    truncation: Option<usize>,
) -> Result<ParameterGradient, String> {
    let mut gradient = ParameterGradient::new(cell, trajectory.steps(), BATCH);
    trajectory.backpropagate(source, truncation, &mut [&mut gradient])?;
    Ok(gradient)
}

/// All norms and the parameter gradient, one after the other.
fn everything(
    trajectory: &Trajectory,
    cell: &dyn Trainable,
    source: &mut dyn AdjointSource,
    truncation: Option<usize>,
) -> Result<Vec<f64>, String> {
    let gradients = trajectory.norms(source, truncation)?;
    let blocks = gradients.norms.blocks.iter();
    let norms = blocks.flat_map(|block| [&block.node, &block.carried]);
    let mut all: Vec<f64> = norms.flat_map(|norms| norms.log10_norm.clone()).collect();
    let gradient = parameters(trajectory, cell, source, truncation)?;
    all.extend(gradient.values);
    all.push(gradient.exponent as f64);
    Ok(all)
}
