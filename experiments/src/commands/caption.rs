//! `caption FILE...`: captions any sound file with the suite's default captioner, and shows
//! the nearest training captions beside it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use dl_audio::Waveform;
use dl_diffusion::Bridge;
use dl_encoder::Encoder;
use dl_llm::Captioner;

use crate::{
    config::{CaptionConfig, Decoder},
    console::{Output, note},
    experiments::nearest,
    stages::{Suite, Work},
};

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
pub fn run(files: &[PathBuf], suite: &Suite<'_>, out: &mut Output) -> Result<ExitCode> {
    if suite.is_given() {
        bail!(
            "the embeddings of this suite were made elsewhere (data.kind = \"embeddings\"), so it \
             has no encoder for new sounds; use a suite over sounds"
        );
    }
    let tool = Tool::open(suite)?;
    let mut faults = Vec::new();
    for file in files {
        match tool.read(file) {
            Ok((clip, whole)) => {
                let captioned = tool.caption(&clip)?;
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
        let captioner =
            suite.captioner(config.protocol, &config.bridge, seed, settings, Decoder::Plain)?;
        captioner.stage().require(&remedy)?;
        let bridge = suite.bridge(&config.bridge, seed)?;
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
