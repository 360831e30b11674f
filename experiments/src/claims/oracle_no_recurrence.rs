//! Without recurrent weights no gradient arrives: ∂h_T/∂h_t = 0 exactly for t < T.

use nalgebra::DMatrix;
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Draws, Trajectory};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-no-recurrence",
    source: "exact",
    statement: "With W_hh = 0 the gradient is exactly 0 at every lag above 0",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

fn check() -> Result<Evidence, String> {
    let (hidden, steps) = (6, 20);
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let (mut not_zero, mut of, mut lost) = (0, 0, 0);
    let activations = [
        Activation::Tanh,
        Activation::Relu,
        Activation::Logistic,
        Activation::Identity,
    ];
    for activation in activations {
        for batch in [1, 3] {
            let cell = VanillaRnn::new(
                activation,
                DMatrix::zeros(hidden, hidden),
                draws.uniform("weight_ih", hidden, 2, 1.0),
                draws.uniform("bias", hidden, 1, 0.5).column(0).into_owned(),
            );
            let inputs = draws.uniform("inputs", 2, steps * batch, 1.0);
            let initial = draws.uniform("initial", hidden, batch, 1.0);
            let trajectory = Trajectory::new(&cell, inputs, &initial)?;
            let adjoint = draws.uniform("adjoint", hidden, batch, 1.0);
            let gradients = trajectory.terminal(&adjoint)?;
            let norms = &gradients.block("h").node.log10_norm;
            not_zero += norms[..steps]
                .iter()
                .filter(|r| **r != f64::NEG_INFINITY)
                .count();
            of += steps;
            lost += usize::from(!norms[steps].is_finite());
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "gradients at lags 1…20 that are not exactly 0",
                not_zero,
                of,
            ),
            Check::none(
                "networks without a gradient at lag 0",
                lost,
                2 * activations.len(),
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
