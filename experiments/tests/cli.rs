//! The command line from outside: what each command writes, prints and refuses.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use common::{EVERYTHING, Ended, Files, Lab, TINY, assert_same, npy};

mod common;

/// The configuration with one passage replaced.
#[track_caller]
fn edited(config: &str, from: &str, to: &str) -> String {
    assert_eq!(config.matches(from).count(), 1, "`{from}` in the config");
    config.replace(from, to)
}

/// Runs the program, which has to refuse and to leave everything as it was.
#[track_caller]
fn refused(lab: &Lab, arguments: &[&str]) -> Ended {
    let before = lab.files("");
    let ended = lab.vangrad(arguments).exits_with(2);
    assert_same(&lab.files(""), &before);
    assert_eq!(ended.stdout, "", "an error belongs on standard error");
    ended
}

/// `run`, refused.
#[track_caller]
fn config_refused(config: &str) -> Ended {
    refused(&Lab::with(config), &["run", "experiment.toml"])
}

/// `run` with one `--set`, refused.
#[track_caller]
fn set_refused(set: &str) -> Ended {
    refused(&Lab::with(TINY), &["run", "experiment.toml", "--set", set])
}

type Row = HashMap<String, String>;

/// A CSV file: its header, and its rows by column.
struct Table {
    header: String,
    rows: Vec<Row>,
}

impl Table {
    /// The rows that have these values.
    fn with(&self, values: &[(&str, &str)]) -> Vec<&Row> {
        let has_values = |row: &&Row| values.iter().all(|(key, value)| row[*key] == *value);
        self.rows.iter().filter(has_values).collect()
    }

    /// The number in a column of the only row that has these values.
    #[track_caller]
    fn number(&self, values: &[(&str, &str)], column: &str) -> f64 {
        let rows = self.with(values);
        assert_eq!(rows.len(), 1, "rows with {values:?}");
        rows[0][column].parse().unwrap()
    }
}

fn table(lab: &Lab, name: &str) -> Table {
    let bytes = lab.bytes(name);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    Table {
        header: reader
            .headers()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
            .join(","),
        rows: reader.deserialize().map(Result::unwrap).collect(),
    }
}

fn names(files: &Files) -> BTreeSet<&str> {
    files.keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} should be {expected}"
    );
}

// Layers.

/// Two linear layers with W_hh = ½·1 and W_ih = 1: ‖∂L/∂1.h‖ falls as 2⁻ᵏ, and 0.h gets all ways of
/// changing the layer once, (k+1)·2⁻ᵏ, of which all but the last came through a later step.
#[test]
fn every_layer_is_recorded_tabled_and_drawn() {
    let config = r#"
        name = "layers"
        replicates = 2
        sequence = { steps = 1000, batch = 2, input = { kind = "gaussian", size = 3 } }
        [[cell]]
        kind = "vanilla-rnn"
        hidden = 3
        layers = 2
        activation = "identity"
        recurrent_weights = { init = "identity", gain = 0.5 }
        input_weights = { init = "identity" }
        [[cell]]
        kind = "stack"
        layers = [
            { kind = "lstm", hidden = 4 },
            { kind = "vanilla-rnn", hidden = 5, activation = "relu" },
        ]
        [record]
        quantities = ["adjoint", "gates", "series", "input-gradient", "path-split",
            "parameter-gradient", "parameter-contributions", "spectrum", "per-sequence"]
        [[figure]]
        kind = "decay"
        [[figure]]
        kind = "decay"
        name = "lowest"
        quantity = "0.h"
        [[figure]]
        kind = "gates"
    "#;
    let lab = Lab::with(config);
    let ended = lab.run(&[]).exits_with(0);
    ended.says(&["4 runs computed", "0.h", "1.h"]);

    let curves = table(&lab, "out/curves.csv");
    for lag in [0_usize, 1, 10, 1000] {
        let ratio = |quantity: &str| {
            let lag = lag.to_string();
            let row = [
                ("cell", "vanilla-rnn"),
                ("quantity", quantity),
                ("lag", &lag),
            ];
            curves.number(&row, "median")
        };
        let halves = lag as f64 * 0.5_f64.log10();
        // The table's digits.
        let tolerance = 1e-8;
        assert_close(ratio("1.h"), halves, tolerance);
        assert_close(ratio("1.h_carried"), halves, tolerance);
        let lowest = halves + (lag as f64).log10();
        if lag == 1000 {
            // At t = 0 nothing goes up within the step.
            assert_close(ratio("0.h"), lowest, tolerance);
        } else {
            assert_close(ratio("0.h"), halves + (lag as f64 + 1.0).log10(), tolerance);
        }
        if lag == 0 {
            assert_eq!(ratio("0.h_carried"), f64::NEG_INFINITY);
        } else {
            assert_close(ratio("0.h_carried"), lowest, tolerance);
        }
    }
    let quantities = |cell: &str| -> BTreeSet<String> {
        let rows = curves.with(&[("cell", cell), ("lag", "1")]).into_iter();
        rows.map(|row| row["quantity"].clone()).collect()
    };
    let expected = "0.bias 0.c 0.c_carried 0.c_direct 0.c_gated 0.h 0.h_carried 0.weight_hh \
                    0.weight_ih 1.bias 1.h 1.h_carried 1.weight_hh 1.weight_ih x";
    let found: Vec<String> = quantities("stack").into_iter().collect();
    assert_eq!(found.join(" "), expected);

    let gates = table(&lab, "out/gates.csv");
    assert_eq!(gates.with(&[("gate", "0.f"), ("t", "1")]).len(), 1);
    let series = table(&lab, "out/series.csv");
    let first = [("cell", "stack"), ("t", "1"), ("unit", "0")];
    let names: BTreeSet<&str> = series
        .with(&first)
        .iter()
        .map(|row| &*row["series"])
        .collect();
    assert!(names.is_superset(&BTreeSet::from(["x", "0.h", "0.c", "0.f", "1.h"])));
    assert!(!names.contains("1.x"));
    let parameters = table(&lab, "out/parameters.csv");
    assert_eq!(parameters.with(&[("parameter", "1.weight_ih")]).len(), 2);

    let text = |name: &str| String::from_utf8(lab.bytes(name)).unwrap();
    let all = text("out/figures/decay.svg");
    let lowest = text("out/figures/lowest.svg");
    for cell in ["vanilla-rnn", "stack"] {
        assert!(all.contains(&format!("{cell}, layer 0")));
        assert!(all.contains(&format!("{cell}, layer 1")));
        assert!(lowest.contains(&format!("{cell}, layer 0")));
        assert!(!lowest.contains(&format!("{cell}, layer 1")));
    }
    assert!(text("out/figures/gates.svg").contains("stack, layer 0"));
    lab.vangrad(&["verify", "out"]).exits_with(0);
    // Checkpoints, and the resolved configuration, change nothing.
    let before = lab.results("out");
    let resolved = text("out/config.toml").replace("\"full\"", "\"checkpointed\"");
    lab.write("experiment.toml", resolved);
    lab.vangrad(&["run", "experiment.toml", "--out", "again"])
        .exits_with(0);
    let mut after = lab.results("again");
    after.insert("config.toml".to_owned(), before["config.toml"].clone());
    assert_same(&after, &before);
}

