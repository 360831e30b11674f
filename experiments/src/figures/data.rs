//! Stored rows, arranged the way figures need them: by cell, grid point and factor.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::FigureError;
use super::canvas::Dash;
use super::chosen::{self, Chosen};
use super::labels;
use super::palette::Rgb;
use crate::config::{FigureSpec, Sequence};
use crate::network::split_layer;
use crate::tables::{Key, LawRow, Row, Table};

/// What a layer is called beside other cells.
pub fn layer_label(cell: &str, layer: usize) -> String {
    format!("{cell}{LAYER}{layer}")
}

/// What no label of a cell contains.
const LAYER: &str = ", layer ";

/// The label of the cell that a label is of: its own, or see [`layer_label`].
pub fn whole_cell(label: &str) -> &str {
    label.split_once(LAYER).map_or(label, |(cell, _)| cell)
}

/// How a cell, or one of its layers, appears in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct CellStyle {
    /// Its label in the tables.
    pub label: String,
    pub colour: Rgb,
    /// Its hidden size H where no factor changes it.
    pub hidden: usize,
    /// Input weight and bias of a single logistic unit; `None` for any other cell.
    pub logistic_unit: Option<(f64, f64)>,
}

/// All that a figure is drawn from.
pub struct Request<'a> {
    pub spec: &'a FigureSpec,
    /// In the config's order, each followed by its layers if it has more than one.
    pub cells: &'a [CellStyle],
    /// T and B where no factor changes them.
    pub sequence: &'a Sequence,
    /// Whether there is a config whose `where` chooses what is shown.
    pub has_where: bool,
    pub files: &'a dyn Fn(&str) -> Option<String>,
}

impl Request<'_> {
    /// The quantity to be drawn, without its layer.
    pub fn quantity(&self) -> &str {
        let quantity = self.spec.quantity.as_deref();
        split_layer(quantity.unwrap_or(FigureSpec::QUANTITY)).1
    }

    /// The layer to be drawn; all of them if there is none.
    pub fn layer(&self) -> Option<usize> {
        split_layer(self.spec.quantity.as_deref()?).0
    }

    /// Keeps the rows of the quantity to be drawn. Each of several layers becomes a cell of its own,
    /// see [`layer_label`].
    pub fn keep_quantity<R>(
        &self,
        table: &mut Table<R>,
        parts: impl Fn(&mut R) -> (&mut Key, &mut String),
    ) {
        table.rows.retain_mut(|row| {
            let (key, name) = parts(row);
            let (layer, quantity) = split_layer(name);
            let is_drawn = quantity == self.quantity()
                && self.layer().is_none_or(|wanted| layer == Some(wanted));
            if is_drawn && let Some(layer) = layer {
                key.cell = layer_label(&key.cell, layer);
                *name = quantity.to_owned();
            }
            is_drawn
        });
    }

    /// The title the config gives, or else the figure's own.
    pub fn title(&self, default: impl FnOnce() -> String) -> String {
        self.spec.title.clone().unwrap_or_else(default)
    }

    /// `H = 64`, `T = 200`, `B = 16`: those of the three that all these grid points share. `names` are
    /// the factors'.
    pub fn sizes(&self, names: &[String], keys: &[&Key]) -> Vec<String> {
        let shared = |symbol: &str, default: &dyn Fn(&Key) -> String| {
            let swept = |key: &Key| {
                let columns = names.iter().zip(&key.factors);
                columns
                    .filter(|(name, value)| {
                        !value.is_empty() && labels::factor_name(name) == symbol
                    })
                    .map(|(_, value)| value.clone())
                    .next()
            };
            let mut found = keys
                .iter()
                .map(|key| swept(key).unwrap_or_else(|| default(key)));
            let first = found.next()?;
            let is_shared = !first.is_empty() && found.all(|value| value == first);
            is_shared.then(|| format!("{symbol} = {}", labels::setting(&first)))
        };
        let hidden = |key: &Key| {
            let style = self.cells.iter().find(|style| style.label == key.cell);
            style.map_or_else(String::new, |style| style.hidden.to_string())
        };
        let parts = [
            shared("H", &hidden),
            shared("T", &|_| self.sequence.steps.to_string()),
            shared("B", &|_| self.sequence.batch.to_string()),
        ];
        parts.into_iter().flatten().collect()
    }

    /// ` Only gain = 0.8.`, to end a subtitle with: what the figure's `where` has chosen of the grid points
    /// that are shown, but for what is `said` already. Empty if that is nothing.
    pub fn only(&self, names: &[String], shown: &[&Key], said: &[String]) -> String {
        let words = chosen::in_words(&self.spec.filter, names, shown, said);
        // A line breaks between two of them, not within one.
        let words = words.map(|words| words.replace(" = ", "\u{a0}=\u{a0}"));
        words.map_or_else(String::new, |words| format!(" Only {words}."))
    }

    /// The rows of a file that pass the figure's `where`. `key` gives a row's grid point.
    pub fn table<R: Row>(&self, key: impl Fn(&R) -> &Key) -> Result<Table<R>, FigureError> {
        let missing = || FigureError::MissingFile {
            figure: self.spec.name.clone(),
            file: R::FILE,
        };
        self.table_if_stored(key)?.ok_or_else(missing)
    }

    /// Like [`table`](Self::table), for a file that is written only where there is something in it.
    pub fn table_if_stored<R: Row>(
        &self,
        key: impl Fn(&R) -> &Key,
    ) -> Result<Option<Table<R>>, FigureError> {
        let Some(text) = (self.files)(R::FILE) else {
            return Ok(None);
        };
        let mut table = Table::<R>::from_csv(&text)?;
        let chosen = Chosen::new(&self.spec.filter, &table.factors);
        let chosen = chosen.map_err(|factor| self.unknown_factor(&table, factor))?;
        table.rows.retain(|row| chosen.has(key(row)));
        Ok(Some(table))
    }

    /// The column of a factor.
    pub fn factor<R: Row>(&self, table: &Table<R>, factor: &str) -> Result<usize, FigureError> {
        let found = table.factors.iter().position(|name| name == factor);
        found.ok_or_else(|| self.unknown_factor(table, factor))
    }

    fn unknown_factor<R: Row>(&self, table: &Table<R>, factor: &str) -> FigureError {
        FigureError::UnknownFactor {
            figure: self.spec.name.clone(),
            factor: factor.to_owned(),
            file: R::FILE,
            found: if table.factors.is_empty() {
                "none".to_owned()
            } else {
                format!("`{}`", table.factors.join("`, `"))
            },
        }
    }

    /// The column of the factor on the x-axis.
    pub fn x<R: Row>(&self, table: &Table<R>) -> Result<(usize, &str), FigureError> {
        self.axis(table, "x", self.spec.x.as_deref())
    }

    /// The column of the factor on the y-axis.
    pub fn y<R: Row>(&self, table: &Table<R>) -> Result<(usize, &str), FigureError> {
        self.axis(table, "y", self.spec.y.as_deref())
    }

    fn axis<'a, R: Row>(
        &self,
        table: &Table<R>,
        axis: &'static str,
        name: Option<&'a str>,
    ) -> Result<(usize, &'a str), FigureError> {
        let name = name.ok_or_else(|| FigureError::NoFactor {
            figure: self.spec.name.clone(),
            axis,
        })?;
        Ok((self.factor(table, name)?, name))
    }
}

