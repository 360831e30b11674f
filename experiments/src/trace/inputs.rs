//! The sequences a network is traced over: safetensors, `.npy` and CSV to arrays. Pure.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::npy;

/// Sequences with what belongs to them, all in PyTorch's layout with time first.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    /// T, of the longest sequence if they differ; at least 1.
    pub steps: usize,
    /// B, at least 1.
    pub batch: usize,
    /// I.
    pub size: usize,
    /// x_1…x_T, T×B×I, the last index fastest. What lies beyond a sequence's end is not to be read.
    pub input: Vec<f64>,
    /// Initial hidden states, layers × B × H; zero if there are none.
    pub h_0: Option<Array>,
    /// Initial cell states, layers × B × H.
    pub c_0: Option<Array>,
    /// The loss's direct derivative with respect to the top layer's outputs, T×B×H.
    pub grad_output: Option<Array>,
    /// Steps of each sequence; T if there are none.
    pub lengths: Option<Vec<usize>>,
}

/// Three dimensions of numbers, the last index fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes.
    pub shape: [usize; 3],
    /// Values.
    pub values: Vec<f64>,
}

/// The names of the tensors an inputs file may have.
const NAMES: [&str; 5] = ["input", "h_0", "c_0", "grad_output", "lengths"];

/// Decodes an inputs file. `.csv` files are told by their name, `.npy` files by their first bytes, and
/// anything else is taken for safetensors. With `batch_first` the arrays over time are B×T×….
///
/// # Errors
/// What is wrong, what was expected, in words.
pub fn decode(path: &Path, bytes: &[u8], batch_first: bool) -> Result<Sequences, String> {
    let is_csv = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let mut sequences = if bytes.starts_with(npy::MAGIC) {
        let (shape, values) = npy::decode(bytes)?;
        Sequences::of(with_batch("the array", &shape, values, 1)?)
    } else if is_csv {
        Sequences::of(decode_csv(bytes)?)
    } else {
        decode_safetensors(bytes)?
    };
    // A single sequence is the same both ways; PyTorch's h_0 and c_0 are never batch first.
    if batch_first && !is_csv {
        swap_time_and_batch(&mut sequences);
    }
    sequences.check()?;
    Ok(sequences)
}

impl Sequences {
    /// Inputs and nothing else.
    fn of(input: Array) -> Self {
        let [steps, batch, size] = input.shape;
        Sequences {
            steps,
            batch,
            size,
            input: input.values,
            h_0: None,
            c_0: None,
            grad_output: None,
            lengths: None,
        }
    }

    /// Steps of sequence `j`.
    pub fn length(&self, j: usize) -> usize {
        self.lengths
            .as_ref()
            .map_or(self.steps, |lengths| lengths[j])
    }

    /// Steps of the longest sequence.
    pub fn longest(&self) -> usize {
        let lengths = self.lengths.iter().flatten().copied();
        lengths.max().unwrap_or(self.steps)
    }

    /// What can be checked without a network.
    fn check(&mut self) -> Result<(), String> {
        let Sequences {
            steps, batch, size, ..
        } = *self;
        if steps == 0 || batch == 0 || size == 0 {
            return Err(format!(
                "expected `input` of at least one step, one sequence and one feature, found \
                 {steps} steps, {batch} sequences, {size} features"
            ));
        }
        if let Some(lengths) = &self.lengths {
            if lengths.len() != batch {
                return Err(format!(
                    "expected `lengths` of shape [{batch}], one for each sequence of `input`, \
                     found [{}]",
                    lengths.len()
                ));
            }
            let is_wrong = |length: &usize| !(1..=steps).contains(length);
            if let Some(j) = lengths.iter().position(is_wrong) {
                return Err(format!(
                    "expected `lengths` from 1 to {steps}, the steps of `input`, found {} at [{j}]",
                    lengths[j]
                ));
            }
        }
        for (name, array) in [("h_0", &self.h_0), ("c_0", &self.c_0)] {
            if let Some(array) = array
                && array.shape[1] != batch
            {
                return Err(format!(
                    "expected `{name}` of shape [layers, {batch}, H] for the {batch} sequences of \
                     `input`, found {:?}",
                    array.shape
                ));
            }
        }
        if let Some(array) = &self.grad_output
            && array.shape[..2] != [steps, batch]
        {
            return Err(format!(
                "expected `grad_output` of shape [{steps}, {batch}, H] with time first, as \
                 `input` has, found {:?}",
                array.shape
            ));
        }
        self.check_values()
    }

