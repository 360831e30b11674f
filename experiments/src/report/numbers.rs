//! Numbers as a report prints them.

use crate::figures::labels::rate;
pub use crate::figures::labels::{NONE, significant};

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
        Ok(value) => rate(value, digits),
        Err(_) => field(text, digits),
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
