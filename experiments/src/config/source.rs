//! The text a configuration was read from, and places in it.

use std::fmt;
use std::ops::Range;

/// The file and the `--set` arguments as one virtual text, so that a byte range says which it is.
pub(super) struct Source {
    text: String,
    /// Start of each segment in `text`, and what it is; the file is the first.
    segments: Vec<(usize, Origin)>,
}

/// Where a piece of configuration was written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    File(String),
    Argument,
}

impl Source {
    pub fn new(file: &str, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            segments: vec![(0, Origin::File(file.to_owned()))],
        }
    }

    /// Appends a `--set` argument and returns where it starts.
    pub fn push_argument(&mut self, argument: &str) -> usize {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(argument);
        self.segments.push((start, Origin::Argument));
        start
    }

    /// The text of a span.
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Line, column and the line itself.
    pub fn locate(&self, span: &Range<usize>) -> Box<Location> {
        let segment = self
            .segments
            .partition_point(|(start, _)| *start <= span.start)
            .saturating_sub(1);
        let (first, origin) = &self.segments[segment];
        let end = match self.segments.get(segment + 1) {
            Some((next, _)) => next - 1,
            None => self.text.len(),
        };
        let text = &self.text[*first..end];
        // A span may lie at the very end, or (never, but a panic would be worse) inside a character.
        let mut at = (span.start - first).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..]
            .find('\n')
            .map_or(text.len(), |length| at + length);
        let marked_end = (span.end.saturating_sub(*first)).clamp(at, line_end);
        let marked = text.get(at..marked_end).unwrap_or_default();
        Box::new(Location {
            file: match origin {
                Origin::File(file) => Some(file.clone()),
                Origin::Argument => None,
            },
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..at].chars().count() + 1,
            text: text[line_start..line_end].trim_end_matches('\r').to_owned(),
            width: marked.chars().count().max(1),
        })
    }
}

/// A place in the configuration file or in a `--set` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file; none for an argument of `--set`.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// How many characters are meant.
    pub width: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}:{}", self.line, self.column),
            None => write!(f, "--set, column {}", self.column),
        }
    }
}

impl Location {
    /// The line with carets under the place, indented by its line number.
    pub fn excerpt(&self) -> String {
        let margin = match self.file {
            Some(_) => format!("{} | ", self.line),
            None => "--set ".to_owned(),
        };
        // Tabs are kept, so that the carets stand right wherever the text is shown.
        let before: String = self
            .text
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let indent = " ".repeat(margin.chars().count());
        let carets = "^".repeat(self.width);
        format!("{margin}{}\n{indent}{before}{carets}", self.text)
    }
}
