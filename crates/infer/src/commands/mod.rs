//! The commands, one per file.

mod bench;
mod completions;
mod doctor;
mod embed;
mod export;
mod fetch;
mod recommend;
mod sample;
mod search;
mod similarity;

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use clap::CommandFactory;
use model::hub::{DownloadProgress, HubOptions, Origin};
use model::{Embeddings, SentenceEncoder};
use program::{Console, DownloadBar};

use crate::cli::{Cli, Command, CompareArgs, CorpusArgs, ModelArgs, VectorArgs};
use crate::corpus::{Corpus, CorpusFiles};
use crate::error::Error;
use crate::stream::note_truncated;

/// Runs the command of the command line. Results go to `out`, notes and progress to `console`.
///
/// # Errors
///
/// When the command fails.
pub fn run(cli: Cli, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    if !matches!(
        cli.command,
        Some(Command::Completions { .. } | Command::Manual { .. })
    ) {
        model::threads::start(cli.model.threads)?;
    }
    let model = &cli.model;
    match cli.command {
        None => sample::run(model, console, out),
        Some(Command::Embed(args)) => embed::run(model, args, console, out),
        Some(Command::Similarity(args)) => similarity::run(model, args, console, out),
        Some(Command::Search(args)) => search::run(model, args, console, out),
        Some(Command::Recommend(args)) => recommend::run(model, args, console, out),
        Some(Command::Bench(args)) => bench::run(model, &args, console, out),
        Some(Command::Doctor(args)) => doctor::run(model, &args, console, out),
        Some(Command::Fetch) => fetch::run(model, console, out),
        Some(Command::Export(args)) => export::run(model, &args, console, out),
        Some(Command::Completions { shell }) => completions::run(shell, out),
        Some(Command::Manual { folder }) => Ok(program::manual::write(Cli::command(), &folder)?),
    }
}

/// Loads the model that the command line names.
fn load(args: &ModelArgs, vectors: VectorArgs, console: Console) -> Result<SentenceEncoder, Error> {
    let mut builder = SentenceEncoder::builder()
        .device(args.device)
        .hub(hub_options(args, console));
    if let Some(precision) = args.precision.chosen() {
        builder = builder.precision(precision);
    }
    if let Some(tokens) = args.batch_tokens {
        builder = builder.batch_tokens(tokens);
    }
    if let Some(tokens) = args.max_length {
        builder = builder.max_length(tokens);
    }
    if vectors.no_normalize {
        builder = builder.normalize(false);
    }
    if let Some(dimensions) = vectors.dimensions {
        builder = builder.dimensions(dimensions);
    }
    let encoder = builder.load(&args.model)?;
    if matches!(encoder.origin(), Origin::HuggingFaceHub | Origin::Mirror) {
        console.note(format_args!(
            "downloaded {} from {} to {}",
            args.model,
            encoder.origin(),
            encoder.folder().display()
        ));
    }
    note_ignored(&encoder.ignored_tensors()?, console);
    Ok(encoder)
}

/// Names the tensors of the weights file that are not part of the encoder.
fn note_ignored(tensors: &[String], console: Console) {
    /// Names that are written out.
    const NAMED: usize = 3;
    if tensors.is_empty() {
        return;
    }
    let named = tensors[..tensors.len().min(NAMED)].join("`, `");
    let more = if tensors.len() > NAMED { ", …" } else { "" };
    console.note(format_args!(
        "ignored {} tensors of a head, which no vector depends on: `{named}`{more}",
        tensors.len()
    ));
}

/// How the model is found, with a progress bar for downloads.
fn hub_options(args: &ModelArgs, console: Console) -> HubOptions {
    let mut options = HubOptions::default();
    options.revision.clone_from(&args.revision);
    options.offline = args.offline;
    let bar = DownloadBar::new(console);
    options.progress = Some(Arc::new(move |progress: &DownloadProgress| {
        bar.update(&progress.label, progress.received, progress.total);
        ControlFlow::Continue(())
    }));
    options
}

/// Opens a corpus, loads the model and indexes the corpus, in this order: a wrong file is an error
/// before the model is loaded.
fn open_corpus(
    model: &ModelArgs,
    corpus: &CorpusArgs,
    compare: CompareArgs,
    console: Console,
) -> Result<(SentenceEncoder, Corpus), Error> {
    let files = CorpusFiles::open(corpus)?;
    let encoder = load(model, compare.vectors(), console)?;
    let corpus = Corpus::load(files, &encoder, compare.similarity.into(), console)?;
    Ok((encoder, corpus))
}

/// The vectors of the few texts of a command line.
fn encode(
    encoder: &SentenceEncoder,
    texts: &[String],
    console: Console,
) -> Result<Embeddings, Error> {
    let vectors = encoder.encode(texts)?;
    note_truncated(vectors.truncated(), texts.len(), encoder, console);
    Ok(vectors)
}
