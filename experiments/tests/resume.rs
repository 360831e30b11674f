//! What survives: reruns, larger sweeps, damaged files, other processes, and death in mid-sweep.

use std::fs;

use common::{EVERYTHING, Lab, TINY, assert_same, npy};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

// Of what the tests share, only a part is needed here.
#[allow(dead_code)]
mod common;

/// Flips one bit of a file.
#[track_caller]
fn flip(lab: &Lab, name: &str, byte: usize, bit: u8) {
    let mut bytes = lab.bytes(name);
    bytes[byte] ^= 1 << bit;
    lab.write(name, bytes);
}

/// Any record of [`TINY`]'s LSTM, which has the most arrays.
fn a_record(lab: &Lab) -> String {
    let mut records = lab.records("out").into_iter();
    records.find(|name| name.contains("lstm")).unwrap()
}

/// The position of a text in a record's header.
#[track_caller]
fn position(record: &[u8], text: &str) -> usize {
    let mut windows = record.windows(text.len());
    windows
        .position(|window| window == text.as_bytes())
        .unwrap()
}

fn modified(lab: &Lab, name: &str) -> std::time::SystemTime {
    fs::metadata(lab.path(name)).unwrap().modified().unwrap()
}

// Reruns.

#[test]
fn a_rerun_computes_nothing_and_changes_nothing() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let first = lab.results("out");
    lab.run(&[])
        .exits_with(0)
        .says(&["0 runs computed", "8 reused"]);
    lab.assert_counts("out", [0, 8, 0]);
    assert_same(&lab.results("out"), &first);
}

/// Where the mean square of the inputs is unknown, or there are fewer of them than units, a vanilla RNN
/// has one law less.
#[test]
fn records_without_every_law_are_reused_and_verified() {
    let lab = Lab::with(&format!("{TINY}[record]\ngradients = true\n"));
    lab.write("inputs.npy", npy([12, 2, 3], 0.5));
    for set in [
        "sequence.input={ kind = \"ramp\", size = 3 }",
        "sequence.input={ kind = \"file\", path = \"inputs.npy\", size = 3 }",
        "vanilla-rnn.input_weights.init=identity",
    ] {
        lab.run(&["--fresh", "--set", set]).exits_with(0);
        lab.assert_counts("out", [8, 0, 0]);
        let first = lab.results("out");
        // h and h_carried of the RNN, those and two of c of the LSTM, at 13 steps of four runs each.
        let gradients = String::from_utf8_lossy(&first["gradients.csv"]);
        assert_eq!(gradients.lines().count(), 1 + 4 * (2 + 4) * 13, "{set}");
        lab.run(&["--set", set]).exits_with(0);
        lab.assert_counts("out", [0, 8, 0]);
        assert_same(&lab.results("out"), &first);
        lab.vangrad(&["verify", "out"])
            .exits_with(0)
            .says(&["records: 8 agree"]);
    }
}

#[test]
fn the_number_of_jobs_changes_no_result() {
    let lab = Lab::with(&[TINY, EVERYTHING].concat());
    lab.run(&["--jobs", "1"]).exits_with(0);
    for jobs in ["2", "5"] {
        lab.vangrad(&["run", "experiment.toml", "--jobs", jobs, "--out", jobs])
            .exits_with(0);
        assert_same(&lab.results(jobs), &lab.results("out"));
    }
}

/// A rerun with these `--set`s computes `done` new runs, touches no other record, and leaves the
/// tables and figures of an experiment that never was any smaller.
#[track_caller]
fn assert_extends(sets: &[&str], done: usize) {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let before: Vec<_> = lab
        .records("out")
        .into_iter()
        .map(|name| format!("out/{name}"))
        .map(|name| (modified(&lab, &name), lab.bytes(&name), name))
        .collect();

    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
    lab.run(&sets).exits_with(0).says(&["8 reused"]);
    lab.assert_counts("out", [done, 8, 0]);
    for (time, bytes, name) in before {
        assert!(lab.bytes(&name) == bytes, "{name} has other bytes");
        assert_eq!(modified(&lab, &name), time, "{name} has been written again");
    }

    let new = [&["run", "experiment.toml", "--out", "new"], &sets[..]].concat();
    lab.vangrad(&new).exits_with(0);
    assert_same(&lab.results("out"), &lab.results("new"));
}

