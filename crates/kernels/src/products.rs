//! Dense products of column-major matrices, in the orientations that a recurrent network needs.
//!
//! All of them end in one kernel ([`tile`]): a few rows, as vectors, times a few columns, kept in
//! registers while it runs along the inner dimension. Each element of a product is therefore one
//! chain of fused multiplications and additions, in order: it depends neither on the width of the
//! batch nor on the machine, as long as the machine fuses. A single column would wait for its own
//! chain; its chain is split in 2, 4 or 8, by the height of the panel alone.
//!
//! Weights are multiplied many times, so [`Packed`] lays them out in the order in which the kernel
//! reads them; nothing is packed or allocated while a network runs.
//!
//! # Why the unsafe code is sound
//!
//! The kernel works on raw pointers. The public functions check shapes and panic if they do not
//! fit; every pointer comes from a live view with the strides that go with it, and row counts limit
//! what is loaded and stored at a matrix's lower edge. Destinations are borrowed mutably, so they
//! overlap no operand.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::simd::{self, LANES, Pass, Simd, Vector};
use crate::{Buffer, View, ViewMut};

mod registers;

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing: the destination is overwritten and never read, so it may hold anything.
    Zero,
    /// What the destination holds.
    Destination,
    /// Another matrix of the destination's shape.
    From(View<'a>),
    /// The same column everywhere, such as a bias.
    Column(&'a [f64]),
}

/// A function of every element of a product, applied before the element is written.
pub trait Epilogue: Copy {
    /// Whether f(v) = v.
    const IS_IDENTITY: bool = false;

    /// f of N vectors side by side. Must be `#[inline(always)]`, as [`Pass`] says.
    fn of<S: Simd, const N: usize>(self, simd: S, v: [S::V; N]) -> [S::V; N];
}

/// f(v) = v.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Epilogue for Identity {
    const IS_IDENTITY: bool = true;

    #[inline(always)]
    fn of<S: Simd, const N: usize>(self, _: S, v: [S::V; N]) -> [S::V; N] {
        v
    }
}

/// Rows of a full panel of a [`Packed`] matrix: the most that a kernel takes together.
pub const PANEL: usize = 4 * LANES;

/// A matrix laid out for products from the left: panels of up to 32 rows, each with its columns one
/// after the other, padded with zeros to a multiple of eight rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packed {
    rows: usize,
    columns: usize,
    values: Buffer,
    turn: Turn,
}

/// From which end the next product goes through the panels. A matrix that does not fit in a cache, be it
/// the first or the second, is best read back and forth: each time the cache still holds the end where
/// the last one stopped. No result depends on it.
#[derive(Debug, Default)]
struct Turn(AtomicBool);

impl Turn {
    /// Below this size, in bytes, a matrix stays in the first cache anyway.
    const LARGE: usize = 1 << 15;

    #[inline]
    fn goes_backward(&self, bytes: usize) -> bool {
        bytes > Self::LARGE && self.0.fetch_xor(true, Ordering::Relaxed)
    }
}

impl Clone for Turn {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Turn {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Packed {
    /// Lays out `matrix`.
    pub fn new(matrix: View) -> Self {
        let mut packed = Self::default();
        packed.set(matrix);
        packed
    }

    /// Lays out the transpose of `matrix`.
    pub fn transposed(matrix: View) -> Self {
        let mut packed = Self::default();
        packed.set_transposed(matrix);
        packed
    }

    /// An empty one with room for a matrix of this shape.
    pub fn with_capacity(rows: usize, columns: usize) -> Self {
        Packed {
            values: Buffer::with_capacity(rows.next_multiple_of(LANES) * columns),
            ..Self::default()
        }
    }

    /// Changes the matrix in place: `change` gets each column k, a few rows at a time.
    pub fn change_columns(&mut self, change: impl Fn(usize, &mut [f64])) {
        let mut rest = &mut *self.values;
        for first in (0..self.rows).step_by(PANEL) {
            let step = (self.rows - first).min(PANEL).next_multiple_of(LANES);
            let (panel, after) = rest.split_at_mut(step * self.columns);
            for (k, column) in panel.chunks_exact_mut(step).enumerate() {
                change(k, column);
            }
            rest = after;
        }
    }

    /// Adds the sum of the columns to `sums`.
    ///
    /// # Panics
    /// If there are not as many sums as rows.
    pub fn add_columns(&self, sums: &mut [f64]) {
        assert_eq!(self.rows, sums.len(), "rows to add up");
        run_identity(&PackedProduct {
            lhs: self,
            rhs: Columns::ones(self.columns).alone(),
            product: Product::new(Start::Destination, ViewMut::from_slice(sums, self.rows, 1)),
        });
    }

    /// Lays out `matrix` in the place of what was here.
    pub fn set(&mut self, matrix: View) {
        self.set_side_by_side(&[matrix]);
    }

    /// Lays out matrices of as many rows each, side by side, in the place of what was here.
    ///
    /// # Panics
    /// If they differ in rows, or there are none.
    pub fn set_side_by_side(&mut self, matrices: &[View]) {
        let rows = matrices[0].nrows();
        assert!(
            matrices.iter().all(|matrix| matrix.nrows() == rows),
            "matrices side by side differ in rows"
        );
        let columns = matrices.iter().map(|matrix| matrix.ncols()).sum();
        self.fill(rows, columns, |first, mut k, written| {
            let mut matrices = matrices.iter();
            let matrix = matrices
                .find(|matrix| {
                    let here = k < matrix.ncols();
                    if !here {
                        k -= matrix.ncols();
                    }
                    here
                })
                .expect("the columns were counted");
            let rows = first..first + written.len();
            written.copy_from_slice(&matrix.column(k).as_slice()[rows]);
        });
    }

    /// Lays out the transpose of `matrix` in the place of what was here.
    pub fn set_transposed(&mut self, matrix: View) {
        self.fill(matrix.ncols(), matrix.nrows(), |first, k, written| {
            for (i, entry) in written.iter_mut().enumerate() {
                *entry = matrix[(k, first + i)];
            }
        });
    }

