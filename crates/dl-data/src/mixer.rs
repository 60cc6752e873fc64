//! From the plan of a scene to its sound.
//!
//! Each event is cut to its place, dulled when far, brought to the common loudness
//! (RMS over its sounding blocks), multiplied by its gain and added. The sum is
//! scaled down only when it would clip, which keeps the ratios of the gains.

use std::{borrow::Cow, ops::Range};

use crate::{
    dice::Dice,
    mix_config::MixConfig,
    scene::{Distance, Event, Scene},
    synth::toolbox::{Biquad, Synth, fade},
};

/// Greatest magnitude of a mixed sample.
const CEILING: f32 = 0.97;
/// Blocks this far below the loudest (in power: 30 dB) count as silence for loudness.
const GATE: f32 = 1e-3;
/// The same for trimming: 45 dB.
const TRIM: f32 = 3.2e-5;

/// Mixes a scene at `rate`. `draw` gives an event's trimmed source.
pub(crate) fn mix<'a>(
    config: &MixConfig,
    scene: &Scene,
    rate: u32,
    dice: Dice,
    draw: impl Fn(&Event) -> Cow<'a, [f32]>,
) -> Vec<f32> {
    let synth = Synth { rate: rate as f32, seconds: config.seconds, dice };
    let mut out = background(&synth, config.background_rms);
    for event in &scene.events {
        let source = draw(event);
        let start = synth.samples(event.offset).min(source.len());
        let end = (start + synth.samples(event.seconds)).min(source.len());
        let mut piece = source[start..end].to_vec();
        // Cuts must not click, yet an attack must stay sharp.
        let (attack, release) = (if start > 0 { 0.01 } else { 0.001 }, 0.01);
        synth.fade(&mut piece, attack, release);
        if event.distance == Distance::Far {
            Biquad::low_pass(synth.rate, 1800.0, 0.707).run(&mut piece);
            synth.room(&mut piece, 0.9, 0.6);
        }
        let loudness = sounding_rms(&piece, rate);
        if loudness > 0.0 {
            let gain = event.gain * config.event_rms / loudness;
            for &onset in &event.onsets {
                synth.add(&mut out, &piece, onset, gain);
            }
        }
    }
    let peak = out.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    if peak > CEILING {
        out.iter_mut().for_each(|x| *x *= CEILING / peak);
    }
    out
}

/// Faint dull noise of a level of its own.
fn background(synth: &Synth, greatest: f32) -> Vec<f32> {
    if greatest <= 0.0 {
        return synth.silence();
    }
    let level = synth.dice.uniform(0.1, 1.0) * greatest;
    let mut noise = synth.whole_white();
    synth.low_pass(&mut noise, 2500.0);
    let gain = level / rms(&noise).max(f32::MIN_POSITIVE);
    noise.iter_mut().for_each(|x| *x *= gain);
    noise
}

fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|x| x * x).sum::<f32>() / sound.len().max(1) as f32
}

fn rms(sound: &[f32]) -> f32 {
    power(sound).sqrt()
}

/// RMS over the blocks of 20 ms that lie at most 30 dB below the loudest: gaps
/// between barks do not make a bark louder (the gating idea of ITU-R BS.1770).
pub(crate) fn sounding_rms(sound: &[f32], rate: u32) -> f32 {
    let powers: Vec<f32> = sound.chunks((rate as usize / 50).max(1)).map(power).collect();
    let loudest = powers.iter().fold(0.0_f32, |a, &b| a.max(b));
    let (mut sum, mut count) = (0.0, 0);
    for power in powers.iter().filter(|&&power| power > 0.0 && power >= GATE * loudest) {
        sum += power;
        count += 1;
    }
    if count == 0 { 0.0 } else { (sum / count as f32).sqrt() }
}

/// The part of a recording between its leading and trailing silence, found in blocks
/// of 10 ms; `None` when it is silent throughout.
pub(crate) fn sounding_range(sound: &[f32], rate: u32) -> Option<Range<usize>> {
    let block = (rate as usize / 100).max(1);
    let powers: Vec<f32> = sound.chunks(block).map(power).collect();
    let loudest = powers.iter().fold(0.0_f32, |a, &b| a.max(b));
    let sounds = |&power: &f32| power > 0.0 && power >= TRIM * loudest;
    let first = powers.iter().position(sounds)?;
    let last = powers.iter().rposition(sounds)?;
    Some(first * block..((last + 1) * block).min(sound.len()))
}

/// Where the stretch of `length` samples with the most energy begins, in steps of a
/// block of 10 ms. It starts a little early, so that an attack keeps its beginning.
pub(crate) fn liveliest_start(sound: &[f32], length: usize, rate: u32) -> usize {
    let block = (rate as usize / 100).max(1);
    let powers: Vec<f32> = sound.chunks(block).map(power).collect();
    let blocks = (length / block).clamp(1, powers.len().max(1));
    let (mut best, mut most) = (0, 0.0);
    for (start, stretch) in powers.windows(blocks).enumerate() {
        let energy: f32 = stretch.iter().sum();
        // A later stretch must be clearly livelier: of equals, the first is kept.
        if energy > 1.001 * most {
            (best, most) = (start, energy);
        }
    }
    (best.saturating_sub(3) * block).min(sound.len().saturating_sub(length))
}

