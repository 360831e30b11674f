//! A closer look at a traced network: the record that a run of it would leave, so that its tables are
//! made as a run's are.

use std::collections::BTreeMap;

use cell_config::Streams;
use gradient_tracking::probes::GateStatistics;
use gradient_tracking::{
    Horizon, NonFinite, Probe, ProbeList, RecurrentCell, Tape, Trainable, View, Workspace,
    rollout_layers,
};
use lyapunov::{entropy_bound, kaplan_yorke_dimension};
use nalgebra::DMatrix;

use crate::analysis;
use crate::closer::{self, Wanted};
use crate::config::Recorded;
use crate::cost::closer_cost;
use crate::grids;
use crate::network::layer_prefix;
use crate::record::{Array, GATE, LYAPUNOV, REFERENCE, RunRecord, SINGULAR_VALUES, UNIT};
use crate::sequences;
use crate::sweep;
use crate::trace::compute::{self, COLUMNS, Held, Part, Traced};
use crate::trace::inputs::Sequences;
use crate::trace::summary::{Extremes, Spectrum};

/// The losses of a loss × state matrix are those of a run with this seed, of its first replicate.
const STREAMS: Streams = Streams {
    seed: 0,
    replicate: 0,
};

/// Bytes that [`record`] needs on the way, beside the trajectories, and the norms of each sequence.
pub fn bytes(
    cells: &[Box<dyn Trainable>],
    sequences: &Sequences,
    quantities: &[Recorded],
    threads: usize,
) -> u128 {
    let shapes: Vec<_> = cells.iter().map(|cell| cell.shape()).collect();
    let batch = sequences.batch.min(COLUMNS.saturating_mul(threads));
    let cost = closer_cost(&shapes, sequences.longest(), batch, quantities);
    let norms = match quantities.contains(&Recorded::PerSequence) {
        true => {
            let blocks: usize = cells.iter().map(|cell| cell.state_blocks().len()).sum();
            let times = sequences.longest() as u128 + 1;
            // Node and carried, from the way back and sequence by sequence.
            (4 * blocks as u128).saturating_mul(times.saturating_mul(sequences.batch as u128))
        }
        false => 0,
    };
    cost.values.saturating_add(norms).saturating_mul(8)
}

/// What was measured of `cells` by unit, and, of `quantities`, the gates and what is a property of the
/// whole state. For these the sequences are of one length. `memory` and `threads` change no bit.
///
/// # Errors
/// [`NonFinite`] if a number leaves the range of f64; of several sequences, the first part's.
pub fn record(
    cells: Vec<Box<dyn Trainable>>,
    sequences: &Sequences,
    traced: &Traced,
    quantities: &[Recorded],
    memory: u64,
    threads: usize,
) -> Result<RunRecord, NonFinite> {
    let gates = match quantities.contains(&Recorded::Gates) {
        true => gates(&cells, sequences, memory)?,
        false => BTreeMap::new(),
    };
    let mut arrays = look(cells, sequences, quantities, memory, threads)?;
    arrays.extend(gates);
    let reference = traced.reference();
    let reference = reference.map_or(Vec::new(), |(t, log10_norm)| vec![log10_norm, t as f64]);
    arrays.insert(REFERENCE.to_owned(), Array::line(reference));
    for (layer, gradients) in traced.layers.iter().enumerate() {
        let prefix = layer_prefix(layer, traced.layers.len());
        for block in &gradients.units {
            let name = format!("{UNIT}{prefix}{}", block.name);
            arrays.insert(name, Array::rows(block.units, block.log10_norm.clone()));
        }
    }
    Ok(RunRecord {
        // Of no run of any plan.
        spec: String::new(),
        arrays,
    })
}

/// The largest and the smallest singular value at lag T, if they were recorded.
pub fn extremes(record: &RunRecord, steps: usize) -> Option<Extremes> {
    let values = record.arrays.get(SINGULAR_VALUES)?;
    let first_row = values.values.get(..values.shape[1])?;
    Some(Extremes {
        lag: steps - grids::times(steps).first()?,
        log10_largest: *first_row.first()?,
        log10_smallest: *first_row.last()?,
    })
}

