//! The suite that every cell must pass.
//!
//! A signature is not a contract: a backward pass written by hand can look right and be wrong. A
//! new cell calls [`check`] in its tests and is then known to have the Jacobian, the transposed
//! Jacobian and the parameter gradient of the step it actually takes, to write all of every buffer it
//! is given, to treat its columns as independent sequences, and to depend on time and on the order of its units in no hidden way.
//!
//! ```
//! use gradient_tracking::conformance::{Options, check};
//! # use gradient_tracking::{AffineMap, Block, CellShape, ParameterBlock, Point, RecurrentCell, Trainable, View, ViewMut};
//! # fn run(cell: &mut dyn Trainable) {
//! let mut state = 1_u32;
//! let mut draw = move || {
//!     // Any generator of values in −1…1 will do.
//!     state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
//!     f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
//! };
//! check(cell, &Options::default(), &mut draw).unwrap();
//! # }
//! ```

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::View;
use nalgebra::{DMatrix, DVector};

use crate::backpropagation::backpropagate;
use crate::cell::{AdjointMut, AdjointsMut, Block, Factor, Point, Points, Trainable};
use crate::probe::{BackwardStep, Probe};
use crate::probes::{InputGradientNorms, ParameterGradient};
use crate::rollout::rollout;
use crate::scaled::scale_by_power_of_two;
use crate::source::EveryStep;
use crate::tape::Tape;
use crate::workspace::Workspace;

/// Sizes and tolerances.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// T.
    pub steps: usize,
    /// B, at least 2 for the comparison of columns.
    pub batch: usize,
    /// Step of the central differences.
    pub difference: f64,
    /// Allowed deviation from central differences, relative to the largest entry. The error of a
    /// central difference is about `difference`² from curvature and 10⁻¹⁶/`difference` from
    /// rounding: 10⁻¹⁰ and 10⁻¹¹ at the default step 10⁻⁵, times T steps of conditioning.
    pub difference_tolerance: f64,
    /// Allowed deviation where both sides are the same sum in another order, relative to its terms.
    pub rounding_tolerance: f64,
    /// Whether the hidden units are interchangeable: P is then a multiple of H and every gate's
    /// rows are permuted alike.
    pub units_are_interchangeable: bool,
    /// Whether the way back is that of the step. A cell that stops some of the error on purpose says
    /// no: its ways forward and back must still be each other's transpose, its columns independent and
    /// so on, but nothing is compared with central differences. Check it without that first.
    pub gradient_is_exact: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            steps: 6,
            batch: 3,
            difference: 1e-5,
            difference_tolerance: 1e-6,
            rounding_tolerance: 1e-12,
            units_are_interchangeable: true,
            gradient_is_exact: true,
        }
    }
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The property.
    pub property: &'static str,
    /// Where and by how much.
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)
    }
}

impl std::error::Error for Failure {}

/// Puts `cell` through every check; `draw` supplies values in −1…1. Parameters are left as found.
///
/// # Errors
/// The first property that does not hold.
pub fn check(
    cell: &mut dyn Trainable,
    options: &Options,
    draw: &mut dyn FnMut() -> f64,
) -> Result<(), Failure> {
    let problem = Problem::draw(cell, options, draw);
    blocks_cover_their_rows(cell)?;
    gates_lie_between_zero_and_one(cell, &problem)?;
    if options.gradient_is_exact {
        jacobian_matches_central_differences(cell, options, &problem)?;
    }
    input_jacobian_matches_central_differences(cell, options, &problem, draw)?;
    pull_back_is_the_transpose_of_push_forward(cell, options, &problem, draw)?;
    many_columns_may_share_a_trajectory(cell, options, &problem, draw)?;
    misfits_are_refused(cell, &problem)?;
    consecutive_steps_are_single_steps(cell, &problem.first_sequence(), draw)?;
    consecutive_steps_are_single_steps(cell, &problem, draw)?;
    if options.gradient_is_exact {
        gradients_match_central_differences(cell, options, &problem)?;
    }
    columns_are_independent_sequences(cell, options, &problem)?;
    a_rollout_may_start_anywhere(cell, options, &problem)?;
    if options.units_are_interchangeable {
        relabelling_units_relabels_gradients(cell, options, &problem)?;
    }
    Ok(())
}

/// Inputs, initial state and the adjoint V_t of the loss Σ_t ⟨V_t, h_t⟩.
#[derive(Clone)]
struct Problem {
    inputs: DMatrix<f64>,
    initial: DMatrix<f64>,
    adjoints: DMatrix<f64>,
    steps: usize,
    batch: usize,
}

/// Everything the way back gives.
struct Gradients {
    /// Carried adjoints of s_t for t = 0…T.
    carried: Vec<DMatrix<f64>>,
    /// Node gradients of s_t for t = 0…T.
    node: Vec<DMatrix<f64>>,
    parameters: Vec<f64>,
}

