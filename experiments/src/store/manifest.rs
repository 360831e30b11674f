//! `manifest.json`: the only file of a results folder that is not a function of the config.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Machine;

/// With what, where and when results were computed, and what became of the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of vangrad.
    pub version: String,
    /// The commit it was built from, or `unknown`.
    pub commit: String,
    /// The compiler it was built with.
    pub rustc: String,
    /// The machine.
    pub machine: Machine,
    /// How many runs were computed at a time.
    pub jobs: usize,
    /// When the command started, UTC.
    pub started: String,
    /// When it finished, UTC.
    pub finished: String,
    /// Wall time between the two.
    pub elapsed_seconds: f64,
    /// How many runs were computed.
    pub done: usize,
    /// How many were read from the records of an earlier command.
    pub reused: usize,
    /// How many failed.
    pub failed: usize,
    /// Why they failed.
    pub failures: Vec<Failure>,
    /// SHA-256 of the files that inputs come from, by path: what the config says of them is only where
    /// they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The run.
    pub run_id: String,
    /// What happened.
    pub reason: String,
}

/// The clock of a command. The rest of the program knows no time.
#[derive(Debug, Clone)]
pub struct Clock {
    started: SystemTime,
    since: Instant,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self {
            started: SystemTime::now(),
            since: Instant::now(),
        }
    }

    /// Seconds since it was started.
    pub fn elapsed_seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// The manifest of a command that finishes now and reads no inputs. `reused` runs came from earlier
    /// records, `done` were computed.
    pub fn finish(
        &self,
        machine: Machine,
        jobs: usize,
        done: usize,
        reused: usize,
        failures: Vec<Failure>,
    ) -> Manifest {
        Manifest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("VANGRAD_COMMIT").to_owned(),
            rustc: env!("VANGRAD_RUSTC").to_owned(),
            machine,
            jobs,
            started: utc(self.started),
            finished: utc(SystemTime::now()),
            // Milliseconds: more digits would only suggest a precision that wall time lacks.
            elapsed_seconds: self.since.elapsed().as_millis() as f64 / 1e3,
            done,
            reused,
            failed: failures.len(),
            failures,
            inputs: BTreeMap::new(),
        }
    }
}

/// `2026-01-31T23:59:59Z`. A clock before 1970 is shown as 1970.
fn utc(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01 (H. Hinnant, "chrono-compatible low-level
/// date algorithms", `civil_from_days`): years start in March, so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_000_000_000, "2001-09-09T01:46:40Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_manifest_reads_back() {
        let failure = Failure {
            run_id: "lstm-0123".to_owned(),
            reason: "overflow at step 3".to_owned(),
        };
        let manifest = Clock::start().finish(Machine::this("test"), 2, 3, 4, vec![failure]);
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert_eq!(manifest.failed, 1);
        assert!(manifest.started <= manifest.finished);
    }
}
