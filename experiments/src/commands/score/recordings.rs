//! CLAP similarity of captions, references and recordings: `dl-eval` has the metric,
//! `dl-encoder` the model, `dl-audio` reads the sound.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_encoder::{AudioEncoder, ClapConfig, Encoder};
use dl_eval::caption::{clap_similarity::ClapSimilarity, similarity::FluencyClassifier};
use ndarray::{Array2, Axis, concatenate};
use tch::Device;

/// What may stand behind a clip's id in the name of its recording; the first is taken.
const ENDINGS: [&str; 6] = ["wav", "wave", "flac", "ogg", "oga", "mp3"];

/// Recordings decoded at once; each is some megabytes.
const BATCH: usize = 16;

pub(super) struct Clap {
    model: dl_encoder::Clap,
    name: String,
    recordings: Option<PathBuf>,
    /// Of the clips of the last call: two systems are compared on the same ones.
    known: RefCell<Option<(Vec<String>, Array2<f32>)>>,
}

impl Clap {
    pub(super) fn open(path: &Path, recordings: Option<&Path>) -> Result<Self> {
        if let Some(folder) = recordings.filter(|folder| !folder.is_dir()) {
            bail!("--recordings {}: there is no such folder; correct it", folder.display());
        }
        let model = dl_encoder::Clap::load(&ClapConfig::at(path), Device::Cpu)?;
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let file = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy();
        let name = format!("CLAP by {file} ({})", model.fingerprint().short());
        let recordings = recordings.map(Path::to_owned);
        Ok(Self { model, name, recordings, known: RefCell::default() })
    }

    /// The model's path and its fingerprint.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// The columns of these captions.
    pub(super) fn metric(
        &self,
        ids: &[String],
        candidates: &[String],
        references: &[Vec<String>],
        fluency: Option<&dyn FluencyClassifier>,
    ) -> Result<ClapSimilarity> {
        let audio = match &self.recordings {
            Some(folder) => Some(self.audio(folder, ids)?),
            None => None,
        };
        let texts: Vec<String> =
            candidates.iter().chain(references.iter().flatten()).cloned().collect();
        let texts = self.model.embed_text(&texts)?;
        Ok(ClapSimilarity::new(&texts, audio.as_ref(), fluency, candidates, references)?)
    }

    fn audio(&self, folder: &Path, ids: &[String]) -> Result<Array2<f32>> {
        if let Some((known, rows)) = &*self.known.borrow()
            && known == ids
        {
            return Ok(rows.clone());
        }
        // All are looked for before any is decoded.
        let files: Result<Vec<PathBuf>> = ids.iter().map(|id| recording(folder, id)).collect();
        let mut parts = Vec::new();
        for files in files?.chunks(BATCH) {
            let decode = |file: &PathBuf| dl_audio::load(file);
            let sounds: Result<Vec<_>, _> = files.iter().map(decode).collect();
            parts.push(self.model.embed_audio(&sounds?)?);
        }
        let views: Vec<_> = parts.iter().map(Array2::view).collect();
        let rows = concatenate(Axis(0), &views).context("there are no clips")?;
        *self.known.borrow_mut() = Some((ids.to_vec(), rows.clone()));
        Ok(rows)
    }
}

/// The file of a clip: of its name (Clotho's ids are file names), or with an ending.
fn recording(folder: &Path, id: &str) -> Result<PathBuf> {
    let names = std::iter::once(id.to_owned()).chain(ENDINGS.map(|end| format!("{id}.{end}")));
    let mut files = names.map(|name| folder.join(name));
    files.find(|file| file.is_file()).with_context(|| {
        format!(
            "--recordings {}: clip '{id}' has no recording; name it '{id}' or '{id}.wav' (or {})",
            folder.display(),
            ENDINGS[1..].join(", ")
        )
    })
}
