//! What a sweep tells while it runs: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::plan::PlannedRun;
use crate::store::StoreError;
use crate::sweep::Observer;

/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Reports on standard error, so that standard output holds results alone.
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: Mutex<Lines>,
}

struct Lines {
    started: Instant,
    last: Instant,
    finished: usize,
    total: usize,
}

impl Progress {
    /// A bar if standard error is a terminal.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{bar:32} {pos}/{len} runs  {per_sec}  {elapsed} elapsed, {eta} left",
            )
            .expect("the template is valid");
            let bar = ProgressBar::no_length().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let now = Instant::now();
        Progress {
            bar,
            lines: Mutex::new(Lines {
                started: now,
                last: now,
                finished: 0,
                total: 0,
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

    fn planned(&self, reused: usize, to_compute: usize) {
        let stored = match reused {
            0 => String::new(),
            n => format!(" ({n} more are stored and reused)"),
        };
        self.say(&format!("{to_compute} runs to compute{stored}"));
        if let Some(bar) = &self.bar {
            bar.set_length(to_compute as u64);
        }
        let mut lines = self.lines.lock().expect("no thread panics");
        lines.total = to_compute;
        lines.started = Instant::now();
    }

    fn finished(&self, run: &PlannedRun, failure: Option<&str>) {
        if let Some(reason) = failure {
            self.say(&format!("failed: {}: {reason}", run.id));
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let mut lines = self.lines.lock().expect("no thread panics");
        lines.finished += 1;
        if lines.last.elapsed() >= LINE_INTERVAL {
            lines.last = Instant::now();
            let seconds = lines.started.elapsed().as_secs_f64();
            let rate = lines.finished as f64 / seconds;
            let left = (lines.total - lines.finished) as f64 / rate;
            eprintln!(
                "{}/{} runs, {rate:.1} runs/s, {left:.0} s left",
                lines.finished, lines.total
            );
        }
    }
}
