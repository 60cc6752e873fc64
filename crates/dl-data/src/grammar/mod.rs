//! Captions: a grammar with many wordings for every kind of sound and every
//! relation, and the way back, from a caption to the labels that it names.
//!
//! A caption says only what is in the scene. It starts with a capital letter and
//! has no full stop. No content word stands in it twice.

mod named;
mod templates;
mod words;

use std::collections::HashSet;

use self::{
    templates::{Form, Piece},
    words::Words,
};
pub use crate::lexicon::{canonical_label, known_labels, plain_label};
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

impl Grammar {
    /// The grammar for these labels, each in canonical form (see [`canonical_label`]).
    /// A label that the lexicon does not know is worded from its own words.
    pub fn new(labels: &[String]) -> Self {
        Self { words: labels.iter().map(|label| Words::of(label)).collect() }
    }

    /// Whether the sound of label `index` goes on evenly, so that any piece of it will do.
    /// Unknown labels count as events that have a beginning.
    pub fn is_texture(&self, index: usize) -> bool {
        self.words[index].texture
    }

    /// The labels that a caption names, in the order of the grammar's list.
    pub fn named_labels(&self, caption: &str) -> Vec<String> {
        let keys: Vec<&[named::Key]> = self.words.iter().map(|words| &words.keys[..]).collect();
        let named = named::named(&keys, caption);
        named.into_iter().map(|index| self.words[index].label.clone()).collect()
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
    fn unknown_labels_are_worded_from_their_own_words() {
        let label = canonical_label("Espresso_machine");
        assert_eq!(label, "espresso machine");
        let grammar = Grammar::new(std::slice::from_ref(&label));
        assert!(grammar.wordings(0).contains(&"the sound of an espresso machine".to_owned()));
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
