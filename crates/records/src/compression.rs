//! Compressed files, recognised by their first bytes.

use std::fmt;
use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

/// A compression of whole files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, also of several members.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

/// Endings of compressed files.
const ENDINGS: [&str; 7] = [".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".bgz"];

/// Number of first bytes that tell a compression.
pub(crate) const MAGIC_BYTES: usize = 10;

impl Compression {
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or one to skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            // The first block, or the end of an empty file: a text may begin with "BZh".
            [
                b'B',
                b'Z',
                b'h',
                b'1'..=b'9',
                0x31,
                0x41,
                0x59,
                0x26,
                0x53,
                0x59,
                ..,
            ]
            | [
                b'B',
                b'Z',
                b'h',
                b'1'..=b'9',
                0x17,
                0x72,
                0x45,
                0x38,
                0x50,
                0x90,
                ..,
            ] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// A lower-case file name without the ending of a compression.
    pub(crate) fn strip_ending(name: &str) -> &str {
        ENDINGS
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(name)
    }

    pub(crate) fn reader(
        self,
        bytes: impl BufRead + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(GzipMembers(Some(GzDecoder::new(bytes)))),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(bytes)),
            Self::Xz => Box::new(GuardedXz(XzReader::new(bytes, true))),
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// Members one after the other, then zeros: tapes and some object stores pad files with them.
struct GzipMembers<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.0.take().map(GzDecoder::into_inner) else {
                break;
            };
            if skip_zeros(&mut rest)? {
                self.0 = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Skips zeros; `false` at the end of the file.
fn skip_zeros(bytes: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = bytes.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let ended = zeros < buffer.len();
        bytes.consume(zeros);
        if ended {
            return Ok(true);
        }
    }
}

/// The decoder of xz panics on some damaged files.
struct GuardedXz<R: Read>(XzReader<R>);

impl<R: Read> Read for GuardedXz<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        guard::caught(|| self.0.read(buffer))
            .unwrap_or_else(|panic| Err(io::Error::new(io::ErrorKind::InvalidData, panic)))
    }
}
