//! The backends of `model`, each a cargo feature of the same name.

use clap::ValueEnum;

/// The backend that a task compiles in and uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// The processor, through burn's fast CPU backend.
    Cpu,
    /// The processor, through burn's older CPU backend.
    #[value(name = "ndarray")]
    NdArray,
    /// A graphics adapter through Vulkan, on macOS Metal; in CI a software one.
    Wgpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Backend {
    /// The name: of the feature, and of the device for `--device` of the programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::NdArray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_on_the_command_line_is_the_name_of_the_feature() {
        for &backend in Backend::value_variants() {
            let word = backend.to_possible_value().unwrap();
            assert_eq!(word.get_name(), backend.name());
        }
    }
}
