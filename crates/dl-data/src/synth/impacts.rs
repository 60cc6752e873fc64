//! Impacts and steps, clicks, bells, and notes of instruments.

use super::toolbox::{Synth, fade};

/// Glasses that touch.
pub(super) fn glass(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let hz = s.dice.octave(1900.0, 3200.0);
    let gap = s.dice.uniform(0.25, 0.6);
    for onset in s.beats(0.0, gap, 0.4, 0.3) {
        let (k, hit) = (s.dice.uniform(0.97, 1.03), s.dice.uniform(0.5, 1.0));
        let modes = [
            (k * hz, 0.7, 0.5 * hit),
            (2.32 * k * hz, 0.5, 0.4 * hit),
            (4.25 * k * hz, 0.3, 0.3 * hit),
            (1.07 * k * hz, 0.6, 0.3 * hit),
        ];
        s.ring(&mut out, onset, &modes);
        s.burst(&mut out, onset, 0.004, (6000.0, 0.7), 0.6 * hit);
    }
    out
}

/// Knuckles on a wooden door.
pub(super) fn door_knock(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (hz, gap) = (s.dice.octave(130.0, 260.0), s.dice.uniform(0.16, 0.28));
    let mut time = 0.0;
    while time < s.seconds - 0.15 {
        for _ in 0..s.dice.count(2, 4) {
            let hit = s.dice.uniform(0.7, 1.0);
            let modes = [(hz, 0.1, hit), (1.9 * hz, 0.07, 0.5 * hit), (3.4 * hz, 0.05, 0.3 * hit)];
            s.ring(&mut out, time, &modes);
            s.burst(&mut out, time, 0.02, (900.0, 0.8), 0.8 * hit);
            time += gap;
        }
        time += s.dice.uniform(0.4, 0.8);
    }
    s.room(&mut out, 0.35, 0.25);
    out
}

/// A shot: a blast and its echo.
pub(super) fn gun_shot(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let gap = s.dice.uniform(0.25, 0.7);
    for onset in s.beats(0.0, gap, 0.3, 0.4) {
        s.burst(&mut out, onset, 0.09, (s.dice.octave(500.0, 1500.0), 0.35), 3.0);
        s.burst(&mut out, onset, 0.35, (s.dice.octave(120.0, 260.0), 0.5), 2.0);
    }
    s.room(&mut out, 1.1, 0.6);
    out
}

/// Keys of a keyboard, in quick uneven runs.
pub(super) fn keyboard(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (gap, click) = (s.dice.uniform(0.09, 0.17), s.dice.octave(2200.0, 4200.0));
    for onset in s.beats(0.0, gap, 0.6, 0.05) {
        if s.dice.chance(0.12) {
            continue;
        }
        let (hit, hz) = (s.dice.uniform(0.4, 1.0), click * s.dice.octave(0.8, 1.25));
        s.burst(&mut out, onset, 0.012, (hz, 1.0), hit);
        s.burst(&mut out, onset + 0.004, 0.03, (420.0, 1.5), 0.8 * hit);
        // The key comes up again, softer.
        s.burst(&mut out, onset + 0.06, 0.008, (1.3 * hz, 1.2), 0.3 * hit);
    }
    out
}

/// Tick and tock, exactly regular.
pub(super) fn clock(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (gap, hz) = (s.dice.pick(&[0.25, 0.4, 0.5, 1.0]), s.dice.octave(2600.0, 5000.0));
    let tock = s.dice.uniform(0.75, 1.0);
    for (k, onset) in s.beats(0.0, gap, 0.0, 0.02).into_iter().enumerate() {
        let f = if k % 2 == 0 { hz } else { tock * hz };
        s.ring(&mut out, onset, &[(f, 0.025, 1.0), (1.7 * f, 0.015, 0.6), (0.31 * f, 0.03, 0.25)]);
        s.burst(&mut out, onset, 0.004, (5000.0, 0.7), 0.6);
    }
    out
}

/// Heel and toe, left and right, on a hard floor or on gravel.
pub(super) fn footsteps(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let gap = s.dice.uniform(0.42, 0.62);
    let gravel = s.dice.chance(0.4);
    let heel_hz = s.dice.octave(140.0, 320.0);
    for onset in s.beats(0.0, gap, 0.06, 0.1) {
        let hit = s.dice.uniform(0.7, 1.0);
        s.burst(&mut out, onset, 0.06, (heel_hz, 0.9), 3.0 * hit);
        s.burst(&mut out, onset + 0.09, 0.04, (2.2 * heel_hz, 0.9), 1.3 * hit);
        if gravel {
            for _ in 0..10 {
                let (delay, hz) = (s.dice.uniform(0.0, 0.16), s.dice.octave(1500.0, 4500.0));
                s.burst(&mut out, onset + delay, 0.012, (hz, 1.2), 0.5 * hit);
            }
        }
    }
    s.room(&mut out, 0.3, 0.15);
    out
}

