//! The embedding file: round trips, files of other tools, and every fault a user can make.

#![allow(clippy::unwrap_used)] // helpers of tests, too

use std::path::Path;

use dl_core::{EmbeddingSet, Provenance};
use ndarray::{Array2, array};
use proptest::prelude::*;

fn small() -> EmbeddingSet {
    EmbeddingSet {
        ids: vec!["a".into(), "b".into()],
        audio: array![[1.0, 0.0], [0.6, 0.8]],
        captions: vec!["x".into(), "y".into(), "z".into()],
        owners: vec![0, 1, 1],
        text: array![[0.0, 1.0], [1.0, 0.0], [0.8, 0.6]],
        provenance: Provenance { split: "test".into(), ..Provenance::default() },
    }
}

fn fault(set: &EmbeddingSet) -> String {
    set.validate(Path::new("set.safetensors")).unwrap_err().to_string()
}

#[test]
fn a_file_gives_back_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("set.safetensors");
    small().write(&path).unwrap();
    assert_eq!(EmbeddingSet::read(&path).unwrap(), small());
    assert_eq!(small().captions_of(), vec![vec![0], vec![1, 2]]);
}

#[test]
fn npy_files_round_trip() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    small().export_npy(directory.path()).unwrap();
    let mut notes = Vec::new();
    let mut import = |owners: Option<&Path>| {
        EmbeddingSet::import_npy(&at("audio.npy"), &at("text.npy"), owners, &mut notes)
    };
    let set = import(Some(&at("owners.npy"))).unwrap();
    assert_eq!(
        (&set.audio, &set.text, &set.owners),
        (&small().audio, &small().text, &small().owners)
    );
    let error = import(None).unwrap_err();
    assert!(error.to_string().contains("3 captions for 2 clips"), "{error}");
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn every_cut_of_a_file_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("set.safetensors");
    small().write(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = EmbeddingSet::read(&path).unwrap_err().to_string();
        assert!(error.contains("set.safetensors") && error.contains("make it again"), "{error}");
    }
}

