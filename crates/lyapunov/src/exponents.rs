//! The sums of repeated QR, whatever the matrices come from.

use kernels::{Buffer, Start, View, ViewMut};

use crate::orthonormal::Orthonormaliser;

/// At most this many batches are kept; when there are as many, pairs of them become one.
const MAX_BATCHES: usize = 64;

/// Repeated QR of a product of matrices that grows from the left.
///
/// It knows no cell: give it the matrices ([`push`](Self::push)), or what they make of its
/// [`basis`](Self::basis) ([`advance`](Self::advance)).
///
/// ```
/// use lyapunov::Exponents;
/// use nalgebra::DMatrix;
///
/// let rotation_and_stretch = DMatrix::from_row_slice(2, 2, &[0.0, -2.0, 2.0, 0.0]);
/// let mut exponents = Exponents::new(2, 2);
/// for _ in 0..10 {
///     exponents.push(rotation_and_stretch.as_view());
/// }
/// let found = exponents.spectrum().exponents;
/// assert!(found.iter().all(|e| (e - 2.0_f64.ln()).abs() < 1e-14));
/// ```
#[derive(Clone, Debug)]
pub struct Exponents {
    /// S.
    size: usize,
    /// Columns of Q that are left.
    rank: usize,
    /// k, those there were.
    columns: usize,
    /// Q, S×rank.
    basis: Buffer,
    /// J·Q on its way to being Q, S×rank.
    product: Buffer,
    orthonormaliser: Orthonormaliser,
    log10: Vec<f64>,
    /// Of the current step: what making Q orthonormal again after forgetting coordinates found.
    owed: Vec<f64>,
    /// Steps in all, and those that count.
    time: usize,
    steps: usize,
    /// Σ log₁₀ R_ii of the steps that count.
    sums: Vec<f64>,
    batches: Batches,
    lost: Vec<Lost>,
}

/// One direction that the product of the Jacobians has lost, and with it an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// At which step, from 1.
    pub step: usize,
    /// Whether for all to see, by rows or columns of exact zeros; else the matrix is singular to working
    /// precision, and the true exponent anything below about −36 per step of this kind.
    pub exact: bool,
}

/// Columns that several steps have made too ill-conditioned; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllConditioned;

impl std::fmt::Display for IllConditioned {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(
            "too many steps between two orthonormalisations: the columns have become dependent",
        )
    }
}

impl std::error::Error for IllConditioned {}

impl Exponents {
    /// `count` exponents, at most all of them, of products of matrices of `size` rows. Q_0 is in general
    /// position, always the same.
    ///
    /// # Panics
    /// If there is no row, or no exponent.
    pub fn new(size: usize, count: usize) -> Self {
        assert!(size > 0 && count > 0, "{count} exponents of {size} rows");
        let columns = count.min(size);
        let buffer = || {
            let mut buffer = Buffer::default();
            buffer.renew(size * columns);
            buffer
        };
        let mut exponents = Exponents {
            size,
            rank: columns,
            columns,
            basis: buffer(),
            product: buffer(),
            orthonormaliser: Orthonormaliser::new(size, columns),
            log10: vec![0.0; columns],
            owed: vec![0.0; columns],
            time: 0,
            steps: 0,
            sums: vec![0.0; columns],
            batches: Batches::new(columns),
            lost: Vec::with_capacity(columns),
        };
        for (index, value) in exponents.basis.iter_mut().enumerate() {
            *value = generic(index as u64);
        }
        let basis = ViewMut::from_slice(&mut exponents.basis, size, columns);
        let rank = (exponents.orthonormaliser).decompose(basis, &mut exponents.log10);
        debug_assert_eq!(rank, columns);
        exponents
    }

    /// S.
    pub fn size(&self) -> usize {
        self.size
    }

    /// k.
    pub fn count(&self) -> usize {
        self.columns
    }

    /// Columns of Q that are left: k less those lost.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Steps since the beginning, transient and all.
    pub fn time(&self) -> usize {
        self.time
    }

