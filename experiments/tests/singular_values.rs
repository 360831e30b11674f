//! Singular values of ∂s_T/∂s_t against closed forms, exact zeros, sum rules, nalgebra's SVD where
//! that reaches, and 4000-digit arithmetic where it does not (`high_precision/README.md`).

use std::ops::Range;
use std::path::Path;

use gradient_tracking::probes::SingularValues;
use gradient_tracking::source::Terminal;
use gradient_tracking::{
    AdjointMut, Block, CellShape, Point, RecurrentCell, Stack, Tape, Trainable, View, ViewMut,
    Workspace, backpropagate, rollout,
};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use safetensors::SafeTensors;
use std::f64::consts::{LN_10, LOG10_2};
use vanilla_rnn::{Activation, VanillaRnn};

fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn random(rng: &mut ChaCha8Rng, rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| scale * rng.random_range(-1.0..1.0))
}

/// s_t = J_t·s_{t−1}, where x_t holds J_t, column by column: any product of matrices as a network.
struct Product {
    size: usize,
    state: Vec<Block>,
    saved: Vec<Block>,
}

impl Product {
    fn new(size: usize) -> Self {
        Product {
            size,
            state: Block::consecutive(&["h"], size),
            saved: Block::consecutive(&["jacobian"], size * size),
        }
    }

    /// J_t, which the step has saved.
    fn jacobian(&self, at: &Point) -> DMatrix<f64> {
        DMatrix::from_iterator(self.size, self.size, at.saved.iter().copied())
    }
}

impl RecurrentCell for Product {
    fn shape(&self) -> CellShape {
        CellShape {
            input: self.size * self.size,
            state: self.size,
            output: self.size,
            saved: self.size * self.size,
            delta: self.size,
        }
    }
    fn state_blocks(&self) -> &[Block] {
        &self.state
    }
    fn saved_blocks(&self) -> &[Block] {
        &self.saved
    }
    fn output_rows(&self) -> Range<usize> {
        0..self.size
    }
    fn step(&self, input: View, previous: View, mut next: ViewMut, mut saved: ViewMut) {
        saved.copy_from(&input);
        let jacobian = DMatrix::from_iterator(self.size, self.size, input.iter().copied());
        next.copy_from(&(jacobian * previous));
    }
    fn pull_back(&self, at: &Point, mut adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        let carried = adjoint.carried;
        if let Some(mut node) = adjoint.node {
            node.copy_from(&carried);
        }
        adjoint.delta.copy_from(&carried);
        (adjoint.previous).copy_from(&(self.jacobian(at).transpose() * carried));
    }
    fn pull_back_input(&self, _: View, _: ViewMut) {
        unreachable!("nobody asks for the gradient of the inputs")
    }
    fn push_forward_with(
        &self,
        at: &Point,
        _: Option<View>,
        tangent: View,
        _: ViewMut,
        mut next: ViewMut,
    ) {
        next.copy_from(&(self.jacobian(at) * tangent));
    }
}

/// log₁₀ singular values, S rows, one column for each of the lags.
fn by_lag(
    cell: &dyn RecurrentCell,
    inputs: &DMatrix<f64>,
    initial: &DMatrix<f64>,
    lags: &[usize],
) -> DMatrix<f64> {
    let mut tape = Tape::new();
    let (inputs, initial) = (inputs.as_view(), initial.as_view());
    rollout(cell, inputs, initial, &mut tape, &mut []).unwrap();
    let (steps, batch) = (tape.steps(), tape.batch());
    let times = lags.iter().rev().map(|lag| steps - lag).collect();
    let mut probe = SingularValues::new(cell, times);
    // No loss at all: these are values of the network alone.
    let adjoint = DMatrix::zeros(cell.shape().output, batch);
    let mut source = Terminal {
        steps,
        adjoint: adjoint.as_view(),
    };
    let mut workspace = Workspace::new();
    backpropagate(
        cell,
        inputs,
        &tape,
        &mut source,
        None,
        &mut workspace,
        &mut [&mut probe],
    )
    .unwrap();
    assert_eq!(probe.overflow, None);
    let size = cell.shape().state;
    let rising = DMatrix::from_column_slice(size, lags.len(), &probe.log10_values);
    DMatrix::from_fn(size, lags.len(), |i, k| rising[(i, lags.len() - 1 - k)])
}

