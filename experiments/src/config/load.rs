//! From the tree to a checked configuration: the sections in turn, and `--set`.

use std::ops::Range;

use cell_config::{LawContext, Streams};
use gradient_tracking::RecurrentCell;
use gradient_tracking::probes::PathSplit;

use super::cells::CellDraft;
use super::figures::Known;
use super::grid::{self, AxisDraft, Point, SETTABLE, Target};
use super::reader::{Reader, is_name};
use super::source::Source;
use super::tree::{Node, TreeError, Value};
use super::{CellEntry, Config, ConfigError, Record, Recorded};
use crate::registry::Built;

/// A checked configuration and the grid it spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration, complete.
    pub config: Config,
    /// Every combination of axis values, each checked on its cell.
    pub grid: Vec<Point>,
    /// What `--set` made of the figures, and what is recorded in vain, for the user to know.
    pub notes: Vec<String>,
}

/// The tables and keys of the top level.
pub(super) const TOP_KEYS: [&str; 11] = [
    "name",
    "seed",
    "replicates",
    "memory",
    "sequence",
    "loss",
    "cell",
    "sweep",
    "record",
    "fit",
    "figure",
];

/// A `--set` argument.
struct Assignment {
    key: String,
    key_span: Range<usize>,
    value: Node,
}

pub(super) fn load(text: &str, file: &str, sets: &[String]) -> Result<Loaded, ConfigError> {
    let mut reader = Reader {
        source: Source::new(file, text),
    };
    let mut root = Node::document(text).map_err(|error| reader.tree_error(error))?;
    for entry in root.entries() {
        if !TOP_KEYS.contains(&entry.key.as_str()) {
            return Err(reader.unknown_key(&entry.key_span, "", &entry.key, &TOP_KEYS));
        }
    }
    let mut cells = reader.cells(&root, root.get("cell"))?;
    root.take("cell");
    let mut axes = grid::axes(&reader, root.take("sweep"), &cells)?;
    let figures = root.take("figure");

    let mut fixed: Vec<(Assignment, Target)> = Vec::new();
    let mut set_keys = Vec::new();
    for argument in sets {
        let Assignment {
            key,
            key_span,
            value,
        } = reader.argument(argument)?;
        set_keys.push(key.clone());
        match value.value {
            Value::Array(_) if key != "record.quantities" => {
                let axis = grid::axis(&reader, key, key_span, value, &cells)?;
                fixed.retain(|(earlier, _)| earlier.key != axis.key);
                match axes.iter_mut().find(|existing| existing.key == axis.key) {
                    Some(existing) => *existing = axis,
                    None => axes.push(axis),
                }
            }
            _ => {
                let target = reader.settable(&key, &key_span, &cells)?;
                axes.retain(|axis| axis.key != key);
                fixed.retain(|(earlier, _)| earlier.key != key);
                let assignment = Assignment {
                    key,
                    key_span,
                    value,
                };
                fixed.push((assignment, target));
            }
        }
    }
    for (assignment, target) in &fixed {
        if let Some(axis) = axes.iter().find(|axis| axis.target.overlaps(target)) {
            return Err(ConfigError::Invalid {
                at: reader.source.locate(&assignment.key_span),
                key: assignment.key.clone(),
                expected: "a key that no axis of [sweep] sets".to_owned(),
                found: format!("the axis `{}`", axis.key),
                remedy: Some(format!("set the axis instead: `--set {}=…`", axis.key)),
            });
        }
        target.assign(
            &mut root,
            &mut cells,
            &assignment.key_span,
            &assignment.value,
        );
    }
    grid::refuse_overlaps(&reader, &axes)?;

    let top = reader.top(&root)?;
    let entries = cells
        .iter()
        .map(|draft| {
            Ok(CellEntry {
                label: draft.label.clone(),
                cell: reader.cell(draft, top.sequence.input.size())?,
            })
        })
        .collect::<Result<Vec<CellEntry>, ConfigError>>()?;
    let grid = grid::expand(&reader, &root, &cells, &axes, &top)?;
    let mut notes = Vec::new();
    let layers = grid.iter().map(|point| point.cell.layers().len());
    let known = Known {
        cells: &cells,
        axes: &axes,
        record: &top.record,
        layers: layers.max().unwrap_or(1),
        set_keys: &set_keys,
    };
    let figures = reader.figures(figures, &known, &mut notes)?;
    notes.extend(recorded_in_vain(&top.record, &entries));
    Ok(Loaded {
        config: Config {
            about: about(text),
            name: top.name,
            seed: top.seed,
            replicates: top.replicates,
            memory: top.memory,
            sequence: top.sequence,
            loss: top.loss,
            cells: entries,
            sweep: axes.iter().map(AxisDraft::to_axis).collect(),
            record: top.record,
            fit: top.fit,
            figures,
        },
        grid,
        notes,
    })
}

