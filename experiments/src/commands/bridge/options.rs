//! Options that several commands have.

use anyhow::Result;
use clap::Args;
use dl_torch::DeviceChoice;
use tch::Device;

/// Where to compute.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceArgs {
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: DeviceChoice,
}

impl DeviceArgs {
    /// The device, ready for use.
    pub fn resolve(self) -> Result<Device> {
        Ok(self.device.resolve()?)
    }
}

fn device(text: &str) -> Result<DeviceChoice, String> {
    text.to_owned().try_into()
}

/// A share of the clips.
pub fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "use a number, for example 0.1".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("must be in (0, 1)".into()) }
}