    /// Whatever is read must be a number.
    fn check_values(&self) -> Result<(), String> {
        let over_time = |name: &str, values: &[f64], width: usize| {
            let rows = values.chunks_exact(width).enumerate();
            for (row, values) in rows {
                let (t, j) = (row / self.batch, row % self.batch);
                if t < self.length(j)
                    && let Some(k) = values.iter().position(|value| !value.is_finite())
                {
                    return Err(format!(
                        "expected finite numbers, found {} in `{name}` at step {t}, sequence {j}, \
                         feature {k} (counted from 0)",
                        values[k]
                    ));
                }
            }
            Ok(())
        };
        over_time("input", &self.input, self.size)?;
        if let Some(array) = &self.grad_output
            && array.shape[2] > 0
        {
            over_time("grad_output", &array.values, array.shape[2])?;
        }
        for (name, array) in [("h_0", &self.h_0), ("c_0", &self.c_0)] {
            let values = array.iter().flat_map(|array| &array.values);
            if let Some((at, value)) = values.enumerate().find(|(_, value)| !value.is_finite()) {
                return Err(format!(
                    "expected finite numbers, found {value} in `{name}`, at {at} counted from 0 \
                     in row-major order"
                ));
            }
        }
        Ok(())
    }

    /// Whether the arrays fit a network of `layers` layers, I = `input` and H = `hidden`.
    ///
    /// # Errors
    /// The first that does not.
    pub fn fits(
        &self,
        layers: usize,
        input: usize,
        hidden: usize,
        has_cell_state: bool,
    ) -> Result<(), String> {
        if self.size != input {
            return Err(format!(
                "found `input` of {} features, expected {input} as the columns of `weight_ih_l0`",
                self.size
            ));
        }
        for (name, array) in [("h_0", &self.h_0), ("c_0", &self.c_0)] {
            let wanted = [layers, self.batch, hidden];
            if let Some(array) = array
                && array.shape != wanted
            {
                return Err(format!(
                    "found `{name}` of shape {:?}, expected {wanted:?} (layers, batch, H)",
                    array.shape
                ));
            }
        }
        if self.c_0.is_some() && !has_cell_state {
            return Err(
                "found `c_0`, the initial cell state of an LSTM, but the weights are an RNN's \
                 or GRU's; leave it out"
                    .to_owned(),
            );
        }
        let wanted = [self.steps, self.batch, hidden];
        match &self.grad_output {
            Some(array) if array.shape != wanted => Err(format!(
                "found `grad_output` of shape {:?}, expected {wanted:?}, that of the top layer's \
                 outputs",
                array.shape
            )),
            _ => Ok(()),
        }
    }
}

/// Three dimensions from a shape that may lack that of the batch, at `place`.
fn with_batch(
    name: &str,
    shape: &[usize],
    values: Vec<f64>,
    place: usize,
) -> Result<Array, String> {
    let mut shape = shape.to_vec();
    if shape.len() == 2 {
        shape.insert(place, 1);
    }
    let shape = shape.try_into().map_err(|found: Vec<usize>| {
        format!(
            "expected {name} of three dimensions with the batch, or two without, found {found:?}"
        )
    })?;
    Ok(Array { shape, values })
}

