//! A pass over a file of texts before the model is loaded: a bad row in the last hour of a run is
//! found in the first second.

use std::path::PathBuf;

use program::{Console, Unit};

use crate::bad_rows::BadRows;
use crate::cli::ReadArgs;
use crate::error::Error;
use crate::input::{only_files, open_texts};
use crate::repeated_ids::RepeatedIds;

/// Reads every row of regular files. Bad rows are an error that names them or, if they are skipped,
/// a note.
///
/// # Errors
///
/// When a row is bad, or the file cannot be read to its end.
pub(crate) fn check_rows(
    input: &[PathBuf],
    read: &ReadArgs,
    console: Console,
) -> Result<(), Error> {
    // Standard input and pipes can be read only once.
    if !only_files(input) {
        return Ok(());
    }
    let every_row = ReadArgs {
        skip_bad_rows: false,
        ..read.clone()
    };
    let mut reader = match open_texts(input, &every_row) {
        Ok(reader) => reader,
        // The row that determines the columns is bad, and the next good one will do it.
        Err(_) if read.skip_bad_rows => return Ok(()),
        Err(error) => return Err(error),
    };
    let bar = console.progress_bar(reader.total_bytes(), Unit::Bytes);
    let mut bad = BadRows::default();
    let mut repeated = RepeatedIds::default();
    let mut rows = 0u64;
    while let Some(row) = reader.next() {
        rows += 1;
        if rows.is_multiple_of(1 << 12) {
            bar.set_position(reader.bytes_read());
            bar.set_message(format!("checked {rows} rows"));
        }
        match row {
            Ok(row) => repeated.add(&row),
            Err(error) if error.is_row() || bad.count > 0 => bad.add(error),
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    repeated.note(console);
    if bad.count == 0 {
        Ok(())
    } else if read.skip_bad_rows {
        // The note after the last row names the first bad one.
        if bad.count > 1 {
            console.note(format_args!("note: {bad}"));
        }
        Ok(())
    } else {
        Err(Error::BadRows(bad))
    }
}
