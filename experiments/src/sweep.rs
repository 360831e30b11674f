//! All runs of a plan, spread over threads: the only place with parallelism.
//!
//! A run is single-threaded and a pure function of its spec, so the number of threads and the order
//! of runs change no result. Every finished run is stored at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::config::{Config, Input, Loss, Memory, Record, Sequence};
use crate::input_file::InputFiles;
use crate::plan::{GridPoint, Plan, PlannedRun, RunSpec};
use crate::record::{Expected, RunRecord};
use crate::run::Worker;
use crate::store::{Failure, LockedFolder, ResultsFolder, StoreError};

/// What became of the runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Computed and stored now.
    pub done: usize,
    /// Found stored.
    pub reused: usize,
    /// Failed, in the order of the plan.
    pub failures: Vec<Failure>,
    /// Whether the sweep was stopped before its end.
    pub interrupted: bool,
}

/// Some runs, and how much there is to compute in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How many runs.
    pub runs: usize,
    /// Estimated floating-point operations of all of them.
    pub flops: u128,
}

impl Work {
    /// With one more run, of so many operations.
    fn and(self, flops: u128) -> Self {
        Work {
            runs: self.runs + 1,
            flops: self.flops.saturating_add(flops),
        }
    }
}

/// What the sweep tells while it runs. Called from several threads.
pub trait Observer: Sync {
    /// A stored record could not be used and is computed again.
    fn bad_record(&self, error: &StoreError);
    /// The runs to compute are known.
    fn planned(&self, reused: usize, to_compute: Work);
    /// A run has been computed, or has failed; `so_far` are all that have, with this one.
    fn finished(&self, run: &PlannedRun, so_far: Work, failure: Option<&str>);
}

/// What the runs of a plan leave behind, found out once for all runs of a grid point: that takes about as
/// long as a run of a few steps.
pub struct Expectations<'a> {
    plan: &'a Plan,
    /// Of the arrays of each grid point's runs, as soon as somebody has asked.
    names: Vec<OnceLock<Option<Arc<BTreeSet<String>>>>>,
    /// The different ones among them: there are few, and there may be many grid points.
    different: Mutex<BTreeSet<Arc<BTreeSet<String>>>>,
}

impl<'a> Expectations<'a> {
    /// Those of the runs of `plan`.
    pub fn new(plan: &'a Plan) -> Self {
        Expectations {
            plan,
            names: plan.points.iter().map(|_| OnceLock::new()).collect(),
            different: Mutex::default(),
        }
    }

    /// The record of a run of this grid point (its index), if `folder` holds it.
    ///
    /// # Errors
    /// If it cannot be read, or is not what the run leaves behind.
    pub fn stored(
        &self,
        folder: &ResultsFolder,
        point: usize,
        run: &PlannedRun,
    ) -> Result<Option<RunRecord>, StoreError> {
        if !folder.has_record(&run.id) {
            return Ok(None);
        }
        folder.record(&run.id, &self.of(point, run))
    }

    /// Whether `folder` holds it.
    ///
    /// # Errors
    /// As of [`stored`](Self::stored).
    fn is_stored(
        &self,
        folder: &ResultsFolder,
        point: usize,
        run: &PlannedRun,
    ) -> Result<bool, StoreError> {
        Ok(folder.has_record(&run.id) && folder.has_good_record(&run.id, &self.of(point, run))?)
    }

    /// The record of a run of this grid point that has been computed, or found stored.
    ///
    /// # Errors
    /// If it is not there any more, cannot be read, or is not what the run leaves behind.
    pub fn stored_before(
        &self,
        folder: &ResultsFolder,
        point: usize,
        run: &PlannedRun,
    ) -> Result<RunRecord, StoreError> {
        folder.required_record(&run.id, &self.of(point, run))
    }

