//! `vangrad trace` as its users have it: files in, files out, and what it says to bad ones.

// What tests of experiments need beside.
#[allow(dead_code)]
mod common;

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::LN_2;
use std::path::Path;
use std::process::Command;

use common::{Ended, Lab, assert_same, npy};
use nalgebra::{DMatrix, DVector};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use torch_weights::Layer;

/// A tensor: name, type, shape, bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn doubles(name: &str, shape: &[usize], values: &[f64]) -> Tensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    (name.to_owned(), Dtype::F64, shape.to_vec(), bytes.collect())
}

fn file(tensors: &[Tensor]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A small deterministic number for each index.
fn wave(index: usize) -> f64 {
    0.6 * (0.7 * index as f64 + 0.3).sin()
}

/// A network of `layers` layers, H = 3, I = 2; `gates` is 4 for an LSTM, 1 for an RNN.
fn network(layers: usize, gates: usize, shift: usize) -> Vec<Layer> {
    let matrix = |columns: usize, from: usize| {
        DMatrix::from_fn(3 * gates, columns, |i, j| wave(from + 5 * i + 11 * j))
    };
    (0..layers)
        .map(|layer| Layer {
            weight_ih: matrix(if layer == 0 { 2 } else { 3 }, shift + layer),
            weight_hh: matrix(3, shift + 100 + layer),
            bias: DVector::from_fn(3 * gates, |i, _| wave(shift + 200 + i)),
            hidden_bias: DVector::zeros(0),
        })
        .collect()
}

/// T×B×2 inputs.
fn input(steps: usize, batch: usize) -> Tensor {
    let values: Vec<f64> = (0..steps * batch * 2).map(|k| 1.5 * wave(3 * k)).collect();
    doubles("input", &[steps, batch, 2], &values)
}

fn lab() -> Lab {
    let lab = Lab::with("");
    lab.write(
        "w.safetensors",
        torch_weights::write("rnn", &network(2, 4, 0)),
    );
    lab.write("x.safetensors", file(&[input(12, 3)]));
    lab
}

const ARGUMENTS: [&str; 7] = [
    "trace",
    "--weights",
    "w.safetensors",
    "--inputs",
    "x.safetensors",
    "--out",
    "out",
];

fn trace(lab: &Lab, further: &[&str]) -> Ended {
    lab.vangrad(&[&ARGUMENTS, further].concat())
}

/// The norms of a folder by layer and quantity, t = 0…T.
fn gradients(lab: &Lab, folder: &str) -> BTreeMap<(usize, String), Vec<f64>> {
    let bytes = lab.bytes(&format!("{folder}/gradients.csv"));
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(header.join(","), "layer,quantity,t,lag,log10_norm");
    let mut curves: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    let mut lags = Vec::new();
    for row in reader.deserialize::<(usize, String, usize, usize, f64)>() {
        let (layer, quantity, t, lag, log10_norm) = row.unwrap();
        let curve = curves.entry((layer, quantity)).or_default();
        assert_eq!(curve.len(), t, "steps in order from 0");
        curve.push(log10_norm);
        lags.push((t, lag));
    }
    let steps = curves.values().next().unwrap().len() - 1;
    assert!(lags.into_iter().all(|(t, lag)| t + lag == steps));
    curves
}

fn summary(lab: &Lab, folder: &str) -> serde_json::Value {
    serde_json::from_slice(&lab.bytes(&format!("{folder}/summary.json"))).unwrap()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        found == expected || (found - expected).abs() <= tolerance,
        "{found} should be {expected}"
    );
}

// What a trace leaves behind.

#[test]
fn a_trace_leaves_the_documented_files_and_a_few_lines() {
    let lab = lab();
    trace(&lab, &[]).exits_with(0).says(&[
        "LSTM `rnn`, 2 layers, input 2, hidden 3",
        "3 sequences of 12 steps",
        "half-life (steps)",
        "effective memory (steps)",
        "layer 1: forget gate 0.",
        "above 0.9",
        "figure out/figures/gradients.png",
    ]);
    let files = lab.files("out");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            ".lock",
            "figures/",
            "figures/gradients.png",
            "figures/gradients.svg",
            "gradients.csv",
            "summary.json",
            "trace.json",
        ]
    );
    let curves = gradients(&lab, "out");
    let quantities = ["c", "c_carried", "h", "h_carried"];
    let expected = [0, 1].map(|layer| quantities.map(|name| (layer, name.to_owned())));
    assert!(curves.keys().eq(expected.concat().iter()));
    assert!(curves.values().all(|curve| curve.len() == 13));
    // The loss reads h_T of the top layer alone.
    for nothing in [(0, "h_carried"), (0, "c_carried"), (1, "c_carried")] {
        let curve = &curves[&(nothing.0, nothing.1.to_owned())];
        assert_eq!(curve[12], f64::NEG_INFINITY, "{nothing:?}");
    }

    let summary = summary(&lab, "out");
    for layer in 0..2 {
        let entry = &summary["layers"][layer];
        assert_eq!(entry["layer"], layer);
        for name in quantities {
            let quantity = &entry["quantities"][name];
            let rate = quantity["rate"].as_f64().unwrap();
            let half_life = quantity["half_life"].as_f64().unwrap();
            assert_close(half_life * -rate, LN_2, 1e-12);
            assert_eq!(quantity["verdict"], "vanishes");
        }
        for gate in ["i", "f", "o"] {
            let mean = entry["gates"][gate]["mean"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&mean), "{gate}: {mean}");
        }
    }
    assert_eq!(summary["reference_t"], 12);
}

#[test]
fn a_gradient_over_two_steps_is_not_called_zero() {
    let lab = lab();
    lab.write("x.safetensors", file(&[input(2, 3)]));
    let ended = trace(&lab, &[]).exits_with(0);
    assert!(!ended.stdout.contains("zero"), "{}", ended.stdout);
    ended.says(&["too few lags for a rate"]);
    let h = &summary(&lab, "out")["layers"][1]["quantities"]["h"];
    assert_eq!(h["verdict"], serde_json::Value::Null);
    assert_eq!(h["exact_zeros"], 0);
    lab.vangrad(&["report", "out"]).exits_with(0);
}

#[test]
fn a_traces_folder_is_written_again_with_the_same_bytes_and_redrawn() {
    let lab = lab();
    trace(&lab, &[]).exits_with(0);
    let files = lab.files("out");
    lab.write("out/notes.txt", "mine");
    lab.write("out/.vangrad-gradients.csv.tmp", "left by a killed process");
    trace(&lab, &["--no-figures"]).exits_with(0);
    let again = lab.files("out");
    assert_eq!(again["notes.txt"], b"mine");
    assert!(
        !again.contains_key("figures/gradients.svg"),
        "of the first trace"
    );
    assert!(!again.contains_key(".vangrad-gradients.csv.tmp"));
    assert_eq!(again["gradients.csv"], files["gradients.csv"]);
    assert_eq!(again["summary.json"], files["summary.json"]);
    lab.vangrad(&["plot", "out"])
        .exits_with(0)
        .says(&["out/figures/gradients.svg"]);
    let redrawn = lab.files("out");
    assert_eq!(
        redrawn["figures/gradients.svg"],
        files["figures/gradients.svg"]
    );
    assert_eq!(
        redrawn["figures/gradients.png"],
        files["figures/gradients.png"]
    );
}

