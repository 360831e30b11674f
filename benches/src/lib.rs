//! What the benchmarks share: the problem they solve, its floating-point operations, and
//! criterion's settings.
//!
//! The problem is the one of `peers/common.py`, so that times can be compared: random inputs and
//! weights, a rollout of T steps, L = ½‖h_T − y‖² summed over the batch, and the way back.
//!
//! ```
//! use benches::{Kind, Problem};
//! use gradient_tracking::{Tape, Workspace, backpropagate, probes::BlockNorms, rollout};
//!
//! let problem = Problem::new(Kind::Lstm, 16, 10, 4);
//! let (cell, inputs) = (&*problem.cell, problem.inputs.as_view());
//! let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
//! rollout(cell, inputs, problem.initial.as_view(), &mut tape, &mut [])?;
//! let mut norms = BlockNorms::new(cell, 10, 4, false);
//! let mut loss = problem.loss();
//! backpropagate(cell, inputs, &tape, &mut loss, None, &mut workspace, &mut [&mut norms])?;
//! assert!(norms.blocks[0].node.log10_norm.iter().all(|norm| norm.is_finite()));
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

use std::time::Duration;

use criterion::Criterion;
use gradient_tracking::{AdjointSource, CellShape, Trainable, View, ViewMut};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use vanilla_rnn::{Activation, VanillaRnn};

/// I, the input size of every problem.
pub const INPUT: usize = 8;

/// Criterion's settings: short, so that all benchmarks together take minutes. Arguments of the
/// command line override them.
pub fn settings(measurement: Duration) -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(measurement)
        .nresamples(10_000)
        .without_plots()
}

/// A generator in the same state at every call.
pub fn generator() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(20)
}

/// A matrix of independent normal numbers of mean zero.
pub fn normals(rows: usize, columns: usize, std: f64, rng: &mut ChaCha8Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| {
        let normal: f64 = StandardNormal.sample(rng);
        std * normal
    })
}

/// A kind of cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// h_t = tanh(W_hh·h_{t−1} + W_ih·x_t + b).
    VanillaRnn,
    /// With forget gate.
    Lstm,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::VanillaRnn, Kind::Lstm];

    /// As it is written in configurations and in the names of benchmarks.
    pub fn name(self) -> &'static str {
        match self {
            Kind::VanillaRnn => "vanilla-rnn",
            Kind::Lstm => "lstm",
        }
    }

    /// A cell with W_hh ~ N(0, 1/H), W_ih ~ N(0, 1/I), b = 0.
    pub fn cell(self, hidden: usize, rng: &mut ChaCha8Rng) -> Box<dyn Trainable> {
        let rows = match self {
            Kind::VanillaRnn => hidden,
            Kind::Lstm => 4 * hidden,
        };
        let recurrent = normals(rows, hidden, 1.0 / (hidden as f64).sqrt(), rng);
        let input = normals(rows, INPUT, 1.0 / (INPUT as f64).sqrt(), rng);
        let bias = DVector::zeros(rows);
        match self {
            Kind::VanillaRnn => Box::new(VanillaRnn::new(Activation::Tanh, recurrent, input, bias)),
            Kind::Lstm => Box::new(Lstm::new(recurrent, input, bias, true)),
        }
    }
}

/// A cell and what it is fed.
pub struct Problem {
    /// The cell.
    pub cell: Box<dyn Trainable>,
    /// T.
    pub steps: usize,
    /// B.
    pub batch: usize,
    /// x_1…x_T side by side, I×(T·B), standard normal.
    pub inputs: DMatrix<f64>,
    /// s_0 = 0, S×B.
    pub initial: DMatrix<f64>,
    /// y, H×B, standard normal.
    pub target: DMatrix<f64>,
}

impl Problem {
    /// The same problem at every call.
    pub fn new(kind: Kind, hidden: usize, steps: usize, batch: usize) -> Self {
        let mut rng = generator();
        let cell = kind.cell(hidden, &mut rng);
        Problem {
            steps,
            batch,
            inputs: normals(INPUT, steps * batch, 1.0, &mut rng),
            initial: DMatrix::zeros(cell.shape().state, batch),
            target: normals(hidden, batch, 1.0, &mut rng),
            cell,
        }
    }

    /// ½‖h_T − y‖².
    pub fn loss(&self) -> TerminalSquaredError<'_> {
        TerminalSquaredError {
            steps: self.steps,
            target: self.target.as_view(),
        }
    }
}

/// L = ½‖h_T − y‖², summed over the batch, on the output itself.
#[derive(Clone, Debug)]
pub struct TerminalSquaredError<'a> {
    /// T.
    pub steps: usize,
    /// y, H×B.
    pub target: View<'a>,
}

impl AdjointSource for TerminalSquaredError<'_> {
    fn inject(&mut self, t: usize, output: View, mut adjoint: ViewMut) -> bool {
        if t == self.steps {
            adjoint.copy_from(&(output - self.target));
        }
        t == self.steps
    }

    fn before(&self, t: usize) -> usize {
        if t > self.steps { self.steps } else { 0 }
    }
}

/// Floating-point operations of the matrix products of one run, forward and backward.
///
/// Without parameter gradients W_hh is used once each way and W_ih once forward, two operations
/// per weight, step and sequence: (4·P·H + 2·P·I)·T·B. With them, every parameter is counted once
/// forward, once backward and once for its gradient, as in
/// [`RunSpec::flops`](experiments::plan::RunSpec::flops): 6·P·(H + I + 1)·T·B. That is
/// 2·P·(I + 2)·T·B more than is strictly needed, for ∂L/∂x and what a bias costs less than a weight.
pub fn flops(shape: CellShape, steps: usize, batch: usize, parameter_gradient: bool) -> u64 {
    let CellShape {
        input,
        output: hidden,
        delta: rows,
        ..
    } = shape;
    let per_column = if parameter_gradient {
        6 * rows * (hidden + input + 1)
    } else {
        4 * rows * hidden + 2 * rows * input
    };
    (per_column * steps * batch) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjoint_is_the_error_of_the_last_output_and_nothing_before() {
        let target = DMatrix::from_element(2, 3, 0.5);
        let output = DMatrix::from_element(2, 3, 2.0);
        let mut adjoint = DMatrix::zeros(2, 3);
        let mut loss = TerminalSquaredError {
            steps: 4,
            target: target.as_view(),
        };
        assert!(!loss.inject(3, output.as_view(), adjoint.as_view_mut()));
        assert_eq!(adjoint, DMatrix::zeros(2, 3));
        assert!(loss.inject(4, output.as_view(), adjoint.as_view_mut()));
        assert_eq!(adjoint, DMatrix::from_element(2, 3, 1.5));
    }

    #[test]
    fn operations_are_counted_as_the_plan_counts_them() {
        let text = "name = \"count\"\nsequence.steps = 7\nsequence.batch = 3\n\
                    [[cell]]\nkind = \"vanilla-rnn\"\nhidden = 5\n\
                    [[cell]]\nkind = \"lstm\"\nhidden = 5\n";
        let loaded = experiments::config::Config::load(text, "count.toml", &[]).unwrap();
        let inputs = experiments::input_file::InputFiles::default();
        let plan = experiments::plan::Plan::new(&loaded, &inputs);
        for run in plan.runs() {
            let shape = run.spec.shapes()[0];
            let counted = flops(shape, 7, 3, true);
            assert_eq!(u128::from(counted), run.spec.flops(&plan.config.record));
        }
    }
}
