//! Singular values of a long product of matrices, the smallest as exactly as the largest.
//!
//! The product P = J_n⋯J_2·J_1 of many matrices is graded: after a few hundred factors its singular
//! values lie hundreds or thousands of decades apart, and as a matrix of floating-point numbers it is
//! its first singular triplet and rounding. Nor are the diagonal entries R_ii of the usual repeated
//! QR its singular values: they converge to them only on average, in the exponents per step
//! (Lyapunov), and for a Jordan block they never do.
//!
//! So the product is kept as Q·R, Q with orthonormal columns and R upper triangular with an exponent
//! for every entry ([`Wide`]), and multiplied from the left:
//!
//! * J·Q = Q′·R̂ (Householder), R ← R̂·R: the graded QR decomposition of a product of
//!   D. E. Stewart, "A new algorithm for the SVD of a long product of matrices and the stability of
//!   products", ETNA 5 (1997) 29–47.
//! * When singular values are asked for, R is decomposed again with the largest column and the
//!   largest row of what is left as pivots, R = Q″·R₁·Π, which errs row by row in proportion to the
//!   row (Cox & Higham, "Stability of Householder QR factorization for weighted least squares
//!   problems", 1998), and leaves R₁ = D·B with D diagonal, as graded as it will, and B
//!   well-conditioned.
//! * One-sided Jacobi on the columns of R₁ᵀ = Bᵀ·D finds its singular values to a relative error that
//!   depends on B alone (Demmel & Veselić, SIAM J. Matrix Anal. Appl. 13 (1992) 1204–1245; with this
//!   preconditioning Drmač & Veselić, the same 29 (2008) 1322–1362), the larger column first
//!   (de Rijk). Each column has its exponent, so D may span any range.
//!
//! * The rows of R must stand in falling order. From the identity they come to do so by themselves,
//!   unless all factors are block triangular the wrong way round, as the transposed Jacobians of layers
//!   are, the upper of which hears the lower: the first columns of Q then stay in the lower layer's
//!   rows for ever, and what is small comes out of cancellation. So where rows are found out of order, R
//!   is decomposed as for singular values and Q takes Q″ along.
//!
//! What is exact: a step adds a relative error of about ε·κ(J) to every singular value where the
//! product is *stable* in Stewart's sense (Oliveira & Stewart, "Exponential splittings of products
//! of matrices and accurately computing singular values of long products", Linear Algebra Appl. 309
//! (2000) 175–190), as products of generic matrices are. A single J whose smallest singular value is
//! below ε‖J‖ has it to rounding only, and so has the product. Where a rank is lost for all to see,
//! by columns or rows of J that are exactly zero (dead units, a memory nobody reads), it is lost
//! exactly: those singular values are zero, not small.

use kernels::{Start, View, ViewMut};

use crate::scaled::{exponent_of, largest_exponent, scale_by_power_of_two, scale_slice};
use crate::wide::Wide;
use crate::wide_matrix::WideMatrix;

/// P = Q·R, grown from the left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GradedProduct {
    /// S.
    size: usize,
    /// Columns of Q and rows of R that are in use.
    rank: usize,
    /// S×S column-major.
    q: Vec<f64>,
    /// S×S, upper trapezoidal.
    r: WideMatrix,
    /// What Q becomes, S×S.
    product: Vec<f64>,
    householder: Householder,
    /// One row of R, 1×S.
    row: WideMatrix,
    svd: Jacobi,
}

/// A row of R may lie below a later one by 2 to this power: so many bits of it are then lost to
/// cancellation, of 53.
const OUT_OF_ORDER: i64 = 10;

impl GradedProduct {
    /// The identity of `size` rows, and all the memory that products and singular values need.
    pub fn identity(size: usize) -> Self {
        let mut product = GradedProduct {
            size,
            rank: size,
            q: vec![0.0; size * size],
            r: WideMatrix::zeros(size, size),
            product: vec![0.0; size * size],
            householder: Householder::new(size),
            row: WideMatrix::zeros(1, size),
            svd: Jacobi::new(size),
        };
        for k in 0..size {
            product.q[k * size + k] = 1.0;
            product.r.set(k, k, Wide::ONE);
        }
        product
    }

