//! Relabelling hidden units changes no gradient norm.
//!
//! Rows and columns of the weights, initial states and adjoints are permuted alike; sums run in another
//! order, so norms agree to rounding.

use gradient_tracking::{Factor, Trainable};
use nalgebra::DMatrix;
use rand::seq::SliceRandom;

use super::measure::{Draws, ROUNDING, Trajectory, Worst, both_cells};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-relabelling",
    source: "exact symmetry",
    statement: "The order of the hidden units changes no gradient norm",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const STEPS: usize = 25;
const BATCH: usize = 3;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let mut checks = Vec::new();
    for hidden in [2, 7, 16] {
        let mut unit: Vec<usize> = (0..hidden).collect();
        let generator = &mut draws.generator("order", &[hidden]);
        while unit.is_sorted() {
            unit.shuffle(generator);
        }
        let changes = largest_change(draws, &unit, &vec![1.0; hidden])?;
        for (name, worst) in ["RNN", "LSTM"].into_iter().zip(changes) {
            let what = format!("{name}, H = {hidden}: change of log₁₀ norms in units of rounding");
            checks.push(Check::at_most(what, worst, 1.0));
        }
    }
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

/// How much log₁₀ norms change, in units of rounding, for an RNN and an LSTM whose new unit k is the old
/// unit `unit[k]`, times `sign[k]`.
pub fn largest_change(draws: Draws, unit: &[usize], sign: &[f64]) -> Result<[f64; 2], String> {
    let hidden = unit.len();
    let [rnn, lstm] = both_cells(draws, hidden, 3);
    let [mut other_rnn, mut other_lstm] = both_cells(draws, hidden, 3);
    relabel(&mut *other_rnn, unit, sign);
    relabel(&mut *other_lstm, unit, sign);
    // Rows of h, and those of c below them.
    let permuted = |matrix: &DMatrix<f64>| {
        DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
            let (block, k) = (i / hidden, i % hidden);
            sign[k] * matrix[(block * hidden + unit[k], j)]
        })
    };
    let change = |cell: &dyn Trainable, other: &dyn Trainable| {
        let inputs = draws.uniform("inputs", 3, STEPS * BATCH, 1.0);
        let initial = draws.uniform("initial", cell.shape().state, BATCH, 1.0);
        let adjoint = draws.uniform("adjoint", hidden, BATCH, 1.0);
        let plain = Trajectory::new(cell, inputs.clone(), &initial)?;
        let relabelled = Trajectory::new(other, inputs, &permuted(&initial))?;
        let mut worst = Worst::default();
        let expected = permuted(&plain.state(STEPS));
        worst.see_matrix(&relabelled.state(STEPS), &expected, ROUNDING);
        let found = relabelled.terminal(&permuted(&adjoint))?.norms.blocks;
        let expected = plain.terminal(&adjoint)?.norms.blocks;
        for (found, expected) in found.iter().zip(&expected) {
            worst.see_curve(&found.node.log10_norm, &expected.node.log10_norm, ROUNDING);
            worst.see_curve(
                &found.carried.log10_norm,
                &expected.carried.log10_norm,
                ROUNDING,
            );
        }
        Ok::<_, String>(worst.0)
    };
    Ok([change(&*rnn, &*other_rnn)?, change(&*lstm, &*other_lstm)?])
}

/// New row k of a gate is old row `unit[k]`, times the sign of its unit if the gate is odd (tanh); columns
/// likewise.
fn relabel(cell: &mut dyn Trainable, unit: &[usize], sign: &[f64]) {
    let hidden = unit.len();
    let rows = cell.shape().delta;
    let old = cell.parameters().to_vec();
    let mut new = old.clone();
    for block in cell.parameter_blocks() {
        for column in 0..block.columns {
            let (old_column, column_sign) = match block.factor {
                Factor::Previous(_) => (unit[column], sign[column]),
                Factor::Current(_) | Factor::Input | Factor::Constant | Factor::Elementwise(_) => {
                    (column, 1.0)
                }
            };
            for row in 0..rows {
                let (gate, k) = (row / hidden, row % hidden);
                // The RNN's only pre-activation and the LSTM's candidate (i, f, g, o) pass through tanh.
                let odd = rows == hidden || gate == 2;
                let row_sign = if odd { sign[k] } else { 1.0 };
                let old_row = gate * hidden + unit[k];
                new[block.range.start + column * rows + row] =
                    row_sign * column_sign * old[block.range.start + old_column * rows + old_row];
            }
        }
    }
    cell.set_parameters(&new);
}
