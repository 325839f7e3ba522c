//! Files of vectors: what is written is read, what is damaged is an error.

use infer::vectors::{VectorFormat, VectorWriter, read_vectors};
use proptest::prelude::*;
use records::Row;

fn records(count: usize) -> Vec<Row> {
    (1..=count)
        .map(|number| Row {
            line: number as u64,
            id: Some(format!("id {number}")),
            fields: vec![format!("text {number}")],
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
    let records = records(values.len() / width);
    let mut writer = VectorWriter::create(path, format, width, with_ids).unwrap();
    // In two pieces, as windows come.
    let half = records.len() / 2;
    writer
        .write(&records[..half], &values[..half * width])
        .unwrap();
    writer
        .write(&records[half..], &values[half * width..])
        .unwrap();
    assert_eq!(writer.finish().unwrap(), records.len() as u64);
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
        // JSON Lines without a line says nothing about a width.
        if !(values.is_empty() && format == VectorFormat::Jsonl) {
            prop_assert_eq!(vectors.width, width);
        }
        let ids = (with_ids && !(values.is_empty() && format == VectorFormat::Jsonl))
            .then(|| records(values.len() / width).into_iter().filter_map(|record| record.id).collect::<Vec<_>>());
        prop_assert_eq!(vectors.ids, ids);
    }

    #[test]
    fn damage_is_an_error_or_finite_vectors(
        format in formats(),
        (width, values) in matrix(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("v.{format}"));
        write(&path, format, width, &values, false);
        let mut bytes = std::fs::read(&path).unwrap();
        if !bytes.is_empty() {
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        }
        std::fs::write(&path, bytes).unwrap();
        if let Ok(vectors) = read_vectors(&path) {
            prop_assert!(vectors.values.iter().all(|value| value.is_finite()));
            prop_assert_eq!(vectors.values.len() % vectors.width.max(1), 0);
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_finite_vectors(format in formats(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("v.{format}"));
        std::fs::write(&path, bytes).unwrap();
        if let Ok(vectors) = read_vectors(&path) {
            prop_assert!(vectors.values.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for format in VectorFormat::ALL {
        let path = folder.path().join(format!("v.{format}"));
        let mut writer = VectorWriter::create(&path, format, 2, true).unwrap();
        writer.write(&records(1), &[1.0, 2.0]).unwrap();
        drop(writer);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn values_that_do_not_fit_their_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    let mut writer = VectorWriter::create(&path, VectorFormat::Npy, 2, false).unwrap();
    let error = writer.write(&records(2), &[1.0, 2.0, 3.0]).unwrap_err();
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
            "line 2: 2 values where the first line has 1",
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
