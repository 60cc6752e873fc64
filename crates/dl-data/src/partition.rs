//! Which recording serves which split.
//!
//! Recordings of one source are never parted: those that share a `source_id` (in
//! any root) or that are the same file byte for byte. A source goes where its
//! `fold` says; without folds, sources are dealt out label by label in the order
//! of a hash of their names, so that the parting stays the same whatever the seed,
//! the order of the roots or where they lie.

use std::collections::{BTreeMap, HashMap};

use dl_core::noise::item_of;

use crate::split::Split;

/// What the parting looks at in a recording.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) label: String,
    /// `source_id`, or the file when there is none.
    pub(crate) source: String,
    /// Digest of the file's bytes.
    pub(crate) content: String,
    pub(crate) fold: Option<u32>,
}

/// How to part.
#[derive(Clone, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) test_folds: &'a [u32],
    pub(crate) validation_folds: &'a [u32],
    pub(crate) test_share: f32,
    pub(crate) validation_share: f32,
}

impl Rule<'_> {
    /// The split that a fold belongs to; `None` when folds are not to be used.
    fn of_fold(&self, fold: u32) -> Option<Split> {
        if self.test_folds.is_empty() && self.validation_folds.is_empty() {
            None
        } else if self.test_folds.contains(&fold) {
            Some(Split::Test)
        } else if self.validation_folds.contains(&fold) {
            Some(Split::Validation)
        } else {
            Some(Split::Train)
        }
    }
}

/// A split for each item, and warnings for people.
pub(crate) fn part(items: &[Item], rule: &Rule<'_>) -> (Vec<Split>, Vec<String>) {
    let mut warnings = Vec::new();
    let groups = groups(items);
    let mut fixed: HashMap<usize, Split> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(split) = item.fold.and_then(|fold| rule.of_fold(fold)) else { continue };
        let held = *fixed.entry(groups[index]).or_insert(split);
        if held != split {
            // The most held-out split wins: what was promised unseen stays unseen.
            fixed.insert(groups[index], held.max(split));
            warnings.push(format!(
                "source '{}' has folds of two splits; all its recordings go to {}",
                item.source,
                held.max(split).name()
            ));
        }
    }
    warnings.extend(deal(items, &groups, &mut fixed, rule));
    let splits = groups.iter().map(|group| fixed[group]).collect();
    (splits, warnings)
}

/// Deals out the groups that no fold has fixed, label by label: to test until it has
/// its share of the label's recordings, then to validation, the rest to training.
fn deal(
    items: &[Item],
    groups: &[usize],
    fixed: &mut HashMap<usize, Split>,
    rule: &Rule<'_>,
) -> Vec<String> {
    let mut by_label: BTreeMap<&str, HashMap<usize, usize>> = BTreeMap::new();
    for (item, &group) in items.iter().zip(groups) {
        *by_label.entry(&item.label).or_default().entry(group).or_default() += 1;
    }
    let names = names(items, groups);
    let mut warnings = Vec::new();
    for (label, sizes) in by_label {
        let (sources, total) = (sizes.len(), sizes.values().sum::<usize>());
        let mut counts = [0; 3];
        for (group, size) in &sizes {
            if let Some(&split) = fixed.get(group) {
                counts[split as usize] += size;
            }
        }
        let mut open: Vec<usize> =
            sizes.keys().copied().filter(|group| !fixed.contains_key(group)).collect();
        // A source that makes up most of a label comes last: it belongs in training.
        open.sort_by_key(|group| (2 * sizes[group] > total, names[group], *group));
        for group in open {
            let size = sizes[&group];
            let lacks = |split: Split, share: f32, least: usize| {
                let (has, target) = (counts[split as usize], share * total as f32);
                let room = target - has as f32 >= 0.5 * size as f32;
                share > 0.0 && sources >= least && (has == 0 || room)
            };
            let split = if lacks(Split::Test, rule.test_share, 2) {
                Split::Test
            } else if lacks(Split::Validation, rule.validation_share, 3) {
                Split::Validation
            } else {
                Split::Train
            };
            counts[split as usize] += size;
            fixed.insert(group, split);
        }
        let empty = |split: &Split| counts[*split as usize] == 0;
        let without: Vec<&str> = Split::ALL.into_iter().filter(empty).map(Split::name).collect();
        if !without.is_empty() {
            let noun = if sources == 1 { "source" } else { "sources" };
            warnings.push(format!(
                "'{label}' has no recordings for {} (it has {sources} {noun} in all)",
                without.join(" and ")
            ));
        }
    }
    warnings
}

