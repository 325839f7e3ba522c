//! `embed`: texts into vectors, from the command line or streamed from a file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use model::SentenceEncoder;
use records::Row;

use super::{encode, load};
use crate::catalogue::open;
use crate::cli::{EmbedArgs, ModelArgs, ReadArgs};
use crate::failure::{Failure, UsageError};
use crate::stream::{TextsOf, embed_file, note_skipped};
use crate::terminal::{Notes, Terminal};
use crate::vectors::{VectorFormat, VectorWriter, check_target};

pub(super) fn run(
    model: &ModelArgs,
    args: EmbedArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    // What can be known to be wrong is said before the model is loaded.
    let output = Output::of(&args)?;
    match (&args.input, args.texts.is_empty()) {
        (Some(_), false) => Err(UsageError::TextsAndInput.into()),
        (None, true) => Err(UsageError::NoText.into()),
        (None, false) if args.read != ReadArgs::default() => {
            Err(UsageError::ReadWithoutInput.into())
        }
        (None, false) => {
            let encoder = load(model, args.vectors, terminal.notes())?;
            embed_texts(&encoder, &args.texts, &output, terminal)
        }
        (Some(input), true) => {
            let mut reader = open(input, &args.read)?;
            output.check_input(input)?;
            let encoder = load(model, args.vectors, terminal.notes())?;
            let start = Instant::now();
            let notes = terminal.notes();
            let mut writer =
                output.writer(encoder.width(), args.read.id_column.is_some(), terminal)?;
            let texts = embed_file(
                &mut reader,
                TextsOf::Record,
                &encoder,
                notes,
                |window, vectors| Ok(writer.write(&window, vectors.values())?),
            )?;
            writer.finish()?;
            note_skipped(&reader, notes);
            let seconds = start.elapsed().as_secs_f64();
            output.note(texts, encoder.width(), seconds, notes);
            Ok(())
        }
    }
}

fn embed_texts(
    encoder: &SentenceEncoder,
    texts: &[String],
    output: &Output,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let notes = terminal.notes();
    let start = Instant::now();
    let vectors = encode(encoder, texts, notes)?;
    let seconds = start.elapsed().as_secs_f64();
    let records = Row::from_texts(texts);
    let mut writer = output.writer(encoder.width(), false, terminal)?;
    writer.write(&records, vectors.values())?;
    writer.finish()?;
    output.note(texts.len(), encoder.width(), seconds, notes);
    Ok(())
}

/// Where vectors go, and how.
enum Output {
    Stdout,
    File { path: PathBuf, format: VectorFormat },
}

impl Output {
    fn of(args: &EmbedArgs) -> Result<Self, Failure> {
        let Some(path) = &args.output else {
            return Ok(Self::Stdout);
        };
        let format = args
            .output_format
            .or_else(|| VectorFormat::from_path(path))
            .ok_or_else(|| UsageError::VectorFormat(path.clone()))?;
        let path = check_target(path)?;
        Ok(Self::File { path, format })
    }

    /// The input must still be there afterwards.
    fn check_input(&self, input: &Path) -> Result<(), UsageError> {
        match self {
            // An output that is not there yet is no input.
            Self::File { path, .. }
                if path
                    .canonicalize()
                    .is_ok_and(|path| input.canonicalize().is_ok_and(|input| input == path)) =>
            {
                Err(UsageError::OutputIsInput)
            }
            _ => Ok(()),
        }
    }

    fn writer<'a>(
        &self,
        width: usize,
        with_ids: bool,
        terminal: &'a mut Terminal,
    ) -> Result<VectorWriter<'a>, Failure> {
        Ok(match self {
            Self::Stdout => VectorWriter::jsonl(terminal.out(), width, with_ids),
            Self::File { path, format } => VectorWriter::create(path, *format, width, with_ids)?,
        })
    }

    fn note(&self, texts: usize, width: usize, seconds: f64, notes: Notes) {
        let place = match self {
            Self::Stdout => Path::new("standard output"),
            Self::File { path, .. } => path,
        };
        let rate = texts as f64 / seconds.max(1e-9);
        notes.note(format_args!(
            "embedded {texts} texts [{texts}, {width}] in {seconds:.2} s ({rate:.1} texts/s) to {}",
            place.display()
        ));
    }
}
