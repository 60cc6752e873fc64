//! The text of a table by rows, so that a page can copy them in the order that it shows.

use serde::Serialize;

/// One form of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Form {
    /// What stands before the rows.
    pub(super) head: String,
    /// Each row with its line end.
    pub(super) rows: Vec<String>,
    /// What stands behind them.
    pub(super) foot: String,
}

impl Form {
    /// The whole text, rows in their own order.
    pub(super) fn whole(&self) -> String {
        format!("{}{}{}", self.head, self.rows.concat(), self.foot)
    }
}
