//! The precision of weights and products.

use std::fmt;
use std::str::FromStr;

/// The precision in which weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// float32: vectors equal PyTorch's within 1e-5. (On AMX, 17 significant bits: see [this crate](crate).)
    #[default]
    Float32,
    /// float16 of IEEE 754 (sign, 5 bits of exponent, 10 of the fraction: at most 65,504), for weights and activations, on a
    /// GPU.
    Float16,
    /// bfloat16, the upper half of a float32 (sign, exponent, 7 bits of the fraction), in half the memory. All sums stay
    /// float32.
    ///
    /// A CPU with bfloat16 products (AVX512-BF16 of AMD, AMX) also rounds the inputs of linear layers and of attention's
    /// products. On a GPU all activations are bfloat16, as in [`Float16`](Self::Float16).
    Bfloat16,
    /// int8 with a scale for every output of a linear layer, in a quarter of the memory.
    ///
    /// The inputs of linear layers are quantized to 8 bits as well, with a scale and a zero point for every token. A CPU
    /// with bfloat16 products rounds the factors of attention's products to bfloat16.
    Int8,
}

/// A word that names no precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPrecision(String);

impl fmt::Display for UnknownPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a precision; choose auto, f32, f16, bf16 or int8",
            self.0
        )
    }
}

impl std::error::Error for UnknownPrecision {}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        match text {
            "f32" => Ok(Self::Float32),
            "f16" => Ok(Self::Float16),
            "bf16" => Ok(Self::Bfloat16),
            "int8" => Ok(Self::Int8),
            _ => Err(UnknownPrecision(text.to_owned())),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "f32",
            Self::Float16 => "f16",
            Self::Bfloat16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_read_and_written() {
        for precision in [
            Precision::Float32,
            Precision::Float16,
            Precision::Bfloat16,
            Precision::Int8,
        ] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let message = "int4".parse::<Precision>().unwrap_err().to_string();
        assert!(
            message.contains("`int4`") && message.contains("f16, bf16"),
            "{message}"
        );
    }
}
