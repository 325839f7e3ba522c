//! The rows of a shard that may be hits, with all that their scores need.

use std::collections::{HashMap, HashSet};

use pgvector::HalfVector;
use search::filter::{Value, fold_case};
use search::{Similarity, Sort};
use tokio_postgres::Row;

use super::parameters::{Parameters, column_number};
use super::plan::Plan;
use super::pool::Pool;
use super::session::Session;
use crate::error::StoreError;
use crate::rows::{operator, similarity_of, value_of, without_nul};
use crate::schema::compared;
use crate::store::PostgresStore;
use crate::words::{LABELS, Statistics, quoted};

/// Rows whose id or key equals the question, at most.
const KEYS: usize = 100;

/// A row that may be a hit.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Which server has it.
    pub(crate) shard: usize,
    pub(crate) id: String,
    pub(crate) similarity: Option<f32>,
    pub(crate) bm25: Option<f32>,
    /// Whether the id or a key equals the question.
    pub(crate) key: bool,
    /// The value by which hits are ordered, if a column orders them.
    pub(crate) sort: Option<Value>,
    /// Whether it is one of the first in that order.
    pub(crate) sorted: bool,
}

impl Plan<'_> {
    /// All candidates of a shard.
    pub(crate) async fn candidates(
        &self,
        session: &Session<'_>,
        shard: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        let keys = self.keys(session).await?;
        let sorted = match &self.query.sort {
            Some(sort) if self.pool != Pool::Ranked => {
                Some(self.first_by(session, sort, &keys).await?)
            }
            _ => None,
        };
        let mut ids = keys.clone();
        // The rows that a column sorts first are scored beside the best ones, as those of other answers are.
        if let Some(vector) = &self.vector {
            ids.extend(self.nearest(session, vector).await?);
        }
        if !self.words.is_empty() {
            ids.extend(self.best_words(session).await?);
        }
        ids.extend(sorted.iter().flatten().cloned());
        ids.sort_unstable();
        ids.dedup();
        let mut candidates = self.details(session, shard, ids, &keys).await?;
        if let Some(sorted) = sorted {
            let sorted: HashSet<String> = sorted.into_iter().collect();
            for candidate in &mut candidates {
                candidate.sorted = sorted.contains(&candidate.id);
            }
        }
        Ok(candidates)
    }

    /// Ids of the rows that come first in the order of a column.
    async fn first_by(
        &self,
        session: &Session<'_>,
        sort: &Sort,
        keys: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let number = column_number(self.settings(), &sort.column)?;
        let kind = self.settings().filter_columns[number].kind;
        let mut parameters = Parameters::default();
        let statement = format!(
            "SELECT id FROM {} WHERE {} ORDER BY {} {} NULLS LAST, id LIMIT {}",
            self.table(),
            self.in_pool(keys, &mut parameters)?,
            compared(number, kind),
            if sort.descending { "DESC" } else { "ASC" },
            parameters.add(limit(self.query.offset.saturating_add(self.query.k))),
        );
        first_texts(session, session.query(&statement, &parameters).await?)
    }

    /// Ids of rows whose id or key equals the question, without regard to case.
    async fn keys(&self, session: &Session<'_>) -> Result<Vec<String>, StoreError> {
        let text = without_nul(&fold_case(&self.query.text));
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let mut parameters = Parameters::default();
        let text = parameters.add(text);
        let mut equal = vec![format!("folded_id = {text}")];
        for (number, column) in self.settings().filter_columns.iter().enumerate() {
            if column.kind == search::filter::ColumnKind::Key {
                equal.push(format!("k{number} = {text}"));
            }
        }
        let statement = format!(
            "SELECT id FROM {} WHERE ({}) AND {} ORDER BY id LIMIT {KEYS}",
            self.table(),
            equal.join(" OR "),
            self.allowed(&mut parameters)?,
        );
        first_texts(session, session.query(&statement, &parameters).await?)
    }

    /// Ids of the rows with the most similar vectors.
    async fn nearest(
        &self,
        session: &Session<'_>,
        vector: &HalfVector,
    ) -> Result<Vec<String>, StoreError> {
        let indexed = if self.exact {
            Vec::new()
        } else {
            self.nearest_by(session, vector, false).await?
        };
        if indexed.len() >= self.depth {
            return Ok(indexed);
        }
        // The index gives fewer rows than there are where a filter keeps few of those in its view.
        self.nearest_by(session, vector, true).await
    }

    async fn nearest_by(
        &self,
        session: &Session<'_>,
        vector: &HalfVector,
        exact: bool,
    ) -> Result<Vec<String>, StoreError> {
        let mut parameters = Parameters::default();
        let distance = format!(
            "vector {} {}::halfvec",
            operator(self.settings().similarity),
            parameters.add(vector.clone())
        );
        // Without the index rows of equal distance have an order.
        let then = if exact { ", id" } else { "" };
        let statement = format!(
            "SELECT id FROM {} WHERE {} ORDER BY {distance}{then} LIMIT {}",
            self.table(),
            self.allowed(&mut parameters)?,
            parameters.add(limit(self.depth)),
        );
        if exact {
            session.execute("SET LOCAL enable_indexscan = off").await?;
        }
        let rows = session.query(&statement, &parameters).await?;
        if exact {
            session.execute("SET LOCAL enable_indexscan = on").await?;
        }
        first_texts(session, rows)
    }

    /// Ids of the rows whose words fit best.
    ///
    /// PostgreSQL orders them by a cheap relative of BM25: `ts_rank` of a single word saturates as BM25 does, and is
    /// weighed by the word's rarity and the row's length. Twice as many rows are taken as are needed, and
    /// BM25 itself orders them.
    async fn best_words(&self, session: &Session<'_>) -> Result<Vec<String>, StoreError> {
        let settings = self.settings();
        let mut parameters = Parameters::default();
        let mut weights = [0.0_f32; 4];
        let heaviest = settings.text_columns.iter().map(|column| column.weight);
        let heaviest = heaviest.fold(f32::MIN_POSITIVE, f32::max);
        for (column, settings) in settings.text_columns.iter().enumerate() {
            // PostgreSQL's order is D, C, B, A.
            weights[LABELS.len() - 1 - column.min(3)] = settings.weight / heaviest;
        }
        let weights = parameters.add(weights.to_vec());
        let columns = 0..settings.text_columns.len();
        let terms: Vec<String> = self
            .words
            .iter()
            .map(|word| {
                let rarity = columns
                    .clone()
                    .map(|column| self.statistics.rarity(word, column))
                    .fold(f64::INFINITY, f64::min);
                format!(
                    "{}::float8 * ts_rank({weights}::real[], words, {}::text::tsquery)",
                    parameters.add(rarity),
                    parameters.add(quoted(word)),
                )
            })
            .collect();
        let length: Vec<String> = columns
            .clone()
            .map(|column| format!("lengths[{}]", column + 1))
            .collect();
        let mean: f64 = columns
            .map(|column| self.statistics.mean_length(column))
            .sum();
        let mean = parameters.add(mean.max(1.0));
        let statement = format!(
            "SELECT id FROM {} WHERE {} AND {} ORDER BY ({}) / (1.3 + 0.9 * ({}) / {mean}::float8) DESC, id LIMIT {}",
            self.table(),
            self.allowed(&mut parameters)?,
            self.has_a_word(&mut parameters),
            terms.join(" + "),
            length.join(" + "),
            parameters.add(limit(self.depth.saturating_mul(2).saturating_add(100))),
        );
        first_texts(session, session.query(&statement, &parameters).await?)
    }

    /// What the scores of rows need.
    async fn details(
        &self,
        session: &Session<'_>,
        shard: usize,
        ids: Vec<String>,
        keys: &[String],
    ) -> Result<Vec<Candidate>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let settings = self.settings();
        let mut parameters = Parameters::default();
        let distance = match &self.vector {
            Some(vector) => format!(
                "vector {} {}::halfvec",
                operator(settings.similarity),
                parameters.add(vector.clone())
            ),
            None => "NULL::float8".to_owned(),
        };
        let sort = match &self.query.sort {
            Some(sort) => Some(column_number(settings, &sort.column)?),
            None => None,
        };
        let sort_column = sort.map_or("NULL::text".to_owned(), |number| format!("f{number}"));
        let statement = format!(
            "SELECT id, {distance}, lengths, found.words, found.labels, {sort_column}
             FROM {} CROSS JOIN LATERAL (
                 SELECT array_agg(each.lexeme) AS words, array_agg(array_to_string(each.weights, '')) AS labels
                 FROM unnest(words) AS each WHERE each.lexeme = ANY({})) AS found
             WHERE id = ANY({})",
            self.table(),
            parameters.add(self.words.clone()),
            parameters.add(ids),
        );
        let rows = session.query(&statement, &parameters).await?;
        let candidates = rows.iter().map(|row| {
            let sort = match sort {
                Some(number) => value_of(row, 5, &settings.filter_columns[number])?,
                None => None,
            };
            let (id, similarity, bm25) = self.scores(row, settings.similarity)?;
            Ok(Candidate {
                shard,
                key: keys.binary_search(&id).is_ok(),
                id,
                similarity,
                bm25,
                sort,
                sorted: false,
            })
        });
        candidates
            .collect::<Result<_, _>>()
            .map_err(session.server.error("reading candidates"))
    }

    fn scores(
        &self,
        row: &Row,
        similarity: Similarity,
    ) -> Result<(String, Option<f32>, Option<f32>), tokio_postgres::Error> {
        let id = row.try_get(0)?;
        let distance: Option<f64> = row.try_get(1)?;
        let lengths: Vec<i32> = row.try_get(2)?;
        let words: Option<Vec<String>> = row.try_get(3)?;
        let labels: Option<Vec<String>> = row.try_get(4)?;
        let words: Vec<(String, String)> = words
            .into_iter()
            .flatten()
            .zip(labels.into_iter().flatten())
            .collect();
        let bm25 = (!words.is_empty()).then(|| {
            self.statistics
                .score(&self.store.settings, &words, &lengths)
        });
        let similarity = distance.map(|distance| similarity_of(similarity, distance));
        Ok((id, similarity, bm25))
    }
}

