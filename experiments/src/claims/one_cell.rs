//! What claims about a single cell measure: its gradient, at every step.

use gradient_tracking::probes::{BlockNorms, ParameterGradient};
use gradient_tracking::scaled::{Scaled, scale_by_power_of_two};
use gradient_tracking::source::Terminal;
use gradient_tracking::{BackwardStep, Probe, Tape, Trainable, Workspace, backpropagate, rollout};
use nalgebra::DMatrix;

/// The gradient of a loss at the last step, t = 0…T.
pub(super) struct Gradients {
    /// ∂L/∂s_t as nodes of the graph, S×B; 0 or ±∞ where f64 cannot hold it.
    pub node: Vec<DMatrix<f64>>,
    /// log₁₀ of the norms of the same, block by block, which holds at any size.
    pub norms: BlockNorms,
    /// ∂L/∂ the cell's parameters.
    pub parameters: Vec<f64>,
}

/// Follows `cell` through `inputs` (I×(T·B)) from `initial` (S×B), and the loss ⟨`adjoint`, h_T⟩ (H×B) back.
pub(super) fn gradients(
    cell: &dyn Trainable,
    inputs: &DMatrix<f64>,
    initial: &DMatrix<f64>,
    adjoint: &DMatrix<f64>,
) -> Result<Gradients, String> {
    let batch = initial.ncols();
    let steps = inputs.ncols() / batch;
    let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
    rollout(
        cell,
        inputs.as_view(),
        initial.as_view(),
        &mut tape,
        &mut [],
    )
    .map_err(|error| error.to_string())?;
    let mut nodes = Nodes(Vec::with_capacity(steps + 1));
    let mut norms = BlockNorms::new(cell, steps, batch, false);
    let mut parameters = ParameterGradient::new(cell, steps, batch);
    let mut source = Terminal {
        steps,
        adjoint: adjoint.as_view(),
    };
    backpropagate(
        cell,
        inputs.as_view(),
        &tape,
        &mut source,
        None,
        &mut workspace,
        &mut [&mut nodes, &mut norms, &mut parameters],
    )
    .map_err(|error| error.to_string())?;
    nodes.0.reverse();
    let mut pulled_back = vec![0.0; cell.parameters().len()];
    cell.pull_back_parameters(&parameters.to_f64(), &mut pulled_back);
    Ok(Gradients {
        node: nodes.0,
        norms,
        parameters: pulled_back,
    })
}

/// ln r_k = ln ‖∂L/∂h_{T−k}‖ − ln ‖∂L/∂h_T‖ for k = 0…T of the state block in this place.
pub(super) fn ln_ratios(norms: &BlockNorms, block: usize) -> Vec<f64> {
    let log10 = &norms.blocks[block].node.log10_norm;
    let last = log10[log10.len() - 1];
    let ratios = log10.iter().rev().map(|norm| norm - last);
    ratios
        .map(|ratio| ratio * std::f64::consts::LN_10)
        .collect()
}

/// The largest of these numbers, NaN if one of them is.
pub(super) fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, |largest: f64, number| {
        if number.is_nan() || largest.is_nan() {
            f64::NAN
        } else {
            largest.max(number)
        }
    })
}

/// Keeps node gradients, latest step first.
struct Nodes(Vec<DMatrix<f64>>);

impl Probe for Nodes {
    fn backward(&mut self, step: &BackwardStep) {
        let Scaled { values, exponents } = step.node;
        let plain = |i, j| scale_by_power_of_two(values[(i, j)], exponents[j]);
        self.0
            .push(DMatrix::from_fn(values.nrows(), values.ncols(), plain));
    }
}
