//! All runs of a plan, spread over threads: the only place with parallelism.
//!
//! A run is single-threaded and a pure function of its spec, so the number of threads and the order
//! of runs change no result. Every finished run is stored at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::plan::{Plan, PlannedRun};
use crate::run::Worker;
use crate::sequences::InputArray;
use crate::store::{Failure, LockedFolder, StoreError};

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
        let stored = folder
            .folder
            .record(&run.id, &run.spec.spec_json(), run.spec.sequence.steps);
        match stored {
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
    missing.sort_by_key(|(_, run)| std::cmp::Reverse(run.spec.estimate().flops));

    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let broken = Mutex::new(None);
    let work = || {
        let mut worker = Worker::default();
        while !stop.load(Ordering::Relaxed) {
            let Some((index, run)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match worker.execute(&run.spec, &plan.config.record, inputs) {
                Ok(record) => match folder.write_record(&run.id, &record) {
                    Ok(()) => {
                        done.fetch_add(1, Ordering::Relaxed);
                        observer.finished(run, None);
                    }
                    Err(error) => {
                        broken
                            .lock()
                            .expect("no thread panics")
                            .get_or_insert(error);
                        break;
                    }
                },
                Err(failure) => {
                    let reason = failure.to_string();
                    observer.finished(run, Some(&reason));
                    let failure = Failure {
                        run_id: run.id.clone(),
                        reason,
                    };
                    failures
                        .lock()
                        .expect("no thread panics")
                        .push((*index, failure));
                }
            }
        }
    };
    let threads = jobs.min(missing.len()).max(1);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads can be started")
        .broadcast(|_| work());

    if let Some(error) = broken.into_inner().expect("no thread panics") {
        return Err(error);
    }
    let mut failures = failures.into_inner().expect("no thread panics");
    failures.sort_by_key(|(index, _)| *index);
    let done = done.into_inner();
    Ok(Outcome {
        done,
        reused,
        interrupted: done + failures.len() < missing.len(),
        failures: failures.into_iter().map(|(_, failure)| failure).collect(),
    })
}
