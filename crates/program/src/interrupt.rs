//! Ctrl-C, SIGTERM and SIGHUP.

use std::io::{self, Write};

use crate::atomic_file;
use crate::exit::INTERRUPTED;

/// Ends the program on Ctrl-C: unfinished files are removed, and the exit code is
/// [`INTERRUPTED`].
pub fn exit_on_interrupt() {
    on_interrupt(|| {
        let _ = writeln!(io::stderr(), "\ninterrupted");
        exit_now();
    });
}

/// Calls `handler` on every Ctrl-C, on its own thread.
pub fn on_interrupt(handler: impl FnMut() + Send + 'static) {
    // This fails only where a handler exists already, and then that one is wanted.
    let _ = ctrlc::set_handler(handler);
}

/// Removes unfinished files and ends the program with the exit code of an interrupt.
pub fn exit_now() -> ! {
    atomic_file::remove_unfinished_and_exit(INTERRUPTED.into())
}
