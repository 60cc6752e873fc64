//! Captions by clip from the files that people have: CSV (ours, AudioCaps, Clotho),
//! JSON lines, and the JSON of the COCO caption tools.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

/// Columns that name the clip, the first that is there. AudioCaps numbers captions in
/// `audiocap_id`, clips are `youtube_id`.
const IDS: [&str; 4] = ["id", "youtube_id", "file_name", "image_id"];
/// Columns of one caption; Clotho's `caption_1`, `caption_2` ... are taken besides.
const CAPTIONS: [&str; 2] = ["caption", "caption_predicted"];

/// A clip and what was said of it.
#[derive(Debug)]
pub(crate) struct Captions {
    /// Its name; numbers are taken as they are written.
    pub(crate) id: String,
    /// In the order of the file; at least one.
    pub(crate) captions: Vec<String>,
}

/// One caption for each clip, in the order of the file.
pub(crate) fn predictions(path: &Path) -> Result<Vec<(String, String)>> {
    let single = |Captions { id, captions }| match <[String; 1]>::try_from(captions) {
        Ok([caption]) => Ok((id, caption)),
        Err(captions) => bail!(
            "{}: clip '{id}' has {} captions; keep the one that is to be scored",
            path.display(),
            captions.len()
        ),
    };
    read(path)?.into_iter().map(single).collect()
}

/// The clips of a file, in the order in which they first occur; at least one.
pub(crate) fn read(path: &Path) -> Result<Vec<Captions>> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
        anyhow!("{shown}, line {line}: not UTF-8; convert the file, for example with iconv")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim().is_empty() {
        bail!("{shown}: it is empty; check what should have written it");
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let rows = match ending.to_ascii_lowercase().as_str() {
        "csv" => csv_rows(text),
        "jsonl" | "ndjson" => json_lines(text),
        "json" => coco(text),
        _ => bail!("{shown}: name it .csv, .jsonl or .json, so that its layout is known"),
    };
    let mut clips: Vec<Captions> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (id, captions) in rows.with_context(|| shown.to_string())? {
        if id.trim().is_empty() {
            let said = captions.first().map(String::as_str).unwrap_or_default();
            bail!("{shown}: the clip of the caption '{said}' has no id; give it one");
        }
        let place = *places.entry(id.clone()).or_insert(clips.len());
        match clips.get_mut(place) {
            Some(clip) => clip.captions.extend(captions),
            None => clips.push(Captions { id, captions }),
        }
    }
    match clips.iter().find(|clip| clip.captions.is_empty()) {
        Some(clip) => bail!("{shown}: clip '{}' has no caption; leave it out", clip.id),
        None if clips.is_empty() => bail!("{shown}: it holds no captions"),
        None => Ok(clips),
    }
}

type Rows = Result<Vec<(String, Vec<String>)>>;

fn csv_rows(text: &str) -> Rows {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head: Vec<String> = reader.headers()?.iter().map(|name| name.trim().to_owned()).collect();
    let id = IDS.iter().find_map(|id| head.iter().position(|name| name == id));
    let is_caption = |name: &&String| {
        let number = name.strip_prefix("caption_").unwrap_or_default();
        CAPTIONS.contains(&name.as_str())
            || !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let columns: Vec<usize> =
        (0..head.len()).filter(|&column| is_caption(&&head[column])).collect();
    let (Some(id), false) = (id, columns.is_empty()) else {
        bail!(
            "its columns are {}; it needs one of {} and caption, caption_predicted or \
             caption_1, caption_2 ...",
            head.join(", "),
            IDS.join(", ")
        );
    };
    // Clotho's clips all have five captions, other sets fill up with empty fields.
    let several = columns.len() > 1;
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record?;
        let captions = columns.iter().map(|&column| record[column].to_owned());
        let kept = captions.filter(|caption| !several || !caption.trim().is_empty());
        Ok((record[id].to_owned(), kept.collect()))
    };
    reader.records().map(row).collect()
}

