//! One run: a pure function of its spec, on one thread.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use cell_config::{InvalidConfig, Streams};
use gradient_tracking::probes::{
    BlockNorms, ContributionNorms, GateStatistics, InputGradientNorms, LossState, Norms,
    ParameterGradient, PathSplit, Series, SingularValues, UnitGradients,
};
use gradient_tracking::source::{EveryStep, Terminal};
use gradient_tracking::{
    AdjointSource, Horizon, NonFinite, Probe, Probes, RecurrentCell, Tape, Workspace,
    with_checkpoints,
};
use nalgebra::DMatrix;

use crate::config::{LossKind, Memory, Record, Recorded};
use crate::grids;
use crate::plan::RunSpec;
use crate::record::{
    Array, GATE, LAW, LOSS_STATE, REFERENCE, RunRecord, SEQUENCES, SERIES, SINGULAR_VALUES, TOTAL,
    UNIT,
};
use crate::sequences::{self, InputArray, RunInputs};

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
    tape: Tape,
    workspace: Workspace,
    inputs: Vec<f64>,
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
            wanted(Recorded::Spectrum),
        )?;
        let cell = &*built.cell;
        let shape = cell.shape();
        let initial = DMatrix::zeros(shape.state, batch);
        let adjoints = sequences::adjoints(spec.loss.kind, shape.output, sequence, &streams);
        let mut terminal;
        let mut every_step;
        let source: &mut dyn AdjointSource = match spec.loss.kind {
            LossKind::Terminal => {
                terminal = Terminal {
                    steps,
                    adjoint: adjoints.as_view(),
                };
                &mut terminal
            }
            LossKind::EveryStep => {
                every_step = EveryStep {
                    adjoints: adjoints.as_view(),
                };
                &mut every_step
            }
        };
        let mut gates = wanted(Recorded::Gates).then(|| GateStatistics::new(cell, steps, batch));
        let mut series = wanted(Recorded::Series).then(|| Series::new(cell, steps));
        let per_sequence = wanted(Recorded::PerSequence);
        // Always measured: the reference of every ratio is among them.
        let mut norms = BlockNorms::new(cell, steps, batch, per_sequence);
        let mut input_gradient = wanted(Recorded::InputGradient)
            .then(|| InputGradientNorms::new(cell, steps, batch, per_sequence));
        let mut parameter_gradient =
            wanted(Recorded::ParameterGradient).then(|| ParameterGradient::new(cell, steps, batch));
        let mut contributions = wanted(Recorded::ParameterContributions)
            .then(|| ContributionNorms::new(cell, steps, batch));
        let mut path_split = wanted(Recorded::PathSplit)
            .then(|| PathSplit::new(cell, steps, batch))
            .flatten();
        let mut unit_gradients =
            wanted(Recorded::UnitGradient).then(|| UnitGradients::new(cell, grids::times(steps)));
        let mut singular_values = wanted(Recorded::SingularValues)
            .then(|| SingularValues::new(cell, grids::times(steps)));
        let loss_times = grids::loss_times(steps);
        let loss_adjoints = wanted(Recorded::LossState)
            .then(|| sequences::adjoints_at(&loss_times, shape.output, sequence, &streams));
        let mut loss_state = loss_adjoints.as_ref().map(|adjoints| {
            let states = grids::state_times(steps);
            LossState::new(cell, loss_times.clone(), states, batch, adjoints.as_view())
        });
        let mut inputs = RunInputs::new(sequence, &streams, file, std::mem::take(&mut self.inputs));
        with_checkpoints(
            cell,
            Horizon {
                steps,
                segment: memory.segment(steps, batch),
                truncation: spec.loss.truncation.and_then(NonZeroUsize::new),
            },
            &mut inputs,
            initial.as_view(),
            source,
            (&mut self.tape, &mut self.workspace),
            Probes {
                forward: &mut probes([as_probe(&mut gates), as_probe(&mut series)]),
                backward: &mut probes([
                    Some(&mut norms),
                    as_probe(&mut input_gradient),
                    as_probe(&mut parameter_gradient),
                    as_probe(&mut contributions),
                    as_probe(&mut path_split),
                    as_probe(&mut unit_gradients),
                    as_probe(&mut singular_values),
                    as_probe(&mut loss_state),
                ]),
            },
        )?;
        let overflows = [
            singular_values.as_ref().and_then(|probe| probe.overflow),
            loss_state.as_ref().and_then(|probe| probe.overflow),
        ];
        if let Some(t) = overflows.into_iter().flatten().max() {
            return Err(NonFinite::Adjoint { t }.into());
        }
        self.inputs = inputs.into_buffer();

        let mut arrays = Arrays::default();
        arrays.reference(cell, &norms);
        for block in norms.blocks {
            if wanted(Recorded::Adjoint) {
                arrays.norms(&format!("{}_carried", block.name), block.carried);
            }
            if wanted(Recorded::Adjoint) || wanted(Recorded::Node) {
                arrays.norms(&block.name, block.node);
            }
        }
        if let Some(probe) = input_gradient {
            arrays.norms("x", probe.norms);
        }
        if let Some(probe) = parameter_gradient {
            for (name, log10_norm) in probe.log10_norms() {
                arrays.insert(format!("{TOTAL}{name}"), Array::line(vec![log10_norm]));
            }
        }
        for (name, norms) in contributions.into_iter().flat_map(|probe| probe.blocks) {
            arrays.norms(name, norms);
        }
        if let Some(probe) = path_split {
            arrays.norms("c_direct", probe.direct);
            arrays.norms("c_gated", probe.gated);
        }
        for (name, summaries) in gates.into_iter().flat_map(|probe| probe.gates) {
            let values = summaries.iter().flat_map(|summary| {
                let [q10, q25, q50, q75, q90] = summary.quantiles;
                let (low, high) = (summary.low_fraction, summary.high_fraction);
                [summary.mean, q10, q25, q50, q75, q90, low, high]
            });
            arrays.insert(format!("{GATE}{name}"), Array::rows(8, values.collect()));
        }
        for (name, units, values) in series.into_iter().flat_map(|probe| probe.series) {
            arrays.insert(format!("{SERIES}{name}"), Array::rows(units, values));
        }
        if let Some(probe) = singular_values {
            let values = Array::rows(shape.state, probe.log10_values);
            arrays.insert(SINGULAR_VALUES.to_owned(), values);
        }
        if let Some(probe) = loss_state {
            let columns = probe.state_times.len();
            for (name, values) in probe.blocks {
                arrays.insert(format!("{LOSS_STATE}{name}"), Array::rows(columns, values));
            }
        }
        for block in unit_gradients.into_iter().flat_map(|probe| probe.blocks) {
            let values = Array::rows(block.units, block.log10_norm);
            arrays.insert(format!("{UNIT}{}", block.name), values);
        }
        for law in &built.laws {
            let name = format!("{LAW}{}:{}:{}", law.quantity, law.relation.name(), law.name);
            arrays.insert(name, Array::line(vec![law.rate]));
        }
        Ok(RunRecord {
            spec: spec.spec_json(),
            arrays: arrays.0,
        })
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
    use crate::plan::Plan;

    /// Several segments, the last of them incomplete; both cells, both losses, with and without
    /// truncation within and beyond a segment; everything recorded.
    #[test]
    fn checkpointing_changes_no_bit() {
        let text = r#"
            name = "checkpoints"
            replicates = 1
            sequence = { steps = 1300, batch = 1, input = { kind = "pulse", at = 600, width = 9, std = 1.0, size = 3 } }
            cell = [{ kind = "vanilla-rnn", hidden = 5 }, { kind = "lstm", hidden = 3 }]
            [sweep]
            "sequence.batch" = [1, 7]
            "loss.kind" = ["terminal", "every-step"]
            "loss.truncation" = [7, 800, 2000]
            [record]
            quantities = ["adjoint", "input-gradient", "parameter-gradient", "parameter-contributions",
                "gates", "path-split", "per-sequence", "series", "singular-values", "loss-state",
                "unit-gradient"]
        "#;
        let plan = Plan::new(&Config::load(text, "test.toml", &[]).unwrap(), None);
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
