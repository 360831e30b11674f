//! The configuration of an antisymmetric RNN.

use cell_config::{
    CellConfig, Initialization, InvalidConfig, Law, LawContext, Relation, WeightStreams,
    largest_singular_value, require, require_finite,
};
use gradient_tracking::CellShape;
use nalgebra::DVector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AntisymmetricRnn;

/// An antisymmetric RNN, h_t = h_{t−1} + ε tanh((A − Aᵀ − γI) h_{t−1} + W_ih x_t + b).
///
/// The configuration of an [`AntisymmetricRnn`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AntisymmetricRnnConfig {
    /// The hidden size H.
    pub hidden: usize,
    /// ε, the length of a step; default 0.1.
    #[serde(default = "a_tenth")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub step: f64,
    /// γ, the diffusion: minus the real part of every eigenvalue of A − Aᵀ − γI; default 0.1.
    #[serde(default = "a_tenth")]
    #[schemars(range(min = 0.0))]
    pub diffusion: f64,
    /// A, H×H, which enters as A − Aᵀ: from `zero` and `identity` nothing is left but the diffusion.
    #[serde(default)]
    pub recurrent_weights: Initialization,
    /// W_ih, H×I.
    #[serde(default)]
    pub input_weights: Initialization,
    /// Every element of b; default 0.
    #[serde(default)]
    pub bias: f64,
}

fn a_tenth() -> f64 {
    0.1
}

impl CellConfig for AntisymmetricRnnConfig {
    type Cell = AntisymmetricRnn;

    const KIND: &'static str = "antisymmetric-rnn";

    fn hidden(&self) -> usize {
        self.hidden
    }

    fn validate(&self, input: usize) -> Result<(), InvalidConfig> {
        require(self.hidden > 0, "hidden", "at least 1", self.hidden)?;
        require(
            self.step.is_finite() && self.step > 0.0,
            "step",
            "a finite number above 0, the length of a step",
            self.step,
        )?;
        require(
            self.diffusion.is_finite() && self.diffusion >= 0.0,
            "diffusion",
            "a finite number of at least 0; it is subtracted from the diagonal",
            self.diffusion,
        )?;
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
            saved: self.hidden,
            delta: self.hidden,
        }
    }

    fn build(
        &self,
        input: usize,
        streams: &WeightStreams,
    ) -> Result<AntisymmetricRnn, InvalidConfig> {
        self.validate(input)?;
        let hidden = self.hidden;
        let draw = |weights: &Initialization, name, cols| {
            weights.draw(hidden, cols, hidden, streams.stream(name, (hidden, cols)))
        };
        Ok(AntisymmetricRnn::new(
            self.step,
            self.diffusion,
            draw(&self.recurrent_weights, "weight_hh", hidden),
            draw(&self.input_weights, "weight_ih", input),
            DVector::from_element(hidden, self.bias),
        ))
    }

    /// One law for `h`, from the spectrum of A − Aᵀ alone.
    ///
    /// - `ln rho(I + eps M)`, a rate: ½ ln((1 − εγ)² + ε²ω²) for the largest frequency ω, that of the
    ///   fastest growing mode of the network linearised at zero pre-activations, which outgrows the
    ///   others with the lag. The Jacobian is normal there, so no gradient of that network grows faster.
    fn laws(&self, cell: &AntisymmetricRnn, context: LawContext) -> Vec<Law> {
        if !context.with_spectrum {
            return Vec::new();
        }
        let a = cell.recurrent_weights();
        let largest_frequency = largest_singular_value(&(a - a.transpose()));
        let (real, imaginary) = (
            1.0 - self.step * self.diffusion,
            self.step * largest_frequency,
        );
        vec![Law {
            quantity: "h",
            name: "ln rho(I + eps M)",
            relation: Relation::Rate,
            rates: vec![real.hypot(imaginary).ln()],
        }]
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::RecurrentCell;
    use nalgebra::DMatrix;

    use super::*;

    const WITH_SPECTRUM: LawContext = LawContext {
        mean_square_input: None,
        with_spectrum: true,
    };

    const INPUT: usize = 3;

    fn config() -> AntisymmetricRnnConfig {
        AntisymmetricRnnConfig {
            hidden: 5,
            step: 0.25,
            diffusion: 0.5,
            recurrent_weights: Initialization::default(),
            input_weights: Initialization::default(),
            bias: 0.25,
        }
    }

    fn build(config: &AntisymmetricRnnConfig) -> AntisymmetricRnn {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        config.build(INPUT, &streams.weights("a")).unwrap()
    }

    #[test]
    fn shape_is_that_of_the_built_cell() {
        assert_eq!(config().shape(INPUT), build(&config()).shape());
    }

    #[test]
    fn parameters_follow_the_configuration() {
        let cell = build(&config());
        assert_eq!((cell.step_length(), cell.diffusion()), (0.25, 0.5));
        assert_eq!(cell.affine().bias(), [0.25; 5]);
        let m = cell.affine().recurrent_weights();
        assert!(m.diagonal().iter().all(|entry| *entry == -0.5));
        assert_eq!(m + m.transpose(), -DMatrix::identity(5, 5));
        let mut scaled = config();
        scaled.recurrent_weights.gain = 2.0;
        assert_eq!(
            build(&scaled).recurrent_weights(),
            cell.recurrent_weights() * 2.0
        );
    }

    /// Against the eigenvalues of the whole Jacobian, by an algorithm that knows of no antisymmetry.
    #[test]
    fn law_is_the_spectral_radius_of_the_linear_step() {
        let cell = build(&config());
        assert!(config().laws(&cell, LawContext::default()).is_empty());
        let jacobian = DMatrix::identity(5, 5) + cell.affine().recurrent_weights() * 0.25;
        let rho = cell_config::spectral_radius(&jacobian);
        let laws = config().laws(&cell, WITH_SPECTRUM);
        assert_eq!((laws.len(), laws[0].quantity), (1, "h"));
        // Both to rounding; the radius by 45 squarings.
        assert!((laws[0].rates[0] - rho.ln()).abs() <= 1e-12, "{laws:?}");
    }

    #[test]
    fn without_weights_it_is_a_leaky_unit() {
        let mut config = config();
        config.recurrent_weights.init = Scheme::Zero;
        let law = &config.laws(&build(&config), WITH_SPECTRUM)[0];
        assert!((law.rates[0] - (1.0f64 - 0.25 * 0.5).ln()).abs() <= 1e-15);
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |change: fn(&mut AntisymmetricRnnConfig)| {
            let mut config = config();
            change(&mut config);
            config.validate(INPUT).unwrap_err().key
        };
        assert_eq!(key(|config| config.hidden = 0), "hidden");
        assert_eq!(key(|config| config.step = 0.0), "step");
        assert_eq!(key(|config| config.step = f64::INFINITY), "step");
        assert_eq!(key(|config| config.diffusion = -0.1), "diffusion");
        assert_eq!(key(|config| config.diffusion = f64::NAN), "diffusion");
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
