//! Changes of a store that is in use: rows, and the counts of their words, in one transaction of each server.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use search::index::Document;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;
use crate::rows::{EncodedRows, may_be_stored};
use crate::server::Server;
use crate::shard::shard_of;
use crate::staging::{copy, make_staging, upsert};
use crate::store::PostgresStore;
use crate::words::LABELS;

/// How many times longer than a question a change may take: every row is put into the HNSW index.
const LIMIT: u32 = 10;

/// What a change did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Rows that were written, new or in place of others.
    pub written: u64,
    /// Rows that were removed.
    pub removed: u64,
}

/// The part of a change for one server.
#[derive(Default)]
struct Part {
    rows: EncodedRows,
    /// The ids of those rows.
    written: Vec<String>,
    removed: Vec<String>,
}

impl PostgresStore {
    /// Writes and removes rows of a store that is in use, and counts their words, so that a search finds them at once.
    /// Of two rows with the same id the later one stays; a row whose id the store has replaces the store's; a row whose id
    /// is also removed is not written. One vector for every document. Ids to remove without a row are no error.
    ///
    /// For many rows a [load](Self::load) is faster: it counts words once, at its end.
    ///
    /// # Errors
    ///
    /// Fails for a row that does not fit the store, before anything is changed, and for a server that does not take its
    /// part: the others may have taken theirs, and the change is to be repeated.
    pub fn change<V: AsRef<[f32]>, I: AsRef<str>>(
        &self,
        documents: &[Document],
        vectors: &[V],
        remove: &[I],
    ) -> Result<Changed, StoreError> {
        let parts = self.parts(documents, vectors, remove)?;
        let parts = self.servers.iter().zip(parts);
        let changed = self.wait_for(try_join_all(
            parts
                .filter(|(_, part)| !(part.written.is_empty() && part.removed.is_empty()))
                .map(|(server, part)| change(self, server, part)),
        ))?;
        let sum = |count: fn(&Changed) -> u64| changed.iter().map(count).sum();
        Ok(Changed {
            written: sum(|changed| changed.written),
            removed: sum(|changed| changed.removed),
        })
    }

    /// The part of each server.
    fn parts<V: AsRef<[f32]>, I: AsRef<str>>(
        &self,
        documents: &[Document],
        vectors: &[V],
        remove: &[I],
    ) -> Result<Vec<Part>, StoreError> {
        if documents.len() != vectors.len() {
            return Err(StoreError::Settings {
                reason: format!(
                    "{} documents came with {} vectors",
                    documents.len(),
                    vectors.len()
                ),
            });
        }
        let shards = self.servers.len();
        let mut parts: Vec<Part> = (0..shards).map(|_| Part::default()).collect();
        let removed: HashSet<&str> = remove.iter().map(AsRef::as_ref).collect();
        for id in removed.iter().filter(|id| may_be_stored(id)) {
            parts[shard_of(id, shards)].removed.push((*id).to_owned());
        }
        // The last row of every id.
        let mut last: HashMap<&str, usize> = HashMap::with_capacity(documents.len());
        for (index, document) in documents.iter().enumerate() {
            last.insert(&document.id, index);
        }
        for (index, (document, vector)) in documents.iter().zip(vectors).enumerate() {
            let id = document.id.as_str();
            if last.get(id) == Some(&index) && !removed.contains(id) {
                let part = &mut parts[shard_of(id, shards)];
                let vector = vector.as_ref();
                part.rows
                    .add(&self.settings, &self.analyzer, document, vector)?;
                part.written.push(id.to_owned());
            }
        }
        Ok(parts)
    }
}

async fn change(store: &PostgresStore, server: &Server, part: Part) -> Result<Changed, StoreError> {
    let limit = server.limit * LIMIT;
    match tokio::time::timeout(limit, change_unlimited(store, server, part)).await {
        Ok(changed) => changed,
        Err(_) => Err(StoreError::Silent {
            server: server.name.clone(),
            limit,
        }),
    }
}

