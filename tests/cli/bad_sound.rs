//! `caption` on sounds of every awkward kind: the good ones get a sentence, each
//! bad one gets one line that names it.

use std::{fs, process::Command};

use crate::{
    audio_files::{float_wav, tone, wav},
    harness::{experiments, repository, run, scratch, trained},
};

#[test]
fn odd_but_sound_files_are_captioned() {
    let folder = scratch("odd-sounds");
    let file = |name: &str| folder.join(name);
    tone(&file("tenth.wav"), 1, 44_100, 0.1);
    tone(&file("ten-minutes-8k.wav"), 1, 8_000, 600.0);
    tone(&file("192k.wav"), 1, 192_000, 2.0);
    tone(&file("six-channels.wav"), 6, 48_000, 1.0);
    wav(&file("silence.wav"), 1, 16_000, &[0; 16_000]);
    let names = ["tenth", "ten-minutes-8k", "192k", "six-channels", "silence"];
    let said = run(experiments(trained())
        .arg("caption")
        .args(names.map(|name| file(&format!("{name}.wav")))))
    .ok();
    for name in names {
        assert!(said.out.contains(&format!("{name}.wav")), "{}", said.out);
    }
    assert!(said.out.contains("(5 s of 600.0 s)"), "{}", said.out);
    assert_eq!(said.out.matches("nearest training captions:").count(), names.len());
}

#[test]
fn bad_files_are_listed_and_the_good_one_goes_on() {
    let folder = scratch("bad-sounds");
    let file = |name: &str| folder.join(name);
    tone(&file("good.wav"), 2, 44_100, 3.0);
    fs::write(file("empty.wav"), b"").unwrap();
    fs::write(file("text.wav"), "these are words, not sound").unwrap();
    fs::write(file("noise.ogg"), [7_u8; 3000]).unwrap();
    let whole = fs::read(file("good.wav")).unwrap();
    fs::write(file("truncated.wav"), &whole[..whole.len() / 2]).unwrap();
    float_wav(&file("nan.wav"), 16_000, &[0.1, f32::NAN, 0.2, 0.3]);
    float_wav(&file("no-samples.wav"), 16_000, &[]);
    // Nothing is ever written into it: reading it would wait for ever.
    let made = Command::new("mkfifo").arg(file("pipe.wav")).status().unwrap();
    assert!(made.success());
    let flac = repository().join("crates/dl-audio/tests/golden/tone_16.flac");
    let mut flac = fs::read(flac).unwrap();
    // As if of 32 bits, whose difference of channels no decoder here can hold.
    flac[20] |= 0x01;
    flac[21] |= 0xf0;
    fs::write(file("32-bit.flac"), flac).unwrap();
    let bad = [
        "pipe.wav",
        "32-bit.flac",
        "empty.wav",
        "text.wav",
        "noise.ogg",
        "truncated.wav",
        "nan.wav",
        "no-samples.wav",
        "missing.wav",
    ];
    let mut command = experiments(trained());
    command.arg("caption").args(bad.map(file)).arg(file("good.wav"));
    let said = run(&mut command).clean();
    assert_eq!(said.code, Some(1));
    assert_eq!(said.out.matches("nearest training captions:").count(), 1, "{}", said.out);
    let errors: Vec<&str> = said.err.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), bad.len(), "{}", said.err);
    for (error, name) in errors.iter().zip(bad) {
        assert!(error.contains(name), "{name} is not named in: {error}");
    }
}
