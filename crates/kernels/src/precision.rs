//! How exactly the weights are kept.

use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;

/// How many bits of each weight are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// All 32: vectors as PyTorch's, within 1e-5. (With a matrix unit, 17 significant bits: see
    /// [`cpu`](crate::cpu).)
    #[default]
    Float32,
    /// 16, as IEEE 754 has them (sign, 5 bits of exponent, 10 of the fraction: at most 65,504), for
    /// weights and activations, on a graphics processor: see [`sixteen_bits`](crate::half_precision).
    Float16,
    /// The upper 16 (sign, exponent, 7 of the 23 bits of the fraction), in half the memory; all
    /// sums stay in float32. On a processor that multiplies such numbers (AVX512-BF16 of AMD, a matrix unit) what goes into a
    /// dense layer and into attention's products is rounded as well; on a graphics processor all activations are, as in [`Float16`](Self::Float16).
    Bfloat16,
    /// Whole numbers of 8, with a scale for every output of a dense layer, in a quarter of the
    /// memory; the layers' inputs are rounded to 8 bits too, with a scale for every token. A processor that
    /// multiplies bfloat16 rounds what goes into attention's products to it.
    Int8,
}

impl Precision {
    /// The numbers that tensors of this precision hold; none where the weights have to be packed.
    #[must_use]
    pub fn element_type(self) -> Option<FloatDType> {
        match self {
            Self::Float32 => Some(FloatDType::F32),
            Self::Float16 => Some(FloatDType::F16),
            Self::Bfloat16 => Some(FloatDType::BF16),
            Self::Int8 => None,
        }
    }
}

/// A word that is no precision.
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
