//! From a network and sequences to gradient norms, at every layer and step.
//!
//! A pure function. Sequences of one length are run together, at most [`COLUMNS`] at a time: a
//! network treats its sequences independently, so parts of a batch may be computed anywhere, and
//! norms are combined in the order of the parts. That order depends on the sequences alone, so the
//! bits do not depend on the number of threads, nor on how much of a trajectory is held.

use std::ops::Range;

use gradient_tracking::probes::{BlockNorms, GateTotals, Norms, Totals, UnitGradients, UnitNorms};
use gradient_tracking::{
    AdjointSource, Horizon, Inputs, NonFinite, Probe, Probes, RecurrentCell, Tape, Trainable, View,
    ViewMut, Workspace, segment_steps, with_checkpoints,
};
use gru::Gru;
use lstm::Lstm;
use nalgebra::DMatrix;
use torch_weights::{Kind, Layer, Module};
use vanilla_rnn::{Activation, VanillaRnn};

use crate::grids;
use crate::sweep;
use crate::trace::inputs::{Array, Sequences};

/// The most sequences that are run together.
pub const COLUMNS: usize = 8;

/// What a network's gradients are.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// T.
    pub steps: usize,
    /// Bottom first.
    pub layers: Vec<LayerGradients>,
}

impl Traced {
    /// The denominator of all ratios: the t of ‖∂L/∂h_t‖ of the top layer, T or the largest at which
    /// it is not zero, and its log₁₀. `None` if there is none.
    pub fn reference(&self) -> Option<(usize, f64)> {
        let h = self.layers.last()?.quantities.first()?;
        let mut norms = h.log10_norm.iter().copied().enumerate().rev();
        norms.find(|(_, norm)| norm.is_finite())
    }
}

/// One layer's.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerGradients {
    /// `h`, `h_carried`, and for an LSTM `c`, `c_carried`.
    pub quantities: Vec<Quantity>,
    /// `i`, `f` and `o`, or `r` and `z`, over all steps, units and sequences; none in an RNN.
    pub gates: Vec<(String, Totals)>,
    /// Norms by unit over the sequences, of `h` and for an LSTM `c`, at [`grids::times`]; nothing
    /// unless asked for.
    pub units: Vec<UnitNorms>,
}

/// One gradient's norms.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// Its name.
    pub name: String,
    /// log₁₀ of the norm over the sequences, t = 0…T; −∞ for an exact zero.
    pub log10_norm: Vec<f64>,
    /// Of each sequence its number in the file, in rising order, and its own norms, likewise but up to
    /// its own end; nothing unless asked for.
    pub sequences: Vec<(usize, Vec<f64>)>,
}

/// What is kept beside norms over all sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Gradients by unit; only of sequences of one length.
    pub units: bool,
    /// The norms of each sequence.
    pub sequences: bool,
}

/// The cells of a module, bottom first. `activation` is an RNN's.
pub fn cells(module: Module, activation: Activation) -> Vec<Box<dyn Trainable>> {
    let cell = |layer: Layer| -> Box<dyn Trainable> {
        let Layer {
            weight_ih,
            weight_hh,
            bias,
            hidden_bias,
        } = layer;
        match module.kind {
            Kind::Rnn => Box::new(VanillaRnn::new(activation, weight_hh, weight_ih, bias)),
            Kind::Gru => Box::new(Gru::new(weight_hh, weight_ih, bias, hidden_bias)),
            Kind::Lstm => Box::new(Lstm::new(weight_hh, weight_ih, bias, true)),
        }
    };
    module.layers.into_iter().map(cell).collect()
}

/// Traces `cells` over `sequences`, which must fit them, holding about `memory` bytes of
/// trajectories and using `threads` threads; neither changes a bit.
///
/// # Errors
/// [`NonFinite`] if a number leaves the range of f64; of several sequences, the first part's.
pub fn trace(
    cells: &[Box<dyn Trainable>],
    sequences: &Sequences,
    kept: Kept,
    memory: u64,
    threads: usize,
) -> Result<Traced, NonFinite> {
    let parts = parts(sequences);
    let threads = threads.min(parts.len()).max(1);
    let memory = memory / threads as u64;
    let traced = sweep::in_order(threads, &parts, |part| {
        trace_part(cells, sequences, part, kept, memory)
    });
    let traced = traced.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(combine(sequences.longest(), traced))
}

