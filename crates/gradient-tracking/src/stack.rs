//! Layers one above the other, as one cell.

use std::ops::Range;

use kernels::{View, ViewMut};

use crate::cell::{
    AdjointMut, Block, CellShape, Factor, ParameterBlock, Point, RecurrentCell, Trainable,
};

/// A stack of layers is itself a cell: layer k sees h_t of layer k − 1 as its input at the same step,
/// and the state is `[0.h; 0.c; 1.h; …]`, bottom first.
///
/// This is the form for Jacobians, tangents and everything else that takes a cell: all layers'
/// adjoints then share one exponent per column, so that a layer whose gradient lies more than 10⁻³⁰⁰
/// below its neighbour's is lost. Runs that measure go through the layers one after the other
/// instead ([`rollout_layers`](crate::rollout_layers),
/// [`backpropagate_layers`](crate::backpropagate_layers)), each with exponents, probes and gates of
/// its own.
pub struct Stack {
    layers: Vec<Box<dyn Trainable>>,
    places: Vec<Place>,
    shape: CellShape,
    /// Rows of δ in which an adjoint is put together.
    scratch: Range<usize>,
    state_blocks: Vec<Block>,
    saved_blocks: Vec<Block>,
    parameter_blocks: Vec<ParameterBlock>,
    parameters: Vec<f64>,
}

/// The rows of a layer in state, saved and δ, those of its output in the state, its parameters, and
/// where the matrices made of them lie in a gradient.
struct Place {
    state: Range<usize>,
    output: Range<usize>,
    saved: Range<usize>,
    delta: Range<usize>,
    parameters: Range<usize>,
    entering: Range<usize>,
}

/// Layers that do not fit on top of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerMismatch {
    /// There is no layer.
    Empty,
    /// The input size of a layer is not the output size of the one below it.
    Sizes {
        /// The layer, from 0.
        layer: usize,
        /// Its input size.
        input: usize,
        /// The output size of the layer below.
        below: usize,
    },
}

impl std::fmt::Display for LayerMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            LayerMismatch::Empty => write!(f, "a stack needs at least one layer"),
            LayerMismatch::Sizes {
                layer,
                input,
                below,
            } => write!(
                f,
                "layer {layer} takes inputs of size {input}, but layer {} has outputs of size {below}",
                layer - 1
            ),
        }
    }
}

impl std::error::Error for LayerMismatch {}

impl Stack {
    /// A stack of `layers`, the one that sees the inputs first.
    ///
    /// # Errors
    /// [`LayerMismatch`] if there is none, or if one does not fit on the one below.
    pub fn new(layers: Vec<Box<dyn Trainable>>) -> Result<Self, LayerMismatch> {
        let Some(bottom) = layers.first() else {
            return Err(LayerMismatch::Empty);
        };
        let mut stack = Stack {
            shape: CellShape {
                input: bottom.shape().input,
                state: 0,
                output: 0,
                saved: 0,
                delta: 0,
            },
            layers: Vec::new(),
            places: Vec::new(),
            scratch: 0..0,
            state_blocks: Vec::new(),
            saved_blocks: Vec::new(),
            parameter_blocks: Vec::new(),
            parameters: Vec::new(),
        };
        for layer in layers {
            stack.push(layer)?;
        }
        let scratch = stack.places.split_last().map_or(0, |(_, lower)| {
            let rows = lower.iter().map(|place| place.state.len());
            rows.max().unwrap_or(0)
        });
        stack.scratch = stack.shape.delta..stack.shape.delta + scratch;
        stack.shape.delta += scratch;
        Ok(stack)
    }

