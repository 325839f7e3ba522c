//! The engine: one thread owns the model. It never waits for a batch to fill, and never computes what nobody waits for.

mod priority;
mod queue;
mod rate;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{ModelError, PairScorer, Precision, Prompt, SentenceEncoder, TokenizedTexts};
use tokio::sync::oneshot;

pub(crate) use priority::Priority;
use queue::{Queue, Turn};
use rate::Rate;
pub(crate) use work::{Output, Times};
use work::{Task, Then, Work};

use crate::metrics::Metrics;
use crate::options::ServeOptions;
use crate::problem::{Kind, Problem};

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

#[derive(Default)]
struct State {
    queue: Queue,
    rate: Rate,
}

struct Limits {
    turn_tokens: usize,
    queue_seconds: [f64; 2],
    request_timeout: Duration,
    batch_limit: Duration,
}

impl Engine {
    /// Starts the thread, and computes a text: its speed decides on what is accepted.
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
                    .unwrap_or_else(|| turn_tokens(&models)),
                queue_seconds: [
                    options.max_interactive_queue_seconds,
                    options.max_queue_seconds,
                ],
                request_timeout: options.request_timeout,
                batch_limit: options.batch_limit,
            },
            models,
            metrics,
            start: Instant::now(),
            turn_since: AtomicU64::new(0),
        });
        shared.warm_up()?;
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

    /// The models, for work on the engine's thread.
    pub(crate) fn models_handle(&self) -> Arc<Models> {
        Arc::clone(&self.shared.models)
    }

    /// Refuses a request while more waits in front of it than the limit of its priority.
    pub(crate) fn admit(&self, priority: Priority) -> Result<(), Problem> {
        self.shared.admit(&self.shared.state(), priority)
    }

    /// Computes the vectors of texts, and gives what `then` makes of them on the engine's thread. Dropping the future
    /// takes the texts out of the queue.
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
            then,
        )
        .await
    }

    /// Scores a query with texts by the reranker, in their order.
    pub(crate) async fn score(
        &self,
        query: String,
        texts: Vec<String>,
        priority: Priority,
    ) -> Result<(Vec<f32>, Times), Problem> {
        let done = Vec::with_capacity(texts.len());
        let waiting = texts.into();
        let task = Task::Score {
            query,
            waiting,
            done,
        };
        self.compute(task, priority, |output| match output {
            Output::Scores(scores) => Ok(scores),
            Output::Vectors(_) => Ok(Vec::new()),
        })
        .await
    }

    async fn compute<R: Send + 'static>(
        &self,
        task: Task,
        priority: Priority,
        then: impl FnOnce(Output) -> Result<R, Problem> + Send + 'static,
    ) -> Result<(R, Times), Problem> {
        let (sender, receiver) = oneshot::channel();
        let now = Instant::now();
        let work = Work {
            priority,
            deadline: now + self.shared.limits.request_timeout,
            queued: now,
            started: None,
            task,
            reply: Box::new(Then { sender, then }),
        };
        {
            let mut state = self.shared.state();
            if state.queue.closed {
                return Err(stopping());
            }
            self.shared.admit(&state, priority)?;
            state.queue.push(work);
            self.shared.report(&state);
        }
        self.shared.wake.notify_one();
        // The engine answers all work; the other case is its end.
        receiver.await.unwrap_or_else(|_| Err(stopping()))
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

/// Tokens of a turn unless the options say otherwise. On a CPU a turn takes about a tenth of a second.
pub(crate) fn turn_tokens(models: &Models) -> usize {
    if models.encoder.device().is_gpu() {
        16_384
    } else {
        1_024
    }
}

fn stopping() -> Problem {
    Problem::new(Kind::Unhealthy, "the service stops")
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
    }

    fn warm_up(&self) -> Result<(), ModelError> {
        let text = "wireless keyboard ".repeat(32);
        let texts = self
            .models
            .encoder
            .tokenize(&[text], &Prompt::Document, None)?;
        // The first run touches memory for the first time.
        for _ in 0..2 {
            let begin = Instant::now();
            self.models.encoder.compute(&texts)?;
            let mut state = self.state();
            state.rate = Rate::default();
            state.rate.add(texts.tokens(), begin.elapsed());
        }
        Ok(())
    }

    fn admit(&self, state: &State, priority: Priority) -> Result<(), Problem> {
        let interactive = state.queue.tokens(Priority::Interactive);
        let tokens = match priority {
            // Every third turn is for bulk work.
            Priority::Interactive => interactive + interactive / 2,
            Priority::Bulk => interactive + state.queue.tokens(Priority::Bulk),
        };
        let (seconds, most) = (
            state.rate.seconds(tokens),
            self.limits.queue_seconds[priority as usize],
        );
        if seconds <= most {
            return Ok(());
        }
        let wait = Duration::from_secs_f64(seconds - most).max(Duration::from_millis(50));
        let message = format!("{seconds:.1} s of work wait already; try again later");
        Err(Problem::new(Kind::Overloaded(wait), message))
    }

    fn report(&self, state: &State) {
        let tokens = state.queue.tokens(Priority::Interactive) + state.queue.tokens(Priority::Bulk);
        self.metrics.queue_size.set(state.queue.len() as f64);
        self.metrics.queue_tokens.set(tokens as f64);
        self.metrics
            .tokens_per_second
            .set(state.rate.tokens_per_second());
    }

    fn run(&self) {
        while let Some((turn, late)) = self.wait_for_turn() {
            late.into_iter().for_each(Work::time_out);
            if let Some(turn) = turn {
                self.compute(turn);
            }
        }
    }

    /// Waits until there is work; `None` at the end.
    fn wait_for_turn(&self) -> Option<(Option<Turn>, Vec<Work>)> {
        let mut state = self.state();
        loop {
            let mut late = Vec::new();
            let now = Instant::now();
            let turn = state.queue.next(self.limits.turn_tokens, now, &mut late);
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

    fn compute(&self, mut turn: Turn) {
        let begin = Instant::now();
        // A panic of a kernel costs this turn, not the service.
        let computed = guard::caught(|| self.output(&turn));
        let time = begin.elapsed();
        let problem = match computed {
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
        self.metrics
            .batch(turn.counts.iter().sum(), turn.tokens, time);
        let mut done = Vec::new();
        {
            let mut state = self.state();
            if problem.is_none() {
                state.rate.add(turn.tokens, time);
            }
            state.queue.computed(&turn);
            for work in turn.works {
                if problem.is_some() {
                    state.queue.forget(&work);
                    done.push(work);
                } else if work.is_done() {
                    done.push(work);
                } else if state.queue.closed {
                    state.queue.forget(&work);
                    done.push(work);
                } else {
                    state.queue.put_back(work);
                }
            }
            self.report(&state);
        }
        for work in done {
            match &problem {
                Some(problem) => work.fail(problem.clone()),
                None if work.is_done() => work.finish(self.models.encoder.full_width()),
                None => work.fail(stopping()),
            }
        }
        self.turn_since.store(0, Ordering::Relaxed);
    }

    /// The vectors or the scores of a turn.
    fn output(&self, turn: &Turn) -> Result<Vec<f32>, ModelError> {
        if let Some(texts) = &turn.texts {
            return Ok(self.models.encoder.compute(texts)?.into_values());
        }
        match (&self.models.reranker, &turn.pairs) {
            (Some(reranker), Some((query, texts))) => {
                let pairs: Vec<(&str, &str)> = texts
                    .iter()
                    .map(|text| (query.as_str(), text.as_str()))
                    .collect();
                Ok(reranker.scores(&pairs)?)
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

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("cannot start the thread of the model: {0}")]
    Thread(std::io::Error),
}

/// The precision of vectors, as text-embeddings-inference names it.
pub(crate) fn dtype(precision: Precision) -> String {
    match precision {
        Precision::Float32 => "float32".to_owned(),
        other => other.to_string(),
    }
}
