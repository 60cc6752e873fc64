//! What a run keeps of single clips, beside the figures of its rows: `clips.jsonl` (one
//! [`ClipFacts`] a line) and `items.jsonl` (one [`Items`] a line, for each row and seed). A
//! comparison of two runs tests over them, a page shows them; neither needs a stage or a
//! model. Values have six digits after the point.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dl_core::RunDir;
use serde::{Deserialize, Serialize};

const CLIPS_FILE: &str = "clips.jsonl";
const ITEMS_FILE: &str = "items.jsonl";

/// A training caption and its cosine.
pub type Near = (f32, String);

/// One clip; the values of [`Items`] are in the order of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipFacts {
    /// Its name in the corpus.
    pub id: String,
    /// Clips of one cluster are drawn and flipped together.
    pub cluster: usize,
    /// Its captions, where the experiment is about words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// The nearest training captions of its embedding, by row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nearest: BTreeMap<String, Vec<Near>>,
}

/// One row under one seed, clip by clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// Which table of the experiment.
    pub table: String,
    /// The row's label.
    pub row: String,
    /// The seed.
    pub seed: u64,
    /// The file of the captions, in the run directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<String>,
    /// Of a metric one value for each clip.
    pub values: BTreeMap<String, Vec<f64>>,
    /// Of a metric of the whole set one value for each resample of the clips. All rows and
    /// runs over the same clips have the same resamples.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resampled: BTreeMap<String, Vec<f64>>,
}

/// Values of a metric as they are kept; `None` where a clip has none, because such a metric's
/// figure is no mean over clips.
pub fn kept(values: &[f64]) -> Option<Vec<f64>> {
    let short = |value: &f64| (value * 1e6).round() / 1e6;
    values.iter().all(|value| value.is_finite()).then(|| values.iter().map(short).collect())
}

/// Writes both files.
///
/// # Errors
/// When the disk refuses.
pub fn write(run: &RunDir, clips: &[ClipFacts], items: &[Items]) -> Result<()> {
    run.write_json_lines(CLIPS_FILE, clips)?;
    Ok(run.write_json_lines(ITEMS_FILE, items)?)
}

/// Whether a run has them: those of older versions and kept results have none.
pub fn are_there(run: &RunDir) -> bool {
    run.file(CLIPS_FILE).is_file() && run.file(ITEMS_FILE).is_file()
}

/// The clips of a run.
///
/// # Errors
/// When the file is not there or spoilt.
pub fn read_clips(run: &RunDir) -> Result<Vec<ClipFacts>> {
    run.read_json_lines(CLIPS_FILE).context("a run without its clips")
}

/// The values of a run, each list as long as there are `clips`.
///
/// # Errors
/// When the file is not there or spoilt, or a list has another length.
pub fn read_items(run: &RunDir, clips: usize) -> Result<Vec<Items>> {
    let items: Vec<Items> =
        run.read_json_lines(ITEMS_FILE).context("a run without its values by clip")?;
    for Items { table, row, values, .. } in &items {
        if let Some((metric, own)) = values.iter().find(|(_, own)| own.len() != clips) {
            anyhow::bail!(
                "{}: {metric} of {row} in {table} has {} values for {clips} clips; run the \
                 experiment again",
                run.file(ITEMS_FILE).display(),
                own.len()
            );
        }
    }
    Ok(items)
}

/// The captions of a row, in the order of the clips.
///
/// # Errors
/// When the file cannot be read or is of other clips.
pub fn read_captions(run: &RunDir, file: &str, clips: &[ClipFacts]) -> Result<Vec<String>> {
    let path = run.file(file);
    let fault =
        || format!("{}: not the captions of this run's clips; run t2 again", path.display());
    let mut reader = csv::Reader::from_path(&path).with_context(fault)?;
    let mut captions = Vec::new();
    for record in reader.records() {
        let record = record.with_context(fault)?;
        let (id, caption) = (record.get(0), record.get(1));
        let expected = clips.get(captions.len()).map(|clip| clip.id.as_str());
        match caption {
            Some(caption) if id == expected => captions.push(caption.to_owned()),
            _ => anyhow::bail!(fault()),
        }
    }
    if captions.len() != clips.len() {
        anyhow::bail!(fault());
    }
    Ok(captions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_other_lengths_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path());
        let clip = |id: &str| ClipFacts {
            id: id.into(),
            cluster: 0,
            references: vec!["a, \"b\"".into()],
            nearest: BTreeMap::from([("none".into(), vec![(0.5, "c".into())])]),
        };
        let clips = [clip("-x"), clip("y")];
        let items = [Items {
            table: "t2".into(),
            row: "none".into(),
            seed: 3,
            captions: Some("captions.csv".into()),
            values: BTreeMap::from([("cider_d".into(), kept(&[1.0 / 3.0, 2.0]).unwrap())]),
            resampled: BTreeMap::new(),
        }];
        assert!(!are_there(&run));
        write(&run, &clips, &items).unwrap();
        assert!(are_there(&run));
        assert_eq!(read_clips(&run).unwrap(), clips);
        assert_eq!(read_items(&run, 2).unwrap(), items);
        assert_eq!(items[0].values["cider_d"][0], 0.333_333);
        let error = read_items(&run, 3).unwrap_err().to_string();
        assert!(error.contains("cider_d of none in t2 has 2 values for 3 clips"), "{error}");
        assert_eq!(kept(&[1.0, f64::NAN]), None);
        run.write_text("captions.csv", "id,caption,references\n-x,\"a, b\",\ny,c,\n").unwrap();
        assert_eq!(read_captions(&run, "captions.csv", &clips).unwrap(), ["a, b", "c"]);
        assert!(read_captions(&run, "captions.csv", &clips[..1]).is_err());
        assert!(read_captions(&run, "gone.csv", &clips).is_err());
    }
}
