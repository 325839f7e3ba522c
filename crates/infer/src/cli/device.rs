//! The options of the model and its device, which most commands have.

use clap::Args;
use model::Device;
use model::threads::ThreadCount;

use crate::precision::PrecisionChoice;

/// The model and its device.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Use this model: a name on the Hugging Face hub, or a folder.
    #[arg(long, global = true, value_name = "NAME|DIR", default_value = model::hub::DEFAULT_MODEL)]
    pub model: String,
    /// Take this branch, tag or commit of the model on the hub.
    #[arg(long, global = true, value_name = "REV")]
    pub revision: Option<String>,
    /// Download nothing, as HF_HUB_OFFLINE=1 does.
    #[arg(long, global = true)]
    pub offline: bool,
    /// Compute on auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N; --version lists the backends.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,
    /// Compute in f32, bf16, int8 (CPU only), f16 (GPU only) or the precision of the model's file
    /// (auto).
    ///
    /// bf16 and f16 take half the memory, int8 a quarter, and they are faster where the device
    /// multiplies them. int8 changes vectors the most: compare the hits on your own products first.
    #[arg(long, global = true, value_name = "PRECISION", default_value = "auto")]
    pub precision: PrecisionChoice,
    /// Compute with N threads on the CPU [default: RAYON_NUM_THREADS, else the number of physical
    /// cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<ThreadCount>,
    /// Limit a batch to N tokens, padding included.
    #[arg(long, global = true, value_name = "N")]
    pub batch_tokens: Option<usize>,
    /// Truncate texts to N tokens [default: the model's maximum length].
    #[arg(long, global = true, value_name = "N")]
    pub max_length: Option<usize>,
}
