//! Whether stored results are the recomputed ones, and where they first differ.
//!
//! Where the same bits are due, text is compared byte by byte. Another CPU rounds differently in
//! the last bits, and a network that amplifies perturbations amplifies those too: there, numbers
//! are compared within a tolerance, and rows of grid points whose gradient explodes are left
//! unjudged.

use std::collections::BTreeSet;

/// Allowed difference of two log₁₀ values from different CPUs: last bits of 10⁻¹⁶, amplified by at
/// most a decade in a network that does not explode, add up over the steps; seven digits are left.
/// Relative where values exceed 1, since tables keep 12 digits.
const TOLERANCE: f64 = 1e-9;

/// How much agreement is due.
#[derive(Clone, Debug)]
pub enum Due {
    /// The same bytes.
    Bits,
    /// Numbers within 1e-9, in rows other than these grid points': cell and factor values.
    Tolerance {
        /// The grid points whose gradient explodes.
        unjudged: BTreeSet<Vec<String>>,
    },
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// Rows that agree.
    pub agreeing: usize,
    /// Rows that were not judged.
    pub unjudged: usize,
    /// The first difference, in words.
    pub difference: Option<String>,
}

/// Compares the text of a CSV file. `key` are the names of the columns that make up a grid point.
pub fn tables(stored: &str, recomputed: &str, due: &Due, key: &[&str]) -> Finding {
    let mut finding = Finding::default();
    if let (Due::Bits, true) = (due, stored == recomputed) {
        finding.agreeing = recomputed.lines().count().saturating_sub(1);
        return finding;
    }
    let header: Vec<&str> = recomputed.lines().next().unwrap_or("").split(',').collect();
    let [mut stored_rows, mut recomputed_rows] = [stored, recomputed].map(records);
    for line in 1.. {
        let (stored, recomputed) = match (stored_rows.next(), recomputed_rows.next()) {
            (None, None) => break,
            (Some(stored), Some(recomputed)) => (stored, recomputed),
            (Some(_), None) => {
                finding.differs(format!("line {line}: one row more than recomputed"));
                break;
            }
            (None, Some(_)) => {
                finding.differs(format!("line {line}: ends here, recomputed goes on"));
                break;
            }
        };
        if let Due::Tolerance { unjudged } = due
            && unjudged.contains(&grid_point(&header, &recomputed, key))
        {
            finding.unjudged += 1;
            continue;
        }
        let agrees = |a: &str, b: &str| match due {
            Due::Bits => a == b,
            Due::Tolerance { .. } => a == b || numbers_agree(a, b),
        };
        let differing = (0..stored.len().max(recomputed.len())).find(|&column| {
            let [a, b] = [&stored, &recomputed].map(|row| row.get(column));
            !a.zip(b).is_some_and(|(a, b)| agrees(a, b))
        });
        match differing {
            None => finding.agreeing += 1,
            Some(column) => {
                let [a, b] = [&stored, &recomputed].map(|row| row.get(column).map_or("", |f| f));
                let name = header.get(column).unwrap_or(&"");
                finding.differs(format!(
                    "line {line}, column `{name}`: stored `{a}`, recomputed `{b}`"
                ));
            }
        }
    }
    if finding.difference.is_none() && matches!(due, Due::Bits) {
        finding.differs("the bytes differ, the fields do not".to_owned());
    }
    finding
}

/// Compares the values of one array of a record. −0 and 0 have different bits.
pub fn arrays(name: &str, stored: &[f64], recomputed: &[f64], due: &Due) -> Option<String> {
    if stored.len() != recomputed.len() {
        return Some(format!(
            "array `{name}`: {} values stored, {} recomputed",
            stored.len(),
            recomputed.len()
        ));
    }
    let agrees = |a: f64, b: f64| match due {
        Due::Bits => a.to_bits() == b.to_bits(),
        Due::Tolerance { .. } => values_agree(a, b),
    };
    let mut pairs = stored.iter().zip(recomputed);
    let at = pairs.position(|(a, b)| !agrees(*a, *b))?;
    Some(format!(
        "array `{name}`, value {at}: stored {:?}, recomputed {:?}",
        stored[at], recomputed[at]
    ))
}

impl Finding {
    fn differs(&mut self, difference: String) {
        self.difference.get_or_insert(difference);
    }
}

