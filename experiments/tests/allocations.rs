//! Nothing is allocated while a network runs forward or backward.
//!
//! A counting allocator counts what each thread asks for. After one warm-up run with the same tape
//! and workspace, a rollout and a way back with every probe ask for no memory at all: not per step,
//! not per chunk of steps, and neither does the matrix kernel, for one sequence or many.

// A global allocator is an unsafe trait; nothing else here is unsafe.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::num::NonZeroUsize;

use cell_config::{LawContext, Streams};
use experiments::registry::{Cell, KINDS};
use gradient_tracking::probes::{
    BlockNorms, ContributionNorms, GateStatistics, InputGradientNorms, LossState,
    ParameterGradient, PathSplit, SingularValues, UnitGradients,
};
use gradient_tracking::source::{EveryStep, Readout, Target, Terminal};
use gradient_tracking::{
    AdjointSource, Probe, RecurrentCell, Tape, Trainable, Workspace, backpropagate,
    backpropagate_layers, rollout, rollout_layers,
};
use lyapunov::{Lyapunov, Options};
use nalgebra::{DMatrix, DVector};
use serde_json::json;

/// The system's allocator, counting per thread: tests run beside each other.
struct Counting;

thread_local! {
    // Constant and without a destructor, so that touching it allocates nothing.
    static ALLOCATIONS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
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

/// A cell of this kind, for inputs of this size.
fn cell(kind: &str, input: usize) -> Box<dyn Trainable> {
    let config = Cell::deserialize(kind, json!({ "hidden": HIDDEN })).unwrap();
    let streams = Streams {
        seed: 20,
        replicate: 0,
    };
    let weights = streams.weights(kind);
    let built = config.build(input, &weights, LawContext::default());
    built.unwrap().cell
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
    fn library(self, cell: &dyn Trainable, tape: &mut Tape, workspace: &mut Workspace) -> Counts {
        let Run { steps, batch, .. } = self;
        let output = cell.shape().output;
        let inputs = filled(INPUT, steps * batch, 1.0);
        let initial = filled(cell.shape().state, batch, 0.5);
        let adjoints = filled(output, steps * batch, 1.0);
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
                let weights = filled(CLASSES, output, 0.3);
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
        let mut gradient = ParameterGradient::new(cell, steps, batch);
        let mut units = UnitGradients::new(cell, vec![0, steps]);
        // Singular values of the last steps: a Jacobian of each costs more than all the rest.
        let mut singular_values =
            SingularValues::new(cell, (steps.saturating_sub(20)..=steps).collect());
        let mut exponents = Lyapunov::new(
            cell,
            0,
            Options {
                exponents: Some(2),
                transient: steps / 10,
                ..Options::default()
            },
        );
        let loss_times: Vec<usize> = (1..=steps).rev().step_by(500).collect();
        let loss_times: Vec<usize> = loss_times.into_iter().rev().collect();
        let losses = loss_times.len() * batch;
        let loss_adjoints = filled(output, losses, 1.0);
        let mut loss_state = LossState::new(
            cell,
            loss_times,
            vec![0, steps],
            batch,
            loss_adjoints.as_view(),
        );
        let mut probes: Vec<&mut dyn Probe> = vec![
            &mut units,
            &mut singular_values,
            &mut exponents,
            &mut loss_state,
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
            result = rollout(cell, inputs, initial, tape, &mut probes);
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
        assert!(units.blocks[0].log10_norm.iter().any(|v| v.is_finite()));
        assert!(singular_values.log10_values[0].is_finite());
        assert!(exponents.spectrum().exponents[0].is_finite());
        assert!(loss_state.blocks[0].1.iter().any(|v| v.is_finite()));
        Counts { forward, backward }
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

/// A tape and a workspace that have seen the longest run.
fn warmed_up(cell: &dyn Trainable, batch: usize) -> (Tape, Workspace) {
    let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
    let run = Run {
        steps: LONGEST,
        batch,
        loss: Loss::Terminal,
        truncated: false,
    };
    run.library(cell, &mut tape, &mut workspace);
    (tape, workspace)
}

#[test]
fn after_a_warm_up_nothing_allocates() {
    for kind in KINDS {
        let cell = cell(kind, INPUT);
        assert_eq!(PathSplit::new(&*cell, 1, 1).is_some(), *kind == "lstm");
        for batch in [1, 16] {
            let (mut tape, mut workspace) = warmed_up(&*cell, batch);
            for (loss, truncated) in LOSSES {
                for steps in [1, 50, 200, LONGEST] {
                    let run = Run {
                        steps,
                        batch,
                        loss,
                        truncated,
                    };
                    let found = run.library(&*cell, &mut tape, &mut workspace);
                    assert_eq!(found, Counts::default(), "{kind}, {run:?}");
                }
            }
        }
    }
}

/// Layers of two kinds, with a loss at every step and detached states.
#[test]
fn layers_allocate_nothing_after_a_warm_up() {
    let (rnn, lstm) = (cell("vanilla-rnn", INPUT), cell("lstm", HIDDEN));
    let layers: [&dyn RecurrentCell; 2] = [&*rnn, &*lstm];
    let mut tapes = [Tape::new(), Tape::new()];
    let mut workspaces = [Workspace::new(), Workspace::new()];
    for batch in [1, 16] {
        for (round, steps) in [LONGEST, 1, 200, LONGEST].into_iter().enumerate() {
            let inputs = filled(INPUT, steps * batch, 1.0);
            let initial = [HIDDEN, 2 * HIDDEN].map(|rows| filled(rows, batch, 0.5));
            let initial = [initial[0].as_view(), initial[1].as_view()];
            let adjoints = filled(HIDDEN, steps * batch, 1.0);
            let mut source = EveryStep {
                adjoints: adjoints.as_view(),
            };
            let mut norms = layers.map(|cell| BlockNorms::new(cell, steps, batch, true));
            let [lower, upper] = &mut norms;
            let mut result = Ok(());
            let found = allocations(|| {
                result = rollout_layers(&layers, inputs.as_view(), &initial, &mut tapes, &mut []);
                result = result.and(backpropagate_layers(
                    &layers,
                    inputs.as_view(),
                    &tapes,
                    &mut source,
                    NonZeroUsize::new(TRUNCATION),
                    &mut workspaces,
                    &mut [&mut [lower], &mut [upper]],
                ));
            });
            result.unwrap();
            assert!(norms[0].blocks[0].node.log10_norm[1].is_finite());
            // The first run of this width makes the buffers.
            assert_eq!(found > 0, round == 0, "B = {batch}, T = {steps}: {found}");
        }
    }
}

/// The counter does see what is ours: a first run makes the tape and the workspace.
#[test]
fn a_first_run_allocates_tape_and_workspace() {
    for kind in KINDS {
        let cell = cell(kind, INPUT);
        for batch in [1, 16] {
            let run = Run {
                steps: 50,
                batch,
                loss: Loss::Terminal,
                truncated: false,
            };
            let cold = run.library(&*cell, &mut Tape::new(), &mut Workspace::new());
            // States at the least; five adjoint buffers.
            assert!(cold.forward >= 1, "{kind}: {cold:?}");
            assert!(cold.backward >= 5, "{kind}: {cold:?}");
        }
    }
}
