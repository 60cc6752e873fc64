//! Classes of kinds, and the words of a listener who hears the class and not the kind.

use super::entry::{Act, many, one};

/// Kinds that a listener may put under one name.
pub(crate) struct Class {
    /// Canonical labels.
    pub(crate) members: &'static [&'static str],
    pub(crate) acts: &'static [Act],
    pub(crate) nouns: &'static [&'static str],
}

pub(super) const CLASSES: &[Class] = &[
    Class {
        members: &["dog bark", "cat meow", "cow", "pig", "sheep", "frog"],
        acts: &[
            one("an animal", "makes a sound", "making a sound"),
            one("an animal", "cries out", "crying out"),
        ],
        nouns: &["the sound of an animal", "an animal noise", "the cry of an animal"],
    },
    Class {
        members: &["rooster", "bird chirp", "owl", "hen", "crow"],
        acts: &[
            one("a winged animal", "calls", "calling"),
            one("some fowl", "makes a sound", "making a sound"),
        ],
        nouns: &["the call of some fowl", "the sound of a winged animal"],
    },
    Class {
        members: &["cricket", "bee"],
        acts: &[
            many("insects", "make a sound", "making a sound"),
            one("an insect", "hums", "humming"),
        ],
        nouns: &["the sound of insects", "an insect noise"],
    },
    Class {
        members: &[
            "baby cry",
            "laughter",
            "speech",
            "person sneeze",
            "coughing",
            "snoring",
            "breathing",
            "whistling",
        ],
        acts: &[
            one("a person", "makes a sound", "making a sound"),
            one("someone", "can be heard", "being heard"),
        ],
        nouns: &["the sound of a person", "a human sound"],
    },
    Class {
        members: &["crowd", "applause", "children playing"],
        acts: &[
            many("people", "make noise", "making noise"),
            one("a group of people", "is heard", "being heard"),
        ],
        nouns: &["the noise of people", "a group of people"],
    },
    Class {
        members: &["rain", "sea waves", "stream", "water drops", "pouring water", "toilet flush"],
        acts: &[one("water", "runs", "running"), one("water", "splashes", "splashing")],
        nouns: &["the sound of water", "splashing water", "running water"],
    },
    Class {
        members: &["thunder", "wind"],
        acts: &[one("a storm", "is heard", "being heard"), one("a storm", "rages", "raging")],
        nouns: &["stormy weather", "the noise of a storm"],
    },
    Class {
        members: &["engine idling", "motorcycle", "train", "airplane", "helicopter"],
        acts: &[one("a vehicle", "makes noise", "making noise"), one("a motor", "runs", "running")],
        nouns: &["the noise of a vehicle", "a motor sound"],
    },
    Class {
        members: &[
            "vacuum cleaner",
            "air conditioner",
            "washing machine",
            "drilling",
            "chainsaw",
            "jackhammer",
        ],
        acts: &[
            one("a machine", "runs", "running"),
            one("a device", "makes noise", "making noise"),
        ],
        nouns: &["the noise of a machine", "a mechanical noise"],
    },
    Class {
        members: &["siren", "alarm beep", "telephone", "car horn"],
        acts: &[
            one("a warning signal", "sounds", "sounding"),
            one("a signal", "goes off", "going off"),
        ],
        nouns: &["the sound of a signal", "a warning tone"],
    },
    Class {
        members: &["church bell", "bicycle bell", "glass clink"],
        acts: &[
            one("something metallic", "rings", "ringing"),
            one("something", "rings", "ringing"),
        ],
        nouns: &["a ringing sound", "a metallic ring"],
    },
    Class {
        members: &["piano", "guitar", "drums"],
        acts: &[
            one("an instrument", "plays", "playing"),
            one("an instrument", "is played", "being played"),
        ],
        nouns: &["the sound of an instrument", "an instrument"],
    },
    Class {
        members: &[
            "hammering",
            "door knock",
            "footsteps",
            "keyboard typing",
            "clock tick",
            "hand saw",
            "gun shot",
            "fireworks",
        ],
        acts: &[
            one("something", "makes dull noises", "making dull noises"),
            many("short noises", "are heard", "being heard"),
        ],
        nouns: &["a series of noises", "some short noises"],
    },
];
