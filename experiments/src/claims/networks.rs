//! What claims about networks have in common: weights, inputs and trajectories from named streams, and the
//! rates of adjoints.

use cell_config::{LawContext, Streams};
use gradient_tracking::probes::BlockNorms;
use gradient_tracking::source::Terminal;
use gradient_tracking::{
    ForwardStep, Probe, RecurrentCell, Tape, Trainable, View, Workspace, backpropagate, rollout,
};
use lyapunov::{Lyapunov, Options, Spectrum};
use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};
use vanilla_rnn::{Activation, VanillaRnn};

use crate::registry::Cell;

/// Independent normal numbers of mean zero from the stream of this name, rows×columns.
pub fn gaussian(
    streams: &Streams,
    name: &str,
    rows: usize,
    columns: usize,
    deviation: f64,
) -> DMatrix<f64> {
    let mut stream = streams.stream(&["claims", name], &[rows, columns]);
    DMatrix::from_fn(rows, columns, |_, _| {
        let z: f64 = StandardNormal.sample(&mut stream);
        deviation * z
    })
}

/// h ← tanh(W·h + σ·ξ_t) of N units, W_ij ~ N(0, g²/N): inputs of N rows with standard deviation 1 are ξ.
pub fn tanh_network(streams: &Streams, size: usize, gain: f64, noise: f64) -> VanillaRnn {
    VanillaRnn::new(
        Activation::Tanh,
        gaussian(streams, "weights", size, size, gain / (size as f64).sqrt()),
        DMatrix::identity(size, size) * noise,
        DVector::zeros(size),
    )
}

/// A network of this kind with the configuration of a `[[cell]]`.
pub fn cell(
    streams: &Streams,
    kind: &str,
    config: serde_json::Value,
    input: usize,
) -> Result<Box<dyn Trainable>, String> {
    let read = Cell::deserialize(kind, config).map_err(|error| error.to_string())?;
    let built = read.build(input, &streams.weights(kind), LawContext::default());
    built
        .map(|built| built.cell)
        .map_err(|error| error.to_string())
}

/// A trajectory of one sequence from a normal state of deviation ½, under these inputs.
pub fn trajectory(
    streams: &Streams,
    cell: &dyn RecurrentCell,
    inputs: &DMatrix<f64>,
) -> Result<Tape, String> {
    let initial = gaussian(streams, "initial state", cell.shape().state, 1, 0.5);
    let mut tape = Tape::new();
    rollout(
        cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .map_err(|error| error.to_string())?;
    Ok(tape)
}

/// ln of the norm of the carried adjoint of h at lags 0…`lags`, from a normal one at the end.
pub fn ln_adjoints(
    streams: &Streams,
    cell: &dyn Trainable,
    inputs: &DMatrix<f64>,
    tape: &Tape,
    lags: usize,
) -> Result<Vec<f64>, String> {
    let steps = tape.steps();
    let adjoint = gaussian(streams, "adjoint", cell.shape().output, 1, 1.0);
    let mut norms = BlockNorms::new(cell, steps, 1, false);
    let mut source = Terminal {
        steps,
        adjoint: adjoint.as_view(),
    };
    backpropagate(
        cell,
        inputs.as_view(),
        tape,
        &mut source,
        None,
        &mut Workspace::new(),
        &mut [&mut norms],
    )
    .map_err(|error| error.to_string())?;
    let h = norms.blocks.iter().find(|block| block.name == "h");
    let carried = &h.ok_or("a cell without h")?.carried.log10_norm;
    let by_lag = carried.iter().rev().take(lags + 1);
    Ok(by_lag
        .map(|log10| log10 * std::f64::consts::LN_10)
        .collect())
}

/// Lags in which an adjoint turns to its own direction, as tangents do in a transient.
pub const SETTLING: usize = 100;

/// By how much the adjoint's norm changes per step over the last `lags` steps before the last [`SETTLING`],
/// from one end to the other: in those the tangents' does by the mean of ln R_11. A fitted slope would weigh
/// the middle more than a mean does, which in a chaotic network is another number.
pub fn adjoint_rate(
    streams: &Streams,
    cell: &dyn Trainable,
    inputs: &DMatrix<f64>,
    tape: &Tape,
    lags: usize,
) -> Result<f64, String> {
    let by_lag = ln_adjoints(streams, cell, inputs, tape, SETTLING + lags)?;
    Ok((by_lag[SETTLING + lags] - by_lag[SETTLING]) / lags as f64)
}

/// The exponents of a trajectory of one sequence without its last [`SETTLING`] steps: `count` of them.
pub fn exponents_before_settling(
    cell: &dyn RecurrentCell,
    tape: &Tape,
    transient: usize,
    count: Option<usize>,
) -> Result<Spectrum, String> {
    let options = Options {
        exponents: count,
        transient,
        ..Options::default()
    };
    let mut probe = Lyapunov::new(cell, 0, options);
    for t in 1..=tape.steps() - SETTLING {
        probe.forward(&ForwardStep {
            t,
            input: View::from_slice(&[], 0, 1),
            point: tape.point(t),
        });
    }
    let found = probe.spectrum();
    match probe.overflow {
        Some(t) => Err(format!("the Jacobian overflowed at step {t}")),
        None => Ok(found),
    }
}

/// The mean of some numbers.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// ln |det ∂s_t/∂s_{t−1}| of a trajectory of one sequence, by LU of the explicit Jacobian.
pub fn ln_determinant(cell: &dyn RecurrentCell, tape: &Tape, t: usize) -> f64 {
    let shape = cell.shape();
    let units = DMatrix::identity(shape.state, shape.state);
    let mut activation = DMatrix::zeros(shape.delta, shape.state);
    let mut jacobian = DMatrix::zeros(shape.state, shape.state);
    cell.push_forward(
        &tape.point(t),
        units.as_view(),
        activation.as_view_mut(),
        jacobian.as_view_mut(),
    );
    // Not the determinant, which over- or underflows.
    let lu = jacobian.lu();
    lu.u().diagonal().iter().map(|pivot| pivot.abs().ln()).sum()
}
