//! Numbers, factors and quantities as a reader sees them: in figures, reports and on a terminal. Pure
//! text.

use decay_analysis::ROUNDING;

/// What stands where a value is not defined or does not apply.
pub const NONE: &str = "—";

/// 10 to the given power as text, such as `10⁻⁵⁰` or `10⁻⁰·⁷`; one decimal at most.
pub fn power_of_ten(exponent: f64) -> String {
    let rounded = (exponent * 10.0).round() / 10.0;
    format!("10{}", superscript(&(rounded + 0.0).to_string()))
}

/// Like [`power_of_ten`], with a decimal only where it matters, and `0` for an exact zero.
pub fn approximate_power(exponent: f64) -> String {
    if exponent == f64::NEG_INFINITY {
        return "0".into();
    }
    if exponent.abs() < 10.0 {
        power_of_ten(exponent)
    } else {
        power_of_ten(exponent.round())
    }
}

/// Digits, sign and decimal point as superscripts.
pub fn superscript(number: &str) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    number
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '.' => '·',
            digit => digit
                .to_digit(10)
                .map_or(digit, |digit| DIGITS[digit as usize]),
        })
        .collect()
}

/// A number with a true minus sign and `decimals` decimals.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = !text.contains(|c: char| ('1'..='9').contains(&c));
    if is_zero {
        text.trim_start_matches('-').to_owned()
    } else {
        text.replace('-', "−")
    }
}

/// A number with so many significant digits and a true minus sign: `−0.4407`, `6.49 × 10⁻⁷`, `∞`.
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return NONE.to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let (mantissa, magnitude) = scientific(value, digits);
    let text = if SCALES.contains(&magnitude) {
        let decimals = (digits as i32 - 1 - magnitude).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{mantissa} × 10{}", superscript(&magnitude.to_string()))
    };
    text.replacen('-', "−", 1)
}

/// [`significant`] of a rate in nats per step: one that differs from 0 by rounding is 0.
pub fn rate(value: f64, digits: usize) -> String {
    significant(if value.abs() < ROUNDING { 0.0 } else { value }, digits)
}

/// A number with three significant digits as titles and marks have it, without zeros at its end:
/// `−0.7`, `−9 × 10⁻⁵`, `10⁶`.
pub fn concise(value: f64) -> String {
    let text = significant(value, 3);
    let (mantissa, power) = match text.split_once(" × ") {
        Some((mantissa, power)) => (mantissa, Some(power)),
        None => (text.as_str(), None),
    };
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    match power {
        None => mantissa.to_owned(),
        Some(power) => match mantissa.strip_suffix('1') {
            Some(sign @ ("" | "−")) => format!("{sign}{power}"),
            _ => format!("{mantissa} × {power}"),
        },
    }
}

/// A place between values of a factor that are `spacing` apart: [`concise`], or with as many digits as
/// tell it from them.
pub fn place_between(value: f64, spacing: f64) -> String {
    // With digits enough not to be rounded up to the next power of ten.
    let magnitude = |number: f64| scientific(number, 12).1;
    if !SCALES.contains(&magnitude(value)) || spacing.is_nan() || spacing <= 0.0 {
        return concise(value);
    }
    match magnitude(value) - magnitude(spacing) + 1 {
        digits @ 4.. => significant(value, digits as usize),
        _ => concise(value),
    }
}

/// The powers of ten that numbers are written without.
const SCALES: std::ops::Range<i32> = -4..6;

/// Mantissa with so many digits and exponent of a finite number. Rounded first: 9.9996 has a digit more
/// before the point than it seems.
fn scientific(value: f64, digits: usize) -> (String, i32) {
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').expect("formatted with an exponent");
    let exponent = exponent.parse().expect("an exponent is a number");
    (mantissa.to_owned(), exponent)
}

/// A sweep key as a reader would say it: `forget bias` for `lstm.forget_bias`.
pub fn factor_name(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        [.., "hidden"] => "H".into(),
        [.., "sequence", "steps"] => "T".into(),
        [.., "sequence", "batch"] => "B".into(),
        [.., "recurrent_weights", "gain"] => "gain".into(),
        [.., "input_weights", "gain"] => "input gain".into(),
        [.., "recurrent_weights", "init"] => "recurrent weights".into(),
        [.., "input_weights", "init"] => "input weights".into(),
        [.., "input", last] => format!("input {}", last.replace('_', " ")),
        [.., last] => last.replace('_', " "),
        [] => String::new(),
    }
}