impl Problem {
    fn draw(cell: &dyn Trainable, options: &Options, draw: &mut dyn FnMut() -> f64) -> Self {
        let shape = cell.shape();
        let (steps, batch) = (options.steps, options.batch);
        let mut matrix = |rows, columns| DMatrix::from_fn(rows, columns, |_, _| draw());
        Problem {
            inputs: matrix(shape.input, steps * batch),
            initial: matrix(shape.state, batch),
            adjoints: matrix(shape.output, steps * batch),
            steps,
            batch,
        }
    }

    /// Of the first sequence alone.
    fn first_sequence(&self) -> Problem {
        let first = |matrix: &DMatrix<f64>| {
            let columns = (0..matrix.ncols()).step_by(self.batch);
            matrix.select_columns(&columns.collect::<Vec<_>>())
        };
        Problem {
            inputs: first(&self.inputs),
            initial: first(&self.initial),
            adjoints: first(&self.adjoints),
            steps: self.steps,
            batch: 1,
        }
    }

    fn tape(&self, cell: &dyn Trainable) -> Tape {
        let mut tape = Tape::new();
        rollout(
            cell,
            self.inputs.as_view(),
            self.initial.as_view(),
            &mut tape,
            &mut [],
        )
        .expect("a conformance problem stays finite");
        tape
    }

    fn loss(&self, cell: &dyn Trainable) -> f64 {
        let tape = self.tape(cell);
        let output = cell.output_rows();
        (1..=self.steps)
            .map(|t| {
                let columns = self.adjoints.columns((t - 1) * self.batch, self.batch);
                tape.state(t).rows_range(output.clone()).dot(&columns)
            })
            .sum()
    }

    fn gradients(&self, cell: &dyn Trainable) -> Gradients {
        let mut history = History::default();
        let mut parameters = ParameterGradient::new(cell, self.steps, self.batch);
        backpropagate(
            cell,
            self.inputs.as_view(),
            &self.tape(cell),
            &mut EveryStep {
                adjoints: self.adjoints.as_view(),
            },
            None,
            &mut Workspace::new(),
            &mut [&mut history, &mut parameters],
        )
        .expect("a conformance problem stays finite");
        history.carried.reverse();
        history.node.reverse();
        let mut pulled_back = vec![0.0; cell.parameters().len()];
        cell.pull_back_parameters(&parameters.to_f64(), &mut pulled_back);
        Gradients {
            carried: history.carried,
            node: history.node,
            parameters: pulled_back,
        }
    }
}

/// Keeps whole gradients, latest step first.
#[derive(Default)]
struct History {
    carried: Vec<DMatrix<f64>>,
    node: Vec<DMatrix<f64>>,
}

impl Probe for History {
    fn backward(&mut self, step: &BackwardStep) {
        let plain = |scaled: crate::scaled::Scaled| {
            DMatrix::from_fn(scaled.values.nrows(), scaled.values.ncols(), |i, j| {
                scale_by_power_of_two(scaled.values[(i, j)], scaled.exponents[j])
            })
        };
        self.carried.push(plain(step.carried));
        self.node.push(plain(step.node));
    }
}

fn close(
    property: &'static str,
    place: impl Fn() -> String,
    found: f64,
    wanted: f64,
    scale: f64,
    tolerance: f64,
) -> Result<(), Failure> {
    if (found - wanted).abs() <= tolerance * scale.max(f64::MIN_POSITIVE) {
        Ok(())
    } else {
        Err(Failure {
            property,
            detail: format!("{}: found {found:e}, expected {wanted:e}", place()),
        })
    }
}

fn all_close(
    property: &'static str,
    place: &str,
    found: &[f64],
    wanted: &[f64],
    tolerance: f64,
) -> Result<(), Failure> {
    let scale = wanted.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (k, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        close(
            property,
            || format!("{place}, entry {k}"),
            *found,
            *wanted,
            scale,
            tolerance,
        )?;
    }
    Ok(())
}

fn blocks_cover_their_rows(cell: &dyn Trainable) -> Result<(), Failure> {
    let property = "blocks cover their rows";
    let shape = cell.shape();
    let cover = |what: &str, blocks: &[Block], rows: usize| {
        let mut next = 0;
        for block in blocks {
            if block.rows.start != next {
                return Err(Failure {
                    property,
                    detail: format!("{what} block {} does not start at {next}", block.name),
                });
            }
            next = block.rows.end;
        }
        if next == rows {
            Ok(())
        } else {
            Err(Failure {
                property,
                detail: format!("{what} blocks end at row {next} of {rows}"),
            })
        }
    };
    cover("state", cell.state_blocks(), shape.state)?;
    cover("saved", cell.saved_blocks(), shape.saved)?;
    for gate in cell.gate_names() {
        if !cell.saved_blocks().iter().any(|block| block.name == *gate) {
            return Err(Failure {
                property,
                detail: format!("gate {gate} is no saved block"),
            });
        }
    }
    let mut next = 0;
    let sizes_fit = cell.parameter_blocks().iter().all(|block| {
        let start = std::mem::replace(&mut next, block.range.end);
        let (entries, rows) = (block.range.len(), block.rows.len());
        let fits = match &block.factor {
            Factor::Elementwise(saved) => saved.len() == rows && entries > 0 && rows % entries == 0,
            _ => entries == block.columns * rows,
        };
        block.range.start == start && fits
    });
    if !sizes_fit || cell.output_rows().len() != shape.output {
        return Err(Failure {
            property,
            detail: "parameter blocks or output rows do not fit the shape".to_owned(),
        });
    }
    Ok(())
}

