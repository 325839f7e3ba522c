//! Files of vectors: written vectors are read again, and damage is an error.

use infer::vectors::{
    FileForm, OneWindow, OutputType, Ranges, VectorError, VectorFormat, Windows, read_vectors,
    write_vectors,
};
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

/// Some rows in two windows.
struct Halves<'a> {
    rows: Vec<Row>,
    values: &'a [f32],
    width: usize,
}

impl Windows for Halves<'_> {
    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&[Row], &[f32]) -> Result<(), VectorError>,
    ) -> Result<(), VectorError> {
        let half = self.rows.len() / 2;
        let (first, second) = self.values.split_at(half * self.width);
        take(&self.rows[..half], first)?;
        take(&self.rows[half..], second)
    }
}

fn write(
    path: &std::path::Path,
    format: VectorFormat,
    width: usize,
    values: &[f32],
    with_ids: bool,
) {
    let rows = rows(values.len() / width);
    let count = rows.len() as u64;
    let mut form = FileForm::new(format, width);
    form.with_ids = with_ids;
    let mut halves = Halves {
        rows,
        values,
        width,
    };
    assert_eq!(write_vectors(path, &form, &mut halves).unwrap(), count);
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
            let bytes = if format == VectorFormat::Npy {
                let text = std::str::from_utf8(&bytes[10..header]).unwrap();
                let changed = text.replacen(&format!("({rows}, "), &format!("({wrong}, "), 1);
                prop_assert!(changed != text, "{}", text);
                // Spaces fill the header, so it keeps its length.
                let (changed, spaces) = changed.split_at(text.len() - 1);
                prop_assert!(spaces.trim().is_empty(), "{}", text);
                [&bytes[..10], changed.as_bytes(), b"\n", &bytes[header..]].concat()
            } else {
                let text = std::str::from_utf8(&bytes[8..header]).unwrap();
                let changed = text.replacen(&format!("[{rows},"), &format!("[{wrong},"), 1);
                prop_assert!(changed != text, "{}", text);
                let length = (changed.len() as u64).to_le_bytes();
                [&length[..], changed.as_bytes(), &bytes[header..]].concat()
            };
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

/// A window, and then an error, as when the disk of the journal fails.
struct Failing;

impl Windows for Failing {
    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&[Row], &[f32]) -> Result<(), VectorError>,
    ) -> Result<(), VectorError> {
        take(&rows(1), &[1.0, 2.0])?;
        OneWindow::new(&[], &[1.0], 2).map(|_| ())
    }
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    for format in VectorFormat::ALL {
        let path = folder.path().join(format!("v.{format}"));
        std::fs::write(&path, "old").unwrap();
        let mut form = FileForm::new(format, 2);
        form.with_ids = true;
        write_vectors(&path, &form, &mut Failing).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, VectorFormat::ALL.len());
}

#[test]
fn values_that_do_not_fit_their_rows_are_refused() {
    let error = OneWindow::new(&rows(2), &[1.0, 2.0, 3.0], 2).unwrap_err();
    assert_eq!(error.to_string(), "3 values are not 2 vectors of width 2");
}

#[test]
fn parquet_does_not_depend_on_the_windows() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(9000);
    let values: Vec<f32> = (0..9000 * 3).map(|value| value as f32).collect();
    let mut form = FileForm::new(VectorFormat::Parquet, 3);
    form.with_ids = true;
    let write = |name: &str, windows: &mut dyn Windows| {
        let path = folder.path().join(name);
        write_vectors(&path, &form, windows).unwrap();
        std::fs::read(path).unwrap()
    };
    let one = write(
        "one.parquet",
        &mut OneWindow::new(&rows, &values, 3).unwrap(),
    );
    let mut halves = Halves {
        rows: rows[..].to_vec(),
        values: &values,
        width: 3,
    };
    assert_eq!(one, write("two.parquet", &mut halves));
    assert_eq!(
        read_vectors(&folder.path().join("one.parquet"))
            .unwrap()
            .values,
        values
    );
}