    /// P ← `factor`·P. Shape: S×S.
    pub fn multiply_from_left(&mut self, factor: View) {
        let size = self.size;
        assert_eq!(factor.shape(), (size, size), "shape of the factor");
        if self.rank == 0 {
            return;
        }
        // Coordinates that the factor does not look at: what Q holds there is lost before it rounds
        // with anything else.
        let mut lost = false;
        for (k, column) in factor.column_iter().enumerate() {
            if column.iter().all(|v| *v == 0.0) {
                for value in self.q[..size * self.rank].iter_mut().skip(k).step_by(size) {
                    lost |= *value != 0.0;
                    *value = 0.0;
                }
            }
        }
        if lost {
            self.orthonormalise(0);
        }
        kernels::multiply(
            Start::Zero,
            factor,
            View::from_slice(&self.q[..size * self.rank], size, self.rank),
            ViewMut::from_slice(&mut self.product[..size * self.rank], size, self.rank),
        );
        std::mem::swap(&mut self.q, &mut self.product);
        // Powers of two are exact, and squares of what is left neither over- nor underflow.
        let values = &mut self.q[..size * self.rank];
        let exponent = largest_exponent(values).unwrap_or(0);
        scale_slice(values, -exponent);
        self.orthonormalise(exponent);
        if self.is_out_of_order() {
            self.reorder();
        }
    }

    /// Whether a row of R lies below one that comes after it, by more than rounding forgives.
    fn is_out_of_order(&self) -> bool {
        let mut largest = None;
        (0..self.rank).rev().any(|i| {
            let own = self.r.get(i, i).exponent();
            let is_below =
                largest.is_some_and(|later: i64| own.is_none_or(|own| own + OUT_OF_ORDER < later));
            largest = largest.max(own);
            is_below
        })
    }

    /// R = Q″·R₁·Π with the rows of R₁ in falling order; Q ← Q·Q″, R ← R₁. Without Π it is another
    /// product, with the same singular values.
    fn reorder(&mut self) {
        let rank = self.rank;
        self.svd.set(&self.r, rank);
        self.svd.precondition(Some(&mut self.q));
        self.r.copy_rows(&self.svd.wide, rank);
        self.rank = self.svd.rank;
    }

    /// Q·2^`exponent` = Q′·R̂, R ← R̂·R.
    fn orthonormalise(&mut self, exponent: i64) {
        let (size, columns) = (self.size, self.rank);
        self.rank = self.householder.decompose(&mut self.q, size, columns);
        for i in 0..self.rank {
            // Row i of R̂·R needs rows i and below of R, which are still the old ones.
            self.row.row_mut(0, 0).set_zero();
            for k in i..columns {
                let factor = self.householder.triangle(i, k);
                if factor != 0.0 {
                    let (factor, row) = (Wide::from(factor), self.r.row(k, k));
                    self.row.row_mut(0, k).add_multiple(factor, row);
                }
            }
            let mut row = self.r.row_mut(i, 0);
            row.copy_from(self.row.row(0, 0));
            row.multiply_by(Wide::new(1.0, exponent));
        }
    }

    /// log₁₀ of the singular values, in falling order, −∞ for an exact zero; all NaN if they were not to
    /// be had in [`MAX_SWEEPS`]. Shape: S.
    pub fn log10_singular_values(&mut self, values: &mut [f64]) {
        self.svd.set(&self.r, self.rank);
        self.svd.log10_singular_values(values, MAX_SWEEPS);
    }
}

/// QR by Householder reflections, in place, of a matrix that may have zero rows.
#[derive(Clone, Debug, PartialEq)]
struct Householder {
    /// The rows that are not zero.
    rows: Vec<usize>,
    /// Those rows, column-major: R̂ on and above the diagonal, reflections below.
    compact: Vec<f64>,
    /// How many rows are in use.
    height: usize,
    tau: Vec<f64>,
}

impl Householder {
    fn new(size: usize) -> Self {
        Householder {
            rows: Vec::with_capacity(size),
            compact: vec![0.0; size * size],
            height: 0,
            tau: vec![0.0; size],
        }
    }

    /// R̂_ij, i ≤ j.
    fn triangle(&self, i: usize, j: usize) -> f64 {
        self.compact[j * self.height + i]
    }

