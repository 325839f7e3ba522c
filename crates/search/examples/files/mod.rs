//! The files that examples read.

use std::error::Error;

/// The lines behind the header, in fields between tabs.
pub(crate) fn records<const FIELDS: usize>(
    path: &str,
) -> Result<Vec<[String; FIELDS]>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let fields = |line: &str| {
        let fields: Vec<String> = line.splitn(FIELDS, '\t').map(str::to_owned).collect();
        <[String; FIELDS]>::try_from(fields)
            .map_err(|_| format!("{path}: '{line}' does not have {FIELDS} fields").into())
    };
    text.lines().skip(1).map(fields).collect()
}

/// The values of a file of float32 in rows, and their width.
pub(crate) fn npy(path: &str) -> Result<(Vec<f32>, usize), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let wrong = || format!("{path}: this is not an .npy file (version 1) of float32 in rows");
    let length = bytes.get(8..10).ok_or_else(wrong)?;
    let start = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let header = std::str::from_utf8(bytes.get(10..start).ok_or_else(wrong)?)?;
    if !header.contains("'<f4'") || !header.contains("'fortran_order': False") {
        return Err(wrong().into());
    }
    let shape = header.split(['(', ')']).nth(1).ok_or_else(wrong)?;
    let width = shape.split(',').nth(1).ok_or_else(wrong)?.trim().parse()?;
    let (values, _) = bytes[start..].as_chunks();
    Ok((
        values
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect(),
        width,
    ))
}
