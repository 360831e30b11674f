//! From a loaded configuration to the list of runs.
//!
//! A run is identified by its [`RunSpec`] alone: everything its numbers depend on, and nothing
//! else (not what is recorded, fitted or drawn, nor how many run at once). Adding a value to an
//! axis therefore leaves the identity, and the stored record, of every other run as it was.

use gradient_tracking::{CellShape, chunk_steps};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::{
    Config, ConfigError, Loaded, Loss, LossKind, Record, Recorded, Sequence, in_units,
};
use crate::grids;
use crate::input_file::InputFiles;
use crate::network::Network;
use crate::record::series_times;
use crate::tables;

/// Everything there is to compute, in the order of the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The configuration the plan was made from.
    pub config: Config,
    /// The grid: cells in the order of the file, axes in the order of `[sweep]`, the last fastest.
    pub points: Vec<GridPoint>,
}

/// One combination of factor values for one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct GridPoint {
    /// The cell's label and its factor values, as printed in the tables.
    pub key: tables::Key,
    /// One run per replicate.
    pub runs: Vec<PlannedRun>,
}

/// A run and its identity.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The cell's label and 16 hexadecimal digits of the SHA-256 of the spec's JSON.
    pub id: String,
    /// Index of the replicate, from 0.
    pub replicate: usize,
    /// What to compute.
    pub spec: RunSpec,
}

/// Everything the numbers of one run depend on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSpec {
    /// Seed of the experiment.
    pub seed: u64,
    /// Index of the replicate, from 0.
    pub replicate: usize,
    /// What the cell is fed.
    pub sequence: Sequence,
    /// Where the gradient starts.
    pub loss: Loss,
    /// The cell's label, which keys its weights' streams.
    pub label: String,
    /// The cell.
    pub cell: Network,
    /// SHA-256 of the input file, for inputs that come from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_sha256: Option<String>,
}

impl RunSpec {
    /// The spec as JSON with sorted keys.
    pub fn spec_json(&self) -> String {
        let mut json = serde_json::to_value(self).expect("a run spec has string keys only");
        // A no-op unless some dependency turns on serde_json's `preserve_order`.
        json.sort_all_objects();
        json.to_string()
    }

    /// The run's identity.
    pub fn id(&self) -> String {
        let digest = Sha256::digest(self.spec_json());
        let hex: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}-{hex}", self.label)
    }
}

impl Plan {
    /// The runs of a loaded configuration. `inputs` are the files that inputs come from: other
    /// contents are other runs.
    pub fn new(loaded: &Loaded, inputs: &InputFiles) -> Self {
        let points = loaded.grid.iter().map(|point| GridPoint {
            key: tables::Key {
                cell: point.label.clone(),
                factors: point.factors.clone(),
            },
            runs: (0..loaded.config.replicates)
                .map(|replicate| {
                    let spec = RunSpec {
                        seed: point.seed,
                        replicate,
                        sequence: point.sequence.clone(),
                        loss: point.loss.clone(),
                        label: point.label.clone(),
                        cell: point.cell.clone(),
                        input_sha256: inputs
                            .of(&point.sequence.input)
                            .map(|file| file.sha256.clone()),
                    };
                    PlannedRun {
                        id: spec.id(),
                        replicate,
                        spec,
                    }
                })
                .collect(),
        });
        Self {
            config: loaded.config.clone(),
            points: points.collect(),
        }
    }

    /// Every run, in the order of the tables.
    pub fn runs(&self) -> impl Iterator<Item = &PlannedRun> {
        self.points.iter().flat_map(|point| &point.runs)
    }

    /// Estimated floating-point operations of all runs together.
    pub fn flops(&self) -> u128 {
        let estimates = self.runs().map(|run| run.spec.estimate(&self.config).flops);
        estimates.fold(0, u128::saturating_add)
    }

    /// The run that needs most memory.
    pub fn largest(&self) -> Option<&RunSpec> {
        self.largest_with_bytes().map(|(_, spec)| spec)
    }

    /// The run that needs most memory, with its estimate in bytes.
    fn largest_with_bytes(&self) -> Option<(u128, &RunSpec)> {
        let runs = self.points.iter().filter_map(|point| point.runs.first());
        runs.map(|run| (run.spec.estimate(&self.config).memory_bytes, &run.spec))
            .max_by_key(|(bytes, _)| *bytes)
    }