    /// Replaces the first `columns` columns of a matrix of `size` rows by Q and keeps R̂; returns the
    /// number of columns of Q, no more than there are rows that are not zero.
    fn decompose(&mut self, matrix: &mut [f64], size: usize, columns: usize) -> usize {
        let matrix = &mut matrix[..size * columns];
        self.rows.clear();
        for i in 0..size {
            if matrix.iter().skip(i).step_by(size).any(|v| *v != 0.0) {
                self.rows.push(i);
            }
        }
        let height = self.rows.len();
        self.height = height;
        let rank = height.min(columns);
        for j in 0..columns {
            for (k, i) in self.rows.iter().enumerate() {
                self.compact[j * height + k] = matrix[j * size + i];
            }
        }
        for k in 0..rank {
            let (left, right) = self.compact[..height * columns].split_at_mut((k + 1) * height);
            let reflection = &mut left[k * height + k..];
            self.tau[k] = reflect(reflection);
            for column in right.chunks_exact_mut(height) {
                kernels::reflect(self.tau[k], &reflection[1..], &mut column[k..]);
            }
        }
        // Q = H_1⋯H_rank·[I; 0], from the last reflection to the first.
        matrix.fill(0.0);
        let full = &mut matrix[..size * rank];
        for (j, column) in full.chunks_exact_mut(size).enumerate() {
            // Compacted in the column's own head; spread out below.
            let column = &mut column[..height];
            column[j] = 1.0;
            for k in (0..=j).rev() {
                let reflection = &self.compact[k * height + k + 1..(k + 1) * height];
                kernels::reflect(self.tau[k], reflection, &mut column[k..]);
            }
        }
        for column in full.chunks_exact_mut(size) {
            for (k, i) in self.rows.iter().enumerate().rev() {
                column.swap(k, *i);
            }
        }
        rank
    }
}

/// Makes the reflection I − τ·v·vᵀ, v = (1, …), that takes `x` to (β, 0, …): leaves β and the rest of
/// v in its place and returns τ.
fn reflect(x: &mut [f64]) -> f64 {
    if x[1..].iter().all(|v| *v == 0.0) {
        return 0.0;
    }
    // Brought to about 1, squares are safe.
    let exponent = largest_exponent(x).unwrap_or(0);
    scale_slice(x, -exponent);
    let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let beta = if x[0] > 0.0 { -norm } else { norm };
    let tau = (beta - x[0]) / beta;
    let scale = 1.0 / (x[0] - beta);
    x[1..].iter_mut().for_each(|v| *v *= scale);
    x[0] = beta;
    scale_slice(&mut x[..1], exponent);
    tau
}

/// The singular values of an upper trapezoidal matrix of [`Wide`] numbers.
#[derive(Clone, Debug, PartialEq)]
struct Jacobi {
    /// S, columns of the matrix.
    size: usize,
    /// Rows in use.
    rank: usize,
    /// The matrix, S×S.
    wide: WideMatrix,
    reflection: Vec<Wide>,
    /// One number for each column, 1×S.
    sums: WideMatrix,
    /// R₁ᵀ: its columns, S values each, and their exponents and squared norms.
    columns: Vec<f64>,
    exponents: Vec<i64>,
    squares: Vec<f64>,
}

/// Columns of mantissas are brought back to about 1 beyond 2^±this.
const MANTISSA_EXPONENT: i64 = 30;

/// Sweeps after which a Jacobi iteration is given up. It converges quadratically: preconditioned
/// matrices take three to eight.
const MAX_SWEEPS: usize = 60;

impl Jacobi {
    fn new(size: usize) -> Self {
        Jacobi {
            size,
            rank: 0,
            wide: WideMatrix::zeros(size, size),
            reflection: vec![Wide::ZERO; size],
            sums: WideMatrix::zeros(1, size),
            columns: vec![0.0; size * size],
            exponents: vec![0; size],
            squares: vec![0.0; size],
        }
    }

    /// Takes `rank` rows of S values.
    fn set(&mut self, rows: &WideMatrix, rank: usize) {
        self.rank = rank;
        self.wide.copy_rows(rows, rank);
    }

    /// All NaN if the last of `max_sweeps` still found columns that are not orthogonal.
    fn log10_singular_values(&mut self, values: &mut [f64], max_sweeps: usize) {
        self.precondition(None);
        self.transpose();
        let is_orthogonal = (0..max_sweeps).any(|_| !self.sweep());
        if !is_orthogonal {
            values.fill(f64::NAN);
            return;
        }
        values.fill(f64::NEG_INFINITY);
        for (value, (square, exponent)) in values
            .iter_mut()
            .zip(self.squares[..self.rank].iter().zip(&self.exponents))
        {
            *value = 0.5 * square.log10() + *exponent as f64 * std::f64::consts::LOG10_2;
        }
        values.sort_unstable_by(|a, b| b.total_cmp(a));
    }

