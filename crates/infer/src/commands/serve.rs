//! `serve`: vectors, search and recommendations over HTTP.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use program::Console;
use program::interrupt::Signal;
use search::index::IndexReader;
use serve::{CatalogueSource, Control, Loaded, ServeOptions, Server};
use store::{Options, PostgresStore};

use crate::cli::{HubArgs, ModelArgs, PromptArgs, ServeArgs, VectorArgs};
use crate::commands::load;
use crate::error::{Error, UsageError};
use crate::index_model::load_model_of;
use crate::reranker;

/// The running service of this process, for its signals.
static RUNNING: OnceLock<Running> = OnceLock::new();

struct Running {
    control: Control,
    keys: Keys,
    console: Console,
}

/// Where keys come from.
struct Keys {
    of_command_line: Option<String>,
    file: Option<PathBuf>,
}

impl Keys {
    fn read(&self) -> Result<Vec<String>, Error> {
        let mut keys: Vec<String> = self.of_command_line.iter().cloned().collect();
        if let Some(path) = &self.file {
            keys.extend(read_keys(path)?);
        }
        Ok(keys)
    }
}

fn read_keys(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Keys {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().map(str::trim);
    let keys: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if keys.is_empty() {
        return Err(UsageError::NoKeys(path.to_owned()).into());
    }
    Ok(keys)
}

pub(super) fn run(model: &ModelArgs, args: ServeArgs, console: Console) -> Result<(), Error> {
    let keys = Keys {
        of_command_line: args.api_key.clone(),
        file: args.api_key_file.clone(),
    };
    let options = options(&args, keys.read()?);
    if !options.host.is_loopback() && options.api_keys.is_empty() {
        console.warning(format_args!(
            "everybody who reaches {} can ask without a key: give --api-key-file",
            options.host
        ));
    }
    let source = source(&args)?;
    let server = Server::start(options, move |line| console.note(line))?;
    let address = server.address();
    console.note(format_args!(
        "listening on http://{address}, loading the model"
    ));
    let loaded = loaded(model, &args, source, console)?;
    server.load(loaded)?;
    let running = Running {
        control: server.control(),
        keys,
        console,
    };
    // A process serves once.
    let _ = RUNNING.set(running);
    console.note(format_args!("ready: http://{address}"));
    server.wait();
    Ok(())
}

/// Lets a signal end the service in order, or read its keys again. `false` where the process should end at once: no
/// service runs, or it ends already.
pub(super) fn handle_signal(signal: Signal) -> bool {
    let Some(Running {
        control,
        keys,
        console,
    }) = RUNNING.get()
    else {
        return false;
    };
    if signal == Signal::HangUp && keys.file.is_some() {
        match keys.read() {
            Ok(keys) => control.replace_keys(keys),
            Err(error) => console.warning(format_args!("the keys stay as they were: {error}")),
        }
        return true;
    }
    if control.is_stopping() {
        return false;
    }
    console.note("stopping: running requests are finished; a second signal ends at once");
    control.stop();
    true
}

fn options(args: &ServeArgs, api_keys: Vec<String>) -> ServeOptions {
    ServeOptions {
        host: args.host,
        port: args.port,
        max_client_batch_size: args.max_client_batch_size,
        max_batch_tokens: args.max_batch_tokens,
        payload_limit: args.payload_limit,
        auto_truncate: !args.no_auto_truncate,
        max_queue_seconds: args.max_queue_seconds,
        max_interactive_queue_seconds: args.max_queue_seconds / 5.0,
        request_timeout: Duration::from_secs_f64(args.request_timeout),
        header_timeout: Duration::from_secs_f64(args.header_timeout),
        max_connections: args.max_connections,
        drain_delay: Duration::from_secs_f64(args.drain_delay),
        drain_timeout: Duration::from_secs_f64(args.drain_timeout),
        api_keys,
        cors_allow_origin: args.cors_allow_origin.clone(),
        ..ServeOptions::default()
    }
}

/// The products that the options name; `None` if they name none.
fn source(args: &ServeArgs) -> Result<Option<CatalogueSource>, Error> {
    if let Some(folder) = &args.index {
        let reader = IndexReader::open(folder)?;
        let folder = folder.clone();
        return Ok(Some(CatalogueSource::Index { folder, reader }));
    }
    if args.store.is_empty() {
        return Ok(None);
    }
    let options = Options {
        name: args.store_name.clone(),
        partial: args.partial,
        ..Options::default()
    };
    let store = PostgresStore::open(&args.store, options)?;
    Ok(Some(CatalogueSource::Store(store)))
}

fn loaded(
    model: &ModelArgs,
    args: &ServeArgs,
    catalogue: Option<CatalogueSource>,
    console: Console,
) -> Result<Loaded, Error> {
    let settings = match &catalogue {
        Some(CatalogueSource::Index { reader, .. }) => Some(reader.settings()),
        Some(CatalogueSource::Store(store)) => Some(store.settings()),
        None => None,
    };
    let (encoder, model_name) = match settings {
        Some(settings) => (
            load_model_of(settings, model, console)?,
            settings.model.name.clone(),
        ),
        None => {
            let vectors = VectorArgs {
                no_normalize: false,
                dimensions: None,
                prompts: PromptArgs::default(),
                corpus_prompt: None,
            };
            (load(model, vectors, console)?, model.hub.name().to_owned())
        }
    };
    let reranker = match &args.reranker {
        Some(name) => {
            let mut of_reranker = model.clone();
            // The maximum length is that of the encoder's texts.
            of_reranker.max_length = None;
            of_reranker.hub = HubArgs {
                model: Some(name.clone()),
                revision: None,
                offline: model.hub.offline,
            };
            Some((reranker::load(&of_reranker, console)?, name.clone()))
        }
        None => None,
    };
    Ok(Loaded {
        encoder,
        model_name,
        reranker,
        catalogue,
    })
}
