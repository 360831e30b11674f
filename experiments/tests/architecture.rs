//! The directions of dependence that the README's code map promises.
//!
//! experiments → cells → cell-config → gradient-tracking → kernels, theory below the cells too, and
//! lyapunov and decay-analysis beside them, each knowing only what is below it. What a crate must never do is checked in its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The members of the workspace and all the members each may depend on.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("kernels", &[]),
    ("gradient-tracking", &["kernels"]),
    ("cell-config", &["gradient-tracking", "kernels", "theory"]),
    ("vanilla-rnn", OF_A_CELL),
    ("lstm", OF_A_CELL),
    ("gru", OF_A_CELL),
    ("antisymmetric-rnn", OF_A_CELL),
    ("orthogonal-rnn", OF_A_CELL),
    ("lstm-1997", OF_A_CELL),
    ("lru", OF_A_CELL),
    ("decay-analysis", &[]),
    ("lyapunov", &["gradient-tracking", "kernels"]),
    ("theory", &[]),
    ("torch-weights", &[]),
    (
        "experiments",
        &[
            "antisymmetric-rnn",
            "cell-config",
            "decay-analysis",
            "gradient-tracking",
            "gru",
            "kernels",
            "lru",
            "lstm",
            "lyapunov",
            "lstm-1997",
            "orthogonal-rnn",
            "theory",
            "torch-weights",
            "vanilla-rnn",
        ],
    ),
    (
        "benches",
        &[
            "cell-config",
            "experiments",
            "gradient-tracking",
            "kernels",
            "lstm",
            "lyapunov",
            "vanilla-rnn",
        ],
    ),
];

/// What a cell may depend on.
const OF_A_CELL: &[&str] = &["cell-config", "gradient-tracking", "kernels", "theory"];

