//! Exact gradients of recurrent networks, time step by time step, behind one interface.
//!
//! A cell is a discrete dynamical system s_t = F(s_{t−1}, x_t) whose state is one flat vector with
//! named blocks ([`RecurrentCell`]); a matrix has one column per sequence. [`rollout`] runs it
//! forward and keeps the trajectory on a [`Tape`]; [`backpropagate`] carries the adjoint ∂L/∂s_t
//! of an [`AdjointSource`] back and shows every step to [`Probe`]s, which keep what they want.
//!
//! # Decisions
//!
//! * **One flat state.** The pair (h, c) of an LSTM needs no special case, and norms, tape,
//!   Jacobians and finite differences are written once.
//! * **Log-domain adjoints.** Columns are rescaled by powers of two on the way back and keep their
//!   exponent ([`scaled`]), so a gradient of 10⁻¹⁰⁰⁰⁰ is a number. An exact zero stays apart: its
//!   log-norm is −∞.
//! * **Push, not pull.** Probes see each step as it happens; nothing of a step is stored that no
//!   probe asked for, and a weight gradient that nobody asked for costs nothing.
//! * **No I/O, randomness, clock, threads or serialisation** in this crate: the same call gives
//!   the same bits.
//!
//! * **Layers run one after the other**, chunk of steps by chunk ([`rollout_layers`],
//!   [`backpropagate_layers`]), each with its own tape, exponents and probes: what is written for a
//!   cell holds for every layer, and a layer that forgets fast keeps its norms beside one that
//!   remembers. A [`Stack`] is the same network as one cell, for whatever takes a cell.
//!
//! # Two gradients per block
//!
//! *Node* gradients are total derivatives with respect to h_t or c_t as nodes of the computation
//! graph, as PyTorch's `retain_grad` reports. *Carried* adjoints are ∂L/∂s_t with the coordinates
//! of s_t independent: what arrives from step t+1 and from the loss. They differ for c_t, which
//! also acts through h_t within step t, and for h_t below another layer, which sees it at step t.
//!
//! # Notation
//!
//! | symbol | meaning | shape |
//! |---|---|---|
//! | I, H, B, T | input size, hidden size, batch (columns), steps | |
//! | x_t, h_t, c_t | input, hidden state, cell state; t = 1…T, h_0 and c_0 initial | I×B, H×B, H×B |
//! | s_t | the whole state, `[h]` or `[h; c]`, of a stack `[0.h; 0.c; 1.h; …]` | S×B |
//! | a_t, δ_t | pre-activations and their adjoint ∂L/∂a_t | P×B |
//! | k = T − t | lag in steps | |
//!
//! # Example
//!
//! ```
//! use gradient_tracking::{Tape, Workspace, backpropagate, probes::BlockNorms, rollout, source::Terminal};
//! # use gradient_tracking::test_cell::Halving;
//! use nalgebra::DMatrix;
//!
//! // s_t = ½ s_{t−1} + x_t, two sequences, 2000 steps.
//! let (cell, steps, batch) = (Halving, 2000, 2);
//! let inputs = DMatrix::zeros(1, steps * batch);
//! let initial = DMatrix::from_element(1, batch, 1.0);
//! let adjoint = DMatrix::from_element(1, batch, 1.0);
//!
//! let (mut tape, mut workspace) = (Tape::new(), Workspace::new());
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! let mut norms = BlockNorms::new(&cell, steps, batch, false);
//! backpropagate(
//!     &cell,
//!     inputs.as_view(),
//!     &tape,
//!     &mut Terminal { steps, adjoint: adjoint.as_view() },
//!     None,
//!     &mut workspace,
//!     &mut [&mut norms],
//! )?;
//! let h = &norms.blocks[0].node.log10_norm;
//! // 2⁻²⁰⁰⁰ is far below what f64 can hold; its logarithm is not.
//! assert!((h[0] - h[steps] + 2000.0 * 2.0_f64.log10()).abs() < 1e-9);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```

mod affine;
mod backpropagation;
mod cell;
mod checkpoints;
mod clipping;
pub mod conformance;
mod graded;
mod passes;
mod probe;
pub mod probes;
mod rollout;
pub mod scaled;
pub mod source;
mod stack;
mod tape;
#[doc(hidden)]
pub mod test_cell;
mod wide;
mod wide_matrix;
mod workspace;

pub use affine::AffineMap;
pub use backpropagation::{backpropagate, backpropagate_layers};
pub use cell::{
    AdjointMut, AdjointsMut, Block, CellShape, Factor, ParameterBlock, Point, Points,
    RecurrentCell, Trainable,
};
pub use checkpoints::{Horizon, Inputs, Probes, segment_steps, with_checkpoints};
pub use clipping::clip_norm;
pub use kernels::{View, ViewMut};
pub use passes::CellPasses;
pub use probe::{BackwardChunk, BackwardStep, ForwardStep, Probe, ProbeList, Watches};
pub use rollout::{NonFinite, rollout, rollout_layers};
pub use source::AdjointSource;
pub use stack::{LayerMismatch, Stack};
pub use tape::Tape;
pub use workspace::{Workspace, chunk_steps};