#[test]
fn faults_are_named() {
    let mut set = small();
    set.audio[[1, 0]] = f32::NAN;
    assert!(fault(&set).contains("audio embedding of 'b' has a NaN"));
    let mut set = small();
    set.ids[1] = "a".into();
    assert!(fault(&set).contains("id 'a' occurs twice"));
    let mut set = small();
    set.owners[2] = 2;
    assert!(fault(&set).contains("caption 2 belongs to clip 2, but there are 2 clips"));
    let mut set = small();
    set.text = Array2::ones((3, 5));
    assert!(fault(&set).contains("2 dimensions but text embeddings 5"));
    let mut set = small();
    set.text.row_mut(0).fill(0.0);
    assert!(fault(&set).contains("caption 0 is all zeros"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        prop_assert!(EmbeddingSet::read(file.path()).is_err());
    }

    #[test]
    fn any_text_survives(id in ".*", caption in ".*") {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("set.safetensors");
        let mut set = small();
        set.ids[0] = format!("first {id}");
        set.captions[0] = caption;
        set.write(&path).unwrap();
        prop_assert_eq!(EmbeddingSet::read(&path).unwrap(), set);
    }
}

#[test]
fn sets_stand_one_behind_the_other() {
    let mut other = small();
    other.ids = vec!["c".into(), "d".into()];
    other.audio = array![[0.0, -1.0], [-1.0, 0.0]];
    let joined = EmbeddingSet::concat(&[small(), other]);
    assert_eq!(joined.ids, ["a", "b", "c", "d"]);
    assert_eq!(joined.captions, ["x", "y", "z", "x", "y", "z"]);
    assert_eq!(joined.owners, [0, 1, 1, 2, 3, 3]);
    assert_eq!(joined.audio, array![[1.0, 0.0], [0.6, 0.8], [0.0, -1.0], [-1.0, 0.0]]);
    assert_eq!(joined.text.row(3), small().text.row(0));
    assert_eq!(joined.provenance, small().provenance);
    // Each clip brings its captions, in the order asked for.
    let part = joined.select(&[3, 0]);
    assert_eq!(part.ids, ["d", "a"]);
    assert_eq!(part.captions, ["y", "z", "x"]);
    assert_eq!(part.owners, [0, 0, 1]);
    assert_eq!(part.audio, array![[-1.0, 0.0], [1.0, 0.0]]);
    assert_eq!(part.text.row(2), small().text.row(0));
    // Two clips of one name are found when it is written.
    assert!(fault(&EmbeddingSet::concat(&[small(), small()])).contains("id 'a' occurs twice"));
}

#[test]
fn the_id_hash_tells_corpora_apart() {
    let of = |corpus: &str| {
        let mut set = small();
        set.provenance.corpus = corpus.into();
        set
    };
    assert_eq!(of("one").id_hash(), of("one").id_hash());
    assert_ne!(of("one").id_hash(), of("other").id_hash());
    assert_ne!(of("one").id_hash(), of("one").select(&[0]).id_hash());
    // Joined sets keep a corpus that they share, and tell others apart in any place.
    let joint = |corpora: [&str; 2]| EmbeddingSet::concat(&corpora.map(of)).provenance.corpus;
    assert_eq!(joint(["one", "one"]), "one");
    assert_ne!(joint(["one", "other"]), joint(["one", "third"]));
    assert_ne!(joint(["one", "other"]), "one");
}

#[test]
fn sets_of_two_encoders_are_told_apart() {
    let of = |encoder: &str| {
        let mut set = small();
        set.provenance.encoder = encoder.into();
        set
    };
    let (one, other) = (of("0123456789abcdef"), of("fedcba9876543210"));
    assert_eq!(one.same_encoder(&one), Ok(()));
    assert_eq!(one.same_encoder(&of("")), Ok(()));
    assert_eq!(
        one.same_encoder(&other).unwrap_err().to_string(),
        "the sets are of different encoders (0123456789ab and fedcba987654); embed both with \
         one encoder"
    );
    let mut wide = of("");
    wide.audio = Array2::ones((2, 3));
    wide.text = Array2::ones((3, 3));
    let text = one.same_encoder(&wide).unwrap_err().to_string();
    assert!(text.starts_with("the sets have embeddings of 2 and of 3 dimensions"), "{text}");
}

#[test]
fn clips_in_both_sets_are_named() {
    let of = |ids: &[&str]| {
        let rows = Array2::from_shape_fn((ids.len(), 2), |(row, _)| 1.0 + row as f32);
        EmbeddingSet {
            ids: ids.iter().map(|&id| id.into()).collect(),
            audio: rows.clone(),
            captions: vec![String::new(); ids.len()],
            owners: (0..ids.len()).collect(),
            text: rows,
            provenance: Provenance::default(),
        }
    };
    let train = of(&["a", "b", "c", "d", "e"]);
    assert_eq!(train.disjoint(&of(&["f", "g"])), Ok(()));
    let text = |other: &EmbeddingSet| train.disjoint(other).unwrap_err().to_string();
    assert!(text(&of(&["x", "c"])).starts_with("1 of the clips stand in both sets ('c'); "));
    let many = text(&of(&["e", "d", "c", "b"]));
    assert!(many.starts_with("4 of the clips stand in both sets ('b', 'c', 'd', …); "), "{many}");
    // Row numbers name nothing: rows are compared.
    let (one, mut other) = (of(&["0", "1", "2"]), of(&["0", "1"]));
    other.audio += 10.0;
    assert_eq!(one.disjoint(&other), Ok(()));
    other.audio.row_mut(1).assign(&one.audio.row(2));
    let text = one.disjoint(&other).unwrap_err().to_string();
    assert!(text.starts_with("1 of the clips stand in both sets ('2')"), "{text}");
}
