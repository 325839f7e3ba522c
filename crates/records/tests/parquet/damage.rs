//! Files that are no Parquet, or no longer.

use std::io::{Cursor, Write};

use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use records::{Format, ReadError, ReaderOptions, RowReader, Source};

use crate::writer::{Values, Written, file, options, write};

fn sound() -> Written {
    let texts = ["kettle", "pan", "kettle", "bottle"].map(Some);
    let values = || {
        vec![
            Values::texts(&texts),
            Values::Int32(vec![Some(1), None, Some(3), Some(4)]),
            Values::Double(vec![Some(0.5), Some(1.0), None, Some(2.0)]),
        ]
    };
    write(
        "required binary text (UTF8); optional int32 n; optional double score;",
        Compression::SNAPPY,
        &[values(), values()],
    )
}

fn error(file: &Written) -> ReadError {
    match RowReader::open(&file.source, &ReaderOptions::default()) {
        Ok(reader) => reader
            .map(|record| record.err())
            .find_map(|error| error)
            .unwrap(),
        Err(error) => error,
    }
}

#[test]
fn parquet_comes_from_plain_files_only() {
    let named = ReaderOptions {
        format: Some(Format::Parquet),
        ..ReaderOptions::default()
    };
    let open = |source: &Source| RowReader::open(source, &named).err().unwrap();
    let bytes = std::fs::read(sound().path()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let gzipped = file("rows.parquet.gz", &gzip.finish().unwrap());
    for error in [
        open(&Source::Stdin),
        open(&gzipped.source),
        RowReader::from_reader(&Source::Stdin, Cursor::new(bytes), &named)
            .err()
            .unwrap(),
    ] {
        assert!(
            matches!(error, ReadError::ParquetNotPlainFile { .. }),
            "{error}"
        );
    }
    assert_eq!(
        open(&Source::Stdin).to_string(),
        "standard input: Parquet is read from its end, so it cannot come from standard input or \
         a pipe, nor be compressed as a whole; save it as a plain file"
    );
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused_before_it_is_read() {
    let named = ReaderOptions {
        format: Some(Format::Parquet),
        ..ReaderOptions::default()
    };
    let zeros = Source::File("/dev/zero".into());
    let error = RowReader::open(&zeros, &named).err().unwrap();
    assert!(
        matches!(error, ReadError::ParquetNotPlainFile { .. }),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_system() {
    let missing = sound().folder.path().join("missing.parquet");
    let error = RowReader::open(&Source::File(missing), &ReaderOptions::default());
    assert!(matches!(error, Err(ReadError::Io { .. })));
}

#[test]
fn a_file_of_another_format_or_cut_short_is_no_parquet() {
    let bytes = std::fs::read(sound().path()).unwrap();
    for content in [
        &b""[..],
        b"PAR1",
        b"kettle\npan\n",
        &bytes[..bytes.len() - 1],
        &bytes[..bytes.len() / 2],
    ] {
        let file = file("rows.parquet", content);
        let error = error(&file);
        assert!(matches!(error, ReadError::NotParquet { .. }), "{error}");
        let message = file.message(&error);
        assert!(
            message.starts_with("rows.parquet: not a Parquet file, or a damaged one ("),
            "{message}"
        );
    }
}

#[test]
fn damaged_pages_end_the_reading_at_their_row() {
    let sound = sound();
    let mut bytes = std::fs::read(sound.path()).unwrap();
    // The first page follows the four bytes that every Parquet file starts with.
    bytes[4..40].fill(0xff);
    std::fs::write(sound.path(), bytes).unwrap();
    let skipping = ReaderOptions {
        skip_bad_rows: true,
        ..ReaderOptions::default()
    };
    let mut reader = RowReader::open(&sound.source, &skipping).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert!(
        matches!(error, ReadError::ParquetData { row: 1, .. }),
        "{error}"
    );
    let message = sound.message(&error);
    assert!(
        message.starts_with(
            "rows.parquet, row 1: the Parquet data is damaged or of an unsupported kind ("
        ),
        "{message}"
    );
    assert!(reader.next().is_none(), "no row of it can be trusted");
}

#[test]
fn a_text_that_is_not_utf8_spoils_its_row_only() {
    let long = vec![b'\xff'; 10_000];
    let file = write(
        "required binary text (UTF8);",
        Compression::UNCOMPRESSED,
        &[vec![Values::Bytes(vec![
            Some(b"kettle".to_vec()),
            Some(long),
            Some(b"pan".to_vec()),
        ])]],
    );
    let error = error(&file);
    assert!(matches!(error, ReadError::Row { line: 2, .. }), "{error}");
    let skipping = ReaderOptions {
        skip_bad_rows: true,
        ..ReaderOptions::default()
    };
    let reader = RowReader::open(&file.source, &skipping).unwrap();
    let texts: Vec<String> = reader.map(|row| row.unwrap().text()).collect();
    assert_eq!(texts, ["kettle", "pan"]);
}

/// The rows of a sound page before a damaged one are read.
#[test]
fn rows_before_the_damage_are_read() {
    let sound = sound();
    let mut bytes = std::fs::read(sound.path()).unwrap();
    let file = std::fs::File::open(sound.path()).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let (start, length) = reader.metadata().row_group(1).column(0).byte_range();
    let pages = usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap();
    bytes[pages].fill(0xff);
    std::fs::write(sound.path(), bytes).unwrap();
    let mut reader = RowReader::open(&sound.source, &options(&["text"], None)).unwrap();
    let good = reader.by_ref().take_while(Result::is_ok).count();
    assert_eq!(good, 4);
    assert!(reader.next().is_none());
}

/// Reads a damaged file in a process of its own: the panic hook belongs to the process.
#[test]
fn damage_is_reported_once() {
    const NAME: &str = "MPNET_BURN_TEST_DAMAGED";
    if let Some(path) = std::env::var_os(NAME) {
        // As the programs do.
        guard::keep_guarded_panics_quiet();
        let source = Source::File(path.into());
        match RowReader::open(&source, &ReaderOptions::default()) {
            Ok(reader) => reader.for_each(|row| drop(row.err())),
            Err(error) => drop(error),
        }
        return;
    }
    let sound = sound();
    let bytes = std::fs::read(sound.path()).unwrap();
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    for (place, byte) in [(4, 0xff), (10, 0x7f), (bytes.len() - 8 - footer + 20, 0xff)] {
        let mut damaged = bytes.clone();
        damaged[place] = byte;
        let file = file("rows.parquet", &damaged);
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "damage::damage_is_reported_once", "--nocapture"])
            .env(NAME, file.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("panicked"),
            "{said}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_panic_and_no_endless_file_on_damaged_bytes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        skip_bad_rows in any::<bool>(),
    ) {
        thread_local! {
            static SOUND: (Written, Vec<u8>) = {
                let sound = sound();
                let bytes = std::fs::read(sound.path()).unwrap();
                (sound, bytes)
            };
        }
        SOUND.with(|(file, sound)| {
            let mut bytes = sound.clone();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(cut) = cut {
                bytes.remove(cut.index(bytes.len()));
            }
            std::fs::write(file.path(), &bytes).unwrap();
            let options = ReaderOptions { skip_bad_rows, ..ReaderOptions::default() };
            if let Ok(reader) = RowReader::open_every_scalar(&file.source, &options) {
                // The pages of eight rows, however many the directory claims, and an error.
                assert!(reader.take(100).count() < 100);
            }
        });
    }
}
