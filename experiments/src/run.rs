//! One run: a pure function of its spec, on one thread.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use cell_config::{InvalidConfig, LawContext, Relation, Streams};
use gradient_tracking::probes::{
    BlockNorms, ContributionNorms, GateStatistics, InputGradientNorms, Norms, ParameterGradient,
    PathSplit, SequenceGradients, Series, UnitGradients,
};
use gradient_tracking::source::{SquaredDistance, Terminal};
use gradient_tracking::{
    AdjointSource, Horizon, NonFinite, Probe, Probes, RecurrentCell, Tape, Trainable, View,
    Workspace, with_checkpoints,
};
use nalgebra::DMatrix;

use crate::closer;
use crate::config::{LossKind, Memory, Record, Recorded};
use crate::grids;
use crate::network::layer_prefix;
use crate::plan::RunSpec;
use crate::record::{
    Array, GATE, LAW, LYAPUNOV, REFERENCE, RunRecord, SEQUENCE, SEQUENCES, SERIES, TOTAL, UNIT,
    series_times,
};
use crate::registry::Built;
use crate::sequences::{self, DrawnInputs, EveryStepAdjoints, InputArray, RunInputs};
use crate::tables::LawRow;

/// Why a run has no record.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunFailure {
    /// Numbers left the range of f64.
    #[error("{0}")]
    NonFinite(NonFinite),
    /// The weights could not be drawn.
    #[error("the cell cannot be built: {0}")]
    Cell(#[from] InvalidConfig),
}

impl From<NonFinite> for RunFailure {
    fn from(error: NonFinite) -> Self {
        RunFailure::NonFinite(error)
    }
}

/// The memory of one worker, reused from run to run.
#[derive(Default)]
pub struct Worker {
    /// Of each layer.
    tapes: Vec<Tape>,
    workspaces: Vec<Workspace>,
    inputs: DrawnInputs,
}

impl Worker {
    /// Runs `spec` and keeps what `record` asks for; `memory` says how much of the trajectory is held
    /// at once, and changes no result. `file` holds the inputs if they come from one.
    ///
    /// # Errors
    /// [`RunFailure`] if the network overflows or its weights cannot be drawn.
    pub fn execute(
        &mut self,
        spec: &RunSpec,
        record: &Record,
        memory: Memory,
        file: Option<&InputArray>,
    ) -> Result<RunRecord, RunFailure> {
        let wanted = |quantity| record.quantities.contains(&quantity);
        let streams = Streams {
            seed: spec.seed,
            replicate: spec.replicate as u64,
        };
        let sequence = &spec.sequence;
        let (steps, batch) = (sequence.steps, sequence.batch);
        let built = spec.cell.build(
            sequence.input.size(),
            &streams.weights(&spec.label),
            LawContext {
                mean_square_input: sequence.input.mean_square(),
                with_spectrum: wanted(Recorded::Spectrum),
            },
        )?;
        let cells: Vec<&dyn Trainable> = built.iter().map(|layer| &*layer.cell).collect();
        let layers: Vec<&dyn RecurrentCell> = cells.iter().map(|cell| *cell as _).collect();
        let top = *layers.last().expect("a network has a layer");
        let output = top.shape().output;
        let start = sequence.initial_state.unwrap_or_default();
        let of_layer =
            |cell: &&dyn RecurrentCell| DMatrix::from_element(cell.shape().state, batch, start);
        let initial: Vec<DMatrix<f64>> = layers.iter().map(of_layer).collect();
        let initial: Vec<View> = initial.iter().map(DMatrix::as_view).collect();
        let segment = memory.segment(steps, batch);
        let mut squared_error = SquaredDistance::new(steps, spec.loss.target.unwrap_or_default());
        let (adjoints, mut terminal, mut every_step);
        let source: &mut dyn AdjointSource = match spec.loss.kind {
            LossKind::Terminal => {
                adjoints = sequences::terminal_adjoints(output, batch, &streams);
                terminal = Terminal {
                    steps,
                    adjoint: adjoints.as_view(),
                };
                &mut terminal
            }
            LossKind::EveryStep => {
                every_step = EveryStepAdjoints::new(output, steps, batch, segment, &streams);
                &mut every_step
            }
            LossKind::SquaredError => &mut squared_error,
        };
        let mut layer_probes: Vec<LayerProbes> = cells
            .iter()
            .enumerate()
            .map(|(layer, cell)| LayerProbes::new(*cell, layer, record, steps, batch))
            .collect();
        let mut inputs = RunInputs::new(sequence, &streams, file, std::mem::take(&mut self.inputs));
        self.tapes
            .resize_with(layers.len().max(self.tapes.len()), Tape::new);
        self.workspaces
            .resize_with(layers.len().max(self.workspaces.len()), Workspace::new);
        let outcome = {
            let (mut forward, mut backward): (Vec<_>, Vec<_>) =
                layer_probes.iter_mut().map(LayerProbes::as_probes).unzip();
            let mut probes: Vec<Probes> = forward
                .iter_mut()
                .zip(&mut backward)
                .map(|(forward, backward)| Probes { forward, backward })
                .collect();
            with_checkpoints(
                &layers,
                Horizon {
                    steps,
                    segment,
                    truncation: spec.loss.truncation.and_then(NonZeroUsize::new),
                },
                &mut inputs,
                &initial,
                source,
                (
                    &mut self.tapes[..layers.len()],
                    &mut self.workspaces[..layers.len()],
                ),
                &mut probes,
            )
        };
        outcome?;
        self.inputs = inputs.into_drawn();

        let mut arrays = Arrays::default();
        if wanted(Recorded::SequenceGradient) && spec.loss.kind == LossKind::SquaredError {
            let losses = Array::line(squared_error.losses);
            arrays.insert(format!("{SEQUENCE}loss"), losses);
        }
        let last = layers.len() - 1;
        arrays.reference(top, &layer_probes[last].norms);
        for (layer, probes) in layer_probes.into_iter().enumerate() {
            arrays.layer(&layer_prefix(layer, layers.len()), probes, record);
        }
        // What theory says of a layer it says of what that layer does to a gradient; those below
        // the top one are fed by the one above them at every step.
        let prefix = layer_prefix(last, layers.len());
        for (place, law) in built[last].laws.iter().enumerate() {
            let (quantity, relation) = (law.quantity, law.relation.name());
            let name = format!("{LAW}{prefix}{quantity}:{relation}:{}", law.name);
            let rows = law.rates.iter().flat_map(|rate| [*rate, place as f64]);
            arrays.insert(name, Array::rows(2, rows.collect()));
        }
        let of_all_layers = [
            Recorded::SingularValues,
            Recorded::Lyapunov,
            Recorded::LossState,
        ];
        if of_all_layers.into_iter().any(wanted) {
            let lowest = layer_prefix(0, layers.len());
            self.look_closer(spec, record, segment, file, built, &mut arrays)?;
            arrays.largest_exponent(&lowest);
        }
        Ok(RunRecord {
            spec: spec.spec_json(),
            arrays: arrays.0,
        })
    }
}

