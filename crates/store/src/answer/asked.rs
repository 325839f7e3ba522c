//! The shards of a store while they are asked, and those that do not answer.

use futures_util::future::join_all;

use super::session::Session;
use crate::error::StoreError;
use crate::store::PostgresStore;

/// The shards that are asked, and those that did not answer.
pub(super) struct Asked<'a> {
    sessions: Vec<(usize, Session<'a>)>,
    missing: Vec<String>,
    /// Why the first of them did not.
    absence: Option<StoreError>,
    partial: bool,
}

impl<'a> Asked<'a> {
    pub(super) async fn begin(
        store: &'a PostgresStore,
        ef_search: usize,
    ) -> Result<Self, StoreError> {
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
    pub(super) async fn each<T>(
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
    pub(super) async fn end(self) -> Result<Vec<String>, StoreError> {
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
