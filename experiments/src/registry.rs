//! The cells an experiment can name, by kind.
//!
//! One line in the `cells!` table at the end is all the experiments need to know of a cell crate;
//! everything else comes from its [`CellConfig`].

use cell_config::{CellConfig, InvalidConfig, Law, LawContext, WeightStreams};
use gradient_tracking::{CellShape, Trainable};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A cell with its weights drawn, and the laws its gradient should follow.
pub struct Built {
    /// The cell, ready to roll out.
    pub cell: Box<dyn Trainable>,
    /// What theory predicts for exactly these weights.
    pub laws: Vec<Law>,
}

macro_rules! cells {
    ($($variant:ident($config:ty)),* $(,)?) => {
        /// The configuration of one cell, of any kind.
        ///
        /// It serialises as its configuration's map with `kind` as the first key.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Cell {
            $(
                #[doc = concat!("A [`", stringify!($config), "`].")]
                $variant($config),
            )*
        }

        /// Every kind a `[[cell]]` may have.
        pub const KINDS: &[&str] = &[$(<$config>::KIND),*];

        impl Cell {
            /// Reads the configuration of a cell of this kind.
            pub fn deserialize<'de, D: Deserializer<'de>>(
                kind: &str,
                keys: D,
            ) -> Result<Self, D::Error> {
                $(
                    if kind == <$config>::KIND {
                        return <$config as Deserialize>::deserialize(keys).map(Self::$variant);
                    }
                )*
                Err(D::Error::unknown_variant(kind, KINDS))
            }

            /// The keys a cell of this kind has beside `kind` and `label`; none for an unknown kind.
            pub fn keys(kind: &str) -> &'static [&'static str] {
                $(
                    if kind == <$config>::KIND {
                        return field_names::<$config>();
                    }
                )*
                &[]
            }

            /// The JSON Schema of each kind's keys beside `kind` and `label`.
            pub fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$((<$config>::KIND, <$config as JsonSchema>::json_schema(generator))),*]
            }

            /// The cell's kind, as written in the configuration.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$config>::KIND),*
                }
            }

            /// Number of hidden units H.
            pub fn hidden(&self) -> usize {
                match self {
                    $(Self::$variant(config) => config.hidden()),*
                }
            }

            /// The same cell with a single hidden unit.
            pub fn with_one_unit(&self) -> Self {
                match self {
                    $(
                        Self::$variant(config) => {
                            let mut config = config.clone();
                            config.hidden = 1;
                            config.fit_to_hidden();
                            Self::$variant(config)
                        }
                    )*
                }
            }

            /// Checks what the types do not: sizes, ranges, keys that exclude each other.
            pub fn validate(&self, input: usize) -> Result<(), InvalidConfig> {
                match self {
                    $(Self::$variant(config) => config.validate(input)),*
                }
            }

            /// Row counts of the cell for inputs of this size, without drawing any weight.
            pub fn shape(&self, input: usize) -> CellShape {
                match self {
                    $(Self::$variant(config) => config.shape(input)),*
                }
            }

            /// How many numbers its steps multiply, for inputs of this size.
            pub fn weights(&self, input: usize) -> u128 {
                match self {
                    $(Self::$variant(config) => config.weights(input)),*
                }
            }

            /// Draws the weights and states the laws of the cell.
            pub fn build(
                &self,
                input: usize,
                streams: &WeightStreams,
                context: LawContext,
            ) -> Result<Built, InvalidConfig> {
                match self {
                    $(
                        Self::$variant(config) => {
                            let cell = config.build(input, streams)?;
                            let laws = config.laws(&cell, context);
                            Ok(Built { cell: Box::new(cell), laws })
                        }
                    )*
                }
            }
        }

        impl Serialize for Cell {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(
                        Self::$variant(config) => {
                            WithKind { kind: <$config>::KIND, config }.serialize(serializer)
                        }
                    )*
                }
            }
        }
    };
}

