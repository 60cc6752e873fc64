//! `score`: captions from a file against references from a file, as the
//! caption-evaluation tools score them, without Java and without a model. The command of
//! `experiments` and the program `dl-score`, which starts without libtorch, are this.

// The command speaks to its user.
#![allow(clippy::print_stderr)]

mod compare;
mod files;
mod meteor;
mod pairs;
mod scorer;
mod several;
mod sheet;
mod spice;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_core::atomic;
use dl_eval::caption::{Item, meteor::Matchers, metric::Metric, spice::Evaluator, tokenize_lines};

pub use compare::{Difference, differences};
pub use meteor::{has_meteor_data, meteor_data};
pub use pairs::same_clips;
use pairs::{Pairs, named};
pub use scorer::{ALL, DEFAULT, Scorer};
use sheet::{Known, Sheet};

/// What is scored and where the scores go.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// One caption for each clip: CSV, JSON lines or the JSON of the COCO tools.
    #[arg(long, value_name = "FILE")]
    pub predictions: PathBuf,
    /// One caption or more for each clip, in any of these layouts.
    #[arg(long, value_name = "FILE")]
    pub references: PathBuf,
    /// Predictions may hold several candidates for each clip, as rows of one id or as a list
    /// `captions`: gives SPIDEr-max, that of each clip's best candidate, and nothing else.
    #[arg(long, conflicts_with_all = [
        "training", "meteor", "spice_official", "spice_tuples", "write_spice_input",
    ])]
    pub spider_max: bool,
    /// Another system's captions of the same clips: compares the two, with paired tests.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Captions that the system was trained on: gives the share of novel captions.
    #[arg(long, value_name = "FILE")]
    pub training: Option<PathBuf>,
    /// Captions whose clips give CIDEr-D's document frequencies [default: the references].
    #[arg(long, value_name = "FILE")]
    pub frequencies: Option<PathBuf>,
    /// METEOR's data, converted [default: what `cargo setup --metrics` brought].
    #[arg(long, value_name = "FILE")]
    pub meteor: Option<PathBuf>,
    /// SPICE from the official tool's own output of these predictions, in place of the
    /// SPICE computed here; clips are matched by image_id.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "spice_tuples"])]
    pub spice_official: Option<PathBuf>,
    /// Also write what SPICE found in captions and references and what matched, a clip a
    /// line.
    #[arg(long, value_name = "FILE")]
    pub spice_tuples: Option<PathBuf>,
    /// Also write the input of the official SPICE tool, for --spice-official.
    #[arg(long, value_name = "FILE")]
    pub write_spice_input: Option<PathBuf>,
    /// Also write scores.json and per_item.csv there.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Metrics from outside: which models they use, and what makes them of candidates and
/// references as they were written.
pub struct Outside<'a> {
    /// What they do and by which model, for the files and for people: `sentences by ...`;
    /// empty where there are none.
    pub models: &'a str,
    /// Makes the metrics of one system.
    pub metrics: &'a Maker<'a>,
}

/// What makes metrics of clips' ids, candidates and references.
pub type Maker<'a> =
    dyn Fn(&[String], &[String], &[Vec<String>]) -> Result<Vec<Box<dyn Metric>>> + 'a;

impl Outside<'_> {
    /// None.
    pub const NONE: Self = Self { models: "", metrics: &|_, _, _| Ok(Vec::new()) };
}

