//! A folder to work in, the program as its users have it, and small experiments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Four grid points and eight runs; computed in milliseconds.
pub const TINY: &str = r#"name = "tiny"
seed = 20
replicates = 2

[sequence]
steps = 12
batch = 2
input = { kind = "gaussian", size = 3, std = 1.0 }

[[cell]]
kind = "vanilla-rnn"
hidden = 4

[[cell]]
kind = "lstm"
hidden = 4

[sweep]
"vanilla-rnn.recurrent_weights.gain" = [0.5, 1.5]
"lstm.forget_bias" = [0.0, 1.0]
"#;

/// What [`TINY`] records by default, and everything else.
pub const EVERYTHING: &str = r#"
[record]
gradients = true
quantities = ["adjoint", "input-gradient", "parameter-gradient", "parameter-contributions", "gates", "path-split", "per-sequence", "series", "spectrum", "singular-values", "lyapunov", "loss-state", "unit-gradient", "sequence-gradient"]

[[figure]]
kind = "decay"

[[figure]]
kind = "rate"
x = "lstm.forget_bias"

[[figure]]
kind = "singular-values"

[[figure]]
kind = "lyapunov"

[[figure]]
kind = "loss-state"

[[figure]]
kind = "unit-gradient"
"#;

/// A `.npy` file of steps × batch × size numbers that fall by this factor from one to the next.
pub fn npy(shape: [usize; 3], factor: f64) -> Vec<u8> {
    let [steps, batch, size] = shape;
    let shape = format!("({steps}, {batch}, {size})");
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    // The format has it that the numbers start at a multiple of 64.
    let header = format!("{header:<117}\n");
    let mut file = [b"\x93NUMPY\x01\x00".as_slice(), &118u16.to_le_bytes()].concat();
    file.extend(header.bytes());
    let numbers = (0..steps * batch * size).map(|k| factor.powi(k as i32));
    file.extend(numbers.flat_map(f64::to_le_bytes));
    file
}

/// The files below a folder by their relative names; folders end in `/` and hold nothing.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A temporary folder, and the program run in it.
pub struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// A folder with one file, `experiment.toml`.
    pub fn with(config: &str) -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        lab.write("experiment.toml", config);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The program with its arguments, not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vangrad"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn vangrad(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs `experiment.toml` into the folder `out`.
    pub fn run(&self, further: &[&str]) -> Ended {
        let arguments = ["run", "experiment.toml", "--out", "out"];
        self.vangrad(&[&arguments, further].concat())
    }

    /// Everything below the folder `below` (`""` for all of it).
    pub fn files(&self, below: &str) -> Files {
        let mut files = Files::new();
        collect(&self.path(below), "", &mut files);
        files
    }

    /// The files of a results folder that are a function of its config.
    pub fn results(&self, below: &str) -> Files {
        let mut files = self.files(below);
        for name in ["manifest.json", ".lock"] {
            assert!(files.remove(name).is_some(), "no {name} in {below}");
        }
        files
    }

    /// The names of the stored records. May be called while a sweep stores more of them.
    pub fn records(&self, below: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path(below).join("records"));
        let names = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name());
        names
            .map(|name| format!("records/{}", name.to_str().unwrap()))
            .filter(|name| name.ends_with(".safetensors"))
            .collect()
    }

    pub fn manifest(&self, below: &str) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(&format!("{below}/manifest.json"))).unwrap()
    }

    /// How many runs the last command has computed, reused, and seen fail.
    #[track_caller]
    pub fn assert_counts(&self, below: &str, [done, reused, failed]: [usize; 3]) {
        let manifest = self.manifest(below);
        let found = ["done", "reused", "failed"].map(|key| manifest[key].as_u64());
        assert_eq!(found, [done, reused, failed].map(|n| Some(n as u64)));
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
            files.insert(format!("{name}/"), Vec::new());
        } else {
            files.insert(name, fs::read(path).unwrap());
        }
    }
}

/// Asserts that two folders hold the same names with the same bytes, and says which do not.
#[track_caller]
pub fn assert_same(found: &Files, expected: &Files) {
    let mut names: BTreeSet<&String> = found.keys().collect();
    names.extend(expected.keys());
    let differing: Vec<String> = names
        .into_iter()
        .filter_map(|name| match (found.get(name), expected.get(name)) {
            (Some(found), Some(expected)) if found == expected => None,
            (Some(_), Some(_)) => Some(format!("{name} has other bytes")),
            (Some(_), None) => Some(format!("{name} should not be there")),
            (None, _) => Some(format!("{name} is missing")),
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A finished process.
#[derive(Debug)]
pub struct Ended {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the process has printed all of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stdout.contains(part) || self.stderr.contains(part),
                "no `{part}` in:\n{}{}",
                self.stdout,
                self.stderr
            );
        }
        self
    }
}
