//! The numbers of written vectors: those of `quantize_embeddings(precision=…)` of
//! sentence-transformers 5.7.

use half::f16;

use super::{OutputType, Ranges};

impl OutputType {
    /// Appends the numbers of vectors, little-endian. `values` is row-major `[rows, width]`.
    pub(super) fn append(
        self,
        values: &[f32],
        width: usize,
        ranges: Option<&Ranges>,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::F32 => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::F16 => out.extend(
                values
                    .iter()
                    .flat_map(|value| f16::from_f32(*value).to_le_bytes()),
            ),
            Self::I8 | Self::U8 => {
                let start = out.len();
                if let Some(ranges) = ranges {
                    for vector in values.chunks_exact(width) {
                        out.extend(ranges.steps(vector));
                    }
                }
                self.shift(&mut out[start..]);
            }
            Self::Binary | Self::Ubinary => {
                let start = out.len();
                for vector in values.chunks_exact(width) {
                    out.extend(vector.chunks(8).map(bits));
                }
                self.shift(&mut out[start..]);
            }
        }
    }

    /// Signed integers are the unsigned ones minus 128.
    fn shift(self, bytes: &mut [u8]) {
        if matches!(self, Self::I8 | Self::Binary) {
            for byte in bytes {
                *byte = byte.wrapping_sub(128);
            }
        }
    }
}

/// A bit per value, the first is the highest.
fn bits(values: &[f32]) -> u8 {
    let bit = |(index, value): (usize, &f32)| u8::from(*value > 0.0) << (7 - index);
    values.iter().enumerate().map(bit).sum()
}