/// A factor's value as printed in the tables, with a true minus sign where it is a number, and
/// with the twelve digits that tables keep where it has more, such as 0.30000000000000004. No fewer:
/// values may lie as close together as 0.99999995 and 1.
pub fn factor_value(value: &str) -> String {
    const DIGITS: usize = 12;
    match value.parse::<f64>() {
        // Whole numbers, such as seeds, are exact.
        Ok(number) if value.len() > DIGITS && value.contains('.') && number.is_finite() => {
            let kept: f64 = format!("{number:.*e}", DIGITS - 1)
                .parse()
                .expect("a formatted number is a number");
            kept.to_string().replace('-', "−")
        }
        Ok(_) => value.replace('-', "−"),
        Err(_) => value.replace('=', " "),
    }
}

/// A factor's value within a sentence: like [`factor_value`], with spaces between thousands.
pub fn setting(value: &str) -> String {
    value
        .parse()
        .map_or_else(|_| factor_value(value), thousands)
}

/// A law's formula with Greek letters, as theory writes it.
pub fn law_name(law: &str) -> String {
    let mut name = law.replace("sigma_max", "σₘₐₓ").replace("lambda_1", "λ₁");
    for (ascii, greek) in [
        ("sigma", "σ"),
        ("gamma", "γ"),
        ("rho", "ρ"),
        ("lambda", "λ"),
        ("chi_1", "χ₁"),
        ("1/2 ", "½ "),
    ] {
        name = name.replace(ascii, greek);
    }
    name
}

/// What a quantity's gradient ratio is called on an axis.
pub fn ratio_name(quantity: &str) -> String {
    let (symbol, remark) = match quantity {
        "h_carried" => ("h", ", carried"),
        "c_carried" => ("c", ", carried"),
        "c_direct" => ("c", ", direct path"),
        "c_gated" => ("c", ", through the gates"),
        "weight_hh" => ("W_hh", " at step T−k"),
        "weight_ih" => ("W_ih", " at step T−k"),
        "bias" => ("b", " at step T−k"),
        symbol => (symbol, ""),
    };
    let step = if remark.ends_with("T−k") {
        ""
    } else {
        "(T−k)"
    };
    format!("‖∂L/∂{symbol}{step}‖ / ‖∂L/∂h(T)‖{remark}")
}

/// `1 replicate`, `3 replicates`.
pub fn count(count: usize, singular: &str) -> String {
    format!("{count} {singular}{}", if count == 1 { "" } else { "s" })
}

/// A whole number with spaces between thousands.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// Estimated width of a text in the shipped font, in the unit of its size. Generous by a few per
/// cent, so that space reserved by it is enough in the fallback fonts too.
pub fn width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '·' => 0.29,
            ' ' | '\u{a0}' | 'f' | 't' | 'r' | '(' | ')' | '/' | '-' | '…' | '‖' | 'I' => 0.40,
            '⁰'..='⁹' | '¹' | '²' | '³' | '⁻' | '₀'..='ₜ' => 0.42,
            'm' | 'w' | 'M' | 'W' => 0.90,
            'A'..='Z' => 0.70,
            _ => 0.61,
        })
        .sum();
    em * size
}

