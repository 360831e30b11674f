//! What the machine can do at most, with the instructions the kernels use: the bound that other
//! benchmarks are compared with.
//!
//! * `fma`: fused multiplications and additions that wait for nothing, two operations each and eight
//!   lanes; `Gelem/s` reads GFLOP/s;
//! * `read`: the sum of an array that is read again and again, from whichever cache it fits in.

use std::hint::black_box;
use std::time::Duration;

use benches::settings;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::Buffer;
use kernels::simd::{LANES, Pass, Simd, run};

/// More sums than the latency of an instruction times the number that start per cycle.
const SUMS: usize = 16;
const ROUNDS: usize = 10_000;

struct Fma {
    factor: f64,
    addend: f64,
}

impl Pass for Fma {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let (factor, addend) = (simd.splat(self.factor), simd.splat(self.addend));
        let mut sums = [simd.splat(1.0); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add(*sum, factor, addend);
            }
        }
        simd.sum(sums.into_iter().fold(simd.splat(0.0), |a, b| a + b))
    }
}

struct Read<'a>(&'a [f64]);

impl Pass for Read<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [simd.splat(0.0); SUMS];
        let (blocks, _) = self.0.as_chunks::<{ SUMS * LANES }>();
        for block in blocks {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = *sum + simd.load(block, LANES * k);
            }
        }
        simd.sum(sums.into_iter().fold(simd.splat(0.0), |a, b| a + b))
    }
}

fn machine(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine");
    group.throughput(Throughput::Elements((2 * LANES * SUMS * ROUNDS) as u64));
    group.bench_function("fma", |b| {
        b.iter(|| {
            run(Fma {
                factor: black_box(0.999),
                addend: black_box(1e-3),
            })
        });
    });
    for kib in [32, 512, 2048, 8192] {
        let mut values = Buffer::new();
        values.resize(kib * 1024 / 8);
        values.fill(1.0);
        group.throughput(Throughput::Bytes((kib * 1024) as u64));
        group.bench_function(BenchmarkId::new("read", format!("{kib}KiB")), |b| {
            b.iter(|| run(Read(black_box(&values))));
        });
    }
    group.finish();
}

criterion_group! {
    name = machine_group;
    config = settings(Duration::from_millis(500));
    targets = machine
}
criterion_main!(machine_group);
