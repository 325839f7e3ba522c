//! Rows into a store, in blocks that a journal counts.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::error::StoreError;
use crate::rows::EncodedRows;
use crate::server::Server;
use crate::shard::shard_of;
use crate::staging::{copy, make_staging, upsert};
use crate::store::PostgresStore;
use search::index::Document;

/// A load of numbered blocks of rows. Each server takes its rows of a block, and the block's number into a journal, in
/// one transaction: so a load that was interrupted is repeated with the same name and the same blocks, and none is
/// written twice.
pub struct Load<'a> {
    store: &'a PostgresStore,
    name: String,
    /// For every server.
    done: Vec<BTreeSet<u64>>,
    copying: Duration,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were written, new or in place of others.
    pub rows: u64,
    /// Rows that an earlier run had written.
    pub passed_over: u64,
}

impl PostgresStore {
    /// Begins a load, or goes on with the one of that name. The name says what the blocks are made of, as a hash of the
    /// file and the number of rows in a block do.
    ///
    /// # Errors
    ///
    /// Fails for a server that cannot be reached.
    pub fn load(&self, name: &str) -> Result<Load<'_>, StoreError> {
        let statement = format!(
            "SELECT block FROM {} WHERE load = $1",
            self.schema.table("journal")
        );
        let action = "reading the journal of the load";
        let done = self.wait_for(try_join_all(self.servers.iter().map(|server| async {
            let connection = server.connection().await?;
            let rows = connection
                .query(&statement, &[&name])
                .await
                .map_err(server.error(action))?;
            let blocks = rows
                .iter()
                .map(|row| row.try_get::<_, i64>(0).map(|block| block as u64));
            blocks
                .collect::<Result<BTreeSet<u64>, _>>()
                .map_err(server.error(action))
        })))?;
        Ok(Load {
            store: self,
            name: name.to_owned(),
            done,
            copying: Duration::ZERO,
        })
    }

    /// Removes rows; returns how many there were. Ids without a row are no error.
    ///
    /// # Errors
    ///
    /// Fails for a server that cannot be reached; the other servers have then removed theirs.
    pub fn remove<I: AsRef<str>>(&self, ids: &[I]) -> Result<u64, StoreError> {
        let mut of_servers = vec![Vec::new(); self.servers.len()];
        for id in ids {
            of_servers[shard_of(id.as_ref(), self.servers.len())].push(id.as_ref());
        }
        let statement = format!(
            "DELETE FROM {} WHERE id = ANY($1)",
            self.schema.table("documents")
        );
        let removed = self.wait_for(try_join_all(self.servers.iter().zip(&of_servers).map(
            |(server, ids)| async {
                if ids.is_empty() {
                    return Ok(0);
                }
                let connection = server.connection().await?;
                let removed = connection.execute(&statement, &[ids]).await;
                removed.map_err(server.error("removing rows"))
            },
        )))?;
        Ok(removed.into_iter().sum())
    }
}

impl Load<'_> {
    /// How long the servers took to receive the rows: of every block, the slowest one. The rest of
    /// [`write`](Self::write) is to make the rows, to merge them into the table and to commit.
    #[must_use]
    pub fn copying(&self) -> Duration {
        self.copying
    }

    /// Whether every server has a block, so that it need not be made.
    #[must_use]
    pub fn is_done(&self, block: u64) -> bool {
        self.done.iter().all(|done| done.contains(&block))
    }

    /// Writes a block on the servers that do not have it yet. Of two rows with the same id the later one stays, within a
    /// block too; a row whose id the store has replaces the store's. One vector for every document.
    ///
    /// # Errors
    ///
    /// Fails for a row that does not fit the store, before anything is written, and for a server that does not take
    /// its rows: the others may have taken theirs, and the load is to be repeated.
    pub fn write<V: AsRef<[f32]>>(
        &mut self,
        block: u64,
        documents: &[Document],
        vectors: &[V],
    ) -> Result<Written, StoreError> {
        if documents.len() != vectors.len() {
            return Err(StoreError::Settings {
                reason: format!(
                    "{} documents came with {} vectors",
                    documents.len(),
                    vectors.len()
                ),
            });
        }
        let store = self.store;
        let shards = store.servers.len();
        let mut written = Written::default();
        // The last row of every id.
        let mut last: HashMap<&str, usize> = HashMap::with_capacity(documents.len());
        for (index, document) in documents.iter().enumerate() {
            last.insert(&document.id, index);
        }
        let mut parts: Vec<EncodedRows> = (0..shards).map(|_| EncodedRows::default()).collect();
        for (index, (document, vector)) in documents.iter().zip(vectors).enumerate() {
            let shard = shard_of(&document.id, shards);
            if self.done[shard].contains(&block) {
                written.passed_over += 1;
            } else if last.get(document.id.as_str()) == Some(&index) {
                let vector = vector.as_ref();
                parts[shard].add(&store.settings, &store.analyzer, document, vector)?;
            }
        }
        let name = self.name.as_str();
        let of_servers = store.servers.iter().zip(parts).zip(&self.done);
        let rows = store.wait_for(try_join_all(of_servers.map(
            |((server, rows), done)| async move {
                if done.contains(&block) {
                    return Ok((0, Duration::ZERO));
                }
                write(store, server, name, block, rows).await
            },
        )))?;
        written.rows = rows.iter().map(|(rows, _)| rows).sum();
        self.copying += rows.iter().map(|(_, time)| *time).max().unwrap_or_default();
        for done in &mut self.done {
            done.insert(block);
        }
        Ok(written)
    }

    /// Ends the load: its blocks are forgotten, and one of the same name begins from the first. Call
    /// [`build_indexes`](PostgresStore::build_indexes) before it.
    ///
    /// # Errors
    ///
    /// Fails for a server that cannot be reached.
    pub fn finish(self) -> Result<(), StoreError> {
        let statement = format!(
            "DELETE FROM {} WHERE load = $1",
            self.store.schema.table("journal")
        );
        self.store
            .wait_for(try_join_all(self.store.servers.iter().map(
                |server| async {
                    let connection = server.connection().await?;
                    let deleted = connection.execute(&statement, &[&self.name]).await;
                    deleted.map_err(server.error("ending the load"))
                },
            )))?;
        Ok(())
    }
}

/// Copies rows into a table of this connection, and from there into the table of documents together with the block's
/// number.
async fn write(
    store: &PostgresStore,
    server: &Server,
    load: &str,
    block: u64,
    rows: EncodedRows,
) -> Result<(u64, Duration), StoreError> {
    let mut connection = server.connection().await?;
    let work = async {
        let transaction = connection.transaction().await?;
        // Two programs that write the same load do not write a block twice: the second waits here, and finds it.
        let journal = format!(
            "INSERT INTO {} (load, block, rows) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            store.schema.table("journal")
        );
        // Both are numbers of blocks and rows that exist.
        let (block, count) = (block as i64, rows.rows as i64);
        if transaction
            .execute(&journal, &[&load, &block, &count])
            .await?
            == 0
        {
            return Ok((0, Duration::ZERO));
        }
        make_staging(&transaction, store).await?;
        let start = Instant::now();
        let copied = copy(&transaction, store, rows).await?;
        let copying = start.elapsed();
        upsert(&transaction, store).await?;
        transaction.commit().await?;
        Ok((copied, copying))
    };
    work.await.map_err(server.error("writing a block of rows"))
}
