//! What stands under a `[[cell]]`: one cell, n equal layers of it, or a stack of different ones.

use cell_config::{InvalidConfig, LawContext, Streams, WeightStreams};
use gradient_tracking::CellShape;
use gradient_tracking::probes::{GateTotals, PathSplit};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::registry::{Built, Cell};

/// The kind of a `[[cell]]` that lists its layers.
pub const STACK: &str = "stack";

/// More layers than this are a slip of the pen.
pub const MAX_LAYERS: usize = 1000;

/// The configuration of a network, one layer above the other.
///
/// A single cell serialises as itself, equal layers as their cell with their number, a stack as the
/// list of its layers.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    /// `layers` cells of one configuration.
    Equal {
        /// The configuration of each.
        cell: Cell,
        /// How many, at least 1.
        layers: usize,
    },
    /// Cells of any configuration, the one that sees the inputs first; at least one.
    Stack(Vec<Cell>),
}

impl Network {
    /// The layers, the one that sees the inputs first.
    pub fn layers(&self) -> Vec<&Cell> {
        match self {
            Network::Equal { cell, layers } => vec![cell; *layers],
            Network::Stack(cells) => cells.iter().collect(),
        }
    }

    /// The layers with the sizes of their inputs, where the network's are of size `input`. A layer
    /// has been seen, and may have been checked, before its shape is asked for.
    fn with_inputs(&self, input: usize) -> impl Iterator<Item = (&Cell, usize)> {
        let below = (input, None::<&Cell>);
        self.layers()
            .into_iter()
            .scan(below, |(input, below), cell| {
                if let Some(below) = below.replace(cell) {
                    *input = below.shape(*input).output;
                }
                Some((cell, *input))
            })
    }

    /// How many numbers the steps of all layers multiply, for inputs of this size.
    pub fn weights(&self, input: usize) -> u128 {
        let layers = self.with_inputs(input);
        layers
            .map(|(cell, input)| cell.weights(input))
            .fold(0, u128::saturating_add)
    }

    /// The kind, as written in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Network::Equal { cell, .. } => cell.kind(),
            Network::Stack(_) => STACK,
        }
    }

    /// Number of hidden units H of the top layer, which the loss sees.
    pub fn hidden(&self) -> usize {
        self.layers().last().map_or(0, |cell| cell.hidden())
    }

    /// The same network with a single hidden unit in each layer.
    pub fn with_one_unit(&self) -> Self {
        match self {
            Network::Equal { cell, layers } => Network::Equal {
                cell: cell.with_one_unit(),
                layers: *layers,
            },
            Network::Stack(cells) => {
                Network::Stack(cells.iter().map(Cell::with_one_unit).collect())
            }
        }
    }

    /// Checks every layer for inputs of this size; an error comes with its layer.
    pub fn validate(&self, input: usize) -> Result<(), (usize, InvalidConfig)> {
        let layers = self.with_inputs(input).enumerate();
        // Equal layers above the second see the same inputs as that one.
        for (layer, (cell, input)) in layers.take(match self {
            Network::Equal { .. } => 2,
            Network::Stack(cells) => cells.len(),
        }) {
            cell.validate(input).map_err(|error| (layer, error))?;
        }
        Ok(())
    }

    /// Row counts of every layer for inputs of this size, without drawing any weight.
    pub fn shapes(&self, input: usize) -> Vec<CellShape> {
        let layers = self.with_inputs(input);
        layers.map(|(cell, input)| cell.shape(input)).collect()
    }

    /// How much has a name in every layer: read off cells of one unit, for names depend on no size.
    pub fn named(&self) -> Vec<Named> {
        match self {
            Network::Equal { cell, layers } => vec![Named::of(cell); *layers],
            Network::Stack(cells) => cells.iter().map(Named::of).collect(),
        }
    }

    /// Draws the weights of every layer and states its laws. What `context` knows of the inputs is
    /// known of the lowest layer's alone.
    pub fn build(
        &self,
        input: usize,
        streams: &WeightStreams,
        context: LawContext,
    ) -> Result<Vec<Built>, InvalidConfig> {
        let layers = self.with_inputs(input).enumerate();
        layers
            .map(|(layer, (cell, input))| {
                let mean_square_input = context.mean_square_input.filter(|_| layer == 0);
                let context = LawContext {
                    mean_square_input,
                    ..context
                };
                cell.build(input, &streams.of_layer(layer), context)
            })
            .collect()
    }
}

/// How much has a name in a layer, and so an array in its record and a curve of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Blocks of the state.
    pub blocks: usize,
    /// Gates.
    pub gates: usize,
    /// Blocks of parameters.
    pub parameters: usize,
    /// Whether the gradient of its memory has a direct path.
    pub splits: bool,
}

impl Named {
    /// Nothing, if the cell cannot be built: weights near the largest number there is make that fail, and
    /// then no run of it keeps anything.
    fn of(cell: &Cell) -> Self {
        let streams = Streams {
            seed: 0,
            replicate: 0,
        };
        let weights = streams.weights("");
        let built = cell
            .with_one_unit()
            .build(1, &weights, LawContext::default());
        let Ok(Built { cell, .. }) = built else {
            return Self::default();
        };
        Named {
            blocks: cell.state_blocks().len(),
            gates: GateTotals::new(&*cell).gates.len(),
            parameters: cell.parameter_blocks().len(),
            splits: PathSplit::new(&*cell, 1, 1).is_some(),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Network::Equal { cell, layers: 1 } => cell.serialize(serializer),
            Network::Equal { cell, layers } => Equal {
                cell,
                layers: *layers,
            }
            .serialize(serializer),
            Network::Stack(cells) => Stack {
                kind: STACK,
                layers: cells,
            }
            .serialize(serializer),
        }
    }
}