#[test]
fn a_longer_axis_computes_only_the_new_runs() {
    assert_extends(&["lstm.forget_bias=[1.0, 5.0, 0.0]"], 2);
}

#[test]
fn more_replicates_compute_only_the_new_runs() {
    assert_extends(&["replicates=3"], 4);
}

#[test]
fn other_fits_compute_no_run() {
    assert_extends(&["fit.from=3", "fit.to=9"], 0);
}

#[test]
fn a_shorter_axis_leaves_no_trace_in_tables_and_figures() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let set = ["--set", "lstm.forget_bias=[1.0]"];
    lab.run(&set).exits_with(0);
    lab.assert_counts("out", [0, 6, 0]);
    let new = ["run", "experiment.toml", "--out", "new"];
    lab.vangrad(&[&new[..], &set].concat()).exits_with(0);
    // Records cost time: those of the value that was left out are kept.
    let mut results = lab.results("out");
    let current = lab.records("new");
    results.retain(|name, _| !name.ends_with(".safetensors") || current.contains(name));
    assert_same(&results, &lab.results("new"));
    lab.run(&[]).exits_with(0);
    lab.assert_counts("out", [0, 8, 0]);
}

#[test]
fn a_figure_that_is_no_longer_drawn_is_removed() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let figure = "[[figure]]\nkind = \"decay\"\nname = \"other\"\n";
    lab.write("experiment.toml", [TINY, figure].concat());
    lab.run(&[]).exits_with(0);
    let mut files = lab.files("out");
    files.retain(|name, _| name.starts_with("figures/"));
    let names: Vec<String> = files.into_keys().collect();
    assert_eq!(
        names,
        ["figures/", "figures/other.png", "figures/other.svg"]
    );
}

#[test]
fn records_of_another_build_are_reused_with_one_note() {
    for (key, name) in [
        ("version", "version"),
        ("commit", "commit"),
        ("kernel_path", "kernels"),
    ] {
        let lab = Lab::with(TINY);
        assert!(!lab.run(&[]).exits_with(0).stderr.contains("note"));
        assert!(!lab.run(&[]).exits_with(0).stderr.contains("note"));
        // Interrupted: no manifest, and one run is missing.
        fs::remove_file(lab.path("out/manifest.json")).unwrap();
        fs::remove_file(lab.path("out").join(a_record(&lab))).unwrap();
        let builds = String::from_utf8(lab.bytes("out/records/builds.json")).unwrap();
        let value = format!("\"{key}\": \"");
        assert!(builds.contains(&value));
        let other = builds.replace(&value, &format!("{value}other"));
        lab.write("out/records/builds.json", other);

        let note = format!("note: 7 runs were computed by another build ({name} other");
        for done in [1, 0] {
            let ended = lab.run(&[]).exits_with(0);
            assert_eq!(ended.stderr.matches(&note).count(), 1, "{}", ended.stderr);
            lab.assert_counts("out", [done, 8 - done, 0]);
        }
        let ended = lab.run(&["--fresh"]).exits_with(0);
        assert!(!ended.stderr.contains("note"), "{}", ended.stderr);
        assert!(!lab.run(&[]).exits_with(0).stderr.contains("note"));
    }
}

#[test]
fn fresh_computes_every_run_again() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let first = lab.results("out");
    // A value that only recomputing can tell from the right one.
    let record = format!("out/{}", a_record(&lab));
    flip(&lab, &record, first[&a_record(&lab)].len() - 40, 0);
    lab.run(&["--fresh"])
        .exits_with(0)
        .says(&["8 runs computed", "0 reused"]);
    lab.assert_counts("out", [8, 0, 0]);
    assert_same(&lab.results("out"), &first);
}

// Damaged files.

/// `run` warns of the record that `damage` has made of a good one, computes that run again, and
/// ends with the bytes it started from.
#[track_caller]
fn assert_mended(damages: &[fn(&mut Vec<u8>)]) {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let good = lab.results("out");
    let name = a_record(&lab);
    for (index, damage) in damages.iter().enumerate() {
        let mut record = good[&name].clone();
        damage(&mut record);
        assert!(record != good[&name], "damage {index} does nothing");
        lab.write(&format!("out/{name}"), record);

        let ended = lab.vangrad(&["verify", "out"]);
        ended.exits_with(1).says(&[&format!("DIFFERS  {name}")]);
        let ended = lab.run(&[]).exits_with(0);
        let warning = ended
            .stderr
            .lines()
            .find(|line| line.starts_with("warning"));
        let warning = warning.unwrap_or_else(|| panic!("damage {index}: {}", ended.stderr));
        assert!(warning.contains(&name), "damage {index}: {warning}");
        assert!(!warning.contains("vangrad run"), "{warning}");
        lab.assert_counts("out", [1, 7, 0]);
        assert_same(&lab.results("out"), &good);
    }
}

