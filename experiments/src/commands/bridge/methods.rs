//! Methods by the names that a user types, and their configurations.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Result, anyhow, bail};
use dl_core::{EmbeddingSet, Under};
use dl_diffusion::BridgeConfig;
use serde::Deserialize;

use crate::config::{self, training};

/// A method with its defaults.
pub fn named(name: &str) -> Result<BridgeConfig> {
    BridgeConfig::of_kind(name).map_err(|_| unknown(name))
}

fn unknown(name: &str) -> anyhow::Error {
    let known = BridgeConfig::kinds().join(", ");
    let hint = config::nearest(name, BridgeConfig::kinds())
        .map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
    anyhow!("there is no method '{name}', the methods are {known}{hint}")
}

/// What is fitted where nothing says what.
const DEFAULT: &str = "diffusion_link";

/// The method `name`, from a file of configuration where there is one. The file may name
/// the method as `kind`.
pub fn configured(name: Option<&str>, file: Option<&Path>) -> Result<BridgeConfig> {
    let default = named(name.unwrap_or(DEFAULT))?;
    let Some(file) = file else { return Ok(default) };
    let document: toml::Table = config::read_toml(file, &[])?;
    let kind = document.get("kind").and_then(toml::Value::as_str);
    let config: BridgeConfig = match (name, kind) {
        (Some(name), Some(kind)) if name != kind => {
            bail!("--method {name}, but {} is of kind '{kind}'; give one", file.display())
        }
        (None, None) => bail!("{}: has no `kind`; add it or give --method", file.display()),
        (_, Some(_)) => config::read_toml(file, &[])?,
        (Some(name), None) => config::read_toml(file, &[format!("kind='{name}'")])?,
    };
    config.validate().map_err(|error| anyhow!("{}: {error}", file.display()))?;
    Ok(config)
}

/// The sections of a file that `compare` reads; others, those of a suite, are left alone.
#[derive(Deserialize)]
struct Sections {
    bridges: BTreeMap<String, BridgeConfig>,
}

/// The methods `names` in that order, each once: sections of `file`, else methods with
/// their defaults. Without names, all.
pub fn chosen(
    names: Option<&[String]>,
    file: Option<&Path>,
) -> Result<Vec<(String, BridgeConfig)>> {
    let mut sections = match file {
        Some(file) => config::read_toml::<Sections>(file, &[])?.bridges,
        None => BTreeMap::new(),
    };
    for (name, section) in &sections {
        section.validate().under(&format!("bridges.{name}"))?;
    }
    let all = || match file {
        Some(_) => sections.keys().cloned().collect(),
        None => BridgeConfig::kinds().into_iter().map(str::to_owned).collect(),
    };
    let names: Vec<String> = names.map_or_else(all, <[String]>::to_vec);
    let mut chosen: Vec<(String, BridgeConfig)> = Vec::new();
    for name in names {
        if chosen.iter().any(|(known, _)| *known == name) {
            bail!("--methods: {name} is there twice");
        }
        let config = sections.remove(&name).map_or_else(|| named(&name), Ok)?;
        chosen.push((name, config));
    }
    Ok(chosen)
}

/// Refuses, before anything is fitted, a batch that the pairs cannot fill. `transport` fits
/// what it stands on to half of the clips too. `option` is where the user sets the batch.
pub fn check_batch(
    name: &str,
    config: &BridgeConfig,
    train: &EmbeddingSet,
    option: &str,
) -> Result<()> {
    let all = train.captions.len();
    let odd = train.owners.iter().filter(|&owner| owner % 2 == 1).count();
    for (batch, halves) in training::batches(config)? {
        let pairs = if halves { odd.min(all - odd) } else { all };
        if batch > pairs as u64 {
            bail!(
                "{name}: {pairs} training pairs cannot fill a batch of {batch}; lower {option} to \
                 {pairs} or less, or give more pairs"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn every_method_has_a_name_and_takes_numbers_of_training() {
        for name in BridgeConfig::kinds() {
            let config = named(name).unwrap();
            assert_eq!(config.name(), name);
            // A method that stands on another has that one's training.
            let of = |config: &BridgeConfig, key: &str| {
                let value = serde_json::to_value(config).unwrap();
                let own = if value.get("of").is_some() { &value["of"] } else { &value };
                own["train"][key].as_u64()
            };
            let short = training::with_training(&config, Some(7), Some(9)).unwrap();
            assert_eq!(of(&short, "steps"), of(&config, "steps").map(|_| 7), "{name}");
            assert_eq!(of(&short, "batch"), of(&config, "batch").map(|_| 9), "{name}");
            assert_eq!(training::with_training(&config, None, None).unwrap(), config);
            let set = |clips: usize| EmbeddingSet {
                ids: (0..clips).map(|clip| clip.to_string()).collect(),
                audio: Array2::zeros((clips, 2)),
                captions: vec![String::new(); clips],
                text: Array2::zeros((clips, 2)),
                owners: (0..clips).collect(),
                provenance: Default::default(),
            };
            let needed = if name == "transport" { 18 } else { 9 };
            assert!(check_batch(name, &short, &set(needed), "").is_ok(), "{name}");
            let refused = check_batch(name, &short, &set(needed - 1), "").is_err();
            assert_eq!(refused, of(&config, "batch").is_some(), "{name}");
        }
        let error = named("diffusion_lnik").unwrap_err().to_string();
        assert!(error.ends_with("did you mean diffusion_link?"), "{error}");
    }

    #[test]
    fn without_a_name_it_is_diffusion_link() {
        assert_eq!(configured(None, None).unwrap().name(), "diffusion_link");
        assert_eq!(configured(Some("ridge"), None).unwrap().name(), "ridge");
    }
}