    /// Makes room for a matrix and calls `write` for the rows from `first` on of each column k.
    fn fill(
        &mut self,
        rows: usize,
        columns: usize,
        mut write: impl FnMut(usize, usize, &mut [f64]),
    ) {
        (self.rows, self.columns) = (rows, columns);
        self.values.resize(rows.next_multiple_of(LANES) * columns);
        let mut rest = &mut *self.values;
        for first in (0..rows).step_by(PANEL) {
            let height = (rows - first).min(PANEL);
            let step = height.next_multiple_of(LANES);
            let (panel, after) = rest.split_at_mut(step * columns);
            for (k, column) in panel.chunks_exact_mut(step).enumerate() {
                let (written, padding) = column.split_at_mut(height);
                write(first, k, written);
                padding.fill(0.0);
            }
            rest = after;
        }
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `destination` = `start` + this · `rhs`.
    ///
    /// Shapes, for a matrix of m×k: `rhs` k×n, `destination` m×n.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline]
    pub fn multiply(&self, start: Start, rhs: View, destination: ViewMut) {
        self.multiply_stacked(start, [rhs], destination);
    }

    /// `destination` = `start` + this · `rhs`, the parts of `rhs` one above the other.
    ///
    /// Shapes, for a matrix of m×k: `rhs` one or two, k₁×n and k₂×n with k = k₁ + k₂, `destination` m×n.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline]
    pub fn multiply_stacked<const PARTS: usize>(
        &self,
        start: Start,
        rhs: [View; PARTS],
        destination: ViewMut,
    ) {
        self.multiply_stacked_then(start, rhs, destination, Identity);
    }

    /// `destination` = f(`start` + this · `rhs`), f element by element, else as
    /// [`multiply_stacked`](Self::multiply_stacked).
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline]
    pub fn multiply_stacked_then<const PARTS: usize, F: Epilogue>(
        &self,
        start: Start,
        rhs: [View; PARTS],
        destination: ViewMut,
        f: F,
    ) {
        run_packed(&self.product(start, rhs, destination, f));
    }

    /// [`multiply_stacked_then`](Self::multiply_stacked_then) as part of a pass: the product with a
    /// single column, which is short, becomes part of the code around it.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[inline(always)]
    pub fn multiply_within<S: Simd, const PARTS: usize, F: Epilogue>(
        &self,
        simd: S,
        start: Start,
        rhs: [View; PARTS],
        destination: ViewMut,
        f: F,
    ) {
        let product = self.product(start, rhs, destination, f);
        if product.product.columns == 1 {
            product.run_with_column(simd);
        } else {
            run_packed(&product);
        }
    }

    /// The product, once its shapes are seen to fit.
    #[inline(always)]
    fn product<const PARTS: usize, F: Epilogue>(
        &self,
        start: Start,
        rhs: [View; PARTS],
        destination: ViewMut,
        f: F,
    ) -> PackedProduct<'_, F> {
        const { assert!(PARTS == 1 || PARTS == 2, "parts one above the other") };
        let (lhs, to) = ((self.rows, self.columns), destination.shape());
        let stacked = rhs.iter().map(|part| part.nrows()).sum();
        for part in &rhs {
            assert_shapes(lhs, (stacked, part.ncols()), &start, to);
        }
        PackedProduct {
            lhs: self,
            rhs: [
                Columns::of(&rhs[0]),
                rhs.get(1).map_or(Columns::NONE, Columns::of),
            ],
            product: Product::new(start, destination).then(f),
        }
    }

    /// `destination` = `start` + this · `rhs`ᵀ.
    ///
    /// Shapes, for a matrix of m×k: `rhs` n×k, `destination` m×n.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn multiply_by_transpose(&self, start: Start, rhs: View, destination: ViewMut) {
        let (lhs, to) = ((self.rows, self.columns), destination.shape());
        assert_shapes(lhs, (rhs.ncols(), rhs.nrows()), &start, to);
        simd::run(ByTranspose {
            lhs: Left::Packed(self),
            rhs: Columns::of_transpose(&rhs),
            product: Product::new(start, destination),
        });
    }

    /// `destination` = `start` + `matrix` · `rhs`ᵀ, and `matrix` laid out in the place of what was here,
    /// for products to come.
    ///
    /// Shapes: `matrix` m×k, `rhs` n×k, `destination` m×n.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn set_and_multiply_by_transpose(
        &mut self,
        matrix: View,
        start: Start,
        rhs: View,
        destination: ViewMut,
    ) {
        let (lhs, to) = (matrix.shape(), destination.shape());
        assert_shapes(lhs, (rhs.ncols(), rhs.nrows()), &start, to);
        if to.1 < LANES {
            self.set(matrix);
            return self.multiply_by_transpose(start, rhs, destination);
        }
        simd::run(ByTranspose {
            lhs: Left::Plain(matrix, self),
            rhs: Columns::of_transpose(&rhs),
            product: Product::new(start, destination),
        });
    }
}

/// `destination` = `start` + `lhs` · `rhs`. Shapes: `lhs` m×k, `rhs` k×n, `destination` m×n.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply(start: Start, lhs: View, rhs: View, destination: ViewMut) {
    assert_shapes(lhs.shape(), rhs.shape(), &start, destination.shape());
    simd::run(PlainProduct {
        lhs,
        rhs: Columns::of(&rhs),
        product: Product::new(start, destination),
    });
}

/// `destination` = `start` + `lhs` · `rhs`ᵀ. Shapes: `lhs` m×k, `rhs` n×k, `destination` m×n.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply_by_transpose(start: Start, lhs: View, rhs: View, destination: ViewMut) {
    let transposed = (rhs.ncols(), rhs.nrows());
    assert_shapes(lhs.shape(), transposed, &start, destination.shape());
    simd::run(PlainProduct {
        lhs,
        rhs: Columns::of_transpose(&rhs),
        product: Product::new(start, destination),
    });
}

