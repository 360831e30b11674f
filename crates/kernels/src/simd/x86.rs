//! AVX-512 and AVX2 with FMA.
//!
//! # Why this is sound
//!
//! The intrinsics need their instruction set and nothing else, but for loads and stores, whose
//! pointers come from slices that were checked for length. A value of [`Avx512`] or [`Avx2`] is
//! made only in [`run_at`], after the set has been detected, inside a function compiled for it; and
//! vectors are made only from such a value. So whoever holds one may use the instructions.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

use super::portable::Portable;
use super::{LANES, Level, Pass, Simd, Vector};

#[inline]
pub fn detect() -> Level {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        Level::Avx512
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        Level::Avx2
    } else {
        Level::Portable
    }
}

#[inline(always)]
pub fn run_at<P: Pass>(level: Level, pass: P) -> P::Output {
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    fn avx512<P: Pass>(pass: P) -> P::Output {
        pass.run(Avx512(()))
    }
    #[target_feature(enable = "avx2,fma")]
    fn avx2<P: Pass>(pass: P) -> P::Output {
        pass.run(Avx2(()))
    }
    match level.min(Level::detect()) {
        // SAFETY: the features were detected on this machine.
        Level::Avx512 => unsafe { avx512(pass) },
        // SAFETY: likewise.
        Level::Avx2 => unsafe { avx2(pass) },
        Level::Portable => pass.run(Portable),
    }
}

/// AVX-512: eight numbers are one register of 32.
#[derive(Clone, Copy)]
pub struct Avx512(());

/// AVX2 and FMA: eight numbers are two registers of 16.
#[derive(Clone, Copy)]
pub struct Avx2(());

/// One register.
#[derive(Clone, Copy)]
pub struct One(__m512d);

/// Two registers, lanes 0–3 and 4–7.
#[derive(Clone, Copy)]
pub struct Two(__m256d, __m256d);

impl Vector for One {}
impl Vector for Two {}

macro_rules! operator {
    ($trait:ident, $method:ident, $one:ident, $two:ident) => {
        impl $trait for One {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the module.
                One(unsafe { $one(self.0, other.0) })
            }
        }
        impl $trait for Two {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the module.
                unsafe { Two($two(self.0, other.0), $two(self.1, other.1)) }
            }
        }
    };
}

operator!(Add, add, _mm512_add_pd, _mm256_add_pd);
operator!(Sub, sub, _mm512_sub_pd, _mm256_sub_pd);
operator!(Mul, mul, _mm512_mul_pd, _mm256_mul_pd);
operator!(Div, div, _mm512_div_pd, _mm256_div_pd);

impl Simd for Avx512 {
    type V = One;

    const TILE: (usize, usize) = (4, 6);
    const KEEPS_STATE: bool = true;

    #[inline(always)]
    fn prefetch(self, at: *const f64) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn splat(self, value: f64) -> One {
        // SAFETY: see the module.
        One(unsafe { _mm512_set1_pd(value) })
    }

    #[inline(always)]
    unsafe fn load_from(self, from: *const f64, count: usize) -> One {
        // SAFETY: the caller vouches for `count` readable numbers; no more are read.
        One(unsafe {
            if count >= LANES {
                _mm512_loadu_pd(from)
            } else {
                _mm512_maskz_loadu_pd((1 << count) - 1, from)
            }
        })
    }

    #[inline(always)]
    unsafe fn store_to(self, to: *mut f64, count: usize, vector: One) {
        // SAFETY: the caller vouches for `count` writable numbers; no more are written.
        unsafe {
            if count >= LANES {
                _mm512_storeu_pd(to, vector.0);
            } else {
                _mm512_mask_storeu_pd(to, (1 << count) - 1, vector.0);
            }
        }
    }

    #[inline(always)]
    fn mul_add(self, a: One, b: One, c: One) -> One {
        // SAFETY: see the module.
        One(unsafe { _mm512_fmadd_pd(a.0, b.0, c.0) })
    }

    #[inline(always)]
    fn abs(self, a: One) -> One {
        // SAFETY: see the module.
        One(unsafe { _mm512_abs_pd(a.0) })
    }

