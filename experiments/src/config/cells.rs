//! `[[cell]]`.

use super::ConfigError;
use super::load::TOP_KEYS;
use super::reader::{NAME, Reader, SIZE, is_name, is_size, join};
use super::tree::{Node, Value};
use crate::registry::{self, Cell};

/// A `[[cell]]` whose keys are not read yet, because `--set` and axes still change them.
#[derive(Clone)]
pub(super) struct CellDraft {
    pub label: String,
    pub kind: &'static str,
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
        let string = |node: &Node, key: &str| match &node.value {
            Value::String(string) => Ok(string.clone()),
            _ => Err(self.invalid(table, "cell", key, "a string", None)),
        };
        let mut keys = table.clone();
        let Some(kind) = keys.take("kind") else {
            return Err(ConfigError::MissingKey {
                at: self.source.locate(&table.span),
                key: "cell.kind".to_owned(),
                remedy: format!("add `kind = …`, one of {}", registry::KINDS.join(", ")),
            });
        };
        let name = string(&kind.node, "kind")?;
        let Some(kind) = registry::KINDS.iter().find(|known| **known == name) else {
            let key = "cell.kind".to_owned();
            return Err(self.unknown_name(&kind.node.span, key, registry::KINDS));
        };
        let label = match keys.take("label") {
            Some(label) => string(&label.node, "label")?,
            None => (*kind).to_owned(),
        };
        self.require(is_name(&label), table, "cell", "label", NAME)?;
        let free = !TOP_KEYS.contains(&label.as_str());
        let expected = "a label that is no table or key of the top level";
        self.require(free, table, "cell", "label", expected)?;
        Ok(CellDraft { label, kind, keys })
    }

    /// Reads and checks a cell that sees inputs of this size.
    pub fn cell(&self, draft: &CellDraft, input: usize) -> Result<Cell, ConfigError> {
        let taken = ["kind", "label"];
        let read = |keys| Cell::deserialize(draft.kind, keys);
        let cell = self.read_with(&draft.keys, &draft.label, &taken, read)?;
        self.require(
            is_size(cell.hidden()),
            &draft.keys,
            &draft.label,
            "hidden",
            SIZE,
        )?;
        cell.validate(input).map_err(|invalid| {
            let keys: Vec<&str> = invalid.key.split('.').collect();
            let (place, _) = draft.keys.nearest(&keys);
            ConfigError::Invalid {
                at: self.source.locate(&place.span),
                key: join(&draft.label, &invalid.key),
                expected: invalid.expected,
                found: invalid.found,
                remedy: None,
            }
        })?;
        Ok(cell)
    }
}
