//! The LSTM of 1997 passes the suite that every cell must pass; truncated, all of it that does not ask for
//! the gradient of the step, and for that what the paper's own way of computing it gives.

use gradient_tracking::conformance::{Options, check};
use gradient_tracking::probes::{BlockNorms, InputGradientNorms, ParameterGradient};
use gradient_tracking::source::{EveryStep, Terminal};
use gradient_tracking::{
    AdjointSource, RecurrentCell, Tape, Trainable, Workspace, backpropagate, rollout,
};
use lstm_1997::Lstm1997;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Weights of order 1/√P: no gate saturates, so no term is hidden.
fn cell(
    (blocks, cells_per_block): (usize, usize),
    input: usize,
    (biased, truncated): (bool, bool),
    rng: &mut ChaCha8Rng,
) -> Lstm1997 {
    let units = blocks * (cells_per_block + 2);
    let scale = 1.5 / (units as f64).sqrt();
    let mut draw = |scale: f64| scale * rng.random_range(-1.0..1.0);
    Lstm1997::new(
        cells_per_block,
        DMatrix::from_fn(units, units, |_, _| draw(scale)),
        DMatrix::from_fn(units, input, |_, _| draw(1.0)),
        biased.then(|| DVector::from_fn(units, |_, _| draw(1.0))),
        truncated,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conforms(
        seed: u64,
        blocks in 1_usize..4,
        cells_per_block in 1_usize..4,
        input in 0_usize..4,
        batch in 1_usize..4,
        steps in 1_usize..7,
        biased: bool,
        truncated: bool,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cell = cell((blocks, cells_per_block), input, (biased, truncated), &mut rng);
        let options = Options {
            steps,
            batch,
            // With more cells than gates there is no one permutation of both.
            units_are_interchangeable: cells_per_block == 1,
            gradient_is_exact: !truncated,
            ..Options::default()
        };
        check(&mut cell, &options, &mut || rng.random_range(-1.0..1.0))?;
    }
}

/// ∂L/∂ the parameters, and log₁₀ of the carried adjoint's norm of every block at t = 0…T.
fn backwards(
    cell: &Lstm1997,
    inputs: &DMatrix<f64>,
    source: &mut dyn AdjointSource,
) -> (Vec<f64>, Vec<(String, Vec<f64>)>) {
    let (steps, state) = (inputs.ncols(), cell.shape().state);
    let (mut tape, initial) = (Tape::new(), DMatrix::zeros(state, 1));
    rollout(
        cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let mut gradient = ParameterGradient::new(cell, steps, 1);
    let mut norms = BlockNorms::new(cell, steps, 1, false);
    let mut input = InputGradientNorms::new(cell, steps, 1, false);
    backpropagate(
        cell,
        inputs.as_view(),
        &tape,
        source,
        None,
        &mut Workspace::new(),
        &mut [&mut gradient, &mut norms, &mut input],
    )
    .unwrap();
    let blocks = norms.blocks.into_iter();
    let mut norms: Vec<_> = blocks
        .map(|block| (block.name, block.carried.log10_norm))
        .collect();
    norms.push(("x".to_owned(), input.norms.log10_norm));
    (gradient.to_f64(), norms)
}

/// The gradient of Σ_t ⟨V_t, h_t⟩ by the formulas of appendix A.1: forward in time, with the derivatives
/// ∂s_c/∂w of each cell carried along and those of the output gates taken where they arise. Nothing of
/// the crate's own passes is used, and no truncated unit ever passes anything back.
fn gradient_of_the_paper(
    cell: &Lstm1997,
    inputs: &DMatrix<f64>,
    adjoints: &DMatrix<f64>,
) -> Vec<f64> {
    let (cells, per_block) = (cell.shape().output, cell.cells_per_block());
    let (blocks, units, size) = (cells / per_block, cell.affine().rows(), inputs.nrows());
    let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
    let affine = cell.affine();
    let (w_hh, w_ih) = (affine.recurrent_weights(), affine.input_weights());
    // What all units see: [y; x; 1].
    let seen_size = units + size + 1;
    let mut y = vec![0.0; units];
    let mut s = vec![0.0; cells];
    let mut ds_din = vec![vec![0.0; seen_size]; cells];
    let mut ds_dc = vec![vec![0.0; seen_size]; cells];
    let mut gradient = DMatrix::<f64>::zeros(units, seen_size);
    for t in 0..inputs.ncols() {
        let mut seen = y.clone();
        seen.extend(inputs.column(t).iter());
        seen.push(1.0);
        let net = |unit: usize| {
            let recurrent: f64 = (0..units).map(|k| w_hh[(unit, k)] * y[k]).sum();
            let input: f64 = (0..size).map(|k| w_ih[(unit, k)] * inputs[(k, t)]).sum();
            recurrent + input + affine.bias()[unit]
        };
        let nets: Vec<f64> = (0..units).map(net).collect();
        for u in 0..cells {
            let block = u / per_block;
            let (y_in, y_out) = (sigma(nets[block]), sigma(nets[blocks + block]));
            let net_c = nets[2 * blocks + u];
            let g = 4.0 * sigma(net_c) - 2.0;
            let g_slope = 4.0 * sigma(net_c) * (1.0 - sigma(net_c));
            s[u] += y_in * g;
            let h = 2.0 * sigma(s[u]) - 1.0;
            let h_slope = 2.0 * sigma(s[u]) * (1.0 - sigma(s[u]));
            let error = adjoints[(u, t)];
            for m in 0..seen_size {
                // Eqs. of A.1: ∂s/∂w(t) = ∂s/∂w(t−1) + its partial derivative at t.
                ds_din[u][m] += y_in * (1.0 - y_in) * g * seen[m];
                ds_dc[u][m] += y_in * g_slope * seen[m];
                gradient[(block, m)] += error * y_out * h_slope * ds_din[u][m];
                gradient[(2 * blocks + u, m)] += error * y_out * h_slope * ds_dc[u][m];
                gradient[(blocks + block, m)] += error * h * y_out * (1.0 - y_out) * seen[m];
            }
            y[u] = y_out * h;
        }
        for block in 0..blocks {
            y[cells + block] = sigma(nets[block]);
            y[cells + blocks + block] = sigma(nets[blocks + block]);
        }
    }
    gradient.as_slice().to_vec()
}

#[test]
fn the_truncated_gradient_is_that_of_the_paper() {
    for (seed, sizes) in [(1, (1, 1)), (2, (3, 1)), (3, (2, 2)), (4, (2, 3))] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cell = cell(sizes, 2, (true, true), &mut rng);
        let steps = 12;
        let mut draw = |rows| DMatrix::from_fn(rows, steps, |_, _| rng.random_range(-1.0..1.0));
        let (inputs, adjoints) = (draw(2), draw(cell.shape().output));
        let mut source = EveryStep {
            adjoints: adjoints.as_view(),
        };
        let (found, _) = backwards(&cell, &inputs, &mut source);
        let expected = gradient_of_the_paper(&cell, &inputs, &adjoints);
        assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // The same sums of 12 terms in another order.
            assert!(
                (found - expected).abs() < 1e-13 * scale,
                "{sizes:?}, entry {k}: {found} instead of {expected}"
            );
        }
    }
}

