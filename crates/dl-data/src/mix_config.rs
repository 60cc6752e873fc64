//! How scenes are drawn, mixed and put into words.

use dl_core::{ConfigError, fault::check};
use serde::{Deserialize, Serialize};

/// How scenes are drawn, mixed and put into words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixConfig {
    /// Length of every scene in seconds. Default 5.
    pub seconds: f32,
    /// Share of scenes with one event. Shares are relative to their sum. Default 0.35.
    pub alone: f32,
    /// Share of scenes with two events together. Default 0.35.
    pub together: f32,
    /// Share of scenes with two events one after the other. Default 0.30.
    pub sequence: f32,
    /// Share of scenes with two together, then a third. Default 0.
    pub three: f32,
    /// Least gain of the second and third event; the greatest is 1. Default 0.4.
    pub second_gain: f32,
    /// Probability that an event which can be repeated is. Default 0.2.
    pub repeated: f32,
    /// Probability that an event is near. Default 0.15.
    pub near: f32,
    /// Probability that an event is far. Default 0.2.
    pub far: f32,
    /// RMS of an event at gain 1, over its sounding parts. Default 0.1.
    pub event_rms: f32,
    /// Greatest RMS of the noise under a scene; each scene draws its own. Default 0.002.
    pub background_rms: f32,
    /// Probability that a caption of several events leaves one out, most often the softest.
    /// Default 0.
    pub left_out: f32,
    /// Probability that a caption names an event by its class ("an animal") in place of its
    /// kind, where the kind has a class. Default 0.
    pub vague: f32,
}

impl Default for MixConfig {
    fn default() -> Self {
        Self {
            seconds: 5.0,
            alone: 0.35,
            together: 0.35,
            sequence: 0.30,
            three: 0.0,
            second_gain: 0.4,
            repeated: 0.2,
            near: 0.15,
            far: 0.2,
            event_rms: 0.1,
            background_rms: 0.002,
            left_out: 0.0,
            vague: 0.0,
        }
    }
}

impl MixConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fields = [
            ("seconds", self.seconds, 1.0, 60.0),
            ("alone", self.alone, 0.0, 1.0),
            ("together", self.together, 0.0, 1.0),
            ("sequence", self.sequence, 0.0, 1.0),
            ("three", self.three, 0.0, 1.0),
            ("second_gain", self.second_gain, 0.01, 1.0),
            ("repeated", self.repeated, 0.0, 1.0),
            ("near", self.near, 0.0, 1.0),
            ("far", self.far, 0.0, 1.0 - self.near.clamp(0.0, 1.0)),
            ("event_rms", self.event_rms, 0.001, 0.5),
            ("background_rms", self.background_rms, 0.0, 0.5),
            ("left_out", self.left_out, 0.0, 1.0),
            ("vague", self.vague, 0.0, 1.0),
        ];
        for (field, value, low, high) in fields {
            let range = format!("from {low} to {high}");
            check((low..=high).contains(&value), field, value, range)?;
        }
        let shares = self.alone + self.together + self.sequence + self.three;
        let range = "above 0, unless `together`, `sequence` or `three` is";
        check(shares > 0.0, "alone", self.alone, range)
    }
}
