//! Backward in time.

use std::num::NonZeroUsize;
use std::ops::Range;

use kernels::{View, ViewMut};

use crate::cell::RecurrentCell;
use crate::probe::{BackwardChunk, BackwardStep, Probe, ProbeList};
use crate::rollout::{NonFinite, assert_layers, layer_inputs, steps_of};
use crate::scaled::{NotFinite, Scaled, add_to_rows, rescale, rows};
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
    backpropagate_layers(
        &[cell],
        inputs,
        std::slice::from_ref(tape),
        source,
        truncation,
        std::slice::from_mut(workspace),
        &mut [probes],
    )
}

/// [`backpropagate`] through layers, along the tapes of [`rollout_layers`](crate::rollout_layers).
///
/// The layers run one after the other over each chunk of steps, the top one first, each with its
/// own exponents, workspace and probes: what is true of a single cell is true of every layer. The
/// loss of `source` acts on the outputs of the top layer. What enters h_t of a lower layer from
/// outside is W_ihᵀ·δ_t of the layer above it, one product for a chunk.
///
/// `layers`, `tapes` and `workspaces` begin with the layer that sees `inputs`; `probes` are a list
/// for each of them, or nothing at all. `truncation` detaches the states of all layers.
///
/// # Errors
/// As [`backpropagate`].
///
/// # Panics
/// As [`backpropagate`], and if the numbers of layers, tapes, workspaces and lists of probes differ.
pub fn backpropagate_layers(
    layers: &[&dyn RecurrentCell],
    inputs: View,
    tapes: &[Tape],
    source: &mut dyn AdjointSource,
    truncation: Option<NonZeroUsize>,
    workspaces: &mut [Workspace],
    probes: &mut [ProbeList],
) -> Result<(), NonFinite> {
    assert_layers(layers, tapes.len(), probes.len());
    let (steps, batch) = (tapes[0].steps(), tapes[0].batch());
    let mut way = WayBack::new(layers, steps, batch, truncation, workspaces);
    way.segment(inputs, tapes, source, probes)?;
    way.finish(tapes.iter().map(|tape| tape.state(0)), probes);
    Ok(())
}

/// The way back along a trajectory that may come in segments, the last one first.
pub(crate) struct WayBack<'a> {
    layers: &'a [&'a dyn RecurrentCell],
    run: Run,
    workspaces: &'a mut [Workspace],
}

/// What all layers share.
#[derive(Clone, Copy)]
struct Run {
    /// T.
    steps: usize,
    batch: usize,
    truncation: Option<NonZeroUsize>,
}

impl Run {
    /// Whether truncation detaches s_t.
    fn cuts(self, t: usize) -> bool {
        let lag = self.steps - t;
        lag > 0 && self.truncation.is_some_and(|tau| lag % tau == 0)
    }
}