fn gates_lie_between_zero_and_one(cell: &dyn Trainable, problem: &Problem) -> Result<(), Failure> {
    let tape = problem.tape(cell);
    let blocks = cell.saved_blocks().iter();
    for gate in blocks.filter(|block| cell.gate_names().contains(&block.name.as_str())) {
        for t in 1..=problem.steps {
            let saved = tape.point(t).saved;
            let values = saved.rows_range(gate.rows.clone());
            if let Some(value) = values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
                return Err(Failure {
                    property: "gates lie between 0 and 1",
                    detail: format!("gate {} is {value:e} at t = {t}", gate.name),
                });
            }
        }
    }
    Ok(())
}

/// A buffer for a method to write: what it leaves, or adds to, is close or equal to nothing.
fn unwritten(rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_element(rows, columns, f64::NAN)
}

/// One step from `previous`, first sequence of the first step's input.
fn one_step(cell: &dyn Trainable, input: View, previous: View) -> (DMatrix<f64>, DMatrix<f64>) {
    let shape = cell.shape();
    let batch = previous.ncols();
    let mut next = unwritten(shape.state, batch);
    let mut saved = unwritten(shape.saved, batch);
    cell.step(input, previous, next.as_view_mut(), saved.as_view_mut());
    (next, saved)
}

fn push_forward(cell: &dyn Trainable, at: &Point, tangent: &DMatrix<f64>) -> DMatrix<f64> {
    let mut activation = unwritten(cell.shape().delta, tangent.ncols());
    let mut next = unwritten(cell.shape().state, tangent.ncols());
    cell.push_forward(
        at,
        tangent.as_view(),
        activation.as_view_mut(),
        next.as_view_mut(),
    );
    next
}

/// The adjoint of s_{t−1}, as one gets it who asks for nothing else.
fn pull_back(cell: &dyn Trainable, at: &Point, carried: &DMatrix<f64>) -> DMatrix<f64> {
    let (shape, n) = (cell.shape(), carried.ncols());
    let mut delta = unwritten(shape.delta, n);
    let mut previous = unwritten(shape.state, n);
    let adjoint = AdjointMut {
        carried: carried.as_view(),
        node: None,
        delta: delta.as_view_mut(),
        previous: previous.as_view_mut(),
    };
    cell.pull_back(at, adjoint);
    previous
}

/// The node gradient.
fn node(cell: &dyn Trainable, at: &Point, carried: &DMatrix<f64>) -> DMatrix<f64> {
    let (shape, n) = (cell.shape(), carried.ncols());
    let mut node = unwritten(shape.state, n);
    let mut delta = unwritten(shape.delta, n);
    let mut previous = unwritten(shape.state, n);
    let adjoint = AdjointMut {
        carried: carried.as_view(),
        node: Some(node.as_view_mut()),
        delta: delta.as_view_mut(),
        previous: previous.as_view_mut(),
    };
    cell.pull_back(at, adjoint);
    node
}

/// ∂s_t/∂s_{t−1}, column by column, forward and transposed.
fn jacobian_matches_central_differences(
    cell: &dyn Trainable,
    options: &Options,
    problem: &Problem,
) -> Result<(), Failure> {
    let state = cell.shape().state;
    let input = problem.inputs.columns(0, problem.batch);
    let (next, saved) = one_step(cell, input, problem.initial.as_view());
    let at = Point {
        previous: problem.initial.as_view(),
        next: next.as_view(),
        saved: saved.as_view(),
    };
    for unit in 0..state {
        let shifted = |by: f64| {
            let mut previous = problem.initial.clone();
            previous.row_mut(unit).add_scalar_mut(by);
            one_step(cell, input, previous.as_view()).0
        };
        let difference = (shifted(options.difference) - shifted(-options.difference))
            / (2.0 * options.difference);
        let mut tangent = DMatrix::zeros(state, problem.batch);
        tangent.row_mut(unit).fill(1.0);
        all_close(
            "push_forward is the Jacobian of step",
            &format!("state coordinate {unit}"),
            push_forward(cell, &at, &tangent).as_slice(),
            difference.as_slice(),
            options.difference_tolerance,
        )?;
        let transposed = pull_back(cell, &at, &tangent);
        for other in 0..state {
            // Row `unit` of J from pull_back against column `other` from push_forward.
            let mut direction = DMatrix::zeros(state, problem.batch);
            direction.row_mut(other).fill(1.0);
            let column = push_forward(cell, &at, &direction);
            for j in 0..problem.batch {
                close(
                    "pull_back is the transposed Jacobian of step",
                    || format!("∂s[{unit}]/∂s_previous[{other}], column {j}"),
                    transposed[(other, j)],
                    column[(unit, j)],
                    1.0 + column.amax(),
                    options.rounding_tolerance,
                )?;
            }
        }
    }
    Ok(())
}

