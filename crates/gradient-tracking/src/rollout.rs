//! Forward in time.

use std::ops::Range;

use kernels::View;

use crate::cell::{CellShape, RecurrentCell};
use crate::probe::{ForwardStep, Probe, ProbeList};
use crate::tape::Tape;
use crate::workspace::chunks;

/// A number left the range of f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    /// The state is NaN or infinite at this step.
    State {
        /// The layer, from 0; `None` if there is only one.
        layer: Option<usize>,
        /// The first such step.
        t: usize,
    },
    /// The adjoint is NaN or infinite at this step, although it is rescaled at every step: a
    /// single Jacobian multiplied it by more than the range of f64 holds.
    Adjoint {
        /// The layer, from 0; `None` if there is only one.
        layer: Option<usize>,
        /// The first such step, counted from the end.
        t: usize,
    },
    /// A tangent is NaN or infinite after this step alone, from a basis of ordinary size: the step's
    /// Jacobian leaves the range of f64. All layers are one cell there.
    Tangent {
        /// The first such step.
        t: usize,
    },
}

impl std::fmt::Display for NonFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let (what, layer) = match self {
            NonFinite::State { layer, .. } => ("the state", *layer),
            NonFinite::Adjoint { layer, .. } => ("the adjoint", *layer),
            NonFinite::Tangent { .. } => ("a tangent", None),
        };
        f.write_str(what)?;
        if let Some(layer) = layer {
            write!(f, " of layer {layer}")?;
        }
        f.write_str(" overflowed (NaN or infinite) ")?;
        match self {
            NonFinite::State { t, .. } => write!(f, "at step {t}"),
            NonFinite::Adjoint { t, .. } | NonFinite::Tangent { t } => {
                write!(f, "within the single step {t}")
            }
        }
    }
}

impl std::error::Error for NonFinite {}

/// Runs `cell` over `inputs` from `initial` and keeps the trajectory on `tape`.
///
/// Shapes: `inputs` I×(T·B), steps one after the other; `initial` S×B, which sets B.
///
/// # Errors
/// [`NonFinite::State`] at the first step whose state is not finite. Probes may have seen that state
/// and a few after it.
///
/// # Panics
/// If the shapes do not fit the cell, or if T or B is 0.
pub fn rollout(
    cell: &dyn RecurrentCell,
    inputs: View,
    initial: View,
    tape: &mut Tape,
    probes: &mut [&mut dyn Probe],
) -> Result<(), NonFinite> {
    let tapes = std::slice::from_mut(tape);
    roll_on(&[cell], inputs, &[initial], 0, tapes, &mut [probes])
}

/// [`rollout`] of layers, each over the outputs of the one before it.
///
/// The layers run one after the other over each chunk of steps, so that each keeps a trajectory of
/// its own and what is true of a single cell is true of every layer. `layers`, `initial` and
/// `tapes` begin with the layer that sees `inputs`; `probes` are a list for each of them, or
/// nothing at all. A probe of layer k is shown the outputs of layer k − 1 as its inputs.
///
/// # Errors
/// [`NonFinite::State`] as from [`rollout`], of the lowest layer that overflows in its chunk.
///
/// # Panics
/// As [`rollout`], and if the numbers of layers, initial states, tapes and lists of probes differ,
/// or the output of a layer is not the size of the next one's input.
pub fn rollout_layers(
    layers: &[&dyn RecurrentCell],
    inputs: View,
    initial: &[View],
    tapes: &mut [Tape],
    probes: &mut [ProbeList],
) -> Result<(), NonFinite> {
    roll_on(layers, inputs, initial, 0, tapes, probes)
}

