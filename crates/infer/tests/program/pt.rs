//! Vectors in files of torch.save: those of PyTorch, and files that are made to harm.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use infer::vectors::{VectorError, Vectors, read_vectors};
use zip::CompressionMethod::{self, Deflated, Stored};
use zip::write::SimpleFileOptions;

/// The files of PyTorch that the crate `pytorch` is tested with.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pytorch/tests/fixtures")
        .join(name)
}

fn read(bytes: &[u8]) -> Result<Vectors, VectorError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.pt");
    std::fs::write(&path, bytes).unwrap();
    read_vectors(&path)
}

fn archive(entries: &[(&str, &[u8])], compression: CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(compression);
    for (name, content) in entries {
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The pickle of a float32 tensor `[2, 3]`.
const PICKLE: &[u8] = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
    X\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtR.";

#[test]
fn tensors_of_pytorch_are_read() {
    let vectors = read_vectors(&fixture("tensor.pt")).unwrap();
    assert_eq!(vectors.values, [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0]);
    assert_eq!(vectors.width, 3);
    // A dict of one tensor.
    let vectors = read_vectors(&fixture("attribute.pt")).unwrap();
    assert_eq!(vectors.values, [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0]);
    let error = read_vectors(&fixture("half.pt")).unwrap_err().to_string();
    assert!(error.contains("half.pt: holds 2 tensors"), "{error}");
}

#[test]
fn hostile_files_are_errors() {
    let mut laughs = b"\x80\x02)".to_vec();
    for place in 0..40 {
        laughs.extend([b'q', place, b'h', place, 0x86]);
    }
    laughs.push(b'.');
    let deep = [b"\x80\x02)", &vec![0x85; 1_000_000][..], b"."].concat();
    let zeros = vec![0; 24];
    for (name, file, expected) in [
        (
            "doubled values",
            archive(&[("a/data.pkl", &laughs), ("a/data/0", b"")], Stored),
            "neither a tensor nor a dict of tensors",
        ),
        (
            "nested values",
            archive(&[("a/data.pkl", &deep), ("a/data/0", b"")], Stored),
            "more values than the maximum of",
        ),
        (
            "compressed values",
            archive(&[("a/data.pkl", PICKLE), ("a/data/0", &zeros)], Deflated),
            "entry `a/data.pkl`: compressed, but torch.save only stores",
        ),
        (
            "big-endian values",
            archive(
                &[
                    ("a/data.pkl", PICKLE),
                    ("a/byteorder", b"big"),
                    ("a/data/0", &zeros),
                ],
                Stored,
            ),
            "entry `a/byteorder`: the values are not little-endian",
        ),
    ] {
        let error = read(&file).unwrap_err().to_string();
        assert!(
            error.contains("v.pt: not a pt file: ") && error.contains(expected),
            "{name}: {error}\nshould say\n{expected}"
        );
    }
    let sound = archive(&[("a/data.pkl", PICKLE), ("a/data/0", &zeros)], Stored);
    assert_eq!(read(&sound).unwrap().values, [0.0; 6]);
}