/// Of h_t = W·h_{t−1}.
fn of_powers(matrix: &DMatrix<f64>, lags: &[usize]) -> DMatrix<f64> {
    let size = matrix.nrows();
    let cell = VanillaRnn::new(
        Activation::Identity,
        matrix.clone(),
        DMatrix::zeros(size, 1),
        DVector::zeros(size),
    );
    let inputs = DMatrix::zeros(1, *lags.iter().max().unwrap());
    by_lag(&cell, &inputs, &DMatrix::zeros(size, 1), lags)
}

/// Of a product of different matrices, the last in time first in the product.
fn of_product(jacobians: &[DMatrix<f64>], lags: &[usize]) -> DMatrix<f64> {
    let size = jacobians[0].nrows();
    let cell = Product::new(size);
    let inputs = DMatrix::from_fn(size * size, jacobians.len(), |i, t| jacobians[t][i]);
    by_lag(&cell, &inputs, &DMatrix::zeros(size, 1), lags)
}

fn assert_near(found: f64, wanted: f64, tolerance: f64, what: &str) {
    let difference = (found - wanted).abs();
    assert!(
        difference <= tolerance,
        "{what}: {found}, expected {wanted}: {difference:e} apart"
    );
}

/// ln |det ∂s_t/∂s_{t−1}| of every step, from t = 1 on.
fn log_determinants(cell: &dyn RecurrentCell, tape: &Tape) -> Vec<f64> {
    let size = cell.shape().state;
    let unit = DMatrix::identity(size, size);
    (1..=tape.steps())
        .map(|t| {
            let mut jacobian = DMatrix::zeros(size, size);
            let mut activation = DMatrix::zeros(cell.shape().delta, size);
            cell.push_forward(
                &tape.point(t),
                unit.as_view(),
                activation.as_view_mut(),
                jacobian.as_view_mut(),
            );
            jacobian.lu().determinant().abs().ln()
        })
        .collect()
}

/// Layers one above the other have block triangular Jacobians, whose determinants are products of
/// those of the blocks; here the layers forget at rates as far apart as 0.3 and 0.95 a step.
#[test]
fn values_of_layers_multiply_to_their_determinants() {
    let lags = [1, 2, 5, 10, 20, 50, 100];
    let (steps, size, input) = (100, 6, 3);
    for kinds in [
        ["rnn", "rnn"],
        ["lstm", "lstm"],
        ["lstm", "rnn"],
        ["rnn", "lstm"],
    ] {
        let rng = &mut generator(61);
        let layers = kinds.iter().enumerate().map(|(k, kind)| {
            let width = if k == 0 { input } else { size };
            let layer: Box<dyn Trainable> = match *kind {
                "rnn" => Box::new(VanillaRnn::new(
                    Activation::Tanh,
                    random(rng, size, size, 0.9),
                    random(rng, size, width, 0.5),
                    DVector::zeros(size),
                )),
                _ => Box::new(Lstm::new(
                    random(rng, 4 * size, size, 0.6),
                    random(rng, 4 * size, width, 0.5),
                    DVector::from_fn(4 * size, |i, _| if i / size == 1 { 2.0 } else { 0.0 }),
                    true,
                )),
            };
            layer
        });
        let stack = Stack::new(layers.collect()).unwrap();
        let rows = stack.shape().state;
        let inputs = random(rng, input, steps, 1.0);
        let initial = random(rng, rows, 1, 0.5);
        let mut tape = Tape::new();
        rollout(
            &stack,
            inputs.as_view(),
            initial.as_view(),
            &mut tape,
            &mut [],
        )
        .unwrap();
        let determinants = log_determinants(&stack, &tape);
        let found = by_lag(&stack, &inputs, &initial, &lags);
        for (column, lag) in lags.into_iter().enumerate() {
            let wanted: f64 = determinants[steps - lag..].iter().sum::<f64>() / LN_10;
            // Condition numbers of a step are about 10⁴, so its determinant has lost as much of 2⁻⁵³.
            assert_near(
                found.column(column).sum(),
                wanted,
                1e-9 * lag as f64,
                &format!("{kinds:?}, lag {lag}"),
            );
        }
    }
}

