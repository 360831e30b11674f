//! What can go wrong with files: which path, what was found, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failure of the file system, or a results folder that must not be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such folder.
    #[error("no results folder at {}: `vangrad run CONFIG --out {}` would make one", .path.display(), .path.display())]
    Missing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// The path of the results folder is something else.
    #[error("{} is not a folder: name a results folder, or for `run` another path with --out", .path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The results folder would have to lie in a file.
    #[error("there can be no folder {}, since {} is a file: give another path with --out", .path.display(), .file.display())]
    BelowAFile {
        /// The path.
        path: PathBuf,
        /// The part of it that is a file.
        file: PathBuf,
    },
    /// A folder with the config of another program.
    #[error("{} is not a results folder: its config.toml is not one that `vangrad run` writes; name a results folder, or a new or empty one to run into", .path.display())]
    ForeignConfig {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with contents that this program did not make.
    #[error("{} is not a results folder: it holds `{entry}` but no config.toml; name a results folder, or a new or empty one to run into", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The first of its entries.
        entry: String,
    },
    /// A folder that `trace` made, where an experiment's is wanted.
    #[error("{} holds what `vangrad trace` wrote: name the folder of an experiment, or a new or empty one to run into; `vangrad plot` draws it, and the same `vangrad trace` writes it again", .path.display())]
    OfTrace {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that `reproduce` made, where an experiment's or a trace's is wanted.
    #[error("{} holds the verdicts of `vangrad reproduce`: name the folder of an experiment, or a new or empty one to run into; `vangrad plot` draws it, and `vangrad reproduce` computes it again", .path.display())]
    OfClaims {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that `run` made, where `trace` or `reproduce` would write.
    #[error("{} holds the results of an experiment: give another folder with --out", .path.display())]
    OfRun {
        /// The folder.
        path: PathBuf,
    },
    /// The results of another experiment.
    #[error("{} holds the results of another config: {difference}; give another folder with --out, or recompute everything with --fresh", .path.display())]
    OtherConfig {
        /// The folder.
        path: PathBuf,
        /// Which key differs, and how.
        difference: String,
    },
    /// Another process works on this folder.
    #[error("{} is in use by another vangrad process: wait for it to finish, or give another folder with --out", .path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file or folder cannot be written; nothing partial is left.
    #[error("cannot write {}: {source}; check its permissions and the free space, or give another folder with --out", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A record that is damaged or belongs to another run.
    #[error("{}: {problem}", .path.display())]
    BadRecord {
        /// The record's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: RecordProblem,
    },
    /// A manifest that this version cannot read.
    #[error("{}: not a manifest of this version: {problem}; run the experiment again to write it anew", .path.display())]
    BadManifest {
        /// The manifest's file.
        path: PathBuf,
        /// What the JSON parser says.
        problem: serde_json::Error,
    },
}

impl StoreError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why the bytes of a record are refused.
#[derive(Debug, Error, PartialEq)]
pub enum RecordProblem {
    /// Not a complete safetensors file.
    #[error("the record is truncated or damaged ({reason})")]
    Damaged {
        /// What the parser says.
        reason: String,
    },
    /// The metadata is not exactly one key, `spec`.
    #[error("the record's metadata should be the one key `spec`, found [{found}]")]
    Metadata {
        /// The keys that are there, sorted.
        found: String,
    },
    /// The record of another run.
    #[error("the record's spec is that of another run")]
    OtherSpec,
    /// Not the arrays that the run keeps.
    #[error("the record has other arrays than this run keeps: [{}] missing, [{}] unknown", .missing.join(", "), .unknown.join(", "))]
    Arrays {
        /// The names that are not there.
        missing: Vec<String>,
        /// The names that should not be there.
        unknown: Vec<String>,
    },
    /// An array of a type that is never written.
    #[error("array `{array}` should be F64, found {found}")]
    Type {
        /// The array's name.
        array: String,
        /// Its type.
        found: String,
    },
    /// An array that does not have one row per step.
    #[error(
        "array `{array}` of a run of {steps} steps should have {expected} rows, found shape {found:?}"
    )]
    Shape {
        /// The array's name.
        array: String,
        /// The run's steps T.
        steps: usize,
        /// The number of rows that would be right.
        expected: String,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A value that no run can have measured.
    #[error(
        "array `{array}` holds {value} at index {index}: records hold finite numbers, and -inf for an exact zero"
    )]
    Value {
        /// The array's name.
        array: String,
        /// The value's index in the flattened array.
        index: usize,
        /// The value.
        value: f64,
    },
}
