//! The other way round: the cells of an experiment as state dicts, with the inputs and adjoints of
//! their runs, so that PyTorch and `trace` compute what `run` did.

use std::borrow::Cow;

use cell_config::Streams;
use gradient_tracking::{CellShape, Inputs, Trainable};
use nalgebra::{DMatrix, DVector};
use safetensors::tensor::{Dtype, View};
use torch_weights::Layer;

use crate::config::{Config, LossKind};
use crate::plan::{PlannedRun, RunSpec};
use crate::sequences::{self, InputArray, RunInputs};

/// The files of one run.
pub struct Exported {
    /// A state dict, with names as of an `nn.RNN` or `nn.LSTM` itself.
    pub weights: Vec<u8>,
    /// `input` (T, B, I) and `grad_output` (T, B, H).
    pub inputs: Vec<u8>,
}

/// The network of a run, its inputs, and the adjoint it was differentiated with.
///
/// # Errors
/// What PyTorch has no module for, in words.
pub fn export(
    config: &Config,
    run: &PlannedRun,
    file: Option<&InputArray>,
) -> Result<Exported, String> {
    let RunSpec {
        sequence,
        loss,
        cell: config_of_cell,
        label,
        ..
    } = &run.spec;
    let refused = |what: &str| {
        format!(
            "cell `{label}` of {} has {what}: change it with --set or in the config",
            config.name
        )
    };
    if loss.truncation.is_some() {
        return Err(refused("a `loss.truncation`, which no inputs file can say"));
    }
    if let Some(other) = unknown_to_pytorch(config_of_cell) {
        return Err(refused(&other));
    }
    let streams = Streams {
        seed: run.spec.seed,
        replicate: run.spec.replicate as u64,
    };
    let size = sequence.input.size();
    let built = config_of_cell
        .build(size, &streams.weights(label), false)
        .map_err(|error| refused(&format!("weights that cannot be drawn ({error})")))?;
    let CellShape { output, .. } = built.cell.shape();

    let (steps, batch) = (sequence.steps, sequence.batch);
    let mut drawn = RunInputs::new(sequence, &streams, file, Vec::new());
    let input: Vec<f64> = drawn.segment(1..steps + 1).iter().copied().collect();
    let adjoints = sequences::adjoints(loss.kind, output, sequence, &streams);
    let mut grad_output = vec![0.0; steps * batch * output];
    let start = match loss.kind {
        LossKind::Terminal => (steps - 1) * batch * output,
        LossKind::EveryStep => 0,
    };
    grad_output[start..].copy_from_slice(adjoints.as_slice());
    let inputs = [
        ("input", Tensor::new([steps, batch, size], &input)),
        (
            "grad_output",
            Tensor::new([steps, batch, output], &grad_output),
        ),
    ];
    Ok(Exported {
        weights: torch_weights::write("", &layers(&*built.cell)),
        inputs: safetensors::serialize(inputs, None).expect("two names fit in a header"),
    })
}

/// What `nn.RNN` and `nn.LSTM` cannot be told, if the cell has such.
fn unknown_to_pytorch(cell: &crate::registry::Cell) -> Option<String> {
    use crate::registry::Cell;
    use vanilla_rnn::Activation;
    match cell {
        Cell::VanillaRnn(config) => match config.activation {
            Activation::Tanh | Activation::Relu => None,
            Activation::Logistic | Activation::Identity => {
                Some("an activation that nn.RNN does not have (it has tanh and relu)".to_owned())
            }
        },
        Cell::Lstm(config) if !config.forget_gate => {
            Some("no forget gate, which nn.LSTM always has".to_owned())
        }
        Cell::Lstm(_) => None,
    }
}

/// The parameters of a cell by their blocks, layer by layer if it is a stack (`1.weight_hh`).
fn layers(cell: &dyn Trainable) -> Vec<Layer> {
    let block = |name: &str| {
        let block = cell.parameter_blocks().iter().find(|b| b.name == name)?;
        let values = &cell.parameters()[block.range.clone()];
        let rows = values.len() / block.columns;
        Some(DMatrix::from_column_slice(rows, block.columns, values))
    };
    let layer = |prefix: &str| {
        Some(Layer {
            weight_ih: block(&format!("{prefix}weight_ih"))?,
            weight_hh: block(&format!("{prefix}weight_hh"))?,
            bias: DVector::from_column_slice(block(&format!("{prefix}bias"))?.as_slice()),
        })
    };
    match layer("") {
        Some(only) => vec![only],
        None => (0..).map_while(|k| layer(&format!("{k}."))).collect(),
    }
}

struct Tensor {
    shape: [usize; 3],
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(shape: [usize; 3], values: &[f64]) -> Self {
        Tensor {
            shape,
            bytes: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }
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
