//! The configuration of an LSTM of 1997.

use cell_config::{
    CellConfig, InvalidConfig, Law, LawContext, Relation, WeightStreams, require, require_finite,
    uniform,
};
use gradient_tracking::CellShape;
use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Lstm1997;

/// The LSTM of 1997: memory cells in blocks that share their gates, and no forget gate.
///
/// The configuration of an [`Lstm1997`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lstm1997Config {
    /// The hidden size H: the memory cells of all blocks together.
    pub hidden: usize,
    /// The memory cells that share one input and one output gate; default 1. It divides `hidden`.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub cells_per_block: usize,
    /// The truncated gradient of 1997: an error that reaches a gate or the input of a cell changes
    /// weights, but goes no further back. By default false: the exact gradient.
    #[serde(default)]
    pub truncated: bool,
    /// Every weight and bias is uniform in plus or minus this; default 0.1.
    #[serde(default = "a_tenth")]
    #[schemars(range(min = 0.0))]
    pub weight_range: f64,
    /// Whether gates and cells have biases; default true.
    #[serde(default = "yes")]
    pub biases: bool,
    /// The whole bias of the input gates: a number, or a list with one for each block; default 0.
    #[serde(default)]
    pub input_gate_bias: InputGateBias,
}

fn one() -> usize {
    1
}

fn a_tenth() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

/// The bias of the input gates, which keeps a block closed for a while: below 0, the lower the longer
/// (Hochreiter & Schmidhuber 1997, §4, "abuse problem and solutions").
///
/// In a config file a number or a list.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum InputGateBias {
    /// The same for every block.
    Same(f64),
    /// One for each block.
    PerBlock(Vec<f64>),
}

impl Default for InputGateBias {
    fn default() -> Self {
        InputGateBias::Same(0.0)
    }
}

impl InputGateBias {
    fn of_block(&self, block: usize) -> f64 {
        match self {
            InputGateBias::Same(bias) => *bias,
            InputGateBias::PerBlock(biases) => biases[block],
        }
    }

    fn values(&self) -> &[f64] {
        match self {
            InputGateBias::Same(bias) => std::slice::from_ref(bias),
            InputGateBias::PerBlock(biases) => biases,
        }
    }
}

impl Serialize for InputGateBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            InputGateBias::Same(bias) => serializer.serialize_f64(*bias),
            InputGateBias::PerBlock(biases) => biases.serialize(serializer),
        }
    }
}

// By hand, because an untagged enum would buffer the value and lose its place in the file.
impl<'de> Deserialize<'de> for InputGateBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputGateBiasVisitor)
    }
}

struct InputGateBiasVisitor;

impl<'de> Visitor<'de> for InputGateBiasVisitor {
    type Value = InputGateBias;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a number or a list of numbers, one for each block")
    }

    fn visit_i64<E: Error>(self, bias: i64) -> Result<InputGateBias, E> {
        Ok(InputGateBias::Same(bias as f64))
    }

    fn visit_u64<E: Error>(self, bias: u64) -> Result<InputGateBias, E> {
        Ok(InputGateBias::Same(bias as f64))
    }

    fn visit_f64<E: Error>(self, bias: f64) -> Result<InputGateBias, E> {
        Ok(InputGateBias::Same(bias))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, biases: A) -> Result<InputGateBias, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(biases)).map(InputGateBias::PerBlock)
    }
}

impl Lstm1997Config {
    fn blocks(&self) -> usize {
        self.hidden / self.cells_per_block
    }

    /// Rows of a_t.
    fn units(&self) -> usize {
        2 * self.blocks() + self.hidden
    }
}

impl CellConfig for Lstm1997Config {
    type Cell = Lstm1997;

    const KIND: &'static str = "lstm-1997";

    fn hidden(&self) -> usize {
        self.hidden
    }

