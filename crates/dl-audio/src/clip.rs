//! Clips of one length: crop what is too long, fill what is too short. Every
//! policy has a name and none is random, so that the same file always gives the
//! same clip.

use std::borrow::Cow;

use dl_core::{ConfigError, fault::check};
use serde::{Deserialize, Serialize};

use crate::Waveform;

/// How long a clip is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipLength {
    /// In seconds; rounded to whole samples, at least one.
    Seconds(f64),
    /// In samples.
    Samples(usize),
}

/// What becomes of a clip that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Repeated as often as it fits whole, then zeros (CLAP's `repeatpad`).
    RepeatPad,
    /// Repeated and the last copy cut (CLAP's `repeat`).
    Repeat,
    /// Zeros at the end.
    ZeroPad,
    /// It stays short.
    None,
}

/// What becomes of a clip that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// Its beginning is kept.
    First,
    /// Its middle is kept; an odd sample is dropped at the end.
    #[serde(alias = "center")]
    Centre,
    /// It stays long.
    None,
}

/// The clip policy of a front end. In TOML:
/// `{ length = { seconds = 10.0 }, fill = "repeat_pad", crop = "first" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClipConfig {
    /// The length aimed at; default 10 s.
    pub length: ClipLength,
    /// For shorter clips; default `repeat_pad`.
    pub fill: Fill,
    /// For longer clips; default `first`.
    pub crop: Crop,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self { length: ClipLength::Seconds(10.0), fill: Fill::RepeatPad, crop: Crop::First }
    }
}

