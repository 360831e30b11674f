//! The configuration of a vanilla RNN.

use cell_config::{
    CellConfig, Initialization, InvalidConfig, Law, LawContext, Relation, Scheme, WeightStreams,
    largest_singular_value, require, require_finite, spectral_radius,
};
use gradient_tracking::CellShape;
use nalgebra::DVector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use theory::bounds::largest_rate;
use theory::mean_field::MeanField;

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

    /// Three laws for `h`.
    ///
    /// - `1/2 ln chi_1`, a rate: that of a wide network in the long run, from the variances of the
    ///   drawn weights and of the inputs, ½ ln χ₁ of [`theory::mean_field`]. The bias counts as the
    ///   mean of the pre-activations, W_ih x as their noise. For weights that are drawn (neither
    ///   `identity` nor `zero`) and inputs whose mean square is known.
    /// - `ln rho(W)`, a rate: that of the network linearised at zero pre-activations, where
    ///   φ′ = 1. Exact for the identity activation, and there only as the lag grows; tanh follows
    ///   while its units stay small. ReLU and logistic have no such point, hence no such law.
    /// - `ln(gamma sigma_max)`, an upper bound: ‖∂h_t/∂h_{t−1}‖ ≤ γ σ_max(W), γ = max |φ′|
    ///   (Pascanu, Mikolov & Bengio 2013, §2.1).
    ///
    /// The mean field comes first, since it alone knows that units saturate; for the identity
    /// activation, whose units do not, it comes after the spectral radius.
    fn laws(&self, cell: &VanillaRnn, context: LawContext) -> Vec<Law> {
        let law = |name, relation, rate| Law {
            quantity: "h",
            name,
            relation,
            rates: vec![rate],
        };
        let mut laws = Vec::new();
        let mean_field = self.mean_field(cell, context);
        laws.extend(mean_field.map(|network| {
            let rate = network.rate(&self.activation.phi());
            law("1/2 ln chi_1", Relation::Rate, rate)
        }));
        if !context.with_spectrum {
            return laws;
        }
        let recurrent = cell.affine().recurrent_weights().into_owned();
        if matches!(self.activation, Activation::Tanh | Activation::Identity) {
            let rate = spectral_radius(&recurrent).ln();
            laws.push(law("ln rho(W)", Relation::Rate, rate));
        }
        if self.activation == Activation::Identity {
            laws.reverse();
        }
        let rate = largest_rate(
            self.activation.largest_slope(),
            largest_singular_value(&recurrent),
        );
        laws.push(law("ln(gamma sigma_max)", Relation::UpperBound, rate));
        laws
    }
}

/// The mean field is known of gains below this: their squares, and sums and multiples of them, lie well
/// within the range of f64.
const LARGEST_GAIN: f64 = 1e150;

