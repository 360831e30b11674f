//! Backward in time.

use std::num::NonZeroUsize;
use std::ops::Range;

use kernels::{Buffer, View, ViewMut};

use crate::cell::{AdjointMut, AdjointsMut, RecurrentCell};
use crate::probe::{BackwardChunk, BackwardStep, Probe, ProbeList};
use crate::rollout::{NonFinite, assert_layers, layer_inputs, steps_of};
use crate::scaled::{NotFinite, Scaled, add_to_rows, rescale, rows, safe_squares};
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

    /// The last step before t whose state truncation detaches, or 0.
    fn cut_before(self, t: usize) -> usize {
        self.truncation.map_or(0, |tau| {
            let lag = ((self.steps - t) / tau + 1) * tau.get();
            self.steps.saturating_sub(lag)
        })
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
            let state_size = shape.state * batch;
            // No adjoint yet at t = T, the only state of a chunk without steps.
            at_least(&mut workspace.adjoints, state_size).fill(0.0);
            workspace.exponents.clear();
            workspace.exponents.resize(batch, 0);
            workspace.resumed.resize(state_size);
            workspace.injected.resize(shape.output * batch);
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
    pub fn finish<'v>(
        self,
        initial: impl DoubleEndedIterator<Item = View<'v>> + ExactSizeIterator,
        probes: &mut [ProbeList],
    ) {
        let Run {
            steps, truncation, ..
        } = self.run;
        let layers = self.workspaces.iter().zip(initial);
        for ((workspace, initial), probes) in layers.zip(probes).rev() {
            let scaled = Scaled {
                values: columns_of(&workspace.adjoints[..initial.len()], initial.nrows()),
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
        let (delta_size, state_size) = (shape.delta * batch, shape.state * batch);
        let Workspace {
            deltas,
            delta_exponents,
            nodes,
            adjoints,
            adjoint_exponents,
            exponents,
            arrived,
            arrived_exponents,
            resumed,
            injected,
            injected_exponents,
            downward,
            downward_at_cuts,
        } = workspace;
        let columns = chunk.len() * batch;
        let is_below = matches!(outside, Outside::Above(_));
        let has_inner_paths = !cell.inner_paths().is_empty();
        let deltas = at_least(deltas, shape.delta * columns);
        let node_rows = if has_inner_paths { shape.state } else { 0 };
        let nodes = at_least(nodes, node_rows * columns);
        let adjoints = at_least(adjoints, shape.state * columns + state_size);
        // The adjoint with which the chunk before this one ended stands at its front.
        adjoints.copy_within(..state_size, shape.state * columns);
        delta_exponents.resize(columns, 0);
        adjoint_exponents.resize(columns, 0);
        let arrived_columns = if is_below { columns } else { batch };
        let arrived = at_least(arrived, shape.state * arrived_columns);
        arrived_exponents.resize(arrived_columns, 0);
        if !self.is_lowest {
            downward.prepare(shape.input, chunk.len(), batch);
            if self.run.truncation.is_some() {
                downward_at_cuts.prepare(shape.input, chunk.len(), batch);
            }
        }
        let is_watched = probes.iter().any(|probe| probe.watches().backward);
        let mut t = chunk.end;
        while t > chunk.start {
            t -= 1;
            let cut = self.run.cuts(t);
            let in_chunk = t - chunk.start;
            let own_columns = in_chunk * batch..(in_chunk + 1) * batch;
            let adjoint = &mut adjoints[(in_chunk + 1) * state_size..][..state_size];
            let (arrived, arrived_exponents) = if is_below {
                (
                    &mut arrived[in_chunk * state_size..(in_chunk + 1) * state_size],
                    &mut arrived_exponents[own_columns.clone()],
                )
            } else {
                (&mut *arrived, &mut **arrived_exponents)
            };

            // What enters here, what of it goes on past a cut, and before which step nothing enters.
            let (entering, kept, entered_before) = match &mut outside {
                Outside::Loss(source) => {
                    let mut entering = None;
                    if source.before(t + 1) == t {
                        injected.fill(0.0);
                        let state = tape.state(t);
                        let output = rows(&state, &output_rows);
                        if source.inject(t, output, columns_mut(injected, shape.output)) {
                            injected_exponents.fill(0);
                            rescale(columns_mut(injected, shape.output), injected_exponents)
                                .map_err(|NotFinite| t)?;
                            entering = Some(Scaled {
                                values: columns_of(injected, shape.output),
                                exponents: injected_exponents,
                            });
                        }
                    }
                    (entering, entering, source.before(t))
                }
                Outside::Above(above) => {
                    let kept = above.downward.at(in_chunk);
                    let entering = if cut {
                        above.downward_at_cuts.at(in_chunk)
                    } else {
                        kept
                    };
                    (Some(entering), Some(kept), t - 1)
                }
            };
            if let Some(entering) = entering {
                arrived.copy_from_slice(adjoint);
                arrived_exponents.copy_from_slice(exponents);
                add_to_rows(
                    columns_mut(adjoint, shape.state),
                    exponents,
                    &output_rows,
                    entering,
                );
            }

            // As many steps as nothing else happens at.
            let next_event = if cut {
                t - 1
            } else {
                entered_before.max(self.run.cut_before(t))
            };
            let first = chunk.start.max(next_event + 1);
            let (from, to) = (first - chunk.start, in_chunk + 1);
            let done = cell.pull_back_steps(
                &tape.points(first..t + 1),
                AdjointsMut {
                    carried: columns_mut(
                        &mut adjoints[from * state_size..(to + 1) * state_size],
                        shape.state,
                    ),
                    nodes: has_inner_paths.then(|| {
                        columns_mut(&mut nodes[from * state_size..to * state_size], shape.state)
                    }),
                    deltas: columns_mut(
                        &mut deltas[from * delta_size..to * delta_size],
                        shape.delta,
                    ),
                    columns: batch,
                },
                safe_squares(),
            );
            assert!(
                (1..=to - from).contains(&done),
                "{done} of {} steps were taken back",
                to - from
            );
            let from = to - done;
            for of_step in adjoint_exponents[from * batch..to * batch].chunks_exact_mut(batch) {
                of_step.copy_from_slice(exponents);
            }
            let steps_seen = if is_watched { from..to } else { 0..0 };
            for k in steps_seen.rev() {
                let total = scaled_step(adjoints, k + 1, shape.state, exponents);
                let has_entered = entering.is_some() && k == in_chunk;
                let arrived = if has_entered {
                    Scaled {
                        values: columns_of(arrived, shape.state),
                        exponents: arrived_exponents,
                    }
                } else {
                    total
                };
                let point = tape.point(chunk.start + k);
                let step = BackwardStep {
                    t: chunk.start + k,
                    state: point.next,
                    point: Some(point),
                    arrived,
                    injected: entering.filter(|_| has_entered),
                    // What comes down from the layer above takes a path inside step t.
                    carried: if is_below { arrived } else { total },
                    node: if has_inner_paths {
                        scaled_step(nodes, k, shape.state, exponents)
                    } else {
                        total
                    },
                    cut,
                    kept: kept.filter(|_| has_entered),
                };
                for probe in probes.iter_mut() {
                    probe.backward(&step);
                }
            }
            let previous = &mut adjoints[from * state_size..(from + 1) * state_size];
            if cut {
                let delta = &mut deltas[in_chunk * delta_size..(in_chunk + 1) * delta_size];
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
                resumed.fill(0.0);
                if let Some(kept) = kept {
                    columns_mut(resumed, shape.state)
                        .rows_range_mut(output_rows.clone())
                        .copy_from(&kept.values);
                    exponents.copy_from_slice(kept.exponents);
                }
                let adjoint = AdjointMut {
                    carried: columns_of(resumed, shape.state),
                    node: None,
                    delta: columns_mut(delta, shape.delta),
                    previous: columns_mut(previous, shape.state),
                };
                cell.pull_back(&tape.point(t), adjoint);
            }
            for of_step in delta_exponents[from * batch..to * batch].chunks_exact_mut(batch) {
                of_step.copy_from_slice(exponents);
            }
            t = chunk.start + from;
            rescale(columns_mut(previous, shape.state), exponents).map_err(|NotFinite| t)?;
        }
        let scaled = |values, rows, exponents| Scaled {
            values: columns_of(values, rows),
            exponents,
        };
        let deltas = scaled(deltas, shape.delta, delta_exponents);
        let adjoints = scaled(&adjoints[state_size..], shape.state, adjoint_exponents);
        let done = BackwardChunk {
            first_step: chunk.start,
            batch,
            carried: if is_below {
                scaled(arrived, shape.state, arrived_exponents)
            } else {
                adjoints
            },
            nodes: if has_inner_paths {
                scaled(nodes, shape.state, adjoint_exponents)
            } else {
                adjoints
            },
            // What comes down from the layer above is part of the node gradient alone.
            differing: if is_below {
                0..shape.state
            } else {
                cell.inner_paths()
            },
            deltas,
            previous: tape.states(chunk.start - 1, chunk.len()),
            next: tape.states(chunk.start, chunk.len()),
            saved: tape.points(chunk.clone()).saved,
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

/// The first `length` values of a buffer that only grows.
fn at_least(buffer: &mut Buffer, length: usize) -> &mut [f64] {
    if buffer.len() < length {
        buffer.resize(length);
    }
    &mut buffer[..length]
}

/// One step of a buffer of steps, counted from its start.
fn scaled_step<'a>(
    buffer: &'a [f64],
    step: usize,
    rows: usize,
    exponents: &'a [i64],
) -> Scaled<'a> {
    let size = rows * exponents.len();
    Scaled {
        values: columns_of(&buffer[step * size..(step + 1) * size], rows),
        exponents,
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
