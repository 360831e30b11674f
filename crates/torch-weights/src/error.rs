//! What can be wrong with a state dict: which tensor, what was found, what was expected.

use thiserror::Error;

/// Why bytes are not the state dict of a recurrent module that can be read.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum WeightsError {
    /// Not a whole safetensors file.
    #[error(
        "expected a safetensors file, found a truncated or damaged one, or another format \
         ({reason}); save it with safetensors.torch.save_file(model.state_dict(), …)"
    )]
    Damaged {
        /// What the parser says.
        reason: String,
    },
    /// No tensor is called like one of a recurrent module.
    #[error(
        "expected the tensors of an nn.RNN, nn.GRU or nn.LSTM (`weight_ih_l0`, `weight_hh_l0`, … with \
         any prefix), found {found}"
    )]
    NoModule {
        /// The names there are, or the first of them.
        found: String,
    },
    /// More than one recurrent module and none chosen.
    #[error("found {} recurrent modules, expected one or the name of one of them: {}", .modules.len(), .modules.join("; "))]
    SeveralModules {
        /// Name and description of each.
        modules: Vec<String>,
    },
    /// No module of the name asked for.
    #[error("found no recurrent module called `{name}`; there is {}", .modules.join("; "))]
    UnknownModule {
        /// The name asked for.
        name: String,
        /// Name and description of each there is.
        modules: Vec<String>,
    },
    /// A tensor inside the module that none of its layers has.
    #[error(
        "found a tensor `{tensor}` inside the recurrent module, expected weight_ih_l0, \
         weight_hh_l0, bias_ih_l0, bias_hh_l0, … alone: it could change the gradients; merge it \
         into the weights, or rename it if it does not belong to the module"
    )]
    Unknown {
        /// Its name.
        tensor: String,
    },
    /// A tensor that the module should have.
    #[error("expected a tensor `{tensor}`, found none, but `{because}`")]
    Missing {
        /// Its name.
        tensor: String,
        /// The tensor that says it should be there.
        because: String,
    },
    /// A second direction.
    #[error(
        "found `{tensor}`, the weights of a bidirectional module: expected one direction \
         (bidirectional=False)"
    )]
    Bidirectional {
        /// The first such tensor.
        tensor: String,
    },
    /// An LSTM whose outputs are projected.
    #[error(
        "found `{tensor}`, the projection of an LSTM with proj_size: expected one without \
         (proj_size=0)"
    )]
    Projected {
        /// The first such tensor.
        tensor: String,
    },
    /// A shape that does not fit the others.
    #[error("found `{tensor}` of shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// What would fit, and why.
        expected: String,
    },
    /// Numbers of a type that weights do not have.
    #[error(
        "found `{tensor}` of type {found}, expected F64, F32, F16 or BF16; quantised weights have \
         to be dequantised first"
    )]
    Type {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A weight that is no number.
    #[error("found {value} at {index:?} of `{tensor}`, expected finite numbers")]
    Value {
        /// The tensor.
        tensor: String,
        /// Where in it.
        index: Vec<usize>,
        /// NaN or an infinity.
        value: f64,
    },
}
