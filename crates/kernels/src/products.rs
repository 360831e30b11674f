//! Dense products of column-major views, in the three orientations that a recurrent network needs.
//!
//! With several columns the `gemm` crate's kernel does the work: its packing reads transposed
//! operands at full speed, which nalgebra's own `gemm_tr` does not. With a single column a
//! matrix–vector product reads every weight once, and nalgebra's is as fast as memory allows.

use crate::{View, ViewMut};

/// What happens to the destination's old value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is overwritten and never read, so it may hold anything, NaN included.
    Replace,
    /// The product is added to it.
    Add,
}

impl Update {
    fn beta(self) -> f64 {
        match self {
            Update::Replace => 0.0,
            Update::Add => 1.0,
        }
    }
}

/// `destination = lhs · rhs`, or `destination += lhs · rhs`.
///
/// Shapes: `lhs` m×k, `rhs` k×n, `destination` m×n.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply(update: Update, lhs: View, rhs: View, mut destination: ViewMut) {
    assert_shapes(lhs.shape(), rhs.shape(), destination.shape());
    if rhs.ncols() == 1 {
        destination
            .column_mut(0)
            .gemv(1.0, &lhs, &rhs.column(0), update.beta());
    } else {
        packed(
            update,
            Operand::plain(&lhs),
            Operand::plain(&rhs),
            destination,
        );
    }
}

/// `destination = lhsᵀ · rhs`, or `destination += lhsᵀ · rhs`.
///
/// Shapes: `lhs` k×m, `rhs` k×n, `destination` m×n.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply_transposed(update: Update, lhs: View, rhs: View, mut destination: ViewMut) {
    assert_shapes((lhs.ncols(), lhs.nrows()), rhs.shape(), destination.shape());
    if rhs.ncols() == 1 {
        destination
            .column_mut(0)
            .gemv_tr(1.0, &lhs, &rhs.column(0), update.beta());
    } else {
        packed(
            update,
            Operand::transposed(&lhs),
            Operand::plain(&rhs),
            destination,
        );
    }
}

/// `destination = lhs · rhsᵀ`, or `destination += lhs · rhsᵀ`.
///
/// Shapes: `lhs` m×k, `rhs` n×k, `destination` m×n.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply_by_transpose(update: Update, lhs: View, rhs: View, destination: ViewMut) {
    assert_shapes(lhs.shape(), (rhs.ncols(), rhs.nrows()), destination.shape());
    packed(
        update,
        Operand::plain(&lhs),
        Operand::transposed(&rhs),
        destination,
    );
}

fn assert_shapes(lhs: (usize, usize), rhs: (usize, usize), destination: (usize, usize)) {
    assert!(
        lhs.1 == rhs.0 && destination == (lhs.0, rhs.1),
        "shapes do not fit: {}×{} · {}×{} into {}×{}",
        lhs.0,
        lhs.1,
        rhs.0,
        rhs.1,
        destination.0,
        destination.1
    );
}

/// A matrix to be read as it lies or transposed: first element, shape, strides.
struct Operand<'a> {
    view: &'a View<'a>,
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<'a> Operand<'a> {
    fn plain(view: &'a View<'a>) -> Self {
        let (row_stride, column_stride) = view.strides();
        Operand {
            view,
            rows: view.nrows(),
            columns: view.ncols(),
            row_stride: row_stride as isize,
            column_stride: column_stride as isize,
        }
    }

    fn transposed(view: &'a View<'a>) -> Self {
        let plain = Self::plain(view);
        Operand {
            rows: plain.columns,
            columns: plain.rows,
            row_stride: plain.column_stride,
            column_stride: plain.row_stride,
            ..plain
        }
    }
}

#[allow(unsafe_code)]
fn packed(update: Update, lhs: Operand, rhs: Operand, mut destination: ViewMut) {
    let (row_stride, column_stride) = destination.strides();
    // SAFETY: shapes were checked by the callers. Each pointer, shape and pair of strides comes
    // from one live nalgebra view (transposition only swaps the last two pairs), so every element
    // the kernel touches lies inside it. `destination` is borrowed mutably, so it overlaps
    // neither operand. Sizes of allocations fit `isize`, hence so do strides.
    unsafe {
        gemm::gemm(
            lhs.rows,
            rhs.columns,
            lhs.columns,
            destination.as_mut_ptr(),
            column_stride as isize,
            row_stride as isize,
            update == Update::Add,
            lhs.view.as_ptr(),
            lhs.column_stride,
            lhs.row_stride,
            rhs.view.as_ptr(),
            rhs.column_stride,
            rhs.row_stride,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;

    fn filled(rows: usize, columns: usize, salt: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| {
            ((i * 31 + j * 17 + salt * 7) % 23) as f64 - 11.0
        })
    }

    /// Small integers multiply and add exactly in any order, so equality is exact.
    #[test]
    fn every_orientation_equals_the_plain_sum() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 1), (7, 9, 2), (64, 33, 16), (130, 64, 5)] {
            let a = filled(m, k, 1);
            let b = filled(k, n, 2);
            let expected = DMatrix::from_fn(m, n, |i, j| {
                (0..k).map(|l| a[(i, l)] * b[(l, j)]).sum::<f64>()
            });
            let (a_transposed, b_transposed) = (a.transpose(), b.transpose());
            for update in [Update::Replace, Update::Add] {
                let start = match update {
                    Update::Replace => DMatrix::from_element(m, n, f64::NAN),
                    Update::Add => filled(m, n, 3),
                };
                let wanted = match update {
                    Update::Replace => expected.clone(),
                    Update::Add => &expected + &start,
                };
                let mut c = start.clone();
                multiply(update, a.as_view(), b.as_view(), c.as_view_mut());
                assert_eq!(c, wanted);
                let mut c = start.clone();
                multiply_transposed(update, a_transposed.as_view(), b.as_view(), c.as_view_mut());
                assert_eq!(c, wanted);
                let mut c = start.clone();
                multiply_by_transpose(update, a.as_view(), b_transposed.as_view(), c.as_view_mut());
                assert_eq!(c, wanted);
            }
        }
    }

    #[test]
    fn row_slices_of_a_taller_matrix_are_read_and_written_in_place() {
        let tall = filled(10, 4, 1);
        let b = filled(4, 3, 2);
        let mut destination = DMatrix::from_element(12, 3, 5.0);
        multiply(
            Update::Replace,
            tall.rows(2, 6),
            b.as_view(),
            destination.rows_mut(3, 6),
        );
        assert_eq!(destination.rows(3, 6).into_owned(), tall.rows(2, 6) * &b);
        assert!(destination.rows(0, 3).iter().all(|v| *v == 5.0));
        assert!(destination.rows(9, 3).iter().all(|v| *v == 5.0));
    }

    #[test]
    #[should_panic(expected = "shapes do not fit: 2×3 · 2×2 into 2×2")]
    fn wrong_shapes_panic_with_both_shapes() {
        let a = filled(2, 3, 0);
        let b = filled(2, 2, 0);
        let mut c = filled(2, 2, 0);
        multiply(Update::Replace, a.as_view(), b.as_view(), c.as_view_mut());
    }
}
