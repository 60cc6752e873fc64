//! Animals.

use super::{
    toolbox::{Synth, glide, modulate},
    voice::{formants, voiced},
};

/// Series of whistled notes with fast sweeps.
pub(super) fn birds(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let base = s.dice.octave(2600.0, 5200.0);
    let note = s.dice.uniform(0.05, 0.16);
    let mut time = s.dice.uniform(0.0, 0.15);
    while time < s.seconds - 0.1 {
        let (from, to) = (base * s.dice.octave(0.8, 1.35), base * s.dice.octave(0.8, 1.35));
        let middle = base * s.dice.octave(0.9, 1.5);
        for _ in 0..s.dice.count(1, 6) {
            let n = s.samples(note);
            let mut chirp = s.sine(&glide(n, &[(0.0, from), (0.4, middle), (1.0, to)]));
            s.fade(&mut chirp, 0.4 * note, 0.5 * note);
            s.add(&mut out, &chirp, time, s.dice.uniform(0.5, 1.0));
            time += note * s.dice.uniform(1.1, 1.6);
        }
        time += s.dice.uniform(0.1, 0.6);
    }
    s.room(&mut out, 0.5, 0.25);
    out
}

/// A high carrier gated into quick pulses, several pulses to a chirp.
pub(super) fn crickets(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    for voice in 0..s.dice.count(1, 3) {
        let (hz, gap) = (s.dice.octave(3800.0, 5600.0), s.dice.uniform(0.3, 0.65));
        let (pulses, pulse) = (s.dice.count(3, 5), s.dice.uniform(0.016, 0.024));
        let start = s.dice.uniform(0.0, 0.3);
        let level = if voice == 0 { 1.0 } else { s.dice.uniform(0.2, 0.6) };
        let mut grain = s.sine(&vec![hz; s.samples(pulse)]);
        s.fade(&mut grain, 0.5 * pulse, 0.5 * pulse);
        for onset in s.beats(start, gap, 0.04, 0.1) {
            for k in 0..pulses {
                s.add(&mut out, &grain, onset + 1.5 * pulse * k as f32, level);
            }
        }
    }
    out
}

/// Short, hoarse, falling barks.
pub(super) fn dog(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    // Small dogs bark high and short, large ones low and long.
    let size = s.dice.unit();
    let (f0, length) = (600.0 - 380.0 * size, 0.12 + 0.14 * size);
    let gap = s.dice.uniform(0.3, 0.5) + length;
    for onset in s.beats(0.0, gap, 0.2, length) {
        let bend = s.dice.uniform(0.9, 1.1);
        let n = s.samples(length);
        let path = glide(n, &[(0.0, 0.7 * f0), (0.25, 1.25 * f0 * bend), (1.0, 0.6 * f0)]);
        let mut bark = voiced(s, &path, 0.35, 0.12);
        let k = 1.25 - 0.4 * size;
        bark = formants(
            s,
            &bark,
            &[(620.0 * k, 4.0, 1.0), (1250.0 * k, 5.0, 0.8), (2700.0, 4.0, 0.3)],
        );
        s.fade(&mut bark, 0.012, 0.6 * length);
        s.add(&mut out, &bark, onset, s.dice.uniform(0.75, 1.0));
    }
    s.room(&mut out, 0.35, 0.2);
    out
}

/// Croaks: a train of damped resonances, slow enough to hear the grains.
pub(super) fn frog(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (hz, grain) = (s.dice.octave(420.0, 1100.0), s.dice.uniform(26.0, 46.0));
    let (length, gap) = (s.dice.uniform(0.18, 0.4), s.dice.uniform(0.15, 0.4));
    for onset in s.beats(0.0, length + gap, 0.1, length) {
        let grains = (length * grain) as usize;
        for k in 0..grains {
            let rise = 0.4 + 0.6 * (k as f32 / grains as f32);
            let modes = [(hz, 0.05, rise), (2.05 * hz, 0.04, 0.5 * rise), (3.1 * hz, 0.03, 0.2)];
            s.ring(&mut out, onset + k as f32 / grain, &modes);
        }
    }
    out
}

