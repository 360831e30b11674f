//! Nothing of ours is allocated while a network runs forward or backward.
//!
//! A counting allocator counts what each thread asks for. After one warm-up run with the same tape
//! and workspace, a rollout and a way back with every probe ask for memory only inside the matrix
//! kernel, which may pack its operands into a fresh buffer. How often it does depends on shapes and
//! on the machine's instructions, so the number is not written down but measured: the same
//! products, of the same shapes and as many of them, are formed outside the loop over time
//! ([`Run::kernel`]), and the two counts must be equal.
//!
//! * B = 1: products of a single column are not packed, so no step allocates. Per chunk of 512
//!   steps there are four packed products: a projection, an input gradient and two weight
//!   gradients.
//! * B = 16: a packed product allocates at most twice. On x86-64 with AVX-512, for H = 24 and I = 3,
//!   a step allocates once forward and three (vanilla RNN) or four times (LSTM) backward: two in the
//!   pull-back, the others in the contribution norms. A readout adds six.

// A global allocator is an unsafe trait; nothing else here is unsafe.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::num::NonZeroUsize;

use gradient_tracking::probes::{
    BlockNorms, ContributionNorms, GateStatistics, InputGradientNorms, ParameterGradient, PathSplit,
};
use gradient_tracking::source::{EveryStep, Readout, Target, Terminal};
use gradient_tracking::{
    AdjointSource, AffineMap, Probe, Tape, Trainable, View, ViewMut, Workspace, backpropagate,
    chunk_steps, rollout,
};
use kernels::Update;
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

/// The system's allocator, counting per thread: tests run beside each other.
struct Counting;

thread_local! {
    // Constant and without a destructor, so that touching it allocates nothing.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every method passes its arguments on to `System` unchanged and returns what it returns,
// so `System`'s guarantees are ours. Counting touches a thread-local integer and cannot allocate,
// unwind or re-enter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `pointer` came from `System` with `layout`, because all of the above did.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `run` asks for memory on this thread.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// H. At B = 16 the contribution norms form Gram matrices for W_hh (16 ≤ 24) and the product itself
/// for W_ih (16 > 3), so both ways are covered.
const HIDDEN: usize = 24;
const INPUT: usize = 3;
/// K, rows of a readout.
const CLASSES: usize = 4;
/// τ where a run is truncated.
const TRUNCATION: usize = 7;

/// Values of order `scale` without a generator: what they are does not matter here.
fn filled(rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |i, j| {
        scale * (((i * 31 + j * 17) % 23) as f64 / 11.0 - 1.0)
    })
}

/// One cell of each kind, with its affine map.
enum Kind {
    VanillaRnn(VanillaRnn),
    Lstm(Lstm),
}

impl Kind {
    fn both() -> [Kind; 2] {
        [
            Kind::VanillaRnn(VanillaRnn::new(
                Activation::Tanh,
                filled(HIDDEN, HIDDEN, 0.1),
                filled(HIDDEN, INPUT, 0.3),
                DVector::zeros(HIDDEN),
            )),
            Kind::Lstm(Lstm::new(
                filled(4 * HIDDEN, HIDDEN, 0.1),
                filled(4 * HIDDEN, INPUT, 0.3),
                DVector::zeros(4 * HIDDEN),
                true,
            )),
        ]
    }

    fn cell(&self) -> &dyn Trainable {
        match self {
            Kind::VanillaRnn(cell) => cell,
            Kind::Lstm(cell) => cell,
        }
    }