#[test]
fn a_truncated_record_is_computed_again() {
    assert_mended(&[
        |record| record.clear(),
        |record| record.truncate(4),
        |record| record.truncate(200),
        |record| record.truncate(record.len() - 1),
        |record| record.push(0),
    ]);
}

#[test]
fn a_record_with_a_damaged_header_is_computed_again() {
    assert_mended(&[
        |record| record[0] ^= 1,
        |record| record[7] ^= 0x80,
        |record| {
            let at = position(record, "forget_bias");
            record[at] ^= 1;
        },
        |record| {
            let at = position(record, "F64");
            record[at + 1] = b'3';
        },
        |record| {
            let at = position(record, "[13]");
            record[at + 1] ^= 1;
        },
        |record| {
            let at = position(record, "reference");
            record[at] ^= 1;
        },
    ]);
}

#[test]
fn a_record_with_a_damaged_name_of_an_array_is_computed_again() {
    assert_mended(&[
        |record| {
            let at = position(record, "\"h\"");
            record[at + 1] ^= 1;
        },
        |record| {
            let at = position(record, "c_carried");
            record[at + 2] ^= 2;
        },
    ]);
}

/// Such as earlier versions left, which kept singular values at 100 lags per decade and not always at T.
#[test]
fn a_record_without_the_last_lag_is_computed_again() {
    let lab = Lab::with(
        "name = \"lags\"\nreplicates = 1\nsequence = { steps = 103, batch = 1 }\n\
         record.quantities = [\"singular-values\"]\n\
         [[cell]]\nkind = \"vanilla-rnn\"\nhidden = 2\n",
    );
    lab.run(&["--no-figures"]).exits_with(0);
    let good = lab.results("out");
    let name = lab.records("out").into_iter().next().unwrap();
    let bytes = &good[&name];
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let shorter = tensors.iter().map(|(name, tensor)| {
        // Rows are in the order of t, so that the first one is of lag T.
        let row = match name {
            "singular_values" => 1,
            _ => 0,
        };
        let mut shape = tensor.shape().to_vec();
        let bytes = tensor.data().len() / shape[0] * row;
        shape[0] -= row;
        let rest = TensorView::new(tensor.dtype(), shape, &tensor.data()[bytes..]);
        (name, rest.unwrap())
    });
    let shorter = safetensors::serialize(shorter, header.metadata().clone()).unwrap();
    lab.write(&format!("out/{name}"), shorter);

    let problem =
        "array `singular_values` of a run of 103 steps should have 103 rows, found shape [102, 2]";
    lab.vangrad(&["verify", "out"])
        .exits_with(1)
        .says(&[&format!("DIFFERS  {name}"), problem]);
    lab.run(&["--no-figures"])
        .exits_with(0)
        .says(&["warning", problem, "computed again"]);
    assert_same(&lab.results("out"), &good);
}

#[test]
fn a_record_with_impossible_values_is_computed_again() {
    assert_mended(&[
        // NaN, and the exponent of infinity.
        |record| {
            let end = record.len();
            record[end - 40..end - 32].fill(0xff);
        },
        |record| {
            let end = record.len();
            record[end - 40..end - 32].copy_from_slice(&f64::INFINITY.to_le_bytes());
        },
    ]);
}

#[test]
fn verify_holds_and_touches_nothing() {
    let lab = Lab::with(&[TINY, EVERYTHING].concat());
    lab.run(&[]).exits_with(0);
    let before = lab.files("");
    lab.vangrad(&["verify", "out"]).exits_with(0).says(&[
        "records: 8 agree",
        "curves.csv",
        "fits.csv",
        "gradients.csv",
        "figures: 12 agree",
        "out holds",
    ]);
    lab.vangrad(&["verify", "out", "--jobs", "1"]).exits_with(0);
    assert_same(&lab.files(""), &before);
}

