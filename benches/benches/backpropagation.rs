//! A whole run, forward and backward, with more and more recorded.
//!
//! T = 100 steps, I = 8 inputs, L = ½‖h_T − y‖². What is recorded on the way:
//!
//! * `off`: nothing, the cost of the bare adjoint;
//! * `norms`: the norms of the gradients of h (and c) at every t;
//! * `norms+weights`: those and ∂L/∂W for all parameters: the job of the scripts in `peers/`;
//! * `everything`: also gate statistics, the path split, contributions of every step to ∂L/∂W and
//!   input gradients.
//!
//! Tape and workspace are reused from run to run; probes are made anew for each run, as a sweep
//! does, and that is part of the time.
//!
//! Throughput, P = H or 4H: `norms+weights` and `everything` count 6·P·(H + I + 1)·T·B
//! floating-point operations, `off` and `norms` 4·P·H·T·B + 2·P·I·T·B (see [`benches::flops`]).
//! `Gelem/s` reads GFLOP/s. `everything` does more than it counts, so its rate falls with the cost
//! of recording.

use std::hint::black_box;
use std::time::Duration;

use benches::{Kind, Problem, flops, settings};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use gradient_tracking::probes::{
    BlockNorms, ContributionNorms, GateStatistics, InputGradientNorms, ParameterGradient, PathSplit,
};
use gradient_tracking::{Probe, Tape, Workspace, backpropagate, rollout};

const STEPS: usize = 100;
const HIDDEN: [usize; 5] = [16, 64, 128, 256, 512];
const BATCH: [usize; 2] = [1, 32];

/// What is recorded; each level includes those before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Recorded {
    Off,
    Norms,
    Weights,
    Everything,
}

const RECORDED: [(Recorded, &str); 4] = [
    (Recorded::Off, "off"),
    (Recorded::Norms, "norms"),
    (Recorded::Weights, "norms+weights"),
    (Recorded::Everything, "everything"),
];

impl Recorded {
    fn probes<'a>(self, problem: &'a Problem) -> Vec<Box<dyn Probe + 'a>> {
        let cell = &*problem.cell;
        let (steps, batch) = (problem.steps, problem.batch);
        let mut probes: Vec<Box<dyn Probe>> = Vec::new();
        if self >= Recorded::Norms {
            probes.push(Box::new(BlockNorms::new(cell, steps, batch, false)));
        }
        if self >= Recorded::Weights {
            probes.push(Box::new(ParameterGradient::new(cell, steps, batch)));
        }
        if self >= Recorded::Everything {
            probes.push(Box::new(GateStatistics::new(cell, steps, batch)));
            probes.push(Box::new(ContributionNorms::new(cell, steps, batch)));
            probes.push(Box::new(InputGradientNorms::new(cell, steps, batch, false)));
            if let Some(path_split) = PathSplit::new(cell, steps, batch) {
                probes.push(Box::new(path_split));
            }
        }
        probes
    }
}

fn run<'a>(
    problem: &'a Problem,
    recorded: Recorded,
    tape: &mut Tape,
    workspace: &mut Workspace,
) -> Vec<Box<dyn Probe + 'a>> {
    let cell = &*problem.cell;
    let inputs = problem.inputs.as_view();
    let initial = problem.initial.as_view();
    let mut owned = recorded.probes(problem);
    let mut probes: Vec<&mut dyn Probe> = Vec::with_capacity(owned.len());
    for probe in &mut owned {
        probes.push(&mut **probe);
    }
    rollout(cell, inputs, initial, tape, &mut probes)
        .and_then(|()| {
            let mut loss = problem.loss();
            backpropagate(cell, inputs, tape, &mut loss, None, workspace, &mut probes)
        })
        .expect("tanh and gates are bounded and the adjoint is rescaled");
    owned
}

fn runs(c: &mut Criterion) {
    let mut tape = Tape::new();
    let mut workspace = Workspace::new();
    for kind in Kind::ALL {
        for hidden in HIDDEN {
            for batch in BATCH {
                let problem = Problem::new(kind, hidden, STEPS, batch);
                for (recorded, name) in RECORDED {
                    let weights = recorded >= Recorded::Weights;
                    let operations = flops(problem.cell.shape(), STEPS, batch, weights);
                    let size = format!("H={hidden},B={batch},T={STEPS}");
                    let mut group =
                        c.benchmark_group(format!("backpropagation/{}/{name}", kind.name()));
                    group.throughput(Throughput::Elements(operations));
                    // Runs are long: as many in every sample, and time enough for the longest.
                    group.sampling_mode(SamplingMode::Flat);
                    group.measurement_time(Duration::from_secs(1 + operations / 3_000_000_000));
                    group.bench_function(BenchmarkId::from_parameter(size), |b| {
                        b.iter(|| run(black_box(&problem), recorded, &mut tape, &mut workspace));
                    });
                    group.finish();
                }
            }
        }
    }
}

criterion_group! {
    name = backpropagation;
    config = settings(Duration::from_secs(1));
    targets = runs
}
criterion_main!(backpropagation);
