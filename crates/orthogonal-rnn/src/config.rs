//! The configuration of an orthogonal RNN.

use std::f64::consts::{FRAC_PI_2, PI};

use cell_config::{
    CellConfig, Initialization, InvalidConfig, Law, LawContext, Relation, WeightStreams, require,
    require_finite, uniform,
};
use gradient_tracking::CellShape;
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::OrthogonalRnn;

/// An orthogonal RNN (scoRNN), h_t = modReLU(W h_{t−1} + W_ih x_t), W = (I + A)⁻¹(I − A) D.
///
/// The configuration of an [`OrthogonalRnn`]: a table of a config file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrthogonalRnnConfig {
    /// The hidden size H.
    pub hidden: usize,
    /// The share of D's diagonal that is −1, rounded to a whole number of units (the last ones);
    /// default 0.5.
    #[serde(default = "half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub negative_fraction: f64,
    /// The angles of the first W, before D: (I + A)⁻¹(I − A) rotates units 2j and 2j + 1 by an angle
    /// uniform between 0 and this, in radians; default π/2. With 0 it is I.
    #[serde(default = "right_angle")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = PI))]
    pub largest_angle: f64,
    /// W_ih, H×I.
    #[serde(default)]
    pub input_weights: Initialization,
    /// Every element of b in modReLU(z) = sign(z) max(|z| + b, 0); default 0, with which the cell is
    /// linear. Below 0 small units are silent, and pass no gradient.
    #[serde(default)]
    pub bias: f64,
}

fn half() -> f64 {
    0.5
}

fn right_angle() -> f64 {
    FRAC_PI_2
}

impl CellConfig for OrthogonalRnnConfig {
    type Cell = OrthogonalRnn;

    const KIND: &'static str = "orthogonal-rnn";

    fn hidden(&self) -> usize {
        self.hidden
    }

    fn validate(&self, input: usize) -> Result<(), InvalidConfig> {
        require(self.hidden > 0, "hidden", "at least 1", self.hidden)?;
        require(
            (0.0..=1.0).contains(&self.negative_fraction),
            "negative_fraction",
            "a number from 0 to 1, the share of −1 in D",
            self.negative_fraction,
        )?;
        require(
            (0.0..PI).contains(&self.largest_angle),
            "largest_angle",
            "an angle in radians, at least 0 and below π = 3.14159…; use negative_fraction for \
             eigenvalues −1",
            self.largest_angle,
        )?;
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
            delta: 2 * self.hidden,
        }
    }

    /// Of the 2H rows of δ half are those of the bias alone.
    fn weights(&self, input: usize) -> u128 {
        let (hidden, input) = (self.hidden as u128, input as u128);
        hidden * (hidden + input + 1)
    }

    /// A is block diagonal, with blocks [[0, s], [−s, 0]], s = −√((1 − cos θ)/(1 + cos θ)) = −tan ½θ, of
    /// which (I + A)⁻¹(I − A) makes rotations by θ (Helfrich et al. 2018, after the block-diagonal
    /// initialisation of Henaff, Szlam & LeCun 2016). An odd unit out keeps a 1.
    fn build(&self, input: usize, streams: &WeightStreams) -> Result<OrthogonalRnn, InvalidConfig> {
        self.validate(input)?;
        let hidden = self.hidden;
        let pairs = hidden / 2;
        let turns = uniform(pairs, 1, 0.0, 1.0, streams.stream("angles", (pairs, 1)));
        let mut skew = DMatrix::zeros(hidden, hidden);
        for (pair, turn) in turns.iter().enumerate() {
            skew[(2 * pair + 1, 2 * pair)] = (0.5 * self.largest_angle * turn).tan();
        }
        let negative = (self.negative_fraction * hidden as f64).round() as usize;
        let signs = DVector::from_fn(
            hidden,
            |unit, _| {
                if unit < hidden - negative { 1.0 } else { -1.0 }
            },
        );
        let stream = streams.stream("weight_ih", (hidden, input));
        Ok(OrthogonalRnn::new(
            &skew,
            signs,
            self.input_weights.draw(hidden, input, hidden, stream),
            DVector::from_element(hidden, self.bias),
        ))
    }

    /// One law for `h`, `ln sigma_max(W)`, which is 0 because W is orthogonal: the rate where no unit can
    /// be silent (b ≥ 0), else an upper bound.
    fn laws(&self, cell: &OrthogonalRnn, _context: LawContext) -> Vec<Law> {
        let always_active = cell.bias().iter().all(|bias| *bias >= 0.0);
        vec![Law {
            quantity: "h",
            name: "ln sigma_max(W)",
            relation: if always_active {
                Relation::Rate
            } else {
                Relation::UpperBound
            },
            rates: vec![0.0],
        }]
    }
}

