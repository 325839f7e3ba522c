//! The options of the model and its device. Each command takes those that it uses.

use clap::Args;
use model::Device;
use model::threads::ThreadCount;

use super::at_least_one;
use crate::precision::PrecisionChoice;

/// The model and its device, for commands that embed texts.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// The model.
    #[command(flatten)]
    pub hub: HubArgs,
    /// Truncate texts to N tokens [default: the model's maximum length].
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Model")]
    pub max_length: Option<usize>,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Limit a batch to N tokens, padding included.
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Device")]
    pub batch_tokens: Option<usize>,
}

/// The model, and how it is found.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct HubArgs {
    /// Use this model: a name on the Hugging Face hub, `static` for the small model that comes with mpnet-burn, or a
    /// folder [default: that of the index, else sentence-transformers/all-mpnet-base-v2].
    #[arg(
        long,
        value_name = "NAME|DIR",
        env = "MPNET_BURN_MODEL",
        hide_env_values = true
    )]
    pub model: Option<String>,
    /// Take this branch, tag or commit of the model on the hub.
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Download nothing, as HF_HUB_OFFLINE=1 does.
    #[arg(long)]
    pub offline: bool,
}

impl HubArgs {
    /// The name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(model::hub::DEFAULT_MODEL)
    }
}

/// The device, and how it computes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Device")]
pub struct DeviceArgs {
    /// Compute on auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N; --version lists the backends.
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        env = "MPNET_BURN_DEVICE",
        hide_env_values = true
    )]
    pub device: Device,
    /// Compute in f32, bf16, int8 (CPU only), f16 (GPU only) or the precision of the model's file
    /// (auto).
    ///
    /// bf16 and f16 take half the memory, int8 a quarter, and they are faster where the device
    /// multiplies them. int8 changes vectors the most: compare the hits on your own products first.
    #[arg(long, value_name = "PRECISION", default_value = "auto")]
    pub precision: PrecisionChoice,
    /// Compute with N threads on the CPU [default: RAYON_NUM_THREADS, else the number of physical
    /// cores].
    #[arg(
        long,
        value_name = "N",
        env = "MPNET_BURN_THREADS",
        hide_env_values = true
    )]
    pub threads: Option<ThreadCount>,
}
