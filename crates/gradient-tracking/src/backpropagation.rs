//! Backward in time.

use std::num::NonZeroUsize;

use kernels::{Buffer, View, ViewMut};

use crate::cell::RecurrentCell;
use crate::probe::{BackwardChunk, BackwardStep, Probe};
use crate::rollout::{NonFinite, steps_of};
use crate::scaled::{NotFinite, Scaled, align, rescale, rows};
use crate::source::AdjointSource;
use crate::tape::Tape;
use crate::workspace::{Workspace, chunks};

/// Carries the adjoint of `source` back along `tape`, from t = T to t = 0, and shows it to `probes`.
///
/// `inputs` must be the rollout's. With `truncation` = τ the states at T−τ, T−2τ, … are detached,
/// as in truncated backpropagation through time (Williams & Peng 1990): what arrives there is
/// still shown as the gradient of that state, but goes no further back, neither into earlier
/// states nor into the parameters. So from a terminal loss every gradient at a lag above τ is
/// exactly zero, and τ ≥ T changes nothing.
///
/// Adjoints are rescaled by powers of two on the way and never underflow; see [`crate::scaled`].
///
/// # Errors
/// [`NonFinite::Adjoint`] if the source or a single step leaves the range of f64.
///
/// # Panics
/// If `inputs` and `tape` do not fit the cell.
pub fn backpropagate(
    cell: &dyn RecurrentCell,
    inputs: View,
    tape: &Tape,
    source: &mut dyn AdjointSource,
    truncation: Option<NonZeroUsize>,
    workspace: &mut Workspace,
    probes: &mut [&mut dyn Probe],
) -> Result<(), NonFinite> {
    let mut way = WayBack::new(cell, tape.steps(), tape.batch(), truncation, workspace);
    way.segment(inputs, tape, source, probes)?;
    way.finish(tape.state(0), probes);
    Ok(())
}

/// The way back along a trajectory that may come in segments, the last one first.
pub(crate) struct WayBack<'a> {
    cell: &'a dyn RecurrentCell,
    /// T.
    steps: usize,
    batch: usize,
    truncation: Option<NonZeroUsize>,
    workspace: &'a mut Workspace,
}

impl<'a> WayBack<'a> {
    /// At the end of `steps` steps of `batch` sequences, with no adjoint yet.
    pub fn new(
        cell: &'a dyn RecurrentCell,
        steps: usize,
        batch: usize,
        truncation: Option<NonZeroUsize>,
        workspace: &'a mut Workspace,
    ) -> Self {
        let shape = cell.shape();
        let state_size = shape.state * batch;
        // No adjoint yet at t = T, the only state of a chunk without steps.
        at_least(&mut workspace.carried, state_size).fill(0.0);
        workspace.arrived.resize(state_size);
        workspace.unseen.resize(state_size);
        workspace.injected.resize(shape.output * batch);
        workspace.exponents.clear();
        workspace.exponents.resize(batch, 0);
        workspace.injected_exponents.resize(batch, 0);
        WayBack {
            cell,
            steps,
            batch,
            truncation,
            workspace,
        }
    }

