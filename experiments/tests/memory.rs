//! The estimate of memory is an upper bound, and not a loose one.
//!
//! An allocator that keeps count says how much a sweep and its analysis hold at most. (The trajectories
//! of some sweeps come from the system in large pages, past the allocator: they are short here.)

// A global allocator is an unsafe trait; nothing else here is unsafe.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use experiments::analysis;
use experiments::config::Config;
use experiments::input_file::InputFiles;
use experiments::plan::{GridPoint, Plan, PlannedRun};
use experiments::record::RunRecord;
use experiments::store::{LockedFolder, Reuse, StoreError};
use experiments::sweep::{Expectations, Observer, Work, sweep};

/// The system's allocator, counting the bytes of all threads.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// What a sweep's threads ask for and free again without writing to it: it costs no memory.
const NEVER_WRITTEN: usize = (32 << 20) - (64 << 10);

fn add(bytes: usize) {
    if bytes == NEVER_WRITTEN {
        return;
    }
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(held, Ordering::Relaxed);
}

fn remove(bytes: usize) {
    if bytes == NEVER_WRITTEN {
        return;
    }
    HELD.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every method passes its arguments on to `System` unchanged and returns what it returns,
// so `System`'s guarantees are ours. Counting touches two integers and cannot allocate, unwind or
// re-enter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        remove(layout.size());
        // SAFETY: `pointer` came from `System` with `layout`, because all of the above did.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        remove(layout.size());
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Silent;

impl Observer for Silent {
    fn bad_record(&self, error: &StoreError) {
        panic!("{error}");
    }

    fn planned(&self, _: usize, _: Work) {}

    fn finished(&self, run: &PlannedRun, _: Work, failure: Option<&str>) {
        assert_eq!(failure, None, "{}", run.id);
    }
}

/// The most bytes that a sweep of `plan` into `folder` holds, with the lines of its tables.
fn most_bytes(plan: &Plan, folder: &LockedFolder, jobs: usize) -> u128 {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let conclude = |point: &GridPoint, records: &[(usize, &RunRecord)]| {
        let mut analysis = analysis::analyse(&plan.config, point, records);
        analysis.take_lines()
    };
    let stop = AtomicBool::new(false);
    let swept = sweep(
        plan,
        &InputFiles::default(),
        folder,
        jobs,
        &stop,
        &Silent,
        conclude,
    )
    .unwrap();
    assert!(swept.points.is_some());
    (MOST.load(Ordering::Relaxed) - before) as u128
}

/// What every sweep holds, of a few steps too: threads, channels, buffers of files.
const ANY: u128 = 1 << 20;

// One test, so that nobody else allocates.
#[test]
fn sweeps_hold_no_more_than_estimated_and_half_of_it() {
    let per_sequence = "record.quantities=[\"node\", \"per-sequence\"]";
    for (cell, sets, jobs) in [
        ("vanilla-rnn", vec![], 1),
        ("lstm", vec![], 2),
        ("lstm", vec!["replicates=3"], 2),
        ("lstm", vec![per_sequence, "sequence.batch=2"], 1),
        // With laws by unit, each the slope of a curve.
        ("lstm", vec!["cell.forget_bias={ chrono = 1000 }"], 1),
        ("lstm-1997", vec!["record.quantities=[\"node\"]"], 1),
    ] {
        let text = format!(
            "name = 'memory'\nreplicates = 1\nmemory = 'checkpointed'\n\
             sequence = {{ steps = 300000, batch = 1, input.size = 2 }}\n\
             cell = [{{ kind = '{cell}', hidden = 2 }}]\n[sweep]\nseed = [1, 2, 3]\n"
        );
        let sets: Vec<String> = sets.into_iter().map(str::to_owned).collect();
        let config = Config::load(&text, "memory.toml", &sets).unwrap();
        let plan = Plan::new(&config, &InputFiles::default());
        let scratch = tempfile::tempdir().unwrap();
        let toml = plan.config.to_toml();
        let folder = LockedFolder::for_run(scratch.path(), &toml, Reuse::Nothing).unwrap();
        let estimate = plan.memory();
        let estimated = estimate.runs(jobs) + estimate.records(jobs) + estimate.tables;
        // Computed, and read from what is stored.
        let computed = most_bytes(&plan, &folder, jobs);
        let read = most_bytes(&plan, &folder, jobs);
        let found = format!("{cell}, {sets:?}: {computed}, {read} of {estimated}");
        assert!(computed.max(read) <= estimated + ANY, "{found}");
        // A record is read to where it stays: nothing beside it is held but a buffer and its header.
        let run = &plan.points[0].runs[0];
        let expectations = Expectations::new(&plan);
        let before = HELD.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let record = expectations.stored(&folder.folder, 0, run).unwrap();
        let record = record.unwrap();
        let (most, bytes) = (MOST.load(Ordering::Relaxed) - before, record.bytes());
        assert!(most <= bytes + (256 << 10), "{cell}: {most} for {bytes}");
        // Nor is more held to analyse it than its curve, or one of a law, and rows.
        if plan.config.replicates == 1 {
            let before = HELD.load(Ordering::Relaxed);
            MOST.store(before, Ordering::Relaxed);
            let analysis = analysis::analyse(&plan.config, &plan.points[0], &[(0, &record)]);
            let most = (MOST.load(Ordering::Relaxed) - before) as u128;
            let counted = estimate.run.analysis;
            assert!(most <= counted, "{cell}: {most} of {counted}");
            drop(analysis);
        }
        // Several need not be at the same place at the same time.
        assert!(jobs > 1 || 2 * computed >= estimated, "{found}");
    }
}
