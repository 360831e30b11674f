//! Rows to CSV text and back.

use std::borrow::Borrow;
use std::fmt::Write;

use thiserror::Error;

use super::Key;
use super::number::{format_digits, write_number};

/// The rows of one CSV file, with the names of the factor columns they share.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<R> {
    /// Names of the factor columns: the sweep keys, in sweep order. Empty for files without factors.
    pub factors: Vec<String>,
    /// The rows, in file order. Each key has one value per factor.
    pub rows: Vec<R>,
}

/// A kind of row: the file it belongs to, its columns, and how its fields are written and read.
///
/// The header is `BEFORE`, then the factors, then `AFTER` and `APPENDED`.
pub trait Row: Sized {
    /// The file name in the results folder, such as `curves.csv`.
    const FILE: &'static str;
    /// Columns before the factor columns.
    const BEFORE: &'static [&'static str];
    /// Columns after the factor columns.
    const AFTER: &'static [&'static str];
    /// Columns after those, which files that are older than they lack.
    const APPENDED: &'static [&'static str] = &[];
    /// Whether the file has factor columns.
    const HAS_FACTORS: bool;

    /// Writes the fields in column order, factors included.
    fn write(&self, fields: &mut FieldWriter);

    /// Reads the fields in column order.
    ///
    /// # Errors
    ///
    /// A [`TableError`] that names the file, line and column of the first field that does not fit.
    fn read(fields: &mut FieldReader<'_>) -> Result<Self, TableError>;
}

/// Why a text is not the CSV file it should be.
#[derive(Debug, Error, PartialEq)]
pub enum TableError {
    /// The header does not have the columns of this file.
    #[error("{file}, line 1: expected the columns `{expected}`, found `{found}`")]
    Header {
        /// The file.
        file: &'static str,
        /// The columns it should have.
        expected: String,
        /// The header it has.
        found: String,
    },
    /// A record that is no CSV, or has more or fewer fields than the header.
    #[error("{file}, line {line}: {reason}")]
    Record {
        /// The file.
        file: &'static str,
        /// The line, counted from 1.
        line: u64,
        /// What the CSV parser met.
        reason: String,
    },
    /// A field that is not of its column's type.
    #[error("{file}, line {line}, column `{column}`: expected {expected}, found `{found}`")]
    Field {
        /// The file.
        file: &'static str,
        /// The line, counted from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What the column holds.
        expected: &'static str,
        /// What was found.
        found: String,
    },
}

impl<R: Row> Table<R> {
    /// A table without rows.
    pub fn new(factors: Vec<String>) -> Self {
        Self {
            factors,
            rows: Vec::new(),
        }
    }

    /// The text of the file: a header and one line per row, each ended by `\n`.
    ///
    /// # Panics
    ///
    /// If a row has more or fewer factor values than the table has factors.
    pub fn to_csv(&self) -> String {
        self.header() + &self.lines()
    }

    /// The first line of the file, ended by `\n`.
    pub fn header(&self) -> String {
        let factors: &[String] = if R::HAS_FACTORS { &self.factors } else { &[] };
        let mut fields = FieldWriter::new();
        let factors: Vec<&str> = factors.iter().map(String::as_str).collect();
        for name in [R::BEFORE, &factors, R::AFTER, R::APPENDED].concat() {
            fields.write_text(name);
        }
        fields.end_line();
        fields.finish()
    }

    /// The lines after the first, one per row, each ended by `\n`. Those of several tables with the
    /// same factors, one after the other, are those of the table of all their rows.
    ///
    /// # Panics
    ///
    /// If a row has more or fewer factor values than the table has factors.
    pub fn lines(&self) -> String {
        self.lines_of(self.rows.iter())
    }

    /// The lines of `rows`, which the table does not hold, in parts of some hundred kilobytes: for what
    /// is too much to hold as rows, or to hold at all.
    ///
    /// # Panics
    ///
    /// If a row has more or fewer factor values than the table has factors.
    pub fn lines_in_parts(
        &self,
        rows: impl IntoIterator<Item = R>,
    ) -> impl Iterator<Item = String> {
        const ROWS: usize = 4096;
        let mut rows = rows.into_iter();
        let part = move || Some(self.lines_of(rows.by_ref().take(ROWS)));
        std::iter::from_fn(part).take_while(|part| !part.is_empty())
    }

