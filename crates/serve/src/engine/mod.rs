//! The engine: one thread owns the model. It never waits for a batch to fill, and never computes what nobody waits for.

mod admission;
mod priority;
mod queue;
mod rate;
mod reservation;
mod thread;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use model::{ModelError, PairScorer, Precision, SentenceEncoder, TokenizedTexts, TruncationSide};
use tokio::sync::oneshot;
use tokio::time::sleep;

use admission::State;
pub(crate) use priority::Priority;
pub(crate) use reservation::Reservation;
pub(crate) use work::{Output, Times};
use work::{Task, Then, Work};

use crate::metrics::Metrics;
use crate::options::ServeOptions;
use crate::problem::{Kind, Problem};

/// How often whoever waits looks whether the running turn hangs.
const LOOK: Duration = Duration::from_secs(1);

/// What the engine computes with.
pub(crate) struct Models {
    pub(crate) encoder: SentenceEncoder,
    pub(crate) reranker: Option<PairScorer>,
}

/// A handle of the engine.
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    models: Arc<Models>,
    state: Mutex<State>,
    wake: Condvar,
    limits: Limits,
    metrics: Arc<Metrics>,
    start: Instant,
    /// Milliseconds from the start to the begin of the running turn, and one more; 0 between turns.
    turn_since: AtomicU64,
}

struct Limits {
    turn_tokens: usize,
    queue_seconds: [f64; 2],
    request_timeout: Duration,
    batch_limit: Duration,
    turn_pause: Duration,
    in_turn: fn(),
}