#[test]
fn experiments_and_traces_keep_out_of_each_others_folders() {
    let lab = lab();
    lab.write("experiment.toml", common::TINY);
    trace(&lab, &[]).exits_with(0);
    lab.run(&["--no-figures"])
        .exits_with(2)
        .says(&["vangrad trace"]);
    lab.run(&["--fresh"]).exits_with(2).says(&["vangrad trace"]);
    lab.vangrad(&["verify", "out"])
        .exits_with(2)
        .says(&["vangrad trace"]);
    lab.vangrad(&["run", "experiment.toml", "--no-figures", "--out", "results"])
        .exits_with(0);
    let before = lab.files("");
    let into = |folder| lab.vangrad(&[&ARGUMENTS[..6], &[folder]].concat());
    into("results")
        .exits_with(2)
        .says(&["the results of an experiment"]);
    lab.write("foreign/thesis.tex", "");
    into("foreign").exits_with(2).says(&["thesis.tex"]);
    into("w.safetensors").exits_with(2).says(&["not a folder"]);
    std::fs::remove_dir_all(lab.path("foreign")).unwrap();
    assert_same(&lab.files(""), &before);
}

// What the numbers are.

/// Values of a fixture's tensor, widened.
fn values(file: &SafeTensors, name: &str) -> Vec<f64> {
    torch_weights::widen(&file.tensor(name).unwrap()).unwrap()
}

#[test]
fn gradients_are_pytorchs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch/trace");
    let mut fixtures = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        fixtures += 1;
        let bytes = std::fs::read(&path).unwrap();
        let fixture = SafeTensors::deserialize(&bytes).unwrap();
        let part = |prefix: &str, keep: &str| {
            let tensors: Vec<Tensor> = fixture
                .iter()
                .filter_map(|(name, view)| {
                    let name = format!("{keep}{}", name.strip_prefix(prefix)?);
                    let (dtype, shape) = (view.dtype(), view.shape().to_vec());
                    Some((name, dtype, shape, view.data().to_vec()))
                })
                .collect();
            file(&tensors)
        };
        let lab = Lab::with("");
        lab.write("w.safetensors", part("model.", "model."));
        lab.write("x.safetensors", part("inputs.", ""));
        let relu = ["--nonlinearity", "relu"];
        let further: &[&str] = if name.starts_with("relu") { &relu } else { &[] };
        trace(&lab, &[further, &["--no-figures"]].concat()).exits_with(0);
        let curves = gradients(&lab, "out");
        let expected = fixture.names();
        let expected = expected.iter().filter(|name| name.starts_with("expected."));
        assert_eq!(curves.len(), expected.count(), "{name}");
        for ((layer, quantity), curve) in curves {
            let expected = values(&fixture, &format!("expected.{layer}.{quantity}"));
            assert_eq!(curve.len(), expected.len(), "{name} {layer}.{quantity}");
            for (t, (found, expected)) in curve.iter().zip(&expected).enumerate() {
                // PyTorch rounds like we do, in another order: a few 1e-15 of the gradient.
                assert!(
                    found == expected || (found - expected).abs() < 1e-10,
                    "{name} {layer}.{quantity} at {t}: {found} should be {expected}"
                );
            }
        }
    }
    assert_eq!(fixtures, 11);
}

/// At the fixed point 0 a tanh network is linear: layer 1 decays by ½ and layer 0 by ¼ per step, so
/// ∂L/∂h of layer 0 at lag k is Σ_j ½^j ¼^{k−j}, far below the smallest f64.
#[test]
fn norms_go_far_below_what_floats_hold() {
    let steps = 3900;
    let layer = |weight: f64| Layer {
        weight_ih: DMatrix::identity(2, 2),
        weight_hh: DMatrix::identity(2, 2) * weight,
        bias: DVector::zeros(2),
        hidden_bias: DVector::zeros(0),
    };
    let mut adjoint = vec![0.0; steps * 2];
    adjoint[2 * steps - 2..].copy_from_slice(&[3.0, 4.0]);
    let lab = Lab::with("");
    lab.write(
        "w.safetensors",
        torch_weights::write("", &[layer(0.25), layer(0.5)]),
    );
    lab.write(
        "x.safetensors",
        file(&[
            doubles("input", &[steps, 1, 2], &vec![0.0; 2 * steps]),
            doubles("grad_output", &[steps, 1, 2], &adjoint),
        ]),
    );
    trace(&lab, &["--no-figures"])
        .exits_with(0)
        .says(&["f32 would print 0 from lag 15"]);
    let curves = gradients(&lab, "out");
    for lag in 0..=steps {
        let t = steps - lag;
        let top = 5_f64.log10() - lag as f64 * 2_f64.log10();
        assert_close(curves[&(1, "h".to_owned())][t], top, 1e-9);
        // At t = 0 what entered through step 1 remains, not what layer 1 would read.
        let paths = if t == 0 { lag - 1 } else { lag };
        let sum = 2.0 - 0.5_f64.powi(paths as i32);
        let node = 5_f64.log10() - paths as f64 * 2_f64.log10() + sum.log10();
        let expected = if t == 0 { node - 4_f64.log10() } else { node };
        assert_close(curves[&(0, "h".to_owned())][t], expected, 1e-9);
    }
    assert!(curves[&(1, "h".to_owned())][0] < -1170.0);
}

#[test]
fn every_format_of_inputs_gives_the_same_bytes() {
    let lab = Lab::with("");
    lab.write(
        "w.safetensors",
        torch_weights::write("rnn", &network(1, 1, 0)),
    );
    let (_, _, _, bytes) = input(12, 1);
    let (words, _) = bytes.as_chunks::<8>();
    let values: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    let lines = values
        .chunks(2)
        .map(|row| format!("{},{}\n", row[0], row[1]));
    let csv: String = lines.collect();
    let npy = |shape: &str| {
        let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        while (header.len() + 11) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(&bytes);
        file
    };
    lab.write("x.safetensors", file(&[input(12, 1)]));
    trace(&lab, &["--no-figures"]).exits_with(0);
    let expected = gradients(&lab, "out");
    for (name, contents) in [
        ("x.csv", csv.clone().into_bytes()),
        ("header.csv", format!("a,b\n{csv}").into_bytes()),
        ("x.npy", npy("(12, 1, 2)")),
        ("flat.npy", npy("(12, 2)")),
        (
            "flat.safetensors",
            file(&[doubles("input", &[12, 2], &values)]),
        ),
    ] {
        lab.write(name, contents);
        let inputs = [
            "trace",
            "--weights",
            "w.safetensors",
            "--inputs",
            name,
            "--out",
            "out",
        ];
        lab.vangrad(&inputs).exits_with(0);
        assert_eq!(gradients(&lab, "out"), expected, "{name}");
    }
    lab.write("b.npy", npy("(1, 12, 2)"));
    let inputs = [
        "trace",
        "--weights",
        "w.safetensors",
        "--inputs",
        "b.npy",
        "--out",
        "out",
    ];
    lab.vangrad(&[&inputs[..], &["--batch-first"]].concat())
        .exits_with(0);
    assert_eq!(gradients(&lab, "out"), expected);
}

