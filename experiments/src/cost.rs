//! What a plan costs: operations, and the most memory, from the sizes of its arrays alone.
//!
//! # Memory
//!
//! With j = min(jobs, runs), p grid points and r replicates, a command that runs the plan holds at most
//!
//! > j·(W + max(N, R + A)) + min(j, p)·(r − 1)·R + min(runs − j, j + w)·R′ + j·V·R + L + F + P
//!
//! * **W**: what a run works with. Tapes, 8·B·((n+1)·S + n·R) each, n the steps held at once; the states at
//!   the starts of segments; the inputs, and those kept for later runs; the adjoints of the loss; the
//!   adjoints, node gradients and δ of one chunk of steps, twice; the weights in four forms and their
//!   gradient; what a closer look needs on the way.
//! * **N**: what is measured: node and carried norms of every block of the state at every step,
//!   whatever is recorded, and what else is.
//! * **R**: the record. What was measured becomes the record and is not copied, so there is one or the
//!   other.
//! * **A**: of the analysis of a grid point, by the thread that has finished its last run: a curve of
//!   every replicate, or one of a law, and the rows that become lines.
//! * The records of the other replicates are held until the last one is there; of no more grid points
//!   than there are threads, because runs start in the order of the plan.
//! * w threads write records beside the computing, of which **R′** is the largest: who has a larger one
//!   than [`WAITING`], 1 MiB, writes it alone.
//! * **V**: of `verify`, the two records that each thread compares where they differ, once all runs are
//!   done: in a heap that still has what these held. Of other commands 0.
//! * **L**: the lines of all tables; **F**: the rows that figures are drawn from and the lines they are
//!   read from, once the first are written and freed: but in small blocks, all over the heap, which
//!   serve nobody else.
//! * **P**: the program, and the plan.

use std::collections::BTreeMap;

use decay_analysis::thinned_lags;
use gradient_tracking::{CellShape, chunk_steps};

use crate::config::{
    Config, ConfigError, FigureKind, Input, LossKind, Memory, OutOfMemory, Record, Recorded,
};
use crate::grids;
use crate::network::Named;
use crate::plan::{GridPoint, Plan, PlannedRun, RunSpec};
use crate::record::{Quantities, series_times};
use crate::sequences::DrawnInputs;
use crate::sweep::{WAITING, writers};
use crate::tables::Key;

/// The program with its stacks, buffers and fonts, and a figure that is drawn; measured: 23 MiB.
const PROGRAM: u128 = 28 << 20;

/// Bytes of what a plan holds of a run beside the run itself: its texts, and what the configuration
/// was before it.
const RUN: u128 = 512;

/// The most memory that a plan takes, in bytes: see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Of the run that needs most.
    pub run: Held,
    /// r − 1.
    others: u128,
    /// R′.
    waiting: u128,
    /// V.
    compared: u128,
    /// L + F.
    pub tables: u128,
    /// P.
    pub program: u128,
    runs: u128,
    points: u128,
}

/// What one thread holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// W.
    pub working: u128,
    /// N.
    pub measured: u128,
    /// R.
    pub record: u128,
    /// A.
    pub analysis: u128,
}

impl Held {
    /// W + max(N, R + A).
    pub fn at_once(&self) -> u128 {
        self.working + self.measured.max(self.record + self.analysis)
    }

    /// The larger of each, for buffers outlive the run that needed them.
    fn max(self, other: Self) -> Self {
        Held {
            working: self.working.max(other.working),
            measured: self.measured.max(other.measured),
            record: self.record.max(other.record),
            analysis: self.analysis.max(other.analysis),
        }
    }
}

impl Estimate {
    /// How many runs there are at once when at most `jobs` may be.
    fn at_once(&self, jobs: usize) -> u128 {
        (jobs as u128).min(self.runs).max(1)
    }

    /// Of the runs, `jobs` at once.
    pub fn runs(&self, jobs: usize) -> u128 {
        let at_once = self.at_once(jobs);
        self.run.at_once().saturating_mul(at_once)
    }

    /// Of the records that are held beside those of the runs in progress.
    pub fn records(&self, jobs: usize) -> u128 {
        let at_once = self.at_once(jobs);
        let open = at_once.min(self.points).saturating_mul(self.others);
        let waiting =
            (at_once + writers(at_once as usize) as u128).min(self.runs.saturating_sub(at_once));
        let compared = at_once.saturating_mul(self.compared);
        open.saturating_add(compared)
            .saturating_mul(self.run.record)
            .saturating_add(waiting * self.waiting)
    }

