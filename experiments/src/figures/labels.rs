//! Numbers, factors and quantities as a figure prints them. Pure text.

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

/// A number with three significant digits, for titles.
pub fn significant(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-4..6).contains(&magnitude) {
        return power_of_ten(f64::from(magnitude));
    }
    let text = number(value, (2 - magnitude).max(0) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
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
/// with four significant digits where it has more than a label can hold.
pub fn factor_value(value: &str) -> String {
    const LONG: usize = 7;
    match value.parse::<f64>() {
        Ok(number) if value.len() > LONG && number.is_finite() => {
            let shown = (0..).map(|decimals| format!("{number:.decimals$}"));
            let is_precise = |text: &String| {
                let exact = number == 0.0 || text.len() > 16;
                exact || (text.parse::<f64>().unwrap_or(0.0) / number - 1.0).abs() < 5e-4
            };
            // Whole numbers are found at once; the length bounds the search for tiny ones.
            let text = shown.into_iter().find(is_precise).unwrap_or_default();
            text.replace('-', "−")
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
        assert_eq!(significant(-0.10536), "−0.105");
        assert_eq!(significant(6.5788), "6.58");
        assert_eq!(significant(1500.0), "1500");
        assert_eq!(significant(0.0), "0");
        assert_eq!(significant(f64::INFINITY), "∞");
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
        assert_eq!(factor_value("1.4142135623730951"), "1.414");
        assert_eq!(factor_value("-0.012345678"), "−0.01235");
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
