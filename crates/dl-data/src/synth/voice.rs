//! Voices: a buzzing source through vocal-tract resonances (Fant's source-filter
//! model), and the sounds of people made with it.

use super::toolbox::{Biquad, Synth, glide, modulate};

/// First three formants in Hz of five vowels of an adult.
const VOWELS: [[f32; 3]; 5] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
];

/// A glottal source along the pitch path `f0`: sawtooth softened by a low-pass, with
/// `breath` of noise and `rough` irregularity of its amplitude.
pub(super) fn voiced(s: &Synth, f0: &[f32], breath: f32, rough: f32) -> Vec<f32> {
    let mut source = s.saw(f0);
    s.low_pass(&mut source, 2600.0);
    let seconds = f0.len() as f32 / s.rate;
    let mut shimmer = s.drift(seconds, 70.0, 1.0 - 3.0 * rough, 1.0);
    shimmer.resize(source.len(), 1.0);
    modulate(&mut source, &shimmer);
    for x in &mut source {
        *x += breath * s.dice.bipolar();
    }
    source
}

/// Parallel resonances (Hz, q, gain).
pub(super) fn formants(s: &Synth, source: &[f32], bands: &[(f32, f32, f32)]) -> Vec<f32> {
    let mut filters: Vec<(Biquad, f32)> =
        bands.iter().map(|&(hz, q, gain)| (Biquad::band_pass(s.rate, hz, q), gain)).collect();
    source
        .iter()
        .map(|&x| filters.iter_mut().map(|(filter, gain)| *gain * filter.step(x)).sum())
        .collect()
}

/// One syllable: maybe a hiss of a consonant, then a vowel.
fn syllable(s: &Synth, out: &mut [f32], onset: f32, length: f32, f0: f32, tract: f32, gain: f32) {
    let mut vowel_onset = onset;
    if s.dice.chance(0.45) {
        let hz = s.dice.octave(2200.0, 5500.0);
        let mut hiss = s.white(0.3 * length);
        s.band_pass(&mut hiss, hz, 1.5);
        s.fade(&mut hiss, 0.08 * length, 0.15 * length);
        s.add(out, &hiss, onset, 0.35 * gain);
        vowel_onset += 0.25 * length;
    }
    let vowel = s.dice.pick(&VOWELS);
    let n = s.samples(length);
    let path = glide(n, &[(0.0, f0), (0.4, f0 * s.dice.uniform(1.0, 1.15)), (1.0, 0.9 * f0)]);
    let source = voiced(s, &path, 0.03, 0.03);
    let bands =
        [(vowel[0] * tract, 6.0, 1.0), (vowel[1] * tract, 8.0, 0.6), (vowel[2] * tract, 9.0, 0.3)];
    let mut sound = formants(s, &source, &bands);
    s.fade(&mut sound, 0.2 * length, 0.4 * length);
    s.add(out, &sound, vowel_onset, gain);
}

/// A voice that talks in phrases; `f0` and `tract` tell man, woman and child apart.
fn talk(s: &Synth, out: &mut [f32], f0: f32, tract: f32, gain: f32) {
    let mut time = s.dice.uniform(0.0, 0.2);
    while time < s.seconds {
        let syllables = s.dice.count(4, 11);
        for k in 0..syllables {
            let length = s.dice.uniform(0.11, 0.24);
            // Pitch falls through a phrase.
            let slope = 1.15 - 0.3 * k as f32 / syllables as f32;
            let pitch = f0 * slope * s.dice.octave(0.9, 1.12);
            if time >= s.seconds {
                return;
            }
            let level = gain * s.dice.uniform(0.6, 1.0);
            syllable(s, out, time, length, pitch, tract, level);
            time += length * s.dice.uniform(0.85, 1.05);
        }
        time += s.dice.uniform(0.15, 0.5);
    }
}

/// One person talking.
pub(super) fn speech(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (f0, tract) = if s.dice.chance(0.5) {
        (s.dice.octave(85.0, 140.0), s.dice.uniform(0.92, 1.0))
    } else {
        (s.dice.octave(170.0, 250.0), s.dice.uniform(1.08, 1.2))
    };
    talk(s, &mut out, f0, tract, 1.0);
    s.room(&mut out, 0.3, 0.12);
    out
}

/// Many voices at once, none of them clear.
pub(super) fn crowd(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    for _ in 0..3 {
        let f0 = s.dice.octave(95.0, 250.0);
        let (tract, gain) = (s.dice.uniform(0.92, 1.2), s.dice.uniform(0.3, 0.6));
        talk(s, &mut out, f0, tract, gain);
    }
    let mut hum = s.whole_white();
    s.band_pass(&mut hum, 480.0, 0.8);
    let swell = s.drift(s.seconds, 5.0, 0.3, 0.6);
    modulate(&mut hum, &swell);
    s.add(&mut out, &hum, 0.0, 0.8);
    s.low_pass(&mut out, 1900.0);
    s.room(&mut out, 1.4, 1.2);
    out
}

