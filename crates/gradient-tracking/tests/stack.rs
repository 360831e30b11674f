//! Stacks of layers: as one cell, and layer by layer with exponents of their own.

use std::num::NonZeroUsize;
use std::ops::Range;

use gradient_tracking::conformance::{Options, check};
use gradient_tracking::probes::{
    BlockNorms, ContributionNorms, InputGradientNorms, ParameterGradient, PathSplit,
};
use gradient_tracking::scaled::{Scaled, scale_by_power_of_two};
use gradient_tracking::source::{EveryStep, Terminal};
use gradient_tracking::{
    AdjointSource, BackwardStep, Horizon, Inputs, LayerMismatch, NonFinite, Probe, ProbeList,
    Probes, RecurrentCell, Stack, Tape, Trainable, View, Workspace, backpropagate,
    backpropagate_layers, rollout, rollout_layers, with_checkpoints,
};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use vanilla_rnn::{Activation, VanillaRnn};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Rnn,
    Lstm,
}
use Kind::Rnn;

/// Weights of order 1/√H, so that neither saturation nor decay hides a wrong term.
fn layer(kind: Kind, hidden: usize, input: usize, rng: &mut ChaCha8Rng) -> Box<dyn Trainable> {
    let mut draw = |scale: f64| scale * rng.random_range(-1.0..1.0);
    let scale = 1.5 / (hidden as f64).sqrt();
    let rows = match kind {
        Rnn => hidden,
        Kind::Lstm => 4 * hidden,
    };
    let recurrent = DMatrix::from_fn(rows, hidden, |_, _| draw(scale));
    let input = DMatrix::from_fn(rows, input, |_, _| draw(1.0));
    let bias = DVector::from_fn(rows, |_, _| draw(0.5));
    match kind {
        Rnn => Box::new(VanillaRnn::new(Activation::Tanh, recurrent, input, bias)),
        Kind::Lstm => Box::new(Lstm::new(recurrent, input, bias, true)),
    }
}

fn stack(layers: &[(Kind, usize)], input: usize, rng: &mut ChaCha8Rng) -> Stack {
    let mut size = input;
    let cells = layers.iter().map(|(kind, hidden)| {
        let cell = layer(*kind, *hidden, size, rng);
        size = *hidden;
        cell
    });
    Stack::new(cells.collect()).unwrap()
}

