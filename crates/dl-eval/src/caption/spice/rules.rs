//! From the graph of a sentence to tuples: the rules of Schuster et al. (2015, "Generating
//! Semantically Precise Scene Graphs from Textual Descriptions for Improved Image
//! Retrieval"), as SPICE 1.0 applies them.

use std::collections::HashSet;

use super::graph::{Edge, Graph};

/// What a caption says, as lemmas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tuple {
    /// Something that is there.
    Object(String),
    /// Something and what it is like.
    Attribute(String, String),
    /// Subject, object, relation.
    Relation(String, String, String),
}

impl Tuple {
    /// Its one to three parts.
    pub fn parts(&self) -> Vec<&str> {
        match self {
            Self::Object(object) => vec![object],
            Self::Attribute(object, attribute) => vec![object, attribute],
            Self::Relation(subject, object, relation) => vec![subject, object, relation],
        }
    }
}

/// The tuples of one sentence, number `sentence` of its caption (from 0), in the order in
/// which the rules find them.
pub fn tuples(graph: &Graph, sentence: usize) -> Vec<Tuple> {
    let hashed = Hashed::new(graph, sentence);
    let rules = Rules { graph, order: hashed.order(graph), hashed };
    let mut found = Vec::new();
    rules.subject_predicate_object(&mut found);
    rules.clauses(&mut found);
    rules.subject_and_predicate(&mut found);
    rules.adjectives(&mut found);
    rules.modifiers(&mut found);
    rules.possessions(&mut found);
    rules.agents(&mut found);
    rules.counts(&mut found);
    let compounds = rules.compounds(&mut found);
    rules.objects(&compounds, &mut found);
    found
}

fn is_nmod(edge: &Edge) -> bool {
    edge.relation.starts_with("nmod:")
}

fn is_object(edge: &Edge) -> bool {
    edge.relation == "dobj" || edge.relation == "iobj" || is_nmod(edge)
}

/// The words of an `nmod`'s relation: "next to" of `nmod:next_to`; nothing for possessors
/// and agents.
fn preposition(edge: &Edge) -> Option<String> {
    match edge.relation.strip_prefix("nmod:") {
        None | Some("poss" | "agent") => None,
        Some(words) => Some(words.replace('_', " ")),
    }
}

struct Rules<'a> {
    graph: &'a Graph,
    hashed: Hashed<'a>,
    /// In which the rules go through the words.
    order: Vec<usize>,
}

