//! A file beyond 4 GiB, which takes several seconds: `.ci/nightly large-file` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of test functions fail a test in this way"
)]

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};

use pytorch::{Contents, Dtype, TensorWriter, TorchFile};

/// More than 4 GiB: positions and lengths of the zip64 form.
#[test]
fn a_file_beyond_4_gib_is_written_and_opened() {
    let mut writer = TensorWriter::new(Sparse::default(), "large", Dtype::Float32).unwrap();
    let rows = (1 << 20) + 1;
    let row = vec![0; 4096];
    for _ in 0..rows {
        writer.write_all(&row).unwrap();
    }
    let file = TorchFile::new(writer.finish(rows, 1024).unwrap()).unwrap();
    let Contents::Tensor(tensor) = file.contents() else {
        panic!("not a tensor");
    };
    assert_eq!(tensor.shape(), [rows as usize, 1024]);
    assert_eq!(tensor.bytes() as u64, rows * 4096);
}

/// A file in memory that keeps only the blocks that are not zero.
#[derive(Default)]
struct Sparse {
    blocks: BTreeMap<u64, Vec<u8>>,
    position: u64,
    length: u64,
}

const BLOCK: u64 = 4096;

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (block, start) = (self.position / BLOCK, (self.position % BLOCK) as usize);
        let count = bytes.len().min(BLOCK as usize - start);
        if self.blocks.contains_key(&block) || bytes[..count].iter().any(|byte| *byte != 0) {
            let content = self
                .blocks
                .entry(block)
                .or_insert_with(|| vec![0; BLOCK as usize]);
            content[start..start + count].copy_from_slice(&bytes[..count]);
        }
        self.position += count as u64;
        self.length = self.length.max(self.position);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Read for Sparse {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let (block, start) = (self.position / BLOCK, (self.position % BLOCK) as usize);
        let left = (self.length - self.position).min(BLOCK - start as u64) as usize;
        let count = bytes.len().min(left);
        match self.blocks.get(&block) {
            Some(content) => bytes[..count].copy_from_slice(&content[start..start + count]),
            None => bytes[..count].fill(0),
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(back) => self.length.checked_add_signed(back).unwrap(),
            SeekFrom::Current(by) => self.position.checked_add_signed(by).unwrap(),
        };
        Ok(self.position)
    }
}