    /// All of it.
    pub fn total(&self, jobs: usize) -> u128 {
        self.runs(jobs)
            .saturating_add(self.records(jobs))
            .saturating_add(self.tables)
            .saturating_add(self.program)
    }

    /// The most jobs, no more than `jobs`, that fit into `available` bytes; 0 if one does not.
    fn most_jobs(&self, jobs: usize, available: u64) -> usize {
        let (mut fits, mut too_many) = (0, self.at_once(jobs) as usize + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if self.total(middle) <= u128::from(available) {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        fits
    }
}

impl Plan {
    /// Estimated floating-point operations of all runs together.
    pub fn flops(&self) -> u128 {
        // The runs of a grid point differ in nothing that counts.
        let of_point = |point: &GridPoint| {
            let flops = point.runs.first().map_or(0, |run| self.flops_of(run));
            flops.saturating_mul(point.runs.len() as u128)
        };
        let points = self.points.iter().map(of_point);
        points.fold(0, u128::saturating_add)
    }

    /// Estimated floating-point operations of a run.
    pub fn flops_of(&self, run: &PlannedRun) -> u128 {
        run.spec.flops(&self.config.record)
    }

    /// What the thread holds that computes the runs of a grid point, and the point's part of each table.
    fn held(&self, point: &GridPoint) -> (Held, [TableSize; KINDS]) {
        let Some(run) = point.runs.first() else {
            return Default::default();
        };
        let sizes = Sizes::new(&run.spec, self);
        let tables = sizes.tables(&point.key);
        let mut held = sizes.held();
        held.analysis += tables.iter().map(|table| table.analysed).sum::<u128>();
        (held, tables)
    }

    /// The most memory it takes, and what run most of it.
    pub fn needs(&self) -> Needs<'_> {
        let (mut run, mut waiting) = (Held::default(), 0);
        let mut tables: [TableSize; KINDS] = Default::default();
        let (mut largest, mut most) = (None, 0);
        for point in &self.points {
            let (held, of_point) = self.held(point);
            if held.at_once() >= most {
                most = held.at_once();
                largest = point.runs.first().map(|run| &run.spec);
            }
            run = run.max(held);
            if held.record <= WAITING as u128 {
                waiting = held.record.max(waiting);
            }
            for (of_all, of_point) in tables.iter_mut().zip(of_point) {
                of_all.lines += of_point.lines;
                of_all.drawn += of_point.drawn;
            }
        }
        let runs = self.number_of_runs();
        let lines: u128 = tables.iter().map(|table| table.lines).sum();
        // Of what is read for figures all rows, and the lines of one table at a time.
        let drawn = tables.iter().filter(|table| table.drawn > 0);
        let longest = drawn.map(|table| table.lines).max().unwrap_or(0);
        let rows: u128 = tables.iter().map(|table| table.drawn).sum();
        let memory = Estimate {
            run,
            others: self.config.replicates as u128 - 1,
            waiting,
            compared: 0,
            tables: lines + rows + longest,
            program: PROGRAM + runs * (size_of::<PlannedRun>() as u128 + RUN) + self.input_files(),
            runs,
            points: self.points.len() as u128,
        };
        Needs {
            config: &self.config,
            memory,
            largest,
        }
    }

    /// The most memory it takes.
    pub fn memory(&self) -> Estimate {
        self.needs().memory
    }

    fn number_of_runs(&self) -> u128 {
        self.points.len() as u128 * self.config.replicates as u128
    }

    /// Bytes of the arrays of inputs that come from files, each of which is read once.
    fn input_files(&self) -> u128 {
        let runs = self.points.iter().filter_map(|point| point.runs.first());
        let file = |run: &'_ PlannedRun| {
            let sequence = &run.spec.sequence;
            let Input::File { path, size } = &sequence.input else {
                return None;
            };
            let columns = sequence.steps as u128 * sequence.batch as u128;
            Some((path.clone(), 8 * columns.saturating_mul(*size as u128)))
        };
        let files: BTreeMap<String, u128> = runs.filter_map(file).collect();
        files.into_values().fold(0, u128::saturating_add)
    }

