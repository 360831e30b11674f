//! The exponents of any cell add up to the mean of ln |det ∂s_t/∂s_{t−1}|.
//!
//! Exact at every step, for the determinant of Q is ±1. Known without a determinant of the whole state: of
//! a vanilla network ln |det W| + Σ ln φ′(a); of an LSTM on (h, c) ln |det W_ho| + Σ[ln |tanh c_t| +
//! ln o(1−o) + ln f], W_ho the output gate's rows of W_hh. Of a GRU and a stack by LU of the explicit
//! Jacobian; a stack's is block triangular, so that its sum is that of its layers as well. 10⁻⁹ is far above
//! the rounding of a mean over 500 steps and far below any error of method.

use cell_config::Streams;
use gradient_tracking::{RecurrentCell, Stack, Tape, Trainable};
use lyapunov::{Options, Spectrum, spectrum};
use nalgebra::DMatrix;
use serde_json::json;

use super::networks::{cell, gaussian, ln_determinant, mean, tanh_network, trajectory};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "lyap-sum-rule",
    source: "exact; G. Benettin et al., Meccanica 15:9 (1980)",
    statement: "The Lyapunov exponents of RNN, LSTM, GRU and a stack sum to the mean of ln |det J|",
    scale: Scale::Full,
    cost_seconds: 2.0,
    check,
};

const STEPS: usize = 600;
const TRANSIENT: usize = 100;
const TOLERANCE: f64 = 1e-9;

fn check() -> Result<Evidence, String> {
    let streams = Streams {
        seed: 4,
        replicate: 0,
    };
    let mut checks = Vec::new();

    for gain in [0.9, 3.0] {
        let network = tanh_network(&streams, 100, gain, 0.0);
        let tape = trajectory(&streams, &network, &DMatrix::zeros(100, STEPS))?;
        let weights = ln_det(network.affine().recurrent_weights().clone_owned());
        let expected = mean_over_steps(|t| {
            let slopes = tape.state(t).map(|h| (1.0 - h * h).ln());
            weights + slopes.sum()
        });
        let found = measured(&network, &tape)?.sum();
        let what = format!("Σλ of a tanh network, N = 100, gain {gain}");
        checks.push(Check::within(what, found, expected, TOLERANCE));
    }

    let inputs = gaussian(&streams, "inputs", 4, STEPS, 1.0);
    let hidden = 24;
    let lstm = cell(
        &streams,
        "lstm",
        json!({ "hidden": hidden, "recurrent_weights": { "init": "gaussian", "gain": 2.0 } }),
        4,
    )?;
    let tape = trajectory(&streams, &*lstm, &inputs)?;
    let weights = ln_det(output_gate_weights(&*lstm, hidden)?);
    let expected = mean_over_steps(|t| {
        let saved = tape.saved(t);
        let units = (0..hidden).map(|k| {
            let (f, o) = (saved[(hidden + k, 0)], saved[(3 * hidden + k, 0)]);
            let tanh_c: f64 = saved[(4 * hidden + k, 0)];
            tanh_c.abs().ln() + (o * (1.0 - o)).ln() + f.ln()
        });
        weights + units.sum::<f64>()
    });
    let found = measured(&*lstm, &tape)?.sum();
    let what = "Σλ of an LSTM on (h, c), H = 24, by its closed form";
    checks.push(Check::within(what, found, expected, TOLERANCE));

    let gain = json!({ "hidden": 32, "recurrent_weights": { "init": "gaussian", "gain": 2.0 } });
    let gru = cell(&streams, "gru", gain, 4)?;
    let tape = trajectory(&streams, &*gru, &inputs)?;
    let expected = mean_over_steps(|t| ln_determinant(&*gru, &tape, t));
    let found = measured(&*gru, &tape)?.sum();
    checks.push(Check::within(
        "Σλ of a GRU, H = 32, by LU",
        found,
        expected,
        TOLERANCE,
    ));

    // The same network as layers, each along the outputs of the one below from the same state.
    let layers = || -> Result<Vec<Box<dyn Trainable>>, String> {
        Ok(vec![
            cell(&streams, "lstm", json!({ "hidden": 10 }), 4)?,
            cell(&streams, "gru", json!({ "hidden": 12 }), 10)?,
            cell(&streams, "vanilla-rnn", json!({ "hidden": 9 }), 12)?,
        ])
    };
    let stack = Stack::new(layers()?).map_err(|error| error.to_string())?;
    let tape = trajectory(&streams, &stack, &inputs)?;
    let expected = mean_over_steps(|t| ln_determinant(&stack, &tape, t));
    let found = measured(&stack, &tape)?.sum();
    let what = "Σλ of a stack of an LSTM, a GRU and an RNN, by LU";
    checks.push(Check::within(what, found, expected, TOLERANCE));
    let (mut sum, mut below) = (0.0, inputs);
    for (layer, rows) in layers()?.iter().zip(stack.state_rows()) {
        let initial = tape.state(0).rows(rows.start, rows.len()).clone_owned();
        let mut own = Tape::new();
        let (inputs, initial) = (below.as_view(), initial.as_view());
        gradient_tracking::rollout(&**layer, inputs, initial, &mut own, &mut [])
            .map_err(|error| error.to_string())?;
        sum += measured(&**layer, &own)?.sum();
        let output = layer.output_rows();
        below = DMatrix::from_fn(output.len(), STEPS, |i, k| {
            own.state(k + 1)[(output.start + i, 0)]
        });
    }
    checks.push(Check::within(
        "Σλ of that stack, by its layers",
        found,
        sum,
        TOLERANCE,
    ));
    Ok(Evidence::of(checks, 1))
}

fn measured(cell: &dyn RecurrentCell, tape: &Tape) -> Result<Spectrum, String> {
    let options = Options {
        transient: TRANSIENT,
        ..Options::default()
    };
    spectrum(cell, tape, 0, options).map_err(|error| error.to_string())
}

fn mean_over_steps(of: impl Fn(usize) -> f64) -> f64 {
    let values: Vec<f64> = (TRANSIENT + 1..=STEPS).map(of).collect();
    mean(&values)
}

fn ln_det(matrix: DMatrix<f64>) -> f64 {
    let lu = matrix.lu();
    lu.u().diagonal().iter().map(|pivot| pivot.abs().ln()).sum()
}

/// W_ho, H×H.
pub fn output_gate_weights(lstm: &dyn Trainable, hidden: usize) -> Result<DMatrix<f64>, String> {
    let blocks = lstm.parameter_blocks();
    let block = blocks.iter().find(|block| block.name == "weight_hh");
    let block = block.ok_or("an LSTM without weight_hh")?;
    let values = &lstm.parameters()[block.range.clone()];
    let all = DMatrix::from_column_slice(block.rows.len(), block.columns, values);
    Ok(all.rows(3 * hidden, hidden).clone_owned())
}
