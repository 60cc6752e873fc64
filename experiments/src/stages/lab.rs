//! Where stages are computed and kept.

use std::path::Path;

use anyhow::Result;
use dl_core::{Draft, IfBusy, Store};
use tch::Device;

use super::once::Once;
use crate::{config::SuiteConfig, console::Reporter, process};

/// What the command line says of how to work, whatever the work.
#[derive(Clone, Copy)]
pub struct Services<'r> {
    /// Where progress goes.
    pub reporter: &'r Reporter,
    /// Jobs side by side; `None` is one for each core, or one alone on a GPU.
    pub jobs: Option<usize>,
    /// What to do where another program works on the same.
    pub if_busy: IfBusy,
}

impl Services<'_> {
    /// Jobs side by side on `device`.
    pub fn jobs_on(&self, device: Device) -> usize {
        let usual = if device.is_cuda() { 1 } else { process::cores() };
        self.jobs.unwrap_or(usual)
    }
}

/// Everything that one suite's stages have in common.
pub struct Lab<'r> {
    /// Where progress goes.
    pub reporter: &'r Reporter,
    /// Where tensors are computed.
    pub device: Device,
    /// Jobs side by side.
    pub jobs: usize,
    /// What to do where another program works on the same.
    pub if_busy: IfBusy,
    /// Where stages are kept.
    pub store: Store,
    /// Measures that do not depend on the seed are taken once.
    pub(super) once: Once,
}

impl<'r> Lab<'r> {
    /// The lab of a suite.
    ///
    /// # Errors
    /// When the device is not there.
    pub fn new(services: &Services<'r>, config: &SuiteConfig) -> Result<Self> {
        let root = config.runs_dir()?.join("stages");
        Ok(Self::at(services, &root, config.device.resolve()?))
    }

    /// The lab that keeps its stages under `root`.
    pub fn at(services: &Services<'r>, root: &Path, device: Device) -> Self {
        Self {
            reporter: services.reporter,
            device,
            jobs: services.jobs_on(device),
            if_busy: services.if_busy,
            store: Store::new(root),
            once: Once::default(),
        }
    }

    /// The kind of device, as tables tell it.
    pub fn device_name(&self) -> &'static str {
        match self.device {
            Device::Cpu => "cpu",
            Device::Cuda(_) => "cuda",
            Device::Mps => "mps",
            Device::Vulkan => "vulkan",
        }
    }

    /// The kind of device, as keys tell it: what computes otherwise has other bits.
    pub fn device_kind(&self) -> String {
        format!("{}, libtorch {}", self.device_name(), dl_torch::device::LIBTORCH_VERSION)
    }

    /// A stage that computes with tensors.
    pub(super) fn stage(&self, name: &str, version: u32) -> Draft {
        self.store.stage(name, version).device(&self.device_kind())
    }
}
