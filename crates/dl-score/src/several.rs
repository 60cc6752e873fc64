//! SPIDEr-max of files: several candidates for each clip, of which the best counts. The
//! other metrics have no such score; whoever wants them chooses one caption for each clip.

use anyhow::Result;
use dl_eval::caption::metric::SpiderMax;
use serde_json::{Map, Value, json};

use crate::{Options, Scorer, compare, pairs::Pairs, spice, words_by_clip};

/// Prints SPIDEr-max of all clips together; with `output`, also writes `scores.json` and
/// `per_item.csv` there.
pub(crate) fn run(options: &Options) -> Result<()> {
    let pairs = Pairs::read_several(&options.predictions, &options.references)?;
    let documents = options.frequencies.as_deref().map(words_by_clip).transpose()?;
    let scorer = Scorer::without_meteor(&pairs.references)?;
    let scored =
        |said: &[Vec<String>]| scorer.spider_max_in(said, documents.as_deref(), &|_: &str| ());
    let found = scored(&pairs.candidates)?;
    let differences = match &options.against {
        Some(file) => {
            let other = pairs.order(Pairs::read_several(file, &options.references)?);
            Some(compare::differences(&found.columns, &scored(&other.candidates)?.columns)?)
        }
        None => None,
    };
    let counts: Vec<usize> = pairs.candidates.iter().map(Vec::len).collect();
    let mut text = to_text(&found, &counts);
    if let Some(differences) = &differences {
        text += &format!("\n{}", compare::to_text(differences));
    }
    let documents = documents.map_or(counts.len(), |documents| documents.len());
    let against = differences.as_deref().map(compare::to_json);
    let json = to_json(&found, &counts, documents, against)?;
    crate::give(text, options.output.as_deref(), &[json, to_csv(&found, &pairs, &counts)?])
}

fn to_text(found: &SpiderMax, counts: &[usize]) -> String {
    let (all, most) = (counts.iter().sum::<usize>(), counts.iter().max().unwrap_or(&0));
    let least = counts.iter().min().unwrap_or(&0);
    let each = if least == most { most.to_string() } else { format!("{least} to {most}") };
    let mut lines = vec![
        ("clips".to_owned(), counts.len().to_string()),
        ("candidates".to_owned(), format!("{all} ({each} a clip)")),
    ];
    for column in &found.columns {
        let figure = match &column.scores {
            Ok(scores) => format!("{:.4}", scores.corpus),
            Err(reason) => format!("not computed: {reason}"),
        };
        lines.push((column.name.to_owned(), figure));
    }
    let width = lines.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
    lines.iter().map(|(title, figure)| format!("{title:width$}  {figure}\n")).collect()
}

fn to_json(
    found: &SpiderMax,
    counts: &[usize],
    documents: usize,
    against: Option<Value>,
) -> Result<String> {
    let (mut scores, mut reasons) = (Map::new(), Map::new());
    scores.insert("clips".into(), counts.len().into());
    scores.insert("candidates".into(), counts.iter().sum::<usize>().into());
    for column in &found.columns {
        let figure = match &column.scores {
            Ok(column) => json!(column.corpus),
            Err(reason) => {
                reasons.insert(column.key.into(), reason.clone().into());
                Value::Null
            }
        };
        scores.insert(column.key.into(), figure);
    }
    scores.insert("cider_d_documents".into(), documents.into());
    scores.insert("spice_method".into(), spice::OWN.into());
    scores.insert("not_computed".into(), reasons.into());
    if let Some(against) = against {
        scores.insert("against".into(), against);
    }
    Ok(serde_json::to_string_pretty(&scores)? + "\n")
}

/// A row for each clip; the best candidate by its number, from 1, and in its words.
fn to_csv(found: &SpiderMax, pairs: &Pairs<Vec<String>>, counts: &[usize]) -> Result<String> {
    let columns = found.columns.iter();
    let columns: Vec<_> = columns
        .filter_map(|column| Some((column.key, &column.scores.as_ref().ok()?.per_item)))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let keys = columns.iter().map(|(key, _)| *key);
    writer.write_record(["id", "candidates", "best", "caption"].into_iter().chain(keys))?;
    for (row, id) in pairs.ids.iter().enumerate() {
        let (best, caption) = match found.best.get(row) {
            Some(&best) => ((best + 1).to_string(), pairs.candidates[row][best].clone()),
            None => (String::new(), String::new()),
        };
        let head = [id.clone(), counts[row].to_string(), best, caption];
        let figures = columns.iter().map(|(_, scores)| scores[row].to_string());
        writer.write_record(head.into_iter().chain(figures))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