    fn push(&mut self, cell: Box<dyn Trainable>) -> Result<(), LayerMismatch> {
        let (layer, own) = (self.layers.len(), cell.shape());
        let below = self.places.last().map(|place| place.output.clone());
        if let Some(below) = &below
            && below.len() != own.input
        {
            return Err(LayerMismatch::Sizes {
                layer,
                input: own.input,
                below: below.len(),
            });
        }
        let all = self.shape;
        let shifted = |rows: &Range<usize>, by: usize| rows.start + by..rows.end + by;
        let end = |blocks: &[ParameterBlock]| blocks.last().map_or(0, |block| block.range.end);
        let place = Place {
            state: all.state..all.state + own.state,
            output: shifted(&cell.output_rows(), all.state),
            saved: all.saved..all.saved + own.saved,
            delta: all.delta..all.delta + own.delta,
            parameters: shifted(&(0..cell.parameters().len()), self.parameters.len()),
            entering: shifted(
                &(0..end(cell.parameter_blocks())),
                end(&self.parameter_blocks),
            ),
        };
        let named = |block: &Block, by| Block {
            name: format!("{layer}.{}", block.name),
            rows: shifted(&block.rows, by),
        };
        let states = cell.state_blocks().iter();
        self.state_blocks
            .extend(states.map(|block| named(block, all.state)));
        let saved = cell.saved_blocks().iter();
        self.saved_blocks
            .extend(saved.map(|block| named(block, all.saved)));
        for block in cell.parameter_blocks() {
            self.parameter_blocks.push(ParameterBlock {
                name: format!("{layer}.{}", block.name),
                factor: match (&block.factor, &below) {
                    (Factor::Previous(rows), _) => Factor::Previous(shifted(rows, all.state)),
                    (Factor::Current(rows), _) => Factor::Current(shifted(rows, all.state)),
                    (Factor::Input, Some(below)) => Factor::Current(below.clone()),
                    (Factor::Input, None) => Factor::Input,
                    (Factor::Constant, _) => Factor::Constant,
                    (Factor::Elementwise(rows), _) => Factor::Elementwise(shifted(rows, all.saved)),
                },
                rows: shifted(&block.rows, all.delta),
                columns: block.columns,
                range: shifted(&block.range, place.entering.start),
            });
        }
        self.parameters.extend_from_slice(cell.parameters());
        self.shape = CellShape {
            input: all.input,
            state: place.state.end,
            output: own.output,
            saved: place.saved.end,
            delta: place.delta.end,
        };
        self.places.push(place);
        self.layers.push(cell);
        Ok(())
    }

    /// The layers, bottom first.
    pub fn layers(&self) -> &[Box<dyn Trainable>] {
        &self.layers
    }

    /// The rows of each layer's state in the state of the stack.
    pub fn state_rows(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.places.iter().map(|place| place.state.clone())
    }
}

impl Place {
    fn point<'a>(&self, at: &'a Point) -> Point<'a> {
        Point {
            previous: at.previous.rows_range(self.state.clone()),
            next: at.next.rows_range(self.state.clone()),
            saved: at.saved.rows_range(self.saved.clone()),
        }
    }
}

impl RecurrentCell for Stack {
    fn shape(&self) -> CellShape {
        self.shape
    }

    fn state_blocks(&self) -> &[Block] {
        &self.state_blocks
    }

    fn saved_blocks(&self) -> &[Block] {
        &self.saved_blocks
    }

    fn output_rows(&self) -> Range<usize> {
        self.places[self.places.len() - 1].output.clone()
    }

    fn step(&self, input: View, previous: View, mut next: ViewMut, mut saved: ViewMut) {
        let mut below: Option<&Place> = None;
        for (cell, place) in self.layers.iter().zip(&self.places) {
            let previous = previous.rows_range(place.state.clone());
            let saved = saved.rows_range_mut(place.saved.clone());
            match below {
                None => {
                    let next = next.rows_range_mut(place.state.clone());
                    cell.step(input, previous, next, saved);
                }
                Some(below) => {
                    let (output, next) =
                        next.rows_range_pair_mut(below.output.clone(), place.state.clone());
                    cell.step(output.as_view(), previous, next, saved);
                }
            }
            below = Some(place);
        }
    }

