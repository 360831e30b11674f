//! A whole small sweep on one thread: config text → plan → every run's record, no files.
//!
//! Eight runs: 2 cells × H = 32 × 2 gains × 2 replicates, T = 100, B = 16, I = 8. Drawing weights
//! and inputs is part of the time. Recorded is the minimum, `adjoint`, or
//! `adjoint+parameter-gradient+gates+path-split`.
//!
//! Throughput: the floating-point operations of all runs together, counted as in
//! `backpropagation`, with ∂L/∂W or without (see [`benches::flops`]). `Gelem/s` reads GFLOP/s.

use std::hint::black_box;
use std::time::Duration;

use benches::{flops, settings};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use experiments::config::{Config, Recorded};
use experiments::input_file::InputFiles;
use experiments::plan::Plan;
use experiments::record::RunRecord;
use experiments::run::Worker;

const CONFIG: &str = r#"
name = "bench"
seed = 20
replicates = 2

[sequence]
steps = 100
batch = 16
input = { kind = "gaussian", size = 8, std = 1.0 }

[[cell]]
kind = "vanilla-rnn"
hidden = 32

[[cell]]
kind = "lstm"
hidden = 32

[sweep]
"cell.recurrent_weights.gain" = [0.9, 1.0]
"#;

const SIZE: &str = "runs=8,H=32,B=16,T=100";

const QUANTITIES: [&[&str]; 2] = [
    &["adjoint"],
    &["adjoint", "parameter-gradient", "gates", "path-split"],
];

fn plan(sets: &[String]) -> Plan {
    let loaded = Config::load(CONFIG, "bench.toml", sets).expect("the config is valid");
    Plan::new(&loaded, &InputFiles::default())
}

fn sweep(sets: &[String]) -> Vec<RunRecord> {
    let plan = plan(sets);
    let mut worker = Worker::default();
    plan.runs()
        .map(|run| worker.execute(&run.spec, &plan.config.record, plan.config.memory, None))
        .collect::<Result<_, _>>()
        .expect("tanh and gates are bounded")
}

fn operations(plan: &Plan) -> u64 {
    let weights = plan
        .config
        .record
        .quantities
        .contains(&Recorded::ParameterGradient);
    plan.runs()
        .map(|run| {
            let sequence = &run.spec.sequence;
            let layers = run.spec.shapes().into_iter();
            layers
                .map(|shape| flops(shape, sequence.steps, sequence.batch, weights))
                .sum::<u64>()
        })
        .sum()
}

fn sweeps(c: &mut Criterion) {
    for quantities in QUANTITIES {
        let sets = [format!("record.quantities={quantities:?}")];
        let mut group = c.benchmark_group(format!("sweep/{}", quantities.join("+")));
        group.throughput(Throughput::Elements(operations(&plan(&sets))));
        group.sampling_mode(SamplingMode::Flat);
        group.bench_function(BenchmarkId::from_parameter(SIZE), |b| {
            b.iter(|| sweep(black_box(&sets)));
        });
        group.finish();
    }
}

criterion_group! {
    name = sweep_group;
    config = settings(Duration::from_secs(1));
    targets = sweeps
}
criterion_main!(sweep_group);
