//! Files that we write.

use std::io::Write;

use pytorch::TensorWriter;

use super::*;

fn written(values: &[f32], rows: u64, width: u64) -> Vec<u8> {
    let mut writer = TensorWriter::new(Cursor::new(Vec::new()), "name", Dtype::Float32).unwrap();
    for value in values {
        writer.write_all(&value.to_le_bytes()).unwrap();
    }
    writer.finish(rows, width).unwrap().into_inner()
}

#[test]
fn written_values_are_read_again() {
    for (rows, width) in [(2, 3), (0, 3), (1, 1), (500, 7)] {
        let count = rows * width;
        let values: Vec<f32> = (0..count).map(|value| value as f32 / 7.0).collect();
        let file = TorchFile::new(Cursor::new(written(&values, rows, width))).unwrap();
        let Contents::Tensor(tensor) = file.contents() else {
            panic!("not a tensor");
        };
        assert_eq!(tensor.shape(), [rows as usize, width as usize]);
        assert_eq!(file.read_f32(tensor).unwrap(), values);
    }
}

#[test]
fn every_type_is_written() {
    for (dtype, bytes) in [(Dtype::Float16, 12), (Dtype::Int8, 6), (Dtype::Uint8, 6)] {
        let mut writer = TensorWriter::new(Cursor::new(Vec::new()), "", dtype).unwrap();
        let content: Vec<u8> = (0..bytes).collect();
        writer.write_all(&content).unwrap();
        let file = writer.finish(2, 3).unwrap().into_inner();
        assert_eq!(read(&file).unwrap()[""], (dtype, vec![2, 3], content));
    }
}

#[test]
fn values_are_aligned_and_equal_matrices_give_equal_files() {
    for name in ["a", "products", &"x".repeat(200), &"x".repeat(70_000)] {
        let write = || {
            let mut writer =
                TensorWriter::new(Cursor::new(Vec::new()), name, Dtype::Uint8).unwrap();
            writer.write_all(b"the values").unwrap();
            writer.finish(1, 10).unwrap().into_inner()
        };
        let file = write();
        assert_eq!(file, write());
        let at = file
            .windows(10)
            .position(|window| window == b"the values")
            .unwrap();
        assert_eq!(at % 64, 0);
        read(&file).unwrap();
    }
}

#[test]
fn a_shape_that_is_not_that_of_the_values_is_refused() {
    let writer = TensorWriter::new(Cursor::new(Vec::new()), "name", Dtype::Float32).unwrap();
    let error = writer.finish(2, 3).unwrap_err();
    assert_eq!(error.to_string(), "0 bytes are not 2 rows of width 3");
}

#[test]
fn a_damaged_file_of_ours_is_an_error_or_the_same() {
    let sound = written(&[0.5, -1.0, 2.0, 0.25], 2, 2);
    let expected = read(&sound).unwrap();
    for position in 0..sound.len() {
        for change in [1, 16, 128, 255] {
            let mut damaged = sound.clone();
            damaged[position] ^= change;
            if let Ok(found) = read(&damaged) {
                assert_eq!(found, expected, "byte {position} ^ {change}");
            }
        }
    }
}
