//! Sums over the entries of a matrix.

use crate::simd::{LANES, Pass, Simd, Vector, run};
use crate::{View, ViewMut, entries, entries_mut};

/// Σ v² over all entries. Overflows to infinity, and loses squares below 10⁻³⁰⁸.
#[inline]
pub fn sum_of_squares(matrix: View) -> f64 {
    run(SumOfSquares(matrix))
}

/// Σ v² of every column.
///
/// # Panics
/// If there are not as many sums as columns.
pub fn column_squares(matrix: View, sums: &mut [f64]) {
    assert_eq!(matrix.ncols(), sums.len(), "columns to square");
    run(ColumnSquares { matrix, sums });
}

/// Σ v² of every `group` columns together.
///
/// # Panics
/// If there are not as many sums as groups.
pub fn grouped_squares(matrix: View, group: usize, sums: &mut [f64]) {
    assert_eq!(matrix.ncols(), group * sums.len(), "columns to square");
    run(GroupedSquares {
        matrix,
        group,
        sums,
    });
}

/// Whether Σ v² of every column lies in `low`…`high`: false if any is NaN.
#[inline]
pub fn columns_lie_within(matrix: View, low: f64, high: f64) -> bool {
    run(ColumnsLieWithin { matrix, low, high })
}

/// Whether every value is finite.
#[inline]
pub fn all_finite(values: &[f64]) -> bool {
    run(AllFinite(values))
}

/// Copies one matrix into another of its shape.
///
/// # Panics
/// If the shapes do not fit.
#[inline]
pub fn copy(from: View, mut to: ViewMut) {
    assert_eq!(from.shape(), to.shape(), "shapes of a copy");
    if let (Some(from), Some(to)) = (entries(&from), entries_mut(&mut to)) {
        to.copy_from_slice(from);
        return;
    }
    for (from, mut to) in from.column_iter().zip(to.column_iter_mut()) {
        to.as_mut_slice().copy_from_slice(from.as_slice());
    }
}

/// Σ v² of a slice.
#[inline(always)]
fn squares<S: Simd>(simd: S, values: &[f64]) -> f64 {
    simd.sum(squares_by_lane(simd, values))
}

/// Σ v² of a slice, lane by lane.
#[inline(always)]
fn squares_by_lane<S: Simd>(simd: S, values: &[f64]) -> S::V {
    let mut partial = [simd.splat(0.0); 4];
    add_squares(simd, values, &mut partial);
    total(partial)
}

/// Adds v² to four sums that do not wait for each other.
#[inline(always)]
fn add_squares<S: Simd>(simd: S, values: &[f64], partial: &mut [S::V; 4]) {
    let mut blocks = values.chunks_exact(4 * LANES);
    for block in &mut blocks {
        for (k, sum) in partial.iter_mut().enumerate() {
            let v = simd.load(&block[k * LANES..(k + 1) * LANES], 0);
            *sum = simd.mul_add(v, v, *sum);
        }
    }
    let rest = blocks.remainder().chunks(LANES);
    for (sum, values) in partial.iter_mut().zip(rest) {
        let v = simd.load(values, 0);
        *sum = simd.mul_add(v, v, *sum);
    }
}

#[inline(always)]
fn total<V: Vector>(partial: [V; 4]) -> V {
    (partial[0] + partial[2]) + (partial[1] + partial[3])
}

struct SumOfSquares<'a>(View<'a>);

impl Pass for SumOfSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        if let Some(all) = entries(&self.0) {
            return squares(simd, all);
        }
        let columns = self.0.column_iter();
        columns.fold(0.0, |sum, column| sum + squares(simd, column.as_slice()))
    }
}

struct ColumnSquares<'a> {
    matrix: View<'a>,
    sums: &'a mut [f64],
}

impl Pass for ColumnSquares<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (column, sum) in self.matrix.column_iter().zip(self.sums) {
            *sum = squares(simd, column.as_slice());
        }
    }
}

struct GroupedSquares<'a> {
    matrix: View<'a>,
    group: usize,
    sums: &'a mut [f64],
}

impl Pass for GroupedSquares<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if let Some(all) = entries(&self.matrix) {
            let size = self.group * self.matrix.nrows();
            if size == 0 {
                self.sums.fill(0.0);
                return;
            }
            for (group, sum) in all.chunks_exact(size).zip(self.sums) {
                *sum = squares(simd, group);
            }
            return;
        }
        let mut columns = self.matrix.column_iter();
        for sum in self.sums {
            let mut partial = [simd.splat(0.0); 4];
            for column in columns.by_ref().take(self.group) {
                add_squares(simd, column.as_slice(), &mut partial);
                // Short columns do not wait for each other.
                let [a, b, c, d] = partial;
                partial = [c, d, a, b];
            }
            *sum = simd.sum(total(partial));
        }
    }
}

struct ColumnsLieWithin<'a> {
    matrix: View<'a>,
    low: f64,
    high: f64,
}

impl Pass for ColumnsLieWithin<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        columns_lie_within_of(simd, self.matrix, self.low, self.high)
    }
}

