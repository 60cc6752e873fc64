//! Everything that captions say, as one graph of concepts: objects, what they are like and
//! how they relate, where words of one meaning are one.

use std::cmp::Ordering;

use super::{rules::Tuple, synonyms::Synonyms};

/// A word or phrase, or several that were taken for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concept {
    /// Ascending; with underscores for spaces.
    texts: Vec<String>,
    /// Its synonym sets, ascending.
    synsets: Vec<u32>,
}

impl Concept {
    /// Of one word or phrase.
    pub fn new(text: &str, synonyms: Synonyms) -> Self {
        let text = text.replace(' ', "_");
        Self { synsets: synonyms.synsets(&text), texts: vec![text] }
    }

    /// The words and phrases that it stands for, with underscores for spaces.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whether both share a text or a synonym set.
    pub fn is_similar(&self, other: &Self) -> bool {
        common(&self.texts, &other.texts) > 0 || common(&self.synsets, &other.synsets) > 0
    }

    /// 1 where they share a text; else the share of common synonym sets among all of both.
    fn similarity(&self, other: &Self) -> f64 {
        if common(&self.texts, &other.texts) > 0 {
            return 1.0;
        }
        match common(&self.synsets, &other.synsets) {
            0 => 0.0,
            both => both as f64 / (self.synsets.len() + other.synsets.len() - both) as f64,
        }
    }

    fn merge(&mut self, other: Self) {
        unite(&mut self.texts, other.texts);
        unite(&mut self.synsets, other.synsets);
    }
}

/// How many members two ascending lists share.
fn common<T: Ord>(a: &[T], b: &[T]) -> usize {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut count = 0;
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        match x.cmp(y) {
            Ordering::Less => drop(a.next()),
            Ordering::Greater => drop(b.next()),
            Ordering::Equal => {
                count += 1;
                a.next();
                b.next();
            }
        }
    }
    count
}

fn unite<T: Ord>(into: &mut Vec<T>, more: Vec<T>) {
    into.extend(more);
    into.sort_unstable();
    into.dedup();
}

/// Objects, attributes and relations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SceneGraph {
    objects: Vec<Object>,
    /// Subject and object as places, and what relates them.
    relations: Vec<(usize, usize, Concept)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    concept: Concept,
    attributes: Vec<Concept>,
}

impl SceneGraph {
    /// Of all tuples of one side, in their order.
    pub fn new<'a>(tuples: impl IntoIterator<Item = &'a Tuple>, synonyms: Synonyms) -> Self {
        let mut graph = Self::default();
        for tuple in tuples {
            match tuple {
                Tuple::Object(object) => {
                    graph.object(object, synonyms);
                }
                Tuple::Attribute(object, attribute) => {
                    let object = graph.object(object, synonyms);
                    graph.add_attribute(object, Concept::new(attribute, synonyms));
                }
                Tuple::Relation(subject, object, relation) => {
                    let subject = graph.object(subject, synonyms);
                    let object = graph.object(object, synonyms);
                    let relation = relation.strip_prefix("be ").unwrap_or(relation);
                    graph.add_relation(subject, object, Concept::new(relation, synonyms));
                }
            }
        }
        graph
    }

    /// The place of an object: of the same concept, else of the most similar one, which
    /// takes it in, else a new one.
    fn object(&mut self, text: &str, synonyms: Synonyms) -> usize {
        let concept = Concept::new(text, synonyms);
        if let Some(place) = self.objects.iter().position(|object| object.concept == concept) {
            return place;
        }
        let mut best = (0.0, None);
        for (place, object) in self.objects.iter().enumerate() {
            let similarity = object.concept.similarity(&concept);
            if similarity > best.0 {
                best = (similarity, Some(place));
            }
        }
        if let Some(place) = best.1 {
            self.objects[place].concept.merge(concept);
            return place;
        }
        self.objects.push(Object { concept, attributes: Vec::new() });
        self.objects.len() - 1
    }

    fn add_attribute(&mut self, object: usize, attribute: Concept) {
        let attributes = &mut self.objects[object].attributes;
        if attributes.contains(&attribute) {
            return;
        }
        match attributes.iter_mut().find(|known| known.is_similar(&attribute)) {
            Some(known) => known.merge(attribute),
            None => attributes.push(attribute),
        }
    }

    fn add_relation(&mut self, subject: usize, object: usize, relation: Concept) {
        let known = self.relations.iter_mut().find(|(from, to, known)| {
            (*from, *to) == (subject, object) && known.is_similar(&relation)
        });
        match known {
            Some((.., known)) => known.merge(relation),
            None => self.relations.push((subject, object, relation)),
        }
    }

    /// Objects, then attributes, then relations (subject, relation, object).
    pub fn tuples(&self) -> Vec<Vec<&Concept>> {
        let concept = |place: usize| &self.objects[place].concept;
        let objects = self.objects.iter().map(|object| vec![&object.concept]);
        let attributes = self.objects.iter().flat_map(|object| {
            object.attributes.iter().map(|attribute| vec![&object.concept, attribute])
        });
        let relations = self
            .relations
            .iter()
            .map(|(subject, object, relation)| vec![concept(*subject), relation, concept(*object)]);
        objects.chain(attributes).chain(relations).collect()
    }
}