/// Rows of one grid point.
pub type Group<'a, R> = (&'a Key, Vec<&'a R>);

/// Rows by grid point, in the order in which the points appear.
pub fn by_point<'a, R>(
    rows: impl IntoIterator<Item = &'a R>,
    key: impl Fn(&'a R) -> &'a Key,
) -> Vec<Group<'a, R>> {
    let mut positions = HashMap::new();
    let mut groups: Vec<Group<'a, R>> = Vec::new();
    for row in rows {
        let key = key(row);
        let position = *positions.entry(key).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[position].1.push(row);
    }
    groups
}

/// The distinct values of a factor among some grid points: numbers in ascending order, then the
/// others as they appear. Empty values (the factor does not apply) are left out.
pub fn values(keys: &[&Key], factor: usize) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    for key in keys {
        let value = &key.factors[factor];
        if !value.is_empty() && known.insert(value) {
            values.push(value.clone());
        }
    }
    values.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => Ordering::Equal,
    });
    values
}

/// The factors with more than one value among some grid points.
pub fn varying(keys: &[&Key]) -> Vec<usize> {
    let factors = keys.first().map_or(0, |key| key.factors.len());
    (0..factors)
        .filter(|&factor| values(keys, factor).len() > 1)
        .collect()
}

/// The combinations of these factors' values that occur, in the factors' order of values. Without
/// factors there is one, empty combination.
pub fn combinations(keys: &[&Key], factors: &[usize]) -> Vec<Vec<String>> {
    let place = |values: Vec<String>| values.into_iter().zip(0..).collect();
    let places: Vec<HashMap<String, usize>> = factors
        .iter()
        .map(|&factor| place(values(keys, factor)))
        .collect();
    let mut known = HashSet::new();
    let mut found: Vec<(Vec<usize>, Vec<String>)> = Vec::new();
    for key in keys {
        let combination = combination(key, factors);
        if !known.insert(combination.clone()) {
            continue;
        }
        let rank = combination
            .iter()
            .zip(&places)
            .map(|(value, places)| places.get(value).copied().unwrap_or(0))
            .collect();
        found.push((rank, combination));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
        .into_iter()
        .map(|(_, combination)| combination)
        .collect()
}

/// A grid point's values of these factors.
pub fn combination(key: &Key, factors: &[usize]) -> Vec<String> {
    factors
        .iter()
        .map(|&factor| key.factors[factor].clone())
        .collect()
}

/// `H = 64, gain = 0.9`.
pub fn describe(names: &[String], factors: &[usize], values: &[String]) -> String {
    let parts: Vec<String> = factors
        .iter()
        .zip(values)
        .map(|(&factor, value)| {
            let name = labels::factor_name(&names[factor]);
            format!("{name} = {}", labels::factor_value(value))
        })
        .collect();
    parts.join(", ")
}

/// What a panel shows: a cell or layer, and what distinguishes the panel from others of the cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Heading {
    label: String,
    described: String,
}