fn mixtures() -> impl Strategy<Value = Vec<(Kind, usize)>> {
    let sizes = || 1_usize..6;
    prop_oneof![
        (sizes(), sizes()).prop_map(|(a, b)| vec![(Rnn, a), (Rnn, b)]),
        (sizes(), sizes()).prop_map(|(a, b)| vec![(Kind::Lstm, a), (Kind::Lstm, b)]),
        (sizes(), sizes(), sizes()).prop_map(|(a, b, c)| vec![
            (Kind::Lstm, a),
            (Rnn, b),
            (Kind::Lstm, c)
        ]),
        sizes().prop_map(|a| vec![(Kind::Lstm, a)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conforms(
        seed: u64,
        layers in mixtures(),
        input in 1_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..5,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cell = stack(&layers, input, &mut rng);
        let options = Options {
            steps,
            batch,
            // Only those of the same layer are.
            units_are_interchangeable: false,
            ..Options::default()
        };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}

/// Keeps whole gradients, t = 0…T.
struct History {
    node: Vec<DMatrix<f64>>,
    carried: Vec<DMatrix<f64>>,
}

impl History {
    fn new(steps: usize) -> Self {
        History {
            node: vec![DMatrix::zeros(0, 0); steps + 1],
            carried: vec![DMatrix::zeros(0, 0); steps + 1],
        }
    }
}

impl Probe for History {
    fn backward(&mut self, step: &BackwardStep) {
        let plain = |scaled: Scaled| {
            DMatrix::from_fn(scaled.values.nrows(), scaled.values.ncols(), |i, j| {
                scale_by_power_of_two(scaled.values[(i, j)], scaled.exponents[j])
            })
        };
        self.node[step.t] = plain(step.node);
        self.carried[step.t] = plain(step.carried);
    }
}

/// A network with its inputs and initial state.
struct Problem {
    stack: Stack,
    inputs: DMatrix<f64>,
    initial: DMatrix<f64>,
    steps: usize,
    batch: usize,
}

impl Problem {
    fn draw(layers: &[(Kind, usize)], steps: usize, batch: usize, rng: &mut ChaCha8Rng) -> Self {
        let stack = stack(layers, 3, rng);
        let mut matrix =
            |rows, columns| DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.0..1.0));
        Problem {
            inputs: matrix(3, steps * batch),
            initial: matrix(stack.shape().state, batch),
            stack,
            steps,
            batch,
        }
    }

    fn layers(&self) -> Vec<&dyn RecurrentCell> {
        let layers = self.stack.layers().iter();
        layers.map(|layer| &**layer as &dyn RecurrentCell).collect()
    }

    fn rows(&self) -> Vec<Range<usize>> {
        self.stack.state_rows().collect()
    }

    fn initial(&self) -> Vec<View<'_>> {
        let rows = self.rows().into_iter();
        rows.map(|rows| self.initial.rows_range(rows)).collect()
    }

    fn tapes(&self) -> Vec<Tape> {
        let layers = self.layers();
        let mut tapes = vec![Tape::new(); layers.len()];
        let (inputs, initial) = (self.inputs.as_view(), self.initial());
        rollout_layers(&layers, inputs, &initial, &mut tapes, &mut []).unwrap();
        tapes
    }

    /// Layer by layer.
    fn back(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
        probes: &mut [ProbeList],
    ) {
        let layers = self.layers();
        backpropagate_layers(
            &layers,
            self.inputs.as_view(),
            &self.tapes(),
            source,
            truncation.and_then(NonZeroUsize::new),
            &mut vec![Workspace::new(); layers.len()],
            probes,
        )
        .unwrap();
    }

    /// Layer by layer: all gradients, and those of the parameters one layer after the other.
    fn layered(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
    ) -> (Vec<History>, Vec<f64>) {
        let layers = self.stack.layers();
        let mut histories: Vec<_> = layers.iter().map(|_| History::new(self.steps)).collect();
        let mut parameters: Vec<_> = layers
            .iter()
            .map(|cell| ParameterGradient::new(&**cell, self.steps, self.batch))
            .collect();
        let mut lists: Vec<[&mut dyn Probe; 2]> = histories
            .iter_mut()
            .zip(&mut parameters)
            .map(|(history, parameters)| [history as &mut dyn Probe, parameters])
            .collect();
        let mut lists: Vec<ProbeList> = lists.iter_mut().map(|list| &mut list[..]).collect();
        self.back(source, truncation, &mut lists);
        let parameters = parameters.iter().flat_map(ParameterGradient::to_f64);
        (histories, parameters.collect())
    }

    /// As one cell.
    fn joint(
        &self,
        source: &mut dyn AdjointSource,
        truncation: Option<usize>,
    ) -> (Tape, History, Vec<f64>) {
        let mut tape = Tape::new();
        let (inputs, initial) = (self.inputs.as_view(), self.initial.as_view());
        rollout(&self.stack, inputs, initial, &mut tape, &mut []).unwrap();
        let mut history = History::new(self.steps);
        let mut parameters = ParameterGradient::new(&self.stack, self.steps, self.batch);
        backpropagate(
            &self.stack,
            inputs,
            &tape,
            source,
            truncation.and_then(NonZeroUsize::new),
            &mut Workspace::new(),
            &mut [&mut history, &mut parameters],
        )
        .unwrap();
        (tape, history, parameters.to_f64())
    }
}

/// The same sums in another order, over at most 30 steps whose Jacobians have norms of order 1.
const ROUNDING: f64 = 1e-12;

#[track_caller]
fn assert_close(what: &str, found: View, expected: View) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let (error, norm) = ((found - expected).norm(), expected.norm());
    assert!(error <= ROUNDING * norm, "{what}: {error:e} of {norm:e}");
}

const MIXED: [(Kind, usize); 3] = [(Kind::Lstm, 4), (Rnn, 2), (Kind::Lstm, 3)];

