//! Backward in time.

use std::num::NonZeroUsize;

use kernels::{View, ViewMut};

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
    let shape = cell.shape();
    let (steps, batch) = (tape.steps(), tape.batch());
    assert_eq!(
        steps_of(shape, inputs, batch),
        steps,
        "steps of inputs and tape"
    );
    let output_rows = cell.output_rows();
    let state_size = shape.state * batch;
    let delta_size = shape.delta * batch;

    let mut carried = Workspace::slice(&mut workspace.carried, state_size);
    let mut previous = Workspace::slice(&mut workspace.previous, state_size);
    let arrived = Workspace::slice(&mut workspace.arrived, state_size);
    let node = Workspace::slice(&mut workspace.node, state_size);
    let injected = Workspace::slice(&mut workspace.injected, shape.output * batch);
    let exponents = &mut workspace.exponents;
    exponents.clear();
    exponents.resize(batch, 0);
    let injected_exponents = &mut workspace.injected_exponents;
    injected_exponents.resize(batch, 0);
    carried.fill(0.0);

    for chunk in chunks(steps, batch).rev() {
        let columns = chunk.len() * batch;
        let deltas = Workspace::slice(&mut workspace.deltas, shape.delta * columns);
        workspace.delta_exponents.resize(columns, 0);
        for t in chunk.clone().rev() {
            let point = tape.point(t);
            let in_chunk = t - chunk.start;
            let delta = &mut deltas[in_chunk * delta_size..(in_chunk + 1) * delta_size];

            injected.fill(0.0);
            let touched = source.inject(
                t,
                rows(&point.next, &output_rows),
                columns_mut(injected, shape.output),
            );
            if touched {
                if injected.iter().any(|v| !v.is_finite()) {
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

            let lag = steps - t;
            let cut = lag > 0 && truncation.is_some_and(|tau| lag % tau == 0);
            let scaled = |values| Scaled { values, exponents };
            let carried_view = columns_of(carried, shape.state);
            cell.pull_back(
                &point,
                carried_view,
                columns_mut(node, shape.state),
                columns_mut(delta, shape.delta),
                columns_mut(previous, shape.state),
            );
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
            if cut {
                // Only the loss's own use of this step goes on.
                carried.fill(0.0);
                if touched {
                    columns_mut(carried, shape.state)
                        .rows_range_mut(output_rows.clone())
                        .copy_from(&columns_of(injected, shape.output));
                }
                cell.pull_back(
                    &point,
                    columns_of(carried, shape.state),
                    columns_mut(node, shape.state),
                    columns_mut(delta, shape.delta),
                    columns_mut(previous, shape.state),
                );
            }
            workspace.delta_exponents[in_chunk * batch..(in_chunk + 1) * batch]
                .copy_from_slice(exponents);
            rescale(columns_mut(previous, shape.state), exponents)
                .map_err(|NotFinite| NonFinite::Adjoint { t })?;
            std::mem::swap(&mut carried, &mut previous);
        }
        let done = BackwardChunk {
            first_step: chunk.start,
            batch,
            deltas: Scaled {
                values: columns_of(deltas, shape.delta),
                exponents: &workspace.delta_exponents,
            },
            previous: tape.states(chunk.start - 1, chunk.len()),
            inputs: inputs.columns((chunk.start - 1) * batch, columns),
        };
        for probe in probes.iter_mut() {
            probe.backward_chunk(&done);
        }
    }

    let scaled = Scaled {
        values: columns_of(carried, shape.state),
        exponents,
    };
    let initial = BackwardStep {
        t: 0,
        state: tape.state(0),
        point: None,
        arrived: scaled,
        injected: None,
        carried: scaled,
        node: scaled,
        cut: truncation.is_some_and(|tau| steps % tau == 0),
    };
    for probe in probes.iter_mut() {
        probe.backward(&initial);
    }
    Ok(())
}

/// A buffer seen as columns of `rows` values.
fn columns_of(buffer: &[f64], rows: usize) -> View<'_> {
    View::from_slice(buffer, rows, buffer.len() / rows)
}

fn columns_mut(buffer: &mut [f64], rows: usize) -> ViewMut<'_> {
    let columns = buffer.len() / rows;
    ViewMut::from_slice(buffer, rows, columns)
}
