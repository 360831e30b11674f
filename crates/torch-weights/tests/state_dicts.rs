//! State dicts as PyTorch writes them, and as it does not.

use nalgebra::{DMatrix, DVector};
use safetensors::tensor::{Dtype, TensorView};
use torch_weights::{Kind, Layer, WeightsError, read, write};

/// A tensor: name, type, shape, bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn file(tensors: &[Tensor]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let bytes = (0..count).flat_map(|k| (k as f32 / 8.0).to_le_bytes());
    (name.to_owned(), Dtype::F32, shape.to_vec(), bytes.collect())
}

/// Two layers with P = `gates`·H, H = 3 and I = 2 under a prefix.
fn stack(prefix: &str, gates: usize) -> Vec<Tensor> {
    let rows = 3 * gates;
    let layer = |number: usize, input: usize| {
        [
            tensor(&format!("{prefix}weight_ih_l{number}"), &[rows, input]),
            tensor(&format!("{prefix}weight_hh_l{number}"), &[rows, 3]),
            tensor(&format!("{prefix}bias_ih_l{number}"), &[rows]),
            tensor(&format!("{prefix}bias_hh_l{number}"), &[rows]),
        ]
    };
    [layer(0, 2), layer(1, 3)].concat()
}

fn fault(tensors: &[Tensor]) -> String {
    read(&file(tensors), None).unwrap_err().to_string()
}

/// The stack with one tensor replaced, or left out.
fn with(name: &str, replacement: Option<Tensor>) -> Vec<Tensor> {
    let mut tensors = stack("", 4);
    tensors.retain(|tensor| tensor.0 != name);
    tensors.extend(replacement);
    tensors
}

#[test]
fn matrices_are_read_row_by_row_and_biases_added() {
    let module = read(&file(&stack("net.rnn.", 1)), None).unwrap();
    assert_eq!(
        (module.name.as_str(), module.kind, module.ignored),
        ("net.rnn", Kind::Rnn, 0)
    );
    let [first, second] = module.layers.as_slice() else {
        panic!("{} layers", module.layers.len());
    };
    let eighths =
        |rows, columns, values: &[f64]| DMatrix::from_row_slice(rows, columns, values) / 8.0;
    assert_eq!(first.weight_ih, eighths(3, 2, &[0., 1., 2., 3., 4., 5.]));
    assert_eq!(
        second.weight_hh,
        eighths(3, 3, &[0., 1., 2., 3., 4., 5., 6., 7., 8.])
    );
    assert_eq!(first.bias, DVector::from_vec(vec![0.0, 0.25, 0.5]));
    assert_eq!(read(&file(&stack("", 4)), None).unwrap().kind, Kind::Lstm);
}

/// The reset gate multiplies the second bias of n, so that it may not be added to the first.
#[test]
fn the_biases_of_a_grus_candidate_stay_apart() {
    let module = read(&file(&stack("gru.", 3)), None).unwrap();
    assert_eq!(
        (module.kind, module.hidden(), module.input()),
        (Kind::Gru, 3, 2)
    );
    let eighths = |values: &[f64]| DVector::from_column_slice(values) / 8.0;
    for layer in &module.layers {
        let bias = eighths(&[0., 2., 4., 6., 8., 10., 6., 7., 8.]);
        assert_eq!(layer.bias, bias);
        assert_eq!(layer.hidden_bias, eighths(&[6., 7., 8.]));
    }
}

#[test]
fn biases_are_optional_and_other_parts_of_the_model_are_counted() {
    let mut tensors = stack("lstm.", 4);
    tensors.retain(|tensor| !tensor.0.contains("bias"));
    tensors.push(tensor("head.weight", &[5, 3]));
    tensors.push(("steps".to_owned(), Dtype::I64, vec![], vec![0; 8]));
    let module = read(&file(&tensors), None).unwrap();
    assert_eq!((module.layers.len(), module.ignored), (2, 2));
    assert!(module.layers.iter().all(|layer| layer.bias.amax() == 0.0));
}

#[test]
fn of_several_modules_one_is_chosen_by_name() {
    let tensors = [stack("encoder.", 4), stack("decoder.", 1)].concat();
    let bytes = file(&tensors);
    let fault = read(&bytes, None).unwrap_err().to_string();
    for part in [
        "2 recurrent modules",
        "decoder (RNN, 2 layers, input 2, hidden 3)",
        "encoder (LSTM, 2 layers, input 2, hidden 3)",
    ] {
        assert!(fault.contains(part), "{part:?} is not in {fault:?}");
    }
    for name in ["decoder", "decoder."] {
        let module = read(&bytes, Some(name)).unwrap();
        assert_eq!(
            (module.name.as_str(), module.kind, module.ignored),
            ("decoder", Kind::Rnn, 8)
        );
    }
    let unknown = read(&bytes, Some("enc")).unwrap_err();
    assert!(matches!(unknown, WeightsError::UnknownModule { .. }));
}

