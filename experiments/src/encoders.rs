//! An encoder by the name or path that a user gives.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use dl_audio::{ChunkPolicy, ClipConfig, Crop};
use dl_core::Fingerprint;
use dl_encoder::{Clap, ClapConfig, Encoder, TorchScriptEncoder};

use crate::{
    config::{EncoderConfig, SuiteConfig},
    paths,
    pipeline::Pipeline,
    ui::Reporter,
};

/// An encoder, and what recordings are brought to before it.
pub struct Opened {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// For towers that take any length; other front ends have a policy of their own.
    pub clip: Option<ClipConfig>,
}

impl Opened {
    fn whole(encoder: impl Encoder + 'static) -> Self {
        Self { encoder: Box::new(encoder), clip: None }
    }

    /// Digest of both.
    pub fn fingerprint(&self) -> Fingerprint {
        let encoder = self.encoder.fingerprint();
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

/// The encoder at `name`, a path or a configuration; the one of `suite` without a name.
pub fn open(
    name: Option<&str>,
    choices: ClapChoices,
    suite: &SuiteConfig,
    reporter: &Reporter,
) -> Result<Opened> {
    let Some(name) = name else { return of_suite(suite, reporter) };
    let (path, device) = (Path::new(name), suite.device.resolve()?);
    if TorchScriptEncoder::is_bundle(path) {
        choices.refuse(name)?;
        return Ok(Opened::whole(TorchScriptEncoder::load(path, device)?));
    }
    if path.exists() {
        return Ok(Opened::whole(Clap::load(&choices.at(path), device)?));
    }
    if !name.ends_with(".toml") && paths::config_file(name).is_ok() {
        choices.refuse(name)?;
        let mut named = SuiteConfig::load(name, &[], None)?;
        (named.device, named.runs) = (suite.device, suite.runs.clone());
        return of_suite(&named, reporter);
    }
    bail!(
        "--encoder {name}: there is no such file or folder; give a CLAP directory (with its \
         config.json), a LAION .pt file, a TorchScript bundle (with its bundle.json) or the name \
         of a configuration (embedded, recorded)"
    )
}

fn of_suite(suite: &SuiteConfig, reporter: &Reporter) -> Result<Opened> {
    let encoder = Pipeline::new(suite, reporter)?.encoder()?;
    let clip = match suite.encoder {
        EncoderConfig::Towers(_) => Some(suite.caption.clip.clone()),
        EncoderConfig::Clap(_) | EncoderConfig::Torchscript(_) => None,
    };
    Ok(Opened { encoder, clip })
}