    fn lines_of(&self, rows: impl Iterator<Item: Borrow<R>>) -> String {
        let factors = if R::HAS_FACTORS {
            self.factors.len()
        } else {
            0
        };
        let columns = R::BEFORE.len() + factors + R::AFTER.len() + R::APPENDED.len();
        let mut fields = FieldWriter::new();
        for row in rows {
            row.borrow().write(&mut fields);
            assert_eq!(fields.in_line, columns, "one value per column");
            fields.end_line();
        }
        fields.finish()
    }

    /// Reads the text of the file; the inverse of [`to_csv`](Self::to_csv) up to the 12 digits kept.
    ///
    /// # Errors
    ///
    /// A [`TableError`] for the first place where the text is not such a file.
    pub fn from_csv(text: &str) -> Result<Self, TableError> {
        let mut rows = Vec::new();
        let factors = Self::for_each(text, |row| rows.push(row))?;
        Ok(Self { factors, rows })
    }

    /// Reads the text of the file row by row, for what need not be held at once, and returns the names
    /// of its factor columns.
    ///
    /// # Errors
    ///
    /// As [`from_csv`](Self::from_csv), after the rows before that place.
    pub fn for_each(text: &str, mut visit: impl FnMut(R)) -> Result<Vec<String>, TableError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let record_error = |error: &csv::Error| TableError::Record {
            file: R::FILE,
            line: error.position().map_or(1, csv::Position::line),
            reason: describe(error),
        };
        let header: Vec<String> = reader
            .headers()
            .map_err(|error| record_error(&error))?
            .iter()
            .map(String::from)
            .collect();
        let factors = factors_of::<R>(&header)?;
        for record in reader.records() {
            let record = record.map_err(|error| record_error(&error))?;
            visit(R::read(&mut FieldReader {
                file: R::FILE,
                header: &header,
                factors: factors.len(),
                record: &record,
                next: 0,
            })?);
        }
        Ok(factors)
    }
}

/// The header's columns between those every file of this kind has.
fn factors_of<R: Row>(header: &[String]) -> Result<Vec<String>, TableError> {
    let names = |columns: &[&str]| {
        columns
            .iter()
            .map(|&name| name.into())
            .collect::<Vec<String>>()
    };
    let ends = [names(&[R::AFTER, R::APPENDED].concat()), names(R::AFTER)];
    let factors = header
        .strip_prefix(&names(R::BEFORE)[..])
        .and_then(|rest| ends.iter().find_map(|end| rest.strip_suffix(&end[..])))
        .filter(|factors| R::HAS_FACTORS || factors.is_empty());
    factors.map(<[String]>::to_vec).ok_or_else(|| {
        let middle: &[&str] = if R::HAS_FACTORS { &["<factors>"] } else { &[] };
        TableError::Header {
            file: R::FILE,
            expected: [R::BEFORE, middle, R::AFTER, R::APPENDED]
                .concat()
                .join(","),
            found: header.join(","),
        }
    })
}

pub(super) fn describe(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("expected {expected_len} fields, found {len}"),
        _ => error.to_string(),
    }
}

/// A value that is one field of a record.
pub trait Field: Sized {
    /// What such a field holds, for error messages.
    const EXPECTED: &'static str;

    /// Appends the field's text.
    fn write(&self, text: &mut String);

    /// Reads the field's text; `None` if it is no such value.
    fn from_field(text: &str) -> Option<Self>;
}

impl Field for String {
    const EXPECTED: &'static str = "text";

    fn write(&self, text: &mut String) {
        text.push_str(self);
    }

    fn from_field(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Field for usize {
    const EXPECTED: &'static str = "a whole number";

    fn write(&self, text: &mut String) {
        let _ = write!(text, "{self}"); // into memory, which cannot fail
    }

    fn from_field(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// `inf` and `-inf` are numbers, `NaN` is not.
impl Field for f64 {
    const EXPECTED: &'static str = "a number";

    fn write(&self, text: &mut String) {
        write_number(*self, text);
    }

    fn from_field(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| !number.is_nan())
    }
}

/// A number written with 15 significant digits, which keeps nine decimals of a logarithm in the
/// hundred thousands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precise(pub f64);

impl Field for Precise {
    const EXPECTED: &'static str = f64::EXPECTED;

    fn write(&self, text: &mut String) {
        text.push_str(&format_digits(self.0, 15));
    }

    fn from_field(text: &str) -> Option<Self> {
        f64::from_field(text).map(Precise)
    }
}

/// Empty where the value is not defined.
impl<T: Field> Field for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn write(&self, text: &mut String) {
        if let Some(value) = self {
            value.write(text);
        }
    }

    fn from_field(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(None);
        }
        T::from_field(text).map(Some)
    }
}

/// Lines of fields, written one after the other.
#[derive(Debug)]
pub struct FieldWriter {
    writer: csv::Writer<Vec<u8>>,
    /// Of the field being written, reused from one to the next.
    text: String,
    /// How many fields the line has so far.
    in_line: usize,
}

impl FieldWriter {
    fn new() -> Self {
        Self {
            writer: csv::Writer::from_writer(Vec::new()),
            text: String::new(),
            in_line: 0,
        }
    }