    /// Estimated memory, with its unit: of the largest run, `jobs` times at once, and of the analysis
    /// beside them.
    pub fn memory_at_once(&self, jobs: usize) -> String {
        let bytes = self.largest_with_bytes().map_or(0, |(bytes, _)| bytes);
        let runs = bytes.saturating_mul(self.at_once(jobs));
        in_units(runs.saturating_add(self.analysis_bytes(jobs)))
    }

    /// How many runs there are at once when at most `jobs` may be.
    fn at_once(&self, jobs: usize) -> u128 {
        jobs.clamp(1, self.runs().count().max(1)) as u128
    }

    /// Estimated memory of the analysis: the records of as many grid points as are worked on at once,
    /// without those that their runs count, one quantity's curves of each, and the lines of the
    /// tables by unit, singular value or loss.
    fn analysis_bytes(&self, jobs: usize) -> u128 {
        let at_once = jobs.clamp(1, self.points.len().max(1)) as u128;
        let (mut values, mut lines) = (0, 0_u128);
        for run in self.points.iter().filter_map(|point| point.runs.first()) {
            let recorded = run.spec.recorded(&self.config.record);
            let steps = run.spec.sequence.steps as u128;
            let others = self.config.replicates as u128 - 1;
            let of_point = (recorded.values.saturating_add(steps))
                .saturating_mul(others)
                .saturating_add(steps);
            values = of_point.max(values);
            lines = lines.saturating_add(recorded.lines);
        }
        let records = values.saturating_mul(8).saturating_mul(at_once);
        lines.saturating_mul(LINE).saturating_add(records)
    }

    /// Refuses a plan whose largest run, `jobs` times at once, does not fit into `available` bytes, or
    /// not together with the analysis.
    pub fn check_memory(&self, jobs: usize, available: u64) -> Result<(), ConfigError> {
        let Some((bytes, spec)) = self.largest_with_bytes() else {
            return Ok(());
        };
        let analysis = self.analysis_bytes(jobs);
        let jobs = self.at_once(jobs);
        let runs = bytes.saturating_mul(jobs);
        if runs > u128::from(available) {
            return Err(ConfigError::Memory {
                label: spec.label.clone(),
                hidden: spec.cell.hidden(),
                steps: spec.sequence.steps,
                batch: spec.sequence.batch,
                bytes,
                jobs,
                available,
            });
        }
        let bytes = runs.saturating_add(analysis);
        if bytes > u128::from(available) {
            return Err(ConfigError::AnalysisMemory { bytes, available });
        }
        Ok(())
    }
}

/// Bytes of a line of a long table, such as `series.csv`: two short texts, a factor or two, numbers. A
/// text that grows may take half of it more.
const LINE: u128 = 75;

/// Copies of a run's record: as it is made, one that waits, and four that are being written.
const RECORD_COPIES: u128 = 6;

/// What a run costs, from the sizes of its arrays alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes held at once.
    pub memory_bytes: u128,
    /// Floating-point operations, forward and backward, weight gradients included.
    pub flops: u128,
}

