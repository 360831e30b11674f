//! The scaled Cayley transform keeps a recurrent matrix orthogonal while it is trained.
//!
//! K. Helfrich, D. Willmott, Q. Ye, ICML 2018. W = (I + A)⁻¹(I − A)D; A is initialised as in the paper, half
//! of D is −1. A thousand updates change A by its gradient (Theorem 3.2) for random ∂L/∂W (Gaussian), at a
//! rate with which the entries of A end up of order 0.1, and nothing is projected. ‖WᵀW − I‖ is the
//! Frobenius norm; what a solution of H equations leaves of it is about √H·κ(I + A)·10⁻¹⁶, 10⁻¹⁴ for H = 64,
//! so that the paper's point has room in 10⁻¹².
//!
//! With b = 0 modReLU is the identity, so the whole network is linear and orthogonal: r_k = 1. A thousand
//! products round 10⁻¹⁶ each, so |ln r_k| < 10⁻¹² at lag 1000, for the first W and for the last.

use cell_config::{CellConfig, Initialization, Scheme, Streams, uniform};
use gradient_tracking::Trainable;
use nalgebra::DMatrix;
use orthogonal_rnn::{OrthogonalRnn, OrthogonalRnnConfig};

use super::measure::{largest, smallest};
use super::one_cell::{gradients, ln_ratios};
use super::{Check, Claim, Evidence, Scale};

/// See the [module](self).
pub const CLAIM: Claim = Claim {
    id: "scornn-2018",
    source: "K. Helfrich, D. Willmott, Q. Ye, ICML 2018 (arXiv:1707.09520)",
    statement: "Gradient steps on A keep W = (I + A)⁻¹(I − A)D orthogonal, and a linear network of it \
                keeps its gradient: r_k = 1",
    scale: Scale::Full,
    cost_seconds: 2.0,
    check,
};

const SEEDS: usize = 3;
const HIDDEN: usize = 64;
const UPDATES: usize = 1000;
const RATE: f64 = 1e-3;

fn check() -> Result<Evidence, String> {
    let (mut at_first, mut afterwards, mut ratio) = (0.0, 0.0, 0.0);
    let mut moved = Vec::new();
    for replicate in 0..SEEDS as u64 {
        let streams = Streams { seed: 1, replicate };
        let config = OrthogonalRnnConfig {
            hidden: HIDDEN,
            negative_fraction: 0.5,
            largest_angle: std::f64::consts::FRAC_PI_2,
            input_weights: Initialization {
                init: Scheme::Gaussian,
                gain: 1.0,
            },
            bias: 0.0,
        };
        let cell = config.build(1, &streams.weights("scornn-2018"));
        let mut cell = cell.map_err(|error| error.to_string())?;
        at_first = largest([at_first, cell.deviation_from_orthogonality()]);
        ratio = largest([ratio, deviation_from_one(&cell, &streams)?]);
        let first = cell.recurrent_weights().into_owned();
        for update in 0..UPDATES {
            step(&mut cell, &streams, update);
            afterwards = largest([afterwards, cell.deviation_from_orthogonality()]);
        }
        ratio = largest([ratio, deviation_from_one(&cell, &streams)?]);
        moved.push((cell.recurrent_weights() - first).norm() / (HIDDEN as f64).sqrt());
    }
    let checks = vec![
        Check::at_most("‖WᵀW − I‖ during 1000 updates, H = 64", afterwards, 1e-12),
        Check::at_most("‖WᵀW − I‖ at initialisation", at_first, 1e-12),
        Check::at_most("largest |ln r_k|, k ≤ 1000, b = 0", ratio, 1e-12),
        // Two random orthogonal matrices are √2 apart: the updates lead far away.
        Check::at_least("smallest ‖W_1000 − W_0‖/√H", smallest(moved), 0.5),
    ];
    Ok(Evidence::of(checks, SEEDS))
}

/// A plain step down the gradient of a loss with a random ∂L/∂W.
fn step(cell: &mut OrthogonalRnn, streams: &Streams, update: usize) {
    let name = ["scornn-2018", "gradient", &update.to_string()];
    let stream = streams.stream(&name, &[HIDDEN, HIDDEN]);
    // Independent of unit variance.
    let bound = 3_f64.sqrt();
    let of_w = uniform(HIDDEN, HIDDEN, -bound, bound, stream);
    let mut entering = of_w.as_slice().to_vec();
    // W_ih and b stay as they are.
    let end = cell
        .parameter_blocks()
        .last()
        .map_or(0, |block| block.range.end);
    entering.resize(end, 0.0);
    let mut gradient = vec![0.0; cell.parameters().len()];
    cell.pull_back_parameters(&entering, &mut gradient);
    let parameters = cell.parameters().iter().zip(&gradient);
    let descended: Vec<f64> = parameters.map(|(p, g)| p - RATE * g).collect();
    cell.set_parameters(&descended);
}

fn deviation_from_one(cell: &OrthogonalRnn, streams: &Streams) -> Result<f64, String> {
    let draw = |name, columns, rows| {
        let stream = streams.stream(&["scornn-2018", name], &[rows, columns]);
        uniform(rows, columns, -1.0, 1.0, stream)
    };
    let (inputs, adjoint) = (draw("inputs", 1000, 1), draw("adjoint", 1, HIDDEN));
    let found = gradients(cell, inputs, &DMatrix::zeros(HIDDEN, 1), &adjoint)?;
    Ok(largest(
        ln_ratios(&found.norms, 0).into_iter().map(f64::abs),
    ))
}
