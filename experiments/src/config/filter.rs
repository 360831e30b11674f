//! `where` of a figure: which grid points it shows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::ConfigError;
use super::figures::Known;
use super::grid;
use super::reader::Reader;
use super::tree::{Node, Value};
use crate::nearest::nearest;

/// Which grid points a figure shows: by the name of a column of the tables ([`CELL`](Self::CELL) or a key of
/// `[sweep]`) the values that were chosen, as the tables print them and in the order of the config. A
/// column without an entry leaves every grid point in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(pub BTreeMap<String, Vec<String>>);

impl Filter {
    /// The key that chooses cells by their labels. No axis has this name.
    pub const CELL: &str = "cell";

    /// Whether it leaves every grid point in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A single value stands alone, several in a list: both read back as they are.
impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Chosen<'a> {
            One(&'a str),
            Any(&'a [String]),
        }
        serializer.collect_map(self.0.iter().map(|(key, chosen)| match chosen.as_slice() {
            [one] => (key, Chosen::One(one)),
            any => (key, Chosen::Any(any)),
        }))
    }
}

/// Which labels, axes and values there are, only the whole file tells.
impl JsonSchema for Filter {
    fn schema_name() -> Cow<'static, str> {
        "Filter".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "cell": {
                    "description": "The label of a cell, or of several in a list.",
                    "anyOf": [
                        { "type": "string" },
                        { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                        { "type": "object" },
                    ],
                },
            },
            "additionalProperties": {
                "anyOf": [
                    { "type": ["string", "number", "boolean", "object"] },
                    { "type": "array", "minItems": 1 },
                ],
            },
        })
    }
}

/// Which of `values` is meant. A resolved configuration holds a value as it is printed.
fn place(values: &[Node], wanted: &Node) -> Option<usize> {
    values.iter().position(|value| {
        value.same(wanted)
            || matches!(&wanted.value, Value::String(text) if *text == value.factor())
    })
}

impl Reader {
    /// Reads and checks the `where` of a figure. What it names and `--set` has just taken away is left
    /// out, with a note.
    pub fn filter(
        &self,
        table: &Node,
        figure: &str,
        known: &Known,
        notes: &mut Vec<String>,
    ) -> Result<Filter, ConfigError> {
        let invalid = |node: &Node, key: String, expected: &str, remedy: &str| {
            Err(ConfigError::Invalid {
                at: self.source.locate(&node.span),
                key,
                expected: expected.to_owned(),
                found: self.found(&node.span),
                remedy: Some(remedy.to_owned()),
            })
        };
        if !matches!(table.value, Value::Table(_)) {
            let remedy = "as in `where = { cell = \"lstm\", \"cell.hidden\" = [32, 64] }`";
            let expected = "a table of cells, and of values by keys of [sweep]";
            return invalid(table, "figure.where".to_owned(), expected, remedy);
        }
        let label = |label: &String| Node {
            span: table.span.clone(),
            value: Value::String(label.clone()),
        };
        let labels: Vec<Node> = known.cells.iter().map(|cell| label(&cell.label)).collect();
        let mut columns: Vec<(&str, &[Node])> = vec![(Filter::CELL, &labels)];
        let axes = known.axes.iter();
        columns.extend(axes.map(|axis| (axis.key.as_str(), axis.values.as_slice())));
        let is_axis = |key: &str| known.axes.iter().any(|axis| axis.key == key);

        let mut filter = Filter::default();
        for (key, key_span, value) in grid::flattened(table, &is_axis) {
            let was_set = known.set_keys.contains(&key);
            let Some((_, values)) = columns.iter().find(|(name, _)| *name == key) else {
                if was_set {
                    notes.push(format!(
                        "figure `{figure}` is not filtered by `{key}`: --set fixes it"
                    ));
                    continue;
                }
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                return Err(self.unknown_name(&key_span, "figure.where".to_owned(), &names));
            };
            let wanted: Vec<&Node> = match &value.value {
                // Unless the list itself is a value of the axis, it means any of its items.
                Value::Array(items) if place(values, value).is_none() => items.iter().collect(),
                _ => vec![value],
            };
            if wanted.is_empty() {
                let remedy = "list what is to be shown, or leave the key out to show all";
                let key = format!("figure.where.{key}");
                return invalid(value, key, "at least one value", remedy);
            }
            let mut chosen = BTreeSet::new();
            let mut left_out = Vec::new();
            for wanted in wanted {
                match place(values, wanted) {
                    Some(place) => _ = chosen.insert(place),
                    None if was_set => left_out.push(wanted.factor()),
                    None => return Err(self.no_value(wanted, &key, values)),
                }
            }
            if !left_out.is_empty() {
                let filtered = match chosen.is_empty() {
                    true => "is not filtered by",
                    false => "is filtered by what is left of",
                };
                notes.push(format!(
                    "figure `{figure}` {filtered} `{key}`: --set leaves out {}",
                    left_out.join(", ")
                ));
            }
            if !chosen.is_empty() {
                let chosen = chosen.into_iter().map(|place| values[place].factor());
                filter.0.insert(key, chosen.collect());
            }
        }
        Ok(filter)
    }

    fn no_value(&self, wanted: &Node, key: &str, values: &[Node]) -> ConfigError {
        let known: Vec<String> = values.iter().map(Node::factor).collect();
        // A number is not a slip for another that is written alike.
        let nearest = match &wanted.value {
            Value::String(text) => nearest(text, &known),
            _ => None,
        };
        ConfigError::UnknownName {
            at: self.source.locate(&wanted.span),
            key: format!("figure.where.{key}"),
            found: self.found(&wanted.span),
            nearest,
            known,
        }
    }
}
