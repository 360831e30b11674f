//! tanh, the logistic function and the decimal logarithm, eight numbers at once.
//!
//! The first two rest on one reduction of the exponential: z = n·ln 2 + 2ρ with |ρ| ≤ ¼ ln 2, and
//!
//! * e^{2ρ} = (Q + ρ)/(Q − ρ) with Q = ρ·coth ρ, an even function that five coefficients give to
//!   2⁻⁶⁰. Both functions divide anyway, so this division costs nothing:
//! * tanh x = ((2ⁿ − 1)·Q + (2ⁿ + 1)·ρ)/((2ⁿ + 1)·Q + (2ⁿ − 1)·ρ), z = 2|x|. 2ⁿ ± 1 is exact up to
//!   n = 53, and for n = 0 the quotient is ρ/Q: small numbers keep all their digits;
//! * σ(x) = (Q − ρ)/((Q − ρ) + 2ⁿ·(Q + ρ)), z = −x.
//!
//! Error bound: 2.5 units in the last place where multiplication and addition are fused, else 4;
//! tested against a reference computed in twice the precision. Every element takes the same
//! operations whatever its place in a slice, so results do not depend on alignment or length. NaN
//! stays NaN. σ is held at σ(−708) ≈ 3·10⁻³⁰⁸ below −708, where it would leave the range of normal
//! numbers.
//!
//! They take N vectors side by side, operation by operation: a processor looks for work among the
//! next hundred instructions or so, which are four such chains at most, and finds more where the
//! chains lie next to each other.

use crate::simd::{LANES, Pass, Simd, run};

/// Replaces each value by its hyperbolic tangent.
pub fn tanh(values: &mut [f64]) {
    run(Tanh(values));
}

/// Replaces each value by its logistic function, 1/(1 + e^{−x}).
pub fn logistic(values: &mut [f64]) {
    run(Logistic(values));
}

/// Replaces each value by its logarithm to base 10, to within 10⁻¹⁵ or 2 units in the last place,
/// whichever is more: −∞ for 0. Negative numbers and NaN give NaN, infinity itself.
pub fn log10(values: &mut [f64]) {
    run(Log10(values));
}

macro_rules! elementwise {
    ($pass:ident, $function:ident) => {
        struct $pass<'a>(&'a mut [f64]);

        impl Pass for $pass<'_> {
            type Output = ();

            #[inline(always)]
            fn run<S: Simd>(self, simd: S) {
                let mut blocks = self.0.chunks_exact_mut(4 * LANES);
                for block in &mut blocks {
                    let mut values = [simd.splat(0.0); 4];
                    for (k, value) in values.iter_mut().enumerate() {
                        *value = simd.load(block, k * LANES);
                    }
                    for (k, value) in $function(simd, values).into_iter().enumerate() {
                        simd.store(block, k * LANES, value);
                    }
                }
                let rest = blocks.into_remainder();
                for k in (0..rest.len()).step_by(LANES) {
                    let [value] = $function(simd, [simd.load(rest, k)]);
                    simd.store(rest, k, value);
                }
            }
        }
    };
}

elementwise!(Tanh, tanh_of);
elementwise!(Logistic, logistic_of);
elementwise!(Log10, log10_of);

/// The minimax polynomial of (ρ·coth ρ − 1)/ρ² in ρ² over |ρ| ≤ ¼ ln 2, by Remez' exchange; the error
/// of 1 + ρ²·(…) is below 2⁻⁶⁰.
const Q: [f64; 5] = [
    0.333_333_333_333_332_04,
    -0.022_222_222_221_610_227,
    0.002_116_402_022_622_165_3,
    -0.000_211_633_937_964_746_15,
    2.118_710_657_750_363_4e-5,
];

/// The same operation on every one of N vectors. A loop and no closure, which would not be compiled
/// for the instruction set around it.
macro_rules! each {
    ($simd:ident, $k:ident, $value:expr) => {{
        let mut results = [$simd.splat(0.0); N];
        for $k in 0..N {
            results[$k] = $value;
        }
        results
    }};
}

