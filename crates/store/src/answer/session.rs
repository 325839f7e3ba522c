//! A shard while it is asked: a transaction that sees the rows of one moment.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::parameters::Parameters;
use crate::error::StoreError;
use crate::server::Server;
use crate::store::PostgresStore;
use crate::words::Statistics;

/// Statements that a connection keeps prepared, at most. Filters differ in their form, not in their values.
const PREPARED: usize = 100;

/// A shard while it is asked.
pub(crate) struct Session<'a> {
    pub(crate) server: &'a Server,
    /// None once the transaction has ended.
    connection: Option<Object>,
    /// How often words occur, if they were counted: without those of a question.
    pub(crate) totals: Option<Statistics>,
}

impl<'a> Session<'a> {
    /// Begins the transaction, in which a search of the HNSW index keeps `ef_search` rows in view.
    pub(crate) async fn begin(
        store: &PostgresStore,
        server: &'a Server,
        ef_search: usize,
    ) -> Result<Self, StoreError> {
        server
            .within_limit(Self::begin_unlimited(store, server, ef_search))
            .await
    }

    async fn begin_unlimited(
        store: &PostgresStore,
        server: &'a Server,
        ef_search: usize,
    ) -> Result<Self, StoreError> {
        let mut session = Self {
            server,
            connection: Some(server.connection().await?),
            totals: None,
        };
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL statement_timeout = {};
             SET LOCAL hnsw.ef_search = {};
             SET LOCAL hnsw.iterative_scan = strict_order;
             SET LOCAL plan_cache_mode = force_custom_plan",
            server.limit.as_millis().max(1),
            ef_search.clamp(1, 1000),
        );
        session.execute(&begin).await?;
        let table = store.schema.table("settings");
        let statement = format!("SELECT generation, documents, lengths FROM {table}");
        let replaced = || StoreError::Replaced {
            server: server.name.clone(),
        };
        let rows = session.query(&statement, &Parameters::default()).await;
        let rows = match rows {
            Err(StoreError::Database { source, .. })
                if matches!(
                    source.code(),
                    Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)
                ) =>
            {
                return Err(replaced());
            }
            rows => rows?,
        };
        let row = rows.first().ok_or_else(replaced)?;
        let error = server.error("reading the settings of the store");
        let generation: String = row.try_get(0).map_err(&error)?;
        let documents: Option<i64> = row.try_get(1).map_err(&error)?;
        let lengths: Option<Vec<f64>> = row.try_get(2).map_err(&error)?;
        if generation != store.generation {
            return Err(replaced());
        }
        session.totals = documents
            .zip(lengths)
            .map(|(documents, lengths)| Statistics {
                documents: documents as f64,
                lengths,
                ..Statistics::default()
            });
        Ok(session)
    }

    /// Executes statements without parameters.
    pub(crate) async fn execute(&self, statements: &str) -> Result<(), StoreError> {
        let work = self.connection()?.batch_execute(statements);
        work.await.map_err(self.server.error("answering"))
    }

    /// Asks a statement that many questions have in common.
    pub(crate) async fn query(
        &self,
        statement: &str,
        parameters: &Parameters,
    ) -> Result<Vec<Row>, StoreError> {
        let work = async {
            let connection = self.connection()?;
            if connection.statement_cache.size() >= PREPARED {
                connection.statement_cache.clear();
            }
            let work = async {
                let statement = connection.prepare_cached(statement).await?;
                connection.query(&statement, &parameters.values()).await
            };
            work.await.map_err(self.server.error("answering"))
        };
        self.server.within_limit(work).await
    }

    /// Ends the transaction, so that the connection can be used again.
    pub(crate) async fn end(mut self) -> Result<(), StoreError> {
        self.server.within_limit(self.execute("COMMIT")).await?;
        drop(self.connection.take());
        Ok(())
    }

    fn connection(&self) -> Result<&Object, StoreError> {
        self.connection.as_ref().ok_or_else(|| StoreError::Pool {
            server: self.server.name.clone(),
            reason: "its connection was given back".to_owned(),
        })
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // A transaction that failed, or that still runs: nobody else must get its connection.
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}
