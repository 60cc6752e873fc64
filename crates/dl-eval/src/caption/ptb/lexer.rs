//! The longest match of many rules at once: a deterministic automaton over the classes of
//! characters, built as far as the text at hand needs it.

use std::{cell::RefCell, collections::HashSet, iter::once, ops::Range, sync::LazyLock};

use regex_automata::{
    Anchored, MatchKind,
    hybrid::{
        LazyStateID,
        dfa::{Cache, DFA},
    },
    nfa::thompson,
    util::{start, syntax},
};

use super::{
    classes::{self, class},
    rules::{Action, End, rules},
};

/// Bytes for states; all rules together need less, so that no state is ever dropped.
const CAPACITY: usize = 64 << 20;

/// Units between the places where a state that reads on in vain is remembered.
const STRIDE: usize = 64;

pub(super) static LEXER: LazyLock<Lexer> = LazyLock::new(Lexer::new);

thread_local! {
    pub(super) static CACHE: RefCell<Cache> = RefCell::new(LEXER.automaton.create_cache());
}

/// Captions as successive lines of one text, as the rules read it.
pub(super) struct Text {
    text: String,
    /// The class of every UTF-16 unit, as the original counts them.
    units: Vec<u8>,
    /// By unit, where its character begins in bytes; both of a pair stand at the same
    /// place. One more for the end.
    places: Vec<usize>,
    /// By line, its first unit. One more for the end.
    pub(super) lines: Vec<usize>,
}

impl Text {
    /// Line breaks within a caption are spaces.
    pub(super) fn new(captions: &[impl AsRef<str>]) -> Self {
        let length = captions.iter().map(|caption| caption.as_ref().len() + 1).sum();
        let mut text = String::with_capacity(length);
        let mut units = Vec::with_capacity(length);
        let mut places = Vec::with_capacity(length + 1);
        let mut lines = vec![0];
        for caption in captions {
            let characters = caption.as_ref().chars().map(|c| if c == '\n' { ' ' } else { c });
            for c in characters.chain(once('\n')) {
                for _ in 0..c.len_utf16() {
                    units.push(class(c));
                    places.push(text.len());
                }
                text.push(c);
            }
            lines.push(units.len());
        }
        places.push(text.len());
        Self { text, units, places, lines }
    }
}

/// The rules as one automaton.
pub(super) struct Lexer {
    automaton: DFA,
    rules: Vec<(End, Action)>,
}

impl Lexer {
    fn new() -> Self {
        let rules = rules();
        let expressions: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
        let automaton = DFA::builder()
            .configure(DFA::config().match_kind(MatchKind::All).cache_capacity(CAPACITY))
            .thompson(thompson::Config::new().utf8(false))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_many(&expressions)
            .expect("the rules are valid expressions");
        Self { automaton, rules: rules.into_iter().map(|rule| (rule.1, rule.2)).collect() }
    }

    /// Calls `token` with the first unit, the text and the action of every match that
    /// begins within `range` of the units of `text`. Returns where reading would go on.
    /// What matches at a place depends on nothing before it.
    pub(super) fn run(
        &self,
        text: &Text,
        range: Range<usize>,
        mut token: impl FnMut(usize, &str, Action),
    ) -> usize {
        CACHE.with_borrow_mut(|cache| {
            let mut from = range.start;
            let mut futile = Futile::default();
            while from < range.end {
                let Some((rule, length)) = self.longest(cache, &text.units, from, &mut futile)
                else {
                    from += 1; // not reached: a rule of one unit accepts whatever is left
                    continue;
                };
                let (end, action) = self.rules[rule];
                let (until, next) = cut(&text.units[from..from + length], end);
                token(from, &text.text[text.places[from]..text.places[from + until]], action);
                from += next;
            }
            from
        })
    }

    /// The first rule among those with the longest match from unit `from` on, and its
    /// length.
    fn longest(
        &self,
        cache: &mut Cache,
        units: &[u8],
        from: usize,
        futile: &mut Futile,
    ) -> Option<(usize, usize)> {
        let mut state = self.start(cache)?;
        let mut found = None;
        futile.trail.clear();
        let mut at = from;
        // A match shows one unit late.
        let last = loop {
            if at.is_multiple_of(STRIDE) && futile.is_known(at, state) {
                break None;
            }
            let Some(&unit) = units.get(at) else {
                break Some(self.automaton.next_eoi_state(cache, state).ok()?);
            };
            state = self.next(cache, state, unit)?;
            #[cfg(test)]
            {
                futile.steps += 1;
            }
            if state.is_match() {
                found = Some((state, at - from));
                futile.trail.clear();
            }
            if state.is_dead() {
                break None;
            }
            at += 1;
        };
        match last.filter(LazyStateID::is_match) {
            Some(state) => found = Some((state, at - from)),
            None => futile.known.extend(futile.trail.drain(..)),
        }
        let (state, length) = found?;
        Some((self.first_rule(cache, state)?, length))
    }

    // An automaton whose cache is cleared when full, as here, never gives up: the two
    // below have a value.