/// Adds the sum of the columns of `matrix` to `sums`.
///
/// # Panics
/// If there are not as many sums as rows.
pub fn add_columns(matrix: View, sums: &mut [f64]) {
    let (rows, columns) = matrix.shape();
    assert_eq!(rows, sums.len(), "rows to add up");
    simd::run(PlainProduct {
        lhs: matrix,
        rhs: Columns::ones(columns),
        product: Product::new(Start::Destination, ViewMut::from_slice(sums, rows, 1)),
    });
}

/// `destination` = `start` + `lhs`ᵀ · `rhs`. Shapes: `lhs` k×m, `rhs` k×n, `destination` m×n.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply_transposed(start: Start, lhs: View, rhs: View, destination: ViewMut) {
    let transposed = (lhs.ncols(), lhs.nrows());
    assert_shapes(transposed, rhs.shape(), &start, destination.shape());
    simd::run(DotProducts {
        lhs,
        rhs,
        start,
        destination,
    });
}

#[track_caller]
#[inline]
fn assert_shapes(lhs: (usize, usize), rhs: (usize, usize), start: &Start, to: (usize, usize)) {
    let starts = match start {
        Start::From(view) => view.shape(),
        Start::Column(column) => (column.len(), to.1),
        Start::Zero | Start::Destination => to,
    };
    assert!(
        lhs.1 == rhs.0 && to == (lhs.0, rhs.1) && starts == to,
        "shapes do not fit: {}×{} · {}×{} from {}×{} into {}×{}",
        lhs.0,
        lhs.1,
        rhs.0,
        rhs.1,
        starts.0,
        starts.1,
        to.0,
        to.1
    );
}

/// The right operand: where its first entry is, and how far it is to the next row and column.
#[derive(Clone, Copy)]
struct Columns {
    first: *const f64,
    row_step: usize,
    column_step: usize,
    /// k.
    length: usize,
}

impl Columns {
    /// The part that is not there.
    const NONE: Self = Columns {
        first: std::ptr::null(),
        row_step: 0,
        column_step: 0,
        length: 0,
    };

    /// Nothing below it.
    #[inline(always)]
    fn alone(self) -> Stacked {
        [self, Self::NONE]
    }

    #[inline]
    fn of(view: &View) -> Self {
        let (row_step, column_step) = view.strides();
        Columns {
            first: view.as_ptr(),
            row_step,
            column_step,
            length: view.nrows(),
        }
    }

    #[inline(always)]
    fn of_slice(column: &[f64]) -> Self {
        Columns {
            first: column.as_ptr(),
            row_step: 1,
            column_step: column.len(),
            length: column.len(),
        }
    }

    #[inline]
    fn of_transpose(view: &View) -> Self {
        let (column_step, row_step) = view.strides();
        Columns {
            first: view.as_ptr(),
            row_step,
            column_step,
            length: view.ncols(),
        }
    }

    /// A column of ones, all of them the same one.
    #[inline]
    fn ones(length: usize) -> Self {
        static ONE: f64 = 1.0;
        Columns {
            first: &raw const ONE,
            row_step: 0,
            column_step: 0,
            length,
        }
    }

    /// The same, beginning with column j.
    #[inline(always)]
    fn skip(self, j: usize) -> Self {
        Columns {
            first: self.first.wrapping_add(j * self.column_step),
            ..self
        }
    }
}

/// A right operand in two parts, one above the other: the second may be empty.
type Stacked = [Columns; 2];

/// The destination, what is added to, and what becomes of the sum.
#[derive(Clone, Copy)]
struct Product<F = Identity> {
    to: *mut f64,
    to_step: usize,
    /// Null to start from zero.
    from: *const f64,
    from_step: usize,
    rows: usize,
    columns: usize,
    f: F,
}

impl Product {
    #[inline]
    fn new(start: Start, mut destination: ViewMut) -> Self {
        let (rows, columns) = destination.shape();
        let (to, to_step) = (destination.as_mut_ptr(), destination.strides().1);
        let (from, from_step) = match start {
            Start::Zero => (std::ptr::null(), 0),
            Start::Destination => (to.cast_const(), to_step),
            Start::From(view) => (view.as_ptr(), view.strides().1),
            Start::Column(column) => (column.as_ptr(), 0),
        };
        Product {
            to,
            to_step,
            from,
            from_step,
            rows,
            columns,
            f: Identity,
        }
    }
}

impl<F: Epilogue> Product<F> {
    /// The same, with another f.
    #[inline]
    fn then<G>(self, f: G) -> Product<G> {
        Product {
            to: self.to,
            to_step: self.to_step,
            from: self.from,
            from_step: self.from_step,
            rows: self.rows,
            columns: self.columns,
            f,
        }
    }

    /// The first so many columns, and the others.
    #[inline(always)]
    fn split(self, columns: usize) -> (Self, Self) {
        let from = match self.from.is_null() {
            true => self.from,
            false => self.from.wrapping_add(columns * self.from_step),
        };
        let others = Product {
            to: self.to.wrapping_add(columns * self.to_step),
            from,
            columns: self.columns - columns,
            ..self
        };
        (Product { columns, ..self }, others)
    }

    /// The numbers of vector v of V, the first of which begins at `row`: only the last can be short.
    #[inline(always)]
    fn count<const V: usize>(&self, row: usize, v: usize) -> usize {
        if v + 1 < V {
            LANES
        } else {
            self.rows - (row + v * LANES)
        }
    }

