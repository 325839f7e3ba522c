//! The format of a file by its name and its content.

use serde::de::IgnoredAny;

use crate::delimited::sniff::plain_table;
use crate::error::ReadError;
use crate::format::Format;
use crate::input::{END_OF_DOS_FILE, Input};
use crate::json::replace_numbers;
use crate::options::{Delimiter, ReaderOptions};
use crate::source::Source;

/// How much of a file tells its format.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// The first and the last bytes of a Parquet file.
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// First bytes of files that are no rows, and the way out.
const FOREIGN: [(&[u8], &str); 9] = [
    (
        b"PK\x03\x04",
        "an Excel workbook or another zip archive; save the sheet as CSV",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel workbook; save the sheet as CSV",
    ),
    (b"%PDF", "a PDF file; export its rows as CSV"),
    (
        b"SQLite format 3",
        "a SQLite database; export a table as CSV",
    ),
    (b"ARROW1", "an Arrow file; save it as Parquet"),
    (b"Obj\x01", "an Avro file; save it as Parquet"),
    (b"ORC", "an ORC file; save it as Parquet"),
    (
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer; fetch the file itself with `git lfs pull`",
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
];

const BINARY: &str = "binary data, or UTF-16 without a byte order mark; for UTF-16 give --encoding utf-16le or utf-16be";
const MARKUP: &str = "HTML or XML; download the data itself, as CSV or JSON";

/// A content that the first bytes plainly show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Parquet,
    Json,
    JsonLines,
    Table(Delimiter),
    Empty,
    /// Any other text.
    Text,
}

/// A format, and why it is not the one of the name.
pub(crate) struct Recognised {
    pub(crate) format: Format,
    /// Whether the content told it, not the options or the name.
    pub(crate) by_content: bool,
    /// For lines: the other format that the content looks like.
    pub(crate) looks_like: Option<Format>,
}

/// The format of an opened file.
pub(crate) fn recognise(
    input: &mut Input,
    options: &ReaderOptions,
) -> Result<Recognised, ReadError> {
    let named = match &input.file {
        Source::Stdin => None,
        Source::File(path) => Format::from_path(path),
    };
    let file = input.file.clone();
    let head = input.look(HEAD_BYTES)?;
    let (content_is, foreign) = (content(head), foreign(head));
    let looks_like = other_than_lines(content_is, head);
    let given = options.format.or_else(|| {
        // Only a table has a delimiter.
        let any = matches!(named, None | Some(Format::Text | Format::Tsv));
        (options.delimiter.is_some() && any).then_some(Format::Csv)
    });
    let expected = given.or(named);
    let is_lines = expected == Some(Format::Text) || (named.is_none() && file == Source::Stdin);
    if let Some(content) = foreign.filter(|content| !is_lines || *content == BINARY)
        && expected != Some(Format::Parquet)
        && content_is != Content::Parquet
    {
        return Err(ReadError::ForeignContent { file, content });
    }
    let by_name = |format| {
        Ok(Recognised {
            format,
            by_content: false,
            looks_like: None,
        })
    };
    let by_content = |format| {
        Ok(Recognised {
            format,
            by_content: true,
            looks_like: None,
        })
    };
    let lines = || {
        Ok(Recognised {
            format: Format::Text,
            by_content: false,
            looks_like,
        })
    };
    match (expected, content_is) {
        (Some(format), _) if given.is_some() => by_name(format),
        (Some(Format::Text), _) => lines(),
        (Some(Format::Parquet), Content::Parquet) => by_name(Format::Parquet),
        (Some(Format::Jsonl | Format::Json), Content::JsonLines) => by_name(Format::Jsonl),
        (Some(Format::Json), Content::Json) => by_name(Format::Json),
        (Some(Format::Csv | Format::Tsv), Content::Table(_)) => {
            by_name_of_table(expected, content_is)
        }
        (_, Content::Parquet) => by_content(Format::Parquet),
        (_, Content::Json) => by_content(Format::Json),
        (_, Content::JsonLines) => by_content(Format::Jsonl),
        (
            Some(Format::Json | Format::Jsonl | Format::Parquet) | None,
            Content::Table(delimiter),
        ) if file != Source::Stdin => by_content(table_format(delimiter)),
        (Some(format), _) => by_name(format),
        (None, _) if file == Source::Stdin => lines(),
        (None, Content::Empty) => Err(ReadError::UnknownFormat {
            file,
            reason: "the file is empty, and its name does not tell the format",
        }),
        (None, _) => Err(ReadError::UnknownFormat {
            file,
            reason: "neither its name nor its content tells the format",
        }),
    }
}

