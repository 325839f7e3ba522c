//! Rows into the table of documents by way of a temporary table, which is faster than a statement for each.

use std::pin::pin;

use bytes::Bytes;
use deadpool_postgres::Transaction;
use futures_util::SinkExt;

use crate::rows::EncodedRows;
use crate::schema::columns;
use crate::store::PostgresStore;

/// What precedes the rows of `COPY … (FORMAT binary)`: a signature, no flags, no further head.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What follows them: a row of -1 fields.
const END: &[u8] = b"\xff\xff";

/// Bytes that are handed to a connection at once.
const CHUNK: usize = 256 << 10;

/// Makes the table `staging`, which ends with the transaction.
pub(crate) async fn make_staging(
    transaction: &Transaction<'_>,
    store: &PostgresStore,
) -> Result<(), tokio_postgres::Error> {
    let documents = store.schema.table("documents");
    let statement = format!(
        "CREATE TEMPORARY TABLE staging (LIKE {documents} INCLUDING STORAGE) ON COMMIT DROP"
    );
    transaction.batch_execute(&statement).await
}

/// Copies rows into `staging`; returns how many.
pub(crate) async fn copy(
    transaction: &Transaction<'_>,
    store: &PostgresStore,
    rows: EncodedRows,
) -> Result<u64, tokio_postgres::Error> {
    let list = columns(&store.settings).join(", ");
    let mut data = rows.data.freeze();
    let sink = transaction
        .copy_in(&format!("COPY staging ({list}) FROM STDIN (FORMAT binary)"))
        .await?;
    let mut sink = pin!(sink);
    sink.send(Bytes::from_static(HEAD)).await?;
    while !data.is_empty() {
        sink.send(data.split_to(CHUNK.min(data.len()))).await?;
    }
    sink.send(Bytes::from_static(END)).await?;
    sink.finish().await
}

/// Puts the rows of `staging` into the table of documents, in the place of those with their ids.
pub(crate) async fn upsert(
    transaction: &Transaction<'_>,
    store: &PostgresStore,
) -> Result<(), tokio_postgres::Error> {
    let documents = store.schema.table("documents");
    let columns = columns(&store.settings);
    let list = columns.join(", ");
    let updates: Vec<String> = columns
        .iter()
        .skip(1)
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    // In the order of ids, so that two loads at once do not wait for each other.
    let statement = format!(
        "INSERT INTO {documents} ({list}) SELECT {list} FROM staging ORDER BY id
         ON CONFLICT (id) DO UPDATE SET {}",
        updates.join(", ")
    );
    transaction.batch_execute(&statement).await
}