// What a run leaves behind.

#[test]
fn a_run_leaves_the_documented_files() {
    let lab = Lab::with(TINY);
    let ended = lab.vangrad(&["run", "experiment.toml"]).exits_with(0);
    ended.says(&["8 runs computed", "0 reused", "0 failed", "results/tiny"]);

    let runs = table(&lab, "results/tiny/runs.csv");
    assert_eq!(
        runs.header,
        "run_id,cell,vanilla-rnn.recurrent_weights.gain,lstm.forget_bias,replicate,status"
    );
    let curves = table(&lab, "results/tiny/curves.csv");
    assert_eq!(
        curves.header,
        "cell,vanilla-rnn.recurrent_weights.gain,lstm.forget_bias,quantity,lag,\
         median,q25,q75,min,max,n"
    );
    let fits = table(&lab, "results/tiny/fits.csv");
    assert_eq!(
        fits.header,
        "cell,vanilla-rnn.recurrent_weights.gain,lstm.forget_bias,quantity,rate,rate_low,\
         rate_high,half_life,r_squared,early_rate,late_rate,f32_zero_lag,verdict,n,\
         predicted_rate,difference_in_se,predicted_by,f64_zero_lag,exact_zero_lag"
    );

    let files = lab.files("results/tiny");
    let mut expected: BTreeSet<String> = [
        ".lock",
        "config.toml",
        "manifest.json",
        "runs.csv",
        "curves.csv",
        "fits.csv",
        "laws.csv",
        "records/",
        "records/builds.json",
        "figures/",
        "figures/decay.svg",
        "figures/decay.png",
    ]
    .map(str::to_owned)
    .into();
    let record = |id: &String| format!("records/{id}.safetensors");
    expected.extend(runs.rows.iter().map(|row| record(&row["run_id"])));
    assert_eq!(names(&files), expected.iter().map(String::as_str).collect());
    assert_eq!(lab.records("results/tiny").len(), 8);

    assert!(files["figures/decay.svg"].starts_with(b"<svg"));
    assert!(files["figures/decay.png"].starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(
        names(&lab.files(""))
            .into_iter()
            .filter(|n| !n.starts_with("results/"))
            .collect::<Vec<_>>(),
        ["experiment.toml"],
        "nothing belongs outside the results folder"
    );
}

#[test]
fn tables_have_one_row_per_run_lag_and_fit() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let runs = table(&lab, "out/runs.csv");
    // Two cells with two values each of the axis that applies to them, two replicates.
    assert_eq!(runs.rows.len(), 8);
    for replicate in ["0", "1"] {
        let done = [("replicate", replicate), ("status", "done")];
        assert_eq!(runs.with(&done).len(), 4);
    }
    // h and h_carried of an RNN, c and c_carried as well of an LSTM, at lags 0 to 12.
    let curves = table(&lab, "out/curves.csv");
    assert_eq!(curves.rows.len(), (2 * 2 + 2 * 4) * 13);
    assert_eq!(curves.with(&[("n", "2")]).len(), curves.rows.len());
    assert_eq!(table(&lab, "out/fits.csv").rows.len(), 2 * 2 + 2 * 4);

    let gain = "vanilla-rnn.recurrent_weights.gain";
    for table in [&runs, &curves] {
        let rows = table.rows.len() as f64;
        let of_rnn = table.with(&[("cell", "vanilla-rnn"), ("lstm.forget_bias", "")]);
        let of_lstm = table.with(&[("cell", "lstm"), (gain, "")]);
        assert_eq!((of_rnn.len() + of_lstm.len()) as f64, rows);
        for (key, value) in [(gain, "0.5"), (gain, "1.5"), ("lstm.forget_bias", "0.0")] {
            assert!(!table.with(&[(key, value)]).is_empty(), "{key} = {value}");
        }
    }
    // The reference of every ratio is the gradient of h at lag 0.
    let start = [("cell", "lstm"), ("quantity", "h"), ("lag", "0")];
    assert!(curves.with(&start).iter().all(|row| row["median"] == "0"));
}

#[test]
fn the_stored_config_spells_out_the_defaults_and_gives_the_same_results() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let config = String::from_utf8(lab.bytes("out/config.toml")).unwrap();
    for line in [
        "activation = \"tanh\"",
        "forget_gate = true",
        "kind = \"terminal\"",
    ] {
        assert!(config.contains(line), "no `{line}` in:\n{config}");
    }
    lab.vangrad(&["run", "out/config.toml", "--out", "again"])
        .exits_with(0);
    assert_same(&lab.results("again"), &lab.results("out"));
}

#[test]
fn the_manifest_says_what_where_and_when() {
    let lab = Lab::with(TINY);
    lab.run(&["--jobs", "1"]).exits_with(0);
    lab.assert_counts("out", [8, 0, 0]);
    let manifest = lab.manifest("out");
    assert_eq!(manifest["jobs"], 1);
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    for key in ["commit", "rustc", "started", "finished"] {
        assert!(
            manifest[key].as_str().is_some_and(|s| !s.is_empty()),
            "{key}"
        );
    }
    for key in ["os", "arch", "cpu", "kernel_path"] {
        assert!(manifest["machine"][key].is_string(), "machine.{key}");
    }
    assert!(manifest["machine"]["cpu_features"].is_array());
    assert!(manifest["elapsed_seconds"].as_f64().unwrap() >= 0.0);
}

