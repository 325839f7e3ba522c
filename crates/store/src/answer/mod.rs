//! Answers: every shard gives its candidates with all that their scores need, and they are ranked here as one server
//! would rank them.

mod candidates;
mod facets;
mod fuse;
mod parameters;
mod rank;
mod session;
mod typos;

use std::collections::HashMap;

use futures_util::future::join_all;
use search::{Answer, Explanation, Found, Mode, Query};

use crate::error::StoreError;
use crate::rows::{half_vector, value_of};
use crate::shard::shard_of;
use crate::store::PostgresStore;
use crate::words::{QUERY_WORDS, Statistics, words_of};
use candidates::{Plan, count_words, rows_by_id};
use rank::Ranked;
use search::index::Document;
use session::Session;

/// Candidates of each ranking, at least: as many as an index on disk takes.
const DEPTH: usize = 100;

/// Different words of a question that are counted; the rarest [`QUERY_WORDS`] of them are searched.
const COUNTED_WORDS: usize = 1000;

/// The shards that are asked, and those that did not answer.
struct Asked<'a> {
    sessions: Vec<(usize, Session<'a>)>,
    missing: Vec<String>,
    /// Why the first of them did not.
    absence: Option<StoreError>,
    partial: bool,
}

impl PostgresStore {
    /// Answers a question.
    ///
    /// The nearest vectors are found by the HNSW index unless [`Options::exact`](crate::Options::exact) or a recall of 1
    /// asks for a scan. Hits of equal score are ordered by id.
    ///
    /// # Errors
    ///
    /// Fails for a vector of another width, for columns that the store does not have, and for servers that do not
    /// answer, unless the answer may be partial and at least one does.
    pub fn answer(&self, query: &Query) -> Result<Answer, StoreError> {
        self.wait_for(self.answer_later(query))
    }

    /// A row of the store, if there is one with that id.
    ///
    /// # Errors
    ///
    /// Fails for a server that does not answer.
    pub fn document(&self, id: &str) -> Result<Option<Document>, StoreError> {
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
            depth: DEPTH.max(query.offset.saturating_add(query.k)),
            exact,
        };
        if query.mode != Mode::Meaning {
            self.plan_words(&mut plan, &mut asked).await?;
        }
        let candidates = asked
            .each(async |shard, session| plan.candidates(session, shard).await)
            .await?;
        let facets = asked
            .each(async |_, session| plan.facets(session).await)
            .await?;
        let hits = rank::rank(&plan, candidates.into_iter().flatten().collect());
        let hits = self.read_hits(&mut asked, hits).await?;
        let missing = asked.end().await?;
        Ok(Answer {
            hits,
            facets: facets::merge(query.facets.len(), facets),
            missing,
        })
    }

    /// Whether the search is exact, and how many rows it keeps in view otherwise.
    fn effort(&self, query: &Query) -> (bool, usize) {
        match query.recall {
            None => (self.options.exact, self.options.ef_search),
            Some(recall) if recall >= 1.0 => (true, 1),
            // Measured over 19,406 product titles: see docs/src/reference/store.md.
            Some(recall) if recall > 0.99 => (false, 800),
            Some(recall) if recall > 0.98 => (false, 400),
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
        let mut words = words_of(self.settings.language, &plan.query.text);
        words.sort_unstable();
        words.dedup();
        words.truncate(COUNTED_WORDS);
        if words.is_empty() {
            return Ok(());
        }
        let mut statistics = Statistics::default();
        for counts in asked
            .each(async |_, session| count_words(self, session, &words).await)
            .await?
        {
            statistics.add(&counts);
        }
        if plan.query.typos {
            let alternatives = typos::alternatives(&words, &statistics);
            if !alternatives.is_empty() {
                for counts in asked
                    .each(async |_, session| count_words(self, session, &alternatives).await)
                    .await?
                {
                    statistics.add(&Statistics {
                        documents: 0.0,
                        lengths: Vec::new(),
                        ..counts
                    });
                }
            }
        }
        let mut found: Vec<(f64, String)> = statistics
            .rows
            .iter()
            .map(|(word, rows)| (rows.iter().sum(), word.clone()))
            .collect();
        found.sort_by(|left, right| {
            left.0
                .total_cmp(&right.0)
                .then_with(|| left.1.cmp(&right.1))
        });
        found.truncate(QUERY_WORDS);
        plan.words = found.into_iter().map(|(_, word)| word).collect();
        plan.statistics = statistics;
        Ok(())
    }

    /// Texts and values of the hits, from their shards.
    async fn read_hits(
        &self,
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
                highlights: vec![Vec::new(); texts.len()],
                texts,
                values,
                explanation: Explanation {
                    similarity: hit.candidate.similarity,
                    similarity_rank: hit.similarity_rank,
                    bm25: hit.candidate.bm25,
                    bm25_rank: hit.bm25_rank,
                    key: hit.candidate.key,
                },
            });
        }
        Ok(hits)
    }
}

impl<'a> Asked<'a> {
    async fn begin(store: &'a PostgresStore, ef_search: usize) -> Result<Self, StoreError> {
        let mut asked = Self {
            sessions: Vec::with_capacity(store.servers.len()),
            missing: Vec::new(),
            absence: None,
            partial: store.options.partial,
        };
        let begun = store
            .servers
            .iter()
            .map(|server| Session::begin(store, server, ef_search));
        for (shard, session) in join_all(begun).await.into_iter().enumerate() {
            match session {
                Ok(session) => asked.sessions.push((shard, session)),
                Err(error) => asked.note(&store.servers[shard].name, error)?,
            }
        }
        asked.check()?;
        Ok(asked)
    }

    /// Asks all shards at once. Those that do not answer are asked no more, if the answer may be partial.
    async fn each<T>(
        &mut self,
        ask: impl AsyncFn(usize, &Session<'a>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let asked = self
            .sessions
            .iter()
            .map(|(shard, session)| ask(*shard, session));
        let results = join_all(asked).await;
        let mut answers = Vec::with_capacity(results.len());
        let sessions = std::mem::take(&mut self.sessions);
        for ((shard, session), result) in sessions.into_iter().zip(results) {
            match result {
                Ok(answer) => {
                    answers.push(answer);
                    self.sessions.push((shard, session));
                }
                Err(error) => self.note(&session.server.name.clone(), error)?,
            }
        }
        self.check()?;
        Ok(answers)
    }

    /// Ends all transactions; returns the shards that did not answer. All answers are there already, so that one that
    /// goes away now is no error.
    async fn end(self) -> Result<Vec<String>, StoreError> {
        let ended = join_all(self.sessions.into_iter().map(|(_, session)| session.end())).await;
        for error in ended.into_iter().filter_map(Result::err) {
            if !error.is_absence() {
                return Err(error);
            }
        }
        Ok(self.missing)
    }

    /// Notes a shard that is down, or fails.
    fn note(&mut self, server: &str, error: StoreError) -> Result<(), StoreError> {
        if !self.partial || !error.is_absence() {
            return Err(error);
        }
        self.missing.push(server.to_owned());
        self.absence.get_or_insert(error);
        Ok(())
    }

    /// Fails where no shard is left.
    fn check(&mut self) -> Result<(), StoreError> {
        match self.absence.take() {
            Some(error) if self.sessions.is_empty() => Err(error),
            absence => {
                self.absence = absence;
                Ok(())
            }
        }
    }
}
