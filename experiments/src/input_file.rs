//! Arrays of inputs that users bring: `.npy` and safetensors, T×B×I, single or double precision.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};

use crate::config::Input;
use crate::npy::{self, Decoded};
use crate::sequences::InputArray;

/// A file of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct InputFile {
    /// What it holds.
    pub array: InputArray,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// The files that the inputs of some grid points come from, by path as these name it. Axes may vary
/// the path, or the kind of the inputs, so what holds for the base configuration says nothing of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputFiles(pub BTreeMap<String, InputFile>);

impl InputFiles {
    /// The file that these inputs come from; none for those of another kind.
    pub fn of(&self, input: &Input) -> Option<&InputFile> {
        match input {
            Input::File { path, .. } => self.0.get(path),
            _ => None,
        }
    }

    /// SHA-256 of each, by path.
    pub fn sha256(&self) -> BTreeMap<String, String> {
        let files = self.0.iter();
        files
            .map(|(path, file)| (path.clone(), file.sha256.clone()))
            .collect()
    }

    /// The paths whose files are not what these hashes are of; not those of which there is none.
    pub fn differing(&self, sha256: &BTreeMap<String, String>) -> Vec<&str> {
        let files = self.0.iter();
        files
            .filter(|(path, file)| sha256.get(*path).is_some_and(|hash| *hash != file.sha256))
            .map(|(path, _)| path.as_str())
            .collect()
    }
}

/// The tensor looked for in a safetensors file that holds several.
const INPUT: &str = "input";

/// Decodes the bytes of an inputs file; which format it is, the bytes say.
///
/// # Errors
/// What is wrong with the file and what was expected, in words.
pub fn decode(bytes: &[u8]) -> Result<InputArray, String> {
    let (shape, values) = if bytes.starts_with(npy::MAGIC) {
        npy::decode(bytes)?
    } else {
        decode_safetensors(bytes)?
    };
    let shape: [usize; 3] = shape.try_into().map_err(|found: Vec<usize>| {
        format!("expected an array of three dimensions, steps × batch × size, found {found:?}")
    })?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (steps, rest) = (shape[1] * shape[2], at % (shape[1] * shape[2]));
        return Err(format!(
            "expected finite numbers, found {} at [{}, {}, {}]",
            values[at],
            at / steps,
            rest / shape[2],
            rest % shape[2]
        ));
    }
    Ok(InputArray { shape, values })
}

fn decode_safetensors(bytes: &[u8]) -> Result<Decoded, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("neither .npy nor a whole safetensors file: {error}"))?;
    let names = file.names();
    let name = match names.as_slice() {
        [only] => only,
        _ if file.tensor(INPUT).is_ok() => INPUT,
        _ => {
            let mut names: Vec<&str> = names.clone();
            names.sort_unstable();
            return Err(format!(
                "expected one tensor, or one called `{INPUT}`, found [{}]",
                names.join(", ")
            ));
        }
    };
    let tensor = file.tensor(name).map_err(|error| error.to_string())?;
    let data = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F64 => data
            .as_chunks()
            .0
            .iter()
            .map(|word| f64::from_le_bytes(*word))
            .collect(),
        Dtype::F32 => data
            .as_chunks()
            .0
            .iter()
            .map(|word| f64::from(f32::from_le_bytes(*word)))
            .collect(),
        other => {
            return Err(format!(
                "expected tensor `{name}` of type F64 or F32, found {other:?}"
            ));
        }
    };
    Ok((tensor.shape().to_vec(), values))
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    /// A version 1.0 file: magic, version, header length, header, data.
    fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (header.len() + 11) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn doubles(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn safetensors(names: &[&str], dtype: Dtype, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let view = || TensorView::new(dtype, shape.to_vec(), data).unwrap();
        let tensors: Vec<_> = names.iter().map(|name| (*name, view())).collect();
        safetensors::serialize(tensors, None).unwrap()
    }

    fn refusal(bytes: &[u8]) -> String {
        decode(bytes).unwrap_err()
    }

    #[test]
    fn both_formats_and_precisions_give_the_same_array() {
        let values = [1.5, -2.0, 0.25, 8.0];
        let singles: Vec<u8> = values
            .iter()
            .flat_map(|v| (*v as f32).to_le_bytes())
            .collect();
        let expected = Ok(InputArray {
            shape: [2, 1, 2],
            values: values.to_vec(),
        });
        let shape = "(2, 1, 2)";
        for bytes in [
            npy("<f8", "False", shape, &doubles(&values)),
            npy("<f4", "False", shape, &singles),
            safetensors(&["x"], Dtype::F64, &[2, 1, 2], &doubles(&values)),
            safetensors(&["input", "y"], Dtype::F32, &[2, 1, 2], &singles),
        ] {
            assert_eq!(decode(&bytes), expected);
        }
    }

    #[test]
    fn what_is_no_array_of_inputs_is_refused_in_words() {
        let data = doubles(&[1.0, 2.0, f64::NAN, 4.0]);
        let shape = "(2, 1, 2)";
        for (bytes, part) in [
            (npy("<f8", "False", shape, &data), "found NaN at [1, 0, 0]"),
            (npy("<f8", "True", shape, &data), "Fortran order"),
            (npy("<f8", "False", shape, &data[..20]), "truncated"),
            (npy("<i8", "False", shape, &data), "float64 or float32"),
            (
                npy("<f8", "False", "(2, 2)", &data[..16].repeat(2)),
                "three dimensions",
            ),
            (b"\x93NUMPY\x01".to_vec(), "damaged"),
            (b"t,x\n1,2\n".to_vec(), "neither .npy nor"),
            (
                safetensors(&["a", "b"], Dtype::F64, &[2, 1, 2], &data),
                "found [a, b]",
            ),
            (
                safetensors(&["a"], Dtype::I64, &[2, 1, 2], &data),
                "found I64",
            ),
        ] {
            let refusal = refusal(&bytes);
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
    }

    #[test]
    fn every_truncation_of_a_file_is_an_error_and_never_a_panic() {
        let data = doubles(&[1.0, 2.0, 3.0, 4.0]);
        for bytes in [
            npy("<f8", "False", "(2, 1, 2)", &data),
            safetensors(&["x"], Dtype::F64, &[2, 1, 2], &data),
        ] {
            for length in 0..bytes.len() {
                assert!(decode(&bytes[..length]).is_err(), "{length}");
            }
        }
    }
}
