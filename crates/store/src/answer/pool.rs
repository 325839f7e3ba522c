//! The rows that could be hits: those that facets count and that a column sorts.

use search::{Mode, Query};

use super::candidates::Plan;
use super::parameters::{Parameters, condition};
use crate::error::StoreError;
use crate::rows::{operator, without_nul};
use crate::words::any_of;

/// The rows that could be hits, as those of an index on disk are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pool {
    /// All that the filter keeps.
    Allowed,
    /// Those of them that are at least so similar.
    Similar(f32),
    /// Those of them with one of the words.
    Words,
    /// Those whose score is high enough, which are known when they are ranked.
    Ranked,
}

impl Pool {
    pub(super) fn of(query: &Query, has_words: bool) -> Self {
        match (query.mode, query.min_score) {
            (Mode::Meaning, None) => Self::Allowed,
            (Mode::Meaning, Some(least)) => Self::Similar(least),
            (Mode::Words, None) => Self::Words,
            (Mode::Words | Mode::Hybrid, Some(_)) => Self::Ranked,
            (Mode::Hybrid, None) if query.sort.is_some() && has_words => Self::Words,
            (Mode::Hybrid, None) => Self::Allowed,
        }
    }
}

impl Plan<'_> {
    /// The condition of the rows that the filter keeps.
    pub(super) fn allowed(&self, parameters: &mut Parameters) -> Result<String, StoreError> {
        let mut conditions = Vec::new();
        if let Some(filter) = &self.query.filter {
            conditions.push(format!(
                "({})",
                condition(&self.store.settings, filter, parameters)?
            ));
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
