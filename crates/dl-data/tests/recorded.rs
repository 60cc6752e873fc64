//! Scenes of recordings: manifests and their faults, splits that keep sources
//! together, and the real folders where they are at hand.

// Helpers outside of test functions unwrap too.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

use dl_data::{
    Corpus, CorpusConfig, MixedScenes, PerSplit, RecordedConfig, SceneCorpus, Split, write_manifest,
};
use tempfile::TempDir;

/// Half a second of a tone between two quarters of silence.
fn write_tone(path: &Path, hz: f32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for i in 0..8000 {
        let sounds = (2000..6000).contains(&i);
        let x = if sounds { (i as f32 * hz / 8000.0 * TAU).sin() } else { 0.0 };
        writer.write_sample((x * 12_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// Two labels of `n` recordings each.
fn folder(n: usize) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for k in 0..n {
        write_tone(&root.path().join(format!("dog_bark/{k}.wav")), 300.0 + 10.0 * k as f32);
        write_tone(&root.path().join(format!("Kettle/{k}.wav")), 1500.0 + 10.0 * k as f32);
    }
    root
}

fn config(roots: &[&Path]) -> RecordedConfig {
    RecordedConfig {
        roots: roots.iter().map(|root| root.to_path_buf()).collect(),
        sample_rate: 8000,
        scenes: PerSplit { train: 60, validation: 20, test: 20 },
        ..RecordedConfig::default()
    }
}

fn open(root: &Path) -> Result<MixedScenes, String> {
    config(&[root]).open(0).map_err(|error| error.to_string())
}

fn manifest(root: &Path, text: &str) {
    fs::write(root.join("manifest.csv"), text).unwrap();
}

fn fault(root: &Path, text: &str) -> String {
    manifest(root, text);
    open(root).map(|_| ()).unwrap_err()
}

#[test]
fn a_folder_of_the_users_own_becomes_a_corpus() {
    let root = folder(10);
    fs::write(root.path().join("notes.txt"), "x").unwrap();
    let summary = write_manifest(root.path()).unwrap();
    assert_eq!((summary.recordings, summary.labels.len()), (20, 2));
    assert_eq!(summary.left_out, ["notes.txt"]);
    let again = write_manifest(root.path()).unwrap_err().to_string();
    assert!(again.contains("manifest.csv: exists already; move it away"), "{again}");

    let corpus = open(root.path()).unwrap();
    assert_eq!(corpus.labels(), ["dog bark", "kettle"]);
    assert!(corpus.warnings().is_empty(), "{:?}", corpus.warnings());
    let singles = |split| corpus.singles(split).len();
    assert_eq!(Split::ALL.map(singles), [14, 2, 4]);
    for split in Split::ALL {
        for clip in corpus.clips(split) {
            let mut labels = clip.labels.clone();
            labels.sort();
            for caption in &clip.captions {
                assert_eq!(corpus.named_labels(caption), labels, "{caption}");
            }
        }
    }
    // A single sound is the whole recording; a scene uses its half second of tone.
    assert_eq!(corpus.render_single(Split::Test, 0).unwrap().samples.len(), 8000);
    let event = &corpus.scene(Split::Train, 0).unwrap().events[0];
    assert!((event.seconds - 0.5).abs() < 0.02, "{}", event.seconds);
    assert_eq!(corpus.render(Split::Train, 0).unwrap().samples.len(), 40_000);
}

#[test]
fn manifests_at_fault_are_named() {
    let root = folder(4);
    let path = root.path();
    let error = open(path).map(|_| ()).unwrap_err();
    assert!(error.contains("manifest.csv: is missing; put the recordings"), "{error}");
    let error = fault(path, "name,label\nx.wav,rain\n");
    assert!(error.contains("column `file` is missing (found name, label)"), "{error}");
    let error = fault(path, "file,kind\nx.wav,rain\n");
    assert!(error.contains("column `label` is missing"), "{error}");
    let error = fault(path, "file,label\n");
    assert!(error.contains("lists no recordings"), "{error}");
    let error = fault(path, "");
    assert!(error.contains("column `file` is missing (found nothing)"), "{error}");
    let error = fault(path, "file,label\nKettle/0.wav,kettle\nKettle/0.wav,kettle\n");
    assert!(error.contains("line 3 lists 'Kettle/0.wav' a second time"), "{error}");
    let error = fault(path, "file,label\nKettle/0.wav, \n");
    assert!(error.contains("line 2: the label of 'Kettle/0.wav' is empty"), "{error}");
    let error = fault(path, "file,label,fold\nKettle/0.wav,kettle,one\n");
    assert!(error.contains("line 2: fold 'one' is not a whole number"), "{error}");
    let error = fault(path, "file,label\nKettle/0.wav\n");
    assert!(error.contains("is not readable as CSV"), "{error}");
    let open_quote = "file,label\n\"Kettle/0.wav,kettle\nKettle/1.wav,kettle\n\",kettle\n";
    let error = fault(path, open_quote);
    assert!(error.contains("line 2 has a field that goes on over the next line"), "{error}");
    fs::write(path.join("manifest.csv"), b"file,label\n\xff,kettle\n").unwrap();
    let error = open(path).map(|_| ()).unwrap_err();
    assert!(error.contains("manifest.csv: line 2: byte 0xff is not UTF-8"), "{error}");
    let error = fault(path, "file,label\nnowhere.wav,kettle\n");
    assert!(error.contains("none of the 1 listed recordings can be used"), "{error}");
    let error = fault(path, "file,label\nKettle/0.wav,kettle\nKettle/1.wav,kettle\n");
    assert!(error.contains("the train split has sounds of 1 labels"), "{error}");
    let error = config(&[path, path]).open(0).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.starts_with("roots = ") && error.ends_with("must be there once, not twice"),
        "{error}"
    );
    let error = config(&[]).open(0).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "roots = []: must be one or more folders that hold a manifest.csv");
    let error = config(&[Path::new("no/such")]).open(0).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "no/such: there is no such folder; correct `roots`");
}

