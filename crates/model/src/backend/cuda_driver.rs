//! Checks for the NVIDIA driver and CUDA's compiler library: cudarc panics on a missing library.

use super::{Device, DeviceError};

/// Checks that the driver, the kernel compiler and the device with this number exist.
#[allow(
    unsafe_code,
    reason = "cudarc offers these questions only as unsafe functions"
)]
pub(super) fn find(number: usize) -> Result<(), DeviceError> {
    // SAFETY: loads a library of that name, as the next call into cudarc would, and calls nothing
    // in it.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return Err(DeviceError::NoCudaDriver);
    }
    // SAFETY: as for the driver's library.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        return Err(DeviceError::NoCudaCompiler);
    }
    let device = Device::Cuda(number);
    let count =
        cudarc::driver::CudaContext::device_count().map_err(|error| DeviceError::NotFound {
            device,
            available: format!("no usable NVIDIA GPU ({error})"),
        })?;
    match usize::try_from(count) {
        Ok(count) if number < count => Ok(()),
        _ => Err(DeviceError::NotFound {
            device,
            available: format!("{count} NVIDIA GPU(s)"),
        }),
    }
}
