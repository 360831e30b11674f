//! The orthogonal RNN passes the suite that every cell must pass, and stays orthogonal.

use gradient_tracking::conformance::{Options, check};
use gradient_tracking::probes::{BlockNorms, ParameterGradient};
use gradient_tracking::source::Terminal;
use gradient_tracking::{
    AdjointMut, RecurrentCell, Stack, Tape, Trainable, Workspace, backpropagate, rollout,
};
use nalgebra::{DMatrix, DVector};
use orthogonal_rnn::OrthogonalRnn;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Some units can be silent, some not; D has both signs.
fn cell(hidden: usize, input: usize, bias: (f64, f64), rng: &mut ChaCha8Rng) -> OrthogonalRnn {
    let mut draw = |low: f64, high: f64| rng.random_range(low..=high);
    OrthogonalRnn::new(
        &DMatrix::from_fn(hidden, hidden, |_, _| draw(-1.0, 1.0)),
        DVector::from_fn(hidden, |unit, _| if unit % 3 == 1 { -1.0 } else { 1.0 }),
        DMatrix::from_fn(hidden, input, |_, _| draw(-1.0, 1.0)),
        DVector::from_fn(hidden, |_, _| draw(bias.0, bias.1)),
    )
}

/// The parameters whose central differences are taken are the entries of A, not of W. modReLU has a
/// corner at |z| = −b and a jump at z = 0 for b > 0: with these seeds no z lies within the
/// difference's step of either, so the comparison is fair.
#[test]
fn conforms_away_from_its_corners() {
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hidden = 1 + seed as usize % 7;
        let mut cell = cell(hidden, 1 + seed as usize % 3, (-0.6, 0.4), &mut rng);
        let options = Options {
            steps: 1 + seed as usize % 6,
            batch: 1 + seed as usize % 4,
            // A relabelled A is another triangle, with signs: see below.
            units_are_interchangeable: false,
            ..Options::default()
        };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))
            .unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

/// In a stack, too, where parameters and matrices of each layer lie in different places.
#[test]
fn a_stack_of_them_conforms() {
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
        let layers: Vec<Box<dyn Trainable>> = vec![
            Box::new(cell(4, 2, (-0.4, 0.4), &mut rng)),
            Box::new(cell(3, 4, (-0.4, 0.4), &mut rng)),
        ];
        let mut stack = Stack::new(layers).unwrap();
        let options = Options {
            units_are_interchangeable: false,
            ..Options::default()
        };
        check(&mut stack, &options, &mut || rng.random_range(-1.0..1.0))
            .unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

/// Norms and the parameters' gradient of a terminal loss.
fn backwards(
    cell: &OrthogonalRnn,
    inputs: &DMatrix<f64>,
    adjoint: &DMatrix<f64>,
) -> (Vec<f64>, Vec<f64>) {
    let (batch, hidden) = (adjoint.ncols(), adjoint.nrows());
    let steps = inputs.ncols() / batch;
    let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
    let initial = DMatrix::from_element(hidden, batch, 0.1);
    rollout(
        cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let mut norms = BlockNorms::new(cell, steps, batch, false);
    let mut gradient = ParameterGradient::new(cell, steps, batch);
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
        &mut [&mut norms, &mut gradient],
    )
    .unwrap();
    let mut pulled_back = vec![0.0; cell.parameters().len()];
    cell.pull_back_parameters(&gradient.to_f64(), &mut pulled_back);
    (norms.blocks[0].node.log10_norm.clone(), pulled_back)
}

/// Both W and W·P with the same permutation of everything: the gradient by lag is the same.
#[test]
fn relabelling_units_changes_no_norm() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (hidden, steps) = (5, 8);
    let one = cell(hidden, 2, (-0.6, 0.4), &mut rng);
    let inputs = DMatrix::from_fn(2, steps, |_, _| rng.random_range(-1.0..1.0));
    let adjoint = DMatrix::from_fn(hidden, 1, |_, _| rng.random_range(-1.0..1.0));
    let old = |unit: usize| (unit + 1) % hidden;
    let (a, d, w_ih) = (one.skew(), one.signs(), one.input_weights());
    let other = OrthogonalRnn::new(
        &DMatrix::from_fn(hidden, hidden, |i, j| a[(old(i), old(j))]),
        DVector::from_fn(hidden, |i, _| d[old(i)]),
        DMatrix::from_fn(hidden, 2, |i, j| w_ih[(old(i), j)]),
        DVector::from_fn(hidden, |i, _| one.bias()[old(i)]),
    );
    let permuted = DMatrix::from_fn(hidden, 1, |i, _| adjoint[old(i)]);
    let (norms, _) = backwards(&one, &inputs, &adjoint);
    let (others, _) = backwards(&other, &inputs, &permuted);
    for (found, expected) in others.iter().zip(&norms) {
        assert!((found - expected).abs() < 1e-13);
    }
}