impl ClipConfig {
    /// Checks the length.
    ///
    /// # Errors
    /// [`ConfigError`] unless it is above 0 and at most a day.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.length {
            ClipLength::Seconds(seconds) => {
                let good = seconds > 0.0 && seconds <= 86_400.0;
                check(good, "length.seconds", seconds, "above 0, at most 86400")
            }
            ClipLength::Samples(samples) => {
                check(samples > 0, "length.samples", samples, "at least 1")
            }
        }
    }

    /// The length aimed at, in samples at `sample_rate` Hz.
    pub fn samples(&self, sample_rate: u32) -> usize {
        match self.length {
            // The cast saturates: a length that was never validated cannot overflow.
            ClipLength::Seconds(seconds) => {
                ((seconds * f64::from(sample_rate)).round() as usize).max(1)
            }
            ClipLength::Samples(samples) => samples,
        }
    }

    /// The clip. An empty waveform has nothing to repeat and is filled with zeros.
    pub fn apply(&self, waveform: &Waveform) -> Waveform {
        let target = self.samples(waveform.sample_rate);
        let samples = self.apply_samples(&waveform.samples, target).into_owned();
        Waveform { samples, sample_rate: waveform.sample_rate }
    }

    /// As [`ClipConfig::apply`] for a clip of `target` samples; what need not be
    /// filled is not copied.
    pub(crate) fn apply_samples<'a>(&self, samples: &'a [f32], target: usize) -> Cow<'a, [f32]> {
        if samples.len() >= target {
            let start = match self.crop {
                Crop::First => 0,
                Crop::Centre => (samples.len() - target) / 2,
                Crop::None => return samples.into(),
            };
            return samples[start..start + target].into();
        }
        let copies = match self.fill {
            Fill::None => return samples.into(),
            Fill::RepeatPad if !samples.is_empty() => target / samples.len(),
            Fill::Repeat if !samples.is_empty() => target.div_ceil(samples.len()),
            _ => 1,
        };
        let mut filled = samples.repeat(copies);
        filled.resize(target, 0.0);
        filled.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clips of 8 samples at 8 Hz: what is expected can be seen.
    fn clip(length: ClipLength, fill: Fill, crop: Crop, samples: &[f32]) -> Vec<f32> {
        let policy = ClipConfig { length, fill, crop };
        policy.validate().unwrap();
        policy.apply(&Waveform { samples: samples.to_vec(), sample_rate: 8 }).samples
    }

    #[test]
    fn short_clips_are_filled() {
        let fill = |fill, samples: &[f32]| clip(ClipLength::Samples(8), fill, Crop::None, samples);
        let abc = [1., 2., 3.];
        assert_eq!(fill(Fill::RepeatPad, &abc), [1., 2., 3., 1., 2., 3., 0., 0.]);
        assert_eq!(fill(Fill::Repeat, &abc), [1., 2., 3., 1., 2., 3., 1., 2.]);
        assert_eq!(fill(Fill::ZeroPad, &abc), [1., 2., 3., 0., 0., 0., 0., 0.]);
        assert_eq!(fill(Fill::None, &abc), abc);
        // More than half as long: there is no room for a second copy.
        let five = [1., 2., 3., 4., 5.];
        assert_eq!(fill(Fill::RepeatPad, &five), [1., 2., 3., 4., 5., 0., 0., 0.]);
        assert_eq!(fill(Fill::Repeat, &five), [1., 2., 3., 4., 5., 1., 2., 3.]);
        for empty in [Fill::RepeatPad, Fill::Repeat, Fill::ZeroPad] {
            assert_eq!(fill(empty, &[]), [0.; 8]);
        }
    }

    #[test]
    fn long_clips_are_cropped() {
        let crop = |crop, n: usize| {
            let samples: Vec<f32> = (1..=n).map(|value| value as f32).collect();
            clip(ClipLength::Samples(8), Fill::ZeroPad, crop, &samples)
        };
        assert_eq!(crop(Crop::First, 11), [1., 2., 3., 4., 5., 6., 7., 8.]);
        assert_eq!(crop(Crop::Centre, 11), [2., 3., 4., 5., 6., 7., 8., 9.]);
        assert_eq!(crop(Crop::Centre, 12), [3., 4., 5., 6., 7., 8., 9., 10.]);
        assert_eq!(crop(Crop::None, 9).len(), 9);
    }

    #[test]
    fn a_clip_of_the_right_length_is_left_alone() {
        let eight = [1., 2., 3., 4., 5., 6., 7., 8.];
        for fill in [Fill::RepeatPad, Fill::Repeat, Fill::ZeroPad, Fill::None] {
            for crop in [Crop::First, Crop::Centre, Crop::None] {
                assert_eq!(clip(ClipLength::Seconds(1.0), fill, crop, &eight), eight);
            }
        }
    }

    #[test]
    fn seconds_are_rounded_to_samples() {
        let seconds = |seconds| ClipConfig { length: ClipLength::Seconds(seconds), ..default() };
        assert_eq!(seconds(10.0).samples(48_000), 480_000);
        assert_eq!(seconds(0.01).samples(44_100), 441);
        assert_eq!(seconds(1e-9).samples(44_100), 1);
    }

    #[test]
    fn faults_name_the_key() {
        let text = |length| ClipConfig { length, ..default() }.validate().unwrap_err().to_string();
        assert_eq!(
            text(ClipLength::Seconds(-1.0)),
            "length.seconds = -1: must be above 0, at most 86400"
        );
        assert!(text(ClipLength::Seconds(f64::NAN)).starts_with("length.seconds = NaN: "));
        assert_eq!(text(ClipLength::Samples(0)), "length.samples = 0: must be at least 1");
        let parse = serde_json::from_str::<ClipConfig>;
        assert!(parse(r#"{"fill": "repeatpad"}"#).unwrap_err().to_string().contains("repeat_pad"));
        assert!(parse(r#"{"pad": 1}"#).unwrap_err().to_string().contains("unknown field `pad`"));
        let given = r#"{"length": {"samples": 8}, "crop": "center"}"#;
        assert_eq!(parse(given).unwrap().crop, Crop::Centre);
    }

    fn default() -> ClipConfig {
        ClipConfig::default()
    }
}