impl<'a> WayBack<'a> {
    /// At the end of `steps` steps of `batch` sequences, with no adjoint yet.
    pub fn new(
        layers: &'a [&'a dyn RecurrentCell],
        steps: usize,
        batch: usize,
        truncation: Option<NonZeroUsize>,
        workspaces: &'a mut [Workspace],
    ) -> Self {
        assert_eq!(workspaces.len(), layers.len(), "workspaces of the layers");
        for (cell, workspace) in layers.iter().zip(workspaces.iter_mut()) {
            let shape = cell.shape();
            for buffer in [
                &mut workspace.carried,
                &mut workspace.previous,
                &mut workspace.arrived,
                &mut workspace.node,
            ] {
                buffer.clear();
                buffer.resize(shape.state * batch, 0.0);
            }
            workspace.injected.resize(shape.output * batch, 0.0);
            workspace.exponents.clear();
            workspace.exponents.resize(batch, 0);
            workspace.arrived_exponents.resize(batch, 0);
            workspace.injected_exponents.resize(batch, 0);
        }
        WayBack {
            layers,
            run: Run {
                steps,
                batch,
                truncation,
            },
            workspaces,
        }
    }

    /// Over the steps that `tapes` hold. `inputs` are theirs.
    pub fn segment(
        &mut self,
        inputs: View,
        tapes: &[Tape],
        source: &mut dyn AdjointSource,
        probes: &mut [ProbeList],
    ) -> Result<(), NonFinite> {
        let batch = self.run.batch;
        let steps = steps_of(self.layers[0].shape(), inputs, batch);
        for tape in tapes {
            assert_eq!(tape.steps(), steps, "steps of inputs and tape");
        }
        let first = tapes[0].times().start;
        for chunk in chunks(tapes[0].times(), batch).rev() {
            for layer in (0..self.layers.len()).rev() {
                let (workspaces, above) = self.workspaces.split_at_mut(layer + 1);
                let outside = match above.first() {
                    None => Outside::Loss(&mut *source),
                    Some(above) => Outside::Above(above),
                };
                let below = &tapes[..layer];
                let on_layer = LayerChunk {
                    cell: self.layers[layer],
                    run: self.run,
                    inputs: layer_inputs(self.layers, below, &inputs, &chunk, first, batch),
                    steps: chunk.clone(),
                    tape: &tapes[layer],
                    is_lowest: layer == 0,
                };
                let probes = probes
                    .get_mut(layer)
                    .map_or(&mut [][..], |list| &mut **list);
                on_layer
                    .pull_back(outside, &mut workspaces[layer], probes)
                    .map_err(|t| NonFinite::Adjoint {
                        layer: (self.layers.len() > 1).then_some(layer),
                        t,
                    })?;
            }
        }
        Ok(())
    }

    /// At t = 0, where `initial` are the states.
    pub fn finish<'i>(
        self,
        initial: impl DoubleEndedIterator<Item = View<'i>> + ExactSizeIterator,
        probes: &mut [ProbeList],
    ) {
        let Run {
            steps, truncation, ..
        } = self.run;
        let layers = self.layers.iter().zip(self.workspaces).zip(initial);
        for (((cell, workspace), initial), probes) in layers.zip(probes).rev() {
            let scaled = Scaled {
                values: columns_of(&workspace.carried, cell.shape().state),
                exponents: &workspace.exponents,
            };
            let step = BackwardStep {
                t: 0,
                state: initial,
                point: None,
                arrived: scaled,
                injected: None,
                carried: scaled,
                node: scaled,
                cut: truncation.is_some_and(|tau| steps % tau == 0),
                kept: None,
            };
            for probe in probes.iter_mut() {
                probe.backward(&step);
            }
        }
    }
}

/// Where what enters h_t from outside the layer comes from.
enum Outside<'a> {
    Loss(&'a mut dyn AdjointSource),
    /// The layer above, which is done with this chunk.
    Above(&'a Workspace),
}

/// One chunk of steps of one layer.
struct LayerChunk<'a> {
    cell: &'a dyn RecurrentCell,
    run: Run,
    /// Those of the chunk.
    inputs: View<'a>,
    steps: Range<usize>,
    tape: &'a Tape,
    is_lowest: bool,
}

