//! Layers to a state dict.

use std::borrow::Cow;

use safetensors::tensor::{Dtype, View};

use crate::Layer;
use crate::names::{Part, join};

/// The bytes of a state dict in F64 that PyTorch loads into an `nn.RNN`, `nn.GRU` or `nn.LSTM`, with
/// tensors named as in the module `module` (empty: without a prefix).
///
/// `bias_ih` is b and `bias_hh` zero but for a GRU's b_hn: PyTorch has two biases where one would do.
pub fn write(module: &str, layers: &[Layer]) -> Vec<u8> {
    let tensors = layers.iter().enumerate().flat_map(|(number, layer)| {
        let name = |part: Part| join(module, &format!("{}_l{number}", part.name()));
        let matrix = |matrix: &nalgebra::DMatrix<f64>| Tensor {
            shape: vec![matrix.nrows(), matrix.ncols()],
            // Row-major: the columns of the transposed matrix.
            bytes: bytes_of(matrix.transpose().as_slice()),
        };
        let vector = |values: &[f64]| Tensor {
            shape: vec![values.len()],
            bytes: bytes_of(values),
        };
        let mut bias_hh = vec![0.0; layer.bias.len() - layer.hidden_bias.len()];
        bias_hh.extend_from_slice(layer.hidden_bias.as_slice());
        [
            (name(Part::WeightIh), matrix(&layer.weight_ih)),
            (name(Part::WeightHh), matrix(&layer.weight_hh)),
            (name(Part::BiasIh), vector(layer.bias.as_slice())),
            (name(Part::BiasHh), vector(&bias_hh)),
        ]
    });
    safetensors::serialize(tensors, None).expect("a few names fit in a header")
}

struct Tensor {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn bytes_of(values: &[f64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
