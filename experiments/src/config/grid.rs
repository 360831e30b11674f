//! The axes of `[sweep]` and the grid they span.

use std::collections::HashMap;
use std::ops::Range;

use decay_analysis::thinned_lags;

use super::cells::CellDraft;
use super::load::TOP_KEYS;
use super::reader::Reader;
use super::top::Top;
use super::tree::{Entry, Node, Value};
use super::{Axis, ConfigError, Loss, Sequence, schema};
use crate::nearest::nearest;
use crate::network::{Network, STACK, layer_number};
use crate::record::Quantities;
use crate::registry::Cell;

/// One grid point: a cell with one value of every axis that applies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The cell's label.
    pub label: String,
    /// One value per axis, as printed in the tables; empty where an axis does not apply.
    pub factors: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// What the cell is fed.
    pub sequence: Sequence,
    /// Where the gradient starts.
    pub loss: Loss,
    /// The cell.
    pub cell: Network,
}

/// More runs than this are a slip of the pen, not an experiment.
const MAX_RUNS: u128 = 1_000_000;
/// `curves.csv` stays below a few gigabytes.
const MAX_CURVE_ROWS: u128 = 20_000_000;

/// The keys of the top level an axis may vary: those a run's identity depends on.
pub(super) const SWEPT: [&str; 3] = ["seed", "sequence", "loss"];
/// Those that `--set` may give a single value.
pub(super) const SETTABLE: [&str; 8] = [
    "name",
    "seed",
    "replicates",
    "memory",
    "sequence",
    "loss",
    "record",
    "fit",
];

/// An axis whose values know where they were written.
pub(super) struct AxisDraft {
    pub key: String,
    pub key_span: Range<usize>,
    pub values: Vec<Node>,
    pub target: Target,
}

impl AxisDraft {
    pub fn to_axis(&self) -> Axis {
        Axis {
            key: self.key.clone(),
            values: self.values.iter().map(Node::to_toml).collect(),
        }
    }
}

/// What a key of `[sweep]` or `--set` addresses.
pub(super) enum Target {
    /// Paths within cells: in a stack there may be one for each layer.
    Cells(Vec<(usize, Vec<String>)>),
    /// A path within the top level; never empty.
    Top(Vec<String>),
}

impl Target {
    /// `top` are the keys of the top level that would do, for errors to name.
    pub fn resolve(
        reader: &Reader,
        key: &str,
        key_span: &Range<usize>,
        cells: &[CellDraft],
        top: &[&'static str],
    ) -> Result<Self, ConfigError> {
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        let (first, path) = (parts[0].as_str(), &parts[1..]);
        let addressed: Vec<usize> = (0..cells.len())
            .filter(|&cell| first == "cell" || first == cells[cell].label)
            .collect();
        if addressed.is_empty() {
            if TOP_KEYS.contains(&first) {
                return Ok(Self::Top(parts));
            }
            let mut known: Vec<&str> = cells.iter().map(|cell| cell.label.as_str()).collect();
            known.push("cell");
            known.extend(top);
            let homes = || {
                let homes = schema::paths_to(key);
                (!homes.is_empty()).then(|| homes.join("` or `"))
            };
            let nearest = nearest(first, &known).map(|first| {
                let parts: Vec<&str> = [first.as_str()]
                    .into_iter()
                    .chain(path.iter().map(String::as_str))
                    .collect();
                parts.join(".")
            });
            return Err(ConfigError::UnknownKey {
                at: reader.source.locate(key_span),
                key: key.to_owned(),
                nearest: homes().or(nearest),
                known: known.iter().map(|known| (*known).to_owned()).collect(),
            });
        }
        // A cell without the key is passed over; the rest of the path is checked with its value.
        let with_key: Vec<(usize, Vec<String>)> = addressed
            .iter()
            .flat_map(|&cell| {
                let paths = cells[cell].paths(path);
                paths.into_iter().map(move |path| (cell, path))
            })
            .collect();
        if with_key.is_empty() {
            let mut known: Vec<&str> = addressed
                .iter()
                .flat_map(|&cell| cells[cell].known_keys())
                .collect();
            known.sort_unstable();
            known.dedup();
            let refused = |expected: &str, remedy: String| ConfigError::Invalid {
                at: reader.source.locate(key_span),
                key: key.to_owned(),
                expected: expected.to_owned(),
                found: format!("`{key}`"),
                remedy: Some(remedy),
            };
            match path.first().map(String::as_str) {
                None => {
                    let remedy = format!(
                        "name the key: `{first}.hidden`; keys here: {}",
                        known.join(", ")
                    );
                    return Err(refused("a key of a cell", remedy));
                }
                Some(fixed @ ("label" | "kind")) => {
                    let remedy = format!("edit `{fixed}` in the `[[cell]]` of the file");
                    let expected = "a key other than a cell's `label` and `kind`, which are fixed";
                    return Err(refused(expected, remedy));
                }
                Some(_) => {}
            }
            return Err(reader.unknown_key(key_span, first, &path.join("."), &known));
        }
        Ok(Self::Cells(with_key))
    }

    /// Whether both set the same value, or one a part of the other's.
    pub fn overlaps(&self, other: &Self) -> bool {
        let nested = |a: &[String], b: &[String]| a.iter().zip(b).all(|(a, b)| a == b);
        match (self, other) {
            (Self::Cells(paths), Self::Cells(others)) => paths.iter().any(|(cell, a)| {
                let mut others = others.iter();
                others.any(|(other, b)| cell == other && nested(a, b))
            }),
            (Self::Top(a), Self::Top(b)) => nested(a, b),
            _ => false,
        }
    }

    pub fn assign(
        &self,
        root: &mut Node,
        cells: &mut [CellDraft],
        key_span: &Range<usize>,
        value: &Node,
    ) {
        match self {
            Self::Top(path) => root.assign(path, key_span, value),
            Self::Cells(paths) => {
                for (cell, path) in paths {
                    cells[*cell].keys.assign(path, key_span, value);
                }
            }
        }
    }
}

impl CellDraft {
    /// Where the key at `path` stands in this cell; nowhere if it has none. In a stack `hidden` is
    /// that of every layer that has it, `0.hidden` that of the lowest.
    fn paths(&self, path: &[String]) -> Vec<Vec<String>> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        if self.kind != STACK {
            let has_key = self.known_keys().contains(&first.as_str());
            return if has_key {
                vec![path.to_vec()]
            } else {
                Vec::new()
            };
        }
        let one = layer_number(first);
        let path = if one.is_some() { rest } else { path };
        let layers = self.layer_kinds.iter().enumerate();
        layers
            .filter(|(layer, _)| one.is_none_or(|one| one == *layer))
            .filter(|(_, kind)| {
                let keys = Cell::keys(kind);
                path.first().is_some_and(|key| keys.contains(&key.as_str()))
            })
            .map(|(layer, _)| {
                let start = ["layers".to_owned(), layer.to_string()];
                start.into_iter().chain(path.iter().cloned()).collect()
            })
            .collect()
    }

