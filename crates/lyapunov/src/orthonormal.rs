//! QR of tall matrices, fast where they are well conditioned.

use kernels::{Buffer, Start, View, ViewMut, multiply, multiply_transposed};

use crate::householder::{Decomposed, Householder};

/// A = Q·R, R upper triangular with a positive diagonal, in a memory of its own.
///
/// * Columns are brought to norms of about 1 by powers of two, which is exact and removes what makes
///   them differ from each other: exponents that lie apart.
/// * **Cholesky QR**: RᵀR = AᵀA, Q = A·R⁻¹. All of it is matrix products, also the Cholesky
///   factorisation and the inverse, which recur on halves. ‖R‖_F·‖R⁻¹‖_F, both at hand, bounds the
///   condition number κ; QᵀQ differs from I by about ε·κ².
/// * Up to κ = 10⁴ that is all. A *repeated* QR need not do better: the logarithms that are summed are
///   those of ratios of volumes, of the first i columns before and after, so a Q that is orthonormal to
///   only 10⁻⁸ is measured as it is at the next step, its error cancels from one step to the next, and
///   what remains is 10⁻⁸ divided by the number of steps.
/// * Up to κ = 10⁷ it is done twice, which makes Q orthonormal to rounding (Yamamoto, Nakatsukasa,
///   Yanagisawa & Fukaya, "Roundoff error analysis of the CholeskyQR2 algorithm", ETNA 44 (2015)).
/// * Beyond, Householder reflections with rows in falling order of size.
#[derive(Clone, Debug)]
pub struct Orthonormaliser {
    /// S×k.
    out: Buffer,
    /// k×k each.
    gram: Buffer,
    inverse: Buffer,
    scratch: Buffer,
    /// k: R_ii, and of the first of two factorisations their logarithms.
    diagonal: Vec<f64>,
    first: Vec<f64>,
    householder: Householder,
}

/// The condition number, in the Frobenius norm, up to which one Cholesky factorisation is enough, and
/// up to which two are.
pub(crate) const ONCE: f64 = 1e4;
const TWICE: f64 = 1e7;

/// Below this order a triangle is done entry by entry.
const SMALL: usize = 16;

/// Columns of a block of a triangle: what lies below it is neither computed nor read.
const BLOCK: usize = 32;

impl Orthonormaliser {
    /// For matrices of `size` rows and at most `columns` columns.
    pub fn new(size: usize, columns: usize) -> Self {
        let buffer = |length| {
            let mut buffer = Buffer::default();
            buffer.renew(length);
            buffer
        };
        Orthonormaliser {
            out: buffer(size * columns),
            gram: buffer(columns * columns),
            inverse: buffer(columns * columns),
            scratch: buffer(columns * columns),
            diagonal: vec![0.0; columns],
            first: vec![0.0; columns],
            householder: Householder::new(size, columns),
        }
    }

    /// Replaces the columns of `matrix`, S×k, by those of Q and writes log₁₀ R_ii. Returns the rank,
    /// less than k where columns depend on those before them: those are left out, and the matrix's
    /// last columns and their logarithms are unspecified.
    pub fn decompose(&mut self, mut matrix: ViewMut, log10_diagonal: &mut [f64]) -> usize {
        if self.fast(matrix.as_view_mut(), log10_diagonal).is_some() {
            return matrix.ncols();
        }
        self.careful(matrix, log10_diagonal).rank
    }

