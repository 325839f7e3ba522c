//! Compression and encodings.

use std::io::Write;

use records::{ReaderOptions, RowReader, Source};

use crate::{Folder, columns, gzip, open, stream, texts};

const CSV: &str = "id,title\n1,café kettle\n2,mug\n";

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

/// `id,title\n1,kettle\n2,mug\n`, by the programs of the same name.
const BZIP2: &[u8] = &[
    66, 90, 104, 57, 49, 65, 89, 38, 83, 89, 37, 136, 104, 27, 0, 0, 6, 217, 128, 0, 16, 0, 4, 48,
    0, 6, 174, 6, 0, 32, 0, 49, 0, 208, 0, 212, 209, 178, 141, 54, 132, 41, 40, 142, 208, 167, 46,
    224, 64, 91, 183, 130, 238, 72, 167, 10, 18, 4, 177, 13, 3, 96,
];
const XZ: &[u8] = &[
    253, 55, 122, 88, 90, 0, 0, 4, 230, 214, 180, 70, 2, 0, 33, 1, 22, 0, 0, 0, 116, 47, 229, 163,
    1, 0, 23, 105, 100, 44, 116, 105, 116, 108, 101, 10, 49, 44, 107, 101, 116, 116, 108, 101, 10,
    50, 44, 109, 117, 103, 10, 0, 139, 181, 151, 168, 72, 202, 20, 76, 0, 1, 48, 24, 142, 27, 172,
    236, 31, 182, 243, 125, 1, 0, 0, 0, 0, 4, 89, 90,
];

#[test]
fn compression_is_known_by_its_first_bytes() {
    for name in ["p.csv", "p.csv.gz", "p.csv.zst", "products"] {
        for content in [
            gzip(CSV.as_bytes()),
            zstd(CSV.as_bytes()),
            CSV.as_bytes().to_vec(),
        ] {
            let expected = ["café kettle", "mug"];
            assert_eq!(
                texts(name, &content, &columns(&["title"])),
                expected,
                "{name}"
            );
        }
    }
    for content in [BZIP2, XZ] {
        assert_eq!(
            texts("p.csv", content, &columns(&["title"])),
            ["kettle", "mug"]
        );
        let twice = [content, content].concat();
        let read = open("p.csv", twice, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["kettle", "mug", "title", "kettle", "mug"]);
    }
    let csv = ReaderOptions {
        format: Some("csv".parse().unwrap()),
        ..columns(&["title"])
    };
    assert_eq!(stream(zstd(CSV.as_bytes()), &csv).unwrap().texts().len(), 2);
    // A text is none of them.
    assert_eq!(
        texts("p.txt", "BZh9 bearing\n", &columns(&[])),
        ["BZh9 bearing"]
    );
}

#[test]
fn members_of_gzip_follow_one_another_and_zeros_pad_it() {
    let (head, tail) = CSV.as_bytes().split_at(20);
    let zeros = vec![0; 70_000];
    let members = [gzip(head), gzip(tail)];
    for content in [
        members.concat(),
        [members.concat(), zeros.clone()].concat(),
        [
            members[0].clone(),
            zeros[..512].to_vec(),
            members[1].clone(),
        ]
        .concat(),
    ] {
        let read = texts("p.csv.gz", content, &columns(&["title"]));
        assert_eq!(read, ["café kettle", "mug"]);
    }
    let frames = [zstd(head), zstd(tail)].concat();
    assert_eq!(texts("p.csv", frames, &columns(&["title"])).len(), 2);
}

#[test]
fn damaged_and_cut_data_is_an_error_behind_the_good_rows() {
    let many: String = (0..100_000_u32)
        .map(|row| format!("{row},{}\n", row.wrapping_mul(2_654_435_761)))
        .collect();
    let many = format!("id,title\n{many}");
    for (compression, content) in [
        ("gzip", gzip(many.as_bytes())),
        ("zstd", zstd(many.as_bytes())),
        ("bzip2", BZIP2.to_vec()),
        ("xz", XZ.to_vec()),
        (
            "gzip",
            [gzip(many.as_bytes()), b"rubbish".to_vec()].concat(),
        ),
    ] {
        let mut cut = content.clone();
        if !content.ends_with(b"rubbish") {
            cut.truncate(content.len() - content.len() / 5);
        }
        let error = match open("p.csv", cut, &columns(&["title"])) {
            Ok(read) => read.errors.into_iter().next().unwrap(),
            Err(error) => error,
        };
        let expected = format!("the {compression} data is damaged or cut short");
        assert!(error.contains(&expected), "{error}");
        let mut damaged = content;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        // Any end but a panic and a file that is taken for whole.
        let read = open("p.csv", damaged, &columns(&["title"]));
        assert!(read.is_err_and(|_| true) || compression == "gzip" || compression == "zstd");
    }
}