/// ∂s_t/∂x_t, forward and, through δ, transposed, together with ∂s_t/∂s_{t−1}.
fn input_jacobian_matches_central_differences(
    cell: &dyn Trainable,
    options: &Options,
    problem: &Problem,
    draw: &mut dyn FnMut() -> f64,
) -> Result<(), Failure> {
    let (shape, batch) = (cell.shape(), problem.batch);
    let input = problem.inputs.columns(0, batch).into_owned();
    let (next, saved) = one_step(cell, input.as_view(), problem.initial.as_view());
    let at = Point {
        previous: problem.initial.as_view(),
        next: next.as_view(),
        saved: saved.as_view(),
    };
    let mut matrix = |rows| DMatrix::from_fn(rows, batch, |_, _| draw());
    let (x, v, u) = (
        matrix(shape.input),
        matrix(shape.state),
        matrix(shape.state),
    );
    let mut activation = unwritten(shape.delta, batch);
    let mut forward = unwritten(shape.state, batch);
    cell.push_forward_with(
        &at,
        Some(x.as_view()),
        v.as_view(),
        activation.as_view_mut(),
        forward.as_view_mut(),
    );
    let shifted = |by: f64| {
        let (input, previous) = (&input + by * &x, &problem.initial + by * &v);
        one_step(cell, input.as_view(), previous.as_view()).0
    };
    let h = options.difference;
    if options.gradient_is_exact {
        all_close(
            "push_forward_with is the Jacobian of step",
            "a direction of state and input",
            forward.as_slice(),
            ((shifted(h) - shifted(-h)) / (2.0 * h)).as_slice(),
            options.difference_tolerance,
        )?;
    }
    let mut delta = unwritten(shape.delta, batch);
    let mut backward = unwritten(shape.state, batch);
    let mut input_gradient = unwritten(shape.input, batch);
    let adjoint = AdjointMut {
        carried: u.as_view(),
        node: None,
        delta: delta.as_view_mut(),
        previous: backward.as_view_mut(),
    };
    cell.pull_back(&at, adjoint);
    cell.pull_back_input(delta.as_view(), input_gradient.as_view_mut());
    for j in 0..batch {
        let found =
            backward.column(j).dot(&v.column(j)) + input_gradient.column(j).dot(&x.column(j));
        close(
            "⟨u, J·(v, x)⟩ = ⟨Jᵀu, (v, x)⟩",
            || format!("column {j}"),
            found,
            u.column(j).dot(&forward.column(j)),
            u.column(j).norm() * forward.column(j).norm()
                + v.column(j).norm() * backward.column(j).norm()
                + x.column(j).norm() * input_gradient.column(j).norm(),
            options.rounding_tolerance,
        )?;
    }
    Ok(())
}

/// ⟨u, Jv⟩ = ⟨Jᵀu, v⟩ for the product of all steps' Jacobians.
fn pull_back_is_the_transpose_of_push_forward(
    cell: &dyn Trainable,
    options: &Options,
    problem: &Problem,
    draw: &mut dyn FnMut() -> f64,
) -> Result<(), Failure> {
    let state = cell.shape().state;
    let tape = problem.tape(cell);
    let u = DMatrix::from_fn(state, problem.batch, |_, _| draw());
    let v = DMatrix::from_fn(state, problem.batch, |_, _| draw());
    let forward =
        (1..=problem.steps).fold(v.clone(), |v, t| push_forward(cell, &tape.point(t), &v));
    let backward = (1..=problem.steps)
        .rev()
        .fold(u.clone(), |u, t| pull_back(cell, &tape.point(t), &u));
    for j in 0..problem.batch {
        close(
            "⟨u, Jv⟩ = ⟨Jᵀu, v⟩ over all steps",
            || format!("column {j}"),
            backward.column(j).dot(&v.column(j)),
            u.column(j).dot(&forward.column(j)),
            u.column(j).norm() * forward.column(j).norm()
                + v.column(j).norm() * backward.column(j).norm(),
            options.rounding_tolerance,
        )?;
    }
    Ok(())
}

