//! The machine that computes: what it is, and how much memory it has to spare.

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

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

/// Bytes this process may still take: what the system has available, or what its control group
/// leaves, whichever is less. File caches count as available: they give way.
pub fn available_memory() -> u64 {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    let available = system.available_memory();
    match system.cgroup_limits() {
        Some(limits) => available.min(limits.total_memory.saturating_sub(limits.rss)),
        None => available,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_memory_is_available() {
        assert!(available_memory() > 0);
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
