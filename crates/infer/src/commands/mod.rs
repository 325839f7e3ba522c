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
use model::{Embeddings, Prompt, SentenceEncoder};
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
    if let Some(prompt) = vectors.prompts.chosen() {
        builder = builder.prompt(prompt.clone()).query_prompt(prompt);
    }
    if let Some(prompt) = vectors.corpus_prompt {
        builder = builder.document_prompt(prompt);
    }
    let encoder = builder.load(&args.model)?;
    for note in encoder.checkpoint().notes() {
        console.note(format_args!("note: {note}"));
    }
    if matches!(encoder.origin(), Origin::HuggingFaceHub | Origin::Mirror) {
        console.note(format_args!(
            "downloaded {} from {} to {}",
            args.model,
            encoder.origin(),
            encoder.folder().display()
        ));
    }
    Ok(encoder)
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
    note_passed_over_prompt(&encoder, console);
    let corpus = Corpus::load(files, &encoder, compare.similarity(&encoder), console)?;
    Ok((encoder, corpus))
}

/// Notes that the model has a prompt for documents under a name that sentence-transformers does not
/// use.
fn note_passed_over_prompt(encoder: &SentenceEncoder, console: Console) {
    let unprompted = encoder
        .prompt_text(&Prompt::Document)
        .is_ok_and(str::is_empty);
    if let (true, Some(name)) = (unprompted, encoder.checkpoint().prompts.passed_over()) {
        console.note(format_args!(
            "note: the corpus has no prompt, as in sentence-transformers; for the prompt `{name}` of the \
             model give --corpus-prompt-name {name}"
        ));
    }
}

/// The vectors of the few texts of a command line.
fn encode(
    encoder: &SentenceEncoder,
    texts: &[String],
    prompt: &Prompt,
    console: Console,
) -> Result<Embeddings, Error> {
    let vectors = encoder.encode_with_progress(texts, prompt, |_| ControlFlow::Continue(()))?;
    note_truncated(vectors.truncated(), texts.len(), encoder, console);
    Ok(vectors)
}