/// A cell of several equal layers, as written in a configuration.
#[derive(Serialize, JsonSchema)]
struct Equal<'a> {
    #[serde(flatten)]
    #[schemars(skip)]
    cell: &'a Cell,
    /// Number of equal layers of this cell, each over the outputs of the one below.
    #[schemars(default = "one_layer", range(max = MAX_LAYERS))]
    layers: usize,
}

fn one_layer() -> usize {
    1
}

/// Layers of any kinds, each over the outputs of the one below.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stack<'a> {
    #[schemars(skip)]
    kind: &'static str,
    /// The layers, the one that sees the inputs first: each the table of a cell, without `label`.
    #[schemars(length(min = 1, max = MAX_LAYERS), with = "Vec<serde_json::Value>")]
    layers: &'a [Cell],
}

impl Network {
    /// The JSON Schema of the keys that a cell of any kind has beside its own as a `[[cell]]`.
    pub fn equal_schema(generator: &mut SchemaGenerator) -> Schema {
        Equal::json_schema(generator)
    }

    /// The JSON Schema of a stack's keys beside `kind` and `label`, without that of its layers.
    pub fn stack_schema(generator: &mut SchemaGenerator) -> Schema {
        Stack::json_schema(generator)
    }
}

/// The beginning of the names of what is recorded of one layer of several: `0.` of the lowest.
pub fn layer_prefix(layer: usize, layers: usize) -> String {
    match layers {
        1 => String::new(),
        _ => format!("{layer}."),
    }
}

/// The layer and the quantity of a name such as `0.h`; no layer in the name of a single one's.
pub fn split_layer(name: &str) -> (Option<usize>, &str) {
    match name.split_once('.') {
        Some((layer, quantity)) => match layer_number(layer) {
            None => (None, name),
            layer => (layer, quantity),
        },
        None => (None, name),
    }
}

/// The layer of this number as [`layer_prefix`] writes it: no sign, no leading zeros.
pub fn layer_number(text: &str) -> Option<usize> {
    let layer: usize = text.parse().ok()?;
    (layer.to_string() == text).then_some(layer)
}

#[cfg(test)]
mod tests {
    use cell_config::Streams;

    use super::*;

    fn cell(kind: &str, hidden: usize) -> Cell {
        Cell::deserialize(kind, serde_json::json!({ "hidden": hidden })).unwrap()
    }

    fn parameters(built: &[Built]) -> Vec<&[f64]> {
        built.iter().map(|built| built.cell.parameters()).collect()
    }

    /// Adding a layer on top changes none below, and the lowest is the single cell.
    #[test]
    fn the_lowest_layer_has_the_weights_of_the_single_cell() {
        let streams = Streams {
            seed: 20,
            replicate: 1,
        };
        let build = |layers| {
            let cell = cell("lstm", 3);
            let network = Network::Equal { cell, layers };
            let weights = streams.weights("lstm");
            network.build(3, &weights, LawContext::default()).unwrap()
        };
        let (one, three) = (build(1), build(3));
        assert_eq!(parameters(&one)[0], parameters(&three)[0]);
        // With as many inputs as units all matrices have the same shape, but not the same numbers.
        assert_ne!(parameters(&three)[0], parameters(&three)[1]);
        assert_ne!(parameters(&three)[1], parameters(&three)[2]);
    }

    #[test]
    fn layers_see_the_outputs_of_those_below() {
        let network = Network::Stack(vec![cell("lstm", 3), cell("vanilla-rnn", 5)]);
        let shapes = network.shapes(2);
        let inputs: Vec<usize> = shapes.iter().map(|shape| shape.input).collect();
        assert_eq!(inputs, [2, 3]);
        assert_eq!(network.hidden(), 5);
        // A complex unit puts out two numbers.
        let on_lru = Network::Stack(vec![cell("lru", 3), cell("vanilla-rnn", 5)]);
        assert_eq!(on_lru.shapes(2)[1].input, 6);
        let streams = Streams {
            seed: 20,
            replicate: 1,
        };
        let weights = streams.weights("s");
        let built = network.build(2, &weights, LawContext::default()).unwrap();
        for (built, shape) in built.iter().zip(shapes) {
            assert_eq!(built.cell.shape(), shape);
        }
    }

    #[test]
    fn names_split_into_layer_and_quantity() {
        assert_eq!(split_layer("h"), (None, "h"));
        assert_eq!(split_layer("12.c_carried"), (Some(12), "c_carried"));
        assert_eq!(split_layer("weight.hh"), (None, "weight.hh"));
        for other in ["00.h", "+0.h", " 0.h", ".h"] {
            assert_eq!(split_layer(other), (None, other));
        }
        assert_eq!(layer_prefix(0, 1), "");
        assert_eq!(layer_prefix(1, 2), "1.");
    }
}
