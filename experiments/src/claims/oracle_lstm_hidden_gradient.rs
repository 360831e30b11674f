//! LSTM without recurrent weights, loss at T: the memory decays by the forget gates alone, and the
//! gradient of h is exactly zero.
//!
//! ```text
//! ∂L/∂c_t = (∂L/∂h_T ⊙ o_T ⊙ (1 − tanh² c_T)) ⊙ ∏_{s=t+1…T} f_s,     ∂L/∂h_t = 0 for t < T.
//! ```
//!
//! The norm of h alone would call this gradient dead: both have to be recorded. Each of the k + 3 factors
//! costs up to two roundings; over 4000 steps of one unit, where the product is below 10⁻⁴⁰⁰, the
//! reference adds up logarithms, each off by half a unit of the sum's size.

use lstm::Lstm;
use nalgebra::DMatrix;

use super::measure::{Draws, EPSILON, Trajectory, Worst, largest, smallest};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-lstm-hidden-gradient",
    source: "exact",
    statement: "An LSTM without recurrent weights carries its gradient in c, by ∏f, while that of h is \
                exactly 0",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let (hidden, steps) = (5, 60);
    let mut worst = Worst::default();
    let (mut alive, mut of) = (0, 0);
    let mut gates: Vec<f64> = Vec::new();
    for batch in [1, 3] {
        let cell = unconnected(draws, hidden, 3);
        let inputs = draws.uniform("inputs", 3, steps * batch, 1.0);
        let initial = draws.uniform("initial", 2 * hidden, batch, 1.0);
        let trajectory = Trajectory::new(&cell, inputs, &initial)?;
        let adjoint = draws.uniform("adjoint", hidden, batch, 1.0);
        let mut source = trajectory.terminal_source(&adjoint);
        let found = trajectory.adjoints(&mut source, None)?;
        let mut expected = adjoint.component_mul(&exposure(&trajectory));
        for t in (0..=steps).rev() {
            let node = found.node[t].plain();
            let tolerance = 2.0 * EPSILON * (steps - t + 3) as f64;
            for (found, expected) in node.rows(hidden, hidden).iter().zip(expected.iter()) {
                worst.see(found / expected, 1.0, tolerance);
            }
            if t < steps {
                of += hidden * batch;
                alive += node.rows(0, hidden).iter().filter(|v| **v != 0.0).count();
            }
            if t > 0 {
                let forget = trajectory.saved("f", t);
                gates.extend(forget.iter());
                expected.component_mul_assign(&forget);
            }
        }
    }

    let (steps, cell) = (4000, unconnected(draws, 1, 2));
    let inputs = draws.uniform("inputs", 2, steps, 1.0);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(2, 1))?;
    let adjoint = DMatrix::from_element(1, 1, -0.37);
    let gradients = trajectory.terminal(&adjoint)?;
    let mut expected = (adjoint[0] * exposure(&trajectory)[0]).abs().log10();
    let mut beyond = Worst::default();
    for t in (0..=steps).rev() {
        let found = gradients.block("c").node.log10_norm[t];
        let k = (steps - t) as f64;
        beyond.see(
            found,
            expected,
            EPSILON * (4.0 + k * (1.0 + expected.abs())),
        );
        if t > 0 {
            expected += trajectory.saved("f", t)[0].log10();
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "∂L/∂c_t / formula − 1 in units of its rounding",
                worst.0,
                1.0,
            ),
            Check::none(
                "entries of ∂L/∂h_t, t < T, that are not exactly 0",
                alive,
                of,
            ),
            Check::at_least(
                "largest less smallest forget gate: they do vary",
                largest(gates.iter().copied()) - smallest(gates.iter().copied()),
                0.4,
            ),
            Check::at_most(
                "4000 steps: log₁₀|∂L/∂c_t| in units of its rounding",
                beyond.0,
                1.0,
            ),
            Check::at_most(
                "log₁₀|∂L/∂c_0| there: beyond f64",
                gradients.block("c").node.log10_norm[0],
                -330.0,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

/// Gates follow the input alone.
fn unconnected(draws: Draws, hidden: usize, input: usize) -> Lstm {
    Lstm::new(
        DMatrix::zeros(4 * hidden, hidden),
        draws.uniform("weight_ih", 4 * hidden, input, 1.0),
        draws
            .uniform("bias", 4 * hidden, 1, 1.0)
            .column(0)
            .into_owned(),
        true,
    )
}

/// o_T ⊙ (1 − tanh² c_T).
fn exposure(trajectory: &Trajectory) -> DMatrix<f64> {
    let t = trajectory.steps();
    let slope = trajectory.saved("tanh_c", t).map(|v| 1.0 - v * v);
    trajectory.saved("o", t).component_mul(&slope)
}
