//! `[[cell]]`.

use super::ConfigError;
use super::load::TOP_KEYS;
use super::reader::{NAME, Reader, SIZE, is_name, is_size, join};
use super::tree::{Node, Value};
use crate::network::{MAX_LAYERS, Network, STACK};
use crate::registry::{self, Cell};

/// A `[[cell]]` whose keys are not read yet, because `--set` and axes still change them.
#[derive(Clone)]
pub(super) struct CellDraft {
    pub label: String,
    pub kind: &'static str,
    /// Of a stack: the kind of each layer.
    pub layer_kinds: Vec<&'static str>,
    pub keys: Node,
}

impl Reader {
    /// Reads every `[[cell]]` as far as its kind and label.
    pub fn cells(&self, root: &Node, tables: Option<&Node>) -> Result<Vec<CellDraft>, ConfigError> {
        let remedy = "add a `[[cell]]` with `kind` and `hidden`";
        let Some(tables) = tables else {
            return Err(ConfigError::MissingKey {
                at: self.source.locate(&root.span),
                key: "cell".to_owned(),
                remedy: remedy.to_owned(),
            });
        };
        let drafts = match &tables.value {
            Value::Array(tables) if !tables.is_empty() => tables,
            _ => {
                return Err(ConfigError::Invalid {
                    at: self.source.locate(&tables.span),
                    key: "cell".to_owned(),
                    expected: "a list of cells, each under `[[cell]]` in double brackets"
                        .to_owned(),
                    found: self.found(&tables.span),
                    remedy: Some("write `[[cell]]`, with `kind` and `hidden` below it".to_owned()),
                });
            }
        };
        let mut cells: Vec<CellDraft> = Vec::new();
        for table in drafts {
            let draft = self.draft(table)?;
            if cells.iter().any(|earlier| earlier.label == draft.label) {
                let (place, _) = table.nearest(&["label"]);
                return Err(ConfigError::Invalid {
                    at: self.source.locate(&place.span),
                    key: "cell.label".to_owned(),
                    expected: "a different label for each cell".to_owned(),
                    found: format!("`{}` twice", draft.label),
                    remedy: Some(format!("add `label = \"{}-2\"` here", draft.label)),
                });
            }
            cells.push(draft);
        }
        Ok(cells)
    }

    /// Splits `kind` and `label` from a cell's own keys.
    fn draft(&self, table: &Node) -> Result<CellDraft, ConfigError> {
        let mut keys = table.clone();
        let kinds = [registry::KINDS, &[STACK]].concat();
        let kind = self.kind(&mut keys, table, "cell", &kinds)?;
        let label = match keys.take("label") {
            Some(label) => match label.node.value {
                Value::String(label) => label,
                _ => return Err(self.invalid(table, "cell", "label", "a string", None)),
            },
            None => kind.to_owned(),
        };
        self.require(is_name(&label), table, "cell", "label", NAME)?;
        let free = !TOP_KEYS.contains(&label.as_str());
        let expected = "a label that is no table or key of the top level";
        self.require(free, table, "cell", "label", expected)?;
        let mut layer_kinds = Vec::new();
        if kind == STACK {
            for (layer, table) in self.layers(&keys, &label)?.iter().enumerate() {
                let prefix = format!("{label}.{layer}");
                layer_kinds.push(self.kind(&mut table.clone(), table, &prefix, registry::KINDS)?);
            }
        }
        Ok(CellDraft {
            label,
            kind,
            layer_kinds,
            keys,
        })
    }

    /// Takes `kind` out of the keys of a cell or layer.
    fn kind(
        &self,
        keys: &mut Node,
        table: &Node,
        prefix: &str,
        kinds: &[&'static str],
    ) -> Result<&'static str, ConfigError> {
        let key = join(prefix, "kind");
        let Some(kind) = keys.take("kind") else {
            return Err(ConfigError::MissingKey {
                at: self.source.locate(&table.span),
                key,
                remedy: format!("add `kind = …`, one of {}", kinds.join(", ")),
            });
        };
        let Value::String(name) = &kind.node.value else {
            return Err(self.invalid(table, prefix, "kind", "a string", None));
        };
        match kinds.iter().find(|known| *known == name) {
            Some(kind) => Ok(kind),
            None => Err(self.unknown_name(&kind.node.span, key, kinds)),
        }
    }