impl Worker {
    /// What is a property of the whole state: a second way forward and back, in which the layers are
    /// one cell.
    fn look_closer(
        &mut self,
        spec: &RunSpec,
        record: &Record,
        segment: usize,
        file: Option<&InputArray>,
        built: Vec<Built>,
        arrays: &mut Arrays,
    ) -> Result<(), RunFailure> {
        let wanted = |quantity| record.quantities.contains(&quantity);
        let streams = Streams {
            seed: spec.seed,
            replicate: spec.replicate as u64,
        };
        let sequence = &spec.sequence;
        let (steps, batch) = (sequence.steps, sequence.batch);
        let cell = closer::one_cell(built.into_iter().map(|layer| layer.cell).collect());
        let shape = cell.shape();
        let adjoints = wanted(Recorded::LossState).then(|| {
            sequences::adjoints_at(&grids::loss_times(steps), shape.output, batch, &streams)
        });
        let start = sequence.initial_state.unwrap_or_default();
        let initial = DMatrix::from_element(shape.state, batch, start);
        let mut inputs = RunInputs::new(sequence, &streams, file, std::mem::take(&mut self.inputs));
        let found = closer::look(
            &*cell,
            Horizon {
                steps,
                segment,
                truncation: spec.loss.truncation.and_then(NonZeroUsize::new),
            },
            &mut inputs,
            initial.as_view(),
            closer::Wanted {
                singular_values: wanted(Recorded::SingularValues),
                lyapunov: wanted(Recorded::Lyapunov),
                loss_state: adjoints.as_ref().map(DMatrix::as_view),
            },
            (&mut self.tapes[0], &mut self.workspaces[0]),
        )?;
        self.inputs = inputs.into_drawn();
        arrays.0.extend(found);
        Ok(())
    }
}

/// The probes of one layer.
struct LayerProbes<'a> {
    gates: Option<GateStatistics>,
    series: Option<Series>,
    /// Always measured: the reference of every ratio is among them.
    norms: BlockNorms,
    input_gradient: Option<InputGradientNorms<'a>>,
    parameter_gradient: Option<ParameterGradient>,
    contributions: Option<ContributionNorms>,
    path_split: Option<PathSplit>,
    unit_gradients: Option<UnitGradients>,
    sequence_gradients: Option<SequenceGradients>,
}

