//! Forward and backward products of Jacobians are transposes of each other: ⟨u, Jv⟩ = ⟨Jᵀu, v⟩.
//!
//! J = ∂s_T/∂s_{T−k} over k = 50 steps, by the tangent pushed forward step by step and by the adjoint
//! pulled back, of every kind of cell that can be named in a config and of a stack of three. The two share no
//! code of a cell's own but its saved values, so this is the strongest cheap test of any cell. Tolerance:
//! 10⁻¹² of ‖u‖·‖Jv‖, some hundred times the rounding of 50 steps.

use cell_config::Streams;
use gradient_tracking::{AdjointMut, RecurrentCell, Stack, Trainable};
use nalgebra::DMatrix;
use serde_json::json;

use super::networks::{cell, gaussian, trajectory};
use super::{Check, Claim, Evidence, Scale};
use crate::registry::KINDS;

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "jacobian-duality",
    source: "exact",
    statement: "⟨u, Jv⟩ = ⟨Jᵀu, v⟩ over 50 steps of every kind of cell",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

const STEPS: usize = 60;
const LAGS: usize = 50;

fn check() -> Result<Evidence, String> {
    let streams = Streams {
        seed: 11,
        replicate: 0,
    };
    let mut checks = Vec::new();
    for kind in KINDS {
        let cell = cell(&streams, kind, json!({ "hidden": 24 }), 5)?;
        checks.push(Check::at_most(*kind, error(&streams, &*cell)?, 1e-12));
    }
    for activation in ["relu", "logistic", "identity"] {
        let config = json!({ "hidden": 24, "activation": activation });
        let cell = cell(&streams, "vanilla-rnn", config, 5)?;
        let what = format!("vanilla-rnn, {activation}");
        checks.push(Check::at_most(what, error(&streams, &*cell)?, 1e-12));
    }
    let layers: Vec<Box<dyn Trainable>> = vec![
        cell(&streams, "lstm", json!({ "hidden": 12 }), 5)?,
        cell(&streams, "gru", json!({ "hidden": 10 }), 12)?,
        cell(&streams, "vanilla-rnn", json!({ "hidden": 8 }), 10)?,
    ];
    let stack = Stack::new(layers).map_err(|error| error.to_string())?;
    let what = "a stack of an LSTM, a GRU and an RNN";
    checks.push(Check::at_most(what, error(&streams, &stack)?, 1e-12));
    Ok(Evidence::of(checks, 1))
}

/// |⟨u, Jv⟩ − ⟨Jᵀu, v⟩| / ‖u‖·‖Jv‖.
fn error(streams: &Streams, cell: &dyn RecurrentCell) -> Result<f64, String> {
    let shape = cell.shape();
    let inputs = gaussian(streams, "inputs", shape.input, STEPS, 1.0);
    let tape = trajectory(streams, cell, &inputs)?;
    let zeros = |rows| DMatrix::<f64>::zeros(rows, 1);
    let start = gaussian(streams, "tangent", shape.state, 1, 1.0);
    let end = gaussian(streams, "adjoint", shape.state, 1, 1.0);
    let (mut tangent, mut adjoint) = (start.clone(), end.clone());
    let (mut next, mut delta) = (zeros(shape.state), zeros(shape.delta));
    for t in STEPS - LAGS + 1..=STEPS {
        let (from, scratch) = (tangent.as_view(), delta.as_view_mut());
        cell.push_forward(&tape.point(t), from, scratch, next.as_view_mut());
        std::mem::swap(&mut tangent, &mut next);
    }
    for t in (STEPS - LAGS + 1..=STEPS).rev() {
        let step = AdjointMut {
            carried: adjoint.as_view(),
            node: None,
            delta: delta.as_view_mut(),
            previous: next.as_view_mut(),
        };
        cell.pull_back(&tape.point(t), step);
        std::mem::swap(&mut adjoint, &mut next);
    }
    let difference = end.dot(&tangent) - adjoint.dot(&start);
    Ok(difference.abs() / (end.norm() * tangent.norm()))
}