/// A file, a byte in it (found from its contents), and a bit of that byte.
type Bit = (&'static str, fn(&[u8]) -> usize, u8);

/// `verify` names the file of each of these bits when that one alone is flipped.
#[track_caller]
fn assert_found(bits: &[Bit]) {
    let lab = Lab::with(&[TINY, EVERYTHING].concat());
    lab.run(&[]).exits_with(0);
    let record = a_record(&lab);
    for (name, place, bit) in bits {
        let name = name.replace("RECORD", &record);
        let path = format!("out/{name}");
        let good = lab.bytes(&path);
        flip(&lab, &path, place(&good), *bit);
        let ended = lab.vangrad(&["verify", "out"]);
        let differs = format!("DIFFERS  {name}");
        ended.exits_with(1).says(&[&differs, "out does not hold"]);
        lab.write(&path, good);
    }
    lab.vangrad(&["verify", "out"]).exits_with(0);
}

#[test]
fn verify_finds_one_flipped_bit_in_a_record() {
    assert_found(&[
        // The last bit of a value: the last, and one in the middle.
        ("RECORD", |record| record.len() - 8, 0),
        ("RECORD", |record| record.len() - 8 * (record.len() / 16), 0),
        // A sign.
        ("RECORD", |record| record.len() - 1, 7),
        // The header.
        ("RECORD", |_| 0, 0),
        ("RECORD", |record| position(record, "seed"), 1),
        ("RECORD", |record| position(record, "c_carried"), 0),
    ]);
}

#[test]
fn verify_finds_one_flipped_bit_in_a_table() {
    // In the last digit before the end, and in the header.
    assert_found(&[
        ("runs.csv", |text| text.len() - 2, 0),
        ("curves.csv", |text| text.len() - 2, 0),
        ("curves.csv", |_| 0, 1),
        ("fits.csv", |text| text.len() - 2, 0),
        ("gates.csv", |text| text.len() - 2, 0),
        ("gradients.csv", |text| text.len() - 2, 0),
        ("laws.csv", |text| text.len() - 2, 0),
        ("loss-state.csv", |text| text.len() - 2, 0),
        ("lyapunov-convergence.csv", |text| text.len() - 2, 0),
        ("lyapunov-summary.csv", |text| text.len() - 2, 0),
        ("lyapunov.csv", |text| text.len() - 2, 0),
        ("parameters.csv", |text| text.len() - 2, 0),
        ("series.csv", |text| text.len() - 2, 0),
        ("singular-values.csv", |text| text.len() - 2, 0),
        ("unit-gradients.csv", |text| text.len() - 2, 0),
        ("unit-quantiles.csv", |text| text.len() - 2, 0),
    ]);
}

#[test]
fn verify_finds_a_flipped_bit_that_makes_a_table_no_text() {
    assert_found(&[
        ("gradients.csv", |text| text.len() / 2, 7),
        ("curves.csv", |text| text.len() / 2, 7),
    ]);
}

#[test]
fn verify_finds_one_flipped_bit_in_a_figure() {
    assert_found(&[
        ("figures/decay.svg", |text| text.len() / 2, 0),
        ("figures/decay.svg", |text| text.len() / 2, 7),
        ("figures/rate.png", |bytes| bytes.len() / 2, 0),
    ]);
}

#[test]
fn verify_finds_a_missing_table_and_one_too_many() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    lab.write("out/gates.csv", "cell,gate,t\n");
    let ended = lab.vangrad(&["verify", "out"]).exits_with(1);
    ended.says(&["DIFFERS  gates.csv"]);
    fs::remove_file(lab.path("out/gates.csv")).unwrap();
    fs::remove_file(lab.path("out/fits.csv")).unwrap();
    let ended = lab.vangrad(&["verify", "out"]).exits_with(1);
    ended.says(&["DIFFERS  fits.csv"]);
}

#[test]
fn verify_without_records_compares_the_tables() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    fs::remove_dir_all(lab.path("out/records")).unwrap();
    let ended = lab.vangrad(&["verify", "out"]).exits_with(0);
    ended.says(&["no raw records stored", "curves.csv", "out holds"]);
    flip(
        &lab,
        "out/curves.csv",
        lab.bytes("out/curves.csv").len() / 2,
        0,
    );
    let ended = lab.vangrad(&["verify", "out"]).exits_with(1);
    ended.says(&["DIFFERS  curves.csv: line"]);
}

