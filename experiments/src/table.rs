//! A table of figures with intervals, and its four forms: terminal, Markdown,
//! CSV and JSON.

use serde::{Deserialize, Serialize};

/// A figure with its 95 % interval, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Low and high end.
    pub interval: Option<(f64, f64)>,
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
    /// Aligned columns for a terminal; half the interval's width stands behind
    /// each figure.
    pub fn to_text(&self) -> String {
        let cell = |estimate: &Estimate, decimals: usize| match half_width(estimate) {
            Some(half) => format!("{:.decimals$} ±{half:.decimals$}", estimate.value),
            None => format!("{:.decimals$}", estimate.value),
        };
        let grid = self.grid(cell);
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
        let cell = |estimate: &Estimate, decimals: usize| match estimate.interval {
            Some((low, high)) => format!(
                "{:.decimals$}<br><sub>{low:.decimals$} – {high:.decimals$}</sub>",
                estimate.value
            ),
            None => format!("{:.decimals$}", estimate.value),
        };
        let grid = self.grid(cell);
        let mut text = format!("**{}**\n\n", self.title);
        for (index, row) in grid.iter().enumerate() {
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            if index == 0 {
                text.push_str(&format!("|---|{}\n", "---:|".repeat(self.columns.len())));
            }
        }
        text.push('\n');
        for note in &self.notes {
            text.push_str(&format!("{note}  \n"));
        }
        text
    }

    /// CSV with three columns for each metric: value, low, high; full precision.
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut head = vec!["row".to_owned()];
        for Column { key, .. } in &self.columns {
            head.extend([key.clone(), format!("{key}_low"), format!("{key}_high")]);
        }
        let mut records = vec![head];
        for row in &self.rows {
            let mut record = vec![row.label.clone()];
            for cell in &row.cells {
                let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
                let interval = cell.as_ref().and_then(|cell| cell.interval);
                record.extend([
                    number(cell.as_ref().map(|cell| cell.value)),
                    number(interval.map(|(low, _)| low)),
                    number(interval.map(|(_, high)| high)),
                ]);
            }
            records.push(record);
        }
        // Writing to memory cannot fail, and rows have one length by construction.
        for record in records {
            let _ = writer.write_record(record);
        }
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    fn grid(&self, cell: impl Fn(&Estimate, usize) -> String) -> Vec<Vec<String>> {
        let head = std::iter::once(String::new())
            .chain(self.columns.iter().map(|column| column.title.clone()))
            .collect();
        let body = self.rows.iter().map(|row| {
            let cells = row.cells.iter().zip(&self.columns).map(|(entry, column)| {
                entry.as_ref().map_or_else(|| "–".into(), |entry| cell(entry, column.decimals))
            });
            std::iter::once(row.label.clone()).chain(cells).collect()
        });
        std::iter::once(head).chain(body).collect()
    }
}

fn half_width(estimate: &Estimate) -> Option<f64> {
    estimate.interval.map(|(low, high)| (high - low) / 2.0)
}