    /// What a run of this grid point leaves behind.
    fn of(&self, point: usize, run: &PlannedRun) -> Expected {
        let names = self.names[point].get_or_init(|| {
            let first = self.plan.points[point].runs.first()?;
            let names = Arc::new(array_names(&first.spec, &self.plan.config.record)?);
            let mut different = self.different.lock().expect("no thread panics");
            if let Some(known) = different.get(&names) {
                return Some(Arc::clone(known));
            }
            different.insert(Arc::clone(&names));
            Some(names)
        });
        Expected {
            spec: run.spec.spec_json(),
            steps: run.spec.sequence.steps,
            arrays: names.clone(),
        }
    }
}

/// The names of the arrays that a run of `spec` leaves behind if it keeps what `record` asks for.
///
/// They depend on no size, so they are those of the same cell with one unit
/// over one step. Those of laws do: one may hold of no layer with fewer inputs than units, or of no
/// input of which the mean square is unknown. A single unit without inputs has every law that its
/// cell can have, of which the run may lack some. Only weights near the largest number there is make
/// that fail: then they are not known.
fn array_names(spec: &RunSpec, record: &Record) -> Option<BTreeSet<String>> {
    let smallest = RunSpec {
        sequence: Sequence {
            steps: 1,
            batch: 1,
            input: Input::Zero { size: 1 },
            initial_state: None,
        },
        loss: Loss {
            truncation: None,
            ..spec.loss.clone()
        },
        cell: spec.cell.with_one_unit(),
        ..spec.clone()
    };
    let smallest = Worker::default().execute(&smallest, record, Memory::Full, None);
    Some(smallest.ok()?.arrays.into_keys().collect())
}

/// What a sweep leaves behind.
pub struct Swept<T> {
    /// What became of the runs.
    pub outcome: Outcome,
    /// What was made of every grid point, in the order of the plan; none if the sweep was interrupted.
    pub points: Option<Vec<T>>,
}

/// A grid point on its way.
struct Open<'a, T> {
    /// Those of its runs that were found stored.
    stored: Vec<&'a PlannedRun>,
    /// How many of its runs are still to be computed.
    left: usize,
    /// Those that have been, with the replicates' indices.
    records: Vec<(usize, Arc<RunRecord>)>,
    /// What was made of all of them.
    concluded: Option<T>,
}

impl<T> Default for Open<'_, T> {
    fn default() -> Self {
        Open {
            stored: Vec::new(),
            left: 0,
            records: Vec::new(),
            concluded: None,
        }
    }
}

/// Threads that write records, for each that computes some; and at most so many in all.
const WRITERS: (usize, usize) = (4, 16);

/// The bytes of the largest record that waits for one of them. Who has computed a larger one writes it:
/// that takes little of the time it took, and the records that wait take little memory.
pub const WAITING: usize = 1 << 20;

/// The threads that write records while `threads` compute some.
pub fn writers(threads: usize) -> usize {
    WRITERS.1.min(WRITERS.0.saturating_mul(threads))
}

/// What a thread does next.
enum Task<'a> {
    /// Computes a run of this grid point.
    Compute(usize, &'a PlannedRun),
    /// Concludes this grid point, of which every run is stored.
    Conclude(usize),
}

