//! A catalogue in PostgreSQL with pgvector, on one server or sharded over several.
//!
//! A [`PostgresStore`] answers the same [`Query`](search::Query) as an index on disk. It is loaded in numbered blocks,
//! which may be interrupted and repeated, and its indexes are built after the load. [`PostgresStore::change`] adds,
//! replaces and removes rows of a store that is in use.
//!
//! ```no_run
//! use search::index::{Document, Settings};
//! use store::{BuildOptions, Options, PostgresStore};
//!
//! # fn example(settings: &Settings, documents: &[Document], vectors: &[Vec<f32>]) -> Result<(), store::StoreError> {
//! let servers = ["postgres://shop:secret@one/shop", "postgres://shop:secret@two/shop"];
//! let store = PostgresStore::create(&servers, Options::default(), settings)?;
//! let mut load = store.load("products of May")?;
//! for (block, (documents, vectors)) in documents.chunks(1000).zip(vectors.chunks(1000)).enumerate() {
//!     if !load.is_done(block as u64) {
//!         load.write(block as u64, documents, vectors)?;
//!     }
//! }
//! store.build_indexes(BuildOptions::default())?;
//! load.finish()?;
//! let answer = store.answer(&search::Query {
//!     vector: vectors[0].clone(),
//!     text: "wireless keyboard".to_owned(),
//!     k: 10,
//!     ..search::Query::default()
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - A block of a load is on a server whole or not at all, and once, whatever is killed when.
//! - Several servers answer as one would: candidates of all are ranked together, with the counts of words in all.
//! - Hits of equal score are ordered by id.
//! - Vectors of another model are refused by name.
//! - No error holds a password.
//! - Connections are encrypted as `sslmode` and `sslrootcert` of an address say, with the meanings that libpq gives
//!   them: without them, where a server offers it, whoever it is.

mod answer;
mod change;
mod diagnosis;
mod encryption;
mod error;
mod indexes;
mod load;
mod options;
mod rename;
mod rows;
mod schema;
mod server;
mod shard;
mod staging;
mod store;
mod stored_settings;
mod words;

pub use change::Changed;
pub use error::StoreError;
pub use indexes::{BuildOptions, ShardInfo, StoreInfo};
pub use load::{Load, Written};
pub use options::Options;
pub use shard::shard_of;
pub use store::PostgresStore;