/// Many steps at once give the bits of one after the other, in both directions; the way back stops
/// where it is told; and node gradients are carried adjoints but for the rows that have inner paths.
fn consecutive_steps_are_single_steps(
    cell: &dyn Trainable,
    problem: &Problem,
    draw: &mut dyn FnMut() -> f64,
) -> Result<(), Failure> {
    let property = "many steps are single steps, one after the other";
    let same = |what: &str, found: &DMatrix<f64>, wanted: &DMatrix<f64>| {
        let differing = found.iter().zip(wanted).position(|(a, b)| a != b);
        differing.map_or(Ok(()), |k| {
            Err(Failure {
                property,
                detail: format!(
                    "{what}, B = {}, entry {k}: found {:e}, expected {:e}",
                    problem.batch, found[k], wanted[k]
                ),
            })
        })
    };
    let (shape, steps, batch) = (cell.shape(), problem.steps, problem.batch);
    let of_steps = |rows, steps| unwritten(rows, steps * batch);

    let (mut states, mut saved) = (
        of_steps(shape.state, steps + 1),
        of_steps(shape.saved, steps),
    );
    states.columns_mut(0, batch).copy_from(&problem.initial);
    let (mut all_states, mut all_saved) = (states.clone(), saved.clone());
    for k in 0..steps {
        let previous = states.columns(k * batch, batch).into_owned();
        let input = problem.inputs.columns(k * batch, batch);
        let (next, of_step) = one_step(cell, input, previous.as_view());
        states.columns_mut((k + 1) * batch, batch).copy_from(&next);
        saved.columns_mut(k * batch, batch).copy_from(&of_step);
    }
    cell.steps(
        problem.inputs.as_view(),
        all_states.as_view_mut(),
        all_saved.as_view_mut(),
    );
    same("states", &all_states, &states)?;
    same("saved", &all_saved, &saved)?;

    let points = Points {
        states: states.as_view(),
        saved: saved.as_view(),
        batch,
    };
    let last = DMatrix::from_fn(shape.state, batch, |_, _| draw());
    let mut carried = of_steps(shape.state, steps + 1);
    carried.columns_mut(steps * batch, batch).copy_from(&last);
    let (mut nodes, mut deltas) = (of_steps(shape.state, steps), of_steps(shape.delta, steps));
    let unwritten = (carried.clone(), nodes.clone(), deltas.clone());
    for k in (0..steps).rev() {
        let adjoint = carried.columns((k + 1) * batch, batch).into_owned();
        let adjoint = AdjointMut {
            carried: adjoint.as_view(),
            node: Some(nodes.columns_mut(k * batch, batch)),
            delta: deltas.columns_mut(k * batch, batch),
            previous: carried.columns_mut(k * batch, batch),
        };
        cell.pull_back(&points.step(k), adjoint);
    }
    for with_nodes in [false, true] {
        let mut all = unwritten.clone();
        let mut pull_back_within = |squares| {
            let adjoints = AdjointsMut {
                carried: all.0.as_view_mut(),
                nodes: with_nodes.then(|| all.1.as_view_mut()),
                deltas: all.2.as_view_mut(),
                columns: batch,
            };
            cell.pull_back_steps(&points, adjoints, squares)
        };
        let counts = [
            pull_back_within((f64::INFINITY, f64::INFINITY)),
            pull_back_within((f64::NEG_INFINITY, f64::INFINITY)),
        ];
        if counts != [1, steps] {
            return Err(Failure {
                property,
                detail: format!("took {counts:?} steps of {steps}, one and all were asked for"),
            });
        }
        same("carried adjoints", &all.0, &carried)?;
        if with_nodes {
            same("node gradients", &all.1, &nodes)?;
        }
        same("δ", &all.2, &deltas)?;
    }

    let inner = cell.inner_paths();
    let arrived = carried.columns(batch, steps * batch);
    for (from, to) in [(0, inner.start.min(shape.state)), (inner.end, shape.state)] {
        let rows = to.saturating_sub(from);
        same(
            "node gradients without inner paths",
            &nodes.rows(from, rows).into_owned(),
            &arrived.rows(from, rows).into_owned(),
        )?;
    }
    Ok(())
}

/// Column j of m·B adjoints or tangents belongs to trajectory j mod B.
fn many_columns_may_share_a_trajectory(
    cell: &dyn Trainable,
    options: &Options,
    problem: &Problem,
    draw: &mut dyn FnMut() -> f64,
) -> Result<(), Failure> {
    let (state, batch) = (cell.shape().state, problem.batch);
    let tape = problem.tape(cell);
    let point = tape.point(problem.steps);
    let many = DMatrix::from_fn(state, 3 * batch, |_, _| draw());
    type Map = fn(&dyn Trainable, &Point, &DMatrix<f64>) -> DMatrix<f64>;
    let maps: [Map; 3] = [pull_back, node, push_forward];
    for map in maps {
        let together = map(cell, &point, &many);
        for k in 0..3 {
            let part = many.columns(k * batch, batch).into_owned();
            all_close(
                "m·B columns share B trajectories",
                &format!("group {k}"),
                together.columns(k * batch, batch).into_owned().as_slice(),
                map(cell, &point, &part).as_slice(),
                options.rounding_tolerance,
            )?;
        }
    }
    Ok(())
}