#[test]
fn bad_recordings_are_left_out_with_a_warning_each_and_the_good_ones_go_on() {
    let root = folder(10);
    let at = |name: &str| root.path().join("Kettle").join(name);
    fs::write(at("text.wav"), "this is no sound").unwrap();
    fs::write(at("empty.wav"), "").unwrap();
    let whole = fs::read(at("0.wav")).unwrap();
    fs::write(at("cut.wav"), &whole[..whole.len() / 2]).unwrap();
    let silent = [&whole[..44], vec![0; whole.len() - 44].as_slice()].concat();
    fs::write(at("silent.wav"), silent).unwrap();
    write_manifest(root.path()).unwrap();
    fs::remove_file(at("9.wav")).unwrap();
    let corpus = open(root.path()).unwrap();
    let warnings = corpus.warnings();
    assert_eq!(warnings.len(), 5, "{warnings:#?}");
    for file in ["text.wav", "empty.wav", "cut.wav", "silent.wav", "9.wav"] {
        let named = warnings.iter().filter(|warning| warning.contains(file)).collect::<Vec<_>>();
        assert!(named.len() == 1 && named[0].ends_with("left out"), "{file}: {warnings:#?}");
    }
    let kettles = Split::ALL.iter().flat_map(|&split| corpus.singles(split));
    assert_eq!(kettles.filter(|single| single.label == "kettle").count(), 9);
}

#[test]
fn folds_are_obeyed_and_sources_are_shared_across_roots() {
    let (a, b) = (folder(6), folder(6));
    let table = |fold: bool, source: &dyn Fn(usize) -> usize| -> String {
        let mut text = String::from(if fold {
            "file,label,fold,source_id\n"
        } else {
            "file,label,source_id\n"
        });
        for k in 0..6 {
            for label in ["dog_bark", "Kettle"] {
                let fold = if fold { format!("{k},") } else { String::new() };
                text += &format!("{label}/{k}.wav,{label},{fold}{label}{}\n", source(k));
            }
        }
        text
    };
    manifest(a.path(), &table(true, &|k| k));
    // The second folder's recordings come from the first folder's sources 5 and 4: by
    // the folds of the first they must be test and validation.
    manifest(b.path(), &table(false, &|k| 4 + k % 2));
    // The files of both folders are alike byte for byte; make the second's differ.
    for k in 0..6 {
        write_tone(&b.path().join(format!("dog_bark/{k}.wav")), 505.0 + 10.0 * k as f32);
        write_tone(&b.path().join(format!("Kettle/{k}.wav")), 2505.0 + 10.0 * k as f32);
    }
    let corpus = config(&[a.path(), b.path()]).open(0).unwrap();
    let singles = |split| corpus.singles(split).len();
    assert_eq!(Split::ALL.map(singles), [8, 2 + 6, 2 + 6]);
}

#[test]
fn the_same_bytes_under_two_names_stay_together() {
    let root = folder(8);
    for k in 0..8 {
        fs::copy(
            root.path().join(format!("Kettle/{k}.wav")),
            root.path().join(format!("Kettle/copy-{k}.wav")),
        )
        .unwrap();
    }
    write_manifest(root.path()).unwrap();
    let corpus = open(root.path()).unwrap();
    let mut split_of: HashMap<String, Split> = HashMap::new();
    for split in Split::ALL {
        for single in corpus.singles(split) {
            let key = single.source.replace("copy-", "");
            assert_eq!(*split_of.entry(key).or_insert(split), split);
        }
    }
}

