//! The results folder: the only module that touches the file system.
//!
//! Invariants:
//!
//! * A file is complete or absent. It is written under a temporary name beside its own, synced,
//!   and renamed; what a killed process leaves behind has a temporary name, and the next one
//!   clears it.
//! * Whoever writes holds the folder's lock ([`LockedFolder`]), whoever only reads needs none and
//!   creates nothing ([`ResultsFolder`]).
//! * A refusal creates nothing and changes nothing.
//! * Files that this program did not make are never touched.

mod builds;
mod error;
mod locked;
mod machine;
mod manifest;
pub mod record_file;
mod scratch;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

pub use builds::Build;
pub use error::{RecordProblem, StoreError};
pub use locked::{LockedFolder, NewFolder, Reuse};
pub use machine::{Machine, available_memory};
pub use manifest::{Clock, Failure, Manifest};
pub use scratch::Scratch;

use self::record_file::Unreadable;
use crate::config::figure_names;
use crate::figures::TRACE_FIGURES;
use crate::record::{Expected, RunRecord};
use crate::report;
use crate::tables::{ClaimRow, FILES, GradientRow, OF_TRACE_ALONE, Row, Table};

/// The resolved config. A folder with one is a results folder.
pub const CONFIG: &str = "config.toml";
/// What `trace` was asked for. A folder with one, and without a config, is a trace's.
pub const REQUEST: &str = "trace.json";
/// What the request must say for the folder to be ours.
const REQUEST_TOOL: &str = "vangrad trace";
/// What `trace` finds, written last: a folder without one is not complete.
pub const SUMMARY: &str = "summary.json";
/// Every norm, of a run or a trace.
pub const GRADIENTS: &str = GradientRow::FILE;
/// The file whose lock is the folder's.
const LOCK: &str = ".lock";
/// Temporary names are `.vangrad-<name>.tmp`.
const TEMPORARY_PREFIX: &str = ".vangrad-";
const TEMPORARY_SUFFIX: &str = ".tmp";
const MANIFEST: &str = "manifest.json";
const RECORDS: &str = "records";
const FIGURES: &str = "figures";
/// What `reproduce` writes: a folder with verdicts, and without a config or a request, is its own.
pub const CLAIMS: &str = ClaimRow::FILE;
/// The page of the claims.
pub const PAGE: &str = "README.md";
/// The data of the claims' figures.
const PLOTS: &str = "plots";
/// Of an export.
const NETWORKS: &str = "networks";
const INPUTS_SUFFIX: &str = ".inputs.safetensors";

/// The extensions of the figures that this program draws.
pub const FIGURE_EXTENSIONS: [&str; 3] = ["svg", "png", "pdf"];