fn decode_safetensors(bytes: &[u8]) -> Result<Sequences, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        format!(
            "expected a whole safetensors file, a .npy file, or numbers in a file called .csv \
             ({error})"
        )
    })?;
    let mut names = file.names();
    names.sort_unstable();
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(*name)) {
        return Err(format!(
            "found a tensor `{unknown}`, expected only {}",
            NAMES.map(|name| format!("`{name}`")).join(", ")
        ));
    }
    if !names.contains(&"input") {
        let found = match names.as_slice() {
            [] => "no tensors".to_owned(),
            names => names.join(", "),
        };
        return Err(format!("expected a tensor `input`, found {found}"));
    }
    let array = |name: &str, place: usize| -> Result<Option<Array>, String> {
        let Ok(tensor) = file.tensor(name) else {
            return Ok(None);
        };
        let values = torch_weights::widen(&tensor).ok_or_else(|| {
            let remedy = if name == "input" {
                "; the module sees numbers, not indices: of tokens save what the embedding gives"
            } else {
                ""
            };
            format!(
                "expected `{name}` of type F64, F32, F16 or BF16, found {:?}{remedy}",
                tensor.dtype()
            )
        })?;
        let quoted = format!("`{name}`");
        with_batch(&quoted, tensor.shape(), values, place).map(Some)
    };
    let input = array("input", 1)?.unwrap_or_else(|| unreachable!("its name was found"));
    let mut sequences = Sequences::of(input);
    sequences.h_0 = array("h_0", 1)?;
    sequences.c_0 = array("c_0", 1)?;
    sequences.grad_output = array("grad_output", 1)?;
    sequences.lengths = match file.tensor("lengths") {
        Ok(tensor) => Some(lengths(&tensor)?),
        Err(_) => None,
    };
    Ok(sequences)
}

/// Whole numbers of any type; one that does not fit is none of a sequence's.
fn lengths(tensor: &TensorView<'_>) -> Result<Vec<usize>, String> {
    if tensor.shape().len() != 1 {
        return Err(format!(
            "expected `lengths` of one dimension, found shape {:?}",
            tensor.shape()
        ));
    }
    fn numbers<const N: usize, T: TryInto<usize> + Copy + std::fmt::Display>(
        data: &[u8],
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<usize>, String> {
        let numbers = data.as_chunks().0.iter().map(|word| number(*word));
        let checked = numbers.enumerate().map(|(j, number)| {
            let length = number.try_into();
            length.map_err(|_| format!("expected `lengths` of 1 or more, found {number} at [{j}]"))
        });
        checked.collect()
    }
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::I64 => numbers(data, i64::from_le_bytes),
        Dtype::I32 => numbers(data, i32::from_le_bytes),
        Dtype::I16 => numbers(data, i16::from_le_bytes),
        Dtype::I8 => numbers(data, i8::from_le_bytes),
        Dtype::U64 => numbers(data, u64::from_le_bytes),
        Dtype::U32 => numbers(data, u32::from_le_bytes),
        Dtype::U16 => numbers(data, u16::from_le_bytes),
        Dtype::U8 => numbers(data, u8::from_le_bytes),
        other => Err(format!(
            "expected `lengths` of an integer type, found {other:?}"
        )),
    }
}

fn swap_time_and_batch(sequences: &mut Sequences) {
    let shape = [sequences.steps, sequences.batch, sequences.size];
    let swap = |shape: [usize; 3], values: &[f64]| {
        // Where there is no number, a file of a few bytes may have as many steps as it likes.
        if values.is_empty() {
            return Vec::new();
        }
        let [outer, inner, width] = shape;
        let mut swapped = Vec::with_capacity(values.len());
        for i in 0..inner {
            for o in 0..outer {
                let start = (o * inner + i) * width;
                swapped.extend_from_slice(&values[start..start + width]);
            }
        }
        swapped
    };
    sequences.input = swap(shape, &sequences.input);
    (sequences.steps, sequences.batch) = (shape[1], shape[0]);
    if let Some(array) = &mut sequences.grad_output {
        array.values = swap(array.shape, &array.values);
        array.shape.swap(0, 1);
    }
}

