//! The bytes of a record: one safetensors file per run.
//!
//! The bytes are a function of the record alone. safetensors sorts arrays by name, and keeps
//! metadata in a hash map, whose order is random: so there is exactly one key, `spec`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo, View};

use super::RecordProblem;
use crate::grids;
use crate::record::{
    Array, Expected, GATE, LAW, LOSS_STATE, LYAPUNOV, LYAPUNOV_BY_STEP, REFERENCE, RunRecord,
    SEQUENCE, SERIES, SINGULAR_VALUES, TOTAL, UNIT, series_times,
};

/// The only metadata key.
const SPEC: &str = "spec";

/// The file of a record.
///
/// # Panics
///
/// If an array's shape and number of values disagree.
pub fn encode(record: &RunRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(record, &mut bytes).expect("writing to memory cannot fail");
    bytes
}

/// Writes the file of a record, without a second copy of it in memory.
///
/// # Panics
///
/// If an array's shape and number of values disagree.
pub(super) fn write(record: &RunRecord, out: &mut dyn Write) -> io::Result<()> {
    // What safetensors makes of arrays that say how long they are but give no bytes is all that
    // stands before the bytes. These follow in the order of names, since all have the same type.
    let views = record.arrays.iter();
    let views = views.map(|(name, array)| (name, Described(array)));
    let metadata = HashMap::from([(SPEC.to_owned(), record.spec.clone())]);
    let header = safetensors::serialize(views, Some(metadata));
    out.write_all(&header.expect("a record's header fits in 100 MB"))?;
    for array in record.arrays.values() {
        if cfg!(target_endian = "little") {
            out.write_all(bytemuck::cast_slice(&array.values))?;
        } else {
            let mut values = array.values.iter();
            values.try_for_each(|value| out.write_all(&value.to_le_bytes()))?;
        }
    }
    Ok(())
}

/// An array's type and shape.
struct Described<'a>(&'a Array);

impl View for Described<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }

    fn shape(&self) -> &[usize] {
        let Array { shape, values } = self.0;
        let wanted: usize = shape.iter().product();
        assert_eq!(
            values.len(),
            wanted,
            "values of an array of shape {shape:?}"
        );
        shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }

    fn data_len(&self) -> usize {
        8 * self.0.values.len()
    }
}

/// Whether `stored` gives the file of a record, bit for bit, without that in memory.
///
/// # Panics
///
/// If an array's shape and number of values disagree.
pub(super) fn is_same(record: &RunRecord, stored: impl Read) -> io::Result<bool> {
    let mut compared = Compared {
        stored,
        is_same: true,
    };
    write(record, &mut compared)?;
    let rest = compared.stored.read(&mut [0])?;
    Ok(compared.is_same && rest == 0)
}

/// Compares what is written with what is stored.
struct Compared<R> {
    stored: R,
    is_same: bool,
}

impl<R: Read> Write for Compared<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stored = [0; 4096];
        let length = bytes.len().min(stored.len());
        let stored = &mut stored[..length];
        if self.is_same {
            self.is_same = match self.stored.read_exact(stored) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
                read => read.map(|()| *stored == bytes[..length])?,
            };
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why there is no record to be had of a file.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The file cannot be read.
    File(io::Error),
    /// It is not what is expected.
    Record(RecordProblem),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Unreadable::File(error)
    }
}

impl From<RecordProblem> for Unreadable {
    fn from(problem: RecordProblem) -> Self {
        Unreadable::Record(problem)
    }
}

impl From<SafeTensorError> for Unreadable {
    fn from(error: SafeTensorError) -> Self {
        let reason = error.to_string();
        RecordProblem::Damaged { reason }.into()
    }
}

/// The record in `bytes`, if it is whole and what is expected.
///
/// safetensors has no checksum: a flipped bit of a value that leaves a possible value is found
/// only by recomputing, which is what `verify` does. A flipped bit of anything else is found here,
/// as long as the names of the arrays are known.
///
/// # Errors
/// The first problem there is: of the header, arrays in the order of their names, then of the values, in
/// that of the file.
pub fn decode(bytes: &[u8], expected: &Expected) -> Result<RunRecord, RecordProblem> {
    read(bytes, bytes.len() as u64, expected).map_err(|error| match error {
        Unreadable::Record(problem) => problem,
        Unreadable::File(error) => panic!("memory is read to its end: {error}"),
    })
}