/// O6: W = [[λ, 1], [0, λ]] has W^k = λ^{k−1}·[[λ, k], [0, λ]], so σ₁² + σ₂² = λ^{2k−2}(2λ² + k²) and
/// σ₁σ₂ = λ^{2k}. Repeated QR would say λ^k for both.
#[test]
fn a_jordan_block_has_the_singular_values_of_its_powers() {
    let lags = [1, 2, 19, 100, 1000, 20_000];
    for lambda in [0.95_f64, 0.5, 1.1] {
        let matrix = DMatrix::from_row_slice(2, 2, &[lambda, 1.0, 0.0, lambda]);
        let found = of_powers(&matrix, &lags);
        for (column, lag) in lags.into_iter().enumerate() {
            let k = lag as f64;
            let sum = 2.0 * lambda * lambda + k * k;
            let largest = 0.5 * (sum + (sum * sum - 4.0 * lambda.powi(4)).sqrt());
            let largest = (k - 1.0) * lambda.log10() + 0.5 * largest.log10();
            let smallest = 2.0 * k * lambda.log10() - largest;
            // A perturbation ε of the lower left corner, which splits the eigenvalues, changes the
            // k-th power by ε·k²/6 of itself, and steps round independently: less than 10⁻⁸.
            let what = format!("λ = {lambda}, lag {lag}");
            assert_near(found[(0, column)], largest, 1e-9, &what);
            assert_near(found[(1, column)], smallest, 1e-9, &what);
        }
    }
}

/// Every singular value of an orthogonal matrix is 1, at any power.
#[test]
fn an_orthogonal_network_neither_stretches_nor_squeezes() {
    let matrix = random(&mut generator(1), 12, 12, 1.0).qr().q();
    for value in &of_powers(&matrix, &[0, 1, 10, 3000]) {
        // QᵀQ is I to 10⁻¹⁵, and 3000 such errors add up.
        assert_near(*value, 0.0, 1e-11, "σ");
    }
}

/// W = diag(λ): σ are |λ|^k, in falling order; for powers of two to the last bit.
#[test]
fn a_diagonal_network_has_the_powers_of_its_diagonal() {
    let exponents = [-1, 3, -40, 0, -7];
    let diagonal = DVector::from_fn(5, |i, _| [1.0, -1.0][i % 2] * 2.0_f64.powi(exponents[i]));
    let lags = [0, 1, 7, 5000];
    let found = of_powers(&DMatrix::from_diagonal(&diagonal), &lags);
    for (column, lag) in lags.into_iter().enumerate() {
        let wanted = [3, 0, -1, -7, -40].map(|exponent| (exponent * lag as i64) as f64 * LOG10_2);
        assert_eq!(found.column(column).as_slice(), wanted, "lag {lag}");
    }

    let diagonal = DVector::from_column_slice(&[0.3, -0.99, 0.7, 1.2]);
    let found = of_powers(&DMatrix::from_diagonal(&diagonal), &[5000]);
    for (value, lambda) in found.iter().zip([1.2_f64, 0.99, 0.7, 0.3]) {
        // 5000 products, each rounded: 10⁻¹² at the most, and log₁₀ of 10⁻²⁶⁰⁰ to 16 digits.
        assert_near(*value, 5000.0 * lambda.log10(), 2e-12, "σ");
    }
}

