//! Columns by themselves: dot products, reflections and rotations, of which orthogonal factorisations
//! are made.
//!
//! Products are rounded before they are added, and eight sums run side by side, so that every machine
//! gives the same bits.

use crate::simd::{LANES, Pass, Simd, run};

/// Σ aₖ·bₖ.
///
/// # Panics
/// If one is longer than the other.
#[inline]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths of a dot product");
    run(Dot(a, b))
}

/// `column` ← (I − τ·v·vᵀ)·`column`, where `tail` is v without its leading 1.
///
/// # Panics
/// If `tail` is not shorter than `column` by one.
#[inline]
pub fn reflect(tau: f64, tail: &[f64], column: &mut [f64]) {
    assert_eq!(tail.len() + 1, column.len(), "length of a reflection");
    if tau != 0.0 {
        run(Reflect(tau, tail, column));
    }
}

/// What [`rotate`] finds on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotated {
    /// The largest magnitude of either column.
    pub largest: [f64; 2],
    /// Σ v² of either column.
    pub squares: [f64; 2],
}

/// (p, q) ← (c·(p − s·q), c·(q + t·p)), for a rotation by θ s = t = tan θ and c = cos θ; they differ
/// where the columns have scales of their own.
///
/// # Panics
/// If one column is longer than the other.
#[inline]
pub fn rotate((p, q): (&mut [f64], &mut [f64]), c: f64, s: f64, t: f64) -> Rotated {
    assert_eq!(p.len(), q.len(), "lengths of rotated columns");
    run(Rotate { p, q, c, s, t })
}

/// The sum of the lanes one after the other, and of what no lane had.
#[inline(always)]
fn in_order<S: Simd>(simd: S, lanes: S::V, rest: f64) -> f64 {
    let mut sums = [0.0; LANES];
    simd.store(&mut sums, 0, lanes);
    sums.iter().sum::<f64>() + rest
}

#[inline(always)]
fn dot_of<S: Simd>(simd: S, a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = simd.splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sums = sums + simd.load(a, 0) * simd.load(b, 0);
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    in_order(simd, sums, rest)
}

struct Dot<'a>(&'a [f64], &'a [f64]);

impl Pass for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        dot_of(simd, self.0, self.1)
    }
}

struct Reflect<'a>(f64, &'a [f64], &'a mut [f64]);

impl Pass for Reflect<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Reflect(tau, tail, column) = self;
        let (head, column) = column.split_at_mut(1);
        let dot = tau * (head[0] + dot_of(simd, tail, column));
        head[0] -= dot;
        let dot = simd.splat(dot);
        for k in (0..tail.len()).step_by(LANES) {
            let changed = simd.load(column, k) - dot * simd.load(tail, k);
            simd.store(column, k, changed);
        }
    }
}

struct Rotate<'a> {
    p: &'a mut [f64],
    q: &'a mut [f64],
    c: f64,
    s: f64,
    t: f64,
}

impl Pass for Rotate<'_> {
    type Output = Rotated;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Rotated {
        let (c, s, t) = (simd.splat(self.c), simd.splat(self.s), simd.splat(self.t));
        let whole = self.p.len() / LANES * LANES;
        let mut largest = [simd.splat(0.0); 2];
        let mut squares = [simd.splat(0.0); 2];
        let mut rest = [0.0; 2];
        for k in (0..self.p.len()).step_by(LANES) {
            let (p, q) = (simd.load(self.p, k), simd.load(self.q, k));
            let rotated = [c * (p - s * q), c * (q + t * p)];
            simd.store(self.p, k, rotated[0]);
            simd.store(self.q, k, rotated[1]);
            for (i, v) in rotated.into_iter().enumerate() {
                largest[i] = simd.max(largest[i], simd.abs(v));
                if k < whole {
                    squares[i] = squares[i] + v * v;
                }
            }
        }
        for (rest, column) in rest.iter_mut().zip([&*self.p, &*self.q]) {
            *rest = column[whole..].iter().map(|v| v * v).sum();
        }
        let mut magnitudes = [[0.0; LANES]; 2];
        simd.store(&mut magnitudes[0], 0, largest[0]);
        simd.store(&mut magnitudes[1], 0, largest[1]);
        Rotated {
            largest: magnitudes.map(|lanes| lanes.into_iter().fold(0.0, f64::max)),
            squares: [
                in_order(simd, squares[0], rest[0]),
                in_order(simd, squares[1], rest[1]),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, run_at};

    const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// Numbers whose products and sums round.
    fn filled(length: usize, salt: usize) -> Vec<f64> {
        (0..length)
            .map(|k| ((k * 31 + salt * 7) % 23) as f64 / 7.0 - 1.5)
            .collect()
    }

    /// Plain loops, in the order that the module promises.
    fn plain_dot(a: &[f64], b: &[f64]) -> f64 {
        let whole = a.len() / LANES * LANES;
        let mut sums = [0.0; LANES];
        for k in 0..whole {
            sums[k % LANES] += a[k] * b[k];
        }
        let mut rest = 0.0;
        for k in whole..a.len() {
            rest += a[k] * b[k];
        }
        sums.iter().sum::<f64>() + rest
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_plain_loops() {
        for length in [0, 1, 5, 8, 13, 16, 61, 128] {
            let (a, b) = (filled(length, 1), filled(length, 2));
            let longer = filled(length + 1, 3);
            let (tau, c, s, t) = (1.3, 0.8, 0.7, 0.6);
            let wanted = plain_dot(&a, &b);
            let mut reflected = longer.clone();
            let along = tau * (longer[0] + plain_dot(&a, &longer[1..]));
            reflected[0] -= along;
            for k in 0..length {
                reflected[1 + k] -= along * a[k];
            }
            let rotated = |k: usize| [c * (a[k] - s * b[k]), c * (b[k] + t * a[k])];
            for level in LEVELS {
                assert_eq!(run_at(level, Dot(&a, &b)), wanted, "{level:?}, {length}");
                let mut column = longer.clone();
                run_at(level, Reflect(tau, &a, &mut column));
                assert_eq!(column, reflected, "{level:?}, {length}");
                let (mut p, mut q) = (a.clone(), b.clone());
                let found = run_at(
                    level,
                    Rotate {
                        p: &mut p,
                        q: &mut q,
                        c,
                        s,
                        t,
                    },
                );
                for k in 0..length {
                    assert_eq!([p[k], q[k]], rotated(k), "{level:?}, {length}");
                }
                let largest = |v: &[f64]| v.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
                let expected = Rotated {
                    largest: [largest(&p), largest(&q)],
                    squares: [plain_dot(&p, &p), plain_dot(&q, &q)],
                };
                assert_eq!(found, expected, "{level:?}, {length}");
            }
        }
    }

    #[test]
    fn a_reflection_without_tau_changes_nothing() {
        let mut column = [f64::MAX, 1.0];
        reflect(0.0, &[f64::INFINITY], &mut column);
        assert_eq!(column, [f64::MAX, 1.0]);
    }
}