/// What an interrupted sweep leaves behind: some records, and nothing that is made of them.
#[test]
fn verify_of_an_unfinished_sweep_compares_the_runs_that_are_stored() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    for name in lab.files("out").keys() {
        let is_kept =
            name.starts_with("records/") || ["config.toml", ".lock"].contains(&name.as_str());
        if !is_kept && !name.ends_with('/') {
            fs::remove_file(lab.path("out").join(name)).unwrap();
        }
    }
    let records: Vec<String> = lab.records("out").into_iter().collect();
    for name in &records[..5] {
        fs::remove_file(lab.path("out").join(name)).unwrap();
    }
    let verify = || lab.vangrad(&["verify", "out"]);
    let before = lab.files("out");
    let ended = verify().exits_with(0);
    assert!(!ended.stdout.contains("DIFFERS"), "{}", ended.stdout);
    ended.says(&[
        "3 runs to compute",
        "out is unfinished: 3 of 8 runs, all agree; `vangrad run` resumes",
    ]);
    assert_same(&lab.files("out"), &before);

    let path = format!("out/{}", records[7]);
    flip(&lab, &path, lab.bytes(&path).len() - 9, 0);
    verify().exits_with(1).says(&[
        &format!("DIFFERS  {}", records[7]),
        "out does not hold: 1 differs, of 3 runs; unfinished, 8 are planned",
    ]);
    for name in &records[5..] {
        fs::remove_file(lab.path("out").join(name)).unwrap();
    }
    verify()
        .exits_with(0)
        .says(&["out is unfinished: 0 of 8 runs; `vangrad run` resumes"]);
    lab.run(&[]).exits_with(0);
    verify().exits_with(0).says(&["out holds"]);
}

/// A record has no checksum, so `run` cannot tell; recomputing can, before and after.
#[test]
fn a_flipped_value_that_a_rerun_has_used_is_found_by_verify() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let record = a_record(&lab);
    let path = format!("out/{record}");
    // The sign of log₁₀‖∂L/∂h_T‖, the reference of every ratio.
    flip(&lab, &path, lab.bytes(&path).len() - 9, 7);
    lab.run(&[]).exits_with(0);
    let differs = format!("DIFFERS  {record}");
    lab.vangrad(&["verify", "out"])
        .exits_with(1)
        .says(&[&differs, "DIFFERS  curves.csv"]);
}

// Other processes.

#[test]
fn a_folder_in_use_is_refused_and_left_alone() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let before = lab.files("");
    let lock = fs::File::options()
        .append(true)
        .open(lab.path("out/.lock"))
        .unwrap();
    lock.lock().unwrap();
    for arguments in [
        &["run", "experiment.toml", "--out", "out"] as &[&str],
        &["run", "experiment.toml", "--out", "out", "--fresh"],
        &["plot", "out"],
    ] {
        let ended = lab.vangrad(arguments).exits_with(2);
        ended.says(&["out is in use by another vangrad process"]);
        assert_same(&lab.files(""), &before);
    }
    drop(lock);
    lab.run(&[]).exits_with(0);
}

#[test]
fn what_a_killed_process_left_is_cleared() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let clean = lab.results("out");
    for arguments in [
        &["run", "experiment.toml", "--out", "out"] as &[&str],
        &["plot", "out"],
    ] {
        lab.write("out/.vangrad-curves.csv.tmp", "cell,quan");
        lab.write("out/records/.vangrad-lstm-0123.safetensors.tmp", "");
        lab.write("out/figures/.vangrad-decay.svg.tmp", "<svg");
        lab.vangrad(arguments).exits_with(0);
        assert_same(&lab.results("out"), &clean);
    }
}

/// Killed before its config was written, a process leaves a folder that holds a lock at most.
#[test]
fn a_folder_in_which_nothing_was_begun_can_be_run_into() {
    let lab = Lab::with(TINY);
    lab.write("out/.lock", "");
    lab.write("out/.vangrad-config.toml.tmp", "name = ");
    lab.run(&[]).exits_with(0);
    lab.vangrad(&["run", "experiment.toml", "--out", "new"])
        .exits_with(0);
    assert_same(&lab.results("out"), &lab.results("new"));
}