/// A `.tsv` file without tabs that is plainly a table is one of another delimiter.
fn by_name_of_table(expected: Option<Format>, content: Content) -> Result<Recognised, ReadError> {
    let by_content = expected == Some(Format::Tsv)
        && matches!(content, Content::Table(Delimiter(delimiter)) if delimiter != b'\t');
    let format = if by_content {
        Some(Format::Csv)
    } else {
        expected
    };
    Ok(Recognised {
        format: format.unwrap_or(Format::Csv),
        by_content,
        looks_like: None,
    })
}

/// The format of a content that its name calls lines of text.
fn other_than_lines(content: Content, head: &[u8]) -> Option<Format> {
    let first_line = head.split(|byte| *byte == b'\n').next();
    match content {
        // Titles with a comma each are no table: names of columns seldom have a space after it.
        Content::Table(Delimiter(b',')) if first_line?.windows(2).any(|pair| pair == b", ") => None,
        Content::Json => Some(Format::Json),
        Content::JsonLines => Some(Format::Jsonl),
        Content::Table(delimiter) => Some(table_format(delimiter)),
        Content::Parquet | Content::Empty | Content::Text => None,
    }
}

fn table_format(delimiter: Delimiter) -> Format {
    if delimiter.0 == b'\t' {
        Format::Tsv
    } else {
        Format::Csv
    }
}

fn content(head: &[u8]) -> Content {
    let head = head.strip_suffix(END_OF_DOS_FILE).unwrap_or(head);
    let text = head.trim_ascii_start();
    let whole = head.len() < HEAD_BYTES;
    match text {
        [] => Content::Empty,
        [b'[', rest @ ..] if matches!(rest.trim_ascii_start().first(), Some(b'{' | b']')) => {
            Content::Json
        }
        [b'{', rest @ ..] => {
            // Within a longer object, a line with a whole one is indented.
            let lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
            let mut objects = lines.filter(|line| line.starts_with(b"{"));
            // A line that ends within an object is no row, but the next ones may be whole objects.
            let first = objects.clone().next().unwrap_or_default();
            let goes_on = matches!(
                first.trim_ascii_end().last(),
                Some(b'[' | b'{' | b',' | b':')
            );
            if !goes_on && objects.any(is_object) {
                Content::JsonLines
            } else if rest.trim_ascii_start().first() == Some(&b'"') {
                Content::Json
            } else {
                Content::Text
            }
        }
        _ if head.starts_with(PARQUET_MAGIC) && head.iter().any(|byte| *byte < b'\t') => {
            Content::Parquet
        }
        _ => plain_table(head, whole).map_or(Content::Text, |delimiter| {
            Content::Table(Delimiter(delimiter))
        }),
    }
}

fn is_object(line: &[u8]) -> bool {
    let mut line = line.to_vec();
    replace_numbers(&mut line);
    serde_json::from_slice::<IgnoredAny>(&line).is_ok()
}

/// The name of a content that is no rows.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let known = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, content)) = known {
        return Some(content);
    }
    let start = head.trim_ascii_start();
    let start = start.get(..start.len().min(16)).unwrap_or_default();
    let start = start.to_ascii_lowercase();
    let markup: [&[u8]; 3] = [b"<!doctype", b"<html", b"<?xml"];
    if markup.iter().any(|magic| start.starts_with(magic)) {
        return Some(MARKUP);
    }
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    (zeros > head.len() / 10).then_some(BINARY)
}
