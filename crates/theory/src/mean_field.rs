//! The mean field of wide random networks: how large their activity is, and whether a gradient
//! grows or shrinks in it.
//!
//! The setting is h_t = φ(W h_{t−1} + n_t) with independent W_ij of mean 0 and variance σ_w²/H. As
//! H → ∞ the pre-activations are normal, a ~ N(b, q): the same bias b for every unit, and what is
//! random beside W h (random biases, or inputs that are new at every step: it makes no difference
//! to one sequence) adds the variance σ_b². In the long run q = q*, where
//!
//! ```text
//! q* = σ_w² E[φ(a)²] + σ_b²        (Poole et al. 2016, Eq. 3; Chen, Pennington & Schoenholz 2018)
//! χ₁ = σ_w² E[φ'(a)²]              (Poole et al. 2016, Eq. 6; Schoenholz et al. 2017)
//! ```
//!
//! A squared gradient norm is multiplied by χ₁ at every step, so ln r_k ≈ k·½ ln χ₁: order for χ₁ < 1,
//! chaos for χ₁ > 1. With σ_b² the variance of an input noise, χ₁ = 1 is the line on which noise
//! suppresses chaos (Molgedey, Schuchhardt & Schuster 1992).
//!
//! Sources: B. Poole et al., NeurIPS 2016, arXiv:1606.05340; S. Schoenholz et al., ICLR 2017;
//! M. Chen, J. Pennington, S. Schoenholz, ICML 2018, arXiv:1806.05394; L. Molgedey,
//! J. Schuchhardt, H. Schuster, Phys. Rev. Lett. 69:3717 (1992).

use special::Error;

use crate::quadrature::gaussian_mean;
use crate::roots::turning_point;
use crate::scalar_maps::logistic;

/// An activation φ, as mean-field theory needs it.
///
/// Only [`value`](Self::value) and [`slope`](Self::slope) are required; the moments are theirs by
/// [`gaussian_mean`], which says for which functions that is exact.
pub trait Nonlinearity {
    /// φ(a).
    fn value(&self, a: f64) -> f64;

    /// φ'(a).
    fn slope(&self, a: f64) -> f64;

    /// E\[φ(a)²\] for a ~ N(`mean`, `variance`), a finite variance.
    fn value_moment(&self, mean: f64, variance: f64) -> f64 {
        gaussian_mean(mean, variance, |a| self.value(a).powi(2))
    }

    /// E\[φ'(a)²\] for a ~ N(`mean`, `variance`). The variance is infinite only if φ has a
    /// `value_moment` without bound.
    fn slope_moment(&self, mean: f64, variance: f64) -> f64 {
        gaussian_mean(mean, variance, |a| self.slope(a).powi(2))
    }
}

/// The activations with names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phi {
    /// tanh a.
    Tanh,
    /// max(a, 0).
    Relu,
    /// 1/(1 + e^{−a}).
    Logistic,
    /// a.
    Identity,
}

impl Phi {
    /// γ = max |φ'|, the constant of [`bounds`](crate::bounds).
    pub fn largest_slope(self) -> f64 {
        match self {
            Phi::Tanh | Phi::Relu | Phi::Identity => 1.0,
            Phi::Logistic => 0.25,
        }
    }
}

impl Nonlinearity for Phi {
    fn value(&self, a: f64) -> f64 {
        match self {
            Phi::Tanh => a.tanh(),
            Phi::Relu => a.max(0.0),
            Phi::Logistic => logistic(a),
            Phi::Identity => a,
        }
    }

    fn slope(&self, a: f64) -> f64 {
        match self {
            // Not 1 − tanh², which is 0 from |a| = 19 on.
            Phi::Tanh => a.cosh().recip().powi(2),
            Phi::Relu => f64::from(u8::from(a > 0.0)),
            Phi::Logistic => logistic(a) * logistic(-a),
            Phi::Identity => 1.0,
        }
    }

    /// In closed form for relu, whose kink no quadrature rule likes, and for the identity.
    fn value_moment(&self, mean: f64, variance: f64) -> f64 {
        match self {
            Phi::Tanh | Phi::Logistic => gaussian_mean(mean, variance, |a| self.value(a).powi(2)),
            Phi::Identity => mean * mean + variance,
            Phi::Relu if variance == 0.0 => self.value(mean).powi(2),
            Phi::Relu => {
                let z = mean / variance.sqrt();
                let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
                (mean * mean + variance) * normal_cdf(z) + mean * variance.sqrt() * density
            }
        }
    }

