//! The smallest cell there is, for examples and this crate's own tests.

use std::ops::Range;
use std::sync::LazyLock;

use kernels::{View, ViewMut};

use crate::cell::{AdjointMut, Block, CellShape, Point, RecurrentCell};

/// s_t = ½·s_{t−1} + x_t, one unit.
#[derive(Clone, Copy, Debug)]
pub struct Halving;

static STATE: LazyLock<Vec<Block>> = LazyLock::new(|| Block::consecutive(&["h"], 1));

impl RecurrentCell for Halving {
    fn shape(&self) -> CellShape {
        CellShape {
            input: 1,
            state: 1,
            output: 1,
            saved: 0,
            delta: 1,
        }
    }
    fn state_blocks(&self) -> &[Block] {
        &STATE
    }
    fn saved_blocks(&self) -> &[Block] {
        &[]
    }
    fn output_rows(&self) -> Range<usize> {
        0..1
    }
    fn step(&self, input: View, previous: View, mut next: ViewMut, _: ViewMut) {
        next.copy_from(&input);
        next.zip_apply(&previous, |n, p| *n += 0.5 * p);
    }
    fn pull_back(&self, at: &Point, mut adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        let carried = adjoint.carried;
        if let Some(mut node) = adjoint.node {
            node.copy_from(&carried);
        }
        adjoint.delta.copy_from(&carried);
        (adjoint.previous).zip_apply(&carried, |p, c| *p = 0.5 * c);
    }
    fn pull_back_input(&self, delta: View, mut input: ViewMut) {
        input.copy_from(&delta);
    }
    fn push_forward_with(
        &self,
        _: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        activation.zip_apply(&tangent, |a, t| *a = 0.5 * t);
        if let Some(input) = input {
            activation += input;
        }
        next.copy_from(&activation);
    }
}