/// More sequences than run together, of all lengths: each alone gives its part of every norm.
#[test]
fn norms_over_sequences_are_the_roots_of_sums_of_squares() {
    let (steps, batch) = (9, 21);
    let lengths: Vec<usize> = (0..batch).map(|j| 1 + (4 * j) % steps).collect();
    let all = input(steps, batch);
    let bytes: Vec<u8> = lengths
        .iter()
        .flat_map(|n| (*n as i64).to_le_bytes())
        .collect();
    let lengths_tensor = ("lengths".to_owned(), Dtype::I64, vec![batch], bytes);
    let lab = lab();
    lab.write("x.safetensors", file(&[all.clone(), lengths_tensor]));
    trace(&lab, &[])
        .exits_with(0)
        .says(&["21 sequences of 1 to 9 steps, aligned at their ends"]);
    let found = gradients(&lab, "out");

    let mut squares: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    for (j, length) in lengths.iter().enumerate() {
        let (words, _) = all.3.as_chunks::<8>();
        let own = |t: usize| &words[2 * (t * batch + j)..][..2];
        let values: Vec<f64> = (0..*length)
            .flat_map(|t| own(t).iter().map(|word| f64::from_le_bytes(*word)))
            .collect();
        lab.write(
            "x.safetensors",
            file(&[doubles("input", &[*length, 1, 2], &values)]),
        );
        trace(&lab, &["--no-figures"]).exits_with(0);
        for (key, curve) in gradients(&lab, "out") {
            let sums = squares.entry(key).or_insert(vec![0.0; steps + 1]);
            for (t, norm) in curve.iter().enumerate() {
                sums[steps - (length - t)] += 10_f64.powf(2.0 * norm);
            }
        }
    }
    for (key, curve) in found {
        for (norm, square) in curve.iter().zip(&squares[&key]) {
            // 15 digits are printed, of norms that 21 numbers are summed from.
            assert_close(*norm, 0.5 * square.log10(), 1e-12);
        }
    }
}

#[test]
fn checkpoints_of_a_training_share_a_table_and_a_heat_map() {
    let lab = lab();
    for step in [1, 10, 100] {
        let name = format!("step-{step}.safetensors");
        lab.write(&name, torch_weights::write("rnn", &network(2, 4, step)));
    }
    let weights = [
        "step-1.safetensors",
        "step-10.safetensors",
        "step-100.safetensors",
    ];
    let arguments = [&["trace", "--weights"], &weights[..], &ARGUMENTS[3..]].concat();
    lab.vangrad(&arguments)
        .exits_with(0)
        .says(&["figures/checkpoints.png"]);
    let table = String::from_utf8(lab.bytes("out/gradients.csv")).unwrap();
    assert!(table.starts_with("weights,layer,quantity,t,lag,log10_norm\nstep-1,0,h,0,12,"));
    let figure = lab.bytes("out/figures/checkpoints.svg");
    lab.vangrad(&["plot", "out"]).exits_with(0);
    assert_eq!(lab.bytes("out/figures/checkpoints.svg"), figure);
    assert_eq!(summary(&lab, "out")["found"].as_array().unwrap().len(), 3);
    // The rows of each are those of a trace of its own.
    let own: String = weights
        .iter()
        .flat_map(|weights| {
            let alone = ["trace", "--weights", weights, "--inputs", "x.safetensors"];
            lab.vangrad(&[&alone[..], &["--out", "alone", "--no-figures"]].concat())
                .exits_with(0);
            let text = String::from_utf8(lab.bytes("alone/gradients.csv")).unwrap();
            let label = weights.strip_suffix(".safetensors").unwrap().to_owned();
            let rows: Vec<String> = text
                .lines()
                .skip(1)
                .map(|l| format!("{label},{l}\n"))
                .collect();
            rows
        })
        .collect();
    assert_eq!(table.split_once('\n').unwrap().1, own);

    lab.write(
        "other.safetensors",
        torch_weights::write("rnn", &network(1, 4, 0)),
    );
    let arguments = [
        "trace",
        "--weights",
        "step-1.safetensors",
        "other.safetensors",
    ];
    let further = ["--inputs", "x.safetensors", "--out", "new"];
    lab.vangrad(&[&arguments[..], &further].concat())
        .exits_with(2)
        .says(&["other.safetensors: found LSTM `rnn`, 1 layer"]);
    let arguments = [
        "trace",
        "--weights",
        "step-1.safetensors",
        "step-1.safetensors",
    ];
    lab.vangrad(&[&arguments[..], &further].concat())
        .exits_with(2)
        .says(&["named twice"]);
}

#[test]
fn a_state_that_overflows_is_said_and_nothing_is_left() {
    let lab = Lab::with("");
    let mut layers = network(1, 1, 0);
    layers[0].weight_hh = DMatrix::from_element(3, 3, 1e200);
    layers[0].weight_ih = DMatrix::from_element(3, 2, 1.0);
    lab.write("w.safetensors", torch_weights::write("", &layers));
    lab.write("x.csv", "1,1\n".repeat(5));
    let before = lab.files("");
    let arguments = ["trace", "--weights", "w.safetensors", "--inputs", "x.csv"];
    let arguments = [&arguments[..], &["--out", "out", "--nonlinearity", "relu"]].concat();
    let ended = lab.vangrad(&arguments).exits_with(1);
    ended.says(&["w.safetensors: the state overflowed (NaN or infinite) at step 3"]);
    assert_same(&lab.files(""), &before);

    // Beside one that does not, it fails alone.
    lab.write(
        "good.safetensors",
        torch_weights::write("", &network(1, 1, 0)),
    );
    let arguments = [&arguments[..2], &["good.safetensors"], &arguments[2..]].concat();
    lab.vangrad(&arguments)
        .exits_with(1)
        .says(&["at step 3", "figures/checkpoints.png"]);
    let table = String::from_utf8(lab.bytes("out/gradients.csv")).unwrap();
    assert!(table.contains("\ngood,0,h,5,0,") && !table.contains("\nw,"));
}

// A closer look.

const RECORD: [&str; 2] = [
    "--record",
    "singular-values,lyapunov,loss-state,unit-gradient",
];

/// A relu network without inputs, started where its units are active: h_t = Wᵗ h_0. `batch` sequences
/// of `steps` steps.
fn linear_lab(recurrent: DMatrix<f64>, steps: usize, batch: usize) -> Lab {
    let layer = Layer {
        weight_ih: DMatrix::zeros(3, 2),
        weight_hh: recurrent,
        bias: DVector::zeros(3),
        hidden_bias: DVector::zeros(0),
    };
    let lab = Lab::with("");
    lab.write("w.safetensors", torch_weights::write("", &[layer]));
    let inputs = [
        doubles("input", &[steps, batch, 2], &vec![0.0; 2 * steps * batch]),
        doubles("h_0", &[1, batch, 3], &vec![0.25; 3 * batch]),
    ];
    lab.write("x.safetensors", file(&inputs));
    lab
}

