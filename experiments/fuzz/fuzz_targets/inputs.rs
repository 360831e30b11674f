//! Bytes of sequences → arrays: safetensors, `.npy` and CSV, for `trace` and for `input.kind = "file"`.

#![no_main]

use std::path::Path;

use experiments::trace::inputs;
use experiments::{input_file, trace::inputs::Sequences};
use libfuzzer_sys::fuzz_target;
use vangrad_fuzz::within;

/// Messages, the buffer of the CSV reader (8 KiB) and the grammar of `.npy` headers.
const BASE: usize = 128 << 10;
/// Bytes held for each of the file: two of F16 become eight, again while time and batch are
/// swapped; two of a CSV file become eight, and sixteen as the list grows; what remains is for
/// headers, whose tokens take some words each.
const PER_BYTE: usize = 128;

fn check(sequences: &Sequences) {
    let Sequences {
        steps, batch, size, ..
    } = *sequences;
    assert!(steps > 0 && batch > 0 && size > 0);
    assert_eq!(sequences.input.len(), steps * batch * size);
    assert!(sequences.longest() <= steps);
    for j in 0..batch {
        for t in 0..sequences.length(j) {
            let at = (t * batch + j) * size;
            let x = &sequences.input[at..at + size];
            assert!(x.iter().all(|value| value.is_finite()));
        }
    }
    let arrays = [&sequences.h_0, &sequences.c_0, &sequences.grad_output];
    for array in arrays.into_iter().flatten() {
        assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let allowed = BASE + PER_BYTE * bytes.len();
    for (file, batch_first) in [
        ("x.safetensors", false),
        ("x.safetensors", true),
        ("x.csv", false),
    ] {
        let decode = || inputs::decode(Path::new(file), bytes, batch_first);
        match within(decode, |_| allowed) {
            Ok(sequences) => check(&sequences),
            Err(problem) => assert!(!problem.is_empty()),
        }
    }
    match within(|| input_file::decode(bytes), |_| allowed) {
        Ok(array) => {
            assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
            assert!(array.values.iter().all(|value| value.is_finite()));
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
});
