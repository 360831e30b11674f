//! Numbers as text with 12 significant digits.

/// The digits that are kept.
const DIGITS: usize = 12;
/// 10¹², the first number with more.
const TOO_MANY: u64 = 10_u64.pow(DIGITS as u32);

/// A number with 12 significant digits, in the shortest form that keeps them.
///
/// ```
/// use experiments::tables::format_number;
/// assert_eq!(format_number(-94.0), "-94");
/// assert_eq!(format_number(1.0 / 3.0), "0.333333333333");
/// assert_eq!(format_number(2.5e-7), "2.5e-7");
/// assert_eq!(format_number(f64::NEG_INFINITY), "-inf");
/// ```
pub fn format_number(number: f64) -> String {
    let mut text = String::new();
    write_number(number, &mut text);
    text
}

/// Appends what [`format_number`] returns.
///
/// Tables are mostly such numbers, and writing them was most of the time at the end of a sweep:
/// numbers of ordinary size therefore take integer arithmetic alone.
pub(super) fn write_number(number: f64, text: &mut String) {
    match digits(number.abs()) {
        Some((digits, exponent)) => {
            if number < 0.0 {
                text.push('-');
            }
            write_digits(digits, exponent, text);
        }
        None => text.push_str(&format_digits(number, DIGITS)),
    }
}

/// A number with so many significant digits by the standard library's formatting, which takes any
/// number but ten times as long.
pub(super) fn format_digits(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return "0".to_owned(); // also for −0
    }
    if !number.is_finite() {
        return number.to_string();
    }
    let rounded: f64 = format!("{number:.*e}", digits - 1)
        .parse()
        .expect("a formatted float is a float");
    if (1e-5..1e15).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

/// The integer d of 12 digits and the exponent e for which d·10^(e−11) is `number` correctly rounded,
/// ties to even; for numbers in 10⁻⁵…10¹² alone.
///
/// With number = m·2⁻ˢ and the right k = 11 − e, d is m·10ᵏ/2ˢ rounded: m has 53 bits and 10ᵏ at most
/// 57, so all of it is exact in 128 bits.
fn digits(number: f64) -> Option<(u64, i32)> {
    if !(1e-5..1e12).contains(&number) {
        return None;
    }
    let bits = number.to_bits();
    let binary_exponent = (bits >> 52) as i32 - 1023;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = (52 - binary_exponent) as u32;
    let scaled = |k: i32| u128::from(mantissa) * u128::from(10_u64.pow(k as u32));
    // ⌊log₁₀ 2^E⌋ is e or one less.
    let mut k = 11 - (f64::from(binary_exponent) * std::f64::consts::LOG10_2).floor() as i32;
    let mut product = scaled(k);
    if (product >> shift) as u64 >= TOO_MANY {
        k -= 1;
        product = scaled(k);
    }
    let below = product & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    let mut digits = (product >> shift) as u64;
    digits += u64::from(below > half || (below == half && digits % 2 == 1));
    if digits == TOO_MANY {
        return Some((digits / 10, 12 - k));
    }
    Some((digits, 11 - k))
}

/// Writes d·10^(e−11), d of 12 digits, without an exponent and without zeros at its end.
fn write_digits(mut digits: u64, exponent: i32, text: &mut String) {
    let mut characters = [b'0'; DIGITS];
    for character in characters.iter_mut().rev() {
        *character += (digits % 10) as u8;
        digits /= 10;
    }
    let kept = characters.iter().rposition(|digit| *digit != b'0');
    let kept = &characters[..kept.map_or(0, |last| last + 1)];
    let kept = std::str::from_utf8(kept).expect("digits are ASCII");
    let zeros = |count: usize| &"000000000000"[..count];
    match usize::try_from(exponent + 1) {
        Ok(before) if before >= kept.len() => {
            text.push_str(kept);
            text.push_str(zeros(before - kept.len()));
        }
        Ok(before) if before > 0 => {
            text.push_str(&kept[..before]);
            text.push('.');
            text.push_str(&kept[before..]);
        }
        _ => {
            text.push_str("0.");
            text.push_str(zeros((-1 - exponent) as usize));
            text.push_str(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_keep_twelve_significant_digits() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (199.0, "199"),
            (-0.1053605156578263, "-0.105360515658"),
            (-3010.299956639812, "-3010.29995664"),
            (1e-5, "0.00001"),
            (1.5e-6, "1.5e-6"),
            (1e15, "1e15"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(format_number(number), text);
        }
    }

    #[track_caller]
    fn assert_as_by_the_standard_library(number: f64) {
        for number in [number, -number] {
            assert_eq!(
                format_number(number),
                format_digits(number, DIGITS),
                "{number:e}"
            );
        }
    }

    /// Powers of ten and of two and their neighbours, halves between two roundings, carries.
    #[test]
    fn numbers_at_the_edges_are_rounded_as_by_the_standard_library() {
        for exponent in -330..310 {
            let power: f64 = format!("1e{exponent}").parse().unwrap();
            for number in [power, power.next_down(), power.next_up(), 0.5 * power] {
                assert_as_by_the_standard_library(number);
            }
            // 9.99999999999|5, where one more digit comes in front.
            for digits in ["9.999999999995", "9.9999999999949", "9.99999999999501"] {
                let number: f64 = format!("{digits}e{exponent}").parse().unwrap();
                assert_as_by_the_standard_library(number);
            }
        }
        for exponent in -60..60 {
            assert_as_by_the_standard_library(2f64.powi(exponent));
        }
        for whole in [123_456_789_012_u64, 123_456_789_013, 999_999_999_999] {
            // Exact ties: halves and, a digit further left, fives.
            for (scale, tie) in [(1.0, 0.5), (0.5, 0.25), (0.125, 0.0625), (10.0, 5.0)] {
                assert_as_by_the_standard_library(whole as f64 * scale + tie);
            }
            assert_as_by_the_standard_library((whole as f64 + 0.5) / 1024.0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn numbers_of_ordinary_size_are_written_as_by_the_standard_library(
            mantissa in 1.0..10.0_f64,
            exponent in -8..14,
            kept in 0_usize..17,
        ) {
            // Few digits too, so that zeros at the end and ties occur.
            let number: f64 = format!("{mantissa:.kept$}e{exponent}").parse().unwrap();
            prop_assert_eq!(format_number(number), format_digits(number, DIGITS));
        }
    }
}
