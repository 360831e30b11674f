//! Arithmetic on eight numbers at once, whatever the machine has.
//!
//! A [`Pass`] is written once, in terms of a [`Simd`]; [`run`] picks the widest instruction set of
//! this machine and executes the pass compiled for it. Eight lanes are one AVX-512 register, two
//! AVX registers, or a plain array: the *order* of operations never depends on the machine, and
//! with fused multiplication and addition neither do the results. So AVX-512 and AVX2 give the
//! same bits, which the tests of this crate check.
//!
//! ```
//! use kernels::simd::{Pass, Simd, run};
//!
//! /// y ← a·x + y.
//! struct Axpy<'a>(f64, &'a [f64], &'a mut [f64]);
//!
//! impl Pass for Axpy<'_> {
//!     type Output = ();
//!     #[inline(always)]
//!     fn run<S: Simd>(self, simd: S) {
//!         let Axpy(a, x, y) = self;
//!         let a = simd.splat(a);
//!         for k in (0..x.len()).step_by(8) {
//!             let sum = simd.mul_add(a, simd.load(x, k), simd.load(y, k));
//!             simd.store(y, k, sum);
//!         }
//!     }
//! }
//!
//! let mut y = [1.0; 11];
//! run(Axpy(2.0, &[3.0; 11], &mut y));
//! assert_eq!(y, [7.0; 11]);
//! ```

#![allow(unsafe_code)]

use std::ops::{Add, Div, Mul, Sub};
use std::sync::atomic::{AtomicU8, Ordering};

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Lanes of a vector.
pub const LANES: usize = 8;

/// Eight numbers.
pub trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
}

/// An instruction set. A value of this type is proof that the machine has it: only [`run`] makes
/// one.
pub trait Simd: Copy {
    /// Eight numbers.
    type V: Vector;

    /// Vectors that a product may keep in registers beside its operands: tile height in vectors
    /// and width in columns.
    const TILE: (usize, usize);

    /// Whether what a small network carries from step to step is best kept in vectors: its code is long,
    /// and not worth building where it gains nothing.
    const KEEPS_STATE: bool;

    /// Eight times the same number.
    fn splat(self, value: f64) -> Self::V;
    /// The eight numbers at `from`, as far as there are `count` of them; then zeros.
    ///
    /// # Safety
    /// `count` numbers, or eight if that is less, must be readable.
    unsafe fn load_from(self, from: *const f64, count: usize) -> Self::V;
    /// Writes to the eight numbers at `to`, as far as there are `count` of them.
    ///
    /// # Safety
    /// `count` numbers, or eight if that is less, must be writable.
    unsafe fn store_to(self, to: *mut f64, count: usize, vector: Self::V);

    /// `values[at..at + 8]`; past the end of the slice, zeros.
    ///
    /// # Panics
    /// If `at` is past the end.
    #[inline(always)]
    fn load(self, values: &[f64], at: usize) -> Self::V {
        let values = &values[at..];
        // SAFETY: the slice has that many numbers.
        unsafe { self.load_from(values.as_ptr(), values.len()) }
    }

    /// Writes to `values[at..at + 8]`, as far as the slice goes.
    ///
    /// # Panics
    /// If `at` is past the end.
    #[inline(always)]
    fn store(self, values: &mut [f64], at: usize, vector: Self::V) {
        let values = &mut values[at..];
        // SAFETY: the slice has that many numbers.
        unsafe { self.store_to(values.as_mut_ptr(), values.len(), vector) }
    }

    /// N vectors from the front of a slice, as [`load`](Self::load).
    ///
    /// # Panics
    /// If a vector begins past the end.
    #[inline(always)]
    fn load_all<const N: usize>(self, values: &[f64]) -> [Self::V; N] {
        let mut vectors = [self.splat(0.0); N];
        for (k, vector) in vectors.iter_mut().enumerate() {
            *vector = self.load(values, k * LANES);
        }
        vectors
    }

    /// Writes N vectors to the front of a slice, as [`store`](Self::store).
    ///
    /// # Panics
    /// If a vector begins past the end.
    #[inline(always)]
    fn store_all<const N: usize>(self, values: &mut [f64], vectors: [Self::V; N]) {
        for (k, vector) in vectors.into_iter().enumerate() {
            self.store(values, k * LANES, vector);
        }
    }

