//! The configuration of a linear recurrent unit.

use std::f64::consts::TAU;

use cell_config::{
    CellConfig, Initialization, InvalidConfig, Law, LawContext, Relation, WeightStreams, require,
    require_finite, uniform,
};
use gradient_tracking::CellShape;
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Lru;

/// A linear recurrent unit: complex units that turn and shrink on their own.
///
/// The configuration of an [`Lru`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LruConfig {
    /// The number H of complex units; the state has 2H numbers.
    pub hidden: usize,
    /// The smallest |Λ| that is drawn; |Λ|² is uniform in r_min²…r_max². Default 0.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub r_min: f64,
    /// The largest |Λ| that is drawn; default 1.
    #[serde(default = "r_max_default")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub r_max: f64,
    /// Phases are uniform in 0…max_phase; default 2π.
    #[serde(default = "max_phase_default")]
    pub max_phase: f64,
    /// The real and the imaginary part of √2·B, each H×I.
    #[serde(default)]
    pub input_weights: Initialization,
    /// Whether inputs are multiplied by γ = √(1 − |Λ|²); default true.
    #[serde(default = "normalization_default")]
    pub normalization: bool,
}

fn r_max_default() -> f64 {
    1.0
}

fn max_phase_default() -> f64 {
    TAU
}

fn normalization_default() -> bool {
    true
}

impl CellConfig for LruConfig {
    type Cell = Lru;

    const KIND: &'static str = "lru";

    fn hidden(&self) -> usize {
        self.hidden
    }

    fn validate(&self, input: usize) -> Result<(), InvalidConfig> {
        require(self.hidden > 0, "hidden", "at least 1", self.hidden)?;
        require(
            self.r_min >= 0.0 && self.r_min < 1.0,
            "r_min",
            "a number from 0 to below 1",
            self.r_min,
        )?;
        require(
            self.r_max > 0.0 && self.r_max <= 1.0 && self.r_max >= self.r_min,
            "r_max",
            &format!("a number above 0, from r_min = {} to 1", self.r_min),
            self.r_max,
        )?;
        require_finite("max_phase", self.max_phase)?;
        self.input_weights
            .validate("input_weights", self.hidden, input)
    }

    fn shape(&self, input: usize) -> CellShape {
        CellShape {
            input,
            state: 2 * self.hidden,
            output: 2 * self.hidden,
            saved: 4 * self.hidden,
            delta: 2 * self.hidden,
        }
    }

    fn weights(&self, input: usize) -> u128 {
        self.hidden as u128 * (2 * input as u128 + 2)
    }

    fn build(&self, input: usize, streams: &WeightStreams) -> Result<Lru, InvalidConfig> {
        self.validate(input)?;
        let (nu, theta) = self.draw_spectrum(streams);
        let part = |name: &str| {
            let rng = streams.stream(name, (self.hidden, input));
            self.input_weights
                .draw(self.hidden, input, self.hidden, rng)
                * std::f64::consts::FRAC_1_SQRT_2
        };
        let mut weights = DMatrix::zeros(2 * self.hidden, input);
        weights
            .rows_mut(0, self.hidden)
            .copy_from(&part("weight_ih.re"));
        weights
            .rows_mut(self.hidden, self.hidden)
            .copy_from(&part("weight_ih.im"));
        Ok(Lru::new(nu, theta, weights, self.normalization))
    }

    /// For `h`: no step can do better than its slowest unit, ln max |Λ|, an upper bound; and where all
    /// units have the same |Λ|, as with r_min = r_max, ln |Λ| is the rate, exactly.
    fn laws(&self, cell: &Lru, _context: LawContext) -> Vec<Law> {
        let modulus = cell.spectrum().modulus();
        let largest = modulus.iter().copied().fold(0.0, f64::max);
        let law = |name, relation| Law {
            quantity: "h",
            name,
            relation,
            rates: vec![largest.ln()],
        };
        if self.r_min == self.r_max {
            vec![law("ln |lambda|", Relation::Rate)]
        } else {
            vec![law("ln max |lambda|", Relation::UpperBound)]
        }
    }
}

