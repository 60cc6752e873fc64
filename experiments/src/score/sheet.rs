//! The scores of one system: a column for each metric, with a figure of all clips
//! together and one for each clip.

use anyhow::Result;
use dl_eval::caption::{
    Item,
    diversity::Diversity,
    meteor::Matchers,
    metric::{BuiltIn, Column, Metric, NotComputed, Scores, evaluate, spider},
};
use serde_json::{Map, Value, json};

/// What is said of the captions as a whole.
pub struct About {
    pub clips: usize,
    pub variety: Diversity,
    /// BLEU-4 of each caption against all others; `None` where there is one.
    pub self_bleu: Option<f64>,
}

/// All columns, in the order in which the field prints them.
pub struct Sheet {
    columns: Vec<Column>,
}

impl Sheet {
    /// Scores `items`, at least one.
    pub fn new(items: &[Item], matchers: Matchers) -> Result<Self> {
        let missing = |key, name, reason: &str| NotComputed { key, name, reason: reason.into() };
        let aligned = BuiltIn::Meteor(matchers);
        let no_meteor =
            missing("meteor", "METEOR", "its data is missing; `cargo setup --metrics` brings it");
        let spice = missing("spice", "SPICE", "SPICE is not built yet");
        let mut metrics: Vec<&dyn Metric> = vec![&BuiltIn::Bleu];
        if matches!(matchers, Matchers::ExactStem) {
            metrics.push(&no_meteor);
        }
        let rest: [&dyn Metric; 4] = [&aligned, &BuiltIn::RougeL, &BuiltIn::CiderD, &spice];
        metrics.extend(rest);
        let mut columns = evaluate(&metrics, items)?;
        columns.push(spider(&columns));
        Ok(Self { columns })
    }

    /// A line for each metric.
    pub fn to_text(&self, about: &About) -> String {
        let mut lines = vec![("clips".to_owned(), about.clips.to_string())];
        for column in &self.columns {
            let figure = match &column.scores {
                Ok(scores) => format!("{:.4}", scores.corpus),
                Err(reason) => format!("not computed: {reason}"),
            };
            lines.push((column.name.to_owned(), figure));
        }
        lines.push(("words".into(), about.variety.vocabulary.to_string()));
        lines.push(("distinct captions".into(), format!("{:.4}", about.variety.distinct)));
        let self_bleu = about.self_bleu.map_or_else(
            || "not computed: it needs at least 2 captions".into(),
            |value| format!("{value:.4}"),
        );
        lines.push(("self-BLEU-4".into(), self_bleu));
        let width = lines.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
        lines.iter().map(|(title, figure)| format!("{title:width$}  {figure}\n")).collect()
    }

    /// The figures of all clips together; `null` where there is none, with the reason
    /// under `not_computed`.
    pub fn to_json(&self, about: &About) -> Result<String> {
        let mut scores = Map::new();
        let mut reasons = Map::new();
        scores.insert("clips".into(), about.clips.into());
        for Column { key, scores: column, .. } in &self.columns {
            match column {
                Ok(column) => scores.insert((*key).into(), json!(column.corpus)),
                Err(reason) => {
                    reasons.insert((*key).into(), reason.clone().into());
                    scores.insert((*key).into(), Value::Null)
                }
            };
        }
        scores.insert("vocabulary".into(), about.variety.vocabulary.into());
        scores.insert("distinct".into(), json!(about.variety.distinct));
        scores.insert("self_bleu_4".into(), json!(about.self_bleu));
        scores.insert("not_computed".into(), reasons.into());
        Ok(serde_json::to_string_pretty(&scores)? + "\n")
    }

    /// A row for each clip, at full precision.
    pub fn to_csv(&self, ids: &[String]) -> Result<String> {
        let columns: Vec<(&str, &Scores)> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.key, column.scores.as_ref().ok()?)))
            .collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(std::iter::once("id").chain(columns.iter().map(|(key, _)| *key)))?;
        for (row, id) in ids.iter().enumerate() {
            let figures = columns.iter().map(|(_, scores)| scores.per_item[row].to_string());
            writer.write_record(std::iter::once(id.clone()).chain(figures))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}
