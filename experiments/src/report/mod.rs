//! Stored results to a report: one HTML page that needs nothing but itself, and the same as Markdown.
//!
//! A report is a function of the files of a results folder and of nothing else: the same files give
//! the same bytes, and a report of results that are computed again with the same outcome differs, if
//! at all, in the part that says with which build and on which machine. Times are left to
//! manifest.json.
//!
//! `content` is what a report says, as plain data; `html` and `markdown` write it. Of `run`, `trace`
//! and the other kinds of results folders each has a file that says what is told of it. Tables are
//! read by the names of their columns, so that a report also shows those that are new.

mod claims;
pub mod content;
mod html;
mod markdown;
mod numbers;
mod parts;
mod run;
mod svg;
mod trace;
mod words;

use thiserror::Error;

use crate::tables::TableError;
use content::Report;

pub use claims::of_claims;
pub use run::of_run;
pub use trace::of_trace;

/// The page.
pub const HTML: &str = "report.html";
/// The same as Markdown.
pub const MARKDOWN: &str = "report.md";

/// A results folder, as a report reads it.
pub struct Folder<'a> {
    /// Its own name, without where it lies.
    pub name: &'a str,
    /// The text of a file, or `None` if it is not there.
    pub text: &'a dyn Fn(&str) -> Option<String>,
    /// The first line of a file, without the others in memory; `None` if it is not there or empty.
    pub first_line: &'a dyn Fn(&str) -> Option<String>,
    /// Whether there is such a file.
    pub has: &'a dyn Fn(&str) -> bool,
}

/// Why there can be no report.
#[derive(Debug, Error, PartialEq)]
pub enum ReportError {
    /// A file that the report tells of is not there.
    #[error("a report needs {file}, which is not there; `{remedy}` writes it")]
    Missing {
        /// The file.
        file: String,
        /// The command that writes it.
        remedy: &'static str,
    },
    /// A table is not what it should be.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A drawing that is not as this program draws.
    #[error("{file}: found {found}, which no figure of vangrad has; `vangrad plot` draws it again")]
    Drawing {
        /// The file.
        file: String,
        /// What was found in it.
        found: String,
    },
    /// A JSON file that is not what it should be.
    #[error("{file}: {reason}; `{remedy}` writes it again")]
    Json {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
        /// The command that writes it.
        remedy: &'static str,
    },
}

/// The files of a report, by name: [`HTML`] and [`MARKDOWN`].
pub fn files(report: &Report) -> [(&'static str, String); 2] {
    [
        (HTML, html::write(report)),
        (MARKDOWN, markdown::write(report)),
    ]
}
