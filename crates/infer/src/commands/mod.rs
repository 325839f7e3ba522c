//! The commands, one a file.

mod bench;
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
use std::sync::{Arc, Mutex, PoisonError};

use clap::CommandFactory;
use indicatif::ProgressBar;
use model::SentenceEncoder;
use model::hub::{DownloadProgress, HubOptions, Origin};

use crate::cli::{Cli, Command, ModelArgs, VectorArgs};
use crate::failure::Failure;
use crate::terminal::{BarKind, Notes, Terminal};

/// Does what the command line says.
///
/// # Errors
///
/// When the command fails; the exit code is [`Failure::exit_code`].
pub fn run(cli: Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    if !matches!(cli.command, Some(Command::Completions { .. })) {
        model::threads::start(cli.model.threads)?;
    }
    match cli.command {
        None => sample::run(&cli.model, terminal),
        Some(Command::Embed(args)) => embed::run(&cli.model, args, terminal),
        Some(Command::Similarity(args)) => similarity::run(&cli.model, args, terminal),
        Some(Command::Search(args)) => search::run(&cli.model, args, terminal),
        Some(Command::Recommend(args)) => recommend::run(&cli.model, args, terminal),
        Some(Command::Bench(args)) => bench::run(&cli.model, &args, terminal),
        Some(Command::Doctor(args)) => doctor::run(&cli.model, &args, terminal),
        Some(Command::Fetch) => fetch::run(&cli.model, terminal),
        Some(Command::Export(args)) => export::run(&cli.model, &args, terminal),
        Some(Command::Completions { shell }) => {
            // Into memory first: clap_complete panics where it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "infer", &mut script);
            Ok(terminal.out().write_all(&script)?)
        }
    }
}

/// Loads the model that the command line names.
fn load(args: &ModelArgs, vectors: VectorArgs, notes: Notes) -> Result<SentenceEncoder, Failure> {
    let mut builder = SentenceEncoder::builder()
        .device(args.device)
        .hub(hub_options(args, notes));
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
        notes.note(format_args!(
            "fetched {} from {} into {}",
            args.model,
            encoder.origin(),
            encoder.folder().display()
        ));
    }
    Ok(encoder)
}

/// How the hub is asked, with a bar for what comes.
fn hub_options(args: &ModelArgs, notes: Notes) -> HubOptions {
    let mut options = HubOptions::default();
    options.revision.clone_from(&args.revision);
    options.offline = args.offline;
    // Made when the first bytes come: most runs download nothing.
    let state: Mutex<Option<(String, ProgressBar)>> = Mutex::new(None);
    options.progress = Some(Arc::new(move |progress: &DownloadProgress| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .as_ref()
            .is_none_or(|(label, _)| *label != progress.label)
        {
            if let Some((_, bar)) = state.take() {
                bar.finish_and_clear();
            }
            let bar = notes.bar(progress.total, BarKind::Bytes);
            bar.set_message(progress.label.clone());
            *state = Some((progress.label.clone(), bar));
        }
        if let Some((_, bar)) = &*state {
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.received);
        }
        ControlFlow::Continue(())
    }));
    options
}

/// The vectors of a few texts that stand on the command line.
fn encode(
    encoder: &SentenceEncoder,
    texts: &[String],
    notes: Notes,
) -> Result<model::Embeddings, Failure> {
    let vectors = encoder.encode(texts)?;
    crate::stream::note_truncated(vectors.truncated(), texts.len(), encoder, notes);
    Ok(vectors)
}
