//! Which clips share what sounds in them: a recording, or a synthesis instance, which is called
//! a recording here, too. Intervals and tests draw clips of one recording together, and a bridge
//! can be fitted without hearing anything of a part of the recordings.

use std::collections::HashMap;

use anyhow::{Result, bail};
use dl_data::{Corpus, Split};

/// Which clips of a split belong together, `ids` being theirs: clips with the same first
/// (and loudest) recording have one label, any other clip one of its own.
pub fn clusters(corpus: &dyn Corpus, split: Split, ids: &[String]) -> Vec<usize> {
    let mut places = HashMap::new();
    let label = |(clip, recordings): (usize, Vec<_>)| *places.entry(recordings[0]).or_insert(clip);
    recordings(corpus, split, ids).into_iter().enumerate().map(label).collect()
}

/// The parts that sound in each training clip, `ids` being the clips: first that of its first
/// recording, which is the clip's own part, then those of the others. Recordings go to the `of`
/// parts in turn, by where they first occur.
pub(super) fn parts(corpus: &dyn Corpus, ids: &[String], of: usize) -> Vec<Vec<usize>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut part = |recording| {
        let next = places.len();
        *places.entry(recording).or_insert(next) % of
    };
    let clips = recordings(corpus, Split::Train, ids).into_iter();
    clips.map(|known| known.into_iter().map(&mut part).collect()).collect()
}

/// The training clips in which nothing of a part sounds, as places in `ids`.
///
/// # Errors
/// When there is none.
pub(super) fn unheard(
    corpus: &dyn Corpus,
    ids: &[String],
    part: usize,
    of: usize,
) -> Result<Vec<usize>> {
    let sounding = parts(corpus, ids, of);
    let clips: Vec<usize> =
        (0..ids.len()).filter(|&clip| !sounding[clip].contains(&part)).collect();
    if clips.is_empty() {
        bail!(
            "out_of_fold = {of}: every training clip has a recording of part {}: take more parts",
            part + 1
        );
    }
    Ok(clips)
}

/// The recordings of each clip, at least one: a clip whose recordings the corpus does not know
/// counts as a recording of its own.
fn recordings<'a>(corpus: &'a dyn Corpus, split: Split, ids: &'a [String]) -> Vec<Vec<&'a str>> {
    let clips = corpus.clips(split).iter();
    let sources: HashMap<&str, &[String]> =
        clips.map(|clip| (clip.id.as_str(), clip.sources.as_slice())).collect();
    ids.iter()
        .map(|id| match sources.get(id.as_str()) {
            Some(known) if !known.is_empty() => known.iter().map(String::as_str).collect(),
            _ => vec![id.as_str()],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dl_data::{MixedScenes, PerSplit, SoundscapesConfig};

    use super::*;

    /// Four kinds of sounds, and the ids of the clips of a split, with two behind them that the
    /// corpus does not know.
    fn toy(split: Split, scenes: PerSplit, instances: PerSplit) -> (MixedScenes, Vec<String>) {
        let config = SoundscapesConfig {
            scenes,
            instances_per_kind: instances,
            kinds: ["rain", "siren", "dog bark", "piano"].map(String::from).into(),
            ..SoundscapesConfig::default()
        };
        let corpus = config.open(3).unwrap();
        let mut ids: Vec<String> = corpus.clips(split).iter().map(|clip| clip.id.clone()).collect();
        ids.extend(["elsewhere-1".to_owned(), "elsewhere-2".to_owned()]);
        (corpus, ids)
    }

    #[test]
    fn clips_share_a_cluster_where_they_share_their_first_sound() {
        let (corpus, ids) = toy(
            Split::Test,
            PerSplit { train: 1, validation: 0, test: 60 },
            PerSplit { train: 1, validation: 0, test: 2 },
        );
        let clips = corpus.clips(Split::Test);
        let labels = clusters(&corpus, Split::Test, &ids);
        for (a, one) in clips.iter().enumerate() {
            for (b, other) in clips.iter().enumerate() {
                assert_eq!(labels[a] == labels[b], one.sources[0] == other.sources[0], "{a} {b}");
            }
        }
        // A clip that the corpus does not know is nobody's fellow.
        assert_eq!(labels[60..], [60, 61]);
        let mut different = labels[..60].to_vec();
        different.sort_unstable();
        different.dedup();
        // Four kinds of two instances.
        assert_eq!(different.len(), 8);
    }

    #[test]
    fn a_recording_is_in_one_part_wherever_it_sounds() {
        let (corpus, ids) = toy(
            Split::Train,
            PerSplit { train: 80, validation: 0, test: 1 },
            PerSplit { train: 3, validation: 0, test: 1 },
        );
        let clips = corpus.clips(Split::Train);
        let parts = parts(&corpus, &ids, 5);
        let mut of: HashMap<&str, usize> = HashMap::new();
        for (clip, heard) in clips.iter().zip(&parts) {
            assert_eq!(clip.sources.len(), heard.len());
            for (source, &part) in clip.sources.iter().zip(heard) {
                assert_eq!(*of.entry(source).or_insert(part), part, "{source}");
            }
        }
        // Twelve recordings in five parts, then the two clips: 12 mod 5 and 13 mod 5.
        assert_eq!(of.len(), 12);
        let sizes: Vec<usize> =
            (0..5).map(|part| of.values().filter(|&&one| one == part).count()).collect();
        assert_eq!(sizes, [3, 3, 2, 2, 2]);
        assert_eq!(parts[80..], [vec![2], vec![3]]);
    }

    #[test]
    fn a_part_that_sounds_everywhere_leaves_nothing_to_fit() {
        let (corpus, ids) = toy(
            Split::Train,
            PerSplit { train: 80, validation: 0, test: 1 },
            PerSplit { train: 3, validation: 0, test: 1 },
        );
        let first = &corpus.clips(Split::Train)[0];
        // One clip: its first recording is in part 0, which leaves nothing; part 4 of five is
        // no recording's, since a scene has at most three.
        let one = &ids[..1];
        assert!(first.sources.len() < 5);
        let error = unheard(&corpus, one, 0, 5).unwrap_err().to_string();
        assert!(
            error.starts_with("out_of_fold = 5: every training clip has a recording of part 1")
        );
        assert_eq!(unheard(&corpus, one, 4, 5).unwrap(), [0]);
        // Of all clips, those that are left are those without a recording of the part.
        let sounding = parts(&corpus, &ids, 5);
        let left = unheard(&corpus, &ids, 1, 5).unwrap();
        assert!(!left.is_empty() && left.len() < ids.len());
        for (clip, parts) in sounding.iter().enumerate() {
            assert_eq!(left.contains(&clip), !parts.contains(&1), "{clip}");
        }
    }
}
