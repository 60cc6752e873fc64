//! From a noised embedding back to a clean one.
//!
//! How Diffusion-Link samples is not public. All ways here add noise to the audio
//! embedding up to a timestep t* and denoise from there: in one network call (SEED's
//! official mode), in a few steps, or in one call for each of many noisings, averaged
//! (ours). Candidates are compared on validation.

mod ddim;
mod ddpm;
mod dpm_solver;
mod mean_of_draws;
mod one_step;
mod sampler;

pub use ddim::Ddim;
pub use ddpm::Ddpm;
pub use dpm_solver::DpmSolverPp2m;
pub use mean_of_draws::MeanOfDraws;
pub use one_step::OneStep;
pub use sampler::{Denoiser, Sampler, SamplerConfig, SamplerKind, check_span, noised};