    /// What V vectors from `row` on start from, in one column.
    #[inline(always)]
    unsafe fn start<S: Simd, const V: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
    ) -> [S::V; V] {
        let mut vectors = [simd.splat(0.0); V];
        if self.from.is_null() {
            return vectors;
        }
        for (v, vector) in vectors.iter_mut().enumerate() {
            // SAFETY: (row, column) lies inside the matrix, and so do the rows counted.
            unsafe {
                let from = self.from.add(column * self.from_step + row + v * LANES);
                *vector = simd.load_from(from, self.count::<V>(row, v));
            }
        }
        vectors
    }

    /// Asks for V vectors from `row` on, in N columns.
    #[inline(always)]
    fn ask_for<S: Simd, const V: usize, const N: usize>(&self, simd: S, row: usize, column: usize) {
        for j in 0..N {
            for v in 0..V {
                let at = (column + j) * self.to_step + row + v * LANES;
                simd.prefetch(self.to.wrapping_add(at));
            }
        }
    }

    /// Writes V vectors from `row` on, in one column.
    #[inline(always)]
    unsafe fn finish<S: Simd, const V: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        vectors: [S::V; V],
    ) {
        for (v, vector) in vectors.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe {
                let to = self.to.add(column * self.to_step + row + v * LANES);
                simd.store_to(to, self.count::<V>(row, v), vector);
            }
        }
    }

    /// Applies f to V vectors from `row` on, in `columns`, which were written without it: about four
    /// vectors at a time.
    #[inline(always)]
    unsafe fn apply<S: Simd, const V: usize>(&self, simd: S, row: usize, columns: Range<usize>) {
        let mut column = columns.start;
        // SAFETY: as above.
        unsafe {
            while column < columns.end {
                let left = columns.end - column;
                column += match V {
                    1 if left >= 4 => self.apply_to::<S, V, 4, 4>(simd, row, column),
                    2 if left >= 2 => self.apply_to::<S, V, 2, 4>(simd, row, column),
                    _ => self.apply_to::<S, V, 1, V>(simd, row, column),
                };
            }
        }
    }

    /// Applies f to V vectors of each of N columns, all VN together, and says how many columns that
    /// was.
    #[inline(always)]
    unsafe fn apply_to<S: Simd, const V: usize, const N: usize, const VN: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
    ) -> usize {
        let mut values = [simd.splat(0.0); VN];
        for (k, value) in values.iter_mut().enumerate() {
            let (v, column) = (k % V, column + k / V);
            // SAFETY: as above.
            unsafe {
                let at = self.to.add(column * self.to_step + row + v * LANES);
                *value = simd.load_from(at, self.count::<V>(row, v));
            }
        }
        for (k, value) in self.f.of(simd, values).into_iter().enumerate() {
            let (v, column) = (k % V, column + k / V);
            // SAFETY: as above.
            unsafe {
                let at = self.to.add(column * self.to_step + row + v * LANES);
                simd.store_to(at, self.count::<V>(row, v), value);
            }
        }
        N
    }
}

/// What is known of the operands when a product is compiled.
trait Operands {
    /// Whether the last vector of rows has eight rows to read.
    const FULL: bool;
    /// Whether to ask for the rows below, and for what the next tile will read of the right operand and
    /// write: what comes from far away, in pieces of a column each, no machine foresees.
    const ASKS_BELOW: bool;
    const ASKS_BESIDE: bool;
    /// Whether the rows are laid out on the way.
    const LAYS_OUT: bool = false;
}

/// The left operand lies in the order in which it is read, the right one in the first cache.
struct InOrder;

impl Operands for InOrder {
    const FULL: bool = true;
    const ASKS_BELOW: bool = false;
    const ASKS_BESIDE: bool = false;
}

/// The left operand lies in the order in which it is read, the right one as columns of a larger matrix.
struct LeftInOrder;

impl Operands for LeftInOrder {
    const FULL: bool = true;
    const ASKS_BELOW: bool = false;
    const ASKS_BESIDE: bool = true;
}

/// Both lie as columns of larger matrices.
struct AsColumns<const FULL: bool>;

impl<const FULL: bool> Operands for AsColumns<FULL> {
    const FULL: bool = FULL;
    const ASKS_BELOW: bool = true;
    const ASKS_BESIDE: bool = true;
}

/// The same, and the rows are laid out on the way.
struct LaidOut;

impl Operands for LaidOut {
    const FULL: bool = false;
    const ASKS_BELOW: bool = true;
    const ASKS_BESIDE: bool = true;
    const LAYS_OUT: bool = true;
}

/// Whether tiles of so many columns are needed: those that there are registers for, and to lay rows out
/// the widest alone.
const fn is_width<S: Simd, O: Operands>(columns: usize) -> bool {
    columns == S::TILE.1 || columns < S::TILE.1 && !O::LAYS_OUT
}

/// Rows of the left operand, as V vectors from `row` on.
#[derive(Clone, Copy)]
struct Rows {
    first: *const f64,
    /// From one column to the next.
    step: usize,
    row: usize,
    /// Rows that may be read from the last vector, 8 or more if it is full.
    last: usize,
    /// Where they are laid out, if they are, and how far it is from one column to the next there.
    laid_out: *mut f64,
    laid_out_step: usize,
}

impl Rows {
    /// A panel of a [`Packed`] matrix.
    #[inline(always)]
    fn of_panel(values: *const f64, row: usize, vectors: usize) -> Self {
        Rows {
            first: values,
            step: vectors * LANES,
            row,
            last: LANES,
            laid_out: std::ptr::null_mut(),
            laid_out_step: 0,
        }
    }

    /// Rows of a view, and in how many vectors they are.
    #[inline(always)]
    fn of_view(view: &View, row: usize) -> (usize, Self) {
        let height = (view.nrows() - row).min(PANEL);
        let vectors = height.div_ceil(LANES);
        let rows = Rows {
            first: view.as_ptr().wrapping_add(row),
            step: view.strides().1,
            row,
            last: height - (vectors - 1) * LANES,
            laid_out: std::ptr::null_mut(),
            laid_out_step: 0,
        };
        (vectors, rows)
    }
}

/// V·8 rows times N columns from `column` on, without f.
#[inline(always)]
unsafe fn tile<S: Simd, O: Operands, const V: usize, const N: usize, F: Epilogue>(
    simd: S,
    mut rows: Rows,
    parts: Stacked,
    product: &Product<F>,
    column: usize,
) {
    // SAFETY: the callers keep row and column ranges inside the matrices.
    unsafe {
        let mut sums = [[simd.splat(0.0); V]; N];
        for (j, sums) in sums.iter_mut().enumerate() {
            *sums = product.start(simd, rows.row, column + j);
        }
        if O::ASKS_BESIDE {
            product.ask_for::<S, V, N>(simd, rows.row, column + N);
        }
        for part in parts {
            sums = run_along::<S, O, V, N>(simd, rows, part.skip(column), column / N % V, sums);
            rows.first = rows.first.wrapping_add(part.length * rows.step);
        }
        for (j, sums) in sums.into_iter().enumerate() {
            product.finish(simd, rows.row, column + j, sums);
        }
    }
}

