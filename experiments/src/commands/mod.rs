//! The commands, one file each.

mod completions;
mod list;
mod plan;
mod plot;
mod report;
mod reproduce;
mod run;
mod schema;
mod summary;
mod trace;
mod verify;

pub(crate) use summary::aligned;

use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest, Sha256};

use crate::cli::Command;
use crate::config::{Config, ConfigError, Input, Loaded, Point};
use crate::figures::FigureError;
use crate::input_file::{InputFile, InputFiles};
use crate::plan::Plan;
use crate::report::ReportError;
use crate::store::{self, StoreError};

/// How a command that could do its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Everything is done.
    Done,
    /// Some runs failed, or something stored differs.
    Failed,
    /// Stopped by the user.
    Interrupted,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => ExitCode::SUCCESS,
            Status::Failed => ExitCode::from(1),
            Status::Interrupted => ExitCode::from(130),
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The config, or a --set.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// There is no such config.
    #[error("there is no file {}: name an experiment's TOML file; {}", .path.display(), list::suggestion(.path))]
    NoConfig {
        /// The path.
        path: PathBuf,
    },
    /// A folder where a config should be.
    #[error("{} is a folder: name an experiment's TOML file, such as {}", .path.display(), .path.join(store::CONFIG).display())]
    FolderForConfig {
        /// The path.
        path: PathBuf,
    },
    /// Files.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A file of inputs.
    #[error("{path}: {problem}", path = path.display())]
    Inputs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, what was expected.
        problem: String,
    },
    /// Stored tables that cannot be drawn.
    #[error("in {}: {problem}", .folder.display())]
    Figure {
        /// The results folder.
        folder: PathBuf,
        /// Which table, what is wrong with it.
        problem: FigureError,
    },
    /// Stored results that cannot be told of.
    #[error("in {}: {problem}", .folder.display())]
    Report {
        /// The results folder.
        folder: PathBuf,
        /// Which file, what is wrong with it.
        problem: ReportError,
    },
    /// What a command prints.
    #[error("the standard output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// A state dict.
    #[error("{path}: {problem}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, what was expected.
        problem: String,
    },
    /// A request that cannot be met.
    #[error("{0}")]
    Usage(String),
    /// The signal handler.
    #[error("Ctrl-C cannot be handled: {0}")]
    Signal(#[from] ctrlc::Error),
}

/// Executes a command.
///
/// # Errors
/// [`CommandError`] for bad usage, config or input: exit code 2.
pub fn execute(command: Command) -> Result<Status, CommandError> {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Plan { experiment } => plan::plan(&experiment),
        Command::Plot { results, format } => plot::plot(&results, &format),
        Command::Report { results } => report::report(&results),
        Command::Verify { results, jobs } => verify::verify(&results, jobs),
        Command::Trace(arguments) => trace::trace(&arguments),
        Command::Reproduce(arguments) => reproduce::reproduce(&arguments),
        Command::List => list::list(),
        Command::Schema => schema::schema(),
        Command::Completions { shell } => completions::completions(shell),
    }
}

/// Writes what is all of a command's work. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<Status, CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Status::Done),
    }
}

/// The plan of a config, and the files that its inputs come from.
struct Prepared {
    plan: Plan,
    inputs: InputFiles,
}

fn read_config(path: &Path) -> Result<String, CommandError> {
    store::read_text(path).map_err(|error| match error {
        StoreError::Read { source, path } if source.kind() == ErrorKind::IsADirectory => {
            CommandError::FolderForConfig { path }
        }
        StoreError::Read { source, path } if source.kind() == ErrorKind::NotFound => {
            CommandError::NoConfig { path }
        }
        error => error.into(),
    })
}

fn prepare(text: &str, file: &Path, sets: &[String]) -> Result<Prepared, CommandError> {
    let loaded = Config::load(text, &file.display().to_string(), sets)?;
    for note in &loaded.notes {
        eprintln!("note: {note}");
    }
    let inputs = read_inputs(&loaded)?;
    Ok(Prepared {
        plan: Plan::new(&loaded, &inputs),
        inputs,
    })
}

/// One run per core unless asked otherwise.
fn jobs_or_cores(jobs: Option<usize>) -> usize {
    jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Every file that inputs of the grid come from, each read once.
fn read_inputs(loaded: &Loaded) -> Result<InputFiles, CommandError> {
    let mut files = InputFiles::default();
    for Point { sequence, .. } in &loaded.grid {
        let Input::File { path, size } = &sequence.input else {
            continue;
        };
        let file = match files.0.entry(path.clone()) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => place.insert(read_input_file(Path::new(path))?),
        };
        let (found, wanted) = (file.array.shape, [sequence.steps, sequence.batch, *size]);
        if found != wanted {
            return Err(CommandError::Inputs {
                path: path.into(),
                problem: format!(
                    "found an array of steps × batch × size = {found:?}, expected {wanted:?} as \
                     `sequence.steps`, `sequence.batch` and `sequence.input.size` say"
                ),
            });
        }
    }
    Ok(files)
}

fn read_input_file(path: &Path) -> Result<InputFile, CommandError> {
    let problem = |problem: String| CommandError::Inputs {
        path: path.to_owned(),
        problem,
    };
    let bytes = store::read_bytes(path).map_err(|error| match error {
        StoreError::Read { source, .. } if source.kind() == ErrorKind::NotFound => problem(
            "there is no such file; `sequence.input.path` names it, relative to the working directory"
                .to_owned(),
        ),
        error => error.into(),
    })?;
    let array = crate::input_file::decode(&bytes).map_err(problem)?;
    let digest = Sha256::digest(&bytes);
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(InputFile { array, sha256 })
}
