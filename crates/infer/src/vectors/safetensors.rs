//! The safetensors format. The header has room for any number of rows, which is known at the end.

use std::io::{self, Write};

/// The name of the one tensor.
pub(super) const TENSOR: &str = "embeddings";

/// Length of the JSON header. Spaces fill it, as the format allows; values start at a multiple of 8.
const HEADER_BYTES: usize = 248;

/// Writes the header of one `F32` tensor `[rows, width]`.
pub(super) fn write_header(out: &mut impl Write, rows: u64, width: usize) -> io::Result<()> {
    let end = u128::from(rows) * width as u128 * 4;
    let header = format!(
        "{{\"__metadata__\":{{\"format\":\"pt\"}},\"{TENSOR}\":{{\"dtype\":\"F32\",\"shape\":[{rows},{width}],\"data_offsets\":[0,{end}]}}}}"
    );
    out.write_all(&(HEADER_BYTES as u64).to_le_bytes())?;
    write!(out, "{header:<HEADER_BYTES$}")
}
