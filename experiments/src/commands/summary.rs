//! The fits, as a table to read on a terminal.

use crate::commands::run::Fits;
use crate::figures::labels::{NONE, rate, significant};
use crate::network::split_layer;
use crate::tables::{CONSTANT, FitRow, Key, LyapunovSummaryRow, Row, TOO_SHORT};

/// Above this many lines a table is not read any more; the rest is in the file.
const MOST_ROWS: usize = 60;

/// Rates and verdicts of the node gradients, one line per grid point and quantity.
pub fn of_fits(fits: &Fits) -> String {
    let is_shown = |row: &&FitRow| matches!(split_layer(&row.quantity).1, "h" | "c");
    let rows: Vec<&FitRow> = fits.table.rows.iter().filter(is_shown).collect();
    let mut lines = vec![
        [
            "cell",
            "quantity",
            "rate (nats/step)",
            "95 % interval",
            "half-life (steps)",
            "verdict",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for row in rows.iter().take(MOST_ROWS) {
        let row = &row.shown();
        let number = |value: Option<f64>| value.map_or(NONE.to_owned(), |v| significant(v, 4));
        let interval = match (row.rate_low, row.rate_high) {
            (Some(low), Some(high)) => {
                format!("{} … {}", significant(low, 4), significant(high, 4))
            }
            _ => NONE.to_owned(),
        };
        let two_regimes = fits
            .two_regimes
            .iter()
            .any(|other| other.key == row.key && other.quantity == row.quantity);
        let verdict = match (two_regimes, row.early_rate, row.late_rate) {
            _ if row.verdict.is_empty() => TOO_SHORT.to_owned(),
            _ if row.is_constant() => format!("{}; {CONSTANT}", row.verdict),
            (true, Some(early), Some(late)) => {
                format!(
                    "{}; not one line: early {}, late {}",
                    row.verdict,
                    significant(early, 4),
                    significant(late, 4)
                )
            }
            _ => row.verdict.clone(),
        };
        let verdict = match row.n < fits.replicates {
            true => format!("{verdict}; {} of {} replicates", row.n, fits.replicates),
            false => verdict,
        };
        lines.push(vec![
            point(&fits.table.factors, &row.key),
            row.quantity.clone(),
            number(row.rate),
            interval,
            number(row.half_life),
            verdict,
        ]);
    }
    aligned(&lines) + &more(rows.len(), FitRow::FILE)
}

/// What whole Lyapunov spectra say, one line per grid point; nothing if none was recorded.
pub fn of_spectra(fits: &Fits) -> String {
    if fits.largest_exponents.is_empty() {
        return String::new();
    }
    let mut lines = vec![
        [
            "cell",
            "λ₁ (nats/step)",
            "Kaplan–Yorke dimension",
            "entropy bound (nats/step)",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for row in fits.largest_exponents.iter().take(MOST_ROWS) {
        let of = |measure: &str| {
            let mut spectra = fits.spectra.iter();
            let found = spectra.find(|other| other.key == row.key && other.measure == measure);
            found.map_or(NONE.to_owned(), |found| rate(found.median, 4))
        };
        lines.push(vec![
            point(&fits.table.factors, &row.key),
            rate(row.median, 4),
            of(LyapunovSummaryRow::DIMENSION),
            of(LyapunovSummaryRow::ENTROPY),
        ]);
    }
    aligned(&lines) + &more(fits.largest_exponents.len(), LyapunovSummaryRow::FILE)
}

/// Says where those lines are that are too many to print.
fn more(rows: usize, file: &str) -> String {
    match rows.saturating_sub(MOST_ROWS) {
        0 => String::new(),
        more => format!("… and {more} more in {file}\n"),
    }
}

/// A grid point: its cell, and the factors that apply to it.
fn point(names: &[String], key: &Key) -> String {
    let factors = names.iter().zip(&key.factors);
    let factors: Vec<String> = factors
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{}={value}", short(name)))
        .collect();
    format!("{} {}", key.cell, factors.join(" "))
        .trim_end()
        .to_owned()
}

/// The last part of a sweep key: `gain` for `vanilla-rnn.recurrent_weights.gain`.
fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Columns padded to their widest entry, two spaces apart.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|k| {
            lines
                .iter()
                .map(|line| line[k].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let padded: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(entry, width)| format!("{entry}{}", " ".repeat(width - entry.chars().count())))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Table;

    #[test]
    fn small_rates_keep_their_sign_and_size() {
        let fits = Fits {
            table: Table::from_csv(
                "cell,gain,quantity,rate,rate_low,rate_high,half_life,r_squared,early_rate,late_rate,\
                 f32_zero_lag,verdict,n,predicted_rate,difference_in_se,predicted_by\n\
                 lstm,0.9999998,h,-2e-7,-2.1e-7,-1.9e-7,3465736,1,,,,stable,3,,,\n",
            )
            .unwrap(),
            replicates: 3,
            two_regimes: Vec::new(),
            largest_exponents: Vec::new(),
            spectra: Vec::new(),
        };
        let text = of_fits(&fits);
        for shown in [
            "−2.000 × 10⁻⁷",
            "−2.100 × 10⁻⁷ … −1.900 × 10⁻⁷",
            "3.466 × 10⁶",
        ] {
            assert!(text.contains(shown), "{text}");
        }
    }
}
