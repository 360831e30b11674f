//! The fits, as a table to read on a terminal.

use crate::commands::run::Fits;
use crate::network::split_layer;
use crate::tables::FitRow;

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
        let factors = fits.table.factors.iter().zip(&row.key.factors);
        let factors: Vec<String> = factors
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{}={value}", short(name)))
            .collect();
        let number = |value: Option<f64>| value.map_or("—".to_owned(), |v| format!("{v:.5}"));
        let interval = match (row.rate_low, row.rate_high) {
            (Some(low), Some(high)) => format!("{low:.5} … {high:.5}"),
            _ => "—".to_owned(),
        };
        let half_life = match row.half_life {
            Some(steps) if steps.is_infinite() => "∞".to_owned(),
            Some(steps) => format!("{steps:.3}"),
            None => "—".to_owned(),
        };
        let two_regimes = fits
            .two_regimes
            .iter()
            .any(|other| other.key == row.key && other.quantity == row.quantity);
        let verdict = match (two_regimes, row.early_rate, row.late_rate) {
            (true, Some(early), Some(late)) => {
                format!(
                    "{}; not one line: early {early:.4}, late {late:.4}",
                    row.verdict
                )
            }
            _ => row.verdict.clone(),
        };
        lines.push(vec![
            format!("{} {}", row.key.cell, factors.join(" "))
                .trim_end()
                .to_owned(),
            row.quantity.clone(),
            number(row.rate),
            interval,
            half_life,
            verdict,
        ]);
    }
    let mut text = aligned(&lines);
    if rows.len() > MOST_ROWS {
        text.push_str(&format!(
            "… and {} more in fits.csv\n",
            rows.len() - MOST_ROWS
        ));
    }
    text
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
