//! A corpus of plain clips, written as a crate outside of this one would write it: it
//! knows nothing of scenes, and a configuration names it once it is registered.

// Helpers outside of test functions unwrap too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use dl_audio::Waveform;
use dl_core::{ConfigError, FileError, Fingerprint, fault::check};
use dl_data::{Clip, Corpus, CorpusConfig, CorpusKind, DataError, SCENES, Split, export};
use serde::{Deserialize, Serialize};

/// Test clips alone, each a sound file and its captions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainConfig {
    sounds: Vec<PathBuf>,
    caption: String,
}

struct Plain {
    files: Vec<PathBuf>,
    clips: Vec<Clip>,
}

dl_data::register_corpus!(PlainConfig);

impl CorpusKind for PlainConfig {
    const KIND: &'static str = "plain";

    fn validate(&self) -> Result<(), ConfigError> {
        check(!self.sounds.is_empty(), "sounds", "[]", "one or more files")
    }

    fn open(&self, _: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let files: Vec<PathBuf> = self.sounds.iter().map(|sound| folder.join(sound)).collect();
        if let Some(missing) = files.iter().find(|file| !file.is_file()) {
            return Err(FileError::invalid(missing, "is not there; correct `sounds`").into());
        }
        let clip = |(index, sound): (usize, &PathBuf)| Clip {
            id: format!("plain-{index}"),
            captions: vec![self.caption.clone()],
            labels: Vec::new(),
            sources: vec![sound.display().to_string()],
        };
        let clips = self.sounds.iter().enumerate().map(clip).collect();
        Ok(Box::new(Plain { files, clips }))
    }
}

impl Corpus for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.files)
    }

    fn clips(&self, split: Split) -> &[Clip] {
        if split == Split::Test { &self.clips } else { &[] }
    }

    fn render(&self, _: Split, index: usize) -> Result<Waveform, DataError> {
        Ok(dl_audio::load(&self.files[index])?)
    }
}

#[test]
fn a_plain_corpus_is_named_opened_and_exported() {
    let text = "kind = 'plain'\nsounds = ['a.wav']\ncaption = 'A bell rings'\n";
    assert_eq!(
        CorpusConfig::kinds(),
        [
            "audiocaps",
            "clotho",
            "embeddings",
            "manifest",
            "plain",
            "recorded",
            "soundscapes",
            "wavcaps"
        ]
    );
    let config: CorpusConfig = toml::from_str(text).unwrap();
    assert_eq!(config.kind(), "plain");
    let error = toml::from_str::<CorpusConfig>("kind = 'plain'\nsounds = [1]\n").unwrap_err();
    assert!(error.to_string().contains("sounds[0]: invalid type: integer `1`"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let error = config.open(0, folder.path()).map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("a.wav: is not there; correct `sounds`"), "{error}");
    let sound = Waveform { samples: vec![0.25, -0.5], sample_rate: 8_000 };
    sound.write_wav(&folder.path().join("a.wav")).unwrap();
    let corpus = config.open(0, folder.path()).unwrap();
    assert!(corpus.as_scenes().is_none() && corpus.warnings().is_empty());
    assert_eq!(corpus.render(Split::Test, 0).unwrap(), sound);

    let out = folder.path().join("out");
    let written = export(corpus.as_ref(), Split::Test, 9, &out, &dl_core::Silent).unwrap();
    assert_eq!(written, 1);
    let table = std::fs::read_to_string(out.join(SCENES)).unwrap();
    assert_eq!(table, "id,file,captions,events\nplain-0,plain-0.wav,A bell rings,\n");
}
