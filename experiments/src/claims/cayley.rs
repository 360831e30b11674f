//! The Cayley transform of a skew-symmetric matrix is orthogonal, and how a gradient goes through it.
//!
//! W = (I + A)⁻¹(I − A)D with Aᵀ = −A and D diagonal ±1. In exact arithmetic WᵀW = I for every A; what
//! rounding leaves grows with the condition number of I + A, √(1 + ω²) for the largest eigenvalue iω of A.
//! Entries of A are uniform with standard deviations up to 10, H up to 64: ω up to 160, times √H·10⁻¹⁶ and
//! the growth of the elimination, stays below 10⁻¹².
//!
//! ∂L/∂A = Vᵀ − V, V = (I + A)⁻ᵀ ∂L/∂W (D + Wᵀ) (Helfrich, Willmott & Ye 2018, Theorem 3.2) is compared with
//! central differences (step 10⁻⁵) of a whole network's loss ⟨v, h_T⟩ in every entry below A's diagonal:
//! 10⁻⁶ of the largest, what such a difference is good for.

use cell_config::{Streams, uniform};
use gradient_tracking::{Tape, Trainable, rollout};
use nalgebra::DVector;
use orthogonal_rnn::OrthogonalRnn;

use super::measure::largest;
use super::one_cell::gradients;
use super::{Check, Claim, Evidence, Scale};

/// See the [module](self).
pub const CLAIM: Claim = Claim {
    id: "cayley",
    source: "derived; gradient: K. Helfrich, D. Willmott, Q. Ye, ICML 2018, Theorem 3.2",
    statement: "(I + A)⁻¹(I − A)D is orthogonal for every skew-symmetric A, and the gradient with respect \
                to A is Vᵀ − V",
    scale: Scale::Full,
    cost_seconds: 0.5,
    check,
};

const SEEDS: usize = 10;

fn check() -> Result<Evidence, String> {
    let (mut orthogonality, mut gradient) = (0.0, 0.0);
    for replicate in 0..SEEDS as u64 {
        let streams = Streams { seed: 2, replicate };
        for hidden in [1, 2, 3, 16, 64] {
            for deviation in [0.01, 1.0, 10.0] {
                let cell = cell(&streams, hidden, deviation, 0.0);
                orthogonality = largest([orthogonality, cell.deviation_from_orthogonality()]);
            }
        }
        gradient = largest([gradient, deviation_from_differences(&streams)?]);
    }
    let checks = vec![
        Check::at_most(
            "largest ‖WᵀW − I‖, entries of A up to ±17",
            orthogonality,
            1e-12,
        ),
        Check::at_most(
            "largest |∂L/∂A − central difference|, relative to the largest entry",
            gradient,
            1e-6,
        ),
    ];
    Ok(Evidence::of(checks, SEEDS))
}

/// Every third entry of D is −1.
fn cell(streams: &Streams, hidden: usize, deviation: f64, bias: f64) -> OrthogonalRnn {
    let draw = |name, columns, bound: f64| {
        let stream = streams.stream(&["cayley", name], &[hidden, columns]);
        uniform(hidden, columns, -bound, bound, stream)
    };
    OrthogonalRnn::new(
        &draw("a", hidden, 3_f64.sqrt() * deviation),
        DVector::from_fn(hidden, |k, _| if k % 3 == 1 { -1.0 } else { 1.0 }),
        draw("weight_ih", 1, 1.0),
        DVector::from_element(hidden, bias),
    )
}

fn deviation_from_differences(streams: &Streams) -> Result<f64, String> {
    let (hidden, steps, h) = (6, 8, 1e-5);
    let mut cell = cell(streams, hidden, 0.5, -0.05);
    let draw = |name, rows, columns| {
        let stream = streams.stream(&["cayley", name], &[rows, columns]);
        uniform(rows, columns, -1.0, 1.0, stream)
    };
    let inputs = draw("inputs", 1, steps);
    let (initial, adjoint) = (draw("initial", hidden, 1), draw("adjoint", hidden, 1));
    let gradient = gradients(&cell, inputs.clone(), &initial, &adjoint)?.parameters;
    let original = cell.parameters().to_vec();
    let mut loss = |entry: usize, by: f64| -> Result<f64, String> {
        let mut shifted = original.clone();
        shifted[entry] += by;
        cell.set_parameters(&shifted);
        let mut tape = Tape::new();
        rollout(
            &cell,
            inputs.as_view(),
            initial.as_view(),
            &mut tape,
            &mut [],
        )
        .map_err(|error| error.to_string())?;
        Ok(tape.state(steps).dot(&adjoint))
    };
    let mut errors = Vec::new();
    let below_diagonal = hidden * (hidden - 1) / 2;
    for (entry, found) in gradient.iter().enumerate().take(below_diagonal) {
        let difference = (loss(entry, h)? - loss(entry, -h)?) / (2.0 * h);
        errors.push((found - difference).abs());
    }
    let scale = largest(gradient[..below_diagonal].iter().map(|g| g.abs()));
    Ok(largest(errors) / scale)
}
