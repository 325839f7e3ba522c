//! Devices: from the value of `--device` to a burn backend.
//!
//! A cargo feature compiles a backend in, and [`Device`] chooses one at run time. Only [`Device::run`] turns
//! the choice into a type.

use std::fmt;
use std::str::FromStr;

pub use kernels::cpu::{has_bf16_dot_product, uses_amx};
pub use kernels::{AdamWStep, EncoderOps, TrainingBackend, UnknownPrecision};

/// The device on which the network runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The best available: CUDA, then a hardware WGPU adapter, then the CPU.
    #[default]
    Auto,
    /// The CPU, through burn-flex with the kernels of this project (feature `cpu`).
    Cpu,
    /// The CPU, through burn-ndarray (feature `ndarray`).
    NdArray,
    /// A graphics adapter through Vulkan or Metal (feature `wgpu`): the one with this number, or the
    /// fastest.
    Wgpu(Option<usize>),
    /// The NVIDIA GPU with this number (feature `cuda`).
    Cuda(usize),
}

/// Work on a backend that is known only at run time.
pub trait BackendTask {
    /// The result.
    type Output;

    /// Does the work on `device`.
    fn run<B: EncoderOps>(self, device: B::Device) -> Self::Output;
}

/// A device that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The text is not a device.
    #[error("`{0}` is not a device; choose auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N")]
    Unknown(String),
    /// The backend is not part of this program.
    #[error(
        "this program was built without the `{feature}` backend; build it with `--features {feature}`"
    )]
    NotCompiledIn {
        /// The cargo feature that adds it.
        feature: &'static str,
    },
    /// No backend is part of this program.
    #[error(
        "this program was built without any backend; build it with `--features cpu`, `ndarray`, `wgpu` or `cuda`"
    )]
    NoBackend,
    /// The machine lacks the NVIDIA driver.
    #[error(
        "no NVIDIA driver was found (libcuda is missing); use another --device, or install the driver"
    )]
    NoCudaDriver,
    /// The machine lacks the library that compiles CUDA kernels, which is not part of the driver.
    #[error(
        "CUDA's compiler library was not found (libnvrtc is missing); use another --device, or \
         install the CUDA toolkit or the pip package nvidia-cuda-nvrtc-cu12 and add its folder to \
         the library path"
    )]
    NoCudaCompiler,
    /// The machine has no device with this number.
    #[error("{device} does not exist: this machine has {available}; use another --device")]
    NotFound {
        /// The requested device.
        device: Device,
        /// The available devices.
        available: String,
    },
}

impl DeviceError {
    /// Whether another device would mend it: true but for a program without any backend.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::NoBackend)
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<usize>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (name, number) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("ndarray", None) => Ok(Self::NdArray),
            ("wgpu", number) => Ok(Self::Wgpu(number)),
            ("cuda", number) => Ok(Self::Cuda(number.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(number)) => write!(f, "wgpu:{number}"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Device {
    /// The backends compiled into this program, by the names of their cargo features.
    #[must_use]
    pub fn compiled_in() -> Vec<&'static str> {
        [
            ("cpu", cfg!(feature = "cpu")),
            ("ndarray", cfg!(feature = "ndarray")),
            ("wgpu", cfg!(feature = "wgpu")),
            ("cuda", cfg!(feature = "cuda")),
        ]
        .into_iter()
        .filter_map(|(name, compiled)| compiled.then_some(name))
        .collect()
    }

    /// Turns `auto` into a device and checks that the device can be used.
    ///
    /// # Errors
    ///
    /// If the backend is not compiled in, or the machine lacks the driver or the device.
    pub fn select(self) -> Result<Self, DeviceError> {
        let compiled = |feature, is_compiled_in| {
            if is_compiled_in {
                Ok(())
            } else {
                Err(DeviceError::NotCompiledIn { feature })
            }
        };
        match self {
            Self::Auto => return Self::best(),
            Self::Cpu => compiled("cpu", cfg!(feature = "cpu"))?,
            Self::NdArray => compiled("ndarray", cfg!(feature = "ndarray"))?,
            #[cfg(feature = "wgpu")]
            Self::Wgpu(number) => drop(wgpu_adapter::find(number)?),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu(_) => compiled("wgpu", false)?,
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => cuda_driver::find(number)?,
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => compiled("cuda", false)?,
        }
        Ok(self)
    }

    fn best() -> Result<Self, DeviceError> {
        let hardware = [Self::Cuda(0), Self::Wgpu(None)];
        let found = hardware
            .into_iter()
            .find(|device| device.select().is_ok() && !device.is_software());
        let fallback = || {
            // A software adapter only if no other backend is compiled in.
            [Self::Cpu, Self::NdArray, Self::Wgpu(None)]
                .into_iter()
                .find(|device| device.select().is_ok())
        };
        match found.or_else(fallback) {
            Some(device) => Ok(device),
            // Report the error of the only backend.
            None if cfg!(feature = "wgpu") => Self::Wgpu(None).select(),
            None if cfg!(feature = "cuda") => Self::Cuda(0).select(),
            None => Err(DeviceError::NoBackend),
        }
    }

    /// Whether the network runs through a graphics interface, on a hardware or a software adapter.
    #[must_use]
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Wgpu(_) | Self::Cuda(_))
    }

