//! Numbers too small or too large for f64: columns with a power-of-two exponent beside them.
//!
//! A decaying adjoint leaves the range of f64 after a few hundred steps, and its *squared* norm
//! after half as many. Backpropagation is linear in the adjoint, column by column, so a column may
//! be multiplied by any constant on the way; powers of two are exact. The true value of column j
//! is `values[.., j] · 2^exponents[j]`.

use std::ops::Range;

use kernels::{View, ViewMut};

/// Columns are brought back towards 1 when their squared norm leaves 2^±`SAFE_SQUARED_EXPONENT`:
/// far enough out to be rare, near enough that no product of one step can over- or underflow.
const SAFE_SQUARED_EXPONENT: i32 = 400;

/// A matrix with one exponent per column, over borrowed storage.
#[derive(Clone, Copy, Debug)]
pub struct Scaled<'a> {
    /// Mantissas.
    pub values: View<'a>,
    /// The power of two by which each column is to be multiplied.
    pub exponents: &'a [i64],
}

impl Scaled<'_> {
    /// The rows in `rows`, with the same exponents.
    #[inline]
    pub fn rows(&self, rows: &Range<usize>) -> Scaled<'_> {
        Scaled {
            values: self::rows(&self.values, rows),
            exponents: self.exponents,
        }
    }

    /// log₁₀ of the Frobenius norm, −∞ if every entry is zero.
    pub fn log10_norm(self) -> f64 {
        self.sum_of_squares().log10_root()
    }

    /// log₁₀ of the norm of column `j`, −∞ if it is zero.
    pub fn column_log10_norm(self, j: usize) -> f64 {
        let (square, exponent) = self.column_square(j);
        LogSum::of([(square, exponent)].into_iter()).log10_root()
    }

    /// log₁₀ of the norm of row `i`, −∞ if it is zero.
    pub fn row_log10_norm(self, i: usize) -> f64 {
        let squares = (0..self.exponents.len()).map(|j| {
            let (value, exponent) = (self.values[(i, j)], self.exponents[j]);
            let square = value * value;
            if (SMALLEST_SQUARE..f64::INFINITY).contains(&square) {
                return (square, exponent);
            }
            match largest_exponent(&[value]) {
                None => (0.0, exponent),
                Some(own) => {
                    let value = scale_by_power_of_two(value, -own);
                    (value * value, exponent + own)
                }
            }
        });
        LogSum::of(squares).log10_root()
    }

    /// Σ v² over all entries.
    #[inline]
    pub fn sum_of_squares(self) -> LogSum {
        let square = kernels::sum_of_squares(self.values);
        if let Some(sum) = Self::common_sum(square, self.exponents) {
            return sum;
        }
        let mut sum = None;
        self.column_squares(|block| {
            let block = LogSum::of(block.iter().copied());
            sum = Some(match sum {
                None => block,
                Some(sum) => LogSum::of([sum, block].map(LogSum::parts).into_iter()),
            });
        });
        sum.unwrap_or(LogSum::of([].into_iter()))
    }

    /// Σ v² over all entries from the same of the mantissas, `square`; `None` if columns differ in
    /// exponent, or if squares may have left the range of f64.
    #[inline]
    pub(crate) fn common_sum(square: f64, exponents: &[i64]) -> Option<LogSum> {
        let exponent = exponents.first().copied().unwrap_or(0);
        // Squares that underflow are below 10⁻³⁰⁸: nothing beside such a sum.
        let is_sound = (SMALLEST_SQUARE..f64::INFINITY).contains(&square)
            && exponents.iter().all(|own| *own == exponent);
        is_sound.then_some(LogSum {
            mantissa: square,
            exponent,
        })
    }

    /// Whether columns that come early hold numbers of ordinary size, so that squares of the whole
    /// lose nothing that matters to underflow. Looks no further than the first such column.
    pub(crate) fn has_sound_columns(&self) -> bool {
        self.values.column_iter().any(|column| {
            let column = View::from_slice(column.as_slice(), column.len(), 1);
            let square = kernels::sum_of_squares(column);
            (SMALLEST_SQUARE..f64::INFINITY).contains(&square)
        })
    }

    /// Shows Σ v² of each column with the exponent of its root, a block of columns at a time.
    pub(crate) fn column_squares(self, mut visit: impl FnMut(&[(f64, i64)])) {
        const BLOCK: usize = 32;
        let columns = self.exponents.len();
        for first in (0..columns).step_by(BLOCK) {
            let n = (columns - first).min(BLOCK);
            let mut squares = [0.0; BLOCK];
            kernels::column_squares(self.values.columns(first, n), &mut squares[..n]);
            let mut block = [(0.0, 0); BLOCK];
            for (k, entry) in block[..n].iter_mut().enumerate() {
                *entry = self.checked_square(first + k, squares[k]);
            }
            visit(&block[..n]);
        }
    }

    /// Σ v² of a column and the exponent of its root.
    fn column_square(&self, j: usize) -> (f64, i64) {
        self.checked_square(j, kernels::sum_of_squares(self.values.columns(j, 1)))
    }

    /// A part of a column may lie far below the whole, which has the exponent; so a sum of squares
    /// that is small is taken again, brought up.
    fn checked_square(&self, j: usize, square: f64) -> (f64, i64) {
        if (SMALLEST_SQUARE..f64::INFINITY).contains(&square) {
            return (square, self.exponents[j]);
        }
        let column = self.values.column(j);
        match largest_exponent(column.as_slice()) {
            None => (0.0, self.exponents[j]),
            Some(own) => {
                let brought_up = column.iter().map(|v| scale_by_power_of_two(*v, -own));
                (brought_up.map(|v| v * v).sum(), self.exponents[j] + own)
            }
        }
    }
}