#[test]
fn relative_roots_are_meant_from_the_folder_given() {
    let root = folder(10);
    write_manifest(root.path()).unwrap();
    let name = root.path().file_name().unwrap().to_str().unwrap();
    let text = format!("kind = 'recorded'\nroots = ['{name}']\nsample_rate = 8000\n");
    let config: CorpusConfig = toml::from_str(&text).unwrap();
    let corpus = config.open(0, root.path().parent().unwrap()).unwrap();
    assert_eq!(corpus.as_scenes().unwrap().singles(Split::Test).len(), 4);
    let error = config.open(0, root.path()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("there is no such folder; correct `roots`"), "{error}");
}

#[test]
fn one_thread_and_two_make_the_same_bits() {
    let root = folder(6);
    write_manifest(root.path()).unwrap();
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let corpus = open(root.path()).unwrap();
            let sounds: Vec<Vec<u32>> = (0..10)
                .map(|index| corpus.render(Split::Train, index).unwrap())
                .map(|sound| sound.samples.iter().map(|x| x.to_bits()).collect())
                .collect();
            (sounds, corpus.clips(Split::Test).to_vec(), corpus.fingerprint())
        })
    };
    assert_eq!(made(1), made(2));
}

#[test]
fn the_fingerprint_follows_the_bytes_and_not_the_place() {
    let (a, b) = (folder(6), tempfile::tempdir().unwrap());
    write_manifest(a.path()).unwrap();
    let moved = b.path().join(a.path().file_name().unwrap());
    fs::create_dir_all(moved.join("dog_bark")).unwrap();
    fs::create_dir_all(moved.join("Kettle")).unwrap();
    for file in ["manifest.csv".to_owned()]
        .into_iter()
        .chain((0..6).flat_map(|k| [format!("dog_bark/{k}.wav"), format!("Kettle/{k}.wav")]))
    {
        fs::copy(a.path().join(&file), moved.join(&file)).unwrap();
    }
    let base = open(a.path()).unwrap().fingerprint();
    assert_eq!(base, open(&moved).unwrap().fingerprint());
    write_tone(&moved.join("Kettle/3.wav"), 999.0);
    assert_ne!(base, open(&moved).unwrap().fingerprint());
}

#[test]
fn the_real_folders_are_parted_by_source() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let roots = [data.join("esc10"), data.join("urban")];
    if !roots.iter().all(|root| root.join("manifest.csv").is_file()) {
        let mut error = std::io::stderr();
        std::io::Write::write_all(&mut error, b"skipped: no recordings at ../shared/data\n")
            .unwrap();
        return;
    }
    let mut source_of: HashMap<String, (String, Option<u32>)> = HashMap::new();
    for (root, name) in roots.iter().zip(["esc10", "urban"]) {
        let mut table = csv::Reader::from_path(root.join("manifest.csv")).unwrap();
        for row in table.deserialize() {
            let row: HashMap<String, String> = row.unwrap();
            let fold = row.get("fold").map(|fold| fold.parse().unwrap());
            source_of.insert(format!("{name}/{}", row["file"]), (row["source_id"].clone(), fold));
        }
    }
    let paths: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
    let config = RecordedConfig { sample_rate: 32_000, ..config(&paths) };
    let corpus = config.open(0).unwrap();
    assert_eq!(corpus.labels().len(), 19);
    let mut split_of: HashMap<&str, Split> = HashMap::new();
    let mut count = 0;
    for split in Split::ALL {
        for single in corpus.singles(split) {
            let (source, fold) = &source_of[&single.source];
            assert_eq!(*split_of.entry(source).or_insert(split), split, "{source}");
            let expected = match fold {
                Some(5) => Some(Split::Test),
                Some(4) => Some(Split::Validation),
                Some(_) => Some(Split::Train),
                None => None,
            };
            assert!(expected.is_none_or(|expected| expected == split), "{single:?}");
            count += 1;
        }
    }
    // 398 and 344 recordings, less those that a warning names.
    let left_out = corpus.warnings().iter().filter(|text| text.ends_with("left out")).count();
    assert_eq!(count + left_out, 742);
    let sounds = (0..20).map(|index| corpus.render(Split::Test, index).unwrap());
    assert!(sounds.map(|sound| sound.samples.len()).all(|n| n == 160_000));
}
