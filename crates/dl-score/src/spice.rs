//! What SPICE found, clip by clip, and the files of the official tool: its input and its
//! output.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, Result, bail};
use dl_core::atomic;
use dl_eval::{
    EvalError,
    caption::{
        Item,
        metric::{Column, Metric},
        spice::{ItemScore, column, score::Kind},
    },
};
use serde_json::{Value, json};

use crate::pairs::named;

/// How SPICE came about, for `scores.json`.
pub(crate) const OWN: &str =
    "SPICE 1.0's rules in process, with a parser that learnt from its trees";
pub(crate) const OFFICIAL: &str = "output of the official tool";

/// Names of the kinds in the official tool's output, in the order of [`Kind::ALL`].
const NAMES: [&str; Kind::ALL.len()] =
    ["All", "Object", "Attribute", "Relation", "Color", "Cardinality", "Size"];

/// The scores of the official tool, in the order of the clips.
pub(crate) struct Official {
    /// By kind, then clip.
    scores: Vec<Vec<Option<f64>>>,
}

impl Official {
    /// Reads the tool's output; its entries may stand in any order.
    pub(crate) fn read(file: &Path, ids: &[String]) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        let needs = || {
            format!(
                "{shown}: it needs a list of {{\"image_id\", \"scores\"}}, as SPICE writes it with \
                 -out"
            )
        };
        let value: Value = serde_json::from_str(&text).with_context(needs)?;
        let mut known: HashMap<String, &Value> = HashMap::new();
        for entry in value.as_array().with_context(needs)? {
            let id = match &entry["image_id"] {
                Value::String(id) => id.clone(),
                Value::Number(id) => id.to_string(),
                _ => bail!(needs()),
            };
            if !entry["scores"]["All"]["f"].is_number() {
                bail!("{shown}: clip '{id}' has no score of all tuples; run the tool anew");
            }
            if known.insert(id.clone(), &entry["scores"]).is_some() {
                bail!("{shown}: clip '{id}' stands in it twice; give each clip an id of its own");
            }
        }
        let missing: Vec<&String> = ids.iter().filter(|id| !known.contains_key(*id)).collect();
        if !missing.is_empty() {
            bail!(
                "{shown}: {} clips of the predictions are not in it: {}; run the tool on what \
                 --write-spice-input writes",
                missing.len(),
                named(&missing, &[])
            );
        }
        if known.len() > ids.len() {
            bail!(
                "{shown}: it has {} clips, the predictions {}; take the output of these \
                 predictions",
                known.len(),
                ids.len()
            );
        }
        // A kind of which the references have no tuple is null there.
        let of = |name: &str| ids.iter().map(|id| known[id][name]["f"].as_f64()).collect();
        Ok(Self { scores: NAMES.iter().map(|name| of(name)).collect() })
    }
}

impl Metric for Official {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        let got = self.scores[0].len();
        if got != items.len() {
            return Err(EvalError::Shape { what: "official scores", expected: items.len(), got });
        }
        let kinds = Kind::ALL.into_iter().zip(&self.scores);
        Ok(kinds.map(|(kind, scores)| column(kind, scores.clone())).collect())
    }
}

/// Writes the tuples of each clip, those of the candidate with whether the references have
/// them, those of the references with whether the candidate has them.
pub(crate) fn write_tuples(file: &Path, ids: &[String], scores: &[ItemScore]) -> Result<()> {
    let mut text = String::new();
    for (id, item) in ids.iter().zip(scores) {
        let split = |tuples: &[(Vec<String>, bool)], matched: bool| -> Vec<Vec<String>> {
            tuples.iter().filter(|(_, is)| *is == matched).map(|(tuple, _)| tuple.clone()).collect()
        };
        let score = &item.score;
        let line = json!({
            "id": id,
            "spice": score.f(),
            "precision": score.counts(Kind::All).precision(),
            "recall": score.counts(Kind::All).recall(),
            "matched": split(&score.candidate, true),
            "not_in_references": split(&score.candidate, false),
            "found_in_candidate": split(&score.reference, true),
            "missed": split(&score.reference, false),
            "parsed_in_pieces": item.in_pieces,
        });
        text += &line.to_string();
        text.push('\n');
    }
    atomic::write_bytes(file, text.as_bytes())?;
    Ok(())
}

/// Writes what the official tool reads: tokens joined by spaces, as the caption tools hand
/// them over.
pub(crate) fn write_input(file: &Path, ids: &[String], items: &[Item]) -> Result<()> {
    let entry = |(id, item): (&String, &Item)| {
        let references: Vec<String> = item.references.iter().map(|words| words.join(" ")).collect();
        json!({"image_id": id, "test": item.candidate.join(" "), "refs": references})
    };
    let entries: Vec<Value> = ids.iter().zip(items).map(entry).collect();
    atomic::write_bytes(file, serde_json::to_string(&entries)?.as_bytes())?;
    Ok(())
}