    /// R = Q″·R₁·Π: Householder reflections with column and row pivoting. Lowers the rank where
    /// nothing is left. `q`, S rows, is multiplied by Q″ from the right.
    fn precondition(&mut self, mut q: Option<&mut [f64]>) {
        let (size, rows) = (self.size, self.rank);
        for k in 0..rows {
            let mut sums = self.sums.row_mut(0, k);
            sums.set_zero();
            for i in k..rows {
                sums.add_squares(self.wide.row(i, k));
            }
            let mut largest = (k, Wide::ZERO);
            for (j, square) in (k..).zip(self.sums.row(0, k).iter()) {
                if square.compare_magnitude(largest.1).is_gt() {
                    largest = (j, square);
                }
            }
            let (pivot, square) = largest;
            if square.is_zero() {
                self.rank = k;
                return;
            }
            if pivot != k {
                self.wide.swap_columns(pivot, k, rows);
            }
            let mut top = k;
            for i in k + 1..rows {
                let (entry, best) = (self.wide.get(i, k), self.wide.get(top, k));
                if entry.compare_magnitude(best).is_gt() {
                    top = i;
                }
            }
            if top != k {
                self.wide.swap_rows(top, k);
                if let Some(q) = &mut q {
                    let (left, right) = q.split_at_mut(top * size);
                    left[k * size..(k + 1) * size].swap_with_slice(&mut right[..size]);
                }
            }
            self.reflect(k, square.sqrt(), q.as_deref_mut());
        }
    }

    /// Takes column k from row k on to (β, 0, …), |β| = `norm`, and `q` along.
    fn reflect(&mut self, k: usize, norm: Wide, q: Option<&mut [f64]>) {
        let (size, rows) = (self.size, self.rank);
        let head = self.wide.get(k, k);
        let beta = if head.is_negative() { norm } else { -norm };
        let scale = head - beta;
        let tau = (beta - head) / beta;
        let mut is_done = true;
        for i in k + 1..rows {
            let entry = self.wide.get(i, k);
            self.wide.set(i, k, Wide::ZERO);
            is_done &= entry.is_zero();
            self.reflection[i] = entry / scale;
        }
        if is_done {
            return;
        }
        self.wide.set(k, k, beta);
        if let Some(q) = q {
            // The pivot is the largest of its column, so these numbers are of ordinary size.
            let tau = tau.over_power(0);
            for row in 0..size {
                let mut dot = q[k * size + row];
                for i in k + 1..rows {
                    dot += q[i * size + row] * self.reflection[i].over_power(0);
                }
                let dot = tau * dot;
                q[k * size + row] -= dot;
                for i in k + 1..rows {
                    q[i * size + row] -= dot * self.reflection[i].over_power(0);
                }
            }
        }
        // (I − τ·v·vᵀ)·R, v = (1, …), row by row.
        let mut dots = self.sums.row_mut(0, k + 1);
        dots.copy_from(self.wide.row(k, k + 1));
        for i in k + 1..rows {
            dots.add_multiple(self.reflection[i], self.wide.row(i, k + 1));
        }
        dots.multiply_by(tau);
        let dots = self.sums.row(0, k + 1);
        self.wide.row_mut(k, k + 1).add_multiple(-Wide::ONE, dots);
        for i in k + 1..rows {
            let mut row = self.wide.row_mut(i, k + 1);
            row.add_multiple(-self.reflection[i], dots);
        }
    }

    /// Rows of R₁ to columns with exponents. An entry 10³⁰⁰ below the largest of its row is nothing
    /// beside it.
    fn transpose(&mut self) {
        let size = self.size;
        for k in 0..self.rank {
            let row = self.wide.row(k, 0);
            let exponent = row.iter().filter_map(|value| value.exponent()).max();
            let exponent = exponent.unwrap_or(0);
            let column = &mut self.columns[k * size..(k + 1) * size];
            for (value, wide) in column.iter_mut().zip(row.iter()) {
                *value = wide.over_power(exponent);
            }
            self.exponents[k] = exponent;
            self.squares[k] = kernels::dot(column, column);
        }
    }

