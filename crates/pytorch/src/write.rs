//! Writes a file of one matrix as `torch.save` does, row by row.

use std::io::{self, Seek, SeekFrom, Write};

use crate::tensor::Dtype;

/// torch maps storages into memory, and wants them aligned.
const ALIGNMENT: u64 = 64;

/// Version 4.5 of the format has zip64.
const ZIP_VERSION: u16 = 45;
const FLAG_UTF8: u16 = 1 << 11;
/// 1980-01-01, the first day of the format: equal matrices give equal files.
const DATE: u16 = 1 << 5 | 1;
const IN_ZIP64: u32 = u32::MAX;
const ZIP64_TAG: u16 = 1;
/// The field that torch pads entries with: "FB" in the order of its bytes.
const PADDING_TAG: u16 = 0x4246;

/// Bytes before checksum and lengths in a local header.
const CHECKSUM_AT: u64 = 14;
const LOCAL_HEADER_BYTES: u64 = 30;
const LOCAL_ZIP64_BYTES: u64 = 20;
const FIELD_HEADER_BYTES: u64 = 4;

/// A file of one matrix. It takes the elements through [`Write`], row-major and little-endian.
///
/// The number of rows may be unknown at first: [`finish`](Self::finish) writes the lengths.
pub struct TensorWriter<W> {
    out: W,
    folder: String,
    dtype: Dtype,
    entries: Vec<Entry>,
    crc: crc32fast::Hasher,
    /// Bytes of elements so far.
    bytes: u64,
    /// Position behind everything written.
    position: u64,
}

/// An entry for the directory.
struct Entry {
    name: String,
    header: u64,
    crc: u32,
    bytes: u64,
}

