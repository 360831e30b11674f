//! Q and R of matrices of every condition.

mod common;

use common::Normal;
use lyapunov::Orthonormaliser;
use nalgebra::{DMatrix, DVector};

/// Singular values from 1 down to 1/κ, columns of very different sizes.
fn matrix(normal: &mut Normal, size: usize, columns: usize, log10_condition: f64) -> DMatrix<f64> {
    let left = normal.orthogonal(size).columns(0, columns).clone_owned();
    let right = normal.orthogonal(columns);
    let last = (columns.max(2) - 1) as f64;
    let values = DVector::from_fn(columns, |i, _| {
        10.0_f64.powf(-log10_condition * i as f64 / last)
    });
    let mut matrix = left * DMatrix::from_diagonal(&values) * right;
    for (j, mut column) in matrix.column_iter_mut().enumerate() {
        column *= 10.0_f64.powi((j as i32 * 37) % 200 - 100);
    }
    matrix
}

/// All three ways, by the condition number: one factorisation, two, reflections. nalgebra's QR is the judge,
/// but for its signs.
#[test]
fn q_is_orthonormal_and_r_is_that_of_any_other_method() {
    let mut normal = Normal::new(20);
    for (size, columns) in [
        (1, 1),
        (2, 2),
        (9, 4),
        (17, 17),
        (40, 33),
        (70, 70),
        (100, 1),
    ] {
        let mut orthonormaliser = Orthonormaliser::new(size, columns);
        for log10_condition in [0.0, 2.0, 4.0, 5.5, 8.0, 11.0] {
            if columns == 1 && log10_condition > 0.0 {
                continue;
            }
            let matrix = matrix(&mut normal, size, columns, log10_condition);
            let mut q = matrix.clone();
            let mut log10 = vec![0.0; columns];
            let rank = orthonormaliser.decompose(q.as_view_mut(), &mut log10);
            assert_eq!(rank, columns);
            let product = q.transpose() * &q;
            let error = (product - DMatrix::identity(columns, columns)).amax();
            // One factorisation, up to 10⁴: 10⁻¹⁶·10⁸. Beyond, rounding of a hundred terms.
            let allowed = if log10_condition < 5.0 { 1e-8 } else { 1e-13 };
            assert!(
                error < allowed,
                "{size}×{columns}, 10^{log10_condition}: {error:e}"
            );
            let r = matrix.qr().r();
            for (i, log10) in log10.iter().enumerate() {
                let expected = r[(i, i)].abs().log10();
                // The relative error of R_ii is that of a backward stable method, ε·κ, times the size.
                let tolerance = 1e-14 * columns as f64 * 10.0_f64.powf(log10_condition)
                    + 1e-13
                    + 1e-9 * f64::from(u8::from(allowed == 1e-8));
                assert!(
                    (log10 - expected).abs() < tolerance,
                    "{size}×{columns}, 10^{log10_condition}: {i}"
                );
            }
        }
    }
}

/// Also for the space they span: Q·R is A.
#[test]
fn r_has_a_positive_diagonal() {
    let mut normal = Normal::new(21);
    for log10_condition in [1.0, 6.0, 9.0] {
        let a = matrix(&mut normal, 12, 12, log10_condition);
        let mut q = a.clone();
        let mut log10 = vec![0.0; 12];
        Orthonormaliser::new(12, 12).decompose(q.as_view_mut(), &mut log10);
        let r = q.transpose() * &a;
        for j in 0..12 {
            let size = a.column(j).norm();
            let diagonal = r[(j, j)];
            assert!(diagonal > 0.0);
            assert!((diagonal.log10() - log10[j]).abs() < 1e-4);
            for i in j + 1..12 {
                assert!(r[(i, j)].abs() < 1e-8 * size);
            }
        }
    }
}

#[test]
fn columns_that_depend_on_others_are_left_out() {
    let mut normal = Normal::new(22);
    for size in [3, 30] {
        let mut a = normal.matrix(size, 3, 1.0);
        let sum = 2.0 * a.column(0);
        a.column_mut(1).copy_from(&sum);
        let expected = {
            let both = DMatrix::from_columns(&[a.column(0), a.column(2)]);
            both.qr().r()
        };
        let mut log10 = vec![0.0; 3];
        let rank = Orthonormaliser::new(size, 3).decompose(a.as_view_mut(), &mut log10);
        assert_eq!(rank, 2);
        for i in 0..2 {
            assert!((log10[i] - expected[(i, i)].abs().log10()).abs() < 1e-13);
        }
        let q = a.columns(0, 2);
        assert!((q.transpose() * q - DMatrix::identity(2, 2)).amax() < 1e-14);
    }
}
