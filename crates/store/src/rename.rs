//! A store in the place of another one.

use futures_util::future::try_join_all;

use crate::error::StoreError;
use crate::options::Options;
use crate::schema::Schema;
use crate::server::Server;
use crate::store::{PostgresStore, connect, part};

impl PostgresStore {
    /// Gives a store, which `options` name, another name, and removes the store that has it: so a store with a new
    /// model is loaded beside the old one, and takes its place when it is whole. Called again after an interruption, it
    /// finishes. On one server it is one transaction; on several, questions to the old store fail until all have
    /// changed.
    ///
    /// # Errors
    ///
    /// Fails before anything is changed where a server cannot be reached, or holds neither name of the store, and where
    /// the store that takes the name is not whole: its load or the making of its indexes has not ended.
    pub fn rename<A: AsRef<str>>(
        addresses: &[A],
        options: Options,
        name: &str,
    ) -> Result<(), StoreError> {
        let (runtime, servers, from) = connect(addresses, &options)?;
        let to = Schema::new(name)?;
        if from.name == to.name {
            return Err(StoreError::SameName { name: to.name });
        }
        runtime.block_on(rename(&servers, &from, &to))
    }
}

async fn rename(servers: &[Server], from: &Schema, to: &Schema) -> Result<(), StoreError> {
    let found = try_join_all(servers.iter().map(|server| async {
        let (new, old) = (part(server, from).await?, part(server, to).await?);
        if new.is_some() {
            server.require_whole(from).await?;
        }
        let generations = (
            new.map(|part| part.generation),
            old.map(|part| part.generation),
        );
        Ok::<_, StoreError>(generations)
    }))
    .await?;
    let missing = |index: usize| StoreError::NoStore {
        server: servers[index].name.clone(),
        name: from.name.clone(),
    };
    // The first server that still has the old name says which store it is.
    let Some(generation) = found.iter().find_map(|(new, _)| new.clone()) else {
        return Err(missing(0));
    };
    for (index, (new, old)) in found.iter().enumerate() {
        if new.as_ref().or(old.as_ref()) != Some(&generation) {
            return Err(missing(index));
        }
    }
    let left = (0..servers.len()).filter(|&index| found[index].0.is_some());
    try_join_all(left.map(|index| async move {
        let server = &servers[index];
        let connection = server.connection().await?;
        connection
            .batch_execute(&format!(
                "BEGIN; DROP SCHEMA IF EXISTS \"{to}\" CASCADE; ALTER SCHEMA \"{from}\" RENAME TO \"{to}\"; COMMIT",
                to = to.name,
                from = from.name
            ))
            .await
            .map_err(server.error("renaming the store"))
    }))
    .await?;
    Ok(())
}