/// The rows of a table whose columns these are.
fn rows<R: serde::de::DeserializeOwned>(lab: &Lab, file: &str, columns: &str) -> Vec<R> {
    let bytes = lab.bytes(file);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<&str> = reader.headers().unwrap().iter().collect();
    assert_eq!(header.join(","), columns);
    reader.deserialize().map(Result::unwrap).collect()
}

const RELU: [&str; 3] = ["--nonlinearity", "relu", "--no-figures"];

#[test]
fn singular_values_of_a_diagonal_network_are_powers_of_its_weights() {
    let weights = [1.5, 0.75, 0.5_f64];
    let recurrent = DMatrix::from_diagonal(&DVector::from_row_slice(&weights));
    let lab = linear_lab(recurrent, 12, 2);
    trace(
        &lab,
        &[&RELU[..], &["--record", "singular-values"]].concat(),
    )
    .exits_with(0);
    type Found = (String, usize, usize, f64, f64, f64, usize);
    let rows: Vec<Found> = rows(
        &lab,
        "out/singular-values.csv",
        "cell,lag,index,median,q25,q75,n",
    );
    assert_eq!(rows.len(), 13 * 3);
    for (cell, lag, index, value, _, _, n) in rows {
        assert_eq!((cell.as_str(), n), ("network", 1));
        // 12 digits are printed.
        assert_close(value, lag as f64 * weights[index - 1].log10(), 1e-11);
    }
    let extremes = &summary(&lab, "out")["singular_values"];
    assert_eq!(extremes["lag"], 12);
    for (name, weight) in [("log10_largest", 1.5), ("log10_smallest", 0.5_f64)] {
        let found = extremes[name].as_f64().unwrap();
        // Twelve products of the exact numbers in f64.
        assert_close(found, 12.0 * weight.log10(), 1e-13);
    }
    assert!(!lab.path("out/loss-state.csv").exists());
}

/// Lag 300 is none of the 100 per decade, which are 295 and 302 there.
#[test]
fn what_is_kept_at_some_lags_is_kept_at_the_last_one() {
    let weights = [1.5, 0.75, 0.5_f64];
    let recurrent = DMatrix::from_diagonal(&DVector::from_row_slice(&weights));
    let lab = linear_lab(recurrent, 300, 1);
    let record = ["--record", "singular-values,unit-gradient"];
    trace(&lab, &[&RELU[..], &record].concat()).exits_with(0);
    type Found = (String, usize, usize, f64, f64, f64, usize);
    let columns = "cell,lag,index,median,q25,q75,n";
    let values: Vec<Found> = rows(&lab, "out/singular-values.csv", columns);
    let (_, lag, index, value, ..) = values.last().unwrap();
    assert_eq!((*lag, *index), (300, 3));
    // 12 digits of a number of two before the point are printed.
    assert_close(*value, 300.0 * 0.5_f64.log10(), 1e-9);
    let extremes = &summary(&lab, "out")["singular_values"];
    assert_eq!(extremes["lag"], 300);
    for (name, weight) in [("log10_largest", 1.5), ("log10_smallest", 0.5_f64)] {
        let found = extremes[name].as_f64().unwrap();
        // 300 products, each with a relative error of 1e-16 at most.
        assert_close(found, 300.0 * weight.log10(), 1e-12);
    }
    type Unit = (String, String, usize, usize, f64);
    let columns = "cell,quantity,unit,lag,log10_ratio";
    let units: Vec<Unit> = rows(&lab, "out/unit-gradients.csv", columns);
    let lags = units.iter().map(|(_, _, _, lag, _)| *lag);
    assert_eq!(lags.filter(|lag| *lag == 300).count(), 3);
}

/// All directions of a scaled identity grow alike, at ln w per step, from the first step on.
#[test]
fn exponents_of_a_scaled_identity_are_the_logarithm_of_its_scale() {
    for (scale, dimension, said, words) in [
        (1.5_f64, 3.0, "λ₁ = 0.4055", "Kaplan–Yorke dimension 3.000"),
        (0.5, 0.0, "λ₁ = −0.6931", "Kaplan–Yorke dimension 0,"),
    ] {
        let lab = linear_lab(DMatrix::identity(3, 3) * scale, 12, 2);
        trace(&lab, &[&RELU[..], &["--record", "lyapunov"]].concat())
            .exits_with(0)
            .says(&[said, words]);
        type Found = (String, usize, f64, f64, f64, Option<f64>, usize);
        let columns = "cell,index,median,q25,q75,standard_error,n";
        let exponents: Vec<Found> = rows(&lab, "out/lyapunov.csv", columns);
        assert_eq!(exponents.len(), 3);
        for (cell, _, value, ..) in exponents {
            assert_eq!(cell, "network");
            // 12 digits are printed.
            assert_close(value, scale.ln(), 1e-11);
        }
        let entropy = 3.0 * scale.ln().max(0.0);
        let found = &summary(&lab, "out")["lyapunov"];
        for (name, expected) in [
            ("largest", scale.ln()),
            ("entropy_bound", entropy),
            ("kaplan_yorke_dimension", dimension),
        ] {
            // Means of a dozen logarithms of nearly exact numbers.
            assert_close(found[name].as_f64().unwrap(), expected, 1e-13);
        }
        type Measure = (String, String, f64, f64, f64, usize);
        let columns = "cell,measure,median,q25,q75,n";
        let measures: Vec<Measure> = rows(&lab, "out/lyapunov-summary.csv", columns);
        let found = |k: usize| (measures[k].1.as_str(), measures[k].2);
        assert_eq!(found(0), ("kaplan-yorke-dimension", dimension));
        assert_eq!(found(1).0, "entropy-bound");
        assert_close(found(1).1, entropy, 1e-11);
        assert!(!lab.path("out/singular-values.csv").exists());
    }
}

/// More sequences than run together: the unit adjoints of every loss halve with every step.
#[test]
fn every_loss_hears_a_state_by_its_distance_in_a_scaled_identity() {
    let lab = linear_lab(DMatrix::identity(3, 3) * 0.5, 12, 20);
    trace(&lab, &[&RELU[..], &RECORD].concat()).exits_with(0);
    type Found = (String, String, usize, usize, f64, f64, f64, usize);
    let rows: Vec<Found> = rows(
        &lab,
        "out/loss-state.csv",
        "cell,quantity,tau,t,median,q25,q75,n",
    );
    // t = 0…τ for each of 12 losses.
    assert_eq!(rows.len(), (1..=12).map(|tau| tau + 1).sum::<usize>());
    for (_, quantity, tau, t, value, ..) in rows {
        assert_eq!(quantity, "h");
        // The norms over 20 random unit vectors, of which 12 digits are printed.
        assert_close(value, (tau - t) as f64 * 0.5_f64.log10(), 1e-11);
    }
}

