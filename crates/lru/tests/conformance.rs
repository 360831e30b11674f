//! The linear recurrent unit passes the suite that every cell must pass, for random shapes and
//! parameters.

use gradient_tracking::conformance::{Options, check};
use lru::Lru;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conforms(
        seed: u64,
        hidden in 1_usize..11,
        input in 0_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..7,
        normalized: bool,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |from: f64, to: f64| rng.random_range(from..to);
        // |Λ| from 0.4 to 0.98: neither forgotten at once nor kept for ever.
        let mut cell = Lru::new(
            DVector::from_fn(hidden, |_, _| draw(-4.0, 0.0)),
            DVector::from_fn(hidden, |_, _| draw(-3.0, 3.0)),
            DMatrix::from_fn(2 * hidden, input, |_, _| draw(-1.0, 1.0)),
            normalized,
        );
        // A unit is two rows of one block, which the suite cannot move together.
        let options = Options {
            steps,
            batch,
            units_are_interchangeable: false,
            ..Options::default()
        };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}
