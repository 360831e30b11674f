//! `[[figure]]`.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cells::CellDraft;
use super::grid::AxisDraft;
use super::reader::{NAME, Reader, is_name};
use super::tree::{Entry, Node, Value};
use super::{
    ConfigError, FigureKind, FigureSpec, Filter, OF_NO_LAYER, QUANTITIES, Record, Recorded, write,
};
use crate::network::split_layer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FigureKeys {
    kind: FigureKind,
    name: Option<String>,
    quantity: Option<String>,
    x: Option<String>,
    y: Option<String>,
    #[serde(rename = "where")]
    _filter: Option<IgnoredAny>,
    title: Option<String>,
}

/// What the rest of the configuration offers to figures.
pub(super) struct Known<'a> {
    pub cells: &'a [CellDraft],
    pub axes: &'a [AxisDraft],
    pub record: &'a Record,
    /// The largest number of layers of any cell.
    pub layers: usize,
    pub set_keys: &'a [String],
}

/// What is drawn where nobody says what: the decay of node gradients, and what else is recorded that
/// has a figure to itself.
fn default_figures(record: &Record) -> Vec<FigureSpec> {
    let is_recorded = |recorded: &Recorded| record.quantities.contains(recorded);
    let mut figures = Vec::new();
    if [Recorded::Adjoint, Recorded::Node].iter().any(is_recorded) {
        figures = FigureSpec::unless_given();
    }
    let others = FigureKind::OF_ONE.iter();
    let others = others.filter(|(kind, recorded)| {
        // One that needs to be told its x-axis cannot be drawn unasked.
        is_recorded(recorded) && !kind.has_factor_axis()
    });
    figures.extend(others.map(|(kind, _)| FigureSpec::of_kind(*kind)));
    figures
}

impl Reader {
    /// Reads and checks the figures. A figure may name an axis that `--set` has just fixed or
    /// changed; it then loses that filter, or is left out, with a note instead of an error.
    pub fn figures(
        &self,
        tables: Option<Entry>,
        known: &Known,
        notes: &mut Vec<String>,
    ) -> Result<Vec<FigureSpec>, ConfigError> {
        let mut figures: Vec<FigureSpec> = Vec::new();
        let tables = match tables.map(|entry| entry.node) {
            None => Vec::new(),
            Some(Node {
                value: Value::Array(tables),
                ..
            }) => tables,
            Some(other) => {
                return Err(ConfigError::Invalid {
                    at: self.source.locate(&other.span),
                    key: "figure".to_owned(),
                    expected: "a list of figures, each under `[[figure]]` in double brackets"
                        .to_owned(),
                    found: self.found(&other.span),
                    remedy: Some("write `[[figure]]`, then `kind = \"decay\"` below it".to_owned()),
                });
            }
        };
        for table in &tables {
            let Some(figure) = self.figure(table, known, notes)? else {
                continue;
            };
            if figures.iter().any(|earlier| earlier.name == figure.name) {
                return Err(ConfigError::Invalid {
                    at: self.source.locate(&table.nearest(&["name"]).0.span),
                    key: "figure.name".to_owned(),
                    expected: "a different name for each figure".to_owned(),
                    found: format!("`{}` twice", figure.name),
                    remedy: Some(format!("add `name = \"{}-2\"` here", figure.name)),
                });
            }
            figures.push(figure);
        }
        if figures.is_empty() {
            figures.extend(default_figures(known.record));
        }
        Ok(figures)
    }

