//! What a report says, as plain data: the HTML page and the Markdown file are written from the same
//! value, so neither can say what the other does not.

use crate::figures::labels;

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it is a report of: `Experiment decay`.
    pub kind: String,
    /// What it shows, in one line.
    pub title: String,
    /// What it shows, in more words.
    pub lead: Vec<Text>,
    /// The rest, in reading order.
    pub sections: Vec<Section>,
}

/// A part with a heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its anchor: lower-case letters and hyphens, unique in the report.
    pub id: &'static str,
    /// Its heading.
    pub heading: String,
    /// What stands below it.
    pub blocks: Vec<Block>,
}

/// A block of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading within a section.
    Heading {
        /// Its anchor, unique in the report.
        id: String,
        /// Its words.
        text: String,
    },
    /// A paragraph.
    Paragraph(Text),
    /// A list of items without an order.
    List(Vec<Text>),
    /// Names and what they are.
    Terms(Vec<(Text, Text)>),
    /// Text as it stands in a file or on a command line.
    Verbatim(String),
    /// A long text of that kind, shown on demand.
    File {
        /// What it is.
        summary: String,
        /// The text.
        text: String,
    },
    /// A figure.
    Figure(Figure),
    /// A table.
    Table(Table),
}

/// A stored figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The stem of its files in `figures/`.
    pub name: String,
    /// The heading of the drawing: what is seen.
    pub title: String,
    /// How it is read.
    pub caption: Text,
    /// The files of the results folder that it was drawn from.
    pub data: Vec<String>,
    /// The stored drawings, each a file name: SVG first.
    pub files: Vec<String>,
    /// Its width in pixels.
    pub width: Option<f64>,
    /// The SVG, fit to stand in a page.
    pub drawing: String,
}

/// A table of text and numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it shows; its name for those who cannot see it.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// One text per column.
    pub rows: Vec<Vec<String>>,
    /// How many columns at the left say what a row is.
    pub row_headers: usize,
    /// Where its numbers are from.
    pub source: Text,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub heading: String,
    /// Whether its entries are numbers, which are aligned on the right.
    pub is_numeric: bool,
}

impl Column {
    /// Of words.
    pub fn words(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            is_numeric: false,
        }
    }

    /// Of numbers.
    pub fn numbers(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            is_numeric: true,
        }
    }
}

impl Table {
    /// More rows are shown on demand: nobody reads so many on the way.
    pub const MOST_ROWS: usize = 12;

    /// Whether it is shown on demand only.
    pub fn is_long(&self) -> bool {
        self.rows.len() > Self::MOST_ROWS
    }

    /// Of more rows only so many are written: a page of a hundred thousand is slow to open, and its
    /// numbers are in a file.
    pub const MOST_WRITTEN: usize = 1000;

    /// The rows that are written.
    pub fn written(&self) -> &[Vec<String>] {
        &self.rows[..self.rows.len().min(Self::MOST_WRITTEN)]
    }

    /// Where its numbers are from, behind how many rows of how many are written, unless all of them are.
    pub fn whole_source(&self) -> Text {
        if self.rows.len() <= Self::MOST_WRITTEN {
            return self.source.clone();
        }
        let [written, all] = [Self::MOST_WRITTEN, self.rows.len()].map(labels::thousands);
        let mut source = Text::literal(&format!("The first {written} of {all} rows"));
        source = source.and(match self.source.0.first() {
            Some(Inline::File(_)) => "; all of them are in ",
            _ => ". ",
        });
        source.0.extend(self.source.0.iter().cloned());
        source
    }
}

/// Running text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<Inline>);

/// A part of running text.
#[derive(Clone, Debug, PartialEq)]
pub enum Inline {
    /// Words.
    Plain(String),
    /// A name, a key, a command.
    Code(String),
    /// A file of the results folder.
    File(String),
}

impl Text {
    /// From text with `code` between backticks, as the comments of configs have it. A backtick
    /// without a second one is itself.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, code, after)) = rest.split_once('`').and_then(|(before, after)| {
            let (code, after) = after.split_once('`')?;
            Some((before, code, after))
        }) {
            if !before.is_empty() {
                parts.push(Inline::Plain(before.to_owned()));
            }
            parts.push(Inline::Code(code.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Inline::Plain(rest.to_owned()));
        }
        Self(parts)
    }

    /// As it stands, backticks too.
    pub fn literal(text: &str) -> Self {
        Self(vec![Inline::Plain(text.to_owned())])
    }

    /// Goes on with more text.
    pub fn and(mut self, text: &str) -> Self {
        self.0.extend(Self::new(text).0);
        self
    }

    /// Goes on with the name of a file of the results folder, which is a link.
    pub fn file(mut self, name: &str) -> Self {
        self.0.push(Inline::File(name.to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_make_code_and_a_single_one_is_itself() {
        let plain = |text: &str| Inline::Plain(text.to_owned());
        let code = |text: &str| Inline::Code(text.to_owned());
        assert_eq!(
            Text::new("see `a` and `b`").0,
            [plain("see "), code("a"), plain(" and "), code("b")]
        );
        assert_eq!(Text::new("5` tall").0, [plain("5` tall")]);
        assert_eq!(Text::new("").0, []);
    }
}
