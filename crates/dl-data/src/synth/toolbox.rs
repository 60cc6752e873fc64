//! What every synthesised sound is made of: noise, oscillators, envelopes,
//! filters, modes, plucked strings, a simple room. Times are in seconds, pitches
//! in Hz. Filters: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad
//! filter coefficients". Plucked string: Karplus and Strong, "Digital synthesis
//! of plucked-string and drum timbres", 1983. Room: Schroeder, "Natural sounding
//! artificial reverberation", 1962.

use std::f32::consts::TAU;

use crate::dice::Dice;

/// One sound in the making: how long, at what rate, and its own dice.
pub(crate) struct Synth {
    /// Samples per second.
    pub(crate) rate: f32,
    /// Length in seconds.
    pub(crate) seconds: f32,
    /// All chance in this sound.
    pub(crate) dice: Dice,
}

impl Synth {
    /// Number of samples in `seconds`.
    pub(crate) fn samples(&self, seconds: f32) -> usize {
        (seconds * self.rate).round().max(0.0) as usize
    }

    /// Number of samples of the whole sound.
    pub(crate) fn len(&self) -> usize {
        self.samples(self.seconds)
    }

    /// A silent buffer of the sound's length.
    pub(crate) fn silence(&self) -> Vec<f32> {
        vec![0.0; self.len()]
    }

    /// White noise in [-1, 1).
    pub(crate) fn white(&self, seconds: f32) -> Vec<f32> {
        (0..self.samples(seconds)).map(|_| self.dice.bipolar()).collect()
    }

    /// White noise of the sound's length.
    pub(crate) fn whole_white(&self) -> Vec<f32> {
        self.white(self.seconds)
    }

    /// Smooth random movement between `low` and `high`, with about `hz` turns a second.
    pub(crate) fn drift(&self, seconds: f32, hz: f32, low: f32, high: f32) -> Vec<f32> {
        let points = (seconds * hz).ceil() as usize + 2;
        let values: Vec<f32> = (0..points).map(|_| self.dice.uniform(low, high)).collect();
        let step = hz / self.rate;
        (0..self.samples(seconds))
            .map(|i| {
                let position = i as f32 * step;
                let (whole, part) = (position as usize, position.fract());
                values[whole] + (values[whole + 1] - values[whole]) * smooth(part)
            })
            .collect()
    }

    /// Filters in place: see [`Biquad`].
    pub(crate) fn low_pass(&self, sound: &mut [f32], hz: f32) {
        Biquad::low_pass(self.rate, hz, 0.707).run(sound);
    }

    /// Filters in place: see [`Biquad`].
    pub(crate) fn high_pass(&self, sound: &mut [f32], hz: f32) {
        Biquad::high_pass(self.rate, hz, 0.707).run(sound);
    }

    /// Filters in place: see [`Biquad`].
    pub(crate) fn band_pass(&self, sound: &mut [f32], hz: f32, q: f32) {
        Biquad::band_pass(self.rate, hz, q).run(sound);
    }

    /// Band-pass whose centre follows `hz` (state-variable filter, unit peak gain).
    pub(crate) fn swept_band(&self, sound: &mut [f32], hz: &[f32], q: f32) {
        let (mut low, mut band) = (0.0, 0.0);
        for (x, &centre) in sound.iter_mut().zip(hz) {
            let f = (TAU * 0.5 * centre / self.rate).min(0.7) * 2.0;
            low += f * band;
            let high = *x / q - low - band / q;
            band += f * high;
            *x = band;
        }
    }

    /// Sine whose pitch follows `hz`.
    pub(crate) fn sine(&self, hz: &[f32]) -> Vec<f32> {
        let mut phase = 0.0;
        hz.iter()
            .map(|f| {
                phase = (phase + f / self.rate).fract();
                (TAU * phase).sin()
            })
            .collect()
    }

    /// Sawtooth with its steps rounded against aliasing (polyBLEP).
    pub(crate) fn saw(&self, hz: &[f32]) -> Vec<f32> {
        let mut phase = 0.0_f32;
        hz.iter()
            .map(|f| {
                let step = f / self.rate;
                phase = (phase + step).fract();
                let correction = if phase < step {
                    let x = phase / step;
                    x + x - x * x - 1.0
                } else if phase > 1.0 - step {
                    let x = (phase - 1.0) / step;
                    x * x + x + x + 1.0
                } else {
                    0.0
                };
                2.0 * phase - 1.0 - correction
            })
            .collect()
    }