/// A sum of squares from here on has lost nothing that matters to underflow.
const SMALLEST_SQUARE: f64 = 1e-200;

/// Σ aₖ·2^(2eₖ) held as one mantissa at the largest exponent.
#[derive(Clone, Copy, Debug)]
pub struct LogSum {
    mantissa: f64,
    exponent: i64,
}

impl LogSum {
    /// Sums squares aₖ ≥ 0 that carry the exponents eₖ of their roots.
    pub fn of(terms: impl Iterator<Item = (f64, i64)> + Clone) -> LogSum {
        let exponent = terms
            .clone()
            .filter(|(square, _)| *square > 0.0)
            .map(|(_, exponent)| exponent)
            .max()
            .unwrap_or(0);
        let mantissa = terms
            .filter(|(square, _)| *square > 0.0)
            .map(|(square, own)| scale_by_power_of_two(square, 2 * (own - exponent)))
            .sum();
        LogSum { mantissa, exponent }
    }

    /// Mantissa and exponent: the sum is mantissa · 2^(2·exponent).
    #[inline]
    pub fn parts(self) -> (f64, i64) {
        (self.mantissa, self.exponent)
    }

    /// log₁₀ of the square root of the sum: the log-norm. −∞ for an empty sum.
    pub fn log10_root(self) -> f64 {
        // Without an exponent the logarithm is taken directly: one rounding less.
        if self.exponent == 0 {
            0.5 * self.mantissa.log10()
        } else {
            0.5 * self.mantissa.log10() + self.exponent as f64 * std::f64::consts::LOG10_2
        }
    }
}

/// `value` · 2^`exponent`, exact unless the result leaves the range of f64.
pub fn scale_by_power_of_two(value: f64, exponent: i64) -> f64 {
    let mut value = value;
    // Beyond ±2200 every f64 is 0 or ∞ already.
    let mut left = exponent.clamp(-2200, 2200);
    while left != 0 {
        let part = left.clamp(-1000, 1000);
        value *= power_of_two(part);
        left -= part;
    }
    value
}