    fn affine(&self) -> &AffineMap {
        match self {
            Kind::VanillaRnn(cell) => cell.affine(),
            Kind::Lstm(cell) => cell.affine(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Kind::VanillaRnn(_) => "vanilla RNN",
            Kind::Lstm(_) => "LSTM",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    Terminal,
    EveryStep,
    Readout,
}

/// Allocations of the two directions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    forward: u64,
    backward: u64,
}

/// Allocations of the matrix kernel, by what calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct KernelCounts {
    /// In products over a chunk of steps.
    chunks: Counts,
    /// In the products of each step.
    steps: Counts,
}

impl KernelCounts {
    fn total(self) -> Counts {
        Counts {
            forward: self.chunks.forward + self.steps.forward,
            backward: self.chunks.backward + self.steps.backward,
        }
    }
}

/// A run of `steps` steps of `batch` sequences with every probe there is.
#[derive(Clone, Copy, Debug)]
struct Run {
    steps: usize,
    batch: usize,
    loss: Loss,
    truncated: bool,
}

impl Run {
    /// What the library asks for, measured around its two calls.
    fn library(self, kind: &Kind, tape: &mut Tape, workspace: &mut Workspace) -> Counts {
        let Run { steps, batch, .. } = self;
        let cell = kind.cell();
        let inputs = filled(INPUT, steps * batch, 1.0);
        let initial = filled(cell.shape().state, batch, 0.5);
        let adjoints = filled(HIDDEN, steps * batch, 1.0);
        let labels: Vec<usize> = (0..steps * batch).map(|k| k % CLASSES).collect();
        let (mut terminal, mut every_step, mut readout);
        let source: &mut dyn AdjointSource = match self.loss {
            Loss::Terminal => {
                terminal = Terminal {
                    steps,
                    adjoint: adjoints.columns(0, batch),
                };
                &mut terminal
            }
            Loss::EveryStep => {
                every_step = EveryStep {
                    adjoints: adjoints.as_view(),
                };
                &mut every_step
            }
            Loss::Readout => {
                let weights = filled(CLASSES, HIDDEN, 0.3);
                let target = Target::CrossEntropy(&labels);
                readout = Readout::new(weights, DVector::zeros(CLASSES), target, 1, batch);
                &mut readout
            }
        };
        let truncation = self
            .truncated
            .then(|| NonZeroUsize::new(TRUNCATION).unwrap());

        let mut norms = BlockNorms::new(cell, steps, batch, true);
        let mut gates = GateStatistics::new(cell, steps, batch);
        let mut split = PathSplit::new(cell, steps, batch);
        let mut input_norms = InputGradientNorms::new(cell, steps, batch, true);
        let mut contributions = ContributionNorms::new(cell, steps, batch);
        let mut gradient = ParameterGradient::new(cell, batch);
        let mut probes: Vec<&mut dyn Probe> = vec![
            &mut norms,
            &mut gates,
            &mut input_norms,
            &mut contributions,
            &mut gradient,
        ];
        if let Some(split) = &mut split {
            probes.push(split);
        }
        let (inputs, initial) = (inputs.as_view(), initial.as_view());
        let mut result = Ok(());
        let forward = allocations(|| {
            result = rollout(cell, inputs, initial, tape, workspace, &mut probes);
        });
        result.unwrap();
        let backward = allocations(|| {
            result = backpropagate(
                cell,
                inputs,
                tape,
                source,
                truncation,
                workspace,
                &mut probes,
            );
        });
        result.unwrap();
        // It did run, with all of them.
        assert!(norms.blocks[0].node.log10_norm[steps].is_finite());
        assert!(contributions.blocks[1].1.log10_norm[steps - 1].is_finite());
        assert!(input_norms.norms.log10_norm[steps - 1].is_finite());
        assert!(gradient.values.iter().any(|v| *v != 0.0));
        assert!(gates.gates.iter().all(|(_, steps)| steps[0].mean > 0.0));
        assert_eq!(split.is_some(), matches!(kind, Kind::Lstm(_)));
        Counts { forward, backward }
    }