    /// A sum of the first harmonics of `hz` with the given amplitudes; those above
    /// 45 % of the sample rate are left out. sin(kx) comes from the recurrence
    /// sin(kx) = 2 cos(x) sin((k-1)x) - sin((k-2)x).
    pub(crate) fn harmonics(&self, hz: &[f32], amplitudes: &[f32]) -> Vec<f32> {
        let mut phase = 0.0_f32;
        hz.iter()
            .map(|f| {
                phase = (phase + f / self.rate).fract();
                let heard = ((0.45 * self.rate / f) as usize).min(amplitudes.len());
                let (sin, cos) = (TAU * phase).sin_cos();
                let (mut before, mut now, mut sum) = (0.0, sin, 0.0);
                for amplitude in &amplitudes[..heard] {
                    sum += amplitude * now;
                    (before, now) = (now, 2.0 * cos * now - before);
                }
                sum
            })
            .collect()
    }

    /// Adds ringing modes (Hz, seconds to fall by 60 dB, amplitude) from `onset` on.
    pub(crate) fn ring(&self, out: &mut [f32], onset: f32, modes: &[(f32, f32, f32)]) {
        let start = self.samples(onset).min(out.len());
        for &(hz, decay, amplitude) in modes.iter().filter(|mode| mode.0 < 0.45 * self.rate) {
            // A damped rotation: z <- z * r * exp(i w), heard as its imaginary part.
            let shrink = 0.001_f32.powf(1.0 / (decay * self.rate));
            let (sin, cos) = (TAU * hz / self.rate).sin_cos();
            let (turn_re, turn_im) = (shrink * cos, shrink * sin);
            let (mut re, mut im) = (amplitude, 0.0);
            for x in out[start..].iter_mut().take(self.samples(1.2 * decay)) {
                *x += im;
                (re, im) = (re * turn_re - im * turn_im, re * turn_im + im * turn_re);
            }
        }
    }

    /// Adds a burst of noise that falls by 60 dB in `decay`, band-passed around `hz`.
    pub(crate) fn burst(
        &self,
        out: &mut [f32],
        onset: f32,
        decay: f32,
        (hz, q): (f32, f32),
        gain: f32,
    ) {
        let start = self.samples(onset).min(out.len());
        let shrink = 0.001_f32.powf(1.0 / (decay * self.rate).max(1.0));
        let mut filter = Biquad::band_pass(self.rate, hz, q);
        let mut level = gain;
        for x in out[start..].iter_mut().take(self.samples(1.2 * decay)) {
            *x += filter.step(level * self.dice.bipolar());
            level *= shrink;
        }
    }

    /// Adds a bubble: a sine of `hz` that rises as it dies away in `decay`
    /// (the resonance of air in water, after Minnaert).
    pub(crate) fn bubble(&self, out: &mut [f32], onset: f32, hz: f32, decay: f32, gain: f32) {
        let start = self.samples(onset).min(out.len());
        let shrink = 0.001_f32.powf(1.0 / (decay * self.rate));
        let (mut phase, mut level) = (0.0_f32, gain);
        let (mut step, growth) = (hz / self.rate, 1.0 + 0.35 / (decay * self.rate));
        for x in out[start..].iter_mut().take(self.samples(decay)) {
            phase = (phase + step).fract();
            *x += level * (TAU * phase).sin();
            level *= shrink;
            step *= growth;
        }
    }

    /// A plucked string (Karplus-Strong): noise in a delay line that loses its highs.
    /// `damping` in (0, 1): how fast.
    pub(crate) fn pluck(&self, hz: f32, seconds: f32, damping: f32) -> Vec<f32> {
        let period = ((self.rate / hz).round() as usize).max(2);
        let mut line: Vec<f32> = (0..period).map(|_| self.dice.bipolar()).collect();
        let keep = 1.0 - 0.02 * damping;
        (0..self.samples(seconds))
            .map(|i| {
                let (here, next) = (i % period, (i + 1) % period);
                let out = line[here];
                line[here] = keep * (0.5 * (line[here] + line[next]));
                out
            })
            .collect()
    }

    /// A room: four parallel combs and two all-passes, mixed in at `wet`; the tail
    /// falls by 60 dB in `decay` and stays within the sound's length.
    pub(crate) fn room(&self, sound: &mut [f32], decay: f32, wet: f32) {
        let mut tail = vec![0.0; sound.len()];
        for delay in [0.0297, 0.0371, 0.0411, 0.0437] {
            let mut line = vec![0.0; self.samples(delay).max(1)];
            let feedback = 0.001_f32.powf(delay / decay);
            let mut at = 0;
            for (x, out) in sound.iter().zip(&mut tail) {
                let y = line[at];
                line[at] = x + feedback * y;
                *out += 0.25 * y;
                at = if at + 1 == line.len() { 0 } else { at + 1 };
            }
        }
        for delay in [0.005, 0.0017] {
            let mut line = vec![0.0; self.samples(delay).max(1)];
            let mut at = 0;
            for x in &mut tail {
                let held = line[at];
                let y = held - 0.7 * *x;
                line[at] = *x + 0.7 * y;
                *x = y;
                at = if at + 1 == line.len() { 0 } else { at + 1 };
            }
        }
        for (x, t) in sound.iter_mut().zip(&tail) {
            *x += wet * t;
        }
    }