    /// Asks for the cache line of `at`, which need not be readable, to be brought as near as the
    /// second cache. A hint.
    #[inline(always)]
    fn prefetch(self, at: *const f64) {
        let _ = at;
    }

    /// a·b + c. Rounded once where the machine can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// |a|.
    fn abs(self, a: Self::V) -> Self::V;
    /// |a| with the sign of `sign`.
    fn copy_sign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// The smaller one; `a` where it is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger one; `a` where it is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// 2ⁿ, where `shifted` is n + 1.5·2⁵² and |n| ≤ 1022.
    fn power_of_two(self, shifted: Self::V) -> Self::V;
    /// x = 2ⁿ·m with 1 ≤ m < 2, as (n, m), for positive normal x.
    fn exponent_and_mantissa(self, x: Self::V) -> (Self::V, Self::V);
    /// `yes` in the lanes where a > b, else `no`.
    fn where_greater(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The number in lane `lane` in all lanes. Best where `lane` is known when it is compiled.
    ///
    /// # Panics
    /// If there is no such lane.
    fn lane(self, a: Self::V, lane: usize) -> Self::V;
    /// The sum of the lanes: ((0+4)+(2+6)) + ((1+5)+(3+7)).
    fn sum(self, a: Self::V) -> f64;
    /// The sums of eight vectors, each in its lane and as [`sum`](Self::sum) takes it.
    fn sums(self, vectors: [Self::V; LANES]) -> Self::V;
}

/// Work to be compiled for every instruction set.
pub trait Pass {
    /// What it gives.
    type Output;
    /// Does it. Must be `#[inline(always)]`, as must everything it calls that handles vectors, or
    /// it is not compiled for the instruction set and runs many times slower.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The instruction sets there are, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every machine has.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, DQ and VL.
    Avx512,
}

impl Level {
    /// The best one this machine has. Looked up once and remembered.
    #[inline]
    pub fn detect() -> Self {
        static FOUND: AtomicU8 = AtomicU8::new(u8::MAX);
        match FOUND.load(Ordering::Relaxed) {
            0 => Level::Portable,
            1 => Level::Avx2,
            2 => Level::Avx512,
            _ => {
                let level = Self::look_up();
                FOUND.store(level as u8, Ordering::Relaxed);
                level
            }
        }
    }

    #[cold]
    fn look_up() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            x86::detect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Level::Portable
    }

    /// Whether multiplication and addition are fused, so that bits are those of every other level
    /// that fuses them.
    pub fn fuses(self) -> bool {
        self > Level::Portable || cfg!(target_arch = "aarch64")
    }
}

/// Executes a pass with the best instruction set of this machine.
// Always inlined, so that the pass is built where it is used: a copy of it would be read in wider
// pieces than it was just written in, and wait for them.
#[inline(always)]
pub fn run<P: Pass>(pass: P) -> P::Output {
    run_at(Level::Avx512, pass)
}

/// Executes a pass with the given instruction set, or the best one below it that this machine has.
#[inline(always)]
pub fn run_at<P: Pass>(level: Level, pass: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    {
        x86::run_at(level, pass)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = level;
        pass.run(portable::Portable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums of the columns of an 8×8 matrix, together and one by one; and each lane alone.
    struct Sums<'a>(&'a [f64; LANES * LANES]);

    impl Pass for Sums<'_> {
        type Output = [[f64; LANES]; 3];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let columns: [S::V; LANES] = simd.load_all(self.0);
            let mut results = [[0.0; LANES]; 3];
            simd.store(&mut results[0], 0, simd.sums(columns));
            for k in 0..LANES {
                results[1][k] = simd.sum(columns[k]);
                results[2][k] = simd.sum(simd.lane(columns[0], k));
            }
            results
        }
    }

    #[test]
    fn sums_of_many_vectors_are_those_of_each_and_lanes_are_told_apart() {
        // Numbers whose sums round, so that another order gives other bits.
        let values = std::array::from_fn(|k| 1.0 / (k as f64 + 3.0));
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            let [together, alone, lanes] = run_at(level, Sums(&values));
            assert_eq!(together, alone, "{level:?}");
            for (lane, sum) in lanes.into_iter().enumerate() {
                assert_eq!(sum, 8.0 * values[lane], "lane {lane}, {level:?}");
            }
        }
    }
}