cells! {
    VanillaRnn(vanilla_rnn::VanillaRnnConfig),
    Lstm(lstm::LstmConfig),
    Gru(gru::GruConfig),
    Lru(lru::LruConfig),
    AntisymmetricRnn(antisymmetric_rnn::AntisymmetricRnnConfig),
    OrthogonalRnn(orthogonal_rnn::OrthogonalRnnConfig),
    Lstm1997(lstm_1997::Lstm1997Config),
}

#[derive(Serialize)]
struct WithKind<'a, C> {
    kind: &'static str,
    #[serde(flatten)]
    config: &'a C,
}

/// The keys of a configuration struct, which serde's derived code announces before it reads any.
fn field_names<C: DeserializeOwned>() -> &'static [&'static str] {
    struct Announced<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Announced<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            fields: &'static [&'static str],
            _visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(Self::Error::custom("only the names were wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("not a struct"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    // The outcome is always the error above.
    let _ = C::deserialize(Announced(&mut names));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_hidden_3(kind: &str) -> Cell {
        Cell::deserialize(kind, serde_json::json!({ "hidden": 3 })).unwrap()
    }

    #[test]
    fn every_kind_announces_its_keys() {
        for kind in KINDS {
            assert!(Cell::keys(kind).contains(&"hidden"), "{kind}");
        }
        assert!(Cell::keys("perceptron").is_empty());
    }

    #[test]
    fn hidden_is_the_only_required_key() {
        for kind in KINDS {
            let cell = with_hidden_3(kind);
            assert_eq!((cell.kind(), cell.hidden()), (*kind, 3));
        }
    }

    #[test]
    fn a_cell_serialises_with_its_kind_and_every_key() {
        for kind in KINDS {
            let cell = with_hidden_3(kind);
            let json = serde_json::to_value(&cell).unwrap();
            assert_eq!(json["kind"], *kind);
            for key in Cell::keys(kind) {
                assert!(json.get(key).is_some(), "{kind} leaves out {key}");
            }
        }
    }

    #[test]
    fn weights_are_counted_without_building_the_cell() {
        let streams = cell_config::Streams {
            seed: 20,
            replicate: 0,
        };
        let mut cells: Vec<Cell> = KINDS.iter().map(|kind| with_hidden_3(kind)).collect();
        let without_biases = serde_json::json!({ "hidden": 3, "biases": false });
        cells.push(Cell::deserialize("lstm-1997", without_biases).unwrap());
        for cell in cells {
            let weights = streams.weights(cell.kind());
            let built = cell.build(7, &weights, LawContext::default()).unwrap();
            let last = built.cell.parameter_blocks().last().unwrap();
            assert_eq!(cell.weights(7), last.range.end as u128, "{cell:?}");
        }
    }

    /// What `configs/cells.toml` says of its cells.
    #[test]
    fn the_cells_of_the_shipped_comparison_have_as_many_parameters_within_two_percent() {
        let config: toml::Table = include_str!("../configs/cells.toml").parse().unwrap();
        let sweep = config["sweep"].as_table().unwrap();
        let streams = cell_config::Streams {
            seed: 20,
            replicate: 0,
        };
        let mut kinds = Vec::new();
        for cell in config["cell"].as_array().unwrap() {
            let mut keys = cell.as_table().unwrap().clone();
            let kind = keys.remove("kind").unwrap().as_str().unwrap().to_owned();
            if let Some(sizes) = sweep.get(&format!("{kind}.hidden")) {
                keys.insert("hidden".to_owned(), sizes[1].clone());
            }
            let cell = Cell::deserialize(&kind, toml::Value::Table(keys)).unwrap();
            let built = cell
                .build(8, &streams.weights(&kind), LawContext::default())
                .unwrap();
            let count = built.cell.parameters().len() as f64;
            assert!((count / 4672.0 - 1.0).abs() <= 0.02, "{kind}: {count}");
            kinds.push(kind);
        }
        assert_eq!(
            kinds.len(),
            KINDS.len(),
            "every kind is compared: {kinds:?}"
        );
    }
}
