//! What the machine can do at most, with the instructions the kernels use: the bound that other
//! benchmarks are compared with.
//!
//! * `fma`: fused multiplications and additions that wait for nothing, two operations each and eight
//!   lanes; `Gelem/s` reads GFLOP/s;
//! * `read`: the sum of an array that is read again and again, from whichever cache it fits in;
//! * `write`: the same array filled again and again;
//! * `chain`: what a step of one sequence waits for, each operation for the one before: a tanh; a fused
//!   multiplication and addition. An element is one such operation of the chain.

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

struct Write<'a>(&'a mut [f64], f64);

impl Pass for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let value = simd.splat(self.1);
        let (blocks, _) = self.0.as_chunks_mut::<LANES>();
        for block in blocks {
            simd.store(block, 0, value);
        }
    }
}

struct TanhChain(f64);

impl Pass for TanhChain {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let mut value = [simd.splat(self.0)];
        for _ in 0..ROUNDS {
            value = kernels::tanh_of(simd, value);
        }
        simd.sum(value[0])
    }
}

struct FmaChain(f64);

impl Pass for FmaChain {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let factor = simd.splat(self.0);
        let mut value = factor;
        for _ in 0..ROUNDS {
            value = simd.mul_add(value, factor, factor);
        }
        simd.sum(value)
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
    group.throughput(Throughput::Elements(ROUNDS as u64));
    group.bench_function("chain/tanh", |b| {
        b.iter(|| run(TanhChain(black_box(0.3))));
    });
    group.bench_function("chain/fma", |b| {
        b.iter(|| run(FmaChain(black_box(0.3))));
    });
    for kib in [32, 512, 2048, 8192] {
        let mut values = Buffer::new();
        values.resize(kib * 1024 / 8);
        values.fill(1.0);
        group.throughput(Throughput::Bytes((kib * 1024) as u64));
        group.bench_function(BenchmarkId::new("read", format!("{kib}KiB")), |b| {
            b.iter(|| run(Read(black_box(&values))));
        });
        group.bench_function(BenchmarkId::new("write", format!("{kib}KiB")), |b| {
            b.iter(|| run(Write(&mut values, black_box(1.0))));
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