    /// Writes the next field.
    pub fn write<T: Field>(&mut self, value: &T) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        value.write(&mut text);
        self.write_text(&text);
        self.text = text;
    }

    /// Writes the next fields: the cell's label and one value per factor.
    pub fn write_key(&mut self, key: &Key) {
        self.write_text(&key.cell);
        for value in &key.factors {
            self.write_text(value);
        }
    }

    fn write_text(&mut self, text: &str) {
        let written = self.writer.write_field(text);
        written.expect("writing to memory cannot fail");
        self.in_line += 1;
    }

    fn end_line(&mut self) {
        let written = self.writer.write_record(None::<&[u8]>);
        written.expect("writing to memory cannot fail");
        self.in_line = 0;
    }

    fn finish(self) -> String {
        let bytes = self.writer.into_inner();
        let bytes = bytes.expect("writing to memory cannot fail");
        String::from_utf8(bytes).expect("fields are UTF-8")
    }
}

/// The fields of one record, read one after the other.
#[derive(Debug)]
pub struct FieldReader<'a> {
    file: &'static str,
    header: &'a [String],
    factors: usize,
    record: &'a csv::StringRecord,
    next: usize,
}

impl FieldReader<'_> {
    /// The next field.
    ///
    /// # Errors
    ///
    /// If its text is not such a value.
    pub fn read<T: Field>(&mut self) -> Result<T, TableError> {
        // The csv reader has already checked that a record has as many fields as the header.
        let column = self.next;
        self.next += 1;
        let text = &self.record[column];
        T::from_field(text).ok_or_else(|| TableError::Field {
            file: self.file,
            line: self.record.position().map_or(0, csv::Position::line),
            column: self.header[column].clone(),
            expected: T::EXPECTED,
            found: text.to_owned(),
        })
    }

    /// The next field, of a column that an older file lacks.
    ///
    /// # Errors
    ///
    /// If its text is not such a value.
    pub fn read_appended<T: Field>(&mut self) -> Result<Option<T>, TableError> {
        if self.next < self.record.len() {
            self.read()
        } else {
            Ok(None)
        }
    }

    /// The next fields as the cell's label and one value per factor.
    ///
    /// # Errors
    ///
    /// Never: labels and factor values are text.
    pub fn read_key(&mut self) -> Result<Key, TableError> {
        Ok(Key {
            cell: self.read()?,
            factors: self.read_factors()?,
        })
    }

    /// The next fields as one value per factor.
    ///
    /// # Errors
    ///
    /// Never: factor values are text.
    pub fn read_factors(&mut self) -> Result<Vec<String>, TableError> {
        (0..self.factors).map(|_| self.read()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{CurveRow, FitRow, GradientRow, SeriesRow, format_number};
    use super::*;

    fn error<R: Row + std::fmt::Debug>(text: &str) -> String {
        Table::<R>::from_csv(text).unwrap_err().to_string()
    }

    #[test]
    fn rewriting_a_file_changes_nothing() {
        let table = Table {
            factors: vec!["odd, \"name\"".into()],
            rows: (0..50)
                .map(|unit| SeriesRow {
                    key: Key {
                        cell: "a\nb".into(),
                        factors: vec!["σ, \"x\"".into()],
                    },
                    series: "h".into(),
                    unit,
                    t: unit * unit,
                    value: (unit as f64 * 0.7).sin() * 10f64.powi(unit as i32 - 25),
                })
                .collect(),
        };
        let text = table.to_csv();
        let reread = Table::<SeriesRow>::from_csv(&text).unwrap();
        assert_eq!(reread.to_csv(), text);
    }

    #[test]
    fn lines_in_parts_are_the_lines() {
        let row = |t: usize| GradientRow {
            run_id: "lstm-0".into(),
            quantity: "h".into(),
            t,
            lag: 10_000 - t,
            log10_norm: -0.25 * t as f64,
        };
        for count in [0, 1, 4096, 10_000] {
            let table = Table {
                factors: Vec::new(),
                rows: (0..count).map(row).collect(),
            };
            let alone = Table::new(Vec::new());
            let parts: Vec<String> = alone.lines_in_parts((0..count).map(row)).collect();
            assert_eq!(parts.concat(), table.lines());
            // None is as long as a long table.
            assert!(parts.iter().all(|part| part.lines().count() <= 4096));
        }
    }

    #[test]
    fn empty_table_keeps_its_factors() {
        let table = Table::<CurveRow>::new(vec!["cell.hidden".into()]);
        assert_eq!(Table::from_csv(&table.to_csv()), Ok(table));
    }

    #[test]
    fn wrong_header_is_named_with_what_was_expected() {
        let expected = "series.csv, line 1: expected the columns \
                        `cell,<factors>,series,unit,t,value`, found `cell,series,unit,t`";
        assert_eq!(error::<SeriesRow>("cell,series,unit,t\n"), expected);
        assert!(error::<SeriesRow>("").starts_with("series.csv, line 1: expected the columns"));
        assert!(
            error::<GradientRow>("run_id,quantity,t,lag,log10_norm,extra\n").contains("line 1")
        );
    }

    #[test]
    fn wrong_field_is_named_by_line_and_column() {
        let header = "cell,series,unit,t,value\nlstm,h,0,1,0.5\n";
        assert_eq!(
            error::<SeriesRow>(&format!("{header}lstm,h,-1,1,0.5\n")),
            "series.csv, line 3, column `unit`: expected a whole number, found `-1`"
        );
        assert_eq!(
            error::<SeriesRow>(&format!("{header}lstm,h,0,1,NaN\n")),
            "series.csv, line 3, column `value`: expected a number, found `NaN`"
        );
        assert_eq!(
            error::<SeriesRow>(&format!("{header}lstm,h,0,1,\n")),
            "series.csv, line 3, column `value`: expected a number, found ``"
        );
        let fits = Table::<FitRow>::new(vec![]).to_csv() + "lstm,h,x,,,,,,,,zero,0,,,,,\n";
        assert_eq!(
            error::<FitRow>(&fits),
            "fits.csv, line 2, column `rate`: expected a number, found `x`"
        );
    }

    #[test]
    fn truncated_record_is_named_by_line() {
        assert_eq!(
            error::<SeriesRow>("cell,series,unit,t,value\nlstm,h,0\n"),
            "series.csv, line 2: expected 5 fields, found 3"
        );
    }

    /// What is left of a number when 12 digits are kept, of any number but NaN.
    fn kept(number: f64) -> f64 {
        let kept: f64 = format_number(number).parse().unwrap();
        assert!(kept == number || (kept - number).abs() <= 5e-12 * number.abs());
        kept
    }

    fn number() -> impl Strategy<Value = f64> {
        use proptest::num::f64::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
        POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE
    }

    /// A row in a table of two factors.
    fn fit() -> impl Strategy<Value = FitRow> {
        let texts = prop::array::uniform6(any::<String>());
        let numbers = prop::array::uniform7(prop::option::of(number()));
        let counts = (any::<Option<usize>>(), any::<usize>());
        (texts, numbers, counts).prop_map(|(texts, numbers, (f32_zero_lag, n))| {
            let [cell, first, second, quantity, verdict, predicted_by] = texts;
            let [
                rate,
                rate_low,
                rate_high,
                half_life,
                r_squared,
                early_rate,
                late_rate,
            ] = numbers;
            FitRow {
                key: Key {
                    cell,
                    factors: vec![first, second],
                },
                quantity,
                rate,
                rate_low,
                rate_high,
                half_life,
                r_squared,
                early_rate,
                late_rate,
                f32_zero_lag,
                verdict,
                n,
                predicted_rate: rate_low,
                difference_in_se: early_rate,
                predicted_by,
                f64_zero_lag: f32_zero_lag,
                exact_zero_lag: f32_zero_lag,
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rows_are_read_back_with_twelve_digits(
            factors in prop::array::uniform2(any::<String>()),
            rows in prop::collection::vec(fit(), 0..9),
        ) {
            let table = Table { factors: factors.into(), rows };
            let mut expected = table.clone();
            for row in &mut expected.rows {
                let rates = [&mut row.rate, &mut row.rate_low, &mut row.rate_high];
                let others = [&mut row.half_life, &mut row.r_squared];
                let parts = [&mut row.early_rate, &mut row.late_rate];
                let theory = [&mut row.predicted_rate, &mut row.difference_in_se];
                let all = rates.into_iter().chain(others).chain(parts).chain(theory);
                for number in all.flatten() {
                    *number = kept(*number);
                }
            }
            prop_assert_eq!(Table::from_csv(&table.to_csv()), Ok(expected));
        }
    }
}
