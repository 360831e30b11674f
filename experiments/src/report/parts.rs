//! What the reports of all kinds of folders share.

use super::content::{Block, Column, Figure, Section, Table, Text};
use super::numbers::NONE;
use super::{Folder, ReportError, svg, words};
use crate::figures::{heading, labels};
use crate::tables::{NamedTable, TableError};

/// The commands are given for the root of the repository, where results lie below this folder.
const RESULTS: &str = "results";
/// The program.
pub const VANGRAD: &str = "cargo run --release --";

impl Folder<'_> {
    /// Where the folder lies, seen from the root of the repository.
    pub(super) fn place(&self) -> String {
        format!("{RESULTS}/{}", self.name)
    }

    /// A table that may be there.
    pub(super) fn table(&self, file: &'static str) -> Result<Option<NamedTable>, ReportError> {
        let text = (self.text)(file);
        Ok(text
            .map(|text| NamedTable::from_csv(file, &text))
            .transpose()?)
    }

    /// The text of a file that must be there.
    pub(super) fn required_text(
        &self,
        file: &'static str,
        remedy: &'static str,
    ) -> Result<String, ReportError> {
        (self.text)(file).ok_or_else(|| ReportError::Missing {
            file: file.to_owned(),
            remedy,
        })
    }

    /// A table that must be there.
    pub(super) fn required(
        &self,
        file: &'static str,
        remedy: &'static str,
    ) -> Result<NamedTable, ReportError> {
        let text = self.required_text(file, remedy)?;
        Ok(NamedTable::from_csv(file, &text)?)
    }

    /// A stored figure with its caption; the tables it was drawn from are those of `data` that are there.
    pub(super) fn figure(
        &self,
        name: &str,
        caption: Text,
        data: &[&str],
    ) -> Result<Block, ReportError> {
        let file = |extension: &str| format!("figures/{name}.{extension}");
        let stored = (self.text)(&file("svg")).ok_or_else(|| ReportError::Missing {
            file: file("svg"),
            remedy: "vangrad plot",
        })?;
        let (title, subtitle) = heading(&stored);
        let title = if title.is_empty() { name } else { &title };
        let label = match subtitle.as_str() {
            "" => title.to_owned(),
            subtitle => format!("{title}. {subtitle}"),
        };
        let drawing = svg::inline(&stored, name, &label).map_err(|found| ReportError::Drawing {
            file: file("svg"),
            found,
        })?;
        let files = ["svg", "png", "pdf"].map(file);
        Ok(Block::Figure(Figure {
            name: name.to_owned(),
            title: title.to_owned(),
            caption,
            data: present(self, data),
            files: files.into_iter().filter(|file| (self.has)(file)).collect(),
            width: svg::width(&stored),
            drawing,
        }))
    }

    /// Which files there are, what they hold, and what their columns are.
    pub(super) fn inventory(&self, files: &[&str], written_by: &str) -> Block {
        let rows = present(self, files).into_iter().map(|file| {
            let is_table = file.ends_with(".csv");
            let header = is_table.then(|| (self.first_line)(&file)).flatten();
            let header = header.map_or(NONE.to_owned(), |header| header.replace(',', ", "));
            let what = words::file(&file).to_owned();
            vec![file, what, header]
        });
        Block::Table(Table {
            caption: "The stored numbers".to_owned(),
            columns: ["file", "what it holds", "columns"]
                .map(Column::words)
                .to_vec(),
            rows: rows.collect(),
            row_headers: 1,
            source: Text::new(&format!(
                "All written by {written_by}. Numbers have 12 digits there; `-inf` is the logarithm of a \
                 gradient that is exactly zero."
            )),
        })
    }
}

/// Those of these files that are there.
fn present(folder: &Folder, files: &[&str]) -> Vec<String> {
    let present = files.iter().filter(|file| (folder.has)(file));
    present.map(|file| file.to_string()).collect()
}

/// Where a table has the columns that say which grid point a row is of.
pub struct PointColumns {
    /// The cell and the factors.
    pub indices: Vec<usize>,
    /// Their headings.
    pub columns: Vec<Column>,
}