impl RunSpec {
    /// Estimates the run's cost.
    ///
    /// Memory: every layer's tape, 8·B·((n+1)·S + n·R), and the inputs, n the steps held at once; the
    /// states at the segments' starts; what is recorded; the adjoints of the loss, at every step of a
    /// segment or the last alone; the adjoints and node gradients of one chunk of steps, and its δ,
    /// twice; the weights in four forms and their gradient; what singular values and the adjoints of
    /// many losses need on the way.
    /// Work: each weight is used once forward, once backward and once for its gradient, two
    /// operations each, per step and sequence; and once more for each unit adjoint of a Jacobian
    /// and each adjoint of a further loss.
    pub fn estimate(&self, config: &Config) -> Estimate {
        let steps = self.sequence.steps as u128;
        let batch = self.sequence.batch as u128;
        let chunk = steps.min(chunk_steps(self.sequence.batch) as u128);
        let held = config
            .memory
            .segment(self.sequence.steps, self.sequence.batch) as u128;
        let segments = steps.div_ceil(held);
        // Every size is at most 2³² (the configuration sees to that) and there are few layers, so
        // sums of row counts are safe; products of four sizes are not.
        let (mut columns, mut top) = (0_u128, 0);
        let weights = self.cell.weights(self.sequence.input.size());
        let inputs = held.saturating_mul(self.sequence.input.size() as u128);
        for (layer, shape) in self.shapes().iter().enumerate() {
            let [input, state, output, saved, delta] = [
                shape.input,
                shape.state,
                shape.output,
                shape.saved,
                shape.delta,
            ]
            .map(|rows| rows as u128);
            // What goes down to the layer below, twice where states are detached.
            let downward = if layer == 0 { 0 } else { 2 * input };
            columns = columns
                .saturating_add((held + 1 + segments).saturating_mul(state))
                .saturating_add(held.saturating_mul(saved))
                .saturating_add(chunk.saturating_mul(2 * (delta + state) + downward));
            top = output;
        }
        let adjoints = match self.loss.kind {
            LossKind::Terminal => top,
            LossKind::EveryStep => held.saturating_mul(top),
            LossKind::SquaredError => 1,
        };
        let per_sequence = columns.saturating_add(inputs).saturating_add(adjoints);
        let closer = closer_cost(
            &self.shapes(),
            self.sequence.steps,
            self.sequence.batch,
            &config.record.quantities,
        );
        let quantities = &config.record.quantities;
        // Whole gradients of every sequence.
        let by_sequence = match quantities.contains(&Recorded::SequenceGradient) {
            true => weights.saturating_mul(batch),
            false => 0,
        };
        let values = batch
            .saturating_mul(per_sequence)
            .saturating_add(weights.saturating_mul(5))
            .saturating_add(by_sequence)
            .saturating_add(closer.values)
            .saturating_add(
                self.recorded(&config.record)
                    .values
                    .saturating_mul(RECORD_COPIES),
            );
        Estimate {
            memory_bytes: values.saturating_mul(8),
            flops: weights
                .saturating_mul(6)
                .saturating_mul(steps)
                .saturating_mul(batch)
                .saturating_add(closer.flops),
        }
    }

    /// What a run keeps.
    fn recorded(&self, record: &Record) -> RecordedSize {
        let batch = self.sequence.batch as u128;
        let steps = self.sequence.steps as u128 + 1;
        let wanted = |quantity| record.quantities.contains(&quantity);
        let per_sequence = if wanted(Recorded::PerSequence) {
            1 + batch
        } else {
            1
        };
        let (mut values, mut units) = (0_u128, 0_u128);
        let (mut state, mut blocks) = (0_u128, 0_u128);
        for (layer, shape) in self.shapes().iter().enumerate() {
            let inputs = if layer == 0 { shape.input } else { 0 };
            units += (inputs + shape.state + shape.saved) as u128;
            state += shape.state as u128;
            blocks += shape.state.div_ceil(shape.output.max(1)) as u128;
            // Node and carried gradients of two blocks are always measured.
            let always = 4 * per_sequence;
            let more = record.quantities.iter().map(|quantity| match quantity {
                Recorded::InputGradient if layer == 0 => per_sequence,
                Recorded::ParameterContributions => 3,
                Recorded::PathSplit => 2,
                Recorded::Gates => 3 * 8,
                _ => 0,
            });
            values = values.saturating_add(more.fold(always, u128::saturating_add));
        }
        // What has a line of its own in a table.
        let mut lines = 0_u128;
        if wanted(Recorded::Series) {
            let times = series_times(self.sequence.steps).len() as u128;
            lines = lines.saturating_add(units.saturating_mul(times));
        }
        let lags = grids::lags(self.sequence.steps).len() as u128;
        for quantity in [Recorded::SingularValues, Recorded::UnitGradient] {
            if wanted(quantity) {
                lines = lines.saturating_add(lags.saturating_mul(state));
            }
        }
        if wanted(Recorded::SequenceGradient) {
            // The loss, and three blocks of each layer.
            let of_a_sequence = 1 + 3 * self.shapes().len() as u128;
            lines = lines.saturating_add(batch.saturating_mul(of_a_sequence));
        }
        if wanted(Recorded::Lyapunov) {
            let times = grids::exponent_times(self.sequence.steps).len() as u128;
            lines = lines.saturating_add(state.saturating_mul(times + 2));
        }
        if wanted(Recorded::LossState) {
            let losses = grids::loss_times(self.sequence.steps).len() as u128;
            lines = lines.saturating_add(blocks.saturating_mul(losses * (losses + 1)));
        }
        RecordedSize {
            values: values.saturating_mul(steps).saturating_add(lines),
            lines,
        }
    }