    /// Q, S×rank, its columns orthonormal, to within 10⁻⁸ at least.
    pub fn basis(&self) -> View<'_> {
        View::from_slice(&self.basis[..self.size * self.rank], self.size, self.rank)
    }

    /// One step of an explicit matrix J, S×S.
    ///
    /// # Panics
    /// If its shape is another or an entry is not finite.
    pub fn push(&mut self, jacobian: View) {
        let size = self.size;
        assert_eq!(jacobian.shape(), (size, size), "shape of the matrix");
        let is_zero = |j: usize| jacobian.column(j).iter().all(|v| *v == 0.0);
        self.forget(is_zero);
        let mut product = std::mem::take(&mut self.product);
        kernels::multiply(
            Start::Zero,
            jacobian,
            View::from_slice(&self.basis[..size * self.rank], size, self.rank),
            ViewMut::from_slice(&mut product[..size * self.rank], size, self.rank),
        );
        self.product = product;
        assert!(
            kernels::all_finite(&self.product[..size * self.rank]),
            "the matrix has entries that are not finite"
        );
        let advanced = self.advance_product(1);
        debug_assert!(advanced.is_ok(), "a single step is always taken");
    }

    /// What the next matrix does not look at: coordinates whose columns are exactly zero. Q loses them,
    /// and its rank where fewer coordinates are left, before they round with anything else. Counted at
    /// the step to come.
    pub fn forget(&mut self, is_forgotten: impl Fn(usize) -> bool) {
        let (size, rank) = (self.size, self.rank);
        let left = (0..size).filter(|i| !is_forgotten(*i)).count();
        if left >= rank {
            return;
        }
        for column in self.basis[..size * rank].chunks_exact_mut(size) {
            let entries = column.iter_mut().enumerate();
            let forgotten = entries.filter(|(i, _)| is_forgotten(*i));
            forgotten.for_each(|(_, value)| *value = 0.0);
        }
        let basis = ViewMut::from_slice(&mut self.basis[..size * rank], size, rank);
        self.log10.fill(0.0);
        let done = self.orthonormaliser.careful(basis, &mut self.log10);
        for (owed, log) in self.owed.iter_mut().zip(&self.log10[..done.rank]) {
            *owed += log;
        }
        self.lose(done.rank, rank - left, self.time + 1);
    }

    /// What `steps` steps have made of the [`basis`](Self::basis): J_t⋯J_{t−steps+1}·Q, S×rank.
    /// Returns how ill-conditioned it was; more than about 10⁴ after several steps is refused.
    ///
    /// # Errors
    /// [`IllConditioned`] if there are several steps, and too many; a single one is always taken.
    ///
    /// # Panics
    /// If the shape is another. Entries must be finite.
    pub fn advance(&mut self, steps: usize, product: View) -> Result<f64, IllConditioned> {
        let (size, rank) = (self.size, self.rank);
        assert_eq!(product.shape(), (size, rank), "shape of the product");
        let own = ViewMut::from_slice(&mut self.product[..size * rank], size, rank);
        kernels::copy(product, own);
        self.advance_product(steps)
    }

    fn advance_product(&mut self, steps: usize) -> Result<f64, IllConditioned> {
        let (size, rank) = (self.size, self.rank);
        if rank == 0 {
            self.time += steps;
            self.steps += steps;
            return Ok(0.0);
        }
        let values = &mut self.product[..size * rank];
        // Far from 1 a column may have lost digits to the limits of f64 on its way.
        if steps > 1 && !values.chunks_exact(size).all(has_safe_size) {
            return Err(IllConditioned);
        }
        let mut product = ViewMut::from_slice(values, size, rank);
        let orthonormaliser = &mut self.orthonormaliser;
        let condition = match orthonormaliser.fast(product.as_view_mut(), &mut self.log10) {
            Some(condition) if steps == 1 || condition <= SEVERAL => condition,
            Some(_) | None if steps > 1 => return Err(IllConditioned),
            Some(condition) => condition,
            None => {
                let done = orthonormaliser.careful(product, &mut self.log10);
                self.lose(done.rank, done.exactly, self.time + 1);
                f64::INFINITY
            }
        };
        std::mem::swap(&mut self.basis, &mut self.product);
        self.time += steps;
        self.steps += steps;
        let logs = self.log10[..self.rank].iter().zip(&mut self.owed);
        for (k, (log, owed)) in logs.enumerate() {
            let log = log + std::mem::take(owed);
            self.sums[k] += log;
            self.batches.current[k] += log;
        }
        self.batches.close_after(steps);
        Ok(condition)
    }

    /// `rank` columns are left; of those lost, `exactly` so many for all to see.
    fn lose(&mut self, rank: usize, exactly: usize, step: usize) {
        for k in 0..self.rank - rank {
            let exact = k < exactly;
            self.lost.push(Lost { step, exact });
        }
        for k in rank..self.rank {
            self.sums[k] = f64::NEG_INFINITY;
            self.owed[k] = 0.0;
        }
        self.rank = rank;
    }

    /// Starts to count: what came before was a transient. Directions that are lost stay so.
    pub fn discard(&mut self) {
        self.steps = 0;
        self.sums[..self.rank].fill(0.0);
        self.batches.clear();
    }

    /// λ_1…λ_k as of now, into `values`; NaN if no step has counted yet.
    pub fn write(&self, values: &mut [f64]) {
        for (value, sum) in values.iter_mut().zip(&self.sums) {
            *value = self.rate(*sum);
        }
    }

    fn rate(&self, sum: f64) -> f64 {
        match self.steps {
            0 => f64::NAN,
            steps => sum * std::f64::consts::LN_10 / steps as f64,
        }
    }

    /// The exponents as of now.
    pub fn spectrum(&self) -> Spectrum {
        let rates = self.sums.iter().map(|sum| self.rate(*sum));
        let errors = (0..self.columns).map(|k| {
            let log10 = self.batches.standard_error(k, self.sums[k], self.steps);
            log10 * std::f64::consts::LN_10
        });
        Spectrum {
            exponents: rates.collect(),
            standard_errors: errors.collect(),
            size: self.size,
            steps: self.steps,
            lost: self.lost.clone(),
        }
    }
}