/// One row per step, one column per feature, one sequence. The first line is a header if none of its
/// fields is a number.
fn decode_csv(bytes: &[u8]) -> Result<Array, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut values = Vec::new();
    let mut columns: Option<usize> = None;
    let mut steps = 0;
    let mut record = csv::StringRecord::new();
    let mut is_first = true;
    loop {
        let has_record = reader
            .read_record(&mut record)
            .map_err(|error| format!("expected a CSV file of numbers: {error}"))?;
        if !has_record {
            break;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let expected = *columns.get_or_insert(record.len());
        if record.len() != expected {
            return Err(format!(
                "line {line}: expected {expected} columns as in the first line, found {}",
                record.len()
            ));
        }
        let is_header = is_first && record.iter().all(|field| field.parse::<f64>().is_err());
        is_first = false;
        if is_header {
            continue;
        }
        for (column, field) in record.iter().enumerate() {
            match field.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    return Err(format!(
                        "line {line}, column {}: expected a finite number, found `{field}`; \
                         leave out columns that are no features of the module, and fill gaps",
                        column + 1
                    ));
                }
            }
        }
        steps += 1;
    }
    Ok(Array {
        shape: [steps, 1, columns.unwrap_or(0)],
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubles(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (
                *name,
                TensorView::new(*dtype, shape.to_vec(), bytes).unwrap(),
            )
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn range(count: usize) -> Vec<u8> {
        doubles(&(0..count).map(|k| k as f64).collect::<Vec<_>>())
    }

    fn csv(text: &str) -> Result<Sequences, String> {
        decode(Path::new("x.CSV"), text.as_bytes(), false)
    }

    fn tensors(bytes: &[u8], batch_first: bool) -> Result<Sequences, String> {
        decode(Path::new("x.safetensors"), bytes, batch_first)
    }

    #[test]
    fn csv_is_one_sequence_with_or_without_a_header() {
        for text in ["a,b\n1,-2\n3.5, 4e-1\n", "1,-2\n3.5,0.4"] {
            let sequences = csv(text).unwrap();
            assert_eq!(
                (sequences.steps, sequences.batch, sequences.size),
                (2, 1, 2)
            );
            assert_eq!(sequences.input, [1.0, -2.0, 3.5, 0.4]);
        }
    }

    #[test]
    fn what_is_no_table_of_numbers_is_refused_with_its_line() {
        for (text, part) in [
            (
                "a,b\n1,2\n3,x\n",
                "line 3, column 2: expected a finite number, found `x`",
            ),
            ("1,b\n1,2\n", "line 1, column 2"),
            ("1,2\n3\n", "line 2: expected 2 columns"),
            ("a,b\n1,2,3\n", "line 2: expected 2 columns"),
            ("1,2\n3,nan\n", "found `nan`"),
            ("1,\n", "found ``"),
            ("a,b\n", "found 0 steps"),
            ("", "found 0 steps"),
            ("1,2\n\"3", "line 2"),
        ] {
            let refusal = csv(text).unwrap_err();
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
        let refusal = decode(Path::new("x.csv"), b"1,\xff\n", false).unwrap_err();
        assert!(refusal.contains("UTF-8"), "{refusal}");
    }

    #[test]
    fn batch_first_is_the_same_sequences() {
        let time_first = [("input", [3, 2, 2], 12), ("grad_output", [3, 2, 1], 6)];
        let plain = tensors(
            &file(&time_first.map(|(name, shape, count)| {
                let shape: &[usize] = Box::leak(Box::new(shape));
                (name, Dtype::F64, shape, range(count))
            })),
            false,
        )
        .unwrap();
        let swapped = tensors(
            &file(&[
                (
                    "input",
                    Dtype::F64,
                    &[2, 3, 2],
                    doubles(&[0., 1., 4., 5., 8., 9., 2., 3., 6., 7., 10., 11.]),
                ),
                (
                    "grad_output",
                    Dtype::F64,
                    &[2, 3, 1],
                    doubles(&[0., 2., 4., 1., 3., 5.]),
                ),
            ]),
            true,
        )
        .unwrap();
        assert_eq!(plain, swapped);
        assert_eq!((plain.steps, plain.batch, plain.size), (3, 2, 2));
    }

    #[test]
    fn without_a_batch_there_is_one_sequence() {
        let bytes = file(&[
            ("input", Dtype::F64, &[3, 2], range(6)),
            ("h_0", Dtype::F64, &[2, 4], range(8)),
        ]);
        let sequences = tensors(&bytes, false).unwrap();
        assert_eq!((sequences.steps, sequences.batch), (3, 1));
        assert_eq!(sequences.h_0.unwrap().shape, [2, 1, 4]);
    }

    #[test]
    fn nothing_beyond_a_sequences_end_is_read() {
        let mut values: Vec<f64> = (0..6).map(f64::from).collect();
        values[5] = f64::NAN;
        let with_lengths = |length: i64| {
            let lengths: Vec<u8> = [3, length].iter().flat_map(|v| v.to_le_bytes()).collect();
            file(&[
                ("input", Dtype::F64, &[3, 2, 1], doubles(&values)),
                ("lengths", Dtype::I64, &[2], lengths),
            ])
        };
        assert_eq!(
            tensors(&with_lengths(2), false).unwrap().lengths,
            Some(vec![3, 2])
        );
        for (length, part) in [
            (3, "NaN in `input` at step 2, sequence 1, feature 0"),
            (4, "from 1 to 3, the steps of `input`, found 4 at [1]"),
            (0, "found 0 at [1]"),
            (-1, "found -1 at [1]"),
        ] {
            let refusal = tensors(&with_lengths(length), false).unwrap_err();
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused_by_name() {
        let input = || ("input", Dtype::F64, &[3, 2, 1][..], range(6));
        for (tensor, part) in [
            (
                ("x", Dtype::F64, &[1][..], range(1)),
                "`x`, expected only `input`",
            ),
            (
                ("h_0", Dtype::F64, &[1, 3, 4], range(12)),
                "`h_0` of shape [layers, 2, H]",
            ),
            (
                ("grad_output", Dtype::F64, &[2, 3, 4], range(24)),
                "found [2, 3, 4]",
            ),
            (
                ("c_0", Dtype::I64, &[1, 2, 1], range(2)),
                "`c_0` of type F64",
            ),
            (
                ("lengths", Dtype::F64, &[2], range(2)),
                "integer type, found F64",
            ),
            (("lengths", Dtype::I64, &[1, 2], range(2)), "one dimension"),
            (("lengths", Dtype::U8, &[3], vec![1; 3]), "shape [2]"),
        ] {
            let refusal = tensors(&file(&[input(), tensor]), false).unwrap_err();
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
        for (shape, part) in [
            (&[0, 2, 1][..], "0 steps, 2 sequences"),
            (&[2, 0, 1], "2 steps, 0 sequences"),
            (&[1, 1, 1, 1], "found [1, 1, 1, 1]"),
            (&[1], "found [1]"),
        ] {
            let bytes = range(shape.iter().product());
            let refusal = tensors(&file(&[("input", Dtype::F64, shape, bytes)]), false);
            let refusal = refusal.unwrap_err();
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
        let other = file(&[("h_0", Dtype::F64, &[1, 1, 1], range(1))]);
        assert!(
            tensors(&other, false)
                .unwrap_err()
                .contains("`input`, found h_0")
        );
    }

    #[test]
    fn arrays_without_a_number_are_refused_at_once_however_long() {
        // One step of work for each of 2⁴⁰ steps and sequences would take minutes.
        const LONG: usize = 1 << 40;
        for shape in [[0, LONG, 1], [1 << 20, 1 << 20, 0]] {
            let bytes = file(&[("input", Dtype::F64, &shape, vec![])]);
            let refusal = tensors(&bytes, true).unwrap_err();
            assert!(refusal.contains("at least one step"), "{refusal}");
            let grad_output = ("grad_output", Dtype::F64, &shape[..], vec![]);
            let input = ("input", Dtype::F64, &[1, 2, 1][..], doubles(&[0.5; 2]));
            let refusal = tensors(&file(&[input, grad_output]), true).unwrap_err();
            assert!(refusal.contains("`grad_output` of shape"), "{refusal}");
        }
    }

    #[test]
    fn arrays_are_checked_against_the_network() {
        let bytes = file(&[
            ("input", Dtype::F64, &[3, 2, 1], range(6)),
            ("c_0", Dtype::F64, &[1, 2, 4], range(8)),
            ("grad_output", Dtype::F64, &[3, 2, 4], range(24)),
        ]);
        let sequences = tensors(&bytes, false).unwrap();
        assert_eq!(sequences.fits(1, 1, 4, true), Ok(()));
        for (layers, input, hidden, has_cell_state, part) in [
            (1, 2, 4, true, "`input` of 1 features, expected 2"),
            (
                2,
                1,
                4,
                true,
                "`c_0` of shape [1, 2, 4], expected [2, 2, 4]",
            ),
            (1, 1, 4, false, "an RNN's"),
        ] {
            let refusal = sequences.fits(layers, input, hidden, has_cell_state);
            let refusal = refusal.unwrap_err();
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
        let without = Sequences {
            c_0: None,
            ..sequences
        };
        let refusal = without.fits(1, 1, 5, true).unwrap_err();
        assert!(refusal.contains("`grad_output` of shape [3, 2, 4], expected [3, 2, 5]"));
    }
}