/// The inner loop of [`tile`], which asks for line `line` of V of the rows below and for the last one
/// of the columns of the next tile, if they are to be asked for.
#[inline(always)]
unsafe fn run_along<S: Simd, O: Operands, const V: usize, const N: usize>(
    simd: S,
    rows: Rows,
    columns: Columns,
    line: usize,
    mut sums: [[S::V; V]; N],
) -> [[S::V; V]; N] {
    let (mut left, mut right) = (rows.first, columns.first);
    let mut laid_out = rows.laid_out;
    let below = (V + line) * LANES;
    let beside = (2 * N - 1) * columns.column_step;
    for _ in 0..columns.length {
        if O::ASKS_BELOW {
            simd.prefetch(left.wrapping_add(below));
        }
        if O::ASKS_BESIDE {
            simd.prefetch(right.wrapping_add(beside));
        }
        // SAFETY: `length` columns of rows, and as many rows of columns, lie inside the operands.
        unsafe {
            let mut entries = [simd.splat(0.0); V];
            for (v, entry) in entries.iter_mut().enumerate() {
                let full = O::FULL || v + 1 < V;
                let count = if full { LANES } else { rows.last };
                *entry = simd.load_from(left.add(v * LANES), count);
                if O::LAYS_OUT {
                    simd.store_to(laid_out.add(v * LANES), LANES, *entry);
                }
            }
            for (j, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat(*right.add(j * columns.column_step));
                for (sum, entry) in sums.iter_mut().zip(&entries) {
                    *sum = simd.mul_add(*entry, factor, *sum);
                }
            }
        }
        left = left.wrapping_add(rows.step);
        right = right.wrapping_add(columns.row_step);
        if O::LAYS_OUT {
            laid_out = laid_out.wrapping_add(rows.laid_out_step);
        }
    }
    sums
}

/// V·8 rows times a single column, the sum over k split in `SPLIT` that do not wait for each other.
#[inline(always)]
unsafe fn single_column<S: Simd, O: Operands, const V: usize, const SPLIT: usize, F: Epilogue>(
    simd: S,
    mut rows: Rows,
    parts: Stacked,
    product: &Product<F>,
) {
    // SAFETY: as in `tile`.
    unsafe {
        let mut sums = [[simd.splat(0.0); V]; SPLIT];
        sums[0] = product.start(simd, rows.row, 0);
        for part in parts {
            sums = run_along_split::<S, O, V, SPLIT>(simd, rows, part, sums);
            rows.first = rows.first.wrapping_add(part.length * rows.step);
        }
        product.finish(simd, rows.row, 0, product.f.of(simd, add_up(sums)));
    }
}

/// The sum of `SPLIT` partial sums, the halves first.
#[inline(always)]
fn add_up<T: Vector, const V: usize, const SPLIT: usize>(mut sums: [[T; V]; SPLIT]) -> [T; V] {
    let mut distance = SPLIT / 2;
    while distance > 0 {
        let (left, right) = sums.split_at_mut(distance);
        for (left, right) in left.iter_mut().zip(right) {
            for (left, right) in left.iter_mut().zip(right) {
                *left = *left + *right;
            }
        }
        distance /= 2;
    }
    sums[0]
}

/// The inner loop of [`single_column`].
#[inline(always)]
unsafe fn run_along_split<S: Simd, O: Operands, const V: usize, const SPLIT: usize>(
    simd: S,
    rows: Rows,
    columns: Columns,
    mut sums: [[S::V; V]; SPLIT],
) -> [[S::V; V]; SPLIT] {
    let (mut left, mut right) = (rows.first, columns.first);
    let mut k = 0;
    while k < columns.length {
        // The last few sums are shorter.
        let splits = (columns.length - k).min(SPLIT);
        for (s, sums) in sums.iter_mut().enumerate() {
            if s >= splits {
                break;
            }
            // SAFETY: k + s is below `length`.
            unsafe {
                let factor = simd.splat(*right);
                for (v, sum) in sums.iter_mut().enumerate() {
                    let full = O::FULL || v + 1 < V;
                    let count = if full { LANES } else { rows.last };
                    let entry = simd.load_from(left.add(v * LANES), count);
                    *sum = simd.mul_add(entry, factor, *sum);
                }
            }
            left = left.wrapping_add(rows.step);
            right = right.wrapping_add(columns.row_step);
        }
        k += SPLIT;
    }
    sums
}

/// One panel of the left operand, of 1 to 4 vectors, times a single column.
#[inline(always)]
unsafe fn panel_by_column<S: Simd, O: Operands, F: Epilogue>(
    simd: S,
    vectors: usize,
    rows: Rows,
    column: Stacked,
    product: &Product<F>,
) {
    // SAFETY: passed on.
    unsafe {
        match vectors {
            1 => single_column::<S, O, 1, 8, F>(simd, rows, column, product),
            2 => single_column::<S, O, 2, 4, F>(simd, rows, column, product),
            3 => single_column::<S, O, 3, 2, F>(simd, rows, column, product),
            _ => single_column::<S, O, 4, 2, F>(simd, rows, column, product),
        }
    }
}

