//! What `where` leaves of the grid, and how a figure says so.

use super::{data, labels};
use crate::config::{FigureSpec, Filter};
use crate::tables::Key;

/// A filter against the columns of a table.
pub struct Chosen<'a> {
    /// The factor, or the cell where there is none, and which of its values are in.
    columns: Vec<(Option<usize>, &'a [String])>,
}

impl<'a> Chosen<'a> {
    /// `names` are the table's factors.
    ///
    /// # Errors
    ///
    /// With the key for which there is no factor.
    pub fn new(filter: &'a Filter, names: &[String]) -> Result<Self, &'a str> {
        let mut columns = Vec::new();
        for (key, values) in &filter.0 {
            let factor = match key.as_str() {
                Filter::CELL => None,
                key => Some(names.iter().position(|name| name == key).ok_or(key)?),
            };
            columns.push((factor, values.as_slice()));
        }
        Ok(Self { columns })
    }

    /// Whether a grid point is in. A factor that does not apply to a cell does not exclude it.
    pub fn has(&self, key: &Key) -> bool {
        self.columns.iter().all(|&(factor, values)| {
            let found = factor.map_or(&key.cell, |factor| &key.factors[factor]);
            found.is_empty() || values.contains(found)
        })
    }
}

/// What the `where` of a figure leaves of all grid points, in words, such as `gain = 0.8 (vanilla-rnn)`; `None` if
/// it says nothing about what the figure shows. `names` are the keys of `[sweep]`.
pub fn chosen_in_words(spec: &FigureSpec, names: &[String], points: &[Key]) -> Option<String> {
    let chosen = Chosen::new(&spec.filter, names).ok()?;
    let axes = [&spec.x, &spec.y].into_iter().flatten();
    let axes: Vec<usize> = axes
        .filter_map(|axis| names.iter().position(|name| name == axis))
        .collect();
    let is_shown =
        |key: &&Key| chosen.has(key) && axes.iter().all(|&axis| !key.factors[axis].is_empty());
    let shown: Vec<&Key> = points.iter().filter(is_shown).collect();
    in_words(&spec.filter, names, &shown, &[])
}

/// Values in words, and the cells that have them.
type Values<'k> = (String, Vec<&'k str>);

/// What `filter` has chosen of the grid points that are shown, but for what is `said` already, as `H = 64`.
pub fn in_words(
    filter: &Filter,
    names: &[String],
    shown: &[&Key],
    said: &[String],
) -> Option<String> {
    let cells = distinct(shown.iter().map(|key| key.cell.as_str()));
    let mut parts = Vec::new();
    if filter.0.contains_key(Filter::CELL) && !cells.is_empty() {
        let plural = if cells.len() == 1 { "" } else { "s" };
        parts.push(format!("cell{plural} {}", listed(&cells, "and")));
    }
    let mut by_name: Vec<(String, Vec<Values<'_>>)> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some(values) = filter.0.get(name) else {
            continue;
        };
        let has = |key: &&&Key| !key.factors[index].is_empty();
        let with = shown.iter().filter(has);
        let with = distinct(with.map(|key| key.cell.as_str()));
        if with.is_empty() {
            continue;
        }
        let short = labels::factor_name(name);
        let is_ambiguous = names.iter().enumerate().any(|(other, other_name)| {
            other != index
                && labels::factor_name(other_name) == short
                && shown
                    .iter()
                    .filter(has)
                    .any(|key| !key.factors[other].is_empty())
        });
        let name = if is_ambiguous { name.clone() } else { short };
        let values: Vec<String> = values.iter().map(|value| labels::setting(value)).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let values = listed(&values, "or");
        if said.contains(&format!("{name} = {values}")) {
            continue;
        }
        let known = by_name.iter().position(|(known, _)| *known == name);
        let known = known.unwrap_or_else(|| {
            by_name.push((name, Vec::new()));
            by_name.len() - 1
        });
        let of_name = &mut by_name[known].1;
        match of_name.iter_mut().find(|(known, _)| *known == values) {
            Some((_, cells)) => cells.extend(with),
            None => of_name.push((values, with)),
        }
    }
    parts.extend(by_name.into_iter().map(|(name, of_name)| {
        let values = of_name.into_iter().map(|(values, with)| {
            match cells.iter().all(|cell| with.contains(cell)) {
                true => values,
                false => format!("{values} ({})", with.join(", ")),
            }
        });
        format!("{name} = {}", values.collect::<Vec<_>>().join(", "))
    }));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The cells of these labels, each once; a layer is no cell of its own.
