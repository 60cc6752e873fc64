//! Engines and vehicles, alarms and horns, tools.

use super::toolbox::{Synth, fade, glide, modulate};

/// Explosions of a piston engine along `firing` (Hz): a sawtooth's kick through body
/// resonances, each explosion of a slightly different strength.
fn pistons(s: &Synth, firing: &[f32], body: &[(f32, f32)], uneven: f32) -> Vec<f32> {
    let seconds = firing.len() as f32 / s.rate;
    let mut source = s.saw(firing);
    let strength = s.drift(seconds, 30.0, 1.0 - uneven, 1.0);
    modulate(&mut source, &strength);
    let mut noise = s.white(seconds);
    modulate(&mut noise, &source);
    s.add(&mut source, &noise, 0.0, 0.7);
    let mut out = vec![0.0; source.len()];
    for &(hz, gain) in body {
        let mut part = source.clone();
        s.band_pass(&mut part, hz, 1.6);
        s.add(&mut out, &part, 0.0, gain);
    }
    out
}

/// A car engine standing: low, steady, a little uneven.
pub(super) fn engine_idling(s: &Synth) -> Vec<f32> {
    let f = s.dice.octave(22.0, 38.0);
    let firing = s.drift(s.seconds, 1.5, 0.97 * f, 1.03 * f);
    let body =
        [(s.dice.octave(70.0, 110.0), 1.0), (s.dice.octave(180.0, 300.0), 0.5), (650.0, 0.12)];
    let mut out = pistons(s, &firing, &body, 0.35);
    let mut hiss = s.whole_white();
    s.band_pass(&mut hiss, 900.0, 0.7);
    s.add(&mut out, &hiss, 0.0, 0.02);
    out
}

/// A motorcycle that revs up and down, harsh.
pub(super) fn motorcycle(s: &Synth) -> Vec<f32> {
    let f = s.dice.octave(48.0, 75.0);
    let mut points = vec![(0.0, f)];
    let mut at = 0.0;
    while at < 0.85 {
        at += s.dice.uniform(0.12, 0.3);
        let rev = if points.len() % 2 == 1 { s.dice.uniform(1.8, 3.2) } else { 1.1 };
        points.push((at.min(1.0), rev * f));
    }
    points.push((1.0001, f));
    let firing = glide(s.len(), &points);
    let body = [(160.0, 0.8), (s.dice.octave(380.0, 600.0), 1.0), (1300.0, 0.6), (2600.0, 0.25)];
    let mut out = pistons(s, &firing, &body, 0.5);
    for (x, hz) in out.iter_mut().zip(&firing) {
        *x = (2.5 * *x).tanh() * (0.3 + 0.7 * (hz / (3.0 * f)).min(1.0));
    }
    out
}

/// Blades that beat the air ten to twenty times a second, under a turbine.
pub(super) fn helicopter(s: &Synth) -> Vec<f32> {
    let beat = s.dice.uniform(9.0, 17.0);
    let mut out = s.whole_white();
    let ceiling = s.dice.octave(350.0, 900.0);
    s.low_pass(&mut out, ceiling);
    let wheel = s.sine(&vec![beat; s.len()]);
    for (x, w) in out.iter_mut().zip(&wheel) {
        *x *= 0.12 + (0.5 + 0.5 * w).powi(6) * 1.4;
    }
    let mut thump = vec![0.0; out.len()];
    for onset in s.beats(0.0, 1.0 / beat, 0.02, 0.0) {
        s.ring(&mut thump, onset, &[(55.0, 0.12, 0.5), (95.0, 0.08, 0.3)]);
    }
    s.add(&mut out, &thump, 0.0, 0.9);
    let hz = s.dice.octave(900.0, 1800.0);
    let turbine = s.sine(&vec![hz; s.len()]);
    s.add(&mut out, &turbine, 0.0, 0.012);
    out
}

/// Wheels over rail joints, in pairs of pairs, over a rumble.
pub(super) fn train(s: &Synth) -> Vec<f32> {
    let mut out = s.whole_white();
    s.band_pass(&mut out, 160.0, 0.5);
    out.iter_mut().for_each(|x| *x *= 0.35);
    let mut squeal = s.whole_white();
    let hz = s.dice.octave(1800.0, 3000.0);
    s.band_pass(&mut squeal, hz, 8.0);
    let wander = s.drift(s.seconds, 2.0, 0.0, 0.1);
    modulate(&mut squeal, &wander);
    s.add(&mut out, &squeal, 0.0, 1.0);
    let (gap, pair) = (s.dice.uniform(0.45, 0.8), s.dice.uniform(0.1, 0.15));
    let metal = s.dice.octave(380.0, 700.0);
    for onset in s.beats(s.dice.uniform(0.0, 0.2), gap, 0.03, 0.0) {
        for delay in [0.0, pair] {
            let modes = [(metal, 0.12, 0.6), (2.3 * metal, 0.08, 0.35), (90.0, 0.15, 0.8)];
            s.ring(&mut out, onset + delay, &modes);
            s.burst(&mut out, onset + delay, 0.09, (1100.0, 0.7), 1.3);
        }
    }
    out
}

