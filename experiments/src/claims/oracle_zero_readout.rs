//! A readout without weights loses ln C per step and sequence, whatever the network does.
//!
//! e⁰ = 1 and sums of ones are exact, so the loss is ln C itself added up term by term, the bias
//! gradient Σ(1/C − 1[label]) is exact for C a power of two, and nothing goes back.

use gradient_tracking::source::{Readout, Target};
use nalgebra::{DMatrix, DVector};

use super::measure::{Draws, Trajectory, both_cells, labels};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-zero-readout",
    source: "exact",
    statement: "A softmax readout with zero weights has the loss ln C exactly and passes no gradient back",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const HIDDEN: usize = 5;
const STEPS: usize = 9;
const BATCH: usize = 3;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let (mut losses, mut biases, mut cases) = (0, 0, 0);
    let (mut passed, mut gradients) = (0, 0);
    let mut one_term = [0.0; 2];
    for (classes, one_term) in [4_usize, 8].into_iter().zip(&mut one_term) {
        let log = (classes as f64).ln();
        let labels = labels(draws, "labels", classes, STEPS * BATCH);
        for cell in both_cells(draws, HIDDEN, 3) {
            let inputs = draws.uniform("inputs", 3, STEPS * BATCH, 1.0);
            let initial = draws.uniform("initial", cell.shape().state, BATCH, 1.0);
            let trajectory = Trajectory::new(&*cell, inputs, &initial)?;
            for first_step in (1..=STEPS).rev() {
                let mut readout = Readout::new(
                    DMatrix::zeros(classes, HIDDEN),
                    DVector::zeros(classes),
                    Target::CrossEntropy(&labels),
                    first_step,
                    BATCH,
                );
                let found = trajectory.norms(&mut readout, None)?;
                let terms = (STEPS - first_step + 1) * BATCH;
                cases += 1;
                losses += usize::from(readout.loss != (0..terms).fold(0.0, |sum, _| sum + log));
                *one_term = readout.loss / terms as f64;
                let used = &labels[(first_step - 1) * BATCH..];
                let exact = (0..classes).all(|class| {
                    let hits = used.iter().filter(|label| **label == class).count();
                    readout.bias_gradient[class] == terms as f64 / classes as f64 - hits as f64
                });
                biases += usize::from(!exact);
                for block in &found.norms.blocks {
                    let norms = &block.node.log10_norm;
                    gradients += norms.len();
                    passed += norms.iter().filter(|r| **r != f64::NEG_INFINITY).count();
                }
            }
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "losses that are not ln C, added up, bit for bit",
                losses,
                cases,
            ),
            // Seven decimals are stated.
            Check::within(
                "loss per step and sequence, C = 4",
                one_term[0],
                1.386_294_4,
                5e-8,
            ),
            Check::within(
                "loss per step and sequence, C = 8",
                one_term[1],
                2.079_441_5,
                5e-8,
            ),
            Check::none(
                "bias gradients that are not Σ(1/C − 1[label])",
                biases,
                cases,
            ),
            Check::none(
                "gradients of the state that are not exactly 0",
                passed,
                gradients,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
