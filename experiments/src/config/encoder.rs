//! The encoders that a configuration can name.

use std::path::PathBuf;

use anyhow::{Context, Result};
use dl_core::{
    Fingerprint, Under,
    fingerprint::contents,
    tagged::{self, Tagged},
};
use dl_encoder::{
    AudioTowerConfig, ClapConfig, HeadsConfig, TextTowerConfig, TorchScriptConfig, TowerPairConfig,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::paths;

/// Beside a checkpoint of LAION's.
const TOKENIZER: &str = "tokenizer.json";

/// The frozen encoder. A kind that is none of these is looked for among those that crates
/// from outside have registered (`dl_encoder::register_encoder!`).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// A CLAP model directory or file.
    Clap(ClapConfig),
    /// A bundle of TorchScript modules.
    Torchscript(TorchScriptConfig),
    /// Pretrained towers and the heads trained over them.
    Towers(TowersConfig),
    /// Of another crate.
    #[serde(untagged)]
    Registered(dl_encoder::EncoderConfig),
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

/// What `kind` says where the encoder is towers, which no registry holds: alone they are no
/// encoder, heads are trained over them first.
const TOWERS: &str = "towers";

impl<'de> Deserialize<'de> for EncoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged { kind, fields } = Tagged::read(deserializer)?;
        let kind = kind.ok_or_else(tagged::missing::<D::Error>)?;
        let read = match kind.as_str() {
            "clap" => tagged::fields(fields).map(Self::Clap),
            "torchscript" => tagged::fields(fields).map(Self::Torchscript),
            TOWERS => tagged::fields(fields).map(Self::Towers),
            other => match dl_encoder::EncoderConfig::of(other, fields) {
                Some(read) => read.map(Self::Registered),
                None => {
                    let kinds = [&dl_encoder::EncoderConfig::kinds()[..], &[TOWERS]].concat();
                    return Err(tagged::unknown(other, &kinds));
                }
            },
        };
        read.map_err(D::Error::custom)
    }
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
            Self::Registered(other) => other.validate().under(key)?,
        }
        Ok(())
    }

    /// What tables call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clap(_) => "clap",
            Self::Torchscript(_) => "torchscript",
            Self::Towers(_) => TOWERS,
            Self::Registered(other) => other.kind(),
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
            Self::Registered(other) => other.paths_mut(),
        }
    }

    /// The heads, where the encoder is towers that need some.
    pub fn heads(&self) -> Option<&HeadsConfig> {
        match self {
            Self::Towers(parts) => Some(&parts.heads),
            Self::Clap(_) | Self::Torchscript(_) | Self::Registered(_) => None,
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
            Self::Towers(parts) => serde_json::json!([TOWERS, parts.towers]),
            other => serde_json::json!(other),
        }
    }

    /// Digest of the files of the frozen model, in their order, by [`contents`]. A checkpoint
    /// of CLAP that is one file counts with the tokenizer beside it. An encoder of another
    /// crate gives its own fingerprint, with its version. Nothing is loaded.
    pub fn files_fingerprint(&self) -> Result<Fingerprint> {
        if let Self::Registered(other) = self {
            return Ok(other.fingerprint()?);
        }
        let mut config = self.clone();
        let mut parts = Vec::new();
        for path in config.paths_mut() {
            parts.extend(contents(path).with_context(|| path.display().to_string())?);
            let tokenizer = path.with_file_name(TOKENIZER);
            if matches!(self, Self::Clap(_)) && path.is_file() && tokenizer.is_file() {
                parts.push((TOKENIZER.into(), Fingerprint::of_file(&tokenizer)?));
            }
        }
        Ok(Fingerprint::of(&parts))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn faults_of_a_kind_name_it_and_the_key() {
        let fault = |text| serde_json::from_str::<EncoderConfig>(text).unwrap_err().to_string();
        let known = "`clap`, `torchscript`, `towers`";
        let text = fault(r#"{"kind": "clop"}"#);
        assert!(text.starts_with("kind: unknown variant `clop`, expected one of"), "{text}");
        assert!(text.contains(known), "{text}");
        assert!(fault(r#"{"path": "x"}"#).contains("missing field `kind`"));
        let text = fault(r#"{"kind": "clap", "path": "x", "batch": "many"}"#);
        assert!(text.starts_with("batch: invalid type"), "{text}");
        let text = fault(r#"{"kind": "torchscript", "paths": "x"}"#);
        assert!(text.contains("unknown field `paths`"), "{text}");
    }

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
