//! The element types of written vectors.

use std::fmt;

use clap::ValueEnum;

/// The element type of written vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputType {
    /// 32-bit floating-point numbers
    #[default]
    #[value(alias = "float32")]
    F32,
    /// 16-bit floating-point numbers
    #[value(alias = "float16")]
    F16,
    /// Integers from -128 to 127: each dimension has 256 steps between its smallest and largest value
    #[value(name = "i8", alias = "int8")]
    I8,
    /// The same integers, plus 128
    #[value(name = "u8", alias = "uint8")]
    U8,
    /// One bit per dimension, 1 above zero: eight of them per integer from -128 to 127
    Binary,
    /// The same bits as integers from 0 to 255
    Ubinary,
}

impl OutputType {
    /// Whether each dimension needs its smallest and largest value.
    #[must_use]
    pub fn needs_ranges(self) -> bool {
        matches!(self, Self::I8 | Self::U8)
    }

    /// How many numbers a vector of `width` dimensions has.
    #[must_use]
    pub fn numbers(self, width: usize) -> usize {
        match self {
            Self::Binary | Self::Ubinary => width.div_ceil(8),
            _ => width,
        }
    }

    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            _ => 1,
        }
    }

    /// The name that sentence-transformers gives it.
    #[must_use]
    pub fn sentence_transformers(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::Binary => "binary",
            Self::Ubinary => "ubinary",
        }
    }

    /// The type in NumPy's words.
    pub(super) fn numpy(self) -> &'static str {
        match self {
            Self::F32 => "<f4",
            Self::F16 => "<f2",
            Self::I8 | Self::Binary => "|i1",
            Self::U8 | Self::Ubinary => "|u1",
        }
    }

    /// The type in the words of safetensors.
    pub(super) fn safetensors(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::I8 | Self::Binary => "I8",
            Self::U8 | Self::Ubinary => "U8",
        }
    }
}

impl fmt::Display for OutputType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Binary => "binary",
            Self::Ubinary => "ubinary",
        })
    }
}
