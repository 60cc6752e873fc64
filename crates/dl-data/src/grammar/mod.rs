//! Captions: a grammar with many wordings for every kind of sound and every
//! relation, and the way back, from a caption to the labels that it names.
//!
//! A caption says only what is in the scene. It starts with a capital letter and
//! has no full stop. No content word stands in it twice.

mod lexicon;
mod lexicon_living;
mod lexicon_things;
mod named;
mod templates;

use std::collections::HashSet;

use self::templates::{Form, Piece};
use crate::{
    dice::Dice,
    scene::{Distance, Scene},
};

/// Changes whenever the same scene may get other captions.
pub const GRAMMAR_VERSION: u32 = 1;

/// How often a caption is drawn again to avoid a repeated word or caption. The
/// least repetitive draw is kept when all fail.
const DRAWS: usize = 200;

/// The words for a fixed list of labels.
#[derive(Clone, Debug)]
pub struct Grammar {
    words: Vec<Words>,
}

/// All wordings of one label.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    label: String,
    texture: bool,
    finite: Vec<String>,
    progressive: Vec<String>,
    participle: Vec<String>,
    noun: Vec<String>,
    keys: Vec<named::Key>,
}

impl Grammar {
    /// The grammar for these labels, each in canonical form (see [`canonical_label`]).
    /// A label that the lexicon does not know is worded from its own words.
    pub fn new(labels: &[String]) -> Self {
        let words = labels
            .iter()
            .map(|label| match lexicon::find(label) {
                Some(entry) => Words::of_entry(entry),
                None => Words::of_unknown(label),
            })
            .collect();
        Self { words }
    }

    /// Whether the sound of label `index` goes on evenly, so that any piece of it will do.
    /// Unknown labels count as events that have a beginning.
    pub fn is_texture(&self, index: usize) -> bool {
        self.words[index].texture
    }

    /// The labels that a caption names, in the order of the grammar's list.
    pub fn named_labels(&self, caption: &str) -> Vec<String> {
        named::named(&self.words, caption)
    }

    /// Every bare wording of label `index`: clauses and noun phrases.
    pub fn wordings(&self, index: usize) -> Vec<String> {
        let words = &self.words[index];
        [&words.finite, &words.progressive, &words.participle, &words.noun]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// `count` captions of a scene, all different.
    pub(crate) fn captions(&self, scene: &Scene, count: usize, dice: &Dice) -> Vec<String> {
        let mut captions: Vec<String> = Vec::with_capacity(count);
        for _ in 0..count {
            let mut best: Option<(usize, String)> = None;
            for _ in 0..DRAWS {
                let caption = self.draw(scene, dice);
                let cost = repetitions(&caption) + 100 * usize::from(captions.contains(&caption));
                if best.as_ref().is_none_or(|(lowest, _)| cost < *lowest) {
                    best = Some((cost, caption));
                }
                if best.as_ref().is_some_and(|(lowest, _)| *lowest == 0) {
                    break;
                }
            }
            captions.extend(best.map(|(_, caption)| caption));
        }
        captions
    }

    fn draw(&self, scene: &Scene, dice: &Dice) -> String {
        let quiet = scene.second_in_background();
        let template = templates::draw(scene.relation, quiet, dice);
        // Two events that sound at once have no order of their own.
        let mut order: Vec<usize> = (0..scene.events.len()).collect();
        if template.symmetric && dice.chance(0.5) {
            order.swap(0, 1);
        }
        let mut text = String::new();
        for piece in templates::parse(template.text) {
            match piece {
                Piece::Text(words) => text.push_str(words),
                Piece::Event(slot, form) => {
                    let event = &scene.events[order[slot]];
                    text.push_str(&self.phrase(event.label, form, dice));
                    if event.is_repeated() && dice.chance(0.75) {
                        text.push(' ');
                        text.push_str(dice.pick(templates::REPEATED));
                    }
                    // "In the background" has said it already.
                    if !template.text.contains("background") && dice.chance(0.65) {
                        let words = match (event.distance, form) {
                            (Distance::Plain, _) => continue,
                            (Distance::Far, Form::Noun) => &templates::FAR[1..],
                            (Distance::Far, _) => templates::FAR,
                            (Distance::Near, Form::Noun) => &templates::NEAR[1..],
                            (Distance::Near, _) => templates::NEAR,
                        };
                        text.push(' ');
                        text.push_str(dice.pick(words));
                    }
                }
            }
        }
        capitalised(&text)
    }

    fn phrase(&self, label: usize, form: Form, dice: &Dice) -> String {
        let words = &self.words[label];
        let list = match form {
            Form::Finite => &words.finite,
            Form::Progressive => &words.progressive,
            Form::Participle => &words.participle,
            Form::Noun => &words.noun,
            Form::Clause if dice.chance(0.35) => &words.progressive,
            Form::Clause => &words.finite,
            Form::Phrase if dice.chance(0.5) => &words.participle,
            Form::Phrase => &words.noun,
        };
        list[dice.below(list.len())].clone()
    }
}

impl Words {
    fn of_entry(entry: &lexicon::Entry) -> Self {
        let acts = |wording: &dyn Fn(&lexicon::Act) -> String| {
            let mut seen = HashSet::new();
            entry.acts.iter().map(wording).filter(|text| seen.insert(text.clone())).collect()
        };
        Self {
            label: entry.labels[0].into(),
            texture: entry.texture,
            finite: acts(&|act| format!("{} {}", act.subject, act.finite)),
            progressive: acts(&|act| {
                // A passive act has its "is" already.
                if act.finite.starts_with("is ") || act.finite.starts_with("are ") {
                    return format!("{} {}", act.subject, act.finite);
                }
                let be = if act.plural { "are" } else { "is" };
                format!("{} {be} {}", act.subject, act.participle)
            }),
            participle: acts(&|act| format!("{} {}", act.subject, act.participle)),
            noun: entry.nouns.iter().map(|&noun| noun.into()).collect(),
            keys: entry.keys.iter().map(|key| named::Key::new(key)).collect(),
        }
    }