#[test]
fn layer_by_layer_is_the_joint_cell() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // 30 steps of 40 sequences are three chunks of steps, the last one incomplete.
    let problem = Problem::draw(&MIXED, 30, 40, &mut rng);
    let adjoints = DMatrix::from_fn(3, 30 * 40, |_, _| rng.random_range(-1.0..1.0));
    for truncation in [None, Some(1), Some(7), Some(13)] {
        let source = || EveryStep {
            adjoints: adjoints.as_view(),
        };
        let (tape, joint, joint_parameters) = problem.joint(&mut source(), truncation);
        let (layered, parameters) = problem.layered(&mut source(), truncation);
        let tapes = problem.tapes();
        for (k, rows) in problem.rows().into_iter().enumerate() {
            for t in 0..=problem.steps {
                let what = format!("layer {k}, t = {t}, truncation {truncation:?}");
                let expected = tape.state(t).rows_range(rows.clone()).into_owned();
                assert_close(&what, tapes[k].state(t), expected.as_view());
                for (found, expected) in [
                    (&layered[k].node[t], &joint.node[t]),
                    (&layered[k].carried[t], &joint.carried[t]),
                ] {
                    let expected = expected.rows_range(rows.clone()).into_owned();
                    assert_close(&what, found.as_view(), expected.as_view());
                }
            }
        }
        let columns = |values: &[f64]| DMatrix::from_column_slice(values.len(), 1, values);
        let (found, expected) = (columns(&parameters), columns(&joint_parameters));
        assert_close("parameters", found.as_view(), expected.as_view());
    }
}

/// Up to the lag at which states are detached every gradient is that of the whole trajectory, in
/// every layer; beyond it there is none.
#[test]
fn truncation_leaves_gradients_up_to_its_lag_as_they_are() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let problem = Problem::draw(&MIXED, 20, 2, &mut rng);
    let adjoint = DMatrix::from_fn(3, 2, |_, _| rng.random_range(-1.0..1.0));
    let mut source = Terminal {
        steps: 20,
        adjoint: adjoint.as_view(),
    };
    let (whole, _) = problem.layered(&mut source, None);
    let (cut, _) = problem.layered(&mut source, Some(6));
    for (whole, cut) in whole.iter().zip(&cut) {
        for t in 0..=20 {
            for (whole, cut) in [
                (&whole.node[t], &cut.node[t]),
                (&whole.carried[t], &cut.carried[t]),
            ] {
                if t >= 14 {
                    assert_eq!(whole, cut, "t = {t}");
                } else {
                    assert_eq!(cut.norm(), 0.0, "t = {t}");
                }
            }
        }
    }
}

/// D + G is the node gradient of c in every LSTM layer, whatever enters it from above.
#[test]
fn the_paths_of_every_layer_add_up() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    // One unit: then norms are absolute values, and the sum of two of them is the third where the
    // signs agree, their difference where they do not.
    let problem = Problem::draw(&[(Kind::Lstm, 1), (Kind::Lstm, 1)], 25, 1, &mut rng);
    let adjoints = DMatrix::from_fn(1, 25, |_, _| rng.random_range(-1.0..1.0));
    for truncation in [None, Some(4)] {
        let layers = problem.stack.layers();
        let mut probes: Vec<_> = layers
            .iter()
            .map(|cell| {
                let split = PathSplit::new(&**cell, 25, 1).unwrap();
                (split, BlockNorms::new(&**cell, 25, 1, false))
            })
            .collect();
        let mut lists: Vec<[&mut dyn Probe; 2]> = probes
            .iter_mut()
            .map(|(split, norms)| [split as &mut dyn Probe, norms])
            .collect();
        let mut lists: Vec<ProbeList> = lists.iter_mut().map(|list| &mut list[..]).collect();
        let mut source = EveryStep {
            adjoints: adjoints.as_view(),
        };
        problem.back(&mut source, truncation, &mut lists);
        for (split, norms) in &probes {
            for t in 0..=25 {
                let size = |log10_norm: f64| 10.0_f64.powf(log10_norm);
                let direct = size(split.direct.log10_norm[t]);
                let gated = size(split.gated.log10_norm[t]);
                let whole = size(norms.blocks[1].node.log10_norm[t]);
                let error = (whole - (direct + gated))
                    .abs()
                    .min((whole - (direct - gated).abs()).abs());
                // The logarithms are good to about 10⁻¹⁵.
                assert!(error <= 1e-13 * (direct + gated), "t = {t}, {truncation:?}");
            }
        }
    }
}