    /// Row counts of every layer.
    pub fn shapes(&self) -> Vec<CellShape> {
        self.cell.shapes(self.sequence.input.size())
    }
}

/// How much a run keeps.
struct RecordedSize {
    /// Numbers in its record.
    values: u128,
    /// Those of them that have a line of their own in a table.
    lines: u128,
}

/// What some quantities cost a run beyond its way forward and back.
pub struct Closer {
    /// Numbers held at once.
    pub values: u128,
    /// Floating-point operations.
    pub flops: u128,
}

/// What singular values and losses at many steps need on the way, beyond what they record.
pub fn closer_cost(
    layers: &[CellShape],
    steps: usize,
    batch: usize,
    quantities: &[Recorded],
) -> Closer {
    // Of all layers together; the layers' own inputs are on the way too.
    let (mut state, mut output, mut delta, mut pull_back) = (0_u128, 0_u128, 0_u128, 0_u128);
    for (layer, shape) in layers.iter().enumerate() {
        let rows = shape.delta as u128;
        let from = shape.output + if layer == 0 { 0 } else { shape.input };
        state += shape.state as u128;
        output = shape.output as u128;
        delta += rows;
        pull_back = pull_back.saturating_add(rows.saturating_mul(2 * from as u128));
    }
    let all_steps = steps as u128;
    let square = state.saturating_mul(state);
    let cube = square.saturating_mul(state);
    let mut closer = Closer {
        values: 0,
        flops: 0,
    };
    if quantities.contains(&Recorded::SingularValues) {
        // Twelve matrices, and δ of S unit adjoints.
        let values = square.saturating_mul(12);
        closer.values = values.saturating_add(delta.saturating_mul(state));
        let by_step = pull_back
            .saturating_mul(state)
            .saturating_add(cube.saturating_mul(6));
        let lags = grids::lags(steps).len() as u128;
        closer.flops = all_steps
            .saturating_mul(by_step)
            .saturating_add(lags.saturating_mul(cube.saturating_mul(30)));
    }
    if quantities.contains(&Recorded::Lyapunov) {
        // Tangents, bases and factors, and ȧ of as many tangents. A QR decomposition is two products
        // and as much again for what is small.
        let values = square.saturating_mul(10);
        let values = values.saturating_add(delta.saturating_mul(state));
        closer.values = closer.values.saturating_add(values);
        let by_step = pull_back
            .saturating_mul(state)
            .saturating_add(cube.saturating_mul(6));
        let flops = all_steps.saturating_mul(by_step);
        closer.flops = closer.flops.saturating_add(flops);
    }
    if quantities.contains(&Recorded::LossState) {
        let losses = grids::loss_times(steps).len() as u128;
        let columns = losses.saturating_mul(batch as u128);
        let rows = 3 * state + delta + output + 1;
        closer.values = closer.values.saturating_add(columns.saturating_mul(rows));
        // Half of the losses have joined on average.
        let adjoints = all_steps.saturating_mul(columns) / 2;
        closer.flops = closer
            .flops
            .saturating_add(adjoints.saturating_mul(pull_back));
    }
    closer
}