    /// A single cell is a block of its own.
    fn fit_to_hidden(&mut self) {
        if self.hidden < self.cells_per_block {
            self.cells_per_block = self.hidden;
        }
        let blocks = self.blocks();
        if let InputGateBias::PerBlock(biases) = &mut self.input_gate_bias {
            biases.resize(blocks, 0.0);
        }
    }

    fn validate(&self, _input: usize) -> Result<(), InvalidConfig> {
        require(self.hidden > 0, "hidden", "at least 1", self.hidden)?;
        require(
            self.cells_per_block > 0,
            "cells_per_block",
            "at least 1",
            self.cells_per_block,
        )?;
        require(
            self.hidden.is_multiple_of(self.cells_per_block),
            "cells_per_block",
            &format!(
                "a divisor of hidden = {}, which counts the cells of all blocks",
                self.hidden
            ),
            self.cells_per_block,
        )?;
        require(
            self.weight_range.is_finite() && self.weight_range >= 0.0,
            "weight_range",
            "a finite number of at least 0, the largest weight",
            self.weight_range,
        )?;
        if let InputGateBias::PerBlock(biases) = &self.input_gate_bias {
            let blocks = self.blocks();
            require(
                biases.len() == blocks,
                "input_gate_bias",
                &format!("a number, or a list of {blocks}, one for each block"),
                format_args!("{} of them", biases.len()),
            )?;
        }
        for bias in self.input_gate_bias.values() {
            require_finite("input_gate_bias", *bias)?;
            require(
                self.biases || *bias == 0.0,
                "input_gate_bias",
                "0, because biases = false",
                bias,
            )?;
        }
        Ok(())
    }

    fn shape(&self, input: usize) -> CellShape {
        let units = self.units();
        CellShape {
            input,
            state: units + self.hidden,
            output: self.hidden,
            saved: 4 * self.hidden,
            delta: units,
        }
    }

    /// Gates see each other as well as the cells, so W_hh is as wide as it is high.
    fn weights(&self, input: usize) -> u128 {
        let (units, input) = (self.units() as u128, input as u128);
        units * (units + input + u128::from(self.biases))
    }

    fn build(&self, input: usize, streams: &WeightStreams) -> Result<Lstm1997, InvalidConfig> {
        self.validate(input)?;
        let units = self.units();
        let draw = |name, columns| {
            let stream = streams.stream(name, (units, columns));
            uniform(units, columns, -1.0, 1.0, stream) * self.weight_range
        };
        let bias = self.biases.then(|| {
            let mut bias = draw("bias", 1).column(0).into_owned();
            for block in 0..self.blocks() {
                bias[block] = self.input_gate_bias.of_block(block);
            }
            bias
        });
        Ok(Lstm1997::new(
            self.cells_per_block,
            draw("weight_hh", units),
            draw("weight_ih", input),
            bias,
            self.truncated,
        ))
    }

    /// One law for `c`, the rate `ln 1` of the constant error carousel: exact, bit for bit, where the
    /// gradient is truncated; else that of the direct path alone.
    fn laws(&self, _cell: &Lstm1997, _context: LawContext) -> Vec<Law> {
        vec![Law {
            quantity: "c",
            name: "ln 1",
            relation: Relation::Rate,
            rates: vec![0.0],
        }]
    }
}

#[cfg(test)]
mod tests {
    use cell_config::Streams;
    use gradient_tracking::{RecurrentCell, Trainable};
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    const INPUT: usize = 3;

    fn config() -> Lstm1997Config {
        Lstm1997Config {
            hidden: 6,
            cells_per_block: 2,
            truncated: false,
            weight_range: 0.1,
            biases: true,
            input_gate_bias: InputGateBias::PerBlock(vec![-2.0, -4.0, -6.0]),
        }
    }

    fn build(config: &Lstm1997Config) -> Lstm1997 {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        config.build(INPUT, &streams.weights("a")).unwrap()
    }

