//! The number of threads that compute on the processor.
//!
//! Kernels, the matmuls of burn's `Flex`, concurrent batches, tokenizing and searching share rayon's global
//! pool, so its size is the number of threads. A library that is loaded into another program has a [`Pool`]
//! of its own instead: that program may fork, and no thread of a global pool survives that. (`TOKENIZERS_PARALLELISM` has no effect: we do not make the
//! calls that it controls. The matmuls of the backend `ndarray` use up to four extra threads, which
//! `MATMUL_NUM_THREADS` limits.)
//!
//! The default is the number of physical cores: two threads of one core share its multipliers and gain
//! little. No thread is pinned to a core: a pinned thread waits for other programs on its core, and all
//! others wait for it at the end of each layer. To reserve cores for a process, use `taskset` or a control
//! group; the default follows them.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use rayon::{Scope, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// The environment variable of rayon.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// A number of threads from 1 to [`MAX`](Self::MAX).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadCount(NonZeroUsize);

impl ThreadCount {
    /// A larger number is taken for a typing error, which could exhaust the machine.
    pub const MAX: usize = 1024;

    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.get()
    }
}

/// A text that is not a number of threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidThreadCount(String);

impl fmt::Display for InvalidThreadCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, most) = (&self.0, ThreadCount::MAX);
        write!(f, "`{word}` is not a number from 1 to {most}")
    }
}

impl Error for InvalidThreadCount {}

impl FromStr for ThreadCount {
    type Err = InvalidThreadCount;

    fn from_str(text: &str) -> Result<Self, InvalidThreadCount> {
        match text.parse::<NonZeroUsize>() {
            Ok(count) if count.get() <= Self::MAX => Ok(Self(count)),
            _ => Err(InvalidThreadCount(text.to_owned())),
        }
    }
}

/// The requested threads cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// The system refused.
    #[error("cannot start {asked} threads: {source}")]
    Start {
        /// The requested number.
        asked: usize,
        /// The reason.
        source: ThreadPoolBuildError,
    },
    /// The threads of this process already run, and their number is fixed.
    #[error("cannot use {asked} threads: {running} threads of this process already run")]
    Running {
        /// The requested number.
        asked: usize,
        /// The running number.
        running: usize,
    },
}

/// Starts the threads that compute: `asked`, or the value of `RAYON_NUM_THREADS`, or the number of
/// [physical cores](physical_cores). Call it once, before any computation.
///
/// # Errors
///
/// When the threads cannot be started, or when a different number already runs.
pub fn start(asked: Option<ThreadCount>) -> Result<(), ThreadsError> {
    let asked = wanted(asked, std::env::var(VARIABLE).ok().as_deref());
    match ThreadPoolBuilder::new().num_threads(asked).build_global() {
        Ok(()) => Ok(()),
        // Only the system's refusal has a source; the other error says that the pool exists.
        Err(source) if source.source().is_some() => Err(ThreadsError::Start { asked, source }),
        Err(_) => match rayon::current_num_threads() {
            running if running == asked => Ok(()),
            running => Err(ThreadsError::Running { asked, running }),
        },
    }
}

/// Threads beside those of rayon's global pool.
///
/// A call on a thread computes with this pool while it is inside [`run`](Self::run) or
/// [`install`](Self::install). Copies are of the same threads, which end with the last copy.
#[derive(Clone, Debug)]
pub struct Pool(Arc<ThreadPool>);

thread_local! {
    /// The pool of the computations of this thread; none for rayon's global one.
    static POOL: RefCell<Option<Pool>> = const { RefCell::new(None) };
}

impl Pool {
    /// Starts the threads: `asked`, or as many as [`start`] would.
    ///
    /// # Errors
    ///
    /// [`ThreadsError::Start`].
    pub fn start(asked: Option<ThreadCount>) -> Result<Self, ThreadsError> {
        let asked = wanted(asked, std::env::var(VARIABLE).ok().as_deref());
        match ThreadPoolBuilder::new().num_threads(asked).build() {
            Ok(pool) => Ok(Self(Arc::new(pool))),
            Err(source) => Err(ThreadsError::Start { asked, source }),
        }
    }

