//! What a sweep tells while it runs: a bar on a terminal, plain lines elsewhere.
//!
//! Runs of a sweep differ in length by orders of magnitude, and the longest come first: how far it
//! has come is said by the operations that are done, not by the number of runs.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::plan::PlannedRun;
use crate::store::StoreError;
use crate::sweep::{Observer, Work};

/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The length of the bar, which counts no further than u64.
const BAR: f64 = 1e6;

/// Reports on standard error, so that standard output holds results alone.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

struct State {
    started: Instant,
    last: Instant,
    total: Work,
}

impl Progress {
    /// A bar if standard error is a terminal.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:32} {msg}  {elapsed} elapsed, {eta} left")
                    .expect("the template is valid");
            let bar = ProgressBar::no_length().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let now = Instant::now();
        Progress {
            bar,
            state: Mutex::new(State {
                started: now,
                last: now,
                total: Work::default(),
            }),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

impl Observer for Progress {
    fn bad_record(&self, error: &StoreError) {
        self.say(&format!("warning: {error}; this run is computed again"));
    }

    fn planned(&self, reused: usize, to_compute: Work) {
        let stored = match reused {
            0 => String::new(),
            n => format!(" ({n} more are stored and reused)"),
        };
        self.say(&format!("{} runs to compute{stored}", to_compute.runs));
        let mut state = self.state.lock().expect("no thread panics");
        state.total = to_compute;
        state.started = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_length(BAR as u64);
            bar.set_message(counted(Work::default(), to_compute, 0.0));
        }
    }

    fn finished(&self, run: &PlannedRun, so_far: Work, failure: Option<&str>) {
        if let Some(reason) = failure {
            self.say(&format!("failed: {}: {reason}", run.id));
        }
        let mut state = self.state.lock().expect("no thread panics");
        let seconds = state.started.elapsed().as_secs_f64();
        let counted = counted(so_far, state.total, seconds);
        if let Some(bar) = &self.bar {
            bar.set_message(counted);
            bar.set_position((BAR * share(so_far, state.total)) as u64);
        } else if state.last.elapsed() >= LINE_INTERVAL {
            state.last = Instant::now();
            let left = seconds_left(so_far, state.total, seconds);
            eprintln!("{counted}, {left:.0} s left");
        }
    }
}

/// `18/108 runs, 0.4 runs/s`.
fn counted(done: Work, total: Work, seconds: f64) -> String {
    let rate = match seconds {
        0.0 => 0.0,
        seconds => done.runs as f64 / seconds,
    };
    format!("{}/{} runs, {rate:.1} runs/s", done.runs, total.runs)
}

/// How much of the work is done, 0…1.
fn share(done: Work, total: Work) -> f64 {
    done.flops as f64 / total.flops.max(1) as f64
}

/// If the rest takes as long for each operation as what is `done` has.
fn seconds_left(done: Work, total: Work, seconds: f64) -> f64 {
    let share = share(done, total);
    seconds * (1.0 - share) / share
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest of a sweep over sizes, which come first.
    #[test]
    fn what_is_left_is_told_by_the_work_and_not_by_the_number_of_runs() {
        let work = |runs, flops| Work { runs, flops };
        let (done, total) = (work(18, 3_000), work(108, 4_000));
        assert_eq!(seconds_left(done, total, 60.0), 20.0);
        assert_eq!(counted(done, total, 60.0), "18/108 runs, 0.3 runs/s");
        assert_eq!(share(total, total), 1.0);
        assert_eq!(seconds_left(total, total, 60.0), 0.0);
    }
}
