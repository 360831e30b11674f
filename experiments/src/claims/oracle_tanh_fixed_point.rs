//! Tanh at a fixed point: at 0 it is linear, elsewhere a scalar unit decays at (w(1 − tanh² ā))^k.
//!
//! φ'(0) = 1 exactly, so at rest the adjoints of a tanh network are those of the linear one, bit for
//! bit. At a fixed point ā = w·tanh ā + b of a scalar, the state is known to a few units in the last
//! place, amplified by 1/(1 − |slope|) as errors of the map add up; d(1 − h²) = −2h·dh carries that into
//! the slope, twice: in the cell and in the reference, which iterates the standard library's tanh.

use nalgebra::DMatrix;
use vanilla_rnn::Activation;

use super::measure::{Draws, EPSILON, Trajectory, Worst, scalar, undriven};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-tanh-fixed-point",
    source: "exact",
    statement: "A tanh network at rest is linear bit for bit; at a fixed point ā a scalar one has r_k = \
                (w(1 − tanh² ā))^k",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let weights = draws.uniform("weight_hh", 8, 8, 0.5);
    let (mut differ, mut numbers) = (0, 0);
    for batch in [1, 3] {
        let adjoint = draws.uniform("adjoint", 8, batch, 1.0);
        let of = |activation| {
            let cell = undriven(activation, weights.clone());
            let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(8, batch), 2000)?;
            let mut source = trajectory.terminal_source(&adjoint);
            trajectory.adjoints(&mut source, None)
        };
        let (tanh, identity) = (of(Activation::Tanh)?, of(Activation::Identity)?);
        let pairs = tanh.carried.iter().zip(&identity.carried);
        for (tanh, identity) in pairs.chain(tanh.deltas.iter().zip(&identity.deltas)) {
            differ += tanh.differing_bits(identity);
            numbers += 8 * batch;
        }
    }

    let mut worst = Worst::default();
    for (w, bias) in [(1.5_f64, 0.0), (2.5, 0.0), (0.8, 0.3), (-0.9, 0.4)] {
        let h = (0..1000).fold(0.9_f64, |h, _| (w * h + bias).tanh());
        let slope = w * (1.0 - h * h);
        let state_error = 3.0 * EPSILON / (1.0 - slope.abs());
        let step_error = 2.0 * (2.0 * h * state_error / (1.0 - h * h) + 2.0 * EPSILON);
        let cell = scalar(Activation::Tanh, w, bias);
        let trajectory = Trajectory::undriven(&cell, &DMatrix::from_element(1, 1, h), 3000)?;
        for (lag, found) in trajectory.scalar_ratios()?.iter().enumerate() {
            let expected = lag as f64 * slope.abs().log10();
            worst.see(
                *found,
                expected,
                step_error * lag as f64 + 4.0 * EPSILON * expected.abs(),
            );
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "numbers of adjoints and δ at rest that differ from the linear network's",
                differ,
                numbers,
            ),
            Check::at_most(
                "at a fixed point: |log₁₀ r_k − k·log₁₀ slope| in units of its rounding",
                worst.0,
                1.0,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}
