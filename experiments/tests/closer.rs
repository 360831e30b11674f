//! Loss × state matrices and gradients by unit against what the ordinary way back gives, and against
//! closed forms.

use std::num::NonZeroUsize;

use gradient_tracking::probes::{BlockNorms, LossState, UnitGradients};
use gradient_tracking::scaled::scale_by_power_of_two;
use gradient_tracking::source::{EveryStep, Terminal};
use gradient_tracking::{
    AdjointSource, BackwardStep, Probe, RecurrentCell, Tape, View, ViewMut, Workspace,
    backpropagate, rollout,
};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use vanilla_rnn::{Activation, VanillaRnn};

const HIDDEN: usize = 5;
const INPUT: usize = 3;
const STEPS: usize = 40;
const BATCH: usize = 3;

/// The same sums in another order, over 40 steps of networks that do not amplify.
const ROUNDING: f64 = 1e-12;

fn random(rng: &mut ChaCha8Rng, rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| scale * rng.random_range(-1.0..1.0))
}

struct Case {
    name: &'static str,
    cell: Box<dyn RecurrentCell>,
    inputs: DMatrix<f64>,
    /// ∂L_τ/∂h_τ for τ = 1…T.
    adjoints: DMatrix<f64>,
    tape: Tape,
}

fn cases() -> Vec<Case> {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let rnn = VanillaRnn::new(
        Activation::Relu,
        random(rng, HIDDEN, HIDDEN, 0.6),
        random(rng, HIDDEN, INPUT, 1.0),
        random(rng, HIDDEN, 1, 0.3).column(0).into_owned(),
    );
    let lstm = Lstm::new(
        random(rng, 4 * HIDDEN, HIDDEN, 0.7),
        random(rng, 4 * HIDDEN, INPUT, 1.0),
        random(rng, 4 * HIDDEN, 1, 0.5).column(0).into_owned(),
        true,
    );
    let cells: [(&str, Box<dyn RecurrentCell>); 2] =
        [("relu RNN", Box::new(rnn)), ("LSTM", Box::new(lstm))];
    let cases = cells.into_iter().map(|(name, cell)| {
        let inputs = random(rng, INPUT, STEPS * BATCH, 1.0);
        let initial = random(rng, cell.shape().state, BATCH, 0.5);
        let mut tape = Tape::new();
        let (x, s) = (inputs.as_view(), initial.as_view());
        rollout(&*cell, x, s, &mut tape, &mut []).unwrap();
        Case {
            name,
            adjoints: random(rng, HIDDEN, STEPS * BATCH, 1.0),
            cell,
            inputs,
            tape,
        }
    });
    cases.collect()
}

impl Case {
    fn back(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
        probes: &mut [&mut dyn Probe],
    ) {
        let truncation = truncation.and_then(NonZeroUsize::new);
        let mut workspace = Workspace::new();
        backpropagate(
            &*self.cell,
            self.inputs.as_view(),
            &self.tape,
            source,
            truncation,
            &mut workspace,
            probes,
        )
        .unwrap();
    }

    /// A probe is shown a way back from no loss at all: it brings its own.
    fn without_loss(&self, truncation: Option<usize>, probe: &mut dyn Probe) {
        let nothing = DMatrix::zeros(HIDDEN, BATCH);
        let mut source = Terminal {
            steps: STEPS,
            adjoint: nothing.as_view(),
        };
        self.back(&mut source, truncation, &mut [probe]);
    }
}

/// L_τ = ⟨V, h_τ⟩ alone.
struct At<'a> {
    tau: usize,
    adjoint: View<'a>,
}

impl AdjointSource for At<'_> {
    fn inject(&mut self, t: usize, _: View, mut adjoint: ViewMut) -> bool {
        if t == self.tau {
            adjoint.copy_from(&self.adjoint);
        }
        t == self.tau
    }
}

/// Row τ of the matrix is the curve of a way back from L_τ alone, truncated or not, whatever steps are
/// left out.
#[test]
fn every_row_is_the_way_back_of_its_own_loss() {
    for case in cases() {
        for truncation in [None, Some(7)] {
            let loss_times = vec![1, 2, 19, 26, 33, 40];
            let state_times = vec![0, 1, 5, 18, 19, 26, 32, 40];
            let mut adjoints = DMatrix::zeros(HIDDEN, loss_times.len() * BATCH);
            for (k, tau) in loss_times.iter().enumerate() {
                let own = case.adjoints.columns((tau - 1) * BATCH, BATCH);
                adjoints.columns_mut(k * BATCH, BATCH).copy_from(&own);
            }
            let mut probe = LossState::new(
                &*case.cell,
                loss_times.clone(),
                state_times.clone(),
                BATCH,
                adjoints.as_view(),
            );
            case.without_loss(truncation, &mut probe);
            assert_eq!(probe.overflow, None);
            let mut zeros = 0;
            for (row, tau) in loss_times.iter().enumerate() {
                let mut source = At {
                    tau: *tau,
                    adjoint: adjoints.columns(row * BATCH, BATCH),
                };
                let mut norms = BlockNorms::new(&*case.cell, STEPS, BATCH, false);
                case.back(&mut source, truncation, &mut [&mut norms]);
                for ((name, found), wanted) in probe.blocks.iter().zip(&norms.blocks) {
                    assert_eq!(*name, wanted.name);
                    for (column, t) in state_times.iter().enumerate() {
                        let found = found[row * state_times.len() + column];
                        let wanted = wanted.node.log10_norm[*t];
                        let is_zero = wanted == f64::NEG_INFINITY;
                        zeros += usize::from(is_zero && t <= tau);
                        assert!(
                            found == wanted || (found - wanted).abs() < ROUNDING,
                            "{} {name}, τ = {tau}, t = {t}: {found}, expected {wanted}",
                            case.name
                        );
                        assert!(t <= tau || is_zero);
                    }
                }
            }
            assert_eq!(zeros > 0, truncation.is_some(), "{}", case.name);
        }
    }
}

