//! Corpora of sound files with caption lists: what is found on a disk, what is left out, and
//! what people and their programs do to lists.

// Helpers outside of test functions unwrap too.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_audio::Waveform;
use dl_data::{Corpus, CorpusConfig, Split};
use tempfile::TempDir;

/// 0.2 s of a tone.
fn write_tone(path: &Path, hertz: f32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let tone = |i: usize| (i as f32 * hertz / 8000.0 * std::f32::consts::TAU).sin() * 0.4;
    let sound = Waveform { samples: (0..1600).map(tone).collect(), sample_rate: 8000 };
    sound.write_wav(path).unwrap();
}

/// A folder of tones and of texts.
fn disk(sounds: &[&str], texts: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (number, sound) in sounds.iter().enumerate() {
        write_tone(&root.path().join(sound), 200.0 + 10.0 * number as f32);
    }
    for (name, text) in texts {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn open(root: &TempDir, config: &str) -> Result<Box<dyn Corpus>, String> {
    let config: CorpusConfig = toml::from_str(config).unwrap();
    config.open(0, root.path()).map_err(|error| error.to_string())
}

fn ids(corpus: &dyn Corpus, split: Split) -> Vec<&str> {
    corpus.clips(split).iter().map(|clip| clip.id.as_str()).collect()
}

/// The sound files of a split, relative to the folder.
fn files(corpus: &dyn Corpus, split: Split, root: &TempDir) -> Vec<String> {
    (0..corpus.clips(split).len())
        .map(|clip| corpus.file(split, clip).unwrap().strip_prefix(root.path()).unwrap())
        .map(|file| file.display().to_string())
        .collect()
}

const HEAD: &str = "audiocap_id,youtube_id,start_time,caption\n";

/// Tables of one clip in train and validation, and `test` for the third.
fn audiocaps(sounds: &[&str], test: &str) -> TempDir {
    let sounds: Vec<&str> = sounds.iter().chain(&["t.wav", "v.wav"]).copied().collect();
    disk(
        &sounds,
        &[
            ("train.csv", &format!("{HEAD}1,t,0,Rain falls\n")),
            ("val.csv", &format!("{HEAD}2,v,0,Wind blows\n")),
            ("test.csv", &format!("{HEAD}{test}")),
        ],
    )
}

const AUDIOCAPS: &str = "kind = 'audiocaps'\nroot = ''\n";

fn at(root: &TempDir) -> String {
    format!("kind = 'audiocaps'\nroot = '{}'\n", root.path().display())
}

#[test]
fn audiocaps_is_found_under_every_name_and_what_is_missing_is_counted() {
    let rows = "3,-ab,30,A dog barks\n4,cd,5,A bell\n5,-ab,30,A dog\n6,ef,7,Rain\n7,gh,1,Wind\n\
                8,-ab,30,A dog\n9,cd,5,\"A bell, \"\"loud\"\"\"\n";
    let root = audiocaps(&["-ab_30.wav", "test/Ycd.wav", "sound/deep/ef.wav"], rows);
    let corpus = open(&root, &at(&root)).unwrap();
    assert_eq!(ids(corpus.as_ref(), Split::Test), ["-ab", "cd", "ef"]);
    assert_eq!(
        files(corpus.as_ref(), Split::Test, &root),
        ["-ab_30.wav", "test/Ycd.wav", "sound/deep/ef.wav"]
    );
    // Rows of one clip are put together; a caption that comes again is kept.
    let clips = corpus.clips(Split::Test);
    assert_eq!(clips[0].captions, ["A dog barks", "A dog", "A dog"]);
    assert_eq!(clips[1].captions, ["A bell", "A bell, \"loud\""]);
    assert_eq!(corpus.listed(Split::Test), Some(4));
    assert_eq!(corpus.listed(Split::Train), Some(1));
    let missing = corpus.missing();
    assert_eq!((missing.len(), missing[0].id.as_str(), missing[0].split), (1, "gh", Split::Test));
    assert_eq!(missing[0].looked_for, "gh, gh_1, Ygh");
    assert!(
        corpus.warnings().iter().any(|line| line.starts_with(
            "1 of the 4 test clips have no sound file and are left out (the first: 'gh'"
        )),
        "{:?}",
        corpus.warnings()
    );
    let sound = corpus.render(Split::Test, 0).unwrap();
    assert_eq!((sound.samples.len(), sound.sample_rate), (1600, 8000));
    let error = corpus.render(Split::Test, 3).unwrap_err().to_string();
    assert!(error.contains("no clip 3 in its test split, which has 3"), "{error}");
}

#[test]
fn the_listing_names_clips_and_the_fingerprint_their_files() {
    let rows = "3,ab,30,A dog barks\n4,cd,5,A bell\n";
    let root = audiocaps(&["ab.wav"], rows);
    let other = audiocaps(&["ab.wav", "cd.wav"], rows);
    let [one, two] = [&root, &other].map(|root| open(root, &at(root)).unwrap());
    assert_eq!(one.listing(), two.listing());
    assert_ne!(one.fingerprint(), two.fingerprint());
    // Other line ends and a byte-order mark are no other list; another caption is.
    let table = other.path().join("test.csv");
    let text = format!("\u{feff}{HEAD}{rows}").replace('\n', "\r\n");
    fs::write(&table, &text).unwrap();
    assert_eq!(open(&other, &at(&other)).unwrap().listing(), one.listing());
    fs::write(&table, text.replace("bell", "horn")).unwrap();
    assert_ne!(open(&other, &at(&other)).unwrap().listing(), one.listing());
    // A file that was replaced is another corpus under the same listing.
    write_tone(&root.path().join("ab.wav"), 3000.0);
    let again = open(&root, &at(&root)).unwrap();
    assert_eq!(again.listing(), one.listing());
    assert_ne!(again.fingerprint(), one.fingerprint());
}

#[test]
fn a_row_twice_a_clip_of_two_splits_and_a_video_of_two_clips() {
    // Row 3 stands twice; t is listed for training too; the video xy has two clips.
    let rows = "3,ab,30,A dog\n3,ab,30,A dog\n4,t,0,Rain again\n5,xy,10,A bell\n6,xy,20,A horn\n";
    let root = audiocaps(&["ab.wav", "xy.wav", "xy_20.wav", "val/t2.wav", "t2.wav"], rows);
    fs::write(root.path().join("train.csv"), format!("{HEAD}1,t,0,Rain falls\n2,t2,0,Sun\n"))
        .unwrap();
    let corpus = open(&root, &at(&root)).unwrap();
    assert_eq!(ids(corpus.as_ref(), Split::Train), ["t2"]);
    // xy.wav could be either clip, so it is neither.
    assert_eq!(ids(corpus.as_ref(), Split::Test), ["t", "ab", "xy_20"]);
    assert_eq!(corpus.missing()[0].id, "xy_10");
    assert_eq!(corpus.clips(Split::Test)[0].captions, ["Rain again"]);
    assert_eq!(corpus.clips(Split::Test)[1].captions, ["A dog"]);
    let said = corpus.warnings().join("\n");
    for part in [
        "test.csv: 1 rows stand there twice (the first on line 3); each is taken once",
        "1 clips stand in two splits; each serves only the one that is held out most (the first, \
         't', test)",
        "1 clips have more than one sound file",
        "test.csv: has 5 rows, not 4875 as AudioCaps was published",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn a_name_with_y_before_it_may_be_another_clip() {
    let root = audiocaps(&["Yab.wav"], "3,ab,30,A dog\n4,Yab,30,A cat\n");
    let corpus = open(&root, &at(&root)).unwrap();
    assert_eq!(ids(corpus.as_ref(), Split::Test), ["Yab"]);
}

#[test]
fn faults_of_audiocaps_name_file_row_and_remedy() {
    let fault = |rows: &str| {
        let root = audiocaps(&["ab.wav"], rows);
        let error = open(&root, &at(&root)).err().unwrap();
        error.replace(&format!("{}/", root.path().display()), "")
    };
    assert_eq!(
        fault("3,,30,A dog\n"),
        "test.csv: line 2: the youtube_id is empty; fill it in or delete the row"
    );
    assert_eq!(
        fault("3,ab,30,\n"),
        "test.csv: line 2: the caption is empty; fill it in or delete the row"
    );
    let text = fault("3,ab,30,\"A dog\n4,cd,5,A bell\n");
    assert!(text.starts_with("test.csv: line 2: the quoted field"), "{text}");
    let text = fault("3,ab,30,A dog, loud\n");
    assert!(text.starts_with("test.csv: line 2: has 5 fields"), "{text}");
    let text = fault("3,t,99,A dog\n");
    assert!(text.starts_with("test.csv: line 2: 't' stands in another table"), "{text}");
    let root = audiocaps(&[], "3,ab,30,A dog\n");
    fs::write(root.path().join("audiocaps_test.csv"), HEAD).unwrap();
    let text = open(&root, &at(&root)).err().unwrap();
    assert!(text.ends_with("has test.csv and audiocaps_test.csv; keep one of them"), "{text}");
    fs::remove_file(root.path().join("val.csv")).unwrap();
    fs::remove_file(root.path().join("test.csv")).unwrap();
    let text = open(&root, &at(&root)).err().unwrap();
    assert!(text.contains("has no val.csv; put") && text.contains("`data.captions`"), "{text}");
    let text = open(&root, "kind = 'audiocaps'\nroot = 'nowhere'\n").err().unwrap();
    assert!(text.ends_with("nowhere: there is no such folder; correct `data.root`"), "{text}");
    let text = open(&root, AUDIOCAPS).err().unwrap();
    assert!(text.starts_with("root = '': must be the folder"), "{text}");
}

/// Clips, captions and clips with a repeated caption of each split, counted with Python's
/// csv module over the published tables of version 1.
#[test]
fn the_published_captions_open() {
    let captions = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/captions");
    if !captions.is_dir() {
        println!("skipped: ../shared/data/captions is not beside this repository");
        return;
    }
    // One clip of each split has its sound; the test clip's name begins with a dash.
    let root = disk(&["r1nicOVtvkQ_130.wav", "YvfY_TJq7n_U.wav", "-NsC63dA01g.wav"], &[]);
    let (sounds, captions) = (root.path().display(), captions.display());
    let config = format!("kind = 'audiocaps'\nroot = '{sounds}'\ncaptions = '{captions}'\n");
    let corpus = open(&root, &config).unwrap();
    let listed = Split::ALL.map(|split| corpus.listed(split).unwrap());
    assert_eq!(listed, [49_838, 495, 975]);
    assert_eq!(Split::ALL.map(|split| corpus.clips(split).len()), [1, 1, 1]);
    assert_eq!(Split::ALL.map(|split| corpus.clips(split)[0].captions.len()), [1, 5, 5]);
    assert!(!corpus.warnings().iter().any(|line| line.contains("published")));
}
