//! Which device to compute on. Where CUDA is asked for and cannot be had, that is an
//! error, never a quiet fall to the CPU.

use serde::{Deserialize, Serialize};
use tch::Device;

use crate::TorchError;

/// `"cpu"`, `"cuda"`, `"cuda:1"`, or `"auto"` (CUDA where it works, else CPU).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU by its index; not having it is an error.
    Cuda(usize),
    /// The first GPU where libtorch can use one, else the processor.
    Auto,
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unknown = || format!("unknown device '{text}': use cpu, cuda, cuda:N or auto");
        match text.as_str() {
            "cpu" => Ok(Self::Cpu),
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(unknown),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        match choice {
            DeviceChoice::Cpu => "cpu".into(),
            DeviceChoice::Auto => "auto".into(),
            DeviceChoice::Cuda(index) => format!("cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The device, ready for use.
    ///
    /// # Errors
    /// [`TorchError::Device`] when CUDA was asked for and cannot be had.
    pub fn resolve(self) -> Result<Device, TorchError> {
        self.resolve_with(&cuda_devices)
    }

    /// As [`Self::resolve`], with the number of GPUs as `devices` finds it.
    fn resolve_with(
        self,
        devices: &dyn Fn() -> Result<usize, String>,
    ) -> Result<Device, TorchError> {
        let cuda = |index: usize| match devices() {
            Ok(count) if index < count => Ok(Device::Cuda(index)),
            Ok(count) => Err(format!("there are {count} GPUs, counted from 0")),
            Err(problem) => Err(problem),
        };
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => Ok(cuda(0).unwrap_or(Device::Cpu)),
            Self::Cuda(index) => {
                cuda(index).map_err(|problem| TorchError::Device { choice: self.into(), problem })
            }
        }
    }
}

/// The number of GPUs, at least 1, or why there is none.
fn cuda_devices() -> Result<usize, String> {
    // First of all: libtorch looks for CUDA once, when it is first asked, and keeps the answer.
    load_cuda()?;
    match usize::try_from(tch::Cuda::device_count()) {
        Ok(count) if count > 0 && tch::Cuda::is_available() => Ok(count),
        _ => Err("libtorch finds no GPU; check `nvidia-smi`, or set device = \"cpu\"".into()),
    }
}

/// Brings libtorch's CUDA half into the process. Programs here link the CPU half
/// only, so that one binary runs on machines with and without a GPU; libtorch
/// registers CUDA when this library is loaded.
fn load_cuda() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: the library's initialisers only register CUDA with the libtorch
        // already loaded, which is of the same version: set-up links no other.
        #[allow(unsafe_code)]
        let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
        match library {
            Ok(library) => {
                // It must stay as long as the process does.
                std::mem::forget(library);
                Ok(())
            }
            Err(error) => Err(format!(
                "libtorch_cuda.so cannot be loaded ({}); install a CUDA build of torch 2.11.0 and \
                 run `LIBTORCH=<its torch directory> cargo setup`, or set device = \"cpu\"",
                crate::error::first_line(&error.to_string())
            )),
        }
    }
    #[cfg(not(target_os = "linux"))]
    Err("CUDA is supported on Linux only; set device = \"cpu\"".into())
}

/// The libtorch that this program is built for and runs with: torch-sys 0.24
/// takes no other, and set-up checks it.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// `"cpu"` or `"cuda"`: what results may differ by, and so a part of keys.
pub fn kind(device: Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Mps => "mps",
        Device::Vulkan => "vulkan",
    }
}

/// One line for `doctor` and run directories.
pub fn describe(device: Device) -> String {
    let threads = tch::get_num_threads();
    match device {
        Device::Cpu if threads == 1 => "cpu, 1 thread".into(),
        Device::Cpu => format!("cpu, {threads} threads"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for name in ["cpu", "cuda:0", "cuda:3", "auto"] {
            let choice = DeviceChoice::try_from(name.to_owned()).unwrap();
            assert_eq!(String::from(choice), name);
        }
        for name in ["gpu", "cuda:", "cuda:x", ""] {
            let error = DeviceChoice::try_from(name.to_owned()).unwrap_err();
            assert!(error.contains("use cpu, cuda, cuda:N or auto"), "{error}");
        }
    }

    #[test]
    fn a_gpu_that_cannot_be_had_is_an_error_and_never_the_cpu() {
        let none = || Err("libtorch finds no GPU".to_owned());
        let two = || Ok(2);
        let choose = |choice: DeviceChoice, devices: &dyn Fn() -> Result<usize, String>| {
            choice.resolve_with(devices).map_err(|error| error.to_string())
        };
        for index in [0, 3] {
            let error = choose(DeviceChoice::Cuda(index), &none).unwrap_err();
            assert_eq!(error, format!("device = cuda:{index}: libtorch finds no GPU"));
        }
        assert_eq!(choose(DeviceChoice::Cuda(1), &two), Ok(Device::Cuda(1)));
        let error = choose(DeviceChoice::Cuda(2), &two).unwrap_err();
        assert_eq!(error, "device = cuda:2: there are 2 GPUs, counted from 0");
        assert_eq!(choose(DeviceChoice::Auto, &none), Ok(Device::Cpu));
        assert_eq!(choose(DeviceChoice::Auto, &two), Ok(Device::Cuda(0)));
        assert_eq!(choose(DeviceChoice::Cpu, &two), Ok(Device::Cpu));
    }

    #[test]
    fn this_machine_gives_what_libtorch_has() {
        assert_eq!(DeviceChoice::Cpu.resolve().unwrap(), Device::Cpu);
        let found = DeviceChoice::Cuda(0).resolve();
        assert_eq!(found.is_ok(), tch::Cuda::is_available());
        let auto = DeviceChoice::Auto.resolve().unwrap();
        assert_eq!(auto, found.unwrap_or(Device::Cpu));
    }
}