    #[inline(always)]
    fn copy_sign(self, a: One, sign: One) -> One {
        // SAFETY: see the module.
        unsafe {
            let mask = _mm512_set1_pd(-0.0);
            let sign = _mm512_and_pd(mask, sign.0);
            One(_mm512_or_pd(_mm512_andnot_pd(mask, a.0), sign))
        }
    }

    #[inline(always)]
    fn min(self, a: One, b: One) -> One {
        // The instruction gives its second operand where one is NaN.
        // SAFETY: see the module.
        One(unsafe { _mm512_min_pd(b.0, a.0) })
    }

    #[inline(always)]
    fn max(self, a: One, b: One) -> One {
        // SAFETY: see the module.
        One(unsafe { _mm512_max_pd(b.0, a.0) })
    }

    #[inline(always)]
    fn power_of_two(self, shifted: One) -> One {
        // SAFETY: see the module.
        unsafe {
            let biased = _mm512_add_epi64(_mm512_castpd_si512(shifted.0), _mm512_set1_epi64(1023));
            One(_mm512_castsi512_pd(_mm512_slli_epi64::<52>(biased)))
        }
    }

    #[inline(always)]
    fn exponent_and_mantissa(self, x: One) -> (One, One) {
        // SAFETY: see the module.
        unsafe {
            let bits = _mm512_castpd_si512(x.0);
            let exponent = _mm512_cvtepi64_pd(_mm512_srli_epi64::<52>(bits));
            let mantissa = _mm512_or_si512(
                _mm512_and_si512(bits, _mm512_set1_epi64((1 << 52) - 1)),
                _mm512_castpd_si512(_mm512_set1_pd(1.0)),
            );
            (
                One(_mm512_sub_pd(exponent, _mm512_set1_pd(1023.0))),
                One(_mm512_castsi512_pd(mantissa)),
            )
        }
    }

    #[inline(always)]
    fn where_greater(self, a: One, b: One, yes: One, no: One) -> One {
        // SAFETY: see the module.
        unsafe {
            let greater = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(a.0, b.0);
            One(_mm512_mask_blend_pd(greater, no.0, yes.0))
        }
    }

    #[inline(always)]
    fn lane(self, a: One, lane: usize) -> One {
        assert!(lane < LANES, "lane {lane} of {LANES}");
        // SAFETY: see the module.
        One(unsafe { _mm512_permutexvar_pd(_mm512_set1_epi64(lane as i64), a.0) })
    }

    #[inline(always)]
    fn sum(self, a: One) -> f64 {
        // SAFETY: see the module.
        unsafe {
            let (low, high) = (
                _mm512_castpd512_pd256(a.0),
                _mm512_extractf64x4_pd::<1>(a.0),
            );
            sum_of_four(_mm256_add_pd(low, high))
        }
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d, e, f, g, h]: [One; LANES]) -> One {
        // Pairs of lanes 04 15 26 37 of two vectors.
        #[inline(always)]
        fn halves(a: One, b: One) -> One {
            // SAFETY: see the module.
            unsafe {
                let low = _mm512_shuffle_f64x2::<0x44>(a.0, b.0);
                One(_mm512_add_pd(low, _mm512_shuffle_f64x2::<0xee>(a.0, b.0)))
            }
        }
        // Lanes 0426 1537 of four vectors.
        #[inline(always)]
        fn quarters(a: One, b: One, c: One, d: One) -> One {
            let (ab, cd) = (halves(a, b).0, halves(c, d).0);
            // SAFETY: see the module.
            unsafe {
                let low = _mm512_shuffle_f64x2::<0x88>(ab, cd);
                One(_mm512_add_pd(low, _mm512_shuffle_f64x2::<0xdd>(ab, cd)))
            }
        }
        let (even, odd) = (quarters(a, c, e, g).0, quarters(b, d, f, h).0);
        // SAFETY: see the module.
        One(unsafe {
            let low = _mm512_unpacklo_pd(even, odd);
            _mm512_add_pd(low, _mm512_unpackhi_pd(even, odd))
        })
    }
}

