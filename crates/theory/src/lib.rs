//! What theory says of decaying gradients: numbers in, numbers out; no networks, no files, no
//! randomness.
//!
//! | module | what it predicts | source |
//! |---|---|---|
//! | [`mean_field`] | the rate of a wide random network, and where order turns into chaos | Poole et al. 2016; Chen, Pennington & Schoenholz 2018; Molgedey, Schuchhardt & Schuster 1992 |
//! | [`bounds`] | what no gradient can exceed | Pascanu, Mikolov & Bengio 2013; Hochreiter & Schmidhuber 1997 |
//! | [`newman`] | all Lyapunov exponents of products of Gaussian matrices | Newman 1986 |
//! | [`scalar_maps`] | fixed points and factors of one unit: latch, ceiling, bistable strip | Bengio, Simard & Frasconi 1994; Hochreiter & Schmidhuber 1997; Pascanu et al. 2013 |
//! | [`gate_decay`] | the decay behind a forget gate | Jozefowicz, Zaremba & Sutskever 2015; Tallec & Ollivier 2018; Gilboa et al. 2019 |
//! | [`sensitivity`] | how a long memory sharpens the loss in its parameter | Zucchet & Orvieto 2024 |
//! | [`baselines`] | the loss of the best predictor without memory | Hochreiter & Schmidhuber 1997; Arjovsky, Shah & Bengio 2016 |
//!
//! Rates are in nats per step; a negative rate is a gradient that vanishes with lag.
//!
//! The main decision is that a formula is evaluated to the precision of f64, not to that of a
//! figure: integrals by rules that converge geometrically ([`quadrature`]), fixed points and critical
//! lines by bisection down to neighbouring numbers. So a disagreement with a measurement is never
//! this crate's rounding. Arguments without meaning, such as a negative variance, panic; a question
//! without an answer, such as the noise that tames a network which is not chaotic, is `None`.
//!
//! ```
//! use theory::mean_field::{MeanField, Phi, critical_noise};
//!
//! // A tanh network of gain 1.5 explodes slowly; input noise of standard deviation ½ makes the
//! // same network's gradient vanish.
//! let rate = |noise: f64| {
//!     MeanField {
//!         gain: 1.5,
//!         bias: 0.0,
//!         noise_variance: noise * noise,
//!     }
//!     .rate(&Phi::Tanh)
//! };
//! assert!((rate(0.0) - 0.065217).abs() < 1e-6);
//! assert!((rate(0.5) + 0.01673).abs() < 1e-5);
//! let critical = critical_noise(&Phi::Tanh, 1.5, 0.0).unwrap();
//! assert!((critical - 0.4314).abs() < 1e-4);
//! ```

pub mod baselines;
pub mod bounds;
pub mod gate_decay;
pub mod mean_field;
pub mod newman;
pub mod quadrature;
mod roots;
pub mod scalar_maps;
pub mod sensitivity;
