//! Products with a single column that stays in registers, for one sequence of a small network.
//!
//! There the chain from one step's state to the next one's decides, and a third of it would be the
//! way through memory: a vector is written, and each of its numbers read again into all lanes.
//! Sums are taken in the order of [`Packed::multiply_stacked`], so the bits are the same.
//!
//! # Why the unsafe code is sound
//!
//! Shapes are checked first; a panel then has all columns of the matrix, with all its rows.
#![allow(unsafe_code)]

use super::{Columns, InOrder, LANES, PANEL, Packed, Rows, add_up, run_along_split};
use crate::simd::Simd;

impl Packed {
    /// `start` + this · [`above`; `column`], from zero if there is no start.
    ///
    /// Shapes, for a matrix of m×k: m = 8R, `start` m, k = the length of `above` + 8K. R is 1, 2, 3
    /// or a multiple of 4 up to 16.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline(always)]
    pub fn multiply_registers<S: Simd, const R: usize, const K: usize>(
        &self,
        simd: S,
        start: Option<&[f64]>,
        above: &[f64],
        column: [S::V; K],
    ) -> [S::V; R] {
        const { assert!(R <= 4 || R.is_multiple_of(4) && R <= 16) };
        assert!(
            self.rows == R * LANES
                && self.columns == above.len() + K * LANES
                && start.is_none_or(|start| start.len() == self.rows),
            "shapes do not fit: {}×{} · {}×1",
            self.rows,
            self.columns,
            above.len() + K * LANES,
        );
        let mut results = [simd.splat(0.0); R];
        if let Some(start) = start {
            for (v, result) in results.iter_mut().enumerate() {
                *result = simd.load(start, v * LANES);
            }
        }
        // SAFETY: the shapes fit.
        unsafe {
            match R {
                1 => self.panel::<S, R, K, 1, 8>(simd, 0, above, &column, &mut results),
                2 => self.panel::<S, R, K, 2, 4>(simd, 0, above, &column, &mut results),
                3 => self.panel::<S, R, K, 3, 2>(simd, 0, above, &column, &mut results),
                _ => {
                    // One by one, so that the results stay in registers.
                    self.panel::<S, R, K, 4, 2>(simd, 0, above, &column, &mut results);
                    if R > 4 {
                        self.panel::<S, R, K, 4, 2>(simd, 4, above, &column, &mut results);
                    }
                    if R > 8 {
                        self.panel::<S, R, K, 4, 2>(simd, 8, above, &column, &mut results);
                    }
                    if R > 12 {
                        self.panel::<S, R, K, 4, 2>(simd, 12, above, &column, &mut results);
                    }
                }
            }
        }
        results
    }

    /// V of the vectors from `first` on.
    #[inline(always)]
    unsafe fn panel<S: Simd, const R: usize, const K: usize, const V: usize, const SPLIT: usize>(
        &self,
        simd: S,
        first: usize,
        above: &[f64],
        column: &[S::V; K],
        results: &mut [S::V; R],
    ) {
        const { assert!(V * LANES <= PANEL) };
        let mut sums = [[simd.splat(0.0); V]; SPLIT];
        for (v, sum) in sums[0].iter_mut().enumerate() {
            *sum = results[first + v];
        }
        // All panels before this one are full.
        let values = self.values[first * LANES * self.columns..].as_ptr();
        let rows = Rows::of_panel(values, first * LANES, V);
        // SAFETY: the panel has `above.len()` columns, and 8K after them.
        unsafe {
            let part = Columns::of_slice(above);
            sums = run_along_split::<S, InOrder, V, SPLIT>(simd, rows, part, sums);
            let left = rows.first.add(above.len() * rows.step);
            for (group, numbers) in column.iter().enumerate() {
                for lane in 0..LANES {
                    let factor = simd.lane(*numbers, lane);
                    let left = left.add((group * LANES + lane) * rows.step);
                    for (v, sum) in sums[lane % SPLIT].iter_mut().enumerate() {
                        let entry = simd.load_from(left.add(v * LANES), LANES);
                        *sum = simd.mul_add(entry, factor, *sum);
                    }
                }
            }
        }
        for (v, sum) in add_up(sums).into_iter().enumerate() {
            results[first + v] = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;
    use crate::simd::{Level, Pass, run_at};
    use crate::{Start, View};

    struct InRegisters<'a, const R: usize, const K: usize>(&'a Packed, &'a [f64], &'a [f64]);

    impl<const R: usize, const K: usize> Pass for InRegisters<'_, R, K> {
        type Output = Vec<f64>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f64> {
            let InRegisters(matrix, start, stacked) = self;
            let (above, column) = stacked.split_at(stacked.len() - K * LANES);
            let mut numbers = [simd.splat(0.0); K];
            for (k, numbers) in numbers.iter_mut().enumerate() {
                *numbers = simd.load(column, k * LANES);
            }
            let sums: [S::V; R] = matrix.multiply_registers(simd, Some(start), above, numbers);
            let mut results = vec![0.0; R * LANES];
            for (v, sum) in sums.into_iter().enumerate() {
                simd.store(&mut results, v * LANES, sum);
            }
            results
        }
    }

    fn check<const R: usize, const K: usize>() {
        for above in [0, 1, 5, 8] {
            let entry = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f64 / 7.0 - 1.5;
            let matrix = DMatrix::from_fn(R * LANES, above + K * LANES, entry);
            let column = DMatrix::from_fn(matrix.ncols(), 1, |i, _| entry(i, 3) / 3.0);
            let start: Vec<f64> = (0..matrix.nrows()).map(|i| entry(5, i)).collect();
            let packed = Packed::new(matrix.as_view());
            let (top, rest) = (column.rows(0, above), column.rows(above, K * LANES));
            let mut expected = vec![0.0; matrix.nrows()];
            packed.multiply_stacked(
                Start::Column(&start),
                [top, rest],
                crate::ViewMut::from_slice(&mut expected, matrix.nrows(), 1),
            );
            for level in [Level::Portable, Level::Avx2, Level::Avx512] {
                let found = run_at(
                    level,
                    InRegisters::<R, K>(&packed, &start, column.as_slice()),
                );
                let plain = View::from_slice(&found, R * LANES, 1);
                let exact = &matrix * &column + DMatrix::from_column_slice(R * LANES, 1, &start);
                assert!((plain - &exact).amax() < 1e-12);
                if level.min(Level::detect()).fuses() == Level::detect().fuses() {
                    assert_eq!(found, expected, "{R}×{K}, {above} above, {level:?}");
                }
            }
        }
    }

    #[test]
    fn products_in_registers_have_the_bits_of_those_in_memory() {
        check::<1, 1>();
        check::<2, 2>();
        check::<3, 3>();
        check::<4, 1>();
        check::<8, 2>();
        check::<16, 4>();
        check::<2, 8>();
    }
}
