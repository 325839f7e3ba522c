//! Files of torch.save: those of PyTorch, damaged ones, hostile ones, and our own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod damage;
mod hostile;
mod torch;
mod write;
#[path = "../zip/mod.rs"]
mod zip;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use pytorch::{Contents, Dtype, TorchError, TorchFile};

/// A tensor that was read: its type, its shape and its bytes.
type Read = (Dtype, Vec<usize>, Vec<u8>);

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(format!("{name}.pt"))
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// All tensors of a file; the only one has an empty name.
fn read(bytes: &[u8]) -> Result<BTreeMap<String, Read>, TorchError> {
    let file = TorchFile::new(Cursor::new(bytes))?;
    let tensors = match file.contents().clone() {
        Contents::Tensor(tensor) => BTreeMap::from([(String::new(), tensor)]),
        Contents::StateDict(tensors) => tensors,
        other => panic!("{other:?}"),
    };
    let read = |(name, tensor): (String, pytorch::Tensor)| {
        let bytes = file.read_bytes(&tensor)?;
        Ok((name, (tensor.dtype(), tensor.shape().to_vec(), bytes)))
    };
    tensors.into_iter().map(read).collect()
}

fn error(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// A float32 tensor of the fixtures: -0.5, 0, 0.5 and so on.
fn floats(shape: &[usize], order: &[usize]) -> Read {
    let value = |place: &usize| (*place as f32 - 1.0) / 2.0;
    let bytes = order.iter().flat_map(|place| value(place).to_le_bytes());
    (Dtype::Float32, shape.to_vec(), bytes.collect())
}