/// κ after several steps, see [`Orthonormaliser`].
const SEVERAL: f64 = crate::orthonormal::ONCE;

/// Whether the largest entry is neither so small nor so large that others may have left the range.
fn has_safe_size(column: &[f64]) -> bool {
    let largest = column.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
    (1e-150..1e150).contains(&largest)
}

/// A number in −1…1 for every index: Steele, Lea & Flood's SplitMix64 (2014) as a hash.
fn generic(index: u64) -> f64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Sums of log₁₀ R_ii over batches of consecutive steps.
#[derive(Clone, Debug)]
struct Batches {
    columns: usize,
    /// Steps in a full batch, at least.
    length: usize,
    /// k sums of each, and their steps.
    sums: Vec<f64>,
    steps: Vec<usize>,
    current: Vec<f64>,
    current_steps: usize,
}

impl Batches {
    fn new(columns: usize) -> Self {
        Batches {
            columns,
            length: 1,
            sums: Vec::with_capacity(columns * MAX_BATCHES),
            steps: Vec::with_capacity(MAX_BATCHES),
            current: vec![0.0; columns],
            current_steps: 0,
        }
    }

    fn clear(&mut self) {
        self.length = 1;
        self.sums.clear();
        self.steps.clear();
        self.current.fill(0.0);
        self.current_steps = 0;
    }

    fn close_after(&mut self, steps: usize) {
        self.current_steps += steps;
        if self.current_steps < self.length {
            return;
        }
        self.sums.extend_from_slice(&self.current);
        self.steps.push(self.current_steps);
        self.current.fill(0.0);
        self.current_steps = 0;
        if self.steps.len() == MAX_BATCHES {
            let columns = self.columns;
            for half in 0..MAX_BATCHES / 2 {
                self.steps[half] = self.steps[2 * half] + self.steps[2 * half + 1];
                for k in 0..columns {
                    let pair = 2 * half * columns + k;
                    self.sums[half * columns + k] = self.sums[pair] + self.sums[pair + columns];
                }
            }
            self.steps.truncate(MAX_BATCHES / 2);
            self.sums.truncate(MAX_BATCHES / 2 * columns);
            self.length *= 2;
        }
    }