/// One panel of the left operand, of 1 to 4 vectors, times all columns.
#[inline(always)]
unsafe fn panel<S: Simd, O: Operands, F: Epilogue>(
    simd: S,
    vectors: usize,
    rows: Rows,
    columns: Stacked,
    product: &Product<F>,
) {
    // SAFETY: passed on.
    unsafe {
        if product.columns == 1 {
            return panel_by_column::<S, O, F>(simd, vectors, rows, columns, product);
        }
        let mut at = 0;
        while at < vectors {
            let height = (vectors - at).min(S::TILE.0);
            let part = Rows {
                first: rows.first.add(at * LANES),
                laid_out: rows.laid_out.wrapping_add(at * LANES),
                row: rows.row + at * LANES,
                last: if at + height < vectors {
                    LANES
                } else {
                    rows.last
                },
                ..rows
            };
            // Conditions are constants, so that no taller strip is compiled than has registers.
            if const { S::TILE.0 >= 4 } && height == 4 {
                strip::<S, O, 4, F>(simd, part, columns, product);
            } else if const { S::TILE.0 >= 3 } && height == 3 {
                strip::<S, O, 3, F>(simd, part, columns, product);
            } else if const { S::TILE.0 >= 2 } && height == 2 {
                strip::<S, O, 2, F>(simd, part, columns, product);
            } else {
                strip::<S, O, 1, F>(simd, part, columns, product);
            }
            at += height;
        }
    }
}

/// V·8 rows times all columns.
#[inline(always)]
unsafe fn strip<S: Simd, O: Operands, const V: usize, F: Epilogue>(
    simd: S,
    rows: Rows,
    columns: Stacked,
    product: &Product<F>,
) {
    // SAFETY: passed on.
    unsafe {
        let mut j = 0;
        while j < product.columns {
            let left = product.columns - j;
            // As above. A low strip has registers left for more columns.
            let width = if const { V <= 2 && V < S::TILE.0 && !O::LAYS_OUT } && left >= 8 {
                tile::<S, O, V, 8, F>(simd, rows, columns, product, j);
                8
            } else if const { is_width::<S, O>(6) } && left >= 6 {
                tile::<S, O, V, 6, F>(simd, rows, columns, product, j);
                6
            } else if const { is_width::<S, O>(5) } && left >= 5 {
                tile::<S, O, V, 5, F>(simd, rows, columns, product, j);
                5
            } else if const { is_width::<S, O>(4) } && left >= 4 {
                tile::<S, O, V, 4, F>(simd, rows, columns, product, j);
                4
            } else if const { is_width::<S, O>(3) } && left >= 3 {
                tile::<S, O, V, 3, F>(simd, rows, columns, product, j);
                3
            } else if const { is_width::<S, O>(2) } && left >= 2 {
                tile::<S, O, V, 2, F>(simd, rows, columns, product, j);
                2
            } else {
                tile::<S, O, V, 1, F>(simd, rows, columns, product, j);
                1
            };
            // Once the registers of the sums are free, and in one place for all widths.
            if !F::IS_IDENTITY {
                product.apply::<S, V>(simd, rows.row, j..j + width);
            }
            j += width;
        }
    }
}

/// With a function applied, compiled where the function is.
#[inline(always)]
fn run_packed<F: Epilogue>(product: &PackedProduct<F>) {
    if const { F::IS_IDENTITY } {
        run_identity(&PackedProduct {
            lhs: product.lhs,
            rhs: product.rhs,
            product: product.product.then(Identity),
        });
    } else {
        simd::run(product);
    }
}

/// Without one. Not generic, so that it is compiled once and not in every crate that has a cell.
fn run_identity(product: &PackedProduct) {
    simd::run(product);
}

struct PackedProduct<'a, F = Identity> {
    lhs: &'a Packed,
    rhs: Stacked,
    product: Product<F>,
}

impl Packed {
    /// Its panels with their heights in vectors, in the order in which they are best read now.
    #[inline(always)]
    fn panels(&self) -> impl Iterator<Item = (usize, Rows)> {
        let panels = self.rows.div_ceil(PANEL);
        let backward = self.turn.goes_backward(size_of_val(&*self.values));
        (0..panels).map(move |k| {
            let row = PANEL * if backward { panels - 1 - k } else { k };
            let vectors = (self.rows - row).min(PANEL).div_ceil(LANES);
            let step = vectors * LANES;
            // All panels before this one are full.
            let values = &self.values[row * self.columns..(row + step) * self.columns];
            (vectors, Rows::of_panel(values.as_ptr(), row, vectors))
        })
    }
}

impl<F: Epilogue> PackedProduct<'_, F> {
    /// The product with the only column there is.
    #[inline(always)]
    fn run_with_column<S: Simd>(&self, simd: S) {
        debug_assert_eq!(self.product.columns, 1);
        for (vectors, rows) in self.lhs.panels() {
            // SAFETY: as below.
            unsafe {
                panel_by_column::<S, InOrder, F>(simd, vectors, rows, self.rhs, &self.product)
            };
        }
    }
}

impl<F: Epilogue> Pass for &PackedProduct<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (vectors, rows) in self.lhs.panels() {
            // SAFETY: the panel has its rows, padded, and all columns; the shapes of the others were
            // checked.
            unsafe { panel::<S, InOrder, F>(simd, vectors, rows, self.rhs, &self.product) };
        }
    }
}

struct PlainProduct<'a> {
    lhs: View<'a>,
    rhs: Columns,
    product: Product,
}

impl Pass for PlainProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in (0..self.lhs.nrows()).step_by(PANEL) {
            let (vectors, rows) = Rows::of_view(&self.lhs, row);
            let (rhs, product) = (self.rhs.alone(), &self.product);
            // SAFETY: the rows lie inside the view, `last` of them in the last vector; the shapes
            // of the others were checked.
            unsafe {
                if rows.last == LANES {
                    panel::<S, AsColumns<true>, _>(simd, vectors, rows, rhs, product);
                } else {
                    panel::<S, AsColumns<false>, _>(simd, vectors, rows, rhs, product);
                }
            }
        }
    }
}

/// The left operand of a [`ByTranspose`].
enum Left<'a> {
    Packed(&'a Packed),
    /// To be laid out in the place of what is there: what a product's first tiles load anyway they store
    /// once more, which takes no pass of its own.
    Plain(View<'a>, &'a mut Packed),
}

/// A product with columns that come from afar. To lay out the left operand takes eight of them.
struct ByTranspose<'a> {
    lhs: Left<'a>,
    rhs: Columns,
    product: Product,
}