    fn slope_moment(&self, mean: f64, variance: f64) -> f64 {
        match self {
            Phi::Tanh | Phi::Logistic => gaussian_mean(mean, variance, |a| self.slope(a).powi(2)),
            Phi::Identity => 1.0,
            // relu has no scale: a centred one passes half of the gradient's square at any variance, so
            // in the limit of none too, which a network comes near to that falls silent.
            Phi::Relu if variance == 0.0 && mean == 0.0 => 0.5,
            Phi::Relu if variance == 0.0 => self.slope(mean),
            Phi::Relu => normal_cdf(mean / variance.sqrt()),
        }
    }
}

/// P(z' < z) of a standard normal variable.
fn normal_cdf(z: f64) -> f64 {
    0.5 * (-z / std::f64::consts::SQRT_2).compl_error()
}

/// A wide random network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanField {
    /// σ_w: √H times the standard deviation of an element of W.
    pub gain: f64,
    /// b, the bias that all units share.
    pub bias: f64,
    /// σ_b²: the variance of what else is added to a pre-activation, over units or over steps.
    pub noise_variance: f64,
}

/// Activity so small that f64 no longer tells σ_w² E\[φ²\] from its linearisation.
const NO_ACTIVITY: f64 = 1e-13;

impl MeanField {
    /// The length map: the variance of the pre-activations one step after it was `variance`
    /// (Poole et al. 2016, Eq. 3).
    pub fn next_variance(&self, phi: &impl Nonlinearity, variance: f64) -> f64 {
        self.gain * self.gain * phi.value_moment(self.bias, variance) + self.noise_variance
    }

    /// q*, where the length map leads from q = 1: the next fixed point in the direction of the first
    /// step. 0 in a network that falls silent, ∞ in one whose activity grows without bound.
    ///
    /// # Panics
    ///
    /// If the gain or the noise variance is negative, or anything is not finite.
    pub fn variance(&self, phi: &impl Nonlinearity) -> f64 {
        assert!(
            self.gain >= 0.0 && self.noise_variance >= 0.0,
            "negative in {self:?}"
        );
        assert!(
            self.gain.is_finite() && self.noise_variance.is_finite() && self.bias.is_finite(),
            "not finite: {self:?}"
        );
        let grows = |q: f64| self.next_variance(phi, q) > q;
        if grows(1.0) {
            let mut high = 2.0;
            while grows(high) {
                high *= 2.0;
                if !high.is_finite() {
                    return f64::INFINITY;
                }
            }
            return turning_point(high / 2.0, high, grows);
        }
        let is_silent = self.next_variance(phi, 0.0) == 0.0;
        let shrinks = |q: f64| self.next_variance(phi, q) < q;
        let mut low = 1.0;
        while shrinks(low) {
            low /= 2.0;
            if is_silent && low < NO_ACTIVITY {
                return 0.0;
            }
        }
        turning_point(low, (2.0 * low).min(1.0), |q| !shrinks(q))
    }

    /// χ₁ at q*, the factor of a squared gradient norm per step (Poole et al. 2016, Eq. 6).
    pub fn chi(&self, phi: &impl Nonlinearity) -> f64 {
        self.gain * self.gain * phi.slope_moment(self.bias, self.variance(phi))
    }

    /// ½ ln χ₁, the rate of a gradient in nats per step.
    pub fn rate(&self, phi: &impl Nonlinearity) -> f64 {
        0.5 * self.chi(phi).ln()
    }
}

/// The gain σ_w above which a network with this bias and noise variance is chaotic: χ₁ = 1. For
/// activations with χ₁ growing in the gain, as those of [`Phi`]; `None` if no gain below 10⁶ is enough.
pub fn critical_gain(phi: &impl Nonlinearity, bias: f64, noise_variance: f64) -> Option<f64> {
    let is_ordered = |gain: f64| {
        let network = MeanField {
            gain,
            bias,
            noise_variance,
        };
        network.chi(phi) < 1.0
    };
    let mut high = 1.0;
    while is_ordered(high) {
        high *= 2.0;
        if high > 1e6 {
            return None;
        }
    }
    Some(turning_point(0.0, high, is_ordered))
}