/// The same of a file of `length` bytes. Each array is read to where it stays, so that the record is held
/// once and not twice.
pub(super) fn read(
    stored: impl Read,
    length: u64,
    expected: &Expected,
) -> Result<RunRecord, Unreadable> {
    let mut arrays = BTreeMap::new();
    read_arrays(stored, length, expected, |name, array| {
        arrays.insert(name, array);
    })?;
    Ok(RunRecord {
        spec: expected.spec.clone(),
        arrays,
    })
}

/// Whether the same would be a record, which is not held: an error if not.
pub(super) fn check(stored: impl Read, length: u64, expected: &Expected) -> Result<(), Unreadable> {
    read_arrays(stored, length, expected, |_, _| {})
}

/// Calls `keep` with every array of a file of `length` bytes, as long as that is what is expected.
fn read_arrays(
    mut stored: impl Read,
    length: u64,
    expected: &Expected,
    mut keep: impl FnMut(String, Array),
) -> Result<(), Unreadable> {
    let header = read_header(&mut stored, length)?;
    check_header(&header, expected)?;
    // The arrays stand one behind the other, which is part of what makes a header valid.
    for name in header.offset_keys() {
        let shape = header.info(&name).map(|tensor| tensor.shape.clone());
        let shape = shape.expect("the header has what it lists");
        let mut values = vec![0.0_f64; shape.iter().product()];
        stored.read_exact(bytemuck::cast_slice_mut(&mut values))?;
        for value in &mut values {
            *value = f64::from_bits(u64::from_le(value.to_bits()));
        }
        check_values(&name, &values)?;
        keep(name, Array { shape, values });
    }
    Ok(())
}

/// The header of a file of `length` bytes, which is valid and describes as many: what
/// [`SafeTensors::read_metadata`](safetensors::SafeTensors::read_metadata) asks for, which wants to see
/// the whole file in memory.
fn read_header(stored: &mut impl Read, length: u64) -> Result<Metadata, Unreadable> {
    /// As of safetensors.
    const MOST: u64 = 100_000_000;
    let Some(behind) = length.checked_sub(size_of::<u64>() as u64) else {
        return Err(SafeTensorError::HeaderTooSmall.into());
    };
    let mut size = [0; size_of::<u64>()];
    stored.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MOST {
        return Err(SafeTensorError::HeaderTooLarge.into());
    }
    let Some(data) = behind.checked_sub(size) else {
        return Err(SafeTensorError::InvalidHeaderLength.into());
    };
    let mut text = vec![0; size as usize];
    stored.read_exact(&mut text)?;
    let text = std::str::from_utf8(&text).map_err(SafeTensorError::InvalidHeader)?;
    let header: Metadata =
        serde_json::from_str(text).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
    match header.data_len() as u64 == data {
        true => Ok(header),
        false => Err(SafeTensorError::MetadataIncompleteBuffer.into()),
    }
}

/// Whether the arrays of a record, and whose they are, is what is expected.
fn check_header(header: &Metadata, expected: &Expected) -> Result<(), RecordProblem> {
    let metadata = header.metadata().clone().unwrap_or_default();
    match metadata.get(SPEC) {
        Some(found) if metadata.len() == 1 && *found == expected.spec => {}
        Some(_) if metadata.len() == 1 => return Err(RecordProblem::OtherSpec),
        _ => {
            let mut keys: Vec<&str> = metadata.keys().map(String::as_str).collect();
            keys.sort_unstable();
            return Err(RecordProblem::Metadata {
                found: keys.join(", "),
            });
        }
    }

    // In the order of names, so that of several problems always the same one is reported.
    let tensors: BTreeMap<String, &TensorInfo> = header.tensors().into_iter().collect();
    if let Some(arrays) = &expected.arrays {
        // Not every law holds of every size, weight and input.
        let missing = arrays.iter().filter(|name| !tensors.contains_key(*name));
        let missing = missing.filter(|name| !name.starts_with(LAW));
        let missing: Vec<String> = missing.cloned().collect();
        let unknown = tensors.keys().filter(|name| !arrays.contains(*name));
        let unknown: Vec<String> = unknown.cloned().collect();
        if !missing.is_empty() || !unknown.is_empty() {
            return Err(RecordProblem::Arrays { missing, unknown });
        }
    }
    for (name, tensor) in tensors {
        if tensor.dtype != Dtype::F64 {
            return Err(RecordProblem::Type {
                array: name,
                found: format!("{:?}", tensor.dtype),
            });
        }
        check_shape(&name, &tensor.shape, expected.steps)?;
    }
    Ok(())
}

