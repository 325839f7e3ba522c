//! Any bytes as a file of vectors: finite values of the shape it names, or an error.
#![no_main]

use infer::vectors::{VectorFormat, read_vectors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, content)) = bytes.split_first() else { return };
    let format = VectorFormat::ALL[usize::from(choice) % VectorFormat::ALL.len()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("vectors.{format}"));
    std::fs::write(&path, content).unwrap();
    if let Ok(vectors) = read_vectors(&path) {
        assert!(vectors.values.iter().all(|value| value.is_finite()));
        assert_eq!(vectors.values.len() % vectors.width.max(1), 0);
    }
});