impl<'a> LayerProbes<'a> {
    /// What `record` asks for of the layer with this number.
    fn new(
        cell: &'a dyn Trainable,
        layer: usize,
        record: &Record,
        steps: usize,
        batch: usize,
    ) -> Self {
        let wanted = |quantity| record.quantities.contains(&quantity);
        let per_sequence = wanted(Recorded::PerSequence);
        LayerProbes {
            gates: wanted(Recorded::Gates).then(|| GateStatistics::new(cell, steps, batch)),
            series: wanted(Recorded::Series).then(|| Series::new(cell, series_times(steps))),
            norms: BlockNorms::new(cell, steps, batch, per_sequence),
            // The inputs of an upper layer are h of the one below.
            input_gradient: (wanted(Recorded::InputGradient) && layer == 0)
                .then(|| InputGradientNorms::new(cell, steps, batch, per_sequence)),
            parameter_gradient: wanted(Recorded::ParameterGradient)
                .then(|| ParameterGradient::new(cell, steps, batch)),
            contributions: wanted(Recorded::ParameterContributions)
                .then(|| ContributionNorms::new(cell, steps, batch)),
            path_split: wanted(Recorded::PathSplit)
                .then(|| PathSplit::new(cell, steps, batch))
                .flatten(),
            unit_gradients: wanted(Recorded::UnitGradient)
                .then(|| UnitGradients::new(cell, grids::times(steps))),
            sequence_gradients: wanted(Recorded::SequenceGradient)
                .then(|| SequenceGradients::new(cell, batch)),
        }
    }

    /// Those of the way forward and those of the way back.
    fn as_probes(&mut self) -> (Vec<&mut dyn Probe>, Vec<&mut dyn Probe>) {
        (
            probes([as_probe(&mut self.gates), as_probe(&mut self.series)]),
            probes([
                Some(&mut self.norms),
                as_probe(&mut self.input_gradient),
                as_probe(&mut self.parameter_gradient),
                as_probe(&mut self.contributions),
                as_probe(&mut self.path_split),
                as_probe(&mut self.unit_gradients),
                as_probe(&mut self.sequence_gradients),
            ]),
        )
    }
}

fn as_probe<P: Probe>(probe: &mut Option<P>) -> Option<&mut dyn Probe> {
    probe.as_mut().map(|probe| probe as &mut dyn Probe)
}

/// The probes that were asked for.
fn probes<const N: usize>(all: [Option<&mut dyn Probe>; N]) -> Vec<&mut dyn Probe> {
    all.into_iter().flatten().collect()
}

#[derive(Default)]
struct Arrays(BTreeMap<String, Array>);

impl Arrays {
    fn insert(&mut self, name: String, array: Array) {
        self.0.insert(name, array);
    }

    /// Everything measured in one layer; `prefix` begins all names.
    fn layer(&mut self, prefix: &str, probes: LayerProbes, record: &Record) {
        let wanted = |quantity| record.quantities.contains(&quantity);
        for block in probes.norms.blocks {
            let name = format!("{prefix}{}", block.name);
            if wanted(Recorded::Adjoint) {
                self.norms(&format!("{name}_carried"), block.carried);
            }
            if wanted(Recorded::Adjoint) || wanted(Recorded::Node) {
                self.norms(&name, block.node);
            }
        }
        if let Some(probe) = probes.input_gradient {
            self.norms("x", probe.norms);
        }
        if let Some(probe) = probes.parameter_gradient {
            for (name, log10_norm) in probe.log10_norms() {
                let name = format!("{TOTAL}{prefix}{name}");
                self.insert(name, Array::line(vec![log10_norm]));
            }
        }
        if let Some(probe) = probes.sequence_gradients {
            for (name, norms) in probe.log10_norms() {
                let name = format!("{SEQUENCE}{prefix}{name}");
                self.insert(name, Array::line(norms));
            }
        }
        let contributions = probes.contributions.into_iter();
        for (name, norms) in contributions.flat_map(|probe| probe.blocks) {
            self.norms(&format!("{prefix}{name}"), norms);
        }
        if let Some(probe) = probes.path_split {
            self.norms(&format!("{prefix}c_direct"), probe.direct);
            self.norms(&format!("{prefix}c_gated"), probe.gated);
        }
        for block in probes
            .unit_gradients
            .into_iter()
            .flat_map(|probe| probe.blocks)
        {
            let name = format!("{UNIT}{prefix}{}", block.name);
            self.insert(name, Array::rows(block.units, block.log10_norm));
        }
        for (name, summaries) in probes.gates.into_iter().flat_map(|probe| probe.gates) {
            self.insert(format!("{GATE}{prefix}{name}"), Array::of_gate(&summaries));
        }
        for (name, units, values) in probes.series.into_iter().flat_map(|probe| probe.series) {
            let name = match (name.as_str(), prefix) {
                // There is one input, that of the lowest layer; those above it see `h` of others.
                ("x", "" | "0.") => format!("{SERIES}x"),
                ("x", _) => continue,
                _ => format!("{SERIES}{prefix}{name}"),
            };
            self.insert(name, Array::rows(units, values));
        }
    }