    /// What the matrix kernel asks for: the same products on matrices made beforehand.
    fn kernel(self, kind: &Kind) -> KernelCounts {
        let Run { steps, batch, .. } = self;
        let affine = kind.affine();
        let rows = affine.rows();
        let columns = chunk_steps(batch) * batch;
        let inputs = filled(INPUT, columns, 1.0);
        let outputs = filled(HIDDEN, columns, 1.0);
        let deltas = filled(rows, columns, 1.0);
        let output = outputs.columns(0, batch);
        let delta = deltas.columns(0, batch);
        let mut into = Destinations::new(rows, columns, batch);

        let mut counts = KernelCounts::default();
        // Lengths of the chunks: full ones, then the rest.
        let mut left = steps;
        while left > 0 {
            let n = left.min(chunk_steps(batch)) * batch;
            left -= n / batch;
            counts.chunks.forward += allocations(|| {
                affine.project(inputs.columns(0, n), into.projected.columns_mut(0, n));
            });
            counts.chunks.backward += allocations(|| {
                // Input gradients, and the gradients of W_hh and W_ih.
                affine.pull_back_input(deltas.columns(0, n), into.inputs.columns_mut(0, n));
                for (factor, gradient) in [
                    (outputs.columns(0, n), &mut into.recurrent_gradient),
                    (inputs.columns(0, n), &mut into.input_gradient),
                ] {
                    kernels::multiply_by_transpose(
                        Update::Add,
                        deltas.columns(0, n),
                        factor,
                        gradient.as_view_mut(),
                    );
                }
            });
        }
        for t in 1..=steps {
            let lag = steps - t;
            let cut = self.truncated && lag > 0 && lag.is_multiple_of(TRUNCATION);
            counts.steps.forward += allocations(|| {
                affine.add_recurrent(output, into.projected.columns_mut(0, batch));
            });
            counts.steps.backward += allocations(|| {
                // A detached step is pulled back twice: to be shown, and to go on.
                for _ in 0..if cut { 2 } else { 1 } {
                    affine.pull_back_recurrent(delta, into.output.as_view_mut());
                }
                into.contribution_norms(delta, [output, inputs.columns(0, batch)]);
                if self.loss == Loss::Readout {
                    into.readout(output);
                }
            });
        }
        counts
    }
}

/// Where the products of [`Run::kernel`] go.
struct Destinations {
    projected: DMatrix<f64>,
    inputs: DMatrix<f64>,
    output: DMatrix<f64>,
    recurrent_gradient: DMatrix<f64>,
    input_gradient: DMatrix<f64>,
    gram: DMatrix<f64>,
    readout: DMatrix<f64>,
    logits: DMatrix<f64>,
    readout_gradient: DMatrix<f64>,
}

impl Destinations {
    fn new(rows: usize, columns: usize, batch: usize) -> Self {
        Destinations {
            projected: DMatrix::zeros(rows, columns),
            inputs: DMatrix::zeros(INPUT, columns),
            output: DMatrix::zeros(HIDDEN, batch),
            recurrent_gradient: DMatrix::zeros(rows, HIDDEN),
            input_gradient: DMatrix::zeros(rows, INPUT),
            gram: DMatrix::zeros(batch, batch),
            readout: filled(CLASSES, HIDDEN, 0.3),
            logits: DMatrix::zeros(CLASSES, batch),
            readout_gradient: DMatrix::zeros(CLASSES, HIDDEN),
        }
    }

    /// Two Gram matrices where the batch is no wider than the factor has rows, else the product.
    fn contribution_norms(&mut self, delta: View, factors: [View; 2]) {
        let gram = |of: View, into: ViewMut| {
            kernels::multiply_transposed(Update::Replace, of, of, into);
        };
        gram(delta, self.gram.as_view_mut());
        let products = [&mut self.recurrent_gradient, &mut self.input_gradient];
        for (factor, product) in factors.into_iter().zip(products) {
            if delta.ncols() <= factor.nrows() {
                gram(factor, self.gram.as_view_mut());
            } else {
                let product = product.as_view_mut();
                kernels::multiply_by_transpose(Update::Replace, delta, factor, product);
            }
        }
    }

