//! A table of figures with intervals, and its four forms: terminal, Markdown,
//! CSV and JSON.

use anyhow::{Context, Result};
use dl_eval::stats;
use serde::{Deserialize, Serialize};

use super::form::Form;

/// A figure with its 95 % interval, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Low and high end.
    pub interval: Option<(f64, f64)>,
    /// How it stands against the row that the table compares with, where that is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<Versus>,
}

impl Estimate {
    /// A figure that is compared with nothing yet.
    pub fn new(value: f64, interval: Option<(f64, f64)>) -> Self {
        Self { value, interval, versus: None }
    }
}

/// The outcome of a test against the row that a table compares with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// Two-sided p, corrected for the number of rows (Holm).
    pub p: f64,
    /// Whether the figure is the better one.
    pub better: bool,
}

impl Versus {
    /// The tests of one column, a p and whether the row is better, with Holm's correction
    /// over all of them. `None` is a row that is not tested.
    pub fn family(tests: &[Option<(f64, bool)>]) -> Vec<Option<Self>> {
        let p: Vec<f64> = tests.iter().flatten().map(|&(p, _)| p).collect();
        let mut corrected = stats::holm(&p).into_iter();
        tests
            .iter()
            .map(|test| {
                let (_, better) = (*test)?;
                Some(Self { p: corrected.next()?, better })
            })
            .collect()
    }

    /// Whether the figure is better or worse than the other row's; `None` where the test
    /// cannot tell.
    pub fn verdict(self) -> Option<bool> {
        (self.p <= 0.05).then_some(self.better)
    }

    /// ▲, ▼ or a blank.
    pub(super) fn mark(self) -> &'static str {
        match self.verdict() {
            Some(true) => "▲",
            Some(false) => "▼",
            None => " ",
        }
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The metric's name in `metrics.jsonl`.
    pub key: String,
    /// The head, as people read it.
    pub title: String,
    /// Digits after the point.
    pub decimals: usize,
}

/// One row: a label and a cell for each column; `None` is "not defined here".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub label: String,
    /// The figures.
    pub cells: Vec<Option<Estimate>>,
}

/// A table that says what it is over: notes carry n, id hash, seeds and intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// File name without ending: `t1`.
    pub name: String,
    /// One line above the table.
    pub title: String,
    /// The columns after the label.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Lines below the table.
    pub notes: Vec<String>,
}

impl Table {
    /// Some of its rows, by their labels, and columns, by their keys, in the order asked for.
    /// Of the notes it keeps the first, what the table is over, and what the marks mean.
    ///
    /// # Errors
    /// For a row or column that is not there; the others are listed.
    pub fn excerpt(&self, rows: &[&str], columns: &[&str]) -> Result<Self> {
        let labels: Vec<&str> = self.rows.iter().map(|row| row.label.as_str()).collect();
        let keys: Vec<&str> = self.columns.iter().map(|column| column.key.as_str()).collect();
        let (rows, columns) = (places("row", rows, &labels)?, places("column", columns, &keys)?);
        let row = |&place: &usize| Row {
            label: self.rows[place].label.clone(),
            cells: columns.iter().map(|&column| self.rows[place].cells[column]).collect(),
        };
        let is_kept = |(place, note): &(usize, &String)| *place == 0 || note.starts_with('▲');
        Ok(Self {
            name: self.name.clone(),
            title: self.title.clone(),
            columns: columns.iter().map(|&column| self.columns[column].clone()).collect(),
            rows: rows.iter().map(row).collect(),
            notes: self
                .notes
                .iter()
                .enumerate()
                .filter(is_kept)
                .map(|(_, note)| note.clone())
                .collect(),
        })
    }

