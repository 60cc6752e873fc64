//! Captions by clip from the files that people have: CSV (ours, AudioCaps, Clotho),
//! JSON lines, and the JSON of the COCO caption tools.

use std::{collections::HashMap, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use dl_core::text::{self, LongField, told_apart};
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

/// What a file holds.
#[derive(Debug)]
pub(crate) struct CaptionFile {
    /// The clips in the order in which they first occur; at least one.
    pub(crate) clips: Vec<Captions>,
    /// What may not be meant so, each with its row.
    pub(crate) warnings: Vec<String>,
}

/// One caption for each clip, in the order of the file.
pub(crate) fn predictions(path: &Path) -> Result<Vec<(String, String)>> {
    let single = |Captions { id, captions }| match <[String; 1]>::try_from(captions) {
        Ok([caption]) => Ok((id, caption)),
        Err(captions) => bail!(
            "{}: clip {} has {} captions; keep the one that is to be scored, or score the best of \
             several with --spider-max",
            path.display(),
            told_apart(&id, []),
            captions.len()
        ),
    };
    read(path)?.into_iter().map(single).collect()
}

/// The clips of a file; warnings are printed.
pub(crate) fn read(path: &Path) -> Result<Vec<Captions>> {
    let text = text::read(path)?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let file =
        parse(&text, &ending.to_ascii_lowercase()).with_context(|| path.display().to_string())?;
    for warning in &file.warnings {
        eprintln!("warning: {}: {warning}", path.display());
    }
    Ok(file.clips)
}

/// The same from a text of the layout that a file's ending names.
pub(crate) fn parse(text: &str, ending: &str) -> Result<CaptionFile> {
    if text.trim().is_empty() {
        bail!("it is empty; check what should have written it");
    }
    let mut warnings = Vec::new();
    let (place, rows) = match ending {
        "csv" => {
            for LongField { line, end } in text::csv_quotes(text).map_err(|fault| anyhow!(fault))? {
                warnings.push(format!(
                    "line {line}: a quoted field goes on to line {end}; if that is not meant, \
                     close its quotation mark"
                ));
            }
            ("line", csv_rows(text))
        }
        "jsonl" | "ndjson" => ("line", json_lines(text)),
        "json" => ("entry", coco(text)),
        _ => bail!("name it .csv, .jsonl or .json, so that its layout is known"),
    };
    let mut clips: Vec<Captions> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (row, id, captions) in rows? {
        if id.trim().is_empty() {
            bail!("{place} {row}: the id is empty; give the clip one");
        }
        if captions.is_empty() {
            bail!("{place} {row}: clip {} has no caption; leave it out", told_apart(&id, []));
        }
        if captions.iter().any(|caption| caption.trim().is_empty()) {
            let id = told_apart(&id, []);
            warnings.push(format!("{place} {row}: the caption of clip {id} is empty"));
        }
        let place = *places.entry(id.clone()).or_insert(clips.len());
        match clips.get_mut(place) {
            Some(clip) => clip.captions.extend(captions),
            None => clips.push(Captions { id, captions }),
        }
    }
    if clips.is_empty() {
        bail!("it holds no captions");
    }
    Ok(CaptionFile { clips, warnings })
}

/// The number of a row for its reader, an id, its captions.
type Rows = Result<Vec<(u64, String, Vec<String>)>>;

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
        let line = record.position().map_or(0, csv::Position::line);
        let captions = columns.iter().map(|&column| record[column].to_owned());
        let kept = captions.filter(|caption| !several || !caption.trim().is_empty());
        Ok((line, record[id].to_owned(), kept.collect()))
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
        let (id, captions) = id_of(&value["id"]).zip(captions_of(&value)).with_context(needs)?;
        Ok((number as u64 + 1, id, captions))
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
        let said = id_of(&entry["image_id"]).zip(captions_of(entry));
        let (id, captions) = said.with_context(|| {
            format!(
                "entry {}: it needs \"image_id\" and \"caption\", or a list \"captions\"",
                number + 1
            )
        })?;
        Ok((number as u64 + 1, id, captions))
    };
    list.iter().enumerate().map(row).collect()
}