impl Pass for ByTranspose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.product.rows;
        let (columns, values, plain) = match self.lhs {
            Left::Packed(packed) => (packed.columns, packed.values.as_ptr().cast_mut(), None),
            Left::Plain(view, packed) => {
                (packed.rows, packed.columns) = view.shape();
                packed
                    .values
                    .resize(rows.next_multiple_of(LANES) * packed.columns);
                (packed.columns, packed.values.as_mut_ptr(), Some(view))
            }
        };
        // One tile, since more would lay the rows out again; and more than one column beside it, since
        // the sums of a single one are taken in another order.
        const { assert!(S::TILE.1 + 2 <= LANES) };
        let width = if plain.is_some() { S::TILE.1 } else { 0 };
        let (first, others) = self.product.split(width);
        let (rhs, beside) = (self.rhs.alone(), self.rhs.skip(width).alone());
        for row in (0..rows).step_by(PANEL) {
            // All panels before this one are full.
            let laid_out = values.wrapping_add(row * columns);
            let vectors = (rows - row).min(PANEL).div_ceil(LANES);
            // SAFETY: the panel has its rows, padded, and all columns, be it before or after they are
            // written; rows of the view lie inside it, `last` of them in the last vector; the shapes
            // of the others were checked.
            unsafe {
                if let Some(view) = &plain {
                    let rows = Rows {
                        laid_out,
                        laid_out_step: vectors * LANES,
                        ..Rows::of_view(view, row).1
                    };
                    panel::<S, LaidOut, _>(simd, vectors, rows, rhs, &first);
                }
                let rows = Rows::of_panel(laid_out, row, vectors);
                panel::<S, LeftInOrder, _>(simd, vectors, rows, beside, &others);
            }
        }
    }
}

/// Columns of the left operand times columns of the right one.
struct DotProducts<'a> {
    lhs: View<'a>,
    rhs: View<'a>,
    start: Start<'a>,
    destination: ViewMut<'a>,
}