/// Bytes this process may still take: what the system has available, or what its control group
/// leaves, whichever is less. File caches count as available: they give way.
pub fn available_memory() -> u64 {
    let memory = sysinfo::MemoryRefreshKind::nothing().with_ram();
    let system =
        sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_memory(memory));
    let available = system.available_memory();
    match system.cgroup_limits() {
        Some(limits) => available.min(limits.total_memory.saturating_sub(limits.rss)),
        None => available,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::input_file::InputFile;
    use crate::sequences::InputArray;

    const TEXT: &str = r#"
name = "test"
seed = 20
replicates = 2

[sequence]
steps = 10
batch = 3
input = { kind = "gaussian", size = 2 }

[[cell]]
kind = "vanilla-rnn"
hidden = 4

[[cell]]
kind = "lstm"
hidden = 4

[sweep]
"cell.hidden" = [4, 8]
"lstm.forget_bias" = [0.0, { chrono = 200 }]
"#;

    fn plan(sets: &[&str]) -> Plan {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let loaded = Config::load(TEXT, "test.toml", &sets).unwrap();
        Plan::new(&loaded, &InputFiles::default())
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.runs().map(|run| run.id.as_str()).collect()
    }

    #[test]
    fn each_cell_meets_the_axes_that_apply_to_it_the_last_one_fastest() {
        let plan = plan(&[]);
        let keys: Vec<(&str, Vec<&str>)> = plan
            .points
            .iter()
            .map(|point| {
                let factors = point.key.factors.iter().map(String::as_str).collect();
                (point.key.cell.as_str(), factors)
            })
            .collect();
        assert_eq!(
            keys,
            [
                ("vanilla-rnn", vec!["4", ""]),
                ("vanilla-rnn", vec!["8", ""]),
                ("lstm", vec!["4", "0.0"]),
                ("lstm", vec!["4", "chrono=200"]),
                ("lstm", vec!["8", "0.0"]),
                ("lstm", vec!["8", "chrono=200"]),
            ]
        );
        assert_eq!(plan.runs().count(), 12);
        let hidden: Vec<usize> = plan
            .points
            .iter()
            .map(|p| p.runs[1].spec.cell.hidden())
            .collect();
        assert_eq!(hidden, [4, 8, 4, 4, 8, 8]);
        assert_eq!(plan.points[0].runs[1].replicate, 1);
    }

    /// Changing this text makes every stored record a foreign one.
    #[test]
    fn a_spec_is_json_with_sorted_keys() {
        let plan = plan(&[]);
        let run = &plan.points[3].runs[1];
        assert_eq!(
            run.spec.spec_json(),
            concat!(
                r#"{"cell":{"bias":0.0,"forget_bias":{"chrono":200.0},"forget_gate":true,"hidden":4,"#,
                r#""input_weights":{"gain":1.0,"init":"gaussian"},"kind":"lstm","#,
                r#""recurrent_weights":{"gain":1.0,"init":"gaussian"}},"#,
                r#""label":"lstm","loss":{"kind":"terminal"},"replicate":1,"seed":20,"#,
                r#""sequence":{"batch":3,"input":{"kind":"gaussian","size":2,"std":1.0},"steps":10}}"#,
            )
        );
        assert_eq!(run.id, "lstm-18e13ac85855a2e7");
    }

    #[test]
    fn identities_differ_from_run_to_run() {
        let plan = plan(&[]);
        let mut ids = ids(&plan);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 12);
    }

    #[test]
    fn identities_survive_new_values_replicates_and_what_is_recorded() {
        let small = plan(&[]);
        let large = plan(&[
            "cell.hidden=[2, 8, 4]",
            "lstm.forget_bias=[{ chrono = 200.0 }, 5, 0]",
            "replicates=3",
            "record.quantities=[\"adjoint\", \"gates\"]",
            "fit.from=2",
        ]);
        let large = ids(&large);
        assert!(ids(&small).iter().all(|id| large.contains(id)));
    }

    #[test]
    fn other_contents_of_an_input_file_are_other_runs() {
        let sets = ["sequence.input={ kind = \"file\", path = \"x.npy\" }".to_owned()];
        let loaded = Config::load(TEXT, "test.toml", &sets).unwrap();
        let [first, second] = ["ab", "cd"].map(|sha256| {
            let file = InputFile {
                array: InputArray {
                    shape: [0; 3],
                    values: Vec::new(),
                },
                sha256: sha256.to_owned(),
            };
            let files = BTreeMap::from([("x.npy".to_owned(), file)]);
            Plan::new(&loaded, &InputFiles(files))
        });
        assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
    }

    #[test]
    fn memory_is_the_tape_and_little_else() {
        let plan = plan(&["sequence.steps=1000", "cell.hidden=64"]);
        let lstm = plan.points[1].runs[0].spec.estimate(&plan.config);
        let (steps, batch, hidden, input) = (1000, 3, 64, 2);
        // One segment, which starts with the initial state.
        let tape = batch * ((steps + 2) * 2 * hidden + steps * 5 * hidden);
        let chunk = batch * 170 * 2 * (4 + 2) * hidden;
        let weights = 4 * hidden * (hidden + input + 1);
        let record = 6 * 4 * (steps + 1);
        let adjoints = batch * hidden;
        let values = tape + batch * steps * input + adjoints + chunk + 5 * weights + record;
        assert_eq!(lstm.memory_bytes, 8 * values);
        assert_eq!(lstm.flops, 6 * steps * batch * weights);
    }

    #[test]
    fn a_closer_look_is_counted() {
        let plain = plan(&["sequence.steps=100"]);
        let estimate = |quantities: &str| {
            let set = format!("record.quantities=[{quantities}]");
            let plan = plan(&["sequence.steps=100", &set]);
            let spec = &plan.points[0].runs[0].spec;
            (spec.estimate(&plan.config), plan.analysis_bytes(1))
        };
        let spec = &plain.points[0].runs[0].spec;
        let (plain, rows) = (spec.estimate(&plain.config), plain.analysis_bytes(1));
        let (hidden, batch, lags, losses) = (4, 3, 101, 50);
        let (found, _) = estimate("\"adjoint\", \"singular-values\"");
        let working = 12 * hidden * hidden + hidden * hidden;
        let recorded = 6 * lags * hidden;
        let more = found.memory_bytes - plain.memory_bytes;
        assert_eq!(more, 8 * (working + recorded));
        let (found, _) = estimate("\"adjoint\", \"loss-state\"");
        let working = losses * batch * (5 * hidden + 1);
        let recorded = 6 * losses * (losses + 1);
        let more = found.memory_bytes - plain.memory_bytes;
        assert_eq!(more, 8 * (working + recorded));
        assert_eq!(
            found.flops - plain.flops,
            100 * losses * batch / 2 * 2 * hidden * hidden
        );
        let (found, more_rows) = estimate("\"adjoint\", \"unit-gradient\"");
        let more = found.memory_bytes - plain.memory_bytes;
        assert_eq!(more, 8 * 6 * lags * hidden);
        assert!(more_rows > rows);
    }

    #[test]
    fn a_run_that_does_not_fit_is_refused_with_the_estimate() {
        let plan = plan(&["sequence.steps=1000000", "cell.hidden=64"]);
        assert_eq!(plan.check_memory(2, 1 << 40), Ok(()));
        assert_eq!(
            plan.check_memory(2, 1 << 34).unwrap_err().to_string(),
            "the largest run (`lstm`, hidden = 64, steps = 1000000, batch = 3) needs about 10.2 GiB \
             of memory, times 2 at once; 16.0 GiB is available\n\
             help: run at most 1 at once (`--jobs 1`), set `memory = \"checkpointed\"`, or lower \
             `sequence.steps`, `sequence.batch` or `hidden`"
        );
        let error = plan.check_memory(2, 1 << 30).unwrap_err().to_string();
        assert!(
            error.contains("\nhelp: set `memory = \"checkpointed\"`, or lower `sequence.steps`")
        );
    }

    #[test]
    fn an_analysis_that_does_not_fit_is_refused() {
        let sets = [
            "memory=checkpointed",
            "sequence.steps=1000000",
            "replicates=1000",
        ];
        let error = plan(&sets).check_memory(1, 1 << 34).unwrap_err();
        assert!(
            matches!(error, ConfigError::AnalysisMemory { .. }),
            "{error}"
        );
    }

    /// Of a million steps only norms are held, whatever the loss and with series.
    #[test]
    fn losses_at_every_step_and_series_need_no_more_than_the_norms_of_a_long_run() {
        for more in [
            "loss.kind=terminal",
            "loss.kind=every-step",
            "record.quantities=[\"node\", \"series\"]",
        ] {
            let sets = [
                "memory=checkpointed",
                "sequence.steps=1000000",
                "sequence.batch=1",
                "sequence.input.size=8",
                "cell.hidden=64",
                "lstm.forget_bias=1",
                "replicates=1",
                more,
            ];
            // Six copies of four norms of each step are 183 MiB, the adjoints would be 488 MiB and
            // the series of the LSTM 3.4 GiB.
            assert_eq!(plan(&sets).check_memory(1, 320 << 20), Ok(()), "{more}");
        }
    }

    #[test]
    fn jobs_beyond_the_number_of_runs_need_no_memory() {
        let plan = plan(&["cell.hidden=4", "lstm.forget_bias=1", "replicates=1"]);
        assert_eq!(plan.memory_at_once(2), plan.memory_at_once(64));
    }

    #[test]
    fn the_largest_sizes_overflow_nothing() {
        let plan = plan(&[
            "sequence.steps=4294967296",
            "sequence.batch=4294967296",
            "cell.hidden=4294967296",
            "sequence.input.size=4294967296",
        ]);
        assert!(plan.check_memory(usize::MAX, u64::MAX).is_err());
        assert!(plan.flops() > 0);
    }

    #[test]
    fn some_memory_is_available() {
        assert!(available_memory() > 0);
    }
}