/// [`rollout_layers`] of a segment that begins with the states at time `first`.
pub(crate) fn roll_on(
    layers: &[&dyn RecurrentCell],
    inputs: View,
    initial: &[View],
    first: usize,
    tapes: &mut [Tape],
    probes: &mut [ProbeList],
) -> Result<(), NonFinite> {
    assert_layers(layers, tapes.len(), probes.len());
    assert_eq!(initial.len(), layers.len(), "initial states");
    let batch = initial[0].ncols();
    let steps = steps_of(layers[0].shape(), inputs, batch);
    for ((cell, initial), tape) in layers.iter().zip(initial).zip(tapes.iter_mut()) {
        let rows = cell.shape().state;
        assert_eq!(initial.shape(), (rows, batch), "shape of an initial state");
        tape.prepare(cell.shape(), first, steps, batch);
        tape.initial_mut().copy_from(initial);
    }
    for chunk in chunks(tapes[0].times(), batch) {
        for (layer, cell) in layers.iter().enumerate() {
            let (below, tape) = tapes.split_at_mut(layer);
            let inputs = layer_inputs(layers, below, &inputs, &chunk, first + 1, batch);
            let probes = probes
                .get_mut(layer)
                .map_or(&mut [][..], |list| &mut **list);
            roll_chunk(*cell, inputs, &chunk, &mut tape[0], probes).map_err(|t| {
                let layer = (layers.len() > 1).then_some(layer);
                NonFinite::State { layer, t }
            })?;
        }
    }
    Ok(())
}

/// One chunk of one layer, or the first step at which its state is not finite. `inputs` are the
/// chunk's.
fn roll_chunk(
    cell: &dyn RecurrentCell,
    inputs: View,
    chunk: &Range<usize>,
    tape: &mut Tape,
    probes: &mut [&mut dyn Probe],
) -> Result<(), usize> {
    let batch = tape.batch();
    let (states, saved) = tape.steps_mut(chunk);
    cell.steps(inputs, states, saved);
    if probes.iter().any(|probe| probe.watches().forward) {
        for t in chunk.clone() {
            let input = inputs.columns((t - chunk.start) * batch, batch);
            let point = tape.point(t);
            let step = ForwardStep { t, input, point };
            for probe in probes.iter_mut() {
                probe.forward(&step);
            }
        }
    }
    // Looked at chunk by chunk, which costs a tenth of looking at every step.
    if !tape.is_finite(chunk.clone()) {
        let is_bad = |t: &usize| !tape.is_finite(*t..*t + 1);
        return Err(chunk.clone().find(is_bad).unwrap_or(chunk.end - 1));
    }
    Ok(())
}

/// The inputs over `chunk` of the layer above the tapes `below`: the outputs on the last of them.
/// If there are none, those of the network; `inputs` are its inputs from step `first` on.
pub(crate) fn layer_inputs<'a>(
    layers: &[&dyn RecurrentCell],
    below: &'a [Tape],
    inputs: &'a View,
    chunk: &Range<usize>,
    first: usize,
    batch: usize,
) -> View<'a> {
    match below.len().checked_sub(1) {
        None => inputs.columns((chunk.start - first) * batch, chunk.len() * batch),
        Some(k) => below[k].state_rows(chunk, &layers[k].output_rows()),
    }
}

/// Refuses layers that do not fit each other, or other than one tape and list of probes for each.
pub(crate) fn assert_layers(layers: &[&dyn RecurrentCell], tapes: usize, probes: usize) {
    assert!(!layers.is_empty(), "a network of 0 layers");
    assert_eq!(tapes, layers.len(), "tapes of the layers");
    assert!(
        probes == 0 || probes == layers.len(),
        "{probes} lists of probes for {} layers",
        layers.len()
    );
    for (k, pair) in layers.windows(2).enumerate() {
        assert_eq!(
            pair[1].shape().input,
            pair[0].shape().output,
            "input size of layer {} and output size of layer {k}",
            k + 1
        );
    }
}

/// T from the shape of the inputs.
pub(crate) fn steps_of(shape: CellShape, inputs: View, batch: usize) -> usize {
    assert!(batch > 0, "a batch of 0 sequences");
    assert_eq!(inputs.nrows(), shape.input, "rows of the inputs");
    assert_eq!(inputs.ncols() % batch, 0, "columns of the inputs per step");
    let steps = inputs.ncols() / batch;
    assert!(steps > 0, "a rollout of 0 steps");
    steps
}
