//! safetensors, with room in the header for a number of rows that is known only at the end.

use std::io::{self, Write};

/// The name of the one tensor.
pub(super) const TENSOR: &str = "embeddings";

/// Length of the JSON header: spaces fill it, as the format allows, and values start at a multiple
/// of 8.
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
