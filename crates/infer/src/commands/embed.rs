//! `embed`: texts into vectors, from the command line or streamed from a file.

mod target;

use std::io::Write;
use std::time::Instant;

use model::{Embeddings, Prompt, SentenceEncoder};
use program::Console;
use records::{Row, RowReader};

use self::target::{FileTarget, Target};
use super::{encode, load};
use crate::check::check_rows;
use crate::cli::{EmbedArgs, ModelArgs, ReadArgs, Task, VectorArgs};
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::made_of::provenance;
use crate::stdin::piped;
use crate::stream::{TextsOf, embed_file, note_skipped};
use crate::vectors::{
    Earlier, FileForm, Journal, OneWindow, Provenance, Settings, TextsHash, VectorFormat, jsonl,
};

pub(super) fn run(
    model: &ModelArgs,
    mut args: EmbedArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    args.read.shard = args.shard;
    // Wrong arguments are an error before the model is loaded.
    let target = Target::new(&args, console)?;
    let mut input = args.input.clone();
    if input.is_empty() && args.texts.is_empty() {
        input.extend(piped());
    }
    match (input.as_slice(), args.texts.is_empty()) {
        ([_, ..], false) => Err(UsageError::TextsAndInput.into()),
        ([], true) => Err(UsageError::NoText.into()),
        ([], false) if args.read != ReadArgs::default() => Err(UsageError::ReadWithoutInput.into()),
        ([], false) => {
            target.check_inputs(&[])?;
            embed_texts(model, &args, &target, console, out)
        }
        (input, true) => {
            let reader = open_texts(input, &args.read)?;
            target.check_inputs(input)?;
            if let Target::File(file) = &target {
                Journal::check(&file.path, earlier(&args))?;
            }
            if !args.no_check {
                check_rows(input, &args.read, console)?;
            }
            embed_rows(model, &args, reader, &target, console, out)
        }
    }
}

/// Embeds the few texts of a command line.
fn embed_texts(
    model: &ModelArgs,
    args: &EmbedArgs,
    target: &Target,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let count = args.texts.len();
    if let Target::File(file) = target {
        file.check_calibration(count as u64, console)?;
    }
    let encoder = load(model, vectors(args), console)?;
    let start = Instant::now();
    let vectors = encode(&encoder, &args.texts, &prompt(args), console)?;
    let seconds = start.elapsed().as_secs_f64();
    let rows = Row::from_texts(&args.texts);
    match target {
        Target::Stdout => {
            let form = FileForm::new(VectorFormat::Jsonl, encoder.width());
            jsonl::write(out, &form, &rows, vectors.values())?;
        }
        Target::File(file) => {
            let mut form = file.form(&encoder)?;
            form.provenance = Some(Provenance {
                texts: TextsHash::of_rows(&rows),
                ..made_of(model, args, &encoder, &[])?
            });
            let mut window = OneWindow::new(&rows, vectors.values(), encoder.width())?;
            file.write(form, &mut window)?;
        }
    }
    target.note(count, count as u64, &encoder, seconds, console);
    Ok(())
}

/// Embeds the rows of a file or of standard input.
fn embed_rows(
    model: &ModelArgs,
    args: &EmbedArgs,
    mut reader: RowReader,
    target: &Target,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let encoder = load(model, vectors(args), console)?;
    let start = Instant::now();
    let (texts, rows) = match target {
        Target::Stdout => {
            let mut form = FileForm::new(VectorFormat::Jsonl, encoder.width());
            form.with_ids = args.read.id_column.is_some();
            let sink = |window: Vec<Row>, vectors: &Embeddings| {
                Ok(jsonl::write(out, &form, &window, vectors.values())?)
            };
            let count = embed_file(
                &mut reader,
                TextsOf::Row,
                &prompt(args),
                &encoder,
                console,
                sink,
            )?;
            (count, count as u64)
        }
        Target::File(file) => {
            let columns = reader.columns().to_vec();
            let made_of = made_of(model, args, &encoder, &columns)?;
            embed_into_file(made_of, args, &mut reader, &encoder, file, console)?
        }
    };
    note_skipped(&reader, console);
    let seconds = start.elapsed().as_secs_f64();
    target.note(texts, rows, &encoder, seconds, console);
    Ok(())
}

/// Embeds into a journal, and makes the file of it when all rows are there: what is embedded is
/// never lost, and the file of a resumed run has the bytes of one without an interruption. Returns
/// the number of texts that were embedded, and of rows in the file.
fn embed_into_file(
    made_of: Provenance,
    args: &EmbedArgs,
    reader: &mut RowReader,
    encoder: &SentenceEncoder,
    file: &FileTarget,
    console: Console,
) -> Result<(usize, u64), Error> {
    let mut form = file.form(encoder)?;
    let settings = Settings {
        provenance: made_of.clone(),
        format: file.format.to_string(),
        id_column: args.read.id_column.clone(),
        device: encoder.device().to_string(),
    };
    let keeps_texts = file.format.keeps_texts();
    let mut journal = Journal::open(&file.path, &settings, keeps_texts, earlier(args))?;
    let mut texts = TextsHash::default();
    let embedded = journal.rows();
    for row in reader
        .by_ref()
        .take(usize::try_from(embedded).unwrap_or(usize::MAX))
    {
        let row = row?;
        texts.add(&row.text());
        journal.pass(&row);
    }
    journal.check_passed()?;
    if args.resume && embedded == 0 {
        console.note(format_args!(
            "note: starting at the first row; {} holds no row",
            Journal::path_of(&file.path).display()
        ));
    } else if args.resume {
        console.note(format_args!("note: {embedded} rows are embedded already"));
    }
    let sink = |window: Vec<Row>, vectors: &Embeddings| {
        for row in &window {
            texts.add(&row.text());
        }
        Ok(journal.append(&window, vectors.values())?)
    };
    let count = embed_file(reader, TextsOf::Row, &prompt(args), encoder, console, sink)?;
    form.with_ids = args.read.id_column.is_some();
    form.columns = made_of.columns.clone();
    form.provenance = Some(Provenance {
        texts: texts.hex(),
        ..made_of
    });
    let rows = journal.rows();
    if let Err(error) = file.check_calibration(rows, console) {
        journal.remove()?;
        return Err(error.into());
    }
    file.write(form, &mut journal)?;
    journal.remove()?;
    Ok((count, rows))
}

/// What becomes of the rows of an interrupted run.
fn earlier(args: &EmbedArgs) -> Earlier {
    match args {
        EmbedArgs { resume: true, .. } => Earlier::Resume,
        EmbedArgs { restart: true, .. } => Earlier::Restart,
        _ => Earlier::Refuse,
    }
}

/// What the vectors are made of, apart from the texts.
fn made_of(
    model: &ModelArgs,
    args: &EmbedArgs,
    encoder: &SentenceEncoder,
    columns: &[String],
) -> Result<Provenance, Error> {
    provenance(
        encoder,
        model.hub.name(),
        &prompt(args),
        columns,
        !args.vectors.no_normalize,
    )
}

/// The prompt of the texts; the model's default one unless they have a task.
fn prompt(args: &EmbedArgs) -> Prompt {
    args.task.map(Task::prompt).unwrap_or_default()
}

/// The form of the vectors. A prompt that is given is that of documents, too.
fn vectors(args: &EmbedArgs) -> VectorArgs {
    VectorArgs {
        corpus_prompt: args.vectors.prompts.chosen(),
        ..args.vectors.clone()
    }
}
