//! Eight numbers as an array: for machines without a wider instruction set known here.
#![allow(unsafe_code)]

use std::ops::{Add, Div, Mul, Sub};

use super::{LANES, Simd, Vector};

/// What every machine has.
#[derive(Clone, Copy)]
pub struct Portable;

/// Eight numbers.
#[derive(Clone, Copy)]
pub struct Eight([f64; LANES]);

impl Vector for Eight {}

/// A number for each lane k, written out: closures, one for each operation of a pass, are slow to
/// compile.
macro_rules! lanes {
    ($k:ident => $number:expr) => {
        Eight([
            lanes!($k, 0, $number),
            lanes!($k, 1, $number),
            lanes!($k, 2, $number),
            lanes!($k, 3, $number),
            lanes!($k, 4, $number),
            lanes!($k, 5, $number),
            lanes!($k, 6, $number),
            lanes!($k, 7, $number),
        ])
    };
    ($k:ident, $lane:literal, $number:expr) => {{
        const $k: usize = $lane;
        $number
    }};
}

macro_rules! lane_by_lane {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl $trait for Eight {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                lanes!(K => self.0[K] $operator other.0[K])
            }
        }
    };
}

lane_by_lane!(Add, add, +);
lane_by_lane!(Sub, sub, -);
lane_by_lane!(Mul, mul, *);
lane_by_lane!(Div, div, /);

impl Simd for Portable {
    type V = Eight;

    const TILE: (usize, usize) = (1, 3);
    const KEEPS_STATE: bool = false;

    #[inline(always)]
    fn splat(self, value: f64) -> Eight {
        Eight([value; LANES])
    }

    #[inline(always)]
    unsafe fn load_from(self, from: *const f64, count: usize) -> Eight {
        // SAFETY: the caller vouches for `count` readable numbers; arrays of f64 need no more than
        // the alignment of f64.
        unsafe {
            if count >= LANES {
                return Eight(*from.cast());
            }
            let mut lanes = [0.0; LANES];
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            Eight(lanes)
        }
    }

    #[inline(always)]
    unsafe fn store_to(self, to: *mut f64, count: usize, vector: Eight) {
        // SAFETY: likewise for writing.
        unsafe { std::ptr::copy_nonoverlapping(vector.0.as_ptr(), to, count.min(LANES)) }
    }

    #[inline(always)]
    fn mul_add(self, a: Eight, b: Eight, c: Eight) -> Eight {
        // Where the instruction does not exist, a call to the library would be far slower than two
        // roundings.
        if cfg!(target_arch = "aarch64") {
            lanes!(K => a.0[K].mul_add(b.0[K], c.0[K]))
        } else {
            a * b + c
        }
    }

    #[inline(always)]
    fn abs(self, a: Eight) -> Eight {
        lanes!(K => a.0[K].abs())
    }

    #[inline(always)]
    fn copy_sign(self, a: Eight, sign: Eight) -> Eight {
        lanes!(K => a.0[K].copysign(sign.0[K]))
    }

    #[inline(always)]
    fn min(self, a: Eight, b: Eight) -> Eight {
        lanes!(K => if b.0[K] < a.0[K] { b.0[K] } else { a.0[K] })
    }

    #[inline(always)]
    fn max(self, a: Eight, b: Eight) -> Eight {
        lanes!(K => if b.0[K] > a.0[K] { b.0[K] } else { a.0[K] })
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Eight) -> Eight {
        lanes!(K => f64::from_bits(shifted.0[K].to_bits().wrapping_add(1023) << 52))
    }

    #[inline(always)]
    fn exponent_and_mantissa(self, x: Eight) -> (Eight, Eight) {
        const MANTISSA: u64 = (1 << 52) - 1;
        let exponent = |x: f64| ((x.to_bits() >> 52) as i64 - 1023) as f64;
        let mantissa = |x: f64| f64::from_bits(x.to_bits() & MANTISSA | 1.0_f64.to_bits());
        (lanes!(K => exponent(x.0[K])), lanes!(K => mantissa(x.0[K])))
    }

    #[inline(always)]
    fn where_greater(self, a: Eight, b: Eight, yes: Eight, no: Eight) -> Eight {
        lanes!(K => if a.0[K] > b.0[K] { yes.0[K] } else { no.0[K] })
    }

    #[inline(always)]
    fn lane(self, a: Eight, lane: usize) -> Eight {
        Eight([a.0[lane]; LANES])
    }

    #[inline(always)]
    fn sum(self, a: Eight) -> f64 {
        let a = a.0;
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }

    #[inline(always)]
    fn sums(self, vectors: [Eight; LANES]) -> Eight {
        lanes!(K => self.sum(vectors[K]))
    }
}
