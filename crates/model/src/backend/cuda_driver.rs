//! Whether an NVIDIA driver and CUDA's compiler library are there. cudarc panics on a library that is
//! not, so it is asked first.

use super::{Device, DeviceError};

/// Makes sure that the driver, the kernel compiler and the device of that number are there.
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
    // SAFETY: as above.
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
