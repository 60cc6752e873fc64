//! The scores of one system: a column for each metric, with a figure of all clips
//! together and one for each clip.

use anyhow::Result;
use dl_eval::{
    EvalError,
    caption::{
        Item,
        bleu::Bleu,
        cider_d,
        diversity::Diversity,
        meteor::{Matchers, Meteor},
        rouge_l,
    },
    stats,
};
use serde_json::{Map, Value, json};

/// One metric, or the reason why it has no figures.
struct Column {
    key: String,
    title: String,
    scores: Result<Scores, String>,
}

struct Scores {
    corpus: f64,
    per_item: Vec<f64>,
}

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
        let bleu = Bleu::new(items)?;
        let (corpus, each) = (bleu.corpus(), bleu.per_item());
        let column = |key: String, title: String, corpus, per_item| Column {
            key,
            title,
            scores: Ok(Scores { corpus, per_item }),
        };
        let mut columns: Vec<Column> = (0..4)
            .map(|n| {
                let per_item = each.iter().map(|scores| scores[n]).collect();
                column(format!("bleu_{}", n + 1), format!("BLEU-{}", n + 1), corpus[n], per_item)
            })
            .collect();
        let meteor = Meteor::new(items, matchers)?;
        columns.push(column(
            matchers.key().into(),
            matchers.name().into(),
            meteor.corpus(),
            meteor.per_item(),
        ));
        let rouge_l = rouge_l::per_item(items)?;
        columns.push(column("rouge_l".into(), "ROUGE-L".into(), stats::mean(&rouge_l), rouge_l));
        let cider_d = match cider_d::per_item(items) {
            Ok(per_item) => Ok(Scores { corpus: stats::mean(&per_item), per_item }),
            Err(error @ EvalError::TooFewClips(_)) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        columns.push(Column { key: "cider_d".into(), title: "CIDEr-D".into(), scores: cider_d });
        // SPIDEr is the mean of CIDEr-D and SPICE.
        for (key, title) in [("spice", "SPICE"), ("spider", "SPIDEr")] {
            let scores = Err("SPICE is not built yet".into());
            columns.push(Column { key: key.into(), title: title.into(), scores });
        }
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
            lines.push((column.title.clone(), figure));
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
                Ok(column) => scores.insert(key.clone(), json!(column.corpus)),
                Err(reason) => {
                    reasons.insert(key.clone(), reason.clone().into());
                    scores.insert(key.clone(), Value::Null)
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
            .filter_map(|column| Some((column.key.as_str(), column.scores.as_ref().ok()?)))
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
