//! The training clips in parts by what sounds in them, so that a bridge can be fitted without
//! hearing anything of a part.

use std::collections::HashMap;

use dl_data::{Corpus, Split};

/// The parts that sound in each training clip, `ids` being the clips: first that of its first
/// (and loudest) recording or synthesis instance, which is the clip's own part, then those of
/// the others. Recordings go to the `of` parts in turn, by where they first occur. A clip whose
/// recordings the corpus does not know counts as a recording of its own.
pub(super) fn parts(corpus: &dyn Corpus, ids: &[String], of: usize) -> Vec<Vec<usize>> {
    let clips = corpus.clips(Split::Train).iter();
    let sources: HashMap<&str, &[String]> =
        clips.map(|clip| (clip.id.as_str(), clip.sources.as_slice())).collect();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut part = |recording| {
        let next = places.len();
        *places.entry(recording).or_insert(next) % of
    };
    ids.iter()
        .map(|id| match sources.get(id.as_str()) {
            Some(known) if !known.is_empty() => known.iter().map(|one| part(one)).collect(),
            _ => vec![part(id)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dl_data::{PerSplit, SoundscapesConfig};

    use super::*;

    #[test]
    fn a_recording_is_in_one_part_wherever_it_sounds() {
        let config = SoundscapesConfig {
            scenes: PerSplit { train: 80, validation: 0, test: 1 },
            instances_per_kind: PerSplit { train: 3, validation: 0, test: 1 },
            kinds: ["rain", "siren", "dog bark", "piano"].map(String::from).into(),
            ..SoundscapesConfig::default()
        };
        let corpus = config.open(3).unwrap();
        let clips = corpus.clips(Split::Train);
        let mut ids: Vec<String> = clips.iter().map(|clip| clip.id.clone()).collect();
        // Clips that the corpus does not know share nothing.
        ids.extend(["elsewhere-1".to_owned(), "elsewhere-2".to_owned()]);
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
}