    /// Over the steps that `tape` holds. `inputs` are theirs.
    pub fn segment(
        &mut self,
        inputs: View,
        tape: &Tape,
        source: &mut dyn AdjointSource,
        probes: &mut [&mut dyn Probe],
    ) -> Result<(), NonFinite> {
        let shape = self.cell.shape();
        let (cell, batch) = (self.cell, self.batch);
        assert_eq!(
            steps_of(shape, inputs, batch),
            tape.steps(),
            "steps of inputs and tape"
        );
        let first = tape.times().start;
        let output_rows = cell.output_rows();
        let (delta_size, state_size) = (shape.delta * batch, shape.state * batch);
        let Workspace {
            deltas,
            delta_exponents,
            carried,
            nodes,
            arrived,
            unseen,
            exponents,
            injected,
            injected_exponents,
        } = &mut *self.workspace;

        for chunk in chunks(tape.times(), batch).rev() {
            let columns = chunk.len() * batch;
            let deltas = at_least(deltas, shape.delta * columns);
            let nodes = at_least(nodes, shape.state * columns);
            // The adjoints of s_{t−1} for all steps and of the last s_t, which is that of the first
            // state of the chunk that was here before.
            let carried = at_least(carried, shape.state * columns + state_size);
            carried.copy_within(..state_size, shape.state * columns);
            delta_exponents.resize(columns, 0);
            for t in chunk.clone().rev() {
                let point = tape.point(t);
                let in_chunk = t - chunk.start;
                let delta = &mut deltas[in_chunk * delta_size..(in_chunk + 1) * delta_size];
                let node = &mut nodes[in_chunk * state_size..(in_chunk + 1) * state_size];
                let (previous, carried) = carried
                    [in_chunk * state_size..(in_chunk + 2) * state_size]
                    .split_at_mut(state_size);

                injected.fill(0.0);
                let touched = source.inject(
                    t,
                    rows(&point.next, &output_rows),
                    columns_mut(injected, shape.output),
                );
                if touched {
                    if !kernels::all_finite(injected) {
                        return Err(NonFinite::Adjoint { t });
                    }
                    injected_exponents.fill(0);
                    align(
                        columns_mut(carried, shape.state),
                        exponents,
                        columns_mut(injected, shape.output),
                        injected_exponents,
                    );
                    arrived.copy_from_slice(carried);
                    let mut carried = columns_mut(carried, shape.state);
                    let mut output = carried.rows_range_mut(output_rows.clone());
                    output += columns_of(injected, shape.output);
                }

                let lag = self.steps - t;
                let cut = lag > 0 && self.truncation.is_some_and(|tau| lag % tau == 0);
                let scaled = |values| Scaled { values, exponents };
                let carried_view = columns_of(carried, shape.state);
                cell.pull_back(
                    &point,
                    carried_view,
                    columns_mut(node, shape.state),
                    columns_mut(delta, shape.delta),
                    columns_mut(previous, shape.state),
                );
                if !probes.is_empty() {
                    let step = BackwardStep {
                        t,
                        state: point.next,
                        point: Some(point),
                        arrived: scaled(if touched {
                            columns_of(arrived, shape.state)
                        } else {
                            carried_view
                        }),
                        injected: touched.then(|| scaled(columns_of(injected, shape.output))),
                        carried: scaled(carried_view),
                        node: scaled(columns_of(node, shape.state)),
                        cut,
                    };
                    for probe in probes.iter_mut() {
                        probe.backward(&step);
                    }
                }
                if cut {
                    // Only the loss's own use of this step goes on.
                    arrived.fill(0.0);
                    if touched {
                        columns_mut(arrived, shape.state)
                            .rows_range_mut(output_rows.clone())
                            .copy_from(&columns_of(injected, shape.output));
                    }
                    cell.pull_back(
                        &point,
                        columns_of(arrived, shape.state),
                        columns_mut(unseen, shape.state),
                        columns_mut(delta, shape.delta),
                        columns_mut(previous, shape.state),
                    );
                }
                delta_exponents[in_chunk * batch..(in_chunk + 1) * batch]
                    .copy_from_slice(exponents);
                rescale(columns_mut(previous, shape.state), exponents)
                    .map_err(|NotFinite| NonFinite::Adjoint { t })?;
            }
            let scaled = |values, rows| Scaled {
                values: columns_of(values, rows),
                exponents: delta_exponents,
            };
            let done = BackwardChunk {
                first_step: chunk.start,
                batch,
                carried: scaled(&carried[state_size..], shape.state),
                nodes: scaled(nodes, shape.state),
                deltas: scaled(deltas, shape.delta),
                previous: tape.states(chunk.start - 1, chunk.len()),
                inputs: inputs.columns((chunk.start - first) * batch, columns),
            };
            for probe in probes.iter_mut() {
                probe.backward_chunk(&done);
            }
        }
        Ok(())
    }

    /// At t = 0, where `initial` is the state.
    pub fn finish(self, initial: View, probes: &mut [&mut dyn Probe]) {
        let rows = self.cell.shape().state;
        let scaled = Scaled {
            values: columns_of(&self.workspace.carried[..rows * self.batch], rows),
            exponents: &self.workspace.exponents,
        };
        let step = BackwardStep {
            t: 0,
            state: initial,
            point: None,
            arrived: scaled,
            injected: None,
            carried: scaled,
            node: scaled,
            cut: self.truncation.is_some_and(|tau| self.steps % tau == 0),
        };
        for probe in probes.iter_mut() {
            probe.backward(&step);
        }
    }
}

/// The first `length` values of a buffer that only grows.
fn at_least(buffer: &mut Buffer, length: usize) -> &mut [f64] {
    if buffer.len() < length {
        buffer.resize(length);
    }
    &mut buffer[..length]
}

/// A buffer seen as columns of `rows` values.
fn columns_of(buffer: &[f64], rows: usize) -> View<'_> {
    View::from_slice(buffer, rows, buffer.len() / rows)
}

fn columns_mut(buffer: &mut [f64], rows: usize) -> ViewMut<'_> {
    let columns = buffer.len() / rows;
    ViewMut::from_slice(buffer, rows, columns)
}
