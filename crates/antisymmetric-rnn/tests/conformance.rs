//! The antisymmetric RNN passes the suite that every cell must pass, for random shapes and weights,
//! and does what its eigenvalues say.

use antisymmetric_rnn::AntisymmetricRnn;
use gradient_tracking::conformance::{Options, check};
use gradient_tracking::source::Terminal;
use gradient_tracking::{Tape, Trainable, Workspace, backpropagate, probes::BlockNorms, rollout};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The parameters whose central differences are taken are the entries of A, not of M.
    #[test]
    fn conforms(
        seed: u64,
        hidden in 1_usize..8,
        input in 0_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..7,
        step in 0.1_f64..1.0,
        diffusion in 0.0_f64..1.0,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |scale: f64| scale * rng.random_range(-1.0..1.0);
        // Weights of order 1/√H, so that no saturated unit hides a wrong term.
        let scale = 1.5 / (hidden as f64).sqrt();
        let mut cell = AntisymmetricRnn::new(
            step,
            diffusion,
            DMatrix::from_fn(hidden, hidden, |_, _| draw(scale)),
            DMatrix::from_fn(hidden, input, |_, _| draw(1.0)),
            DVector::from_fn(hidden, |_, _| draw(0.5)),
        );
        let options = Options { steps, batch, ..Options::default() };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}

/// ‖∂L/∂h_t‖, t = 0…T, for a terminal loss, without inputs and at the origin, where tanh is linear.
fn norms_at_the_origin(cell: &AntisymmetricRnn, adjoint: DVector<f64>, steps: usize) -> Vec<f64> {
    let (inputs, hidden) = (DMatrix::zeros(1, steps), adjoint.len());
    let adjoint = DMatrix::from_column_slice(hidden, 1, adjoint.as_slice());
    let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
    let initial = DMatrix::zeros(hidden, 1);
    rollout(
        cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let mut norms = BlockNorms::new(cell, steps, 1, false);
    backpropagate(
        cell,
        inputs.as_view(),
        &tape,
        &mut Terminal {
            steps,
            adjoint: adjoint.as_view(),
        },
        None,
        &mut workspace,
        &mut [&mut norms],
    )
    .unwrap();
    let log10 = &norms.blocks[0].node.log10_norm;
    log10.iter().map(|norm| 10.0_f64.powf(*norm)).collect()
}

/// Blocks of two, [[0, ω], [−ω, 0]] − γI: an adjoint within a block grows by the same factor at every
/// step, the one of its own ω.
#[test]
fn a_mode_grows_by_its_own_factor_at_every_step() {
    let (step, diffusion, steps) = (0.2, 0.3, 60);
    let frequencies = [0.0, 0.5, 1.7, 4.0];
    let hidden = 2 * frequencies.len();
    let mut a = DMatrix::zeros(hidden, hidden);
    for (block, frequency) in frequencies.iter().enumerate() {
        a[(2 * block, 2 * block + 1)] = *frequency;
    }
    let cell = AntisymmetricRnn::new(
        step,
        diffusion,
        a,
        DMatrix::zeros(hidden, 1),
        DVector::zeros(hidden),
    );
    for (block, frequency) in frequencies.into_iter().enumerate() {
        let growth = ((1.0 - step * diffusion).powi(2) + (step * frequency).powi(2)).sqrt();
        let mut adjoint = DVector::zeros(hidden);
        (adjoint[2 * block], adjoint[2 * block + 1]) = (0.6, -0.8);
        let norms = norms_at_the_origin(&cell, adjoint, steps);
        for (t, norm) in norms.into_iter().enumerate() {
            let expected = growth.powi((steps - t) as i32);
            // A rounding or two per step, and the decimal logarithm there and back.
            assert!(
                (norm / expected - 1.0).abs() < 1e-12,
                "ω = {frequency}, t = {t}"
            );
        }
    }
}

/// With A = 0, or any symmetric A, the unit is leaky: (1 − εγ)ᵏ.
#[test]
fn without_frequencies_the_gradient_decays_as_that_of_a_leaky_unit() {
    let symmetric = DMatrix::from_fn(3, 3, |i, j| (i + j) as f64);
    let cell = AntisymmetricRnn::new(0.1, 0.4, symmetric, DMatrix::zeros(3, 1), DVector::zeros(3));
    let adjoint = DVector::from_column_slice(&[2.0, -1.0, 2.0]);
    for (t, norm) in norms_at_the_origin(&cell, adjoint, 100)
        .into_iter()
        .enumerate()
    {
        let expected = 3.0 * 0.96_f64.powi(100 - t as i32);
        assert!((norm / expected - 1.0).abs() < 1e-12);
    }
}

/// Whatever is done to its parameters.
#[test]
fn eigenvalues_keep_their_real_part() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut cell = AntisymmetricRnn::new(
        0.1,
        0.25,
        DMatrix::zeros(6, 6),
        DMatrix::zeros(6, 2),
        DVector::zeros(6),
    );
    let parameters: Vec<f64> = (0..cell.parameters().len())
        .map(|_| rng.random_range(-3.0..3.0))
        .collect();
    cell.set_parameters(&parameters);
    assert_eq!(cell.parameters(), parameters);
    let m = cell.affine().recurrent_weights();
    assert_eq!(m + m.transpose(), -0.5 * DMatrix::identity(6, 6));
    for eigenvalue in m.into_owned().complex_eigenvalues().iter() {
        // A backward stable algorithm on a matrix of norm 10.
        assert!((eigenvalue.re + 0.25).abs() < 1e-13, "{eigenvalue}");
    }
}