/// Sequences of one length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) steps: usize,
    pub(super) columns: Vec<usize>,
}

/// Longest first, then in the order of the file.
pub(super) fn parts(sequences: &Sequences) -> Vec<Part> {
    let mut columns: Vec<usize> = (0..sequences.batch).collect();
    columns.sort_by_key(|j| std::cmp::Reverse(sequences.length(*j)));
    columns
        .chunk_by(|a, b| sequences.length(*a) == sequences.length(*b))
        .flat_map(|columns| {
            columns.chunks(COLUMNS).map(|columns| Part {
                steps: sequences.length(columns[0]),
                columns: columns.to_vec(),
            })
        })
        .collect()
}

/// Some sequences' columns of the first `steps` steps of an array that has `width` numbers for each
/// step and sequence.
pub(super) fn gather<'a>(
    values: &'a [f64],
    width: usize,
    batch: usize,
    (steps, columns): (usize, &[usize]),
) -> std::borrow::Cow<'a, [f64]> {
    let all = 0..steps * batch * width;
    if columns.iter().copied().eq(0..batch) {
        return values[all].into();
    }
    let mut gathered = Vec::with_capacity(steps * columns.len() * width);
    for step in values[all].chunks_exact(batch * width) {
        for j in columns {
            gathered.extend_from_slice(&step[j * width..(j + 1) * width]);
        }
    }
    gathered.into()
}

/// s_0 of a layer, S×B; zero where nothing is given.
pub(super) fn initial(
    cell: &dyn RecurrentCell,
    layer: usize,
    sequences: &Sequences,
    columns: &[usize],
) -> DMatrix<f64> {
    let mut initial = DMatrix::zeros(cell.shape().state, columns.len());
    for (block, given) in cell
        .state_blocks()
        .iter()
        .zip([&sequences.h_0, &sequences.c_0])
    {
        let Some(Array { shape, values }) = given else {
            continue;
        };
        let [_, batch, hidden] = *shape;
        for (column, j) in columns.iter().enumerate() {
            let start = (layer * batch + j) * hidden;
            initial
                .view_mut((block.rows.start, column), (hidden, 1))
                .copy_from_slice(&values[start..start + hidden]);
        }
    }
    initial
}

/// The loss, as PyTorch's user would write it.
enum Loss<'a> {
    /// ½‖h_T‖², summed over sequences: its derivative is h_T.
    HalfSquaredNorm { steps: usize },
    /// A given derivative with respect to every output, H×(T·B).
    Given(View<'a>),
}

impl AdjointSource for Loss<'_> {
    fn before(&self, t: usize) -> usize {
        match self {
            Loss::HalfSquaredNorm { steps } if t > *steps => *steps,
            Loss::HalfSquaredNorm { .. } => 0,
            Loss::Given(_) => t - 1,
        }
    }

    fn inject(&mut self, t: usize, output: View, mut adjoint: ViewMut) -> bool {
        match self {
            Loss::HalfSquaredNorm { steps } => {
                if t == *steps {
                    adjoint.copy_from(&output);
                }
                t == *steps
            }
            Loss::Given(adjoints) => {
                let batch = adjoint.ncols();
                let given = adjoints.columns((t - 1) * batch, batch);
                // Most losses touch few steps, and a step that is not touched is cheaper.
                let touches = given.iter().any(|value| *value != 0.0);
                if touches {
                    adjoint.copy_from(&given);
                }
                touches
            }
        }
    }
}

