//! A question as the shards are asked it, and the conditions of its rows.

use pgvector::HalfVector;
use search::Query;
use search::index::Settings;

use super::parameters::{Parameters, condition};
use super::pool::Pool;
use crate::error::StoreError;
use crate::rows::{operator, without_nul};
use crate::store::PostgresStore;
use crate::words::{Statistics, any_of};

/// A question as the shards are asked it.
pub(crate) struct Plan<'a> {
    pub(crate) store: &'a PostgresStore,
    pub(crate) query: &'a Query,
    /// None in [`Words`](search::Mode::Words).
    pub(crate) vector: Option<HalfVector>,
    /// The words of the question that some row has; none in [`Meaning`](search::Mode::Meaning).
    pub(crate) words: Vec<String>,
    pub(crate) statistics: Statistics,
    /// How many candidates each ranking gives.
    pub(crate) depth: usize,
    pub(crate) exact: bool,
    /// The rows that could be hits.
    pub(crate) pool: Pool,
}

impl Plan<'_> {
    pub(super) fn settings(&self) -> &Settings {
        &self.store.settings
    }

    pub(super) fn table(&self) -> String {
        self.store.schema.table("documents")
    }

    /// The condition of the rows that the filter keeps.
    pub(super) fn allowed(&self, parameters: &mut Parameters) -> Result<String, StoreError> {
        let mut conditions = Vec::new();
        if let Some(filter) = &self.query.filter {
            conditions.push(format!(
                "({})",
                condition(&self.store.settings, filter, parameters)?
            ));
        }
        if !self.query.only.is_empty() {
            let ids: Vec<String> = self.query.only.iter().map(|id| without_nul(id)).collect();
            conditions.push(format!("id = ANY({})", parameters.add(ids)));
        }
        if !self.query.without.is_empty() {
            let ids: Vec<String> = self
                .query
                .without
                .iter()
                .map(|id| without_nul(id))
                .collect();
            conditions.push(format!("id <> ALL({})", parameters.add(ids)));
        }
        if conditions.is_empty() {
            conditions.push("true".to_owned());
        }
        Ok(conditions.join(" AND "))
    }

    /// The condition of the rows with one of the words.
    pub(super) fn has_a_word(&self, parameters: &mut Parameters) -> String {
        if self.words.is_empty() {
            return "false".to_owned();
        }
        format!(
            "words @@ {}::text::tsquery",
            parameters.add(any_of(&self.words))
        )
    }

    /// The condition of the rows that could be hits: those of the pool, or some by their ids.
    pub(super) fn in_pool(
        &self,
        named: &[String],
        parameters: &mut Parameters,
    ) -> Result<String, StoreError> {
        let pool = match (self.pool, &self.vector) {
            // Not even the filter: a parameter that no condition names has no type.
            (Pool::Ranked, _) => "false".to_owned(),
            (Pool::Words, _) => format!(
                "({}) AND {}",
                self.allowed(parameters)?,
                self.has_a_word(parameters)
            ),
            (Pool::Similar(least), Some(vector)) => format!(
                "({}) AND vector {} {}::halfvec <= {}::float8",
                self.allowed(parameters)?,
                operator(self.store.settings.similarity),
                parameters.add(vector.clone()),
                parameters.add(-f64::from(least)),
            ),
            (Pool::Allowed | Pool::Similar(_), _) => self.allowed(parameters)?,
        };
        if named.is_empty() {
            return Ok(pool);
        }
        Ok(format!(
            "({pool}) OR id = ANY({})",
            parameters.add(named.to_vec())
        ))
    }
}
