//! Files of vectors: written vectors are read again, and damage is an error.

use infer::vectors::{VectorFormat, VectorWriter, read_vectors};
use proptest::prelude::*;
use records::Row;

fn rows(count: usize) -> Vec<Row> {
    (1..=count)
        .map(|number| Row {
            line: number as u64,
            id: Some(format!("id {number}")),
            fields: vec![format!("text {number}")],
            ..Row::default()
        })
        .collect()
}

fn write(
    path: &std::path::Path,
    format: VectorFormat,
    width: usize,
    values: &[f32],
    with_ids: bool,
) {
    let rows = rows(values.len() / width);
    let mut writer = VectorWriter::create(path, format, width, with_ids).unwrap();
    // In two pieces, as windows come.
    let half = rows.len() / 2;
    writer
        .write(&rows[..half], &values[..half * width])
        .unwrap();
    writer
        .write(&rows[half..], &values[half * width..])
        .unwrap();
    assert_eq!(writer.finish().unwrap(), rows.len() as u64);
}

fn formats() -> impl Strategy<Value = VectorFormat> {
    prop::sample::select(VectorFormat::ALL.to_vec())
}

fn finite() -> impl Strategy<Value = f32> {
    use prop::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

/// Values of a few rows and their width.
fn matrix() -> impl Strategy<Value = (usize, Vec<f32>)> {
    (1usize..6, 0usize..6)
        .prop_flat_map(|(width, rows)| (Just(width), prop::collection::vec(finite(), width * rows)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_bit_of_a_vector_comes_back(format in formats(), (width, values) in matrix(), with_ids in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("v.{format}"));
        write(&path, format, width, &values, with_ids);
        let vectors = read_vectors(&path).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&vectors.values), bits(&values));
        // JSON Lines without a line has no width.
        if !(values.is_empty() && format == VectorFormat::Jsonl) {
            prop_assert_eq!(vectors.width, width);
        }
        let ids = (with_ids && !(values.is_empty() && format == VectorFormat::Jsonl))
            .then(|| rows(values.len() / width).into_iter().filter_map(|row| row.id).collect::<Vec<_>>());
        prop_assert_eq!(vectors.ids, ids);
    }

    #[test]
    fn damage_is_an_error_or_finite_vectors(
        format in formats(),
        (width, values) in matrix(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (folder, path) = written(format, width, &values);
        let damage = |bytes: &mut Vec<u8>| {
            if !bytes.is_empty() {
                for (index, byte) in changes {
                    let index = index.index(bytes.len());
                    bytes[index] = byte;
                }
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
            }
        };
        if format == VectorFormat::Pt {
            // Damage to the archive itself stops at its checksums.
            rewrite_entry(&path, "data.pkl", damage);
        } else {
            let mut bytes = std::fs::read(&path).unwrap();
            damage(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
        }
        if let Ok(vectors) = read_vectors(&path) {
            prop_assert!(vectors.values.iter().all(|value| value.is_finite()));
            prop_assert_eq!(vectors.values.len() % vectors.width.max(1), 0);
        }
        drop(folder);
    }

    #[test]
    fn a_damaged_archive_is_an_error_or_finite_vectors(
        (width, values) in matrix(),
        index in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (_folder, path) = written(VectorFormat::Pt, width, &values);
        let mut bytes = std::fs::read(&path).unwrap();
        let index = index.index(bytes.len());
        bytes[index] = byte;
        std::fs::write(&path, bytes).unwrap();
        if let Ok(vectors) = read_vectors(&path) {
            prop_assert!(vectors.values.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_refused(
        format in formats(),
        (width, mut values) in matrix(),
        index in any::<prop::sample::Index>(),
        wrong in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
    ) {
        prop_assume!(!values.is_empty());
        let index = index.index(values.len());
        values[index] = wrong;
        let (_folder, path) = written(format, width, &values);
        let message = read_vectors(&path).unwrap_err().to_string();
        if format == VectorFormat::Jsonl {
            // JSON has no such numbers: they are written as null.
            prop_assert!(message.contains("line "), "{}", message);
        } else {
            let place = format!("row {}, column {} holds {wrong}", index / width, index % width);
            prop_assert!(message.contains(&place), "{}", message);
        }
    }

    #[test]
    fn a_wrong_number_of_rows_is_refused((width, values) in matrix(), wrong in 0u64..1 << 40) {
        let rows = (values.len() / width) as u64;
        prop_assume!(wrong != rows);
        for format in [VectorFormat::Npy, VectorFormat::Safetensors] {
            let (_folder, path) = written(format, width, &values);
            let bytes = std::fs::read(&path).unwrap();
            let header = bytes.len() - values.len() * 4;
            let text = std::str::from_utf8(&bytes[10..header]).unwrap();
            let (before, after) = match format {
                VectorFormat::Npy => (format!("({rows}, "), format!("({wrong}, ")),
                _ => (format!("[{rows},"), format!("[{wrong},")),
            };
            prop_assert!(text.contains(&before), "{}", text);
            let length = text.len();
            let text = text.replacen(&before, &after, 1);
            // Spaces fill the header, so it keeps its length.
            let (text, spaces) = text.split_at(length);
            prop_assert!(spaces.trim().is_empty(), "{}", text);
            let text = if format == VectorFormat::Npy {
                format!("{}\n", &text[..length - 1])
            } else {
                text.to_owned()
            };
            let bytes = [&bytes[..10], text.as_bytes(), &bytes[header..]].concat();
            std::fs::write(&path, bytes).unwrap();
            prop_assert!(read_vectors(&path).is_err());
        }
    }
}

/// Replaces an entry of a zip archive, with the right checksum.
fn rewrite_entry(path: &std::path::Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    use std::io::{Cursor, Read, Write};
    let archive = std::fs::read(path).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut out = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut change = Some(change);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let entry_name = entry.name().unwrap().to_string();
        if entry_name.ends_with(name) {
            change.take().unwrap()(&mut bytes);
        }
        out.start_file(entry_name, options).unwrap();
        out.write_all(&bytes).unwrap();
    }
    out.finish().unwrap();
}

/// A file of vectors, and its folder.
fn written(
    format: VectorFormat,
    width: usize,
    values: &[f32],
) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("v.{format}"));
    write(&path, format, width, values, false);
    (folder, path)
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for format in VectorFormat::ALL {
        let path = folder.path().join(format!("v.{format}"));
        let mut writer = VectorWriter::create(&path, format, 2, true).unwrap();
        writer.write(&rows(1), &[1.0, 2.0]).unwrap();
        drop(writer);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn values_that_do_not_fit_their_rows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    let mut writer = VectorWriter::create(&path, VectorFormat::Npy, 2, false).unwrap();
    let error = writer.write(&rows(2), &[1.0, 2.0, 3.0]).unwrap_err();
    assert_eq!(error.to_string(), "3 values are not 2 vectors of width 2");
}

#[test]
fn problems_name_the_file_and_the_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, expected) in [
        ("a.npy", &b"\x93NUMPY"[..], "not a npy file"),
        (
            "a.safetensors",
            b"\x08\0\0\0\0\0\0\0{}      ",
            "none of them `embeddings`",
        ),
        ("a.pt", b"PK", "not a pt file"),
        (
            "a.jsonl",
            b"{\"embedding\":[1.0]}\n{\"embedding\":[1.0,2.0]}\n",
            "line 2: 2 values, but the first line has 1",
        ),
        (
            "b.jsonl",
            b"{\"embedding\":[1.0]}\n{}\n",
            "line 2: missing field `embedding`",
        ),
        ("a.txt", b"", "cannot tell the format"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let message = read_vectors(&path).unwrap_err().to_string();
        assert!(
            message.contains(name) && message.contains(expected),
            "{message}"
        );
    }
    let path = folder.path().join("n.npy");
    write(
        &path,
        VectorFormat::Npy,
        2,
        &[0.0, 1.0, f32::NAN, 3.0],
        false,
    );
    let message = read_vectors(&path).unwrap_err().to_string();
    assert!(message.contains("row 1, column 0 holds NaN"), "{message}");
}
