//! The options of the service.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use clap::{Arg, Args};
use serve::Origin;

use super::at_least_one;
use super::store::DEFAULT_STORE;

/// Gives options of the model the variables that a container sets. Other commands must not read them: `infer search` would
/// compute the vectors of its queries in another precision than an index says.
pub(super) fn with_variable(option: Arg) -> Arg {
    let variable = match option.get_id().as_str() {
        "revision" => "MPNET_BURN_REVISION",
        "offline" => "MPNET_BURN_OFFLINE",
        "max_length" => "MPNET_BURN_MAX_LENGTH",
        "batch_tokens" => "MPNET_BURN_BATCH_TOKENS",
        "precision" => "MPNET_BURN_PRECISION",
        _ => return option,
    };
    let option = option.env(variable).hide_env_values(true);
    if option.get_action().takes_values() {
        option
    } else {
        // As HF_HUB_OFFLINE=1.
        option.value_parser(FalseyValueParser::new())
    }
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Search the products of this folder of `infer index build`, and change them.
    #[arg(
        long,
        value_name = "DIR",
        env = "MPNET_BURN_INDEX",
        hide_env_values = true,
        conflicts_with = "store"
    )]
    pub index: Option<PathBuf>,
    /// Search and change products in PostgreSQL on these servers, loaded by `infer store load`, as postgres://user@host/database.
    #[arg(
        long,
        value_name = "URL,...",
        value_delimiter = ',',
        env = "MPNET_BURN_STORE",
        hide_env_values = true
    )]
    pub store: Vec<String>,
    /// Search the store of this name on the servers.
    #[arg(
        long,
        value_name = "NAME",
        default_value = DEFAULT_STORE,
        requires = "store",
        env = "MPNET_BURN_STORE_NAME",
        hide_env_values = true
    )]
    pub store_name: String,
    /// Answer without the servers that do not, and say so, instead of failing.
    #[arg(
        long,
        requires = "store",
        env = "MPNET_BURN_PARTIAL",
        value_parser = FalseyValueParser::new(),
        hide_env_values = true
    )]
    pub partial: bool,
    /// Order hits by this reranker where a request asks for it.
    #[arg(
        long,
        value_name = "NAME|DIR",
        env = "MPNET_BURN_RERANKER",
        hide_env_values = true
    )]
    pub reranker: Option<String>,
    /// Listen on this address; 0.0.0.0 and :: are all of the machine.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1",
        env = "MPNET_BURN_HOST",
        hide_env_values = true
    )]
    pub host: IpAddr,
    /// Listen on this port; 0 takes a free one.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8080,
        env = "MPNET_BURN_PORT",
        hide_env_values = true
    )]
    pub port: u16,
    /// Answer only requests with this key.
    #[arg(
        long,
        value_name = "KEY",
        value_parser = NonEmptyStringValueParser::new(),
        env = "MPNET_BURN_API_KEY",
        hide_env_values = true,
        help_heading = "Access"
    )]
    pub api_key: Option<String>,
    /// Answer only requests with a key of this file, one per line; SIGHUP reads it again.
    #[arg(
        long,
        value_name = "FILE",
        env = "MPNET_BURN_API_KEY_FILE",
        hide_env_values = true,
        help_heading = "Access"
    )]
    pub api_key_file: Option<PathBuf>,
    /// Let pages of this origin ask in a browser; * is any. Repeat it for several.
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        env = "MPNET_BURN_CORS_ALLOW_ORIGIN",
        hide_env_values = true,
        help_heading = "Access"
    )]
    pub cors_allow_origin: Vec<Origin>,
    /// Take at most N texts in a request.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2048,
        value_parser = at_least_one,
        env = "MPNET_BURN_MAX_CLIENT_BATCH_SIZE",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub max_client_batch_size: usize,
    /// Compute at most N tokens in one turn; new queries wait for one or two turns [default: 1024 on a CPU, 16384 on a GPU].
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one,
        env = "MPNET_BURN_MAX_BATCH_TOKENS",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub max_batch_tokens: Option<usize>,
    /// Take at most N bytes in a request.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 8_000_000,
        value_parser = at_least_one,
        env = "MPNET_BURN_PAYLOAD_LIMIT",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub payload_limit: usize,
    /// Refuse texts that are longer than the model reads, instead of truncating them, unless a request says otherwise.
    #[arg(
        long,
        env = "MPNET_BURN_NO_AUTO_TRUNCATE",
        value_parser = FalseyValueParser::new(),
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub no_auto_truncate: bool,
    /// Refuse requests while more than N seconds of work wait; a fifth of it for requests of a few short texts.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5.0,
        value_parser = seconds,
        env = "MPNET_BURN_MAX_QUEUE_SECONDS",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub max_queue_seconds: f64,
    /// Give up requests that wait longer than N seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30.0,
        value_parser = seconds,
        env = "MPNET_BURN_REQUEST_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub request_timeout: f64,
    /// Close connections that send no request for N seconds; longer than proxies keep theirs.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 75.0,
        value_parser = seconds,
        env = "MPNET_BURN_HEADER_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub header_timeout: f64,
    /// Keep at most N connections open; others wait.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16_384,
        value_parser = at_least_one,
        env = "MPNET_BURN_MAX_CONNECTIONS",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub max_connections: usize,
    /// On SIGTERM, accept connections for N seconds more, until load balancers know.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        value_parser = seconds,
        env = "MPNET_BURN_DRAIN_DELAY",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub drain_delay: f64,
    /// Then finish running requests for at most N seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30.0,
        value_parser = seconds,
        env = "MPNET_BURN_DRAIN_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub drain_timeout: f64,
}

/// A time that is not negative.
fn seconds(word: &str) -> Result<f64, String> {
    match word.parse::<f64>() {
        Ok(seconds) if Duration::try_from_secs_f64(seconds).is_ok() => Ok(seconds),
        _ => Err("it must be a number of seconds from 0".to_owned()),
    }
}
