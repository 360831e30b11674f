//! Networks that solve copy and adding without training, by construction.
//!
//! M. Henaff, A. Szlam, Y. LeCun, ICML 2016 (arXiv:1602.06662): h_t = φ(U x_t + b) + V h_{t−1}, V
//! orthogonal. A permutation is a shift register and copies; the identity is an integrator and adds. With
//! states and inputs that are never negative both are ReLU networks of ours, h_t = relu(V h_{t−1} + U x_t + b).
//!
//! * Copy, T = 500: a ring of T + 10 places of eight units each, one step a place. What the first ten steps
//!   wrote passes the readout's place at the last ten steps of T + 20, one symbol each, and every zero and
//!   one is exact: 100 % are right.
//! * Adding: one unit is relu(value + marker − 1), the value where it is marked and 0 elsewhere, another
//!   adds it up. The squared error is rounding: 500 sums of numbers below 2, below 10⁻²⁶ in the square;
//!   10⁻²⁰ is asked for.

use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Draws, Trajectory, labels};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "henaff-2016",
    source: "M. Henaff, A. Szlam, Y. LeCun, ICML 2016 (arXiv:1602.06662)",
    statement: "A shift register copies over 500 steps without error, an identity integrator with a gate adds to \
                rounding",
    scale: Scale::Reduced("the constructed solutions only: nothing is trained"),
    cost_seconds: 0.5,
    check,
};

const DELAY: usize = 500;
const SYMBOLS: usize = 8;
const COPIED: usize = 10;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let wrong = copy(draws)?;
    Ok(Evidence {
        checks: vec![
            Check::none(
                "symbols that the shift register copies wrongly, T = 500",
                wrong,
                COPIED,
            ),
            Check::at_most(
                "adding, T = 500: mean squared error of the integrator",
                add(draws)?,
                1e-20,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

/// Symbols, of ten, that do not come out.
fn copy(draws: Draws) -> Result<usize, String> {
    // What is written at step t stands at place 0, at step t + k at place k: from step t ≤ 10 to step
    // T + 10 + t.
    let places = DELAY + COPIED + 1;
    // V does the same to the places of each of the eight symbols, and nothing between them: one such ring is
    // the network, and the symbols are eight sequences of it.
    let mut shift = DMatrix::zeros(places, places);
    for place in 0..places {
        shift[((place + 1) % places, place)] = 1.0;
    }
    let mut write = DMatrix::zeros(places, 1);
    write[0] = 1.0;
    let cell = VanillaRnn::new(Activation::Relu, shift, write, DVector::zeros(places));
    let symbols = labels(draws, "symbols", SYMBOLS, COPIED);
    let steps = DELAY + 2 * COPIED;
    let inputs = DMatrix::from_fn(1, steps * SYMBOLS, |_, column| {
        let (t, symbol) = (column / SYMBOLS, column % SYMBOLS);
        f64::from(u8::from(t < COPIED && symbols[t] == symbol))
    });
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(places, SYMBOLS))?;
    let mut wrong = 0;
    for (k, symbol) in symbols.iter().enumerate() {
        let read = trajectory.tape.state(DELAY + COPIED + k + 1);
        let read = read.row(places - 1);
        let exact = (0..SYMBOLS).all(|j| read[j] == f64::from(u8::from(j == *symbol)));
        wrong += usize::from(!exact);
    }
    Ok(wrong)
}

/// The mean squared error over 100 sequences.
fn add(draws: Draws) -> Result<f64, String> {
    let batch = 100;
    // [gate; sum]: the gate is added one step later, so the last one is read beside the sum.
    let cell = VanillaRnn::new(
        Activation::Relu,
        DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 1.0, 1.0]),
        DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 0.0, 0.0]),
        DVector::from_column_slice(&[-1.0, 0.0]),
    );
    let half = DELAY / 2;
    let values = draws
        .uniform("values", 1, DELAY * batch, 0.5)
        .add_scalar(0.5);
    let marked = [
        labels(draws, "first", half, batch),
        labels(draws, "second", half, batch),
    ];
    let is_marked = |t: usize, j: usize| t == marked[0][j] || t == half + marked[1][j];
    let inputs = DMatrix::from_fn(2, DELAY * batch, |row, column| match row {
        0 => values[column],
        _ => f64::from(u8::from(is_marked(column / batch, column % batch))),
    });
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(2, batch))?;
    let last = trajectory.state(DELAY);
    let errors = (0..batch).map(|j| {
        let (first, second) = (marked[0][j], half + marked[1][j]);
        let target = values[first * batch + j] + values[second * batch + j];
        (last[(0, j)] + last[(1, j)] - target).powi(2)
    });
    Ok(errors.sum::<f64>() / batch as f64)
}