impl Engine {
    /// Starts the thread, and computes texts and pairs: their speed decides on what is accepted.
    ///
    /// # Errors
    ///
    /// When the model cannot compute, or the thread cannot be started.
    pub(crate) fn start(
        models: Arc<Models>,
        options: &ServeOptions,
        metrics: Arc<Metrics>,
    ) -> Result<Self, EngineError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            limits: Limits {
                turn_tokens: options
                    .max_batch_tokens
                    .unwrap_or_else(|| default_turn_tokens(&models)),
                queue_seconds: [
                    options.max_interactive_queue_seconds,
                    options.max_queue_seconds,
                ],
                request_timeout: options.request_timeout,
                batch_limit: options.batch_limit,
                turn_pause: options.turn_pause,
                in_turn: options.in_turn,
            },
            models,
            metrics,
            start: Instant::now(),
            turn_since: AtomicU64::new(0),
        });
        shared.warm_up()?;
        shared.report(&shared.state());
        let engine = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("engine".to_owned());
        thread
            .spawn(move || engine.run())
            .map_err(EngineError::Thread)?;
        Ok(Self { shared })
    }

    pub(crate) fn models(&self) -> &Models {
        &self.shared.models
    }

    /// Most tokens of a turn.
    pub(crate) fn turn_tokens(&self) -> usize {
        self.shared.limits.turn_tokens
    }

    /// The models, for work on the engine's thread.
    pub(crate) fn models_handle(&self) -> Arc<Models> {
        Arc::clone(&self.shared.models)
    }

    /// Refuses a request while more waits in front of it than the limit of its priority.
    pub(crate) fn admit(&self, priority: Priority) -> Result<(), Problem> {
        self.shared.state().admit(priority, &self.shared.limits)
    }

    /// Computes the vectors of texts, and gives what `then` makes of them on the engine's thread. Dropping the future
    /// takes the texts out of the queue. More tokens than a turn has are bulk.
    pub(crate) async fn embed<R: Send + 'static>(
        &self,
        texts: TokenizedTexts,
        priority: Priority,
        then: impl FnOnce(Output) -> Result<R, Problem> + Send + 'static,
    ) -> Result<(R, Times), Problem> {
        let width = self.models().encoder.full_width();
        let done = Vec::with_capacity(texts.len() * width);
        self.compute(
            Task::Embed {
                waiting: texts,
                done,
            },
            priority,
            None,
            then,
        )
        .await
    }

    /// Scores a query with texts by the reranker, in their order. Long pairs are truncated at a side. More tokens than a
    /// turn has are bulk. What is reserved is not refused.
    pub(crate) async fn score(
        &self,
        query: String,
        texts: Vec<String>,
        side: Option<TruncationSide>,
        priority: Priority,
        reservation: Option<Reservation>,
    ) -> Result<(Vec<f32>, Times), Problem> {
        let done = Vec::with_capacity(texts.len());
        let waiting = texts.into();
        let most_tokens = self.longest_pair();
        let task = Task::Score {
            query,
            side,
            waiting,
            done,
            most_tokens,
        };
        self.compute(task, priority, reservation, |output| match output {
            Output::Scores(scores) => Ok(scores),
            Output::Vectors(_) => Ok(Vec::new()),
        })
        .await
    }

    /// Most tokens of a pair: the reranker truncates longer ones.
    fn longest_pair(&self) -> usize {
        let reranker = self.models().reranker.as_ref();
        reranker.map_or(usize::MAX, |reranker| reranker.tokenizer().max_length())
    }

    async fn compute<R: Send + 'static>(
        &self,
        task: Task,
        priority: Priority,
        reservation: Option<Reservation>,
        then: impl FnOnce(Output) -> Result<R, Problem> + Send + 'static,
    ) -> Result<(R, Times), Problem> {
        let (sender, mut receiver) = oneshot::channel();
        let now = Instant::now();
        let mut work = Work {
            priority,
            deadline: now + self.shared.limits.request_timeout,
            queued: now,
            started: None,
            task,
            reply: Box::new(Then { sender, then }),
        };
        let tokens = work.tokens();
        // What waits behind a turn without an end would never be answered.
        if !self.is_alive() {
            return Err(hanging());
        }
        {
            let mut state = self.shared.state();
            if state.queue.closed {
                return Err(stopping());
            }
            let turn = self.shared.turn_budget(state.rate(work.kind()));
            work.priority = priority.within(turn, tokens);
            if reservation.is_none() {
                state.admit(work.priority, &self.shared.limits)?;
            }
            state.queue.push(work);
            self.shared.report(&state);
        }
        // From now on the work itself counts.
        drop(reservation);
        self.shared.wake.notify_one();
        // The engine answers all work, unless what follows the vectors panics.
        let failed = |_| {
            Err(Problem::new(
                Kind::Backend,
                "the request failed; the service goes on",
            ))
        };
        loop {
            tokio::select! {
                answer = &mut receiver => return answer.unwrap_or_else(failed),
                // A turn that hangs answers nothing, and neither does what waits behind it.
                () = sleep(LOOK) => if !self.is_alive() {
                    return Err(hanging());
                },
            }
        }
    }

    /// Whether the running turn takes no longer than it may.
    pub(crate) fn is_alive(&self) -> bool {
        let since = self.shared.turn_since.load(Ordering::Relaxed);
        let now = self.shared.milliseconds();
        since == 0
            || u128::from(now.saturating_sub(since)) <= self.shared.limits.batch_limit.as_millis()
    }

    /// Ends the thread after the running turn; what still waits gets an error.
    pub(crate) fn stop(&self) {
        let waiting = {
            let mut state = self.shared.state();
            state.queue.closed = true;
            state.queue.take_all()
        };
        self.shared.wake.notify_one();
        waiting.into_iter().for_each(|work| work.fail(stopping()));
    }
}

/// Most tokens of a turn unless the options say otherwise.
fn default_turn_tokens(models: &Models) -> usize {
    if models.encoder.device().is_gpu() {
        16_384
    } else {
        1_024
    }
}

/// The running turn takes longer than any may.
pub(crate) fn hanging() -> Problem {
    Problem::new(
        Kind::Unhealthy,
        "the model has computed one batch for too long",
    )
}

fn stopping() -> Problem {
    Problem::new(Kind::Unhealthy, "the service stops")
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("cannot start the thread of the model: {0}")]
    Thread(#[source] std::io::Error),
}

/// The precision of vectors, as text-embeddings-inference names it.
pub(crate) fn dtype(precision: Precision) -> String {
    match precision {
        Precision::Float32 => "float32".to_owned(),
        other => other.to_string(),
    }
}
