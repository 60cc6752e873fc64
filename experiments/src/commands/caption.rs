//! `caption FILE...`: captions any sound file with the suite's default captioner, and shows
//! the nearest training captions beside it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use dl_audio::Waveform;
use dl_core::atomic;
use dl_diffusion::Bridge;
use dl_encoder::Encoder;
use dl_llm::Captioner;
use serde_json::json;

use super::{Options, output::check_file};
use crate::{
    config::{CaptionConfig, Decoder, SuiteConfig},
    console::{Output, note},
    experiments::nearest,
    stages::{Suite, Work},
};

/// Where the captioner comes from, and how captions are printed.
#[derive(Clone, Debug, Args)]
pub struct CaptionOptions {
    /// A run's directory: its configuration in place of --config. Its stages may have moved
    /// with it.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub run: Option<PathBuf>,
    /// Also write the captions: file and caption, one row a file.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Print a line of JSON for each file.
    #[arg(long)]
    pub json: bool,
}

impl CaptionOptions {
    /// The run's configuration, or the one that `load` gives.
    pub fn config(
        &self,
        options: &Options,
        load: impl FnOnce() -> Result<SuiteConfig>,
    ) -> Result<SuiteConfig> {
        let Some(run) = &self.run else { return load() };
        let file = run.join("config.toml");
        if !file.is_file() {
            bail!(
                "--run {}: is no run, it has no config.toml; name a folder such as \
                 runs/<suite>/t2/<key>",
                run.display()
            );
        }
        let file = file.to_string_lossy();
        let mut config = SuiteConfig::load(&file, &options.sets, options.seeds.as_deref())?;
        // `<runs>/<suite>/<experiment>/<key>`, wherever that lies now.
        let place = run.canonicalize().with_context(|| format!("--run {}", run.display()))?;
        let suite = place.ancestors().nth(2);
        let own = suite.filter(|suite| suite.file_name().is_some_and(|name| *name == *config.name));
        if let Some(runs) = own.and_then(Path::parent)
            && !options.sets.iter().any(|set| set.starts_with("runs="))
        {
            config.runs = runs.to_owned();
        }
        Ok(config)
    }
}

/// What is needed to caption sounds from outside the corpus.
struct Tool<'a> {
    suite: &'a Suite<'a>,
    config: &'a CaptionConfig,
    encoder: Box<dyn Encoder>,
    bridge: Bridge,
    captioner: Captioner,
    seed: u64,
}

/// A caption and the training captions nearest to the bridged embedding.
struct Captioned {
    caption: String,
    neighbours: Vec<(f32, String)>,
}

/// Captions every file that can be read, then lists the others. The exit code is
/// 1 when there are any.
pub fn run(
    files: &[PathBuf],
    how: &CaptionOptions,
    suite: &Suite<'_>,
    out: &mut Output,
) -> Result<ExitCode> {
    if let Some(csv) = &how.csv {
        check_file(csv)?;
    }
    if suite.is_given() {
        bail!(
            "the embeddings of this suite were made elsewhere (data.kind = \"embeddings\"), so it \
             has no encoder for new sounds; use a suite over sounds"
        );
    }
    let tool = Tool::open(suite)?;
    let mut faults = Vec::new();
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["file", "caption"])?;
    for file in files {
        match tool.read(file) {
            Ok((clip, whole)) => {
                let captioned = tool.caption(&clip)?;
                let name = file.to_string_lossy();
                table.write_record([name.as_ref(), &captioned.caption])?;
                if how.json {
                    let nearest = captioned.neighbours.iter();
                    let nearest: Vec<_> = nearest
                        .map(|(cosine, caption)| json!({"cosine": cosine, "caption": caption}))
                        .collect();
                    out.line(json!({
                        "file": name,
                        "caption": captioned.caption,
                        "seconds": clip.seconds(),
                        "of_seconds": whole.seconds(),
                        "nearest": nearest,
                    }))?;
                    continue;
                }
                out.line(format_args!("{}{}", file.display(), extent(&clip, &whole)))?;
                out.line(format_args!("  {}", sentence(&captioned.caption)))?;
                out.line("  nearest training captions:")?;
                for (cosine, caption) in captioned.neighbours {
                    out.line(format_args!("    {cosine:.2}  {caption}"))?;
                }
            }
            Err(error) => faults.push(format!("{error:#}")),
        }
    }
    if let Some(csv) = &how.csv {
        let rows = table.into_inner().context("the table of captions")?;
        atomic::write_bytes(csv, &rows).with_context(|| format!("--csv {}", csv.display()))?;
    }
    for fault in &faults {
        note(format_args!("error: {fault}"));
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl<'a> Tool<'a> {
    fn open(suite: &'a Suite<'a>) -> Result<Self> {
        let config = &suite.config.caption;
        let seed = suite.config.seeds[0];
        let remedy = format!("cargo run -p experiments -- run t2 --config {}", suite.config.name);
        let embeddings = suite.finished_embeddings(&remedy)?;
        let settings = &suite.config.captioner;
        let bridge = suite.bridge(&config.bridge, seed)?;
        let captioner = suite.captioner(config.protocol, &bridge, settings, Decoder::Plain)?;
        captioner.stage().require(&remedy)?;
        suite.lab.make(&[Arc::clone(&bridge) as Arc<dyn Work>])?;
        Ok(Self {
            suite,
            config,
            encoder: embeddings.encoder(suite.lab)?,
            bridge: bridge.load(suite.lab)?,
            captioner: captioner.load(suite.lab)?,
            seed,
        })
    }

    /// The clip to caption and the whole recording it is from.
    fn read(&self, file: &Path) -> Result<(Waveform, Waveform)> {
        let whole = dl_audio::load(file)?;
        Ok((self.config.clip.apply(&whole), whole))
    }

    fn caption(&self, clip: &Waveform) -> Result<Captioned> {
        let audio = self.encoder.embed_audio(std::slice::from_ref(clip))?;
        // The noise of a sampling bridge is that of the item's name; one name for
        // all files makes a caption independent of where the file lies.
        let bridged = self.bridge.apply(&audio, &["caption".into()], self.seed)?;
        let caption = self
            .captioner
            .caption(&bridged, &self.suite.config.captioner.decode)?
            .pop()
            .context("one embedding gives one caption")?;
        let train = &self.suite.sets()?.train;
        Ok(Captioned {
            caption,
            neighbours: nearest(train, bridged.row(0), self.config.neighbours),
        })
    }
}

/// The decoder writes lower case; a reader expects a sentence.
fn sentence(caption: &str) -> String {
    let mut letters = caption.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What part of a long recording the caption is of.
fn extent(clip: &Waveform, whole: &Waveform) -> String {
    let (part, all) = (clip.seconds(), whole.seconds());
    if all > part + 0.01 { format!("  ({part} s of {all:.1} s)") } else { String::new() }
}
