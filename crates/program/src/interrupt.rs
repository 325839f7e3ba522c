//! Ctrl-C, SIGTERM and SIGHUP.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::atomic_file;
use crate::exit::{HUNG_UP, INTERRUPTED, TERMINATED};
use crate::stdout;

/// A request of the system to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, as `kill` sends it.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl Signal {
    /// 128 and the number of the signal, as shells count it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => INTERRUPTED,
            Self::Terminate => TERMINATED,
            Self::HangUp => HUNG_UP,
        }
    }
}

/// The exit code of the last signal; 0 before the first.
static RECEIVED: AtomicU8 = AtomicU8::new(0);

/// The exit code of a program that a signal ended: that of the last signal, or [`INTERRUPTED`].
#[must_use]
pub fn exit_code() -> u8 {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => INTERRUPTED,
        code => code,
    }
}

/// Ends the program on a signal: whole lines of [`stdout`](crate::console::stdout) are written,
/// unfinished files are removed, and the exit code is that of the signal.
pub fn exit_on_interrupt() {
    on_interrupt(|_| {
        let _ = writeln!(io::stderr(), "\ninterrupted");
        exit_now();
    });
}

/// Calls `handler` on every signal, on a thread of its own.
pub fn on_interrupt(mut handler: impl FnMut(Signal) + Send + 'static) {
    listen(move |signal| {
        RECEIVED.store(signal.exit_code(), Ordering::Relaxed);
        handler(signal);
    });
}

/// Without a handler, which fails only where the system is out of threads, a signal ends the
/// program as the system does it.
#[cfg(unix)]
fn listen(mut handler: impl FnMut(Signal) + Send + 'static) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
        return;
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let _ = thread.spawn(move || {
        for signal in signals.forever() {
            handler(match signal {
                SIGTERM => Signal::Terminate,
                SIGHUP => Signal::HangUp,
                _ => Signal::Interrupt,
            });
        }
    });
}

/// Where a handler exists already, that one is wanted.
#[cfg(not(unix))]
fn listen(mut handler: impl FnMut(Signal) + Send + 'static) {
    let _ = ctrlc::set_handler(move || handler(Signal::Interrupt));
}

/// Writes whole lines of standard output, removes unfinished files and ends the program with
/// [`exit_code`].
pub fn exit_now() -> ! {
    stdout::close_after_whole_lines();
    atomic_file::remove_unfinished_and_exit(exit_code().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_the_exit_code_of_shells() {
        let signals = [Signal::Interrupt, Signal::Terminate, Signal::HangUp];
        assert_eq!(signals.map(Signal::exit_code), [130, 143, 129]);
    }
}
