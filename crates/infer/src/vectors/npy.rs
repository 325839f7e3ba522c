//! NumPy's `.npy`, version 1.0 of its format.

use std::io::{self, Write};

/// Length of the header, magic included. The header is written twice, because the number of rows is
/// known at the end. NumPy aligns to 64 bytes; 128 bytes have room for two numbers of 20 digits.
const HEADER_BYTES: usize = 128;

/// Writes the header of an array `[rows, width]` of little-endian `f32`.
pub(super) fn write_header(out: &mut impl Write, rows: u64, width: usize) -> io::Result<()> {
    let magic = b"\x93NUMPY\x01\x00";
    let description =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    let length = HEADER_BYTES - magic.len() - 2;
    out.write_all(magic)?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{description:<width$}", width = length - 1)
}