#[test]
fn a_record_holds_f64_arrays_and_its_spec_with_sorted_keys() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    for name in lab.records("out") {
        let bytes = lab.bytes(&format!("out/{name}"));
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["spec"]);
        let spec: serde_json::Value = serde_json::from_str(&metadata["spec"]).unwrap();
        let mut sorted = spec.clone();
        sorted.sort_all_objects();
        assert_eq!(sorted.to_string(), metadata["spec"]);
        assert_eq!(spec["seed"], 20);
        assert_eq!(spec["sequence"]["steps"], 12);

        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        for (array, view) in file.iter() {
            assert_eq!(view.dtype(), safetensors::Dtype::F64, "{array}");
        }
        // One norm at each of the steps 0 to 12.
        assert_eq!(file.tensor("h").unwrap().shape(), [13]);
    }
}

#[test]
fn every_table_that_is_asked_for_is_written_and_no_other() {
    let lab = Lab::with(&[TINY, EVERYTHING].concat());
    lab.run(&["--no-figures"]).exits_with(0);
    let files = lab.files("out");
    let csv: Vec<&str> = names(&files)
        .into_iter()
        .filter(|n| n.ends_with(".csv"))
        .collect();
    assert_eq!(
        csv,
        [
            "curves.csv",
            "fits.csv",
            "gates.csv",
            "gradients.csv",
            "laws.csv",
            "loss-state.csv",
            "lyapunov-convergence.csv",
            "lyapunov-summary.csv",
            "lyapunov.csv",
            "parameters.csv",
            "runs.csv",
            "sequences.csv",
            "series.csv",
            "singular-values.csv",
            "unit-gradients.csv",
            "unit-quantiles.csv"
        ]
    );
    let gradients = table(&lab, "out/gradients.csv");
    assert_eq!(gradients.header, "run_id,quantity,t,lag,log10_norm");
    for row in &gradients.rows {
        let [t, lag] = ["t", "lag"].map(|key| row[key].parse::<usize>().unwrap());
        assert_eq!(t + lag, 12);
    }
    for name in csv {
        let text = String::from_utf8(files[name].clone()).unwrap();
        let header = text.lines().next().unwrap();
        assert!(!header.contains(' '), "{header}");
        assert!(!text.contains("NaN"), "{name}");
    }
}

// Numbers that are known exactly.

#[test]
fn a_linear_network_decays_at_the_logarithm_of_its_gain() {
    let lab = Lab::with(
        r#"
        name = "linear"
        replicates = 2
        sequence = { steps = 100, batch = 2 }
        [[cell]]
        kind = "vanilla-rnn"
        hidden = 8
        activation = "identity"
        recurrent_weights = { init = "orthogonal", gain = 0.9 }
        "#,
    );
    lab.run(&["--no-figures"]).exits_with(0);
    let fits = table(&lab, "out/fits.csv");
    let h = [("quantity", "h")];
    assert_close(fits.number(&h, "rate"), -0.105360515657826, 1e-9);
    assert_close(fits.number(&h, "r_squared"), 1.0, 1e-9);
    assert_eq!(fits.with(&h)[0]["verdict"], "vanishes");
    // Twelve digits of ln 2 / −ln 0.9.
    assert_close(fits.number(&h, "half_life"), 6.57881347896059, 1e-9);
}

#[test]
fn two_steps_are_too_few_for_a_verdict() {
    let lab = Lab::with(&TINY.replace("steps = 12", "steps = 2"));
    lab.run(&[])
        .exits_with(0)
        .says(&["too few lags for a rate"]);
    let fits = table(&lab, "out/fits.csv");
    for row in fits.with(&[("quantity", "h")]) {
        assert_eq!((row["verdict"].as_str(), row["rate"].as_str()), ("", ""));
    }
    lab.vangrad(&["report", "out"]).exits_with(0);
}

#[test]
fn an_lstm_without_weights_forgets_at_its_bias_and_has_an_exact_zero_in_h() {
    let lab = Lab::with(
        r#"
        name = "carousel"
        replicates = 2
        sequence = { steps = 60, batch = 2 }
        [[cell]]
        kind = "lstm"
        hidden = 4
        recurrent_weights = { init = "zero" }
        input_weights = { init = "zero" }
        forget_bias = 2.0
        "#,
    );
    lab.run(&[]).exits_with(0);
    let fits = table(&lab, "out/fits.csv");
    // ln σ(2)
    let rate = fits.number(&[("quantity", "c")], "rate");
    assert_close(rate, -0.126928011042972, 1e-9);
    let h = fits.with(&[("quantity", "h")]);
    assert_eq!(
        (h[0]["verdict"].as_str(), h[0]["rate"].as_str()),
        ("zero", "")
    );

    let curves = table(&lab, "out/curves.csv");
    let h = curves.with(&[("quantity", "h")]);
    assert_eq!(h.len(), 61);
    for row in h {
        let expected = if row["lag"] == "0" { "0" } else { "-inf" };
        for column in ["median", "q25", "q75", "min", "max"] {
            assert_eq!(row[column], expected, "{column} at lag {}", row["lag"]);
        }
    }
    // What is zero in h arrives through c.
    assert!(
        curves
            .with(&[("quantity", "c"), ("median", "-inf")])
            .is_empty()
    );
}

#[test]
fn ten_thousand_steps_are_measured_to_the_last() {
    let lab = Lab::with(
        r#"
        name = "horizon"
        replicates = 1
        sequence = { steps = 10000, batch = 1 }
        [[cell]]
        kind = "vanilla-rnn"
        hidden = 8
        activation = "identity"
        recurrent_weights = { init = "orthogonal", gain = 0.5 }
        [[cell]]
        label = "tanh"
        kind = "vanilla-rnn"
        hidden = 8
        recurrent_weights = { gain = 0.5 }
        [[cell]]
        kind = "lstm"
        hidden = 8
        forget_bias = 0.0
        "#,
    );
    lab.run(&["--no-figures"]).exits_with(0);
    let curves = table(&lab, "out/curves.csv");
    for cell in ["vanilla-rnn", "tanh", "lstm"] {
        let rows = curves.with(&[("cell", cell), ("quantity", "h")]);
        // Every lag to 1,000, then 100 of the next decade.
        assert_eq!(rows.len(), 1001 + 100);
        for row in rows {
            let value: f64 = row["median"].parse().unwrap();
            assert!(value.is_finite(), "{cell} at lag {}", row["lag"]);
        }
        let last = [("cell", cell), ("quantity", "h"), ("lag", "10000")];
        assert!(curves.number(&last, "median") < -1000.0, "{cell}");
    }
    // 2⁻¹⁰⁰⁰⁰; the table keeps twelve digits.
    let last = [("cell", "vanilla-rnn"), ("quantity", "h"), ("lag", "10000")];
    assert_close(curves.number(&last, "median"), -3010.29995663981, 1e-8);
}