impl LruConfig {
    /// ν and θ: |Λ| = √(u·(r_max² − r_min²) + r_min²), Λ's phase = `max_phase`·u′ (Lemma 3.2).
    pub fn draw_spectrum(&self, streams: &WeightStreams) -> (DVector<f64>, DVector<f64>) {
        let draw = |name: &str| -> DVector<f64> {
            let rng = streams.stream(name, (self.hidden, 1));
            uniform(self.hidden, 1, 0.0, 1.0, rng)
                .column(0)
                .into_owned()
        };
        let (low, high) = (self.r_min.powi(2), self.r_max.powi(2));
        let nu = draw("nu").map(|u| {
            // A uniform number may be 0, where |Λ| = 0 has no ν: the middle of its last bit is not.
            // It may round to 1, where exp(ν) = 0 has no ν either and γ would be 0.
            let square = low + (u + f64::EPSILON / 4.0) * (high - low);
            let square = square.min(1.0f64.next_down());
            // exp(ν) = −ln |Λ|.
            (-0.5 * square.ln()).ln()
        });
        (nu, draw("theta") * self.max_phase)
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::{RecurrentCell, Trainable};

    use super::*;

    const INPUT: usize = 3;

    fn config(hidden: usize) -> LruConfig {
        LruConfig {
            hidden,
            r_min: 0.5,
            r_max: 0.9,
            max_phase: 1.0,
            input_weights: Initialization::default(),
            normalization: true,
        }
    }

    fn build(config: &LruConfig) -> Lru {
        let streams = Streams {
            seed: 1,
            replicate: 0,
        };
        config.build(INPUT, &streams.weights("lru")).unwrap()
    }

    #[test]
    fn shape_and_weights_are_those_of_the_built_cell() {
        let cell = build(&config(5));
        assert_eq!(config(5).shape(INPUT), cell.shape());
        let count = cell.parameters().len() as u128;
        assert_eq!(config(5).weights(INPUT), count);
    }

    #[test]
    fn eigenvalues_lie_in_the_ring() {
        let config = config(1000);
        let cell = build(&config);
        let spectrum = cell.spectrum();
        for j in 0..1000 {
            let (re, im) = (spectrum.real()[j], spectrum.imaginary()[j]);
            // Two exponentials and logarithms, of a few roundings each.
            assert!((re.hypot(im) - spectrum.modulus()[j]).abs() <= 1e-15);
            assert!((0.5 - 1e-15..=0.9 + 1e-15).contains(&spectrum.modulus()[j]));
            assert!((0.0..=1.0).contains(&im.atan2(re)));
            let gamma = (1.0 - spectrum.modulus()[j].powi(2)).sqrt();
            assert!((spectrum.gamma()[j] - gamma).abs() <= 1e-15);
        }
    }

    /// The largest r_min below 1 and its neighbourhood, r_max = 1.
    #[test]
    fn a_ring_as_wide_as_rounding_has_finite_eigenvalues() {
        for r_min in [1.0f64.next_down(), 0.999_999_999_999_999, 1.0 - 1e-13] {
            let config = LruConfig {
                r_min,
                r_max: 1.0,
                ..config(1000)
            };
            let cell = build(&config);
            let spectrum = cell.spectrum();
            let inverse_gamma: Vec<f64> = spectrum.gamma().iter().map(|g| g.recip()).collect();
            for values in [
                spectrum.real(),
                spectrum.imaginary(),
                spectrum.modulus(),
                spectrum.gamma(),
                &inverse_gamma,
            ] {
                assert!(values.iter().all(|v| v.is_finite()), "{r_min}");
            }
            assert!(cell.parameters().iter().all(|v| v.is_finite()), "{r_min}");
        }
    }

    #[test]
    fn input_weights_have_the_variance_of_the_paper() {
        let cell = build(&config(2000));
        let weights = cell.input_weights();
        // E|B|² = 1/I; its mean over 6000 entries has a relative standard error of 1/√6000.
        let mean = weights.norm_squared() / (2000.0 * INPUT as f64) * INPUT as f64;
        assert!((mean - 1.0).abs() <= 5.0 / 6000f64.sqrt(), "{mean}");
    }

    #[test]
    fn laws_follow_the_slowest_unit() {
        let mut config = config(5);
        let cell = build(&config);
        let largest = cell
            .spectrum()
            .modulus()
            .iter()
            .copied()
            .fold(0.0, f64::max);
        let laws = config.laws(&cell, LawContext::default());
        assert_eq!(laws.len(), 1);
        assert_eq!(laws[0].relation, Relation::UpperBound);
        assert_eq!(laws[0].rates[0], largest.ln());
        config.r_min = 0.9;
        let laws = config.laws(&build(&config), LawContext::default());
        assert_eq!((laws.len(), laws[0].relation), (1, Relation::Rate));
        assert!((laws[0].rates[0] - 0.9f64.ln()).abs() <= 1e-15);
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |change: fn(&mut LruConfig)| {
            let mut config = config(5);
            change(&mut config);
            config.validate(INPUT).unwrap_err().key
        };
        assert_eq!(key(|config| config.hidden = 0), "hidden");
        assert_eq!(key(|config| config.r_min = -0.1), "r_min");
        assert_eq!(key(|config| config.r_min = 1.0), "r_min");
        assert_eq!(key(|config| config.r_min = f64::NAN), "r_min");
        assert_eq!(key(|config| config.r_max = 0.4), "r_max");
        assert_eq!(key(|config| config.r_max = 1.1), "r_max");
        assert_eq!(key(|config| config.max_phase = f64::INFINITY), "max_phase");
        assert_eq!(
            key(|config| config.input_weights.init = Scheme::SpectralRadius),
            "input_weights.init"
        );
        assert_eq!(config(5).validate(INPUT), Ok(()));
    }
}