/// 2^`exponent` for |exponent| ≤ 1000.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// Multiplies a slice by 2^`exponent`.
pub(crate) fn scale_slice(values: &mut [f64], exponent: i64) {
    if exponent == 0 {
        return;
    }
    if (-1000..=1000).contains(&exponent) {
        let factor = power_of_two(exponent);
        values.iter_mut().for_each(|v| *v *= factor);
    } else {
        values
            .iter_mut()
            .for_each(|v| *v = scale_by_power_of_two(*v, exponent));
    }
}

/// ⌊log₂⌋ of the largest magnitude, `None` if all are zero.
pub(crate) fn largest_exponent(values: &[f64]) -> Option<i64> {
    exponent_of(values.iter().fold(0.0_f64, |m, v| m.max(v.abs())))
}

/// ⌊log₂⌋ of a magnitude, `None` of zero.
pub(crate) fn exponent_of(largest: f64) -> Option<i64> {
    (largest > 0.0).then(|| {
        let (normal, shift) = if largest < f64::MIN_POSITIVE {
            (largest * power_of_two(100), -100)
        } else {
            (largest, 0)
        };
        ((normal.to_bits() >> 52) as i64 & 0x7ff) - 1023 + shift
    })
}

/// The adjoint holds a NaN or an infinity: a single step multiplied it by more than 2⁸⁰⁰.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite;

/// The squared norms that a column may have.
pub(crate) fn safe_squares() -> (f64, f64) {
    let exponent = i64::from(SAFE_SQUARED_EXPONENT);
    (power_of_two(-exponent), power_of_two(exponent))
}

/// Brings every column whose squared norm has left the safe range back to norm about 1.
///
/// # Errors
/// [`NotFinite`] if a column holds a NaN or an infinity.
#[inline]
pub fn rescale(mut values: ViewMut, exponents: &mut [i64]) -> Result<(), NotFinite> {
    let (low, high) = safe_squares();
    if kernels::columns_lie_within(values.as_view(), low, high) {
        return Ok(());
    }
    for (j, exponent) in exponents.iter_mut().enumerate() {
        let square = kernels::sum_of_squares(values.columns(j, 1).as_view());
        if (low..high).contains(&square) {
            continue;
        }
        let mut column = values.column_mut(j);
        let column = column.as_mut_slice();
        if column.iter().any(|v| !v.is_finite()) {
            return Err(NotFinite);
        }
        if let Some(own) = largest_exponent(column) {
            scale_slice(column, -own);
            *exponent += own;
        }
    }
    Ok(())
}

/// Brings two matrices to common exponents, the larger scale of the two in each column, so that
/// they may be added. Shapes: the same number of columns.
pub(crate) fn align(
    mut values: ViewMut,
    exponents: &mut [i64],
    mut addend: ViewMut,
    addend_exponents: &mut [i64],
) {
    let columns = values.column_iter_mut().zip(addend.column_iter_mut());
    let exponents = exponents.iter_mut().zip(addend_exponents);
    for ((mut column, mut addend), (exponent, addend_exponent)) in columns.zip(exponents) {
        let (column, addend) = (column.as_mut_slice(), addend.as_mut_slice());
        let own = largest_exponent(column).map(|own| own + *exponent);
        let added = largest_exponent(addend).map(|added| added + *addend_exponent);
        let target = match own.max(added) {
            _ if added.is_none() => *exponent,
            // Exponent 0 serves every column of ordinary size: ordinary adjoints stay as they are.
            Some(larger) if larger.abs() >= 100 => larger,
            _ => 0,
        };
        scale_slice(column, *exponent - target);
        scale_slice(addend, *addend_exponent - target);
        (*exponent, *addend_exponent) = (target, target);
    }
}