/// A step back in which one of the matrices is a column short panics, and leaves nothing out in silence.
fn misfits_are_refused(cell: &dyn Trainable, problem: &Problem) -> Result<(), Failure> {
    let (shape, batch) = (cell.shape(), problem.batch);
    let tape = problem.tape(cell);
    let carried = unwritten(shape.state, batch);
    for (short, name) in ["node", "delta", "previous"].into_iter().enumerate() {
        let columns = |matrix: usize| batch - usize::from(matrix == short);
        let mut node = unwritten(shape.state, columns(0));
        let mut delta = unwritten(shape.delta, columns(1));
        let mut previous = unwritten(shape.state, columns(2));
        let adjoint = AdjointMut {
            carried: carried.as_view(),
            node: Some(node.as_view_mut()),
            delta: delta.as_view_mut(),
            previous: previous.as_view_mut(),
        };
        let pull_back = || cell.pull_back(&tape.point(1), adjoint);
        if catch_unwind(AssertUnwindSafe(pull_back)).is_ok() {
            return Err(Failure {
                property: "misfits are refused",
                detail: format!("{name} of {} columns for {batch} of carried", batch - 1),
            });
        }
    }
    Ok(())
}

/// Every parameter, every coordinate of the initial state and every input.
fn gradients_match_central_differences(
    cell: &mut dyn Trainable,
    options: &Options,
    problem: &Problem,
) -> Result<(), Failure> {
    let h = options.difference;
    let gradients = problem.gradients(cell);
    let mut differences = Vec::with_capacity(gradients.parameters.len());
    for k in 0..cell.parameters().len() {
        let original = cell.parameters().to_vec();
        let mut at = |by: f64| {
            let mut shifted = original.clone();
            shifted[k] += by;
            cell.set_parameters(&shifted);
            problem.loss(cell)
        };
        differences.push((at(h) - at(-h)) / (2.0 * h));
        cell.set_parameters(&original);
    }
    all_close(
        "parameter gradients match central differences",
        "parameters",
        &gradients.parameters,
        &differences,
        options.difference_tolerance,
    )?;

    let shifted_loss = |change: &dyn Fn(&mut Problem)| {
        let mut shifted = problem.clone();
        change(&mut shifted);
        shifted.loss(cell)
    };
    let difference = |change: &dyn Fn(&mut Problem, f64)| {
        (shifted_loss(&|p| change(p, h)) - shifted_loss(&|p| change(p, -h))) / (2.0 * h)
    };
    let initial: Vec<f64> = (0..problem.initial.len())
        .map(|k| difference(&|p, by| p.initial[k] += by))
        .collect();
    all_close(
        "the initial state's gradient matches central differences",
        "initial state",
        gradients.carried[0].as_slice(),
        &initial,
        options.difference_tolerance,
    )?;

    let mut norms = InputGradientNorms::new(cell, problem.steps, problem.batch, false);
    backpropagate(
        cell,
        problem.inputs.as_view(),
        &problem.tape(cell),
        &mut EveryStep {
            adjoints: problem.adjoints.as_view(),
        },
        None,
        &mut Workspace::new(),
        &mut [&mut norms],
    )
    .expect("a conformance problem stays finite");
    for t in 1..=problem.steps {
        let size = problem.inputs.nrows() * problem.batch;
        let square: f64 = ((t - 1) * size..t * size)
            .map(|k| difference(&|p, by| p.inputs[k] += by).powi(2))
            .sum();
        let (found, wanted) = (10.0_f64.powf(norms.norms.log10_norm[t - 1]), square.sqrt());
        close(
            "input gradients match central differences",
            || format!("t = {t}"),
            found,
            wanted,
            wanted.max(1e-3),
            options.difference_tolerance,
        )?;
    }
    Ok(())
}

