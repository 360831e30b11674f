//! The arithmetic of the inner loops: matrix products in three orientations, tanh and logistic.
//!
//! The products are those of the library. P = H for a vanilla RNN and 4H for an LSTM.
//!
//! * `step`: `[W_ih W_hh]`·`[x; h]`, P×(I+H) · (I+H)×B, started from b: one step forward;
//! * `pull_back`: W_hhᵀ·δ, H×P · P×B: one step back;
//! * `weight_gradient`: Δ·Sᵀ, P×N · (H×N)ᵀ, added up: the weight gradient of a chunk of steps,
//!   N = 512 columns for every B measured here, done as `ParameterGradient` does it.
//!
//! Throughput: an m×k by k×n product counts 2·m·k·n operations, so `Gelem/s` reads GFLOP/s. For
//! tanh and logistic an element is a value; both sides copy their arguments first, and that is
//! part of the time.

use std::hint::black_box;
use std::time::Duration;

use benches::{INPUT, generator, normals, settings};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradient_tracking::chunk_steps;
use kernels::{PANEL, Packed, Start};

const HIDDEN: [usize; 4] = [16, 64, 128, 256];
const BATCH: [usize; 3] = [1, 16, 32];

/// Values per call of an activation.
const VALUES: usize = 1024;

fn products(c: &mut Criterion) {
    let chunk = chunk_steps(1);
    for gates in [1, 4] {
        for hidden in HIDDEN {
            let rows = gates * hidden;
            let mut rng = generator();
            let mut matrix = |rows, columns| normals(rows, columns, 1.0, &mut rng);
            let weights = matrix(rows, INPUT + hidden);
            let bias = matrix(rows, 1);
            let packed = Packed::new(weights.as_view());
            let transposed = Packed::transposed(weights.columns(INPUT, hidden));
            for batch in BATCH {
                let size = format!("P={rows},H={hidden},B={batch}");
                let (input, state) = (matrix(INPUT, batch), matrix(hidden, batch));
                let (mut activations, mut previous) = (matrix(rows, batch), matrix(hidden, batch));
                let operations = 2 * rows * (INPUT + hidden) * batch;
                bench(c, "step", &size, operations, || {
                    let parts = black_box([input.as_view(), state.as_view()]);
                    let start = Start::Column(bias.as_slice());
                    packed.multiply_stacked(start, parts, activations.as_view_mut());
                });
                let delta = matrix(rows, batch);
                bench(c, "pull_back", &size, 2 * rows * hidden * batch, || {
                    let delta = black_box(delta.as_view());
                    transposed.multiply(Start::Zero, delta, previous.as_view_mut());
                });
            }
            let size = format!("P={rows},H={hidden},N={chunk}");
            let (deltas, states) = (matrix(rows, chunk), matrix(hidden, chunk));
            let mut gradient = matrix(rows, hidden);
            let operations = 2 * rows * hidden * chunk;
            let mut laid_out = Packed::default();
            bench(c, "weight_gradient", &size, operations, || {
                let (deltas, states) = black_box((&deltas, states.as_view()));
                for first in (0..rows).step_by(PANEL) {
                    let height = PANEL.min(rows - first);
                    let (own, sum) = (deltas.rows(first, height), gradient.rows_mut(first, height));
                    let start = Start::Destination;
                    if hidden < 32 {
                        kernels::multiply_by_transpose(start, own, states, sum);
                    } else {
                        laid_out.set_and_multiply_by_transpose(own, start, states, sum);
                    }
                }
            });
        }
    }
}

fn bench(c: &mut Criterion, name: &str, size: &str, operations: usize, mut product: impl FnMut()) {
    let mut group = c.benchmark_group(format!("kernels/{name}"));
    group.throughput(Throughput::Elements(operations as u64));
    group.bench_function(BenchmarkId::from_parameter(size), |b| b.iter(&mut product));
    group.finish();
}

/// Replaces each value by the function of it.
type Activation = fn(&mut [f64]);

fn activations(c: &mut Criterion) {
    let arguments = normals(VALUES, 1, 2.0, &mut generator());
    let mut values = vec![0.0; VALUES];
    let functions: [(&str, &str, Activation); 4] = [
        ("tanh", "kernels", kernels::tanh),
        ("tanh", "std", |values| {
            values.iter_mut().for_each(|v| *v = v.tanh());
        }),
        ("logistic", "kernels", kernels::logistic),
        ("logistic", "std", |values| {
            values
                .iter_mut()
                .for_each(|v| *v = 1.0 / (1.0 + (-*v).exp()));
        }),
    ];
    for (name, implementation, function) in functions {
        let mut group = c.benchmark_group(format!("kernels/{name}/{implementation}"));
        group.throughput(Throughput::Elements(VALUES as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("N={VALUES}")), |b| {
            b.iter(|| {
                values.copy_from_slice(black_box(arguments.as_slice()));
                function(black_box(&mut values));
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = kernels_group;
    config = settings(Duration::from_millis(500));
    targets = products, activations
}
criterion_main!(kernels_group);
