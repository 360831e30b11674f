//! QR by Householder reflections of matrices whose rows may be of any size, or zero.

use kernels::ViewMut;

/// A = Q·R, R with a positive diagonal, its rows taken in falling order of size.
///
/// With rows so ordered a reflection errs in each row in proportion to that row (Cox & Higham,
/// "Stability of Householder QR factorization for weighted least squares problems", 1998), so that a
/// row of 10⁻³⁰ below rows of 1, which a saturated unit makes, still has its own digits, and what is
/// left of a column can be told from rounding: it is rounding where it lies, in every row, below
/// [`rounding`](Self::rounding) times the largest entry that the row ever had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Householder {
    /// The rows that are not zero and their largest entries, in falling order.
    rows: Vec<(usize, f64)>,
    /// Those rows, column-major: reflections on and below the diagonal.
    compact: Vec<f64>,
    tau: Vec<f64>,
    signs: Vec<f64>,
    kept: Vec<usize>,
}

/// What became of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decomposed {
    /// Columns of Q.
    pub rank: usize,
    /// How many columns went because nothing at all was left of them; the others were rounding.
    pub exactly: usize,
}

impl Householder {
    pub fn new(size: usize, columns: usize) -> Self {
        Householder {
            rows: Vec::with_capacity(size),
            compact: vec![0.0; size * columns],
            tau: vec![0.0; columns],
            signs: vec![0.0; columns],
            kept: Vec::with_capacity(columns),
        }
    }

    /// The columns of the last matrix that were not left out.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// The part of a row's largest entry below which an entry of the row is rounding: each of so many
    /// reflections adds an error of a few units in the last place.
    fn rounding(height: usize) -> f64 {
        8.0 * height as f64 * f64::EPSILON
    }

    /// Replaces the columns of A, S×k, by those of Q, of which there are as many as A has linearly
    /// independent ones, and writes R_ii. A column that depends on those before it is left out.
    pub fn decompose(&mut self, mut matrix: ViewMut, diagonal: &mut [f64]) -> Decomposed {
        let (size, columns) = matrix.shape();
        self.rows.clear();
        self.rows.extend((0..size).map(|i| (i, 0.0)));
        for column in matrix.column_iter() {
            for ((_, largest), value) in self.rows.iter_mut().zip(column.as_slice()) {
                *largest = value.abs().max(*largest);
            }
        }
        self.rows.retain(|(_, largest)| *largest > 0.0);
        self.rows
            .sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let height = self.rows.len();
        let rounding = Self::rounding(height);
        self.kept.clear();
        let mut done = Decomposed {
            rank: 0,
            exactly: 0,
        };
        for j in 0..columns {
            let rank = done.rank;
            let (reflections, rest) = self.compact.split_at_mut(rank * height);
            let Some(column) = rest.get_mut(..height).filter(|_| rank < height) else {
                done.exactly += 1;
                continue;
            };
            for (value, (i, _)) in column.iter_mut().zip(&self.rows) {
                *value = matrix[(*i, j)];
            }
            for (k, reflection) in reflections.chunks_exact(height).enumerate() {
                kernels::reflect(self.tau[k], &reflection[k + 1..], &mut column[k..]);
            }
            let left = &mut column[rank..];
            let mut own = left.iter().zip(&self.rows[rank..]);
            if own.all(|(value, (_, largest))| value.abs() <= rounding * largest) {
                done.exactly += usize::from(left.iter().all(|value| *value == 0.0));
                continue;
            }
            let (tau, beta) = reflect(left);
            self.tau[rank] = tau;
            self.signs[rank] = beta.signum();
            diagonal[rank] = beta.abs();
            self.kept.push(j);
            done.rank += 1;
        }
        // Q = H_1⋯H_rank·[I; 0].
        let rank = done.rank;
        for j in 0..rank {
            let mut column = matrix.column_mut(j);
            let column = column.as_mut_slice();
            column.fill(0.0);
            column[j] = self.signs[j];
            for k in (0..=j).rev() {
                let reflection = &self.compact[k * height + k + 1..(k + 1) * height];
                kernels::reflect(self.tau[k], reflection, &mut column[k..height]);
            }
        }
        // Back to the rows' own places, through a column that is not needed any more.
        let buffer = &mut self.compact[..height];
        for j in 0..rank {
            let mut column = matrix.column_mut(j);
            let column = column.as_mut_slice();
            buffer.copy_from_slice(&column[..height]);
            column.fill(0.0);
            for (value, (i, _)) in buffer.iter().zip(&self.rows) {
                column[*i] = *value;
            }
        }
        done
    }
}

/// Makes the reflection I − τ·v·vᵀ, v = (1, …), that takes `x`, not zero, to (β, 0, …): leaves the
/// rest of v in its place and returns τ and β.
fn reflect(x: &mut [f64]) -> (f64, f64) {
    // A matrix comes here with columns of about 1, but what is left of one may be of any size.
    let largest = x.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
    let norm = largest * x.iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt();
    let beta = if x[0] > 0.0 { -norm } else { norm };
    let tau = (beta - x[0]) / beta;
    let pivot = x[0] - beta;
    x[1..].iter_mut().for_each(|v| *v /= pivot);
    (tau, beta)
}