/// Bit for bit, for a thousand steps; and nothing else is passed on.
#[test]
fn inside_the_carousel_the_truncated_error_is_constant() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let steps = 1000;
    let inputs = DMatrix::from_fn(2, steps, |_, _| rng.random_range(-1.0..1.0));
    let adjoint = DMatrix::from_element(6, 1, 0.5);
    let carried = |truncated| {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut cell = cell((3, 2), 2, (false, truncated), &mut rng);
        // Weights of the size of the paper's, or c_t drifts to where h'(c) is 0 in f64.
        let small: Vec<f64> = cell.parameters().iter().map(|w| 0.2 * w).collect();
        cell.set_parameters(&small);
        let mut source = Terminal {
            steps,
            adjoint: adjoint.as_view(),
        };
        backwards(&cell, &inputs, &mut source).1
    };
    for (name, norms) in carried(true) {
        let before_the_loss = &norms[..steps];
        if name == "c" {
            assert!(before_the_loss.iter().all(|norm| *norm == norms[0]));
            assert!(norms[0].is_finite());
        } else {
            assert!(
                before_the_loss
                    .iter()
                    .all(|norm| *norm == f64::NEG_INFINITY),
                "{name}"
            );
        }
    }
    let exact = carried(false);
    let (_, c) = exact.iter().find(|(name, _)| name == "c").unwrap();
    let change = (c[0] - c[steps - 1]).abs();
    assert!(change > 1e-3, "the exact one is not: {change}");
}

/// Exact integers of the paper's tables.
#[test]
fn networks_have_as_many_weights_as_the_paper_says() {
    let weights = |inputs, sizes, biased, outputs, outputs_biased| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let cell = cell(sizes, inputs, (biased, true), &mut rng);
        cell.weights_with_outputs(outputs, outputs_biased)
    };
    assert_eq!(weights(2, (2, 2), true, 1, true), 93, "experiments 4 and 5");
    assert_eq!(weights(8, (2, 2), true, 4, true), 156, "experiment 6a");
    assert_eq!(weights(8, (3, 2), true, 8, true), 308, "experiment 6b");
    assert_eq!(weights(1, (3, 1), true, 1, false), 102, "experiment 3");
    assert_eq!(
        weights(54, (2, 1), false, 2, false),
        364,
        "experiment 2c, p = 50"
    );
}
