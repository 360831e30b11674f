//! The other way round: the cells of an experiment as state dicts, with the inputs and adjoints of
//! their runs, so that PyTorch and `trace` compute what `run` did.

use std::borrow::Cow;

use cell_config::{LawContext, Streams};
use gradient_tracking::{AdjointSource, Inputs, Trainable, ViewMut};
use nalgebra::{DMatrix, DVector};
use safetensors::tensor::{Dtype, View};
use torch_weights::Layer;
use vanilla_rnn::Activation;

use crate::config::{Config, LossKind, Sequence};
use crate::input_file::InputFiles;
use crate::plan::{PlannedRun, RunSpec};
use crate::registry::Cell;
use crate::sequences::{self, DrawnInputs, EveryStepAdjoints, RunInputs};

/// The files of one run.
pub struct Exported {
    /// A state dict, with names as of an `nn.RNN`, `nn.GRU` or `nn.LSTM` itself.
    pub weights: Vec<u8>,
    /// `input` (T, B, I) and `grad_output` (T, B, H).
    pub inputs: Vec<u8>,
}

/// About how many bytes [`export`] holds at once: inputs and adjoints four times, as drawn, in the
/// order of the file, as its bytes and as the file, and so the weights.
pub fn bytes(spec: &RunSpec) -> u128 {
    let Sequence { steps, batch, .. } = spec.sequence;
    let size = spec.sequence.input.size();
    let rows = size as u128 + spec.cell.hidden() as u128;
    let values = (steps as u128 * batch as u128).saturating_mul(rows);
    let values = values.saturating_add(spec.cell.weights(size));
    values.saturating_mul(4 * size_of::<f64>() as u128)
}

/// The network of a run, its inputs, and the adjoint it was differentiated with.
///
/// # Errors
/// What PyTorch has no module for, in words.
pub fn export(config: &Config, run: &PlannedRun, inputs: &InputFiles) -> Result<Exported, String> {
    let RunSpec {
        sequence,
        loss,
        cell: network,
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
    if sequence.initial_state.is_some() {
        return Err(refused(
            "a `sequence.initial_state`, which no inputs file has",
        ));
    }
    if let Some(other) = unknown_to_pytorch(&network.layers()) {
        return Err(refused(other));
    }
    let streams = Streams {
        seed: run.spec.seed,
        replicate: run.spec.replicate as u64,
    };
    let size = sequence.input.size();
    let built = network
        .build(size, &streams.weights(label), LawContext::default())
        .map_err(|error| refused(&format!("weights that cannot be drawn ({error})")))?;
    let output = network.hidden();

    let (steps, batch) = (sequence.steps, sequence.batch);
    let file = inputs.of(&sequence.input).map(|file| &file.array);
    let mut drawn = RunInputs::new(sequence, &streams, file, DrawnInputs::default());
    let input: Vec<f64> = drawn.segment(1..steps + 1).iter().copied().collect();
    let size_of_step = batch * output;
    let mut grad_output = vec![0.0; steps * size_of_step];
    match loss.kind {
        LossKind::Terminal => {
            let adjoints = sequences::terminal_adjoints(output, batch, &streams);
            grad_output[(steps - 1) * size_of_step..].copy_from_slice(adjoints.as_slice());
        }
        LossKind::SquaredError => {
            return Err(refused(
                "a loss of kind `squared-error`, whose gradient depends on the outputs",
            ));
        }
        LossKind::EveryStep => {
            let mut drawn = EveryStepAdjoints::new(output, steps, batch, steps, &streams);
            // Independent of what the network does.
            let unread = DMatrix::zeros(output, batch);
            for (k, adjoint) in grad_output.chunks_exact_mut(size_of_step).enumerate() {
                let adjoint = ViewMut::from_slice(adjoint, output, batch);
                drawn.inject(k + 1, unread.as_view(), adjoint);
            }
        }
    }
    let inputs = [
        ("input", Tensor::new([steps, batch, size], &input)),
        (
            "grad_output",
            Tensor::new([steps, batch, output], &grad_output),
        ),
    ];
    let layers: Vec<Layer> = built.iter().map(|built| layer(&*built.cell)).collect();
    Ok(Exported {
        weights: torch_weights::write("", &layers),
        inputs: safetensors::serialize(inputs, None).expect("two names fit in a header"),
    })
}

/// The kinds that PyTorch has: nn.RNN, nn.GRU and nn.LSTM.
const MODULES: [&str; 3] = ["vanilla-rnn", "gru", "lstm"];

/// What these modules cannot be told, if the layers have such.
fn unknown_to_pytorch(layers: &[&Cell]) -> Option<&'static str> {
    let of_layer = |cell: &&Cell| match cell {
        Cell::VanillaRnn(config)
            if !matches!(config.activation, Activation::Tanh | Activation::Relu) =>
        {
            Some("an activation that nn.RNN does not have (it has tanh and relu)")
        }
        Cell::Lstm(config) if !config.forget_gate => {
            Some("no forget gate, which nn.LSTM always has")
        }
        known if MODULES.contains(&known.kind()) => None,
        _ => Some("a kind that PyTorch has no module for"),
    };
    let alike = |pair: &[&Cell]| {
        let same_kind = match (pair[0], pair[1]) {
            (Cell::VanillaRnn(below), Cell::VanillaRnn(above)) => {
                below.activation == above.activation
            }
            (below, above) => below.kind() == above.kind(),
        };
        same_kind && pair[0].hidden() == pair[1].hidden()
    };
    let differ = !layers.windows(2).all(alike);
    let different = "layers of different kinds or sizes, where PyTorch's are all alike";
    layers
        .iter()
        .find_map(of_layer)
        .or(differ.then_some(different))
}

/// The parameters of a cell, by their blocks, in PyTorch's order of rows.
///
/// Of the rows of δ those of a GRU are a_in, a_r, a_z and a_hn. Of these W_ih has the first three, which
/// PyTorch has in the order r, z, n, and W_hh the last three, in that order already.
fn layer(cell: &dyn Trainable) -> Layer {
    let block = |name: &str| {
        let mut blocks = cell.parameter_blocks().iter();
        let block = blocks.find(|block| block.name == name);
        let block = block.expect("a cell of W_hh, W_ih and b");
        let values = &cell.parameters()[block.range.clone()];
        DMatrix::from_column_slice(values.len() / block.columns, block.columns, values)
    };
    let (mut weight_ih, weight_hh, bias) = (block("weight_ih"), block("weight_hh"), block("bias"));
    let bias = bias.as_slice();
    let (mut bias, hidden_bias) = bias.split_at(weight_ih.nrows());
    let rotated: Vec<f64>;
    if !hidden_bias.is_empty() {
        let hidden = hidden_bias.len();
        for mut column in weight_ih.column_iter_mut() {
            column.as_mut_slice().rotate_left(hidden);
        }
        rotated = [&bias[hidden..], &bias[..hidden]].concat();
        bias = &rotated;
    }
    Layer {
        weight_ih,
        weight_hh,
        bias: DVector::from_column_slice(bias),
        hidden_bias: DVector::from_column_slice(hidden_bias),
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
