//! ∂L/∂x_t: how far the input of each step is still heard.

use kernels::{View, ViewMut};

use crate::cell::RecurrentCell;
use crate::probe::{BackwardChunk, Probe, Watches};
use crate::probes::norms::Norms;
use crate::scaled::Scaled;

/// Input gradient norms, t = 1…T (index t − 1); −∞ for a cell without inputs.
pub struct InputGradientNorms<'a> {
    /// The norms.
    pub norms: Norms,
    cell: &'a dyn RecurrentCell,
    gradients: Vec<f64>,
}

impl<'a> InputGradientNorms<'a> {
    /// For a run of `steps` steps of `batch` sequences, with the norm of each sequence if asked.
    pub fn new(
        cell: &'a dyn RecurrentCell,
        steps: usize,
        batch: usize,
        per_sequence: bool,
    ) -> Self {
        let columns = batch * crate::workspace::chunk_steps(batch);
        InputGradientNorms {
            norms: Norms::new(steps, batch, per_sequence),
            cell,
            gradients: vec![0.0; cell.shape().input * columns],
        }
    }
}

impl Probe for InputGradientNorms<'_> {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: false,
        }
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        let (rows, columns) = chunk.inputs.shape();
        let gradients = &mut self.gradients[..rows * columns];
        self.cell.pull_back_input(
            chunk.deltas.values,
            ViewMut::from_slice(gradients, rows, columns),
        );
        let values = Scaled {
            values: View::from_slice(gradients, rows, columns),
            exponents: chunk.deltas.exponents,
        };
        // Index t − 1.
        self.norms.set_all(chunk.first_step - 1, values);
    }
}
