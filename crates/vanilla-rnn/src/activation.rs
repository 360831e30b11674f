//! The activation φ of a vanilla RNN and its derivative, written as a function of h = φ(a).

use gradient_tracking::{View, ViewMut};
use kernels::simd::{self, LANES, Pass, Simd};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        match self {
            Activation::Tanh | Activation::Relu | Activation::Identity => 1.0,
            Activation::Logistic => 0.25,
        }
    }

    /// Replaces each a by φ(a).
    #[inline]
    pub fn apply(self, values: ViewMut) {
        simd::run(Apply {
            activation: self,
            values,
        });
    }

    /// `product` = φ'(a) ⊙ `factor`, from `output` = φ(a). Shapes: `output` H×B, the others
    /// H×(m·B); column j of theirs belongs to column j mod B of `output`.
    #[inline]
    pub fn multiply_by_slope(self, output: View, factor: View, product: ViewMut) {
        simd::run(MultiplyBySlope {
            activation: self,
            output,
            factor,
            product,
        });
    }

    /// φ(a).
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, a: S::V) -> S::V {
        match self {
            Activation::Tanh => kernels::tanh_of(simd, a),
            // Keeps NaN, which would hide an overflow as 0.
            Activation::Relu => simd.max(a, simd.splat(0.0)),
            Activation::Logistic => kernels::logistic_of(simd, a),
            Activation::Identity => a,
        }
    }

    /// φ'(a)·`factor`, from h = φ(a).
    #[inline(always)]
    fn slope_times<S: Simd>(self, simd: S, h: S::V, factor: S::V) -> S::V {
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

struct Apply<'a> {
    activation: Activation,
    values: ViewMut<'a>,
}

impl Pass for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        if self.activation == Activation::Identity {
            return;
        }
        let Apply { activation, values } = &mut self;
        if let Some(all) = kernels::entries_mut(values) {
            return apply(simd, *activation, all);
        }
        for mut column in values.column_iter_mut() {
            apply(simd, *activation, column.as_mut_slice());
        }
    }
}

#[inline(always)]
fn apply<S: Simd>(simd: S, activation: Activation, values: &mut [f64]) {
    for k in (0..values.len()).step_by(LANES) {
        let value = activation.of(simd, simd.load(values, k));
        simd.store(values, k, value);
    }
}

struct MultiplyBySlope<'a> {
    activation: Activation,
    output: View<'a>,
    factor: View<'a>,
    product: ViewMut<'a>,
}

impl Pass for MultiplyBySlope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let MultiplyBySlope {
            activation,
            output,
            factor,
            product,
        } = &mut self;
        let whole = (
            kernels::entries(output),
            kernels::entries(factor),
            kernels::entries_mut(product),
        );
        if let (Some(h), Some(factor), Some(product)) = whole
            && h.len() == factor.len()
        {
            return multiply_by_slope(simd, *activation, h, factor, product);
        }
        let batch = self.output.ncols();
        let columns = self.factor.column_iter();
        for (j, (factor, mut product)) in columns.zip(self.product.column_iter_mut()).enumerate() {
            let h = self.output.column(j % batch);
            let (h, factor) = (h.as_slice(), factor.as_slice());
            multiply_by_slope(simd, self.activation, h, factor, product.as_mut_slice());
        }
    }
}

#[inline(always)]
fn multiply_by_slope<S: Simd>(
    simd: S,
    activation: Activation,
    h: &[f64],
    factor: &[f64],
    product: &mut [f64],
) {
    for k in (0..h.len()).step_by(LANES) {
        let (h, factor) = (simd.load(h, k), simd.load(factor, k));
        simd.store(product, k, activation.slope_times(simd, h, factor));
    }
}