    #[test]
    fn shape_is_that_of_the_built_cell() {
        for cells_per_block in [1, 2, 3, 6] {
            let config = Lstm1997Config {
                cells_per_block,
                input_gate_bias: InputGateBias::default(),
                ..config()
            };
            assert_eq!(config.shape(INPUT), build(&config).shape());
        }
    }

    #[test]
    fn parameters_follow_the_configuration() {
        let cell = build(&config());
        let bias = cell.affine().bias();
        assert_eq!(bias[..3], [-2.0, -4.0, -6.0]);
        assert!(bias[3..].iter().all(|b| b.abs() < 0.1 && *b != 0.0));
        let largest = cell.affine().recurrent_weights().amax();
        // The largest of 144 numbers uniform in 0…0.1 lies above 0.09 but for one draw in 4·10⁶.
        assert!(largest < 0.1 && largest > 0.09);
        let mut other = config();
        (other.weight_range, other.truncated) = (0.2, true);
        let scaled = build(&other);
        assert!(scaled.is_truncated() && !cell.is_truncated());
        assert_eq!(
            scaled.affine().recurrent_weights(),
            cell.affine().recurrent_weights() * 2.0
        );
    }

    #[test]
    fn without_biases_there_are_none_to_train() {
        let none = Lstm1997Config {
            biases: false,
            input_gate_bias: InputGateBias::default(),
            ..config()
        };
        let (with, without) = (build(&config()), build(&none));
        let names = without.parameter_blocks().iter().map(|block| &block.name);
        assert_eq!(names.collect::<Vec<_>>(), ["weight_hh", "weight_ih"]);
        assert_eq!(without.parameters().len() + 12, with.parameters().len());
        assert_eq!(without.affine().bias(), [0.0; 12]);
    }

    #[test]
    fn a_single_cell_of_it_can_be_built() {
        let mut one = config();
        one.hidden = 1;
        one.fit_to_hidden();
        assert_eq!(one.validate(INPUT), Ok(()));
        assert_eq!(build(&one).shape().output, 1);
    }

    #[test]
    fn input_gate_bias_reads_numbers_and_lists() {
        type Read = Result<InputGateBias, Error>;
        let integer: Read = InputGateBias::deserialize((-3i64).into_deserializer());
        assert_eq!(integer, Ok(InputGateBias::Same(-3.0)));
        let list: Read = InputGateBias::deserialize(vec![-2.0, -4.0].into_deserializer());
        assert_eq!(list, Ok(InputGateBias::PerBlock(vec![-2.0, -4.0])));
        let text: Read = InputGateBias::deserialize("low".into_deserializer());
        assert_eq!(
            text.unwrap_err().to_string(),
            "invalid type: string \"low\", expected a number or a list of numbers, one for each block"
        );
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let error = |change: fn(&mut Lstm1997Config)| {
            let mut config = config();
            change(&mut config);
            config.validate(INPUT).unwrap_err()
        };
        assert_eq!(error(|config| config.hidden = 0).key, "hidden");
        assert_eq!(
            error(|config| config.cells_per_block = 0).key,
            "cells_per_block"
        );
        assert_eq!(
            error(|config| config.cells_per_block = 4).to_string(),
            "`cells_per_block`: expected a divisor of hidden = 6, which counts the cells of all \
             blocks, found 4"
        );
        assert_eq!(
            error(|config| config.weight_range = -0.1).key,
            "weight_range"
        );
        assert_eq!(
            error(|config| config.input_gate_bias = InputGateBias::PerBlock(vec![-2.0; 2]))
                .to_string(),
            "`input_gate_bias`: expected a number, or a list of 3, one for each block, found 2 of them"
        );
        assert_eq!(
            error(|config| config.input_gate_bias = InputGateBias::Same(f64::NAN)).key,
            "input_gate_bias"
        );
        assert_eq!(
            error(|config| config.biases = false).to_string(),
            "`input_gate_bias`: expected 0, because biases = false, found -2"
        );
        assert_eq!(config().validate(INPUT), Ok(()));
    }
}