impl<'a> Rules<'a> {
    /// What hangs on a word, in the order in which the official tool meets it.
    fn children(&self, head: usize) -> impl Iterator<Item = &'a Edge> {
        self.hashed.children[head].iter().copied()
    }

    fn lemma(&self, word: usize) -> String {
        self.graph.words[word].lemma.trim().to_lowercase()
    }

    fn is_noun(&self, word: usize) -> bool {
        self.graph.words[word].is_noun()
    }

    fn nouns(&self, head: usize, is: fn(&Edge) -> bool) -> impl Iterator<Item = &Edge> {
        self.children(head).filter(move |edge| is(edge) && self.is_noun(edge.dependent))
    }

    fn subjects(&self, head: usize) -> impl Iterator<Item = usize> {
        self.nouns(head, |edge| edge.relation == "nsubj").map(|edge| edge.dependent)
    }

    /// The lemma; with a particle "turn on", where of "be on" a space and "on" are left.
    fn predicate(&self, word: usize) -> String {
        let lemma = &self.graph.words[word].lemma;
        match self.graph.child(word, "compound:prt") {
            Some(particle) => {
                let verb = if lemma == "be" { "" } else { lemma };
                format!("{verb} {}", self.graph.words[particle].lemma)
            }
            None => lemma.clone(),
        }
    }

    fn relation(&self, subject: usize, edge: &Edge, predicate: usize) -> Tuple {
        let mut name = self.predicate(predicate);
        if let Some(words) = preposition(edge) {
            name += " ";
            name += &words;
        }
        Tuple::Relation(self.lemma(subject), self.lemma(edge.dependent), clean(&name))
    }

    fn attribute(&self, object: usize, attribute: usize) -> Tuple {
        Tuple::Attribute(self.lemma(object), self.lemma(attribute))
    }

    fn subject_predicate_object(&self, found: &mut Vec<Tuple>) {
        for &word in &self.order {
            if self.graph.has(word, "cop") {
                continue;
            }
            for subject in self.subjects(word) {
                for edge in self.nouns(word, is_object) {
                    found.push(self.relation(subject, edge, word));
                }
            }
        }
    }

    fn clauses(&self, found: &mut Vec<Tuple>) {
        for &word in &self.order {
            let clauses = self.children(word).filter(|edge| edge.relation == "acl");
            for verb in clauses.map(|edge| edge.dependent) {
                if self.graph.words[verb].is_verb() {
                    for edge in self.nouns(verb, is_object) {
                        found.push(self.relation(word, edge, verb));
                    }
                }
            }
        }
    }

    fn subject_and_predicate(&self, found: &mut Vec<Tuple>) {
        let copular = |&&word: &&usize| self.graph.has(word, "cop");
        let plain =
            |word: &&usize| !copular(word) && self.nouns(**word, is_object).next().is_none();
        for &word in self.order.iter().filter(plain) {
            self.predicates(word, found);
        }
        for &word in self.order.iter().filter(copular) {
            self.predicates(word, found);
        }
    }

    fn predicates(&self, word: usize, found: &mut Vec<Tuple>) {
        for subject in self.subjects(word) {
            match self.graph.child(word, "case") {
                Some(case) => {
                    let text = |word: usize| self.graph.words[word].text.as_str();
                    let parts = self.children(case).filter(|edge| edge.relation == "mwe");
                    let mut words = vec![text(case)];
                    words.extend(parts.map(|edge| text(edge.dependent)));
                    found.push(Tuple::Relation(
                        self.lemma(subject),
                        self.lemma(word),
                        clean(&words.join(" ")),
                    ));
                }
                None if self.graph.words[word].lemma == "be" => {}
                None => found.push(self.attribute(subject, word)),
            }
        }
    }

    fn adjectives(&self, found: &mut Vec<Tuple>) {
        for &word in &self.order {
            for edge in self.children(word).filter(|edge| edge.relation == "amod") {
                found.push(self.attribute(word, edge.dependent));
            }
        }
        for &word in &self.order {
            if self.graph.words[word].tag.starts_with('J') {
                for edge in self.children(word).filter(|edge| edge.relation == "nsubj") {
                    found.push(self.attribute(edge.dependent, word));
                }
            }
        }
    }

    fn modifiers(&self, found: &mut Vec<Tuple>) {
        for &word in self.order.iter().filter(|&&word| self.is_noun(word)) {
            for edge in self.children(word) {
                if let Some(words) = preposition(edge) {
                    found.push(Tuple::Relation(
                        self.lemma(word),
                        self.lemma(edge.dependent),
                        clean(&words),
                    ));
                }
            }
        }
    }

    fn possessions(&self, found: &mut Vec<Tuple>) {
        for &word in self.order.iter().filter(|&&word| self.is_noun(word)) {
            for edge in self.nouns(word, |edge| edge.relation == "nmod:poss") {
                found.push(Tuple::Relation(
                    self.lemma(edge.dependent),
                    self.lemma(word),
                    "have".into(),
                ));
            }
        }
    }

    fn agents(&self, found: &mut Vec<Tuple>) {
        for &word in self.order.iter().filter(|&&word| self.graph.words[word].is_verb()) {
            for agent in self.nouns(word, |edge| edge.relation == "nmod:agent") {
                for patient in self.nouns(word, |edge| edge.relation == "nsubjpass") {
                    found.push(Tuple::Relation(
                        self.lemma(agent.dependent),
                        self.lemma(patient.dependent),
                        clean(&self.predicate(word)),
                    ));
                }
            }
        }
    }

    fn is_plural(&self, word: usize) -> bool {
        self.graph.words[word].is_plural()
    }

    fn plural_objects(&self, word: usize) -> impl Iterator<Item = usize> {
        let is = move |edge: &&Edge| {
            let direct = edge.relation.len() == 4 && edge.relation.ends_with("obj");
            let prepositional = is_nmod(edge)
                && edge.relation != "nmod:agent"
                && self.graph.has(edge.dependent, "case");
            self.is_plural(edge.dependent) && (direct || prepositional)
        };
        self.children(word).filter(is).map(|edge| edge.dependent)
    }

    fn plural_subjects(&self, word: usize) -> impl Iterator<Item = usize> {
        let is = |edge: &&Edge| edge.relation == "nsubj" && self.is_plural(edge.dependent);
        self.children(word).filter(is).map(|edge| edge.dependent)
    }

    fn counts(&self, found: &mut Vec<Tuple>) {
        // Each once, however many pairs it is in.
        let mut counted = HashSet::new();
        let mut count = |noun| {
            if counted.insert(noun) {
                self.count(noun, found);
            }
        };
        for &word in &self.order {
            for subject in self.plural_subjects(word) {
                for object in self.plural_objects(word) {
                    count(subject);
                    count(object);
                }
            }
        }
        for &word in self.order.iter().filter(|&&word| self.is_plural(word)) {
            let subject_alone = self.graph.parents(word).any(|edge| {
                edge.relation == "nsubj" && self.plural_objects(edge.head).next().is_none()
            });
            if self.graph.roots.contains(&word) || subject_alone {
                self.count(word, found);
            }
        }
        for &word in self.order.iter().filter(|&&word| self.is_plural(word)) {
            let with_subject = |edge: &Edge| {
                edge.relation == "nsubj"
                    || is_object(edge) && self.plural_subjects(edge.head).next().is_some()
            };
            if !self.graph.roots.contains(&word) && !self.graph.parents(word).any(with_subject) {
                self.count(word, found);
            }
        }
    }

    /// How many there are of a noun in the plural.
    fn count(&self, noun: usize, found: &mut Vec<Tuple>) {
        let number = self.graph.child(noun, "nummod").filter(|&number| number < noun);
        if let Some(number) = number.or_else(|| self.graph.child(noun, "det:qmod")) {
            found.push(self.attribute(noun, number));
        }
    }

    /// The nouns that are part of a compound.
    fn compounds(&self, found: &mut Vec<Tuple>) -> HashSet<usize> {
        let mut parts = HashSet::new();
        for &word in &self.order {
            for edge in self.nouns(word, |edge| edge.relation == "compound") {
                found.push(self.attribute(word, edge.dependent));
                parts.extend([word, edge.dependent]);
            }
        }
        parts
    }

    fn objects(&self, compounds: &HashSet<usize>, found: &mut Vec<Tuple>) {
        for &word in &self.order {
            if self.is_noun(word) && !compounds.contains(&word) {
                found.push(Tuple::Object(self.lemma(word)));
            }
        }
    }
}