impl VanillaRnnConfig {
    /// The mean field of these weights and inputs, if it says anything about them.
    fn mean_field(&self, cell: &VanillaRnn, context: LawContext) -> Option<MeanField> {
        let is_drawn = |weights: &Initialization| match weights.init {
            Scheme::Gaussian | Scheme::Orthogonal | Scheme::SpectralRadius | Scheme::Uniform => {
                true
            }
            Scheme::Identity | Scheme::Zero => false,
        };
        let hidden = self.hidden as f64;
        let affine = cell.affine();
        let mean_square = context.mean_square_input?;
        // Each unit has as much noise as any other if it has many inputs, or one of its own.
        let is_even = match self.input_weights.init {
            Scheme::Identity => affine.input_weights().ncols() >= self.hidden,
            _ => true,
        };
        let noise_variance = mean_square * affine.input_weights().norm_squared() / hidden;
        let gain = (affine.recurrent_weights().norm_squared() / hidden).sqrt();
        // Pre-activations have a variance of gain² and more; a gain of 10¹⁵⁴ or an input of 10²⁰⁰ has
        // no square.
        let is_finite = gain < LARGEST_GAIN && noise_variance < LARGEST_GAIN.powi(2);
        let is_known = is_drawn(&self.recurrent_weights) && is_even && is_finite;
        is_known.then_some(MeanField {
            gain,
            bias: self.bias,
            noise_variance,
        })
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

    fn laws(config: &VanillaRnnConfig, mean_square_input: Option<f64>) -> Vec<Law> {
        let context = LawContext {
            mean_square_input,
            with_spectrum: true,
        };
        config.laws(&build(config), context)
    }

    #[track_caller]
    fn assert_laws(config: &VanillaRnnConfig, expected: &[(&str, f64)]) {
        let laws = laws(config, None);
        assert!(
            config
                .laws(&build(config), LawContext::default())
                .is_empty()
        );
        assert_eq!(laws.len(), expected.len());
        for (law, (name, rate)) in laws.iter().zip(expected) {
            assert_eq!(law.name, *name);
            assert!(
                law.rates[0] == *rate || (law.rates[0] - rate).abs() <= 1e-12,
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
            &[("ln rho(W)", rate), ("ln(gamma sigma_max)", rate)],
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
                ("ln rho(W)", f64::NEG_INFINITY),
                ("ln(gamma sigma_max)", f64::NEG_INFINITY),
            ],
        );
    }

    /// With orthogonal weights the variances are the gains exactly; the values are theory's own.
    #[test]
    fn mean_field_takes_its_variances_from_weights_and_inputs() {
        let orthogonal = |gain| Initialization {
            init: Scheme::Orthogonal,
            gain,
        };
        let mut config = VanillaRnnConfig {
            recurrent_weights: orthogonal(1.5),
            input_weights: orthogonal(2.0),
            ..config()
        };
        // Three orthonormal columns of length 2 for five units.
        let noise_variance = 0.01 * 4.0 * 3.0 / 5.0;
        for activation in [Activation::Tanh, Activation::Relu, Activation::Identity] {
            config.activation = activation;
            let expected = MeanField {
                gain: 1.5,
                bias: 0.25,
                noise_variance,
            };
            let laws = laws(&config, Some(0.01));
            let place = usize::from(activation == Activation::Identity);
            assert_eq!(laws[place].name, "1/2 ln chi_1");
            assert_eq!(laws[place].relation, Relation::Rate);
            let difference = laws[place].rates[0] - expected.rate(&activation.phi());
            assert!(difference.abs() <= 1e-12, "{laws:?}");
        }
        assert_eq!(laws(&config, Some(f64::INFINITY)), laws(&config, None));
    }

    #[test]
    fn mean_field_knows_nothing_of_weights_that_are_not_drawn() {
        let has_mean_field = |recurrent: Scheme, input: Scheme, hidden: usize| {
            let mut config = VanillaRnnConfig { hidden, ..config() };
            config.recurrent_weights.init = recurrent;
            config.input_weights.init = input;
            let laws = laws(&config, Some(1.0));
            laws.iter().any(|law| law.name == "1/2 ln chi_1")
        };
        assert!(has_mean_field(Scheme::Uniform, Scheme::Gaussian, 5));
        assert!(has_mean_field(Scheme::SpectralRadius, Scheme::Zero, 5));
        assert!(!has_mean_field(Scheme::Identity, Scheme::Gaussian, 5));
        assert!(!has_mean_field(Scheme::Zero, Scheme::Gaussian, 5));
        // Three inputs, each for a unit of its own: enough for three units, not for five.
        assert!(has_mean_field(Scheme::Gaussian, Scheme::Identity, 3));
        assert!(!has_mean_field(Scheme::Gaussian, Scheme::Identity, 5));
    }

    /// Weights and inputs that validation accepts, whose squares leave the range of f64.
    #[test]
    fn mean_field_knows_nothing_of_weights_out_of_range() {
        for activation in [
            Activation::Tanh,
            Activation::Relu,
            Activation::Logistic,
            Activation::Identity,
        ] {
            let count = |gain: f64, input_gain: f64| {
                let mut config = VanillaRnnConfig {
                    activation,
                    ..config()
                };
                config.recurrent_weights.gain = gain;
                config.input_weights.gain = input_gain;
                assert_eq!(config.validate(INPUT), Ok(()));
                let laws = laws(&config, Some(1.0));
                assert!(laws.iter().all(|law| !law.rates[0].is_nan()), "{laws:?}");
                laws.iter().filter(|law| law.name == "1/2 ln chi_1").count()
            };
            for gain in [1e151, 1e154, 1e200, 1e300] {
                assert_eq!(
                    (count(gain, 1.0), count(1.0, gain)),
                    (0, 0),
                    "{activation:?}"
                );
            }
            assert_eq!((count(1e149, 1.0), count(1.0, 1e149)), (1, 1));
        }
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