#[test]
fn gradients_of_units_add_up_to_those_of_their_layer() {
    let lab = lab();
    lab.write("x.safetensors", file(&[input(12, 20)]));
    trace(&lab, &["--no-figures", "--record", "unit-gradient"]).exits_with(0);
    let reference = summary(&lab, "out")["reference_log10_norm"]
        .as_f64()
        .unwrap();
    let mut squares: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    type Found = (String, String, usize, usize, f64);
    let rows: Vec<Found> = rows(
        &lab,
        "out/unit-gradients.csv",
        "cell,quantity,unit,lag,log10_ratio",
    );
    // Of two layers with h and c of three units each.
    assert_eq!(rows.len(), 2 * 2 * 3 * 13);
    for (cell, quantity, _, lag, ratio) in rows {
        assert_eq!(cell, "rnn");
        let (layer, quantity) = quantity.split_once('.').unwrap();
        let key = (layer.parse().unwrap(), quantity.to_owned());
        let sums = squares.entry(key).or_insert(vec![0.0; 13]);
        sums[12 - lag] += 10_f64.powf(2.0 * (ratio + reference));
    }
    let curves = gradients(&lab, "out");
    for (key, squares) in squares {
        for (square, norm) in squares.iter().zip(&curves[&key]) {
            // 12 digits are printed of the units.
            assert_close(0.5 * square.log10(), *norm, 1e-10);
        }
    }
}

/// Every gate at every step, as the mean over all steps has it; of an LSTM and of a GRU, which says which
/// gates there are.
#[test]
fn gates_by_step_have_the_mean_of_the_summary() {
    let gru = Layer {
        hidden_bias: DVector::from_fn(3, |i, _| wave(300 + i)),
        ..network(1, 3, 0).remove(0)
    };
    for (name, layers, gates, said) in [
        (
            "lstm",
            network(2, 4, 0),
            vec!["0.i", "0.f", "0.o", "1.i", "1.f", "1.o"],
            "layer 1: forget gate",
        ),
        ("gru", vec![gru], vec!["r", "z"], "layer 0: update gate"),
    ] {
        let lab = Lab::with("");
        lab.write("w.safetensors", torch_weights::write("rnn", &layers));
        // More than run together.
        lab.write("x.safetensors", file(&[input(12, 20)]));
        trace(&lab, &["--record", "gates"])
            .exits_with(0)
            .says(&[said, "figure out/figures/gates.png"]);
        type Found = (
            String,
            String,
            usize,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            usize,
        );
        let columns = "cell,gate,t,mean,q10,q25,median,q75,q90,low_fraction,high_fraction,n";
        let rows: Vec<Found> = rows(&lab, "out/gates.csv", columns);
        assert_eq!(rows.len(), 12 * gates.len(), "{name}");
        let summary = summary(&lab, "out");
        for gate in gates {
            let (layer, letter) = gate.split_once('.').unwrap_or(("0", gate));
            let own: Vec<&Found> = rows.iter().filter(|row| row.1 == gate).collect();
            assert!(own.iter().map(|row| row.2).eq(1..=12), "{name} {gate}");
            assert!(
                own.iter()
                    .all(|row| row.4 <= row.5 && row.5 <= row.6 && row.6 <= row.7)
            );
            let layer: usize = layer.parse().unwrap();
            let whole = &summary["layers"][layer]["gates"][letter];
            let mean = own.iter().map(|row| row.3).sum::<f64>() / 12.0;
            let high = own.iter().map(|row| row.10).sum::<f64>() / 12.0;
            // 12 digits of each step are printed.
            assert_close(mean, whole["mean"].as_f64().unwrap(), 1e-11);
            assert_close(high, whole["high_fraction"].as_f64().unwrap(), 1e-11);
        }
        let files = lab.files("out");
        lab.vangrad(&["plot", "out"]).exits_with(0);
        assert_same(&lab.files("out"), &files);
        lab.vangrad(&["report", "out"]).exits_with(0);
        let report = String::from_utf8(lab.bytes("out/report.md")).unwrap();
        assert!(report.contains("figures/gates.svg") || report.contains("figures/gates.png"));
    }
}

/// Also of sequences that end before others.
#[test]
fn norms_of_sequences_add_up_to_those_over_all_of_them() {
    let lab = lab();
    let lengths: Vec<i64> = (0..20).map(|j| 12 - 3 * (j % 3)).collect();
    let bytes = lengths.iter().flat_map(|n| n.to_le_bytes()).collect();
    let of_file = ("lengths".to_owned(), Dtype::I64, vec![20], bytes);
    lab.write("x.safetensors", file(&[input(12, 20), of_file]));
    trace(&lab, &["--no-figures", "--record", "per-sequence"]).exits_with(0);
    type Found = (usize, String, usize, usize, usize, f64);
    let columns = "layer,quantity,sequence,t,lag,log10_norm";
    let rows: Vec<Found> = rows(&lab, "out/sequence-gradients.csv", columns);
    let steps: i64 = lengths.iter().map(|steps| steps + 1).sum();
    assert_eq!(rows.len(), 2 * 4 * steps as usize);
    let mut squares: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    for (layer, quantity, sequence, t, lag, norm) in rows {
        assert_eq!((t + lag) as i64, lengths[sequence]);
        let sums = squares.entry((layer, quantity)).or_insert(vec![0.0; 13]);
        sums[12 - lag] += 10_f64.powf(2.0 * norm);
    }
    let curves = gradients(&lab, "out");
    assert_eq!(curves.len(), squares.len());
    for (key, squares) in squares {
        for (square, norm) in squares.iter().zip(&curves[&key]) {
            // 15 digits are printed; sums of twenty squares, and the powers and logarithms of them.
            assert_close(0.5 * square.log10(), *norm, 1e-12);
        }
    }
}

/// With the seed of the losses of a trace, an exported run of two layers is traced to the tables of
/// the run.
#[test]
fn a_closer_look_at_an_exported_network_is_that_of_its_run() {
    let lab = Lab::with(
        r#"
        name = "closer"
        seed = 0
        replicates = 1
        sequence = { steps = 90, batch = 3, input = { size = 4 } }
        record.quantities = ["singular-values", "lyapunov", "loss-state", "unit-gradient"]
        [[cell]]
        kind = "lstm"
        hidden = 4
        layers = 2
        "#,
    );
    lab.run(&["--no-figures"]).exits_with(0);
    let export = ["trace", "--export-weights", "experiment.toml"];
    lab.vangrad(&[&export[..], &["--out", "torch"]].concat())
        .exits_with(0);
    let files = lab.files("torch/networks");
    let names: Vec<&String> = files.keys().collect();
    let [inputs, weights] = names.as_slice() else {
        panic!("{names:?}");
    };
    let arguments = [
        "trace",
        "--weights",
        &format!("torch/networks/{weights}"),
        "--inputs",
        &format!("torch/networks/{inputs}"),
        "--out",
        "traced",
        "--no-figures",
    ];
    lab.vangrad(&[&arguments[..], &RECORD].concat())
        .exits_with(0);
    for name in [
        "singular-values.csv",
        "lyapunov.csv",
        "lyapunov-convergence.csv",
        "lyapunov-summary.csv",
        "loss-state.csv",
        "unit-gradients.csv",
        "unit-quantiles.csv",
    ] {
        let [found, expected] = ["traced", "out"].map(|folder| {
            let text = String::from_utf8(lab.bytes(&format!("{folder}/{name}"))).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines
        });
        assert_eq!(found.len(), expected.len(), "{name}");
        assert_eq!(found[0], expected[0]);
        // One line for each of 16 exponents, five of them for each of 90 steps, and two measures.
        let lines = match name {
            "lyapunov.csv" => 1 + 16,
            "lyapunov-summary.csv" => 1 + 2,
            _ => 90,
        };
        assert!(found.len() >= lines, "{name}");
        for (found, expected) in found.iter().zip(&expected).skip(1) {
            // Beside the name of the cell.
            let fields = found.split(',').zip(expected.split(',')).skip(1);
            for (found, expected) in fields {
                match (found.parse::<f64>(), expected.parse::<f64>()) {
                    // 12 digits of numbers of up to four before the point.
                    (Ok(found), Ok(expected)) => assert_close(found, expected, 1e-8),
                    _ => assert_eq!(found, expected, "{name}"),
                }
            }
        }
    }
}