/// A results folder, for reading.
#[derive(Debug, Clone)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    /// Where the results of an experiment go unless told otherwise: `results/<name>` below the
    /// current directory.
    pub fn default_path(name: &str) -> PathBuf {
        Path::new("results").join(name)
    }

    /// Opens a folder that `run` made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = Self::at(path);
        match folder.state()? {
            State::Ours => Ok(folder),
            State::Trace => Err(StoreError::OfTrace { path: folder.path }),
            State::Claims => Err(StoreError::OfClaims { path: folder.path }),
            State::Absent | State::Empty => Err(StoreError::Missing { path: folder.path }),
        }
    }

    /// Whether `trace` made the folder.
    pub fn is_of_trace(path: &Path) -> Result<bool, StoreError> {
        Ok(Self::at(path).state()? == State::Trace)
    }

    /// Whether `reproduce` made the folder.
    pub fn is_of_claims(path: &Path) -> Result<bool, StoreError> {
        Ok(Self::at(path).state()? == State::Claims)
    }

    /// The claims that have a figure here, sorted.
    pub fn claims_with_plots(&self) -> Result<Vec<String>, StoreError> {
        let names = self.list(PLOTS)?.into_iter();
        let stems = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned));
        Ok(stems
            .filter(|id| crate::claims::find(id).is_some())
            .collect())
    }

    /// The folder at a path, whatever is there. The empty path is the current directory, as
    /// nearly everywhere, but not to the operating system.
    fn at(path: &Path) -> Self {
        let is_empty = path.as_os_str().is_empty();
        Self {
            path: if is_empty { Path::new(".") } else { path }.to_owned(),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, without where it lies: `decay` for `results/decay`, and for `.` in it.
    pub fn name(&self) -> Result<String, StoreError> {
        let path = fs::canonicalize(&self.path).map_err(|e| StoreError::read(&self.path, e))?;
        let name = path.file_name().unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    /// Whether there is a file of this name, good or bad.
    pub fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    /// The resolved config, as stored.
    pub fn config(&self) -> Result<String, StoreError> {
        read_text(&self.path.join(CONFIG))
    }

    /// The text of a file of this folder (`curves.csv`, `figures/decay.svg`); `None` if it is not
    /// there.
    pub fn text(&self, name: &str) -> Result<Option<String>, StoreError> {
        if_present(read_text(&self.path.join(name)))
    }

    /// The first line of such a file, without its end and without reading the rest; `None` if the file is not
    /// there or empty.
    pub fn first_line(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.path.join(name);
        let read = || {
            let mut line = String::new();
            BufReader::new(File::open(&path)?).read_line(&mut line)?;
            Ok(line)
        };
        let line = if_present(read().map_err(|error| StoreError::read(&path, error)))?;
        Ok(line.and_then(|line| line.lines().next().map(str::to_owned)))
    }

    /// The bytes of a file of this folder; `None` if it is not there.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if_present(read_bytes(&self.path.join(name)))
    }

    /// Whether there is a record of a run, good or bad.
    pub fn has_record(&self, run_id: &str) -> bool {
        self.path.join(record_name(run_id)).exists()
    }

    /// The runs that have a record, good or bad.
    pub fn recorded(&self) -> Result<BTreeSet<String>, StoreError> {
        let names = self.list(RECORDS)?.into_iter();
        let ids = names.filter_map(|name| {
            let id = name.strip_suffix(".safetensors")?;
            is_record(&name).then(|| id.to_owned())
        });
        Ok(ids.collect())
    }

    /// The record of a run, which must be what is expected; `None` if there is none.
    ///
    /// A record that is truncated, damaged, or of another run is
    /// [`BadRecord`](StoreError::BadRecord): `run` warns and recomputes it, `verify` reports it.
    pub fn record(
        &self,
        run_id: &str,
        expected: &Expected,
    ) -> Result<Option<RunRecord>, StoreError> {
        if_present(self.required_record(run_id, expected))
    }

    /// The same of a record that must be there.
    pub fn required_record(
        &self,
        run_id: &str,
        expected: &Expected,
    ) -> Result<RunRecord, StoreError> {
        self.read_record(run_id, |file, length| {
            record_file::read(file, length, expected)
        })
    }

    /// Whether there is a record of a run, which must be what is expected: without holding it.
    pub fn has_good_record(&self, run_id: &str, expected: &Expected) -> Result<bool, StoreError> {
        let checked = self.read_record(run_id, |file, length| {
            record_file::check(file, length, expected)
        });
        Ok(if_present(checked)?.is_some())
    }

    /// What `read` makes of the file of a record, given its length.
    fn read_record<T>(
        &self,
        run_id: &str,
        read: impl FnOnce(BufReader<File>, u64) -> Result<T, Unreadable>,
    ) -> Result<T, StoreError> {
        let path = self.path.join(record_name(run_id));
        let open = || {
            let file = File::open(&path)?;
            let length = file.metadata()?.len();
            read(BufReader::new(file), length)
        };
        open().map_err(|error| match error {
            Unreadable::File(error) => StoreError::read(&path, error),
            Unreadable::Record(problem) => StoreError::BadRecord { path, problem },
        })
    }

    /// Whether the record of a run is stored and is, bit for bit, this one. (Comparing the values
    /// would not do: −0 equals 0.)
    pub fn holds_exactly(&self, run_id: &str, record: &RunRecord) -> Result<bool, StoreError> {
        let path = self.path.join(record_name(run_id));
        let compare = || record_file::is_same(record, BufReader::new(File::open(&path)?));
        let is_same = if_present(compare().map_err(|error| StoreError::read(&path, error)))?;
        Ok(is_same.unwrap_or(false))
    }

    /// What computed these results; `None` if the first run has not finished.
    pub fn manifest(&self) -> Result<Option<Manifest>, StoreError> {
        let Some(text) = self.text(MANIFEST)? else {
            return Ok(None);
        };
        let manifest = serde_json::from_str(&text).map_err(|problem| StoreError::BadManifest {
            path: self.path.join(MANIFEST),
            problem,
        })?;
        Ok(Some(manifest))
    }

    /// The names, sorted, of the files that this program wrote here, except config.toml. Anything
    /// may lie in a folder; ours are the outputs, the records, and the figures of the config.
    pub fn files(&self) -> Result<BTreeSet<String>, StoreError> {
        let config = if_present(self.config())?;
        let figures = config.and_then(|config| figure_names(&config));
        let figures = figures.unwrap_or_default();
        let is_figure = |name: &str| {
            name.rsplit_once('.').is_some_and(|(stem, extension)| {
                FIGURE_EXTENSIONS.contains(&extension) && figures.iter().any(|name| name == stem)
            })
        };
        let mut files = BTreeSet::new();
        for (below, is_ours) in [
            ("", &is_output as &dyn Fn(&str) -> bool),
            (RECORDS, &|name| is_record(name) || name == builds::BUILDS),
            (FIGURES, &is_figure),
        ] {
            let names = self.list(below)?.into_iter().filter(|name| is_ours(name));
            let prefix = if below.is_empty() { "" } else { "/" };
            files.extend(names.map(|name| format!("{below}{prefix}{name}")));
        }
        Ok(files)
    }

    /// The names of the files that `trace` wrote here, except its request.
    fn files_of_trace(&self) -> Result<Vec<String>, StoreError> {
        let is_figure = |name: &String| {
            name.rsplit_once('.').is_some_and(|(stem, extension)| {
                FIGURE_EXTENSIONS.contains(&extension) && TRACE_FIGURES.contains(&stem)
            })
        };
        let is_output = |name: &String| {
            let mut tables = FILES.iter().filter(|table| table.is_of_trace);
            let is_table = name == OF_TRACE_ALONE || tables.any(|table| table.name == name);
            name == SUMMARY || is_report(name) || is_table
        };
        let mut files = self.list("")?;
        files.retain(is_output);
        let networks = self.list(NETWORKS)?.into_iter();
        let networks =
            networks.filter(|name| is_record(&name.replace(INPUTS_SUFFIX, ".safetensors")));
        files.extend(networks.map(|name| format!("{NETWORKS}/{name}")));
        let figures = self.list(FIGURES)?.into_iter().filter(is_figure);
        files.extend(figures.map(|name| format!("{FIGURES}/{name}")));
        Ok(files)
    }

    /// The names in this folder (`""`) or a folder below it, sorted. A folder that does not exist
    /// is empty. Names that are not UTF-8 are not ours.
    fn list(&self, below: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path.join(below);
        let entries = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&path)? {
                names.extend(entry?.file_name().into_string());
            }
            names.sort_unstable();
            Ok(names)
        };
        Ok(if_present(entries().map_err(|e| StoreError::read(&path, e)))?.unwrap_or_default())
    }

    /// Whose the folder is; an error if it is somebody else's.
    fn state(&self) -> Result<State, StoreError> {
        let path = &self.path;
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(error) => {
                return Err(match path.ancestors().find(|above| above.is_file()) {
                    Some(file) => StoreError::BelowAFile {
                        path: path.into(),
                        file: file.into(),
                    },
                    None => StoreError::read(path, error),
                });
            }
            Ok(metadata) if !metadata.is_dir() => {
                return Err(StoreError::NotAFolder { path: path.into() });
            }
            Ok(_) => {}
        }
        if path.join(CONFIG).is_file() {
            return match figure_names(&self.config()?) {
                Some(_) => Ok(State::Ours),
                None => Err(StoreError::ForeignConfig { path: path.into() }),
            };
        }
        if path.join(REQUEST).is_file() {
            let request = serde_json::from_str(&read_text(&path.join(REQUEST))?);
            let is_ours = |request: serde_json::Value| request["tool"] == REQUEST_TOOL;
            return match request.is_ok_and(is_ours) {
                true => Ok(State::Trace),
                false => Err(StoreError::Foreign {
                    path: path.into(),
                    entry: REQUEST.to_owned(),
                }),
            };
        }
        if path.join(CLAIMS).is_file() {
            let header = Table::<ClaimRow>::new(Vec::new()).header();
            return match read_text(&path.join(CLAIMS))?.starts_with(&header) {
                true => Ok(State::Claims),
                false => Err(StoreError::Foreign {
                    path: path.into(),
                    entry: CLAIMS.to_owned(),
                }),
            };
        }
        // What a process leaves behind that is killed before it has written its config.
        let is_harmless = |name: &str| name == LOCK || is_temporary(name);
        match self.list("")?.into_iter().find(|name| !is_harmless(name)) {
            None => Ok(State::Empty),
            Some(entry) => Err(StoreError::Foreign {
                path: path.into(),
                entry,
            }),
        }
    }
}