    fn of_unknown(label: &str) -> Self {
        let thing = with_article(label);
        let list = |texts: &[&str]| texts.iter().map(|text| text.replace('#', &thing)).collect();
        Self {
            label: label.into(),
            texture: false,
            finite: list(&["# is heard", "the sound of # is heard"]),
            progressive: list(&["# can be heard", "the sound of # can be heard"]),
            participle: list(&["# sounding", "the sound of # going on"]),
            noun: list(&["the sound of #", "the noise of #", "#"]),
            keys: vec![named::Key::new(label)],
        }
    }
}

/// A label in plain form: lower case, words parted by single spaces.
pub fn plain_label(label: &str) -> String {
    label
        .split(|c: char| c.is_whitespace() || c == '_' || c == '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The label under which the lexicon files a kind of sound ("crying_baby" is "baby
/// cry"), or the plain form of a label that it does not know.
pub fn canonical_label(label: &str) -> String {
    let plain = plain_label(label);
    lexicon::find(&plain).map_or(plain, |entry| entry.labels[0].into())
}

/// All labels of the lexicon in canonical form.
pub fn known_labels() -> Vec<String> {
    lexicon::all().map(|entry| entry.labels[0].into()).collect()
}

/// "a" or "an" before a countable thing; nothing before plurals and "-ing" words.
fn with_article(label: &str) -> String {
    let plural = label.ends_with('s') && !label.ends_with("ss");
    if plural || label.ends_with("ing") {
        return label.into();
    }
    let vowel = label.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {label}", if vowel { "an" } else { "a" })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How many content words of a caption stand in it more than once.
fn repetitions(caption: &str) -> usize {
    const LIGHT: &[&str] = &[
        "a", "an", "the", "of", "is", "are", "and", "in", "on", "to", "into", "with", "while",
        "as", "then", "by", "after", "before", "at", "be", "can", "that",
    ];
    let mut seen = HashSet::new();
    named::tokens(caption)
        .into_iter()
        .filter(|word| !LIGHT.contains(&word.as_str()) && !seen.insert(word.clone()))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Event, Relation};
    use proptest::prelude::*;

    #[test]
    fn every_wording_of_every_known_label_names_exactly_that_label() {
        let labels = known_labels();
        let grammar = Grammar::new(&labels);
        for (index, label) in labels.iter().enumerate() {
            let wordings = grammar.wordings(index);
            assert!(wordings.len() >= 5, "{label}");
            for wording in wordings {
                assert_eq!(grammar.named_labels(&wording), [label.as_str()], "{wording}");
            }
        }
    }

    #[test]
    fn five_captions_of_a_single_event_are_always_different() {
        let mut labels = known_labels();
        labels.push("espresso machine".into());
        let grammar = Grammar::new(&labels);
        for label in 0..labels.len() {
            let event = Event {
                label,
                instance: 0,
                offset: 0.0,
                seconds: 1.0,
                onsets: vec![0.0],
                gain: 1.0,
                distance: Distance::Plain,
            };
            let scene = Scene { relation: Relation::Alone, events: vec![event] };
            for item in 0..50 {
                let captions = grammar.captions(&scene, 5, &Dice::new(0, "test", item, 0));
                let distinct: HashSet<&String> = captions.iter().collect();
                assert_eq!(distinct.len(), 5, "{captions:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_label_that_a_manifest_may_hold_gets_captions_that_name_it(text in ".{1,20}") {
            let label = canonical_label(&text);
            prop_assume!(label.chars().any(char::is_alphanumeric));
            let grammar = Grammar::new(std::slice::from_ref(&label));
            for wording in grammar.wordings(0) {
                prop_assert_eq!(grammar.named_labels(&wording), [label.as_str()], "{}", wording);
            }
        }
    }

    #[test]
    fn no_two_entries_share_a_label() {
        let mut seen = HashSet::new();
        for label in lexicon::all().flat_map(|entry| entry.labels) {
            assert!(seen.insert(label), "{label}");
            assert_eq!(plain_label(label), *label);
        }
    }

    #[test]
    fn unknown_labels_are_worded_from_their_own_words() {
        let label = canonical_label("Espresso_machine");
        assert_eq!(label, "espresso machine");
        let grammar = Grammar::new(std::slice::from_ref(&label));
        assert!(grammar.wordings(0).contains(&"the sound of an espresso machine".to_owned()));
        assert_eq!(with_article("wind chimes"), "wind chimes");
        assert_eq!(with_article("tram"), "a tram");
        assert_eq!(canonical_label("crying_baby"), "baby cry");
    }

    #[test]
    fn the_longer_name_wins() {
        let grammar = Grammar::new(&["dog bark".into(), "dog growl".into()]);
        assert_eq!(grammar.named_labels("The sound of a dog growl"), ["dog growl"]);
        assert_eq!(
            grammar.named_labels("A dog growl, then a dog barks"),
            ["dog bark", "dog growl"]
        );
    }

    #[test]
    fn repeated_content_words_are_counted() {
        assert_eq!(repetitions("A dog barks and a cat meows"), 0);
        assert_eq!(repetitions("A dog barks and the dog barks"), 2);
    }
}