/// (0+2) + (1+3).
#[inline(always)]
unsafe fn sum_of_four(a: __m256d) -> f64 {
    // SAFETY: see the module.
    unsafe {
        let pairs = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
        _mm_cvtsd_f64(_mm_add_sd(pairs, _mm_unpackhi_pd(pairs, pairs)))
    }
}

/// A mask whose first `count` of four lanes are set.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    // SAFETY: see the module.
    unsafe {
        let count = _mm256_set1_epi64x(count as i64);
        _mm256_cmpgt_epi64(count, _mm256_setr_epi64x(0, 1, 2, 3))
    }
}

/// See [`Simd::power_of_two`].
#[inline(always)]
unsafe fn power_of_two(shifted: __m256d) -> __m256d {
    // SAFETY: see the module.
    unsafe {
        let biased = _mm256_add_epi64(_mm256_castpd_si256(shifted), _mm256_set1_epi64x(1023));
        _mm256_castsi256_pd(_mm256_slli_epi64::<52>(biased))
    }
}

/// n of x = 2ⁿ·m. The bits of 2⁵² + e hold e in their low part: so or and subtraction make a number
/// of an integer.
#[inline(always)]
unsafe fn exponent(x: __m256d) -> __m256d {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    // SAFETY: see the module.
    unsafe {
        let biased = _mm256_srli_epi64::<52>(_mm256_castpd_si256(x));
        let number = _mm256_or_si256(biased, _mm256_castpd_si256(_mm256_set1_pd(TWO_52)));
        _mm256_sub_pd(_mm256_castsi256_pd(number), _mm256_set1_pd(TWO_52 + 1023.0))
    }
}

/// m of x = 2ⁿ·m.
#[inline(always)]
unsafe fn mantissa(x: __m256d) -> __m256d {
    // SAFETY: see the module.
    unsafe {
        let fraction = _mm256_castsi256_pd(_mm256_set1_epi64x((1 << 52) - 1));
        _mm256_or_pd(_mm256_and_pd(x, fraction), _mm256_set1_pd(1.0))
    }
}

impl Simd for Avx2 {
    type V = Two;

    const TILE: (usize, usize) = (1, 5);
    const KEEPS_STATE: bool = true;

    #[inline(always)]
    fn prefetch(self, at: *const f64) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn splat(self, value: f64) -> Two {
        // SAFETY: see the module.
        let four = unsafe { _mm256_set1_pd(value) };
        Two(four, four)
    }

    #[inline(always)]
    unsafe fn load_from(self, from: *const f64, count: usize) -> Two {
        // SAFETY: the caller vouches for `count` readable numbers; no more are read. `wrapping`,
        // because the second half may begin past their end, where nothing is read.
        unsafe {
            if count >= LANES {
                Two(_mm256_loadu_pd(from), _mm256_loadu_pd(from.add(4)))
            } else {
                let rest = count.saturating_sub(4);
                Two(
                    _mm256_maskload_pd(from, first(count)),
                    _mm256_maskload_pd(from.wrapping_add(4), first(rest)),
                )
            }
        }
    }

    #[inline(always)]
    unsafe fn store_to(self, to: *mut f64, count: usize, vector: Two) {
        // SAFETY: likewise for writing.
        unsafe {
            if count >= LANES {
                _mm256_storeu_pd(to, vector.0);
                _mm256_storeu_pd(to.add(4), vector.1);
            } else {
                let rest = count.saturating_sub(4);
                _mm256_maskstore_pd(to, first(count), vector.0);
                _mm256_maskstore_pd(to.wrapping_add(4), first(rest), vector.1);
            }
        }
    }

    #[inline(always)]
    fn mul_add(self, a: Two, b: Two, c: Two) -> Two {
        // SAFETY: see the module.
        unsafe {
            Two(
                _mm256_fmadd_pd(a.0, b.0, c.0),
                _mm256_fmadd_pd(a.1, b.1, c.1),
            )
        }
    }