/// Adds `addend` to the rows `rows` of `values`, column by column: at the scale of the values where
/// the two are near each other, else at the larger one.
///
/// Both must come from [`rescale`]: their columns are zero or of a norm within 2^±200.
pub(crate) fn add_to_rows(
    mut values: ViewMut,
    exponents: &mut [i64],
    rows: &Range<usize>,
    addend: Scaled,
) {
    let columns = values.column_iter_mut().zip(addend.values.column_iter());
    let exponents = exponents.iter_mut().zip(addend.exponents);
    for ((mut column, addend), (exponent, addend_exponent)) in columns.zip(exponents) {
        let (column, addend) = (column.as_mut_slice(), addend.as_slice());
        let is_zero = |values: &[f64]| values.iter().all(|v| *v == 0.0);
        let shift = addend_exponent - *exponent;
        if shift.abs() > i64::from(SAFE_SQUARED_EXPONENT) / 2 {
            // Scaled by 2 to the power of the shift, the addend might leave the range of f64.
            if is_zero(addend) {
                continue;
            }
            if shift > 0 || is_zero(column) {
                scale_slice(column, -shift);
                *exponent = *addend_exponent;
            }
        }
        let shift = addend_exponent - *exponent;
        let sums = column[rows.clone()].iter_mut().zip(addend);
        if shift == 0 {
            sums.for_each(|(value, add)| *value += add);
        } else {
            let factor = scale_by_power_of_two(1.0, shift);
            sums.for_each(|(value, add)| *value += add * factor);
        }
    }
}

