//! Random matrices and networks.
#![allow(dead_code)]

use gradient_tracking::{RecurrentCell, Tape, Trainable, rollout};
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use vanilla_rnn::{Activation, VanillaRnn};

pub struct Normal(ChaCha8Rng);

impl Normal {
    pub fn new(seed: u64) -> Self {
        Normal(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn number(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Independent entries of this standard deviation.
    pub fn matrix(&mut self, rows: usize, columns: usize, std: f64) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |_, _| std * self.number())
    }

    pub fn orthogonal(&mut self, size: usize) -> DMatrix<f64> {
        self.matrix(size, size, 1.0).qr().q()
    }

    pub fn rnn(
        &mut self,
        input: usize,
        hidden: usize,
        activation: Activation,
        gain: f64,
    ) -> VanillaRnn {
        let scale = gain / (hidden as f64).sqrt();
        VanillaRnn::new(
            activation,
            self.matrix(hidden, hidden, scale),
            self.matrix(hidden, input, 0.3),
            DVector::zeros(hidden),
        )
    }

    pub fn lstm(&mut self, input: usize, hidden: usize, gain: f64, forget_bias: f64) -> Lstm {
        let scale = gain / (hidden as f64).sqrt();
        let mut bias = DVector::zeros(4 * hidden);
        bias.rows_mut(hidden, hidden).fill(forget_bias);
        Lstm::new(
            self.matrix(4 * hidden, hidden, scale),
            self.matrix(4 * hidden, input, 0.5),
            bias,
            true,
        )
    }

    /// The trajectory of a cell under Gaussian inputs from a Gaussian state.
    pub fn tape(&mut self, cell: &dyn RecurrentCell, steps: usize, batch: usize) -> Tape {
        let shape = cell.shape();
        let inputs = self.matrix(shape.input, steps * batch, 1.0);
        let initial = self.matrix(shape.state, batch, 0.1);
        let mut tape = Tape::new();
        rollout(
            cell,
            inputs.as_view(),
            initial.as_view(),
            &mut tape,
            &mut [],
        )
        .unwrap();
        tape
    }
}

/// ∂s_t/∂s_{t−1} of the first sequence, S×S.
pub fn jacobian(cell: &dyn RecurrentCell, tape: &Tape, t: usize) -> DMatrix<f64> {
    let shape = cell.shape();
    let point = tape.point(t);
    let at = gradient_tracking::Point {
        previous: point.previous.columns(0, 1),
        next: point.next.columns(0, 1),
        saved: point.saved.columns(0, 1),
    };
    let units = DMatrix::identity(shape.state, shape.state);
    let mut activation = DMatrix::zeros(shape.delta, shape.state);
    let mut jacobian = DMatrix::zeros(shape.state, shape.state);
    cell.push_forward(
        &at,
        units.as_view(),
        activation.as_view_mut(),
        jacobian.as_view_mut(),
    );
    jacobian
}

/// W_hh, P×H.
pub fn recurrent_weights(cell: &dyn Trainable) -> DMatrix<f64> {
    let blocks = cell.parameter_blocks();
    let block = blocks
        .iter()
        .find(|block| block.name == "weight_hh")
        .unwrap();
    let values = &cell.parameters()[block.range.clone()];
    DMatrix::from_column_slice(block.rows.len(), block.columns, values)
}