/// Where a word may not stand in code, and why not.
const NEVER: &[(&str, &[&str], &[&str])] = &[
    // No I/O, randomness, clock, threads or serialisation in the interface.
    (
        "crates/gradient-tracking/src",
        &[
            "std::fs",
            "std::io",
            "std::time",
            "std::thread",
            "println!",
            "rand::",
            "serde",
            "rayon",
        ],
        &[],
    ),
    // Cells know nothing of probes, files or plots.
    (
        "crates/vanilla-rnn/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    (
        "crates/lstm/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    (
        "crates/gru/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    (
        "crates/antisymmetric-rnn/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    (
        "crates/orthogonal-rnn/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    (
        "crates/lstm-1997/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    (
        "crates/lru/src",
        &[
            "gradient_tracking::probes",
            "std::fs",
            "plotters",
            "rayon",
            "std::thread",
        ],
        &[],
    ),
    // Pure mathematics.
    (
        "crates/decay-analysis/src",
        &[
            "std::fs",
            "std::io",
            "std::time",
            "std::thread",
            "println!",
            "rand::",
            "serde",
            "rayon",
        ],
        &[],
    ),
    (
        "crates/theory/src",
        &[
            "std::fs",
            "std::io",
            "std::time",
            "std::thread",
            "println!",
            "rand::",
            "serde",
            "rayon",
        ],
        &[],
    ),
    (
        "crates/lyapunov/src",
        &[
            "std::fs",
            "std::io",
            "std::time",
            "std::thread",
            "println!",
            "rand::",
            "serde",
            "rayon",
        ],
        &[],
    ),
    // Bytes in, layers out.
    (
        "crates/torch-weights/src",
        &["std::fs", "std::io", "std::thread", "println!", "rayon"],
        &[],
    ),
    // One module touches the file system, one has threads, one knows the clock, and the progress line how
    // much of it has passed.
    ("experiments/src", &["std::fs"], &["store"]),
    ("experiments/src", &["rayon::"], &["sweep.rs"]),
    ("experiments/src", &["SystemTime"], &["store"]),
    ("experiments/src", &["Instant"], &["store", "progress.rs"]),
    // These leave out what is not a number, so that a claim would pass of which nothing was measured.
    (
        "experiments/src/claims",
        &["f64::max", "f64::min", ".max(", ".min(", ".amax(", ".amin("],
        &["measure.rs"],
    ),
    // A reader of the standard output may stop, at which these panic.
    ("experiments/src", &[" println!", " print!"], &[]),
    // Reports are functions of stored files.
    (
        "experiments/src/report",
        &[
            "crate::plan",
            "crate::run",
            "crate::record",
            "crate::sweep",
            "crate::commands",
            "Clock",
        ],
        &[],
    ),
    // Figures are functions of stored tables.
    (
        "experiments/src/figures",
        &[
            "crate::plan",
            "crate::run",
            "crate::record",
            "crate::sweep",
            "crate::store",
            "crate::report",
        ],
        &[],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &Path) -> toml::Table {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// The folder of every member, by package name.
fn members() -> BTreeMap<String, PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let folders = crates.map(|entry| entry.unwrap().path());
    let folders = folders.chain([root().join("experiments"), root().join("benches")]);
    folders
        .map(|folder| {
            let name = manifest(&folder)["package"]["name"]
                .as_str()
                .unwrap()
                .to_owned();
            (name, folder)
        })
        .collect()
}

fn dependencies(folder: &Path, table: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let table = manifest.get(table).and_then(toml::Value::as_table);
    table
        .into_iter()
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// The source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// A file's code: neither comments nor the tests at its end. A file of tests has none.
fn code(path: &Path) -> String {
    if path.ends_with("tests.rs") || path.ends_with("properties.rs") {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code
        .unwrap_or("")
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn members_depend_only_on_what_is_below_them() {
    let members = members();
    let allowed: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.iter().copied().collect();
    assert_eq!(
        members.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        allowed.keys().copied().collect(),
        "a new member needs a place here and in the README's code map"
    );
    for (name, folder) in &members {
        for dependency in dependencies(folder, "dependencies") {
            let is_member = members.contains_key(&dependency);
            assert!(
                !is_member || allowed[name.as_str()].contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_interface_depends_on_matrices_alone() {
    let folder = root().join("crates/gradient-tracking");
    let expected = BTreeSet::from(["kernels".to_owned(), "nalgebra".to_owned()]);
    assert_eq!(dependencies(&folder, "dependencies"), expected);
}

#[test]
fn theory_depends_on_special_functions_alone() {
    let folder = root().join("crates/theory");
    let expected = BTreeSet::from(["special".to_owned()]);
    assert_eq!(dependencies(&folder, "dependencies"), expected);
}

#[test]
fn every_dependency_has_its_version_in_one_place() {
    for (name, folder) in members() {
        let manifest = manifest(&folder);
        for table in ["dependencies", "dev-dependencies"] {
            let table = manifest.get(table).and_then(toml::Value::as_table);
            for (dependency, value) in table.into_iter().flatten() {
                assert!(
                    value.get("workspace").and_then(toml::Value::as_bool) == Some(true),
                    "{name}: {dependency} does not take its version from the workspace"
                );
            }
        }
    }
}

#[test]
fn what_a_module_must_never_do_is_not_in_its_code() {
    for (folder, words, except) in NEVER {
        let folder = root().join(folder);
        for path in sources(&folder) {
            let inside = path.strip_prefix(&folder).unwrap();
            if except.iter().any(|allowed| inside.starts_with(allowed)) {
                continue;
            }
            let code = code(&path);
            for word in *words {
                assert!(!code.contains(word), "{} has {word}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_stands_in_the_kernels_alone() {
    for (name, folder) in members() {
        for path in sources(&folder.join("src")) {
            let code = code(&path);
            let is_unsafe = code.contains("unsafe {") || code.contains("unsafe fn");
            assert!(!is_unsafe || name == "kernels", "{}", path.display());
        }
    }
}
