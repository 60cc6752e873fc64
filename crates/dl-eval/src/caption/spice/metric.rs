//! SPICE and its sub-scores as columns.

use super::{Evaluator, score::Kind};
use crate::{
    EvalError,
    caption::{
        Item,
        metric::{Column, Metric, Scores},
    },
};

/// Keys and names of the columns, in the order of [`Kind::ALL`].
const COLUMNS: [(&str, &str); Kind::ALL.len()] = [
    ("spice", "SPICE"),
    ("spice_object", "SPICE objects"),
    ("spice_attribute", "SPICE attributes"),
    ("spice_relation", "SPICE relations"),
    ("spice_color", "SPICE colours"),
    ("spice_count", "SPICE counts"),
    ("spice_size", "SPICE sizes"),
];

/// The column of a kind, from its score in each item.
pub fn column(kind: Kind, per_item: Vec<Option<f64>>) -> Column {
    let (key, name) = COLUMNS[kind as usize];
    let scores = if per_item.iter().any(Option::is_some) {
        Ok(Scores::mean_of_known(per_item))
    } else {
        Err("no reference has such a tuple".into())
    };
    Column { key, name, scores }
}

impl Metric for Evaluator {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        let scores = self.scores(items)?;
        let of = |kind: Kind| scores.iter().map(|item| item.score.of(kind)).collect();
        Ok(Kind::ALL.into_iter().map(|kind| column(kind, of(kind))).collect())
    }
}
