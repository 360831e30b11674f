//! Bytes of a stored run → record.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use experiments::record::Expected;
use experiments::store::record_file::{decode, encode};
use libfuzzer_sys::fuzz_target;
use vangrad_fuzz::within;

/// Messages.
const BASE: usize = 64 << 10;
/// Bytes held for each of the file: itself, its numbers, and a header's array of sixty bytes takes a few
/// hundred in maps, twice as it is parsed and once as it is found.
const PER_BYTE: usize = 64;
/// T and the spec of the seeds.
const STEPS: usize = 2;
const SPEC: &str = "{}";
/// The arrays of the seeds.
const ARRAYS: [&str; 6] = [
    "gate.f",
    "h",
    "h.sequences",
    "law:h:rate:ln rho(W)",
    "reference",
    "series.c",
];

fuzz_target!(|bytes: &[u8]| {
    let names: BTreeSet<String> = ARRAYS.map(str::to_owned).into();
    for arrays in [None, Some(Arc::new(names))] {
        let expected = Expected {
            spec: SPEC.to_owned(),
            steps: STEPS,
            arrays,
        };
        let allowed = BASE + PER_BYTE * bytes.len();
        match within(|| decode(bytes, &expected), |_| allowed) {
            Err(problem) => assert!(!problem.to_string().is_empty()),
            Ok(record) => {
                // Bit for bit: no number is NaN, and −0 has bytes of its own.
                let written = encode(&record);
                let again = decode(&written, &expected).expect("what was written is read");
                assert_eq!(again, record);
                assert_eq!(encode(&again), written);
            }
        }
    }
});