/// The values come from `tests/python/quantize.py`.
#[test]
fn numbers_of_other_types_are_those_of_sentence_transformers() {
    let fixture = include_str!("../fixtures/quantized.json");
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    let width = fixture["width"].as_u64().unwrap() as usize;
    let numbers = |key: &str| -> Vec<f64> {
        let numbers = fixture[key].as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect()
    };
    let floats = |key: &str| -> Vec<f32> {
        numbers(key)
            .into_iter()
            .map(|number| number as f32)
            .collect()
    };
    let values = floats("values");
    let rows = rows(values.len() / width);
    let folder = tempfile::tempdir().unwrap();
    let mut own = Ranges::of_width(width);
    own.include(&values);
    let path = folder.path().join("ranges.npy");
    write(&path, VectorFormat::Npy, width, &floats("ranges"), false);
    let narrow = Ranges::read(&path, width).unwrap();
    for (key, output_type, ranges) in [
        ("int8", OutputType::I8, Some(&own)),
        ("uint8", OutputType::U8, Some(&own)),
        ("int8_narrow", OutputType::I8, Some(&narrow)),
        ("uint8_narrow", OutputType::U8, Some(&narrow)),
        ("binary", OutputType::Binary, None),
        ("ubinary", OutputType::Ubinary, None),
        ("float16", OutputType::F16, None),
    ] {
        let path = folder.path().join("v.npy");
        let mut form = FileForm::new(VectorFormat::Npy, width);
        form.output_type = output_type;
        form.ranges = ranges.cloned();
        let mut window = OneWindow::new(&rows, &values, width).unwrap();
        write_vectors(&path, &form, &mut window).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let found: Vec<f64> = match output_type {
            OutputType::F16 => {
                let pairs = bytes[128..].as_chunks::<2>().0.iter();
                pairs
                    .map(|pair| f64::from(u16::from_le_bytes(*pair)))
                    .collect()
            }
            OutputType::I8 | OutputType::Binary => bytes[128..]
                .iter()
                .map(|byte| f64::from(*byte as i8))
                .collect(),
            _ => bytes[128..].iter().map(|byte| f64::from(*byte)).collect(),
        };
        assert_eq!(found, numbers(key), "{key}");
    }
}

#[test]
fn ranges_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ranges.npy");
    for values in [&[1.0, 2.0, 0.0, 3.0][..], &[1.0, 2.0], &[0.0; 6]] {
        write(&path, VectorFormat::Npy, 2, values, false);
        let error = Ranges::read(&path, 2).unwrap_err().to_string();
        assert!(
            error.contains("a float32 array [2, 2] is needed"),
            "{error}"
        );
    }
}

#[test]
fn arrays_of_16_and_64_bits_are_read_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    let array = |descr: &str, order: &str, bytes: &[u8]| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (1, 2), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        let file = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), bytes].concat();
        std::fs::write(&path, file).unwrap();
        read_vectors(&path).map_err(|error| error.to_string())
    };
    let f64s = [1.5f64, -2.0].map(f64::to_le_bytes).concat();
    assert_eq!(array("<f8", "False", &f64s).unwrap().values, [1.5, -2.0]);
    // 1.5 and -2 in float16.
    let f16s = [0, 0x3e, 0, 0xc0];
    assert_eq!(array("<f2", "False", &f16s).unwrap().values, [1.5, -2.0]);
    for (descr, order) in [(">f4", "False"), ("<f4", "True"), ("|i1", "False")] {
        let error = array(descr, order, &[0; 8]).unwrap_err();
        assert!(
            error.contains("but a two-dimensional float32 array is needed"),
            "{error}"
        );
    }
}

#[test]
fn an_error_is_short_whatever_the_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let long = "\u{1b}[31mx".repeat(20_000);
    let descr = format!(
        "{{'descr': [('{}', '<f4')], 'fortran_order': False, 'shape': (1, 2)}}",
        "x".repeat(9000)
    );
    let npy = [
        b"\x93NUMPY\x01\x00",
        &(descr.len() as u16).to_le_bytes()[..],
        descr.as_bytes(),
    ]
    .concat();
    let tensor = format!("{{\"{long}\":1}}");
    let safetensors = [&(tensor.len() as u64).to_le_bytes()[..], tensor.as_bytes()].concat();
    for (name, content) in [
        ("v.npy", npy),
        ("v.safetensors", safetensors),
        (
            "v.jsonl",
            format!("{{\"embedding\":\"{}\"}}", "x".repeat(90_000)).into_bytes(),
        ),
        ("v.parquet", long.clone().into_bytes()),
        ("v.pt", long.clone().into_bytes()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let message = read_vectors(&path).unwrap_err().to_string();
        assert!(
            message.chars().count() < 400,
            "{name}: {} characters",
            message.len()
        );
        assert!(!message.contains(char::is_control), "{message:?}");
    }
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