    /// √(B/(B−1)·Σ w_b²·(m_b − m)²), w_b the part of all steps in batch b, m_b its mean: for batches of
    /// one length the usual s/√B.
    fn standard_error(&self, k: usize, sum: f64, steps: usize) -> f64 {
        let count = self.steps.len();
        if count < 2 || !sum.is_finite() {
            return f64::NAN;
        }
        let mean = sum / steps as f64;
        let inside = (steps - self.current_steps) as f64;
        let squares = self.steps.iter().enumerate().map(|(batch, own)| {
            let own = *own as f64;
            (self.sums[batch * self.columns + k] - own * mean).powi(2)
        });
        let count = count as f64;
        (count / (count - 1.0) * squares.sum::<f64>()).sqrt() / inside
    }
}

/// λ_1…λ_k, in nats per step.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// In falling order, but for what a finite time and rounding leave open; −∞ for directions that are
    /// [`Lost`].
    pub exponents: Vec<f64>,
    /// Of each, by batch means: the steps that count are cut into 32 to 63 batches of consecutive steps,
    /// and the means of these are taken to be independent. That allows for correlation in time as long
    /// as it is shorter than a batch; with fewer than 64 steps a batch is one step, and it is ignored.
    /// NaN where there are fewer than two batches or the exponent is −∞.
    pub standard_errors: Vec<f64>,
    /// S: how many exponents there are in all.
    pub size: usize,
    /// The steps that the exponents are means over.
    pub steps: usize,
    /// Why the last of them are −∞.
    pub lost: Vec<Lost>,
}

impl Spectrum {
    /// Σ λ_i: the mean of ln |det J_t| if all S are there.
    pub fn sum(&self) -> f64 {
        self.exponents.iter().sum()
    }

    /// [`kaplan_yorke_dimension`] of these exponents.
    pub fn kaplan_yorke_dimension(&self) -> Option<f64> {
        kaplan_yorke_dimension(&self.exponents, self.size)
    }

    /// [`entropy_bound`] of these exponents.
    pub fn entropy_bound(&self) -> f64 {
        entropy_bound(&self.exponents)
    }
}

/// The Kaplan–Yorke dimension of the attractor, D = j + Σ_{i≤j} λ_i / |λ_{j+1}|, where j is the
/// largest number of exponents whose sum is not negative (Kaplan & Yorke 1979; Frederickson, Kaplan,
/// Yorke & Yorke 1983): 0 if λ_1 < 0, S if the sum of all is not negative. Nothing if the sums of
/// the k < S that there are never fall below zero, which leaves it open, or if one is NaN before that.
///
/// `exponents` in falling order, S = `size`.
pub fn kaplan_yorke_dimension(exponents: &[f64], size: usize) -> Option<f64> {
    let mut sum = 0.0;
    for (j, exponent) in exponents.iter().enumerate() {
        if exponent.is_nan() {
            return None;
        }
        if sum + exponent < 0.0 {
            return Some(j as f64 + sum / exponent.abs());
        }
        sum += exponent;
    }
    (exponents.len() == size).then_some(size as f64)
}

/// Σ_{λ_i > 0} λ_i, in nats per step: a bound from above for the entropy that the network makes
/// (Ruelle 1978), and equal to it under Pesin's conditions. Of k < S exponents a part, if the last
/// one is positive.
pub fn entropy_bound(exponents: &[f64]) -> f64 {
    // From 0, not from the −0 that an empty sum is.
    exponents
        .iter()
        .filter(|e| **e > 0.0)
        .fold(0.0, |sum, e| sum + e)
}