/// One `caption`, or a list of `captions`.
fn captions_of(value: &Value) -> Option<Vec<String>> {
    match (&value["caption"], &value["captions"]) {
        (Value::String(one), Value::Null) => Some(vec![one.clone()]),
        (Value::Null, Value::Array(several)) => {
            several.iter().map(|caption| caption.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
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
    use proptest::prelude::*;

    use super::*;

    fn found(rows: Rows) -> Vec<(String, Vec<String>)> {
        rows.unwrap().into_iter().map(|(_, id, captions)| (id, captions)).collect()
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
        let several = "[{\"image_id\": 1, \"captions\": [\"One\", \"Two\"]}]";
        assert_eq!(found(coco(several)), [row("1", &["One", "Two"])]);
        assert_eq!(
            found(coco(&format!("{{\"images\": [], \"annotations\": {list}}}"))),
            [row("1", &["One"])]
        );
    }

    #[test]
    fn what_rows_lack_is_said_with_the_row() {
        let said = |text: &str, ending: &str| format!("{:#}", parse(text, ending).unwrap_err());
        let warned = |text: &str, ending: &str| parse(text, ending).unwrap().warnings.join("; ");
        assert_eq!(
            said("id,caption\na,x\n ,y\n", "csv"),
            "line 3: the id is empty; give the clip one"
        );
        let swallowed = said("id,caption\na,\"x\nb,y\nc,z\n", "csv");
        assert!(
            swallowed.starts_with("line 2: ") && swallowed.contains("never ends"),
            "{swallowed}"
        );
        let long = warned("id,caption\na,x\nb,\"y\nz\"\n", "csv");
        assert!(long.starts_with("line 3: a quoted field goes on to line 4"), "{long}");
        let empty = warned("id,caption\na,x\nb,\n", "csv");
        assert_eq!(empty, "line 3: the caption of clip 'b' is empty");
        let empty =
            warned("{\"id\": 1, \"caption\": \"x\"}\n{\"id\": 2, \"caption\": \"\"}\n", "jsonl");
        assert_eq!(empty, "line 2: the caption of clip '2' is empty");
        let none = said("{\"id\": 1, \"captions\": []}\n", "jsonl");
        assert_eq!(none, "line 1: clip '1' has no caption; leave it out");
        let empty = said("[{\"image_id\": \"\", \"caption\": \"x\"}]", "json");
        assert_eq!(empty, "entry 1: the id is empty; give the clip one");
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

    /// What readers stumble over, between any characters.
    fn hard_file() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z0-9 ,\"{}:\\[\\]\n\r\\\\.-]{0,16}",
            "\\PC{0,6}",
            proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
            Just("id,caption\n".to_owned()),
            Just("file_name,caption_1,caption_2\n".to_owned()),
            Just("{\"id\": 1, \"caption\": \"犬が吠える\"}\n".to_owned()),
            Just("{\"id\": \"a\", \"captions\": [\"x\", \"\"]}\n".to_owned()),
            Just("[{\"image_id\": 1, \"caption\": \"a\"}]".to_owned()),
            Just("\u{feff}\"".to_owned()),
        ];
        proptest::collection::vec(part, 0..7).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// A file is refused with a sentence or has clips, each with an id and captions.
        #[test]
        fn any_text_is_read_or_refused(text in hard_file()) {
            for ending in ["csv", "jsonl", "json"] {
                match parse(&text, ending) {
                    Ok(file) => {
                        let whole = |clip: &Captions| {
                            !clip.id.trim().is_empty() && !clip.captions.is_empty()
                        };
                        prop_assert!(!file.clips.is_empty() && file.clips.iter().all(whole));
                    }
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
