//! ReLU: all units active it is linear, bit for bit; a dead unit passes exactly 0.
//!
//! Positive weights, inputs and states keep every unit active. A unit that dies at one step cuts off
//! everything before it, and a unit that is dead throughout leaves its incoming weights a gradient of
//! exactly 0.

use gradient_tracking::probes::ParameterGradient;
use gradient_tracking::{Trainable, View};
use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Draws, EPSILON, Trajectory, Worst, scalar};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-relu",
    source: "exact",
    statement: "A ReLU network with every unit active is linear bit for bit; a dead unit passes exactly 0",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

const HIDDEN: usize = 8;
const STEPS: usize = 300;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let (differ, numbers) = active(draws)?;

    // One unit of weight 0.9 that dies at step 10 of 30.
    let (steps, dies_at) = (30, 10);
    let cell = scalar(Activation::Relu, 0.9, 0.0);
    let inputs = DMatrix::from_fn(1, steps, |_, t| if t + 1 == dies_at { -100.0 } else { 1.0 });
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::from_element(1, 1, 1.0))?;
    let ratios = trajectory.scalar_ratios()?;
    let mut alive = Worst::default();
    for (lag, found) in ratios[..=steps - dies_at].iter().enumerate() {
        // Half a rounding per step, and those of the logarithms.
        alive.see(*found, lag as f64 * 0.9_f64.log10(), 40.0 * EPSILON);
    }
    let leaking = ratios[steps - dies_at + 1..]
        .iter()
        .filter(|r| **r != f64::NEG_INFINITY);

    Ok(Evidence {
        checks: vec![
            Check::none(
                "numbers of adjoints and δ, all units active, that differ from the linear network's",
                differ,
                numbers,
            ),
            Check::at_most(
                "until a unit dies: |log₁₀ r_k − k·log₁₀ w| in units of its rounding",
                alive.0,
                1.0,
            ),
            Check::none(
                "gradients from before its death that are not exactly 0",
                leaking.count(),
                dies_at,
            ),
            Check::none(
                "weights into a dead unit whose gradient is not exactly 0",
                dead_weights(draws)?,
                HIDDEN + 3,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

fn active(draws: Draws) -> Result<(usize, usize), String> {
    let positive = |name, rows, columns, scale: f64| {
        let values = draws.uniform(name, rows, columns, 1.0);
        values.map(|v| scale * (v.abs() + 0.01))
    };
    let (mut differ, mut numbers) = (0, 0);
    for batch in [1, 3] {
        let of = |activation| {
            let cell = VanillaRnn::new(
                activation,
                positive("weight_hh", HIDDEN, HIDDEN, 0.2),
                positive("weight_ih", HIDDEN, 2, 1.0),
                DVector::from_element(HIDDEN, 0.1),
            );
            let inputs = positive("inputs", 2, STEPS * batch, 1.0);
            let initial = positive("initial", HIDDEN, batch, 1.0);
            let trajectory = Trajectory::new(&cell, inputs, &initial)?;
            let adjoint = draws.uniform("adjoint", HIDDEN, batch, 1.0);
            let mut source = trajectory.terminal_source(&adjoint);
            trajectory.adjoints(&mut source, None)
        };
        let (relu, identity) = (of(Activation::Relu)?, of(Activation::Identity)?);
        let pairs = relu.carried.iter().zip(&identity.carried);
        for (relu, identity) in pairs.chain(relu.deltas.iter().zip(&identity.deltas)) {
            differ += relu.differing_bits(identity);
            numbers += HIDDEN * batch;
        }
    }
    Ok((differ, numbers))
}

/// Incoming weights and bias of a unit that its bias keeps dead: how many have a gradient that is not 0.
/// All of them, if the others' gradients are 0 too.
fn dead_weights(draws: Draws) -> Result<usize, String> {
    let (dead, steps, batch) = (3, 12, 2);
    let mut bias = DVector::from_element(HIDDEN, 0.5);
    bias[dead] = -1000.0;
    let cell = VanillaRnn::new(
        Activation::Relu,
        draws.uniform("weight_hh", HIDDEN, HIDDEN, 0.5),
        draws.uniform("weight_ih", HIDDEN, 2, 1.0),
        bias,
    );
    let inputs = draws.uniform("inputs", 2, steps * batch, 1.0);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(HIDDEN, batch))?;
    let adjoint = draws.uniform("adjoint", HIDDEN, batch, 1.0);
    let mut gradient = ParameterGradient::new(&cell, steps, batch);
    let mut source = trajectory.terminal_source(&adjoint);
    trajectory.backpropagate(&mut source, None, &mut [&mut gradient])?;
    let gradient = gradient.to_f64();
    let mut not_zero = 0;
    for block in cell.parameter_blocks() {
        let matrix = View::from_slice(&gradient[block.range.clone()], HIDDEN, block.columns);
        if matrix.norm() == 0.0 {
            return Ok(HIDDEN + 3);
        }
        not_zero += matrix.row(dead).iter().filter(|v| **v != 0.0).count();
    }
    Ok(not_zero)
}