/// Computes the runs that `folder` does not hold yet, `jobs` at a time, until `stop` is set.
///
/// As soon as the last run of a grid point is there, the thread that has computed it calls
/// `conclude` with the records of all its runs and the replicates' indices, in their order: so what
/// comes after the runs is spread over the threads like the runs, and what has just been computed
/// need not be read again. Runs that fail have no record.
///
/// # Errors
/// If a record cannot be written, or one that was found stored cannot be read any more. Runs finished
/// by then are kept.
pub fn sweep<T: Send, C>(
    plan: &Plan,
    inputs: &InputFiles,
    folder: &LockedFolder,
    jobs: usize,
    stop: &AtomicBool,
    observer: &dyn Observer,
    conclude: C,
) -> Result<Swept<T>, StoreError>
where
    C: Fn(&GridPoint, &[(usize, &RunRecord)]) -> T + Sync,
{
    let runs = plan.points.iter().enumerate();
    let runs = runs.flat_map(|(point, grid_point)| grid_point.runs.iter().map(move |r| (point, r)));
    let runs: Vec<(usize, &PlannedRun)> = runs.collect();
    let threads = jobs.min(runs.len()).max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads can be started");

    let expectations = Expectations::new(plan);
    let check =
        |(point, run): &(usize, &PlannedRun)| expectations.is_stored(&folder.folder, *point, run);
    let checked: Vec<Result<bool, StoreError>> =
        pool.install(|| runs.par_iter().map(check).collect());
    let mut is_stored = Vec::with_capacity(runs.len());
    for found in checked {
        if let Err(error @ StoreError::BadRecord { .. }) = &found {
            observer.bad_record(error);
            is_stored.push(false);
        } else {
            is_stored.push(found?);
        }
    }
    let reused = is_stored.iter().filter(|stored| **stored).count();
    let missing: Vec<usize> = (0..runs.len()).filter(|index| !is_stored[*index]).collect();
    let flops: Vec<u128> = runs.iter().map(|(_, run)| plan.flops_of(run)).collect();
    let to_compute = missing.iter().map(|index| flops[*index]);
    observer.planned(reused, to_compute.fold(Work::default(), Work::and));

    let mut open: Vec<Open<T>> = plan.points.iter().map(|_| Open::default()).collect();
    for ((point, run), is_stored) in runs.iter().zip(is_stored) {
        match is_stored {
            true => open[*point].stored.push(run),
            false => open[*point].left += 1,
        }
    }
    let is_complete = |point: &usize| open[*point].left == 0;
    let complete: Vec<usize> = (0..open.len()).filter(is_complete).collect();
    let mut by_length = missing.clone();
    // Long runs first, so that no thread is left with one at the end; among equals in the order of
    // the plan, so that few grid points are open at once.
    by_length.sort_by_key(|index| std::cmp::Reverse(flops[*index]));
    let compute = by_length.iter().map(|index| {
        let (point, run) = runs[*index];
        Task::Compute(point, run)
    });
    let conclude_only = complete.into_iter().map(Task::Conclude);
    let tasks: Vec<Task> = compute.chain(conclude_only).collect();

    let open: Vec<Mutex<Open<T>>> = open.into_iter().map(Mutex::new).collect();
    let open_point = |point: usize| open[point].lock().expect("no thread panics");
    let has_failed = AtomicBool::new(false);
    let first_error = Mutex::new(None);
    let fail = |error: StoreError| {
        has_failed.store(true, Ordering::Relaxed);
        let mut first = first_error.lock().expect("no thread panics");
        first.get_or_insert(error);
    };
    // With what was computed now and what was found stored.
    let conclude = |point: usize, mut records: Vec<(usize, Arc<RunRecord>)>| {
        let found_stored = std::mem::take(&mut open_point(point).stored);
        for run in found_stored {
            match expectations.stored_before(&folder.folder, point, run) {
                Ok(record) => records.push((run.replicate, Arc::new(record))),
                Err(error) => return fail(error),
            }
        }
        records.sort_by_key(|(replicate, _)| *replicate);
        let records: Vec<(usize, &RunRecord)> = records
            .iter()
            .map(|(replicate, record)| (*replicate, &**record))
            .collect();
        let concluded = conclude(&plan.points[point], &records);
        open_point(point).concluded = Some(concluded);
    };
    // One run less to wait for.
    let settle = |point: usize, record: Option<(usize, Arc<RunRecord>)>| {
        let computed = {
            let mut open = open_point(point);
            open.records.extend(record);
            open.left -= 1;
            (open.left == 0).then(|| std::mem::take(&mut open.records))
        };
        if let Some(computed) = computed {
            conclude(point, computed);
        }
    };

    let next = AtomicUsize::new(0);
    let failures = Mutex::new(BTreeMap::new());
    let done = AtomicUsize::new(0);
    let so_far = Mutex::new(Work::default());
    let tell = |run: &PlannedRun, failure: Option<&str>| {
        let mut so_far = so_far.lock().expect("no thread panics");
        *so_far = so_far.and(plan.flops_of(run));
        observer.finished(run, *so_far, failure);
    };
    // Records are written beside the computing, because waiting for the disk takes no processor,
    // and by several threads, because the waits overlap. Few records wait to be written, so that
    // few are lost with the process.
    let (finished, to_write) = mpsc::sync_channel::<(&PlannedRun, Arc<RunRecord>)>(threads);
    let to_write = Mutex::new(to_write);
    let write_record = |run: &PlannedRun, record: &RunRecord| {
        // After an error what still comes is received, so that nobody waits, and not written.
        if has_failed.load(Ordering::Relaxed) {
            return;
        }
        match folder.write_record(&run.id, record) {
            Ok(()) => {
                tell(run, None);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => fail(error),
        }
    };
    let write = || {
        loop {
            let next = to_write.lock().expect("no thread panics").recv();
            let Ok((run, record)) = next else { break };
            write_record(run, &record);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..writers(threads) {
            scope.spawn(write);
        }
        let work = || {
            keep_freed_memory();
            let mut worker = Worker::default();
            while !stop.load(Ordering::Relaxed) && !has_failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let (point, run) = match tasks.get(index) {
                    Some(Task::Compute(point, run)) => (*point, *run),
                    Some(Task::Conclude(point)) => {
                        conclude(*point, Vec::new());
                        continue;
                    }
                    None => break,
                };
                let Config { record, memory, .. } = &plan.config;
                let file = inputs.of(&run.spec.sequence.input).map(|file| &file.array);
                match worker.execute(&run.spec, record, *memory, file) {
                    Ok(record) => {
                        let record = Arc::new(record);
                        if record.bytes() > WAITING {
                            write_record(run, &record);
                        } else {
                            let sent = finished.send((run, Arc::clone(&record)));
                            sent.expect("writers receive until the last record is sent");
                        }
                        settle(point, Some((run.replicate, record)));
                    }
                    Err(failure) => {
                        let reason = failure.to_string();
                        tell(run, Some(&reason));
                        let failure = Failure {
                            run_id: run.id.clone(),
                            reason,
                        };
                        let mut failures = failures.lock().expect("no thread panics");
                        failures.insert((point, run.replicate), failure);
                        drop(failures);
                        settle(point, None);
                    }
                }
            }
        };
        pool.broadcast(|_| work());
        // Ends the writers, once they have written what is left.
        drop(finished);
    });
    if let Some(error) = first_error.into_inner().expect("no thread panics") {
        return Err(error);
    }

    let concluded = |open: Mutex<Open<T>>| open.into_inner().expect("no thread panics").concluded;
    let points: Option<Vec<T>> = open.into_iter().map(concluded).collect();
    Ok(Swept {
        outcome: Outcome {
            done: done.into_inner(),
            reused,
            interrupted: points.is_none(),
            failures: failures
                .into_inner()
                .expect("no thread panics")
                .into_values()
                .collect(),
        },
        points,
    })
}