#[cfg(test)]
mod tests {
    use cell_config::{Scheme, Streams};
    use gradient_tracking::RecurrentCell;

    use super::*;

    const INPUT: usize = 3;

    fn config() -> OrthogonalRnnConfig {
        OrthogonalRnnConfig {
            hidden: 7,
            negative_fraction: 0.5,
            largest_angle: FRAC_PI_2,
            input_weights: Initialization::default(),
            bias: -0.25,
        }
    }

    fn build(config: &OrthogonalRnnConfig) -> OrthogonalRnn {
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
        assert_eq!(cell.bias(), [-0.25; 7]);
        // 3.5 is rounded up.
        let negative = cell.signs().iter().filter(|sign| **sign == -1.0).count();
        assert_eq!(negative, 4);
        let mut other = config();
        (other.negative_fraction, other.largest_angle) = (0.0, 0.0);
        assert_eq!(
            build(&other).recurrent_weights(),
            DMatrix::identity(7, 7),
            "no rotation, no reflection"
        );
    }

    /// Without D: rotations by angles within the range, and an eigenvalue 1 of the odd unit out.
    #[test]
    fn the_first_matrix_rotates_pairs_of_units_by_angles_up_to_the_largest() {
        let mut config = config();
        (config.hidden, config.negative_fraction) = (201, 0.0);
        let w = build(&config).recurrent_weights().into_owned();
        let angles: Vec<f64> = (0..100)
            .map(|pair| w[(2 * pair + 1, 2 * pair)].atan2(w[(2 * pair, 2 * pair)]))
            .map(f64::abs)
            .collect();
        assert_eq!(w[(200, 200)], 1.0);
        assert!(angles.iter().all(|angle| *angle < FRAC_PI_2));
        // 100 uniform angles: their mean has a standard error of π/2/√1200; five of them.
        let mean = angles.iter().sum::<f64>() / 100.0;
        assert!((mean - FRAC_PI_2 / 2.0).abs() < 5.0 * FRAC_PI_2 / 1200_f64.sqrt());
        // Largest angles scale the same draw.
        config.largest_angle = FRAC_PI_2 / 2.0;
        let w = build(&config).recurrent_weights().into_owned();
        let half = w[(1, 0)].atan2(w[(0, 0)]).abs();
        assert!((half - angles[0] / 2.0).abs() < 1e-14);
    }

    #[test]
    fn law_is_a_rate_only_where_no_unit_can_be_silent() {
        for (bias, relation) in [
            (0.0, Relation::Rate),
            (0.5, Relation::Rate),
            (-0.1, Relation::UpperBound),
        ] {
            let config = OrthogonalRnnConfig { bias, ..config() };
            let laws = config.laws(&build(&config), LawContext::default());
            assert_eq!(laws.len(), 1);
            assert_eq!((laws[0].relation, laws[0].rates[0]), (relation, 0.0));
        }
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let key = |change: fn(&mut OrthogonalRnnConfig)| {
            let mut config = config();
            change(&mut config);
            config.validate(INPUT).unwrap_err().key
        };
        assert_eq!(key(|config| config.hidden = 0), "hidden");
        for fraction in [-0.1, 1.5, f64::NAN] {
            let config = OrthogonalRnnConfig {
                negative_fraction: fraction,
                ..config()
            };
            let error = config.validate(INPUT).unwrap_err();
            assert_eq!(error.key, "negative_fraction");
        }
        assert_eq!(key(|config| config.largest_angle = PI), "largest_angle");
        assert_eq!(key(|config| config.largest_angle = -0.1), "largest_angle");
        assert_eq!(key(|config| config.bias = f64::NAN), "bias");
        assert_eq!(
            key(|config| config.input_weights.init = Scheme::SpectralRadius),
            "input_weights.init"
        );
        assert_eq!(config().validate(INPUT), Ok(()));
    }
}