/// F23.
#[test]
fn a_byte_order_mark_tells_the_encoding() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    };
    let utf32 = |text: &str, bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
        text.chars()
            .flat_map(|letter| bytes(u32::from(letter)))
            .collect()
    };
    let text = "\u{feff}id\ttitle\r\n1\tcafé 😀\r\n2\t\"24\"\" mug\"\r\n";
    for content in [
        text.as_bytes().to_vec(),
        utf16(text, u16::to_le_bytes),
        utf16(text, u16::to_be_bytes),
        utf32(text, u32::to_le_bytes),
        utf32(text, u32::to_be_bytes),
        gzip(&utf16(text, u16::to_le_bytes)),
    ] {
        let read = open("p.tsv", content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["café 😀", "24\" mug"]);
        assert_eq!(read.lines(), [2, 3]);
    }
    // Half a character spoils its row.
    let mut half = utf16("\u{feff}a\nb\u{d7ff}\nc\n", u16::to_le_bytes);
    half[9] = 0xd8;
    let read = open("p.txt", half, &columns(&[])).unwrap();
    assert_eq!(read.texts(), ["a", "c"]);
    assert_eq!(
        read.errors,
        ["p.txt, line 2: not UTF-16LE; give another --encoding"]
    );
}

#[test]
fn a_named_encoding_is_that_of_files_without_a_mark() {
    let options = ReaderOptions {
        encoding: Some("latin1".parse().unwrap()),
        ..columns(&["title"])
    };
    let content = b"id;title\n1;caf\xe9 24\x93\n";
    assert_eq!(texts("p.csv", content, &options), ["café 24“"]);
    assert_eq!(texts("p.csv", "\u{feff}id,title\n1,é\n", &options), ["é"]);
    let read = open("p.csv", content, &columns(&["title"])).unwrap();
    assert_eq!(
        read.errors,
        ["p.csv, line 2: not UTF-8 at byte 14; is it --encoding windows-1252?"]
    );
    let read = open("p.txt", b"a\nb\xff\n", &columns(&[])).unwrap();
    assert_eq!(
        read.errors,
        ["p.txt, line 2: not UTF-8 at byte 3; is it --encoding windows-1252?"]
    );
}

#[test]
fn a_pipe_can_be_read_once() {
    let folder = Folder::new();
    let source = folder.file("p.csv", CSV);
    assert!(
        RowReader::open(&source, &columns(&["title"]))
            .unwrap()
            .can_be_read_again()
    );
    assert!(!Source::Stdin.is_regular_file());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"").unwrap();
    let empty = encoder.finish().unwrap();
    assert_eq!(texts("p.txt.gz", empty, &columns(&[])), [""; 0]);
}

#[test]
fn the_end_of_a_file_of_dos_is_no_row() {
    for (name, content, column) in [
        ("p.csv", "id,title\r\n1,kettle\r\n\u{1a}", Some("title")),
        ("p.tsv", "id\ttitle\r\n1\tkettle\r\n\u{1a}", Some("title")),
        ("p", "id;title\r\n1;kettle\r\n\u{1a}", Some("title")),
        ("p.csv", "title\r\nkettle\r\n\u{1a}", None),
        ("p.txt", "kettle\r\n\u{1a}", None),
        ("p.jsonl", "{\"title\":\"kettle\"}\r\n\u{1a}", Some("title")),
        (
            "p.json",
            "[{\"title\":\"kettle\"}]\r\n\u{1a}",
            Some("title"),
        ),
    ] {
        let read = texts(name, content, &columns(&Vec::from_iter(column)));
        assert_eq!(read, ["kettle"], "{name}");
    }
    // Elsewhere it is text.
    assert_eq!(texts("p.txt", "\u{1a}\na", &columns(&[])), ["\u{1a}", "a"]);
}