impl Heading {
    /// `factors` are those of `names` in which panels of the cell differ.
    pub fn new(label: &str, names: &[String], factors: &[usize], values: &[String]) -> Self {
        Self {
            label: label.to_owned(),
            described: describe(names, factors, values),
        }
    }

    /// `lstm, H = 64`.
    pub fn text(&self) -> String {
        let separator = if self.described.is_empty() { "" } else { ", " };
        format!("{}{separator}{}", self.label, self.described)
    }
}

/// The panels of a figure that has one for each grid point: as many as fit a page's width, evenly
/// chosen, with their colour and heading, and the headings of all there are.
pub fn panels<'a, 'b, R>(
    request: &'b Request<'_>,
    names: &[String],
    groups: &'b [Group<'a, R>],
) -> (Vec<PointPanel<'a, 'b, R>>, Vec<Heading>) {
    const MAX_PANELS: usize = 3;
    let keys: Vec<&Key> = groups.iter().map(|(key, _)| *key).collect();
    let in_order: Vec<(&CellStyle, &Group<'a, R>)> = request
        .cells
        .iter()
        .flat_map(|style| {
            let own = groups.iter().filter(|(key, _)| key.cell == style.label);
            own.map(move |group| (style, group))
        })
        .collect();
    let heading = |style: &CellStyle, key: &Key| {
        let of_cell: Vec<&Key> = keys
            .iter()
            .filter(|other| other.cell == key.cell)
            .copied()
            .collect();
        let factors = varying(&of_cell);
        Heading::new(&style.label, names, &factors, &combination(key, &factors))
    };
    let headings: Vec<Heading> = in_order
        .iter()
        .map(|(style, (key, _))| heading(style, key))
        .collect();
    let kept = super::placement::choose(in_order.len(), MAX_PANELS);
    let panels = kept.into_iter().map(|index| {
        let (style, (key, rows)) = in_order[index];
        PointPanel {
            key,
            colour: style.colour,
            heading: headings[index].text(),
            rows,
        }
    });
    (panels.collect(), headings)
}

/// One grid point in a panel of its own.
pub struct PointPanel<'a, 'b, R> {
    pub key: &'a Key,
    pub colour: Rgb,
    /// The cell's label, and what distinguishes the point from others of the cell.
    pub heading: String,
    pub rows: &'b [&'a R],
}

/// Says that not every panel is shown, if so, and what chooses others.
pub fn panels_note(request: &Request<'_>, shown: usize, all: &[Heading]) -> Option<String> {
    let first = all.first()?;
    let is_other = |a: &Heading| {
        whole_cell(&a.label) != whole_cell(&first.label) || a.described != first.described
    };
    let chooses = if !request.has_where {
        ""
    } else if all.iter().any(is_other) {
        "“where” chooses, "
    } else {
        // They are the layers of one grid point.
        "“quantity” chooses a layer, "
    };
    let total = all.len();
    (shown < total)
        .then(|| format!("{shown} of {total} panels are shown; {chooses}the tables have all."))
}

/// Laws that are drawn alike: one formula, and its root mean square where it differs between units.
pub struct Theory {
    pub kind: LawKind,
    formula: String,
    /// The formula as a figure writes it, or both.
    pub label: String,
}

