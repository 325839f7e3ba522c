//! Files in an archive, and their checksums. The same files give the same bytes: they are in the order of their paths
//! and bear one time.

use std::fmt::Write;
use std::io;

use sha2::{Digest, Sha256};

use super::DistError;

/// A file of the archive.
pub(super) struct Entry {
    /// Where it lies, with `/` between folders.
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    executable: bool,
}

impl Entry {
    /// A file that its owner may write and everybody may read.
    pub(super) fn new(path: &str, bytes: Vec<u8>) -> Self {
        Self {
            path: path.to_owned(),
            bytes,
            executable: false,
        }
    }

    /// Makes it a program.
    pub(super) fn executable(mut self) -> Self {
        self.executable = true;
        self
    }

    fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// A line per file, as `sha256sum --check` reads it.
pub(super) fn checksums(files: &[Entry]) -> String {
    let mut lines = String::new();
    for file in files {
        for byte in Sha256::digest(&file.bytes) {
            let _ = write!(lines, "{byte:02x}");
        }
        let _ = writeln!(lines, "  {}", file.path);
    }
    lines
}

/// Packs files and their checksums into the folder `name` of an archive; returns the name of the archive and its bytes.
///
/// Windows gets a zip file, which it opens without another program. Other systems get a `tar.gz`.
pub(super) fn pack(
    name: &str,
    mut entries: Vec<Entry>,
    time: u64,
) -> Result<(String, Vec<u8>), DistError> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let sums = checksums(&entries);
    entries.push(Entry::new("SHA256SUMS", sums.into_bytes()));
    #[cfg(windows)]
    let (ending, packed) = ("zip", zip(name, &entries));
    #[cfg(not(windows))]
    let (ending, packed) = ("tar.gz", tar_gz(name, &entries, time));
    #[cfg(windows)]
    let _ = time;
    let bytes = packed.map_err(DistError::Pack)?;
    Ok((format!("{name}.{ending}"), bytes))
}

#[cfg(any(not(windows), test))]
fn tar_gz(name: &str, entries: &[Entry], time: u64) -> io::Result<Vec<u8>> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut archive = tar::Builder::new(encoder);
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode());
        header.set_mtime(time);
        let path = format!("{name}/{}", entry.path);
        archive.append_data(&mut header, path, entry.bytes.as_slice())?;
    }
    archive.into_inner()?.finish()
}

#[cfg(windows)]
fn zip(name: &str, entries: &[Entry]) -> io::Result<Vec<u8>> {
    use std::io::Write as _;

    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for entry in entries {
        // A fixed time: those of zip files have no zone.
        let options = zip::write::SimpleFileOptions::default()
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(entry.mode());
        archive
            .start_file(format!("{name}/{}", entry.path), options)
            .map_err(io::Error::other)?;
        archive.write_all(&entry.bytes)?;
    }
    Ok(archive.finish().map_err(io::Error::other)?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::new("share/man/man1/infer.1", b"manual".to_vec()),
            Entry::new("bin/infer", b"program".to_vec()).executable(),
        ]
    }

    #[test]
    fn checksums_are_those_of_sha256sum() {
        let sums = checksums(&[Entry::new("empty", Vec::new())]);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sums, format!("{empty}  empty\n"));
    }

    #[test]
    fn an_archive_holds_what_was_packed() {
        let (_, first) = pack("name-1.0.0", entries(), 1_000_000_000).unwrap();
        let mut turned = entries();
        turned.reverse();
        let (_, second) = pack("name-1.0.0", turned, 1_000_000_000).unwrap();
        assert!(first == second, "the order of the files shows");

        let mut files = entries();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let bytes = tar_gz("name-1.0.0", &files, 1_000_000_000).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        for (file, entry) in archive.entries().unwrap().zip(&files) {
            let mut file = file.unwrap();
            let path = file.path().unwrap().to_string_lossy().into_owned();
            assert_eq!(path, format!("name-1.0.0/{}", entry.path));
            assert_eq!(file.header().mode().unwrap(), entry.mode());
            assert_eq!(file.header().mtime().unwrap(), 1_000_000_000);
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            assert_eq!(content, entry.bytes);
        }
    }
}