// Death in mid-sweep.

#[cfg(unix)]
mod mid_sweep {
    use std::fs;
    use std::process::{Child, Command};
    use std::time::Duration;

    use super::common::{Ended, Lab, assert_same};

    /// Some tens of milliseconds a run, so that a sweep is long beside the time it takes to notice
    /// its first records.
    const LONG: &str = r#"
    name = "long"
    seed = 3
    sequence = { steps = 400, batch = 16 }
    [[cell]]
    kind = "vanilla-rnn"
    hidden = 64
    [[cell]]
    kind = "lstm"
    hidden = 64
    [sweep]
    "vanilla-rnn.recurrent_weights.gain" = [0.5, 0.9]
    "lstm.forget_bias" = [0.0, 1.0]
    "#;

    /// A sweep that was stopped half-way, in the folder `out`.
    struct Stopped {
        lab: Lab,
        ended: Ended,
        /// `replicates=…`: the sweep is made longer until it is caught before its end.
        set: String,
        /// How many runs are stored, and how many there are in all.
        stored: usize,
        runs: usize,
    }

    /// Extends a finished sweep and stops that once it has stored a few runs.
    fn stopped(arguments: &[&str], stop: &dyn Fn(&Lab, &mut Child)) -> Stopped {
        for replicates in [12, 24, 48, 96] {
            let lab = Lab::with(LONG);
            let set = format!("replicates={replicates}");
            let runs = 4 * replicates;
            lab.run(&["--set", "replicates=1"]).exits_with(0);
            let base = ["run", "experiment.toml", "--out", "out", "--set", &set];
            let mut child = lab.command(&[&base, arguments].concat()).spawn().unwrap();
            let stored = |lab: &Lab| lab.records("out").len();
            while stored(&lab) < 8 && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
            stop(&lab, &mut child);
            let ended = Ended::from(child.wait_with_output().unwrap());
            let stored = stored(&lab);
            if stored < runs {
                return Stopped {
                    lab,
                    ended,
                    set,
                    stored,
                    runs,
                };
            }
        }
        panic!("every sweep was over before it could be stopped");
    }

    fn kill(child: &mut Child) {
        child.kill().unwrap();
    }

    /// Sends SIGINT, as Ctrl-C does, unless the process is over.
    fn interrupt(child: &mut Child) {
        if child.try_wait().unwrap().is_none() {
            let pid = child.id().to_string();
            let status = Command::new("kill").args(["-INT", &pid]).status();
            assert!(status.unwrap().success());
        }
    }

    impl Stopped {
        /// The same sweep, never stopped.
        fn complete_the_reference(&self) {
            let run = [
                "run",
                "experiment.toml",
                "--out",
                "whole",
                "--set",
                &self.set,
            ];
            self.lab.vangrad(&run).exits_with(0);
            self.lab.assert_counts("whole", [self.runs, 0, 0]);
        }

        /// What is stored is complete and right, and nothing pretends to be a result.
        fn assert_only_finished_runs_are_stored(&self) {
            let whole = self.lab.files("whole");
            let mut found = self.lab.files("out");
            // What was being written has a name that says so.
            found.retain(|name, _| !(name.contains(".vangrad-") && name.ends_with(".tmp")));
            let allowed = |name: &str| {
                name.starts_with("records/") || [".lock", "config.toml", "figures/"].contains(&name)
            };
            for (name, bytes) in found {
                assert!(allowed(&name), "{name} of an unfinished sweep");
                assert!(
                    whole.get(&name) == Some(&bytes),
                    "{name} is not as it will be"
                );
            }
        }

        fn resume(&self, jobs: &str) {
            let Self {
                lab,
                set,
                stored,
                runs,
                ..
            } = self;
            let ended = lab.run(&["--set", set, "--jobs", jobs]).exits_with(0);
            ended.says(&[&format!("{stored} reused")]);
            lab.assert_counts("out", [runs - stored, *stored, 0]);
            assert_same(&lab.results("out"), &lab.results("whole"));
        }
    }