#[test]
fn a_closer_look_is_drawn_and_redrawn_and_goes_when_it_is_no_longer_asked_for() {
    let lab = lab();
    trace(&lab, &RECORD)
        .exits_with(0)
        .says(&["figure out/figures/unit-gradient-cell-state.png"]);
    let files = lab.files("out");
    let more = [
        "figures/loss-state-cell-state.svg",
        "figures/loss-state.svg",
        "figures/lyapunov.svg",
        "figures/singular-values.svg",
        "figures/unit-gradient-cell-state.svg",
        "figures/unit-gradient.svg",
        "loss-state.csv",
        "lyapunov-convergence.csv",
        "lyapunov-summary.csv",
        "lyapunov.csv",
        "singular-values.csv",
        "unit-gradients.csv",
        "unit-quantiles.csv",
    ];
    lab.vangrad(&["plot", "out"]).exits_with(0);
    assert_same(&lab.files("out"), &files);
    std::fs::remove_file(lab.path("out/loss-state.csv")).unwrap();
    lab.vangrad(&["plot", "out"])
        .exits_with(2)
        .says(&["loss-state.csv", "`vangrad trace` writes it"]);
    trace(&lab, &[]).exits_with(0);
    let without = lab.files("out");
    for name in more {
        assert!(files.contains_key(name), "{name}");
        assert!(!without.contains_key(name), "{name}");
    }
    // Norms are what they are without.
    assert_eq!(without["gradients.csv"], files["gradients.csv"]);
    assert_eq!(
        without["figures/gradients.svg"],
        files["figures/gradients.svg"]
    );
}

#[test]
fn what_cannot_be_looked_at_closer_is_refused() {
    let lab = lab();
    lab.write(
        "v.safetensors",
        torch_weights::write("rnn", &network(2, 4, 7)),
    );
    let lengths: Vec<u8> = [3_i64, 4].iter().flat_map(|n| n.to_le_bytes()).collect();
    let lengths = ("lengths".to_owned(), Dtype::I64, vec![2], lengths);
    lab.write("lengths.safetensors", file(&[input(4, 2), lengths]));
    lab.write(
        "rnn.safetensors",
        torch_weights::write("rnn", &network(2, 1, 0)),
    );
    lab.write("experiment.toml", common::TINY);
    let before = lab.files("");
    let refused = |arguments: &[&str], parts: &[&str]| {
        lab.vangrad(&[&["trace", "--out", "new"], arguments].concat())
            .exits_with(2)
            .says(parts);
        assert_same(&lab.files(""), &before);
    };
    let both = ["--weights", "w.safetensors", "v.safetensors"];
    let one = ["--weights", "w.safetensors"];
    let with = |weights: &[&'static str], inputs, quantities| {
        [weights, &["--inputs", inputs, "--record", quantities]].concat()
    };
    refused(
        &with(&both, "x.safetensors", "loss-state"),
        &["--record looks closer at one network, found 2 --weights"],
    );
    refused(
        &with(&one, "lengths.safetensors", "unit-gradient"),
        &["lengths.safetensors: found `lengths` of 3 to 4 steps"],
    );
    refused(
        &with(&one, "lengths.safetensors", "gates,per-sequence"),
        &["lengths.safetensors: found `lengths` of 3 to 4 steps"],
    );
    refused(
        &with(&one, "x.safetensors", "series"),
        &[
            "series",
            "gates, per-sequence, singular-values, lyapunov, loss-state, unit-gradient",
        ],
    );
    refused(
        &with(&["--weights", "rnn.safetensors"], "x.safetensors", "gates"),
        &["--record gates: an nn.RNN has none"],
    );
    refused(
        &[
            "--export-weights",
            "experiment.toml",
            "--record",
            "loss-state",
        ],
        &["--record", "--export-weights"],
    );
}

// The other way round.

const EXPERIMENT: &str = r#"
name = "both-ways"
replicates = 2
sequence = { steps = 40, batch = 3, input = { size = 4 } }
record = { quantities = ["adjoint"], gradients = true }
[[cell]]
kind = "vanilla-rnn"
hidden = 5
[[cell]]
kind = "lstm"
hidden = 6
[[cell]]
kind = "lstm"
label = "deep"
hidden = 4
layers = 3
[[cell]]
kind = "gru"
hidden = 5
layers = 2
bias = 0.25
hidden_bias = -0.5
update_bias = 1.5
[sweep]
"vanilla-rnn.activation" = ["tanh", "relu"]
"loss.kind" = ["terminal", "every-step"]
"#;

/// Norms of `run`, by run and quantity.
fn gradients_of_runs(lab: &Lab, folder: &str) -> BTreeMap<(String, String), Vec<f64>> {
    let bytes = lab.bytes(&format!("{folder}/gradients.csv"));
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let mut curves: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    for row in reader.deserialize::<(String, String, usize, usize, f64)>() {
        let (run, quantity, _, _, log10_norm) = row.unwrap();
        curves.entry((run, quantity)).or_default().push(log10_norm);
    }
    curves
}

