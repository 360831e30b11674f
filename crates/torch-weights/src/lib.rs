//! The recurrent part of a PyTorch state dict saved as safetensors: bytes in, layers out, and back.
//!
//! The main decision is that a file is somebody else's: it holds whatever their model has beside a
//! recurrent module, in the precision they trained in, under the name they chose. So the module is
//! found by the names of its tensors, everything outside it is ignored and counted, and inside it
//! nothing is: a tensor that this crate does not understand might change the gradients, and is an
//! error that names it. No file is opened here; callers bring bytes.
//!
//! | tensor | shape | meaning |
//! |---|---|---|
//! | `weight_ih_l0`, `weight_ih_l1`, … | P×I, then P×H | W_ih of each layer |
//! | `weight_hh_l0`, … | P×H | W_hh |
//! | `bias_ih_l0`, `bias_hh_l0`, … | P | b is their sum (but for a GRU's n); all of them or none |
//!
//! P = H is a vanilla RNN, P = 3H a GRU with its parts in the order r, z, n, P = 4H an LSTM with its
//! gates in the order i, f, g, o. Names may have any
//! common prefix that ends in a dot (`encoder.lstm.weight_ih_l0`): that is the module's name.
//! F64, F32, F16 and BF16 are widened to f64, which loses nothing.
//!
//! ```
//! use nalgebra::{DMatrix, DVector};
//! use torch_weights::{Kind, Layer, read, write};
//!
//! let layer = Layer {
//!     weight_ih: DMatrix::from_element(2, 3, 0.5),
//!     weight_hh: DMatrix::identity(2, 2),
//!     bias: DVector::zeros(2),
//!     hidden_bias: DVector::zeros(0),
//! };
//! let bytes = write("rnn", std::slice::from_ref(&layer));
//! let module = read(&bytes, None)?;
//! assert_eq!((module.name.as_str(), module.kind), ("rnn", Kind::Rnn));
//! assert_eq!(module.layers, [layer]);
//! # Ok::<(), torch_weights::WeightsError>(())
//! ```

mod error;
mod names;
mod read;
mod widen;
mod write;

pub use error::WeightsError;
pub use read::read;
pub use widen::{FLOATS, widen};
pub use write::write;

use nalgebra::{DMatrix, DVector};

/// What a module computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `nn.RNN`: P = H. Whether with tanh or relu the weights do not say.
    Rnn,
    /// `nn.GRU`: P = 3H, rows r, z, n.
    Gru,
    /// `nn.LSTM`: P = 4H, rows i, f, g, o.
    Lstm,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Rnn, Kind::Gru, Kind::Lstm];

    /// P/H.
    pub fn rows_per_unit(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Rnn => "RNN",
            Kind::Gru => "GRU",
            Kind::Lstm => "LSTM",
        })
    }
}

/// One layer's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// W_ih, P×I.
    pub weight_ih: DMatrix<f64>,
    /// W_hh, P×H.
    pub weight_hh: DMatrix<f64>,
    /// b = `bias_ih` + `bias_hh`, P; of a GRU's n, the last H, `bias_ih` alone. Zero without biases.
    pub bias: DVector<f64>,
    /// b_hn of a GRU, H: the last third of `bias_hh`, which the reset gate multiplies, so that it adds
    /// up with nothing. Of an RNN or LSTM empty.
    pub hidden_bias: DVector<f64>,
}

impl Layer {
    /// H.
    pub fn hidden(&self) -> usize {
        self.weight_hh.ncols()
    }

    /// I.
    pub fn input(&self) -> usize {
        self.weight_ih.ncols()
    }
}

/// One recurrent module of a state dict.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its name in the model, `encoder.lstm`; empty for a module that is the whole model.
    pub name: String,
    /// What it computes.
    pub kind: Kind,
    /// Bottom first; at least one, all of the same H.
    pub layers: Vec<Layer>,
    /// The number of tensors of the file that are outside it.
    pub ignored: usize,
}

impl Module {
    /// H.
    pub fn hidden(&self) -> usize {
        self.layers[0].hidden()
    }

    /// I of the lowest layer.
    pub fn input(&self) -> usize {
        self.layers[0].input()
    }
}