    /// The keys that [`paths`](Self::paths) finds.
    fn known_keys(&self) -> Vec<&'static str> {
        if self.kind == STACK {
            let kinds = self.layer_kinds.iter();
            return kinds.flat_map(|kind| Cell::keys(kind)).copied().collect();
        }
        [Cell::keys(self.kind), &["layers"]].concat()
    }
}

/// Reads `[sweep]`.
pub(super) fn axes(
    reader: &Reader,
    sweep: Option<Entry>,
    cells: &[CellDraft],
) -> Result<Vec<AxisDraft>, ConfigError> {
    let Some(sweep) = sweep else {
        return Ok(Vec::new());
    };
    if !matches!(sweep.node.value, Value::Table(_)) {
        return Err(ConfigError::Invalid {
            at: reader.source.locate(&sweep.node.span),
            key: "sweep".to_owned(),
            expected: "a table of axes".to_owned(),
            found: reader.found(&sweep.node.span),
            remedy: Some(
                "write `[sweep]`, then one line per axis: `\"cell.hidden\" = [32, 64]`".to_owned(),
            ),
        });
    }
    flattened(&sweep.node, &|_| false)
        .into_iter()
        .map(|(key, key_span, value)| axis(reader, key, key_span, value.clone(), cells))
        .collect()
}

/// The entries of a table whose keys are paths: `"cell.hidden"` and `cell.hidden` are the same.
/// A table under a path that `is_whole` is a value itself.
pub(super) fn flattened<'n>(
    table: &'n Node,
    is_whole: &dyn Fn(&str) -> bool,
) -> Vec<(String, Range<usize>, &'n Node)> {
    let mut entries = Vec::new();
    for entry in table.entries() {
        match &entry.node.value {
            Value::Table(inner) if !inner.is_empty() && !is_whole(&entry.key) => {
                let is_inner_whole = |key: &str| is_whole(&format!("{}.{key}", entry.key));
                for (key, span, node) in flattened(&entry.node, &is_inner_whole) {
                    entries.push((format!("{}.{key}", entry.key), span, node));
                }
            }
            _ => entries.push((entry.key.clone(), entry.key_span.clone(), &entry.node)),
        }
    }
    entries
}