#[test]
fn what_is_no_such_module_is_refused_by_the_name_of_its_tensor() {
    let doubles =
        |values: &[f64]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let with_nan = |value: f64| {
        let mut values = vec![0.5; 12];
        values[7] = value;
        let name = "bias_ih_l1".to_owned();
        Some((name, Dtype::F64, vec![12], doubles(&values)))
    };
    let largest = || {
        ["bias_ih_l1", "bias_hh_l1"].map(|name| {
            let bytes = doubles(&[f64::MAX; 12]);
            (name.to_owned(), Dtype::F64, vec![12], bytes)
        })
    };
    let mut overflowing = with("bias_ih_l1", None);
    overflowing.retain(|tensor| tensor.0 != "bias_hh_l1");
    overflowing.extend(largest());
    let integers = (
        "weight_hh_l1".to_owned(),
        Dtype::I8,
        vec![12, 3],
        vec![0; 36],
    );
    for (tensors, parts) in [
        (
            stack("", 2),
            &["`weight_hh_l0`", "[6, 3]", "[3·H, H] (nn.GRU)"] as &[&str],
        ),
        (
            with("", Some(tensor("weight_ih_l0_reverse", &[12, 2]))),
            &["`weight_ih_l0_reverse`", "bidirectional"],
        ),
        (
            with("", Some(tensor("weight_hr_l0", &[2, 3]))),
            &["`weight_hr_l0`", "proj_size"],
        ),
        (
            with("", Some(tensor("mask", &[3]))),
            &["`mask` inside the recurrent module"],
        ),
        (
            with("weight_ih_l1", None),
            &["`weight_ih_l1`, found none", "`weight_hh_l1`"],
        ),
        (with("bias_hh_l0", None), &["`bias_hh_l0`, found none"]),
        (
            with("weight_hh_l0", None),
            &["`weight_hh_l0`, found none", "`weight_ih_l0`"],
        ),
        (
            with("", Some(tensor("weight_ih_l3", &[12, 3]))),
            &["`weight_ih_l2`, found none", "`weight_ih_l3`"],
        ),
        (
            with("weight_ih_l1", Some(tensor("weight_ih_l1", &[12, 4]))),
            &["`weight_ih_l1` of shape [12, 4]", "[12, 3]"],
        ),
        (
            with("weight_hh_l0", Some(tensor("weight_hh_l0", &[12, 4]))),
            // That is a GRU by its rows, and the layer above it does not fit.
            &["`weight_ih_l1` of shape [12, 3]", "[12, 4]"],
        ),
        (
            with("weight_hh_l0", Some(tensor("weight_hh_l0", &[12]))),
            &["`weight_hh_l0` of shape [12]", "[4·H, H]"],
        ),
        (
            with("weight_hh_l0", Some(tensor("weight_hh_l0", &[12, 0]))),
            &["`weight_hh_l0` of shape [12, 0]"],
        ),
        (
            with("weight_ih_l0", Some(tensor("weight_ih_l0", &[12, 0]))),
            &["`weight_ih_l0` of shape [12, 0]", "[12, I]"],
        ),
        (
            with("bias_ih_l0", Some(tensor("bias_ih_l0", &[12, 1]))),
            &["`bias_ih_l0` of shape [12, 1]", "[12]"],
        ),
        (
            with("weight_hh_l1", Some(integers)),
            &["`weight_hh_l1` of type I8", "BF16"],
        ),
        (
            with("bias_ih_l1", with_nan(f64::NAN)),
            &["NaN at [7] of `bias_ih_l1`"],
        ),
        (
            with("bias_ih_l1", with_nan(f64::INFINITY)),
            &["inf at [7] of `bias_ih_l1`"],
        ),
        (overflowing, &["inf at [0] of `bias_hh_l1`"]),
        (
            vec![tensor("fc.weight", &[2, 2])],
            &["weight_ih_l0", "found fc.weight"],
        ),
        (
            vec![
                tensor("c.weight_ih", &[2, 2]),
                tensor("c.weight_hh", &[2, 2]),
            ],
            &["append _l0"],
        ),
        (vec![], &["no tensors at all"]),
    ] {
        let fault = fault(&tensors);
        for part in parts {
            assert!(fault.contains(part), "{part:?} is not in {fault:?}");
        }
    }
}

#[test]
fn every_truncation_and_every_flipped_header_byte_is_an_answer_and_no_panic() {
    let bytes = file(&stack("", 1));
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length], None).is_err(), "{length}");
    }
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for at in 0..header {
        for flipped in [0xff, 0x01, 0x20] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flipped;
            let _ = read(&bytes, None);
        }
    }
    let mut claims_everything = bytes.clone();
    claims_everything[..8].copy_from_slice(&(1_u64 << 63).to_le_bytes());
    let fault = read(&claims_everything, None).unwrap_err();
    assert!(matches!(fault, WeightsError::Damaged { .. }), "{fault}");
}

#[test]
fn what_is_written_reads_back_bit_for_bit() {
    let layer = |rows: usize, input: usize| Layer {
        hidden_bias: DVector::from_fn(if rows == 9 { 3 } else { 0 }, |i, _| 0.5 - i as f64),
        weight_ih: DMatrix::from_fn(rows, input, |i, j| ((i * 7 + j) as f64).sin()),
        weight_hh: DMatrix::from_fn(rows, 3, |i, j| ((i + 5 * j) as f64).cos()),
        bias: DVector::from_fn(rows, |i, _| (i as f64).sqrt()),
    };
    for (prefix, rows, kind) in [
        ("", 3, Kind::Rnn),
        ("gru", 9, Kind::Gru),
        ("a.b", 12, Kind::Lstm),
    ] {
        let layers = [layer(rows, 5), layer(rows, 3)];
        let module = read(&write(prefix, &layers), None).unwrap();
        assert_eq!((module.name.as_str(), module.kind), (prefix, kind));
        assert_eq!(module.layers, layers);
    }
}