fn json_lines(text: &str) -> Rows {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let row = |(number, line)| {
        let needs = || {
            format!(
                "line {}: it needs {{\"id\", \"caption\"}} or {{\"id\", \"captions\": [...]}}",
                number + 1
            )
        };
        let value: Value = serde_json::from_str(line).with_context(needs)?;
        let captions = match (&value["caption"], &value["captions"]) {
            (Value::String(one), Value::Null) => Some(vec![one.clone()]),
            (Value::Null, Value::Array(several)) => {
                several.iter().map(|caption| caption.as_str().map(str::to_owned)).collect()
            }
            _ => None,
        };
        id_of(&value["id"]).zip(captions).with_context(needs)
    };
    lines.map(row).collect()
}

fn coco(text: &str) -> Rows {
    const NEEDS: &str =
        "it needs a list of {\"image_id\", \"caption\"}, or such a list as \"annotations\"";
    let value: Value = serde_json::from_str(text)
        .with_context(|| format!("{NEEDS}; a file of one object per line is named .jsonl"))?;
    let list = value.as_array().or_else(|| value["annotations"].as_array()).context(NEEDS)?;
    let row = |(number, entry): (usize, &Value)| {
        let caption = entry["caption"].as_str().map(|caption| vec![caption.to_owned()]);
        id_of(&entry["image_id"])
            .zip(caption)
            .with_context(|| format!("entry {}: it needs \"image_id\" and \"caption\"", number + 1))
    };
    list.iter().enumerate().map(row).collect()
}

fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: Rows) -> Vec<(String, Vec<String>)> {
        rows.unwrap()
    }

    fn row(id: &str, captions: &[&str]) -> (String, Vec<String>) {
        (id.into(), captions.iter().map(|&caption| caption.to_owned()).collect())
    }

    #[test]
    fn every_layout_gives_clips_and_captions() {
        let audiocaps =
            "audiocap_id,youtube_id,start_time,caption\n1,a,30,\"One, two\"\n2,a,30,Three\n";
        assert_eq!(found(csv_rows(audiocaps)), [row("a", &["One, two"]), row("a", &["Three"])]);
        let clotho = "file_name,caption_1,caption_2\nx.wav,One,Two\ny.wav,Three,\n";
        assert_eq!(
            found(csv_rows(clotho)),
            [row("x.wav", &["One", "Two"]), row("y.wav", &["Three"])]
        );
        let lines = "{\"id\": 7, \"caption\": \"One\"}\n\n{\"id\": \"b\", \"captions\": [\"Two\", \"Three\"]}\n";
        assert_eq!(found(json_lines(lines)), [row("7", &["One"]), row("b", &["Two", "Three"])]);
        let list = "[{\"image_id\": 1, \"caption\": \"One\"}]";
        assert_eq!(found(coco(list)), [row("1", &["One"])]);
        assert_eq!(
            found(coco(&format!("{{\"images\": [], \"annotations\": {list}}}"))),
            [row("1", &["One"])]
        );
    }

    #[test]
    fn other_layouts_name_what_they_lack() {
        let said = |rows: Rows| format!("{:#}", rows.unwrap_err());
        assert!(said(csv_rows("clip,text\n1,a\n")).contains("its columns are clip, text"));
        assert!(
            said(json_lines("{\"id\": 1, \"caption\": \"a\"}\n{\"id\": 2}\n")).contains("line 2")
        );
        assert!(said(json_lines("{\"id\": 1, \"caption\": 3}\n")).contains("line 1"));
        assert!(said(coco("{\"image_id\": 1}")).contains("annotations"));
        assert!(said(coco("{\"id\": 1}\n{\"id\": 2}\n")).contains("named .jsonl"));
        assert!(said(coco("[{\"image_id\": 1, \"text\": \"a\"}]")).contains("entry 1"));
    }
}
