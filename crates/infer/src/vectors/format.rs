//! How a file of vectors is written.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

/// How a file of vectors is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VectorFormat {
    /// A NumPy array.
    Npy,
    /// A safetensors file.
    Safetensors,
    /// A PyTorch tensor.
    Pt,
    /// JSON lines.
    Jsonl,
}

impl VectorFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Npy, Self::Safetensors, Self::Pt, Self::Jsonl];

    /// Its name, which is its ending too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Safetensors => "safetensors",
            Self::Pt => "pt",
            Self::Jsonl => "jsonl",
        }
    }

    /// By the ending of a file name.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        Self::ALL.into_iter().find(|format| format.name() == ending)
    }
}

impl fmt::Display for VectorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
