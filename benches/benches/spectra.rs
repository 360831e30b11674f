//! What is known of the Jacobians beyond one gradient, along one trajectory: all singular values of
//! ∂s_T/∂s_t at twenty lags, on the way back, and all Lyapunov exponents, on the way forward.
//!
//! The trajectory itself is part of the time, a small one. No throughput: what an orthogonal
//! factorisation of graded numbers costs is not a matter of counting multiplications.

use std::hint::black_box;
use std::time::Duration;

use benches::{Kind, Problem, settings};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gradient_tracking::probes::SingularValues;
use gradient_tracking::{Tape, Workspace, backpropagate, rollout};
use lyapunov::{Interval, Lyapunov, Options};

const HIDDEN: [usize; 3] = [16, 32, 64];
const STEPS: usize = 100;
const LAGS: usize = 20;

fn singular_values(problem: &Problem, tape: &mut Tape, workspace: &mut Workspace) -> Vec<f64> {
    let (cell, inputs) = (&*problem.cell, problem.inputs.as_view());
    let times = (0..STEPS).step_by(STEPS / LAGS).collect();
    let mut probe = SingularValues::new(cell, times);
    rollout(cell, inputs, problem.initial.as_view(), tape, &mut [])
        .and_then(|()| {
            let (mut loss, probes) = (problem.loss(), &mut [&mut probe as &mut _]);
            backpropagate(cell, inputs, tape, &mut loss, None, workspace, probes)
        })
        .expect("tanh and gates are bounded and the adjoint is rescaled");
    probe.log10_values
}

fn exponents(problem: &Problem, tape: &mut Tape) -> Vec<f64> {
    let (cell, inputs) = (&*problem.cell, problem.inputs.as_view());
    let options = Options {
        exponents: None,
        transient: 0,
        interval: Interval::Automatic,
        times: vec![STEPS],
    };
    let mut probe = Lyapunov::new(cell, 0, options);
    let initial = problem.initial.as_view();
    rollout(cell, inputs, initial, tape, &mut [&mut probe]).expect("tanh and gates are bounded");
    probe.running_means
}

fn spectra(c: &mut Criterion) {
    let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
    for kind in Kind::ALL {
        for hidden in HIDDEN {
            let problem = Problem::new(kind, hidden, STEPS, 1);
            let size = BenchmarkId::from_parameter(format!("H={hidden},T={STEPS}"));
            let mut group = c.benchmark_group(format!("spectra/{}/singular-values", kind.name()));
            group.bench_function(size.clone(), |b| {
                b.iter(|| singular_values(black_box(&problem), &mut tape, &mut workspace));
            });
            group.finish();
            let mut group = c.benchmark_group(format!("spectra/{}/lyapunov", kind.name()));
            group.bench_function(size, |b| {
                b.iter(|| exponents(black_box(&problem), &mut tape));
            });
            group.finish();
        }
    }
}

criterion_group! {
    name = benchmarks;
    config = settings(Duration::from_millis(500));
    targets = spectra
}
criterion_main!(benchmarks);
