//! Panics of decoders on damaged files, as messages.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; the message of its panic is the error. Its state must not be used after a panic.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    keep_guarded_panics_quiet();
    let outside = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(outside);
    outcome.map_err(|panic| message_of(panic.as_ref()))
}

/// Installs a panic hook in front of the present one, once per process: without it, Rust reports
/// "thread panicked" before the error, and libFuzzer ends the process.
fn keep_guarded_panics_quiet() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the file is damaged".to_owned())
}