impl PointColumns {
    /// `cell` and all columns up to `next`, the first that every such table has behind them.
    pub fn before(next: &str, table: &NamedTable) -> Result<Self, TableError> {
        let (cell, next) = (table.column("cell")?, table.column(next)?);
        let indices: Vec<usize> = (cell..next).collect();
        let short: Vec<String> = indices
            .iter()
            .map(|&index| labels::factor_name(&table.header[index]))
            .collect();
        let heading = |(place, &index): (usize, &usize)| {
            let name = &short[place];
            let is_unique = short.iter().filter(|other| *other == name).count() == 1;
            Column::words(if is_unique {
                name
            } else {
                &table.header[index]
            })
        };
        let columns = indices.iter().enumerate().map(heading).collect();
        Ok(Self { indices, columns })
    }

    /// What a row has there, as a reader would say it.
    pub fn shown(&self, row: &[String]) -> Vec<String> {
        let shown = |(place, &index): (usize, &usize)| match row[index].as_str() {
            "" => NONE.to_owned(),
            cell if place == 0 => cell.to_owned(),
            value => labels::factor_value(value),
        };
        self.indices.iter().enumerate().map(shown).collect()
    }

    /// What a row has there, as stored.
    pub fn key(&self, row: &[String]) -> Vec<String> {
        self.indices
            .iter()
            .map(|&index| row[index].clone())
            .collect()
    }
}

/// What the names of quantities mean: those of the terms that every report uses, and of these quantities.
pub fn quantities(names: &[String], gates: &[String]) -> Section {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        let (_, quantity) = crate::network::split_layer(name);
        if !seen.contains(&quantity) {
            seen.push(quantity);
        }
    }
    let code = |name: &str| Text::new(&format!("`{name}`"));
    let mut terms: Vec<(Text, Text)> = words::TERMS
        .iter()
        .map(|(term, what)| (Text::new(term), Text::new(what)))
        .collect();
    for quantity in seen {
        if let Some(what) = words::quantity(quantity) {
            terms.push((code(quantity), Text::new(what)));
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for gate in gates {
        let (_, gate) = crate::network::split_layer(gate);
        if let (false, Some(what)) = (seen.contains(&gate), words::gate(gate)) {
            seen.push(gate);
            terms.push((code(gate), Text::new(what)));
        }
    }
    let mut blocks = vec![Block::Terms(terms)];
    if names
        .iter()
        .any(|name| crate::network::split_layer(name).0.is_some())
    {
        blocks.push(Block::Paragraph(Text::new(
            "In a network of several layers a number before the quantity is the layer's, counted from 0 at the \
             inputs: `0.h`, `1.h`.",
        )));
    }
    Section {
        id: "quantities",
        heading: "What is measured".to_owned(),
        blocks,
    }
}

/// The distinct fields of a column, in the order of their first rows.
pub fn distinct(table: &NamedTable, column: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for row in &table.rows {
        if !found.contains(&row[column]) {
            found.push(row[column].clone());
        }
    }
    found
}

/// The lags a table of a curve shows: powers of ten, and the last.
pub fn shown_lags(last: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |lag| lag.checked_mul(10));
    let mut lags: Vec<usize> = powers.take_while(|&lag| lag < last).collect();
    lags.push(last);
    lags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_powers_of_ten_and_the_last() {
        assert_eq!(shown_lags(200), [1, 10, 100, 200]);
        assert_eq!(shown_lags(100), [1, 10, 100]);
        assert_eq!(shown_lags(0), [0]);
    }

    #[test]
    fn factors_are_called_by_their_short_names_unless_two_have_the_same() {
        let header =
            "cell,cell.hidden,a.recurrent_weights.gain,b.recurrent_weights.gain,quantity\n";
        let table = NamedTable::from_csv("fits.csv", &format!("{header}a,64,-0.5,,h\n")).unwrap();
        let points = PointColumns::before("quantity", &table).unwrap();
        let headings: Vec<&str> = points.columns.iter().map(|c| c.heading.as_str()).collect();
        assert_eq!(
            headings,
            [
                "cell",
                "H",
                "a.recurrent_weights.gain",
                "b.recurrent_weights.gain"
            ]
        );
        assert_eq!(points.shown(&table.rows[0]), ["a", "64", "−0.5", NONE]);
        assert_eq!(points.key(&table.rows[0]), ["a", "64", "-0.5", ""]);
    }
}