/// Losses that fade at rates of their own keep exponents of their own: W = ½·Q passes on 2^{−(τ−t)},
/// 10⁻⁶⁰⁰ beside 1.
#[test]
fn every_loss_decays_from_its_own_step() {
    let steps = 2000;
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let orthogonal = random(rng, 4, 4, 1.0).qr().q();
    let cell = VanillaRnn::new(
        Activation::Identity,
        0.5 * orthogonal,
        DMatrix::zeros(4, 1),
        DVector::zeros(4),
    );
    let (inputs, initial) = (DMatrix::zeros(1, steps), DMatrix::zeros(4, 1));
    let mut tape = Tape::new();
    let (x, s) = (inputs.as_view(), initial.as_view());
    rollout(&cell, x, s, &mut tape, &mut []).unwrap();
    let times = vec![1, 1000, 2000];
    let adjoints = DMatrix::from_element(4, 3, 0.5);
    let mut probe = LossState::new(&cell, times.clone(), times, 1, adjoints.as_view());
    let nothing = DMatrix::zeros(4, 1);
    let mut source = Terminal {
        steps,
        adjoint: nothing.as_view(),
    };
    let mut workspace = Workspace::new();
    let probes: &mut [&mut dyn Probe] = &mut [&mut probe];
    backpropagate(&cell, x, &tape, &mut source, None, &mut workspace, probes).unwrap();
    let none = f64::NEG_INFINITY;
    let wanted = [
        [0.0, none, none],
        [-999.0, 0.0, none],
        [-1999.0, -1000.0, 0.0],
    ];
    for (found, wanted) in probe.blocks[0].1.iter().zip(wanted.as_flattened()) {
        // 2000 products with an orthogonal matrix of entries rounded at 10⁻¹⁶.
        let wanted = wanted * 2.0_f64.log10();
        assert!(
            *found == wanted || (found - wanted).abs() < 1e-11,
            "{found} {wanted}"
        );
    }
}

/// All node gradients, un-scaled, S×B at t = T…0.
#[derive(Default)]
struct Nodes(Vec<DMatrix<f64>>);

impl Probe for Nodes {
    fn backward(&mut self, step: &BackwardStep) {
        let node = step.node;
        self.0.push(DMatrix::from_fn(
            node.values.nrows(),
            node.values.ncols(),
            |i, j| scale_by_power_of_two(node.values[(i, j)], node.exponents[j]),
        ));
    }
}

/// The norm of a unit is that of its row, and their squares add up to that of the whole.
#[test]
fn units_have_the_norms_of_their_rows() {
    for case in cases() {
        let times = vec![0, 3, 17, 39, 40];
        let mut units = UnitGradients::new(&*case.cell, times.clone());
        let mut norms = BlockNorms::new(&*case.cell, STEPS, BATCH, false);
        let mut nodes = Nodes::default();
        let mut source = EveryStep {
            adjoints: case.adjoints.as_view(),
        };
        case.back(&mut source, None, &mut [&mut units, &mut norms, &mut nodes]);
        for (b, (block, whole)) in units.blocks.iter().zip(&norms.blocks).enumerate() {
            for (k, t) in times.iter().enumerate() {
                let own = &block.log10_norm[k * HIDDEN..(k + 1) * HIDDEN];
                let node = &nodes.0[STEPS - t];
                for (u, found) in own.iter().enumerate() {
                    let wanted = node.row(b * HIDDEN + u).norm().log10();
                    assert!(
                        *found == wanted || (found - wanted).abs() < ROUNDING,
                        "{} {}, t = {t}, unit {u}: {found}, expected {wanted}",
                        case.name,
                        block.name
                    );
                }
                let sum: f64 = own.iter().map(|norm| 10.0_f64.powf(2.0 * norm)).sum();
                let difference = 0.5 * sum.log10() - whole.node.log10_norm[*t];
                assert!(difference.abs() < ROUNDING, "{}", case.name);
            }
        }
    }
}
