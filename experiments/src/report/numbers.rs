//! Numbers as a report prints them.

use decay_analysis::ROUNDING;

use crate::figures::labels::superscript;

/// What stands where a value is not defined or does not apply.
pub const NONE: &str = "—";

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
    // Rounded first: 9.9996 has a digit more before the point than it seems.
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("formatted with an exponent");
    let magnitude: i32 = exponent.parse().expect("an exponent is a number");
    let text = if (-4..6).contains(&magnitude) {
        let decimals = (digits as i32 - 1 - magnitude).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{mantissa} × 10{}", superscript(exponent))
    };
    text.replacen('-', "−", 1)
}

/// A logarithm with so many decimals.
pub fn logarithm(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return significant(value, 1);
    }
    crate::figures::labels::number(value, decimals)
}

/// A field of a CSV file as [`significant`] writes its number; a word as it is, nothing as [`NONE`].
pub fn field(text: &str, digits: usize) -> String {
    match text.parse::<f64>() {
        _ if text.is_empty() => NONE.to_owned(),
        // Whole numbers are counts or lags, and exact.
        Ok(_) if text.parse::<u64>().is_ok() => text.to_owned(),
        Ok(value) => significant(value, digits),
        Err(_) => text.to_owned(),
    }
}

/// As [`field`], for a rate in nats per step: one that differs from 0 by rounding is 0.
pub fn rate_field(text: &str, digits: usize) -> String {
    match text.parse::<f64>() {
        Ok(value) if value.abs() < ROUNDING => "0".to_owned(),
        _ => field(text, digits),
    }
}

/// `low … high` of rates as [`rate_field`] writes them, or nothing if either is missing.
pub fn interval(low: &str, high: &str, digits: usize) -> String {
    if low.is_empty() || high.is_empty() {
        return NONE.to_owned();
    }
    match (rate_field(low, digits), rate_field(high, digits)) {
        (low, high) if low == "0" && high == "0" => low,
        (low, high) => format!("{low} … {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (0.0, "0"),
        ] {
            assert_eq!(significant(value, 4), expected);
        }
    }

    #[test]
    fn fields_that_are_no_numbers_stay_what_they_are() {
        assert_eq!(field("vanishes", 4), "vanishes");
        assert_eq!(field("", 4), NONE);
        assert_eq!(field("98", 2), "98");
        assert_eq!(field("inf", 4), "∞");
        assert_eq!(interval("-1.0942", "-1.0397", 3), "−1.09 … −1.04");
        assert_eq!(rate_field("-4.76367675782e-18", 4), "0");
        assert_eq!(rate_field("-4.76367675782e-11", 2), "−4.8 × 10⁻¹¹");
        assert_eq!(rate_field("", 4), NONE);
        assert_eq!(interval("-1e-16", "2.5", 3), "0 … 2.50");
        assert_eq!(interval("-1e-16", "1e-17", 3), "0");
        assert_eq!(interval("", "-1.0397", 3), NONE);
        assert_eq!(logarithm(-93.017, 2), "−93.02");
        assert_eq!(logarithm(f64::NEG_INFINITY, 2), "−∞");
    }
}
