//! How the time of a sweep grows with T, H, B and the number of runs, on one thread: weights and
//! inputs drawn, forward and back, norms and ∂L/∂W recorded, no files.
//!
//! Each is varied alone, from T = 200, H = 64, B = 16 and one run. T is varied with the whole
//! trajectory held and with checkpoints. `peers/growth.py` draws the result.

use std::hint::black_box;
use std::time::Duration;

use benches::settings;
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use experiments::config::Config;
use experiments::input_file::InputFiles;
use experiments::plan::Plan;
use experiments::run::Worker;

/// What is varied: its name, the keys it sets, and its values.
const VARIED: [(&str, &str, &[&str], &[usize]); 5] = [
    ("T", "full", &["sequence.steps"], &[20, 200, 2_000, 20_000]),
    (
        "T",
        "checkpointed",
        &["sequence.steps"],
        &[20, 200, 2_000, 20_000],
    ),
    ("H", "full", &["cell.hidden"], &[16, 32, 64, 128, 256, 512]),
    ("B", "full", &["sequence.batch"], &[1, 4, 16, 64, 256]),
    ("runs", "full", &["replicates"], &[1, 4, 16, 64]),
];

fn plan(kind: &str, memory: &str, keys: &[&str], value: usize) -> Plan {
    let text = format!(
        r#"
        name = "growth"
        seed = 20
        replicates = 1
        memory = "{memory}"
        [sequence]
        steps = 200
        batch = 16
        [[cell]]
        kind = "{kind}"
        hidden = 64
        [record]
        quantities = ["node", "parameter-gradient"]
        "#
    );
    let sets: Vec<String> = keys.iter().map(|key| format!("{key}={value}")).collect();
    let loaded = Config::load(&text, "growth.toml", &sets).expect("the config is valid");
    Plan::new(&loaded, &InputFiles::default())
}

fn growth(c: &mut Criterion) {
    let mut worker = Worker::default();
    for kind in ["vanilla-rnn", "lstm"] {
        for (name, memory, keys, values) in VARIED {
            let mut group = c.benchmark_group(format!("growth/{name}/{memory}/{kind}"));
            group.sampling_mode(SamplingMode::Flat);
            for value in values {
                let plan = plan(kind, memory, keys, *value);
                let (record, memory) = (&plan.config.record, plan.config.memory);
                group.bench_function(BenchmarkId::from_parameter(value), |b| {
                    b.iter(|| {
                        for run in plan.runs() {
                            let record = worker.execute(&run.spec, record, memory, None);
                            black_box(record.expect("tanh and gates are bounded"));
                        }
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = growth_group;
    config = settings(Duration::from_millis(500));
    targets = growth
}
criterion_main!(growth_group);
