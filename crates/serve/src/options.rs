//! The settings of a service.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::origin::Origin;

/// Settings of a [`Server`](crate::Server). The names are those of text-embeddings-inference where they mean the same.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Most texts of a request.
    pub max_client_batch_size: usize,
    /// Most tokens of a turn, which has as many as the model computes in a tenth of a second. `None` for 1,024 on a CPU,
    /// 16,384 on a GPU.
    pub max_batch_tokens: Option<usize>,
    /// Most bytes of a request's body.
    pub payload_limit: usize,
    /// Whether long texts are truncated unless a request says otherwise.
    pub auto_truncate: bool,
    /// Most seconds of work that may wait in front of a bulk request.
    pub max_queue_seconds: f64,
    /// Most seconds of work that may wait in front of an interactive request.
    pub max_interactive_queue_seconds: f64,
    /// A request that waits longer for its first turn is given up, and a body that takes longer to arrive.
    /// So is a client that takes nothing of its response for that long.
    pub request_timeout: Duration,
    /// A connection that has not sent the head of its next request by then is closed. Longer than proxies keep idle
    /// connections, which is a minute.
    pub header_timeout: Duration,
    /// Most open connections; others wait to be accepted.
    pub max_connections: usize,
    /// Time between the request to stop and the last accepted connection, for load balancers that still send some.
    pub drain_delay: Duration,
    /// Time for running requests when the service stops.
    pub drain_timeout: Duration,
    /// A batch that takes longer makes the service unready.
    pub batch_limit: Duration,
    /// Keys, of which a request needs one; without any, none is needed.
    pub api_keys: Vec<String>,
    /// A pause between two turns, with which tests make a small model slow.
    #[doc(hidden)]
    pub turn_pause: Duration,
    /// Called in every turn: with it tests let a turn fail or hang.
    #[doc(hidden)]
    pub in_turn: fn(),
    /// Origins of pages in browsers that may ask.
    pub cors_allow_origin: Vec<Origin>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8080,
            max_client_batch_size: 2048,
            max_batch_tokens: None,
            payload_limit: 8_000_000,
            auto_truncate: true,
            max_queue_seconds: 5.0,
            max_interactive_queue_seconds: 1.0,
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(75),
            max_connections: 16_384,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(30),
            batch_limit: Duration::from_secs(60),
            api_keys: Vec::new(),
            turn_pause: Duration::ZERO,
            in_turn: || {},
            cors_allow_origin: Vec::new(),
        }
    }
}
