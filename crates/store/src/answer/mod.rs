//! Answers: every shard gives its candidates with all that their scores need, and they are ranked here as one server
//! would rank them.

mod asked;
mod by_id;
mod candidates;
mod facets;
mod parameters;
mod plan;
mod pool;
mod rank;
mod session;
mod typos;

use std::collections::{HashMap, HashSet};

use search::{Answer, Explanation, FacetCount, Found, Mode, Query};

use crate::error::StoreError;
use crate::rows::{half_vector, may_be_stored, value_of};
use crate::shard::shard_of;
use crate::store::PostgresStore;
use crate::words::Statistics;
use asked::Asked;
use candidates::{count_words, rows_by_id};
use parameters::column_number;
use plan::Plan;
use pool::Pool;
use rank::Ranked;
use search::index::Document;
use session::Session;

/// Rows whose words are scored where facets or an order need all that reach a score.
const MOST_RANKED: usize = 100_000;

impl PostgresStore {
    /// Answers a question.
    ///
    /// The nearest vectors are found by the HNSW index unless [`Options::exact`](crate::Options::exact) or a recall of 1
    /// asks for a scan. Hits of equal score are ordered by id.
    ///
    /// # Errors
    ///
    /// Fails for a vector of another width, for columns that the store does not have, for [boosts](Query::boosts), which
    /// only an index has, and for servers that do not answer, unless the answer may be partial and at least one does.
    pub fn answer(&self, query: &Query) -> Result<Answer, StoreError> {
        if !query.boosts.is_empty() {
            return Err(StoreError::Query {
                reason: "a store does not boost attributes: search an index".to_owned(),
            });
        }
        self.wait_for(async {
            let mut answer = self.answer_later(query).await?;
            self.count_chosen_facets(query, &mut answer).await?;
            Ok(answer)
        })
    }

    /// Counts the facets of columns on which the filter has conditions again, without these.
    async fn count_chosen_facets(
        &self,
        query: &Query,
        answer: &mut Answer,
    ) -> Result<(), StoreError> {
        for (name, counts) in query.facets.iter().zip(&mut answer.facets) {
            let column = &self.settings.filter_columns[column_number(&self.settings, name)?];
            if let Some(query) = query.of_facet(&column.name) {
                let counted = self.answer_later(&query).await?;
                *counts = counted.facets.into_iter().next().unwrap_or_default();
                for server in counted.missing {
                    if !answer.missing.contains(&server) {
                        answer.missing.push(server);
                    }
                }
            }
        }
        Ok(())
    }

    /// A row of the store, if there is one with that id.
    ///
    /// # Errors
    ///
    /// Fails for a server that does not answer.
    pub fn document(&self, id: &str) -> Result<Option<Document>, StoreError> {
        if !may_be_stored(id) {
            return Ok(None);
        }
        self.wait_for(async {
            let server = &self.servers[shard_of(id, self.servers.len())];
            let session = Session::begin(self, server, 1).await?;
            let row = rows_by_id(self, &session, vec![id.to_owned()])
                .await?
                .remove(id);
            session.end().await?;
            let Some(row) = row else { return Ok(None) };
            let read = || {
                let columns = self.settings.filter_columns.iter().enumerate();
                Ok::<_, tokio_postgres::Error>(Document {
                    id: id.to_owned(),
                    texts: row.try_get(1)?,
                    values: columns
                        .map(|(number, column)| value_of(&row, 2 + number, column))
                        .collect::<Result<_, _>>()?,
                })
            };
            read().map(Some).map_err(server.error("reading a row"))
        })
    }

    /// The vector of a row in half precision, if there is one with that id: of length 1 for the cosine.
    ///
    /// # Errors
    ///
    /// Fails for a server that does not answer.
    pub fn vector(&self, id: &str) -> Result<Option<Vec<f32>>, StoreError> {
        if !may_be_stored(id) {
            return Ok(None);
        }
        self.wait_for(async {
            let server = &self.servers[shard_of(id, self.servers.len())];
            let session = Session::begin(self, server, 1).await?;
            let mut parameters = parameters::Parameters::default();
            let statement = format!(
                "SELECT vector FROM {} WHERE id = {}",
                self.schema.table("documents"),
                parameters.add(id.to_owned())
            );
            let rows = session.query(&statement, &parameters).await?;
            session.end().await?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let vector: pgvector::HalfVector =
                row.try_get(0).map_err(server.error("reading a vector"))?;
            Ok(Some(vector.to_vec().into_iter().map(f32::from).collect()))
        })
    }

    async fn answer_later(&self, query: &Query) -> Result<Answer, StoreError> {
        let vector = match query.mode {
            Mode::Words => None,
            Mode::Meaning | Mode::Hybrid => Some(half_vector(
                &self.settings,
                "of the question",
                &query.vector,
            )?),
        };
        let (exact, ef_search) = self.effort(query);
        let mut asked = Asked::begin(self, ef_search).await?;
        let mut plan = Plan {
            store: self,
            query,
            vector,
            words: Vec::new(),
            statistics: Statistics::default(),
            // Also for one ranking: what the HNSW index finds, and how PostgreSQL orders words, depends on the number.
            depth: query.joined_rows(),
            exact,
            pool: Pool::Allowed,
        };
        if query.mode != Mode::Meaning {
            self.plan_words(&mut plan, &mut asked).await?;
        }
        let whole = query.sort.is_some() || !query.facets.is_empty();
        plan.pool = Pool::of(query, !plan.words.is_empty());
        if whole && query.mode == Mode::Words && plan.pool == Pool::Ranked {
            plan.depth = plan.depth.max(MOST_RANKED);
        }
        let mut candidates = asked
            .each(async |shard, session| plan.candidates(session, shard).await)
            .await?;
        if query.mode == Mode::Hybrid
            && plan.pool == Pool::Words
            && !candidates
                .iter()
                .flatten()
                .any(|candidate| candidate.sorted)
        {
            // The filter keeps no row with a word.
            plan.pool = Pool::Allowed;
            candidates = asked
                .each(async |shard, session| plan.candidates(session, shard).await)
                .await?;
        }
        let ranked = rank::rank(&plan, candidates.into_iter().flatten().collect());
        let facets = self.count_facets(&plan, &mut asked, &ranked).await?;
        let hits = ranked
            .into_iter()
            .skip(query.offset)
            .take(query.k)
            .collect();
        let hits = self.read_hits(&plan, &mut asked, hits).await?;
        let missing = asked.end().await?;
        Ok(Answer {
            hits,
            facets,
            boosts: Vec::new(),
            missing,
        })
    }

