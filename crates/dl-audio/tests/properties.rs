//! What must hold for any input at all.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{fs, path::Path};

use common::golden;
use dl_audio::{ClipConfig, ClipLength, Crop, Fill, LogMel, LogMelConfig, Waveform, decode_bytes};
use proptest::prelude::*;

/// Whatever comes of it, it is an error with the file's name or a usable sound.
fn assert_decoded_or_refused(bytes: Vec<u8>) {
    match decode_bytes(Path::new("some/file"), bytes) {
        Ok(waveform) => {
            assert!(!waveform.samples.is_empty());
            assert!(waveform.samples.iter().all(|sample| sample.is_finite()));
            assert!((1_000..=768_000).contains(&waveform.sample_rate));
        }
        Err(error) => assert!(error.to_string().contains("some/file"), "{error}"),
    }
}

fn small_wav() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.wav");
    Waveform { samples: vec![0.25; 100], sample_rate: 8_000 }.write_wav(&path).unwrap();
    fs::read(path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn arbitrary_bytes_never_panic(
        magic in prop::sample::select(vec![
            &b""[..], b"RIFF\x00\x10\x00\x00WAVEfmt ", b"RIFF\x00\x10\x00\x00WAVEdata", b"fLaC",
            b"fLaC\x00\x00\x00\x22", b"OggS\x00\x02", b"ID3\x04\x00\x00", b"\xff\xfb\x90\x00",
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        assert_decoded_or_refused([magic, &tail].concat());
    }

    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(vec!["tone_16.flac", "tone.ogg", "tone.mp3", "wav"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        in_head in any::<bool>(),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes =
            if name == "wav" { small_wav() } else { fs::read(golden(name)).unwrap() };
        let reach = if in_head { bytes.len().min(100) } else { bytes.len() };
        for (index, value) in edits {
            bytes[index.index(reach)] = value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        assert_decoded_or_refused(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn resampling_gives_the_exact_length(
        length in 0..3_000_usize,
        from in prop_oneof![Just(44_100_u32), Just(48_000), 1_000..20_000_u32, 1_000..=768_000_u32],
        to in prop_oneof![Just(44_100_u32), Just(48_000), 1_000..20_000_u32],
    ) {
        let samples = vec![0.5; length];
        let output = Waveform { samples, sample_rate: from }.resample(to).unwrap();
        let expected = (length as u64 * u64::from(to)).div_ceil(u64::from(from));
        prop_assert_eq!(output.samples.len() as u64, expected);
        prop_assert_eq!(output.sample_rate, to);
        // A step to one half overshoots by 9 % at most (Gibbs), here at both ends.
        prop_assert!(output.samples.iter().all(|sample| sample.abs() < 0.7));
    }

    #[test]
    fn clips_have_the_length_asked_for(length in 0..500_usize, target in 1..500_usize) {
        let samples: Vec<f32> = (1..=length).map(|n| n as f32).collect();
        let waveform = Waveform { samples, sample_rate: 1_000 };
        for fill in [Fill::RepeatPad, Fill::Repeat, Fill::ZeroPad] {
            for crop in [Crop::First, Crop::Centre] {
                let policy = ClipConfig { length: ClipLength::Samples(target), fill, crop };
                let clip = policy.apply(&waveform);
                prop_assert_eq!(clip.samples.len(), target);
                // Applying it again changes nothing.
                prop_assert_eq!(policy.apply(&clip), clip);
            }
        }
    }

    #[test]
    fn log_mel_is_finite_and_of_the_stated_shape(
        samples in prop::collection::vec(-1.0_f32..=1.0, 0..4_000),
    ) {
        for config in [LogMelConfig::aisfx(), LogMelConfig::clap_fused()] {
            let front_end = LogMel::new(&config).unwrap();
            let log_mel = front_end.compute(&samples);
            prop_assert_eq!(log_mel.dim(), (front_end.frames(samples.len()), config.n_mels));
            prop_assert!(log_mel.iter().all(|value| value.is_finite()));
        }
    }
}
