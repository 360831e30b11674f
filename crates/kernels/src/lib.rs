//! The inner loops' arithmetic: matrix products over nalgebra views, and activation functions.
//!
//! Products and activations are where a recurrent network's time goes, and both need the widest
//! instructions of the machine. They are chosen at run time ([`simd`]), so a plain `cargo build
//! --release` is the fast one and the same binary runs on any machine of its architecture. The
//! order of operations does not depend on that choice; whether multiplication and addition are
//! rounded once or twice does, and [`kernel_path`] says which.
//!
//! This crate holds the workspace's only `unsafe` code: the instructions (`simd`), the product kernel
//! (`products`), aligned numbers (`buffer`) and matrices seen as slices (`contiguous`), each with its
//! argument.
//!
//! ```
//! use kernels::Start;
//! use nalgebra::DMatrix;
//!
//! let mut values = [0.0, 0.5, -20.0];
//! kernels::tanh(&mut values);
//! assert_eq!(values[0], 0.0);
//! assert!((values[1] - 0.5_f64.tanh()).abs() < 1e-15);
//!
//! let a = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 4.0]);
//! let b = DMatrix::from_row_slice(2, 1, &[5.0, 6.0]);
//! let mut c = DMatrix::zeros(2, 1);
//! kernels::multiply(Start::Zero, a.as_view(), b.as_view(), c.as_view_mut());
//! assert_eq!(c.as_slice(), [17.0, 39.0]);
//! ```

mod activations;
mod buffer;
mod columns;
mod contiguous;
mod products;
pub mod simd;
mod sums;

pub use activations::{log10, logistic, logistic_of, tanh, tanh_of};
pub use buffer::Buffer;
pub use columns::{Rotated, dot, reflect, rotate};
pub use contiguous::{entries, entries_mut};
pub use products::{
    Epilogue, Identity, PANEL, Packed, Start, add_columns, multiply, multiply_by_transpose,
    multiply_transposed,
};
pub use sums::{
    all_finite, column_squares, columns_lie_within, columns_lie_within_of, copy, grouped_squares,
    lies_within_of, sum_of_squares,
};

/// A matrix one may read: unit row stride, any column stride.
pub type View<'a> = nalgebra::DMatrixView<'a, f64>;

/// A matrix one may write: unit row stride, any column stride.
pub type ViewMut<'a> = nalgebra::DMatrixViewMut<'a, f64>;

/// Names what the last bits of products and activations depend on, on this machine.
///
/// Two machines with the same name (and the same binary) give the same bits.
pub fn kernel_path() -> &'static str {
    if simd::Level::detect().fuses() {
        "fused multiply-add"
    } else {
        "separate multiply and add"
    }
}