/// Breaks a text into lines no wider than `available` (as far as its words allow).
pub fn wrap(text: &str, size: f64, available: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + 0.4 * size <= available => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_written_as_superscripts() {
        assert_eq!(power_of_ten(-50.0), "10⁻⁵⁰");
        assert_eq!(power_of_ten(-0.72), "10⁻⁰·⁷");
        assert_eq!(power_of_ten(0.0), "10⁰");
        assert_eq!(power_of_ten(-0.01), "10⁰");
        assert_eq!(approximate_power(-94.3), "10⁻⁹⁴");
        assert_eq!(approximate_power(f64::NEG_INFINITY), "0");
    }

    #[test]
    fn numbers_have_a_true_minus_sign_and_no_negative_zero() {
        assert_eq!(number(-0.25, 2), "−0.25");
        assert_eq!(number(-0.001, 1), "0.0");
    }

    #[test]
    fn numbers_have_as_many_digits_as_are_asked_for() {
        for (value, expected) in [
            (-0.440739193096, "−0.4407"),
            (9.99996, "10.00"),
            (462.953743219, "463.0"),
            (123456.7, "123457"),
            (1234567.0, "1.235 × 10⁶"),
            (-2.5e-7, "−2.500 × 10⁻⁷"),
            (0.000123456, "0.0001235"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
            (f64::NAN, "—"),
            (0.0, "0"),
        ] {
            assert_eq!(significant(value, 4), expected);
        }
    }

    #[test]
    fn titles_keep_sign_and_size_of_every_number() {
        for (value, expected) in [
            (-0.10536, "−0.105"),
            (-0.7, "−0.7"),
            (6.5788, "6.58"),
            (9.9996, "10"),
            (1500.0, "1500"),
            (-9.0e-5, "−9 × 10⁻⁵"),
            (-9.0004e-5, "−9 × 10⁻⁵"),
            (9.9996e-5, "0.0001"),
            (3_465_736.0, "3.47 × 10⁶"),
            (1e6, "10⁶"),
            (-1e-5, "−10⁻⁵"),
            (-1.1e-5, "−1.1 × 10⁻⁵"),
            (2.1e-10, "2.1 × 10⁻¹⁰"),
            (0.0, "0"),
            (f64::INFINITY, "∞"),
        ] {
            assert_eq!(concise(value), expected, "{value}");
        }
    }

    #[test]
    fn a_place_between_close_values_is_told_from_both() {
        assert_eq!(place_between(1.3123, 0.05), "1.31");
        assert_eq!(place_between(0.999_943, 1e-5), "0.99994");
        assert_eq!(place_between(2.0, 0.5), "2");
        assert_eq!(place_between(3e-7, 1e-8), "3 × 10⁻⁷");
        assert_eq!(place_between(2.0, 0.0), "2");
    }

    #[test]
    fn factors_are_named_as_readers_say_them() {
        assert_eq!(factor_name("lstm.forget_bias"), "forget bias");
        assert_eq!(factor_name("vanilla-rnn.recurrent_weights.gain"), "gain");
        assert_eq!(factor_name("cell.hidden"), "H");
        assert_eq!(factor_name("sequence.input.std"), "input std");
        assert_eq!(factor_name("seed"), "seed");
        assert_eq!(factor_value("-1.5"), "−1.5");
        assert_eq!(factor_value("spectral-radius"), "spectral-radius");
        assert_eq!(factor_value("chrono=200"), "chrono 200");
        assert_eq!(factor_value("1.4142135623730951"), "1.41421356237");
        assert_eq!(factor_value("0.30000000000000004"), "0.3");
        assert_eq!(factor_value("-0.00000001234567"), "−0.00000001234567");
        assert_eq!(factor_value("0.99999995"), "0.99999995");
        assert_eq!(factor_value("18446744073709551615"), "18446744073709551615");
        assert_eq!(factor_value("100000000"), "100000000");
    }

    #[test]
    fn laws_are_written_with_greek_letters() {
        assert_eq!(law_name("ln(gamma sigma_max)"), "ln(γ σₘₐₓ)");
        assert_eq!(law_name("ln rho(W)"), "ln ρ(W)");
        assert_eq!(law_name("ln sigma(b)"), "ln σ(b)");
        assert_eq!(law_name("1/2 ln chi_1"), "½ ln χ₁");
    }

    #[test]
    fn thousands_are_separated_from_five_digits_on() {
        assert_eq!(thousands(1000), "1000");
        assert_eq!(thousands(10000), "10\u{a0}000");
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word() {
        let text = "a title with several words that does not fit on a single line";
        let lines = wrap(text, 10.0, 120.0);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 120.0));
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrap("indivisible", 10.0, 5.0), ["indivisible"]);
        assert!(wrap("", 10.0, 5.0).is_empty());
    }
}
