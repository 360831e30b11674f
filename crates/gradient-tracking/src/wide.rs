//! Numbers with an exponent of their own: f64's precision without its range.
//!
//! [`crate::scaled`] gives a whole column one exponent, which serves an adjoint well. The triangular
//! factor of a long product of Jacobians has entries that lie thousands of decades apart within one
//! row and within one column, and its small singular values are made of the small ones.

use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `mantissa` · 2^`exponent` with 1 ≤ |`mantissa`| < 2, or zero, whose exponent lies far below all others.
///
/// Every operation rounds once, as f64 does, and neither over- nor underflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wide {
    mantissa: f64,
    exponent: i64,
}

/// An addend this many binary digits below the other one changes nothing, and those further below need
/// not be told from it.
pub(crate) const NEGLIGIBLE: i64 = 1000;

impl Wide {
    pub const ZERO: Self = Wide {
        mantissa: 0.0,
        exponent: i64::MIN / 4,
    };
    pub const ONE: Self = Wide {
        mantissa: 1.0,
        exponent: 0,
    };

    /// `mantissa` · 2^`exponent` for any mantissa that is finite and not subnormal.
    #[inline]
    pub fn new(mantissa: f64, exponent: i64) -> Self {
        if mantissa == 0.0 {
            return Self::ZERO;
        }
        let bits = mantissa.to_bits();
        let own = ((bits >> 52) & 0x7ff) as i64 - 1023;
        Wide {
            mantissa: f64::from_bits(bits & !(0x7ff << 52) | 1023 << 52),
            exponent: exponent + own,
        }
    }

    /// Any finite number.
    #[inline]
    pub fn from(value: f64) -> Self {
        if value.abs() < f64::MIN_POSITIVE {
            Self::new(value * power_of_two(100), -100)
        } else {
            Self::new(value, 0)
        }
    }

    /// Mantissa and exponent, as one numeric type.
    #[inline]
    pub fn to_parts(self) -> (f64, f64) {
        (self.mantissa, self.exponent as f64)
    }

    /// From [`to_parts`](Self::to_parts).
    #[inline]
    pub fn from_parts(mantissa: f64, exponent: f64) -> Self {
        Wide {
            mantissa,
            exponent: exponent as i64,
        }
    }

    #[inline]
    pub fn is_zero(self) -> bool {
        self.mantissa == 0.0
    }

    #[inline]
    pub fn is_negative(self) -> bool {
        self.mantissa < 0.0
    }

    pub fn sqrt(self) -> Self {
        let odd = self.exponent.rem_euclid(2);
        let mantissa = if odd == 1 {
            2.0 * self.mantissa
        } else {
            self.mantissa
        };
        Self::new(mantissa.sqrt(), (self.exponent - odd) / 2)
    }

    /// ⌊log₂⌋ of the magnitude; `None` for zero.
    pub fn exponent(self) -> Option<i64> {
        (!self.is_zero()).then_some(self.exponent)
    }

    /// This number divided by 2^`exponent`, 0 if that is below the range of f64.
    pub fn over_power(self, exponent: i64) -> f64 {
        crate::scaled::scale_by_power_of_two(self.mantissa, self.exponent - exponent)
    }

    /// By magnitude.
    #[inline]
    pub fn compare_magnitude(self, other: Self) -> Ordering {
        self.exponent
            .cmp(&other.exponent)
            .then(self.mantissa.abs().total_cmp(&other.mantissa.abs()))
    }
}

impl Mul for Wide {
    type Output = Self;

    #[inline]
    fn mul(self, other: Self) -> Self {
        Self::new(
            self.mantissa * other.mantissa,
            self.exponent + other.exponent,
        )
    }
}

impl Div for Wide {
    type Output = Self;

    /// By anything but zero.
    #[inline]
    fn div(self, other: Self) -> Self {
        Self::new(
            self.mantissa / other.mantissa,
            self.exponent - other.exponent,
        )
    }
}

impl Add for Wide {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        let (large, small) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        let below = (large.exponent - small.exponent).min(NEGLIGIBLE);
        Self::new(
            large.mantissa + small.mantissa * power_of_two(-below),
            large.exponent,
        )
    }
}

impl Neg for Wide {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Wide {
            mantissa: -self.mantissa,
            ..self
        }
    }
}

impl Sub for Wide {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

/// 2^`exponent` for |`exponent`| ≤ 1000.
#[inline]
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within the range of f64 every operation is that of f64, to the last bit.
    #[test]
    fn arithmetic_is_that_of_f64_where_f64_reaches() {
        let values = [
            0.0,
            1.0,
            -1.5,
            3.75e-8,
            -7.0e11,
            1.0 / 3.0,
            -1.0 / 3.0,
            5e-324,
            -2.5e-310,
            1e-200,
        ];
        for a in values {
            for b in values {
                let (wide_a, wide_b) = (Wide::from(a), Wide::from(b));
                assert_eq!((wide_a + wide_b).over_power(0), a + b, "{a} + {b}");
                assert_eq!((wide_a - wide_b).over_power(0), a - b, "{a} − {b}");
                // Subnormal results are rounded twice: once here, once on the way back.
                let is_comparable =
                    |exact: f64, zero: bool| zero || exact.is_normal() && exact.abs() > 1e-300;
                if is_comparable(a * b, a == 0.0 || b == 0.0) {
                    assert_eq!((wide_a * wide_b).over_power(0), a * b, "{a} · {b}");
                }
                if b != 0.0 && is_comparable(a / b, a == 0.0) {
                    assert_eq!((wide_a / wide_b).over_power(0), a / b, "{a} / {b}");
                }
                assert_eq!(
                    wide_a.compare_magnitude(wide_b),
                    a.abs().total_cmp(&b.abs()),
                    "{a}, {b}"
                );
            }
            if a >= 0.0 {
                assert_eq!(Wide::from(a).sqrt().over_power(0), a.sqrt(), "√{a}");
            }
        }
    }

    #[test]
    fn nothing_over_or_underflows() {
        let mut product = Wide::ONE;
        for _ in 0..1000 {
            product = product * Wide::from(1e-250);
        }
        let log2 = product.exponent().unwrap() as f64;
        assert!((log2 + 250_000.0 * 10.0_f64.log2()).abs() < 1.0);
        let back = (0..1000).fold(product, |product, _| product / Wide::from(1e-250));
        // A thousand roundings each way.
        assert!((back.over_power(0) - 1.0).abs() < 2000.0 * f64::EPSILON);
        let root = (product * product).sqrt();
        assert_eq!(root.exponent(), product.exponent());
    }
}
