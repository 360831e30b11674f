//! What claims about a single cell and its parameters measure: all its gradients at once.

use gradient_tracking::Trainable;
use gradient_tracking::probes::{BlockNorms, ParameterGradient};
use nalgebra::DMatrix;

use super::measure::{Adjoints, Kept, Trajectory};

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
    inputs: DMatrix<f64>,
    initial: &DMatrix<f64>,
    adjoint: &DMatrix<f64>,
) -> Result<Gradients, String> {
    let trajectory = Trajectory::new(cell, inputs, initial)?;
    let (steps, batch) = (trajectory.steps(), initial.ncols());
    let mut adjoints = Adjoints::new(steps);
    let mut norms = BlockNorms::new(cell, steps, batch, false);
    let mut parameters = ParameterGradient::new(cell, steps, batch);
    trajectory.backpropagate(
        &mut trajectory.terminal_source(adjoint),
        None,
        &mut [&mut adjoints, &mut norms, &mut parameters],
    )?;
    let mut pulled_back = vec![0.0; cell.parameters().len()];
    cell.pull_back_parameters(&parameters.to_f64(), &mut pulled_back);
    Ok(Gradients {
        node: adjoints.node.iter().map(Kept::plain).collect(),
        norms,
        parameters: pulled_back,
    })
}

/// ln ‖∂L/∂q_{T−k}‖ − ln ‖∂L/∂q_T‖ for k = 0…T of the state block q in this place.
pub(super) fn ln_ratios(norms: &BlockNorms, block: usize) -> Vec<f64> {
    let log10 = &norms.blocks[block].node.log10_norm;
    let last = log10[log10.len() - 1];
    let ratios = log10.iter().rev().map(|norm| norm - last);
    ratios
        .map(|ratio| ratio * std::f64::consts::LN_10)
        .collect()
}
