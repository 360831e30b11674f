//! The vanilla RNN passes the suite that every cell must pass, for random shapes and weights.

use gradient_tracking::conformance::{Options, check};
use gradient_tracking::probes::InputGradientNorms;
use gradient_tracking::source::Terminal;
use gradient_tracking::{Tape, Workspace, backpropagate, rollout};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use vanilla_rnn::{Activation, VanillaRnn};

/// A cell with weights of order 1/√H, so that neither saturation nor decay hides a wrong term.
fn cell(activation: Activation, hidden: usize, input: usize, rng: &mut ChaCha8Rng) -> VanillaRnn {
    let scale = 1.5 / (hidden as f64).sqrt();
    let mut draw = |scale: f64| scale * rng.random_range(-1.0..1.0);
    VanillaRnn::new(
        activation,
        DMatrix::from_fn(hidden, hidden, |_, _| draw(scale)),
        DMatrix::from_fn(hidden, input, |_, _| draw(1.0)),
        DVector::from_fn(hidden, |_, _| draw(0.5)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conforms(
        seed: u64,
        hidden in 1_usize..8,
        input in 0_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..7,
        activation in prop::sample::select(vec![
            Activation::Tanh,
            Activation::Logistic,
            Activation::Identity,
        ]),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cell = cell(activation, hidden, input, &mut rng);
        let options = Options { steps, batch, ..Options::default() };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}

/// The relu has no derivative at 0, where a central difference is half the slope. With these seeds
/// no pre-activation lies within the difference's step of 0, so the comparison is fair.
#[test]
fn relu_conforms_away_from_its_corner() {
    for seed in 0..8 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cell = cell(Activation::Relu, 5, 2, &mut rng);
        check(&mut cell, &Options::default(), &mut || {
            rng.random_range(-1.0..1.0)
        })
        .unwrap();
    }
}

/// One sequence of a network of these sizes stays in registers.
#[test]
fn networks_of_whole_vectors_conform() {
    for (hidden, input) in [(8, 3), (16, 3), (32, 3), (16, 0)] {
        let mut rng = ChaCha8Rng::seed_from_u64(hidden as u64);
        let mut cell = cell(Activation::Tanh, hidden, input, &mut rng);
        let options = Options {
            steps: 4,
            batch: 2,
            ..Options::default()
        };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0)).unwrap();
    }
}

/// There is nothing for a gradient to arrive at.
#[test]
fn gradients_of_no_inputs_are_zero() {
    let (steps, batch) = (5, 2);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let cell = cell(Activation::Tanh, 3, 0, &mut rng);
    let inputs = DMatrix::zeros(0, steps * batch);
    let initial = DMatrix::from_element(3, batch, 0.5);
    let mut tape = Tape::new();
    rollout(
        &cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let mut probe = InputGradientNorms::new(&cell, steps, batch, true);
    backpropagate(
        &cell,
        inputs.as_view(),
        &tape,
        &mut Terminal {
            steps,
            adjoint: initial.as_view(),
        },
        None,
        &mut Workspace::new(),
        &mut [&mut probe],
    )
    .unwrap();
    assert_eq!(probe.norms.log10_norm, [f64::NEG_INFINITY; 5]);
    let of_sequences = probe.norms.per_sequence.unwrap();
    assert_eq!(of_sequences, [f64::NEG_INFINITY; 10]);
}