fn distinct<'k>(labels: impl Iterator<Item = &'k str>) -> Vec<&'k str> {
    let mut found = Vec::new();
    for label in labels {
        let cell = data::whole_cell(label);
        if !found.contains(&cell) {
            found.push(cell);
        }
    }
    found
}

/// `a`, `a or b`, `a, b or c`.
fn listed(items: &[&str], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = [
        "vanilla-rnn.recurrent_weights.gain",
        "lstm.hidden",
        "gru.hidden",
    ];

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    fn key(cell: &str, factors: &[&str]) -> Key {
        Key {
            cell: cell.into(),
            factors: names(factors),
        }
    }

    fn filter(entries: &[(&str, &[&str])]) -> Filter {
        let entries = entries.iter();
        Filter(
            entries
                .map(|(key, values)| ((*key).into(), names(values)))
                .collect(),
        )
    }

    /// What is said of an RNN, a layer of an LSTM and a GRU, all of them shown.
    fn said(entries: &[(&str, &[&str])], said: &[&str]) -> Option<String> {
        let keys = [
            key("vanilla-rnn", &["0.8", "", ""]),
            key("lstm, layer 1", &["", "64", ""]),
            key("gru", &["", "", "64"]),
        ];
        let shown: Vec<&Key> = keys.iter().collect();
        in_words(&filter(entries), &names(&NAMES), &shown, &names(said))
    }

    #[test]
    fn a_choice_names_the_cells_it_is_about_unless_it_is_about_all() {
        assert_eq!(said(&[], &[]), None);
        assert_eq!(
            said(&[(NAMES[0], &["0.8", "-1.5", "2"])], &[]).unwrap(),
            "gain = 0.8, −1.5 or 2 (vanilla-rnn)"
        );
        assert_eq!(
            said(&[(NAMES[1], &["64"]), (NAMES[2], &["64"])], &[]).unwrap(),
            "H = 64 (lstm, gru)"
        );
        assert_eq!(
            said(&[(NAMES[1], &["30"]), (NAMES[2], &["12000"])], &[]).unwrap(),
            "H = 30 (lstm), 12\u{a0}000 (gru)"
        );
        let steps = names(&["sequence.steps"]);
        let keys = [key("lstm", &["50"]), key("gru", &["50"])];
        let shown: Vec<&Key> = keys.iter().collect();
        let filter = filter(&[("cell", &["gru", "lstm"]), ("sequence.steps", &["50"])]);
        assert_eq!(
            in_words(&filter, &steps, &shown, &[]).unwrap(),
            "cells lstm and gru, T = 50"
        );
        assert_eq!(
            in_words(&filter, &steps, &shown[..1], &[]).unwrap(),
            "cell lstm, T = 50"
        );
    }

    #[test]
    fn what_is_said_already_or_not_shown_is_not_said() {
        let both: [(&str, &[&str]); 2] = [(NAMES[0], &["0.8"]), (NAMES[1], &["64"])];
        assert_eq!(
            said(&both, &["H = 64"]).unwrap(),
            "gain = 0.8 (vanilla-rnn)"
        );
        assert_eq!(
            said(&both, &["H = 6", "gain = 0.8"]).unwrap(),
            "H = 64 (lstm)"
        );
        let gru = key("gru", &["", "", "64"]);
        assert_eq!(in_words(&filter(&both), &names(&NAMES), &[&gru], &[]), None);
    }

    #[test]
    fn keys_of_one_short_name_are_told_apart() {
        let layers = names(&["stack.0.bias", "stack.1.bias"]);
        let point = key("stack", &["1", "2"]);
        assert_eq!(
            in_words(
                &filter(&[("stack.0.bias", &["1"])]),
                &layers,
                &[&point],
                &[]
            )
            .unwrap(),
            "stack.0.bias = 1"
        );
    }

    #[test]
    fn a_filter_is_over_cells_and_the_factors_that_apply() {
        let filter = filter(&[("cell", &["lstm", "gru"]), (NAMES[1], &["30", "64"])]);
        let chosen = Chosen::new(&filter, &names(&NAMES)).unwrap_or_else(|key| panic!("{key}"));
        let has = |cell, factors: [&str; 3]| chosen.has(&key(cell, &factors));
        assert!(has("lstm", ["", "64", ""]) && has("lstm", ["", "30", ""]));
        assert!(!has("lstm", ["", "32", ""]));
        assert!(has("gru", ["", "", "32"]) && !has("vanilla-rnn", ["0.8", "", ""]));
        assert_eq!(Chosen::new(&filter, &[]).err(), Some(NAMES[1]));
    }
}