impl<W: Write + Seek> TensorWriter<W> {
    /// Starts a file at the start of `out`. `name` is the folder in the archive; torch takes the file's name without
    /// its ending.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn new(out: W, name: &str, dtype: Dtype) -> io::Result<Self> {
        // The length of a name is a field of two bytes.
        const MAX_NAME: usize = 255;
        let fits = !name.is_empty() && name.len() <= MAX_NAME;
        let mut writer = Self {
            out,
            folder: if fits { name } else { "archive" }.to_owned(),
            dtype,
            entries: Vec::new(),
            crc: crc32fast::Hasher::new(),
            bytes: 0,
            position: 0,
        };
        writer.start_entry("data/0", 0, 0)?;
        Ok(writer)
    }

    /// Completes the file: a tensor `[rows, width]` of all elements written.
    ///
    /// # Errors
    ///
    /// When the elements are not as many, or `out` cannot be written.
    pub fn finish(mut self, rows: u64, width: u64) -> io::Result<W> {
        let expected = u128::from(rows) * u128::from(width) * self.dtype.bytes() as u128;
        if expected != self.bytes.into() {
            let text = format!("{} bytes are not {rows} rows of width {width}", self.bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.complete_values()?;
        let pickle = pickle(self.dtype, rows, width);
        let small: [(&str, &[u8]); 3] = [
            ("data.pkl", &pickle),
            ("byteorder", b"little"),
            ("version", b"3\n"),
        ];
        for (name, content) in small {
            let bytes = content.len() as u64;
            self.start_entry(name, crc32fast::hash(content), bytes)?;
            self.put(content)?;
        }
        self.directory()?;
        Ok(self.out)
    }

    /// Writes a local header with padding, and notes the entry.
    fn start_entry(&mut self, name: &str, crc: u32, bytes: u64) -> io::Result<()> {
        let name = format!("{}/{name}", self.folder);
        let header = self.position;
        let fixed = LOCAL_HEADER_BYTES + name.len() as u64 + LOCAL_ZIP64_BYTES + FIELD_HEADER_BYTES;
        let padding = (header + fixed).next_multiple_of(ALIGNMENT) - (header + fixed);
        let extra = LOCAL_ZIP64_BYTES + FIELD_HEADER_BYTES + padding;

        let mut local = b"PK\x03\x04".to_vec();
        put16(&mut local, &[ZIP_VERSION, FLAG_UTF8, 0, 0, DATE]);
        put32(&mut local, &[crc, IN_ZIP64, IN_ZIP64]);
        // Both lengths are small.
        put16(&mut local, &[name.len() as u16, extra as u16]);
        local.extend(name.bytes());
        put16(&mut local, &[ZIP64_TAG, 16]);
        put64(&mut local, &[bytes, bytes]);
        put16(&mut local, &[PADDING_TAG, padding as u16]);
        local.resize(local.len() + padding as usize, b'Z');
        self.put(&local)?;
        self.entries.push(Entry {
            name,
            header,
            crc,
            bytes,
        });
        Ok(())
    }

    /// Writes checksum and length of the elements into their header.
    fn complete_values(&mut self) -> io::Result<()> {
        let Some(values) = self.entries.first_mut() else {
            return Ok(());
        };
        values.crc = std::mem::take(&mut self.crc).finalize();
        values.bytes = self.bytes;
        let zip64_at = LOCAL_HEADER_BYTES + values.name.len() as u64 + FIELD_HEADER_BYTES;
        let mut lengths = Vec::new();
        put64(&mut lengths, &[values.bytes, values.bytes]);
        self.out
            .seek(SeekFrom::Start(values.header + CHECKSUM_AT))?;
        self.out.write_all(&values.crc.to_le_bytes())?;
        self.out.seek(SeekFrom::Start(values.header + zip64_at))?;
        self.out.write_all(&lengths)?;
        self.out.seek(SeekFrom::Start(self.position))?;
        Ok(())
    }

    fn directory(&mut self) -> io::Result<()> {
        let start = self.position;
        let mut out = Vec::new();
        for entry in &self.entries {
            out.extend(b"PK\x01\x02");
            put16(&mut out, &[ZIP_VERSION, ZIP_VERSION, FLAG_UTF8, 0, 0, DATE]);
            put32(&mut out, &[entry.crc, IN_ZIP64, IN_ZIP64]);
            // Name, extra fields, no comment, disk, attributes.
            put16(&mut out, &[entry.name.len() as u16, 28, 0, 0, 0]);
            put32(&mut out, &[0, IN_ZIP64]);
            out.extend(entry.name.bytes());
            put16(&mut out, &[ZIP64_TAG, 24]);
            put64(&mut out, &[entry.bytes, entry.bytes, entry.header]);
        }
        let (bytes, entries) = (out.len() as u64, self.entries.len() as u64);
        out.extend(b"PK\x06\x06");
        put64(&mut out, &[44]);
        put16(&mut out, &[ZIP_VERSION, ZIP_VERSION]);
        put32(&mut out, &[0, 0]);
        put64(&mut out, &[entries, entries, bytes, start]);
        out.extend(b"PK\x06\x07");
        put32(&mut out, &[0]);
        put64(&mut out, &[start + bytes]);
        put32(&mut out, &[1]);
        out.extend(b"PK\x05\x06");
        put16(&mut out, &[0, 0, entries as u16, entries as u16]);
        put32(&mut out, &[bytes as u32, IN_ZIP64]);
        put16(&mut out, &[0]);
        self.put(&out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write + Seek> Write for TensorWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.bytes += written as u64;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put64(out: &mut Vec<u8>, values: &[u64]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// `torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, OrderedDict())`.
fn pickle(dtype: Dtype, rows: u64, width: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(b"\x80\x02"); // protocol 2
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n");
    out.extend(b"((");
    text(&mut out, "storage");
    out.extend(format!("ctorch\n{}\n", dtype.storage()).bytes());
    text(&mut out, "0");
    text(&mut out, "cpu");
    integer(&mut out, rows * width);
    out.extend(b"tQ"); // the persistent storage
    integer(&mut out, 0);
    integer(&mut out, rows);
    integer(&mut out, width);
    out.push(b'\x86'); // shape, a pair
    integer(&mut out, width);
    integer(&mut out, 1);
    out.push(b'\x86'); // stride, a pair
    out.push(b'\x89'); // requires_grad: False
    out.extend(b"ccollections\nOrderedDict\n)R"); // backward hooks: an empty OrderedDict
    out.extend(b"tR."); // the tensor
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
}

fn integer(out: &mut Vec<u8>, value: u64) {
    if let Ok(small) = i32::try_from(value) {
        out.push(b'J');
        out.extend(small.to_le_bytes());
    } else {
        // LONG1 is in two's complement: the ninth byte keeps the value positive.
        out.extend(b"\x8a\x09");
        out.extend(value.to_le_bytes());
        out.push(0);
    }
}
