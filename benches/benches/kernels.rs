//! The arithmetic of the inner loops: matrix products in three orientations, tanh and logistic.
//!
//! The products are those of the library, with the library's update of the destination. P = H for
//! a vanilla RNN and 4H for an LSTM.
//!
//! * `multiply`: W_hh·h, P×H · H×B, added to the projected inputs: one step forward;
//! * `multiply_transposed`: W_hhᵀ·δ, (P×H)ᵀ · P×B: one step back;
//! * `multiply_by_transpose`: Δ·Sᵀ, P×N · (H×N)ᵀ, added up: the weight gradient of a chunk of
//!   steps, N = 512 columns for every B measured here;
//! * `project`: W_ih·X, P×I · I×N, added to b: the projected inputs of a chunk.
//!
//! Throughput: an m×k by k×n product counts 2·m·k·n operations, so `Gelem/s` reads GFLOP/s. For
//! tanh and logistic an element is a value; both sides copy their arguments first, and that is
//! part of the time.

use std::hint::black_box;
use std::time::Duration;

use benches::{INPUT, generator, normals, settings};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradient_tracking::chunk_steps;
use kernels::{Update, View, ViewMut};
use nalgebra::DMatrix;

const HIDDEN: [usize; 4] = [16, 64, 128, 256];
const BATCH: [usize; 3] = [1, 16, 32];

/// Values per call of an activation.
const VALUES: usize = 1024;

/// Rows and columns.
type Shape = (usize, usize);

fn products(c: &mut Criterion) {
    let chunk = chunk_steps(1);
    for gates in [1, 4] {
        for hidden in HIDDEN {
            let rows = gates * hidden;
            let weights = (rows, hidden);
            for batch in BATCH {
                let size = format!("P={rows},H={hidden},B={batch}");
                let (delta, state) = ((rows, batch), (hidden, batch));
                let forward = Product {
                    function: kernels::multiply,
                    update: Update::Add,
                    factors: [weights, state],
                    result: delta,
                };
                forward.bench(c, "multiply", &size);
                let backward = Product {
                    function: kernels::multiply_transposed,
                    update: Update::Replace,
                    factors: [weights, delta],
                    result: state,
                };
                backward.bench(c, "multiply_transposed", &size);
            }
            let gradient = Product {
                function: kernels::multiply_by_transpose,
                update: Update::Add,
                factors: [(rows, chunk), (hidden, chunk)],
                result: weights,
            };
            let size = format!("P={rows},H={hidden},N={chunk}");
            gradient.bench(c, "multiply_by_transpose", &size);
        }
    }
    for rows in [16, 64, 256, 1024] {
        let projection = Product {
            function: kernels::multiply,
            update: Update::Add,
            factors: [(rows, INPUT), (INPUT, chunk)],
            result: (rows, chunk),
        };
        let size = format!("P={rows},I={INPUT},N={chunk}");
        projection.bench(c, "project", &size);
    }
}

/// A matrix product to be timed.
struct Product {
    function: fn(Update, View, View, ViewMut),
    update: Update,
    /// As they lie in memory, before any transposition.
    factors: [Shape; 2],
    result: Shape,
}

impl Product {
    fn bench(&self, c: &mut Criterion, name: &str, size: &str) {
        let mut rng = generator();
        let [lhs, rhs] = self
            .factors
            .map(|(rows, columns)| normals(rows, columns, 1.0, &mut rng));
        let (rows, columns) = self.result;
        let mut result = DMatrix::zeros(rows, columns);
        // Each of the m·k entries of the left factor is used for n columns.
        let operations = 2 * lhs.len() * columns;
        let mut group = c.benchmark_group(format!("kernels/{name}"));
        group.throughput(Throughput::Elements(operations as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                let (lhs, rhs) = black_box((lhs.as_view(), rhs.as_view()));
                (self.function)(self.update, lhs, rhs, result.as_view_mut());
            });
        });
        group.finish();
    }
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
