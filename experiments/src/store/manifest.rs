//! `manifest.json`: the only file of a results folder that is not a function of the config.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

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
}

/// What results were computed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub arch: String,
    /// The processor's name.
    pub cpu: String,
    /// Those of its features that the kernels choose by; they decide speed, not results.
    pub cpu_features: Vec<String>,
    /// What the last bits of the kernels' results depend on.
    pub kernel_path: String,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The run.
    pub run_id: String,
    /// What happened.
    pub reason: String,
}

impl Machine {
    /// This machine; `kernel_path` names the matrix kernels in use.
    pub fn this(kernel_path: &str) -> Self {
        let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(cpus);
        let cpu = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: if cpu.is_empty() { "unknown" } else { cpu }.to_owned(),
            cpu_features: cpu_features(),
            kernel_path: kernel_path.to_owned(),
        }
    }

    /// Whether equal binaries give equal bits here and there. Of the processor only matters whether
    /// it fuses multiplication and addition, which the kernel path says; the operating system
    /// brings the logarithm and the exponential of the random numbers.
    pub fn computes_like(&self, other: &Self) -> bool {
        self.arch == other.arch && self.os == other.os && self.kernel_path == other.kernel_path
    }
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

    /// The manifest of a command that finishes now. `reused` runs came from earlier records,
    /// `done` were computed.
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

/// The features by which the kernels choose their instructions.
fn cpu_features() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512dq", is_x86_feature_detected!("avx512dq")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
    ];
    #[cfg(target_arch = "aarch64")]
    let features = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("sve", std::arch::is_aarch64_feature_detected!("sve")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let features: [(&str, bool); 0] = [];

    let detected = features.into_iter().filter(|(_, detected)| *detected);
    detected.map(|(name, _)| name.to_owned()).collect()
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

    #[test]
    fn the_processor_decides_the_bits_by_its_kernel_path_alone() {
        let machine = Machine::this("avx2");
        let mut other = machine.clone();
        other.cpu = "another".to_owned();
        other.cpu_features.clear();
        assert!(machine.computes_like(&other));
        other.kernel_path = "portable".to_owned();
        assert!(!machine.computes_like(&other));
    }
}