/// Arrays have one row per step: T of them, or T + 1 with the initial state. The exceptions are
/// numbers of the whole run, and what is kept for some steps only.
fn check_shape(name: &str, shape: &[usize], steps: usize) -> Result<(), RecordProblem> {
    let (allowed, expected) = if name == REFERENCE {
        (vec![0, 2], "0 or 2".to_owned())
    } else if name.starts_with(TOTAL) {
        (vec![1], "1".to_owned())
    } else if name.starts_with(SERIES) {
        let rows = series_times(steps).len();
        (vec![rows], rows.to_string())
    } else if name == LYAPUNOV {
        // As many as the state has rows.
        let rows = shape.first().copied().filter(|rows| *rows > 0);
        (rows.into_iter().collect(), "at least 1".to_owned())
    } else if name == LYAPUNOV_BY_STEP {
        let times = grids::exponent_times(steps).len();
        (vec![times], times.to_string())
    } else if name == SINGULAR_VALUES || name.starts_with(UNIT) {
        let lags = grids::lags(steps).len();
        (vec![lags], lags.to_string())
    } else if name.starts_with(SEQUENCE) || name.starts_with(LAW) {
        // One per sequence, or one or one per unit.
        let rows = shape.first().copied().filter(|rows| *rows > 0);
        (rows.into_iter().collect(), "at least 1".to_owned())
    } else if name.starts_with(LOSS_STATE) {
        let losses = grids::loss_times(steps).len();
        (vec![losses], losses.to_string())
    } else {
        (vec![steps, steps + 1], format!("{steps} or {}", steps + 1))
    };
    if shape.first().is_some_and(|rows| allowed.contains(rows)) {
        return Ok(());
    }
    Err(RecordProblem::Shape {
        array: name.to_owned(),
        steps,
        expected,
        found: shape.to_vec(),
    })
}

