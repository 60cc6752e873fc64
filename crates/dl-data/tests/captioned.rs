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

const CLOTHO: [&str; 3] = ["development", "validation", "evaluation"];

/// A row of one clip in every table of Clotho, and `evaluation` below the last.
fn clotho(sounds: &[&str], evaluation: &str) -> TempDir {
    let root = disk(sounds, &[]);
    let head = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n";
    for (number, name) in CLOTHO.iter().enumerate() {
        let rest = if number == 2 { evaluation } else { "" };
        let row = format!("clip {number}.wav,a,b,\"c, d\",\"e \"\"f\"\"\",g\n");
        let table = root.path().join(format!("clotho_captions_{name}.csv"));
        fs::write(table, format!("{head}{row}{rest}")).unwrap();
    }
    root
}

#[test]
fn clotho_has_five_captions_a_row_and_a_folder_a_split() {
    // The file is FLAC by its name, and a name of two splits is two files.
    let sounds =
        ["clotho/development/clip 0.wav", "validation/clip 1.flac", "evaluation/clip 2.wav"];
    let root = clotho(&sounds, "gone.wav,1,2,3,4,5\n");
    fs::rename(
        root.path().join("validation/clip 1.flac"),
        root.path().join("validation/clip 1.FLAC"),
    )
    .unwrap();
    let config = format!("kind = 'clotho'\nroot = '{}'\n", root.path().display());
    let corpus = open(&root, &config).unwrap();
    for (split, id) in Split::ALL.into_iter().zip(["clip 0.wav", "clip 1.wav", "clip 2.wav"]) {
        assert_eq!(ids(corpus.as_ref(), split), [id]);
        let captions = &corpus.clips(split)[0].captions;
        assert_eq!(captions, &["a", "b", "c, d", "e \"f\"", "g"]);
    }
    assert_eq!(corpus.listed(Split::Test), Some(2));
    assert_eq!(corpus.missing()[0].looked_for, "evaluation/gone.wav");

    let again = |row: &str| {
        let root = clotho(&sounds, row);
        let config = format!("kind = 'clotho'\nroot = '{}'\n", root.path().display());
        open(&root, &config)
    };
    let doubled = again("clip 2.wav,a,b,\"c, d\",\"e \"\"f\"\"\",g\n").unwrap();
    assert_eq!(doubled.clips(Split::Test)[0].captions.len(), 5);
    assert!(
        doubled.warnings()[0].ends_with("line 3 says again what line 2 says; it is taken once")
    );
    let text = again("clip 2.wav,1,2,3,4,5\n").err().unwrap();
    assert!(text.contains("line 3: 'clip 2.wav' stands on line 2 with other captions"), "{text}");
    let text = again("x.wav,1,2,,4,5\n").err().unwrap();
    assert!(
        text.ends_with("line 3: the caption_3 is empty; fill it in or delete the row"),
        "{text}"
    );
    fs::remove_file(root.path().join("clotho_captions_validation.csv")).unwrap();
    let text = open(&root, &config).err().unwrap();
    assert!(text.contains("clotho_captions_validation.csv: is not there"), "{text}");
}

#[test]
fn a_manifest_says_the_splits_or_ids_are_dealt_out() {
    let rows = "file,split,caption,note\na.wav,Train,Rain,x\nb.wav,val,Wind,\nc.wav,evaluation,Sun,\n\
                c.wav,test,\"Sun,\r\nat noon\",\nd.wav,train,Gone,\n";
    let root = disk(&["in/a.wav", "in/b.wav", "in/c.wav"], &[("in/list.csv", rows)]);
    let corpus = open(&root, "kind = 'manifest'\npath = 'in/list.csv'\n").unwrap();
    assert_eq!(Split::ALL.map(|split| corpus.clips(split).len()), [1, 1, 1]);
    assert_eq!(corpus.clips(Split::Test)[0].captions, ["Sun", "Sun, at noon"]);
    assert_eq!(corpus.missing()[0].id, "d.wav");
    let said = corpus.warnings().join("\n");
    assert!(said.contains("the field that begins on line 5 goes over several lines"), "{said}");

    let names: Vec<String> = (0..40).map(|clip| format!("{clip}.wav")).collect();
    let table = |names: &[String]| {
        let rows: String = names.iter().map(|name| format!("{name},id {name},x\n")).collect();
        format!("FILE,ID,Caption\n{rows}")
    };
    let sounds: Vec<&str> = names.iter().map(String::as_str).collect();
    let root = disk(&sounds, &[("all.csv", &table(&names)), ("some.csv", &table(&names[7..31]))]);
    let of = |path: &str| open(&root, &format!("kind = 'manifest'\npath = '{path}'\n")).unwrap();
    let (all, some) = (of("all.csv"), of("some.csv"));
    for split in Split::ALL {
        assert!(!ids(all.as_ref(), split).is_empty());
        let whole = ids(all.as_ref(), split);
        assert!(ids(some.as_ref(), split).iter().all(|id| whole.contains(id)), "{}", split.name());
    }
    let fault = |text: &str| {
        let root = disk(&[], &[("x.csv", text)]);
        open(&root, "kind = 'manifest'\npath = 'x.csv'\n").err().unwrap()
    };
    let text = fault("file,caption,split\na.wav,x,holdout\n");
    assert!(text.ends_with("line 2: split 'holdout' is none of train, validation, test"), "{text}");
    let text = fault("id,file,caption\na,a.wav,x\na,b.wav,x\n");
    assert!(
        text.contains("line 3: id 'a' occurs again with another file than on line 2"),
        "{text}"
    );
    assert!(fault("file,caption\n").ends_with("it lists no clips; add rows below its first line"));
    assert!(fault("file,text\n").contains("column `caption` is missing (found file, text)"));
}

