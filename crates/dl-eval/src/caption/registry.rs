//! Metrics from other crates. One that is registered stands after the built-in ones in every
//! table of captions and in `score`, in every program that links the crate it stands in.

use super::{
    Item,
    metric::{Column, Metric, Scores},
};
use crate::EvalError;

/// A metric of one column. [`register_metric!`](crate::register_metric) makes it.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// For files, unlike any other: `length_ratio`.
    pub key: &'static str,
    /// Changes whenever the same captions get another figure.
    pub version: u32,
    /// For people: `length ratio`.
    pub title: &'static str,
    /// Digits after the point in tables.
    pub decimals: usize,
    /// The figures.
    pub score: fn(&[Item]) -> Result<Scores, EvalError>,
}

inventory::collect!(Registered);

impl Metric for Registered {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        let scores = Ok((self.score)(items)?);
        Ok(vec![Column { key: self.key, name: self.title, scores }])
    }
}

/// All of them, by key.
pub fn registered() -> Vec<&'static Registered> {
    let mut all: Vec<_> = inventory::iter::<Registered>.into_iter().collect();
    all.sort_unstable_by_key(|metric| metric.key);
    all
}

/// Registers a metric: its key, its version, its title, how many digits tables show, and a
/// function from items to [`Scores`].
///
/// ```
/// use dl_eval::{
///     EvalError,
///     caption::{Item, metric::{Metric, Scores}, registry},
/// };
///
/// fn length(items: &[Item]) -> Result<Scores, EvalError> {
///     Ok(Scores::mean_of(items.iter().map(|item| item.candidate.len() as f64).collect()))
/// }
///
/// dl_eval::register_metric!("length", 1, "words a caption", 1, length);
///
/// let items = [Item::new("a dog barks", &["a dog"]), Item::new("rain", &["it rains"])];
/// let columns = registry::registered()[0].columns(&items).unwrap();
/// assert_eq!(columns[0].key, "length");
/// assert_eq!(columns[0].scores.as_ref().unwrap().corpus, 2.0);
/// ```
#[macro_export]
macro_rules! register_metric {
    ($key:literal, $version:literal, $title:literal, $decimals:literal, $score:path) => {
        $crate::inventory::submit! {
            $crate::caption::registry::Registered {
                key: $key,
                version: $version,
                title: $title,
                decimals: $decimals,
                score: $score,
            }
        }
    };
}
