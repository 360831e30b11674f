//! The inner loops' arithmetic: matrix products over nalgebra views, and activation functions.
//!
//! Products and activations are where a recurrent network's time goes, and both need the widest
//! instructions of the machine. They are chosen at run time, so a plain `cargo build --release`
//! is the fast one and the same binary runs on any machine of its architecture. Results depend on
//! that choice in the last bits; [`kernel_path`] names it, so that stored numbers can say how
//! they were made.
//!
//! This crate holds the workspace's only `unsafe` code: the call into the product kernel
//! (`products`) and the run-time dispatch of the activations (`activations::dispatch`).
//!
//! ```
//! use nalgebra::DMatrix;
//! let mut values = [0.0, 0.5, -20.0];
//! kernels::tanh(&mut values);
//! assert_eq!(values[0], 0.0);
//! assert!((values[1] - 0.5_f64.tanh()).abs() < 1e-15);
//!
//! let a = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 4.0]);
//! let b = DMatrix::from_row_slice(2, 1, &[5.0, 6.0]);
//! let mut c = DMatrix::zeros(2, 1);
//! kernels::multiply(kernels::Update::Replace, a.as_view(), b.as_view(), c.as_view_mut());
//! assert_eq!(c.as_slice(), [17.0, 39.0]);
//! ```

mod activations;
mod products;

pub use activations::{logistic, tanh};
pub use products::{Update, multiply, multiply_by_transpose, multiply_transposed};

/// A matrix one may read: unit row stride, any column stride.
pub type View<'a> = nalgebra::DMatrixView<'a, f64>;

/// A matrix one may write: unit row stride, any column stride.
pub type ViewMut<'a> = nalgebra::DMatrixViewMut<'a, f64>;

/// Names the instruction sets that products and activations use on this machine.
///
/// Two machines with the same name (and the same binary) give the same bits.
pub fn kernel_path() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let wide = std::arch::is_x86_feature_detected!("avx512f");
        match (activations::uses_fma(), wide) {
            (true, true) => "x86-64 products avx512, activations fma",
            (true, false) => "x86-64 products fma, activations fma",
            (false, _) => "x86-64 products scalar, activations portable",
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        concat!("products native, activations ", "portable")
    }
}