/// Σ log₁₀ σ = Σ_t log₁₀ |det J_t|, for J = R(φ)·diag(a, b)·R(ψ), whose determinant is ab.
#[test]
fn log_singular_values_add_up_to_the_log_determinants() {
    let rng = &mut generator(2);
    let steps = 3000;
    let mut log10_determinants = vec![0.0];
    let jacobians: Vec<DMatrix<f64>> = (0..steps)
        .map(|_| {
            let [a, b] = [(); 2].map(|()| 10.0_f64.powf(rng.random_range(-1.0..0.5)));
            let [left, right] = [(); 2].map(|()| {
                let angle: f64 = rng.random_range(0.0..7.0);
                let (sin, cos) = angle.sin_cos();
                DMatrix::from_row_slice(2, 2, &[cos, -sin, sin, cos])
            });
            log10_determinants.push(a.log10() + b.log10());
            left * DMatrix::from_diagonal(&DVector::from_column_slice(&[a, b])) * right
        })
        .collect();
    let lags = [1, 10, 300, 3000];
    let found = of_product(&jacobians, &lags);
    for (column, lag) in lags.into_iter().enumerate() {
        let wanted: f64 = log10_determinants.iter().rev().take(lag).sum();
        // A determinant is known to ε·κ ≈ 10⁻¹⁴, 3000 times.
        assert_near(found.column(column).sum(), wanted, 1e-11, "Σ log σ");
    }
    let gap = found[(0, 3)] - found[(1, 3)];
    assert!(gap > 300.0, "the values part: {gap}");
}

