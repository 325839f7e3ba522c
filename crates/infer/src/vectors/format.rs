//! The formats of a file of vectors.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

/// The format of a file of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VectorFormat {
    /// Apache Parquet: ids, texts and vectors as columns.
    Parquet,
    /// safetensors file.
    Safetensors,
    /// NumPy array.
    Npy,
    /// PyTorch tensor.
    Pt,
    /// JSON Lines: one JSON object per line.
    Jsonl,
}

impl VectorFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [
        Self::Parquet,
        Self::Safetensors,
        Self::Npy,
        Self::Pt,
        Self::Jsonl,
    ];

    /// Its name, which is also the ending of its files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Pt => "pt",
            Self::Jsonl => "jsonl",
        }
    }

    /// The format that the ending of a file name tells.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        Self::ALL.into_iter().find(|format| format.name() == ending)
    }

    /// Whether ids are in the file itself; else they are beside it.
    #[must_use]
    pub fn keeps_ids(self) -> bool {
        !matches!(self, Self::Npy | Self::Pt)
    }

    /// Whether the texts are in the file.
    #[must_use]
    pub fn keeps_texts(self) -> bool {
        matches!(self, Self::Parquet | Self::Jsonl)
    }
}

impl fmt::Display for VectorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