    /// Whether the search is exact, and how many rows it keeps in view otherwise.
    fn effort(&self, query: &Query) -> (bool, usize) {
        match query.recall {
            None => (self.options.exact, self.options.ef_search),
            Some(recall) if recall >= 1.0 => (true, 1),
            // Measured over 19,406 product titles: see docs/src/reference/store.md.
            Some(recall) if recall > 0.98 => (false, 800),
            Some(recall) if recall > 0.95 => (false, 200),
            Some(_) => (false, 100),
        }
    }

    /// The words of the question that some row has, and how often they occur in all shards.
    async fn plan_words(
        &self,
        plan: &mut Plan<'_>,
        asked: &mut Asked<'_>,
    ) -> Result<(), StoreError> {
        let words = self.analyzer.query_words(&plan.query.text);
        if words.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        let mut statistics = self.count_words(asked, &texts).await?;
        if plan.query.typos {
            let unknown = typos::unknown(&words, &statistics);
            let edits = typos::edits(&unknown);
            if !edits.is_empty() {
                let counts = self.count_words(asked, &edits).await?;
                typos::correct(&unknown, &counts, &mut statistics);
            }
        }
        plan.words = statistics.rows.keys().cloned().collect();
        plan.statistics = statistics;
        Ok(())
    }

    /// How often words occur in all shards.
    async fn count_words(
        &self,
        asked: &mut Asked<'_>,
        words: &[String],
    ) -> Result<Statistics, StoreError> {
        let mut statistics = Statistics::default();
        for counts in asked
            .each(async |_, session| count_words(self, session, words).await)
            .await?
        {
            statistics.add(&counts);
        }
        Ok(statistics)
    }

    /// For every facet, the values of the rows that could be hits.
    async fn count_facets(
        &self,
        plan: &Plan<'_>,
        asked: &mut Asked<'_>,
        ranked: &[Ranked],
    ) -> Result<Vec<Vec<FacetCount>>, StoreError> {
        if plan.query.facets.is_empty() {
            return Ok(Vec::new());
        }
        let mut named = vec![Vec::new(); self.servers.len()];
        for hit in ranked
            .iter()
            .filter(|hit| hit.candidate.key || plan.pool == Pool::Ranked)
        {
            named[hit.candidate.shard].push(hit.candidate.id.clone());
        }
        let counts = asked
            .each(async |shard, session| plan.facets(session, &named[shard]).await)
            .await?;
        Ok(facets::merge(plan.query.facets.len(), counts))
    }

    /// Texts and values of the hits, from their shards.
    async fn read_hits(
        &self,
        plan: &Plan<'_>,
        asked: &mut Asked<'_>,
        ranked: Vec<Ranked>,
    ) -> Result<Vec<Found>, StoreError> {
        let mut ids: HashMap<usize, Vec<String>> = HashMap::new();
        for hit in &ranked {
            ids.entry(hit.candidate.shard)
                .or_default()
                .push(hit.candidate.id.clone());
        }
        let rows = asked
            .each(async |shard, session| match ids.get(&shard) {
                Some(ids) => rows_by_id(self, session, ids.clone()).await,
                None => Ok(HashMap::new()),
            })
            .await?;
        let rows: HashMap<String, tokio_postgres::Row> = rows.into_iter().flatten().collect();
        let words: HashSet<&str> = plan.words.iter().map(String::as_str).collect();
        let mut hits = Vec::with_capacity(ranked.len());
        for hit in ranked {
            // Missing only where a shard went away between two questions.
            let Some(row) = rows.get(&hit.candidate.id) else {
                continue;
            };
            let server = &self.servers[hit.candidate.shard];
            let read = || -> Result<(Vec<String>, Vec<_>), tokio_postgres::Error> {
                let columns = self.settings.filter_columns.iter().enumerate();
                let values = columns.map(|(number, column)| value_of(row, 2 + number, column));
                Ok((row.try_get(1)?, values.collect::<Result<_, _>>()?))
            };
            let (texts, values) = read().map_err(server.error("reading hits"))?;
            hits.push(Found {
                id: hit.candidate.id,
                score: hit.score,
                highlights: texts
                    .iter()
                    .map(|text| self.analyzer.highlights(text, &words))
                    .collect(),
                texts,
                values,
                explanation: Explanation {
                    similarity: hit.candidate.similarity,
                    similarity_rank: hit.similarity_rank,
                    bm25: hit.candidate.bm25,
                    bm25_rank: hit.bm25_rank,
                    key: hit.candidate.key,
                    boost: None,
                },
            });
        }
        Ok(hits)
    }
}