    /// Times from `start` on, `gap` apart with the given relative jitter, to the end
    /// of the sound less `tail`.
    pub(crate) fn beats(&self, start: f32, gap: f32, jitter: f32, tail: f32) -> Vec<f32> {
        let mut times = Vec::new();
        let mut time = start;
        while time < (self.seconds - tail).max(start + 1e-3) {
            times.push(time);
            time += gap * (1.0 + jitter * self.dice.bipolar());
        }
        times
    }

    /// Random times that come `per_second` times a second.
    pub(crate) fn scatter(&self, per_second: f32) -> Vec<f32> {
        let mut times = Vec::new();
        let mut time = self.dice.wait(per_second);
        while time < self.seconds {
            times.push(time);
            time += self.dice.wait(per_second);
        }
        times
    }

    /// Adds `part` to `out` from `onset` on, at `gain`.
    pub(crate) fn add(&self, out: &mut [f32], part: &[f32], onset: f32, gain: f32) {
        let start = self.samples(onset).min(out.len());
        for (x, y) in out[start..].iter_mut().zip(part) {
            *x += gain * y;
        }
    }

    /// Attack of `attack` and release of `release` seconds, raised-cosine.
    pub(crate) fn fade(&self, sound: &mut [f32], attack: f32, release: f32) {
        fade(sound, self.samples(attack), self.samples(release));
    }
}

/// Raised-cosine fades over the first and the last samples.
pub(crate) fn fade(sound: &mut [f32], attack: usize, release: usize) {
    let n = sound.len();
    let (attack, release) = (attack.min(n), release.min(n));
    for (i, x) in sound[..attack].iter_mut().enumerate() {
        *x *= smooth((i as f32 + 0.5) / attack as f32);
    }
    for (i, x) in sound[n - release..].iter_mut().rev().enumerate() {
        *x *= smooth((i as f32 + 0.5) / release as f32);
    }
}

/// A smooth path of `n` values through (position in 0..1, value).
pub(crate) fn glide(n: usize, points: &[(f32, f32)]) -> Vec<f32> {
    let mut segment = 0;
    (0..n)
        .map(|i| {
            let at = i as f32 / n as f32;
            while segment + 2 < points.len() && at >= points[segment + 1].0 {
                segment += 1;
            }
            let ((x0, y0), (x1, y1)) = (points[segment], points[segment + 1]);
            y0 + (y1 - y0) * smooth(((at - x0) / (x1 - x0)).clamp(0.0, 1.0))
        })
        .collect()
}

/// Multiplies sample by sample.
pub(crate) fn modulate(sound: &mut [f32], by: &[f32]) {
    for (x, y) in sound.iter_mut().zip(by) {
        *x *= y;
    }
}

/// From 0 to 1 with level ends, for `x` in 0..1.
fn smooth(x: f32) -> f32 {
    x * x * (3.0 - 2.0 * x)
}

/// A second-order filter.
pub(crate) struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    fn new(rate: f32, hz: f32, q: f32, b: impl Fn(f32, f32) -> [f32; 3]) -> Self {
        let (sin, cos) = (TAU * hz.clamp(10.0, 0.45 * rate) / rate).sin_cos();
        let alpha = sin / (2.0 * q);
        let scale = 1.0 / (1.0 + alpha);
        Self {
            b: b(cos, alpha).map(|x| x * scale),
            a: [-2.0 * cos * scale, (1.0 - alpha) * scale],
            state: [0.0; 2],
        }
    }

    /// Keeps what is below `hz`.
    pub(crate) fn low_pass(rate: f32, hz: f32, q: f32) -> Self {
        Self::new(rate, hz, q, |cos, _| [(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0])
    }

    /// Keeps what is above `hz`.
    pub(crate) fn high_pass(rate: f32, hz: f32, q: f32) -> Self {
        Self::new(rate, hz, q, |cos, _| [(1.0 + cos) / 2.0, -1.0 - cos, (1.0 + cos) / 2.0])
    }

    /// Keeps what is around `hz`; unit gain at the centre.
    pub(crate) fn band_pass(rate: f32, hz: f32, q: f32) -> Self {
        Self::new(rate, hz, q, |_, alpha| [alpha, 0.0, -alpha])
    }

    /// One sample (transposed direct form II).
    pub(crate) fn step(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.state[0];
        self.state[0] = self.b[1] * x - self.a[0] * y + self.state[1];
        self.state[1] = self.b[2] * x - self.a[1] * y;
        y
    }

    /// A whole buffer in place.
    pub(crate) fn run(&mut self, sound: &mut [f32]) {
        for x in sound {
            *x = self.step(*x);
        }
    }
}
