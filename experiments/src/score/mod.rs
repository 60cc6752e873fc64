//! `score`: captions from a file against references from a file, as the
//! caption-evaluation tools score them, without Java and without a model.

mod captions;
mod sheet;

use std::{collections::HashMap, path::Path};

use anyhow::{Result, bail};
use dl_core::atomic;
use dl_eval::caption::{
    Item, bleu,
    diversity::diversity,
    meteor::{Matchers, MeteorData},
};

use crate::paths;
use sheet::Sheet;

/// Where set-up links METEOR's package to.
const PACKAGE: &str = ".setup/models/meteor";
/// What is made of it.
const CONVERTED: &str = ".setup/meteor.bin";

/// The clips of both files, in the order of the predictions.
struct Pairs {
    ids: Vec<String>,
    candidates: Vec<String>,
    references: Vec<Vec<String>>,
}

/// Prints the scores of all clips together; with `output`, also writes `scores.json` and
/// `per_item.csv` there. `meteor` is the file of METEOR's
/// data, where it is not the installed one.
pub fn run(
    predictions: &Path,
    references: &Path,
    meteor: Option<&Path>,
    output: Option<&Path>,
) -> Result<()> {
    if let Some(file) = output.filter(|output| output.is_file()) {
        bail!("--output {}: this is a file; name a folder", file.display());
    }
    if let Some(folder) = meteor.filter(|meteor| meteor.is_dir()) {
        bail!(
            "--meteor {}: this is a folder; name a converted file, or leave it out after \
             `cargo setup --metrics`",
            folder.display()
        );
    }
    let pairs = Pairs::read(predictions, references)?;
    let items = Item::all(&pairs.candidates, &pairs.references)?;
    let ids = |is_so: fn(&Item) -> bool| -> Vec<&str> {
        let so = items.iter().zip(&pairs.ids).filter(|(item, _)| is_so(item));
        so.map(|(_, id)| id.as_str()).collect()
    };
    let empty = ids(|item| item.candidate.is_empty());
    if !empty.is_empty() {
        eprintln!("captions without a word (they score 0): {}: {}", empty.len(), named(&empty));
    }
    let bare = ids(|item| item.references.iter().any(Vec::is_empty));
    if !bare.is_empty() {
        eprintln!(
            "clips with a reference without a word (it counts as a reference of length 0): {}: {}",
            bare.len(),
            named(&bare)
        );
    }
    let data = match meteor {
        Some(file) => Some(MeteorData::open(file)?),
        None => installed()?,
    };
    if data.is_none() {
        eprintln!(
            "METEOR is not computed, its data is missing (`cargo setup --metrics` brings it); \
             exact and stem matches stand in a column of another name"
        );
    }
    let candidates: Vec<Vec<String>> = items.iter().map(|item| item.candidate.clone()).collect();
    let matchers = data.as_ref().map_or(Matchers::ExactStem, Matchers::All);
    let (sheet, (variety, self_bleu)) = rayon::join(
        || Sheet::new(&items, matchers),
        || (diversity(&candidates), bleu::self_bleu(&candidates).map(|scores| scores[3])),
    );
    let sheet = sheet?;
    let about = sheet::About { clips: pairs.ids.len(), variety, self_bleu };
    print!("{}", sheet.to_text(&about));
    if let Some(output) = output {
        std::fs::create_dir_all(output)
            .map_err(|error| anyhow::anyhow!("cannot make {}: {error}", output.display()))?;
        atomic::write_bytes(&output.join("scores.json"), sheet.to_json(&about)?.as_bytes())?;
        atomic::write_bytes(&output.join("per_item.csv"), sheet.to_csv(&pairs.ids)?.as_bytes())?;
        println!("\n{}: scores.json, per_item.csv", output.display());
    }
    Ok(())
}

/// METEOR's data where set-up brought the package: converted at first use.
fn installed() -> Result<Option<MeteorData>> {
    let package = paths::in_repository(Path::new(PACKAGE))?;
    if !package.is_dir() {
        return Ok(None);
    }
    let file = paths::in_repository(Path::new(CONVERTED))?;
    match MeteorData::open(&file) {
        Ok(data) => Ok(Some(data)),
        // Absent, or of another version of this program.
        Err(_) => {
            eprintln!("converting METEOR's data, once ...");
            MeteorData::convert(&package, &file)?;
            Ok(Some(MeteorData::open(&file)?))
        }
    }
}

impl Pairs {
    fn read(predictions: &Path, references: &Path) -> Result<Self> {
        let known = captions::read(references)?;
        let mut left: HashMap<String, Vec<String>> =
            known.into_iter().map(|clip| (clip.id, clip.captions)).collect();
        let mut pairs = Self { ids: Vec::new(), candidates: Vec::new(), references: Vec::new() };
        let mut missing = Vec::new();
        for (id, caption) in captions::predictions(predictions)? {
            match left.remove(&id) {
                Some(references) => {
                    pairs.ids.push(id);
                    pairs.candidates.push(caption);
                    pairs.references.push(references);
                }
                None => missing.push(id),
            }
        }
        let [of, with] = [predictions, references].map(Path::display);
        if !missing.is_empty() {
            bail!(
                "{of}: {} clips have no references in {with}: {}; leave them out, or add references",
                missing.len(),
                named(&missing)
            );
        }
        if !left.is_empty() {
            let mut ids: Vec<String> = left.into_keys().collect();
            ids.sort();
            bail!(
                "{of}: {} clips of {with} have no caption here: {}; caption them too, or leave them \
                 out of the references",
                ids.len(),
                named(&ids)
            );
        }
        Ok(pairs)
    }
}

/// The first few ids.
fn named(ids: &[impl AsRef<str>]) -> String {
    let mut text: Vec<&str> = ids.iter().take(5).map(AsRef::as_ref).collect();
    text.extend((ids.len() > 5).then_some("..."));
    text.join(", ")
}