fn trace_part(
    cells: &[Box<dyn Trainable>],
    sequences: &Sequences,
    part: &Part,
    kept: Kept,
    memory: u64,
) -> Result<Traced, NonFinite> {
    let (steps, columns) = (part.steps, part.columns.len());
    let own = (steps, part.columns.as_slice());
    let input = gather(&sequences.input, sequences.size, sequences.batch, own);
    let adjoints = sequences.grad_output.as_ref().map(|array| {
        let hidden = array.shape[2];
        let gathered = gather(&array.values, hidden, sequences.batch, own);
        (hidden, gathered)
    });
    let mut loss = match &adjoints {
        None => Loss::HalfSquaredNorm { steps },
        Some((hidden, adjoints)) => {
            Loss::Given(View::from_slice(adjoints, *hidden, steps * columns))
        }
    };
    let initial = cells.iter().enumerate();
    let initial: Vec<DMatrix<f64>> = initial
        .map(|(layer, cell)| self::initial(&**cell, layer, sequences, &part.columns))
        .collect();
    let mut norms: Vec<BlockNorms> = cells
        .iter()
        .map(|cell| BlockNorms::new(&**cell, steps, columns, kept.sequences))
        .collect();
    let mut gates: Vec<GateTotals> = cells.iter().map(|cell| GateTotals::new(&**cell)).collect();
    let mut units: Vec<Option<UnitGradients>> = cells
        .iter()
        .map(|cell| {
            kept.units
                .then(|| UnitGradients::new(&**cell, grids::times(steps)))
        })
        .collect();
    let horizon = Horizon {
        steps,
        segment: segment(cells, steps, columns, memory),
        truncation: None,
    };
    run_layers(
        cells,
        horizon,
        Held {
            values: View::from_slice(&input, sequences.size, steps * columns),
            columns,
        },
        &initial,
        &mut loss,
        (&mut norms, &mut units),
        &mut gates,
    )?;
    let layers = norms.into_iter().zip(gates).zip(units);
    let layers = layers.map(|((norms, gates), units)| {
        let quantities = norms.blocks.into_iter().flat_map(|block| {
            let quantity = |name: String, norms: Norms| Quantity {
                name,
                sequences: by_sequence(&part.columns, &norms),
                log10_norm: norms.log10_norm,
            };
            [
                quantity(block.name.clone(), block.node),
                quantity(format!("{}_carried", block.name), block.carried),
            ]
        });
        LayerGradients {
            quantities: quantities.collect(),
            gates: gates.gates,
            units: units.map_or_else(Vec::new, |units| units.blocks),
        }
    });
    Ok(Traced {
        steps,
        layers: layers.collect(),
    })
}

/// The norms of each sequence of a part, if they were kept.
fn by_sequence(columns: &[usize], norms: &Norms) -> Vec<(usize, Vec<f64>)> {
    let Some(all) = &norms.per_sequence else {
        return Vec::new();
    };
    let of = |place: usize| all.iter().skip(place).step_by(columns.len()).copied();
    let columns = columns.iter().enumerate();
    columns
        .map(|(place, number)| (*number, of(place).collect()))
        .collect()
}

/// Steps held at once: all of them if they fit into `memory` bytes, else as few as make sense.
pub(super) fn segment(
    cells: &[Box<dyn Trainable>],
    steps: usize,
    columns: usize,
    memory: u64,
) -> usize {
    let rows: usize = cells
        .iter()
        .map(|cell| cell.shape().state + cell.shape().saved)
        .sum();
    let bytes = 8.0 * rows as f64 * steps as f64 * columns as f64;
    if bytes <= memory as f64 {
        steps
    } else {
        segment_steps(steps, columns).min(steps)
    }
}

/// Norms over all parts, aligned at the sequences' ends.
fn combine(steps: usize, parts: Vec<Traced>) -> Traced {
    let mut parts = parts.into_iter();
    let Some(mut whole) = parts.next() else {
        return Traced {
            steps,
            layers: Vec::new(),
        };
    };
    let mut parts: Vec<Traced> = parts.collect();
    for (index, layer) in whole.layers.iter_mut().enumerate() {
        for (number, quantity) in layer.quantities.iter_mut().enumerate() {
            for part in &mut parts {
                let own = &mut part.layers[index].quantities[number];
                quantity.sequences.append(&mut own.sequences);
            }
            quantity.sequences.sort_by_key(|(number, _)| *number);
        }
        for part in &parts {
            for ((_, totals), (_, other)) in layer.gates.iter_mut().zip(&part.layers[index].gates) {
                totals.add(other);
            }
        }
        if parts.is_empty() {
            continue;
        }
        for (number, block) in layer.units.iter_mut().enumerate() {
            let others = parts.iter();
            let others = others.map(|part| part.layers[index].units[number].log10_norm.as_slice());
            add_norms(&mut block.log10_norm, &others.collect::<Vec<_>>());
        }
        for (number, quantity) in layer.quantities.iter_mut().enumerate() {
            let mut norms = Vec::with_capacity(1 + parts.len());
            for t in 0..=steps {
                let lag = steps - t;
                norms.clear();
                norms.push(quantity.log10_norm[t]);
                norms.extend(parts.iter().filter(|part| part.steps >= lag).map(|part| {
                    part.layers[index].quantities[number].log10_norm[part.steps - lag]
                }));
                quantity.log10_norm[t] = log10_norm_of(&norms);
            }
        }
    }
    whole
}