    /// The tables of the layers of a stack.
    fn layers<'n>(&self, keys: &'n Node, label: &str) -> Result<&'n [Node], ConfigError> {
        let example =
            "layers = [{ kind = \"lstm\", hidden = 64 }, { kind = \"vanilla-rnn\", hidden = 32 }]";
        if let Some(other) = keys.entries().iter().find(|entry| entry.key != "layers") {
            return Err(self.unknown_key(
                &other.key_span,
                label,
                &other.key,
                &["kind", "label", "layers"],
            ));
        }
        match keys.get("layers") {
            None => Err(ConfigError::MissingKey {
                at: self.source.locate(&keys.span),
                key: join(label, "layers"),
                remedy: format!("add `{example}`, the layer that sees the inputs first"),
            }),
            Some(Node {
                value: Value::Array(layers),
                ..
            }) if (1..=MAX_LAYERS).contains(&layers.len()) => Ok(layers),
            Some(_) => Err(self.invalid(
                keys,
                label,
                "layers",
                format!("a list of 1 to {MAX_LAYERS} cells, each a table"),
                Some(format!(
                    "write `{example}`, or set `layers = 2` in a cell for equal ones"
                )),
            )),
        }
    }

    /// Reads and checks a cell that sees inputs of this size.
    pub fn cell(&self, draft: &CellDraft, input: usize) -> Result<Network, ConfigError> {
        let label = &draft.label;
        let network = if draft.kind == STACK {
            let tables = self.layers(&draft.keys, label)?;
            let layers = tables.iter().zip(&draft.layer_kinds).enumerate();
            let cells = layers.map(|(layer, (table, kind))| {
                let mut keys = table.clone();
                keys.take("kind");
                self.layer(kind, &keys, &format!("{label}.{layer}"), &["kind"])
            });
            Network::Stack(cells.collect::<Result<_, _>>()?)
        } else {
            let mut keys = draft.keys.clone();
            let layers = match keys.take("layers") {
                None => 1,
                Some(layers) => {
                    // Not as any size, so that whatever else stands there gets the same message.
                    let number = match layers.node.value {
                        Value::Integer(number) => usize::try_from(number).unwrap_or(0),
                        _ => 0,
                    };
                    let expected = format!("a whole number from 1 to {MAX_LAYERS}");
                    let holds = (1..=MAX_LAYERS).contains(&number);
                    self.require(holds, &draft.keys, label, "layers", expected)?;
                    number
                }
            };
            let cell = self.layer(draft.kind, &keys, label, &["kind", "label", "layers"])?;
            Network::Equal { cell, layers }
        };
        network.validate(input).map_err(|(layer, invalid)| {
            let (table, prefix) = match draft.kind {
                STACK => (
                    self.layers(&draft.keys, label)
                        .ok()
                        .and_then(|layers| layers.get(layer)),
                    format!("{label}.{layer}"),
                ),
                _ => (None, label.clone()),
            };
            let keys: Vec<&str> = invalid.key.split('.').collect();
            let (place, _) = table.unwrap_or(&draft.keys).nearest(&keys);
            ConfigError::Invalid {
                at: self.source.locate(&place.span),
                key: join(&prefix, &invalid.key),
                expected: invalid.expected,
                found: invalid.found,
                remedy: None,
            }
        })?;
        Ok(network)
    }

    /// Reads one layer. `also` are keys of it that have been taken out before.
    fn layer(
        &self,
        kind: &str,
        keys: &Node,
        prefix: &str,
        also: &[&str],
    ) -> Result<Cell, ConfigError> {
        let read = |keys| Cell::deserialize(kind, keys);
        let cell = self.read_with(keys, prefix, also, read)?;
        self.require(is_size(cell.hidden()), keys, prefix, "hidden", SIZE)?;
        Ok(cell)
    }
}
