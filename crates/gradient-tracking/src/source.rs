//! Where adjoints come from: the loss, step by step.

use kernels::{Start, View, ViewMut};
use nalgebra::{DMatrix, DVector};

/// A loss, seen from the output of the network.
pub trait AdjointSource {
    /// Writes the loss's direct derivative with respect to the output h_t into `adjoint`.
    ///
    /// Called once for each step that [`before`](Self::before) names, the last one first. Shapes:
    /// both H×B; `adjoint` comes zeroed. Returns whether the loss touches step t at all; if not,
    /// `adjoint` is ignored.
    fn inject(&mut self, t: usize, output: View, adjoint: ViewMut) -> bool;

    /// The last step before t that the loss may touch, 0 if there is none. Steps that it cannot touch
    /// go back without asking. Unless a source says otherwise, it may touch every step.
    fn before(&self, t: usize) -> usize {
        t - 1
    }
}

/// L = ⟨V, h_T⟩: a given adjoint at the last step and nothing before.
#[derive(Clone, Debug)]
pub struct Terminal<'a> {
    /// T.
    pub steps: usize,
    /// V, H×B.
    pub adjoint: View<'a>,
}

impl AdjointSource for Terminal<'_> {
    fn inject(&mut self, t: usize, _: View, mut adjoint: ViewMut) -> bool {
        if t == self.steps {
            adjoint.copy_from(&self.adjoint);
        }
        t == self.steps
    }

    fn before(&self, t: usize) -> usize {
        if t > self.steps { self.steps } else { 0 }
    }
}

/// L = ‖h_T − y‖² of each sequence, y the same number for every unit: how far the last output is from a
/// target. Without the ½ of [`Target::SquaredError`].
#[derive(Clone, Debug)]
pub struct SquaredDistance {
    /// T.
    pub steps: usize,
    /// y.
    pub target: f64,
    /// L of each sequence, B values, once the loss has been injected.
    pub losses: Vec<f64>,
}

impl SquaredDistance {
    /// For trajectories of `steps` steps.
    pub fn new(steps: usize, target: f64) -> Self {
        SquaredDistance {
            steps,
            target,
            losses: Vec::new(),
        }
    }
}

impl AdjointSource for SquaredDistance {
    fn inject(&mut self, t: usize, output: View, mut adjoint: ViewMut) -> bool {
        if t != self.steps {
            return false;
        }
        self.losses.clear();
        for (mut adjoint, output) in adjoint.column_iter_mut().zip(output.column_iter()) {
            let mut loss = 0.0;
            adjoint.zip_apply(&output, |adjoint, h| {
                let error = h - self.target;
                loss += error * error;
                *adjoint = 2.0 * error;
            });
            self.losses.push(loss);
        }
        true
    }

    fn before(&self, t: usize) -> usize {
        if t > self.steps { self.steps } else { 0 }
    }
}

/// L = Σ_t ⟨V_t, h_t⟩: a given adjoint at every step.
#[derive(Clone, Debug)]
pub struct EveryStep<'a> {
    /// V_1…V_T side by side, H×(T·B).
    pub adjoints: View<'a>,
}

impl AdjointSource for EveryStep<'_> {
    fn inject(&mut self, t: usize, _: View, mut adjoint: ViewMut) -> bool {
        let batch = adjoint.ncols();
        adjoint.copy_from(&self.adjoints.columns((t - 1) * batch, batch));
        true
    }
}

/// What a readout y_t = W·h_t + b is compared with. Step t uses columns (t−1)·B…t·B.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// ½‖y_t − target_t‖², with a ½ unlike [`SquaredDistance`], summed over sequences and steps;
    /// K×(T·B).
    SquaredError(View<'a>),
    /// −ln softmax(y_t) at label_t, summed over sequences and steps; T·B labels below K.
    CrossEntropy(&'a [usize]),
}

/// A linear readout with its loss: y_t = W·h_t + b at every step from `first_step` on.
///
/// While the adjoint flows it adds up the loss and the gradients of W and b.
#[derive(Clone, Debug)]
pub struct Readout<'a> {
    /// W, K×H.
    pub weights: DMatrix<f64>,
    /// b, K.
    pub bias: DVector<f64>,
    /// What is to come out.
    pub target: Target<'a>,
    /// The first step with a loss: 1 for every step, T for the last alone.
    pub first_step: usize,
    /// L, so far.
    pub loss: f64,
    /// ∂L/∂W, K×H.
    pub weights_gradient: DMatrix<f64>,
    /// ∂L/∂b, K.
    pub bias_gradient: DVector<f64>,
    /// y_t, then ∂L/∂y_t, K×B.
    scratch: DMatrix<f64>,
}

impl<'a> Readout<'a> {
    /// Shapes: `weights` K×H, `bias` K; `target` as [`Target`] says for `batch` sequences.
    pub fn new(
        weights: DMatrix<f64>,
        bias: DVector<f64>,
        target: Target<'a>,
        first_step: usize,
        batch: usize,
    ) -> Self {
        let (rows, columns) = weights.shape();
        Readout {
            weights,
            bias,
            target,
            first_step,
            loss: 0.0,
            weights_gradient: DMatrix::zeros(rows, columns),
            bias_gradient: DVector::zeros(rows),
            scratch: DMatrix::zeros(rows, batch),
        }
    }
}

impl AdjointSource for Readout<'_> {
    fn before(&self, t: usize) -> usize {
        if t > self.first_step { t - 1 } else { 0 }
    }

    fn inject(&mut self, t: usize, output: View, adjoint: ViewMut) -> bool {
        if t < self.first_step {
            return false;
        }
        let batch = output.ncols();
        for mut column in self.scratch.column_iter_mut() {
            column.copy_from(&self.bias);
        }
        kernels::multiply(
            Start::Destination,
            self.weights.as_view(),
            output,
            self.scratch.as_view_mut(),
        );
        match self.target {
            Target::SquaredError(targets) => {
                self.scratch -= targets.columns((t - 1) * batch, batch);
                self.loss += 0.5 * self.scratch.norm_squared();
            }
            Target::CrossEntropy(labels) => {
                let labels = &labels[(t - 1) * batch..t * batch];
                for (mut y, label) in self.scratch.column_iter_mut().zip(labels) {
                    self.loss += softmax_minus_one_hot(y.as_mut_slice(), *label);
                }
            }
        }
        kernels::multiply_by_transpose(
            Start::Destination,
            self.scratch.as_view(),
            output,
            self.weights_gradient.as_view_mut(),
        );
        for column in self.scratch.column_iter() {
            self.bias_gradient += column;
        }
        kernels::multiply_transposed(
            Start::Zero,
            self.weights.as_view(),
            self.scratch.as_view(),
            adjoint,
        );
        true
    }
}

/// Replaces logits by ∂/∂y of −ln softmax(y) at the label and returns that loss.
///
/// # Panics
/// If `label` is not below the number of logits.
fn softmax_minus_one_hot(logits: &mut [f64], label: usize) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let at_label = logits[label] - largest;
    let mut sum = 0.0;
    for y in logits.iter_mut() {
        *y = (*y - largest).exp();
        sum += *y;
    }
    for y in logits.iter_mut() {
        *y /= sum;
    }
    logits[label] -= 1.0;
    sum.ln() - at_label
}