    /// The top layer first; what it hands down, W_ihᵀ·δ_t, is added to the adjoint of the output
    /// below before that is pulled back.
    fn pull_back(&self, at: &Point, adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape, at);
        let AdjointMut {
            carried,
            mut node,
            mut delta,
            mut previous,
        } = adjoint;
        let mut above: Option<(&dyn Trainable, &Place)> = None;
        for (cell, place) in self.layers.iter().zip(&self.places).rev() {
            let own = carried.rows_range(place.state.clone());
            let node = (node.as_mut()).map(|node| node.rows_range_mut(place.state.clone()));
            let previous = previous.rows_range_mut(place.state.clone());
            match above {
                None => {
                    let delta = delta.rows_range_mut(place.delta.clone());
                    let adjoint = AdjointMut {
                        carried: own,
                        node,
                        delta,
                        previous,
                    };
                    cell.pull_back(&place.point(at), adjoint);
                }
                Some((above, its)) => {
                    let scratch = self.scratch.start..self.scratch.start + place.state.len();
                    let output = cell.output_rows();
                    let down = scratch.start + output.start..scratch.start + output.end;
                    let (its_delta, down) =
                        delta.rows_range_pair_mut(its.delta.clone(), down.clone());
                    above.pull_back_input(its_delta.as_view(), down);
                    let (mut sum, delta) = delta.rows_range_pair_mut(scratch, place.delta.clone());
                    for (mut sum, own) in sum.column_iter_mut().zip(own.column_iter()) {
                        let (sum, own) = (sum.as_mut_slice(), own.as_slice());
                        sum[..output.start].copy_from_slice(&own[..output.start]);
                        sum[output.end..].copy_from_slice(&own[output.end..]);
                        for (sum, own) in sum[output.clone()].iter_mut().zip(&own[output.clone()]) {
                            *sum += own;
                        }
                    }
                    let adjoint = AdjointMut {
                        carried: sum.as_view(),
                        node,
                        delta,
                        previous,
                    };
                    cell.pull_back(&place.point(at), adjoint);
                }
            }
            above = Some((&**cell, place));
        }
    }

    fn pull_back_input(&self, delta: View, input: ViewMut) {
        let bottom = &self.places[0];
        self.layers[0].pull_back_input(delta.rows_range(bottom.delta.clone()), input);
    }

    fn push_forward_with(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        mut activation: ViewMut,
        mut next: ViewMut,
    ) {
        let mut below: Option<&Place> = None;
        for (cell, place) in self.layers.iter().zip(&self.places) {
            let point = place.point(at);
            let tangent = tangent.rows_range(place.state.clone());
            let activation = activation.rows_range_mut(place.delta.clone());
            match below {
                None => {
                    let next = next.rows_range_mut(place.state.clone());
                    cell.push_forward_with(&point, input, tangent, activation, next);
                }
                Some(below) => {
                    let (output, next) =
                        next.rows_range_pair_mut(below.output.clone(), place.state.clone());
                    let output = Some(output.as_view());
                    cell.push_forward_with(&point, output, tangent, activation, next);
                }
            }
            below = Some(place);
        }
    }
}

impl Trainable for Stack {
    fn parameter_blocks(&self) -> &[ParameterBlock] {
        &self.parameter_blocks
    }

    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn set_parameters(&mut self, parameters: &[f64]) {
        self.parameters.copy_from_slice(parameters);
        for (cell, place) in self.layers.iter_mut().zip(&self.places) {
            cell.set_parameters(&parameters[place.parameters.clone()]);
        }
    }

    fn pull_back_parameters(&self, entering: &[f64], gradient: &mut [f64]) {
        let end = |of: fn(&Place) -> &Range<usize>| self.places.last().map_or(0, |p| of(p).end);
        assert_eq!(
            entering.len(),
            end(|place| &place.entering),
            "entries of ∂L/∂W"
        );
        assert_eq!(gradient.len(), end(|place| &place.parameters), "parameters");
        for (cell, place) in self.layers.iter().zip(&self.places) {
            cell.pull_back_parameters(
                &entering[place.entering.clone()],
                &mut gradient[place.parameters.clone()],
            );
        }
    }
}
