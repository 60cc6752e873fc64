//! Decoding of the compressed formats against libsndfile (`golden/decode.py`),
//! and what is said of files that are broken.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{gap, golden, synthetic};
use dl_audio::{AudioError, decode_bytes, load};

fn fault(name: &str, bytes: &[u8]) -> String {
    decode_bytes(Path::new(name), bytes.to_vec()).unwrap_err().to_string()
}

#[test]
fn flac_is_exact() {
    // The mean of a channel and its half (rounded down): exact in f32.
    let left = synthetic(12_800);
    let expected: Vec<f32> = left
        .iter()
        .map(|&sample| (f32::from(sample) + f32::from(sample >> 1)) / 65_536.0)
        .collect();
    let found = load(&golden("tone_16.flac")).unwrap();
    assert_eq!((found.sample_rate, gap(&found.samples, &expected)), (32_000, 0.0));
    let halved: Vec<f32> = expected.iter().map(|sample| sample / 2.0).collect();
    let found = load(&golden("tone_24.flac")).unwrap();
    assert_eq!((found.sample_rate, gap(&found.samples, &halved)), (32_000, 0.0));
}

#[test]
fn lossy_formats_equal_libsndfile() {
    for (file, reference, tolerance) in
        [("tone.ogg", "tone_ogg.npy", 1e-6), ("tone.mp3", "tone_mp3.npy", 1e-6)]
    {
        let expected: ndarray::Array1<f32> = ndarray_npy::read_npy(golden(reference)).unwrap();
        let found = load(&golden(file)).unwrap();
        assert_eq!(found.sample_rate, 32_000, "{file}");
        let worst = gap(&found.samples, expected.as_slice().unwrap());
        assert!(worst < tolerance, "{file}: differs by {worst}");
    }
}

#[test]
fn the_end_of_an_ogg_file_is_kept() {
    // The positions of its pages jitter by 325 samples; the last one is right.
    let found = load(&golden("real_sneeze.ogg")).unwrap().samples;
    assert_eq!(found.len(), 160_032);
    let expected: ndarray::Array1<f32> = ndarray_npy::read_npy(golden("real_sneeze.npy")).unwrap();
    let thinned: Vec<f32> = found[..159_707].iter().copied().step_by(16).collect();
    let worst = gap(&thinned, expected.as_slice().unwrap());
    assert!(worst < 1e-6, "differs by {worst}");
}

#[test]
fn tags_around_an_mp3_file_change_nothing() {
    let mp3 = fs::read(golden("tone.mp3")).unwrap();
    let plain = load(&golden("tone.mp3")).unwrap();
    // An ID3v2 tag of 20 bytes of padding before it; an ID3v1 tag after it.
    let before = [&b"ID3\x04\x00\x00\x00\x00\x00\x14"[..], &[0; 20], &mp3].concat();
    let after = [&mp3[..], b"TAG", &[b' '; 125]].concat();
    for bytes in [before, after] {
        assert_eq!(decode_bytes(Path::new("x.mp3"), bytes).unwrap(), plain);
    }
}

#[test]
fn an_mp3_file_without_a_length_tag_is_decoded_whole() {
    let mp3 = fs::read(golden("tone.mp3")).unwrap();
    // The first frame holds the tag alone; the next one begins with the same header.
    let header = &mp3[..2];
    let second = (4..mp3.len()).find(|&at| mp3[at..].starts_with(header)).unwrap();
    let found = decode_bytes(Path::new("x.mp3"), mp3[second..].to_vec()).unwrap();
    // 0.4 s and the encoder's delay at the start, in whole frames.
    let frames = found.samples.len() / 1152;
    assert_eq!(found.samples.len(), frames * 1152);
    assert!((12..=14).contains(&frames), "{frames}");
}