/// A long memory below a layer that forgets at once. What is left in the upper layer after T steps
/// is as far below the lower one as 10⁻⁹⁰⁰, and still a number with all its digits.
#[test]
fn a_layer_far_below_its_neighbour_keeps_its_norm() {
    let (steps, forget, recurrent) = (3000, 6.0_f64, 0.5_f64);
    let forget_gate = 1.0 / (1.0 + (-forget).exp());
    // Below, f = σ(6) and nothing else acts on c; h = o·tanh c feeds a linear unit with W_hh = ½.
    let memory = Lstm::new(
        DMatrix::zeros(4, 1),
        DMatrix::zeros(4, 1),
        DVector::from_column_slice(&[0.0, forget, 0.0, 0.0]),
        true,
    );
    let one = |value| DMatrix::from_element(1, 1, value);
    let linear = VanillaRnn::new(
        Activation::Identity,
        one(recurrent),
        one(1.0),
        DVector::zeros(1),
    );
    let layers: [&dyn RecurrentCell; 2] = [&memory, &linear];
    let inputs = DMatrix::zeros(1, steps);
    let (lower, upper) = (DMatrix::zeros(2, 1), DMatrix::zeros(1, 1));
    let initial = [lower.as_view(), upper.as_view()];
    let mut tapes = [Tape::new(), Tape::new()];
    rollout_layers(&layers, inputs.as_view(), &initial, &mut tapes, &mut []).unwrap();
    let mut below = BlockNorms::new(&memory, steps, 1, false);
    let mut above = BlockNorms::new(&linear, steps, 1, false);
    let adjoint = one(1.0);
    backpropagate_layers(
        &layers,
        inputs.as_view(),
        &tapes,
        &mut Terminal {
            steps,
            adjoint: adjoint.as_view(),
        },
        None,
        &mut [Workspace::new(), Workspace::new()],
        &mut [&mut [&mut below], &mut [&mut above]],
    )
    .unwrap();
    // c stays 0 and o ½: ∂L/∂c_T = ½, and with a_k = ½·2⁻ᵏ for what comes down at lag k,
    // C_k = f·C_{k−1} + a_k.
    let mut cell = 0.0;
    for lag in 0..=steps {
        let t = steps - lag;
        // log₁₀ is taken of numbers below 10⁻⁹⁰⁰ and sums of logarithms grow to 900.
        let tolerance = 1e-11;
        let expected = lag as f64 * f64::log10(recurrent);
        let found = above.blocks[0].node.log10_norm[t];
        assert!((found - expected).abs() < tolerance, "1.h at lag {lag}");
        cell *= forget_gate;
        if t > 0 {
            cell += 0.5 * recurrent.powi(lag as i32);
            // Nothing else reads h of the lower layer. It shares an exponent with c, so that what
            // lies 10⁻³⁰⁰ below that is lost.
            let found = below.blocks[0].node.log10_norm[t];
            let is_kept = lag > 990 || (found - expected).abs() < tolerance;
            assert!(is_kept, "0.h at lag {lag}");
        }
        let found = below.blocks[1].node.log10_norm[t];
        assert!((found - cell.log10()).abs() < tolerance, "0.c at lag {lag}");
    }
    let apart = below.blocks[1].node.log10_norm[0] - above.blocks[0].node.log10_norm[0];
    assert!(apart > 890.0, "{apart}");
}

/// All inputs at once, by segments.
struct Whole<'a>(View<'a>, usize);

impl Inputs for Whole<'_> {
    fn segment(&mut self, times: Range<usize>) -> View<'_> {
        let columns = (times.start - 1) * self.1..(times.end - 1) * self.1;
        self.0.columns_range(columns)
    }
}

