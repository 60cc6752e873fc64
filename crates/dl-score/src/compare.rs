//! Two systems on the same clips: the difference of every figure, its interval, and a
//! paired test of each.

use anyhow::Result;
use dl_eval::{
    caption::metric::{Column, Scores},
    stats,
};
use serde_json::{Value, json};

/// Resamples of the interval.
const RESAMPLES: usize = 1_000;

/// One figure of both systems.
#[derive(Clone, Debug)]
pub struct Difference {
    /// As in [`Column::key`].
    pub key: &'static str,
    /// As in [`Column::name`].
    pub name: &'static str,
    /// The figure of the first system.
    pub own: f64,
    /// The figure of the second.
    pub other: f64,
    /// 95 %, paired bootstrap of the difference over clips; none for one clip.
    pub interval: Option<(f64, f64)>,
    /// Paired permutation test on the scores of the clips.
    pub p: f64,
    /// The same after Holm's correction over all figures.
    pub p_holm: f64,
}

/// Every figure that both systems have, over the clips where both have a score.
///
/// # Errors
/// Systems of different numbers of clips.
pub fn differences(own: &[Column], other: &[Column]) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    for column in own {
        let same = other.iter().find(|other| other.key == column.key);
        let (Ok(a), Some(Ok(b))) = (&column.scores, same.map(|other| &other.scores)) else {
            continue;
        };
        let (a, b) = &known(a, b);
        let difference = |_: usize, chosen: &[usize]| a.resampled(chosen) - b.resampled(chosen);
        found.push(Difference {
            key: column.key,
            name: column.name,
            own: a.corpus,
            other: b.corpus,
            interval: stats::bootstrap(a.per_item.len(), 1, RESAMPLES, difference),
            p: stats::permutation_test(&a.per_item, &b.per_item, stats::PERMUTATIONS)?,
            p_holm: 1.0,
        });
    }
    let p: Vec<f64> = found.iter().map(|difference| difference.p).collect();
    for (difference, corrected) in found.iter_mut().zip(stats::holm(&p)) {
        difference.p_holm = corrected;
    }
    Ok(found)
}

/// Both without the clips that have no score in one.
fn known(a: &Scores, b: &Scores) -> (Scores, Scores) {
    let has = |(a, b): &(f64, f64)| !a.is_nan() && !b.is_nan();
    let pairs = || a.per_item.iter().copied().zip(b.per_item.iter().copied());
    if pairs().all(|pair| has(&pair)) {
        return (a.clone(), b.clone());
    }
    let (own, other) = pairs().filter(has).unzip();
    (Scores::mean_of(own), Scores::mean_of(other))
}

/// A table for people.
pub(crate) fn to_text(differences: &[Difference]) -> String {
    let head = ["", "this", "other", "difference", "95 % interval", "p (Holm)"];
    let rows = differences.iter().map(|found| {
        let interval = found.interval.map_or_else(
            || "one clip".to_owned(),
            |(low, high)| format!("{low:+.4} to {high:+.4}"),
        );
        [
            found.name.to_owned(),
            format!("{:.4}", found.own),
            format!("{:.4}", found.other),
            format!("{:+.4}", found.own - found.other),
            interval,
            format!("{:.4}", found.p_holm),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; 6] =
        std::array::from_fn(|c| rows.iter().map(|row| row[c].len()).max().unwrap_or(0));
    let line = |row: &[String; 6]| {
        let first = format!("{:width$}", row[0], width = widths[0]);
        let rest = (1..6).map(|c| format!("  {:>width$}", row[c], width = widths[c]));
        std::iter::once(first).chain(rest).collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

/// By key of the figure.
pub(crate) fn to_json(differences: &[Difference]) -> Value {
    let entry = |found: &Difference| {
        let value = json!({
            "other": found.other,
            "difference": found.own - found.other,
            "interval": found.interval.map(|(low, high)| [low, high]),
            "p": found.p,
            "p_holm": found.p_holm,
        });
        (found.key.to_owned(), value)
    };
    Value::Object(differences.iter().map(entry).collect())
}