impl Pass for DotProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let length = self.lhs.nrows();
        for j in 0..self.rhs.ncols() {
            let right = self.rhs.column(j);
            let right = right.as_slice();
            for i in 0..self.lhs.ncols() {
                let left = self.lhs.column(i);
                let left = left.as_slice();
                let mut sums = [simd.splat(0.0); 4];
                for (s, k) in (0..length).step_by(LANES).enumerate() {
                    let sum = &mut sums[s % 4];
                    *sum = simd.mul_add(simd.load(left, k), simd.load(right, k), *sum);
                }
                let dot = simd.sum((sums[0] + sums[2]) + (sums[1] + sums[3]));
                let start = match &self.start {
                    Start::Zero => 0.0,
                    Start::Destination => self.destination[(i, j)],
                    Start::From(view) => view[(i, j)],
                    Start::Column(column) => column[i],
                };
                self.destination[(i, j)] = start + dot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, run_at};
    use nalgebra::DMatrix;

    fn filled(rows: usize, columns: usize, salt: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| {
            ((i * 31 + j * 17 + salt * 7) % 23) as f64 - 11.0
        })
    }

    /// Entries whose products and sums round.
    fn rounding(rows: usize, columns: usize, salt: usize) -> DMatrix<f64> {
        filled(rows, columns, salt).map(|v| v / 7.0 + 1e-3 * v * v)
    }

    const SHAPES: [(usize, usize, usize); 10] = [
        (1, 1, 1),
        (5, 3, 1),
        (7, 9, 2),
        (16, 16, 1),
        (24, 5, 1),
        (64, 33, 16),
        (33, 12, 7),
        (130, 64, 5),
        (45, 7, 13),
        (19, 6, 37),
    ];

    /// Small integers multiply and add exactly in any order, so equality is exact.
    #[test]
    fn every_orientation_equals_the_plain_sum() {
        for (m, k, n) in SHAPES {
            let (a, b) = (filled(m, k, 1), filled(k, n, 2));
            let expected = DMatrix::from_fn(m, n, |i, j| {
                (0..k).map(|l| a[(i, l)] * b[(l, j)]).sum::<f64>()
            });
            let (a_transposed, b_transposed) = (a.transpose(), b.transpose());
            let (before, other) = (filled(m, n, 3), filled(m, n, 4));
            let column = other.column(0).into_owned();
            let repeated = DMatrix::from_fn(m, n, |i, _| column[i]);
            let unread = DMatrix::from_element(m, n, f64::NAN);
            for (start, held, wanted) in [
                (Start::Zero, &unread, expected.clone()),
                (Start::Destination, &before, &expected + &before),
                (Start::From(other.as_view()), &unread, &expected + &other),
                (
                    Start::Column(column.as_slice()),
                    &unread,
                    &expected + &repeated,
                ),
            ] {
                let (a, b) = (a.as_view(), b.as_view());
                let mut c = held.clone();
                multiply(start, a, b, c.as_view_mut());
                assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
                let mut c = held.clone();
                multiply_transposed(start, a_transposed.as_view(), b, c.as_view_mut());
                assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
                let mut c = held.clone();
                multiply_by_transpose(start, a, b_transposed.as_view(), c.as_view_mut());
                assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
                for packed in [Packed::new(a), Packed::transposed(a_transposed.as_view())] {
                    let mut c = held.clone();
                    packed.multiply(start, b, c.as_view_mut());
                    assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
                    let mut c = held.clone();
                    packed.multiply_by_transpose(start, b_transposed.as_view(), c.as_view_mut());
                    assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
                }
                let mut packed = Packed::new(other.as_view());
                let mut c = held.clone();
                packed.set_and_multiply_by_transpose(
                    a,
                    start,
                    b_transposed.as_view(),
                    c.as_view_mut(),
                );
                assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
                assert_eq!(packed, Packed::new(a));
                let mut sums = vec![[1.0; 2]; m].concat();
                let (packed, plain) = sums.split_at_mut(m);
                Packed::new(a).add_columns(packed);
                add_columns(a, plain);
                assert!((0..m).all(|i| packed[i] == 1.0 + a.row(i).sum()));
                assert_eq!(packed, plain);
                let mut doubled = Packed::new(a);
                doubled.change_columns(|_, part| part.iter_mut().for_each(|v| *v *= 2.0));
                assert_eq!(doubled, Packed::new((a * 2.0).as_view()));
                let at = k / 3;
                let mut stacked = Packed::default();
                stacked.set_side_by_side(&[a.columns(0, at), a.columns(at, k - at)]);
                let mut c = held.clone();
                let parts = [b.rows(0, at), b.rows(at, k - at)];
                stacked.multiply_stacked(start, parts, c.as_view_mut());
                assert_eq!(c, wanted, "{m}×{k}·{k}×{n}");
            }
        }
    }

    fn at_level(level: Level, lhs: &DMatrix<f64>, rhs: &DMatrix<f64>) -> Vec<DMatrix<f64>> {
        let mut results = [(); 4].map(|()| DMatrix::zeros(lhs.nrows(), rhs.ncols()));
        let [packed, plain, dots, on_the_way] = &mut results;
        let transposed = rhs.transpose();
        run_at(
            level,
            &PackedProduct {
                lhs: &Packed::new(lhs.as_view()),
                rhs: Columns::of(&rhs.as_view()).alone(),
                product: Product::new(Start::Zero, packed.as_view_mut()),
            },
        );
        run_at(
            level,
            PlainProduct {
                lhs: lhs.as_view(),
                rhs: Columns::of(&rhs.as_view()),
                product: Product::new(Start::Zero, plain.as_view_mut()),
            },
        );
        run_at(
            level,
            DotProducts {
                lhs: lhs.transpose().as_view(),
                rhs: rhs.as_view(),
                start: Start::Zero,
                destination: dots.as_view_mut(),
            },
        );
        // Fewer columns are laid out first.
        if rhs.ncols() < LANES {
            return results[..3].to_vec();
        }
        let mut laid_out = Packed::default();
        run_at(
            level,
            ByTranspose {
                lhs: Left::Plain(lhs.as_view(), &mut laid_out),
                rhs: Columns::of_transpose(&transposed.as_view()),
                product: Product::new(Start::Zero, on_the_way.as_view_mut()),
            },
        );
        assert_eq!(laid_out, Packed::new(lhs.as_view()));
        assert_eq!(on_the_way, plain, "laid out on the way and plain");
        results.to_vec()
    }

    #[test]
    fn instruction_sets_that_fuse_give_the_same_bits_and_others_nearly() {
        for (m, k, n) in SHAPES {
            let (a, b) = (rounding(m, k, 1), rounding(k, n, 2));
            let best = at_level(Level::detect(), &a, &b);
            assert_eq!(best[0], best[1], "packed and plain");
            for level in [Level::Portable, Level::Avx2] {
                let other = at_level(level, &a, &b);
                for (best, other) in best.iter().zip(&other) {
                    if Level::detect().fuses() == level.min(Level::detect()).fuses() {
                        assert_eq!(best, other, "{level:?}");
                    } else {
                        // k roundings of sums below k·(largest product, about 5).
                        let bound = 5.0 * (k * k) as f64 * f64::EPSILON;
                        assert!((best - other).amax() <= bound, "{level:?}");
                    }
                }
            }
        }
    }

    /// v ↦ v² + 1.
    #[derive(Clone, Copy)]
    struct SquareAndOne;

    impl Epilogue for SquareAndOne {
        #[inline(always)]
        fn of<S: Simd, const N: usize>(self, simd: S, mut v: [S::V; N]) -> [S::V; N] {
            for v in &mut v {
                *v = simd.mul_add(*v, *v, simd.splat(1.0));
            }
            v
        }
    }

    /// Small integers, as above.
    #[test]
    fn an_epilogue_is_applied_once_to_every_element() {
        for (m, k, n) in SHAPES {
            let (a, b) = (filled(m, k, 1), filled(k, n, 2));
            let packed = Packed::new(a.as_view());
            let mut to = DMatrix::zeros(m, n);
            packed.multiply_stacked_then(
                Start::Zero,
                [b.as_view()],
                to.as_view_mut(),
                SquareAndOne,
            );
            assert_eq!(to, (a * b).map(|v| v * v + 1.0), "{m}×{k}·{k}×{n}");
        }
    }

    #[test]
    fn an_element_does_not_depend_on_the_width_of_the_batch() {
        let (a, b) = (rounding(70, 40, 1), rounding(40, 16, 2));
        let packed = Packed::new(a.as_view());
        let product = |b: View| {
            let mut c = DMatrix::zeros(70, b.ncols());
            packed.multiply(Start::Zero, b, c.as_view_mut());
            c
        };
        let all = product(b.as_view());
        for width in 2..16 {
            assert_eq!(
                product(b.columns(0, width)),
                all.columns(0, width).into_owned()
            );
        }
    }

    #[test]
    fn row_slices_of_a_taller_matrix_are_read_and_written_in_place() {
        let (tall, b) = (filled(10, 4, 1), filled(4, 3, 2));
        let wanted = tall.rows(2, 6) * &b;
        let mut to = DMatrix::from_element(12, 3, 5.0);
        multiply(Start::Zero, tall.rows(2, 6), b.as_view(), to.rows_mut(3, 6));
        assert_eq!(to.rows(3, 6).into_owned(), wanted);
        Packed::new(tall.rows(2, 6)).multiply(Start::Zero, b.as_view(), to.rows_mut(4, 6));
        assert_eq!(to.rows(4, 6).into_owned(), wanted);
        assert!(
            to.rows(0, 3)
                .iter()
                .chain(to.rows(10, 2).iter())
                .all(|v| *v == 5.0)
        );
    }

    #[test]
    #[should_panic(expected = "shapes do not fit: 2×3 · 2×2 from 2×2 into 2×2")]
    fn wrong_shapes_panic_with_all_shapes() {
        let (a, b) = (filled(2, 3, 0), filled(2, 2, 0));
        let mut c = filled(2, 2, 0);
        multiply(Start::Zero, a.as_view(), b.as_view(), c.as_view_mut());
    }
}
