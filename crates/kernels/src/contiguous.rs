//! Matrices whose columns lie next to each other, as one slice: a pass over a slice does not pay for
//! the start of every column.
#![allow(unsafe_code)]

use crate::{View, ViewMut};

/// All entries, column after column, if they lie so in memory.
#[inline(always)]
pub fn entries<'a>(matrix: &View<'a>) -> Option<&'a [f64]> {
    let (rows, columns) = matrix.shape();
    let is_contiguous = matrix.strides() == (1, rows) || columns == 1;
    // SAFETY: a view of unit row stride whose columns are `rows` apart, or that has only one, covers
    // exactly these entries, and is borrowed for as long as the slice.
    is_contiguous.then(|| unsafe { std::slice::from_raw_parts(matrix.as_ptr(), rows * columns) })
}

/// All entries, column after column, if they lie so in memory.
#[inline(always)]
pub fn entries_mut<'a>(matrix: &'a mut ViewMut) -> Option<&'a mut [f64]> {
    let (rows, columns) = matrix.shape();
    let is_contiguous = matrix.strides() == (1, rows) || columns == 1;
    // SAFETY: as above; the view is borrowed mutably for as long as the slice.
    is_contiguous
        .then(|| unsafe { std::slice::from_raw_parts_mut(matrix.as_mut_ptr(), rows * columns) })
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;

    #[test]
    fn whole_matrices_and_single_columns_are_slices_and_row_ranges_are_not() {
        let mut matrix = DMatrix::from_fn(4, 3, |i, j| (i + 10 * j) as f64);
        let all = matrix.as_slice().to_vec();
        assert_eq!(entries(&matrix.as_view()), Some(all.as_slice()));
        assert_eq!(entries(&matrix.columns(1, 2)), Some(&all[4..]));
        assert_eq!(entries(&matrix.view((1, 2), (2, 1))), Some(&all[9..11]));
        assert_eq!(entries(&matrix.rows(0, 2)), None);
        assert_eq!(entries_mut(&mut matrix.rows_mut(1, 3)), None);
        let copy = all.clone();
        assert_eq!(entries_mut(&mut matrix.as_view_mut()).unwrap(), copy);
    }
}
