//! The commands, one per file.

mod ask;
mod attributes;
mod bench;
mod completions;
mod doctor;
mod embed;
mod export;
mod fetch;
mod index;
mod query_model;
mod recommend;
mod rerank;
mod sample;
mod search;
#[cfg(feature = "serve")]
mod serve;
mod similarity;
mod store;

use std::io::Write;
use std::ops::ControlFlow;

use clap::CommandFactory;
use model::hub::{HubOptions, Origin};
use model::{Embeddings, HeadBuilder, Prompt, SentenceEncoder, SentenceEncoderBuilder};
use program::interrupt::Signal;
use program::text::count;
use program::{Console, DownloadBar};

use crate::cli::{
    Cli, Command, CompareArgs, CorpusArgs, DeviceArgs, HubArgs, ModelArgs, VectorArgs, WithModel,
};
use crate::corpus::{Corpus, CorpusFiles};
use crate::error::Error;
use crate::stream::note_truncated;

/// Runs the command of the command line. Results go to `out`, notes and progress to `console`.
///
/// # Errors
///
/// When the command fails.
pub fn run(cli: Cli, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    if let Some(device) = device(&cli) {
        model::threads::start(device.threads)?;
    }
    match cli.command {
        None => sample::run(&cli.model, console, out),
        Some(Command::Embed(WithModel { args, model })) => embed::run(&model, args, console, out),
        Some(Command::Attributes(WithModel { args, model })) => {
            attributes::run(&model, &args, console, out)
        }
        Some(Command::Similarity(WithModel { args, model })) => {
            similarity::run(&model, args, console, out)
        }
        Some(Command::Search(WithModel { args, model })) => search::run(&model, args, console, out),
        Some(Command::Recommend(WithModel { args, model })) => {
            recommend::run(&model, args, console, out)
        }
        Some(Command::Rerank(WithModel { args, model })) => {
            rerank::run(&model, &args, console, out)
        }
        Some(Command::Index(command)) => index::run(command, console, out),
        Some(Command::Store(command)) => store::run(command, console, out),
        #[cfg(feature = "serve")]
        Some(Command::Serve(WithModel { args, model })) => serve::run(&model, args, console),
        Some(Command::Bench(WithModel { args, model })) => bench::run(&model, &args, console, out),
        Some(Command::Doctor(args)) => doctor::run(&args, console, out),
        Some(Command::Fetch(args)) => fetch::run(&args, console, out),
        Some(Command::Export(args)) => export::run(&args, console, out),
        Some(Command::Completions { shell }) => completions::run(shell, out),
        Some(Command::Manual { folder }) => Ok(program::manual::write(Cli::command(), &folder)?),
    }
}

/// Lets a running service handle a signal. `false` where the process should end at once.
#[must_use]
pub fn handle_signal(signal: Signal) -> bool {
    #[cfg(feature = "serve")]
    return serve::handle_signal(signal);
    #[cfg(not(feature = "serve"))]
    {
        let _ = signal;
        false
    }
}

/// The device of a command that computes.
fn device(cli: &Cli) -> Option<&DeviceArgs> {
    Some(match &cli.command {
        None => &cli.model.device,
        Some(Command::Embed(command)) => &command.model.device,
        Some(Command::Attributes(command)) => &command.model.device,
        Some(Command::Similarity(command)) => &command.model.device,
        Some(Command::Search(command)) => &command.model.device,
        Some(Command::Recommend(command)) => &command.model.device,
        Some(Command::Rerank(command)) => &command.model.device,
        Some(Command::Index(command)) => return command.device(),
        #[cfg(feature = "serve")]
        Some(Command::Serve(command)) => &command.model.device,
        Some(Command::Bench(command)) => &command.model.device,
        Some(Command::Doctor(command)) => &command.device,
        Some(
            Command::Fetch(_)
            | Command::Export(_)
            | Command::Store(_)
            | Command::Completions { .. }
            | Command::Manual { .. },
        ) => return None,
    })
}

/// Loads the model that the command line names.
pub(crate) fn load(
    args: &ModelArgs,
    vectors: VectorArgs,
    console: Console,
) -> Result<SentenceEncoder, Error> {
    let mut builder = SentenceEncoder::builder();
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
    load_with(builder, args, console)
}

