//! Lists the graphics adapters: burn-wgpu panics on a missing one.

use std::sync::OnceLock;

use burn_wgpu::WgpuDevice;
use wgpu::{AdapterInfo, DeviceType};

use super::{Device, DeviceError};

/// An adapter and its name in burn-wgpu.
pub(super) struct Adapter {
    info: AdapterInfo,
    device: WgpuDevice,
}

/// The adapter with this number in the order of the system, or the fastest.
pub(super) fn find(number: Option<usize>) -> Result<&'static Adapter, DeviceError> {
    // Listing takes a while, and the list stays the same.
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    let adapters = ADAPTERS.get_or_init(list);
    let available = match adapters.len() {
        0 => "no adapter for Vulkan or Metal".to_owned(),
        count => format!(
            "{count} ({})",
            adapters
                .iter()
                .map(Adapter::description)
                .collect::<Vec<_>>()
                .join("; ")
        ),
    };
    let found = match number {
        Some(number) => adapters.get(number),
        None => adapters
            .iter()
            .min_by_key(|adapter| slowness(adapter.info.device_type)),
    };
    found.ok_or(DeviceError::NotFound {
        device: Device::Wgpu(number),
        available,
    })
}

fn list() -> Vec<Adapter> {
    // The graphics interface that burn-wgpu uses on this system.
    let backends = if cfg!(target_os = "macos") {
        wgpu::Backends::METAL
    } else {
        wgpu::Backends::VULKAN
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters: Vec<Adapter> = Vec::new();
    for adapter in pollster::block_on(instance.enumerate_adapters(backends)) {
        let info = adapter.get_info();
        // burn-wgpu counts within a kind.
        let index = adapters
            .iter()
            .filter(|earlier| earlier.info.device_type == info.device_type)
            .count();
        let device = match info.device_type {
            DeviceType::DiscreteGpu => WgpuDevice::DiscreteGpu(index),
            DeviceType::IntegratedGpu => WgpuDevice::IntegratedGpu(index),
            DeviceType::VirtualGpu => WgpuDevice::VirtualGpu(index),
            DeviceType::Cpu => WgpuDevice::Cpu,
            DeviceType::Other => WgpuDevice::DefaultDevice,
        };
        adapters.push(Adapter { info, device });
    }
    adapters
}

fn slowness(device_type: DeviceType) -> u8 {
    match device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

impl Adapter {
    pub(super) fn device(&self) -> WgpuDevice {
        self.device.clone()
    }

    pub(super) fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    pub(super) fn description(&self) -> String {
        let software = if self.is_software() {
            ", in software"
        } else {
            ""
        };
        format!("{} through {}{software}", self.info.name, self.info.backend)
    }
}
