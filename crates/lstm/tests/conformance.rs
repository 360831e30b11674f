//! The LSTM passes the suite that every cell must pass, for random shapes and weights.

use gradient_tracking::conformance::{Options, check};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A cell with weights of order 1/√H: no gate saturates, so no term is hidden.
fn cell(hidden: usize, input: usize, forget_gate: bool, rng: &mut ChaCha8Rng) -> Lstm {
    let scale = 1.5 / (hidden as f64).sqrt();
    let mut draw = |scale: f64| scale * rng.random_range(-1.0..1.0);
    Lstm::new(
        DMatrix::from_fn(4 * hidden, hidden, |_, _| draw(scale)),
        DMatrix::from_fn(4 * hidden, input, |_, _| draw(1.0)),
        DVector::from_fn(4 * hidden, |_, _| draw(1.0)),
        forget_gate,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conforms(
        seed: u64,
        hidden in 1_usize..7,
        input in 0_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..7,
        forget_gate: bool,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cell = cell(hidden, input, forget_gate, &mut rng);
        let options = Options { steps, batch, ..Options::default() };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}

/// One sequence of a network of these sizes stays in registers.
#[test]
fn networks_of_whole_vectors_conform() {
    for (hidden, input) in [(8, 3), (16, 3), (32, 3), (16, 0)] {
        let mut rng = ChaCha8Rng::seed_from_u64(hidden as u64);
        let mut cell = cell(hidden, input, true, &mut rng);
        let options = Options {
            steps: 4,
            batch: 2,
            ..Options::default()
        };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0)).unwrap();
    }
}