/// What a path may hold that a run can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Empty,
    /// The results of an experiment.
    Ours,
    /// Those of `trace`.
    Trace,
    /// The verdicts of `reproduce`.
    Claims,
}

/// The name, within the results folder, of the record of a run.
pub fn record_name(run_id: &str) -> String {
    format!("{RECORDS}/{run_id}.safetensors")
}

/// The name, within the folder of a trace, of an exported network.
pub fn network_name(run_id: &str) -> String {
    format!("{NETWORKS}/{run_id}.safetensors")
}

/// The name, within the folder of a trace, of an exported network's inputs.
pub fn inputs_name(run_id: &str) -> String {
    format!("{NETWORKS}/{run_id}{INPUTS_SUFFIX}")
}

/// The name, within the results folder, of a figure; `extension` is one of [`FIGURE_EXTENSIONS`].
pub fn figure_name(figure: &str, extension: &str) -> String {
    format!("{FIGURES}/{figure}.{extension}")
}

/// The name, within the claims' folder, of the data of a figure.
pub fn plot_name(claim: &str) -> String {
    format!("{PLOTS}/{claim}.json")
}

/// The whole text of any file: a config, for one.
pub fn read_text(path: &Path) -> Result<String, StoreError> {
    fs::read_to_string(path).map_err(|error| StoreError::read(path, error))
}

/// All bytes of any file: an array of inputs, for one.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|error| StoreError::read(path, error))
}

/// `None` for what does not exist.
fn if_present<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether this program writes a file of this name at the top of a results folder, beside the config.
fn is_output(name: &str) -> bool {
    name == MANIFEST || is_report(name) || FILES.iter().any(|table| table.name == name)
}

fn is_report(name: &str) -> bool {
    [report::HTML, report::MARKDOWN].contains(&name)
}

/// `<label>-<16 hexadecimal digits>.safetensors`, the name of a run's record.
fn is_record(name: &str) -> bool {
    let run_id = name.strip_suffix(".safetensors");
    run_id
        .and_then(|run_id| run_id.rsplit_once('-'))
        .is_some_and(|(label, digest)| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            !label.is_empty() && digest.len() == 16 && digest.bytes().all(is_digit)
        })
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX)
}

#[cfg(test)]
mod tests;
