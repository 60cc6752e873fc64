//! An encoder by the name or path that a user gives.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use dl_audio::{ChunkPolicy, ClipConfig, Crop};
use dl_core::Fingerprint;
use dl_encoder::{ClapConfig, Encoder, Heads, TorchScriptConfig, TorchScriptEncoder};
use tch::Device;

use crate::{
    config::{EncoderConfig, SuiteConfig, paths},
    stages::{Frozen, Lab, Services, Suite},
};

/// An encoder that can be loaded, and what recordings are brought to before it.
pub struct Named {
    config: EncoderConfig,
    /// The heads over towers.
    heads: Option<PathBuf>,
    device: Device,
    /// For towers that take any length; other front ends have a policy of their own.
    pub clip: Option<ClipConfig>,
}

impl Named {
    /// The encoder at `name`, a path or a configuration; the one of `suite` without a name.
    /// Heads of towers are trained where they are not yet.
    pub fn find(
        name: Option<&str>,
        choices: ClapChoices,
        suite: SuiteConfig,
        services: &Services<'_>,
    ) -> Result<Self> {
        let Some(name) = name else { return Self::of_suite(&suite, services) };
        let (path, device) = (Path::new(name), suite.device.resolve()?);
        let plain = |config| Self { config, heads: None, device, clip: None };
        if TorchScriptEncoder::is_bundle(path) {
            choices.refuse(name)?;
            let bundle = TorchScriptConfig { path: path.into() };
            return Ok(plain(EncoderConfig::Torchscript(bundle)));
        }
        if path.exists() {
            return Ok(plain(EncoderConfig::Clap(choices.at(path))));
        }
        if !name.ends_with(".toml") && paths::config_file(name).is_ok() {
            choices.refuse(name)?;
            let mut named = SuiteConfig::load(name, &[], None)?;
            (named.device, named.runs) = (suite.device, suite.runs.clone());
            return Self::of_suite(&named, services);
        }
        bail!(
            "--encoder {name}: there is no such file or folder; give a CLAP directory (with its \
             config.json), a LAION .pt file, a TorchScript bundle (with its bundle.json) or the \
             name of a configuration (embedded, recorded)"
        )
    }

    fn of_suite(suite: &SuiteConfig, services: &Services<'_>) -> Result<Self> {
        let device = suite.device.resolve()?;
        let config = suite.encoder.in_repository()?;
        if config.heads().is_none() {
            return Ok(Self { config, heads: None, device, clip: None });
        }
        let lab = Lab::new(services, suite)?;
        let open = Suite::open(&lab, suite)?;
        open.sets()?;
        let heads = Some(open.embeddings()?.heads_file());
        Ok(Self { config, heads, device, clip: Some(suite.caption.clip.clone()) })
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// A copy of it.
    pub fn load(&self) -> Result<Box<dyn Encoder>> {
        let heads = || {
            let file = self.heads.as_deref().context("towers have heads")?;
            Ok(Heads::load(file, self.device)?)
        };
        Frozen::load(&self.config, self.device)?.with_heads(heads)
    }

    /// Digest of it, loaded, and of what recordings are brought to before it.
    pub fn fingerprint(&self, encoder: &dyn Encoder) -> Fingerprint {
        let encoder = encoder.fingerprint();
        match &self.clip {
            Some(clip) => Fingerprint::combine([&encoder, &Fingerprint::of(clip)]),
            None => encoder,
        }
    }
}

/// What the files of a CLAP leave to the user.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ClapChoices {
    /// Which part of a long clip a CLAP model hears, first or centre [default: first]; a
    /// fused one, which part of each third [default: centre].
    #[arg(long, requires = "encoder", value_parser = crop)]
    crop: Option<Crop>,
    /// Round samples to 16 bits before CLAP's front end, as LAION's own code does.
    #[arg(long, requires = "encoder")]
    int16: bool,
}

fn crop(text: &str) -> Result<Crop, String> {
    match text {
        "first" => Ok(Crop::First),
        "centre" | "center" => Ok(Crop::Centre),
        _ => Err("use first or centre".into()),
    }
}

impl ClapChoices {
    fn at(self, path: &Path) -> ClapConfig {
        let mut config = ClapConfig { int16: self.int16, ..ClapConfig::at(path) };
        if let Some(crop) = self.crop {
            config.crop = crop;
            config.chunks =
                if crop == Crop::First { ChunkPolicy::First } else { ChunkPolicy::Centre };
        }
        config
    }

    /// For encoders that leave nothing to choose.
    fn refuse(self, name: &str) -> Result<()> {
        if self.crop.is_some() || self.int16 {
            bail!("--crop and --int16 are for CLAP files; {name} has its own front end");
        }
        Ok(())
    }
}