fn columns_are_independent_sequences(
    cell: &dyn Trainable,
    options: &Options,
    problem: &Problem,
) -> Result<(), Failure> {
    let all = problem.gradients(cell);
    let mut parameters = DVector::zeros(all.parameters.len());
    for j in 0..problem.batch {
        let pick = |matrix: &DMatrix<f64>| {
            let columns: Vec<_> = (0..problem.steps)
                .map(|t| matrix.column(t * problem.batch + j).into_owned())
                .collect();
            DMatrix::from_columns(&columns)
        };
        let alone = Problem {
            inputs: pick(&problem.inputs),
            initial: problem.initial.columns(j, 1).into_owned(),
            adjoints: pick(&problem.adjoints),
            steps: problem.steps,
            batch: 1,
        };
        let single = alone.gradients(cell);
        for t in 0..=problem.steps {
            for (together, single) in [
                (&all.carried[t], &single.carried[t]),
                (&all.node[t], &single.node[t]),
            ] {
                all_close(
                    "columns are independent sequences",
                    &format!("adjoint of column {j} at t = {t}"),
                    together.column(j).as_slice(),
                    single.as_slice(),
                    options.rounding_tolerance,
                )?;
            }
        }
        parameters += DVector::from_vec(single.parameters);
    }
    all_close(
        "a batch's parameter gradient is the sum over its sequences",
        "parameters",
        parameters.as_slice(),
        &all.parameters,
        options.rounding_tolerance,
    )
}

/// Time-shift invariance: going on from s_m is the same as never having stopped. To rounding: a
/// cell may treat several steps together.
fn a_rollout_may_start_anywhere(
    cell: &dyn Trainable,
    options: &Options,
    problem: &Problem,
) -> Result<(), Failure> {
    let property = "steps do not depend on absolute time";
    let whole = problem.tape(cell);
    let whole_gradients = problem.gradients(cell);
    for m in 1..problem.steps {
        let from = m * problem.batch;
        let rest = Problem {
            inputs: problem.inputs.columns_range(from..).into_owned(),
            initial: whole.state(m).into_owned(),
            adjoints: problem.adjoints.columns_range(from..).into_owned(),
            steps: problem.steps - m,
            batch: problem.batch,
        };
        let tape = rest.tape(cell);
        let gradients = rest.gradients(cell);
        for t in 1..=rest.steps {
            for (found, wanted) in [
                (
                    &tape.state(t).into_owned(),
                    &whole.state(m + t).into_owned(),
                ),
                (&gradients.node[t], &whole_gradients.node[m + t]),
            ] {
                all_close(
                    property,
                    &format!("started at {m}, {t} steps later"),
                    found.as_slice(),
                    wanted.as_slice(),
                    options.rounding_tolerance,
                )?;
            }
        }
    }
    Ok(())
}

