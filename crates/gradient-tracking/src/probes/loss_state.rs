//! Which loss hears which state: ‖∂L_τ/∂h_t‖ for a loss L_τ of its own at every τ ≥ t.
//!
//! The adjoints of all losses are columns of one sweep back along the trajectory: at t = τ the columns
//! of L_τ join with L_τ's own direct derivative ∂L_τ/∂h_τ, and from there each is pulled back with all
//! others and keeps its own exponents. Nothing but these columns is held of a step, and none is
//! copied: as [`RecurrentCell::pull_back`] asks, column j belongs to sequence j mod B.
//!
//! Time: the pull-backs of n·B columns, n the losses after t, so up to n times the ordinary way back
//! and half of that for losses spread evenly. Memory: n·B adjoints, four times.

use std::ops::Range;

use kernels::{View, ViewMut};

use crate::cell::{AdjointMut, RecurrentCell};
use crate::probe::{BackwardStep, Probe, Watches};
use crate::scaled::{Scaled, rescale, rows};

/// Node gradient norms of every block of the state for every loss, at chosen times.
///
/// Truncation applies: what arrives at a detached state goes no further back.
pub struct LossState<'a> {
    /// The times τ of the losses, in rising order.
    pub loss_times: Vec<usize>,
    /// The times t of the states, in rising order.
    pub state_times: Vec<usize>,
    /// Name of each block, `h` or `c`, and log₁₀ ‖∂L_τ/∂(block)_t‖ over the batch: for each τ one row
    /// of a value for each t; −∞ for an exact zero, as everywhere where t > τ. A column has one
    /// exponent, of layers that are one cell too: a block more than some 10³⁰⁰ below the largest of its
    /// column underflows, and is −∞ as well.
    pub blocks: Vec<(String, Vec<f64>)>,
    /// The step in which an adjoint left the range of f64; earlier values are not recorded.
    pub overflow: Option<usize>,
    cell: &'a dyn RecurrentCell,
    /// ∂L_τ/∂h_τ of all losses side by side, H×(n·B).
    adjoints: View<'a>,
    batch: usize,
    ranges: Vec<Range<usize>>,
    /// Losses that have joined.
    active: usize,
    carried: Vec<f64>,
    node: Vec<f64>,
    delta: Vec<f64>,
    previous: Vec<f64>,
    exponents: Vec<i64>,
}

impl<'a> LossState<'a> {
    /// For losses at `loss_times` from 1 on and states at `state_times`, both in rising order and
    /// without repetition. `adjoints` holds ∂L_τ/∂h_τ for each of the losses, in that order, of
    /// `batch` sequences: H×(n·B).
    ///
    /// # Panics
    /// If `adjoints` does not fit.
    pub fn new(
        cell: &'a dyn RecurrentCell,
        loss_times: Vec<usize>,
        state_times: Vec<usize>,
        batch: usize,
        adjoints: View<'a>,
    ) -> Self {
        let shape = cell.shape();
        let columns = loss_times.len() * batch;
        assert_eq!(
            adjoints.shape(),
            (shape.output, columns),
            "shape of the adjoints"
        );
        let blocks = cell.state_blocks();
        let entries = loss_times.len() * state_times.len();
        LossState {
            blocks: blocks
                .iter()
                .map(|block| (block.name.clone(), vec![f64::NEG_INFINITY; entries]))
                .collect(),
            ranges: blocks.iter().map(|block| block.rows.clone()).collect(),
            loss_times,
            state_times,
            overflow: None,
            cell,
            adjoints,
            batch,
            active: 0,
            carried: vec![0.0; shape.state * columns],
            node: vec![0.0; shape.state * columns],
            delta: vec![0.0; shape.delta * columns],
            previous: vec![0.0; shape.state * columns],
            exponents: vec![0; columns],
        }
    }

    /// L_τ joins, if there is a loss at τ: losses join from the last one on.
    fn join(&mut self, tau: usize) -> bool {
        let Some(index) = self.loss_times.len().checked_sub(self.active + 1) else {
            return false;
        };
        if self.loss_times[index] != tau {
            return false;
        }
        let shape = self.cell.shape();
        let first = self.active * self.batch;
        for j in 0..self.batch {
            let column = &mut self.carried[(first + j) * shape.state..][..shape.state];
            column.fill(0.0);
            column[self.cell.output_rows()]
                .copy_from_slice(self.adjoints.column(index * self.batch + j).as_slice());
            self.exponents[first + j] = 0;
        }
        self.active += 1;
        true
    }
}

impl Probe for LossState<'_> {
    fn watches(&self) -> Watches {
        Watches {
            forward: false,
            backward: true,
        }
    }

    fn backward(&mut self, step: &BackwardStep) {
        if self.overflow.is_some() {
            return;
        }
        let joined = step.t > 0 && self.join(step.t);
        if self.active == 0 {
            return;
        }
        let shape = self.cell.shape();
        let columns = self.active * self.batch;
        let size = shape.state * columns;
        if let Some(point) = step.point {
            let (rows, delta) = (shape.state, &mut self.delta[..shape.delta * columns]);
            let adjoint = AdjointMut {
                carried: View::from_slice(&self.carried[..size], rows, columns),
                node: Some(ViewMut::from_slice(&mut self.node[..size], rows, columns)),
                delta: ViewMut::from_slice(delta, shape.delta, columns),
                previous: ViewMut::from_slice(&mut self.previous[..size], rows, columns),
            };
            self.cell.pull_back(&point, adjoint);
        } else {
            self.node[..size].copy_from_slice(&self.carried[..size]);
        }
        if let Ok(place) = self.state_times.binary_search(&step.t) {
            let node = View::from_slice(&self.node[..size], shape.state, columns);
            for k in 0..self.active {
                let index = self.loss_times.len() - 1 - k;
                let own = k * self.batch..(k + 1) * self.batch;
                let values = node.columns(own.start, self.batch);
                for ((_, norms), range) in self.blocks.iter_mut().zip(&self.ranges) {
                    let block = Scaled {
                        values: rows(&values, range),
                        exponents: &self.exponents[own.clone()],
                    };
                    norms[index * self.state_times.len() + place] = block.log10_norm();
                }
            }
        }
        if step.cut {
            // Only what the loss puts in at this very step goes on.
            let arrived = self.active - usize::from(joined);
            self.previous[..arrived * self.batch * shape.state].fill(0.0);
        }
        if step.point.is_some() {
            let previous = ViewMut::from_slice(&mut self.previous[..size], shape.state, columns);
            if rescale(previous, &mut self.exponents[..columns]).is_err() {
                self.overflow = Some(step.t);
            }
            std::mem::swap(&mut self.carried, &mut self.previous);
        }
    }
}