/// [`columns_lie_within`] as part of a pass.
#[inline(always)]
pub fn columns_lie_within_of<S: Simd>(simd: S, matrix: View, low: f64, high: f64) -> bool {
    let (rows, columns) = matrix.shape();
    let mut done = 0;
    let mut within = true;
    if let Some(all) = entries(&matrix).filter(|all| !all.is_empty()) {
        // Eight columns at once.
        let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
        let (below, high) = (simd.splat(low.next_down()), simd.splat(high));
        let mut all_within = one;
        for block in all.chunks_exact(LANES * rows) {
            let mut by_lane = [zero; LANES];
            for (column, by_lane) in block.chunks_exact(rows).zip(&mut by_lane) {
                *by_lane = squares_by_lane(simd, column);
            }
            let squares = simd.sums(by_lane);
            // A NaN is not greater than anything.
            let not_low = simd.where_greater(squares, below, all_within, zero);
            all_within = simd.where_greater(high, squares, not_low, zero);
            done += LANES;
        }
        within = simd.sum(all_within) == LANES as f64;
    }
    for j in done..columns {
        let square = squares(simd, matrix.column(j).as_slice());
        within &= low <= square && square < high;
    }
    within
}

/// [`columns_lie_within`] of a single column that stays in registers, M parts of N vectors.
#[inline(always)]
pub fn lies_within_of<S: Simd, const M: usize, const N: usize>(
    simd: S,
    column: [[S::V; N]; M],
    low: f64,
    high: f64,
) -> bool {
    let mut partial = [simd.splat(0.0); 4];
    for (m, part) in column.into_iter().enumerate() {
        for (n, v) in part.into_iter().enumerate() {
            let sum = &mut partial[(m * N + n) % 4];
            *sum = simd.mul_add(v, v, *sum);
        }
    }
    let square = simd.sum(total(partial));
    low <= square && square < high
}

struct AllFinite<'a>(&'a [f64]);

impl Pass for AllFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        // 0·v is 0 for every finite v, else NaN.
        let zero = simd.splat(0.0);
        let mut sums = [zero; 4];
        let mut k = 0;
        while k < self.0.len() {
            for sum in &mut sums {
                if k < self.0.len() {
                    *sum = simd.mul_add(simd.load(self.0, k), zero, *sum);
                }
                k += LANES;
            }
        }
        simd.sum((sums[0] + sums[2]) + (sums[1] + sums[3])) == 0.0
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;

    /// Small integers, whose sums are exact in any order.
    fn integers(rows: usize, columns: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| ((3 * i + 5 * j) % 11) as f64 - 4.0)
    }

    #[test]
    fn sums_equal_the_plain_ones() {
        for (rows, columns) in [(0, 6), (1, 1), (7, 3), (8, 2), (33, 6), (70, 1)] {
            let matrix = integers(rows, columns);
            let square: f64 = matrix.iter().map(|v| v * v).sum();
            assert_eq!(sum_of_squares(matrix.as_view()), square);
            let mut squares = vec![0.0; columns];
            column_squares(matrix.as_view(), &mut squares);
            for (j, square) in squares.iter().enumerate() {
                assert_eq!(*square, matrix.column(j).norm_squared());
            }
            for group in (1..=columns).filter(|group| columns % group == 0) {
                let mut squares = vec![f64::NAN; columns / group];
                grouped_squares(matrix.as_view(), group, &mut squares);
                for (k, square) in squares.iter().enumerate() {
                    let part = matrix.columns(k * group, group);
                    assert_eq!(*square, part.norm_squared());
                }
            }
            let mut copied = DMatrix::zeros(rows, columns);
            copy(matrix.as_view(), copied.as_view_mut());
            assert_eq!(copied, matrix);
        }
    }

    #[test]
    fn one_column_outside_is_enough() {
        for (rows, columns) in [(5, 1), (5, 3), (5, 8), (13, 13), (24, 16)] {
            let mut matrix = integers(rows, columns);
            assert!(columns_lie_within(matrix.as_view(), 1.0, 1e4));
            for j in 0..columns {
                for outside in [1e20, 1e-20, f64::NAN, f64::INFINITY] {
                    let column = matrix.column(j).into_owned();
                    matrix.column_mut(j).fill(outside);
                    assert!(!columns_lie_within(matrix.as_view(), 1.0, 1e4), "{outside}");
                    matrix.set_column(j, &column);
                }
            }
            // The limits themselves: the lower one belongs to the range, the upper one does not.
            matrix.fill(0.0);
            matrix.row_mut(0).fill(2.0);
            assert!(columns_lie_within(matrix.as_view(), 4.0, 1e3));
            assert!(!columns_lie_within(matrix.as_view(), 1.0, 4.0));
        }
        // Each column by units of its own.
        let apart = DMatrix::from_fn(5, 5, |i, j| if i == j { 3.0 } else { 0.0 });
        assert!(columns_lie_within(apart.as_view(), 9.0, 10.0));
        assert!(!columns_lie_within(apart.as_view(), 1.0, 9.0));
        let mut matrix = integers(5, 3);
        assert!(columns_lie_within(matrix.as_view(), 1.0, 1e3));
        for outside in [1e20, f64::NAN, f64::INFINITY] {
            matrix[(4, 1)] = outside;
            assert!(!columns_lie_within(matrix.as_view(), 1.0, 1e3), "{outside}");
        }
        matrix.column_mut(1).fill(0.0);
        assert!(!columns_lie_within(matrix.as_view(), 1.0, 1e3));
    }

    #[test]
    fn a_single_number_that_is_not_finite_is_found_wherever_it_is() {
        for length in 1..70 {
            let mut values = vec![1e308; length];
            assert!(all_finite(&values));
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for at in 0..length {
                    values[at] = bad;
                    assert!(!all_finite(&values), "{bad} at {at} of {length}");
                    values[at] = -1e308;
                }
            }
        }
    }
}