// Failing runs.

/// At gain 1000 a linear network passes 10³⁰⁸ within about 104 steps.
const OVERFLOWING: &str = r#"
name = "overflowing"
replicates = 2
sequence = { steps = 150, batch = 1 }
[[cell]]
kind = "vanilla-rnn"
hidden = 4
activation = "identity"
recurrent_weights = { init = "orthogonal" }
[sweep]
"vanilla-rnn.recurrent_weights.gain" = [1e3, 0.9]
"#;

#[test]
fn a_failed_run_is_reported_and_costs_no_other() {
    let lab = Lab::with(OVERFLOWING);
    let ended = lab.run(&[]).exits_with(1);
    lab.assert_counts("out", [2, 0, 2]);

    let runs = table(&lab, "out/runs.csv");
    assert_eq!(runs.with(&[("status", "done")]).len(), 2);
    let gain = "vanilla-rnn.recurrent_weights.gain";
    for row in runs.with(&[(gain, "1000.0")]) {
        let (_, step) = row["status"].split_once("at step ").unwrap();
        let step: usize = step.parse().unwrap();
        assert!((95..115).contains(&step), "{}", row["status"]);
        let reason = row["status"].strip_prefix("failed: ").unwrap();
        let line = format!("failed: {}: {reason}\n", row["run_id"]);
        assert_eq!(ended.stderr.matches(&line).count(), 1, "{}", ended.stderr);
    }
    let done = runs.with(&[(gain, "0.9")]).into_iter();
    let records: BTreeSet<String> = done
        .map(|row| format!("records/{}.safetensors", row["run_id"]))
        .collect();
    assert_eq!(lab.records("out"), records);

    let curves = table(&lab, "out/curves.csv");
    assert_eq!(curves.with(&[(gain, "0.9"), ("n", "2")]).len(), 2 * 151);
    assert_eq!(curves.with(&[(gain, "1000.0")]).len(), 0);
    let rate = table(&lab, "out/fits.csv").number(&[("quantity", "h")], "rate");
    assert_close(rate, -0.105360515657826, 1e-9);
    assert!(lab.files("out").contains_key("figures/decay.svg"));
    let failures = lab.manifest("out")["failures"].as_array().unwrap().len();
    assert_eq!(failures, 2);
}

#[test]
fn a_failed_run_is_tried_again_and_verifies() {
    let lab = Lab::with(OVERFLOWING);
    lab.run(&[]).exits_with(1);
    let first = lab.results("out");
    lab.run(&[]).exits_with(1);
    lab.assert_counts("out", [0, 2, 2]);
    assert_same(&lab.results("out"), &first);
    lab.vangrad(&["verify", "out"]).exits_with(0);
}

#[test]
fn tables_are_written_even_if_every_run_fails() {
    let lab = Lab::with(OVERFLOWING);
    let gain = "vanilla-rnn.recurrent_weights.gain=1e3";
    lab.run(&["--set", gain]).exits_with(1);
    lab.assert_counts("out", [0, 0, 2]);
    assert_eq!(table(&lab, "out/runs.csv").rows.len(), 2);
    assert_eq!(table(&lab, "out/curves.csv").rows.len(), 0);
    lab.vangrad(&["plot", "out"]).exits_with(0);
}

// Refusals: bad usage.

