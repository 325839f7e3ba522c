//! `index`: an index on disk, which is built once and then changed.

mod build;
mod documents;
mod info;
mod rebuild;

use std::io::Write;

use program::Console;
use program::text::count;
use search::index::{IndexWriter, verify};

use self::build::{add, build};
use self::rebuild::rebuild;
use crate::cli::{FolderArgs, IdsArgs, IndexCommand, ReadArgs, RemoveArgs, WithModel};
use crate::error::Error;
use crate::input::open_texts;

pub(super) fn run(
    command: IndexCommand,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match command {
        IndexCommand::Build(WithModel { args, model }) => build(&model, &args, console),
        IndexCommand::Add(args) => add(args, console),
        IndexCommand::Remove(args) => remove(args, console),
        IndexCommand::Info(args) => info::run(&args, out),
        IndexCommand::Verify(args) => verified(&args, console, out),
        IndexCommand::Merge(args) => merge(&args, console),
        IndexCommand::Rebuild(WithModel { args, model }) => rebuild(&model, &args, console),
    }
}

/// The ids of the command line and of a file.
pub(super) fn read_ids(args: IdsArgs) -> Result<Vec<String>, Error> {
    let mut ids = args.ids;
    if let Some(file) = args.file {
        let read = ReadArgs {
            format: Some(records::Format::Text),
            ..ReadArgs::default()
        };
        for row in open_texts(&[file], &read)? {
            ids.push(row?.text().trim().to_owned());
        }
    }
    Ok(ids)
}

/// Removes rows by their ids, in one commit.
fn remove(args: RemoveArgs, console: Console) -> Result<(), Error> {
    let ids = read_ids(args.rows)?;
    let mut writer = IndexWriter::open(&args.index)?;
    let mut unknown = Vec::new();
    for id in &ids {
        if !writer.remove(id)? {
            unknown.push(id.as_str());
        }
    }
    let committed = writer.commit()?;
    note_unknown(&unknown, console);
    console.note(format_args!(
        "removed {} from {}, which holds {}",
        count(ids.len() - unknown.len(), "row"),
        args.index.display(),
        rows(committed.rows),
    ));
    Ok(())
}

/// Names ids that no row has.
fn note_unknown(ids: &[&str], console: Console) {
    /// Ids that are written out.
    const NAMED: usize = 3;
    if ids.is_empty() {
        return;
    }
    let named = ids[..ids.len().min(NAMED)].join("`, `");
    let more = if ids.len() > NAMED { ", …" } else { "" };
    console.note(format_args!(
        "note: {} of no row: `{named}`{more}",
        count(ids.len(), "id"),
    ));
}

fn merge(args: &FolderArgs, console: Console) -> Result<(), Error> {
    if IndexWriter::drop_rebuild(&args.index)? {
        console.note("note: dropped a rebuild that had not ended");
    }
    let mut writer = IndexWriter::open(&args.index)?;
    let merged = writer.merge()?;
    console.note(format_args!(
        "{} holds {}",
        args.index.display(),
        rows(merged.rows),
    ));
    Ok(())
}

fn verified(args: &FolderArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let report = verify(&args.index)?;
    console.detail(format_args!("{} compared", count(report.files, "file")));
    writeln!(
        out,
        "{}: {}, {} whole",
        args.index.display(),
        rows(report.rows),
        count(report.files, "file"),
    )?;
    Ok(())
}

/// `1 row`, `2 rows`.
pub(super) fn rows(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "row")
}
