//! What is in a scene: all that captions and tables need to know of it.

use serde::Serialize;

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
    pub(crate) fn span(&self) -> f32 {
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