    /// A description of the device: the adapter's name, or the processor.
    #[must_use]
    pub fn description(self) -> String {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu(number) => wgpu_adapter::find(number)
                .map_or_else(|error| error.to_string(), |adapter| adapter.description()),
            Self::Cpu => "burn-flex on the processor".to_owned(),
            Self::NdArray => "burn-ndarray on the processor".to_owned(),
            other => other.to_string(),
        }
    }

    fn is_software(self) -> bool {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu(number) => {
                wgpu_adapter::find(number).is_ok_and(|adapter| adapter.is_software())
            }
            _ => false,
        }
    }

    /// Runs `task` on the backend of this device.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    #[cfg_attr(
        not(any(
            feature = "cpu",
            feature = "ndarray",
            feature = "wgpu",
            feature = "cuda"
        )),
        allow(unused_variables)
    )]
    pub fn run<T: BackendTask>(self, task: T) -> Result<T::Output, DeviceError> {
        match self.select()? {
            #[cfg(feature = "cpu")]
            Self::Cpu => Ok(task.run::<burn_flex::Flex>(Default::default())),
            #[cfg(feature = "ndarray")]
            Self::NdArray => Ok(task.run::<burn_ndarray::NdArray>(Default::default())),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(number) => {
                Ok(task.run::<burn_wgpu::Wgpu>(wgpu_adapter::find(number)?.device()))
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => {
                Ok(task.run::<burn_cuda::Cuda>(burn_cuda::CudaDevice::new(number)))
            }
            #[allow(unreachable_patterns)]
            _ => Err(DeviceError::NoBackend),
        }
    }
}

#[cfg(feature = "wgpu")]
mod wgpu_adapter;

#[cfg(feature = "cuda")]
mod cuda_driver;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written() {
        for text in [
            "auto", "cpu", "ndarray", "wgpu", "wgpu:1", "cuda:0", "cuda:3",
        ] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["", "gpu", "cpu:0", "wgpu:", "cuda:x", "cuda:-1", "auto:1"] {
            assert!(
                matches!(text.parse::<Device>(), Err(DeviceError::Unknown(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_backend_that_is_not_compiled_in_names_its_feature() {
        let backends = [
            ("cpu", Device::Cpu),
            ("ndarray", Device::NdArray),
            ("wgpu", Device::Wgpu(None)),
            ("cuda", Device::Cuda(0)),
        ];
        for (feature, device) in backends {
            if Device::compiled_in().contains(&feature) {
                continue;
            }
            let message = device.select().unwrap_err().to_string();
            assert!(
                message.contains(&format!("--features {feature}")),
                "{message}"
            );
        }
    }

    #[test]
    fn graphics_devices_are_told_from_processors() {
        for (device, is_gpu) in [
            (Device::Cpu, false),
            (Device::NdArray, false),
            (Device::Wgpu(None), true),
            (Device::Cuda(1), true),
        ] {
            assert_eq!(device.is_gpu(), is_gpu, "{device}");
        }
    }

    #[test]
    fn a_missing_compiler_library_is_not_called_a_missing_driver() {
        let message = DeviceError::NoCudaCompiler.to_string();
        for part in ["libnvrtc", "CUDA toolkit", "nvidia-cuda-nvrtc-cu12"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("driver"), "{message}");
    }

    #[test]
    fn auto_becomes_a_device_that_can_be_used() {
        match Device::Auto.select() {
            Ok(device) => assert!(device != Device::Auto && device.select().is_ok()),
            // Only if the one backend compiled in needs a device that is missing.
            Err(error) => assert!(matches!(
                error,
                DeviceError::NoCudaDriver
                    | DeviceError::NoCudaCompiler
                    | DeviceError::NotFound { .. }
            )),
        }
    }
}