/// Norms over these sequences and `others`, of arrays of one shape.
pub(super) fn add_norms(norms: &mut [f64], others: &[&[f64]]) {
    let mut all = Vec::with_capacity(1 + others.len());
    for (place, norm) in norms.iter_mut().enumerate() {
        all.clear();
        all.push(*norm);
        all.extend(others.iter().map(|other| other[place]));
        *norm = log10_norm_of(&all);
    }
}

/// log₁₀ √Σ 10^(2·aₖ) without leaving the range of f64.
fn log10_norm_of(log10_norms: &[f64]) -> f64 {
    let largest = log10_norms
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let sum: f64 = log10_norms
        .iter()
        .map(|norm| 10_f64.powf(2.0 * (norm - largest)))
        .sum();
    largest + 0.5 * sum.log10()
}

/// The inputs of a part, all of which are held anyway.
pub(super) struct Held<'a> {
    pub(super) values: View<'a>,
    pub(super) columns: usize,
}

impl Inputs for Held<'_> {
    fn segment(&mut self, times: Range<usize>) -> View<'_> {
        let (start, n) = (times.start - 1, times.len());
        self.values.columns(start * self.columns, n * self.columns)
    }
}

/// Forward and back through all layers, each with its own probes.
fn run_layers(
    cells: &[Box<dyn Trainable>],
    horizon: Horizon,
    mut inputs: Held,
    initial: &[DMatrix<f64>],
    loss: &mut Loss,
    (norms, units): (&mut [BlockNorms], &mut [Option<UnitGradients>]),
    gates: &mut [GateTotals],
) -> Result<(), NonFinite> {
    let layers: Vec<&dyn RecurrentCell> = cells.iter().map(|cell| &**cell as _).collect();
    let initial: Vec<View> = initial.iter().map(DMatrix::as_view).collect();
    let mut tapes = vec![Tape::new(); layers.len()];
    let mut workspaces = vec![Workspace::new(); layers.len()];
    let mut forward: Vec<[&mut dyn Probe; 1]> = Vec::new();
    forward.extend(gates.iter_mut().map(|probe| [probe as &mut dyn Probe]));
    let mut backward: Vec<Vec<&mut dyn Probe>> = Vec::new();
    for (norms, units) in norms.iter_mut().zip(units) {
        let mut probes = vec![norms as &mut dyn Probe];
        probes.extend(units.as_mut().map(|probe| probe as &mut dyn Probe));
        backward.push(probes);
    }
    let mut probes: Vec<Probes> = forward
        .iter_mut()
        .zip(&mut backward)
        .map(|(forward, backward)| Probes { forward, backward })
        .collect();
    with_checkpoints(
        &layers,
        horizon,
        &mut inputs,
        &initial,
        loss,
        (&mut tapes, &mut workspaces),
        &mut probes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(index: usize) -> f64 {
        0.6 * (0.7 * index as f64 + 0.3).sin()
    }

    fn module(kind: Kind, layers: usize, hidden: usize) -> Module {
        let rows = kind.rows_per_unit() * hidden;
        let of_gru = if kind == Kind::Gru { hidden } else { 0 };
        let matrix = |columns, from: usize| {
            DMatrix::from_fn(rows, columns, |i, j| wave(from + 5 * i + 11 * j))
        };
        let layer = |layer: usize| Layer {
            weight_ih: matrix(if layer == 0 { 2 } else { hidden }, layer),
            weight_hh: matrix(hidden, 100 + layer),
            bias: nalgebra::DVector::from_fn(rows, |i, _| wave(i)),
            hidden_bias: nalgebra::DVector::from_fn(of_gru, |i, _| wave(50 + i)),
        };
        Module {
            name: String::new(),
            kind,
            layers: (0..layers).map(layer).collect(),
            ignored: 0,
        }
    }

    fn sequences(steps: usize, batch: usize) -> Sequences {
        Sequences {
            steps,
            batch,
            size: 2,
            input: (0..2 * steps * batch).map(|k| wave(3 * k)).collect(),
            h_0: None,
            c_0: None,
            grad_output: None,
            lengths: Some((0..batch).map(|j| steps - (j % 3) * (steps / 3)).collect()),
        }
    }

    /// By their bits: NaN would differ from itself, −0 equal 0.
    fn bits(traced: &Traced) -> Vec<u64> {
        let layers = traced.layers.iter();
        let curves = layers.flat_map(|layer| &layer.quantities);
        let norms = curves.flat_map(|quantity| &quantity.log10_norm);
        norms.map(|norm| norm.to_bits()).collect()
    }

    #[test]
    fn neither_threads_nor_memory_change_a_bit() {
        // More than one segment of more than one chunk.
        let sequences = sequences(1200, 20);
        for kind in Kind::ALL {
            let cells = cells(module(kind, 2, 5), Activation::Tanh);
            let held = segment(&cells, 1200, COLUMNS, 0);
            assert!(held < 1200, "{held}");
            let kept = Kept {
                units: false,
                sequences: true,
            };
            let traced =
                |memory, threads| trace(&cells, &sequences, kept, memory, threads).unwrap();
            let expected = traced(u64::MAX, 1);
            for (memory, threads) in [(u64::MAX, 3), (0, 1), (0, 2)] {
                let found = traced(memory, threads);
                assert_eq!(bits(&found), bits(&expected));
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn norms_of_sequences_are_those_of_each_traced_alone() {
        let all = sequences(12, 20);
        let cells = cells(module(Kind::Lstm, 2, 5), Activation::Tanh);
        let kept = Kept {
            units: false,
            sequences: true,
        };
        let traced = trace(&cells, &all, kept, u64::MAX, 2).unwrap();
        let norms_alone = trace(&cells, &all, Kept::default(), u64::MAX, 2).unwrap();
        assert_eq!(bits(&traced), bits(&norms_alone));
        for j in 0..20 {
            let columns = [j];
            let steps = all.length(j);
            let alone = Sequences {
                steps,
                batch: 1,
                input: gather(&all.input, 2, 20, (steps, &columns)).into_owned(),
                lengths: None,
                ..sequences(12, 1)
            };
            let alone = trace(&cells, &alone, Kept::default(), u64::MAX, 1).unwrap();
            for (found, expected) in traced.layers.iter().zip(&alone.layers) {
                for (found, expected) in found.quantities.iter().zip(&expected.quantities) {
                    let (number, norms) = &found.sequences[j];
                    assert_eq!((*number, norms.len()), (j, steps + 1));
                    for (found, expected) in norms.iter().zip(&expected.log10_norm) {
                        // Twelve steps of sums of ten products, whose order may be that of another
                        // number of columns.
                        assert!(found == expected || (found - expected).abs() < 1e-13);
                    }
                }
            }
        }
    }

    #[test]
    fn parts_hold_sequences_of_one_length_and_every_sequence_once() {
        let sequences = sequences(9, 50);
        let parts = parts(&sequences);
        let mut seen: Vec<usize> = Vec::new();
        for part in &parts {
            assert!(part.columns.len() <= COLUMNS);
            assert!(
                part.columns
                    .iter()
                    .all(|j| sequences.length(*j) == part.steps)
            );
            seen.extend(&part.columns);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert!(parts.is_sorted_by_key(|part| std::cmp::Reverse(part.steps)));
    }

    #[test]
    fn norms_add_up_far_outside_the_range_of_floats() {
        assert_eq!(log10_norm_of(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
        assert_eq!(log10_norm_of(&[-5000.0, f64::NEG_INFINITY]), -5000.0);
        let sum = log10_norm_of(&[-5000.0 + 3f64.log10(), -5000.0 + 4f64.log10()]);
        assert!((sum + 5000.0 - 5f64.log10()).abs() < 1e-11);
    }
}
