//! Text encodings: byte order marks, names, and the way to UTF-8.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str::FromStr;

use encoding_rs::{DecoderResult, UTF_8, UTF_16BE, UTF_16LE};

/// A byte that UTF-8 never has. It takes the place of bytes that cannot be decoded, so that only a
/// row whose text they belong to is bad.
const UNDECODABLE: u8 = 0xff;

const BUFFER_BYTES: usize = 64 << 10;

/// A text encoding: one that browsers know, or UTF-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Web(&'static encoding_rs::Encoding),
    Utf32 { big_endian: bool },
}

impl Encoding {
    /// UTF-8, which every file has unless it says otherwise.
    pub const UTF_8: Self = Self(Kind::Web(UTF_8));

    /// The encoding that a byte order mark names, and the length of the mark in bytes.
    pub(crate) fn of_mark(head: &[u8]) -> Option<(Self, usize)> {
        let utf32 = |big_endian| Self(Kind::Utf32 { big_endian });
        // UTF-32 comes first: its mark begins like that of UTF-16.
        let marks: [(&[u8], Self); 5] = [
            (b"\xff\xfe\0\0", utf32(false)),
            (b"\0\0\xfe\xff", utf32(true)),
            (b"\xef\xbb\xbf", Self::UTF_8),
            (b"\xff\xfe", Self(Kind::Web(UTF_16LE))),
            (b"\xfe\xff", Self(Kind::Web(UTF_16BE))),
        ];
        marks
            .into_iter()
            .find(|(mark, _)| head.starts_with(mark))
            .map(|(mark, encoding)| (encoding, mark.len()))
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Self::UTF_8
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self.0 {
            Kind::Web(encoding) => encoding.name(),
            Kind::Utf32 { big_endian: false } => "UTF-32LE",
            Kind::Utf32 { big_endian: true } => "UTF-32BE",
        })
    }
}

/// A word that is not the name of an encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no encoding `{0}`; there are utf-8, utf-16le, utf-16be, utf-32le, utf-32be, windows-1252, iso-8859-15, shift_jis, gb18030 and the other encodings of web pages"
)]
pub struct UnknownEncoding(pub String);

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    /// By any name that web pages use, and by Python's spellings such as `latin-1` and `utf-8-sig`.
    fn from_str(word: &str) -> Result<Self, UnknownEncoding> {
        let plain: String = word
            .chars()
            .filter(|letter| !matches!(letter, '-' | '_' | ' '))
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        let utf32 = |big_endian| Ok(Self(Kind::Utf32 { big_endian }));
        match plain.as_str() {
            "utf32" | "utf32le" => return utf32(false),
            "utf32be" => return utf32(true),
            "utf8sig" => return Ok(Self::UTF_8),
            _ => {}
        }
        encoding_rs::Encoding::for_label(word.as_bytes())
            .or_else(|| encoding_rs::Encoding::for_label(plain.as_bytes()))
            // A "replacement" encoding reads nothing but one error.
            .filter(|encoding| *encoding != encoding_rs::REPLACEMENT)
            .map(|encoding| Self(Kind::Web(encoding)))
            .ok_or_else(|| UnknownEncoding(word.to_owned()))
    }
}

/// Reads bytes of another encoding as UTF-8; see [`UNDECODABLE`].
pub(crate) struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    decoded: Vec<u8>,
    taken: usize,
    ended: bool,
}

enum Decoder {
    Web(encoding_rs::Decoder),
    Utf32 { big_endian: bool, unit: Vec<u8> },
}

impl<R: BufRead> Decoded<R> {
    pub(crate) fn new(inner: R, encoding: Encoding) -> Self {
        let decoder = match encoding.0 {
            // The mark is handled before.
            Kind::Web(encoding) => Decoder::Web(encoding.new_decoder_without_bom_handling()),
            Kind::Utf32 { big_endian } => Decoder::Utf32 {
                big_endian,
                unit: Vec::new(),
            },
        };
        Self {
            inner,
            decoder,
            decoded: Vec::new(),
            taken: 0,
            ended: false,
        }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        let bytes = self.inner.fill_buf()?;
        let last = bytes.is_empty();
        self.taken = 0;
        self.decoded.clear();
        let read = match &mut self.decoder {
            Decoder::Web(decoder) => {
                self.decoded.resize(BUFFER_BYTES, 0);
                let (result, read, written) =
                    decoder.decode_to_utf8_without_replacement(bytes, &mut self.decoded, last);
                self.decoded.truncate(written);
                match result {
                    DecoderResult::InputEmpty => self.ended = last,
                    DecoderResult::OutputFull => {}
                    DecoderResult::Malformed(..) => self.decoded.push(UNDECODABLE),
                }
                read
            }
            Decoder::Utf32 { big_endian, unit } => {
                for &byte in bytes {
                    unit.push(byte);
                    if let [a, b, c, d] = unit[..] {
                        let unit_bytes = [a, b, c, d];
                        let code = if *big_endian {
                            u32::from_be_bytes(unit_bytes)
                        } else {
                            u32::from_le_bytes(unit_bytes)
                        };
                        match char::from_u32(code) {
                            Some(letter) => self
                                .decoded
                                .extend(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                            None => self.decoded.push(UNDECODABLE),
                        }
                        unit.clear();
                    }
                }
                if last && !unit.is_empty() {
                    self.decoded.push(UNDECODABLE);
                }
                self.ended = last;
                bytes.len()
            }
        };
        self.inner.consume(read);
        Ok(())
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.decoded.len() && !self.ended {
            self.decode_more()?;
        }
        let rest = self.decoded.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], encoding: &str) -> Vec<u8> {
        let mut reader = Decoded::new(bytes, encoding.parse().unwrap());
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn bytes_of_every_encoding_become_utf8() {
        for (bytes, encoding) in [
            (&b"caf\xe9 \x80"[..], "windows-1252"),
            (b"caf\xe9 \x80", "latin-1"),
            (b"c\0a\0f\0\xe9\0 \0\xac\x20", "utf-16"),
            (b"\0c\0a\0f\0\xe9\0 \x20\xac", "UTF-16BE"),
            (
                b"c\0\0\0a\0\0\0f\0\0\0\xe9\0\0\0 \0\0\0\xac\x20\0\0",
                "utf_32",
            ),
            ("café €".as_bytes(), "utf-8-sig"),
        ] {
            assert_eq!(decoded(bytes, encoding), "café €".as_bytes(), "{encoding}");
        }
    }

    #[test]
    fn bytes_that_mean_nothing_never_become_text() {
        for (bytes, encoding) in [
            (&b"a\0\x3d\xd8b\0"[..], "utf-16le"),
            (b"a\0b\0c", "utf-16le"),
            (b"a\0\0\0\0\xd8\0\0b\0\0\0", "utf-32le"),
            (b"a\0\0\0b\0", "utf-32le"),
            (b"a\x81", "shift_jis"),
        ] {
            assert!(str::from_utf8(&decoded(bytes, encoding)).is_err());
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_some_that_are_known() {
        let error = "klingon".parse::<Encoding>().unwrap_err().to_string();
        assert!(error.contains("`klingon`") && error.contains("windows-1252"));
        assert!("hz-gb-2312".parse::<Encoding>().is_err());
    }
}