/// A church bell. Partials after the classical tuning: hum, prime, tierce, quint, nominal.
pub(super) fn church_bell(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (prime, gap) = (s.dice.octave(260.0, 560.0), s.dice.uniform(1.2, 1.9));
    let partials = [
        (0.5, 4.0, 0.4),
        (1.0, 3.0, 0.6),
        (1.2, 2.4, 0.5),
        (1.5, 1.8, 0.3),
        (2.0, 1.8, 0.6),
        (2.6, 1.2, 0.3),
        (3.0, 1.0, 0.25),
        (4.1, 0.7, 0.2),
    ];
    for onset in s.beats(0.0, gap, 0.02, 0.6) {
        let modes = partials.map(|(ratio, decay, gain)| (ratio * prime, decay, 0.5 * gain));
        s.ring(&mut out, onset, &modes);
        s.burst(&mut out, onset, 0.02, (2500.0, 0.7), 0.4);
    }
    s.room(&mut out, 1.5, 0.2);
    out
}

/// A bicycle bell: ring-ring.
pub(super) fn bicycle_bell(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let hz = s.dice.octave(2300.0, 3600.0);
    let (gap, strikes) = (s.dice.uniform(0.45, 0.8), s.dice.count(3, 6));
    for onset in s.beats(0.0, gap, 0.1, 0.25) {
        for k in 0..strikes {
            let modes = [
                (hz, 0.8, 0.5),
                (1.006 * hz, 0.8, 0.4),
                (1.82 * hz, 0.5, 0.4),
                (2.9 * hz, 0.3, 0.2),
            ];
            s.ring(&mut out, onset + 0.045 * k as f32, &modes);
        }
    }
    out
}

/// Degrees of a scale in semitones, for tunes.
const SCALE: [f32; 7] = [0.0, 2.0, 4.0, 7.0, 9.0, 12.0, 14.0];

/// A tune on a piano.
pub(super) fn piano(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (base, gap) = (s.dice.octave(165.0, 390.0), s.dice.uniform(0.22, 0.5));
    for onset in s.beats(0.0, gap, 0.03, 0.1) {
        let chord = if s.dice.chance(0.3) { 3 } else { 1 };
        for _ in 0..chord {
            let hz = base * 2.0_f32.powf(s.dice.pick(&SCALE) / 12.0);
            let hit = s.dice.uniform(0.5, 1.0);
            // Stiff strings: the n-th partial lies a little above n times the first.
            let modes: Vec<(f32, f32, f32)> = (1..=8)
                .map(|n| {
                    let n = n as f32;
                    let stretch = (1.0 + 0.0004 * n * n).sqrt();
                    (n * hz * stretch, 2.2 / n.sqrt(), hit * 0.5 / n.powf(1.4))
                })
                .collect();
            s.ring(&mut out, onset, &modes);
        }
        s.burst(&mut out, onset, 0.02, (600.0, 0.7), 0.3);
    }
    s.room(&mut out, 0.7, 0.15);
    out
}

/// Plucked guitar strings.
pub(super) fn guitar(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (base, gap) = (s.dice.octave(110.0, 220.0), s.dice.uniform(0.18, 0.4));
    let damping = s.dice.uniform(0.1, 0.4);
    for onset in s.beats(0.0, gap, 0.05, 0.1) {
        let strum = if s.dice.chance(0.25) { 4 } else { 1 };
        for string in 0..strum {
            let hz = base * 2.0_f32.powf(s.dice.pick(&SCALE) / 12.0);
            let mut note = s.pluck(hz, 1.2, damping);
            let end = s.samples(0.3);
            fade(&mut note, 0, end);
            s.add(&mut out, &note, onset + 0.02 * string as f32, s.dice.uniform(0.5, 0.9));
        }
    }
    s.low_pass(&mut out, 4500.0);
    out
}

/// A drum kit: kick, snare and hi-hat in a bar of eight.
pub(super) fn drums(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let eighth = s.dice.uniform(0.2, 0.3);
    let (kick_hz, snare_hz) = (s.dice.octave(50.0, 80.0), s.dice.octave(170.0, 240.0));
    let kicks = if s.dice.chance(0.5) { [0, 4, 5] } else { [0, 3, 4] };
    for (k, onset) in s.beats(0.0, eighth, 0.0, 0.05).into_iter().enumerate() {
        let step = k % 8;
        if kicks.contains(&step) {
            s.ring(&mut out, onset, &[(kick_hz, 0.35, 1.6), (1.9 * kick_hz, 0.12, 0.8)]);
            s.burst(&mut out, onset, 0.01, (2500.0, 0.7), 0.4);
        }
        if step == 2 || step == 6 {
            s.ring(&mut out, onset, &[(snare_hz, 0.14, 0.7), (1.6 * snare_hz, 0.1, 0.4)]);
            s.burst(&mut out, onset, 0.2, (3500.0, 0.4), 1.0);
        }
        s.burst(&mut out, onset, 0.06, (9000.0, 0.8), 0.45);
    }
    out
}