    /// Refuses a plan that does not fit into `available` bytes, `jobs` runs at once.
    ///
    /// # Errors
    /// [`ConfigError::Memory`], which says what needs how much and what to change.
    pub fn check_memory(&self, jobs: usize, available: u64) -> Result<(), ConfigError> {
        self.needs().check(jobs, available)
    }
}

/// What [`Plan::needs`] finds.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    config: &'a Config,
    /// The most memory that the plan takes.
    pub memory: Estimate,
    /// The run that needs most of it; none in a plan without runs.
    pub largest: Option<&'a RunSpec>,
}

impl Needs<'_> {
    /// The same where stored records are compared with those of all runs, once these are done.
    pub fn with_comparison(mut self) -> Self {
        self.memory.compared = 2;
        self
    }

    /// Refuses what does not fit into `available` bytes, `jobs` runs at once.
    ///
    /// # Errors
    /// As of [`Plan::check_memory`].
    pub fn check(&self, jobs: usize, available: u64) -> Result<(), ConfigError> {
        let estimate = self.memory;
        let Some(spec) = self.largest else {
            return Ok(());
        };
        if estimate.total(jobs) <= u128::from(available) {
            return Ok(());
        }
        let runs = estimate.runs(jobs);
        let beside = estimate.total(jobs) - runs;
        let Held {
            working,
            measured,
            record,
            analysis,
        } = estimate.run;
        let mut remedies = Vec::new();
        match estimate.most_jobs(jobs, available) {
            0 => {}
            most => remedies.push(format!("run at most {most} at once (`--jobs {most}`)")),
        }
        if beside > runs {
            remedies.push("record fewer quantities".to_owned());
            remedies.push("lower `replicates` or `sequence.steps`".to_owned());
        } else if working >= measured.max(record + analysis) {
            if self.config.memory == Memory::Full {
                remedies.push("set `memory = \"checkpointed\"`".to_owned());
            }
            remedies.push("lower `sequence.steps`, `sequence.batch` or `hidden`".to_owned());
        } else {
            remedies.push("record fewer quantities".to_owned());
            remedies.push("lower `sequence.steps`".to_owned());
        }
        let last = remedies.pop().expect("there is always one");
        let but_last: String = remedies
            .iter()
            .map(|remedy| format!("{remedy}, "))
            .collect();
        let or = if remedies.is_empty() { "" } else { "or " };
        Err(ConfigError::Memory(Box::new(OutOfMemory {
            label: spec.label.clone(),
            hidden: spec.cell.hidden(),
            steps: spec.sequence.steps,
            batch: spec.sequence.batch,
            run: estimate.run.at_once(),
            jobs: estimate.at_once(jobs),
            beside,
            available,
            remedy: format!("{but_last}{or}{last}"),
        })))
    }
}

/// A grid point's part of a table, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct TableSize {
    /// As lines.
    lines: u128,
    /// As the rows that become lines, unless they do so one by one.
    analysed: u128,
    /// As the rows that figures are drawn from, if any figure is.
    drawn: u128,
}

impl TableSize {
    /// `rows` of so many whole and so many other numbers.
    fn new(key: &Key, rows: u128, whole: u128, numbers: u128) -> Self {
        // Besides a comma a whole number has up to 7 digits and another one 12, a sign, a point and a
        // zero; the name of a quantity is short.
        let texts = std::iter::once(&key.cell).chain(&key.factors);
        let key_line: usize = texts.map(|text| text.len() + 1).sum();
        let line = key_line as u128 + 12 + 8 * whole + 16 * numbers;
        // The places of two texts and of a list of texts, 24 bytes each; the texts in blocks of 32; the
        // list, with room for four, and their texts; a place in a group of rows.
        let factors = match key.factors.len() as u128 {
            0 => 0,
            count => 16 + 24 * count.next_power_of_two().max(4) + 32 * count,
        };
        let row = 3 * 24 + 2 * 32 + factors + 8 * (whole + numbers) + 24;
        TableSize {
            lines: rows * line,
            analysed: rows * row,
            drawn: rows * row,
        }
    }

    /// Written row by row.
    fn streamed(self) -> Self {
        TableSize {
            analysed: 0,
            ..self
        }
    }

    /// Drawn only if so.
    fn drawn_if(self, is_drawn: bool) -> Self {
        let drawn = if is_drawn { self.drawn } else { 0 };
        TableSize { drawn, ..self }
    }
}

/// The tables whose sizes are counted: those of a line per lag, step, unit or sequence, and one for all
/// others.
const KINDS: usize = 10;