    #[inline(always)]
    fn abs(self, a: Two) -> Two {
        // SAFETY: see the module.
        unsafe {
            let sign = _mm256_set1_pd(-0.0);
            Two(_mm256_andnot_pd(sign, a.0), _mm256_andnot_pd(sign, a.1))
        }
    }

    #[inline(always)]
    fn copy_sign(self, a: Two, sign: Two) -> Two {
        // SAFETY: see the module.
        unsafe {
            let mask = _mm256_set1_pd(-0.0);
            Two(
                _mm256_or_pd(_mm256_andnot_pd(mask, a.0), _mm256_and_pd(mask, sign.0)),
                _mm256_or_pd(_mm256_andnot_pd(mask, a.1), _mm256_and_pd(mask, sign.1)),
            )
        }
    }

    #[inline(always)]
    fn min(self, a: Two, b: Two) -> Two {
        // The instruction gives its second operand where one is NaN.
        // SAFETY: see the module.
        unsafe { Two(_mm256_min_pd(b.0, a.0), _mm256_min_pd(b.1, a.1)) }
    }

    #[inline(always)]
    fn max(self, a: Two, b: Two) -> Two {
        // SAFETY: see the module.
        unsafe { Two(_mm256_max_pd(b.0, a.0), _mm256_max_pd(b.1, a.1)) }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Two) -> Two {
        // SAFETY: see the module.
        unsafe { Two(power_of_two(shifted.0), power_of_two(shifted.1)) }
    }

    #[inline(always)]
    fn exponent_and_mantissa(self, x: Two) -> (Two, Two) {
        // SAFETY: see the module.
        unsafe {
            (
                Two(exponent(x.0), exponent(x.1)),
                Two(mantissa(x.0), mantissa(x.1)),
            )
        }
    }

    #[inline(always)]
    fn where_greater(self, a: Two, b: Two, yes: Two, no: Two) -> Two {
        // SAFETY: see the module.
        unsafe {
            let low = _mm256_cmp_pd::<_CMP_GT_OQ>(a.0, b.0);
            let high = _mm256_cmp_pd::<_CMP_GT_OQ>(a.1, b.1);
            Two(
                _mm256_blendv_pd(no.0, yes.0, low),
                _mm256_blendv_pd(no.1, yes.1, high),
            )
        }
    }

    #[inline(always)]
    fn lane(self, a: Two, lane: usize) -> Two {
        assert!(lane < LANES, "lane {lane} of {LANES}");
        let half = if lane < 4 { a.0 } else { a.1 };
        // SAFETY: see the module.
        let four = unsafe {
            match lane % 4 {
                0 => _mm256_permute4x64_pd::<0x00>(half),
                1 => _mm256_permute4x64_pd::<0x55>(half),
                2 => _mm256_permute4x64_pd::<0xaa>(half),
                _ => _mm256_permute4x64_pd::<0xff>(half),
            }
        };
        Two(four, four)
    }

    #[inline(always)]
    fn sum(self, a: Two) -> f64 {
        // SAFETY: see the module.
        unsafe { sum_of_four(_mm256_add_pd(a.0, a.1)) }
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d, e, f, g, h]: [Two; LANES]) -> Two {
        // Lanes 0426 1537 of two vectors.
        #[inline(always)]
        fn quarters(a: Two, b: Two) -> __m256d {
            // SAFETY: see the module.
            unsafe {
                let (a, b) = (_mm256_add_pd(a.0, a.1), _mm256_add_pd(b.0, b.1));
                let low = _mm256_permute2f128_pd::<0x20>(a, b);
                _mm256_add_pd(low, _mm256_permute2f128_pd::<0x31>(a, b))
            }
        }
        #[inline(always)]
        fn four(a: Two, b: Two, c: Two, d: Two) -> __m256d {
            let (even, odd) = (quarters(a, c), quarters(b, d));
            // SAFETY: see the module.
            unsafe {
                let low = _mm256_unpacklo_pd(even, odd);
                _mm256_add_pd(low, _mm256_unpackhi_pd(even, odd))
            }
        }
        Two(four(a, b, c, d), four(e, f, g, h))
    }
}
