//! The store's promises, on real folders.

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::record::Array;

const RESUME: Reuse = Reuse::Unless(&|_| None);
/// As much of a resolved config as the store knows.
const EXPERIMENT: &str = r#"name = "test"
seed = 1
replicates = 1
sequence = {}
loss = {}
cell = []
record = {}
fit = {}
figure = [{ name = "decay" }]
"#;
const RUN: &str = "lstm-0123456789abcdef";
const SPEC: &str = r#"{"seed":20}"#;

fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn expected() -> Expected {
    Expected {
        spec: SPEC.to_owned(),
        steps: 2,
        arrays: Some(Arc::new(record().arrays.into_keys().collect())),
    }
}

fn record() -> RunRecord {
    let h = Array {
        shape: vec![3],
        values: vec![-2.0, -1.0, 0.0],
    };
    let reference = Array {
        shape: vec![2],
        values: vec![0.0, 2.0],
    };
    RunRecord {
        spec: SPEC.to_owned(),
        arrays: [("h", h), ("reference", reference)]
            .map(|(name, array)| (name.to_owned(), array))
            .into(),
    }
}

/// Every file and folder below `path` with its contents.
fn snapshot(path: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(snapshot(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

#[test]
fn a_run_makes_its_folder_with_its_config() {
    let scratch = scratch();
    let path = scratch.path().join("results/decay");
    let locked = LockedFolder::for_run(&path, EXPERIMENT, RESUME).unwrap();
    assert_eq!(locked.folder.config().unwrap(), EXPERIMENT);
    assert!(locked.folder.files().unwrap().is_empty());
}

#[test]
fn records_are_kept_and_read_back() {
    let scratch = scratch();
    let path = scratch.path().join("r");
    let locked = LockedFolder::for_run(&path, EXPERIMENT, RESUME).unwrap();
    assert_eq!(locked.folder.record(RUN, &expected()).unwrap(), None);
    locked.write_record(RUN, &record()).unwrap();
    drop(locked);

    let locked = LockedFolder::for_run(&path, EXPERIMENT, RESUME).unwrap();
    let back = locked.folder.record(RUN, &expected()).unwrap();
    assert_eq!(back, Some(record()));
    let files = locked.folder.files().unwrap();
    assert_eq!(files, BTreeSet::from([record_name(RUN)]));
}

#[test]
fn one_changed_bit_of_a_record_is_noticed() {
    let scratch = scratch();
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    assert!(!locked.folder.holds_exactly(RUN, &record()).unwrap());
    locked.write_record(RUN, &record()).unwrap();
    assert!(locked.folder.holds_exactly(RUN, &record()).unwrap());

    // The sign of a zero: the values still compare equal.
    let mut changed = record();
    changed.arrays.get_mut("h").unwrap().values[2] = -0.0;
    assert_eq!(changed, record());
    assert!(!locked.folder.holds_exactly(RUN, &changed).unwrap());
}

#[test]
fn a_damaged_record_is_an_error_that_names_the_file() {
    let scratch = scratch();
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    locked.write_record(RUN, &record()).unwrap();
    let file = scratch.path().join(record_name(RUN));
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();

    let error = locked.folder.record(RUN, &expected()).unwrap_err();
    assert!(matches!(&error, StoreError::BadRecord { path, .. } if *path == file));
    assert!(error.to_string().contains(RUN), "{error}");
    assert!(
        error.to_string().contains("truncated or damaged"),
        "{error}"
    );
}

#[test]
fn the_second_process_is_refused_until_the_first_is_done() {
    let scratch = scratch();
    let first = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    for second in [
        LockedFolder::for_run(scratch.path(), EXPERIMENT, Reuse::Nothing),
        LockedFolder::existing(scratch.path()),
    ] {
        let error = second.unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        assert!(error.to_string().contains("in use by another"), "{error}");
    }
    drop(first);
    LockedFolder::existing(scratch.path()).unwrap();
}

#[test]
fn reading_needs_no_lock_and_creates_nothing() {
    let scratch = scratch();
    let _locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    let before = snapshot(scratch.path());
    let folder = ResultsFolder::open(scratch.path()).unwrap();
    assert_eq!(folder.text("curves.csv").unwrap(), None);
    assert_eq!(folder.manifest().unwrap(), None);
    assert_eq!(snapshot(scratch.path()), before);
}

#[test]
fn a_folder_of_somebody_else_is_refused_untouched() {
    let scratch = scratch();
    fs::write(scratch.path().join("thesis.tex"), "…").unwrap();
    let before = snapshot(scratch.path());
    for error in [
        LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap_err(),
        LockedFolder::for_run(scratch.path(), EXPERIMENT, Reuse::Nothing).unwrap_err(),
        LockedFolder::existing(scratch.path()).unwrap_err(),
        ResultsFolder::open(scratch.path()).unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::Foreign { entry, .. } if entry == "thesis.tex"));
    }
    assert_eq!(snapshot(scratch.path()), before);
}

#[test]
fn a_folder_with_the_config_of_another_program_is_refused_untouched() {
    for config in ["", "baseURL = 1", "name = ", "[sequence]\nsteps = 3\n"] {
        let scratch = scratch();
        fs::write(scratch.path().join(CONFIG), config).unwrap();
        fs::write(scratch.path().join("curves.csv"), "").unwrap();
        let before = snapshot(scratch.path());
        for error in [
            LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap_err(),
            LockedFolder::for_run(scratch.path(), EXPERIMENT, Reuse::Nothing).unwrap_err(),
            LockedFolder::existing(scratch.path()).unwrap_err(),
            ResultsFolder::open(scratch.path()).unwrap_err(),
        ] {
            assert!(
                matches!(&error, StoreError::ForeignConfig { .. }),
                "{error}"
            );
        }
        assert_eq!(snapshot(scratch.path()), before);
    }
}

#[test]
fn results_of_another_config_are_refused_untouched_unless_fresh() {
    let scratch = scratch();
    // As in a fresh clone: no lock file yet.
    fs::write(scratch.path().join(CONFIG), EXPERIMENT).unwrap();
    fs::write(scratch.path().join("curves.csv"), "old").unwrap();
    let before = snapshot(scratch.path());
    let other = EXPERIMENT.replace("seed = 1", "seed = 2");
    let differs = |stored: &str| {
        assert_eq!(stored, EXPERIMENT);
        Some("`seed`".to_owned())
    };
    let error = LockedFolder::for_run(scratch.path(), &other, Reuse::Unless(&differs));
    let message = error.unwrap_err().to_string();
    assert!(message.contains("another config: `seed`;"), "{message}");
    assert_eq!(snapshot(scratch.path()), before);

    let locked = LockedFolder::for_run(scratch.path(), &other, Reuse::Nothing).unwrap();
    assert_eq!(locked.folder.config().unwrap(), other);
    assert_eq!(locked.folder.text("curves.csv").unwrap(), None);
}

#[test]
fn missing_folders_and_files_are_refused_and_not_made() {
    let scratch = scratch();
    let missing = scratch.path().join("missing");
    assert!(matches!(
        ResultsFolder::open(&missing),
        Err(StoreError::Missing { .. })
    ));
    assert!(matches!(
        LockedFolder::existing(&missing),
        Err(StoreError::Missing { .. })
    ));
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let error = LockedFolder::for_run(&file, EXPERIMENT, RESUME).unwrap_err();
    assert!(matches!(error, StoreError::NotAFolder { .. }), "{error}");
    let below = LockedFolder::for_run(&file.join("a/b"), EXPERIMENT, RESUME).unwrap_err();
    assert!(matches!(&below, StoreError::BelowAFile { file: found, .. } if *found == file));
    assert_eq!(snapshot(scratch.path()).len(), 1);
}

#[test]
fn an_empty_folder_has_no_results_and_can_be_run_into() {
    let scratch = scratch();
    let error = ResultsFolder::open(scratch.path()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
}

#[test]
fn the_empty_path_is_the_current_directory() {
    assert_eq!(ResultsFolder::at(Path::new("")).path(), Path::new("."));
}

#[test]
fn no_table_of_an_earlier_run_or_trace_is_left() {
    let (run, trace) = (scratch(), scratch());
    let begin_trace = || {
        let folder = NewFolder::for_trace(trace.path()).unwrap();
        folder.begin(&serde_json::json!({})).unwrap()
    };
    let folder = LockedFolder::for_run(run.path(), EXPERIMENT, RESUME).unwrap();
    let traced = begin_trace();
    for table in FILES {
        folder.write(table.name, b"old").unwrap();
        if table.is_of_trace {
            traced.write(table.name, b"old").unwrap();
        }
    }
    traced.write(OF_TRACE_ALONE, b"old").unwrap();
    drop((folder, traced));
    drop(LockedFolder::for_run(run.path(), EXPERIMENT, RESUME).unwrap());
    drop(begin_trace());
    for table in FILES {
        for folder in [&run, &trace] {
            let path = folder.path().join(table.name);
            assert!(!path.exists(), "{}", path.display());
        }
    }
    assert!(!trace.path().join(OF_TRACE_ALONE).exists());
}

#[test]
fn a_folder_that_cannot_be_made_leaves_no_parents_behind() {
    let scratch = scratch();
    // No file system has names of 300 bytes.
    let path = scratch.path().join("a/b").join("c".repeat(300));
    let error = LockedFolder::for_run(&path, EXPERIMENT, RESUME).unwrap_err();
    assert!(
        matches!(error, StoreError::Read { .. } | StoreError::Write { .. }),
        "{error}"
    );
    assert!(snapshot(scratch.path()).is_empty());
}

#[test]
fn a_file_is_complete_or_absent() {
    let scratch = scratch();
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    locked.write("curves.csv", b"old").unwrap();
    let before = snapshot(scratch.path());
    let error = locked.write_with("curves.csv", |file| {
        file.write_all(b"half of the new")?;
        Err(io::Error::other("disk full"))
    });
    let message = error.unwrap_err().to_string();
    assert!(message.contains("curves.csv: disk full"), "{message}");
    assert_eq!(snapshot(scratch.path()), before);
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_leaves_nothing() {
    let scratch = scratch();
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    fs::write(scratch.path().join("figures"), "in the way").unwrap();
    let before = snapshot(scratch.path());
    let error = locked.write("figures/decay.svg", b"<svg/>").unwrap_err();
    assert!(
        matches!(&error, StoreError::Write { path, .. } if path.ends_with("figures/decay.svg"))
    );
    assert_eq!(snapshot(scratch.path()), before);
}

#[test]
fn temporary_files_of_a_killed_run_are_cleared_and_others_are_not() {
    let scratch = scratch();
    drop(LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap());
    let ours = [
        ".vangrad-curves.csv.tmp",
        "records/.vangrad-lstm-1.safetensors.tmp",
    ];
    let others = ["notes.tmp", "records/.swap", ".vangrad-notes"];
    fs::create_dir(scratch.path().join("records")).unwrap();
    for name in ours.iter().chain(&others) {
        fs::write(scratch.path().join(name), "…").unwrap();
    }
    let _locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    assert!(ours.iter().all(|name| !scratch.path().join(name).exists()));
    assert!(others.iter().all(|name| scratch.path().join(name).exists()));
}

#[test]
fn a_run_killed_before_it_stored_its_config_can_be_run_again() {
    let scratch = scratch();
    fs::write(scratch.path().join(LOCK), "").unwrap();
    fs::write(scratch.path().join(".vangrad-config.toml.tmp"), "seed").unwrap();
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    assert_eq!(locked.folder.config().unwrap(), EXPERIMENT);
}

/// Files with our names and files without, as left by an earlier run.
const OURS: [&str; 5] = [
    "curves.csv",
    "figures/decay.pdf",
    "figures/decay.png",
    "figures/decay.svg",
    "manifest.json",
];
const NOT_OURS: [&str; 8] = [
    "my.csv",
    "figures/decay.eps",
    "figures/mine.svg",
    "figures/notes.txt",
    "records/-0123456789abcdef.safetensors",
    "records/lstm-0123456789ABCDEF.safetensors",
    "records/mine.safetensors",
    "records/mine-2.safetensors",
];

fn filled(scratch: &TempDir) {
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    locked.write_record(RUN, &record()).unwrap();
    for name in OURS.iter().chain(&NOT_OURS) {
        locked.write(name, b"").unwrap();
    }
    let mut ours: BTreeSet<String> = OURS.map(str::to_owned).into();
    ours.insert(record_name(RUN));
    assert_eq!(locked.folder.files().unwrap(), ours);
}

#[test]
fn fresh_removes_what_we_made_and_nothing_else() {
    let scratch = scratch();
    filled(&scratch);
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, Reuse::Nothing).unwrap();
    assert!(locked.folder.files().unwrap().is_empty());
    for name in NOT_OURS {
        assert_eq!(locked.folder.text(name).unwrap().as_deref(), Some(""));
    }
}

#[test]
fn a_resumed_run_removes_what_was_derived_from_its_records() {
    let scratch = scratch();
    filled(&scratch);
    // The figures that the new config does not draw any more, too.
    let other = EXPERIMENT.replace("decay", "other");
    let locked = LockedFolder::for_run(scratch.path(), &other, RESUME).unwrap();
    let files = locked.folder.files().unwrap();
    assert_eq!(files, BTreeSet::from([record_name(RUN)]));
    for name in OURS {
        assert_eq!(locked.folder.text(name).unwrap(), None, "{name}");
    }
    for name in NOT_OURS {
        assert_eq!(locked.folder.text(name).unwrap().as_deref(), Some(""));
    }
}

#[test]
fn a_manifest_is_stored_and_read_back() {
    let scratch = scratch();
    let locked = LockedFolder::for_run(scratch.path(), EXPERIMENT, RESUME).unwrap();
    let manifest = Clock::start().finish(Machine::this("test"), 2, 1, 0, Vec::new());
    locked.write_manifest(&manifest).unwrap();
    assert_eq!(locked.folder.manifest().unwrap(), Some(manifest));

    locked.write("manifest.json", b"{}").unwrap();
    let error = locked.folder.manifest().unwrap_err();
    assert!(matches!(error, StoreError::BadManifest { .. }), "{error}");
}