/// A jet that comes over: broad noise that opens and closes, and a whine that falls.
pub(super) fn airplane(s: &Synth) -> Vec<f32> {
    let n = s.len();
    let closest = s.dice.uniform(0.35, 0.65);
    let mut out = s.whole_white();
    let open = glide(n, &[(0.0, 260.0), (closest, s.dice.octave(700.0, 1300.0)), (1.0, 220.0)]);
    s.swept_band(&mut out, &open, 1.4);
    let mut rumble = s.whole_white();
    s.low_pass(&mut rumble, 180.0);
    s.add(&mut out, &rumble, 0.0, 1.4);
    let pitch = s.dice.octave(1500.0, 2600.0);
    let whine = s.harmonics(
        &glide(n, &[(0.0, 1.12 * pitch), (closest - 0.15, 1.1 * pitch), (1.0, 0.8 * pitch)]),
        &[1.0, 0.4, 0.2],
    );
    s.add(&mut out, &whine, 0.0, 0.06);
    modulate(&mut out, &glide(n, &[(0.0, 0.35), (closest, 1.0), (1.0, 0.3)]));
    out
}

/// An emergency siren: wail, yelp or two tones.
pub(super) fn siren(s: &Synth) -> Vec<f32> {
    let low = s.dice.octave(550.0, 750.0);
    let high = low * s.dice.uniform(1.7, 2.2);
    let hz: Vec<f32> = match s.dice.below(3) {
        0 | 1 => {
            let per_second = if s.dice.chance(0.5) { 0.35 } else { s.dice.uniform(1.5, 3.5) };
            let start = s.dice.unit();
            let turn = s.sine(&vec![per_second; s.len() + s.samples(start / per_second)]);
            let skip = turn.len() - s.len();
            turn[skip..].iter().map(|x| low + (high - low) * (0.5 + 0.5 * x)).collect()
        }
        _ => {
            let half = s.samples(s.dice.uniform(0.35, 0.6));
            let fourth = 1.335 * low;
            (0..s.len()).map(|i| if (i / half).is_multiple_of(2) { low } else { fourth }).collect()
        }
    };
    let mut out = s.harmonics(&hz, &[1.0, 0.35, 0.45, 0.15, 0.2, 0.08]);
    s.room(&mut out, 0.8, 0.35);
    out
}

/// An electronic alarm: groups of high beeps.
pub(super) fn alarm(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let hz = s.dice.octave(1900.0, 3600.0);
    let (beep, group) = (s.dice.uniform(0.08, 0.2), s.dice.count(1, 4));
    let pause = beep * s.dice.uniform(1.0, 4.0);
    let mut tone = s.harmonics(&vec![hz; s.samples(beep)], &[1.0, 0.1, 0.25]);
    s.fade(&mut tone, 0.004, 0.004);
    let mut time = 0.0;
    while time < s.seconds - beep {
        for _ in 0..group {
            s.add(&mut out, &tone, time, 1.0);
            time += 1.6 * beep;
        }
        time += pause;
    }
    out
}

/// A telephone: a bell struck twenty times a second, or a warble of two tones.
pub(super) fn telephone(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (on, off) = (s.dice.uniform(0.7, 1.2), s.dice.uniform(0.4, 0.9));
    let bell = s.dice.chance(0.5);
    let hz = if bell { s.dice.octave(1100.0, 1500.0) } else { s.dice.octave(750.0, 1100.0) };
    let rate = s.dice.uniform(18.0, 24.0);
    for onset in s.beats(0.0, on + off, 0.0, 0.3) {
        if bell {
            for k in 0..(on * rate) as usize {
                let modes = [
                    (hz, 0.5, 0.35),
                    (1.28 * hz, 0.4, 0.3),
                    (2.7 * hz, 0.25, 0.3),
                    (4.1 * hz, 0.15, 0.2),
                ];
                s.ring(&mut out, onset + k as f32 / rate, &modes);
            }
        } else {
            let gate = s.samples(0.5 / rate).max(1);
            let path: Vec<f32> = (0..s.samples(on))
                .map(|i| if (i / gate).is_multiple_of(2) { hz } else { 1.25 * hz })
                .collect();
            let mut warble = s.harmonics(&path, &[1.0, 0.5, 0.35, 0.2]);
            s.fade(&mut warble, 0.01, 0.02);
            s.add(&mut out, &warble, onset, 0.7);
        }
    }
    out
}

