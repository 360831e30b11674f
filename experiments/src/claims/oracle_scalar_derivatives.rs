//! The weight of a scalar linear unit: ∂x_T/∂w = T·x₀·w^{T−1}.
//!
//! For w a power of two every term of the sum over time is exact and so is the sum, also where the
//! adjoints of one run differ by 10³⁰⁰. For any w each term carries half a rounding per step in each of
//! the two powers it is made of. ∂²x_T/∂w² = T(T−1)·x₀·w^{T−2}, as a central difference of step 10⁻⁵:
//! curvature leaves h²(T−2)(T−3)/6w² = 3·10⁻⁸ of it at w = 0.7, T = 30.

use gradient_tracking::probes::ParameterGradient;
use nalgebra::DMatrix;
use vanilla_rnn::Activation;

use super::measure::{EPSILON, Trajectory, Worst, scalar};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-scalar-derivatives",
    source: "exact",
    statement: "The weight gradient of x_t = w·x_{t−1} is T·x₀·w^{T−1}, its slope T(T−1)·x₀·w^{T−2}",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

fn check() -> Result<Evidence, String> {
    let (mut differ, mut cases) = (0, 0);
    for w in [0.5, 2.0, -2.0] {
        // T = 1000 is two chunks of steps whose adjoints differ by up to 10³⁰⁰.
        for steps in [1, 2, 600, 1000_i32] {
            let found = weight_gradient(w, 1.5, steps as usize)?.to_f64()[0];
            cases += 1;
            differ += usize::from(found != f64::from(steps) * 1.5 * f64::powi(w, steps - 1));
        }
    }
    let (mut first, mut second) = (Worst::default(), Worst::default());
    for w in [0.7_f64, 0.9, 1.05, -1.1] {
        for steps in [2, 30, 1500_i32] {
            let gradient = weight_gradient(w, 0.8, steps as usize)?;
            let found = gradient
                .log10_norms()
                .next()
                .map_or(f64::NAN, |(_, norm)| norm);
            let power = f64::from(steps - 1) * w.abs().log10();
            let expected = (f64::from(steps) * 0.8).log10() + power;
            let tolerance = EPSILON * (f64::from(steps) + 8.0 + 4.0 * expected.abs());
            first.see(found, expected, tolerance);
        }
        let (steps, h) = (30, 1e-5);
        let (above, below) = (
            weight_gradient(w + h, 0.8, steps)?,
            weight_gradient(w - h, 0.8, steps)?,
        );
        let difference = (above.to_f64()[0] - below.to_f64()[0]) / (2.0 * h);
        let expected = (steps * (steps - 1)) as f64 * 0.8 * w.powi(steps as i32 - 2);
        second.see(difference / expected, 1.0, 1.0);
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "gradients that are not T·x₀·w^{T−1} bit for bit, w = ±2^p",
                differ,
                cases,
            ),
            Check::at_most(
                "any w: log₁₀ of the gradient in units of its rounding",
                first.0,
                1.0,
            ),
            Check::at_most("relative deviation of ∂²x_T/∂w²", second.0, 1e-7),
        ],
        seeds: 0,
        plot: None,
        remark: String::new(),
    })
}

/// The gradient of h_T with respect to w, h_t = w·h_{t−1}, h_0 = `start`.
fn weight_gradient(w: f64, start: f64, steps: usize) -> Result<ParameterGradient, String> {
    let cell = scalar(Activation::Identity, w, 0.0);
    let trajectory = Trajectory::undriven(&cell, &DMatrix::from_element(1, 1, start), steps)?;
    let mut gradient = ParameterGradient::new(&cell, steps, 1);
    let one = DMatrix::from_element(1, 1, 1.0);
    trajectory.backpropagate(
        &mut trajectory.terminal_source(&one),
        None,
        &mut [&mut gradient],
    )?;
    Ok(gradient)
}
