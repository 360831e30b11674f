//! The GRU passes the suite that every cell must pass, for random shapes and weights.

use gradient_tracking::conformance::{Options, check};
use gru::Gru;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conforms(
        seed: u64,
        hidden in 1_usize..7,
        input in 0_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..7,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |scale: f64| scale * rng.random_range(-1.0..1.0);
        // Weights of order 1/√H: no gate saturates, so no term is hidden.
        let scale = 1.5 / (hidden as f64).sqrt();
        let mut cell = Gru::new(
            DMatrix::from_fn(3 * hidden, hidden, |_, _| draw(scale)),
            DMatrix::from_fn(3 * hidden, input, |_, _| draw(1.0)),
            DVector::from_fn(3 * hidden, |_, _| draw(1.0)),
            DVector::from_fn(hidden, |_, _| draw(1.0)),
        );
        let options = Options { steps, batch, ..Options::default() };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}