#[test]
fn wavcaps_is_read_from_its_lists() {
    let list = |rows: &str| format!("{{\"num_captions_per_audio\": 1, \"data\": [{rows}]}}");
    let rows = |ids: std::ops::Range<usize>| -> String {
        let row =
            |id| format!("{{\"id\": \"{id}\", \"caption\": \"Sound {id}\", \"duration\": 1.5}}");
        list(&ids.map(row).collect::<Vec<_>>().join(","))
    };
    let audioset = list(r#"{"id": "Yab.wav", "caption": "A dog\nbarks", "audio": "wav_path"}"#);
    let numbers = list(r#"{"id": 7, "caption": "Wind", "title": "w"}"#);
    let root = disk(
        &["Audio/SoundBible_flac/7.flac", "AudioSet_SL/Yab.flac", "BBC_Sound_Effects/x/7.flac"],
        &[
            ("json_files/SoundBible/sb_final.json", &rows(0..30)),
            ("json_files/AudioSet_SL/as_final.json", &audioset),
            ("json_files/BBC_Sound_Effects/bbc_final.json", &numbers),
        ],
    );
    let at = |more: &str| format!("kind = 'wavcaps'\nroot = '{}'\n{more}", root.path().display());
    let corpus = open(&root, &at("")).unwrap();
    let mut found: Vec<(String, String, String)> = Vec::new();
    for split in Split::ALL {
        for (clip, file) in corpus.clips(split).iter().zip(files(corpus.as_ref(), split, &root)) {
            found.push((clip.id.clone(), clip.captions[0].clone(), file));
        }
    }
    found.sort();
    let of = |id: &str, caption: &str, file: &str| (id.into(), caption.into(), file.into());
    assert_eq!(
        found,
        [
            of("AudioSet_SL/Yab.wav", "A dog barks", "AudioSet_SL/Yab.flac"),
            of("BBC_Sound_Effects/7", "Wind", "BBC_Sound_Effects/x/7.flac"),
            of("SoundBible/7", "Sound 7", "Audio/SoundBible_flac/7.flac"),
        ]
    );
    let listed: usize = Split::ALL.iter().filter_map(|&split| corpus.listed(split)).sum();
    assert_eq!(listed, 32);
    let one = open(&root, &at("sources = ['BBC_Sound_Effects']\n")).unwrap();
    assert_eq!(Split::ALL.map(|split| one.clips(split).len()).iter().sum::<usize>(), 1);
    let text = open(&root, &at("sources = ['BBC']\n")).err().unwrap();
    assert!(text.starts_with("sources = 'BBC': must be folders of"), "{text}");
    fs::write(root.path().join("json_files/SoundBible/sb_final.json"), "[]").unwrap();
    let text = open(&root, &at("")).err().unwrap();
    assert!(text.contains("sb_final.json: is no list of WavCaps"), "{text}");
}

/// Four clips of unit rows, two captions for the first.
fn set(split: &str) -> dl_core::EmbeddingSet {
    let turn = |row: usize| (row as f32 * 0.7 + split.len() as f32).sin_cos();
    let rows = |count: usize| {
        ndarray::Array2::from_shape_fn((count, 2), |(row, column)| {
            let (sin, cos) = turn(row);
            if column == 0 { sin } else { cos }
        })
    };
    dl_core::EmbeddingSet {
        ids: (0..4).map(|clip| format!("{split} {clip}")).collect(),
        audio: rows(4),
        captions: (0..5).map(|caption| format!("caption {caption}")).collect(),
        owners: vec![0, 0, 1, 2, 3],
        text: rows(5),
        provenance: dl_core::Provenance::default(),
    }
}

#[test]
fn embeddings_come_as_sets_and_as_npy_files() {
    let root = tempfile::tempdir().unwrap();
    for split in Split::ALL {
        set(split.name()).write(&root.path().join(format!("{}.st", split.name()))).unwrap();
    }
    let sets = "kind = 'embeddings'\ntrain = 'train.st'\nvalidation = 'validation.st'\n\
                test = 'test.st'\n";
    let corpus = open(&root, sets).unwrap();
    let test = corpus.embeddings(Split::Test).unwrap();
    assert_eq!((&test.audio, &test.ids), (&set("test").audio, &set("test").ids));
    assert_eq!(test.provenance.split, "test");
    assert_eq!(test.provenance.corpus, corpus.fingerprint().to_string());
    assert_eq!(corpus.clips(Split::Test)[0].captions, ["caption 0", "caption 1"]);
    let error = corpus.render(Split::Test, 0).unwrap_err().to_string();
    assert!(error.starts_with("of 'test 0' there are only embeddings"), "{error}");

    set("test").export_npy(root.path()).unwrap();
    let words = "a\nb\nc\nd\ne\n";
    fs::write(root.path().join("words.txt"), words).unwrap();
    let npy = |more: &str| {
        let files =
            format!("{{ audio = 'audio.npy', text = 'text.npy', owners = 'owners.npy'{more} }}");
        open(&root, &sets.replace("'test.st'", &files))
    };
    let corpus = npy(", captions = 'words.txt'").unwrap();
    let test = corpus.embeddings(Split::Test).unwrap();
    assert_eq!((&test.audio, test.owners.len()), (&set("test").audio, 5));
    assert_eq!(test.ids, ["test 0", "test 1", "test 2", "test 3"]);
    assert_eq!(corpus.clips(Split::Test)[0].captions, ["a", "b"]);
    let text = npy(", ids = 'words.txt'").err().unwrap();
    assert!(text.ends_with("words.txt: has 5 ids for 4 clips; give one a line"), "{text}");

    // One clip in two splits, and rows of another norm.
    let text = open(&root, &sets.replace("'test.st'", "'train.st'")).err().unwrap();
    assert!(text.contains("train.st: ") && text.contains("train 0"), "{text}");
    let mut long = set("test");
    long.audio *= 2.0;
    long.write(&root.path().join("test.st")).unwrap();
    let text = open(&root, sets).err().unwrap();
    assert!(text.contains("test.st: row 0 has the norm 2.0000, not 1"), "{text}");
    let corpus = open(&root, &format!("{sets}normalise = true\n")).unwrap();
    let norms = &corpus.embeddings(Split::Test).unwrap().audio;
    assert!(norms.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-6));
}

#[test]
fn every_sound_is_listened_to() {
    use dl_data::{Soundness, check_sounds};
    let rows = "3,ab,0,A\n4,cd,0,B\n5,ef,0,C\n6,gh,0,D\n7,ij,0,E\n8,kl,0,F\n";
    let root = audiocaps(&["ab.wav", "ef.wav"], rows);
    let path = |name: &str| root.path().join(name);
    fs::copy(path("ab.wav"), path("cd.wav")).unwrap();
    fs::write(path("gh.wav"), "RIFF").unwrap();
    let silence = Waveform { samples: vec![0.0; 800], sample_rate: 8000 };
    silence.write_wav(&path("ij.wav")).unwrap();
    let click = Waveform { samples: vec![0.5; 80], sample_rate: 8000 };
    click.write_wav(&path("t.wav")).unwrap();
    let corpus = open(&root, &at(&root)).unwrap();
    let checked = check_sounds(corpus.as_ref(), 0.05, &dl_core::Silent);
    let found: Vec<(&str, Soundness)> =
        checked.iter().map(|clip| (clip.id.as_str(), clip.soundness)).collect();
    use Soundness::{Doubled, Fine, Missing, Silent, TooShort, Unreadable};
    assert_eq!(
        found,
        [
            ("t", TooShort),
            ("v", Fine),
            ("ab", Doubled),
            ("cd", Doubled),
            ("ef", Fine),
            ("gh", Unreadable),
            ("ij", Silent),
            ("kl", Missing),
        ]
    );
    let remarks: Vec<&str> = checked.iter().map(|clip| clip.remark.as_str()).collect();
    assert_eq!(remarks[0], "0.010 s, less than 0.05 s");
    assert_eq!(remarks[2..4], ["the same sound as 'cd' of test", "the same sound as 'ab' of test"]);
    assert!(remarks[5].contains("gh.wav: "), "{}", remarks[5]);
    assert_eq!((checked[4].seconds, checked[7].seconds), (Some(0.2), None));
}