    /// By Cholesky factors: the condition number before, or nothing, and an unchanged matrix apart from
    /// its columns' scale (of which the logarithms hold the exponents), if it is too large.
    pub(crate) fn fast(&mut self, mut matrix: ViewMut, log10_diagonal: &mut [f64]) -> Option<f64> {
        let size = matrix.nrows();
        let log10_diagonal = &mut log10_diagonal[..matrix.ncols()];
        let exponents = log10_diagonal.iter_mut();
        for (mut column, exponent) in matrix.column_iter_mut().zip(exponents) {
            *exponent = to_unit_norm(column.as_mut_slice()) * std::f64::consts::LOG10_2;
        }
        let condition = self.cholesky(matrix.as_view())?;
        if condition.is_nan() || condition > TWICE {
            return None;
        }
        let (columns, length) = (matrix.ncols(), matrix.len());
        kernels::log10(&mut self.diagonal[..columns]);
        self.first.copy_from_slice(&self.diagonal);
        let mut out = std::mem::take(&mut self.out);
        let mut once = ViewMut::from_slice(&mut out[..length], size, columns);
        self.divide(matrix.as_view(), once.as_view_mut());
        let is_done = if condition <= ONCE {
            kernels::copy(once.as_view(), matrix);
            self.diagonal.fill(0.0);
            true
        } else if self.cholesky(once.as_view()).is_some() {
            kernels::log10(&mut self.diagonal[..columns]);
            self.divide(once.as_view(), matrix);
            true
        } else {
            false
        };
        self.out = out;
        let logs = self.first.iter().zip(&self.diagonal);
        for (sum, (first, second)) in log10_diagonal.iter_mut().zip(logs).filter(|_| is_done) {
            *sum += first + second;
        }
        is_done.then_some(condition)
    }

    /// By reflections, after [`fast`](Self::fast) has scaled the columns.
    pub(crate) fn careful(&mut self, matrix: ViewMut, log10_diagonal: &mut [f64]) -> Decomposed {
        let done = self.householder.decompose(matrix, &mut self.diagonal);
        let kept = self.householder.kept();
        kernels::log10(&mut self.diagonal[..kept.len()]);
        // A column that is left out makes place for those after it.
        for (index, (log, j)) in self.diagonal.iter().zip(kept).enumerate() {
            log10_diagonal[index] = log10_diagonal[*j] + log;
        }
        done
    }

    /// Factorises AᵀA of a matrix with columns of norm about 1, and inverts the factor; returns the
    /// condition number, or nothing if the columns are not independent.
    fn cholesky(&mut self, matrix: View) -> Option<f64> {
        let columns = matrix.ncols();
        let length = columns * columns;
        let mut gram = ViewMut::from_slice(&mut self.gram[..length], columns, columns);
        for start in (0..columns).step_by(BLOCK) {
            let end = (start + BLOCK).min(columns);
            multiply_transposed(
                Start::Zero,
                matrix.columns(0, end),
                matrix.columns(start, end - start),
                gram.view_mut((0, start), (end, end - start)),
            );
        }
        let squares: f64 = (0..columns).map(|j| gram[(j, j)]).sum();
        self.inverse[..length].fill(0.0);
        let inverse = ViewMut::from_slice(&mut self.inverse[..length], columns, columns);
        let diagonal = &mut self.diagonal[..columns];
        factorise(gram, inverse, &mut self.scratch, diagonal).then(|| {
            let inverse = View::from_slice(&self.inverse[..length], columns, columns);
            (squares * kernels::sum_of_squares(inverse)).sqrt()
        })
    }

    /// `destination` = A·R⁻¹.
    fn divide(&self, matrix: View, mut destination: ViewMut) {
        let columns = matrix.ncols();
        let inverse = View::from_slice(&self.inverse[..columns * columns], columns, columns);
        for start in (0..columns).step_by(BLOCK) {
            let end = (start + BLOCK).min(columns);
            multiply(
                Start::Zero,
                matrix.columns(0, end),
                inverse.view((0, start), (end, end - start)),
                destination.columns_mut(start, end - start),
            );
        }
    }
}

/// Scales a column by a power of two to a norm within a factor √2 of 1, and returns by which power it
/// has to be multiplied to be what it was; 0 for a column that is zero or not finite.
fn to_unit_norm(column: &mut [f64]) -> f64 {
    let largest = column.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return 0.0;
    }
    let first = exponent(largest);
    scale(column, -first);
    let norm = kernels::dot(column, column).sqrt();
    let second = exponent(norm * std::f64::consts::SQRT_2);
    scale(column, -second);
    f64::from(first + second)
}

