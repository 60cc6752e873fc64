//! DPM-Solver++ (2M) (Lu et al. 2022, "DPM-Solver++", algorithm 2): a second-order
//! multistep solver of the probability-flow equation in terms of x_0, over a respaced
//! process. With lambda = log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)), h = lambda_s -
//! lambda_t and r = h_before / h, a step from t to s is
//! x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) ((1 + 1/(2r)) x0 - 1/(2r) x0_before).
//! The first step has no step before it and is of first order; the last goes to clean
//! data, where h is infinite and a first-order step is x_0 itself.

use tch::Tensor;

use super::Denoiser;
use crate::process::Process;

/// From x at the last step of `kept` down to clean.
pub(super) fn denoise(kept: &Process, denoiser: &Denoiser<'_>, mut x: Tensor) -> Tensor {
    let lambda = |step: usize| {
        let (signal, spread) = kept.factors(step);
        (signal / spread).ln()
    };
    let mut before: Option<(Tensor, f64)> = None;
    for step in (0..kept.len()).rev() {
        let (seen, x0) = denoiser.predict(kept, x, step);
        if step == 0 {
            return x0;
        }
        let h = lambda(step - 1) - lambda(step);
        let direction = match &before {
            Some((x0_before, h_before)) => {
                let half = h / (2.0 * h_before);
                &x0 * (1.0 + half) - x0_before * half
            }
            None => x0.shallow_clone(),
        };
        let (signal, spread) = kept.factors(step - 1);
        x = seen * (spread / kept.factors(step).1) - direction * (signal * (-h).exp_m1());
        before = Some((x0, h));
    }
    x
}