/// Fades the ends of a bare recording that was cut.
pub(crate) fn soften_end(sound: &mut [f32], rate: u32) {
    fade(sound, 0, rate as usize / 100);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Relation;

    const RATE: u32 = 8000;

    fn event(label: usize, onsets: &[f32], seconds: f32, gain: f32, distance: Distance) -> Event {
        let onsets = onsets.to_vec();
        Event { label, instance: 0, offset: 0.0, seconds, onsets, gain, distance }
    }

    fn mixed(events: Vec<Event>, config: &MixConfig, sources: &[Vec<f32>]) -> Vec<f32> {
        let scene = Scene { relation: Relation::Together, events };
        mix(config, &scene, RATE, Dice::new(0, "test", 0, 0), |event| {
            Cow::Borrowed(sources[event.label].as_slice())
        })
    }

    fn quiet() -> MixConfig {
        MixConfig { seconds: 2.0, event_rms: 0.1, background_rms: 0.0, ..MixConfig::default() }
    }

    #[test]
    fn levels_by_hand() {
        // Constant sounds of 0.5 and -0.8 for one second each. Loudness 0.5 and 0.8, so
        // at gain 1 and 0.4 they come to 0.1 and -0.04 and to 0.06 where they overlap.
        // Fades touch 10 ms of 1 s at the end: loudness moves by less than 0.5 %.
        let sources = [vec![0.5; 8000], vec![-0.8; 8000]];
        let events = vec![
            event(0, &[0.0], 1.0, 1.0, Distance::Plain),
            event(1, &[0.5], 1.0, 0.4, Distance::Plain),
        ];
        let out = mixed(events, &quiet(), &sources);
        assert_eq!(out.len(), 16_000);
        let near = |at: usize, expected: f32| (out[at] - expected).abs() < 0.005 * 0.1;
        assert!(near(2000, 0.1) && near(6000, 0.06) && near(10_000, -0.04), "{:?}", out[6000]);
        assert!(out[12_001..].iter().all(|&x| x == 0.0));
    }

    #[test]
    fn silence_within_an_event_does_not_count() {
        let mut half = vec![0.5; 8000];
        half[4000..].fill(0.0);
        assert!((sounding_rms(&half, RATE) - 0.5).abs() < 1e-6);
        assert_eq!(sounding_rms(&[0.0; 100], RATE), 0.0);
    }

    #[test]
    fn a_repeated_event_stands_at_every_onset() {
        let events = vec![event(0, &[0.25, 1.0], 0.5, 1.0, Distance::Plain)];
        let out = mixed(events, &quiet(), &[vec![0.2; 4000]]);
        let sounds = |second: f32| out[(second * 8000.0) as usize].abs() > 0.05;
        assert!(!sounds(0.2) && sounds(0.5) && !sounds(0.9) && sounds(1.25) && !sounds(1.6));
    }

    #[test]
    fn a_loud_scene_is_scaled_as_a_whole() {
        // An impulse train has a peak 20 times its RMS or more.
        let clicks: Vec<f32> = (0..8000).map(|i| f32::from(u8::from(i % 800 == 400))).collect();
        let out = mixed(vec![event(0, &[0.0], 1.0, 1.5, Distance::Near)], &quiet(), &[clicks]);
        let peak = out.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
        assert!((peak - CEILING).abs() < 1e-5, "{peak}");
    }

    #[test]
    fn a_far_event_is_as_loud_as_its_gain_says_but_dull() {
        let tone = |hz: f32| -> Vec<f32> {
            (0..8000).map(|i| (i as f32 * hz / 8000.0 * std::f32::consts::TAU).sin()).collect()
        };
        let both: Vec<f32> = tone(300.0).iter().zip(tone(3500.0)).map(|(a, b)| a + b).collect();
        let out = mixed(vec![event(0, &[0.0], 1.0, 0.5, Distance::Far)], &quiet(), &[both]);
        let strength = |hz: f32| -> f32 {
            tone(hz).iter().zip(&out).map(|(a, b)| a * b).sum::<f32>().abs() / 4000.0
        };
        assert!(
            strength(3500.0) < 0.1 * strength(300.0),
            "{} {}",
            strength(3500.0),
            strength(300.0)
        );
        assert!((sounding_rms(&out[..8000], RATE) - 0.05).abs() < 0.001);
    }

    #[test]
    fn the_liveliest_stretch_is_found() {
        // A faint hum of two seconds with a burst from 1.2 s to 1.4 s. Of all stretches
        // of half a second that hold the whole burst the first begins at 0.9 s; three
        // blocks of 10 ms earlier is 0.87 s.
        let mut sound = vec![0.01; 16_000];
        sound[9600..11_200].fill(0.5);
        assert_eq!(liveliest_start(&sound, 4000, RATE), 6960);
        assert_eq!(liveliest_start(&[0.1; 16_000], 4000, RATE), 0);
        assert_eq!(liveliest_start(&sound, 16_000, RATE), 0);
    }

    #[test]
    fn silence_is_trimmed_at_both_ends() {
        let mut sound = vec![0.0; 8000];
        sound[1600..4000].fill(0.3);
        assert_eq!(sounding_range(&sound, RATE), Some(1600..4000));
        assert_eq!(sounding_range(&[0.0; 500], RATE), None);
    }
}
