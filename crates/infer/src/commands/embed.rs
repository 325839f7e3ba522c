//! `embed`: texts into vectors, from the command line or streamed from a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use model::{Prompt, SentenceEncoder};
use program::Console;
use program::text::count;
use records::Row;

use super::{encode, load};
use crate::cli::{EmbedArgs, ModelArgs, ReadArgs};
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::stdin::{is_dash, piped};
use crate::stream::{TextsOf, embed_file, note_skipped};
use crate::vectors::{VectorFormat, VectorWriter, check_target};

pub(super) fn run(
    model: &ModelArgs,
    args: EmbedArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    // Wrong arguments are an error before the model is loaded.
    let target = Target::new(&args)?;
    let mut input = args.input.clone();
    if input.is_empty() && args.texts.is_empty() {
        input.extend(piped());
    }
    match (input.as_slice(), args.texts.is_empty()) {
        ([_, ..], false) => Err(UsageError::TextsAndInput.into()),
        ([], true) => Err(UsageError::NoText.into()),
        ([], false) if args.read != ReadArgs::default() => Err(UsageError::ReadWithoutInput.into()),
        ([], false) => {
            let encoder = load(model, args.vectors, console)?;
            embed_texts(&encoder, &args.texts, &target, console, out)
        }
        (input, true) => {
            let mut reader = open_texts(input, &args.read)?;
            for path in input {
                target.check_input(path)?;
            }
            let encoder = load(model, args.vectors, console)?;
            let start = Instant::now();
            let mut writer = target.writer(encoder.width(), args.read.id_column.is_some(), out)?;
            let texts = embed_file(
                &mut reader,
                TextsOf::Row,
                &Prompt::Default,
                &encoder,
                console,
                |window, vectors| Ok(writer.write(&window, vectors.values())?),
            )?;
            writer.finish()?;
            note_skipped(&reader, console);
            let seconds = start.elapsed().as_secs_f64();
            target.note(texts, encoder.width(), seconds, console);
            Ok(())
        }
    }
}

fn embed_texts(
    encoder: &SentenceEncoder,
    texts: &[String],
    target: &Target,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let start = Instant::now();
    let vectors = encode(encoder, texts, &Prompt::Default, console)?;
    let seconds = start.elapsed().as_secs_f64();
    let rows = Row::from_texts(texts);
    let mut writer = target.writer(encoder.width(), false, out)?;
    writer.write(&rows, vectors.values())?;
    writer.finish()?;
    target.note(texts.len(), encoder.width(), seconds, console);
    Ok(())
}

/// Where vectors are written, and in which format.
enum Target {
    Stdout,
    File { path: PathBuf, format: VectorFormat },
}

impl Target {
    fn new(args: &EmbedArgs) -> Result<Self, Error> {
        let Some(path) = args.output.as_deref().filter(|path| !is_dash(path)) else {
            return match args.output_format {
                None | Some(VectorFormat::Jsonl) => Ok(Self::Stdout),
                Some(_) => Err(UsageError::StdoutFormat.into()),
            };
        };
        let format = args
            .output_format
            .or_else(|| VectorFormat::from_path(path))
            .ok_or_else(|| UsageError::VectorFormat(path.to_owned()))?;
        let path = check_target(path)?;
        Ok(Self::File { path, format })
    }

    /// Refuses an output that would replace the input.
    fn check_input(&self, input: &Path) -> Result<(), UsageError> {
        match self {
            // An output that does not exist yet is no input.
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
        out: &'a mut dyn Write,
    ) -> Result<VectorWriter<'a>, Error> {
        Ok(match self {
            Self::Stdout => VectorWriter::jsonl(out, width, with_ids),
            Self::File { path, format } => VectorWriter::create(path, *format, width, with_ids)?,
        })
    }

    /// A note on the written file; results on standard output need none.
    fn note(&self, texts: usize, width: usize, seconds: f64, console: Console) {
        if let Self::File { path, .. } = self {
            let rate = texts as f64 / seconds.max(1e-9);
            console.note(format_args!(
                "embedded {} [{texts}, {width}] in {seconds:.2} s ({rate:.1} texts/s) to {}",
                count(texts, "text"),
                path.display()
            ));
        }
    }
}