/// ⌊log₂ v⌋, v > 0; a subnormal number's is that of the smallest normal one.
fn exponent(v: f64) -> i32 {
    ((v.to_bits() >> 52) as i32 & 0x7ff).max(1) - 1023
}

/// Multiplies by 2^`exponent`.
fn scale(values: &mut [f64], exponent: i32) {
    // One factor would overflow for the smallest numbers.
    for half in [exponent / 2, exponent - exponent / 2] {
        if half != 0 {
            let factor = f64::from_bits(((half + 1023) as u64) << 52);
            values.iter_mut().for_each(|v| *v *= factor);
        }
    }
}

/// RᵀR = G, positive definite with a diagonal of about 1, of which only the upper triangle is read;
/// writes R⁻¹ to `inverse`, whose lower triangle must be zero, and R_ii. G is overwritten, `scratch` is
/// as large. False if G is singular to rounding.
///
/// With halves: R₁₁ᵀR₁₁ = G₁₁; R₁₂ = R₁₁⁻ᵀ·G₁₂; R₂₂ᵀR₂₂ = G₂₂ − R₁₂ᵀR₁₂; (R⁻¹)₁₂ = −R₁₁⁻¹·R₁₂·R₂₂⁻¹.
fn factorise(
    mut gram: ViewMut,
    mut inverse: ViewMut,
    scratch: &mut [f64],
    diagonal: &mut [f64],
) -> bool {
    let n = gram.nrows();
    if n <= SMALL {
        return factorise_small(gram, inverse, diagonal);
    }
    let m = (n / 2).next_multiple_of(8);
    let (mut left, mut right) = gram.columns_range_pair_mut(0..m, m..n);
    let (mut corner, mut upper) = inverse.columns_range_pair_mut(0..m, m..n);
    let (first, last) = diagonal.split_at_mut(m);
    let g_11 = left.rows_range_mut(0..m);
    let x_11 = corner.rows_range_mut(0..m);
    if !factorise(g_11, x_11, scratch, first) {
        return false;
    }
    let x_11 = corner.rows(0, m);
    let (mut g_12, mut g_22) = right.rows_range_pair_mut(0..m, m..n);
    let (mut x_12, mut x_22) = upper.rows_range_pair_mut(0..m, m..n);
    {
        let mut r_12 = ViewMut::from_slice(&mut scratch[..m * (n - m)], m, n - m);
        multiply_transposed(Start::Zero, x_11, g_12.as_view(), r_12.as_view_mut());
        // −R₁₂ takes the place of G₁₂.
        g_12.zip_apply(&r_12, |g, r| *g = -r);
        multiply_transposed(
            Start::Destination,
            r_12.as_view(),
            g_12.as_view(),
            g_22.as_view_mut(),
        );
    }
    if !factorise(g_22, x_22.as_view_mut(), scratch, last) {
        return false;
    }
    let mut product = ViewMut::from_slice(&mut scratch[..m * (n - m)], m, n - m);
    multiply(
        Start::Zero,
        g_12.as_view(),
        x_22.as_view(),
        product.as_view_mut(),
    );
    multiply(Start::Zero, x_11, product.as_view(), x_12.as_view_mut());
    true
}

/// [`factorise`] entry by entry.
fn factorise_small(mut gram: ViewMut, mut inverse: ViewMut, diagonal: &mut [f64]) -> bool {
    let n = gram.nrows();
    for j in 0..n {
        for i in 0..=j {
            let mut sum = gram[(i, j)];
            for k in 0..i {
                sum -= gram[(k, i)] * gram[(k, j)];
            }
            if i < j {
                gram[(i, j)] = sum / diagonal[i];
            } else {
                if sum.is_nan() || sum <= n as f64 * f64::EPSILON {
                    return false;
                }
                diagonal[j] = sum.sqrt();
            }
        }
        inverse[(j, j)] = 1.0 / diagonal[j];
        for i in (0..j).rev() {
            let mut sum = 0.0;
            for k in i + 1..=j {
                sum += gram[(i, k)] * inverse[(k, j)];
            }
            inverse[(i, j)] = -sum / diagonal[i];
        }
    }
    true
}
