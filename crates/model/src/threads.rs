//! The number of threads that compute on the processor.
//!
//! Kernels, the matmuls of burn's `Flex`, concurrent batches, tokenizing and searching share rayon's global
//! pool, so its size is the number of threads. (`TOKENIZERS_PARALLELISM` has no effect: we do not make the
//! calls that it controls. The matmuls of the backend `ndarray` use up to four extra threads, which
//! `MATMUL_NUM_THREADS` limits.)
//!
//! The default is the number of physical cores: two threads of one core share its multipliers and gain
//! little. No thread is pinned to a core: a pinned thread waits for other programs on its core, and all
//! others wait for it at the end of each layer. To reserve cores for a process, use `taskset` or a control
//! group; the default follows them.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

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
    fn there_is_a_core_and_no_more_than_may_be_used() {
        let allowed = std::thread::available_parallelism().unwrap().get();
        assert!((1..=allowed).contains(&physical_cores()));
    }
}
