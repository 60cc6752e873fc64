//! Rotary positions (Su et al., 2021) in the rotate-half layout of published Llama weights,
//! and the ways in which published models stretch them beyond the length that they were
//! trained on. Frequencies follow the definitions that published configurations rely on.

use std::{cell::RefCell, f64::consts::PI};

use dl_core::fault::{ConfigError, check};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::LlamaConfig;

/// How the rotary frequencies differ from `theta^(-2 i / head_dim)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    Default,
    /// All divided by `factor`: positions are interpolated (Chen et al., 2023).
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// As they are up to `max_positions`; beyond, the base grows with the length, up to
    /// `factor * max_positions` ("dynamic NTK").
    Dynamic {
        /// At least 1.
        factor: f64,
    },
    /// Llama 3.1 and later: low frequencies are divided by `factor`, high ones stay, those
    /// between are blended.
    Llama3 {
        /// At least 1.
        factor: f64,
        /// Wavelengths above `original_max_positions` over this are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths below `original_max_positions` over this are high frequencies.
        high_freq_factor: f64,
        /// The length that the model was first trained on.
        original_max_positions: i64,
    },
    /// YaRN (Peng et al., 2023, sections 3.2 to 3.4).
    Yarn {
        /// At least 1.
        factor: f64,
        /// The length that the model was first trained on.
        original_max_positions: i64,
        /// Turns over the original length above which a frequency stays.
        beta_fast: f64,
        /// Turns below which it is divided by `factor`.
        beta_slow: f64,
        /// What sines and cosines are multiplied with.
        attention_factor: f64,
        /// Whether the bounds between the bands are whole dimensions.
        truncate: bool,
    },
}

impl RopeScaling {
    /// Whether nothing is scaled.
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let at_least = |key: &str, value: f64, least: f64| {
            let good = value >= least && value.is_finite();
            check(good, format!("rope_scaling.{key}"), value, format!("at least {least}"))
        };
        let length = |value: i64| {
            check(value > 0, "rope_scaling.original_max_positions", value, "at least 1")
        };
        match *self {
            Self::Default => Ok(()),
            Self::Linear { factor } | Self::Dynamic { factor } => at_least("factor", factor, 1.0),
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_positions } => {
                at_least("factor", factor, 1.0)?;
                at_least("low_freq_factor", low_freq_factor, f64::MIN_POSITIVE)?;
                let above = high_freq_factor > low_freq_factor;
                let range = format!("above low_freq_factor = {low_freq_factor}");
                check(above, "rope_scaling.high_freq_factor", high_freq_factor, range)?;
                length(original_max_positions)
            }
            Self::Yarn { factor, original_max_positions, beta_fast, beta_slow, .. } => {
                at_least("factor", factor, 1.0)?;
                at_least("beta_slow", beta_slow, f64::MIN_POSITIVE)?;
                at_least("beta_fast", beta_fast, beta_slow)?;
                length(original_max_positions)
            }
        }
    }
}

/// The scale that YaRN gives attention where the configuration names none (Peng et al., 2023,
/// equation 22), with the weight `m` of its logarithm.
pub(crate) fn yarn_scale(factor: f64, m: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 }
}

/// Sines and cosines of positions, made as far as they are needed.
#[derive(Debug)]
pub(crate) struct Rotary {
    config: LlamaConfig,
    kind: Kind,
    device: Device,
    table: RefCell<Option<Table>>,
}

/// `[positions, head_dim]` each; the sines of the first half of the dimensions are negative.
#[derive(Debug)]
struct Table {
    cos: Tensor,
    sin: Tensor,
    /// The sequence length that a dynamic base was chosen for; 0 where it is the original.
    stretched: i64,
}

/// The rows of the tables that one forward pass needs: `[batch or 1, 1, len, head_dim]`.
pub(crate) struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// Tables in `kind` on `device`.
    pub(crate) fn new(config: &LlamaConfig, kind: Kind, device: Device) -> Self {
        Self { config: config.clone(), kind, device, table: RefCell::new(None) }
    }

    /// The angles of `positions`, `[len]` or `[batch, len]`, in a sequence of `total`
    /// positions.
    pub(crate) fn at(&self, positions: &Tensor, total: i64) -> Angles {
        let mut table = self.table.borrow_mut();
        let stretched = match self.config.rope_scaling {
            RopeScaling::Dynamic { .. } if total > self.config.max_positions => total,
            _ => 0,
        };
        let fits = |table: &Table| table.cos.size()[0] >= total && table.stretched == stretched;
        if !table.as_ref().is_some_and(fits) {
            // Some more than asked, so that a sequence that grows does not make it anew.
            let rows = (total.max(64) as u64).next_power_of_two() as i64;
            *table = Some(self.make(rows, stretched));
        }
        let Some(Table { cos, sin, .. }) = table.as_ref() else { unreachable!("made above") };
        let rows = |table: &Tensor| {
            let mut shape = positions.size();
            if shape.len() == 1 {
                shape.insert(0, 1);
            }
            shape.insert(1, 1);
            shape.push(table.size()[1]);
            table.index_select(0, &positions.flatten(0, -1)).view(shape.as_slice())
        };
        Angles { cos: rows(cos), sin: rows(sin) }
    }

    fn make(&self, rows: i64, stretched: i64) -> Table {
        let wavelengths = wavelengths(&self.config, stretched);
        let scale = match self.config.rope_scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor,
            _ => 1.0,
        };
        // Angles in f64, cast once: f32 angles are off by 1e-4 at position 2,000.
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..rows {
            for sign in [-1.0, 1.0] {
                for wavelength in &wavelengths {
                    let angle = position as f64 / wavelength;
                    cos.push((angle.cos() * scale) as f32);
                    sin.push((sign * angle.sin() * scale) as f32);
                }
            }
        }
        let table = |values: &[f32]| {
            let table = Tensor::from_slice(values).view([rows, self.config.head_dim()]);
            table.to_device(self.device).to_kind(self.kind)
        };
        Table { cos: table(&cos), sin: table(&sin), stretched }
    }
}

