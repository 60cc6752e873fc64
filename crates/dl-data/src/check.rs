//! What of a corpus can be used: every sound is decoded once, and what is odd is told clip by
//! clip.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use dl_audio::Waveform;
use dl_core::{Fingerprint, Progress};
use rayon::prelude::*;

use crate::{corpus::Corpus, mixer::sounding_range, split::Split};

/// How a clip's sound was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Soundness {
    /// Nothing is odd about it.
    Fine,
    /// The list names it, but its file is not there.
    Missing,
    /// It cannot be decoded.
    Unreadable,
    /// Every sample is zero.
    Silent,
    /// It is shorter than asked for.
    TooShort,
    /// Another clip has the very same samples.
    Doubled,
}

impl Soundness {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 6] =
        [Self::Fine, Self::Missing, Self::Unreadable, Self::Silent, Self::TooShort, Self::Doubled];

    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Silent => "silent",
            Self::TooShort => "too short",
            Self::Doubled => "doubled",
        }
    }

    /// Whether a run takes such a clip.
    pub fn usable(self) -> bool {
        !matches!(self, Self::Missing | Self::Unreadable)
    }
}

/// A clip that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedClip {
    /// Its split.
    pub split: Split,
    /// Its name.
    pub id: String,
    /// The first of [`Soundness::ALL`] that is true of it, but for [`Soundness::Fine`].
    pub soundness: Soundness,
    /// Its file, where it has one.
    pub file: Option<PathBuf>,
    /// Its length; none where it could not be heard.
    pub seconds: Option<f64>,
    /// More about what is odd.
    pub remark: String,
}

/// Looks at every clip of a corpus, the missing ones too: split by split, in the corpus's
/// order, missing ones last. `shortest` is in seconds. Every call hears everything again.
pub fn check_sounds(
    corpus: &dyn Corpus,
    shortest: f64,
    progress: &dyn Progress,
) -> Vec<CheckedClip> {
    let places: Vec<(Split, usize)> = Split::ALL
        .into_iter()
        .flat_map(|split| (0..corpus.clips(split).len()).map(move |index| (split, index)))
        .collect();
    progress.begin("listening", places.len() as u64);
    let done = AtomicU64::new(0);
    let heard: Vec<(CheckedClip, Option<Fingerprint>)> = places
        .par_iter()
        .map(|&(split, index)| {
            let heard = hear(corpus, split, index, shortest);
            progress.update(1 + done.fetch_add(1, Ordering::Relaxed), "");
            heard
        })
        .collect();
    progress.end();
    let mut same: HashMap<&Fingerprint, Vec<usize>> = HashMap::new();
    for (place, (_, print)) in heard.iter().enumerate() {
        if let Some(print) = print {
            same.entry(print).or_default().push(place);
        }
    }
    // The first other clip with the same samples.
    let twins: HashMap<usize, String> = same
        .values()
        .filter(|group| group.len() > 1)
        .flat_map(|group| {
            group.iter().map(|&place| {
                let other = if place == group[0] { group[1] } else { group[0] };
                let CheckedClip { split, id, .. } = &heard[other].0;
                (place, format!("the same sound as '{id}' of {}", split.name()))
            })
        })
        .collect();
    let mut checked: Vec<CheckedClip> = heard.into_iter().map(|(clip, _)| clip).collect();
    for (place, remark) in twins {
        let clip = &mut checked[place];
        if clip.soundness == Soundness::Fine {
            (clip.soundness, clip.remark) = (Soundness::Doubled, remark);
        }
    }
    checked.extend(corpus.missing().iter().map(|clip| CheckedClip {
        split: clip.split,
        id: clip.id.clone(),
        soundness: Soundness::Missing,
        file: None,
        seconds: None,
        remark: format!("looked for {}", clip.looked_for),
    }));
    checked.sort_by_key(|clip| clip.split);
    checked
}

/// One clip, and the digest of its samples where there are some that sound.
fn hear(
    corpus: &dyn Corpus,
    split: Split,
    index: usize,
    shortest: f64,
) -> (CheckedClip, Option<Fingerprint>) {
    let mut clip = CheckedClip {
        split,
        id: corpus.clips(split)[index].id.clone(),
        soundness: Soundness::Fine,
        file: corpus.file(split, index).map(Into::into),
        seconds: None,
        remark: String::new(),
    };
    let sound = match corpus.render(split, index) {
        Ok(sound) => sound,
        Err(error) => {
            (clip.soundness, clip.remark) = (Soundness::Unreadable, error.to_string());
            return (clip, None);
        }
    };
    let seconds = sound.seconds();
    clip.seconds = Some(seconds);
    if sounding_range(&sound.samples, sound.sample_rate).is_none() {
        clip.soundness = Soundness::Silent;
        return (clip, None);
    }
    if seconds < shortest {
        (clip.soundness, clip.remark) =
            (Soundness::TooShort, format!("{seconds:.3} s, less than {shortest} s"));
    }
    let print = of_samples(&sound);
    (clip, Some(print))
}

/// Equal samples at an equal rate, whatever the file's format.
fn of_samples(sound: &Waveform) -> Fingerprint {
    let rate = sound.sample_rate.to_le_bytes();
    let samples = sound.samples.iter().flat_map(|sample| sample.to_le_bytes());
    Fingerprint::of_bytes(&rate.into_iter().chain(samples).collect::<Vec<u8>>())
}
