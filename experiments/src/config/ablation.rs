//! Ablations: what is varied, and the variants that a section describes.

use anyhow::{Context, Result, bail};
use dl_diffusion::BridgeConfig;
use serde::{Deserialize, Serialize};

use super::{CaptionerConfig, Protocol, SuiteConfig, file::variant_of, training::with_batches_of};

/// Variants: the values of a sweep, then those that are named. Every row is compared
/// with the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationConfig {
    /// What varies, in a few words: the title of the table.
    pub about: String,
    /// The bridge of the suite that is varied, or that the varied decoder is used with.
    pub of: String,
    /// What the keys belong to.
    #[serde(default, skip_serializing_if = "Vary::is_bridge")]
    pub vary: Vary,
    /// What is measured. Left out, the gap of a bridge and the captions of a captioner, of which
    /// nothing else can be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Where captions are measured: what their decoders are trained on.
    #[serde(default = "zero_shot", skip_serializing_if = "is_zero_shot")]
    pub protocol: Protocol,
    /// One key over several values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepConfig>,
    /// Variants with a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantConfig>,
}

impl AblationConfig {
    /// What is measured.
    pub fn measures(&self) -> Measure {
        self.measure.unwrap_or(match self.vary {
            Vary::Bridge | Vary::Pairs => Measure::Gap,
            Vary::Captioner => Measure::Captions,
        })
    }

    fn validate(&self) -> Result<()> {
        let captions = self.measures() == Measure::Captions;
        if self.vary == Vary::Captioner && !captions {
            bail!("measure = \"gap\": a captioner has none; vary the bridge or the pairs");
        }
        if self.protocol == Protocol::Supervised && !captions {
            bail!("protocol = \"supervised\": that is for captions; set measure = \"captions\"");
        }
        if self.protocol == Protocol::Supervised && self.vary == Vary::Pairs {
            bail!(
                "protocol = \"supervised\": a supervised decoder learns from the sound of every \
                 training clip; with vary = \"pairs\" captions are zero-shot"
            );
        }
        Ok(())
    }
}

fn zero_shot() -> Protocol {
    Protocol::ZeroShot
}

fn is_zero_shot(protocol: &Protocol) -> bool {
    *protocol == zero_shot()
}

/// What an ablation measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The gap that the bridge leaves.
    Gap,
    /// Captions of the plain decoder behind the bridge. A zero-shot decoder learns from the captions
    /// of all training clips, however few pairs its bridge was given.
    Captions,
}

/// What an ablation changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vary {
    /// The bridge.
    #[default]
    Bridge,
    /// The number of training clips that the bridge is given (key `clips`), whose batches have no
    /// more of them.
    Pairs,
    /// The captioner, used through the bridge.
    Captioner,
}

impl Vary {
    fn is_bridge(&self) -> bool {
        *self == Self::Bridge
    }
}

/// One key over several values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepConfig {
    /// With dots, as `--set` takes it, from the bridge (the captioner) down.
    pub key: String,
    /// In the order of the rows.
    pub values: Vec<toml::Value>,
}

/// A variant with a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantConfig {
    /// The row.
    pub name: String,
    /// `key=value`, as `--set` takes it, from the bridge (the captioner) down; none is
    /// the bridge (the captioner) itself.
    #[serde(default)]
    pub set: Vec<String>,
}

/// A variant: its row, what it changes and, in a sweep, its place on the axis.
pub struct Variant {
    /// Its label.
    pub row: String,
    /// What it changes.
    pub change: Change,
    /// Its place on the axis of a sweep over numbers.
    pub place: Option<f64>,
}

/// What a variant changes.
pub enum Change {
    /// The bridge.
    Bridge(Box<BridgeConfig>),
    /// The number of training clips, and the bridge with batches that they fill.
    Pairs(usize, Box<BridgeConfig>),
    /// The captioner.
    Captioner(Box<CaptionerConfig>),
}

/// The variants of an ablation, checked.
pub fn variants(config: &SuiteConfig, ablation: &AblationConfig) -> Result<Vec<Variant>> {
    ablation.validate()?;
    let bridge = config.bridge(&ablation.of)?;
    let change = |sets: &[String]| -> Result<Change> {
        Ok(match ablation.vary {
            Vary::Bridge => {
                let bridge: BridgeConfig = variant_of(bridge, sets)?;
                bridge.validate().with_context(|| sets.join(", "))?;
                Change::Bridge(Box::new(bridge))
            }
            Vary::Captioner => {
                let captioner: CaptionerConfig = variant_of(&config.captioner, sets)?;
                captioner.validate().with_context(|| sets.join(", "))?;
                Change::Captioner(Box::new(captioner))
            }
            Vary::Pairs => {
                let clips = sets.first().and_then(|set| set.strip_prefix("clips="));
                let clips = clips.and_then(|clips| clips.parse().ok()).filter(|&clips| clips > 0);
                let (Some(clips), 1) = (clips, sets.len()) else {
                    bail!(
                        "{}: with vary = \"pairs\" the key is `clips`, at least 1",
                        sets.join(", ")
                    );
                };
                Change::Pairs(clips, Box::new(with_batches_of(bridge, clips)?))
            }
        })
    };
    let mut variants = Vec::new();
    if let Some(sweep) = &ablation.sweep {
        for value in &sweep.values {
            variants.push(Variant {
                row: format!("{} = {value}", sweep.key),
                change: change(&[format!("{}={value}", sweep.key)])?,
                place: value.as_float().or_else(|| value.as_integer().map(|x| x as f64)),
            });
        }
    }
    for variant in &ablation.variants {
        let row = variant.name.clone();
        variants.push(Variant { row, change: change(&variant.set)?, place: None });
    }
    if variants.is_empty() {
        bail!("give a sweep or at least one variant");
    }
    for (place, variant) in variants.iter().enumerate() {
        if variants[..place].iter().any(|before| before.row == variant.row) {
            bail!("two variants are called '{}'", variant.row);
        }
    }
    Ok(variants)
}
