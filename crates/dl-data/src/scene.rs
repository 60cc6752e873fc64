//! What is in a scene: drawn from the seed before any sound is made, so that
//! captions, tables and single renders need nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    DataError, Split,
    bank::{SourceBank, SourceKey},
    dice::Dice,
    grammar::Grammar,
};

/// How the events of a scene relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// One event.
    Alone,
    /// Two that overlap.
    Together,
    /// One after the other.
    Sequence,
    /// Two that overlap, then a third.
    Three,
}

/// How far away an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// Close: louder.
    Near,
    /// Not told.
    Plain,
    /// Far: softer, dull, in a room.
    Far,
}

impl Distance {
    /// Factor on the gain.
    pub fn gain(self) -> f32 {
        match self {
            Self::Near => 1.5,
            Self::Plain => 1.0,
            Self::Far => 0.5,
        }
    }
}

/// One event of a scene. Times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Index into the corpus's labels.
    pub label: usize,
    /// Which instance of the label in the scene's split.
    pub instance: usize,
    /// Where in the trimmed source the piece begins.
    pub offset: f32,
    /// Length of the piece.
    pub seconds: f32,
    /// Where in the scene the piece stands; several when it is repeated.
    pub onsets: Vec<f32>,
    /// Factor on the common loudness, distance included.
    pub gain: f32,
    /// Near or far.
    pub distance: Distance,
}

impl Event {
    /// Whether it comes several times.
    pub fn is_repeated(&self) -> bool {
        self.onsets.len() > 1
    }

    /// From the first onset to the end of the last piece.
    fn span(&self) -> f32 {
        self.onsets.last().unwrap_or(&0.0) - self.onsets.first().unwrap_or(&0.0) + self.seconds
    }
}

/// A scene before it is heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// How the events relate.
    pub relation: Relation,
    /// One to three events of different labels.
    pub events: Vec<Event>,
}

impl Scene {
    /// Whether the second of two events that overlap is clearly softer.
    pub fn second_in_background(&self) -> bool {
        self.relation == Relation::Together && self.events[1].gain <= 0.6 * self.events[0].gain
    }
}

/// How scenes are drawn and mixed.
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
        }
    }
}

impl MixConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`DataError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), DataError> {
        let fields = [
            ("mix.seconds", self.seconds, 1.0, 60.0),
            ("mix.alone", self.alone, 0.0, 1.0),
            ("mix.together", self.together, 0.0, 1.0),
            ("mix.sequence", self.sequence, 0.0, 1.0),
            ("mix.three", self.three, 0.0, 1.0),
            ("mix.second_gain", self.second_gain, 0.01, 1.0),
            ("mix.repeated", self.repeated, 0.0, 1.0),
            ("mix.near", self.near, 0.0, 1.0),
            ("mix.far", self.far, 0.0, 1.0 - self.near.clamp(0.0, 1.0)),
            ("mix.event_rms", self.event_rms, 0.001, 0.5),
            ("mix.background_rms", self.background_rms, 0.0, 0.5),
        ];
        for (field, value, low, high) in fields {
            if !(low..=high).contains(&value) {
                let problem = format!("{value} is not between {low} and {high}");
                return Err(DataError::config(field, problem));
            }
        }
        if self.alone + self.together + self.sequence + self.three <= 0.0 {
            return Err(DataError::config("mix.alone", "at least one of the shares must exceed 0"));
        }
        Ok(())
    }

    fn relation(&self, labels: usize, dice: &Dice) -> Relation {
        let shares = [
            (Relation::Alone, self.alone, 1),
            (Relation::Together, self.together, 2),
            (Relation::Sequence, self.sequence, 2),
            (Relation::Three, self.three, 3),
        ];
        let total: f32 = shares.iter().map(|share| share.1).sum();
        let mut at = dice.unit() * total;
        for (relation, share, events) in shares {
            if at < share && events <= labels {
                return relation;
            }
            at -= share;
        }
        Relation::Alone
    }
}

/// Draws a scene of `split` from its own dice.
pub(crate) fn plan(
    mix: &MixConfig,
    bank: &dyn SourceBank,
    grammar: &Grammar,
    split: Split,
    dice: &Dice,
) -> Scene {
    let mut labels: Vec<usize> =
        (0..bank.labels().len()).filter(|&label| bank.instances(split, label) > 0).collect();
    let relation = mix.relation(labels.len(), dice);
    let slots = slots(relation, mix.seconds, dice);
    let mut events: Vec<Event> = Vec::with_capacity(slots.len());
    for (order, &(start, end)) in slots.iter().enumerate() {
        let label = labels.swap_remove(dice.below(labels.len()));
        let instance = dice.below(bank.instances(split, label));
        let chance = dice.unit();
        let distance = if chance < mix.near {
            Distance::Near
        } else if chance < mix.near + mix.far {
            Distance::Far
        } else {
            Distance::Plain
        };
        let level = if order == 0 { 1.0 } else { dice.uniform(mix.second_gain, 1.0) };
        let available = bank.seconds(SourceKey { split, label, instance });
        let seconds = available.min(end - start);
        let texture = grammar.is_texture(label);
        let offset = if available <= seconds {
            0.0
        } else if texture {
            dice.uniform(0.0, available - seconds)
        } else {
            bank.liveliest(SourceKey { split, label, instance }, seconds)
        };
        let repeats = !texture && dice.chance(mix.repeated);
        let mut event = Event {
            label,
            instance,
            offset,
            seconds,
            onsets: if repeats { repetition(seconds, end - start, dice) } else { vec![0.0] },
            gain: level * distance.gain(),
            distance,
        };
        let partner = events.first().filter(|_| order == 1 && relation != Relation::Sequence);
        let start = onset(&event, (start, end), partner, dice);
        event.onsets.iter_mut().for_each(|onset| *onset += start);
        events.push(event);
    }
    Scene { relation, events }
}

/// The time that each event may fill.
fn slots(relation: Relation, seconds: f32, dice: &Dice) -> Vec<(f32, f32)> {
    match relation {
        Relation::Alone => vec![(0.0, seconds)],
        Relation::Together => vec![(0.0, seconds); 2],
        Relation::Sequence => {
            let turn = seconds * dice.uniform(0.42, 0.58);
            vec![(0.0, turn), (turn, seconds)]
        }
        Relation::Three => {
            let turn = seconds * dice.uniform(0.52, 0.62);
            vec![(0.0, turn), (0.0, turn), (turn, seconds)]
        }
    }
}

/// Onsets, from 0 on, of a piece that comes two to four times within `room` seconds;
/// once when it does not fit twice.
fn repetition(seconds: f32, room: f32, dice: &Dice) -> Vec<f32> {
    let step = seconds + dice.uniform(0.15, 0.45);
    let fits = 1 + ((room - seconds).max(0.0) / step) as usize;
    let times = if fits < 2 { 1 } else { dice.count(2, fits.min(4)) };
    (0..times).map(|k| k as f32 * step).collect()
}

/// A first onset within the slot. With a `partner`, the two overlap by at least half
/// of the shorter.
fn onset(event: &Event, (start, end): (f32, f32), partner: Option<&Event>, dice: &Dice) -> f32 {
    let (mut low, mut high) = (start, (end - event.span()).max(start));
    if let Some(partner) = partner {
        let half = 0.5 * partner.span().min(event.span());
        low = low.max(partner.onsets[0] + half - event.span()).min(high);
        high = high.min(partner.onsets[0] + partner.span() - half).max(low);
    }
    dice.uniform(low, high)
}