/// The standard deviation of the noise at which a chaotic network of this gain and bias stops being
/// chaotic: χ₁ = 1 (Molgedey, Schuchhardt & Schuster 1992). For activations whose slope moment falls
/// with the variance; `None` without chaos to suppress, or if no noise below 10⁶ does.
pub fn critical_noise(phi: &impl Nonlinearity, gain: f64, bias: f64) -> Option<f64> {
    let is_chaotic = |noise: f64| {
        let network = MeanField {
            gain,
            bias,
            noise_variance: noise * noise,
        };
        network.chi(phi) > 1.0
    };
    if !is_chaotic(0.0) {
        return None;
    }
    let mut high = 1.0;
    while is_chaotic(high) {
        high *= 2.0;
        if high > 1e6 {
            return None;
        }
    }
    Some(turning_point(0.0, high, is_chaotic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(gain: f64, noise: f64) -> MeanField {
        MeanField {
            gain,
            bias: 0.0,
            noise_variance: noise * noise,
        }
    }

    /// By iteration from q = 1 with trapezoidal sums of 400,001 points over ±12 deviations. With 200
    /// nodes Gauss–Hermite quadrature gives χ₁ = 1.859752 for σ_w = 3.
    #[test]
    fn fixed_points_of_tanh() {
        for (gain, noise, variance, chi, rate) in [
            (0.9, 0.0, 0.0, 0.81, -0.105361),
            (0.9, 0.05, 0.011975, 0.791373, -0.116993),
            (1.0, 0.0, 0.0, 1.0, 0.0),
            (1.0, 0.05, 0.037122, 0.934059, -0.034108),
            (1.25, 0.0, 0.326464, 1.048195, 0.023535),
            (1.5, 0.0, 0.793354, 1.139323, 0.065217),
            (1.5, 0.05, 0.798387, 1.136708, 0.064068),
            (2.0, 0.0, 2.121474, 1.362673, 0.154724),
            (3.0, 0.0, 6.305391, 1.859855, 0.310249),
        ] {
            let network = network(gain, noise);
            let half_a_digit = 5.1e-7;
            let variance_here = network.variance(&Phi::Tanh);
            assert!(
                (variance_here - variance).abs() <= half_a_digit,
                "{network:?} {variance_here}"
            );
            let chi_here = network.chi(&Phi::Tanh);
            assert!(
                (chi_here - chi).abs() <= half_a_digit,
                "{network:?} {chi_here}"
            );
            let rate_here = network.rate(&Phi::Tanh);
            assert!(
                (rate_here - rate).abs() <= half_a_digit,
                "{network:?} {rate_here}"
            );
        }
    }

    #[test]
    fn noise_suppresses_chaos_where_molgedey_says() {
        for (gain, noise, rate) in [
            (1.5, 0.3, 0.02960),
            (1.5, 0.5, -0.01673),
            (1.25, 0.05, 0.02048),
            (1.25, 0.3, -0.04939),
        ] {
            let measured = network(gain, noise).rate(&Phi::Tanh);
            assert!(
                (measured - rate).abs() <= 5.1e-6,
                "{gain} {noise}: {measured}"
            );
        }
        for (gain, noise) in [(1.5, 0.4314), (1.25, 0.1480)] {
            let critical = critical_noise(&Phi::Tanh, gain, 0.0).unwrap();
            assert!((critical - noise).abs() <= 5.1e-5, "{critical}");
            // The two critical lines are one.
            let back = critical_gain(&Phi::Tanh, 0.0, critical * critical).unwrap();
            assert!((back - gain).abs() <= 1e-12, "{back}");
        }
        assert_eq!(critical_noise(&Phi::Tanh, 1.0, 0.0), None);
        let silent = critical_gain(&Phi::Tanh, 0.0, 0.0).unwrap();
        // As near as activity can be told from none.
        assert!((silent - 1.0).abs() <= NO_ACTIVITY);
    }

    #[test]
    fn the_fixed_point_is_one() {
        for phi in [Phi::Tanh, Phi::Logistic] {
            for gain in [0.0, 1e-3, 0.5, 1.1, 4.0, 100.0] {
                for bias in [0.0, -2.0] {
                    for noise_variance in [0.0, 1e-30, 1e-6, 2.0, 1e8] {
                        let network = MeanField {
                            gain,
                            bias,
                            noise_variance,
                        };
                        let q = network.variance(&phi);
                        let next = network.next_variance(&phi, q);
                        assert!(
                            (next - q).abs() <= 1e-13 * (1.0 + q),
                            "{network:?}: {q} {next}"
                        );
                    }
                }
            }
        }
    }

    /// Where iteration converges fast, bisection finds the same point.
    #[test]
    fn the_fixed_point_is_where_iteration_leads() {
        for (gain, bias, noise) in [(0.4, 0.3, 0.2), (2.0, 0.0, 0.1), (3.0, -1.0, 0.0)] {
            let network = MeanField {
                bias,
                ..network(gain, noise)
            };
            let mut q = 1.0;
            for _ in 0..1000 {
                q = network.next_variance(&Phi::Tanh, q);
            }
            assert!((network.variance(&Phi::Tanh) - q).abs() <= 1e-14 * (1.0 + q));
        }
    }

    #[test]
    fn a_linear_network_has_a_geometric_series() {
        let half = MeanField {
            gain: 0.5,
            bias: 0.3,
            noise_variance: 0.2,
        };
        // q = σ_w² (b² + q) + σ_b².
        let variance = (0.25 * 0.09 + 0.2) / 0.75;
        assert!((half.variance(&Phi::Identity) - variance).abs() <= 1e-15);
        assert_eq!(half.chi(&Phi::Identity), 0.25);
        let double = MeanField { gain: 2.0, ..half };
        assert_eq!(double.variance(&Phi::Identity), f64::INFINITY);
        assert_eq!(double.rate(&Phi::Identity), 2f64.ln());
    }

    /// He initialisation, σ_w² = 2, is critical.
    #[test]
    fn relu_halves_the_square() {
        let network = |gain| MeanField {
            gain,
            bias: 0.0,
            noise_variance: 0.1,
        };
        assert!((network(1.0).variance(&Phi::Relu) - 0.2).abs() <= 1e-15);
        assert!((network(1.0).chi(&Phi::Relu) - 0.5).abs() <= 1e-15);
        assert_eq!(network(2.0).variance(&Phi::Relu), f64::INFINITY);
        assert_eq!(network(2.0).chi(&Phi::Relu), 2.0);
    }

    /// Without noise the activity goes to 0 below the critical gain and to ∞ above it, and χ₁ is the same
    /// all along.
    #[test]
    fn relu_without_noise_decays_as_it_does_with_it() {
        for gain in [0.5, 1.0, 1.2, 1.3, 1.5, 2.0] {
            let silent = network(gain, 0.0);
            let noisy = network(gain, 0.1);
            assert_eq!(silent.variance(&Phi::Relu) == 0.0, gain * gain < 2.0);
            let rate = 0.5 * (0.5 * gain * gain).ln();
            assert!((silent.rate(&Phi::Relu) - rate).abs() <= 1e-15, "{gain}");
            assert!((noisy.rate(&Phi::Relu) - rate).abs() <= 1e-15, "{gain}");
        }
        // A bias below 0 holds every unit of a silent network shut, one above 0 open.
        let biased = |bias| MeanField {
            bias,
            ..network(1.2, 0.0)
        };
        assert_eq!(biased(-0.3).rate(&Phi::Relu), f64::NEG_INFINITY);
        assert!(biased(0.3).rate(&Phi::Relu) > network(1.2, 0.0).rate(&Phi::Relu));
    }

    /// The closed forms against quadrature, which is as good as its step on a kink.
    #[test]
    fn moments_of_relu_agree_with_a_sum() {
        for (mean, variance) in [(0.0, 1.0), (0.7, 0.5), (-1.2, 2.0), (-3.0, 0.0), (3.0, 0.0)] {
            let value = gaussian_mean(mean, variance, |a| Phi::Relu.value(a).powi(2));
            let slope = gaussian_mean(mean, variance, |a| Phi::Relu.slope(a).powi(2));
            assert!((Phi::Relu.value_moment(mean, variance) - value).abs() <= 0.01);
            assert!((Phi::Relu.slope_moment(mean, variance) - slope).abs() <= 0.1);
        }
    }

    #[test]
    fn slopes_are_derivatives_and_keep_their_digits() {
        for phi in [Phi::Tanh, Phi::Relu, Phi::Logistic, Phi::Identity] {
            for a in [-2.0, -0.3, 0.4, 3.0] {
                let difference = (phi.value(a + 1e-5) - phi.value(a - 1e-5)) / 2e-5;
                assert!((phi.slope(a) - difference).abs() <= 1e-9, "{phi:?} {a}");
                assert!(phi.slope(a) <= phi.largest_slope());
            }
        }
        // tanh' = 4 e^(−2a), logistic' = e^(−a) far out.
        assert!((Phi::Tanh.slope(50.0) / (4.0 * (-100f64).exp()) - 1.0).abs() <= 1e-14);
        assert!((Phi::Logistic.slope(-50.0) / (-50f64).exp() - 1.0).abs() <= 1e-14);
    }

    #[test]
    fn any_function_is_an_activation() {
        struct HardlyTanh;
        impl Nonlinearity for HardlyTanh {
            fn value(&self, a: f64) -> f64 {
                a.tanh()
            }
            fn slope(&self, a: f64) -> f64 {
                1.0 - a.tanh().powi(2)
            }
        }
        let network = network(1.5, 0.1);
        let difference = network.rate(&HardlyTanh) - network.rate(&Phi::Tanh);
        assert!(difference.abs() <= 1e-14);
    }

    #[test]
    #[should_panic(expected = "negative in")]
    fn a_negative_variance_is_a_mistake() {
        let network = MeanField {
            gain: 1.0,
            bias: 0.0,
            noise_variance: -1.0,
        };
        network.variance(&Phi::Tanh);
    }
}