impl LayerChunk<'_> {
    /// # Errors
    /// The step at which the adjoint leaves the range of f64.
    fn pull_back(
        &self,
        mut outside: Outside,
        workspace: &mut Workspace,
        probes: &mut [&mut dyn Probe],
    ) -> Result<(), usize> {
        let (cell, chunk, tape) = (self.cell, &self.steps, self.tape);
        let shape = cell.shape();
        let batch = self.run.batch;
        let output_rows = cell.output_rows();
        let delta_size = shape.delta * batch;
        let Workspace {
            deltas,
            delta_exponents,
            carried,
            arrived,
            arrived_exponents,
            previous,
            node,
            exponents,
            injected,
            injected_exponents,
            downward,
            downward_at_cuts,
        } = workspace;
        let columns = chunk.len() * batch;
        if deltas.len() < shape.delta * columns {
            deltas.resize(shape.delta * columns, 0.0);
        }
        let deltas = &mut deltas[..shape.delta * columns];
        delta_exponents.resize(columns, 0);
        if !self.is_lowest {
            downward.prepare(shape.input, chunk.len(), batch);
            if self.run.truncation.is_some() {
                downward_at_cuts.prepare(shape.input, chunk.len(), batch);
            }
        }
        for t in chunk.clone().rev() {
            let point = tape.point(t);
            let in_chunk = t - chunk.start;
            let delta = &mut deltas[in_chunk * delta_size..(in_chunk + 1) * delta_size];
            let cut = self.run.cuts(t);

            let (entering, kept) = match &mut outside {
                Outside::Loss(source) => {
                    injected.fill(0.0);
                    let output = rows(&point.next, &output_rows);
                    let adjoint = columns_mut(injected, shape.output);
                    let entering = if source.inject(t, output, adjoint) {
                        injected_exponents.fill(0);
                        rescale(columns_mut(injected, shape.output), injected_exponents)
                            .map_err(|NotFinite| t)?;
                        Some(Scaled {
                            values: columns_of(injected, shape.output),
                            exponents: injected_exponents,
                        })
                    } else {
                        None
                    };
                    (entering, entering)
                }
                Outside::Above(above) => {
                    let kept = above.downward.at(in_chunk);
                    let entering = if cut {
                        above.downward_at_cuts.at(in_chunk)
                    } else {
                        kept
                    };
                    (Some(entering), Some(kept))
                }
            };
            if let Some(entering) = entering {
                arrived.copy_from_slice(carried);
                arrived_exponents.copy_from_slice(exponents);
                add_to_rows(
                    columns_mut(carried, shape.state),
                    exponents,
                    &output_rows,
                    entering,
                );
            }

            let carried_view = columns_of(carried, shape.state);
            cell.pull_back(
                &point,
                carried_view,
                columns_mut(node, shape.state),
                columns_mut(delta, shape.delta),
                columns_mut(previous, shape.state),
            );
            if !probes.is_empty() {
                let scaled = |values| Scaled { values, exponents };
                let total = scaled(carried_view);
                let arrived = match entering {
                    Some(_) => Scaled {
                        values: columns_of(arrived, shape.state),
                        exponents: arrived_exponents,
                    },
                    None => total,
                };
                let step = BackwardStep {
                    t,
                    state: point.next,
                    point: Some(point),
                    arrived,
                    injected: entering,
                    // What comes down from the layer above takes a path inside step t.
                    carried: match outside {
                        Outside::Loss(_) => total,
                        Outside::Above(_) => arrived,
                    },
                    node: scaled(columns_of(node, shape.state)),
                    cut,
                    kept,
                };
                for probe in probes.iter_mut() {
                    probe.backward(&step);
                }
            }
            if cut {
                if !self.is_lowest {
                    let deltas = Scaled {
                        values: columns_of(delta, shape.delta),
                        exponents,
                    };
                    downward_at_cuts
                        .set(in_chunk, cell, deltas)
                        .map_err(|_| t)?;
                }
                // Only what entered at this step goes on.
                carried.fill(0.0);
                if let Some(kept) = kept {
                    columns_mut(carried, shape.state)
                        .rows_range_mut(output_rows.clone())
                        .copy_from(&kept.values);
                    exponents.copy_from_slice(kept.exponents);
                }
                cell.pull_back(
                    &point,
                    columns_of(carried, shape.state),
                    columns_mut(node, shape.state),
                    columns_mut(delta, shape.delta),
                    columns_mut(previous, shape.state),
                );
            }
            delta_exponents[in_chunk * batch..(in_chunk + 1) * batch].copy_from_slice(exponents);
            rescale(columns_mut(previous, shape.state), exponents).map_err(|NotFinite| t)?;
            std::mem::swap(carried, previous);
        }
        let deltas = Scaled {
            values: columns_of(deltas, shape.delta),
            exponents: delta_exponents,
        };
        let done = BackwardChunk {
            first_step: chunk.start,
            batch,
            deltas,
            previous: tape.states(chunk.start - 1, chunk.len()),
            next: tape.states(chunk.start, chunk.len()),
            inputs: self.inputs,
        };
        for probe in probes.iter_mut() {
            probe.backward_chunk(&done);
        }
        if !self.is_lowest {
            downward
                .set(0, cell, deltas)
                .map_err(|in_chunk| chunk.start + in_chunk)?;
        }
        Ok(())
    }
}

/// A buffer seen as columns of `rows` values.
fn columns_of(buffer: &[f64], rows: usize) -> View<'_> {
    View::from_slice(buffer, rows, buffer.len() / rows)
}

fn columns_mut(buffer: &mut [f64], rows: usize) -> ViewMut<'_> {
    let columns = buffer.len() / rows;
    ViewMut::from_slice(buffer, rows, columns)
}