/// Checks the key and the list of one axis; its values are checked on their cells by [`expand`].
pub(super) fn axis(
    reader: &Reader,
    key: String,
    key_span: Range<usize>,
    list: Node,
    cells: &[CellDraft],
) -> Result<AxisDraft, ConfigError> {
    let target = Target::resolve(reader, &key, &key_span, cells, &SWEPT)?;
    if let Target::Top(path) = &target
        && !SWEPT.contains(&path[0].as_str())
    {
        return Err(ConfigError::Invalid {
            at: reader.source.locate(&key_span),
            key: key.clone(),
            expected: "an axis over `seed`, a key of `sequence` or `loss`, or a cell's key"
                .to_owned(),
            found: format!("`{key}`"),
            remedy: Some(match (path[0].as_str(), key.strip_prefix("sweep.")) {
                (_, Some(swept)) => format!("leave out `sweep.`: `{swept}`"),
                ("figure" | "sweep", _) => format!("edit [{}] in the file", path[0]),
                _ => "give it one value instead of a list of them".to_owned(),
            }),
        });
    }
    let invalid =
        |span: &Range<usize>, expected: &str, remedy: Option<&str>| ConfigError::Invalid {
            at: reader.source.locate(span),
            key: key.clone(),
            expected: expected.to_owned(),
            found: reader.found(span),
            remedy: remedy.map(str::to_owned),
        };
    let Value::Array(values) = list.value else {
        let remedy =
            "an axis is a list, as in `[0.5, 1.0]`; a single value belongs into its table or cell";
        return Err(invalid(&list.span, "a list of values", Some(remedy)));
    };
    if values.is_empty() {
        let remedy = "list the values of the axis, or remove it";
        return Err(invalid(&list.span, "at least one value", Some(remedy)));
    }
    // There may be a million seeds, too many to compare each with each.
    let mut alike: HashMap<u64, Vec<&Node>> = HashMap::new();
    for value in &values {
        let alike = alike.entry(value.fingerprint()).or_default();
        if alike.iter().any(|earlier| earlier.same(value)) {
            return Err(invalid(
                &value.span,
                "different values",
                Some("remove the repeated value"),
            ));
        }
        alike.push(value);
    }
    Ok(AxisDraft {
        key,
        key_span,
        values,
        target,
    })
}

/// Refuses two axes that set the same key of one cell.
pub(super) fn refuse_overlaps(reader: &Reader, axes: &[AxisDraft]) -> Result<(), ConfigError> {
    for (k, axis) in axes.iter().enumerate() {
        if let Some(earlier) = axes[..k]
            .iter()
            .find(|earlier| earlier.target.overlaps(&axis.target))
        {
            return Err(ConfigError::Invalid {
                at: reader.source.locate(&axis.key_span),
                key: axis.key.clone(),
                expected: "a key that no other axis sets".to_owned(),
                found: format!("the axis `{}`", earlier.key),
                remedy: Some("keep one of the two, or address each cell by its label".to_owned()),
            });
        }
    }
    Ok(())
}

/// The grid: per cell, the product of the axes that apply to it, the last axis fastest. Every
/// point is read and checked like the base configuration.
pub(super) fn expand(
    reader: &Reader,
    root: &Node,
    cells: &[CellDraft],
    axes: &[AxisDraft],
    base: &Top,
) -> Result<Vec<Point>, ConfigError> {
    let applies = |axis: &AxisDraft, cell: usize| match &axis.target {
        Target::Cells(paths) => paths.iter().any(|(other, _)| *other == cell),
        Target::Top(_) => true,
    };
    let grid_points = |cell: usize| {
        let lengths = axes.iter().filter(|axis| applies(axis, cell));
        lengths.fold(1_u128, |n, axis| {
            n.saturating_mul(axis.values.len() as u128)
        })
    };
    let points = (0..cells.len()).fold(0_u128, |sum, cell| sum.saturating_add(grid_points(cell)));
    refuse_more(
        "runs",
        points.saturating_mul(base.replicates as u128),
        MAX_RUNS,
    )?;

    let mut grid = Vec::new();
    let mut rows = 0_u128;
    for (cell, draft) in cells.iter().enumerate() {
        for index in 0..grid_points(cell) {
            let mut root = root.clone();
            let mut draft = draft.clone();
            let mut factors = vec![String::new(); axes.len()];
            let mut rest = index;
            // The last axis is the fastest digit. Axes do not overlap, so their order is free.
            for (axis, factor) in axes.iter().zip(&mut factors).rev() {
                if !applies(axis, cell) {
                    continue;
                }
                let length = axis.values.len() as u128;
                let value = &axis.values[(rest % length) as usize];
                rest /= length;
                *factor = value.factor();
                match &axis.target {
                    Target::Top(path) => root.assign(path, &axis.key_span, value),
                    Target::Cells(paths) => {
                        for (_, path) in paths.iter().filter(|(other, _)| *other == cell) {
                            draft.keys.assign(path, &axis.key_span, value);
                        }
                    }
                }
            }
            let top = reader.top(&root)?;
            let network = reader.cell(&draft, top.sequence.input.size())?;
            rows = rows.saturating_add(curve_rows(&top, &network));
            grid.push(Point {
                cell: network,
                label: draft.label,
                factors,
                seed: top.seed,
                sequence: top.sequence,
                loss: top.loss,
            });
        }
    }
    refuse_more("rows in curves.csv", rows, MAX_CURVE_ROWS)?;
    Ok(grid)
}

fn refuse_more(what: &'static str, found: u128, limit: u128) -> Result<(), ConfigError> {
    if found > limit {
        return Err(ConfigError::TooLarge { what, found, limit });
    }
    Ok(())
}

/// At most as many rows as `curves.csv` has of a grid point.
fn curve_rows(top: &Top, network: &Network) -> u128 {
    let lags = thinned_lags(top.sequence.steps).len() as u128;
    lags * Quantities::new(&network.named(), &top.record).count()
}
