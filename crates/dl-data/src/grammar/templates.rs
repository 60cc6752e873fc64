//! Sentence patterns for each relation between events.
//!
//! `{0f}` stands for event 0 as a finite clause ("a dog barks"), `p` progressive ("a
//! dog is barking"), `g` participle ("a dog barking"), `n` noun phrase ("the barking
//! of a dog"), `c` either clause, `s` participle or noun phrase.

use crate::{dice::Dice, scene::Relation};

/// The grammatical form of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Finite,
    Progressive,
    Participle,
    Noun,
    Clause,
    Phrase,
}

/// A sentence pattern.
#[derive(Clone, Copy)]
pub(super) struct Template {
    pub(super) text: &'static str,
    /// Whether its first two events may change places.
    pub(super) symmetric: bool,
}

/// A part of a pattern.
pub(super) enum Piece {
    Text(&'static str),
    Event(usize, Form),
}

/// Words for an event that comes several times.
pub(super) const REPEATED: &[&str] =
    &["several times", "repeatedly", "again and again", "a few times", "over and over"];

/// Words for a far event; the first goes with a verb only.
pub(super) const FAR: &[&str] = &["faintly", "in the distance", "far away", "far off"];

/// Words for a near event; the first goes with a verb only.
pub(super) const NEAR: &[&str] = &["loudly", "nearby", "close by"];

const ALONE: &[&str] = &["{0f}", "{0f}", "{0p}", "{0p}", "{0g}", "{0n}", "{0n} can be heard"];

const TOGETHER: &[&str] = &[
    "{0f} while {1f}",
    "{0f} while {1p}",
    "{0p} while {1p}",
    "{0f} as {1f}",
    "{0f} as {1p}",
    "as {0f}, {1f}",
    "while {0p}, {1f}",
    "{0f} and {1f}",
    "{0n} and {1n}",
    "{0c} with {1g}",
    "{0g} along with {1n}",
    "{0n} together with {1n}",
    "{0c} amid {1n}",
    "{0g} while {1c}",
    "{0n} and {1n} at the same time",
];

/// For a second event that is softer than the first.
const BACKGROUND: &[&str] = &[
    "{0c} with {1s} in the background",
    "{0n} with {1s} in the background",
    "{0f} while {1f} in the background",
    "{0f} as {1p} in the background",
    "{0g} with {1n} in the background",
];

const SEQUENCE: &[&str] = &[
    "{0f} followed by {1s}",
    "{0n} followed by {1n}",
    "{0g} followed by {1s}",
    "{0f}, then {1f}",
    "{0f} and then {1f}",
    "{0p}, and then {1f}",
    "{0f} before {1f}",
    "after {0n}, {1f}",
    "{0f}, after which {1f}",
    "first {0f}, then {1f}",
    "{0n} and then {1n}",
    "{0n}, then {1n}",
    "{1f} after {0n}",
    "{0f} and afterwards {1f}",
];

/// Two together, then a third.
const THREE: &[&str] = &[
    "{0f} while {1f}, followed by {2s}",
    "{0f} and {1f}, then {2f}",
    "{0n} and {1n} followed by {2n}",
    "{0f} as {1f}, and then {2f}",
    "after {0n} and {1n}, {2f}",
    "{0c} with {1g}, after which {2f}",
    "{0n} along with {1n} before {2f}",
];

/// Draws a pattern. `quiet`: the second of two events is in the background.
pub(super) fn draw(relation: Relation, quiet: bool, dice: &Dice) -> Template {
    let (texts, symmetric) = match relation {
        Relation::Alone => (ALONE, false),
        Relation::Together if quiet && dice.chance(0.4) => (BACKGROUND, false),
        Relation::Together => (TOGETHER, true),
        Relation::Sequence => (SEQUENCE, false),
        Relation::Three => (THREE, true),
    };
    Template { text: dice.pick(texts), symmetric }
}

/// Cuts a pattern into its parts.
pub(super) fn parse(text: &'static str) -> impl Iterator<Item = Piece> {
    text.split('{').flat_map(|part| {
        let (event, rest) = match part.split_once('}') {
            Some((code, rest)) => (event(code), rest),
            None => (None, part),
        };
        event.into_iter().chain((!rest.is_empty()).then_some(Piece::Text(rest)))
    })
}

fn event(code: &str) -> Option<Piece> {
    let slot = code.get(..1)?.parse().ok()?;
    let form = match code.get(1..)? {
        "f" => Form::Finite,
        "p" => Form::Progressive,
        "g" => Form::Participle,
        "n" => Form::Noun,
        "c" => Form::Clause,
        "s" => Form::Phrase,
        _ => return None,
    };
    Some(Piece::Event(slot, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_well_formed_and_uses_each_event_once() {
        for (texts, events) in
            [(ALONE, 1), (TOGETHER, 2), (BACKGROUND, 2), (SEQUENCE, 2), (THREE, 3)]
        {
            for text in texts {
                assert_eq!(text.matches('{').count(), events, "{text}");
                let mut slots: Vec<usize> = parse(text)
                    .filter_map(|piece| match piece {
                        Piece::Event(slot, _) => Some(slot),
                        Piece::Text(_) => None,
                    })
                    .collect();
                slots.sort_unstable();
                assert_eq!(slots, (0..events).collect::<Vec<_>>(), "{text}");
            }
        }
    }
}
