//! The activation φ of a vanilla RNN and its derivative, written as a function of h = φ(a).

use kernels::Epilogue;
use kernels::simd::Simd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use theory::mean_field::Phi;

/// φ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// tanh a; φ' = 1 − h².
    #[default]
    Tanh,
    /// max(a, 0); φ' = 1 where a > 0, else 0 (at 0 too, as in PyTorch).
    Relu,
    /// 1/(1 + e^{−a}); φ' = h(1 − h).
    Logistic,
    /// a; φ' = 1.
    Identity,
}

impl Activation {
    /// γ, the largest value of φ': the constant of the bound γ·σ_max(W) < 1 of Pascanu, Mikolov &
    /// Bengio 2013, §2.1.
    pub fn largest_slope(self) -> f64 {
        self.phi().largest_slope()
    }

    /// φ as theory knows it.
    pub fn phi(self) -> Phi {
        match self {
            Activation::Tanh => Phi::Tanh,
            Activation::Relu => Phi::Relu,
            Activation::Logistic => Phi::Logistic,
            Activation::Identity => Phi::Identity,
        }
    }

    /// φ'(a)·`factor`, from h = φ(a).
    #[inline(always)]
    pub(crate) fn slope_times<S: Simd>(self, simd: S, h: S::V, factor: S::V) -> S::V {
        let one = simd.splat(1.0);
        match self {
            Activation::Tanh => (one - h * h) * factor,
            Activation::Relu => {
                let zero = simd.splat(0.0);
                simd.where_greater(h, zero, factor, zero)
            }
            Activation::Logistic => h * (one - h) * factor,
            Activation::Identity => factor,
        }
    }
}

impl Epilogue for Activation {
    #[inline(always)]
    fn of<S: Simd, const N: usize>(self, simd: S, mut a: [S::V; N]) -> [S::V; N] {
        match self {
            Activation::Tanh => kernels::tanh_of(simd, a),
            // Keeps NaN, which would hide an overflow as 0.
            Activation::Relu => {
                for a in &mut a {
                    *a = simd.max(*a, simd.splat(0.0));
                }
                a
            }
            Activation::Logistic => kernels::logistic_of(simd, a),
            Activation::Identity => a,
        }
    }
}
