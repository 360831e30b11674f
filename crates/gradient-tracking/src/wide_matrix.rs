//! Matrices of [`Wide`] numbers, mantissas and exponents apart, so that eight of them take part in one
//! operation. The results are those of `Wide`'s own arithmetic, to the last bit.

use kernels::simd::{self, LANES, Pass, Simd};

use crate::wide::{NEGLIGIBLE, Wide};

/// Row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WideMatrix {
    columns: usize,
    mantissas: Vec<f64>,
    /// Integers, far below 2⁵³ but for that of zero.
    exponents: Vec<f64>,
}

impl WideMatrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        WideMatrix {
            columns,
            mantissas: vec![0.0; rows * columns],
            exponents: vec![Wide::ZERO.to_parts().1; rows * columns],
        }
    }

    #[inline]
    pub fn get(&self, row: usize, column: usize) -> Wide {
        let k = row * self.columns + column;
        Wide::from_parts(self.mantissas[k], self.exponents[k])
    }

    #[inline]
    pub fn set(&mut self, row: usize, column: usize, value: Wide) {
        let k = row * self.columns + column;
        (self.mantissas[k], self.exponents[k]) = value.to_parts();
    }

    /// The first rows become those of `other`, which has as many columns.
    pub fn copy_rows(&mut self, other: &Self, rows: usize) {
        let length = rows * self.columns;
        self.mantissas[..length].copy_from_slice(&other.mantissas[..length]);
        self.exponents[..length].copy_from_slice(&other.exponents[..length]);
    }

    pub fn swap_rows(&mut self, a: usize, b: usize) {
        for j in 0..self.columns {
            self.swap((a, j), (b, j));
        }
    }

    /// In the first `rows` rows.
    pub fn swap_columns(&mut self, a: usize, b: usize, rows: usize) {
        for i in 0..rows {
            self.swap((i, a), (i, b));
        }
    }

    fn swap(&mut self, a: (usize, usize), b: (usize, usize)) {
        let [a, b] = [a, b].map(|(row, column)| row * self.columns + column);
        self.mantissas.swap(a, b);
        self.exponents.swap(a, b);
    }

    /// A row from column `from` on.
    #[inline]
    pub fn row(&self, row: usize, from: usize) -> Row<'_> {
        let own = row * self.columns + from..(row + 1) * self.columns;
        Row {
            mantissas: &self.mantissas[own.clone()],
            exponents: &self.exponents[own],
        }
    }

    /// A row from column `from` on.
    #[inline]
    pub fn row_mut(&mut self, row: usize, from: usize) -> RowMut<'_> {
        let own = row * self.columns + from..(row + 1) * self.columns;
        RowMut {
            mantissas: &mut self.mantissas[own.clone()],
            exponents: &mut self.exponents[own],
        }
    }
}

/// One row, or the end of one.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    mantissas: &'a [f64],
    exponents: &'a [f64],
}

impl Row<'_> {
    pub fn iter(self) -> impl Iterator<Item = Wide> {
        let parts = self.mantissas.iter().zip(self.exponents);
        parts.map(|(mantissa, exponent)| Wide::from_parts(*mantissa, *exponent))
    }
}

/// One row, or the end of one, to be changed. Rows that are combined have equal lengths.
pub(crate) struct RowMut<'a> {
    mantissas: &'a mut [f64],
    exponents: &'a mut [f64],
}

impl RowMut<'_> {
    pub fn set_zero(&mut self) {
        let (mantissa, exponent) = Wide::ZERO.to_parts();
        self.mantissas.fill(mantissa);
        self.exponents.fill(exponent);
    }

    pub fn copy_from(&mut self, row: Row) {
        self.mantissas.copy_from_slice(row.mantissas);
        self.exponents.copy_from_slice(row.exponents);
    }

    /// Multiplies each number by `factor`.
    pub fn multiply_by(&mut self, factor: Wide) {
        simd::run(MultiplyBy { row: self, factor });
    }

    /// Adds `factor`·`row`.
    pub fn add_multiple(&mut self, factor: Wide, row: Row) {
        assert_eq!(self.mantissas.len(), row.mantissas.len(), "lengths of rows");
        simd::run(AddMultiple {
            sums: self,
            factor,
            row,
        });
    }

    /// Adds the square of each number of `row`.
    pub fn add_squares(&mut self, row: Row) {
        assert_eq!(self.mantissas.len(), row.mantissas.len(), "lengths of rows");
        simd::run(AddSquares { sums: self, row });
    }

    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, k: usize) -> [S::V; 2] {
        [simd.load(self.mantissas, k), simd.load(self.exponents, k)]
    }

    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, k: usize, [mantissas, exponents]: [S::V; 2]) {
        simd.store(self.mantissas, k, mantissas);
        simd.store(self.exponents, k, exponents);
    }
}

/// Mantissas of any size become those of [`Wide`] numbers.
#[inline(always)]
fn normalised<S: Simd>(simd: S, mantissas: S::V, exponents: S::V) -> [S::V; 2] {
    let zero = simd.splat(0.0);
    let magnitudes = simd.abs(mantissas);
    let (own, normal) = simd.exponent_and_mantissa(magnitudes);
    let normal = simd.copy_sign(normal, mantissas);
    let exponent_of_zero = simd.splat(Wide::ZERO.to_parts().1);
    [
        simd.where_greater(magnitudes, zero, normal, zero),
        simd.where_greater(magnitudes, zero, exponents + own, exponent_of_zero),
    ]
}

