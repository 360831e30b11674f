//! The activation φ of a vanilla RNN and its derivative, written as a function of h = φ(a).

use serde::{Deserialize, Serialize};

/// φ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        match self {
            Activation::Tanh | Activation::Relu | Activation::Identity => 1.0,
            Activation::Logistic => 0.25,
        }
    }

    /// Replaces each a by φ(a).
    pub fn apply(self, values: &mut [f64]) {
        match self {
            Activation::Tanh => kernels::tanh(values),
            // Not `max`, which would turn NaN into 0 and hide an overflow.
            Activation::Relu => values.iter_mut().for_each(|v| {
                if *v < 0.0 {
                    *v = 0.0;
                }
            }),
            Activation::Logistic => kernels::logistic(values),
            Activation::Identity => {}
        }
    }

    /// `product` = φ'(a) ⊙ `factor`, from `output` = φ(a).
    pub fn multiply_by_slope(self, output: &[f64], factor: &[f64], product: &mut [f64]) {
        let triples = || output.iter().zip(factor);
        let product = product.iter_mut();
        match self {
            Activation::Tanh => {
                for (p, (h, v)) in product.zip(triples()) {
                    *p = (1.0 - h * h) * v;
                }
            }
            Activation::Relu => {
                for (p, (h, v)) in product.zip(triples()) {
                    *p = if *h > 0.0 { *v } else { 0.0 };
                }
            }
            Activation::Logistic => {
                for (p, (h, v)) in product.zip(triples()) {
                    *p = h * (1.0 - h) * v;
                }
            }
            Activation::Identity => {
                for (p, (_, v)) in product.zip(triples()) {
                    *p = *v;
                }
            }
        }
    }
}
