//! `FILE.ids.txt`: the ids of a format that has no room for them, one per line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use program::AtomicFile;
use records::Row;

use super::count::count;
use super::error::VectorFileErrorKind;
use super::{VectorError, VectorFormat, beside, check_target};

/// The file with the ids of a file of vectors.
#[must_use]
pub fn ids_path(path: &Path) -> PathBuf {
    beside(path, ".ids.txt")
}

/// Looks for the ids file of an earlier run, before the work. Returns its name if there is one:
/// with ids it will be replaced, without ids it stays.
///
/// # Errors
///
/// When it would be replaced, but does not belong to the file of vectors: somebody else wrote it.
pub fn earlier_ids(
    path: &Path,
    format: VectorFormat,
    with_ids: bool,
) -> Result<Option<PathBuf>, VectorError> {
    let ids = ids_path(path);
    if format.keeps_ids() || ids.symlink_metadata().is_err() {
        return Ok(None);
    }
    if with_ids && !is_pair(path, format, &ids) {
        return Err(VectorError::ForeignFile { path: ids });
    }
    Ok(Some(ids))
}

/// Whether there is an id for every vector.
fn is_pair(path: &Path, format: VectorFormat, ids: &Path) -> bool {
    let Some(rows) = count(path, format) else {
        return false;
    };
    let regular = ids.metadata().is_ok_and(|found| found.is_file());
    let file = File::open(ids).ok().filter(|_| regular);
    file.is_some_and(|file| {
        let lines = BufReader::new(file).split(b'\n');
        // A line that cannot be read is no id.
        lines.map_while(Result::ok).count() as u64 == rows
    })
}

/// Reads the ids of a file of vectors, if they are beside it or beside the file behind its link.
pub(super) fn read_ids(path: &Path, rows: usize) -> Result<Option<Vec<String>>, VectorError> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for ids_path in [ids_path(path), ids_path(&real)] {
        let text = match std::fs::read_to_string(&ids_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(VectorError::io(&ids_path))?,
        };
        let ids: Vec<String> = text.lines().map(str::to_owned).collect();
        if ids.len() != rows {
            let ids = ids.len();
            let kind = VectorFileErrorKind::Ids { ids, rows };
            return Err(VectorError::file(&ids_path, kind));
        }
        return Ok(Some(ids));
    }
    Ok(None)
}

/// An ids file that is being written.
pub(super) struct IdsFile(BufWriter<AtomicFile>);

impl IdsFile {
    pub(super) fn create(path: &Path) -> Result<Self, VectorError> {
        let path = check_target(&ids_path(path))?;
        let file = AtomicFile::create(&path).map_err(VectorError::io(&path))?;
        Ok(Self(BufWriter::new(file)))
    }

    pub(super) fn append(&mut self, rows: &[Row]) -> Result<(), VectorError> {
        for row in rows {
            let id = row.id.as_deref().unwrap_or_default();
            writeln!(self.0, "{id}")
                .map_err(|error| VectorError::io(self.0.get_ref().target())(error))?;
        }
        Ok(())
    }

    /// Ids and vectors cannot get their names at once. The old ids go first and the new ids come
    /// last, so that a kill in between leaves vectors without ids, and never with those of others.
    pub(super) fn commit_after(
        self,
        vectors: impl FnOnce() -> Result<(), VectorError>,
    ) -> Result<(), VectorError> {
        let path = self.0.get_ref().target().to_owned();
        program::atomic_file::remove(&path).map_err(VectorError::io(&path))?;
        vectors()?;
        commit(self.0)
    }
}

/// Writes what is buffered and gives the file its name.
pub(super) fn commit(file: BufWriter<AtomicFile>) -> Result<(), VectorError> {
    let target = file.get_ref().target().to_owned();
    let io = VectorError::io(&target);
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.commit().map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Row {
        Row {
            id: Some(id.to_owned()),
            ..Row::default()
        }
    }

    #[test]
    fn a_kill_between_the_names_leaves_no_ids_of_other_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        std::fs::write(&path, "old vectors").unwrap();
        std::fs::write(ids_path(&path), "old\n").unwrap();
        let mut ids = IdsFile::create(&path).unwrap();
        ids.append(&[row("new")]).unwrap();
        // What a reader finds just before and just after the vectors get their name.
        let mut seen = Vec::new();
        ids.commit_after(|| {
            seen.push(ids_path(&path).exists());
            std::fs::write(&path, "new vectors").unwrap();
            seen.push(ids_path(&path).exists());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [false, false]);
        assert_eq!(std::fs::read_to_string(ids_path(&path)).unwrap(), "new\n");
    }
}