/// A car horn: two reedy notes a third apart.
pub(super) fn car_horn(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let low = s.dice.octave(320.0, 440.0);
    let ratio = s.dice.uniform(1.19, 1.27);
    let mut time = 0.0;
    while time < s.seconds - 0.15 {
        let length = s.dice.uniform(0.2, 0.9).min(s.seconds - time);
        let n = s.samples(length);
        let mut honk = s.saw(&vec![low; n]);
        let upper = s.saw(&vec![ratio * low; n]);
        s.add(&mut honk, &upper, 0.0, 0.9);
        s.band_pass(&mut honk, 1500.0, 0.5);
        s.fade(&mut honk, 0.02, 0.04);
        s.add(&mut out, &honk, time, 1.0);
        time += length + s.dice.uniform(0.12, 0.35);
    }
    s.room(&mut out, 0.5, 0.2);
    out
}

/// A hammer on metal and wood, in a working rhythm.
pub(super) fn hammering(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let (gap, metal) = (s.dice.uniform(0.28, 0.55), s.dice.octave(1200.0, 2600.0));
    for onset in s.beats(0.0, gap, 0.08, 0.1) {
        let hit = s.dice.uniform(0.6, 1.0);
        let modes = [
            (metal, 0.16, 0.4 * hit),
            (1.52 * metal, 0.1, 0.3 * hit),
            (2.71 * metal, 0.07, 0.2 * hit),
            (210.0, 0.07, 0.9 * hit),
        ];
        s.ring(&mut out, onset, &modes);
        s.burst(&mut out, onset, 0.03, (2500.0, 0.5), 1.2 * hit);
    }
    s.room(&mut out, 0.4, 0.2);
    out
}

/// A hand saw: strokes to and fro, with the rasp of the teeth.
pub(super) fn sawing(s: &Synth) -> Vec<f32> {
    let mut out = s.silence();
    let stroke = s.dice.uniform(0.25, 0.45);
    let (centre, teeth) = (s.dice.octave(1700.0, 3200.0), s.dice.uniform(70.0, 140.0));
    for (k, onset) in s.beats(0.0, stroke, 0.04, 0.5 * stroke).into_iter().enumerate() {
        let forth = k % 2 == 0;
        let n = s.samples(0.85 * stroke);
        let mut rasp = s.white(0.85 * stroke);
        let swell = if forth { (0.8, 1.25) } else { (1.2, 0.75) };
        s.swept_band(
            &mut rasp,
            &glide(n, &[(0.0, swell.0 * centre), (1.0, swell.1 * centre)]),
            1.5,
        );
        let bite = s.saw(&vec![teeth; n]);
        for (x, b) in rasp.iter_mut().zip(&bite) {
            *x *= 0.35 + 0.65 * b.abs();
        }
        fade(&mut rasp, n / 3, n / 3);
        s.add(&mut out, &rasp, onset, if forth { 1.0 } else { 0.65 });
    }
    out
}

/// An electric drill: a whining motor that labours.
pub(super) fn drilling(s: &Synth) -> Vec<f32> {
    let f = s.dice.octave(260.0, 420.0);
    let load = s.dice.uniform(0.75, 0.9);
    let n = s.len();
    let mut hz = s.drift(s.seconds, 4.0, 0.97, 1.03);
    modulate(
        &mut hz,
        &glide(n, &[(0.0, 0.4 * f), (0.08, f), (0.3, load * f), (0.8, load * f), (1.0, f)]),
    );
    let mut out = s.saw(&hz);
    let whine: Vec<f32> = hz.iter().map(|f| 7.3 * f).collect();
    let gears = s.saw(&whine);
    s.add(&mut out, &gears, 0.0, 0.5);
    s.band_pass(&mut out, 2200.0, 0.4);
    let mut grind = s.whole_white();
    s.high_pass(&mut grind, 1800.0);
    let bite = s.drift(s.seconds, 25.0, 0.02, 0.3);
    modulate(&mut grind, &bite);
    s.add(&mut out, &grind, 0.0, 1.0);
    out
}

/// A vacuum cleaner: a motor's hum inside steady air.
pub(super) fn vacuum(s: &Synth) -> Vec<f32> {
    let f = s.dice.octave(170.0, 260.0);
    let hz = s.drift(s.seconds, 0.8, 0.99 * f, 1.01 * f);
    let mut out = s.harmonics(&hz, &[0.5, 0.35, 0.3, 0.12, 0.1, 0.08, 0.1, 0.05]);
    let mut air = s.whole_white();
    let centre = s.dice.octave(900.0, 1800.0);
    s.band_pass(&mut air, centre, 0.4);
    s.add(&mut out, &air, 0.0, 1.5);
    out
}