/// Rows of a view, as a view of the same kind.
pub(crate) fn rows<'a>(view: &'a View, rows: &Range<usize>) -> View<'a> {
    view.rows_generic(rows.start, nalgebra::Dyn(rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;

    #[test]
    fn norms_combine_at_the_largest_exponent() {
        let values = DMatrix::from_row_slice(2, 2, &[3.0, 3.0, 4.0, 4.0]);
        let norm = |exponents: [i64; 2]| {
            Scaled {
                values: values.as_view(),
                exponents: &exponents,
            }
            .log10_norm()
        };
        assert!((norm([0, 0]) - (50.0_f64).sqrt().log10()).abs() < 1e-15);
        let far = norm([-5000, -90_000]);
        assert!((far - (5.0_f64.log10() - 5000.0 * 2.0_f64.log10())).abs() < 1e-11);
        let near = norm([-5000, -5001]);
        let expected = 0.5 * 31.25_f64.log10() - 5000.0 * 2.0_f64.log10();
        assert!((near - expected).abs() < 1e-11);
    }

    #[test]
    fn zero_is_kept_apart_from_small() {
        let values = DMatrix::from_row_slice(1, 2, &[0.0, 1.0]);
        let scaled = Scaled {
            values: values.as_view(),
            exponents: &[0, -1_000_000],
        };
        assert_eq!(scaled.column_log10_norm(0), f64::NEG_INFINITY);
        assert!(scaled.column_log10_norm(1) < -301_029.0);
        assert_eq!(scaled.log10_norm(), scaled.column_log10_norm(1));
    }

    /// One exponent serves a whole column; a part of it may lie 10⁻²⁵⁰ below the rest.
    #[test]
    fn a_norm_whose_squares_underflow_is_no_zero() {
        let values = DMatrix::from_row_slice(2, 2, &[3e-250, 0.0, 4e-250, 1e-300]);
        let scaled = Scaled {
            values: values.as_view(),
            exponents: &[7, 7],
        };
        let expected = 5e-250_f64.log10() + 7.0 * 2.0_f64.log10();
        assert!((scaled.column_log10_norm(0) - expected).abs() < 1e-12);
        assert!((scaled.log10_norm() - expected).abs() < 1e-12);
        let large = DMatrix::from_element(2, 1, 1e200);
        let scaled = Scaled {
            values: large.as_view(),
            exponents: &[0],
        };
        assert!((scaled.log10_norm() - 200.0 - 0.5 * 2.0_f64.log10()).abs() < 1e-12);
    }

    /// More columns than a block, each with its own exponent.
    #[test]
    fn many_columns_with_exponents_of_their_own_add_up() {
        let columns = 70;
        let values = DMatrix::from_fn(3, columns, |i, j| (i + j) as f64 - 20.0);
        let exponents: Vec<i64> = (0..columns as i64).map(|j| j % 5 - 4).collect();
        let scaled = Scaled {
            values: values.as_view(),
            exponents: &exponents,
        };
        let plain = DMatrix::from_fn(3, columns, |i, j| {
            values[(i, j)] * 2.0_f64.powi(exponents[j] as i32)
        });
        assert!((scaled.log10_norm() - plain.norm().log10()).abs() < 1e-14);
    }

    #[test]
    fn rescaling_is_exact_and_reversible() {
        for scale in [-310, -250, -100, 0, 100, 250, 300] {
            let original = DMatrix::from_fn(3, 1, |i, _| {
                scale_by_power_of_two(1.0 + i as f64 / 7.0, scale)
            });
            let mut values = original.clone();
            let mut exponents = [0];
            rescale(values.as_view_mut(), &mut exponents).unwrap();
            let back = values.map(|v| scale_by_power_of_two(v, exponents[0]));
            assert_eq!(back, original);
            let square = kernels::sum_of_squares(values.as_view());
            assert!(square.log2().abs() <= f64::from(SAFE_SQUARED_EXPONENT));
        }
    }

    #[test]
    fn denormal_columns_are_rescued_and_infinite_ones_reported() {
        let mut values = DMatrix::from_element(2, 1, 5e-324);
        let mut exponents = [0];
        rescale(values.as_view_mut(), &mut exponents).unwrap();
        assert_eq!(values[0], 1.0);
        assert_eq!(exponents[0], -1074);
        for bad in [f64::INFINITY, f64::NAN] {
            let mut values = DMatrix::from_element(2, 1, bad);
            assert_eq!(
                rescale(values.as_view_mut(), &mut [0]),
                Err(NotFinite),
                "{bad}"
            );
        }
    }

    /// (value, its exponent, addend, its exponent, sum, its exponent)
    #[test]
    fn adding_to_rows_keeps_the_larger_part_and_the_scale_where_it_can() {
        for (value, exponent, addend, addend_exponent, sum, sum_exponent) in [
            (1.0, 7, 2.0, 7, 3.0, 7),
            (1.0, 7, 2.0, 8, 5.0, 7),
            (1.0, 0, 1.0, -200, 1.0 + 2.0_f64.powi(-200), 0),
            (1.0, 0, 2.0, -9000, 1.0, 0),
            (1.0, -9000, 2.0, 0, 2.0, 0),
            (1.0, 9000, 2.0, 0, 1.0, 9000),
            (0.0, 9000, 2.0, 5, 2.0, 5),
            (0.0, 0, 2.0, -9000, 2.0, -9000),
            (1.0, -9000, 0.0, 5, 1.0, -9000),
            (0.0, 0, 0.0, 9000, 0.0, 0),
        ] {
            let mut values = DMatrix::from_column_slice(3, 1, &[value, value, 0.0]);
            let mut exponents = [exponent];
            let addend = DMatrix::from_element(1, 1, addend);
            let addend = Scaled {
                values: addend.as_view(),
                exponents: &[addend_exponent],
            };
            add_to_rows(values.as_view_mut(), &mut exponents, &(1..2), addend);
            let untouched = scale_by_power_of_two(value, exponent - sum_exponent);
            assert_eq!(values.as_slice(), [untouched, sum, 0.0]);
            assert_eq!(exponents, [sum_exponent]);
        }
    }

    #[test]
    fn adding_at_different_scales_keeps_the_larger_part() {
        for (exponent, addend, expected) in [
            (-5000_i64, 1.0_f64, (1.0, 0_i64)),
            (-5000, 0.0, (1.0, -5000)),
            (5000, 1.0, (1.0, 5000)),
            (0, 2.0, (3.0, 0)),
            (-1, 2.0, (2.5, 0)),
        ] {
            let mut values = DMatrix::from_element(1, 1, 1.0);
            let mut exponents = [exponent];
            let mut addend = DMatrix::from_element(1, 1, addend);
            align(
                values.as_view_mut(),
                &mut exponents,
                addend.as_view_mut(),
                &mut [0],
            );
            values += addend;
            assert_eq!((values[0], exponents[0]), expected);
        }
    }
}
