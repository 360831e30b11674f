//! A CSV file read by the names of its columns, whatever else it has: for showing, not for computing.

use super::TableError;
use super::codec::describe;

/// The fields of a CSV file as text.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTable {
    file: &'static str,
    /// The names of the columns.
    pub header: Vec<String>,
    /// The fields, one per column.
    pub rows: Vec<Vec<String>>,
}

impl NamedTable {
    /// Reads the text of `file`.
    ///
    /// # Errors
    ///
    /// If the text is no CSV, or a row has more or fewer fields than there are columns.
    pub fn from_csv(file: &'static str, text: &str) -> Result<Self, TableError> {
        Self::from_rows(file, text, |_| true)
    }

    /// The same of those rows only that are kept.
    ///
    /// # Errors
    ///
    /// As of [`from_csv`](Self::from_csv), of other rows too.
    pub fn from_rows(
        file: &'static str,
        text: &str,
        mut is_kept: impl FnMut(&csv::StringRecord) -> bool,
    ) -> Result<Self, TableError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let problem = |error: &csv::Error| TableError::Record {
            file,
            line: error.position().map_or(1, csv::Position::line),
            reason: describe(error),
        };
        let owned = |record: &csv::StringRecord| record.iter().map(String::from).collect();
        let header = owned(reader.headers().map_err(|error| problem(&error))?);
        let mut rows = Vec::new();
        let mut record = csv::StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|error| problem(&error))?
        {
            if is_kept(&record) {
                rows.push(owned(&record));
            }
        }
        Ok(Self { file, header, rows })
    }

    /// Where a column is.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn column(&self, name: &str) -> Result<usize, TableError> {
        let found = self.header.iter().position(|column| column == name);
        found.ok_or_else(|| TableError::Header {
            file: self.file,
            expected: format!("…,{name},…"),
            found: self.header.join(","),
        })
    }

    /// The file.
    pub fn file(&self) -> &'static str {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_wherever_they_are() {
        let table = NamedTable::from_csv("fits.csv", "cell,new,rate\nlstm,\"a,b\",-1\n").unwrap();
        assert_eq!(table.column("rate"), Ok(2));
        assert_eq!(table.rows, [["lstm", "a,b", "-1"]]);
        let missing = table.column("half_life").unwrap_err().to_string();
        assert!(
            missing.contains("fits.csv") && missing.contains("half_life"),
            "{missing}"
        );
    }

    #[test]
    fn a_short_row_is_refused_with_its_line() {
        let error = NamedTable::from_csv("fits.csv", "a,b\n1,2\n3\n").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