/// What the Lyapunov exponents say, if they were recorded.
pub fn spectrum(record: &RunRecord) -> Option<Spectrum> {
    let array = record.arrays.get(LYAPUNOV)?;
    // Each with its standard error, which is −∞ where there is none.
    let exponents: Vec<f64> = array.values.iter().copied().step_by(2).collect();
    let spectrum = analysis::rounded(&exponents);
    Some(Spectrum {
        largest: *exponents.first()?,
        standard_error: array
            .values
            .get(1)
            .copied()
            .filter(|error| error.is_finite()),
        kaplan_yorke_dimension: kaplan_yorke_dimension(&spectrum, spectrum.len()),
        entropy_bound: entropy_bound(&spectrum),
    })
}

/// The gates at every step over all units and sequences, as a run records them. Quantiles are of all
/// sequences at once, so that these take a way forward of their own, side by side.
fn gates(
    cells: &[Box<dyn Trainable>],
    sequences: &Sequences,
    memory: u64,
) -> Result<BTreeMap<String, Array>, NonFinite> {
    let (steps, batch) = (sequences.longest(), sequences.batch);
    let columns: Vec<usize> = (0..batch).collect();
    let layers: Vec<&dyn RecurrentCell> = cells.iter().map(|cell| &**cell as _).collect();
    let mut states: Vec<DMatrix<f64>> = layers
        .iter()
        .enumerate()
        .map(|(layer, cell)| compute::initial(*cell, layer, sequences, &columns))
        .collect();
    let mut tapes = vec![Tape::new(); layers.len()];
    let whole = layers
        .iter()
        .map(|cell| GateStatistics::new(*cell, 0, batch));
    let mut whole: Vec<GateStatistics> = whole.collect();
    let segment = compute::segment(cells, steps, batch, memory);
    for first in (0..steps).step_by(segment) {
        let held = segment.min(steps - first);
        let width = sequences.size * batch;
        let input = &sequences.input[first * width..(first + held) * width];
        let parts = layers
            .iter()
            .map(|cell| GateStatistics::new(*cell, held, batch));
        let mut parts: Vec<GateStatistics> = parts.collect();
        let lists = parts.iter_mut().map(|probe| [probe as &mut dyn Probe]);
        let mut lists: Vec<[&mut dyn Probe; 1]> = lists.collect();
        let mut lists: Vec<ProbeList> = lists.iter_mut().map(|list| &mut list[..]).collect();
        let initial: Vec<View> = states.iter().map(DMatrix::as_view).collect();
        let input = View::from_slice(input, sequences.size, held * batch);
        rollout_layers(&layers, input, &initial, &mut tapes, &mut lists).map_err(|error| {
            match error {
                NonFinite::State { layer, t } => NonFinite::State {
                    layer,
                    t: first + t,
                },
                error => error,
            }
        })?;
        for (state, tape) in states.iter_mut().zip(&tapes) {
            state.copy_from(&tape.state(held));
        }
        for (whole, part) in whole.iter_mut().zip(parts) {
            for ((_, all), (_, summaries)) in whole.gates.iter_mut().zip(part.gates) {
                all.extend(summaries);
            }
        }
    }
    let arrays = whole.into_iter().enumerate().flat_map(|(layer, probe)| {
        let prefix = layer_prefix(layer, layers.len());
        let named = move |(name, summaries): (String, Vec<_>)| {
            (format!("{GATE}{prefix}{name}"), Array::of_gate(&summaries))
        };
        probe.gates.into_iter().map(named)
    });
    Ok(arrays.collect())
}

