//! The threads that compute. They belong to a process: the child of a fork has none of its parent's.

use std::sync::{Mutex, PoisonError};

use model::threads::{Pool, ThreadCount, ThreadsError};

use crate::error::Error;

/// The threads of a model, which start when it first computes in a process.
pub(crate) struct Threads {
    asked: Option<ThreadCount>,
    /// The process that started them, by its id.
    started: Mutex<Option<(u32, Pool)>>,
}

/// The threads of all models for which no number was asked.
static SHARED: Threads = Threads::new(None);

impl Threads {
    const fn new(asked: Option<ThreadCount>) -> Self {
        Self {
            asked,
            started: Mutex::new(None),
        }
    }

    /// The pool, whose threads run in this process.
    pub(crate) fn pool(&self) -> Result<Pool, ThreadsError> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let Some((of, pool)) = started.as_ref()
            && *of == process
        {
            return Ok(pool.clone());
        }
        let pool = Pool::start(self.asked)?;
        // The threads of a parent process cannot be told to end: they are not here.
        std::mem::forget(started.replace((process, pool.clone())));
        Ok(pool)
    }
}

/// The threads of one model, or of one index.
pub(crate) enum ThreadsOf {
    /// No number was asked for it.
    Everybody,
    /// As many as were asked for it.
    Itself(Threads),
}

impl ThreadsOf {
    /// Fails for a number that no computation may have.
    pub(crate) fn new(asked: Option<usize>) -> Result<Self, Error> {
        let Some(count) = asked else {
            return Ok(Self::Everybody);
        };
        Ok(Self::Itself(Threads::new(Some(count.to_string().parse()?))))
    }

    /// The pool, whose threads run in this process.
    pub(crate) fn pool(&self) -> Result<Pool, ThreadsError> {
        match self {
            Self::Everybody => SHARED.pool(),
            Self::Itself(threads) => threads.pool(),
        }
    }
}
