//! All runs of a plan, spread over threads: the only place with parallelism.
//!
//! A run is single-threaded and a pure function of its spec, so the number of threads and the order
//! of runs change no result. Every finished run is stored at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::config::{Config, Input, Loss, Memory, Record, Sequence};
use crate::plan::{Plan, PlannedRun, RunSpec};
use crate::record::{Expected, RunRecord};
use crate::run::Worker;
use crate::sequences::InputArray;
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

/// What the sweep tells while it runs. Called from several threads.
pub trait Observer: Sync {
    /// A stored record could not be used and is computed again.
    fn bad_record(&self, error: &StoreError);
    /// The runs to compute are known.
    fn planned(&self, reused: usize, to_compute: usize);
    /// A run has been computed, or has failed.
    fn finished(&self, run: &PlannedRun, failure: Option<&str>);
}

/// The record of a run of `plan`, if `folder` holds it.
///
/// # Errors
/// If it cannot be read, or is not what the run leaves behind.
pub fn stored(
    plan: &Plan,
    folder: &ResultsFolder,
    run: &PlannedRun,
) -> Result<Option<RunRecord>, StoreError> {
    if !folder.has_record(&run.id) {
        return Ok(None);
    }
    folder.record(&run.id, &expected(&run.spec, &plan.config.record))
}

/// What a run of `spec` leaves behind if it keeps what `record` asks for.
///
/// The names of its arrays depend on no size, so they are those of the same cell with one unit
/// over one step. Only weights near the largest number there is make that fail.
fn expected(spec: &RunSpec, record: &Record) -> Expected {
    let smallest = RunSpec {
        sequence: Sequence {
            steps: 1,
            batch: 1,
            input: Input::Zero { size: 1 },
        },
        loss: Loss::default(),
        cell: spec.cell.with_one_unit(),
        ..spec.clone()
    };
    let smallest = Worker::default().execute(&smallest, record, Memory::Full, None);
    Expected {
        spec: spec.spec_json(),
        steps: spec.sequence.steps,
        arrays: smallest.ok().map(|run| run.arrays.into_keys().collect()),
    }
}

/// Computes the runs that `folder` does not hold yet, `jobs` at a time, until `stop` is set.
///
/// # Errors
/// If a record cannot be written. Runs finished by then are kept.
pub fn sweep(
    plan: &Plan,
    inputs: Option<&InputArray>,
    folder: &LockedFolder,
    jobs: usize,
    stop: &AtomicBool,
    observer: &dyn Observer,
) -> Result<Outcome, StoreError> {
    let mut reused = 0;
    let mut missing = Vec::new();
    for (index, run) in plan.runs().enumerate() {
        match stored(plan, &folder.folder, run) {
            Ok(Some(_)) => reused += 1,
            Ok(None) => missing.push((index, run)),
            Err(error @ StoreError::BadRecord { .. }) => {
                observer.bad_record(&error);
                missing.push((index, run));
            }
            Err(error) => return Err(error),
        }
    }
    observer.planned(reused, missing.len());
    // Long runs first, so that no thread is left with one at the end.
    missing.sort_by_key(|(_, run)| std::cmp::Reverse(run.spec.estimate(&plan.config).flops));

    let threads = jobs.min(missing.len()).max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads can be started");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let compute = |worker: &mut Worker, run: &PlannedRun| {
        let Config { record, memory, .. } = &plan.config;
        worker.execute(&run.spec, record, *memory, inputs)
    };
    let done = std::thread::scope(|scope| {
        // Records are written beside the computing, because waiting for the disk takes no processor.
        // Few wait to be written, so that few are lost with the process.
        let (finished, to_write) = mpsc::sync_channel::<(&PlannedRun, RunRecord)>(2 * threads);
        let writer = scope.spawn(|| -> Result<usize, StoreError> {
            let mut done = 0;
            for (run, record) in to_write {
                folder.write_record(&run.id, &record)?;
                observer.finished(run, None);
                done += 1;
            }
            Ok(done)
        });
        let work = || {
            let mut worker = Worker::default();
            while !stop.load(Ordering::Relaxed) {
                let Some((index, run)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                match compute(&mut worker, run) {
                    Ok(record) => {
                        // Nobody receives any more if a record could not be written.
                        if finished.send((run, record)).is_err() {
                            break;
                        }
                    }
                    Err(failure) => {
                        let reason = failure.to_string();
                        observer.finished(run, Some(&reason));
                        let failure = Failure {
                            run_id: run.id.clone(),
                            reason,
                        };
                        let mut failures = failures.lock().expect("no thread panics");
                        failures.push((*index, failure));
                    }
                }
            }
        };
        pool.broadcast(|_| work());
        // Ends the writer, once it has written what is left.
        drop(finished);
        writer.join().expect("no thread panics")
    })?;

    let mut failures = failures.into_inner().expect("no thread panics");
    failures.sort_by_key(|(index, _)| *index);
    Ok(Outcome {
        done,
        reused,
        interrupted: done + failures.len() < missing.len(),
        failures: failures.into_iter().map(|(_, failure)| failure).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of cell and law, every way to draw weights, and every quantity.
    const EVERYTHING: &str = r#"
        name = "everything"
        replicates = 1
        sequence = { steps = 5, batch = 3, input = { size = 7 } }
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
        [sweep]
        "vanilla-rnn.activation" = ["tanh", "relu", "logistic", "identity"]
        "cell.recurrent_weights.init" = [
            "gaussian", "orthogonal", "identity", "uniform", "spectral-radius", "zero"
        ]
        "cell.input_weights.init" = ["gaussian", "spectral-radius"]
        "loss.kind" = ["terminal", "every-step"]
        [record]
        quantities = [
            "adjoint", "input-gradient", "parameter-gradient", "parameter-contributions", "gates",
            "path-split", "per-sequence", "series", "spectrum", "singular-values", "loss-state",
            "unit-gradient"
        ]
    "#;

    #[test]
    fn the_names_of_arrays_are_known_without_the_run() {
        let loaded = Config::load(EVERYTHING, "test.toml", &[]).unwrap();
        let plan = Plan::new(&loaded, None);
        let mut alone: Vec<Record> = Vec::new();
        for quantity in &plan.config.record.quantities {
            alone.push(Record {
                quantities: vec![*quantity],
                gradients: false,
            });
        }
        for run in plan.runs() {
            for record in alone.iter().chain([&plan.config.record]) {
                let kept = Worker::default()
                    .execute(&run.spec, record, Memory::Full, None)
                    .unwrap();
                let expected = expected(&run.spec, record);
                assert_eq!(expected.arrays, Some(kept.arrays.into_keys().collect()));
                assert_eq!((expected.spec, expected.steps), (kept.spec, 5));
            }
        }
    }
}