#[test]
fn an_exported_network_traces_to_what_its_run_measured() {
    let lab = Lab::with(EXPERIMENT);
    lab.run(&["--no-figures"]).exits_with(0);
    lab.vangrad(&[
        "trace",
        "--export-weights",
        "experiment.toml",
        "--out",
        "torch",
    ])
    .exits_with(0)
    .says(&["20 networks"]);
    let runs: Vec<HashMap<String, String>> =
        csv::Reader::from_reader(lab.bytes("torch/runs.csv").as_slice())
            .deserialize()
            .map(Result::unwrap)
            .collect();
    let expected = gradients_of_runs(&lab, "out");
    assert_eq!(runs.len(), 20);
    for run in &runs {
        let id = &run["run_id"];
        let activation = match run["vanilla-rnn.activation"].as_str() {
            "relu" => "relu",
            _ => "tanh",
        };
        lab.vangrad(&[
            "trace",
            "--weights",
            &format!("torch/networks/{id}.safetensors"),
            "--inputs",
            &format!("torch/networks/{id}.inputs.safetensors"),
            "--nonlinearity",
            activation,
            "--out",
            "traced",
            "--no-figures",
        ])
        .exits_with(0);
        for ((layer, quantity), curve) in gradients(&lab, "traced") {
            let quantity = match run["cell"].as_str() {
                "deep" | "gru" => format!("{layer}.{quantity}"),
                _ => quantity,
            };
            let expected = &expected[&(id.clone(), quantity.clone())];
            for (found, expected) in curve.iter().zip(expected) {
                // `run` prints 12 digits.
                assert_close(*found, *expected, 1e-11 * expected.abs().max(1.0));
            }
        }
    }
    // Written again, with nothing left of what is no longer asked for.
    let fewer = [
        "trace",
        "--export-weights",
        "experiment.toml",
        "--out",
        "torch",
        "--set",
    ];
    lab.vangrad(&[&fewer[..], &["replicates=1"]].concat())
        .exits_with(0);
    let networks = lab.files("torch/networks");
    assert_eq!(networks.len(), 20);
}

#[test]
fn an_export_that_fits_into_no_memory_is_refused_with_the_estimate() {
    let lab = Lab::with(EXPERIMENT);
    let before = lab.files("");
    let export = ["trace", "--export-weights", "experiment.toml"];
    for (set, size, estimate) in [
        // 32·T·B·(I + H) bytes, and some weights.
        ("sequence.steps=4294967296", "steps = 4294967296", "3.8 TiB"),
        // 32·4·H·H.
        ("deep.hidden=4294967296", "hidden = 4294967296", "EiB"),
    ] {
        lab.vangrad(&[&export[..], &["--out", "torch", "--set", set]].concat())
            .exits_with(2)
            .says(&[size, estimate, "lower `sequence.steps`"]);
        assert_same(&lab.files(""), &before);
    }
}

#[test]
fn every_exported_run_has_the_inputs_of_its_own_file() {
    let file = r#"input = { kind = "file", path = "a.npy", size = 4 }"#;
    let lab = Lab::with(&EXPERIMENT.replace("input = { size = 4 }", file));
    lab.write("a.npy", npy([40, 3, 4], 0.5));
    lab.write("b.npy", npy([40, 3, 4], 0.25));
    let paths = r#"sequence.input.path=["a.npy", "b.npy"]"#;
    let export = ["trace", "--export-weights", "experiment.toml"];
    lab.vangrad(&[&export[..], &["--out", "torch", "--set", paths]].concat())
        .exits_with(0);
    let runs = lab.bytes("torch/runs.csv");
    let runs = csv::Reader::from_reader(runs.as_slice()).into_deserialize();
    let runs: Vec<HashMap<String, String>> = runs.map(Result::unwrap).collect();
    assert_eq!(runs.len(), 40);
    for run in runs {
        let inputs = format!("torch/networks/{}.inputs.safetensors", run["run_id"]);
        let inputs = lab.bytes(&inputs);
        let input = SafeTensors::deserialize(&inputs).unwrap();
        let input = input.tensor("input").unwrap();
        let path = &run["sequence.input.path"];
        assert!(lab.bytes(path).ends_with(input.data()), "{path}");
    }
}

