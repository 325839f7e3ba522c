//! NumPy's `.npy`: writes version 1.0 of the format, and reads 1.0 to 3.0.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::VectorError;
use super::error::{malformed, not_vectors};
use super::values::{Element, Matrix, Vectors, read_matrix};

/// Length of a written header, magic included. The header is written twice, because the number of
/// rows is known at the end. NumPy aligns to 64 bytes; 128 bytes have room for two numbers of 20
/// digits.
const HEADER_BYTES: usize = 128;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The most bytes of a header that is read. NumPy refuses headers of more than 10,000 bytes.
const MAX_HEADER_BYTES: usize = 10_000;

/// Writes the header of an array `[rows, width]` of elements of the type `descr`, in NumPy's words.
pub(super) fn write_header(
    out: &mut impl Write,
    descr: &str,
    rows: u64,
    width: usize,
) -> io::Result<()> {
    let description =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    let length = HEADER_BYTES - MAGIC.len() - 4;
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{description:<width$}", width = length - 1)
}

/// What a header says of the values that follow it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The element type in NumPy's words, such as `<f4`; the whole list of a structured type.
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
    /// Length of the header in bytes, magic included.
    pub(super) bytes: u64,
}

/// Reads a header, which ends where the values begin.
pub(super) fn read_header(reader: &mut impl Read) -> Result<Header, HeaderError> {
    let mut start = [0; 8];
    read_exactly(reader, &mut start)?;
    if !start.starts_with(MAGIC) {
        return Err("it does not begin with the magic bytes of NumPy".into());
    }
    let mut length = [0; 4];
    let length_bytes = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(format!("version {version} of the format is unknown").into()),
    };
    read_exactly(reader, &mut length[..length_bytes])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(format!("its header of {length} bytes is too long").into());
    }
    let mut text = vec![0; length];
    read_exactly(reader, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    let key = |name: &str| value_of(&text, name).ok_or_else(|| format!("its header has no {name}"));
    let shape = key("shape")?;
    let shape = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'));
    let numbers = shape.map_or("?", |(inside, _)| inside).split(',');
    let shape: Option<Vec<u64>> = numbers
        .map(str::trim)
        .filter(|number| !number.is_empty())
        .map(|number| number.parse().ok())
        .collect();
    let fortran_order = match key("fortran_order")? {
        value if value.starts_with("False") => false,
        value if value.starts_with("True") => true,
        _ => return Err("its header has a fortran_order that is neither True nor False".into()),
    };
    let descr = key("descr")?;
    let name = descr
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''));
    Ok(Header {
        descr: name.map_or(descr, |(name, _)| name).to_owned(),
        fortran_order,
        shape: shape.ok_or("its header has a shape that is not a list of numbers")?,
        bytes: (start.len() + length_bytes + length) as u64,
    })
}

/// The rest of the dictionary after the key `name`.
fn value_of<'a>(dictionary: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = dictionary.split_once(&format!("'{name}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn read_exactly(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), HeaderError> {
    reader
        .read_exact(bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends within its header".into(),
            _ => HeaderError::Io(error),
        })
}

/// Why a header cannot be read.
#[derive(Debug)]
pub(super) enum HeaderError {
    Io(io::Error),
    Malformed(String),
}

impl From<&str> for HeaderError {
    fn from(reason: &str) -> Self {
        Self::Malformed(reason.to_owned())
    }
}

impl From<String> for HeaderError {
    fn from(reason: String) -> Self {
        Self::Malformed(reason)
    }
}

/// Reads an array of a floating-point type, or of the given type only.
pub(super) fn read_npy(path: &Path, only: Option<&str>) -> Result<Vectors, VectorError> {
    let io = VectorError::io(path);
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::new(file);
    let header = read_header(&mut reader).map_err(|error| match error {
        HeaderError::Io(error) => io(error),
        HeaderError::Malformed(reason) => malformed(path, "npy", reason),
    })?;
    let element = match header.descr.as_str() {
        descr if only.is_some_and(|only| only != descr) => None,
        "<f2" => Some(Element::F16),
        "<f4" => Some(Element::F32),
        "<f8" => Some(Element::F64),
        _ => None,
    };
    let (&[rows, width], Some(element), false) =
        (header.shape.as_slice(), element, header.fortran_order)
    else {
        let order = if header.fortran_order { "Fortran" } else { "C" };
        let of_embed = match header.descr.as_str() {
            "|i1" => ", as --output-type i8 and binary write it",
            "|u1" => ", as --output-type u8 and ubinary write it",
            _ => "",
        };
        let found = format!(
            "{} {:?} in {order} order{of_embed}",
            header.descr, header.shape
        );
        return Err(not_vectors(path, found));
    };
    let matrix = Matrix {
        rows,
        width,
        element,
        available: size.saturating_sub(header.bytes),
    };
    Ok(Vectors {
        values: read_matrix(path, matrix, reader)?,
        width: width as usize,
        ..Vectors::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u8, text: &str) -> Result<Header, String> {
        let length = text.len() as u32;
        let length = &length.to_le_bytes()[..if version == 1 { 2 } else { 4 }];
        let bytes = [MAGIC, &[version, 0], length, text.as_bytes()].concat();
        read_header(&mut bytes.as_slice()).map_err(|error| match error {
            HeaderError::Malformed(reason) => reason,
            HeaderError::Io(error) => panic!("{error}"),
        })
    }

    #[test]
    fn headers_of_every_version_are_read() {
        for version in 1..=3 {
            let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 768), }   \n";
            let header = read(version, text).unwrap();
            assert_eq!(
                (header.descr.as_str(), header.fortran_order),
                ("<f4", false)
            );
            assert_eq!(header.shape, [3, 768]);
        }
        let text = "{'shape':(7,),'fortran_order':True,'descr':[('a', '<f4')]}";
        let header = read(1, text).unwrap();
        assert!(header.fortran_order && header.descr.starts_with("[('a'"));
        assert_eq!(header.shape, [7]);
        let scalar = read(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}");
        assert!(scalar.unwrap().shape.is_empty());
    }

    #[test]
    fn a_written_header_is_read_and_ends_at_a_multiple_of_64() {
        let mut bytes = Vec::new();
        write_header(&mut bytes, "<f2", u64::MAX, usize::MAX).unwrap();
        assert_eq!(bytes.len() % 64, 0);
        let header = read_header(&mut bytes.as_slice()).unwrap();
        assert_eq!(header.bytes, bytes.len() as u64);
        assert_eq!(header.shape, [u64::MAX, usize::MAX as u64]);
    }

    #[test]
    fn a_damaged_header_is_an_error() {
        for (version, text, expected) in [
            (4, "", "version 4"),
            (1, "{}", "no shape"),
            (
                1,
                "{'shape': 3, 'fortran_order': False, 'descr': '<f4'}",
                "not a list of numbers",
            ),
            (1, "{'shape': (3, x)}", "no fortran_order"),
            (
                1,
                "{'shape': (3, -1), 'fortran_order': False, 'descr': '<f4'}",
                "not a list",
            ),
            (
                1,
                "{'shape': (3,), 'fortran_order': 0}",
                "neither True nor False",
            ),
            (1, "{'shape': (3,), 'fortran_order': False}", "no descr"),
            (2, &"x".repeat(20_000), "too long"),
        ] {
            let error = read(version, text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