/// Lets the allocator keep what a run frees for the next one.
///
/// glibc returns large blocks to the system when they are freed, and the page faults of asking for
/// them again were a tenth of a sweep. It stops doing so up to the size of the largest block that has
/// been freed so far, at most 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`), so one is freed here that
/// nothing was ever written to. Elsewhere this does nothing.
fn keep_freed_memory() {
    const LARGEST: usize = 32 << 20;
    // A little less, for what the allocator adds.
    std::hint::black_box(Vec::<u8>::with_capacity(LARGEST - (64 << 10)));
}

/// `f` of every item, in the order of the items, on `threads` threads.
pub fn in_order<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    f: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if threads <= 1 {
        return items.iter().map(f).collect();
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads can be started");
    pool.install(|| items.par_iter().map(&f).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input_file::InputFile;
    use crate::sequences::InputArray;
    use crate::store::{Reuse, Scratch, record_file, record_name};

    /// Every kind of cell and law, every way to draw weights, and every quantity.
    const EVERYTHING: &str = r#"
        name = "everything"
        replicates = 1
        sequence = { steps = 5, batch = 3 }
        [[cell]]
        kind = "vanilla-rnn"
        hidden = 7
        [[cell]]
        kind = "lstm"
        hidden = 7
        [[cell]]
        label = "chrono"
        kind = "lstm"
        hidden = 7
        forget_bias = { chrono = 20 }
        [[cell]]
        label = "no-gate"
        kind = "lstm"
        hidden = 7
        forget_gate = false
        [[cell]]
        kind = "gru"
        hidden = 7
        [[cell]]
        kind = "lru"
        hidden = 7
        [[cell]]
        kind = "antisymmetric-rnn"
        hidden = 7
        [[cell]]
        kind = "orthogonal-rnn"
        hidden = 7
        bias = -0.5
        [[cell]]
        kind = "lstm-1997"
        hidden = 7
        [sweep]
        "vanilla-rnn.activation" = ["tanh", "relu", "logistic", "identity"]
        "cell.recurrent_weights.init" = [
            "gaussian", "orthogonal", "identity", "uniform", "spectral-radius", "zero"
        ]
        "cell.input_weights.init" = ["gaussian", "identity"]
        "sequence.input" = [
            { size = 7 },
            { size = 4 },
            { kind = "ramp", size = 9 },
            { kind = "file", path = "x.npy", size = 7 },
        ]
        "loss.kind" = ["terminal", "every-step", "squared-error"]
        [record]
        quantities = [
            "adjoint", "input-gradient", "parameter-gradient", "parameter-contributions", "gates",
            "path-split", "per-sequence", "series", "spectrum", "singular-values", "lyapunov", "loss-state",
            "unit-gradient", "sequence-gradient"
        ]
    "#;

    #[test]
    fn the_names_of_arrays_are_known_without_the_run() {
        let loaded = Config::load(EVERYTHING, "test.toml", &[]).unwrap();
        let shape = [5, 3, 7];
        let array = InputArray {
            shape,
            values: vec![0.25; shape.iter().product()],
        };
        let file = InputFile {
            array,
            sha256: String::new(),
        };
        let files = InputFiles(BTreeMap::from([("x.npy".to_owned(), file)]));
        let plan = Plan::new(&loaded, &files);
        let mut alone: Vec<Record> = Vec::new();
        for quantity in &plan.config.record.quantities {
            alone.push(Record {
                quantities: vec![*quantity],
                gradients: false,
            });
        }
        // Runs with every law that their cells can have, and others.
        let (mut with_all, mut lacking) = (0, 0);
        for run in plan.runs() {
            for record in alone.iter().chain([&plan.config.record]) {
                let file = files.of(&run.spec.sequence.input).map(|file| &file.array);
                let kept = Worker::default()
                    .execute(&run.spec, record, Memory::Full, file)
                    .unwrap();
                let names = array_names(&run.spec, record).unwrap();
                with_all += usize::from(kept.arrays.keys().eq(&names));
                lacking += usize::from(!kept.arrays.keys().eq(&names));
                let expected = Expected {
                    spec: run.spec.spec_json(),
                    steps: run.spec.sequence.steps,
                    arrays: Some(Arc::new(names)),
                };
                let found = record_file::decode(&record_file::encode(&kept), &expected);
                assert_eq!(found, Ok(kept));
            }
        }
        assert!(with_all > 0 && lacking > 0);
    }

    /// Those of each grid point's own cell, held once where several have the same.
    #[test]
    fn expectations_are_those_of_the_grid_point() {
        let sets = [
            "sequence.input={ size = 7 }".to_owned(),
            "replicates=2".to_owned(),
        ];
        let loaded = Config::load(EVERYTHING, "test.toml", &sets).unwrap();
        let plan = Plan::new(&loaded, &InputFiles::default());
        let expectations = Expectations::new(&plan);
        for (index, point) in plan.points.iter().enumerate() {
            for run in &point.runs {
                let expected = expectations.of(index, run);
                assert_eq!(expected.spec, run.spec.spec_json());
                let names = array_names(&run.spec, &plan.config.record);
                assert_eq!(expected.arrays.as_deref(), names.as_ref());
            }
        }
        let different = expectations.different.into_inner().unwrap().len();
        assert!(1 < different && 4 * different < plan.points.len());
    }

    /// Damages a record once it has been found stored.
    struct Damage<'a> {
        folder: &'a LockedFolder,
        name: String,
    }

    impl Observer for Damage<'_> {
        fn bad_record(&self, _: &StoreError) {
            panic!("every record is good at first");
        }

        fn planned(&self, _: usize, _: Work) {
            self.folder.write(&self.name, b"?").unwrap();
        }

        fn finished(&self, _: &PlannedRun, _: Work, _: Option<&str>) {}
    }

    /// Keeps what it is told.
    #[derive(Default)]
    struct Told {
        planned: Mutex<Vec<(usize, Work)>>,
        finished: Mutex<Vec<Work>>,
    }

    impl Observer for Told {
        fn bad_record(&self, error: &StoreError) {
            panic!("{error}");
        }

        fn planned(&self, reused: usize, to_compute: Work) {
            self.planned.lock().unwrap().push((reused, to_compute));
        }

        fn finished(&self, _: &PlannedRun, so_far: Work, failure: Option<&str>) {
            assert_eq!(failure, None);
            self.finished.lock().unwrap().push(so_far);
        }
    }

    #[test]
    fn an_observer_hears_how_much_of_the_work_is_done() {
        let text = "name = \"sizes\"\nreplicates = 1\nsequence.steps = 3\n\
                    [[cell]]\nkind = \"lstm\"\nhidden = 2\n[sweep]\n\"cell.hidden\" = [2, 4, 32]\n";
        let loaded = Config::load(text, "test.toml", &[]).unwrap();
        let files = InputFiles::default();
        let plan = Plan::new(&loaded, &files);
        let scratch = Scratch::new().unwrap();
        let config = plan.config.to_toml();
        let folder = LockedFolder::for_run(scratch.path(), &config, Reuse::Nothing).unwrap();
        let stored = plan.runs().next().unwrap();
        let record =
            Worker::default().execute(&stored.spec, &plan.config.record, Memory::Full, None);
        folder.write_record(&stored.id, &record.unwrap()).unwrap();
        let told = Told::default();
        let stop = AtomicBool::new(false);
        sweep(&plan, &files, &folder, 1, &stop, &told, |_, _| ()).unwrap();

        let flops: Vec<u128> = plan.runs().map(|run| plan.flops_of(run)).collect();
        let work = |runs, flops| Work { runs, flops };
        let all = work(2, flops[1] + flops[2]);
        assert_eq!(*told.planned.lock().unwrap(), [(1, all)]);
        let finished = told.finished.lock().unwrap();
        // Whichever of the two was written first.
        assert!(
            [flops[1], flops[2]]
                .map(|one| work(1, one))
                .contains(&finished[0])
        );
        assert_eq!(finished[1..], [all]);
    }

    /// Whether its grid point is complete or lacks another run.
    #[test]
    fn a_record_that_cannot_be_read_any_more_is_an_error_that_names_it() {
        let text = "name = \"two\"\nreplicates = 2\nsequence.steps = 3\n\
                    [[cell]]\nkind = \"lstm\"\nhidden = 2\n";
        let loaded = Config::load(text, "test.toml", &[]).unwrap();
        let files = InputFiles::default();
        let plan = Plan::new(&loaded, &files);
        let scratch = Scratch::new().unwrap();
        let config = plan.config.to_toml();
        let folder = LockedFolder::for_run(scratch.path(), &config, Reuse::Nothing).unwrap();
        for stored in [2, 1] {
            for run in plan.runs() {
                let record =
                    Worker::default().execute(&run.spec, &plan.config.record, Memory::Full, None);
                folder.write_record(&run.id, &record.unwrap()).unwrap();
            }
            let runs: Vec<&PlannedRun> = plan.runs().collect();
            for run in &runs[stored..] {
                folder.remove(&record_name(&run.id)).unwrap();
            }
            let observer = Damage {
                folder: &folder,
                name: record_name(&runs[0].id),
            };
            let stop = AtomicBool::new(false);
            let swept = sweep(&plan, &files, &folder, 1, &stop, &observer, |_, _| ());
            let error = swept.err().unwrap().to_string();
            assert!(error.contains(&observer.name), "{error}");
        }
    }
}
