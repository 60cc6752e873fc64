//! Which rules a step and the symbols of a span make, found by sixty-four symbols at a
//! time. A symbol's place in a set is its slot; symbols that stand beside many steps have
//! the first ones, so that the partners of a step lie in few groups.

use super::symbols::{Binary, Symbol};

/// Partners of one step within sixty-four slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Their slots.
    pub(super) mask: u64,
    /// Which sixty-four.
    pub(super) at: u32,
    /// Where the first one stands among the entries.
    pub(super) first: u32,
}

/// The rules of a step and a partner: numbers one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The first.
    pub(super) from: u32,
    /// Behind the last.
    pub(super) to: u32,
}

/// Groups by step, for one side on which the step stands.
#[derive(Debug, Clone)]
pub(super) struct Partners {
    groups: Vec<Group>,
    /// By symbol.
    at: Vec<u32>,
    entries: Vec<Entry>,
}

impl Partners {
    /// `rules` begin at number `first` and are sorted by step, then partner: `sides` of a
    /// rule.
    pub(super) fn new(
        rules: &[Binary],
        first: usize,
        slots: &[u16],
        sides: fn(&Binary) -> (Symbol, Symbol),
    ) -> Self {
        let mut entries: Vec<(Symbol, u16, Entry)> = Vec::new();
        let mut number = first as u32;
        for same in rules.chunk_by(|a, b| sides(a) == sides(b)) {
            let (step, partner) = sides(&same[0]);
            let entry = Entry { from: number, to: number + same.len() as u32 };
            entries.push((step, slots[partner as usize], entry));
            number = entry.to;
        }
        entries.sort_unstable_by_key(|&(step, slot, _)| (step, slot));
        let (mut groups, mut at) = (Vec::new(), vec![0; slots.len() + 1]);
        let mut place = 0;
        for group in entries.chunk_by(|a, b| (a.0, a.1 / 64) == (b.0, b.1 / 64)) {
            let (step, slot, _) = group[0];
            let mask = group.iter().fold(0, |mask, &(_, slot, _)| mask | 1 << (slot % 64));
            groups.push(Group { mask, at: u32::from(slot / 64), first: place });
            place += group.len() as u32;
            at[step as usize + 1] += 1;
        }
        for index in 1..at.len() {
            at[index] += at[index - 1];
        }
        Self { groups, at, entries: entries.into_iter().map(|(.., entry)| entry).collect() }
    }

    /// The groups of a symbol, as a step.
    #[inline(always)]
    pub(super) fn of(&self, symbol: Symbol) -> &[Group] {
        let at = |symbol: usize| self.at[symbol] as usize;
        &self.groups[at(symbol as usize)..at(symbol as usize + 1)]
    }

    /// The rules of a partner of a group: that with so many before it.
    #[inline(always)]
    pub(super) fn entry(&self, group: Group, before: u32) -> Entry {
        self.entries[(group.first + before) as usize]
    }
}

/// Slots of the symbols: the more rules a symbol is a partner in, the earlier.
pub(super) fn slots(partners: impl Iterator<Item = Symbol>, count: usize) -> Vec<u16> {
    let mut rules = vec![0_u32; count];
    for partner in partners {
        rules[partner as usize] += 1;
    }
    let mut order: Vec<u16> = (0..count as u16).collect();
    order.sort_by_key(|&symbol| std::cmp::Reverse(rules[symbol as usize]));
    let mut slots = vec![0; count];
    for (slot, &symbol) in order.iter().enumerate() {
        slots[symbol as usize] = slot as u16;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_from_its_step_and_partner() {
        let rule = |left, right, parent| Binary { left, right, parent };
        // Partners of 0: 70 (two rules), 3, 71; of 1: 70.
        let rules = [rule(0, 3, 9), rule(0, 70, 8), rule(0, 70, 9), rule(0, 71, 9), rule(1, 70, 9)];
        let slots = slots(rules.iter().map(|rule| rule.right), 100);
        // 70 is in three rules, 3 and 71 in one each, the rest in none.
        assert_eq!([slots[70], slots[3], slots[71], slots[0]], [0, 1, 2, 3]);
        let partners = Partners::new(&rules, 5, &slots, |rule| (rule.left, rule.right));

        let [group] = partners.of(0) else { panic!("one group") };
        assert_eq!((group.mask, group.at), (0b111, 0));
        let numbers = |before| {
            let entry = partners.entry(*group, before);
            entry.from..entry.to
        };
        assert_eq!([numbers(0), numbers(1), numbers(2)], [6..8, 5..6, 8..9]);
        let [group] = partners.of(1) else { panic!("one group") };
        assert_eq!((group.mask, partners.entry(*group, 0).from), (1, 9));
        assert!(partners.of(2).is_empty());
    }
}
