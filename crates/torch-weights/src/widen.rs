//! Floating-point numbers of every width as f64. Widening is exact.

use safetensors::tensor::{Dtype, TensorView};

/// The types that [`widen`] knows.
pub const FLOATS: [Dtype; 4] = [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16];

/// The numbers of a tensor, in its own (row-major) order; `None` if they are not floating-point.
pub fn widen(tensor: &TensorView<'_>) -> Option<Vec<f64>> {
    let data = tensor.data();
    // Lowest byte first, whatever the machine.
    Some(match tensor.dtype() {
        Dtype::F64 => words(data, f64::from_le_bytes),
        Dtype::F32 => words(data, |word| f64::from(f32::from_le_bytes(word))),
        Dtype::F16 => words(data, |word| half(u16::from_le_bytes(word))),
        Dtype::BF16 => words(data, |word| brain(u16::from_le_bytes(word))),
        _ => return None,
    })
}

fn words<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks()
        .0
        .iter()
        .map(|word| number(*word))
        .collect()
}

/// The upper half of an f32.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

/// IEEE 754 binary16: one bit sign, five exponent, ten fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(exponent) - 15),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_numbers_of_the_standard() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2f64.powi(-24)),
            (0x03ff, 1023.0 * 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3555, 0.333251953125),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
        assert!(half(0x8000).is_sign_negative());
        // Neighbours differ by one unit in the last place, through all exponents.
        let finite: Vec<f64> = (0..0x7c00).map(half).collect();
        assert!(finite.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn brain_floats_are_the_upper_half_of_singles() {
        for (bits, value) in [(0x3f80, 1.0), (0xc040, -3.0), (0x3eab, 0.333984375)] {
            assert_eq!(brain(bits), value);
        }
        assert!(brain(0x7fc0).is_nan());
    }

    #[test]
    fn what_is_no_float_is_not_widened() {
        let bytes = [0; 8];
        for dtype in FLOATS {
            let view = TensorView::new(dtype, vec![8 / (dtype.bitsize() / 8)], &bytes).unwrap();
            assert!(widen(&view).is_some_and(|values| values.iter().all(|v| *v == 0.0)));
        }
        let view = TensorView::new(Dtype::I64, vec![1], &bytes).unwrap();
        assert_eq!(widen(&view), None);
    }
}
