//! Lyapunov exponents of recurrent cells: by how much a network stretches and squeezes, per step, the
//! directions of its whole state.
//!
//! # Method
//!
//! Repeated QR (Benettin, Galgani, Giorgilli & Strelcyn 1980; Shimada & Nagashima 1979; for driven
//! recurrent networks Vogt, Puelma Touzel, Shlizerman & Lajoie 2022): from orthonormal columns Q_0,
//!
//! J_t·Q_{t−1} = Q_t·R_t,  λ_i = mean over t of ln (R_t)_ii,
//!
//! where J_t = ∂s_t/∂s_{t−1} is the Jacobian of the *joint* state, so that an LSTM of H units, whose
//! state is (h, c), has 2H exponents. J_t is never formed: [`RecurrentCell::push_forward`] multiplies
//! all columns of Q at once, and a cell that passes the conformance suite has a spectrum for free, a
//! [`Stack`](gradient_tracking::Stack) of layers too.
//!
//! Exponents are in nats per step. λ_1 is the rate of a generic tangent and, because a product and its
//! transpose have the same singular values, that of a generic *adjoint*: the slope of ln ‖∂L/∂s_{T−k}‖
//! (carried) against the lag k.
//!
//! # Decisions
//!
//! * **Cholesky QR where it can be, Householder where it must.** See [`Orthonormaliser`]. It takes
//!   products, which the workspace's kernels do fast and with the same bits on every processor that
//!   fuses, and no other library: at S = k = 128 0.4 ms beside 0.5 of nalgebra's QR, at 256 2.4 beside
//!   3.7. (faer's, the fastest of the well-kept ones, chooses the order of its operations by the
//!   processor, so that records would differ between machines.)
//! * **Columns stay well conditioned by construction.** Steps between two QR decompositions are more
//!   than one only as long as the condition number allows it; where it does not, those steps are done
//!   again in smaller portions. No interval gives a wrong result.
//! * **−∞ is a result.** Where a Jacobian is singular for all to see, by rows or columns that are
//!   exactly zero (dead units, a memory that nobody reads), or singular to working precision, the rank
//!   of the product is lost for ever: as many exponents are −∞, and [`Lost`] says when and why.
//! * **A start in general position**, always the same, so that a Jacobian that is diagonal or block
//!   triangular, as that of layers, shows its exponents in falling order.
//! * **Standard errors by batch means**, which allow for correlation in time, see [`Spectrum`].
//! * No I/O, randomness, clock, threads or serialisation; nothing is allocated per step.
//!
//! # Example
//!
//! ```
//! use gradient_tracking::{Tape, rollout};
//! use lyapunov::{Options, spectrum};
//! use nalgebra::{DMatrix, DVector};
//! use vanilla_rnn::{Activation, VanillaRnn};
//!
//! let recurrent = DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 1.0]);
//! let cell = VanillaRnn::new(
//!     Activation::Identity,
//!     recurrent,
//!     DMatrix::zeros(2, 1),
//!     DVector::zeros(2),
//! );
//! let (inputs, initial) = (DMatrix::zeros(1, 200), DMatrix::zeros(2, 1));
//! let mut tape = Tape::new();
//! rollout(&cell, inputs.as_view(), initial.as_view(), &mut tape, &mut [])?;
//! let options = Options { transient: 100, ..Options::default() };
//! let found = spectrum(&cell, &tape, 0, options)?;
//! // ln of the golden ratio squared.
//! assert!((found.exponents[0] - 0.9624236501192069).abs() < 1e-12);
//! assert!((found.exponents[1] + 0.9624236501192069).abs() < 1e-12);
//! # Ok::<(), gradient_tracking::NonFinite>(())
//! ```
//!
//! [`RecurrentCell::push_forward`]: gradient_tracking::RecurrentCell::push_forward

mod exponents;
mod householder;
mod orthonormal;
mod probe;

pub use exponents::{
    Exponents, IllConditioned, Lost, Spectrum, entropy_bound, kaplan_yorke_dimension,
};
pub use orthonormal::Orthonormaliser;
pub use probe::{Interval, Lyapunov, Options, spectrum};
