//! What is made after a load: the counts of words, and the indexes.

use futures_util::future::try_join_all;

use crate::error::StoreError;
use crate::rows::operator_class;
use crate::schema::is_text;
use crate::server::Server;
use crate::store::PostgresStore;
use crate::stored_settings::INDEXED_WIDTH;
use crate::words::LABELS;

/// The parts of a store's size and state.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreInfo {
    /// One for every server, in their order.
    pub shards: Vec<ShardInfo>,
}

/// The state of a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardInfo {
    /// Host, port and database.
    pub server: String,
    /// The version of PostgreSQL.
    pub postgres: String,
    /// The version of pgvector.
    pub pgvector: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of all tables and indexes.
    pub bytes: u64,
    /// Whether the nearest vectors are found by an index.
    pub hnsw: bool,
    /// Whether the words were counted, so that they can be searched.
    pub words: bool,
    /// Loads that were begun and not finished.
    pub loads: Vec<String>,
}

impl StoreInfo {
    /// Rows of all shards.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shards.iter().map(|shard| shard.rows).sum()
    }
}

/// How indexes are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildOptions {
    /// Memory that a server may use for it, in MB. A graph that does not fit is built many times slower: a row takes
    /// about 2 bytes for each number of its vector, and 1,250 more with `m` 32.
    pub memory_mb: u32,
    /// Processes of a server beside the one that leads.
    pub workers: u32,
    /// Connections of a row to its neighbours: pgvector's `m`.
    pub m: u32,
    /// Rows in view while a row finds its neighbours: pgvector's `ef_construction`.
    pub ef_construction: u32,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            memory_mb: 512,
            workers: 2,
            // Measured over 19,406 product titles: see docs/src/reference/store.md.
            m: 32,
            ef_construction: 200,
        }
    }
}

impl PostgresStore {
    /// Counts the words and builds the indexes that are missing, on all servers at once. To be called after a load: rows
    /// that come later enter the indexes one by one, and the counts of words when it is called again. Rows of a
    /// [change](Self::change) are counted with it.
    ///
    /// # Errors
    ///
    /// Fails for a server that cannot be reached. What was built stays; call it again.
    pub fn build_indexes(&self, options: BuildOptions) -> Result<(), StoreError> {
        self.wait_for(try_join_all(
            self.servers
                .iter()
                .map(|server| self.build(server, options)),
        ))?;
        Ok(())
    }

    async fn build(&self, server: &Server, options: BuildOptions) -> Result<(), StoreError> {
        let documents = self.schema.table("documents");
        let mut indexes = vec![
            format!("CREATE INDEX IF NOT EXISTS documents_words ON {documents} USING gin (words)"),
            format!(
                "CREATE INDEX IF NOT EXISTS documents_folded_id ON {documents} USING hash (folded_id)"
            ),
        ];
        for (number, column) in self.settings.filter_columns.iter().enumerate() {
            // A hash takes texts of any length, and texts are mostly asked to be equal.
            indexes.push(if is_text(column.kind) {
                format!("CREATE INDEX IF NOT EXISTS documents_k{number} ON {documents} USING hash (k{number})")
            } else {
                format!("CREATE INDEX IF NOT EXISTS documents_f{number} ON {documents} (f{number})")
            });
        }
        if self.settings.width <= INDEXED_WIDTH {
            indexes.push(format!(
                "CREATE INDEX IF NOT EXISTS documents_vector ON {documents} USING hnsw (vector {}) \
                 WITH (m = {}, ef_construction = {})",
                operator_class(self.settings.similarity),
                options.m,
                options.ef_construction
            ));
        }
        let mut connection = server.connection().await?;
        let action = "building the indexes";
        let transaction = connection
            .transaction()
            .await
            .map_err(server.error(action))?;
        let work = async {
            transaction
                .batch_execute(&format!(
                    "SET LOCAL maintenance_work_mem = '{}MB';
                     SET LOCAL max_parallel_maintenance_workers = {};
                     SET LOCAL statement_timeout = 0",
                    options.memory_mb, options.workers
                ))
                .await?;
            transaction.batch_execute(&self.count()).await?;
            for index in &indexes {
                transaction.batch_execute(index).await?;
            }
            transaction.commit().await
        };
        work.await.map_err(server.error(action))?;
        connection
            .batch_execute(&format!("ANALYZE {documents}"))
            .await
            .map_err(server.error(action))
    }

    /// The statements that count words: in how many rows each occurs, for every text column.
    fn count(&self) -> String {
        let documents = self.schema.table("documents");
        let words = self.schema.table("words");
        let columns = self.settings.text_columns.len();
        let counts: Vec<String> = LABELS[..columns]
            .iter()
            .map(|label| format!("SELECT word, '{label}' AS label, ndoc FROM ts_stat('SELECT words FROM {documents}', '{label}')"))
            .collect();
        let of_columns: Vec<String> = LABELS[..columns]
            .iter()
            .map(|label| format!("coalesce(sum(ndoc) FILTER (WHERE label = '{label}'), 0)::bigint"))
            .collect();
        let lengths: Vec<String> = (1..=columns)
            .map(|column| format!("coalesce(sum(lengths[{column}]), 0)::float8"))
            .collect();
        let fill = if counts.is_empty() {
            String::new()
        } else {
            format!(
                "INSERT INTO {words} (word, documents)
                 SELECT word, ARRAY[{}] FROM ({}) AS counts GROUP BY word;",
                of_columns.join(", "),
                counts.join(" UNION ALL ")
            )
        };
        format!(
            // A change waits until the counts are those of all rows.
            "SELECT FROM {settings} FOR UPDATE; DELETE FROM {words}; {fill}
             UPDATE {settings} SET (documents, lengths) =
                 (SELECT count(*), ARRAY[{lengths}]::float8[] FROM {documents})",
            settings = self.schema.table("settings"),
            lengths = lengths.join(", "),
        )
    }

    /// What the servers hold.
    ///
    /// # Errors
    ///
    /// Fails for a server that cannot be reached.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        let documents = self.schema.table("documents");
        let statement = format!(
            "SELECT current_setting('server_version'),
                    (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
                    (SELECT count(*) FROM {documents}),
                    (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
                     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{schema}' AND c.relkind = 'r'),
                    to_regclass('\"{schema}\".documents_vector') IS NOT NULL,
                    (SELECT documents IS NOT NULL FROM {settings}),
                    ARRAY(SELECT DISTINCT load FROM {journal} ORDER BY load)",
            schema = self.schema.name,
            settings = self.schema.table("settings"),
            journal = self.schema.table("journal"),
        );
        let shards = self.wait_for(try_join_all(self.servers.iter().map(|server| async {
            let connection = server.connection().await?;
            let read = async {
                let row = connection.query_one(&statement, &[]).await?;
                let (rows, bytes): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
                Ok(ShardInfo {
                    server: server.name.clone(),
                    postgres: row.try_get(0)?,
                    pgvector: row.try_get(1)?,
                    rows: rows.unsigned_abs(),
                    bytes: bytes.unsigned_abs(),
                    hnsw: row.try_get(4)?,
                    words: row.try_get(5)?,
                    loads: row.try_get(6)?,
                })
            };
            read.await.map_err(server.error("asking for the size"))
        })))?;
        Ok(StoreInfo { shards })
    }
}
