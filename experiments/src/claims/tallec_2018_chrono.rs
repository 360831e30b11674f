//! Chrono initialisation keeps the same share of the gradient at any horizon.
//!
//! Source: C. Tallec, Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018,
//! arXiv:1804.11188, Eq. 16: b_f ~ ln U([1, T_max − 1]), b_i = −b_f.
//!
//! Setup: without weights a unit with b_f = ln u multiplies its gradient by u/(1 + u) per step. Over
//! units, what is left at lag T_max has the mean e⁻¹ − E₁(1) = 0.148496 and the root mean square
//! √(e⁻² − 2E₁(2)) = 0.193738 as T_max → ∞, whatever T_max is (derived). Measured with the biases
//! that the shipped initialisation draws, 100,000 units for T_max = 100 and 20,000 for 500, against
//! the values at finite T_max. The tolerance of 1 % is four standard errors of the mean over 10⁵
//! units, whose standard deviation is that of the mean itself. Beside it a constant bias of 1 leaves
//! 10⁻⁶⁸ at lag 500. The tasks of the paper are not trained here.

use std::f64::consts::LN_10;

use cell_config::{CellConfig, Initialization, Scheme, Streams};
use gradient_tracking::probes::UnitGradients;
use lstm::{ForgetBias, LstmConfig};
use nalgebra::DMatrix;
use theory::gate_decay::{chrono_mean, chrono_mean_limit, chrono_rms, chrono_rms_limit};

use super::measure::{SEED, Trajectory};
use super::{Check, Claim, Evidence, Scale};

pub const CLAIM: Claim = Claim {
    id: "tallec-2018-chrono",
    source: "C. Tallec, Y. Ollivier, ICLR 2018, arXiv:1804.11188, Eq. 16",
    statement: "With chrono biases the share of the cell gradient left at lag T_max does not depend on T_max",
    scale: Scale::Reduced("the gradients of the initialisation, not the tasks that were trained"),
    cost_seconds: 3.0,
    check,
};

const HIDDEN: usize = 100;

fn check() -> Result<Evidence, String> {
    let mut checks = vec![
        Check::within(
            "limit of the mean over units at lag T_max",
            chrono_mean_limit(),
            0.148496,
            5.1e-7,
        ),
        Check::within(
            "limit of the root mean square over units at lag T_max",
            chrono_rms_limit(),
            0.193738,
            5.1e-7,
        ),
    ];
    for (t_max, networks) in [(100, 1000), (500, 200)] {
        let mut sums = [0.0; 2];
        for network in 0..networks {
            let left = left_at(ForgetBias::Chrono(t_max as f64), t_max, network)?;
            for share in left {
                sums[0] += share;
                sums[1] += share * share;
            }
        }
        let units = (networks * HIDDEN) as f64;
        let horizon = t_max as f64;
        let (mean, rms) = (chrono_mean(horizon, horizon), chrono_rms(horizon, horizon));
        checks.push(Check::within(
            format!("mean over {units} units of what is left at lag T_max = {t_max}"),
            sums[0] / units,
            mean,
            0.01 * mean,
        ));
        checks.push(Check::within(
            format!("root mean square over {units} units of what is left at lag T_max = {t_max}"),
            (sums[1] / units).sqrt(),
            rms,
            0.01 * rms,
        ));
    }
    let constant = left_log10(ForgetBias::Constant(1.0), 500, 0)?;
    checks.push(Check::within(
        "log₁₀ of what a constant forget bias of 1 leaves at lag 500",
        constant[0],
        -68.0,
        0.05,
    ));
    Ok(Evidence::of(checks, 1000))
}

/// What is left of the gradient of each unit's c at this lag.
fn left_at(bias: ForgetBias, lag: usize, network: usize) -> Result<Vec<f64>, String> {
    let left = left_log10(bias, lag, network)?.into_iter();
    Ok(left.map(|log10| (log10 * LN_10).exp()).collect())
}

fn left_log10(bias: ForgetBias, lag: usize, network: usize) -> Result<Vec<f64>, String> {
    let zero = Initialization {
        init: Scheme::Zero,
        gain: 0.0,
    };
    let config = LstmConfig {
        hidden: HIDDEN,
        recurrent_weights: zero,
        input_weights: zero,
        forget_bias: bias,
        forget_gate: true,
        bias: 0.0,
    };
    let streams = Streams {
        seed: SEED,
        replicate: network as u64,
    };
    let cell = config
        .build(1, &streams.weights("lstm"))
        .map_err(|error| error.to_string())?;
    let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(2 * HIDDEN, 1), lag)?;
    let mut units = UnitGradients::new(&cell, vec![0, lag]);
    let adjoint = DMatrix::from_element(HIDDEN, 1, 1.0);
    let mut source = trajectory.terminal_source(&adjoint);
    trajectory.backpropagate(&mut source, None, &mut [&mut units])?;
    let (first, last) = units.blocks[1].log10_norm.split_at(HIDDEN);
    Ok(first
        .iter()
        .zip(last)
        .map(|(first, last)| first - last)
        .collect())
}
