//! tanh and the logistic function over slices, vectorised.
//!
//! Both rest on one reduction of the exponential: z = n·ln 2 + r with |r| ≤ ½ ln 2, and
//! e^r − 1 as its Taylor polynomial of degree 13, whose first omitted term is below 2⁻⁵⁷ of the
//! result. Then
//!
//! * tanh x = e/(e + 2) with e = e^{2|x|} − 1 = 2ⁿ(e^r − 1) + (2ⁿ − 1), no cancellation at any x;
//! * σ(x) = 1/(1 + e^{−x}).
//!
//! Error bound: 2.5 units in the last place, tested against a reference computed in twice the
//! precision. Every element takes the same operations whatever its place in the slice, so results
//! do not depend on alignment or length. NaN stays NaN. σ is held at σ(−708) ≈ 3·10⁻³⁰⁸ below
//! −708, where it would leave the range of normal numbers.

/// Replaces each value by its hyperbolic tangent.
pub fn tanh(values: &mut [f64]) {
    dispatch::tanh(values);
}

/// Replaces each value by its logistic function, 1/(1 + e^{−x}).
pub fn logistic(values: &mut [f64]) {
    dispatch::logistic(values);
}

/// Whether this machine fuses multiplication and addition update one rounding.
pub(crate) fn uses_fma() -> bool {
    dispatch::uses_fma()
}

/// 1/k! for k = 13 down to 2: the coefficients of (e^r − 1 − r)/r².
const INVERSE_FACTORIALS: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// a·b + c, rounded once if `FMA`. A parameter, because whether the instruction exists is known
/// only at run time, and without it the library call would be far slower than two roundings.
#[inline(always)]
fn multiply_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// z ↦ (2ⁿ, e^r − 1) with z = n·ln 2 + r. Needs |z| ≤ 708.
#[inline(always)]
fn reduced_exponential<const FMA: bool>(z: f64) -> (f64, f64) {
    // Adding and subtracting 1.5·2⁵² rounds to an integer, which then lies in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // ln 2 in two parts: n·LN2_HIGH is exact for |n| < 2¹¹ (Cody & Waite).
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let shifted = multiply_add::<FMA>(z, std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<FMA>(n, -LN2_HIGH, z);
    let r = multiply_add::<FMA>(n, -LN2_LOW, r);
    let mut sum = INVERSE_FACTORIALS[0];
    for coefficient in &INVERSE_FACTORIALS[1..] {
        sum = multiply_add::<FMA>(sum, r, *coefficient);
    }
    let minus_one = multiply_add::<FMA>(sum * r, r, r);
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    (power, minus_one)
}

#[inline(always)]
fn tanh_of<const FMA: bool>(x: f64) -> f64 {
    let magnitude = x.abs();
    // From 20 on the result is 1 to the last bit. Written so that NaN passes through.
    let clamped = if magnitude > 20.0 { 20.0 } else { magnitude };
    let (power, minus_one) = reduced_exponential::<FMA>(2.0 * clamped);
    let e = multiply_add::<FMA>(power, minus_one, power - 1.0);
    (e / (e + 2.0)).copysign(x)
}

#[inline(always)]
fn logistic_of<const FMA: bool>(x: f64) -> f64 {
    // NaN passes through `clamp`.
    let clamped = x.clamp(-708.0, 708.0);
    let (power, minus_one) = reduced_exponential::<FMA>(-clamped);
    1.0 / (1.0 + multiply_add::<FMA>(power, minus_one, power))
}

#[inline(always)]
fn apply(values: &mut [f64], function: impl Fn(f64) -> f64) {
    for value in values {
        *value = function(*value);
    }
}

/// One body per instruction set; the choice is made at run time.
#[allow(unsafe_code)]
mod dispatch {
    use super::{apply, logistic_of, tanh_of};

    #[cfg(target_arch = "x86_64")]
    pub fn uses_fma() -> bool {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }

    /// On ARM a fused multiplication and addition is part of the base instruction set.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn uses_fma() -> bool {
        cfg!(target_arch = "aarch64")
    }

    macro_rules! dispatched {
        ($name:ident, $of:ident) => {
            pub fn $name(values: &mut [f64]) {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2,fma")]
                    fn fused(values: &mut [f64]) {
                        apply(values, $of::<true>);
                    }
                    if uses_fma() {
                        // SAFETY: both features were just detected on this machine.
                        return unsafe { fused(values) };
                    }
                }
                if cfg!(target_arch = "aarch64") {
                    apply(values, $of::<true>);
                } else {
                    apply(values, $of::<false>);
                }
            }
        };
    }

    dispatched!(tanh, tanh_of);
    dispatched!(logistic, logistic_of);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both paths at once: fused as dispatched here, and the portable one.
    fn on_both_paths(x: f64) -> [(f64, f64); 2] {
        let (mut t, mut s) = ([x], [x]);
        tanh(&mut t);
        logistic(&mut s);
        [(t[0], s[0]), (tanh_of::<false>(x), logistic_of::<false>(x))]
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

    /// The bound the module states. The grid is dense around every change of n and logarithmic
    /// towards 0, 40,000 points.
    #[test]
    fn errors_stay_below_two_and_a_half_units_in_the_last_place() {
        use double_double::*;
        let mut worst = (0.0_f64, 0.0_f64);
        let linear = (0..30_000).map(|k| -18.0 + 36.0 * k as f64 / 30_000.0 + 1e-7);
        let small = (0..10_000).map(|k| 10.0_f64.powf(-12.0 * k as f64 / 10_000.0));
        for x in linear.chain(small) {
            let e = exp_minus_one(2.0 * x);
            let exact_tanh = divide(e, add(e, (2.0, 0.0)));
            let exact_logistic = divide((1.0, 0.0), add((2.0, 0.0), exp_minus_one(-x)));
            for (t, s) in on_both_paths(x) {
                worst.0 = worst.0.max(ulps(t, exact_tanh));
                worst.1 = worst.1.max(ulps(s, exact_logistic));
            }
        }
        assert!(worst.0 < 2.5 && worst.1 < 2.5, "worst errors {worst:?} ulp");
        // The reference itself must not be trivially equal to what it checks.
        assert!(worst.0 > 0.5, "suspiciously exact: {worst:?}");
    }

    #[test]
    fn limits_signs_and_nan_are_kept() {
        for (t, s) in on_both_paths(f64::INFINITY) {
            assert_eq!((t, s), (1.0, 1.0));
        }
        for (t, s) in on_both_paths(f64::NEG_INFINITY) {
            assert_eq!(t, -1.0);
            assert!(s > 0.0 && s < 1e-307);
        }
        for (t, s) in on_both_paths(-0.0) {
            assert!(t == 0.0 && t.is_sign_negative());
            assert_eq!(s, 0.5);
        }
        for (t, s) in on_both_paths(f64::NAN) {
            assert!(t.is_nan() && s.is_nan());
        }
        for (t, _) in on_both_paths(1e-310) {
            assert_eq!(t, 1e-310);
        }
    }

    #[test]
    fn tanh_is_odd_to_the_last_bit() {
        for k in 1..1000 {
            let x = k as f64 * 0.0173;
            for ((a, _), (b, _)) in on_both_paths(x).into_iter().zip(on_both_paths(-x)) {
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
}