/// Loads the model that the command line names, with the settings of a builder where the command line has none.
pub(crate) fn load_with(
    builder: SentenceEncoderBuilder,
    args: &ModelArgs,
    console: Console,
) -> Result<SentenceEncoder, Error> {
    let mut builder = builder
        .device(args.device.device)
        .hub(hub_options(&args.hub, console));
    if let Some(precision) = args.device.precision.chosen() {
        builder = builder.precision(precision);
    }
    if let Some(tokens) = args.batch_tokens {
        builder = builder.batch_tokens(tokens);
    }
    if let Some(tokens) = args.max_length {
        builder = builder.max_length(tokens);
    }
    let name = args.hub.name();
    let encoder = builder.load(name)?;
    for note in encoder.notes() {
        console.note(format_args!("note: {note}"));
    }
    if matches!(encoder.origin(), Origin::HuggingFaceHub | Origin::Mirror) {
        console.note(format_args!(
            "downloaded {name} from {} to {}",
            encoder.origin(),
            encoder.folder().display()
        ));
    }
    note_ignored(&encoder.ignored_tensors()?, console);
    describe(&encoder, name, console);
    Ok(encoder)
}

/// Details of a loaded model, for `--verbose`.
fn describe(encoder: &SentenceEncoder, name: &str, console: Console) {
    let device = encoder.device();
    console.detail(format_args!("device: {device} ({})", device.description()));
    console.detail(format_args!("threads: {}", rayon::current_num_threads()));
    let folder = encoder.folder().display();
    console.detail(format_args!(
        "model: {name} from {}, {folder}",
        encoder.origin()
    ));
    console.detail(format_args!("precision: {}", encoder.precision()));
}

/// Names the tensors of the weights file that are not part of the encoder.
fn note_ignored(tensors: &[String], console: Console) {
    /// Names that are written out.
    const NAMED: usize = 3;
    if tensors.is_empty() {
        return;
    }
    let count = tensors.len();
    let plural = if count == 1 { "" } else { "s" };
    let named = tensors[..count.min(NAMED)].join("`, `");
    let more = if count > NAMED { ", …" } else { "" };
    console.note(format_args!(
        "ignored {count} tensor{plural} of a head, which no vector depends on: `{named}`{more}"
    ));
}

/// The settings of the command line for a model with a head.
pub(crate) fn with_head<M>(
    mut builder: HeadBuilder<M>,
    model: &ModelArgs,
    console: Console,
) -> HeadBuilder<M> {
    builder = builder
        .device(model.device.device)
        .hub(hub_options(&model.hub, console));
    if let Some(precision) = model.device.precision.chosen() {
        builder = builder.precision(precision);
    }
    if let Some(tokens) = model.batch_tokens {
        builder = builder.batch_tokens(tokens);
    }
    if let Some(tokens) = model.max_length {
        builder = builder.max_length(tokens);
    }
    builder
}

/// How the model is found, with a progress bar for downloads.
pub(crate) fn hub_options(args: &HubArgs, console: Console) -> HubOptions {
    let bar = DownloadBar::new(console);
    HubOptions::of_program(
        args.revision.clone(),
        args.offline,
        move |progress| bar.update(&progress.label, progress.received, progress.total),
        || false,
    )
}

/// Opens a corpus, loads the model and indexes the corpus, in this order: a wrong file is an error
/// before the model is loaded.
fn open_corpus(
    model: &ModelArgs,
    corpus: &CorpusArgs,
    compare: CompareArgs,
    console: Console,
) -> Result<(SentenceEncoder, Corpus), Error> {
    load_corpus(model, CorpusFiles::open(corpus)?, corpus, compare, console)
}

fn load_corpus(
    model: &ModelArgs,
    files: CorpusFiles,
    corpus: &CorpusArgs,
    compare: CompareArgs,
    console: Console,
) -> Result<(SentenceEncoder, Corpus), Error> {
    let encoder = load(model, compare.vectors(), console)?;
    note_passed_over_prompt(&encoder, console);
    let saved = corpus.vectors.as_deref();
    let (name, similarity) = (model.hub.name(), compare.similarity(&encoder));
    let corpus = Corpus::load(files, &encoder, name, similarity, console)?;
    let vectors = count(corpus.index().len(), "vector");
    match saved {
        Some(path) => console.detail(format_args!("{vectors} read from {}", path.display())),
        None => console.detail(format_args!("{vectors} computed")),
    }
    Ok((encoder, corpus))
}

/// Notes that the model has a prompt for documents under a name that sentence-transformers does not
/// use.
fn note_passed_over_prompt(encoder: &SentenceEncoder, console: Console) {
    let unprompted = encoder
        .prompt_text(&Prompt::Document)
        .is_ok_and(str::is_empty);
    if let (true, Some(name)) = (unprompted, encoder.prompts().passed_over()) {
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
    let tokenizer = encoder.route(prompt)?.tokenizer();
    note_truncated(
        vectors.truncated(),
        texts.len(),
        "texts",
        tokenizer,
        console,
    );
    Ok(vectors)
}
