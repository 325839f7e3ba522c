//! The rows of one file, of any format.

use crate::columns::Selected;
use crate::error::ReadError;
use crate::json::JsonObject;
use crate::notes::Note;

/// The rows of one file.
pub(crate) trait RowSource: Send {
    /// The columns whose values the rows have; nothing for plain text.
    fn selected(&self) -> &Selected;

    /// The next row; [`ReadError::Row`] where only that one is bad.
    fn next(&mut self) -> Result<Option<Values>, ReadError>;

    /// The last row as a file of JSON has it, if it is kept.
    fn take_object(&mut self) -> Option<JsonObject> {
        None
    }

    /// Which of the selected columns any row had so far, and all columns; `None` where the file has a
    /// list of them.
    fn unseen(&self) -> Option<(Vec<bool>, Vec<String>)> {
        None
    }

    /// What a user should know about the rows so far.
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    fn bytes_read(&self) -> u64;

    fn total_bytes(&self) -> Option<u64>;
}

/// The values of the selected columns of a row; `None` is a missing one.
pub(crate) struct Values {
    pub(crate) line: u64,
    pub(crate) values: Vec<Option<String>>,
}
