//! The thread of the engine: turn after turn, until the end.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{EncodeOptions, ModelError, Prompt};

use super::admission::State;
use super::queue::{Pairs, Turn};
use super::rate::Rate;
use super::work::{Task, Work, WorkKind, pair_tokens};
use super::{Shared, stopping};
use crate::problem::{Kind, Problem};

/// What a query may have to wait for is the turn that is running when it comes: a tenth of a second, with some room for
/// turns that take longer than expected.
const TURN: Duration = Duration::from_millis(80);

/// Fewer tokens would make a turn inefficient: much of its time would go into reading the weights.
const LEAST_TURN: usize = 128;

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn milliseconds(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
    }

    /// Computes a full turn of each kind.
    pub(super) fn warm_up(&self) -> Result<(), ModelError> {
        let text = "wireless keyboard ".repeat(8);
        let encoder = &self.models.encoder;
        let options = EncodeOptions::with_prompt(Prompt::Document);
        let mut texts = encoder.tokenize(&[&text], &options, None)?;
        let copies = self.limits.turn_tokens / texts.tokens().max(1);
        texts = encoder.tokenize(&vec![text.clone(); copies.max(1)], &options, None)?;
        self.time(WorkKind::Texts, texts.tokens(), || {
            encoder.compute(&texts).map(drop)
        })?;
        let Some(reranker) = &self.models.reranker else {
            return Ok(());
        };
        let query = "wireless keyboard";
        let tokens = pair_tokens(query, &text).min(reranker.tokenizer().max_length());
        let copies = (self.limits.turn_tokens / tokens.max(1)).max(1);
        let pairs = vec![(query, text.as_str()); copies];
        self.time(WorkKind::Pairs, copies * tokens, || {
            reranker.scores(&pairs).map(drop)
        })
    }

    /// Times work, the second time that it is done: the first run touches memory for the first time.
    fn time(
        &self,
        kind: WorkKind,
        tokens: usize,
        compute: impl Fn() -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        compute()?;
        let begin = Instant::now();
        compute()?;
        let mut rate = Rate::default();
        rate.add(tokens, begin.elapsed());
        *self.state().rate_mut(kind) = rate;
        Ok(())
    }

    pub(super) fn report(&self, state: &State) {
        self.metrics.queue_size.set(state.queue.len() as f64);
        self.metrics
            .queue_tokens
            .set(state.queue.all_tokens() as f64);
        for (kind, speed) in [
            (WorkKind::Texts, &self.metrics.tokens_per_second),
            (WorkKind::Pairs, &self.metrics.pair_tokens_per_second),
        ] {
            speed.set(state.rate(kind).tokens_per_second());
        }
    }

    pub(super) fn run(&self) {
        while let Some((turn, late)) = self.wait_for_turn() {
            late.into_iter().for_each(Work::time_out);
            if let Some(turn) = turn
                && guard::caught(|| self.compute(turn)).is_err()
            {
                // Whoever waited for this turn has an error; the tokens are counted again.
                self.state().queue.count_again();
                self.turn_since.store(0, Ordering::Relaxed);
            }
            std::thread::sleep(self.limits.turn_pause);
        }
    }

    /// Waits until there is work; `None` at the end.
    fn wait_for_turn(&self) -> Option<(Option<Turn>, Vec<Work>)> {
        let mut state = self.state();
        loop {
            let mut late = Vec::new();
            let now = Instant::now();
            let budgets = WorkKind::ALL.map(|kind| self.turn_budget(state.rate(kind)));
            let turn = state.queue.next(budgets, now, &mut late);
            if turn.is_some() || !late.is_empty() {
                // Before the lock is given back: no moment looks idle between the queue and the turn.
                let since = if turn.is_some() {
                    self.milliseconds()
                } else {
                    0
                };
                self.turn_since.store(since, Ordering::Relaxed);
                return Some((turn, late));
            }
            self.report(&state);
            if state.queue.closed {
                return None;
            }
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tokens of the next turn: what the model computes in the time of a turn.
    pub(super) fn turn_budget(&self, rate: Rate) -> usize {
        let most = self.limits.turn_tokens;
        rate.tokens_in(TURN).clamp(LEAST_TURN.min(most), most)
    }

    fn compute(&self, mut turn: Turn) {
        let begin = Instant::now();
        // A panic of a kernel costs this turn, not the service.
        let problem = match guard::caught(|| self.output(&turn)) {
            Ok(Ok(values)) => {
                turn.give(&values, self.models.encoder.full_width());
                None
            }
            Ok(Err(error)) => Some(Problem::from(error)),
            Err(panic) => Some(Problem::new(
                Kind::Backend,
                format!("the batch failed: {panic}"),
            )),
        };
        let texts: usize = turn.counts.iter().sum();
        let (tokens, kind) = (turn.tokens, turn.kind());
        let full = tokens >= turn.budget / 2;
        for work in self.put_back(turn, problem.is_some()) {
            match &problem {
                Some(problem) => work.fail(problem.clone()),
                None if work.is_done() => work.finish(self.models.encoder.full_width()),
                None => work.fail(stopping()),
            }
        }
        // What follows the vectors, such as a search, is part of their time.
        let time = begin.elapsed();
        self.metrics.batch(texts, tokens, time);
        let mut state = self.state();
        // A turn of a few tokens says little about a full one.
        if problem.is_none() && full {
            state.rate_mut(kind).add(tokens, time);
        }
        self.report(&state);
        self.turn_since.store(0, Ordering::Relaxed);
    }

    /// Puts back the works of a turn that are not done, and gives the others.
    fn put_back(&self, turn: Turn, failed: bool) -> Vec<Work> {
        let mut state = self.state();
        state.queue.computed(&turn);
        let mut done = Vec::new();
        for work in turn.works {
            if failed || state.queue.closed {
                state.queue.forget(&work);
                done.push(work);
            } else if work.is_done() {
                done.push(work);
            } else {
                state.queue.put_back(work);
            }
        }
        // Whoever has an answer finds it counted.
        self.report(&state);
        done
    }

    /// The vectors or the scores of a turn.
    fn output(&self, turn: &Turn) -> Result<Vec<f32>, ModelError> {
        (self.limits.in_turn)();
        if let Some(texts) = &turn.texts {
            return Ok(self.models.encoder.compute(texts)?.into_values());
        }
        match (&self.models.reranker, &turn.pairs) {
            (Some(reranker), Some(Pairs { query, texts, side })) => {
                let pairs: Vec<(&str, &str)> = texts
                    .iter()
                    .map(|text| (query.as_str(), text.as_str()))
                    .collect();
                Ok(reranker.scores_truncated_at(*side, &pairs)?)
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Turn {
    /// Gives each work its part of the values.
    fn give(&mut self, values: &[f32], width: usize) {
        let mut rest = values;
        for (work, count) in self.works.iter_mut().zip(&self.counts) {
            let (done, width) = match &mut work.task {
                Task::Embed { done, .. } => (done, width),
                Task::Score { done, .. } => (done, 1),
            };
            let (own, others) = rest.split_at((count * width).min(rest.len()));
            done.extend_from_slice(own);
            rest = others;
        }
    }
}