    pub(super) fn start(&self, cache: &mut Cache) -> Option<LazyStateID> {
        let anchored = start::Config::new().anchored(Anchored::Yes);
        self.automaton.start_state(cache, &anchored).ok()
    }

    pub(super) fn next(
        &self,
        cache: &mut Cache,
        state: LazyStateID,
        unit: u8,
    ) -> Option<LazyStateID> {
        self.automaton.next_state(cache, state, unit).ok()
    }

    /// What the text read so far is, were it to end here.
    #[cfg(test)]
    pub(super) fn matched(&self, cache: &mut Cache, state: LazyStateID) -> Option<(End, Action)> {
        let state = self.automaton.next_eoi_state(cache, state).ok()?;
        self.first_rule(cache, state).map(|rule| self.rules[rule])
    }

    /// The most urgent rule of a state that shows a match.
    fn first_rule(&self, cache: &Cache, state: LazyStateID) -> Option<usize> {
        if !state.is_match() {
            return None;
        }
        (0..self.automaton.match_len(cache, state))
            .map(|index| self.automaton.match_pattern(cache, state, index).as_usize())
            .min()
    }
}

/// Places and states from which no match follows. Rules that read far ahead for an end
/// that never comes (`<!a<!a<!a`) would otherwise read the rest of the text again at
/// every token; the idea is Reps', "Maximal-munch" tokenization in linear time (1998).
#[derive(Default)]
struct Futile {
    known: HashSet<(usize, LazyStateID)>,
    /// Passed since the last match of the token that is being read.
    trail: Vec<(usize, LazyStateID)>,
    /// Units read, for the test that counts them.
    #[cfg(test)]
    steps: usize,
}

impl Futile {
    /// Whether nothing follows; otherwise remembers that the reading went on.
    fn is_known(&mut self, at: usize, state: LazyStateID) -> bool {
        let here = (at, state);
        let known = self.known.contains(&here);
        if !known {
            self.trail.push(here);
        }
        known
    }
}

/// Where the token of a match ends and where reading goes on.
fn cut(units: &[u8], end: End) -> (usize, usize) {
    let all = units.len();
    let space = || units.iter().position(|&unit| is_space(unit));
    let last = |marks: &[u8]| units.iter().rposition(|unit| marks.contains(unit));
    let until = match end {
        End::Whole => all,
        End::Less(count) => all - count,
        End::After(count) => count,
        End::Space => space().unwrap_or(all - 1),
        End::Stop => units.iter().position(|&unit| unit == b'.').map_or(all, |stop| stop + 1),
        End::Apostrophe => last(&[b'\'', b'&', classes::CLOSING]).unwrap_or(all),
        End::Negation => last(&[b'\'', b'`', b'&', classes::CLOSING, classes::OPENING])
            .map_or(all, |mark| mark - 1),
        End::Sentence | End::Initials => {
            let until = space().unwrap_or(all);
            let lone = end == End::Initials && until == 2;
            return (if lone { 1 } else { until }, until - 1);
        }
    };
    (until, until)
}

fn is_space(unit: u8) -> bool {
    use classes::{LINE, NEXT_LINE, SPACE, UNBROKEN};
    matches!(unit, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
        || [UNBROKEN, SPACE, LINE, NEXT_LINE].contains(&unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caption::tokenize;

    /// Opens a declaration that never ends: at each of them a rule reads to the end of the
    /// text in vain.
    const OPEN: &str = "<!a";

    #[test]
    fn what_is_remembered_changes_no_token() {
        // 15 of them are shorter than a stride, so that nothing is remembered.
        for opening in [OPEN, "<!--a ", "<a b='x", "<?a "] {
            let short = tokenize(&opening.repeat(15));
            assert!(opening.len() * 15 < 2 * STRIDE && !short.is_empty());
            assert_eq!(tokenize(&opening.repeat(15 * 64)), vec![short; 64].concat(), "{opening}");
        }
        // An end far away is found all the same.
        let far = format!("<a b='{}'> rain", "x ".repeat(500));
        let tokens = tokenize(&far);
        assert_eq!((tokens.len(), tokens[1].as_str()), (2, "rain"));
    }

    #[test]
    fn work_grows_with_the_length_and_no_faster() {
        let steps = |count: usize| {
            let text = Text::new(&[OPEN.repeat(count)]);
            let mut futile = Futile::default();
            CACHE.with_borrow_mut(|cache| {
                let mut from = 0;
                while from < text.units.len() {
                    let found = LEXER.longest(cache, &text.units, from, &mut futile);
                    let (rule, length) = found.unwrap();
                    from += cut(&text.units[from..from + length], LEXER.rules[rule].0).1;
                }
            });
            futile.steps
        };
        let (few, many) = (steps(1_000), steps(8_000));
        // Twice a stride for every unit; without memory it were 4,000 units for each.
        assert!(few < 3_000 * 2 * STRIDE, "{few}");
        assert!(many < 9 * few, "{few} {many}");
    }
}