#[test]
fn bad_usage_is_refused() {
    let lab = Lab::with(TINY);
    for (arguments, says) in [
        (vec![], "Usage"),
        (vec!["rnu", "experiment.toml"], "rnu"),
        (vec!["run"], "CONFIG"),
        (vec!["run", "experiment.toml", "--sett", "seed=1"], "--set"),
        (vec!["run", "experiment.toml", "--set"], "--set"),
        (vec!["run", "experiment.toml", "--jobs", "0"], "at least 1"),
        (
            vec!["run", "experiment.toml", "--jobs", "two"],
            "whole number",
        ),
        (
            vec!["run", "experiment.toml", "--jobs", "-1"],
            "a whole number of at least 1, found `-1`",
        ),
        (vec!["run", "."], "such as ./config.toml"),
        (vec!["plan", "decay"], "experiments/configs/decay.toml"),
        (vec!["plan", "decay.toml"], "experiments/configs/decay.toml"),
        (vec!["plan", "nothing.toml"], "`vangrad list`"),
        (vec!["plot", "experiment.toml"], "name a results folder"),
        (vec!["run", "experiment.toml", "--out", ""], "--out"),
        (vec!["run", "experiment.toml", "more.toml"], "more.toml"),
        (vec!["plot"], "RESULTS"),
        (vec!["plot", ".", "--format", "gif"], "svg"),
        (vec!["verify"], "RESULTS"),
        (vec!["list", "everything"], "everything"),
    ] {
        refused(&lab, &arguments).says(&[says]);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let lab = Lab::with(TINY);
    lab.vangrad(&["--help"])
        .exits_with(0)
        .says(&["run", "plan", "plot", "verify", "list"]);
    lab.vangrad(&["run", "--help"])
        .exits_with(0)
        .says(&["--set", "--fresh", "--no-figures"]);
    lab.vangrad(&["--version"])
        .exits_with(0)
        .says(&[env!("CARGO_PKG_VERSION")]);
}

// Refusals: config.

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
    config_refused(&edited(TINY, "replicates = 2", "replicate = 2")).says(&[
        "experiment.toml:3:1",
        "`replicate`",
        "did you mean `replicates`?",
    ]);
    config_refused(&edited(TINY, "steps = 12", "stps = 12")).says(&[
        "experiment.toml:6:1",
        "`sequence.stps`",
        "did you mean `steps`?",
    ]);
    config_refused(&edited(TINY, "size = 3", "sise = 3")).says(&[
        "experiment.toml:8:",
        "`sequence.input.sise`",
        "did you mean `size`?",
    ]);
    config_refused(&edited(
        TINY,
        "\"lstm.forget_bias\"",
        "\"lstm.forget_bais\"",
    ))
    .says(&[
        "experiment.toml:20:1",
        "`lstm.forget_bais`",
        "did you mean `forget_bias`?",
    ]);
    let config = edited(
        TINY,
        "kind = \"lstm\"\n",
        "kind = \"lstm\"\nforget_bais = 1\n",
    );
    config_refused(&config).says(&[
        "experiment.toml:16:1",
        "`lstm.forget_bais`",
        "did you mean `forget_bias`?",
    ]);
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    config_refused(&edited(TINY, "kind = \"lstm\"", "kind = \"ltsm\"")).says(&[
        "experiment.toml:15:8",
        "\"ltsm\"",
        "did you mean `lstm`?",
    ]);
    config_refused(&edited(TINY, "\"gaussian\"", "\"gausian\""))
        .says(&["experiment.toml:8:18", "did you mean `gaussian`?"]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_what_was_expected_and_found() {
    config_refused(&edited(TINY, "steps = 12", "steps = \"many\"")).says(&[
        "experiment.toml:6:9",
        "`sequence.steps`",
        "expected a whole number",
        "`\"many\"`",
    ]);
    config_refused(&edited(TINY, "std = 1.0", "std = true")).says(&[
        "experiment.toml:8:",
        "`sequence.input.std`",
        "expected a number",
        "`true`",
    ]);
    config_refused(&edited(TINY, "[0.0, 1.0]", "0.0")).says(&[
        "experiment.toml:20:22",
        "`lstm.forget_bias`",
        "expected a list",
        "`0.0`",
    ]);
}

#[test]
fn sizes_that_are_zero_or_negative_are_refused() {
    const RANGE: &str = "expected a whole number from 1 to 4294967296";
    let gain = "\"vanilla-rnn.recurrent_weights.gain\" = [0.5, 1.5]";
    for (from, key, place) in [
        ("replicates = 2", "replicates", "experiment.toml:3:"),
        ("steps = 12", "sequence.steps", "experiment.toml:6:"),
        ("batch = 2", "sequence.batch", "experiment.toml:7:"),
        ("size = 3", "sequence.input.size", "experiment.toml:8:"),
    ] {
        let (name, _) = from.split_once(" = ").unwrap();
        for size in ["0", "-3"] {
            let config = edited(TINY, from, &format!("{name} = {size}"));
            config_refused(&config).says(&[place, key, RANGE, &format!("found `{size}`")]);
        }
    }
    for size in ["0", "-3"] {
        let hidden = "kind = \"lstm\"\nhidden = ";
        let config = edited(TINY, &format!("{hidden}4"), &format!("{hidden}{size}"));
        config_refused(&config).says(&["experiment.toml:16:", "lstm.hidden", RANGE, size]);
        let config = edited(TINY, gain, &format!("\"cell.hidden\" = [4, {size}]"));
        config_refused(&config).says(&["experiment.toml:19:", "hidden", RANGE, size]);
    }
}

#[test]
fn an_empty_axis_is_refused() {
    config_refused(&edited(TINY, "[0.0, 1.0]", "[]")).says(&[
        "experiment.toml:20:22",
        "`lstm.forget_bias`",
        "at least one value",
        "help:",
    ]);
}

#[test]
fn a_missing_key_is_refused_with_what_to_write() {
    config_refused(&edited(TINY, "steps = 12\n", "")).says(&[
        "experiment.toml:5:1",
        "`sequence.steps`",
        "add `steps = ",
    ]);
    config_refused("").says(&["experiment.toml:1:1", "help: add"]);
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_place() {
    config_refused(&edited(TINY, "seed = 20", "seed = = 20")).says(&["experiment.toml:2:8"]);
}

#[test]
fn a_missing_config_is_refused_by_every_command_that_takes_one() {
    let lab = Lab::with(TINY);
    for command in ["run", "plan"] {
        refused(&lab, &[command, "nowhere.toml"]).says(&["nowhere.toml", "`vangrad list`"]);
        refused(&lab, &[command, "."]).says(&[". is a folder"]);
    }
}

#[test]
fn a_config_that_is_no_text_is_refused() {
    let lab = Lab::with(TINY);
    lab.write("experiment.toml", [b'n', 0xff, b'=', b'1']);
    refused(&lab, &["run", "experiment.toml"]).says(&["experiment.toml", "UTF-8"]);
}

/// [`TINY`] with inputs from a file.
fn tiny_from(path: &str) -> String {
    let gaussian = r#"input = { kind = "gaussian", size = 3, std = 1.0 }"#;
    let file = format!(r#"input = {{ kind = "file", path = "{path}", size = 3 }}"#);
    edited(TINY, gaussian, &file)
}

#[test]
fn inputs_that_are_missing_or_of_another_shape_are_refused() {
    let lab = Lab::with(&tiny_from("inputs.npy"));
    refused(&lab, &["run", "experiment.toml"]).says(&["inputs.npy", "`sequence.input.path`"]);

    // Steps, batch and size as in the config, except for one step.
    lab.write("inputs.npy", npy([11, 2, 3], 0.5));
    refused(&lab, &["run", "experiment.toml"]).says(&[
        "inputs.npy",
        "[11, 2, 3]",
        "[12, 2, 3]",
        "sequence.steps",
    ]);
    // The same file is right for one step less.
    lab.run(&["--set", "sequence.steps=11"]).exits_with(0);
}

/// Every run of `out` that `alone` has too has the same record, and `alone` has some.
#[track_caller]
fn assert_contains(lab: &Lab, out: &str, alone: &str) {
    let alone_records = lab.records(alone);
    assert_eq!(alone_records.len(), 8);
    for record in alone_records {
        let [swept, alone] = [out, alone].map(|folder| lab.bytes(&format!("{folder}/{record}")));
        assert!(swept == alone, "{record}");
    }
}

#[test]
fn every_value_of_a_swept_path_is_a_file_of_its_own() {
    let lab = Lab::with(&tiny_from("a.npy"));
    lab.write("a.npy", npy([12, 2, 3], 0.5));
    lab.write("b.npy", npy([12, 2, 3], 0.25));
    lab.run(&["--set", r#"sequence.input.path=["a.npy", "b.npy"]"#])
        .exits_with(0);
    for path in ["a.npy", "b.npy"] {
        let alone = format!("alone-{path}");
        lab.write("experiment.toml", tiny_from(path));
        lab.vangrad(&["run", "experiment.toml", "--out", &alone, "--no-figures"])
            .exits_with(0);
        assert_contains(&lab, "out", &alone);
    }
    lab.vangrad(&["verify", "out"]).exits_with(0);
    // The second file alone is another one than it was.
    lab.write("b.npy", npy([11, 2, 3], 0.25));
    let swept = ["--set", r#"sequence.input.path=["a.npy", "b.npy"]"#];
    let run = [&["run", "experiment.toml", "--out", "other"], &swept[..]].concat();
    refused(&lab, &run).says(&["b.npy", "[11, 2, 3]", "[12, 2, 3]"]);
}

#[test]
fn another_file_of_inputs_under_the_same_name_is_named() {
    let lab = Lab::with(&tiny_from("inputs.npy"));
    lab.write("inputs.npy", npy([12, 2, 3], 0.5));
    lab.run(&["--no-figures"]).exits_with(0);
    let sha256 = lab.manifest("out")["inputs"]["inputs.npy"].clone();
    let sha256 = sha256.as_str().unwrap();
    assert_eq!(sha256.len(), 64);
    let finished = lab.files("out");

    lab.write("inputs.npy", npy([12, 2, 3], 0.25));
    let named = "DIFFERS  inputs.npy: not the file these results were computed from";
    let is_named = || {
        let ended = lab.vangrad(&["verify", "out"]).exits_with(1);
        assert_eq!(ended.stdout.matches("DIFFERS").count(), 1);
        assert!(!ended.stderr.contains("to compute"), "{}", ended.stderr);
        ended.says(&[named, "out does not hold: 1 differs"]);
    };
    is_named();
    // Of folders whose manifest does not tell, the runs do: of the records, or of runs.csv.
    let manifest = String::from_utf8(finished["manifest.json"].clone()).unwrap();
    let from = manifest.find(",\n  \"inputs\"").unwrap();
    lab.write("out/manifest.json", manifest[..from].to_owned() + "\n}\n");
    is_named();
    std::fs::remove_dir_all(lab.path("out/records")).unwrap();
    is_named();
    for (name, bytes) in finished.iter().filter(|(name, _)| !name.ends_with('/')) {
        lab.write(&format!("out/{name}"), bytes);
    }

    let note = "note: inputs.npy is not the file that the results in out were computed from";
    lab.run(&["--no-figures"]).exits_with(0).says(&[note]);
    lab.assert_counts("out", [8, 0, 0]);
    let again = lab.run(&[]).exits_with(0);
    assert!(!again.stderr.contains("note"), "{}", again.stderr);
    lab.vangrad(&["verify", "out"]).exits_with(0);
    let manifest = lab.manifest("out");
    let sha256 = manifest["inputs"]["inputs.npy"].as_str().unwrap();
    lab.vangrad(&["report", "out"]).exits_with(0);
    let report = String::from_utf8(lab.bytes("out/report.md")).unwrap();
    assert!(report.contains(&format!("SHA-256 {}…", &sha256[..16])));
}

#[test]
fn inputs_from_a_file_may_be_one_kind_among_others() {
    let file = r#"{ kind = "file", path = "inputs.npy", size = 3 }"#;
    let lab = Lab::with(TINY);
    lab.write("inputs.npy", npy([12, 2, 3], 0.5));
    let kinds = format!(r#"sequence.input=[{{ kind = "gaussian", size = 3 }}, {file}]"#);
    lab.run(&["--set", &kinds]).exits_with(0);
    lab.write("experiment.toml", tiny_from("inputs.npy"));
    lab.vangrad(&["run", "experiment.toml", "--out", "alone", "--no-figures"])
        .exits_with(0);
    assert_contains(&lab, "out", "alone");
}

#[test]
fn a_swept_size_that_the_file_of_inputs_has_not_is_refused() {
    let lab = Lab::with(&tiny_from("inputs.npy"));
    lab.write("inputs.npy", npy([12, 2, 3], 0.5));
    let arguments = [
        "run",
        "experiment.toml",
        "--set",
        "sequence.input.size=[3, 4]",
    ];
    refused(&lab, &arguments).says(&["inputs.npy", "[12, 2, 3]", "[12, 2, 4]"]);
}

#[test]
fn a_run_that_fits_into_no_memory_is_refused_with_the_estimate() {
    let lab = Lab::with(TINY);
    for command in ["run", "plan"] {
        let before = lab.files("");
        let ended = lab.vangrad(&[
            command,
            "experiment.toml",
            "--set",
            "sequence.steps=1000000000",
            "--set",
            "sequence.batch=100000",
        ]);
        assert_same(&lab.files(""), &before);
        ended.exits_with(2).says(&[
            "steps = 1000000000",
            "batch = 100000",
            // 8·B·((T+1)·S + T·R) with S = 8, R = 20, and the inputs: 2.3e16 bytes.
            "PiB",
            "lower `sequence.steps`, `sequence.batch` or `hidden`",
        ]);
    }
}

#[test]
fn a_grid_of_too_many_runs_is_refused() {
    let lab = Lab::with(TINY);
    refused(
        &lab,
        &["run", "experiment.toml", "--set", "replicates=1000000"],
    )
    .says(&["4000000 runs", "replicates"]);
}

// Refusals: folders.

#[test]
fn a_results_folder_below_a_file_is_refused() {
    let lab = Lab::with(TINY);
    for out in ["experiment.toml", "experiment.toml/out"] {
        let ended = refused(&lab, &["run", "experiment.toml", "--out", out]);
        ended.says(&[out, "another path with --out"]);
    }
}

#[test]
fn a_folder_that_holds_something_else_is_refused() {
    let lab = Lab::with(TINY);
    lab.write("photos/cat.jpg", "meow");
    for fresh in [&[] as &[&str], &["--fresh"]] {
        let run = ["run", "experiment.toml", "--out", "photos"];
        refused(&lab, &[&run, fresh].concat()).says(&["photos", "cat.jpg", "not a results folder"]);
    }
    for command in ["plot", "verify"] {
        refused(&lab, &[command, "photos"]).says(&["photos", "not a results folder"]);
    }
}

#[test]
fn a_folder_with_the_config_of_another_program_is_refused_even_with_fresh() {
    let lab = Lab::with(TINY);
    lab.write("site/config.toml", "baseURL = \"https://example.org\"\n");
    lab.write("site/content/index.md", "# Welcome\n");
    for fresh in [&[] as &[&str], &["--fresh"]] {
        let run = ["run", "experiment.toml", "--out", "site"];
        let ended = refused(&lab, &[&run, fresh].concat()).says(&["site"]);
        assert!(
            !ended.stderr.contains("with --fresh"),
            "this would lose somebody's work: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_stored_config_that_cannot_be_read_is_named() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let config = String::from_utf8(lab.bytes("out/config.toml")).unwrap();
    lab.write("out/config.toml", config.replace("seed = 20", "seed = -1"));
    let ended = refused(&lab, &["run", "experiment.toml", "--out", "out"]);
    ended.says(&["out/config.toml:2:8", "`seed`", "--fresh"]);
}

#[test]
fn the_results_of_another_config_are_refused_by_key_unless_fresh() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    for (set, key) in [
        (
            "sequence.steps=13",
            "`sequence.steps` is 12 there and 13 here",
        ),
        ("seed=21", "`seed` is 20 there and 21 here"),
        ("lstm.bias=0.5", "`lstm.bias` is 0.0 there and 0.5 here"),
        ("name=small", "`name`"),
        ("cell.hidden=[2,4]", "cell.hidden"),
        ("lstm.forget_bias=0.0", "lstm.forget_bias"),
        (
            "record.quantities=[\"adjoint\", \"gates\"]",
            "`record.quantities`",
        ),
    ] {
        let ended = refused(
            &lab,
            &["run", "experiment.toml", "--out", "out", "--set", set],
        );
        ended.says(&["out", "another config", key, "--fresh", "--out"]);
    }

    let set = ["--set", "sequence.steps=13"];
    lab.run(&[&set[..], &["--fresh"]].concat()).exits_with(0);
    lab.assert_counts("out", [8, 0, 0]);
    let new = ["run", "experiment.toml", "--out", "new"];
    lab.vangrad(&[&new[..], &set].concat()).exits_with(0);
    assert_same(&lab.results("out"), &lab.results("new"));
}

#[test]
fn plot_and_verify_need_a_results_folder() {
    let lab = Lab::with(TINY);
    std::fs::create_dir(lab.path("empty")).unwrap();
    for command in ["plot", "verify"] {
        for folder in ["nowhere", "empty", "nowhere/at/all"] {
            refused(&lab, &[command, folder]).says(&[folder, "vangrad run"]);
        }
        refused(&lab, &[command, "experiment.toml"]).says(&["experiment.toml", "not a folder"]);
    }
}

#[test]
fn files_of_the_user_in_a_results_folder_are_never_touched() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let mine = [
        "notes.md",
        "my.csv",
        "figures/mine.svg",
        "records/mine.safetensors",
    ];
    for name in mine {
        lab.write(&format!("out/{name}"), "mine");
    }
    for arguments in [
        &["run", "experiment.toml", "--out", "out"] as &[&str],
        &["plot", "out"],
        &["run", "experiment.toml", "--out", "out", "--fresh"],
    ] {
        lab.vangrad(arguments).exits_with(0);
        let files = lab.files("out");
        let lost: Vec<&str> = mine
            .into_iter()
            .filter(|n| !files.contains_key(*n))
            .collect();
        assert_eq!(lost, [""; 0], "lost by {arguments:?}");
    }
}

#[test]
fn a_new_results_folder_may_lie_in_new_folders() {
    let lab = Lab::with(TINY);
    let run = ["run", "experiment.toml", "--no-figures", "--out", "a/b/c"];
    lab.vangrad(&run).exits_with(0).says(&["a/b/c"]);
    assert_eq!(table(&lab, "a/b/c/runs.csv").rows.len(), 8);
}

// --set.

#[test]
fn set_replaces_a_value_and_string_values_need_no_quotes() {
    let lab = Lab::with(TINY);
    lab.run(&[
        "--set",
        "sequence.steps=6",
        "--set",
        "vanilla-rnn.activation=relu",
        "--set",
        "cell.recurrent_weights.init=orthogonal",
        "--set",
        "loss.kind=\"every-step\"",
        "--no-figures",
    ])
    .exits_with(0);
    // The same, written into the file.
    let config = edited(TINY, "steps = 12", "steps = 6");
    let config = edited(
        &config,
        "kind = \"vanilla-rnn\"",
        "kind = \"vanilla-rnn\"\nactivation = \"relu\"",
    );
    let config = config.replace(
        "hidden = 4",
        "hidden = 4\nrecurrent_weights = { init = \"orthogonal\" }",
    );
    let config = edited(&config, "[sweep]", "[loss]\nkind = \"every-step\"\n[sweep]");
    lab.write("written.toml", config);
    lab.vangrad(&["run", "written.toml", "--no-figures", "--out", "written"])
        .exits_with(0);
    assert_same(&lab.results("out"), &lab.results("written"));
}

#[test]
fn set_makes_an_axis_of_a_list() {
    let lab = Lab::with(TINY);
    lab.run(&["--set", "cell.hidden=[2,4]", "--no-figures"])
        .exits_with(0);
    let runs = table(&lab, "out/runs.csv");
    assert_eq!(
        runs.header,
        "run_id,cell,vanilla-rnn.recurrent_weights.gain,lstm.forget_bias,cell.hidden,\
         replicate,status"
    );
    for hidden in ["2", "4"] {
        assert_eq!(runs.with(&[("cell.hidden", hidden)]).len(), 8);
    }
}

#[test]
fn set_replaces_an_axis_by_another_and_by_a_value() {
    let lab = Lab::with(TINY);
    lab.run(&[
        "--set",
        "lstm.forget_bias=[3.0]",
        "--set",
        "vanilla-rnn.recurrent_weights.gain=0.7",
        "--no-figures",
    ])
    .exits_with(0);
    let runs = table(&lab, "out/runs.csv");
    assert_eq!(runs.header, "run_id,cell,lstm.forget_bias,replicate,status");
    assert_eq!(runs.rows.len(), 4);
    assert_eq!(
        runs.with(&[("cell", "lstm"), ("lstm.forget_bias", "3.0")])
            .len(),
        2
    );
    let config = String::from_utf8(lab.bytes("out/config.toml")).unwrap();
    assert!(config.contains("gain = 0.7"), "{config}");
}

#[test]
fn an_error_in_set_is_refused_with_its_place() {
    for (set, says) in [
        (
            "lstm.forget_bais=3",
            &["column 1", "did you mean `forget_bias`?"] as &[&str],
        ),
        ("sequence.stps=3", &["column 1", "did you mean `steps`?"]),
        (
            "ltsm.forget_bias=3",
            &["column 1", "did you mean `lstm.forget_bias`?"],
        ),
        (
            "sequence.steps=many",
            &["column 16", "`sequence.steps`", "whole number", "`many`"],
        ),
        (
            "sequence.steps=-3",
            &["column 16", "`sequence.steps`", "`-3`"],
        ),
        (
            "cell.hidden=[4,0]",
            &["column 16", "hidden", "from 1 to", "0"],
        ),
        (
            "lstm.forget_bias=[]",
            &["column 18", "`lstm.forget_bias`", "at least one value"],
        ),
        (
            "vanilla-rnn.activation=tahn",
            &["column 24", "did you mean `tanh`?"],
        ),
        (
            "vanilla-rnn.activation=[tanh,relu]",
            &["column 24", "`vanilla-rnn.activation`", "need quotes"],
        ),
        (
            "replicates=[1,2]",
            &["column 1", "`replicates`", "one value"],
        ),
        ("sequence.steps", &["key=value"]),
        ("=3", &["key=value"]),
    ] {
        set_refused(set).says(&["--set", set]).says(says);
    }
}

#[test]
fn an_unknown_table_in_set_is_refused_with_the_nearest_name_of_the_top_level() {
    for (set, nearest) in [
        ("replicate=3", "did you mean `replicates`?"),
        ("records.gradients=true", "did you mean `record.gradients`?"),
        ("nam=other", "did you mean `name`?"),
        ("memroy=checkpointed", "did you mean `memory`?"),
    ] {
        set_refused(set).says(&["--set, column 1", nearest]);
    }
}

// plan and list.

#[test]
fn plan_says_what_would_run_and_creates_nothing() {
    let lab = Lab::with(TINY);
    let before = lab.files("");
    let ended = lab.vangrad(&["plan", "experiment.toml"]).exits_with(0);
    ended.says(&[
        "4 grid points × 2 replicates = 8 runs",
        "lstm.forget_bias = [0.0, 1.0]",
        "T = 12",
        "FLOP",
        "KiB",
    ]);
    let sets = [
        "--set",
        "replicates=3",
        "--set",
        "lstm.forget_bias=[1, 2, 3]",
    ];
    lab.vangrad(&[&["plan", "experiment.toml"], &sets[..]].concat())
        .exits_with(0)
        .says(&["5 grid points × 3 replicates = 15 runs"]);
    assert_same(&lab.files(""), &before);
}

#[test]
fn every_shipped_experiment_is_listed_and_loads() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shipped = BTreeSet::new();
    for entry in std::fs::read_dir(package.join("configs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.ends_with(".toml"), "{name}");
        shipped.insert(format!("experiments/configs/{name}"));
    }
    let lab = Lab::with(TINY);
    let ended = lab.vangrad(&["list"]).exits_with(0);
    let listed: BTreeSet<String> = ended
        .stdout
        .split_whitespace()
        .filter(|word| word.ends_with(".toml"))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, shipped);

    let before = lab.files("");
    for path in listed {
        let name = Path::new(&path).file_stem().unwrap().to_str().unwrap();
        let path = package.parent().unwrap().join(&path);
        let plan = lab.vangrad(&["plan", path.to_str().unwrap()]);
        // A config's name is its file's, and so that of its results folder.
        plan.exits_with(0).says(&[&format!("{name}: "), " runs"]);
    }
    assert_same(&lab.files(""), &before);
}

// plot and figures.

#[test]
fn plot_redraws_the_same_figures_from_the_tables_alone() {
    let lab = Lab::with(&[TINY, EVERYTHING].concat());
    lab.run(&[]).exits_with(0);
    let mut expected = lab.files("out");
    for gone in ["figures", "records"] {
        std::fs::remove_dir_all(lab.path("out").join(gone)).unwrap();
    }
    expected.retain(|name, _| !name.starts_with("records/"));
    lab.vangrad(&["plot", "out"]).exits_with(0).says(&[
        "decay.svg",
        "decay.png",
        "rate.svg",
        "rate.png",
    ]);
    assert_same(&lab.files("out"), &expected);
}

#[test]
fn plot_shows_what_the_tables_say() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let before = lab.bytes("out/figures/decay.svg");
    let curves = String::from_utf8(lab.bytes("out/curves.csv")).unwrap();
    let row = "vanilla-rnn,0.5,,h,12,";
    let at = curves.find(row).unwrap() + row.len();
    lab.write(
        "out/curves.csv",
        format!("{}-99{}", &curves[..at], &curves[at + 2..]),
    );
    lab.vangrad(&["plot", "out"]).exits_with(0);
    assert_ne!(lab.bytes("out/figures/decay.svg"), before);
}

#[test]
fn figures_are_drawn_in_the_formats_asked_for() {
    let lab = Lab::with(TINY);
    lab.run(&["--no-figures"]).exits_with(0);
    let figures = |lab: &Lab| -> Vec<String> {
        let files = lab.files("out");
        names(&files)
            .into_iter()
            .filter_map(|name| name.strip_prefix("figures/"))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(figures(&lab), [""; 0]);
    lab.vangrad(&["plot", "out", "--format", "svg"])
        .exits_with(0);
    assert_eq!(figures(&lab), ["decay.svg"]);
    lab.vangrad(&["plot", "out", "--format", "png"])
        .exits_with(0);
    assert_eq!(figures(&lab), ["decay.png", "decay.svg"]);
}

#[test]
fn a_character_that_the_font_lacks_is_named_where_it_is_missing() {
    let lab = Lab::with(&format!(
        "{TINY}\n[[figure]]\nkind = \"decay\"\ntitle = \"Grüße und 你好\"\n"
    ));
    let note = "note: figure `decay` lacks `你`, `好` in PNG and PDF";
    lab.run(&[]).exits_with(0).says(&[note]);
    lab.vangrad(&["plot", "out"]).exits_with(0).says(&[note]);
    let svg = lab
        .vangrad(&["plot", "out", "--format", "svg"])
        .exits_with(0);
    assert_eq!(svg.stderr, "");
    let as_text = String::from_utf8(lab.bytes("out/figures/decay.svg")).unwrap();
    assert!(as_text.contains("Grüße und 你好"));
}

#[test]
fn plot_refuses_tables_it_cannot_read_and_draws_nothing() {
    let lab = Lab::with(TINY);
    lab.run(&["--no-figures"]).exits_with(0);
    let curves = String::from_utf8(lab.bytes("out/curves.csv")).unwrap();
    lab.write(
        "out/curves.csv",
        edited(
            &curves,
            "vanilla-rnn,0.5,,h,12,-",
            "vanilla-rnn,0.5,,h,12,x",
        ),
    );
    refused(&lab, &["plot", "out"]).says(&[
        "in out: curves.csv, line 14",
        "`median`",
        "a number",
        "`x",
    ]);
    lab.write(
        "out/curves.csv",
        edited(&curves, "quantity,lag", "quantity,log"),
    );
    refused(&lab, &["plot", "out"]).says(&[
        "curves.csv, line 1",
        "expected the columns",
        "writes its tables anew",
    ]);
    std::fs::remove_file(lab.path("out/curves.csv")).unwrap();
    refused(&lab, &["plot", "out"]).says(&["in out: ", "curves.csv", "vangrad run"]);
}
