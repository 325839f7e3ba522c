//! Placeholder while the hub is being written.
#![allow(missing_docs)]
use std::path::PathBuf;
#[derive(Debug, thiserror::Error)]
#[error("hub")]
pub struct HubError;
#[derive(Clone, Debug, Default)]
pub struct HubOptions {}
#[derive(Clone, Debug)]
pub enum Origin {
    Folder,
}
pub struct ModelFolder {
    pub path: PathBuf,
    pub origin: Origin,
}
pub fn resolve(name: &str, _o: &HubOptions) -> Result<ModelFolder, HubError> {
    Ok(ModelFolder {
        path: name.into(),
        origin: Origin::Folder,
    })
}