fn relabelling_units_relabels_gradients(
    cell: &mut dyn Trainable,
    options: &Options,
    problem: &Problem,
) -> Result<(), Failure> {
    let hidden = cell.shape().output;
    let original = cell.parameters().to_vec();
    let gradients = problem.gradients(cell);

    // New unit k is old unit k+1: a rotation moves every unit.
    let old_unit = |row: usize| (row / hidden) * hidden + (row % hidden + 1) % hidden;
    let mut relabelled = original.clone();
    for block in cell.parameter_blocks() {
        for column in 0..block.columns {
            let old_column = match block.factor {
                Factor::Previous(_) => old_unit(column),
                Factor::Current(_) | Factor::Input | Factor::Constant | Factor::Elementwise(_) => {
                    column
                }
            };
            let rows = block.range.len() / block.columns.max(1);
            for row in 0..rows {
                relabelled[block.range.start + column * rows + row] =
                    original[block.range.start + old_column * rows + old_unit(row)];
            }
        }
    }
    let permute = |matrix: &DMatrix<f64>| {
        DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
            matrix[(old_unit(i), j)]
        })
    };
    let other = Problem {
        initial: permute(&problem.initial),
        adjoints: permute(&problem.adjoints),
        ..problem.clone()
    };
    cell.set_parameters(&relabelled);
    let permuted = other.gradients(cell);
    cell.set_parameters(&original);
    for t in 0..=problem.steps {
        all_close(
            "relabelling the units relabels the gradients",
            &format!("t = {t}"),
            permuted.node[t].as_slice(),
            permute(&gradients.node[t]).as_slice(),
            options.rounding_tolerance,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::LazyLock;

    use kernels::ViewMut;

    use super::*;
    use crate::cell::{CellShape, ParameterBlock, RecurrentCell};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Flaw {
        None,
        /// Adds to what it finds in this buffer.
        Next,
        Saved,
        Node,
        Delta,
        Previous,
        Input,
        Activation,
        /// Leaves out columns that have no partner.
        Misfits,
        /// Says nothing of what it saves.
        NoBlocks,
        /// Has a gate of a name that no block has.
        UnknownGate,
        /// Has a gate that adds to what there is.
        WideGate,
    }

    /// s_t = z·s_{t−1} + x_t + b with a gate z that stands still.
    struct Gated {
        flaw: Flaw,
        bias: [f64; 1],
    }

    static STATE: LazyLock<Vec<Block>> = LazyLock::new(|| Block::consecutive(&["h"], 1));
    static SAVED: LazyLock<Vec<Block>> = LazyLock::new(|| Block::consecutive(&["z"], 1));
    static BIAS: LazyLock<Vec<ParameterBlock>> = LazyLock::new(|| {
        vec![ParameterBlock {
            name: "bias".to_owned(),
            factor: Factor::Constant,
            rows: 0..1,
            columns: 1,
            range: 0..1,
        }]
    });

    impl Gated {
        /// Puts value(j) into column j of a row.
        fn write(&self, buffer: Flaw, mut to: ViewMut, value: impl Fn(usize) -> f64) {
            for (j, to) in to.iter_mut().enumerate() {
                *to = value(j) + if self.flaw == buffer { *to } else { 0.0 };
            }
        }

        fn gate(&self) -> f64 {
            if self.flaw == Flaw::WideGate {
                1.5
            } else {
                0.5
            }
        }
    }

    impl RecurrentCell for Gated {
        fn shape(&self) -> CellShape {
            CellShape {
                input: 1,
                state: 1,
                output: 1,
                saved: 1,
                delta: 1,
            }
        }
        fn state_blocks(&self) -> &[Block] {
            &STATE
        }
        fn saved_blocks(&self) -> &[Block] {
            match self.flaw {
                Flaw::NoBlocks => &[],
                _ => &SAVED,
            }
        }
        fn gate_names(&self) -> &[&'static str] {
            match self.flaw {
                Flaw::NoBlocks => &[],
                Flaw::UnknownGate => &["f"],
                _ => &["z"],
            }
        }
        fn output_rows(&self) -> Range<usize> {
            0..1
        }
        fn step(&self, input: View, previous: View, next: ViewMut, saved: ViewMut) {
            self.write(Flaw::Saved, saved, |_| self.gate());
            self.write(Flaw::Next, next, |j| {
                self.gate() * previous[j] + input[j] + self.bias[0]
            });
        }
        fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
            if self.flaw != Flaw::Misfits {
                adjoint.assert_fits(self.shape(), at);
            }
            let carried = adjoint.carried;
            if let Some(node) = adjoint.node {
                self.write(Flaw::Node, node, |j| carried[j]);
            }
            self.write(Flaw::Delta, adjoint.delta, |j| carried[j]);
            self.write(Flaw::Previous, adjoint.previous, |j| {
                self.gate() * carried[j]
            });
        }
        fn pull_back_input(&self, delta: View, input: ViewMut) {
            self.write(Flaw::Input, input, |j| delta[j]);
        }
        fn push_forward_with(
            &self,
            _: &Point,
            input: Option<View>,
            tangent: View,
            mut activation: ViewMut,
            next: ViewMut,
        ) {
            self.write(Flaw::Activation, activation.as_view_mut(), |j| {
                self.gate() * tangent[j] + input.map_or(0.0, |input| input[j])
            });
            self.write(Flaw::Next, next, |j| activation[j]);
        }
    }

    impl Trainable for Gated {
        fn parameter_blocks(&self) -> &[ParameterBlock] {
            &BIAS
        }
        fn parameters(&self) -> &[f64] {
            &self.bias
        }
        fn set_parameters(&mut self, parameters: &[f64]) {
            self.bias.copy_from_slice(parameters);
        }
    }

    fn checked(flaw: Flaw) -> Result<(), Failure> {
        let mut state = 1_u32;
        let mut draw = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
        };
        let mut cell = Gated { flaw, bias: [0.3] };
        check(&mut cell, &Options::default(), &mut draw)
    }

    #[test]
    fn a_cell_without_flaws_passes() {
        assert_eq!(checked(Flaw::None), Ok(()));
    }

    #[test]
    fn every_buffer_is_to_be_written() {
        for flaw in [
            Flaw::Next,
            Flaw::Saved,
            Flaw::Node,
            Flaw::Delta,
            Flaw::Previous,
            Flaw::Input,
            Flaw::Activation,
        ] {
            let failure = checked(flaw).expect_err(&format!("{flaw:?}"));
            assert!(failure.detail.contains("found NaN"), "{flaw:?}: {failure}");
        }
    }

    #[test]
    fn columns_without_a_partner_are_not_left_out() {
        assert_eq!(
            checked(Flaw::Misfits).unwrap_err().to_string(),
            "misfits are refused: node of 2 columns for 3 of carried"
        );
    }

    #[test]
    fn blocks_and_gates_are_what_a_step_saves() {
        for (flaw, expected) in [
            (
                Flaw::NoBlocks,
                "blocks cover their rows: saved blocks end at row 0 of 1",
            ),
            (
                Flaw::UnknownGate,
                "blocks cover their rows: gate f is no saved block",
            ),
            (
                Flaw::WideGate,
                "gates lie between 0 and 1: gate z is 1.5e0 at t = 1",
            ),
        ] {
            assert_eq!(checked(flaw).unwrap_err().to_string(), expected);
        }
    }
}