    /// Aligned columns for a terminal; half the interval's width stands behind
    /// each figure.
    pub fn to_text(&self) -> String {
        let grid = self.grid(|estimate, column, tested| {
            let decimals = self.columns[column].decimals;
            let figure = format!("{:.decimals$}", estimate.value);
            // Every cell of a tested column has room for a mark, so that figures align.
            let room = if tested { " " } else { "" };
            let mark = estimate.versus.map_or(room, Versus::mark);
            match estimate.interval.map(|(low, high)| (high - low) / 2.0) {
                Some(half) => format!("{figure}{mark} ±{half:.decimals$}"),
                None => format!("{figure}{mark}"),
            }
        });
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|column| grid.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = format!("{}\n\n", self.title);
        for row in &grid {
            for (column, (entry, width)) in row.iter().zip(&widths).enumerate() {
                let entry = if column == 0 {
                    format!("{entry:width$}")
                } else {
                    format!("  {entry:>width$}")
                };
                text.push_str(&entry);
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text.push('\n');
        for note in &self.notes {
            text.push_str(&format!("{note}\n"));
        }
        text
    }

    /// A Markdown table; the interval stands below each figure.
    pub fn to_markdown(&self) -> String {
        self.markdown().whole()
    }

    /// [`Table::to_markdown`] by rows.
    pub(super) fn markdown(&self) -> Form {
        let mut lines = self
            .grid(|estimate, column, _| {
                let decimals = self.columns[column].decimals;
                let mark = estimate.versus.map_or("", Versus::mark).trim();
                let figure = format!("{:.decimals$}{mark}", estimate.value);
                match estimate.interval {
                    Some((low, high)) => {
                        format!("{figure}<br><sub>{low:.decimals$} – {high:.decimals$}</sub>")
                    }
                    None => figure,
                }
            })
            .into_iter()
            .map(|row| format!("| {} |\n", row.join(" | ")));
        let head = lines.next().unwrap_or_default();
        let rule = "---:|".repeat(self.columns.len());
        let notes = self.notes.iter().map(|note| format!("{note}  \n")).collect::<String>();
        Form {
            head: format!("**{}**\n\n{head}|---|{rule}\n", self.title),
            rows: lines.collect(),
            foot: format!("\n{notes}"),
        }
    }

    /// CSV with three columns for each metric: value, low, high; a fourth where rows are
    /// tested: p. Full precision.
    pub fn to_csv(&self) -> String {
        self.csv().whole()
    }

    /// [`Table::to_csv`] by rows.
    pub(super) fn csv(&self) -> Form {
        let mut head = vec!["row".to_owned()];
        for (index, Column { key, .. }) in self.columns.iter().enumerate() {
            head.extend([key.clone(), format!("{key}_low"), format!("{key}_high")]);
            head.extend(self.is_tested(index).then(|| format!("{key}_p")));
        }
        let record = |row: &Row| {
            let mut record = vec![row.label.clone()];
            for (index, cell) in row.cells.iter().enumerate() {
                let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
                let interval = cell.as_ref().and_then(|cell| cell.interval);
                record.extend([
                    number(cell.as_ref().map(|cell| cell.value)),
                    number(interval.map(|(low, _)| low)),
                    number(interval.map(|(_, high)| high)),
                ]);
                let p = cell.as_ref().and_then(|cell| cell.versus).map(|versus| versus.p);
                record.extend(self.is_tested(index).then(|| number(p)));
            }
            csv_line(&record)
        };
        Form {
            head: csv_line(&head),
            rows: self.rows.iter().map(record).collect(),
            foot: String::new(),
        }
    }

    /// Whether any row of a column is tested against another.
    pub fn is_tested(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row.cells[column].is_some_and(|cell| cell.versus.is_some()))
    }

    /// The head and the rows; `cell` gets a figure, its column and whether that is tested.
    pub(super) fn grid(&self, cell: impl Fn(&Estimate, usize, bool) -> String) -> Vec<Vec<String>> {
        let tested: Vec<bool> =
            (0..self.columns.len()).map(|index| self.is_tested(index)).collect();
        let head = std::iter::once(String::new())
            .chain(self.columns.iter().map(|column| column.title.clone()))
            .collect();
        let body = self.rows.iter().map(|row| {
            let cells = row.cells.iter().enumerate().map(|(index, entry)| {
                entry.as_ref().map_or_else(|| "–".into(), |entry| cell(entry, index, tested[index]))
            });
            std::iter::once(row.label.clone()).chain(cells).collect()
        });
        std::iter::once(head).chain(body).collect()
    }
}

fn csv_line(record: &[String]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(record);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// Where each of `wanted` stands among `known`.
fn places(what: &str, wanted: &[&str], known: &[&str]) -> Result<Vec<usize>> {
    let place = |name: &&str| {
        let found = known.iter().position(|known| known == name);
        found.with_context(|| format!("no {what} '{name}'; there are {}", known.join(", ")))
    };
    wanted.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let tests = [None, Some((0.02, true)), Some((0.01, false)), Some((0.5, true))];
        let rows = Versus::family(&tests).into_iter().enumerate().map(|(index, versus)| Row {
            label: format!("row {index}"),
            cells: vec![
                Some(Estimate { versus, ..Estimate::new(0.25, Some((0.0, 0.5))) }),
                Some(Estimate::new(1.0, None)),
            ],
        });
        let column = |key: &str| Column { key: key.into(), title: key.into(), decimals: 2 };
        Table {
            name: "toy".into(),
            title: "toy".into(),
            columns: vec![column("tested"), column("plain")],
            rows: rows.collect(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn marks_stand_behind_figures_that_differ_after_correction() {
        // Holm: 0.01 * 3, 0.02 * 2, 0.5.
        let text = table().to_text();
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines[..4],
            [
                "row 0  0.25  ±0.25   1.00",
                "row 1  0.25▲ ±0.25   1.00",
                "row 2  0.25▼ ±0.25   1.00",
                "row 3  0.25  ±0.25   1.00",
            ]
        );
        let markdown = table().to_markdown();
        assert!(markdown.contains("| row 1 | 0.25▲<br><sub>0.00 – 0.50</sub> | 1.00 |"));
        assert!(markdown.contains("| row 3 | 0.25<br>"), "{markdown}");
    }

    #[test]
    fn an_excerpt_has_the_rows_and_columns_that_are_asked_for() {
        let mut whole = table();
        whole.notes = ["over 4 clips", "what a column is", "▲ better"].map(String::from).into();
        let part = whole.excerpt(&["row 2", "row 0"], &["plain"]).unwrap();
        let labels: Vec<&str> = part.rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["row 2", "row 0"]);
        assert_eq!(part.rows[0].cells, [Some(Estimate::new(1.0, None))]);
        assert_eq!(part.notes, ["over 4 clips", "▲ better"]);
        let error = whole.excerpt(&["row 9"], &["plain"]).unwrap_err().to_string();
        assert_eq!(error, "no row 'row 9'; there are row 0, row 1, row 2, row 3");
        assert!(whole.excerpt(&["row 0"], &["gone"]).is_err());
    }

    #[test]
    fn csv_has_a_column_of_p_where_rows_are_tested() {
        let csv = table().to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(
            lines[0],
            "row,tested,tested_low,tested_high,tested_p,plain,plain_low,plain_high"
        );
        assert_eq!(lines[1], "row 0,0.25,0,0.5,,1,,");
        assert_eq!(lines[2], "row 1,0.25,0,0.5,0.04,1,,");
    }

    #[test]
    fn figures_kept_without_a_test_still_read() {
        let old = r#"{"value":0.5,"interval":[0.25,0.75]}"#;
        let estimate: Estimate = serde_json::from_str(old).unwrap();
        assert_eq!(estimate, Estimate::new(0.5, Some((0.25, 0.75))));
        assert_eq!(serde_json::to_string(&estimate).unwrap(), old);
    }
}