/// Says of what is recorded that no cell has it. Where one has it and another has not, as in a comparison of
/// cells, there is nothing to say.
fn recorded_in_vain(record: &Record, cells: &[CellEntry]) -> Vec<String> {
    // Which parts a cell has does not depend on its size.
    let streams = Streams {
        seed: 0,
        replicate: 0,
    };
    let built = cells.iter().filter_map(|entry| {
        let network = entry.cell.with_one_unit();
        let streams = streams.weights(&entry.label);
        network.build(1, &streams, LawContext::default()).ok()
    });
    let built: Vec<Built> = built.flatten().collect();
    let lacks = |has: &dyn Fn(&dyn RecurrentCell) -> bool| {
        !built.is_empty() && !built.iter().any(|built| has(built.cell.as_ref()))
    };
    let is_recorded = |quantity| record.quantities.contains(&quantity);
    let mut notes = Vec::new();
    if is_recorded(Recorded::PathSplit) && lacks(&|cell| PathSplit::new(cell, 1, 1).is_some()) {
        notes.push(
            "`path-split` in record.quantities records nothing here: it splits the gradient of an LSTM's cell \
             state, and no cell has one"
                .to_owned(),
        );
    }
    if is_recorded(Recorded::Gates) && lacks(&|cell| !cell.gate_names().is_empty()) {
        notes.push(
            "`gates` in record.quantities records nothing here: no cell has gates".to_owned(),
        );
    }
    notes
}

/// The comment at the head of a file, without `#` and what follows on it at once, as in `#:schema`.
fn about(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let words = comment.filter(|line| line.is_empty() || line.starts_with(' '));
    let lines: Vec<&str> = words.map(str::trim).collect();
    lines.join("\n").trim().to_owned()
}

impl Reader {
    fn argument(&mut self, argument: &str) -> Result<Assignment, ConfigError> {
        let start = self.source.push_argument(argument);
        let malformed = || ConfigError::Argument {
            argument: argument.to_owned(),
        };
        let (key, value) = argument.split_once('=').ok_or_else(malformed)?;
        let key_span = start..start + key.len();
        let value_start = key_span.end + 1;
        let value = match Node::value(value, value_start) {
            Ok(value) => value,
            Err(TreeError::Syntax(_)) => {
                let start = value_start + (value.len() - value.trim_start().len());
                let span = start..start + value.trim().len();
                if value.trim().starts_with(['[', '{']) {
                    let is_open = !value.trim().ends_with([']', '}']);
                    return Err(ConfigError::Invalid {
                        at: self.source.locate(&span),
                        key: key.trim().to_owned(),
                        expected: "a value in TOML".to_owned(),
                        found: self.found(&span),
                        remedy: Some(
                            if is_open {
                                "close the bracket; if it stands after a space, quote the whole \
                                 argument: `--set 'cell.hidden=[32, 64]'`"
                            } else {
                                "strings in lists and tables need quotes, also from the shell: \
                                 `--set 'vanilla-rnn.activation=[\"tanh\", \"relu\"]'`"
                            }
                            .to_owned(),
                        ),
                    });
                }
                Node {
                    span,
                    value: Value::String(value.trim().to_owned()),
                }
            }
            Err(TreeError::Number(mut bad)) => {
                bad.path.insert(0, key.trim().to_owned());
                return Err(self.tree_error(TreeError::Number(bad)));
            }
        };
        let key = key.trim().to_owned();
        if key.split('.').any(|part| !is_name(part)) {
            return Err(malformed());
        }
        Ok(Assignment {
            key,
            key_span,
            value,
        })
    }

    /// What a `--set` of a fixed value changes.
    fn settable(
        &self,
        key: &str,
        key_span: &Range<usize>,
        cells: &[CellDraft],
    ) -> Result<Target, ConfigError> {
        match Target::resolve(self, key, key_span, cells, &SETTABLE)? {
            Target::Top(path) if ["sweep", "figure", "cell"].contains(&path[0].as_str()) => {
                Err(ConfigError::Invalid {
                    at: self.source.locate(key_span),
                    key: key.to_owned(),
                    expected: "a key of one value".to_owned(),
                    found: format!("`{}`", path[0]),
                    remedy: Some(
                        "`--set cell.hidden=[32, 64]` makes an axis; edit the file to change figures"
                            .to_owned(),
                    ),
                })
            }
            target => Ok(target),
        }
    }
}