/// Positions per radian of each pair of dimensions, `head_dim / 2` of them.
fn wavelengths(config: &LlamaConfig, stretched: i64) -> Vec<f64> {
    let dim = config.head_dim() as f64;
    let half = config.head_dim() / 2;
    let plain = |base: f64| -> Vec<f64> {
        (0..half).map(|pair| base.powf(pair as f64 / half as f64)).collect()
    };
    let base = config.rope_theta;
    match config.rope_scaling {
        RopeScaling::Default => plain(base),
        RopeScaling::Linear { factor } => plain(base).into_iter().map(|w| w * factor).collect(),
        RopeScaling::Dynamic { factor } => {
            if stretched == 0 {
                return plain(base);
            }
            let longer = stretched as f64 / config.max_positions as f64;
            plain(base * (factor * longer - (factor - 1.0)).powf(dim / (dim - 2.0)))
        }
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_positions,
        } => {
            let original = original_max_positions as f64;
            let scaled = |wavelength: f64| {
                let turns = original / (2.0 * PI * wavelength);
                if turns > high_freq_factor {
                    wavelength
                } else if turns < low_freq_factor {
                    wavelength * factor
                } else {
                    let keep = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    wavelength / ((1.0 - keep) / factor + keep)
                }
            };
            plain(base).into_iter().map(scaled).collect()
        }
        RopeScaling::Yarn {
            factor,
            original_max_positions,
            beta_fast,
            beta_slow,
            truncate,
            ..
        } => {
            // The dimension that makes `turns` turns over the original length.
            let dimension = |turns: f64| {
                let ratio = original_max_positions as f64 / (turns * 2.0 * PI);
                dim * ratio.ln() / (2.0 * base.ln())
            };
            let (mut low, mut high) = (dimension(beta_fast), dimension(beta_slow));
            if truncate {
                (low, high) = (low.floor(), high.ceil());
            }
            let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
            if low == high {
                high += 0.001;
            }
            let scaled = |(pair, wavelength): (usize, f64)| {
                let divide = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                wavelength / (divide / factor + (1.0 - divide))
            };
            plain(base).into_iter().enumerate().map(scaled).collect()
        }
    }
}

impl Angles {
    /// Rotates `[batch, heads, len, head_dim]`.
    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
        let halves_exchanged = x.roll(x.size()[3] / 2, -1);
        x * &self.cos + halves_exchanged * &self.sin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(rope_scaling: RopeScaling) -> LlamaConfig {
        // Pairs of wavelength 1, 10, 100 and 1000.
        LlamaConfig { vocab: 3, hidden: 8, heads: 1, kv_heads: 1, rope_scaling, ..base() }
    }

    fn base() -> LlamaConfig {
        LlamaConfig { rope_theta: 1e4, max_positions: 64, ..LlamaConfig::default() }
    }

    fn near(found: &[f64], expected: &[f64]) {
        let close = found.iter().zip(expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-12);
        assert!(found.len() == expected.len() && close, "{found:?}, expected {expected:?}");
    }

    #[test]
    fn wavelengths_by_hand() {
        near(&wavelengths(&with(RopeScaling::Default), 0), &[1.0, 10.0, 100.0, 1000.0]);
        let linear = with(RopeScaling::Linear { factor: 4.0 });
        near(&wavelengths(&linear, 0), &[4.0, 40.0, 400.0, 4000.0]);
        // Twice the length at factor 2: the base is 3^(8 / 6) times as large, and with it
        // wavelength i 3^(i / 3) times as long.
        let dynamic = with(RopeScaling::Dynamic { factor: 2.0 });
        near(&wavelengths(&dynamic, 0), &[1.0, 10.0, 100.0, 1000.0]);
        let cube = 3.0_f64.powf(1.0 / 3.0);
        near(&wavelengths(&dynamic, 128), &[1.0, 10.0 * cube, 100.0 * cube * cube, 3000.0]);
    }

    #[test]
    fn the_bands_of_llama_3_by_hand() {
        // Over 200 pi positions the pairs make 100, 10, 1 and 0.1 turns. Above 20 turns a
        // frequency stays, below 2 it is an eighth; 10 turns are 8/18 of the way up.
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 2.0,
            high_freq_factor: 20.0,
            original_max_positions: 628,
        };
        let turns = 628.0 / (20.0 * PI);
        let keep = (turns - 2.0) / 18.0;
        let blended = 10.0 / ((1.0 - keep) / 8.0 + keep);
        near(&wavelengths(&with(scaling), 0), &[1.0, blended, 800.0, 8000.0]);
    }

    #[test]
    fn tables_grow_and_keep_their_values() {
        let config = with(RopeScaling::Default);
        let rotary = Rotary::new(&config, Kind::Float, Device::Cpu);
        let places = Tensor::from_slice(&[3_i64]);
        let short = rotary.at(&places, 4);
        let _ = rotary.at(&places, 5000);
        assert_eq!(rotary.at(&places, 4).cos, short.cos);
        assert_eq!(short.sin.double_value(&[0, 0, 0, 0]), -f64::from(3.0_f64.sin() as f32));
    }
}
