//! PyTorch's `.pt` format: one tensor, as `torch.save` writes it.

use std::io::{self, Seek, Write};
use std::path::Path;

use half::{bf16, f16};
use pytorch::{Contents, Dtype, TensorWriter, TorchError, TorchFile};

use super::VectorError;
use super::error::VectorFileErrorKind;
use super::values::TENSOR;

/// An archive that takes values as they come.
pub(super) struct PtFile<W>(TensorWriter<W>);

impl<W: Write + Seek> PtFile<W> {
    pub(super) fn new(path: &Path, out: W) -> io::Result<Self> {
        // torch.save puts all entries into a folder with the name of the file.
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        TensorWriter::new(out, &stem, Dtype::Float32).map(Self)
    }

    pub(super) fn finish(self, rows: u64, width: usize) -> io::Result<W> {
        self.0.finish(rows, width as u64)
    }
}

impl<W: Write + Seek> Write for PtFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The number of rows of a file of one tensor.
pub(super) fn count(path: &Path) -> Option<u64> {
    match TorchFile::open(path).ok()?.contents() {
        Contents::Tensor(tensor) => tensor.shape().first().map(|rows| *rows as u64),
        _ => None,
    }
}

/// Reads a floating-point tensor `[rows, width]`; returns its values in float32, row-major, and the width.
///
/// In a dict, it is the only tensor or the one of the name that our safetensors files have.
pub(super) fn read(path: &Path) -> Result<(Vec<f32>, usize), VectorError> {
    let failed = |error| failed(path, error);
    let not_vectors = |found| VectorError::file(path, VectorFileErrorKind::NotVectors { found });
    let file = TorchFile::open(path).map_err(failed)?;
    let tensor = match file.contents() {
        Contents::Tensor(tensor) => tensor,
        Contents::StateDict(tensors) => {
            let only = || tensors.values().next().filter(|_| tensors.len() == 1);
            tensors.get(TENSOR).or_else(only).ok_or_else(|| {
                not_vectors(format!(
                    "{} tensors, none of them `{TENSOR}`",
                    tensors.len()
                ))
            })?
        }
        _ => return Err(failed(TorchError::NoStateDict)),
    };
    let found = || not_vectors(format!("{} {:?}", tensor.dtype(), tensor.shape()));
    let width = match *tensor.shape() {
        [_, width] if width > 0 => width,
        _ => return Err(found()),
    };
    let bytes = || file.read_bytes(tensor).map_err(failed);
    let values = match tensor.dtype() {
        Dtype::Float32 => file.read_f32(tensor).map_err(failed)?,
        Dtype::Float16 => upcast(&bytes()?, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::Bfloat16 => upcast(&bytes()?, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        Dtype::Float64 => upcast(&bytes()?, |bytes| f64::from_le_bytes(bytes) as f32),
        _ => return Err(found()),
    };
    Ok((values, width))
}

fn upcast<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().map(|bytes| value(*bytes)).collect()
}

fn failed(path: &Path, error: TorchError) -> VectorError {
    if let TorchError::Io(source) = error {
        return VectorError::io(path)(source);
    }
    let kind = VectorFileErrorKind::Malformed {
        format: "pt",
        reason: error.to_string(),
    };
    VectorError::file(path, kind)
}
