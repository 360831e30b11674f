//! The configuration of a vanilla RNN.

use cell_config::{
    CellConfig, Initialization, InvalidConfig, Law, Relation, WeightStreams,
    largest_singular_value, require, require_finite, spectral_radius,
};
use gradient_tracking::CellShape;
use nalgebra::DVector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Activation, VanillaRnn};

/// A vanilla RNN, h_t = φ(W_hh h_{t−1} + W_ih x_t + b).
///
/// The configuration of a [`VanillaRnn`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VanillaRnnConfig {
    /// The hidden size H.
    pub hidden: usize,
    /// The activation φ; default tanh.
    #[serde(default)]
    pub activation: Activation,
    /// W_hh, H×H.
    #[serde(default)]
    pub recurrent_weights: Initialization,
    /// W_ih, H×I.
    #[serde(default)]
    pub input_weights: Initialization,
    /// Every element of b; default 0.
    #[serde(default)]
    pub bias: f64,
}

impl CellConfig for VanillaRnnConfig {
    type Cell = VanillaRnn;

    const KIND: &'static str = "vanilla-rnn";

    fn hidden(&self) -> usize {
        self.hidden
    }

    fn validate(&self, input: usize) -> Result<(), InvalidConfig> {
        require(self.hidden > 0, "hidden", "at least 1", self.hidden)?;
        self.recurrent_weights
            .validate("recurrent_weights", self.hidden, self.hidden)?;
        self.input_weights
            .validate("input_weights", self.hidden, input)?;
        require_finite("bias", self.bias)
    }

    fn shape(&self, input: usize) -> CellShape {
        CellShape {
            input,
            state: self.hidden,
            output: self.hidden,
            saved: 0,
            delta: self.hidden,
        }
    }

    fn build(&self, input: usize, streams: &WeightStreams) -> Result<VanillaRnn, InvalidConfig> {
        self.validate(input)?;
        let hidden = self.hidden;
        let draw = |weights: &Initialization, name, cols| {
            weights.draw(hidden, cols, hidden, streams.stream(name, (hidden, cols)))
        };
        Ok(VanillaRnn::new(
            self.activation,
            draw(&self.recurrent_weights, "weight_hh", hidden),
            draw(&self.input_weights, "weight_ih", input),
            DVector::from_element(hidden, self.bias),
        ))
    }

    /// Two laws for `h`, from the spectrum of the recurrent matrix W alone.
    ///
    /// - `ln rho(W)`, a rate: that of the network linearised at zero pre-activations, where
    ///   φ′ = 1. Exact for the identity activation, and there only as the lag grows; tanh follows
    ///   while its units stay small. ReLU and logistic have no such point, hence no such law.
    /// - `ln(gamma sigma_max)`, an upper bound: ‖∂h_t/∂h_{t−1}‖ ≤ γ σ_max(W), γ = max |φ′|
    ///   (Pascanu, Mikolov & Bengio 2013, §2.1).
    fn laws(&self, cell: &VanillaRnn, with_spectrum: bool) -> Vec<Law> {
        if !with_spectrum {
            return Vec::new();
        }
        let recurrent = cell.affine().recurrent_weights().into_owned();
        let mut laws = vec![Law {
            quantity: "h",
            name: "ln(gamma sigma_max)",
            relation: Relation::UpperBound,
            rate: (self.activation.largest_slope() * largest_singular_value(&recurrent)).ln(),
        }];
        if matches!(self.activation, Activation::Tanh | Activation::Identity) {
            laws.push(Law {
                quantity: "h",
                name: "ln rho(W)",
                relation: Relation::Rate,
                rate: spectral_radius(&recurrent).ln(),
            });
        }
        laws
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::RecurrentCell;

    use super::*;

    const INPUT: usize = 3;

    fn config() -> VanillaRnnConfig {
        VanillaRnnConfig {
            hidden: 5,
            activation: Activation::Tanh,
            recurrent_weights: Initialization::default(),
            input_weights: Initialization::default(),
            bias: 0.25,
        }
    }

    fn build(config: &VanillaRnnConfig) -> VanillaRnn {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        config.build(INPUT, &streams.weights("rnn")).unwrap()
    }

    #[track_caller]
    fn assert_laws(config: &VanillaRnnConfig, expected: &[(&str, f64)]) {
        let laws = config.laws(&build(config), true);
        assert!(config.laws(&build(config), false).is_empty());
        assert_eq!(laws.len(), expected.len());
        for (law, (name, rate)) in laws.iter().zip(expected) {
            assert_eq!(law.name, *name);
            assert!(
                law.rate == *rate || (law.rate - rate).abs() <= 1e-12,
                "{law:?} should be {rate}"
            );
        }
    }

    #[test]
    fn shape_is_that_of_the_built_cell() {
        assert_eq!(config().shape(INPUT), build(&config()).shape());
    }

    #[test]
    fn parameters_follow_the_configuration() {
        let cell = build(&config());
        assert_eq!(cell.affine().bias(), [0.25; 5]);
        let mut scaled = config();
        scaled.recurrent_weights.gain = 2.0;
        let scaled = build(&scaled);
        assert_eq!(
            scaled.affine().recurrent_weights(),
            cell.affine().recurrent_weights() * 2.0
        );
        assert_eq!(
            scaled.affine().input_weights(),
            cell.affine().input_weights()
        );
    }

    #[test]
    fn laws_of_an_orthogonal_matrix_agree() {
        let mut config = config();
        config.recurrent_weights = Initialization {
            init: Scheme::Orthogonal,
            gain: 0.9,
        };
        let rate = 0.9f64.ln();
        assert_laws(
            &config,
            &[("ln(gamma sigma_max)", rate), ("ln rho(W)", rate)],
        );
        config.activation = Activation::Relu;
        assert_laws(&config, &[("ln(gamma sigma_max)", rate)]);
        config.activation = Activation::Logistic;
        assert_laws(&config, &[("ln(gamma sigma_max)", (0.9f64 / 4.0).ln())]);
    }

    #[test]
    fn laws_of_a_zero_matrix_are_minus_infinity() {
        let mut config = config();
        config.recurrent_weights.init = Scheme::Zero;
        assert_laws(
            &config,
            &[
                ("ln(gamma sigma_max)", f64::NEG_INFINITY),
                ("ln rho(W)", f64::NEG_INFINITY),
            ],
        );
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |change: fn(&mut VanillaRnnConfig)| {
            let mut config = config();
            change(&mut config);
            config.validate(INPUT).unwrap_err().key
        };
        assert_eq!(key(|config| config.hidden = 0), "hidden");
        assert_eq!(key(|config| config.bias = f64::NAN), "bias");
        assert_eq!(
            key(|config| config.recurrent_weights.gain = -1.0),
            "recurrent_weights.gain"
        );
        assert_eq!(
            key(|config| config.input_weights.init = Scheme::SpectralRadius),
            "input_weights.init"
        );
        assert_eq!(config().validate(INPUT), Ok(()));
    }
}
