//! A closer look at a traced network: the record that a run of it would leave, so that its tables are
//! made as a run's are.

use std::collections::BTreeMap;

use cell_config::Streams;
use gradient_tracking::{Horizon, NonFinite, Tape, Trainable, View, Workspace};
use lyapunov::{entropy_bound, kaplan_yorke_dimension};
use nalgebra::DMatrix;

use crate::analysis;
use crate::closer::{self, Wanted};
use crate::config::Recorded;
use crate::cost::closer_cost;
use crate::grids;
use crate::network::layer_prefix;
use crate::record::{Array, LYAPUNOV, REFERENCE, RunRecord, SINGULAR_VALUES, UNIT};
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

/// Bytes that [`record`] needs on the way, beside the trajectories.
pub fn bytes(
    cells: &[Box<dyn Trainable>],
    sequences: &Sequences,
    quantities: &[Recorded],
    threads: usize,
) -> u128 {
    let shapes: Vec<_> = cells.iter().map(|cell| cell.shape()).collect();
    let batch = sequences.batch.min(COLUMNS.saturating_mul(threads));
    let cost = closer_cost(&shapes, sequences.longest(), batch, quantities);
    cost.values.saturating_mul(8)
}

/// What was measured of `cells` by unit, and, of `quantities`, what is a property of the whole state.
/// The sequences are of one length. `memory` and `threads` change no bit.
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
    let mut arrays = look(cells, sequences, quantities, memory, threads)?;
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