async fn change_unlimited(
    store: &PostgresStore,
    server: &Server,
    part: Part,
) -> Result<Changed, StoreError> {
    let action = "changing rows";
    let error = server.error(action);
    let mut connection = server.connection().await?;
    let transaction = connection.transaction().await.map_err(&error)?;
    let are_counted = begin(store, server, &transaction).await?;
    let work = async {
        let documents = store.schema.table("documents");
        make_staging(&transaction, store).await?;
        let written = copy(&transaction, store, part.rows).await?;
        if are_counted {
            let ids: Vec<&String> = part.written.iter().chain(&part.removed).collect();
            transaction
                .batch_execute(
                    "CREATE TEMPORARY TABLE replaced (words tsvector, lengths integer[]) ON COMMIT DROP",
                )
                .await?;
            let replaced = format!(
                "INSERT INTO replaced SELECT words, lengths FROM {documents} WHERE id = ANY($1)"
            );
            transaction.execute(&replaced, &[&ids]).await?;
            transaction.batch_execute(&count(store)).await?;
        }
        upsert(&transaction, store).await?;
        let remove = format!("DELETE FROM {documents} WHERE id = ANY($1)");
        let removed = transaction.execute(&remove, &[&part.removed]).await?;
        transaction.commit().await?;
        Ok(Changed { written, removed })
    };
    work.await.map_err(error)
}

/// Begins a change: others wait until it ends. Returns whether the words of the store are counted.
async fn begin(
    store: &PostgresStore,
    server: &Server,
    transaction: &Transaction<'_>,
) -> Result<bool, StoreError> {
    let replaced = || StoreError::Replaced {
        server: server.name.clone(),
    };
    let statement = format!(
        "SELECT generation, documents IS NOT NULL FROM {} FOR UPDATE",
        store.schema.table("settings")
    );
    let row = match transaction.query_opt(&statement, &[]).await {
        Err(source)
            if matches!(
                source.code(),
                Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)
            ) =>
        {
            return Err(replaced());
        }
        row => row.map_err(server.error("reading the settings of the store"))?,
    };
    let row = row.ok_or_else(replaced)?;
    let error = server.error("reading the settings of the store");
    let generation: String = row.try_get(0).map_err(&error)?;
    if generation != store.generation {
        return Err(replaced());
    }
    row.try_get(1).map_err(&error)
}

/// The statements that count the words of `staging` and no longer those of `replaced`.
fn count(store: &PostgresStore) -> String {
    let words = store.schema.table("words");
    let settings = store.schema.table("settings");
    let columns = store.settings.text_columns.len();
    let lengths: Vec<String> = (1..=columns)
        .map(|column| {
            let sum = |table: &str| {
                format!("(SELECT coalesce(sum(rows.lengths[{column}]), 0) FROM {table} AS rows)")
            };
            let (more, fewer) = (sum("staging"), sum("replaced"));
            format!("greatest(0, totals.lengths[{column}] + {more} - {fewer})")
        })
        .collect();
    let of_settings = format!(
        "UPDATE {settings} AS totals SET
             documents = greatest(0, totals.documents + (SELECT count(*) FROM staging) - (SELECT count(*) FROM replaced)),
             lengths = ARRAY[{}]::float8[];",
        lengths.join(", ")
    );
    if columns == 0 {
        return of_settings;
    }
    let labels = &LABELS[..columns];
    let counts: Vec<String> = labels
        .iter()
        .flat_map(|label| {
            [("staging", "ndoc"), ("replaced", "-ndoc")].map(|(table, rows)| {
                format!("SELECT word COLLATE \"C\" AS word, '{label}' AS label, {rows} AS rows FROM ts_stat('SELECT words FROM {table}', '{label}')")
            })
        })
        .collect();
    let sums: Vec<String> = labels
        .iter()
        .map(|label| format!("coalesce(sum(rows) FILTER (WHERE label = '{label}'), 0)::bigint"))
        .collect();
    let zeros = vec!["0"; columns].join(", ");
    let updated: Vec<String> = (1..=columns)
        .map(|column| format!("greatest(0, known.documents[{column}] + more.rows[{column}])"))
        .collect();
    // With its size known, the few words are looked up one by one among those of all rows.
    format!(
        "{of_settings}
         CREATE TEMPORARY TABLE more ON COMMIT DROP AS
             SELECT word, ARRAY[{sums}] AS rows FROM ({counts}) AS counts GROUP BY word;
         ANALYZE more;
         INSERT INTO {words} (word, documents) SELECT word, ARRAY[{zeros}]::bigint[] FROM more ON CONFLICT DO NOTHING;
         UPDATE {words} AS known SET documents = ARRAY[{updated}]::bigint[] FROM more
             WHERE known.word = more.word AND 0 <> ANY (more.rows);
         DELETE FROM {words} AS known USING more WHERE known.word = more.word AND 0 >= ALL (known.documents)",
        sums = sums.join(", "),
        counts = counts.join(" UNION ALL "),
        updated = updated.join(", "),
    )
}