/// The rows of a CSV text, header included; a line that is no CSV is one field.
fn records(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    reader.into_records().map(|record| match record {
        Ok(record) => record.iter().map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    })
}

fn grid_point(header: &[&str], row: &[String], key: &[&str]) -> Vec<String> {
    key.iter()
        .map(|name| {
            let column = header.iter().position(|column| column == name);
            column.and_then(|c| row.get(c)).cloned().unwrap_or_default()
        })
        .collect()
}

fn numbers_agree(a: &str, b: &str) -> bool {
    match (a.parse(), b.parse()) {
        (Ok(a), Ok(b)) => values_agree(a, b),
        _ => false,
    }
}

fn values_agree(a: f64, b: f64) -> bool {
    let both_finite = a.is_finite() && b.is_finite();
    a == b || (both_finite && (a - b).abs() <= TOLERANCE * a.abs().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "cell,gain,lag,median\nrnn,0.5,0,0\nrnn,2,0,-inf\nrnn,2,1,-94.25\n";
    const KEY: [&str; 2] = ["cell", "gain"];

    fn tolerant(unjudged: &[[&str; 2]]) -> Due {
        let unjudged = unjudged.iter();
        Due::Tolerance {
            unjudged: unjudged
                .map(|key| key.map(str::to_owned).to_vec())
                .collect(),
        }
    }

    #[test]
    fn equal_texts_agree_row_by_row() {
        for due in [Due::Bits, tolerant(&[])] {
            let finding = tables(STORED, STORED, &due, &KEY);
            assert_eq!(finding.difference, None);
            assert!(finding.agreeing >= 3);
        }
    }

    #[test]
    fn the_first_difference_is_named_with_line_and_column() {
        let changed = STORED.replace("-94.25", "-94.26");
        for due in [Due::Bits, tolerant(&[])] {
            let finding = tables(&changed, STORED, &due, &KEY);
            assert_eq!(
                finding.difference.as_deref(),
                Some("line 4, column `median`: stored `-94.26`, recomputed `-94.25`")
            );
        }
    }

    #[test]
    fn last_digits_matter_only_where_bits_are_due() {
        let changed = STORED.replace("-94.25", "-94.2500000001");
        assert!(
            tables(&changed, STORED, &Due::Bits, &KEY)
                .difference
                .is_some()
        );
        assert_eq!(
            tables(&changed, STORED, &tolerant(&[]), &KEY).difference,
            None
        );
    }

    #[test]
    fn rows_of_exploding_grid_points_are_left_unjudged() {
        let changed = STORED.replace("-94.25", "17");
        let finding = tables(&changed, STORED, &tolerant(&[["rnn", "2"]]), &KEY);
        assert_eq!((finding.difference, finding.unjudged), (None, 2));
    }

    #[test]
    fn missing_and_additional_rows_are_differences() {
        let shorter = STORED.trim_end_matches("rnn,2,1,-94.25\n");
        for due in [Due::Bits, tolerant(&[])] {
            assert!(tables(shorter, STORED, &due, &KEY).difference.is_some());
            assert!(tables(STORED, shorter, &due, &KEY).difference.is_some());
        }
    }

    #[test]
    fn bytes_that_differ_in_no_field_differ_all_the_same() {
        let quoted = STORED.replace("rnn,0.5", "\"rnn\",0.5");
        let found = tables(&quoted, STORED, &Due::Bits, &KEY).difference;
        assert_eq!(
            found.as_deref(),
            Some("the bytes differ, the fields do not")
        );
    }

    #[test]
    fn arrays_are_compared_by_their_bits() {
        assert_eq!(arrays("h", &[0.5, -0.0], &[0.5, -0.0], &Due::Bits), None);
        assert_eq!(
            arrays("h", &[0.5, -0.0], &[0.5, 0.0], &Due::Bits).as_deref(),
            Some("array `h`, value 1: stored -0.0, recomputed 0.0")
        );
        let zero = f64::NEG_INFINITY;
        assert_eq!(
            arrays("h", &[zero, -0.0], &[zero, 0.0], &tolerant(&[])),
            None
        );
        assert!(arrays("h", &[zero], &[-300.0], &tolerant(&[])).is_some());
    }
}