/// How often the words of a question occur in a shard.
pub(crate) async fn count_words(
    store: &PostgresStore,
    session: &Session<'_>,
    words: &[String],
) -> Result<Statistics, StoreError> {
    let mut statistics = session.totals.clone().ok_or_else(|| StoreError::NotBuilt {
        server: session.server.name.clone(),
    })?;
    let mut parameters = Parameters::default();
    let statement = format!(
        "SELECT word, documents FROM {} WHERE word = ANY({})",
        store.schema.table("words"),
        parameters.add(words.to_vec()),
    );
    let rows = session.query(&statement, &parameters).await?;
    let counts = rows.iter().map(|row| {
        let rows: Vec<i64> = row.try_get(1)?;
        Ok((
            row.try_get(0)?,
            rows.into_iter().map(|rows| rows as f64).collect(),
        ))
    });
    statistics.rows = counts
        .collect::<Result<_, _>>()
        .map_err(session.server.error("counting words"))?;
    Ok(statistics)
}

/// Texts and values of hits, by their ids.
pub(crate) async fn rows_by_id(
    store: &PostgresStore,
    session: &Session<'_>,
    ids: Vec<String>,
) -> Result<HashMap<String, Row>, StoreError> {
    let mut parameters = Parameters::default();
    let columns: String = (0..store.settings.filter_columns.len())
        .map(|number| format!(", f{number}"))
        .collect();
    let statement = format!(
        "SELECT id, texts{columns} FROM {} WHERE id = ANY({})",
        store.schema.table("documents"),
        parameters.add(ids),
    );
    let rows = session.query(&statement, &parameters).await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get(0)?, row)))
        .collect::<Result<_, _>>()
        .map_err(session.server.error("reading hits"))
}

/// A number of rows as PostgreSQL counts them.
fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The first column of rows.
fn first_texts(session: &Session<'_>, rows: Vec<Row>) -> Result<Vec<String>, StoreError> {
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(session.server.error("reading candidates"))
}