/// By their bits: −0 equals 0.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn checkpoints_change_no_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (steps, batch) = (100, 50);
    let problem = Problem::draw(&MIXED, steps, batch, &mut rng);
    let adjoints = DMatrix::from_fn(3, steps * batch, |_, _| rng.random_range(-1.0..1.0));
    let run = |segment: usize, truncation: Option<usize>| {
        let layers = problem.layers();
        let mut probes: Vec<_> = problem
            .stack
            .layers()
            .iter()
            .map(|cell| {
                let norms = BlockNorms::new(&**cell, steps, batch, true);
                let parameters = ParameterGradient::new(&**cell, steps, batch);
                let contributions = ContributionNorms::new(&**cell, steps, batch);
                let inputs = InputGradientNorms::new(&**cell, steps, batch, true);
                (norms, parameters, contributions, inputs)
            })
            .collect();
        let mut lists: Vec<[&mut dyn Probe; 4]> = probes
            .iter_mut()
            .map(|(a, b, c, d)| [a as &mut dyn Probe, b, c, d])
            .collect();
        let mut nothing: Vec<[&mut dyn Probe; 0]> = layers.iter().map(|_| []).collect();
        let mut lists: Vec<Probes> = lists
            .iter_mut()
            .zip(&mut nothing)
            .map(|(backward, forward)| Probes { forward, backward })
            .collect();
        with_checkpoints(
            &layers,
            Horizon {
                steps,
                segment,
                truncation: truncation.and_then(NonZeroUsize::new),
            },
            &mut Whole(problem.inputs.as_view(), batch),
            &problem.initial(),
            &mut EveryStep {
                adjoints: adjoints.as_view(),
            },
            (
                &mut vec![Tape::new(); layers.len()],
                &mut vec![Workspace::new(); layers.len()],
            ),
            &mut lists,
        )
        .unwrap();
        let mut all = Vec::new();
        for (norms, parameters, contributions, inputs) in &probes {
            for block in &norms.blocks {
                all.push(bits(&block.node.log10_norm));
                all.push(bits(block.carried.per_sequence.as_ref().unwrap()));
            }
            all.push(bits(&parameters.values));
            let blocks = contributions.blocks.iter();
            all.extend(blocks.map(|(_, norms)| bits(&norms.log10_norm)));
            all.push(bits(&inputs.norms.log10_norm));
        }
        all
    };
    for truncation in [None, Some(7), Some(30)] {
        // Chunks are of 10 steps.
        assert_eq!(run(steps, truncation), run(30, truncation));
    }
}

#[test]
fn an_overflow_names_its_layer() {
    let one = |value| DMatrix::from_element(1, 1, value);
    let linear = |recurrent, input| {
        VanillaRnn::new(
            Activation::Identity,
            one(recurrent),
            one(input),
            DVector::zeros(1),
        )
    };
    let (lower, upper) = (linear(1.0, 1.0), linear(1e200, 1.0));
    let layers: [&dyn RecurrentCell; 2] = [&lower, &upper];
    let inputs = DMatrix::from_element(1, 5, 1.0);
    let initial = one(0.0);
    let mut tapes = [Tape::new(), Tape::new()];
    let error = rollout_layers(
        &layers,
        inputs.as_view(),
        &[initial.as_view(), initial.as_view()],
        &mut tapes,
        &mut [],
    );
    // 1, 1e200, 1e400.
    let expected = NonFinite::State {
        layer: Some(1),
        t: 3,
    };
    assert_eq!(error, Err(expected));
    assert_eq!(
        expected.to_string(),
        "the state of layer 1 overflowed (NaN or infinite) at step 3"
    );
    let alone = rollout(
        &upper,
        inputs.as_view(),
        initial.as_view(),
        &mut tapes[0],
        &mut [],
    );
    assert_eq!(
        alone.unwrap_err().to_string(),
        "the state overflowed (NaN or infinite) at step 3"
    );
}

#[test]
fn layers_must_fit_each_other() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    assert_eq!(Stack::new(Vec::new()).err(), Some(LayerMismatch::Empty));
    let layers = vec![
        layer(Rnn, 4, 3, &mut rng),
        layer(Kind::Lstm, 2, 5, &mut rng),
    ];
    let error = Stack::new(layers).err().unwrap();
    assert_eq!(
        error.to_string(),
        "layer 1 takes inputs of size 5, but layer 0 has outputs of size 4"
    );
}

#[test]
fn blocks_are_named_by_layer() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let stack = stack(&[(Kind::Lstm, 2), (Rnn, 3)], 1, &mut rng);
    let names: Vec<&str> = stack
        .state_blocks()
        .iter()
        .map(|b| b.name.as_str())
        .collect();
    assert_eq!(names, ["0.h", "0.c", "1.h"]);
    let names: Vec<&str> = stack
        .parameter_blocks()
        .iter()
        .map(|b| b.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "0.weight_hh",
            "0.weight_ih",
            "0.bias",
            "1.weight_hh",
            "1.weight_ih",
            "1.bias"
        ]
    );
    assert_eq!(stack.output_rows(), 4..7);
}