/// Logarithms are finite, or −∞ for an exact zero; what is not a logarithm is finite.
fn check_values(name: &str, values: &[f64]) -> Result<(), RecordProblem> {
    let is_logarithm = !(name == REFERENCE || name.starts_with(GATE) || name.starts_with(SERIES));
    let is_possible =
        |value: f64| value.is_finite() || (is_logarithm && value == f64::NEG_INFINITY);
    match values.iter().position(|value| !is_possible(*value)) {
        None => Ok(()),
        Some(index) => Err(RecordProblem::Value {
            array: name.to_owned(),
            index,
            value: values[index],
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use safetensors::tensor::TensorView;

    use super::*;

    const STEPS: usize = 2;

    fn array(shape: &[usize], values: &[f64]) -> Array {
        Array {
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    fn record_with(extra: &[(&str, Array)]) -> RunRecord {
        let zero = f64::NEG_INFINITY;
        let mut arrays = BTreeMap::from([
            ("h".to_owned(), array(&[3], &[-2.5, zero, 0.125])),
            ("x".to_owned(), array(&[2], &[-1e300, -0.0])),
            ("gate.f".to_owned(), array(&[2, 8], &[0.5; 16])),
            ("reference".to_owned(), array(&[0], &[])),
            ("law:h:rate:ln rho(W)".to_owned(), array(&[1], &[zero])),
        ]);
        arrays.extend(
            extra
                .iter()
                .map(|(name, a)| ((*name).to_owned(), a.clone())),
        );
        RunRecord {
            spec: r#"{"cell":{"kind":"lstm"},"seed":20}"#.to_owned(),
            arrays,
        }
    }

    fn expected(record: &RunRecord) -> Expected {
        Expected {
            spec: record.spec.clone(),
            steps: STEPS,
            arrays: Some(Arc::new(record.arrays.keys().cloned().collect())),
        }
    }

    fn read(record: &RunRecord) -> Result<RunRecord, RecordProblem> {
        decode(&encode(record), &expected(record))
    }

    #[test]
    fn a_record_reads_back_bit_for_bit() {
        let record = record_with(&[]);
        let back = read(&record).unwrap();
        assert_eq!(back, record);
        assert_eq!(encode(&back), encode(&record));
        assert!(back.arrays["x"].values[1].is_sign_negative());
    }

    #[test]
    fn stored_bytes_are_the_same_or_differ_anywhere() {
        // Longer than what is compared at once.
        let record = record_with(&[("gate.i", array(&[2, 500], &[0.25; 1000]))]);
        let bytes = encode(&record);
        let same = |stored: &[u8]| is_same(&record, stored).unwrap();
        assert!(same(&bytes));
        assert!(!same(&bytes[..bytes.len() - 1]) && !same(&[]));
        assert!(!same(&[bytes.as_slice(), &[0]].concat()));
        for at in [0, 100, 4095, 4096, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(!same(&flipped), "{at}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_safetensors() {
        let record = record_with(&[("gate.i", array(&[2, 3], &[0.25; 6]))]);
        let arrays = record.arrays.iter().map(|(name, array)| {
            let bytes = array.values.iter().flat_map(|value| value.to_le_bytes());
            (name, array.shape.clone(), bytes.collect::<Vec<u8>>())
        });
        let arrays: Vec<_> = arrays.collect();
        let views = arrays.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F64, shape.clone(), bytes);
            (*name, view.unwrap())
        });
        let metadata = HashMap::from([(SPEC.to_owned(), record.spec.clone())]);
        let whole = safetensors::serialize(views, Some(metadata)).unwrap();
        assert_eq!(encode(&record), whole);
    }

    #[test]
    fn the_bytes_are_a_function_of_the_record() {
        // Hash maps are seeded anew for every map: twenty would not agree by chance.
        let first = encode(&record_with(&[]));
        assert!((0..20).all(|_| encode(&record_with(&[])) == first));
    }

    #[test]
    fn the_header_is_as_documented() {
        let bytes = encode(&RunRecord {
            spec: "{}".to_owned(),
            arrays: BTreeMap::from([("h".to_owned(), array(&[1], &[1.0]))]),
        });
        let header = String::from_utf8_lossy(&bytes[8..bytes.len() - 8]);
        assert_eq!(
            header.trim_end(),
            r#"{"__metadata__":{"spec":"{}"},"h":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#
        );
        assert_eq!(bytes[bytes.len() - 8..], 1.0_f64.to_le_bytes());
    }

    /// With what is kept, and without.
    #[test]
    fn a_record_is_checked_as_it_is_read() {
        let bad = record_with(&[("gate.f", array(&[2, 8], &[f64::INFINITY; 16]))]);
        for (record, is_good) in [(record_with(&[]), true), (bad, false)] {
            let bytes = encode(&record);
            let checked = check(bytes.as_slice(), bytes.len() as u64, &expected(&record));
            assert_eq!(checked.is_ok(), is_good);
            assert_eq!(read(&record).is_ok(), is_good);
        }
    }

    /// As of a file that is cut short while it is read.
    #[test]
    fn a_file_that_ends_early_cannot_be_read() {
        let record = record_with(&[]);
        let bytes = encode(&record);
        for length in 0..bytes.len() {
            let stored = &bytes[..length];
            let found = super::read(stored, bytes.len() as u64, &expected(&record));
            assert!(matches!(found, Err(Unreadable::File(_))), "{length}");
        }
    }

    #[test]
    fn every_truncation_is_found() {
        let record = record_with(&[]);
        let bytes = encode(&record);
        for length in 0..bytes.len() {
            let found = decode(&bytes[..length], &expected(&record));
            assert!(
                matches!(found, Err(RecordProblem::Damaged { .. })),
                "{length}"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode(&longer, &expected(&record)).is_err());
    }

    #[test]
    fn a_flipped_bit_of_anything_but_a_value_is_found() {
        let record = record_with(&[]);
        let bytes = encode(&record);
        let values: usize = record.arrays.values().map(|array| array.values.len()).sum();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(back) = decode(&flipped, &expected(&record)) {
                assert!(bit / 8 >= bytes.len() - 8 * values, "bit {bit}");
                assert_ne!(encode(&back), bytes, "bit {bit}");
            }
        }
    }

    #[test]
    fn the_record_of_another_run_is_refused() {
        let record = record_with(&[]);
        let other = Expected {
            spec: "{}".to_owned(),
            ..expected(&record)
        };
        let found = decode(&encode(&record), &other);
        assert_eq!(found, Err(RecordProblem::OtherSpec));
    }

    #[test]
    fn other_metadata_is_refused() {
        let none = safetensors::serialize(Vec::<(&str, TensorView)>::new(), None).unwrap();
        let two = HashMap::from([("spec", "{}"), ("format", "pt")])
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let two = safetensors::serialize(Vec::<(&str, TensorView)>::new(), Some(two)).unwrap();
        for (bytes, keys) in [(none, ""), (two, "format, spec")] {
            assert_eq!(
                decode(&bytes, &expected(&record_with(&[]))),
                Err(RecordProblem::Metadata {
                    found: keys.to_owned()
                })
            );
        }
    }

    #[test]
    fn numbers_that_no_run_measures_are_refused() {
        for (name, values) in [
            ("h", &[0.0, f64::NAN, 0.0] as &[f64]),
            ("h", &[0.0, f64::INFINITY, 0.0]),
            ("series.c", &[0.0, f64::NEG_INFINITY]),
        ] {
            let record = record_with(&[(name, array(&[values.len()], values))]);
            let problem = read(&record).unwrap_err();
            assert!(
                matches!(&problem, RecordProblem::Value { array, index: 1, .. } if array == name),
                "{problem}"
            );
        }
    }

    #[test]
    fn arrays_that_do_not_fit_the_run_are_refused() {
        for (name, bad) in [
            ("h", array(&[4], &[0.0; 4])),
            ("h", array(&[], &[0.0])),
            ("reference", array(&[1], &[0.0])),
            ("total.bias", array(&[2], &[0.0; 2])),
            ("series.c", array(&[3, 1], &[0.0; 3])),
        ] {
            let problem = read(&record_with(&[(name, bad)])).unwrap_err();
            assert!(matches!(problem, RecordProblem::Shape { .. }), "{problem}");
        }
    }

    #[test]
    fn a_record_of_other_arrays_is_refused() {
        let complete = record_with(&[]);
        let mut record = complete.clone();
        let reference = record.arrays.remove("reference").unwrap();
        let problem = |record: &RunRecord| {
            let found = decode(&encode(record), &expected(&complete));
            found.unwrap_err().to_string()
        };
        assert_eq!(
            problem(&record),
            "the record has other arrays than this run keeps: [reference] missing, [] unknown"
        );
        record
            .arrays
            .insert("referende".to_owned(), reference.clone());
        assert_eq!(
            problem(&record),
            "the record has other arrays than this run keeps: [reference] missing, [referende] unknown"
        );
        let unknown = Expected {
            arrays: None,
            ..expected(&complete)
        };
        record.arrays.remove("referende");
        assert_eq!(decode(&encode(&record), &unknown), Ok(record.clone()));

        // A law may be missing, and none be another's.
        record.arrays.insert("reference".to_owned(), reference);
        let law = record.arrays.remove("law:h:rate:ln rho(W)").unwrap();
        assert_eq!(
            decode(&encode(&record), &expected(&complete)),
            Ok(record.clone())
        );
        record.arrays.insert("law:h:rate:ln rho(V)".to_owned(), law);
        assert_eq!(
            problem(&record),
            "the record has other arrays than this run keeps: [] missing, [law:h:rate:ln rho(V)] unknown"
        );
    }

    #[test]
    fn arrays_of_other_types_are_refused() {
        let bytes = [0; 12];
        let view = TensorView::new(Dtype::F32, vec![3], &bytes).unwrap();
        let metadata = HashMap::from([(SPEC.to_owned(), "{}".to_owned())]);
        let file = safetensors::serialize([("reference", view)], Some(metadata)).unwrap();
        let expected = Expected {
            spec: "{}".to_owned(),
            steps: STEPS,
            arrays: None,
        };
        assert_eq!(
            decode(&file, &expected).unwrap_err().to_string(),
            "array `reference` should be F64, found F32"
        );
    }
}