/// The place of each group in the order of dealing: the least hash of its sources' names.
fn names(items: &[Item], groups: &[usize]) -> HashMap<usize, u64> {
    let mut names: HashMap<usize, u64> = HashMap::new();
    for (item, &group) in items.iter().zip(groups) {
        let name = item_of(&item.source);
        names.entry(group).and_modify(|least| *least = name.min(*least)).or_insert(name);
    }
    names
}

/// A group number for each item: same source or same bytes, same group (union-find).
fn groups(items: &[Item]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..items.len()).collect();
    let mut first: HashMap<(bool, &str), usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        for key in [(true, item.source.as_str()), (false, item.content.as_str())] {
            let other = *first.entry(key).or_insert(index);
            let (a, b) = (root(&mut parent, index), root(&mut parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    (0..items.len()).map(|index| root(&mut parent, index)).collect()
}

fn root(parent: &mut [usize], mut index: usize) -> usize {
    while parent[index] != index {
        parent[index] = parent[parent[index]];
        index = parent[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: Rule<'_> =
        Rule { test_folds: &[5], validation_folds: &[4], test_share: 0.2, validation_share: 0.1 };

    fn item(label: &str, source: &str, content: &str, fold: Option<u32>) -> Item {
        Item { label: label.into(), source: source.into(), content: content.into(), fold }
    }

    #[test]
    fn folds_decide_and_a_contradiction_is_held_out_with_a_warning() {
        let items = [
            item("rain", "a", "1", Some(1)),
            item("rain", "b", "2", Some(4)),
            item("rain", "c", "3", Some(5)),
            item("rain", "d", "4", Some(2)),
            item("rain", "d", "5", Some(5)),
        ];
        let (splits, warnings) = part(&items, &RULE);
        use Split::{Test, Train, Validation};
        assert_eq!(splits, [Train, Validation, Test, Test, Test]);
        assert_eq!(warnings, ["source 'd' has folds of two splits; all its recordings go to test"]);
    }

    #[test]
    fn a_recording_without_fold_follows_its_source() {
        let items = [item("dog", "x", "1", Some(5)), item("bark", "x", "2", None)];
        assert_eq!(part(&items, &RULE).0, [Split::Test; 2]);
    }

    #[test]
    fn ten_sources_are_dealt_two_to_test_and_one_to_validation() {
        let items: Vec<Item> =
            (0..10).map(|k| item("rain", &format!("s{k}"), &format!("{k}"), None)).collect();
        let (splits, warnings) = part(&items, &RULE);
        let count = |split| splits.iter().filter(|&&found| found == split).count();
        assert_eq!((count(Split::Train), count(Split::Validation), count(Split::Test)), (7, 1, 2));
        assert!(warnings.is_empty());
        // Another order of the same recordings parts them alike.
        let reversed: Vec<Item> = items.iter().rev().cloned().collect();
        let mut again = part(&reversed, &RULE).0;
        again.reverse();
        assert_eq!(splits, again);
    }

    #[test]
    fn shares_are_shares_of_recordings_and_a_giant_source_trains() {
        // Source g holds 12 of 20 recordings, eight others one each: four go to test
        // (20 %), two to validation (10 %), g to training wherever its hash lies.
        let giant = (0..12).map(|k| item("saw", "g", &format!("g{k}"), None));
        let single = (0..8).map(|k| item("saw", &format!("s{k}"), &format!("{k}"), None));
        let (splits, _) = part(&giant.chain(single).collect::<Vec<_>>(), &RULE);
        let count = |split| splits.iter().filter(|&&found| found == split).count();
        assert_eq!((count(Split::Train), count(Split::Validation), count(Split::Test)), (14, 2, 4));
        assert_eq!(splits[0], Split::Train);
    }

    #[test]
    fn a_label_with_one_source_trains_only_and_says_so() {
        let (splits, warnings) = part(&[item("yodel", "a", "1", None)], &RULE);
        assert_eq!(splits, [Split::Train]);
        assert_eq!(
            warnings,
            ["'yodel' has no recordings for validation and test (it has 1 source in all)"]
        );
    }

    proptest! {
        #[test]
        fn no_source_and_no_content_is_ever_parted(
            rows in proptest::collection::vec((0..4_u8, 0..12_u8, 0..40_u8, 0..8_u32), 1..60)
        ) {
            let items: Vec<Item> = rows
                .iter()
                .map(|(label, source, content, fold)| {
                    let fold = (*fold < 6).then_some(*fold);
                    item(&label.to_string(), &source.to_string(), &content.to_string(), fold)
                })
                .collect();
            let (splits, _) = part(&items, &RULE);
            for (a, x) in items.iter().zip(&splits) {
                for (b, y) in items.iter().zip(&splits) {
                    prop_assert!(x == y || (a.source != b.source && a.content != b.content));
                }
            }
        }
    }
}
