//! Standard output of results: a signal loses no whole line, and writes no half one.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Bytes that are collected before whole lines of them are written.
const BUFFER_BYTES: usize = 64 << 10;

/// How long a signal waits for a writer whose reader does not read.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is not written yet. It is shared, so that the handler of a signal can write it.
static PENDING: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn pending() -> MutexGuard<'static, Vec<u8>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Buffered standard output. Flush it at the end: dropping it writes nothing.
#[derive(Debug)]
pub struct Stdout(());

/// Standard output for results.
#[must_use]
pub fn stdout() -> Stdout {
    Stdout(())
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pending = pending();
        pending.extend_from_slice(bytes);
        if pending.len() >= BUFFER_BYTES {
            write_lines(&mut pending, &mut io::stdout())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Locked to the end: a signal waits for it.
        let mut pending = pending();
        let bytes = std::mem::take(&mut *pending);
        let mut out = io::stdout();
        out.write_all(&bytes)?;
        out.flush()
    }
}

/// Writes the whole lines of `pending`, and keeps what follows the last line break.
fn write_lines(pending: &mut Vec<u8>, out: &mut impl Write) -> io::Result<()> {
    let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(());
    };
    let rest = pending.split_off(end + 1);
    let lines = std::mem::replace(pending, rest);
    out.write_all(&lines)?;
    out.flush()
}

/// Writes the whole lines that are left, and lets nobody write any more: for the handler of a
/// signal, which then ends the program.
pub(crate) fn close_after_whole_lines() {
    let start = Instant::now();
    loop {
        match PENDING.try_lock() {
            Err(TryLockError::WouldBlock) => {
                // A writer that waits for its reader would keep the program alive.
                if start.elapsed() > PATIENCE {
                    return;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(pending) => return close(pending),
            Err(TryLockError::Poisoned(poisoned)) => return close(poisoned.into_inner()),
        }
    }
}

fn close(mut pending: MutexGuard<'static, Vec<u8>>) {
    // Nobody reads, or the program ends anyway.
    let _ = write_lines(&mut pending, &mut io::stdout());
    // Never unlocked again.
    std::mem::forget(pending);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_written_and_the_rest_waits() {
        let mut out = Vec::new();
        let mut pending = b"one\ntwo\nf".to_vec();
        write_lines(&mut pending, &mut out).unwrap();
        assert_eq!(
            (out.as_slice(), pending.as_slice()),
            (&b"one\ntwo\n"[..], &b"f"[..])
        );
        write_lines(&mut pending, &mut out).unwrap();
        assert_eq!((out.len(), pending.len()), (8, 1));
        pending.extend_from_slice(b"our\n");
        write_lines(&mut pending, &mut out).unwrap();
        assert!(out.ends_with(b"four\n") && pending.is_empty());
    }
}
