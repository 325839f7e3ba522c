//! Turns panics of other libraries on damaged files into errors.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// An error of another library.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

thread_local! {
    /// Whether this thread is inside [`caught`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the last guarded panic of this thread happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a reader; the message of its panic is the error. What `read` changes must not be used after a panic.
///
/// `read` must work on the calling thread: a panic that another thread passes on is caught too, but Rust
/// reports it on stderr. Rust also reports a panic of this thread, unless the program calls
/// [`keep_guarded_panics_quiet`].
///
/// # Errors
///
/// When `read` panics.
pub fn caught<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    let outside = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outside);
    outcome.map_err(|panic| message_of(panic.as_ref()))
}

/// As [`caught`], for a reader that can fail: its error and its panic are one error.
///
/// # Errors
///
/// When `read` fails, or panics.
pub fn guarded<T, E: Into<BoxedError>>(
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, BoxedError> {
    caught(read)?.map_err(Into::into)
}

/// Installs a panic hook in front of the present one, once per process.
///
/// It is for programs: the hook belongs to the process, so a library must leave it alone. Rust calls the hook
/// before it unwinds. Without this one, a damaged file would be reported twice, first as "thread panicked"
/// with a backtrace. A program whose hook ends the process, such as a libFuzzer target, would never see the
/// error. All other panics go to the previous hook.
pub fn keep_guarded_panics_quiet() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if GUARDED.get() {
                PLACE.set(panic.location().map(ToString::to_string));
            } else {
                before(panic);
            }
        }));
    });
}

/// Where the last panic happened that this thread caught, as `file:line:column`: the message of a panic often says
/// nothing by itself. `None` before the first, and in a program without [`keep_guarded_panics_quiet`].
#[must_use]
pub fn place_of_last_panic() -> Option<String> {
    PLACE.take()
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the file is damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn panics_become_errors_with_their_message() {
        let literal = guarded(|| -> Result<(), BoxedError> { panic!("too short") });
        assert_eq!(literal.unwrap_err().to_string(), "too short");
        let formatted = guarded(|| -> Result<(), BoxedError> { panic!("{} short", 3) });
        assert_eq!(formatted.unwrap_err().to_string(), "3 short");
        let other = guarded(|| -> Result<(), BoxedError> { std::panic::panic_any(3) });
        assert_eq!(other.unwrap_err().to_string(), "the file is damaged");
        assert_eq!(guarded(|| Ok::<_, BoxedError>(3)).unwrap(), 3);
        assert!(!GUARDED.get());
    }

    /// Panics once inside the guard and once outside. The tests below run it in a separate process, because
    /// the hook belongs to the process.
    #[test]
    fn a_guarded_panic_and_another() {
        if std::env::var_os("QUIET_PANICS").is_some() {
            keep_guarded_panics_quiet();
        }
        let nested = guarded(|| {
            let _ = guarded(|| -> Result<(), BoxedError> { panic!("an inner panic") });
            // Still inside the outer guard.
            Err::<(), BoxedError>(panic_message("an outer panic").into())
        });
        assert_eq!(nested.unwrap_err().to_string(), "an outer panic");
        let place = place_of_last_panic();
        assert_eq!(place.is_some(), std::env::var_os("QUIET_PANICS").is_some());
        assert!(place.is_none_or(|place| place.starts_with(file!())));
        let outside = catch_unwind(|| panic!("a panic outside"));
        assert!(outside.is_err());
    }

    fn panic_message(message: &'static str) -> String {
        let caught = catch_unwind(|| std::panic::panic_any(message)).unwrap_err();
        message_of(caught.as_ref())
    }

    /// What the test above reports on stderr.
    fn reported(quiet: bool) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "tests::a_guarded_panic_and_another"])
            .arg("--nocapture")
            .env_remove("QUIET_PANICS");
        if quiet {
            command.env("QUIET_PANICS", "1");
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    #[test]
    fn only_guarded_panics_are_quiet() {
        let said = reported(true);
        assert!(said.contains("a panic outside"), "{said}");
        assert!(
            !said.contains("an inner panic") && !said.contains("an outer panic"),
            "{said}"
        );
    }

    #[test]
    fn a_library_leaves_the_panic_hook_of_the_process_alone() {
        let said = reported(false);
        assert!(said.contains("a panic outside"), "{said}");
        assert!(said.contains("an inner panic"), "{said}");
    }
}