/// Prints the scores of all clips together; with `output`, also writes `scores.json` and
/// `per_item.csv` there.
///
/// # Errors
/// Files that cannot be read or do not fit together; the message names the file, the cause
/// and the remedy.
pub fn run(options: &Options, outside: &Outside) -> Result<()> {
    if let Some(file) = options.output.as_deref().filter(|output| output.is_file()) {
        bail!("--output {}: this is a file; name a folder", file.display());
    }
    if options.spider_max {
        if !outside.models.is_empty() {
            bail!(
                "--spider-max scores with SPIDEr alone; leave the models out, or score one caption \
                 for each clip"
            );
        }
        return several::run(options);
    }
    let pairs = Pairs::read(&options.predictions, &options.references)?;
    let against = match &options.against {
        Some(file) => Some((file, pairs.order(Pairs::read(file, &options.references)?))),
        None => None,
    };
    let words = |file: Option<&Path>| file.map(words_by_clip).transpose();
    let known = Known {
        training: words(options.training.as_deref())?.map(|clips| clips.concat()),
        documents: words(options.frequencies.as_deref())?,
    };
    let data = meteor_data(options.meteor.as_deref())?;
    if data.is_none() {
        eprintln!(
            "METEOR is not computed, its data is missing (`cargo setup --metrics` brings it); \
             exact and stem matches stand in a column of another name"
        );
    }
    let evaluator = Evaluator::new();
    let official = match &options.spice_official {
        Some(file) => Some(spice::Official::read(file, &pairs.ids)?),
        None => None,
    };
    let (method, by): (&str, &dyn Metric) = match &official {
        Some(official) => (spice::OFFICIAL, official),
        None => (spice::OWN, &evaluator),
    };
    let scored = |pairs: &Pairs, file: &Path| {
        let items = Item::all(&pairs.candidates, &pairs.references)?;
        let what = "captions without a word (they score 0)";
        tell(&items, &pairs.ids, file, what, |item| item.candidate.is_empty());
        let outside = (outside.metrics)(&pairs.ids, &pairs.candidates, &pairs.references)?;
        let matchers = data.as_ref().map_or(Matchers::ExactStem, Matchers::All);
        Ok::<_, anyhow::Error>((Sheet::new(&items, matchers, by, &outside, &known)?, items))
    };
    let (sheet, items) = scored(&pairs, &options.predictions)?;
    let what = "clips with a reference without a word (it counts as a reference of length 0)";
    tell(&items, &pairs.ids, &options.references, what, |item| {
        item.references.iter().any(Vec::is_empty)
    });
    if let Some(file) = &options.spice_tuples {
        spice::write_tuples(file, &pairs.ids, &evaluator.scores(&items)?)?;
    }
    if let Some(file) = &options.write_spice_input {
        spice::write_input(file, &pairs.ids, &items)?;
    }
    let differences = match &against {
        Some((file, other)) => {
            Some(compare::differences(sheet.columns(), scored(other, file)?.0.columns())?)
        }
        None => None,
    };
    let mut text = sheet.to_text();
    if !outside.models.is_empty() {
        text += &format!("\n{}\n", outside.models);
    }
    if let Some(differences) = &differences {
        text += &format!("\n{}", compare::to_text(differences));
    }
    let against = differences.as_deref().map(compare::to_json);
    let files = [sheet.to_json(outside.models, method, against)?, sheet.to_csv(&pairs.ids)?];
    give(text, options.output.as_deref(), &files)
}

/// Prints `text` and writes `files` into `output`: `scores.json` and `per_item.csv`.
fn give(mut text: String, output: Option<&Path>, files: &[String; 2]) -> Result<()> {
    if let Some(output) = output {
        std::fs::create_dir_all(output)
            .with_context(|| format!("cannot make {}", output.display()))?;
        for (name, file) in ["scores.json", "per_item.csv"].iter().zip(files) {
            atomic::write_bytes(&output.join(name), file.as_bytes())?;
        }
        text += &format!("\n{}: scores.json, per_item.csv\n", output.display());
    }
    // Last: whoever reads may go away, the files stand.
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Names the clips of a file of which `is_so`.
fn tell(items: &[Item], ids: &[String], file: &Path, what: &str, is_so: fn(&Item) -> bool) {
    let so = items.iter().zip(ids).filter(|(item, _)| is_so(item));
    let so: Vec<&String> = so.map(|(_, id)| id).collect();
    if !so.is_empty() {
        eprintln!("{}: {what}: {}: {}", file.display(), so.len(), named(&so, &[]));
    }
}

/// The captions of every clip of a file, as words.
fn words_by_clip(file: &Path) -> Result<Vec<Vec<Vec<String>>>> {
    let clips = files::read(file)?;
    let captions: Vec<&String> = clips.iter().flat_map(|clip| &clip.captions).collect();
    let mut words = tokenize_lines(&captions).into_iter();
    Ok(clips.iter().map(|clip| words.by_ref().take(clip.captions.len()).collect()).collect())
}