/// z/2 ↦ (2ⁿ, Q, ρ), with e^z = 2ⁿ·(Q + ρ)/(Q − ρ). Needs |z| ≤ 708.
#[inline(always)]
fn reduced_exponential<S: Simd, const N: usize>(simd: S, half: [S::V; N]) -> [[S::V; N]; 3] {
    // Adding and subtracting 1.5·2⁵² rounds to an integer, which then lies in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // ½ ln 2 in two parts: n·HIGH is exact for |n| < 2¹¹ (Cody & Waite).
    const HIGH: f64 = 6.931_471_803_691_238e-1 / 2.0;
    const LOW: f64 = 1.908_214_929_270_587_7e-10 / 2.0;
    let scale = simd.splat(2.0 * std::f64::consts::LOG2_E);
    let shifted = each!(simd, k, simd.mul_add(half[k], scale, simd.splat(ROUND)));
    let n = each!(simd, k, shifted[k] - simd.splat(ROUND));
    let rho = each!(simd, k, simd.mul_add(n[k], simd.splat(-HIGH), half[k]));
    let rho = each!(simd, k, simd.mul_add(n[k], simd.splat(-LOW), rho[k]));
    // Pairs of terms, so that the sum is a chain of four and not of six.
    let square = each!(simd, k, rho[k] * rho[k]);
    let fourth = each!(simd, k, square[k] * square[k]);
    let low = each!(
        simd,
        k,
        simd.mul_add(simd.splat(Q[1]), square[k], simd.splat(Q[0]))
    );
    let high = each!(
        simd,
        k,
        simd.mul_add(simd.splat(Q[3]), square[k], simd.splat(Q[2]))
    );
    let high = each!(simd, k, simd.mul_add(simd.splat(Q[4]), fourth[k], high[k]));
    let sum = each!(simd, k, simd.mul_add(high[k], fourth[k], low[k]));
    let q = each!(simd, k, simd.mul_add(sum[k], square[k], simd.splat(1.0)));
    [each!(simd, k, simd.power_of_two(shifted[k])), q, rho]
}

/// tanh x of N vectors.
#[inline(always)]
pub fn tanh_of<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    let one = simd.splat(1.0);
    // From 20 on the result is 1 to the last bit.
    let magnitude = each!(simd, k, simd.min(simd.abs(x[k]), simd.splat(20.0)));
    let [power, q, rho] = reduced_exponential(simd, magnitude);
    let less = each!(simd, k, power[k] - one);
    let more = each!(simd, k, power[k] + one);
    let above = each!(simd, k, simd.mul_add(less[k], q[k], more[k] * rho[k]));
    let below = each!(simd, k, simd.mul_add(more[k], q[k], less[k] * rho[k]));
    each!(simd, k, simd.copy_sign(above[k] / below[k], x[k]))
}

/// σ(x) = 1/(1 + e^{−x}) of N vectors.
#[inline(always)]
pub fn logistic_of<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    let half = each!(simd, k, x[k] * simd.splat(-0.5));
    let (low, high) = (simd.splat(-354.0), simd.splat(354.0));
    let clamped = each!(simd, k, simd.max(simd.min(half[k], high), low));
    let [power, q, rho] = reduced_exponential(simd, clamped);
    let below = each!(simd, k, q[k] - rho[k]);
    let above = each!(simd, k, q[k] + rho[k]);
    let sum = each!(simd, k, simd.mul_add(power[k], above[k], below[k]));
    each!(simd, k, below[k] / sum[k])
}

/// log₁₀ x = n·log₁₀ 2 + (2/ln 10)·artanh s, x = 2ⁿ·m, s = (m − 1)/(m + 1), √½ < m ≤ √2.
///
/// |s| ≤ 0.1716, so that the first omitted term of the series is below 10⁻¹⁷.
#[inline(always)]
fn log10_of<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    each!(simd, k, log10_of_one(simd, x[k]))
}

