//! Weather, water and fire.

use super::toolbox::{Synth, fade, glide, modulate};

/// A hiss of many drops, with single drops that stand out.
pub(super) fn rain(s: &Synth) -> Vec<f32> {
    let mut out = s.whole_white();
    let (floor, ceiling) = (s.dice.octave(700.0, 1800.0), s.dice.octave(6000.0, 11000.0));
    s.high_pass(&mut out, floor);
    s.low_pass(&mut out, ceiling);
    let swell = s.drift(s.seconds, 0.7, 0.22, 0.3);
    modulate(&mut out, &swell);
    let density = s.dice.octave(40.0, 220.0);
    for onset in s.scatter(density) {
        let (hz, gain) = (s.dice.octave(1800.0, 7000.0), s.dice.uniform(0.1, 0.7));
        s.burst(&mut out, onset, 0.012, (hz, 1.5), gain);
    }
    out
}

/// A crack, then a roll of low noise that comes in several waves.
pub(super) fn thunder(s: &Synth) -> Vec<f32> {
    let mut out = s.whole_white();
    let ceiling = s.dice.octave(90.0, 190.0);
    s.low_pass(&mut out, ceiling);
    s.low_pass(&mut out, 1.5 * ceiling);
    let mut level = s.drift(s.seconds, 3.0, 0.15, 1.0);
    let peak = s.dice.uniform(0.08, 0.25);
    modulate(&mut level, &glide(out.len(), &[(0.0, 0.1), (peak, 9.0), (0.5, 5.0), (1.0, 0.2)]));
    modulate(&mut out, &level);
    if s.dice.chance(0.6) {
        for _ in 0..s.dice.count(2, 6) {
            let (onset, hz) = (s.dice.uniform(0.0, 0.3), s.dice.octave(300.0, 1200.0));
            s.burst(&mut out, onset, 0.5, (hz, 0.6), 1.0);
        }
    }
    s.room(&mut out, 2.0, 0.8);
    s.low_pass(&mut out, 900.0);
    out
}

/// Noise through a band that wanders with the gusts.
pub(super) fn wind(s: &Synth) -> Vec<f32> {
    let base = s.dice.octave(220.0, 520.0);
    let gusts = s.dice.uniform(0.4, 1.2);
    let hz = s.drift(s.seconds, gusts, 0.6 * base, 1.9 * base);
    let mut out = s.whole_white();
    s.swept_band(&mut out, &hz, s.dice.uniform(2.0, 5.0));
    // A gust is louder when it whistles higher.
    for (x, f) in out.iter_mut().zip(&hz) {
        *x *= (f / base).powi(2);
    }
    let mut rumble = s.whole_white();
    s.low_pass(&mut rumble, 110.0);
    s.add(&mut out, &rumble, 0.0, 1.2);
    out
}

/// Swells that build up dark and break bright.
pub(super) fn sea_waves(s: &Synth) -> Vec<f32> {
    let mut out = s.whole_white();
    s.low_pass(&mut out, 420.0);
    out.iter_mut().for_each(|x| *x *= 0.35);
    let mut foam = s.whole_white();
    s.high_pass(&mut foam, 700.0);
    s.low_pass(&mut foam, 4200.0);
    let period = s.dice.uniform(2.0, 3.6);
    let start = -s.dice.uniform(0.0, period);
    let mut swell = vec![0.06; out.len()];
    let mut time = start;
    while time < s.seconds {
        let length = period * s.dice.uniform(0.9, 1.2);
        let crest = s.dice.uniform(0.35, 0.55);
        let wave = glide(s.samples(length), &[(0.0, 0.0), (crest, 1.0), (1.0, 0.0)]);
        let skip = s.samples((-time).max(0.0)).min(wave.len());
        s.add(&mut swell, &wave[skip..], time.max(0.0), s.dice.uniform(0.6, 1.0));
        time += period * s.dice.uniform(0.85, 1.15);
    }
    modulate(&mut foam, &swell);
    for (x, w) in out.iter_mut().zip(&swell) {
        *x *= 0.5 + w;
    }
    s.add(&mut out, &foam, 0.0, 0.5);
    out
}

/// Many small bubbles over a soft rush.
pub(super) fn stream(s: &Synth) -> Vec<f32> {
    let mut out = s.whole_white();
    let hz = s.dice.octave(700.0, 1400.0);
    s.band_pass(&mut out, hz, 0.6);
    out.iter_mut().for_each(|x| *x *= 0.1);
    let (low, per_second) = (s.dice.octave(300.0, 600.0), s.dice.uniform(70.0, 160.0));
    for onset in s.scatter(per_second) {
        let (hz, decay) = (s.dice.octave(low, 5.0 * low), s.dice.uniform(0.02, 0.09));
        let gain = s.dice.octave(0.05, 0.5);
        s.bubble(&mut out, onset, hz, decay, gain);
    }
    out
}

/// Single drops into a basin.
pub(super) fn water_drops(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (gap, base) = (s.dice.uniform(0.25, 0.9), s.dice.octave(700.0, 1900.0));
    let jitter = s.dice.uniform(0.05, 0.5);
    for onset in s.beats(0.0, gap, jitter, 0.1) {
        let (hz, gain) = (base * s.dice.octave(0.8, 1.3), s.dice.uniform(0.5, 1.0));
        s.burst(&mut out, onset, 0.006, (3000.0, 0.8), 0.5);
        s.bubble(&mut out, onset + 0.012, hz, s.dice.uniform(0.06, 0.14), gain);
    }
    s.room(&mut out, 0.7, 0.35);
    out
}

/// Crackles of very different strength over a low flutter.
pub(super) fn fire(s: &Synth) -> Vec<f32> {
    let mut out = s.whole_white();
    s.low_pass(&mut out, 260.0);
    let flutter = s.drift(s.seconds, 7.0, 0.1, 0.5);
    modulate(&mut out, &flutter);
    let per_second = s.dice.octave(14.0, 45.0);
    for onset in s.scatter(per_second) {
        let (hz, decay) = (s.dice.octave(900.0, 6500.0), s.dice.octave(0.003, 0.02));
        let gain = s.dice.octave(0.15, 3.0);
        s.burst(&mut out, onset, decay, (hz, 1.0), gain);
    }
    out
}

/// A stream poured into a vessel whose air column shortens: the pitch climbs.
pub(super) fn pouring(s: &Synth) -> Vec<f32> {
    let n = s.len();
    let base = s.dice.octave(350.0, 700.0);
    let hz = glide(n, &[(0.0, base), (1.0, base * s.dice.uniform(2.0, 3.2))]);
    let mut out = s.whole_white();
    s.swept_band(&mut out, &hz, 6.0);
    let gurgle = s.drift(s.seconds, 14.0, 0.3, 1.0);
    modulate(&mut out, &gurgle);
    let mut splash = s.whole_white();
    s.high_pass(&mut splash, 2500.0);
    s.add(&mut out, &splash, 0.0, 0.06);
    for onset in s.scatter(30.0) {
        let at = s.samples(onset).min(n - 1);
        s.bubble(&mut out, onset, hz[at] * s.dice.octave(0.7, 1.4), 0.05, 0.35);
    }
    let edge = s.samples(0.15);
    fade(&mut out, edge, edge);
    out
}
