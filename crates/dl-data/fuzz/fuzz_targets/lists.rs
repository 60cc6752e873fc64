//! Any bytes as the list of each kind of corpus: one error, or a corpus of which every clip
//! has captions. No sound is there, so that all clips are missing. Run from `crates/dl-data`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run lists -- -max_len=1000 -dict=fuzz/lists.dict
#![no_main]

use std::{env, fs, path::PathBuf, process, sync::LazyLock};

use dl_data::{CaptionManifest, CorpusConfig, Split};
use libfuzzer_sys::fuzz_target;

/// Each kind, with the files of its list.
const KINDS: [(&str, &[&str]); 5] = [
    ("kind = 'recorded'\nroots = ['.']", &["manifest.csv"]),
    ("kind = 'manifest'\npath = 'pairs.csv'", &["pairs.csv"]),
    ("kind = 'audiocaps'\nroot = '.'", &["train.csv", "val.csv", "test.csv"]),
    (
        "kind = 'clotho'\nroot = '.'",
        &[
            "clotho_captions_development.csv",
            "clotho_captions_validation.csv",
            "clotho_captions_evaluation.csv",
        ],
    ),
    ("kind = 'wavcaps'\nroot = '.'", &["json_files/some/some_final.json"]),
];

/// A folder of each kind, and its configuration.
static CORPORA: LazyLock<Vec<(CorpusConfig, PathBuf)>> = LazyLock::new(|| {
    let root = env::temp_dir().join(format!("dl-data-lists-{}", process::id()));
    let of = |(index, (text, files)): (usize, &(&str, &[&str]))| {
        let folder = root.join(index.to_string());
        for file in *files {
            fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        }
        (toml::from_str(text).unwrap(), folder)
    };
    KINDS.iter().enumerate().map(of).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, list)) = bytes.split_first() else { return };
    let kind = usize::from(first) % KINDS.len();
    let (config, folder) = &CORPORA[kind];
    for file in KINDS[kind].1 {
        fs::write(folder.join(file), list).unwrap();
    }
    if let Ok(corpus) = config.open(0, folder) {
        for split in Split::ALL {
            assert!(corpus.clips(split).iter().all(|clip| !clip.captions.is_empty()));
        }
        assert!(corpus.missing().iter().all(|clip| !clip.captions.is_empty()));
    }
    if kind == 1
        && let Ok(manifest) = CaptionManifest::read(&folder.join("pairs.csv"))
    {
        assert!(manifest.clips.iter().all(|clip| !clip.captions.is_empty()));
    }
});
