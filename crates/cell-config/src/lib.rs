//! What the configurations of all cells share: [`CellConfig`], the trait between a cell and the
//! experiments; [`Initialization`] of weight matrices and [`GateBias`]; and [`Streams`] of random
//! numbers.
//!
//! The decision that shapes this crate: **random streams are keyed by names, never by order of
//! use, and no hyperparameter is part of a key.** A gain scales a draw and a scheme shapes it, but
//! all of them see the same underlying numbers. So two grid points that differ only in a gain
//! share one random matrix up to scale, and a new parameter, cell or sweep value changes no
//! existing run.
//!
//! ```
//! use cell_config::{Initialization, Scheme, Streams};
//!
//! let streams = Streams { seed: 20, replicate: 0 };
//! let weights = streams.weights("vanilla-rnn");
//! let draw = |gain| {
//!     let initialization = Initialization { init: Scheme::Gaussian, gain };
//!     initialization.draw(4, 4, 4, weights.stream("weight_hh", (4, 4)))
//! };
//! assert_eq!(draw(2.0), draw(1.0) * 2.0);
//! ```

mod config;
mod gate_bias;
mod initialization;
mod spectrum;
mod streams;

pub use config::{CellConfig, InvalidConfig, Law, LawContext, Relation, require, require_finite};
pub use gate_bias::GateBias;
pub use initialization::{Initialization, Scheme, uniform};
pub use spectrum::{largest_singular_value, spectral_radius};
pub use streams::{Streams, WeightStreams};