    /// Rotates every pair of columns that is not orthogonal; returns whether there was one.
    fn sweep(&mut self) -> bool {
        let size = self.size;
        // Rounding of a dot product of S terms, relative to its factors.
        let tolerance = f64::EPSILON * size as f64;
        let mut rotated = false;
        for p in 0..self.rank {
            // de Rijk: the largest of the columns that are left comes first.
            let largest = (p..self.rank).fold(p, |best, k| {
                if self
                    .size_of(k)
                    .compare_magnitude(self.size_of(best))
                    .is_gt()
                {
                    k
                } else {
                    best
                }
            });
            self.swap(p, largest);
            for q in p + 1..self.rank {
                rotated |= self.rotate(p, q, tolerance);
            }
        }
        rotated
    }

    /// The squared norm of a column.
    fn size_of(&self, k: usize) -> Wide {
        Wide::new(self.squares[k], 2 * self.exponents[k])
    }

    fn swap(&mut self, p: usize, q: usize) {
        if p == q {
            return;
        }
        let size = self.size;
        let (left, right) = self.columns.split_at_mut(q * size);
        left[p * size..(p + 1) * size].swap_with_slice(&mut right[..size]);
        self.exponents.swap(p, q);
        self.squares.swap(p, q);
    }

    /// Makes columns p < q orthogonal. With d the exponent of g_q less that of g_p, tan θ = t·2^d,
    /// where t solves t²·2^{2d} + 2ζt − 1 = 0, ζ = (β·2^{2d} − α)/(2γ) for the squared norms α, β and
    /// the dot product γ of the mantissas; so d may be as low as it likes.
    fn rotate(&mut self, p: usize, q: usize, tolerance: f64) -> bool {
        let size = self.size;
        if self.size_of(q).compare_magnitude(self.size_of(p)).is_gt() {
            self.swap(p, q);
        }
        let (left, right) = self.columns.split_at_mut(q * size);
        let (g_p, g_q) = (&mut left[p * size..(p + 1) * size], &mut right[..size]);
        let gamma = kernels::dot(g_p, g_q);
        let (alpha, beta) = (self.squares[p], self.squares[q]);
        if gamma.abs() <= tolerance * (alpha * beta).sqrt() {
            return false;
        }
        let below = self.exponents[q] - self.exponents[p];
        // 2^{2d}: 0 where it is too small to matter, and never large, since g_p is the larger one and
        // mantissas have norms of about 1.
        let ratio = scale_by_power_of_two(1.0, 2 * below);
        let zeta = (beta * ratio - alpha) / (2.0 * gamma);
        let t = zeta.signum() / (zeta.abs() + (ratio + zeta * zeta).sqrt());
        let c = 1.0 / (1.0 + t * t * ratio).sqrt();
        let rotated = kernels::rotate((&mut *g_p, &mut *g_q), c, t * ratio, t);
        for (i, (k, column)) in [(p, g_p), (q, g_q)].into_iter().enumerate() {
            self.squares[k] = rotated.squares[i];
            // What a rotation takes away may leave little.
            if let Some(own) = exponent_of(rotated.largest[i])
                && own.abs() > MANTISSA_EXPONENT
            {
                scale_slice(column, -own);
                self.exponents[k] += own;
                self.squares[k] = kernels::dot(column, column);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows that are not orthogonal take one sweep to be so and one more to find that they are.
    #[test]
    fn an_iteration_that_is_not_done_gives_no_values() {
        let after = |sweeps| {
            let mut jacobi = Jacobi::new(2);
            let mut rows = WideMatrix::zeros(2, 2);
            for (k, value) in [3.0, 1.0, 0.0, 2.0].into_iter().enumerate() {
                rows.set(k / 2, k % 2, Wide::new(value, 0));
            }
            jacobi.set(&rows, 2);
            let mut values = [0.0; 2];
            jacobi.log10_singular_values(&mut values, sweeps);
            values
        };
        for sweeps in [0, 1] {
            assert!(after(sweeps).iter().all(|value| value.is_nan()), "{sweeps}");
        }
        // σ² = 7 ± √13, from σ₁² + σ₂² = 14 and σ₁·σ₂ = 6.
        let root = 13f64.sqrt();
        for (value, square) in after(2).into_iter().zip([7.0 + root, 7.0 - root]) {
            assert!((value - 0.5 * square.log10()).abs() <= 1e-15);
        }
    }
}
