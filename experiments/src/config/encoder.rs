//! The encoders that a configuration can name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use dl_core::Fingerprint;
use dl_encoder::{AudioTowerConfig, ClapConfig, HeadsConfig, TextTowerConfig, TowerPairConfig};
use serde::{Deserialize, Serialize};

use super::paths;

/// Beside a checkpoint of LAION's.
const TOKENIZER: &str = "tokenizer.json";

/// The frozen encoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// A CLAP model directory or file.
    Clap(ClapConfig),
    /// A bundle of TorchScript modules.
    Torchscript(TorchScriptConfig),
    /// Pretrained towers and the heads trained over them.
    Towers(TowersConfig),
}

/// Where a TorchScript bundle lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchScriptConfig {
    /// Its directory.
    pub path: PathBuf,
}

/// Pretrained towers and the heads trained over them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowersConfig {
    /// Pretrained towers.
    pub towers: TowerPairConfig,
    /// Projection heads.
    pub heads: HeadsConfig,
}

impl EncoderConfig {
    /// Checks every range; faults begin with `key`, this encoder's place in the file.
    pub(super) fn validate(&self, key: &str) -> Result<()> {
        match self {
            Self::Clap(clap) => clap.validate().with_context(|| key.to_owned())?,
            Self::Torchscript(_) => {}
            Self::Towers(parts) => {
                parts.towers.validate().with_context(|| format!("{key}.towers"))?;
                parts.heads.validate().with_context(|| format!("{key}.heads"))?;
            }
        }
        Ok(())
    }

    /// What tables call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clap(_) => "clap",
            Self::Torchscript(_) => "torchscript",
            Self::Towers(_) => "towers",
        }
    }

    /// The same with its files relative to the repository.
    pub fn in_repository(&self) -> Result<Self> {
        let mut config = self.clone();
        for path in config.paths_mut() {
            *path = paths::in_repository(path)?;
        }
        Ok(config)
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Clap(clap) => vec![&mut clap.path],
            Self::Torchscript(bundle) => vec![&mut bundle.path],
            Self::Towers(TowersConfig { towers, .. }) => {
                let AudioTowerConfig::Aisfx(audio) = &mut towers.audio;
                let TextTowerConfig::Minilm(text) = &mut towers.text;
                vec![&mut audio.path, &mut text.path]
            }
        }
    }

    /// The heads, where the encoder is towers that need some.
    pub fn heads(&self) -> Option<&HeadsConfig> {
        match self {
            Self::Towers(parts) => Some(&parts.heads),
            Self::Clap(_) | Self::Torchscript(_) => None,
        }
    }

    /// What the frozen model makes of a sound or a text depends on this and on the content
    /// of its files, not on where they lie: the configuration without paths and heads.
    pub fn frozen_settings(&self) -> serde_json::Value {
        let mut plain = self.clone();
        for path in plain.paths_mut() {
            *path = PathBuf::new();
        }
        match &plain {
            Self::Towers(parts) => serde_json::json!(["towers", parts.towers]),
            other => serde_json::json!(other),
        }
    }

    /// Digest of the files of the frozen model, in their order: of every file of a folder,
    /// but hidden ones, by name and content. A checkpoint that is one file counts with the
    /// tokenizer beside it. Nothing is loaded.
    pub fn files_fingerprint(&self) -> Result<Fingerprint> {
        let mut config = self.clone();
        let mut parts = Vec::new();
        for path in config.paths_mut() {
            let of_clap = matches!(self, Self::Clap(_));
            parts.extend(content(path, of_clap).with_context(|| path.display().to_string())?);
        }
        Ok(Fingerprint::of(&parts))
    }
}

/// Name and content of the file `path`, or of every file in the folder `path`.
fn content(path: &Path, with_tokenizer: bool) -> io::Result<Vec<(String, Fingerprint)>> {
    if !path.is_dir() {
        // The name is the user's own.
        let mut files = vec![(String::new(), Fingerprint::of_file(path)?)];
        let tokenizer = path.with_file_name(TOKENIZER);
        if with_tokenizer && tokenizer.is_file() {
            files.push((TOKENIZER.into(), Fingerprint::of_file(&tokenizer)?));
        }
        return Ok(files);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && !name.starts_with('.') {
            files.push((name, Fingerprint::of_file(&path)?));
        } else if path.is_dir() && !name.starts_with('.') {
            let inner = content(&path, false)?;
            files.extend(inner.into_iter().map(|(file, print)| (format!("{name}/{file}"), print)));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_of_every_file_and_not_of_its_place() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.join("inner")).unwrap();
            for file in ["config.json", "model.safetensors", "inner/0.pt", ".cache"] {
                fs::write(path.join(file), file).unwrap();
            }
            path
        };
        let print = |path: &Path| {
            let config = EncoderConfig::Torchscript(TorchScriptConfig { path: path.into() });
            config.files_fingerprint().unwrap()
        };
        let (a, b) = (folder("a"), folder("b"));
        assert_eq!(print(&a), print(&b));
        fs::write(b.join(".cache"), "other").unwrap();
        assert_eq!(print(&a), print(&b));
        for file in ["config.json", "inner/0.pt", "new"] {
            let before = print(&b);
            fs::write(b.join(file), "changed").unwrap();
            assert_ne!(print(&b), before, "{file}");
        }
        let settings = |path: &Path| EncoderConfig::Clap(ClapConfig::at(path)).frozen_settings();
        assert_eq!(settings(&a), settings(&b));
    }
}