    /// y = W·h, ∂L/∂W += ∂L/∂y·hᵀ, Wᵀ·∂L/∂y.
    fn readout(&mut self, output: View) {
        let weights = self.readout.as_view();
        kernels::multiply(Update::Add, weights, output, self.logits.as_view_mut());
        let logits = self.logits.as_view();
        let gradient = self.readout_gradient.as_view_mut();
        kernels::multiply_by_transpose(Update::Add, logits, output, gradient);
        let output = self.output.as_view_mut();
        kernels::multiply_transposed(Update::Replace, weights, logits, output);
    }
}

/// Losses, and whether truncated.
const LOSSES: [(Loss, bool); 4] = [
    (Loss::Terminal, false),
    (Loss::EveryStep, false),
    (Loss::EveryStep, true),
    (Loss::Readout, false),
];

/// Several chunks of steps, the last of them incomplete.
const LONGEST: usize = 1200;

/// A tape and a workspace that have seen the longest run, on a thread whose kernel has set itself
/// up for every product.
fn warmed_up(kind: &Kind, batch: usize) -> (Tape, Workspace) {
    let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
    for (loss, truncated) in LOSSES {
        let run = Run {
            steps: LONGEST,
            batch,
            loss,
            truncated,
        };
        run.kernel(kind);
        if loss == Loss::Terminal {
            run.library(kind, &mut tape, &mut workspace);
        }
    }
    (tape, workspace)
}

#[test]
fn after_a_warm_up_only_the_matrix_kernel_allocates() {
    for kind in Kind::both() {
        for batch in [1, 16] {
            let (mut tape, mut workspace) = warmed_up(&kind, batch);
            for (loss, truncated) in LOSSES {
                for steps in [1, 50, 200, LONGEST] {
                    let run = Run {
                        steps,
                        batch,
                        loss,
                        truncated,
                    };
                    let found = run.library(&kind, &mut tape, &mut workspace);
                    let kernel = run.kernel(&kind).total();
                    assert_eq!(found, kernel, "{}, {run:?}", kind.name());
                }
            }
        }
    }
}

/// At B = 1 the kernel itself allocates in no step, so that by the test above nobody does.
#[test]
fn one_sequence_allocates_in_no_step() {
    for kind in Kind::both() {
        warmed_up(&kind, 1);
        for (loss, truncated) in LOSSES {
            for steps in [50, 200, LONGEST] {
                let run = Run {
                    steps,
                    batch: 1,
                    loss,
                    truncated,
                };
                let kernel = run.kernel(&kind);
                assert_eq!(kernel.steps, Counts::default(), "{}, {run:?}", kind.name());
                // A packed product allocates at most twice: room for both operands, and a list of
                // what has been packed. One goes forward and three come back.
                let chunks = steps.div_ceil(chunk_steps(1)) as u64;
                assert!(kernel.chunks.forward <= 2 * chunks, "{kernel:?}");
                assert!(kernel.chunks.backward <= 6 * chunks, "{kernel:?}");
            }
        }
    }
}

/// At B = 16 steps allocate, but no more than the products they consist of: at most two each.
#[test]
fn many_sequences_allocate_at_most_twice_per_product() {
    for kind in Kind::both() {
        warmed_up(&kind, 16);
        // The pull-back; the Gram matrices of δ and h, and δ·xᵀ; a readout's three.
        for (loss, products_back) in [(Loss::Terminal, 4), (Loss::Readout, 7)] {
            let steps = 200;
            let run = Run {
                steps,
                batch: 16,
                loss,
                truncated: false,
            };
            let kernel = run.kernel(&kind).steps;
            let steps = steps as u64;
            assert!(kernel.forward <= 2 * steps, "{}, {kernel:?}", kind.name());
            let most = 2 * products_back * steps;
            assert!(kernel.backward <= most, "{}, {kernel:?}", kind.name());
        }
    }
}

/// Without reference to the kernel: whole chunks cost the same each, however many there are.
#[test]
fn allocations_are_proportional_to_the_number_of_chunks() {
    for kind in Kind::both() {
        for batch in [1, 16] {
            let (mut tape, mut workspace) = warmed_up(&kind, batch);
            for loss in [Loss::Terminal, Loss::EveryStep, Loss::Readout] {
                let mut of_chunks = |chunks: usize| {
                    let run = Run {
                        steps: chunks * chunk_steps(batch),
                        batch,
                        loss,
                        truncated: false,
                    };
                    run.library(&kind, &mut tape, &mut workspace)
                };
                let (one, two) = (of_chunks(1), of_chunks(2));
                let doubled = Counts {
                    forward: 2 * one.forward,
                    backward: 2 * one.backward,
                };
                assert_eq!(two, doubled, "{}, B = {batch}, {loss:?}", kind.name());
            }
        }
    }
}

/// The counter does see what is ours: a first run makes the tape and the workspace.
#[test]
fn a_first_run_allocates_tape_and_workspace() {
    for kind in Kind::both() {
        for batch in [1, 16] {
            let (mut tape, mut workspace) = warmed_up(&kind, batch);
            let run = Run {
                steps: 50,
                batch,
                loss: Loss::Terminal,
                truncated: false,
            };
            let warm = run.library(&kind, &mut tape, &mut workspace);
            let cold = run.library(&kind, &mut Tape::new(), &mut Workspace::new());
            // States and the projected inputs at the least; six adjoint buffers.
            assert!(cold.forward >= warm.forward + 2, "{cold:?}, {warm:?}");
            assert!(cold.backward >= warm.backward + 6, "{cold:?}, {warm:?}");
        }
    }
}