/// Soft hoots in a rhythm of short and long.
pub(super) fn owl(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let f0 = s.dice.octave(300.0, 460.0);
    let short = s.dice.uniform(0.16, 0.26);
    let mut time = 0.0;
    while time < s.seconds - 0.3 {
        for length in [short, short, 3.0 * short] {
            let n = s.samples(length);
            let path = glide(n, &[(0.0, 0.92 * f0), (0.3, f0), (1.0, 0.9 * f0)]);
            let mut hoot = s.harmonics(&path, &[1.0, 0.12, 0.05]);
            let breath = s.white(length);
            s.add(&mut hoot, &breath, 0.0, 0.02);
            s.fade(&mut hoot, 0.35 * length, 0.5 * length);
            s.add(&mut out, &hoot, time, 1.0);
            time += length + s.dice.uniform(0.08, 0.16);
        }
        time += s.dice.uniform(0.3, 0.8);
    }
    s.room(&mut out, 1.2, 0.5);
    out
}

/// Cock-a-doodle-doo: four notes, the third highest, the last long and falling.
pub(super) fn rooster(s: &Synth) -> Vec<f32> {
    let f0 = s.dice.octave(430.0, 620.0);
    let bend = s.dice.uniform(1.5, 1.9);
    let n = s.len();
    let path = glide(
        n,
        &[
            (0.0, 0.8 * f0),
            (0.12, 1.1 * f0),
            (0.2, 0.9 * f0),
            (0.32, 1.25 * f0),
            (0.4, 1.0 * f0),
            (0.52, bend * f0),
            (0.75, 0.95 * bend * f0),
            (1.0, 0.7 * f0),
        ],
    );
    let source = voiced(s, &path, 0.1, 0.05);
    let mut out =
        formants(s, &source, &[(1100.0, 3.0, 1.0), (2300.0, 4.0, 0.9), (3600.0, 5.0, 0.4)]);
    let level = glide(
        n,
        &[
            (0.0, 0.0),
            (0.08, 0.8),
            (0.17, 0.1),
            (0.28, 0.9),
            (0.38, 0.15),
            (0.5, 1.0),
            (0.8, 0.8),
            (1.0, 0.0),
        ],
    );
    modulate(&mut out, &level);
    s.room(&mut out, 0.6, 0.25);
    out
}

/// A pitch arch whose mouth opens and closes: m-e-ow.
pub(super) fn cat(s: &Synth) -> Vec<f32> {
    let f0 = s.dice.octave(420.0, 720.0);
    let n = s.len();
    let path = glide(n, &[(0.0, 0.85 * f0), (0.35, 1.2 * f0), (1.0, 0.75 * f0)]);
    let source = voiced(s, &path, 0.06, 0.04);
    let mut out = source.clone();
    s.swept_band(&mut out, &glide(n, &[(0.0, 500.0), (0.4, 1700.0), (1.0, 650.0)]), 3.0);
    let mut upper = source;
    s.swept_band(&mut upper, &glide(n, &[(0.0, 1800.0), (0.4, 2900.0), (1.0, 1500.0)]), 4.0);
    s.add(&mut out, &upper, 0.0, 0.6);
    s.fade(&mut out, 0.25 * s.seconds, 0.45 * s.seconds);
    s.room(&mut out, 0.4, 0.15);
    out
}

/// A buzzing tone that wanders and comes and goes.
pub(super) fn bee(s: &Synth) -> Vec<f32> {
    let f0 = s.dice.octave(150.0, 260.0);
    let hz = s.drift(s.seconds, 3.0, 0.88 * f0, 1.12 * f0);
    let mut out = s.saw(&hz);
    s.band_pass(&mut out, 3.2 * f0, 0.8);
    let level = s.drift(s.seconds, 1.3, 0.2, 1.0);
    modulate(&mut out, &level);
    let breath = s.drift(s.seconds, 40.0, 0.6, 1.0);
    modulate(&mut out, &breath);
    out
}
