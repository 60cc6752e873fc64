//! CSV tables of captions as people have them: checked for what editors and spreadsheets do
//! to them, every fault with its line.

use std::path::{Path, PathBuf};

use csv::StringRecord;
use dl_core::{FileError, text};

/// A table with a first line of column names.
pub(crate) struct Table {
    path: PathBuf,
    header: StringRecord,
    rows: Vec<StringRecord>,
    /// The lines on which fields over several lines begin.
    long: Vec<usize>,
}

/// A row of a table.
#[derive(Clone, Copy)]
pub(crate) struct TableRow<'t> {
    table: &'t Table,
    record: &'t StringRecord,
}

impl Table {
    /// Reads a file: UTF-8 with or without a byte-order mark, any line ends.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read, a quotation mark is not closed, or a row has
    /// more or fewer fields than the first.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let fault = |problem: String| FileError::invalid(path, problem);
        let text = text::read(path)?;
        let long = text::csv_quotes(&text).map_err(fault)?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let unreadable = |error: csv::Error| {
            let line = error.position().map_or(String::new(), |at| format!("line {}: ", at.line()));
            let problem = match error.kind() {
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
                    "has {len} fields, but the first line names {expected_len}; put a field that \
                     has a comma in it between quotation marks"
                ),
                _ => format!("is not readable as CSV ({error}); save it as comma-separated UTF-8"),
            };
            fault(format!("{line}{problem}"))
        };
        let header = reader.headers().map_err(unreadable)?.clone();
        let rows = reader.records().collect::<Result<_, _>>().map_err(unreadable)?;
        let long = long.into_iter().map(|field| field.line).collect();
        Ok(Self { path: path.into(), header, rows, long })
    }

    /// How many rows there are below the first line.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of a column, whose name may be written in capitals too.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|found| found.trim().eq_ignore_ascii_case(name))
    }

    /// The places of columns that must be there.
    ///
    /// # Errors
    /// [`FileError::Invalid`] naming the first that is missing, and all that are needed.
    pub(crate) fn columns<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[usize; N], FileError> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.column(name).ok_or_else(|| {
                let found: Vec<&str> = self.header.iter().collect();
                let found = if found.is_empty() { "nothing".into() } else { found.join(", ") };
                self.fault(format!(
                    "column `{name}` is missing (found {found}); it needs the columns {}, named in \
                     its first line",
                    names.join(", ")
                ))
            })?;
        }
        Ok(places)
    }

    /// The rows in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = TableRow<'_>> {
        self.rows.iter().map(|record| TableRow { table: self, record })
    }

    /// What is wrong with the file.
    pub(crate) fn fault(&self, problem: impl Into<String>) -> FileError {
        FileError::invalid(&self.path, problem)
    }

    /// A sentence on the fields that go over several lines, where there are any: they may be
    /// meant so.
    pub(crate) fn warning(&self) -> Option<String> {
        let (first, more) = (self.long.first()?, self.long.len() - 1);
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        Some(format!(
            "{}: the field that begins on line {first}{more} goes over several lines; its lines \
             are joined by spaces. If that is not meant, close its quotation mark",
            self.path.display()
        ))
    }
}

impl<'t> TableRow<'t> {
    /// Its line in the file, from 1.
    pub(crate) fn line(self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// What is wrong with it.
    pub(crate) fn fault(self, problem: impl std::fmt::Display) -> FileError {
        self.table.fault(format!("line {}: {problem}", self.line()))
    }

    /// A field as it is, without spaces around it; none where it is empty.
    pub(crate) fn get(self, column: usize) -> Option<&'t str> {
        self.record.get(column).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A field that must not be empty.
    ///
    /// # Errors
    /// [`FileError::Invalid`] naming line and column.
    pub(crate) fn required(self, column: usize) -> Result<&'t str, FileError> {
        self.get(column).ok_or_else(|| {
            let name = self.table.header.get(column).unwrap_or_default().trim();
            self.fault(format!("the {name} is empty; fill it in or delete the row"))
        })
    }

    /// A caption that must not be empty, as one line.
    ///
    /// # Errors
    /// As [`TableRow::required`].
    pub(crate) fn caption(self, column: usize) -> Result<String, FileError> {
        self.required(column).map(one_line)
    }
}

/// A caption on one line, its lines joined by spaces.
pub(crate) fn one_line(caption: &str) -> String {
    if !caption.contains(['\n', '\r']) {
        return caption.into();
    }
    let lines = caption.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(bytes: &[u8]) -> Result<Table, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let name = format!("{}: ", file.path().display());
        Table::read(file.path()).map_err(|error| error.to_string().replacen(&name, "", 1))
    }

    #[test]
    fn what_editors_do_to_a_table_is_undone() {
        let bytes =
            b"\xef\xbb\xbfID,Caption\r\n-a,\"say \"\"hi\"\",\r\nthen go\"\r\n b , rain \r\n";
        let table = table(bytes).unwrap();
        let [id, caption] = table.columns(["id", "caption"]).unwrap();
        let rows: Vec<(u64, &str, String)> = table
            .rows()
            .map(|row| (row.line(), row.get(id).unwrap(), row.caption(caption).unwrap()))
            .collect();
        assert_eq!(rows, [(2, "-a", "say \"hi\", then go".into()), (4, "b", "rain".into())]);
        assert!(table.warning().unwrap().contains("begins on line 2 goes over"));
    }

    #[test]
    fn faults_name_line_and_remedy() {
        let fault = |bytes: &[u8]| table(bytes).err().unwrap();
        let text = fault(b"id,caption\na,rain, and wind\n");
        assert!(
            text.starts_with("line 2: has 3 fields, but the first line names 2; put"),
            "{text}"
        );
        let text = fault(b"id,caption\na,\"rain\nb,wind\n");
        assert!(text.starts_with("line 2: the quoted field"), "{text}");
        let found = table(b"id,text\na,\nb,x\n").unwrap();
        let text = found.columns(["id", "caption"]).unwrap_err().to_string();
        assert!(text.contains("column `caption` is missing (found id, text); it needs"), "{text}");
        let row = found.rows().next().unwrap();
        let text = row.required(1).unwrap_err().to_string();
        assert!(
            text.ends_with("line 2: the text is empty; fill it in or delete the row"),
            "{text}"
        );
    }
}