/// r_k = 1 at every lag, to the rounding of as many products.
#[test]
fn while_all_units_are_active_the_gradient_keeps_its_norm() {
    for bias in [(0.0, 0.0), (0.1, 0.5)] {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let cell = cell(16, 2, bias, &mut rng);
        let inputs = DMatrix::from_fn(2, 1000, |_, _| rng.random_range(-1.0..1.0));
        let adjoint = DMatrix::from_fn(16, 1, |_, _| rng.random_range(-1.0..1.0));
        let (norms, _) = backwards(&cell, &inputs, &adjoint);
        for norm in &norms {
            assert!((norm - norms[1000]).abs() < 1e-12);
        }
    }
}

/// The state is exactly zero before the first input: still linear where b = 0.
#[test]
fn a_state_of_zero_passes_the_gradient_unless_its_units_are_silent() {
    for (bias, kept) in [(0.0, 1.0), (-0.5, 0.0)] {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let cell = cell(4, 1, (bias, bias), &mut rng);
        let (zero, adjoint) = (DMatrix::zeros(4, 1), DMatrix::from_element(4, 1, 0.5));
        let at = gradient_tracking::Point {
            previous: zero.as_view(),
            next: zero.as_view(),
            saved: zero.rows(0, 0),
        };
        let (mut delta, mut previous) = (DMatrix::zeros(8, 1), zero.clone());
        let carried = AdjointMut {
            carried: adjoint.as_view(),
            node: None,
            delta: delta.as_view_mut(),
            previous: previous.as_view_mut(),
        };
        cell.pull_back(&at, carried);
        assert!((previous.norm() - kept * adjoint.norm()).abs() < 1e-14);
        assert_eq!(delta.rows(4, 4), DMatrix::zeros(4, 1), "sign(0) = 0");
    }
}

/// A thousand steps of gradient descent on ½‖h_T − y‖², each a plain step on A.
#[test]
fn gradient_descent_never_leaves_the_manifold_and_descends() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (hidden, steps) = (8, 10);
    let mut cell = cell(hidden, 2, (-0.1, 0.0), &mut rng);
    let inputs = DMatrix::from_fn(2, steps, |_, _| rng.random_range(-1.0..1.0));
    let target = DMatrix::from_fn(hidden, 1, |_, _| rng.random_range(-0.5..0.5));
    let (before, mut losses) = (cell.skew(), Vec::new());
    for _ in 0..1000 {
        let mut tape = Tape::new();
        let initial = DMatrix::from_element(hidden, 1, 0.1);
        rollout(
            &cell,
            inputs.as_view(),
            initial.as_view(),
            &mut tape,
            &mut [],
        )
        .unwrap();
        let error = tape.state(steps) - &target;
        losses.push(0.5 * error.norm_squared());
        let (_, gradient) = backwards(&cell, &inputs, &error);
        let parameters = cell.parameters().iter().zip(&gradient);
        let descended: Vec<f64> = parameters.map(|(p, g)| p - 0.005 * g).collect();
        cell.set_parameters(&descended);
        // H·κ(I + A) roundings of 10⁻¹⁶, κ below 10.
        assert!(cell.deviation_from_orthogonality() < 1e-13);
    }
    assert!((cell.skew() - before).norm() > 0.1, "A has moved");
    assert!(
        losses[999] < 0.05 * losses[0],
        "{} {}",
        losses[0],
        losses[999]
    );
}
