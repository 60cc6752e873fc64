//! Sounds synthesised from a seed: the licence-free source of the default corpus.
//!
//! Each kind is one short function over a shared toolbox; its pitch, tempo and
//! timbre come from the instance's own dice, so that no two instances of a kind
//! are alike. Levels are not fixed here: the mixer brings every event to a
//! common loudness.

mod animals;
mod impacts;
mod machines;
mod nature;
pub(crate) mod toolbox;
mod voice;

use self::toolbox::{Synth, fade};
use crate::dice::Dice;

/// Changes whenever any kind sounds different, so that caches made of the old
/// sounds are not taken for the new.
pub const SYNTH_VERSION: u32 = 1;

/// How long an instance of a kind lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    /// Goes on for as long as the scene needs.
    Endless,
    /// Between these numbers of seconds.
    Between(f32, f32),
}

/// One kind of sound event.
pub(crate) struct Kind {
    /// Its label, shared with recorded corpora where they know the same sound.
    pub(crate) label: &'static str,
    pub(crate) length: Length,
    make: fn(&Synth) -> Vec<f32>,
}

const fn endless(label: &'static str, make: fn(&Synth) -> Vec<f32>) -> Kind {
    Kind { label, length: Length::Endless, make }
}

const fn between(label: &'static str, low: f32, high: f32, make: fn(&Synth) -> Vec<f32>) -> Kind {
    Kind { label, length: Length::Between(low, high), make }
}

/// All kinds, in alphabetic order of their labels.
pub(crate) const KINDS: &[Kind] = &[
    endless("airplane", machines::airplane),
    between("alarm beep", 0.8, 3.0, machines::alarm),
    endless("applause", voice::applause),
    between("baby cry", 1.2, 3.5, voice::baby),
    endless("bee", animals::bee),
    between("bicycle bell", 0.6, 1.8, impacts::bicycle_bell),
    between("bird chirp", 0.6, 4.0, animals::birds),
    between("car horn", 0.4, 1.6, machines::car_horn),
    between("cat meow", 0.6, 1.1, animals::cat),
    between("church bell", 2.0, 5.0, impacts::church_bell),
    endless("clock tick", impacts::clock),
    endless("cricket", animals::crickets),
    endless("crowd", voice::crowd),
    between("dog bark", 0.4, 1.8, animals::dog),
    between("door knock", 0.6, 1.6, impacts::door_knock),
    between("drilling", 1.2, 5.0, machines::drilling),
    endless("drums", impacts::drums),
    endless("engine idling", machines::engine_idling),
    endless("fire crackling", nature::fire),
    between("footsteps", 1.8, 5.0, impacts::footsteps),
    between("frog", 0.6, 3.0, animals::frog),
    between("glass clink", 0.6, 1.6, impacts::glass),
    between("guitar", 1.5, 5.0, impacts::guitar),
    between("gun shot", 0.6, 1.8, impacts::gun_shot),
    between("hammering", 1.0, 4.0, machines::hammering),
    between("hand saw", 1.2, 4.0, machines::sawing),
    endless("helicopter", machines::helicopter),
    between("keyboard typing", 1.5, 5.0, impacts::keyboard),
    between("laughter", 1.0, 3.0, voice::laughter),
    endless("motorcycle", machines::motorcycle),
    between("owl", 1.2, 3.5, animals::owl),
    between("piano", 1.5, 5.0, impacts::piano),
    between("pouring water", 1.5, 4.0, nature::pouring),
    endless("rain", nature::rain),
    between("rooster", 1.5, 2.3, animals::rooster),
    endless("sea waves", nature::sea_waves),
    between("siren", 2.5, 5.0, machines::siren),
    between("speech", 1.2, 5.0, voice::speech),
    endless("stream", nature::stream),
    between("telephone", 0.9, 4.0, machines::telephone),
    between("thunder", 2.2, 4.5, nature::thunder),
    endless("train", machines::train),
    endless("vacuum cleaner", machines::vacuum),
    between("water drops", 1.0, 5.0, nature::water_drops),
    between("whistling", 1.0, 4.0, voice::whistling),
    endless("wind", nature::wind),
];

/// Length in seconds of an instance, known without making it; at most `longest`.
pub(crate) fn seconds(kind: &Kind, seed: u64, instance: u64, longest: f32) -> f32 {
    match kind.length {
        Length::Endless => longest,
        Length::Between(low, high) => {
            Dice::new(seed, &stream(kind), instance, 0).uniform(low, high).min(longest)
        }
    }
}

/// One instance: mono samples, some seconds long, peak at most 1.
pub(crate) fn render(kind: &Kind, seed: u64, instance: u64, longest: f32, rate: u32) -> Vec<f32> {
    let seconds = seconds(kind, seed, instance, longest);
    let dice = Dice::new(seed, &stream(kind), instance, 1);
    let synth = Synth { rate: rate as f32, seconds, dice };
    let mut sound = (kind.make)(&synth);
    sound.resize(synth.len(), 0.0);
    // A cut tail must not click.
    let edge = synth.samples(0.005);
    fade(&mut sound, 0, edge);
    let peak = sound.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    if peak > 0.0 {
        sound.iter_mut().for_each(|x| *x *= 1.0 / peak);
    }
    sound
}

fn stream(kind: &Kind) -> String {
    format!("data/synth/{}", kind.label)
}