#[inline(always)]
fn log10_of_one<S: Simd>(simd: S, x: S::V) -> S::V {
    const SQRT_2: f64 = std::f64::consts::SQRT_2;
    // log₁₀ 2 in two parts: n·HIGH is exact.
    const HIGH: f64 = 0.301_029_995_663_157;
    const LOW: f64 = 8.241_712_586_023_572e-13;
    let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
    let smallest = simd.splat(f64::MIN_POSITIVE);
    // Numbers below the normal ones are brought up by 2⁵⁴.
    let brought_up = x * simd.splat(18_014_398_509_481_984.0);
    let (n, m) = simd.exponent_and_mantissa(simd.where_greater(smallest, x, brought_up, x));
    let n = n - simd.where_greater(smallest, x, simd.splat(54.0), zero);
    let limit = simd.splat(SQRT_2);
    let n = simd.where_greater(m, limit, n + one, n);
    let m = simd.where_greater(m, limit, m * simd.splat(0.5), m);
    let s = (m - one) / (m + one);
    let square = s * s;
    let mut sum = simd.splat(1.0 / 21.0);
    for k in (1..10).rev() {
        sum = simd.mul_add(sum, square, simd.splat(1.0 / (2 * k + 1) as f64));
    }
    let series = simd.mul_add(sum * square, s, s) * simd.splat(2.0 * std::f64::consts::LOG10_E);
    let finite = simd.mul_add(
        n,
        simd.splat(HIGH),
        simd.mul_add(n, simd.splat(LOW), series),
    );
    // 0 → −∞; NaN, negative and infinite numbers → themselves or NaN.
    let positive = simd.where_greater(x, zero, finite, simd.splat(f64::NAN));
    let at_most_max = simd.where_greater(x, simd.splat(f64::MAX), x, positive);
    let not_zero = simd.where_greater(
        simd.abs(x),
        zero,
        at_most_max,
        simd.splat(f64::NEG_INFINITY),
    );
    // A NaN is not greater than anything.
    simd.where_greater(simd.splat(f64::INFINITY), x, not_zero, at_most_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, run_at};

    const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// (tanh x, σ(x)) with every instruction set that this machine has.
    fn on_all_paths(x: f64) -> [(f64, f64); 3] {
        LEVELS.map(|level| {
            let (mut t, mut s) = ([x], [x]);
            run_at(level, Tanh(&mut t));
            run_at(level, Logistic(&mut s));
            (t[0], s[0])
        })
    }

    /// e^z − 1 as (high, low) with about 100 bits, by double-double Taylor series after halving.
    mod double_double {
        fn two_sum(a: f64, b: f64) -> (f64, f64) {
            let s = a + b;
            let v = s - a;
            (s, (a - (s - v)) + (b - v))
        }
        fn two_product(a: f64, b: f64) -> (f64, f64) {
            let p = a * b;
            (p, a.mul_add(b, -p))
        }
        pub fn add(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
            let (s, e) = two_sum(a.0, b.0);
            two_sum(s, e + a.1 + b.1)
        }
        pub fn multiply(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
            let (p, e) = two_product(a.0, b.0);
            two_sum(p, e + a.0 * b.1 + a.1 * b.0)
        }
        pub fn divide(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
            let q1 = a.0 / b.0;
            let r = add(a, multiply((-q1, 0.0), b));
            let q2 = r.0 / b.0;
            let r = add(r, multiply((-q2, 0.0), b));
            let q3 = r.0 / b.0;
            let (s, e) = two_sum(q1, q2);
            two_sum(s, e + q3)
        }
        /// e^z − 1 for |z| ≤ 40: series at z/2¹², then (1+u)² − 1 = 2u + u² twelve times.
        pub fn exp_minus_one(z: f64) -> (f64, f64) {
            let r = (z / 4096.0, 0.0);
            let mut term = r;
            let mut sum = r;
            for k in 2..20 {
                term = divide(multiply(term, r), (k as f64, 0.0));
                sum = add(sum, term);
            }
            for _ in 0..12 {
                sum = add(multiply((2.0, 0.0), sum), multiply(sum, sum));
            }
            sum
        }
    }

    fn ulps(found: f64, exact: (f64, f64)) -> f64 {
        let spacing = (exact.0.abs().next_up() - exact.0.abs()).max(f64::MIN_POSITIVE);
        ((found - exact.0) - exact.1).abs() / spacing
    }

    /// The bounds the module states. The grid is dense around every change of n and logarithmic
    /// towards 0, 40,000 points.
    #[test]
    fn errors_stay_below_the_stated_bounds() {
        use double_double::*;
        let mut worst = [(0.0_f64, 0.0_f64); 3];
        let linear = (0..30_000).map(|k| -18.0 + 36.0 * k as f64 / 30_000.0 + 1e-7);
        let small = (0..10_000).map(|k| 10.0_f64.powf(-12.0 * k as f64 / 10_000.0));
        for x in linear.chain(small) {
            let e = exp_minus_one(2.0 * x);
            let exact_tanh = divide(e, add(e, (2.0, 0.0)));
            let exact_logistic = divide((1.0, 0.0), add((2.0, 0.0), exp_minus_one(-x)));
            for (worst, (t, s)) in worst.iter_mut().zip(on_all_paths(x)) {
                worst.0 = worst.0.max(ulps(t, exact_tanh));
                worst.1 = worst.1.max(ulps(s, exact_logistic));
            }
        }
        for (level, worst) in LEVELS.into_iter().zip(worst) {
            let fuses = level.min(Level::detect()).fuses();
            let bound = if fuses { 2.5 } else { 4.0 };
            assert!(
                worst.0 < bound && worst.1 < bound,
                "{level:?}: worst errors {worst:?} ulp"
            );
            // The reference itself must not be trivially equal to what it checks.
            assert!(worst.0 > 0.5, "suspiciously exact: {worst:?}");
        }
    }

    #[test]
    fn limits_signs_and_nan_are_kept() {
        for (t, s) in on_all_paths(f64::INFINITY) {
            assert_eq!((t, s), (1.0, 1.0));
        }
        for (t, s) in on_all_paths(f64::NEG_INFINITY) {
            assert_eq!(t, -1.0);
            assert!(s > 0.0 && s < 1e-307);
        }
        for (t, s) in on_all_paths(-0.0) {
            assert!(t == 0.0 && t.is_sign_negative());
            assert_eq!(s, 0.5);
        }
        for (t, s) in on_all_paths(f64::NAN) {
            assert!(t.is_nan() && s.is_nan());
        }
        for (t, _) in on_all_paths(1e-310) {
            assert_eq!(t, 1e-310);
        }
    }

    #[test]
    fn tanh_is_odd_to_the_last_bit() {
        for k in 1..1000 {
            let x = k as f64 * 0.0173;
            for ((a, _), (b, _)) in on_all_paths(x).into_iter().zip(on_all_paths(-x)) {
                assert_eq!(a, -b);
            }
        }
    }

    #[test]
    fn a_value_does_not_depend_on_its_place_in_the_slice() {
        let mut alone = [0.3];
        tanh(&mut alone);
        for length in 1..40 {
            let mut many = vec![0.3; length];
            tanh(&mut many);
            assert!(many.iter().all(|v| v.to_bits() == alone[0].to_bits()));
        }
    }

    #[test]
    fn instruction_sets_that_fuse_give_the_same_bits() {
        let bits = |(a, b): (f64, f64)| (a.to_bits(), b.to_bits());
        for k in -4000..4000 {
            let [_, avx2, avx512] = on_all_paths(k as f64 * 0.013_7);
            assert_eq!(bits(avx2), bits(avx512));
        }
    }

    /// The library's logarithm is right to one unit in the last place.
    #[test]
    fn logarithms_agree_with_the_library() {
        let spread = (-3070..3070).map(|k| 10.0_f64.powf(f64::from(k) / 10.0 + 0.05));
        let near_one = (0..2000).map(|k| 0.5 + f64::from(k) * 7.5e-4);
        let small = (1..200_u64).map(|k| f64::from_bits(1 << (k % 52) | k));
        for x in spread.chain(near_one).chain(small) {
            let exact = x.log10();
            let bound = f64::max(1e-15, 2.0 * f64::EPSILON * exact.abs());
            for level in LEVELS {
                let mut found = [x];
                run_at(level, Log10(&mut found));
                assert!(
                    (found[0] - exact).abs() <= bound,
                    "{x:e}: {} {exact}",
                    found[0]
                );
            }
        }
    }

    #[test]
    fn logarithms_of_what_has_none() {
        for level in LEVELS {
            let mut values = [0.0, -0.0, f64::INFINITY, f64::NAN, -1.0, f64::NEG_INFINITY];
            run_at(level, Log10(&mut values));
            assert_eq!(
                values[..3],
                [f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY]
            );
            assert!(values[3..].iter().all(|v| v.is_nan()), "{values:?}");
        }
    }
}