/// The mantissa of a product may be as large as 4: what is rounded is the same.
#[inline(always)]
fn sum<S: Simd>(simd: S, a: [S::V; 2], b: [S::V; 2]) -> [S::V; 2] {
    // 2ⁿ is made of n + 1.5·2⁵²: see `Simd::power_of_two`.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let large = simd.where_greater(b[1], a[1], b[0], a[0]);
    let small = simd.where_greater(b[1], a[1], a[0], b[0]);
    let below = simd.min(simd.abs(a[1] - b[1]), simd.splat(NEGLIGIBLE as f64));
    let small = small * simd.power_of_two(simd.splat(SHIFT) - below);
    normalised(simd, large + small, simd.max(a[1], b[1]))
}

struct MultiplyBy<'a, 'r> {
    row: &'a mut RowMut<'r>,
    factor: Wide,
}

impl Pass for MultiplyBy<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (mantissa, exponent) = self.factor.to_parts();
        let (mantissa, exponent) = (simd.splat(mantissa), simd.splat(exponent));
        for k in (0..self.row.mantissas.len()).step_by(LANES) {
            let [m, e] = self.row.load(simd, k);
            self.row
                .store(simd, k, normalised(simd, mantissa * m, exponent + e));
        }
    }
}

struct AddMultiple<'a, 'r> {
    sums: &'a mut RowMut<'r>,
    factor: Wide,
    row: Row<'a>,
}

impl Pass for AddMultiple<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (mantissa, exponent) = self.factor.to_parts();
        let (mantissa, exponent) = (simd.splat(mantissa), simd.splat(exponent));
        for k in (0..self.row.mantissas.len()).step_by(LANES) {
            let own = self.sums.load(simd, k);
            let product = [
                mantissa * simd.load(self.row.mantissas, k),
                exponent + simd.load(self.row.exponents, k),
            ];
            self.sums.store(simd, k, sum(simd, own, product));
        }
    }
}

struct AddSquares<'a, 'r> {
    sums: &'a mut RowMut<'r>,
    row: Row<'a>,
}

impl Pass for AddSquares<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for k in (0..self.row.mantissas.len()).step_by(LANES) {
            let own = self.sums.load(simd, k);
            let m = simd.load(self.row.mantissas, k);
            let e = simd.load(self.row.exponents, k);
            self.sums.store(simd, k, sum(simd, own, [m * m, e + e]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::simd::{Level, run_at};

    const COLUMNS: usize = 13;

    /// Numbers of all signs and sizes, zero among them, some of which nearly cancel those of other salts.
    fn filled(salt: usize) -> WideMatrix {
        let mut matrix = WideMatrix::zeros(1, COLUMNS);
        for j in 0..COLUMNS {
            let value = match (j + salt) % 5 {
                0 => Wide::ZERO,
                1 => Wide::new(1.0 / (j + salt) as f64, 3),
                2 => Wide::new(-1.0 / (j + 1) as f64, -40),
                3 => Wide::new(-1.0 - 1e-3 * j as f64, 4_000 * (j as i64 - 6)),
                _ => Wide::new(1.0 + f64::EPSILON * j as f64, 0),
            };
            matrix.set(0, j, value);
        }
        matrix
    }

    #[test]
    fn rows_give_the_bits_of_single_numbers() {
        let factors = [
            Wide::ZERO,
            Wide::ONE,
            Wide::new(-1.0, 0),
            Wide::new(1.0 / 3.0, 5_000),
            Wide::new(-1.7, -3),
        ];
        let numbers = |matrix: &WideMatrix, from| matrix.row(0, from).iter().collect::<Vec<_>>();
        for (salt, factor) in factors.into_iter().enumerate() {
            for from in [0, 3, 11] {
                let (a, b) = (filled(salt), filled(salt + 1));
                let pairs = || numbers(&a, from).into_iter().zip(numbers(&b, from));
                for level in [Level::Portable, Level::Avx2, Level::Avx512] {
                    let mut sums = a.clone();
                    let add_multiple = AddMultiple {
                        sums: &mut sums.row_mut(0, from),
                        factor,
                        row: b.row(0, from),
                    };
                    run_at(level, add_multiple);
                    let wanted: Vec<_> = pairs().map(|(a, b)| a + factor * b).collect();
                    assert_eq!(numbers(&sums, from), wanted, "{level:?}");

                    let mut sums = a.clone();
                    let add_squares = AddSquares {
                        sums: &mut sums.row_mut(0, from),
                        row: b.row(0, from),
                    };
                    run_at(level, add_squares);
                    let wanted: Vec<_> = pairs().map(|(a, b)| a + b * b).collect();
                    assert_eq!(numbers(&sums, from), wanted, "{level:?}");

                    let mut products = a.clone();
                    let multiply_by = MultiplyBy {
                        row: &mut products.row_mut(0, from),
                        factor,
                    };
                    run_at(level, multiply_by);
                    let wanted: Vec<_> = pairs().map(|(a, _)| factor * a).collect();
                    assert_eq!(numbers(&products, from), wanted, "{level:?}");
                    assert_eq!(numbers(&products, 0)[..from], numbers(&a, 0)[..from]);
                }
            }
        }
    }

    #[test]
    fn what_cancels_is_zero_and_keeps_the_least_exponent() {
        let row = filled(1);
        let mut sums = row.clone();
        sums.row_mut(0, 0)
            .add_multiple(Wide::new(-1.0, 0), row.row(0, 0));
        assert_eq!(sums, WideMatrix::zeros(1, COLUMNS));
    }
}
