//! Captions: a grammar with many wordings for every kind of sound and every
//! relation, and the way back, from a caption to the labels that it names.
//!
//! A caption says only what is in the scene; where [`Grammar::freer`] allows it, it says
//! less, as people do. It starts with a capital letter and has no full stop. No content
//! word stands in it twice.

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
    scene::{Distance, Relation, Scene},
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
    left_out: f32,
    vague: f32,
}

impl Grammar {
    /// The grammar for these labels, each in canonical form (see [`canonical_label`]).
    /// A label that the lexicon does not know is worded from its own words.
    pub fn new(labels: &[String]) -> Self {
        let words = labels.iter().map(|label| Words::of(label)).collect();
        Self { words, left_out: 0.0, vague: 0.0 }
    }

    /// The same grammar with captions that say less: with probability `left_out` one of
    /// several events is left out, most often the softest; with probability `vague` an
    /// event is named by its class ("an animal") in place of its kind.
    #[must_use]
    pub fn freer(self, left_out: f32, vague: f32) -> Self {
        Self { left_out, vague, ..self }
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
        let words = &self.words[index].forms;
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
        if self.left_out > 0.0 && scene.events.len() > 1 && dice.chance(self.left_out) {
            return self.word(&less(scene, dice), dice);
        }
        self.word(scene, dice)
    }

    fn word(&self, scene: &Scene, dice: &Dice) -> String {
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
        let words = match &self.words[label].class {
            Some(class) if self.vague > 0.0 && dice.chance(self.vague) => class,
            _ => &self.words[label].forms,
        };
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

/// The scene without one of its events: in three cases of four without the softest.
fn less(scene: &Scene, dice: &Dice) -> Scene {
    let gain = |&index: &usize| scene.events[index].gain;
    let softest = (0..scene.events.len()).min_by(|a, b| gain(a).total_cmp(&gain(b)));
    let any = dice.below(scene.events.len());
    let left_out = if dice.chance(0.75) { softest.unwrap_or(any) } else { any };
    let mut events = scene.events.clone();
    events.remove(left_out);
    let relation = match scene.relation {
        // Of two together and a third, the third is last.
        Relation::Three if left_out == 2 => Relation::Together,
        Relation::Three => Relation::Sequence,
        _ => Relation::Alone,
    };
    Scene { relation, events }
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
    use crate::scene::Event;
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
            let scene = Scene { relation: Relation::Alone, events: vec![event(label, 1.0)] };
            for item in 0..50 {
                let captions = grammar.captions(&scene, 5, &Dice::new(0, "test", item, 0));
                let distinct: HashSet<&String> = captions.iter().collect();
                assert_eq!(distinct.len(), 5, "{captions:?}");
            }
        }
    }

    fn event(label: usize, gain: f32) -> Event {
        Event {
            label,
            instance: 0,
            offset: 0.0,
            seconds: 1.0,
            onsets: vec![0.0],
            gain,
            distance: Distance::Plain,
        }
    }

    #[test]
    fn a_freer_caption_leaves_out_the_softest_most_often_and_never_all() {
        let labels = ["dog bark", "rain", "siren"].map(String::from);
        let grammar = Grammar::new(&labels).freer(1.0, 0.0);
        let scene = Scene {
            relation: Relation::Three,
            events: vec![event(0, 1.0), event(1, 0.4), event(2, 0.8)],
        };
        let mut left_out = [0_u32; 3];
        for item in 0..400 {
            let captions = grammar.captions(&scene, 1, &Dice::new(0, "test", item, 0));
            let named = grammar.named_labels(&captions[0]);
            assert_eq!(named.len(), 2, "{captions:?}");
            let missing = labels.iter().position(|label| !named.contains(label)).unwrap();
            left_out[missing] += 1;
        }
        // 1/12, 10/12 and 1/12 of 400, within four standard deviations.
        assert!(left_out[0].abs_diff(33) < 23 && left_out[2].abs_diff(33) < 23, "{left_out:?}");
        assert!(left_out[1].abs_diff(333) < 30, "{left_out:?}");
    }

    #[test]
    fn a_vague_caption_names_the_class_alone() {
        for label in known_labels() {
            let grammar = Grammar::new(std::slice::from_ref(&label)).freer(0.0, 1.0);
            let scene = Scene { relation: Relation::Alone, events: vec![event(0, 1.0)] };
            let captions = grammar.captions(&scene, 3, &Dice::new(0, "test", 0, 0));
            let has_class = grammar.words[0].class.is_some();
            for caption in captions {
                let named = grammar.named_labels(&caption);
                assert_eq!(named.is_empty(), has_class, "{label}: {caption}");
            }
        }
    }

    #[test]
    fn no_wording_of_a_class_names_a_kind() {
        let labels = known_labels();
        let grammar = Grammar::new(&labels);
        for class in grammar.words.iter().filter_map(|words| words.class.as_ref()) {
            let forms = [&class.finite, &class.progressive, &class.participle, &class.noun];
            for wording in forms.into_iter().flatten() {
                assert!(grammar.named_labels(wording).is_empty(), "{wording}");
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
