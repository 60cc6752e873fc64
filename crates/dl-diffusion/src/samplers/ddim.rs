//! DDIM (Song et al. 2021, equations 12 and 16) over a respaced process.

use tch::Tensor;

use super::Denoiser;
use crate::process::Process;

/// From x at the last step of `kept` down to clean.
pub(super) fn denoise(
    kept: &Process,
    denoiser: &Denoiser<'_>,
    mut x: Tensor,
    eta: f64,
    noise: &dyn Fn(u64) -> Tensor,
) -> Tensor {
    for (done, step) in (0..kept.len()).rev().enumerate() {
        let (seen, x0) = denoiser.predict(kept, x, step);
        if step == 0 {
            return x0;
        }
        let (now, before) = (kept.alpha_bar(step), kept.alpha_bar_before(step));
        let sigma = eta * ((1.0 - before) / (1.0 - now)).sqrt() * (1.0 - now / before).sqrt();
        let eps = kept.predict_eps(&seen, step, &x0);
        x = x0 * before.sqrt() + eps * (1.0 - before - sigma * sigma).max(0.0).sqrt();
        if sigma > 0.0 {
            x += noise(done as u64 + 1) * sigma;
        }
    }
    x
}