    /// The number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Does some work on the calling thread, and what encoders and rerankers compute for it on this pool. Other uses
    /// of rayon in `work` take the global pool.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Earlier(Option<Pool>);
        impl Drop for Earlier {
            fn drop(&mut self) {
                POOL.set(self.0.take());
            }
        }
        let _earlier = Earlier(POOL.replace(Some(self.clone())));
        work()
    }

    /// Does all of some work on a thread of this pool: right for loading a model and for searching. An encoder would not
    /// compute several batches at a time there.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

/// The pool of the calling thread's computations; none for rayon's global one.
fn current() -> Option<Pool> {
    POOL.with_borrow(Clone::clone)
}

/// The number of threads that compute for the calling thread.
pub(crate) fn count() -> usize {
    current().map_or_else(rayon::current_num_threads, |pool| pool.threads())
}

/// Does work whose parallel parts are for the pool of the calling thread.
pub(crate) fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match current() {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// [`rayon::in_place_scope`] in the pool of the calling thread.
pub(crate) fn in_place_scope<'scope, R>(work: impl FnOnce(&Scope<'scope>) -> R) -> R {
    match current() {
        Some(pool) => pool.0.in_place_scope(work),
        None => rayon::in_place_scope(work),
    }
}

/// The number to start, given the value of rayon's variable.
fn wanted(asked: Option<ThreadCount>, variable: Option<&str>) -> usize {
    let of_variable = || variable?.trim().parse().ok();
    asked
        .or_else(of_variable)
        .map_or_else(physical_cores, ThreadCount::get)
}

/// Physical cores that this process may use, limited by its affinity and its control group.
#[must_use]
pub fn physical_cores() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    num_cpus::get_physical().clamp(1, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        assert_eq!("1".parse().map(ThreadCount::get), Ok(1));
        assert_eq!("1024".parse().map(ThreadCount::get), Ok(1024));
        for word in ["0", "1025", "-2", "two", "", "1.5"] {
            let message = word.parse::<ThreadCount>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{word}`")), "{message}");
        }
    }

    #[test]
    fn the_flag_counts_before_the_variable_and_that_before_the_cores() {
        let two = "2".parse().ok();
        assert_eq!(wanted(two, Some("3")), 2);
        assert_eq!(wanted(None, Some("3")), 3);
        for invalid in ["", "0", "-1", "many"].map(Some).into_iter().chain([None]) {
            assert_eq!(wanted(None, invalid), physical_cores(), "{invalid:?}");
        }
    }

    #[test]
    fn work_is_done_by_the_pool_of_its_thread() {
        let pool = Pool::start("3".parse().ok()).unwrap();
        let worker = || rayon::current_thread_index();
        assert_eq!(in_pool(worker), None);
        pool.run(|| {
            assert_eq!((count(), pool.threads(), worker()), (3, 3, None));
            assert!(in_pool(worker).is_some_and(|index| index < 3));
            let of_scope = in_place_scope(|scope| {
                let (sender, receiver) = std::sync::mpsc::channel();
                scope.spawn(move |_| sender.send(rayon::current_num_threads()).unwrap());
                receiver.recv()
            });
            assert_eq!(of_scope, Ok(3));
            let inner = Pool::start("1".parse().ok()).unwrap();
            assert_eq!(inner.run(count), 1);
            assert_eq!(count(), 3);
        });
        assert_eq!(in_pool(worker), None);
    }

    #[test]
    fn there_is_a_core_and_no_more_than_may_be_used() {
        let allowed = std::thread::available_parallelism().unwrap().get();
        assert!((1..=allowed).contains(&physical_cores()));
    }
}