fn cells(hidden: usize, input: usize) -> [(&'static str, Box<dyn RecurrentCell>); 2] {
    let rng = &mut generator(3);
    let scale = 1.7 / (hidden as f64).sqrt();
    [
        (
            "vanilla RNN",
            Box::new(VanillaRnn::new(
                Activation::Tanh,
                random(rng, hidden, hidden, scale),
                random(rng, hidden, input, 1.0),
                DVector::from_element(hidden, 0.1),
            )),
        ),
        (
            "LSTM",
            Box::new(Lstm::new(
                random(rng, 4 * hidden, hidden, scale),
                random(rng, 4 * hidden, input, 1.0),
                DVector::from_element(4 * hidden, 0.4),
                true,
            )),
        ),
    ]
}

/// J_1 … J_T of the first sequence, by pushing unit tangents forward: the other direction.
fn jacobians(
    cell: &dyn RecurrentCell,
    inputs: &DMatrix<f64>,
    initial: &DMatrix<f64>,
) -> Vec<DMatrix<f64>> {
    let mut tape = Tape::new();
    let (inputs, initial) = (inputs.as_view(), initial.as_view());
    rollout(cell, inputs, initial, &mut tape, &mut []).unwrap();
    let shape = cell.shape();
    let units = DMatrix::identity(shape.state, shape.state);
    let mut activation = DMatrix::zeros(shape.delta, shape.state);
    (1..=tape.steps())
        .map(|t| {
            let point = tape.point(t);
            let point = Point {
                previous: point.previous.columns(0, 1),
                next: point.next.columns(0, 1),
                saved: point.saved.columns(0, 1),
            };
            let mut jacobian = DMatrix::zeros(shape.state, shape.state);
            cell.push_forward(
                &point,
                units.as_view(),
                activation.as_view_mut(),
                jacobian.as_view_mut(),
            );
            jacobian
        })
        .collect()
}

/// Where a product still fits into f64, against nalgebra's SVD of it; and Σ log σ where not.
#[test]
fn both_cells_have_the_singular_values_of_their_jacobians() {
    let (hidden, input, steps) = (8, 3, 400);
    for (name, cell) in cells(hidden, input) {
        let rng = &mut generator(4);
        let inputs = random(rng, input, steps, 1.0);
        let initial = random(rng, cell.shape().state, 1, 0.5);
        let lags = [0, 1, 2, 3, 5, steps];
        let found = by_lag(&*cell, &inputs, &initial, &lags);
        let jacobians = jacobians(&*cell, &inputs, &initial);
        let size = cell.shape().state;
        for (column, lag) in lags.into_iter().enumerate() {
            let factors = jacobians[steps - lag..].iter();
            if lag < 10 {
                let product = factors
                    .clone()
                    .fold(DMatrix::identity(size, size), |p, j| j * p);
                let mut wanted = product.singular_values().as_slice().to_vec();
                wanted.sort_by(|a, b| b.total_cmp(a));
                for (value, wanted) in found.column(column).iter().zip(wanted) {
                    // nalgebra's are exact to ε·σ₁, five factors of a condition of 10² make 10⁻¹⁵
                    // of an error in units of σ₁.
                    let largest = 10.0_f64.powf(found[(0, column)]);
                    let difference = (10.0_f64.powf(*value) - wanted).abs() / largest;
                    assert!(difference < 1e-14, "{name}, lag {lag}: {difference:e}");
                }
            }
            let log10_determinant: f64 = factors
                .map(|factor| {
                    let triangle = factor.clone().lu().u();
                    triangle
                        .diagonal()
                        .iter()
                        .map(|v| v.abs().log10())
                        .sum::<f64>()
                })
                .sum();
            // Determinants of matrices of condition 10³ or so are exact to 10⁻¹², 400 times at most.
            let what = format!("{name}, lag {lag}: Σ log σ");
            assert_near(
                found.column(column).sum(),
                log10_determinant,
                1e-9 * (1.0 + lag as f64 / 400.0),
                &what,
            );
        }
        let gap = found[(0, 5)] - found[(size - 1, 5)];
        assert!(gap > 100.0, "{name}: far apart at the end, {gap}");
    }
}

#[test]
fn long_products_agree_with_four_thousand_digits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/high_precision");
    let bytes = std::fs::read(path.join("products.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: String| -> (Vec<usize>, Vec<f64>) {
        let tensor = file.tensor(&name).unwrap();
        let words = tensor.data().chunks_exact(8);
        let values = words.map(|word| f64::from_le_bytes(word.try_into().unwrap()));
        (tensor.shape().to_vec(), values.collect())
    };
    for case in ["gaussian", "graded", "triangular"] {
        let (shape, values) = tensor(format!("{case}.jacobians"));
        let (_, lags) = tensor(format!("{case}.lags"));
        let (_, wanted) = tensor(format!("{case}.log10_singular_values"));
        let size = shape[1];
        let lags: Vec<usize> = lags.iter().map(|lag| *lag as usize).collect();
        let jacobians: Vec<DMatrix<f64>> = values
            .chunks_exact(size * size)
            .map(|values| DMatrix::from_row_slice(size, size, values))
            .collect();
        let found = match jacobians.as_slice() {
            [only] => of_powers(only, &lags),
            all => of_product(all, &lags),
        };
        for (k, lag) in lags.into_iter().enumerate() {
            for i in 0..size {
                let what = format!("{case}, lag {lag}, σ_{}", i + 1);
                assert_near(found[(i, k)], wanted[k * size + i], 1e-9, &what);
            }
        }
    }
}

/// O5: the shift forgets one unit a step.
#[test]
fn a_delay_line_loses_one_dimension_a_step() {
    let size = 6;
    for shift in [
        DMatrix::from_fn(size, size, |i, j| f64::from(u8::from(i == j + 1))),
        DMatrix::from_fn(size, size, |i, j| f64::from(u8::from(j == i + 1))),
    ] {
        let lags = [0, 1, 2, 3, 4, 5, 6, 7, 20];
        let found = of_powers(&shift, &lags);
        for (column, lag) in lags.into_iter().enumerate() {
            let left = size.saturating_sub(lag);
            for (i, value) in found.column(column).iter().enumerate() {
                let wanted = if i < left { 0.0 } else { f64::NEG_INFINITY };
                assert_eq!(*value, wanted, "lag {lag}, σ_{}", i + 1);
            }
        }
    }
}

/// A dead unit passes nothing on, however much is mixed before and after: its dimension is gone for
/// good, exactly.
#[test]
fn a_dead_unit_takes_a_dimension_exactly() {
    let (size, steps) = (7, 60);
    let rng = &mut generator(5);
    let jacobians: Vec<DMatrix<f64>> = (0..steps)
        .map(|t| {
            let mut jacobian = random(rng, size, size, 1.0);
            match t {
                // A unit whose state nobody reads.
                40 => jacobian.column_mut(5).fill(0.0),
                // Two with φ′ = 0: nothing reaches them. The smallest rank of all factors is that of
                // the product, for generic factors.
                20 => {
                    jacobian.row_mut(3).fill(0.0);
                    jacobian.row_mut(1).fill(0.0);
                }
                _ => {}
            }
            jacobian
        })
        .collect();
    let lags = [10, 19, 20, 39, 40, 60];
    let found = of_product(&jacobians, &lags);
    let zeros: Vec<usize> = found
        .column_iter()
        .map(|column| column.iter().filter(|v| **v == f64::NEG_INFINITY).count())
        .collect();
    assert_eq!(zeros, [0, 0, 1, 1, 2, 2]);
}

/// O10: without recurrent weights s_t acts through c_t alone, unit by unit:
/// ∂c_T/∂c_t = ∏f and ∂h_T/∂c_t = o_T(1 − tanh² c_T)·∏f, so σ = ∏f·√(1 + (o_T(1 − tanh² c_T))²), and
/// the other H are exactly zero.
#[test]
fn an_lstm_without_recurrent_weights_has_half_its_dimensions() {
    let (hidden, input, steps) = (5, 2, 90);
    let rng = &mut generator(6);
    let cell = Lstm::new(
        DMatrix::zeros(4 * hidden, hidden),
        random(rng, 4 * hidden, input, 1.0),
        DVector::from_element(4 * hidden, 0.7),
        true,
    );
    let inputs = random(rng, input, steps, 1.0);
    let initial = random(rng, 2 * hidden, 1, 0.5);
    let lags = [1, 10, steps];
    let found = by_lag(&cell, &inputs, &initial, &lags);
    let mut tape = Tape::new();
    rollout(
        &cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let at_end = tape.saved(steps);
    for (column, lag) in lags.into_iter().enumerate() {
        let mut wanted: Vec<f64> = (0..hidden)
            .map(|u| {
                let forget = (steps - lag + 1..=steps)
                    .map(|t| tape.saved(t)[(hidden + u, 0)].log10())
                    .sum::<f64>();
                let (o, tanh_c) = (at_end[(3 * hidden + u, 0)], at_end[(4 * hidden + u, 0)]);
                forget + 0.5 * (1.0 + (o * (1.0 - tanh_c * tanh_c)).powi(2)).log10()
            })
            .collect();
        wanted.sort_by(|a, b| b.total_cmp(a));
        for (i, value) in found.column(column).iter().enumerate() {
            match wanted.get(i) {
                // 90 roundings of each kind.
                Some(wanted) => assert_near(*value, *wanted, 1e-13 * 90.0, "σ"),
                None => assert_eq!(*value, f64::NEG_INFINITY, "lag {lag}, σ_{}", i + 1),
            }
        }
    }
}

#[test]
fn the_first_sequence_of_a_batch_is_the_one_that_counts() {
    let (input, steps, batch) = (3, 40, 4);
    for (name, cell) in cells(6, input) {
        let rng = &mut generator(7);
        let inputs = random(rng, input, steps * batch, 1.0);
        let initial = random(rng, cell.shape().state, batch, 0.5);
        let first = DMatrix::from_fn(input, steps, |i, t| inputs[(i, t * batch)]);
        let lags = [0, 1, 7, 40];
        let alone = by_lag(&*cell, &first, &initial.columns(0, 1).into_owned(), &lags);
        let among = by_lag(&*cell, &inputs, &initial, &lags);
        // Products of one column and of four may round differently, and 40 chaotic steps amplify.
        assert!((alone - among).amax() < 1e-9, "{name}");
    }
}
