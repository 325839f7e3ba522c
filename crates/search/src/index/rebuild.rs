//! An index with other settings in the place of one, as those of another model.

use std::path::Path;

use crate::index::error::IndexError;
use crate::index::files::sync_folder;
use crate::index::folder::{lock, remove_unused};
use crate::index::manifest::{MANIFEST, Manifest, REBUILD, is_absent};
use crate::index::names::LOCK;
use crate::index::settings::Settings;
use crate::index::writer::{Committed, IndexWriter};

impl IndexWriter {
    /// Begins an index with other settings in the place of one, or goes on with it: it is filled beside
    /// the other, which stays in use until [`switch`](Self::switch). One that was begun with other
    /// settings than these is dropped.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`IndexError::Settings`].
    pub fn rebuild(folder: &Path, settings: Settings) -> Result<Self, IndexError> {
        settings.check()?;
        Manifest::read(folder)?;
        let lock = lock(folder, LOCK)?;
        let current = Manifest::read(folder)?;
        let begun = Manifest::read_usable(folder, REBUILD)?;
        let mut manifest = begun
            .filter(|begun| begun.settings == settings)
            .unwrap_or_else(|| Manifest {
                number: current.number,
                next_segment: current.next_segment,
                settings,
                segments: Vec::new(),
            });
        manifest.next_segment = manifest.next_segment.max(current.next_segment);
        manifest.write(folder, REBUILD)?;
        remove_unused(folder, &manifest, Some(&current));
        Self::with_manifest(folder, lock, REBUILD, manifest)
    }

    /// Drops what [`rebuild`](Self::rebuild) has begun and nobody goes on with; says whether there was anything.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoIndex`], [`IndexError::Locked`] also while a rebuild is at work, [`IndexError::Io`].
    pub fn drop_rebuild(folder: &Path) -> Result<bool, IndexError> {
        Manifest::read(folder)?;
        let _lock = lock(folder, LOCK)?;
        let manifest = Manifest::read(folder)?;
        let path = folder.join(REBUILD);
        match std::fs::remove_file(&path) {
            Err(error) if is_absent(&error) => return Ok(false),
            removed => removed.map_err(IndexError::io("remove", &path))?,
        }
        sync_folder(folder)?;
        remove_unused(folder, &manifest, None);
        Ok(true)
    }

    /// Commits, and puts the index that [`rebuild`](Self::rebuild) has begun in the place of the other:
    /// at once, for readers that open it from now on.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn switch(mut self) -> Result<Committed, IndexError> {
        let committed = self.commit()?;
        if self.manifest == MANIFEST {
            return Ok(committed);
        }
        let current = Manifest::read(&self.folder)?;
        let manifest = Manifest {
            // Readers look for a higher number.
            number: self.number.max(current.number) + 1,
            ..Manifest::read_named(&self.folder, REBUILD)?
        };
        manifest.write(&self.folder, REBUILD)?;
        let target = self.folder.join(MANIFEST);
        std::fs::rename(self.folder.join(REBUILD), &target)
            .map_err(IndexError::io("replace", &target))?;
        sync_folder(&self.folder)?;
        remove_unused(&self.folder, &manifest, None);
        Ok(Committed {
            number: manifest.number,
            ..committed
        })
    }
}
