//! Fits, intervals and verdicts of decay curves: pure mathematics, no files, no clock.
//!
//! A *decay curve* is a slice indexed by lag k = T − t whose entries are ln r_k, the natural
//! logarithm of the gradient ratio
//!
//! ```text
//! r_k = ‖∂L/∂q_{T−k}‖ / ‖∂L/∂h_T‖.
//! ```
//!
//! The main decision is to work on logarithms only: r_k itself underflows after a few hundred
//! steps, ln r_k never does, so a rate is as well determined at lag 10,000 as at lag 10. A
//! gradient that is exactly zero is ln r_k = −∞. It says nothing about a slope, so fits skip it,
//! but it is a value like any other for a quantile, so summaries keep it.
//!
//! Rates are in nats per step; a negative rate is a gradient that vanishes with lag.
//!
//! ```
//! use decay_analysis::{DecayFit, Verdict, Window};
//!
//! // Three replicates of a linear recurrence with orthogonal weights of gain 0.9.
//! let curve: Vec<f64> = (0..=200).map(|lag| lag as f64 * 0.9_f64.ln()).collect();
//! let curves = [curve.as_slice(); 3];
//! let fit = DecayFit::new(&curves, Window { from: 1, to: 200 });
//!
//! assert!((fit.rate.unwrap() - 0.9_f64.ln()).abs() < 1e-12);
//! assert!((fit.half_life.unwrap() - 0.5_f64.ln() / 0.9_f64.ln()).abs() < 1e-9);
//! assert_eq!(fit.verdict, Some(Verdict::Vanishes));
//! ```

mod fit;
mod interval;
mod lags;
mod line;
mod summary;

pub use fit::{DecayFit, F32_ZERO_LOG10, F64_ZERO_LOG10, Verdict, f32_zero_lag, half_life};
pub use interval::{Interval, MIN_REPLICATES, mean_interval};
pub use lags::{Window, thinned_lags, thinned_lags_from_100};
pub use line::{FLAT, Line, MIN_LAGS};
pub use summary::{ROUNDING, Summary, in_standard_errors, mean, mean_and_standard_error, quantile};