/// Many hands.
pub(super) fn applause(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let per_second = s.dice.octave(90.0, 320.0);
    for onset in s.scatter(per_second) {
        let (hz, gain) = (s.dice.octave(700.0, 2200.0), s.dice.octave(0.15, 1.0));
        s.burst(&mut out, onset, 0.022, (hz, 1.2), gain);
    }
    s.room(&mut out, 0.9, 0.3);
    let level = glide(out.len(), &[(0.0, 0.5), (0.3, 1.0), (1.0, 0.7)]);
    modulate(&mut out, &level);
    out
}

/// Ha-ha-ha: bursts of breath and voice, falling.
pub(super) fn laughter(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let f0 = s.dice.octave(190.0, 400.0);
    let (tract, gap) = (s.dice.uniform(1.0, 1.2), s.dice.uniform(0.16, 0.22));
    let mut time = 0.0;
    while time < s.seconds - 0.15 {
        let count = s.dice.count(5, 9);
        for k in 0..count {
            let fall = 1.35 - 0.5 * k as f32 / count as f32;
            let mut breath = s.white(0.4 * gap);
            s.band_pass(&mut breath, 1500.0 * tract, 0.8);
            s.fade(&mut breath, 0.1 * gap, 0.2 * gap);
            s.add(&mut out, &breath, time, 0.25);
            let n = s.samples(0.55 * gap);
            let path = glide(n, &[(0.0, 1.15 * fall * f0), (1.0, 0.9 * fall * f0)]);
            let source = voiced(s, &path, 0.12, 0.05);
            let bands = [(780.0 * tract, 5.0, 1.0), (1250.0 * tract, 6.0, 0.7), (2700.0, 6.0, 0.3)];
            let mut ha = formants(s, &source, &bands);
            s.fade(&mut ha, 0.1 * gap, 0.35 * gap);
            s.add(&mut out, &ha, time + 0.35 * gap, 1.0 - 0.5 * k as f32 / count as f32);
            time += gap;
        }
        time += s.dice.uniform(0.25, 0.5);
    }
    s.room(&mut out, 0.4, 0.15);
    out
}

/// Long rising and falling wails with gasps between.
pub(super) fn baby(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let f0 = s.dice.octave(380.0, 520.0);
    let mut time = 0.0;
    while time < s.seconds - 0.3 {
        let length = s.dice.uniform(0.6, 1.2);
        let n = s.samples(length);
        let peak = s.dice.uniform(1.1, 1.35);
        let points = [(0.0, 0.8 * f0), (0.25, peak * f0), (0.7, 1.05 * f0), (1.0, 0.75 * f0)];
        let source = voiced(s, &glide(n, &points), 0.05, 0.14);
        let bands = [(1050.0, 3.5, 1.0), (1800.0, 4.0, 0.7), (3300.0, 5.0, 0.8)];
        let mut cry = formants(s, &source, &bands);
        s.fade(&mut cry, 0.08, 0.3 * length);
        s.add(&mut out, &cry, time, 1.0);
        let mut gasp = s.white(0.12);
        s.band_pass(&mut gasp, 2500.0, 1.0);
        s.fade(&mut gasp, 0.05, 0.05);
        s.add(&mut out, &gasp, time + length + 0.06, 0.12);
        time += length + s.dice.uniform(0.2, 0.35);
    }
    s.room(&mut out, 0.35, 0.12);
    out
}

/// A whistled tune: a pure tone that slides between notes.
pub(super) fn whistling(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let base = s.dice.octave(900.0, 1500.0);
    let mut time = 0.0;
    let mut last = base;
    while time < s.seconds - 0.1 {
        let length = s.dice.uniform(0.18, 0.5);
        let step = s.dice.pick(&[-5.0, -2.0, 0.0, 2.0, 4.0, 7.0, 9.0]);
        let hz = base * 2.0_f32.powf(step / 12.0);
        let mut path = glide(s.samples(length), &[(0.0, last), (0.2, hz), (1.0, hz)]);
        let vibrato = s.sine(&vec![5.5; path.len()]);
        for (f, v) in path.iter_mut().zip(&vibrato) {
            *f *= 1.0 + 0.008 * v;
        }
        let mut note = s.harmonics(&path, &[1.0, 0.03]);
        let breath = s.white(length);
        s.add(&mut note, &breath, 0.0, 0.012);
        s.fade(&mut note, 0.04, 0.06);
        s.add(&mut out, &note, time, 1.0);
        last = hz;
        time += length + if s.dice.chance(0.25) { 0.15 } else { 0.0 };
    }
    s.room(&mut out, 0.5, 0.2);
    out
}