/// A run as far as its sizes matter.
struct Sizes<'a> {
    spec: &'a RunSpec,
    config: &'a Config,
    /// Of the plan.
    runs: u128,
    layers: Vec<(CellShape, Named)>,
    quantities: Quantities,
    /// T.
    steps: u128,
    /// B.
    batch: u128,
}

// Every size is at most 2³² (the configuration sees to that) and there are few layers, so products of
// three sizes and sums of them are safe in 128 bits; products of four are not.
impl<'a> Sizes<'a> {
    fn new(spec: &'a RunSpec, plan: &'a Plan) -> Self {
        let named = spec.cell.named();
        Sizes {
            spec,
            config: &plan.config,
            runs: plan.number_of_runs(),
            quantities: Quantities::new(&named, &plan.config.record),
            layers: spec.shapes().into_iter().zip(named).collect(),
            steps: spec.sequence.steps as u128,
            batch: spec.sequence.batch as u128,
        }
    }

    fn wants(&self, quantity: Recorded) -> bool {
        self.config.record.quantities.contains(&quantity)
    }

    fn sum(&self, of_layer: impl Fn(&CellShape, &Named) -> usize) -> u128 {
        let layers = self.layers.iter();
        layers
            .map(|(shape, named)| of_layer(shape, named) as u128)
            .sum()
    }

    /// S of all layers together.
    fn state(&self) -> u128 {
        self.sum(|shape, _| shape.state)
    }

    fn blocks(&self) -> u128 {
        self.sum(|_, named| named.blocks)
    }

    fn gates(&self) -> u128 {
        match self.wants(Recorded::Gates) {
            true => self.sum(|_, named| named.gates),
            false => 0,
        }
    }

    fn parameters(&self) -> u128 {
        self.sum(|_, named| named.parameters)
    }

    /// Norms of each step, where those of the sequences are kept too.
    fn per_sequence(&self) -> u128 {
        match self.wants(Recorded::PerSequence) {
            true => 1 + self.batch,
            false => 1,
        }
    }

    fn series_units(&self) -> u128 {
        let inputs = |layer: usize, shape: &CellShape| if layer == 0 { shape.input } else { 0 };
        let layers = self.layers.iter().enumerate();
        layers
            .map(|(layer, (shape, _))| (inputs(layer, shape) + shape.state + shape.saved) as u128)
            .sum()
    }

    /// The grid's times, as many as there are of each: of series, lags, losses and exponents.
    fn times(&self) -> [u128; 4] {
        let steps = self.spec.sequence.steps;
        [
            series_times(steps).len(),
            grids::lags(steps).len(),
            grids::loss_times(steps).len(),
            grids::exponent_times(steps).len(),
        ]
        .map(|times| times as u128)
    }

    fn held(&self) -> Held {
        let steps = self.steps + 1;
        let gates = self.gates();
        let others = self.quantities.others + 8 * gates;
        let at_some_steps = self.at_some_steps();
        // Node and carried norms of all blocks, and those of the inputs, if they are wanted.
        let norms = 2 * self.blocks() + u128::from(self.wants(Recorded::InputGradient));
        let measured = (self.per_sequence() * norms + others) * steps + at_some_steps;
        // Statistics of gates are copied into the record, one gate after the other.
        let copied = 8 * gates.min(1) * steps;
        let recorded = self.per_sequence() * self.quantities.by_sequence + others;
        let record = recorded * steps + at_some_steps + self.recorded_closer();
        let curves = match self.quantities.count() {
            0 => 1,
            _ => self.config.replicates as u128,
        };
        Held {
            working: self.working().saturating_mul(8),
            measured: 8 * (measured + copied),
            record: 8 * record,
            analysis: 8 * curves * steps,
        }
    }

    /// Numbers that are recorded at some steps, or of the whole run, by layer.
    fn at_some_steps(&self) -> u128 {
        let [series, lags, ..] = self.times();
        let mut values = 0;
        if self.wants(Recorded::Series) {
            values += series * self.series_units();
        }
        if self.wants(Recorded::UnitGradient) {
            values += lags * self.state();
        }
        if self.wants(Recorded::SequenceGradient) {
            values += self.batch * (1 + self.parameters());
        }
        values
    }