    fn figure(
        &self,
        table: &Node,
        known: &Known,
        notes: &mut Vec<String>,
    ) -> Result<Option<FigureSpec>, ConfigError> {
        let Known {
            axes,
            record,
            layers,
            set_keys,
            ..
        } = *known;
        let keys: FigureKeys = self.read(table, "figure", &[])?;
        let name = keys.name.unwrap_or_else(|| write::name_of(&keys.kind));
        self.require(is_name(&name), table, "figure", "name", NAME)?;
        let axis_names: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        let was_set = |key: &str| set_keys.iter().any(|set| set == key);

        let axes_wanted = [
            ("x", &keys.x, keys.kind.has_factor_axis(), "lags or steps"),
            (
                "y",
                &keys.y,
                keys.kind.has_two_factor_axes(),
                "what is measured",
            ),
        ];
        for (axis, key, is_wanted, instead) in axes_wanted {
            match key {
                Some(key) if is_wanted && !axis_names.contains(&key.as_str()) => {
                    if was_set(key) {
                        notes.push(format!(
                            "figure `{name}` is left out: --set fixes its {axis}-axis `{key}`"
                        ));
                        return Ok(None);
                    }
                    let (place, _) = table.nearest(&[axis]);
                    let key = format!("figure.{axis}");
                    return Err(self.not_an_axis(&place.span, &key, &axis_names));
                }
                Some(_) if !is_wanted => {
                    return Err(self.invalid(
                        table,
                        "figure",
                        axis,
                        format!(
                            "no {axis}-axis for a figure of kind `{}`",
                            write::name_of(&keys.kind)
                        ),
                        Some(format!(
                            "remove `{axis}`: this figure has {instead} on its {axis}-axis"
                        )),
                    ));
                }
                None if is_wanted => {
                    let free = axis_names
                        .iter()
                        .find(|name| Some(**name) != keys.x.as_deref());
                    return Err(ConfigError::MissingKey {
                        at: self.source.locate(&table.span),
                        key: format!("figure.{axis}"),
                        remedy: match free {
                            Some(free) => {
                                format!("name a key of [sweep], as in `{axis} = \"{free}\"`")
                            }
                            None => "add an axis to [sweep] and name its key here".to_owned(),
                        },
                    });
                }
                _ => {}
            }
        }
        if keys.x.is_some() && keys.x == keys.y {
            let expected = "another key of [sweep] than on the x-axis".to_owned();
            return Err(self.invalid(table, "figure", "y", expected, None));
        }

        let of_one = keys.kind.of_one();
        if of_one.is_some() {
            self.check_quantity_of_one(table, keys.kind, keys.quantity.as_deref())?;
        }
        let names: Vec<&str> = QUANTITIES.iter().map(|(name, _)| *name).collect();
        let quantity = keys.quantity.as_deref().unwrap_or(FigureSpec::QUANTITY);
        // `0.h` is that of the lowest layer.
        let (layer, of_layer) = split_layer(quantity);
        if let Some(layer) = layer.filter(|layer| *layer >= layers || layers == 1) {
            if set_keys.iter().any(|key| key.ends_with(".layers")) {
                notes.push(format!(
                    "figure `{name}` is left out: --set leaves no cell with a layer {layer}"
                ));
                return Ok(None);
            }
            let expected = match layers {
                1 => "a quantity without a layer, as all cells have only one".to_owned(),
                _ => format!("a layer from 0 to {}, as cells have no more", layers - 1),
            };
            return Err(self.invalid(table, "figure", "quantity", expected, None));
        }
        if layer.is_some() && of_layer == OF_NO_LAYER {
            let expected = format!("`{OF_NO_LAYER}` without a layer: it is the network's");
            return Err(self.invalid(table, "figure", "quantity", expected, None));
        }
        let Some((_, recorded)) = QUANTITIES.iter().find(|(name, _)| *name == of_layer) else {
            let (place, _) = table.nearest(&["quantity"]);
            return Err(self.unknown_name(&place.span, "figure.quantity".to_owned(), &names));
        };
        let of_one = of_one.as_ref().map(std::slice::from_ref);
        let recorded = of_one.unwrap_or(recorded);
        let series: &[Recorded] = match keys.kind {
            FigureKind::Gates => &[Recorded::Series],
            _ => recorded,
        };
        for needed in [recorded, series] {
            if !needed.iter().any(|kind| record.quantities.contains(kind)) {
                let needed = write::name_of(&needed[0]);
                let (place, _) = table.nearest(&["quantity"]);
                return Err(ConfigError::Invalid {
                    at: self.source.locate(&place.span),
                    key: "figure".to_owned(),
                    expected: format!("`{needed}` in record.quantities, for figure `{name}`"),
                    found: "nothing of it recorded".to_owned(),
                    remedy: Some(format!("add \"{needed}\" to `quantities` in [record]")),
                });
            }
        }

        let filter = match table.get("where") {
            Some(filter) => self.filter(filter, &name, known, notes)?,
            None => Filter::default(),
        };
        Ok(Some(FigureSpec {
            kind: keys.kind,
            name,
            quantity: keys.quantity,
            x: keys.x,
            y: keys.y,
            filter,
            title: keys.title,
        }))
    }

    /// Which quantities a figure of [`FigureKind::OF_ONE`] may show: states, or none.
    fn check_quantity_of_one(
        &self,
        table: &Node,
        kind: FigureKind,
        quantity: Option<&str>,
    ) -> Result<(), ConfigError> {
        let allowed = kind.quantities();
        match quantity {
            Some(quantity) if !allowed.contains(&split_layer(quantity).1) => {
                let kind = write::name_of(&kind);
                let (expected, remedy) = match allowed[..] {
                    [] => (
                        format!("no quantity for a figure of kind `{kind}`"),
                        "remove `quantity`: this figure shows the whole state",
                    ),
                    _ => (
                        format!("`h` or `c` for a figure of kind `{kind}`"),
                        "name a block of the state",
                    ),
                };
                let remedy = Some(remedy.to_owned());
                Err(self.invalid(table, "figure", "quantity", expected, remedy))
            }
            _ => Ok(()),
        }
    }

    fn not_an_axis(&self, span: &Range<usize>, key: &str, axes: &[&str]) -> ConfigError {
        if axes.is_empty() {
            return ConfigError::Invalid {
                at: self.source.locate(span),
                key: key.to_owned(),
                expected: "a key of [sweep]".to_owned(),
                found: format!("{}, and no [sweep]", self.found(span)),
                remedy: Some("add the key to [sweep] with a list of values".to_owned()),
            };
        }
        self.unknown_name(span, key.to_owned(), axes)
    }
}