impl Theory {
    pub fn has(&self, law: &LawRow) -> bool {
        LawKind::of(law) == self.kind && formula(law) == self.formula
    }
}

/// What these laws are, each once.
pub fn theories(laws: &[&LawRow]) -> Vec<Theory> {
    let mut theories: Vec<(Theory, BTreeSet<(usize, &str)>)> = Vec::new();
    for law in laws {
        // The formula itself is shorter than its root mean square.
        let name = (law.law.len(), law.law.as_str());
        match theories.iter_mut().find(|(theory, _)| theory.has(law)) {
            Some((_, names)) => {
                names.insert(name);
            }
            None => theories.push((
                Theory {
                    kind: LawKind::of(law),
                    formula: formula(law),
                    label: String::new(),
                },
                BTreeSet::from([name]),
            )),
        }
    }
    let labelled = theories.into_iter().map(|(theory, names)| {
        let names: Vec<String> = names
            .iter()
            .map(|(_, name)| labels::law_name(name))
            .collect();
        Theory {
            label: names.join(" or "),
            ..theory
        }
    });
    labelled.collect()
}

/// How a law stands to the measured gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LawKind {
    Theory,
    /// It bounds the gradient from above only.
    UpperBound,
    /// It is no theory, but measured in the same runs.
    Measured,
}

impl LawKind {
    pub fn of(law: &LawRow) -> Self {
        match (law.relation.as_str(), law.law.as_str()) {
            ("upper-bound", _) => Self::UpperBound,
            (_, LawRow::LARGEST_EXPONENT) => Self::Measured,
            _ => Self::Theory,
        }
    }

    /// How its line is drawn.
    pub fn dash(self) -> Dash {
        match self {
            Self::Theory => Dash::Dashed,
            Self::UpperBound => Dash::Dotted,
            Self::Measured => Dash::Alternating,
        }
    }
}

/// `ln sigma(b)` of `ln rms sigma(b)^k`.
fn formula(law: &LawRow) -> String {
    law.law.replace("rms ", "").replace("^k", "")
}

/// `median`, or where no value is one of several replicates, `value`.
pub fn median_or_value(mut counts: impl Iterator<Item = usize>) -> &'static str {
    if counts.all(|n| n == 1) {
        "value"
    } else {
        "median"
    }
}

/// `median of 10 replicates`; of one replicate it is the value itself, `1 replicate`.
pub fn median_of(counts: impl Iterator<Item = usize> + Clone) -> String {
    let n = replicates(counts.clone());
    match median_or_value(counts) {
        "value" => n,
        median => format!("{median} of {n}"),
    }
}

/// `10 replicates`, whatever the numbers of replicates are.
pub fn replicates(counts: impl IntoIterator<Item = usize>) -> String {
    let (low, high) = counts
        .into_iter()
        .fold((usize::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
    if low < high {
        format!("{low}–{high} replicates")
    } else {
        labels::count(high, "replicate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(factors: &[&str]) -> Key {
        Key {
            cell: "lstm".into(),
            factors: factors.iter().map(|&value| value.into()).collect(),
        }
    }

    #[test]
    fn values_are_numbers_in_order_then_words_as_they_come() {
        let keys = [key(&["chrono=9"]), key(&["10"]), key(&["-1"]), key(&[""])];
        let keys: Vec<&Key> = keys.iter().collect();
        assert_eq!(values(&keys, 0), ["-1", "10", "chrono=9"]);
    }

    #[test]
    fn combinations_are_those_that_occur() {
        let keys = [
            key(&["64", "a"]),
            key(&["32", "b"]),
            key(&["32", "a"]),
            key(&["32", "b"]),
        ];
        let keys: Vec<&Key> = keys.iter().collect();
        assert_eq!(varying(&keys), [0, 1]);
        assert_eq!(
            combinations(&keys, &[0, 1]),
            [["32", "a"], ["32", "b"], ["64", "a"]]
        );
        assert_eq!(combinations(&keys, &[]), [Vec::<String>::new()]);
    }

    #[test]
    fn points_are_described_in_the_readers_words() {
        let names = ["cell.hidden".to_owned(), "lstm.forget_bias".to_owned()];
        let values = ["64".to_owned(), "-1".to_owned()];
        assert_eq!(
            describe(&names, &[0, 1], &values),
            "H = 64, forget bias = −1"
        );
    }

    #[test]
    fn differing_numbers_of_replicates_are_a_range() {
        assert_eq!(replicates([10, 10]), "10 replicates");
        assert_eq!(replicates([8, 10]), "8–10 replicates");
        assert_eq!(replicates([1]), "1 replicate");
    }
}
