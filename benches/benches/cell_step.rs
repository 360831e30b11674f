//! One step of a cell, forward (`step`) and back (`pull_back`), as the library calls them: through
//! the trait, into buffers that are there already.
//!
//! The point of the trajectory is the end of a rollout of ten steps, so gates and states have the
//! values they have in use. The weight gradient is not part of a step.
//!
//! Throughput: 2·P·(H+I)·B floating-point operations forward, 2·P·H·B back, so `Gelem/s` reads
//! GFLOP/s.

use std::hint::black_box;
use std::time::Duration;

use benches::{Kind, Problem, generator, normals, settings};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradient_tracking::{AdjointMut, Tape, rollout};
use nalgebra::DMatrix;

const HIDDEN: [usize; 4] = [16, 64, 128, 256];
const BATCH: [usize; 2] = [1, 32];
const STEPS: usize = 10;

fn steps(c: &mut Criterion) {
    let mut tape = Tape::new();
    for kind in Kind::ALL {
        for hidden in HIDDEN {
            for batch in BATCH {
                let problem = Problem::new(kind, hidden, STEPS, batch);
                let cell = &*problem.cell;
                let shape = cell.shape();
                let inputs = problem.inputs.as_view();
                let initial = problem.initial.as_view();
                rollout(cell, inputs, initial, &mut tape, &mut [])
                    .expect("tanh and gates are bounded");
                let at = tape.point(STEPS);

                let zeros = |rows| DMatrix::<f64>::zeros(rows, batch);
                let input = inputs.columns((STEPS - 1) * batch, batch);
                let (mut next, mut saved) = (zeros(shape.state), zeros(shape.saved));
                let carried = normals(shape.state, batch, 1.0, &mut generator());
                let (mut node, mut previous) = (zeros(shape.state), zeros(shape.state));
                let mut delta = zeros(shape.delta);

                let pull_back = 2 * shape.delta * hidden * batch;
                let step = pull_back + 2 * shape.delta * shape.input * batch;
                let size = BenchmarkId::from_parameter(format!("H={hidden},B={batch}"));
                let mut group = c.benchmark_group(format!("cell_step/{}/step", kind.name()));
                group.throughput(Throughput::Elements(step as u64));
                group.bench_function(size.clone(), |b| {
                    b.iter(|| {
                        cell.step(
                            black_box(input),
                            at.previous,
                            next.as_view_mut(),
                            saved.as_view_mut(),
                        );
                    });
                });
                group.finish();
                let mut group = c.benchmark_group(format!("cell_step/{}/pull_back", kind.name()));
                group.throughput(Throughput::Elements(pull_back as u64));
                group.bench_function(size, |b| {
                    b.iter(|| {
                        let adjoint = AdjointMut {
                            carried: carried.as_view(),
                            node: Some(node.as_view_mut()),
                            delta: delta.as_view_mut(),
                            previous: previous.as_view_mut(),
                        };
                        cell.pull_back(black_box(&at), adjoint);
                    });
                });
                group.finish();
            }
        }
    }
}

criterion_group! {
    name = cell_step;
    config = settings(Duration::from_millis(500));
    targets = steps
}
criterion_main!(cell_step);
