//! How many threads compute on the processor.
//!
//! Whatever computes shares rayon's global pool: the kernels, the products of burn's `Flex`, batches
//! side by side, tokenizing and searching. So its size is the number of threads, and two of these at
//! a time do not make twice as many. (The tokenizers' own switch, `TOKENIZERS_PARALLELISM`, is of
//! calls that are not made here. The matrix products of the backend `ndarray` run on up to four threads
//! of their own, which `MATMUL_NUM_THREADS` limits.)
//!
//! Without a wish there are as many as physical cores: two threads of one core share its
//! multipliers, and gain little where each keeps these busy. The number limits, and no thread is
//! pinned to a core: one that may not move waits wherever something else runs on its core, and all
//! others wait for it at the end of each layer. Who wants cores of their own for a process gives them
//! from outside (`taskset`, a control group), which the number of cores here follows.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// What rayon itself listens to.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// How many threads are to compute: from 1 to [`MOST`](Self::MOST).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadCount(NonZeroUsize);

impl ThreadCount {
    /// More than this is no wish but a slip, which could bring a machine down.
    pub const MOST: usize = 1024;

    /// That many.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.get()
    }
}

/// A word that is no number of threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoThreadCount(String);

impl fmt::Display for NoThreadCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, most) = (&self.0, ThreadCount::MOST);
        write!(f, "`{word}` is not a number from 1 to {most}")
    }
}

impl Error for NoThreadCount {}

impl FromStr for ThreadCount {
    type Err = NoThreadCount;

    fn from_str(text: &str) -> Result<Self, NoThreadCount> {
        match text.parse::<NonZeroUsize>() {
            Ok(count) if count.get() <= Self::MOST => Ok(Self(count)),
            _ => Err(NoThreadCount(text.to_owned())),
        }
    }
}

/// The threads that were asked for cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// The system gave no more.
    #[error("{asked} threads cannot be started: {source}")]
    Start {
        /// How many.
        asked: usize,
        /// Why.
        source: ThreadPoolBuildError,
    },
    /// The threads of this process run already, and their number does not change any more.
    #[error("{asked} threads were asked for when {running} were computing already")]
    Running {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        running: usize,
    },
}

/// Starts the threads that compute: as many as asked for, or as `RAYON_NUM_THREADS` says, or as
/// there are [cores](physical_cores). To be called once, before anything computes.
///
/// # Errors
///
/// When they cannot be started, or when others run already and are not as many.
pub fn start(asked: Option<ThreadCount>) -> Result<(), ThreadsError> {
    let asked = wanted(asked, std::env::var(VARIABLE).ok().as_deref());
    match ThreadPoolBuilder::new().num_threads(asked).build_global() {
        Ok(()) => Ok(()),
        // Only the system's refusal has a source; the other is that there are threads already.
        Err(source) if source.source().is_some() => Err(ThreadsError::Start { asked, source }),
        Err(_) => match rayon::current_num_threads() {
            running if running == asked => Ok(()),
            running => Err(ThreadsError::Running { asked, running }),
        },
    }
}

/// How many are wanted, where the variable of rayon has this value.
fn wanted(asked: Option<ThreadCount>, variable: Option<&str>) -> usize {
    let of_variable = || variable?.trim().parse().ok();
    asked
        .or_else(of_variable)
        .map_or_else(physical_cores, ThreadCount::get)
}

/// Physical cores that this process may use: no more than the processors that its affinity and its
/// control group leave to it.
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
        for no_number in ["", "0", "-1", "many"].map(Some).into_iter().chain([None]) {
            assert_eq!(wanted(None, no_number), physical_cores(), "{no_number:?}");
        }
    }

    #[test]
    fn there_is_a_core_and_no_more_than_may_be_used() {
        let allowed = std::thread::available_parallelism().unwrap().get();
        assert!((1..=allowed).contains(&physical_cores()));
    }
}