#[test]
fn content_decides_not_the_name() {
    let bytes = fs::read(golden("tone.ogg")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("actually_ogg.wav");
    fs::write(&path, bytes).unwrap();
    assert_eq!(load(&path).unwrap(), load(&golden("tone.ogg")).unwrap());
}

#[test]
fn a_file_cut_short_is_refused() {
    for file in ["tone_16.flac", "tone.ogg", "tone.mp3"] {
        let bytes = fs::read(golden(file)).unwrap();
        for percent in [5, 20, 50, 80] {
            let text = fault(file, &bytes[..bytes.len() * percent / 100]);
            assert!(text.starts_with(file) && text.contains("copy or download it again"), "{text}");
        }
    }
}

#[test]
fn a_hole_in_the_middle_is_refused() {
    for file in ["tone_16.flac", "tone.ogg", "tone.mp3"] {
        let whole = fs::read(golden(file)).unwrap();
        let (from, to) = (whole.len() / 2, whole.len() * 3 / 4);
        let zeroed: Vec<u8> = whole
            .iter()
            .enumerate()
            .map(|(at, &byte)| if (from..to).contains(&at) { 0 } else { byte })
            .collect();
        let removed = [&whole[..from], &whole[to..]].concat();
        for bytes in [zeroed, removed] {
            let text = fault(file, &bytes);
            assert!(text.starts_with(file) && text.contains("copy or download it again"), "{text}");
        }
    }
}

#[test]
fn a_single_wrong_bit_in_flac_or_ogg_is_refused() {
    for file in ["tone_16.flac", "tone.ogg"] {
        let mut bytes = fs::read(golden(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(fault(file, &bytes).contains("copy or download it again"), "{file}");
    }
}

#[test]
fn what_is_not_sound_is_named() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "x: the file is empty (0 bytes)"),
        (b"file,label\n1.wav,dog\n", "it looks like text"),
        (b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00", "it is an MP4 or M4A file"),
        (b"FORM\x00\x00\x00\x20AIFFCOMM", "it is an AIFF file"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "it is a WAV file of the RF64 kind"),
        (b"\xff\xf1\x50\x80\x00\x1f\xfc\x00", "it is an AAC file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", "of no known sound format"),
        (b"\x00", "it holds nothing but zeros"),
    ];
    for (bytes, expected) in cases {
        let text = fault("x", bytes);
        assert!(text.contains(expected), "{text}");
        let remedy = if bytes.is_empty() { "record it again" } else { "convert it to WAV, FLAC" };
        assert!(text.contains(remedy), "{text}");
    }
    let text = fault("opus.ogg", &fs::read(golden("opus.ogg")).unwrap());
    assert!(text.starts_with("opus.ogg: cannot be decoded (its sound is Opus); convert"), "{text}");
    // The right magic and then nothing, or noise.
    let noise: Vec<u8> = synthetic(2000).iter().map(|&sample| sample as u8).collect();
    for magic in [&b"fLaC"[..], b"OggS", b"ID3", b"\xff\xfb\x90\x00"] {
        fault("x", magic);
        fault("x", &[magic, &noise].concat());
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let text = load(Path::new("no/such.wav")).unwrap_err().to_string();
    assert!(text.starts_with("no/such.wav: No such file"), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let fault = load(directory.path()).unwrap_err();
    assert!(matches!(&fault, AudioError::File(file) if file.path() == directory.path()), "{fault}");
    assert!(fault.to_string().contains("is a folder"), "{fault}");
}

/// All of ESC-10, where it lies beside the checkout: 398 recordings of 5 s.
#[test]
fn every_real_recording_decodes() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/esc10");
    let Ok(classes) = fs::read_dir(&root) else {
        eprintln!("skipped: {} is absent", root.display());
        return;
    };
    let classes: Vec<_> = classes.map(|entry| entry.unwrap().path()).collect();
    let mut recordings = 0;
    for class in classes.iter().filter(|path| path.is_dir()) {
        for file in fs::read_dir(class).unwrap().step_by(8) {
            let path = file.unwrap().path();
            let waveform = load(&path).unwrap();
            assert_eq!(waveform.sample_rate, 32_000, "{}", path.display());
            assert!((waveform.seconds() - 5.0).abs() < 0.2, "{}", path.display());
            recordings += 1;
        }
    }
    assert!(recordings >= 40, "{recordings}");
}