#[test]
fn what_pytorch_has_no_module_for_is_not_exported() {
    for (from, to, part) in [
        (r#""relu""#, r#""logistic""#, "nn.RNN does not have"),
        (
            "hidden = 6",
            "hidden = 6\nforget_gate = false",
            "no forget gate",
        ),
        (
            "kind = \"lstm\"\nlabel = \"deep\"\nhidden = 4\nlayers = 3",
            "kind = \"stack\"\nlabel = \"deep\"\n\
             layers = [{ kind = \"lstm\", hidden = 4 }, { kind = \"lstm\", hidden = 5 }]",
            "different kinds or sizes",
        ),
        (
            "[[cell]]\nkind = \"van",
            "[loss]\ntruncation = 3\n[[cell]]\nkind = \"van",
            "truncation",
        ),
    ] {
        assert_eq!(EXPERIMENT.matches(from).count(), 1);
        let lab = Lab::with(&EXPERIMENT.replace(from, to));
        let before = lab.files("");
        let arguments = [
            "trace",
            "--export-weights",
            "experiment.toml",
            "--out",
            "torch",
        ];
        lab.vangrad(&arguments).exits_with(2).says(&[part]);
        assert_same(&lab.files(""), &before);
    }
}

/// Runs the script of the README where PyTorch is installed.
#[test]
fn the_readmes_script_goes_round_through_pytorch() {
    let python = std::env::var("PYTHON").unwrap_or("python3".to_owned());
    let has_torch = Command::new(&python)
        .args(["-c", "import torch, numpy, safetensors"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_torch {
        println!("skipped: {python} has no torch, numpy and safetensors (PYTHON names another)");
        return;
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let scripts: Vec<&str> = readme
        .split("```python\n")
        .skip(1)
        .map(|part| part.split("```").next().unwrap())
        .filter(|script| script.contains("vangrad"))
        .collect();
    assert_eq!(scripts.len(), 1, "one script calls vangrad");
    let lab = Lab::with(EXPERIMENT);
    let binary = env!("CARGO_BIN_EXE_vangrad");
    let script = scripts[0]
        .replace("cargo run --release -q --", binary)
        .replace("experiments/configs/gates.toml", "experiment.toml");
    assert!(script.contains(binary));
    let output = Command::new(&python)
        .args(["-c", &script])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let ended: Ended = output.into();
    ended.exits_with(0).says(&["agree"]);
}

// Bad input.

/// The program with these weights and inputs, which has to refuse and to leave everything as it was.
#[track_caller]
fn refused(weights: &[u8], (name, inputs): (&str, &[u8]), further: &[&str], parts: &[&str]) {
    let lab = Lab::with("");
    lab.write("w.safetensors", weights);
    lab.write(name, inputs);
    let before = lab.files("");
    let arguments = [
        "trace",
        "--weights",
        "w.safetensors",
        "--inputs",
        name,
        "--out",
        "out/deep",
    ];
    let ended = lab.vangrad(&[&arguments, further].concat()).exits_with(2);
    assert_same(&lab.files(""), &before);
    assert_eq!(ended.stdout, "", "an error belongs on standard error");
    ended.says(parts);
}

fn state_dict() -> Vec<Tensor> {
    let bytes = torch_weights::write("rnn", &network(2, 4, 0));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let shape = view.shape().to_vec();
        (name.to_owned(), view.dtype(), shape, view.data().to_vec())
    });
    tensors.collect()
}

/// The state dict with one tensor replaced by others.
fn with(name: &str, replacements: &[Tensor]) -> Vec<u8> {
    let mut tensors = state_dict();
    tensors.retain(|tensor| tensor.0 != name);
    tensors.extend(replacements.iter().cloned());
    file(&tensors)
}

#[test]
fn bad_weights_are_refused_with_file_and_tensor() {
    let good = || file(&[input(4, 2)]);
    let claims = |header: u64| {
        let mut bytes = file(&state_dict());
        bytes[..8].copy_from_slice(&header.to_le_bytes());
        bytes
    };
    let one = |value: f64| {
        let mut values = vec![0.5; 36];
        values[4] = value;
        [doubles("rnn.weight_hh_l1", &[12, 3], &values)]
    };
    let integers = (
        "rnn.weight_hh_l1".to_owned(),
        Dtype::I64,
        vec![12, 3],
        vec![0; 288],
    );
    let whole = file(&state_dict());
    let both = [state_dict(), {
        let rename = |(name, dtype, shape, bytes): Tensor| {
            (name.replace("rnn.", "decoder."), dtype, shape, bytes)
        };
        state_dict().into_iter().map(rename).collect()
    }]
    .concat();
    let five_parts = [
        doubles("new.weight_ih_l0", &[15, 2], &[0.0; 30]),
        doubles("new.weight_hh_l0", &[15, 3], &[0.0; 45]),
    ];
    for (weights, parts) in [
        (
            with("rnn.weight_hh_l1", &one(f64::NAN)),
            &["NaN at [1, 1] of `rnn.weight_hh_l1`"][..],
        ),
        (
            with("rnn.weight_hh_l1", &one(f64::INFINITY)),
            &["inf at [1, 1]"],
        ),
        (
            with("rnn.weight_hh_l1", &[integers]),
            &["`rnn.weight_hh_l1` of type I64"],
        ),
        (
            with("rnn.weight_hh_l1", &[]),
            &["expected a tensor `rnn.weight_hh_l1`, found none"],
        ),
        (
            with(
                "rnn.bias_ih_l0",
                &[doubles("rnn.bias_ih_l0", &[11], &[0.0; 11])],
            ),
            &["`rnn.bias_ih_l0` of shape [11], expected [12]"],
        ),
        (
            with("", &[doubles("rnn.weight_hr_l0", &[2, 3], &[0.0; 6])]),
            &["rnn.weight_hr_l0", "proj_size"],
        ),
        (
            with(
                "",
                &[doubles("rnn.weight_ih_l0_reverse", &[12, 2], &[0.0; 24])],
            ),
            &["rnn.weight_ih_l0_reverse", "bidirectional"],
        ),
        (
            with("", &[doubles("rnn.scale", &[1], &[0.0])]),
            &["`rnn.scale` inside the recurrent module"],
        ),
        (
            file(&five_parts),
            &["`new.weight_hh_l0` of shape [15, 3]", "[3·H, H] (nn.GRU)"],
        ),
        (
            file(&both),
            &["2 recurrent modules", "decoder (LSTM", "--module NAME"],
        ),
        (whole[..whole.len() - 1].to_vec(), &["truncated"]),
        (whole[..30].to_vec(), &["truncated"]),
        (claims(1 << 63), &["truncated"]),
        (claims(u64::MAX), &["truncated"]),
        (b"PK\x03\x04 a pickle".to_vec(), &["save_file"]),
        (Vec::new(), &["truncated"]),
    ] {
        let parts = [&["w.safetensors: "], parts].concat();
        refused(&weights, ("x.safetensors", &good()), &[], &parts);
    }
    let good_weights = file(&state_dict());
    let module = ["--module", "encoder"];
    let parts = [
        "no recurrent module called `encoder`",
        "rnn (LSTM, 2 layers",
    ];
    refused(&good_weights, ("x.safetensors", &good()), &module, &parts);
}

#[test]
fn bad_inputs_are_refused_with_file_and_tensor() {
    let weights = file(&state_dict());
    let nan = |name: &str, shape: &[usize]| {
        let mut values = vec![0.5; shape.iter().product()];
        values[3] = f64::NAN;
        doubles(name, shape, &values)
    };
    let zeros = |name: &str, shape: &[usize]| {
        let values = vec![0.0; shape.iter().product()];
        doubles(name, shape, &values)
    };
    let tensors = |tensors: &[Tensor]| ("x.safetensors", file(tensors));
    let truncated = |name| {
        let bytes = file(&[input(4, 2)]);
        (name, bytes[..bytes.len() - 3].to_vec())
    };
    let mut claims = file(&[input(4, 2)]);
    claims[..8].copy_from_slice(&(1_u64 << 63).to_le_bytes());
    let text = |text: &str| ("x.csv", text.as_bytes().to_vec());
    for ((name, inputs), parts) in [
        (
            tensors(&[nan("input", &[4, 2, 2])]),
            &["NaN in `input` at step 0, sequence 1"][..],
        ),
        (
            tensors(&[input(4, 2), nan("h_0", &[2, 2, 3])]),
            &["NaN in `h_0`"],
        ),
        (
            tensors(&[input(4, 2), nan("grad_output", &[4, 2, 3])]),
            &["NaN in `grad_output`"],
        ),
        (
            tensors(&[zeros("input", &[0, 2, 2])]),
            &["found 0 steps, 2 sequences"],
        ),
        (
            tensors(&[zeros("input", &[4, 0, 2])]),
            &["found 4 steps, 0 sequences"],
        ),
        (
            tensors(&[zeros("input", &[4, 2, 3])]),
            &["3 features, expected 2"],
        ),
        (
            tensors(&[zeros("inputs", &[4, 2, 3])]),
            &["`inputs`, expected only `input`"],
        ),
        (
            tensors(&[input(4, 2), zeros("h_0", &[1, 2, 3])]),
            &["`h_0`", "[2, 2, 3]"],
        ),
        (
            tensors(&[input(4, 2), zeros("grad_output", &[4, 2, 5])]),
            &["[4, 2, 3]"],
        ),
        (
            tensors(&[input(4, 2), zeros("grad_output", &[2, 4, 3])]),
            &["`grad_output`", "[4, 2, H]"],
        ),
        (
            tensors(&[("input".to_owned(), Dtype::I64, vec![4, 2, 2], vec![0; 128])]),
            &["`input` of type F64, F32, F16 or BF16, found I64"],
        ),
        (truncated("x.safetensors"), &["whole safetensors file"]),
        (truncated("x.csv"), &["expected"]),
        (("x.safetensors", claims), &["whole safetensors file"]),
        (text("a,b\n1,2\n3,four\n"), &["line 3, column 2", "`four`"]),
        (text("1,2\n3\n"), &["line 2: expected 2 columns"]),
        (text("1,2,3\n"), &["3 features, expected 2"]),
        (text("a,b\n"), &["found 0 steps"]),
        (text(""), &["found 0 steps"]),
        (
            ("x.npy", b"\x93NUMPY\x01\x00\xff\xff".to_vec()),
            &["damaged .npy"],
        ),
    ] {
        let place = format!("{name}: ");
        let parts = [&[place.as_str()], parts].concat();
        refused(&weights, (name, &inputs), &[], &parts);
    }
    let lab = lab();
    let missing = [&ARGUMENTS[..4], &["nowhere.npy"], &ARGUMENTS[5..]].concat();
    lab.vangrad(&missing).exits_with(2).says(&["nowhere.npy"]);
    lab.vangrad(&["trace", "--out", "out"])
        .exits_with(2)
        .says(&["--weights"]);
}
