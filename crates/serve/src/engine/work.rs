//! Work of a request: texts or pairs that wait for the model.

use std::collections::VecDeque;
use std::time::Instant;

use model::{Embeddings, TokenizedTexts, TruncationSide};
use tokio::sync::oneshot;

use super::Priority;
use crate::problem::{Kind, Problem};

/// Work that is computed in turns.
pub(crate) struct Work {
    pub(super) priority: Priority,
    pub(super) deadline: Instant,
    pub(super) queued: Instant,
    /// When its first turn began.
    pub(super) started: Option<Instant>,
    pub(super) task: Task,
    pub(super) reply: Box<dyn Reply>,
}

/// What is computed.
pub(super) enum Task {
    /// Texts that become vectors.
    Embed {
        waiting: TokenizedTexts,
        /// Vectors of the texts that are done, as the network pools them.
        done: Vec<f32>,
    },
    /// Pairs of texts that a reranker scores.
    Score {
        query: String,
        /// Where the reranker truncates long pairs.
        side: Option<TruncationSide>,
        waiting: VecDeque<String>,
        done: Vec<f32>,
        /// The reranker truncates longer pairs.
        most_tokens: usize,
    },
}

/// Which model reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkKind {
    /// The encoder.
    Texts,
    /// The reranker.
    Pairs,
}

impl WorkKind {
    pub(super) const ALL: [Self; 2] = [Self::Texts, Self::Pairs];
}

/// What the engine computed for a request.
pub(crate) enum Output {
    /// Vectors as the network pools them.
    Vectors(Embeddings),
    /// Scores of pairs, in their order.
    Scores(Vec<f32>),
}

/// Times of a request in the engine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// Seconds in the queue.
    pub(crate) queue: f64,
    /// Seconds from the first turn to the last.
    pub(crate) inference: f64,
}

/// Where the result goes.
pub(super) trait Reply: Send {
    /// Whether nobody waits any longer.
    fn is_gone(&self) -> bool;
    fn send(self: Box<Self>, result: Result<(Output, Times), Problem>);
}

/// A reply that is made from the output on the engine's thread, so that a search need not queue twice.
pub(super) struct Then<R, F> {
    pub(super) sender: oneshot::Sender<Result<(R, Times), Problem>>,
    pub(super) then: F,
}

impl<R: Send, F: FnOnce(Output) -> Result<R, Problem> + Send> Reply for Then<R, F> {
    fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    fn send(self: Box<Self>, result: Result<(Output, Times), Problem>) {
        let Self { sender, then } = *self;
        let result = result.and_then(|(output, times)| Ok((then(output)?, times)));
        // A closed connection wants no answer.
        let _ = sender.send(result);
    }
}

/// Bytes of a text for each of its tokens, about: a pair is tokenized by the reranker itself.
const BYTES_PER_TOKEN: usize = 4;

pub(super) fn pair_tokens(query: &str, text: &str) -> usize {
    (query.len() + text.len()) / BYTES_PER_TOKEN + 3
}

impl Work {
    pub(super) fn kind(&self) -> WorkKind {
        match &self.task {
            Task::Embed { .. } => WorkKind::Texts,
            Task::Score { .. } => WorkKind::Pairs,
        }
    }

    /// Tokens that wait.
    pub(super) fn tokens(&self) -> usize {
        match &self.task {
            Task::Embed { waiting, .. } => waiting.tokens(),
            Task::Score {
                query,
                waiting,
                most_tokens,
                ..
            } => {
                let tokens = |text| pair_tokens(query, text).min(*most_tokens);
                waiting.iter().map(|text: &String| tokens(text)).sum()
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        match &self.task {
            Task::Embed { waiting, .. } => waiting.is_empty(),
            Task::Score { waiting, .. } => waiting.is_empty(),
        }
    }

    pub(super) fn fail(self, problem: Problem) {
        self.reply.send(Err(problem));
    }

    pub(super) fn time_out(self) {
        self.fail(Problem::new(
            Kind::Timeout,
            "the request waited longer than --request-timeout",
        ));
    }

    pub(super) fn finish(self, width: usize) {
        let now = Instant::now();
        let started = self.started.unwrap_or(now);
        let times = Times {
            queue: (started - self.queued).as_secs_f64(),
            inference: (now - started).as_secs_f64(),
        };
        let output = match self.task {
            Task::Embed { done, .. } => Output::Vectors(Embeddings::from_rows(done, width)),
            Task::Score { done, .. } => Output::Scores(done),
        };
        // A panic of what follows costs this request; its sender is gone then, which its client learns.
        let _ = guard::caught(|| self.reply.send(Ok((output, times))));
    }
}
