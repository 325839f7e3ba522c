//! The download of a model: which files it has, and which of them the cache lacks.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use super::client_error::ClientError;
use super::damage::check_whole;
use super::files::{self, decisive, encoders_of, is_small, router_files, weighted_of};
use super::listing::{ListedFile, Listing};
use super::transfer::Transfer;
use crate::boxed_error::BoxedError;
use crate::checkpoint::modules::MODULES_FILE;
use crate::checkpoint::weights_files;

/// A download, on its thread.
pub(super) struct ModelDownload {
    pub transfer: Transfer,
    /// Bytes received and, where known, in all.
    pub progress: Sender<(u64, Option<u64>)>,
}

impl ModelDownload {
    /// Fetches what the cache lacks, and returns the model's folder there.
    pub(super) fn run(&self) -> Result<PathBuf, BoxedError> {
        let cache = &self.transfer.cache;
        let listing = self.list()?;
        let folder = cache.snapshot_of(&listing.commit);
        let missing = Missing {
            download: self,
            listing: &listing,
            folder: &folder,
        };
        let mut received = 0;
        // They name the folders of the modules, whose weights are wanted.
        missing.fetch(&mut received, &[MODULES_FILE.to_owned()])?;
        missing.fetch(&mut received, &router_files(&folder))?;
        let mut weights = Vec::new();
        for module in weighted_of(&folder) {
            weights.extend(missing.weights(&mut received, &module)?);
        }
        let small = listing
            .files
            .iter()
            .map(|file| file.name.clone())
            .filter(|name| is_small(name));
        missing.fetch(&mut received, &small.chain(weights).collect::<Vec<_>>())?;
        for file in decisive(&encoders_of(&folder)) {
            if listing.file(&file).is_none() {
                cache.mark_absent(&listing.commit, &file)?;
            }
        }
        cache.write_ref(&listing.commit)?;
        Ok(folder)
    }

    /// The files of the commit that the cache has, so that a model does not change while it is completed; of
    /// the revision where there is none.
    fn list(&self) -> Result<Listing, BoxedError> {
        let Transfer {
            client,
            name,
            cache,
            ..
        } = &self.transfer;
        if let Some(cached) = cache.snapshot()?
            && cached.commit != cache.revision()
        {
            match client.list(name, &cached.commit) {
                // The history of the model may have been rewritten.
                Err(ClientError::NoRevision { .. } | ClientError::NoRepository { .. }) => {}
                listing => return Ok(listing?),
            }
        }
        Ok(client.list(name, cache.revision())?)
    }
}

/// What a snapshot lacks.
struct Missing<'a> {
    download: &'a ModelDownload,
    listing: &'a Listing,
    folder: &'a Path,
}

impl Missing<'_> {
    /// Fetches those of the files that the repository has and the snapshot has not.
    fn fetch(&self, received: &mut u64, files: &[String]) -> Result<(), BoxedError> {
        let missing: Vec<&ListedFile> = files
            .iter()
            .filter_map(|name| self.listing.file(name))
            .filter(|file| !self.has(file))
            .collect();
        for file in &missing {
            file.check()?;
        }
        let sizes = missing.iter().map(|file| file.size).sum::<Option<u64>>();
        let mut total = sizes.map(|sizes| *received + sizes);
        let transfer = &self.download.transfer;
        for file in missing {
            let size = transfer.fetch(&self.listing.commit, file, &mut |bytes, size| {
                // Without sizes in the listing, the weights are nearly all of it: a file at a time.
                let (before, total) = match total {
                    Some(total) => (*received, Some(total)),
                    None => (0, size),
                };
                // The waiting thread is gone if the caller broke off.
                let _ = self.download.progress.send((before + bytes, total));
            })?;
            *received += size;
            // A wrong size in the listing must not push the progress beyond its end.
            total = total.map(|total| total.max(*received));
        }
        Ok(())
    }

    /// Whether the snapshot has a file in its full size.
    fn has(&self, file: &ListedFile) -> bool {
        let path = self.folder.join(&file.name);
        std::fs::metadata(&path)
            .is_ok_and(|found| found.is_file() && file.size.is_none_or(|size| size == found.len()))
            && check_whole(&path).is_ok()
    }

    /// The weights to fetch: none where the snapshot has some, whole.
    fn weights(&self, received: &mut u64, encoder: &str) -> Result<Vec<String>, BoxedError> {
        let there = files::weights(&self.folder.join(encoder)).unwrap_or_default();
        let is_whole = |path: &PathBuf| {
            let name = path.strip_prefix(self.folder).ok().and_then(Path::to_str);
            name.and_then(|name| self.listing.file(name))
                .is_some_and(|file| self.has(file))
        };
        if !there.is_empty() && there.iter().all(is_whole) {
            return Ok(Vec::new());
        }
        let named = weights_files::NAMES.map(|name| format!("{encoder}{name}"));
        let Some(name) = named
            .into_iter()
            .find(|name| self.listing.file(name).is_some())
        else {
            return Ok(Vec::new());
        };
        if !weights_files::is_index(Path::new(&name)) {
            return Ok(vec![name]);
        }
        self.fetch(received, std::slice::from_ref(&name))?;
        let shards: Vec<String> = weights_files::shards(&self.folder.join(&name))?
            .into_iter()
            .map(|shard| format!("{encoder}{shard}"))
            .collect();
        match shards
            .iter()
            .find(|shard| self.listing.file(shard).is_none())
        {
            None => Ok(shards),
            Some(shard) => Err(format!("{name} names {shard}, which the model lacks").into()),
        }
    }
}
