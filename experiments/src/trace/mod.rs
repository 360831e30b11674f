//! `trace`: gradients through somebody else's trained network.
//!
//! [`inputs`] turns the bytes of an inputs file into sequences, [`compute`] a module of
//! `torch_weights` and sequences into norms, [`closer`] them into singular values and what each loss
//! hears, [`summary`] norms into rates, half-lives and verdicts, [`request`] says what was asked for;
//! the command of that name strings them together, and figures are drawn from what it stores.
//!
//! # Sequences of unequal length
//!
//! Every sequence is traced over its own steps, as PyTorch's packed sequences are. In the tables
//! they are aligned at their ends: the row of lag k holds the norm over the sequences that reach
//! that lag, each at its own t = length − k; the column t says T − k, T the longest length.

pub mod closer;
pub mod compute;
pub mod export;
pub mod inputs;
pub mod request;
pub mod summary;