fn look(
    cells: Vec<Box<dyn Trainable>>,
    sequences: &Sequences,
    quantities: &[Recorded],
    memory: u64,
    threads: usize,
) -> Result<BTreeMap<String, Array>, NonFinite> {
    let steps = sequences.longest();
    let with_singular_values = quantities.contains(&Recorded::SingularValues);
    let with_lyapunov = quantities.contains(&Recorded::Lyapunov);
    let with_loss_state = quantities.contains(&Recorded::LossState);
    // The first part holds the first sequence, which is all that singular values and exponents are of.
    let parts = match (with_loss_state, with_singular_values || with_lyapunov) {
        (true, _) => compute::parts(sequences),
        (false, true) => vec![Part {
            steps,
            columns: vec![0],
        }],
        (false, false) => return Ok(BTreeMap::new()),
    };
    let threads = threads.min(parts.len()).max(1);
    let hidden = cells.last().map_or(0, |cell| cell.shape().output);
    let losses = grids::loss_times(steps);
    let adjoints =
        with_loss_state.then(|| sequences::adjoints_at(&losses, hidden, sequences.batch, &STREAMS));
    let starts: Vec<Start> = parts
        .into_iter()
        .enumerate()
        .map(|(number, Part { columns, .. })| Start {
            singular_values: with_singular_values && number == 0,
            lyapunov: with_lyapunov && number == 0,
            initial: initial(&cells, sequences, &columns),
            segment: compute::segment(&cells, steps, columns.len(), memory / threads as u64),
            columns,
        })
        .collect();
    let cell = closer::one_cell(cells);
    let looks = sweep::in_order(threads, &starts, |start| {
        let (batch, columns) = (sequences.batch, start.columns.as_slice());
        let input = compute::gather(&sequences.input, sequences.size, batch, (steps, columns));
        let own = adjoints.as_ref().map(|adjoints| {
            compute::gather(adjoints.as_slice(), hidden, batch, (losses.len(), columns))
        });
        closer::look(
            &*cell,
            Horizon {
                steps,
                segment: start.segment,
                truncation: None,
            },
            &mut Held {
                values: View::from_slice(&input, sequences.size, steps * columns.len()),
                columns: columns.len(),
            },
            start.initial.as_view(),
            Wanted {
                singular_values: start.singular_values,
                lyapunov: start.lyapunov,
                loss_state: own
                    .as_ref()
                    .map(|own| View::from_slice(own, hidden, losses.len() * columns.len())),
            },
            (&mut Tape::new(), &mut Workspace::new()),
        )
    });
    let mut looks = looks
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let mut whole = looks.next().unwrap_or_default();
    let others: Vec<BTreeMap<String, Array>> = looks.collect();
    for (name, array) in &mut whole {
        let others: Vec<&[f64]> = others
            .iter()
            .filter_map(|other| Some(other.get(name)?.values.as_slice()))
            .collect();
        if !others.is_empty() {
            compute::add_norms(&mut array.values, &others);
        }
    }
    Ok(whole)
}

/// What the way of a part begins with.
struct Start {
    columns: Vec<usize>,
    /// s_0 of all layers together.
    initial: DMatrix<f64>,
    segment: usize,
    singular_values: bool,
    lyapunov: bool,
}

/// s_0 of all layers together.
fn initial(cells: &[Box<dyn Trainable>], sequences: &Sequences, columns: &[usize]) -> DMatrix<f64> {
    let state: usize = cells.iter().map(|cell| cell.shape().state).sum();
    let mut initial = DMatrix::zeros(state, columns.len());
    let mut row = 0;
    for (layer, cell) in cells.iter().enumerate() {
        let own = compute::initial(&**cell, layer, sequences, columns);
        initial.rows_mut(row, own.nrows()).copy_from(&own);
        row += own.nrows();
    }
    initial
}

#[cfg(test)]
mod tests {
    use lstm::Lstm;
    use nalgebra::DVector;

    use super::*;

    #[test]
    fn the_memory_there_is_changes_no_bit_of_the_gates() {
        let wave = |index: usize| 0.6 * (0.7 * index as f64 + 0.3).sin();
        let matrix =
            |columns, from| DMatrix::from_fn(12, columns, |i, j| wave(from + 5 * i + 11 * j));
        let layer = |inputs, from| -> Box<dyn Trainable> {
            let bias = DVector::from_fn(12, |i, _| wave(from + i));
            Box::new(Lstm::new(
                matrix(3, from + 7),
                matrix(inputs, from),
                bias,
                true,
            ))
        };
        let cells = [layer(2, 0), layer(3, 50)];
        let (steps, batch) = (1200, 9);
        let sequences = Sequences {
            steps,
            batch,
            size: 2,
            input: (0..2 * steps * batch).map(|k| wave(3 * k)).collect(),
            h_0: None,
            c_0: None,
            grad_output: None,
            lengths: None,
        };
        assert!(compute::segment(&cells, steps, batch, 0) < steps);
        let [held, in_segments] =
            [u64::MAX, 0].map(|memory| gates(&cells, &sequences, memory).unwrap());
        assert_eq!(held.len(), 6);
        assert!(held.values().all(|array| array.shape == [steps, 8]));
        assert_eq!(in_segments, held);
    }
}
