//! Outside readers that panic on some damaged files: here that is an error like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::BoxedError;

/// Runs a reader; a panic of it becomes an error with its message.
pub(crate) fn guarded<T, E: Into<BoxedError>>(
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, BoxedError> {
    catch_unwind(AssertUnwindSafe(read)).map_or_else(
        |panic| Err(message_of(panic.as_ref()).into()),
        |read| read.map_err(Into::into),
    )
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the file is damaged".to_owned())
}