    /// A generic adjoint of the whole state goes back at the rate λ_1, for a product and its transpose
    /// have the same singular values. What starts at the top reaches all directions in the lowest layer
    /// alone: a layer hears of those above it, and of none below.
    fn largest_exponent(&mut self, lowest: &str) {
        let largest = self.0.get(LYAPUNOV).and_then(|array| array.values.first());
        let Some(largest) = largest.copied() else {
            return;
        };
        for quantity in ["h", "c"] {
            if self.0.contains_key(&format!("{lowest}{quantity}")) {
                let rate = Relation::Rate.name();
                let name = format!(
                    "{LAW}{lowest}{quantity}:{rate}:{}",
                    LawRow::LARGEST_EXPONENT
                );
                self.insert(name, Array::line(vec![largest]));
            }
        }
    }

    fn norms(&mut self, name: &str, norms: Norms) {
        if let Some(values) = norms.per_sequence {
            let batch = values.len() / norms.log10_norm.len();
            self.insert(format!("{name}{SEQUENCES}"), Array::rows(batch, values));
        }
        self.insert(name.to_owned(), Array::line(norms.log10_norm));
    }

    /// ‖∂L/∂h_T‖ of the output, or at the largest t where it is not zero; nothing if there is none.
    fn reference(&mut self, cell: &dyn RecurrentCell, norms: &BlockNorms) {
        let output = cell
            .state_blocks()
            .iter()
            .position(|block| block.rows == cell.output_rows())
            .expect("the output is a block of the state");
        let curve = &norms.blocks[output].node.log10_norm;
        let reference = curve
            .iter()
            .enumerate()
            .rev()
            .find(|(_, log10_norm)| log10_norm.is_finite())
            .map_or(Vec::new(), |(t, log10_norm)| vec![*log10_norm, t as f64]);
        self.insert(REFERENCE.to_owned(), Array::line(reference));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::input_file::InputFiles;
    use crate::plan::Plan;

    /// Several segments, the last of them incomplete; single cells and layers, both losses, with and without
    /// truncation within and beyond a segment; everything recorded.
    #[test]
    fn checkpointing_changes_no_bit() {
        let text = r#"
            name = "checkpoints"
            replicates = 1
            sequence = { steps = 1300, batch = 1, input = { kind = "pulse", at = 600, width = 9, std = 1.0, size = 3 } }
            cell = [
                { kind = "vanilla-rnn", hidden = 5 },
                { kind = "lstm", hidden = 3, layers = 2 },
                { kind = "stack", layers = [{ kind = "lstm", hidden = 2 }, { kind = "vanilla-rnn", hidden = 4 }] },
            ]
            [sweep]
            "sequence.batch" = [1, 7]
            "loss.kind" = ["terminal", "every-step", "squared-error"]
            "loss.truncation" = [7, 800, 2000]
            [record]
            quantities = ["adjoint", "input-gradient", "parameter-gradient", "parameter-contributions",
                "gates", "path-split", "per-sequence", "series", "singular-values", "lyapunov",
                "loss-state", "unit-gradient", "sequence-gradient"]
        "#;
        let plan = Plan::new(
            &Config::load(text, "test.toml", &[]).unwrap(),
            &InputFiles::default(),
        );
        let mut worker = Worker::default();
        for run in plan.runs() {
            let sequence = &run.spec.sequence;
            let held = Memory::Checkpointed.segment(sequence.steps, sequence.batch);
            assert!(held < sequence.steps && sequence.steps % held != 0);
            let mut record = |memory| {
                let record = &plan.config.record;
                let kept = worker.execute(&run.spec, record, memory, None).unwrap();
                // By their bits: −0 equals 0.
                let bits = |array: Array| array.values.into_iter().map(f64::to_bits).collect();
                let arrays = kept.arrays.into_iter();
                arrays
                    .map(|(name, array)| (name, bits(array)))
                    .collect::<BTreeMap<String, Vec<u64>>>()
            };
            assert_eq!(
                record(Memory::Full),
                record(Memory::Checkpointed),
                "{}",
                run.spec.spec_json()
            );
        }
    }
}