fn clean(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Words in the order of the official tool's hash tables.
struct Hashed<'a> {
    /// By word: what hangs on it.
    children: Vec<Vec<&'a Edge>>,
    words: Vec<usize>,
}

impl<'a> Hashed<'a> {
    fn new(graph: &'a Graph, sentence: usize) -> Self {
        let key = |word: usize| 29 * sentence + graph.words[word].number;
        let slots = |entries: usize| {
            let mut slots = 16;
            while 4 * entries > 3 * slots {
                slots *= 2;
            }
            slots
        };
        let mut children = vec![Vec::new(); graph.words.len()];
        for edge in &graph.edges {
            children[edge.head].push(edge);
        }
        for edges in &mut children {
            let slots = slots(edges.len());
            edges.sort_by_key(|edge| key(edge.dependent) % slots);
        }
        let mut words: Vec<usize> = (0..graph.words.len()).collect();
        let slots = slots(words.len());
        words.sort_by_key(|&word| key(word) % slots);
        Self { children, words }
    }

    /// The words in topological order where there is one; in the order of the sentence
    /// where the graph has a circle.
    fn order(&self, graph: &Graph) -> Vec<usize> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Noted,
        }
        let mut noted = Vec::with_capacity(self.words.len());
        let mut state = vec![State::New; self.words.len()];
        for &word in &self.words {
            if state[word] != State::New {
                continue;
            }
            // Without recursion: captions may be long.
            state[word] = State::Open;
            let mut path = vec![(word, self.children[word].iter())];
            while let Some((word, rest)) = path.last_mut() {
                match rest.next().map(|edge| edge.dependent) {
                    Some(child) if state[child] == State::Open => {
                        return (0..graph.words.len()).collect();
                    }
                    Some(child) if state[child] == State::New => {
                        state[child] = State::Open;
                        path.push((child, self.children[child].iter()));
                    }
                    Some(_) => {}
                    None => {
                        state[*word] = State::Noted;
                        noted.push(*word);
                        path.pop();
                    }
                }
            }
        }
        noted.reverse();
        noted
    }
}