    /// Numbers that are recorded of a closer look.
    fn recorded_closer(&self) -> u128 {
        let [_, lags, losses, exponents] = self.times();
        let mut values = 0;
        if self.wants(Recorded::SingularValues) {
            values += lags * self.state();
        }
        if self.wants(Recorded::Lyapunov) {
            values += self.state() * (exponents + 2);
        }
        if self.wants(Recorded::LossState) {
            values += self.blocks() * losses * (losses + 1);
        }
        values
    }

    /// W, in numbers.
    fn working(&self) -> u128 {
        let sequence = &self.spec.sequence;
        let memory = self.config.memory;
        let chunk = self.steps.min(chunk_steps(sequence.batch) as u128);
        let held = memory.segment(sequence.steps, sequence.batch) as u128;
        let segments = self.steps.div_ceil(held);
        let (mut columns, mut top) = (0, 0);
        for (layer, (shape, _)) in self.layers.iter().enumerate() {
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
            columns += (held + 1 + segments) * state
                + held * saved
                + chunk * (2 * (delta + state) + downward);
            top = output;
        }
        let is_closer = [
            Recorded::SingularValues,
            Recorded::Lyapunov,
            Recorded::LossState,
        ];
        if self.layers.len() > 1 && is_closer.into_iter().any(|wanted| self.wants(wanted)) {
            // All layers as one cell, beside those of each.
            columns *= 2;
        }
        let adjoints = match self.spec.loss.kind {
            LossKind::Terminal => top,
            LossKind::EveryStep => held * top,
            LossKind::SquaredError => 1,
        };
        let weights = self.spec.weights();
        // Whole gradients of every sequence.
        let by_sequence = match self.wants(Recorded::SequenceGradient) {
            true => weights.saturating_mul(self.batch),
            false => 0,
        };
        let closer = closer_cost(
            &self.spec.shapes(),
            sequence.steps,
            sequence.batch,
            &self.config.record.quantities,
        );
        (columns + adjoints)
            .saturating_mul(self.batch)
            .saturating_add(self.inputs(held))
            .saturating_add(weights * 5)
            .saturating_add(by_sequence)
            .saturating_add(closer.values)
    }

    /// The inputs of the steps held at once; with those of other runs as many as are kept.
    fn inputs(&self, held: u128) -> u128 {
        let own = (held * self.batch).saturating_mul(self.spec.sequence.input.size() as u128);
        own.max(own.saturating_mul(self.runs).min(DrawnInputs::MOST as u128))
    }

    fn tables(&self, key: &Key) -> [TableSize; KINDS] {
        let [series, lags, losses, exponents] = self.times();
        let if_wanted = |quantity, rows: u128| if self.wants(quantity) { rows } else { 0 };
        let (state, blocks, parameters) = (self.state(), self.blocks(), self.parameters());
        let curve = thinned_lags(self.spec.sequence.steps).len() as u128;
        let table = |rows, whole, numbers| TableSize::new(key, rows, whole, numbers);
        let mut figures = self.config.figures.iter();
        let has_walk = figures.any(|figure| figure.kind == FigureKind::Gates);
        [
            // curves.csv
            table(curve * self.quantities.count(), 2, 5),
            // fits.csv, laws.csv, parameters.csv
            table(self.quantities.count() + parameters + blocks, 2, 11),
            // gates.csv
            table(self.steps * self.gates(), 2, 8)
                .streamed()
                .drawn_if(false),
            // series.csv
            table(
                if_wanted(Recorded::Series, series * self.series_units()),
                2,
                1,
            )
            .streamed()
            .drawn_if(has_walk),
            // singular-values.csv
            table(if_wanted(Recorded::SingularValues, lags * state), 3, 3),
            // lyapunov.csv, lyapunov-convergence.csv, lyapunov-summary.csv
            table(
                if_wanted(Recorded::Lyapunov, state + 5 * exponents + 2),
                3,
                4,
            ),
            // loss-state.csv: the losses hear no later states.
            table(
                if_wanted(Recorded::LossState, blocks * losses * (losses + 3) / 2),
                3,
                3,
            ),
            // unit-gradients.csv
            table(if_wanted(Recorded::UnitGradient, lags * state), 2, 1),
            // unit-quantiles.csv
            table(if_wanted(Recorded::UnitGradient, lags * blocks), 2, 8),
            // sequences.csv
            table(
                if_wanted(Recorded::SequenceGradient, self.batch * (1 + parameters)),
                1,
                1,
            ),
        ]
    }
}

impl RunSpec {
    fn weights(&self) -> u128 {
        self.cell.weights(self.sequence.input.size())
    }

