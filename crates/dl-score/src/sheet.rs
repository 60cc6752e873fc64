//! The scores of one system: a column for each metric, with a figure of all clips
//! together and one for each clip.

use anyhow::Result;
use dl_eval::caption::{
    Item, bleu,
    diversity::{Diversity, diversity, novel},
    meteor::Matchers,
    metric::{BuiltIn, Column, Metric, NotComputed, Scores, evaluate, spider, spider_fl},
    registry::registered,
};
use serde_json::{Map, Value, json};

/// All columns, in the order in which the field prints them, and how varied the captions
/// are.
pub(crate) struct Sheet {
    clips: usize,
    columns: Vec<Column>,
    variety: Diversity,
    /// Share of captions that the training captions do not hold, where these are known.
    novel: Option<f64>,
    /// BLEU-4 of each caption against all others; `None` where there is one.
    self_bleu: Option<f64>,
    /// Of how many clips CIDEr-D's document frequencies are.
    documents: usize,
}

/// Captions beside the references, as words.
#[derive(Default)]
pub(crate) struct Known {
    /// What the system was trained on.
    pub(crate) training: Option<Vec<Vec<String>>>,
    /// By clip: what gives CIDEr-D its document frequencies.
    pub(crate) documents: Option<Vec<Vec<Vec<String>>>>,
}

impl Sheet {
    /// Scores `items`, at least one, with SPICE by `spice`; the columns of `more` stand last.
    pub(crate) fn new(
        items: &[Item],
        matchers: Matchers,
        spice: &dyn Metric,
        more: &[Box<dyn Metric>],
        known: &Known,
    ) -> Result<Self> {
        let missing = |key, name, reason: &str| NotComputed { key, name, reason: reason.into() };
        let aligned = BuiltIn::Meteor(matchers);
        let no_meteor =
            missing("meteor", "METEOR", "its data is missing; `cargo setup --metrics` brings it");
        let mut metrics: Vec<&dyn Metric> = vec![&BuiltIn::Bleu];
        if matches!(matchers, Matchers::ExactStem) {
            metrics.push(&no_meteor);
        }
        let cider_d = known.documents.as_deref().map_or(BuiltIn::CiderD, BuiltIn::CiderDIn);
        let rest: [&dyn Metric; 4] = [&aligned, &BuiltIn::RougeL, &cider_d, spice];
        metrics.extend(rest);
        let candidates: Vec<Vec<String>> =
            items.iter().map(|item| item.candidate.clone()).collect();
        let (columns, (variety, self_bleu)) = rayon::join(
            || evaluate(&metrics, items),
            || (diversity(&candidates), bleu::self_bleu(&candidates).map(|scores| scores[3])),
        );
        let mut columns = columns?;
        columns.push(spider(&columns));
        for metric in more {
            columns.extend(metric.columns(items)?);
        }
        for metric in registered() {
            columns.extend(metric.columns(items)?);
        }
        if columns.iter().any(|column| column.key == "fluency_error") {
            columns.push(spider_fl(&columns));
        }
        let novel = known.training.as_ref().map(|training| novel(&candidates, training));
        let documents = known.documents.as_ref().map_or(items.len(), Vec::len);
        Ok(Self { clips: items.len(), columns, variety, novel, self_bleu, documents })
    }

    /// In the order in which they are printed.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A line for each metric.
    pub(crate) fn to_text(&self) -> String {
        let mut lines = vec![("clips".to_owned(), self.clips.to_string())];
        for column in &self.columns {
            let figure = match &column.scores {
                Ok(scores) => format!("{:.4}", scores.corpus),
                Err(reason) => format!("not computed: {reason}"),
            };
            lines.push((column.name.to_owned(), figure));
        }
        lines.push(("words".into(), self.variety.vocabulary.to_string()));
        lines.push(("distinct captions".into(), format!("{:.4}", self.variety.distinct)));
        if let Some(novel) = self.novel {
            lines.push(("novel captions".into(), format!("{novel:.4}")));
        }
        let self_bleu = self.self_bleu.map_or_else(
            || "not computed: it needs at least 2 captions".into(),
            |value| format!("{value:.4}"),
        );
        lines.push(("self-BLEU-4".into(), self_bleu));
        let width = lines.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
        lines.iter().map(|(title, figure)| format!("{title:width$}  {figure}\n")).collect()
    }

    /// The figures of all clips together; `null` where there is none, with the reason
    /// under `not_computed`. `models` names those behind the columns from
    /// outside, `spice` what made SPICE; `against` is the comparison with another system.
    pub(crate) fn to_json(
        &self,
        models: &str,
        spice: &str,
        against: Option<Value>,
    ) -> Result<String> {
        let mut scores = Map::new();
        let mut reasons = Map::new();
        scores.insert("clips".into(), self.clips.into());
        for Column { key, scores: column, .. } in &self.columns {
            match column {
                Ok(column) => scores.insert((*key).into(), json!(column.corpus)),
                Err(reason) => {
                    reasons.insert((*key).into(), reason.clone().into());
                    scores.insert((*key).into(), Value::Null)
                }
            };
        }
        scores.insert("cider_d_documents".into(), self.documents.into());
        scores.insert("vocabulary".into(), self.variety.vocabulary.into());
        scores.insert("distinct".into(), json!(self.variety.distinct));
        if !models.is_empty() {
            scores.insert("models".into(), models.into());
        }
        scores.insert("spice_method".into(), spice.into());
        scores.insert("novel".into(), json!(self.novel));
        scores.insert("self_bleu_4".into(), json!(self.self_bleu));
        scores.insert("not_computed".into(), reasons.into());
        if let Some(against) = against {
            scores.insert("against".into(), against);
        }
        Ok(serde_json::to_string_pretty(&scores)? + "\n")
    }

    /// A row for each clip, at full precision.
    pub(crate) fn to_csv(&self, ids: &[String]) -> Result<String> {
        let columns: Vec<(&str, &Scores)> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.key, column.scores.as_ref().ok()?)))
            .collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(std::iter::once("id").chain(columns.iter().map(|(key, _)| *key)))?;
        for (row, id) in ids.iter().enumerate() {
            // A clip without a score, as of colours where no reference names one, is empty.
            let figures = columns.iter().map(|(_, scores)| match scores.per_item[row] {
                score if score.is_nan() => String::new(),
                score => score.to_string(),
            });
            writer.write_record(std::iter::once(id.clone()).chain(figures))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}
