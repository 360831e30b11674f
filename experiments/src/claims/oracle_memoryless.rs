//! What the best predictor without memory loses on the classical tasks.
//!
//! Without memory the best guess is the mean of the target, so the loss is its variance, or the uniform
//! distribution, so the loss is its entropy:
//!
//! * adding, values in [0, 1], target X₁ + X₂: 2/12 = 1/6;
//! * adding of 1997, values in [−1, 1], target ½ + (X₁ + X₂)/4: (2/3)/16 = 1/24;
//! * multiplication of 1997, values in [0, 1], target X₁·X₂: 1/9 − 1/16 = 7/144;
//! * copy, ten symbols of eight after T steps: 10·ln 8/(T + 20) per step.
//!
//! Hochreiter & Schmidhuber (1997) set the value of the first pair to 0 (to 1 for products) if it is
//! marked, once in ten sequences; that makes 19/480 and 277/4800 of their two tasks. Each task is drawn
//! 10⁶ times and the loss of the best constant on the draws compared with its expectation by their
//! standard error; more than four of them would happen once in 16,000 tries. For the copy task the
//! uniform guess is the optimum if the gradient of its logits vanishes: Pearson's χ² of the symbols, 7
//! degrees of freedom, is above 24.3 once in a thousand tries.

use gradient_tracking::source::{Readout, Target};
use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use theory::baselines;
use vanilla_rnn::Activation;

use super::measure::{Draws, Trajectory, labels, random_rnn};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-memoryless",
    source: "exact; tasks of Hochreiter & Schmidhuber (1997), Le, Jaitly & Hinton (2015), Arjovsky, Shah & \
             Bengio (2016)",
    statement: "Predictors without memory lose 1/6 (adding), 1/24 and 7/144 (1997), 10·ln 8/(T+20) (copy)",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

const DRAWN: usize = 1_000_000;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let sum = |x: f64, y: f64| x + y;
    let sum_1997 = |x: f64, y: f64| 0.5 + (x + y) / 4.0;
    let product = |x: f64, y: f64| x * y;
    let mut checks = Vec::new();
    for (what, low, first, target, expected) in [
        (
            "adding",
            0.0,
            None,
            &sum as &dyn Fn(f64, f64) -> f64,
            baselines::ADDING,
        ),
        (
            "adding of 1997",
            -1.0,
            None,
            &sum_1997,
            baselines::ADDING_1997,
        ),
        (
            "adding of 1997, first pair's rule",
            -1.0,
            Some(0.0),
            &sum_1997,
            19.0 / 480.0,
        ),
        (
            "multiplication of 1997",
            0.0,
            None,
            &product,
            baselines::PRODUCT,
        ),
        (
            "multiplication of 1997, first pair's rule",
            0.0,
            Some(1.0),
            &product,
            277.0 / 4800.0,
        ),
    ] {
        let (loss, error) = best_constant(draws, what, low, first, target);
        let what = format!("{what}: squared error of the best constant");
        checks.push(Check::standard_errors(what, loss, error, expected, 4.0));
    }

    let (steps, batch) = (40, 5000);
    let cell = random_rnn(draws, Activation::Tanh, 3, 1);
    let inputs = DMatrix::zeros(1, (steps + 20) * batch);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(3, batch))?;
    let symbols = labels(draws, "symbols", 8, (steps + 20) * batch);
    let (weights, bias) = (DMatrix::zeros(8, 3), DVector::zeros(8));
    let mut readout = Readout::new(
        weights,
        bias,
        Target::CrossEntropy(&symbols),
        steps + 11,
        batch,
    );
    trajectory.backpropagate(&mut readout, None, &mut [])?;
    let loss = readout.loss / ((steps + 20) * batch) as f64;
    let expected = (10 * batch) as f64 / 8.0;
    let chi_squared = readout.bias_gradient.norm_squared() / expected;
    // 50,000 equal terms are added up one by one: at most so many roundings.
    let formula = baselines::copy(10, 8, steps + 20);
    checks.push(Check::within(
        "copy, T = 40: loss of the uniform guess per step",
        loss,
        formula,
        1e-11,
    ));
    checks.push(Check::at_most(
        "copy: χ² of the symbols at the uniform guess",
        chi_squared,
        24.3,
    ));
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: "the rule for a marked first pair moves the two baselines of 1997 from 0.0417 and 0.0486 to \
                 0.0396 and 0.0577"
            .to_owned(),
    })
}

/// The mean squared error of the best constant over draws of the task, and its standard error. Values are
/// uniform in [`low`, 1]; in one of ten sequences the first one is `first`, if that is given.
fn best_constant(
    draws: Draws,
    name: &str,
    low: f64,
    first: Option<f64>,
    target: &dyn Fn(f64, f64) -> f64,
) -> (f64, f64) {
    let mut generator = draws.generator(name, &[DRAWN]);
    let mut value = || low + (1.0 - low) * generator.random::<f64>();
    let targets: Vec<f64> = (0..DRAWN)
        .map(|k| {
            let (x, y) = (value(), value());
            let x = first.filter(|_| k % 10 == 0).unwrap_or(x);
            target(x, y)
        })
        .collect();
    let n = DRAWN as f64;
    let mean = targets.iter().sum::<f64>() / n;
    let losses = || targets.iter().map(|target| (target - mean).powi(2));
    let loss = losses().sum::<f64>() / n;
    let variance = losses().map(|own| (own - loss).powi(2)).sum::<f64>() / n;
    (loss, (variance / n).sqrt())
}
