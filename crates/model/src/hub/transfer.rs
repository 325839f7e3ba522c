//! The transfer of one file into the cache.
//!
//! The bytes go to `blobs/ETAG.incomplete`, as in Python. This run or a later one continues a cut
//! transfer. The file gets its name when its size and its checksum are right.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache::ModelCache;
use super::checksum::{Checksum, Content};
use super::client::{ATTEMPTS, Client, Download};
use super::listing::ListedFile;
use crate::boxed_error::BoxedError;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;

/// What the transfers of a model have in common.
pub(super) struct Transfer {
    pub client: Client,
    /// `owner/model`.
    pub name: String,
    pub cache: ModelCache,
    /// The caller broke off.
    pub stopped: Arc<AtomicBool>,
}

/// Why bytes did not come.
enum Failure {
    /// The connection; another attempt may help.
    Connection(BoxedError),
    Other(BoxedError),
}

impl<E: Into<BoxedError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Transfer {
    /// Downloads a file into the cache and returns its size; `report` gets the bytes so far and in all.
    pub(super) fn fetch(
        &self,
        commit: &str,
        file: &ListedFile,
        report: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<u64, BoxedError> {
        let failed = |error: BoxedError| -> BoxedError { format!("{}: {error}", file.name).into() };
        let download = self.client.open(&self.name, commit, &file.name, 0)?;
        let etag = download.etag.clone();
        let listed = file.content();
        let expected = Content {
            size: listed.size.or(download.size),
            // Large files have their SHA-256 for an ETag.
            checksum: listed.checksum.or_else(|| Checksum::sha256(&etag)),
        };
        let blob = self.cache.blob(&etag);
        if let Some(blobs) = blob.parent() {
            std::fs::create_dir_all(blobs)?;
        }
        let _lock = self.cache.lock(&etag, &|| self.check_stopped())?;
        // The same content may be there by another revision, or by a process that held the lock; or a part of
        // it, by a program that was killed.
        let is_there = blob.is_file() && expected.compare(&blob)?.is_ok();
        if !is_there {
            let partial = blob.with_file_name(format!("{etag}.incomplete"));
            self.receive(download, commit, &file.name, &partial, &expected, report)
                .map_err(failed)?;
            std::fs::rename(&partial, &blob)?;
        }
        self.cache.link(commit, &file.name, &etag)?;
        Ok(std::fs::metadata(&blob)?.len())
    }

    /// Fills the partial file until it is what was expected.
    fn receive(
        &self,
        first: Download,
        commit: &str,
        file: &str,
        partial: &Path,
        expected: &Content,
        report: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), BoxedError> {
        let etag = first.etag.clone();
        let mut first = Some(first);
        let mut resumed = false;
        let mut furthest = 0;
        let mut attempt = 0;
        loop {
            let from = length_of(partial);
            let is_all = expected.size == Some(from);
            resumed |= from > 0 && first.is_some();
            let outcome = if is_all {
                Ok(())
            } else {
                let download = match first.take() {
                    Some(first) if from == 0 => first,
                    _ => self.client.open(&self.name, commit, file, from)?,
                };
                if download.etag != etag {
                    return Err("it changed on the server meanwhile; try again".into());
                }
                self.copy(download, partial, expected.size, report)
            };
            match outcome {
                Ok(()) => match expected.compare(partial)? {
                    Ok(()) => return Ok(()),
                    Err(mismatch) => {
                        std::fs::remove_file(partial)?;
                        // The part may have been wrong that an earlier run, or another program, left.
                        if !std::mem::take(&mut resumed) {
                            return Err(format!("{mismatch}; it was not stored").into());
                        }
                    }
                },
                Err(Failure::Other(error)) => return Err(error),
                Err(Failure::Connection(error)) => {
                    let so_far = length_of(partial);
                    attempt = if so_far > furthest { 1 } else { attempt + 1 };
                    furthest = furthest.max(so_far);
                    if attempt == ATTEMPTS {
                        let size = expected
                            .size
                            .map_or("?".to_owned(), |size| size.to_string());
                        return Err(format!(
                            "{error}; {so_far} of {size} bytes came, and the next run continues there"
                        )
                        .into());
                    }
                    self.client.pause(attempt)?;
                }
            }
        }
    }

    /// Copies what comes into the partial file, at its position.
    fn copy(
        &self,
        mut download: Download,
        partial: &Path,
        expected: Option<u64>,
        report: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), Failure> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(partial)?;
        file.set_len(download.from)?;
        file.seek(SeekFrom::Start(download.from))?;
        let received = self.copy_body(&mut download, &mut file, expected, report);
        file.sync_all()?;
        let size = received?;
        match expected {
            Some(expected) if size < expected => Err(Failure::Connection(
                "the server sent less than it announced".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Returns the position after the last byte.
    fn copy_body(
        &self,
        download: &mut Download,
        file: &mut File,
        expected: Option<u64>,
        report: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<u64, Failure> {
        let mut buffer = vec![0; BUFFER];
        let mut size = download.from;
        loop {
            self.check_stopped()?;
            let read = match download.body.read(&mut buffer) {
                Ok(0) => return Ok(size),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Connection(self.client.of_body(error))),
            };
            file.write_all(&buffer[..read])?;
            size += read as u64;
            if expected.is_some_and(|expected| size > expected) {
                // The comparison names both sizes, and the server may send without end.
                return Ok(size);
            }
            report(size, expected);
        }
    }

    fn check_stopped(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            Err(io::Error::other("the caller broke off"))
        } else {
            Ok(())
        }
    }
}

fn length_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |found| found.len())
}
