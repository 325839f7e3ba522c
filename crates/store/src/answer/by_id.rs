//! Rows that a caller names.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use pgvector::HalfVector;
use search::index::Document;

use super::parameters::Parameters;
use super::session::Session;
use crate::error::StoreError;
use crate::rows::{may_be_stored, value_of};
use crate::server::Server;
use crate::shard::shard_of;
use crate::store::PostgresStore;

impl PostgresStore {
    /// The rows with these ids, and their vectors as [`vector`](Self::vector) gives them. Ids without a row are left out.
    ///
    /// # Errors
    ///
    /// Fails for a server that does not answer.
    pub fn rows<I: AsRef<str>>(
        &self,
        ids: &[I],
    ) -> Result<HashMap<String, (Document, Vec<f32>)>, StoreError> {
        let mut of_servers = vec![Vec::new(); self.servers.len()];
        for id in ids.iter().map(I::as_ref).filter(|id| may_be_stored(id)) {
            of_servers[shard_of(id, self.servers.len())].push(id.to_owned());
        }
        let rows = self.wait_for(try_join_all(
            self.servers
                .iter()
                .zip(of_servers)
                .filter(|(_, ids)| !ids.is_empty())
                .map(|(server, ids)| read_rows(self, server, ids)),
        ))?;
        Ok(rows.into_iter().flatten().collect())
    }
}

async fn read_rows(
    store: &PostgresStore,
    server: &Server,
    ids: Vec<String>,
) -> Result<Vec<(String, (Document, Vec<f32>))>, StoreError> {
    let session = Session::begin(store, server, 1).await?;
    let columns = &store.settings.filter_columns;
    let list: String = (0..columns.len())
        .map(|number| format!(", f{number}"))
        .collect();
    let mut parameters = Parameters::default();
    let statement = format!(
        "SELECT id, texts, vector{list} FROM {} WHERE id = ANY({})",
        store.schema.table("documents"),
        parameters.add(ids),
    );
    let rows = session.query(&statement, &parameters).await?;
    session.end().await?;
    let read = rows.iter().map(|row| {
        let id: String = row.try_get(0)?;
        let vector: HalfVector = row.try_get(2)?;
        let values = columns
            .iter()
            .enumerate()
            .map(|(number, column)| value_of(row, 3 + number, column));
        let document = Document {
            id: id.clone(),
            texts: row.try_get(1)?,
            values: values.collect::<Result<_, _>>()?,
        };
        let vector = vector.to_vec().into_iter().map(f32::from).collect();
        Ok((id, (document, vector)))
    });
    read.collect::<Result<_, _>>()
        .map_err(server.error("reading rows"))
}