    /// Estimated floating-point operations, forward and backward, weight gradients included: each
    /// weight is used once forward, once backward and once for its gradient, two operations each, per
    /// step and sequence; and once more for each unit adjoint of a Jacobian and each adjoint of a
    /// further loss.
    pub fn flops(&self, record: &Record) -> u128 {
        let (steps, batch) = (self.sequence.steps, self.sequence.batch);
        let closer = closer_cost(&self.shapes(), steps, batch, &record.quantities);
        let flops = self.weights().saturating_mul(6);
        flops
            .saturating_mul(steps as u128)
            .saturating_mul(batch as u128)
            .saturating_add(closer.flops)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input_file::InputFiles;
    use crate::tables::{CurveRow, Table};

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
"#;

    /// Every file that an axis names is held for the whole sweep, and no file twice.
    #[test]
    fn every_file_of_inputs_is_counted_once() {
        let file = |path: &str| format!("{{ kind = \"file\", path = \"{path}\", size = 2 }}");
        let drawn = "{ kind = \"gaussian\", size = 2 }";
        let bytes = |inputs: &str| {
            let inputs = format!("sequence.input={inputs}");
            let plan = plan(&[&inputs, "cell.hidden=[4, 5]"]);
            plan.memory().program
                - PROGRAM
                - plan.number_of_runs() * (size_of::<PlannedRun>() as u128 + RUN)
        };
        let of_file = 8 * 10 * 3 * 2;
        assert_eq!(bytes(drawn), 0);
        assert_eq!(bytes(&file("a.npy")), of_file);
        assert_eq!(bytes(&format!("[{drawn}, {}]", file("a.npy"))), of_file);
        let two = format!("[{}, {}]", file("a.npy"), file("b.npy"));
        assert_eq!(bytes(&two), 2 * of_file);
    }

    fn plan(sets: &[&str]) -> Plan {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        Plan::new(
            &Config::load(TEXT, "test.toml", &sets).unwrap(),
            &InputFiles::default(),
        )
    }

    /// What a thread holds that runs the LSTM.
    fn of_lstm(sets: &[&str]) -> Held {
        let plan = plan(sets);
        Sizes::new(&plan.points[1].runs[0].spec, &plan).held()
    }

    #[test]
    fn memory_is_the_tape_and_little_else() {
        let sets = ["sequence.steps=1000", "cell.hidden=64"];
        let (steps, batch, hidden, input, replicates) = (1000, 3, 64, 2, 2);
        // One segment, which starts with the initial state.
        let tape = batch * ((steps + 2) * 2 * hidden + steps * 5 * hidden);
        let chunk = batch * 170 * 2 * (4 + 2) * hidden;
        let weights = 4 * hidden * (hidden + input + 1);
        // Those of all four runs.
        let inputs = 4 * batch * steps * input;
        let adjoints = batch * hidden;
        let norms = 8 * 4 * (steps + 1);
        let expected = Held {
            working: 8 * (tape + chunk + adjoints + inputs + 5 * weights),
            measured: norms,
            record: norms,
            analysis: 8 * replicates * (steps + 1),
        };
        assert_eq!(of_lstm(&sets), expected);
        let plan = plan(&sets);
        let flops = plan.flops_of(&plan.points[1].runs[0]);
        assert_eq!(flops, 6 * steps * batch * weights);
    }

    /// Node and carried norms are measured even if only those of the nodes, or none, are recorded; an
    /// RNN has one block of state, an LSTM two, and the LSTM of 1997 four.
    #[test]
    fn what_is_measured_and_recorded_is_counted_by_name() {
        for (kind, quantities, measured, record) in [
            ("vanilla-rnn", "'adjoint'", 2, 2),
            ("lstm", "'node'", 4, 2),
            ("lstm-1997", "'adjoint'", 8, 8),
            // Eight statistics, and those of one gate twice.
            ("lstm", "'gates'", 4 + 3 * 8 + 8, 3 * 8),
            ("vanilla-rnn", "'gates'", 2, 0),
            ("lstm", "'path-split'", 6, 2),
            ("vanilla-rnn", "'path-split'", 2, 0),
            ("lstm", "'parameter-contributions'", 7, 3),
            // Of three sequences and of all.
            ("lstm", "'node', 'per-sequence'", 16, 8),
            ("lstm", "'input-gradient'", 5, 1),
        ] {
            let text = format!(
                "name = 'test'\nsequence = {{ steps = 1000, batch = 3 }}\n\
                 cell = [{{ kind = '{kind}', hidden = 4 }}]\nrecord.quantities = [{quantities}]"
            );
            let plan = Plan::new(
                &Config::load(&text, "test.toml", &[]).unwrap(),
                &InputFiles::default(),
            );
            let held = Sizes::new(&plan.points[0].runs[0].spec, &plan).held();
            let norms = 8 * 1001;
            assert_eq!(
                (held.measured, held.record),
                (measured * norms, record * norms),
                "{kind}, {quantities}"
            );
        }
    }

    #[test]
    fn a_closer_look_is_counted() {
        let plain = of_lstm(&["sequence.steps=100"]);
        let with = |quantity: &str| {
            let set = format!("record.quantities=[\"adjoint\", \"{quantity}\"]");
            of_lstm(&["sequence.steps=100", &set])
        };
        let (hidden, batch, lags, losses) = (4_u128, 3, 101, 50);
        let (state, delta) = (2 * hidden, 4 * hidden);
        let found = with("singular-values");
        let working = 8 * (12 * state * state + delta * state);
        assert_eq!(found.working - plain.working, working);
        assert_eq!(found.record - plain.record, 8 * lags * state);
        let found = with("loss-state");
        let working = 8 * losses * batch * (3 * state + delta + hidden + 1);
        assert_eq!(found.working - plain.working, working);
        assert_eq!(found.record - plain.record, 8 * 2 * losses * (losses + 1));
        let found = with("unit-gradient");
        assert_eq!(found.record - plain.record, 8 * lags * state);
        assert_eq!(found.measured - plain.measured, 8 * lags * state);
        let plan = plan(&["sequence.steps=100", "record.quantities=[\"loss-state\"]"]);
        let rnn = &plan.points[0].runs[0];
        let forward_and_back = 6 * 100 * batch * rnn.spec.weights();
        let of_losses = 100 * losses * batch / 2 * 2 * hidden * hidden;
        assert_eq!(plan.flops_of(rnn), forward_and_back + of_losses);
    }

    #[test]
    fn the_parts_add_up() {
        for (steps, are_queued) in [(10_000, true), (200_000, false)] {
            let found = plan(&[&format!("sequence.steps={steps}"), "replicates=5"]).memory();
            let Held {
                working,
                measured,
                record,
                analysis,
            } = found.run;
            assert!((record <= 1 << 20) == are_queued && measured < record + analysis);
            let queued = if are_queued { record } else { 0 };
            let run = working + record + analysis;
            // Two grid points of five replicates; four writers for each thread.
            for (jobs, open, waiting) in [(1, 1, 5), (2, 2, 8), (3, 2, 7), (10, 2, 0), (99, 2, 0)] {
                let at_once = jobs.min(10) as u128;
                let records = open * 4 * record + waiting * queued;
                assert_eq!(found.records(jobs), records, "{jobs}");
                let parts = at_once * run + records + found.tables + found.program;
                assert_eq!(found.total(jobs), parts, "{jobs}");
            }
        }
    }

    /// The run that needs most is found on the way, the last of those that need as much.
    #[test]
    fn records_that_are_compared_come_on_top() {
        let plan = plan(&["cell.hidden=[4, 5]", "sequence.steps=100000"]);
        let needs = plan.needs();
        let largest = needs.largest.unwrap();
        assert_eq!((largest.label.as_str(), largest.cell.hidden()), ("lstm", 5));
        let compared = needs.with_comparison();
        let record = needs.memory.run.record;
        assert!(record > 0);
        for jobs in [1, 3] {
            let more = compared.memory.total(jobs) - needs.memory.total(jobs);
            assert_eq!(more, 2 * jobs as u128 * record);
        }
        let just = needs.memory.total(1) as u64;
        assert_eq!(needs.check(1, just), Ok(()));
        assert!(compared.check(1, just).is_err());
    }

    /// A line of a table is no longer than is counted for it, and not much shorter.
    #[test]
    fn lines_are_counted() {
        let key = Key {
            cell: "vanilla-rnn".to_owned(),
            factors: vec!["64".to_owned(), String::new()],
        };
        let number = -12345.6789012345;
        let curve = Table {
            factors: vec![String::new(); 2],
            rows: vec![CurveRow {
                key: key.clone(),
                quantity: "weight_hh".to_owned(),
                lag: 1_000_000,
                median: number,
                q25: number,
                q75: number,
                min: number,
                max: number,
                n: 1000,
            }],
        };
        let counted = TableSize::new(&key, 1, 2, 5).lines;
        let length = curve.lines().len() as u128;
        assert!(
            length <= counted && counted < 5 * length / 4,
            "{length} of {counted}"
        );
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused_with_what_to_change() {
        let refusal = |sets: &[&str], jobs, available| {
            let refused = plan(sets).check_memory(jobs, available);
            refused.unwrap_err().to_string()
        };
        let remedy = |sets: &[&str], jobs, available| {
            let refused = refusal(sets, jobs, available);
            refused.split_once("\nhelp: ").unwrap().1.to_owned()
        };
        let long = ["sequence.steps=1000000", "cell.hidden=64"];
        assert_eq!(plan(&long).check_memory(2, 1 << 40), Ok(()));
        assert_eq!(
            refusal(&long, 2, 1 << 34),
            "the largest run (`lstm`, hidden = 64, steps = 1000000, batch = 3) needs about 10.1 GiB \
             of memory, times 2 at once, and what is held beside the runs 92.4 MiB; 16.0 GiB is \
             available\n\
             help: run at most 1 at once (`--jobs 1`), set `memory = \"checkpointed\"`, or lower \
             `sequence.steps`, `sequence.batch` or `hidden`"
        );
        assert_eq!(
            remedy(&long, 2, 1 << 30),
            "set `memory = \"checkpointed\"`, or lower `sequence.steps`, `sequence.batch` or `hidden`"
        );
        let checkpointed = [
            "memory=checkpointed",
            "sequence.steps=1000000",
            "replicates=1",
        ];
        assert_eq!(
            remedy(&checkpointed, 2, 90 << 20),
            "run at most 1 at once (`--jobs 1`), record fewer quantities, or lower `sequence.steps`"
        );
        let many = [
            "memory=checkpointed",
            "sequence.steps=1000000",
            "replicates=1000",
        ];
        assert_eq!(
            remedy(&many, 1, 1 << 34),
            "record fewer quantities, or lower `replicates` or `sequence.steps`"
        );
    }

    /// The most jobs that are said to fit do, and one more does not.
    #[test]
    fn the_most_jobs_that_fit_are_found() {
        let estimate = plan(&["sequence.steps=100000", "replicates=50"]).memory();
        for jobs in [1, 2, 7, 99] {
            let exactly = estimate.total(jobs) as u64;
            assert_eq!(estimate.most_jobs(100, exactly), jobs);
            assert_eq!(estimate.most_jobs(100, exactly - 1), jobs - 1);
            assert_eq!(estimate.most_jobs(jobs, u64::MAX), jobs);
        }
    }

    /// What README says of a million steps: of them only norms are held, whatever the loss and with
    /// series.
    #[test]
    fn a_million_steps_fit_into_little_memory() {
        for (more, most) in [
            ("loss.kind=terminal", 100 << 20),
            ("loss.kind=every-step", 100 << 20),
            ("record.quantities=[\"node\"]", 85 << 20),
            // The lines and rows of 1,300 steps of 456 units.
            ("record.quantities=[\"node\", \"series\"]", 256 << 20),
        ] {
            let sets = [
                "memory=checkpointed",
                "sequence.steps=1000000",
                "sequence.batch=1",
                "sequence.input.size=8",
                "cell.hidden=64",
                "replicates=1",
                more,
            ];
            assert_eq!(plan(&sets).check_memory(1, most), Ok(()), "{more}");
        }
    }

    #[test]
    fn jobs_beyond_the_number_of_runs_need_no_memory() {
        let memory = plan(&["replicates=1"]).memory();
        assert_eq!(memory.total(2), memory.total(64));
    }

    #[test]
    fn the_largest_sizes_overflow_nothing() {
        let quantities = "record.quantities=[\"adjoint\", \"gates\", \"per-sequence\", \"series\", \
                          \"sequence-gradient\", \"unit-gradient\", \"loss-state\"]";
        let plan = plan(&[
            "sequence.steps=4294967296",
            "sequence.batch=4294967296",
            "cell.hidden=4294967296",
            "sequence.input.size=4294967296",
            "loss.kind=every-step",
            quantities,
        ]);
        assert!(plan.check_memory(usize::MAX, u64::MAX).is_err());
        assert!(plan.flops() > 0);
    }
}