    fn assert_killed_and_resumed(jobs: &str) {
        let stopped = stopped(&["--jobs", jobs], &|_, child| kill(child));
        assert_eq!(stopped.ended.code, None, "{:?}", stopped.ended);
        stopped.complete_the_reference();
        stopped.assert_only_finished_runs_are_stored();
        stopped
            .lab
            .write("out/records/.vangrad-lstm-0123.safetensors.tmp", "half");
        stopped.resume(jobs);
    }

    #[test]
    fn a_killed_sweep_resumes_to_the_same_bytes_on_one_thread() {
        assert_killed_and_resumed("1");
    }

    #[test]
    fn a_killed_sweep_resumes_to_the_same_bytes_on_two_threads() {
        assert_killed_and_resumed("2");
    }

    #[test]
    fn ctrl_c_keeps_the_finished_runs_and_says_how_to_resume() {
        let stopped = stopped(&[], &|_, child| interrupt(child));
        let Stopped {
            ended,
            stored,
            runs,
            ..
        } = &stopped;
        assert_eq!(ended.code, Some(130), "{ended:?}");
        let says = format!("{stored} of {runs} runs are finished and stored in out");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
        assert!(ended.stderr.contains("The same command resumes"));
        stopped.complete_the_reference();
        stopped.assert_only_finished_runs_are_stored();
        stopped.resume("2");
    }

    #[test]
    fn ctrl_c_does_not_promise_that_fresh_resumes() {
        let stopped = stopped(&["--fresh"], &|_, child| interrupt(child));
        let stderr = &stopped.ended.stderr;
        assert_eq!(stopped.ended.code, Some(130), "{stderr}");
        assert!(stderr.contains("without --fresh"), "{stderr}");
    }

    /// `verify`, with scratch folders in a folder of the lab.
    fn verify(lab: &Lab) -> Command {
        let mut verify = lab.command(&["verify", "out", "--jobs", "1"]);
        verify.env("TMPDIR", lab.path("scratches"));
        verify
    }

    /// The scratch folders that hold a file or folder of this name.
    fn scratches_with(lab: &Lab, name: &str) -> usize {
        let scratches = fs::read_dir(lab.path("scratches")).unwrap();
        let scratches = scratches.map(|scratch| scratch.unwrap().path());
        scratches.filter(|path| path.join(name).exists()).count()
    }

    /// A verification that has stored its first records, of long runs, and its lab.
    fn verification() -> (Lab, Child) {
        let lab = Lab::with(LONG);
        let sets = ["--set", "sequence.steps=4000", "--set", "replicates=2"];
        lab.run(&sets).exits_with(0);
        fs::create_dir(lab.path("scratches")).unwrap();
        let mut child = verify(&lab).spawn().unwrap();
        while scratches_with(&lab, "records") == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it was over at once");
            std::thread::sleep(Duration::from_millis(2));
        }
        (lab, child)
    }

    #[test]
    fn what_a_killed_verification_has_left_is_removed_by_the_next() {
        let (lab, mut child) = verification();
        kill(&mut child);
        child.wait().unwrap();
        assert_eq!(scratches_with(&lab, "config.toml"), 1);
        lab.run(&["--fresh", "--set", "replicates=1"]).exits_with(0);
        Ended::from(verify(&lab).output().unwrap()).exits_with(0);
        assert!(lab.files("scratches").is_empty());
    }

    #[test]
    fn a_second_ctrl_c_leaves_no_results_of_a_verification() {
        let (lab, mut child) = verification();
        while child.try_wait().unwrap().is_none() {
            interrupt(&mut child);
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = Ended::from(child.wait_with_output().unwrap());
        ended
            .exits_with(130)
            .says(&["Ctrl-C again to stop at once"]);
        // What was being written meanwhile may be left.
        assert_eq!(scratches_with(&lab, "config.toml"), 0);
    }

    #[test]
    fn a_second_process_is_refused_while_the_first_computes() {
        let stopped = stopped(&[], &|lab, child| {
            let is_running = |child: &mut Child| child.try_wait().unwrap().is_none();
            let second = lab.run(&["--set", "replicates=1"]);
            // If the first was over meanwhile, the caller tries again with more to do.
            if is_running(child) {
                second
                    .exits_with(2)
                    .says(&["out is in use by another vangrad process"]);
            }
            kill(child);
        });
        // Death frees the folder, and the second process has left nothing in it.
        stopped.complete_the_reference();
        stopped.assert_only_finished_runs_are_stored();
        stopped.resume("2");
    }
}
