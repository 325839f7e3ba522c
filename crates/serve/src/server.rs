//! Connections: from the listener to the end of the service.
//!
//! axum's own server sets no limit for the time of a request's head, and no limit for the end. So connections are
//! accepted here, and hyper reads them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::app::{Loaded, Shared};
use crate::engine::EngineError;
use crate::metrics::Metrics;
use crate::options::ServeOptions;
use crate::router::router;
use crate::write_timeout::WriteTimeout;

/// Threads that read requests and write responses. The model has threads of its own.
const THREADS: usize = 2;

/// Threads of searches and of long texts, and some more.
const BLOCKING_THREADS: usize = 24;

/// How often changes of the products are looked for, and refusals are logged.
const TICK: Duration = Duration::from_secs(1);

/// The pause after a connection that could not be accepted, because the process has too many open files for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long connections are accepted that were made before the listener closes.
const LAST_CONNECTIONS: Duration = Duration::from_millis(50);

/// Why a service cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}; choose another --host or --port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The threads of connections cannot be started.
    #[error("cannot start the threads of the service: {0}")]
    Threads(#[source] io::Error),
    /// The model cannot compute.
    #[error("the model cannot compute: {0}")]
    Model(#[from] model::ModelError),
    /// Two counters have one name.
    #[error("cannot set up the counters: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl From<EngineError> for ServeError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Model(source) => Self::Model(source),
            EngineError::Thread(source) => Self::Threads(source),
        }
    }
}

/// A service that listens.
pub struct Server {
    runtime: Runtime,
    app: Shared,
    address: SocketAddr,
    stop: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

/// Changes a running service from another thread.
#[derive(Clone)]
pub struct Control {
    app: Shared,
    stop: Arc<watch::Sender<bool>>,
}

impl Control {
    /// Ends the service: it is no longer ready, accepts no connection after the drain delay, and finishes what it has
    /// accepted.
    pub fn stop(&self) {
        self.app.stop();
        // The receiver ends with the service.
        let _ = self.stop.send(true);
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Accepts these keys from now on, and no others.
    pub fn replace_keys(&self, keys: Vec<String>) {
        self.app.keys().replace(keys);
    }
}

impl Server {
    /// Listens. Requests are answered with 503 until [`load`](Self::load). `log` gets a line for refusals and faults.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or threads cannot be started.
    pub fn start(
        options: ServeOptions,
        log: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let asked = SocketAddr::new(options.host, options.port);
        allow_open_files(options.max_connections);
        let cannot = |source| ServeError::Listen {
            address: asked,
            source,
        };
        let listener = TcpListener::bind(asked).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("connections")
            .enable_all()
            .build()
            .map_err(ServeError::Threads)?;
        let app = Shared::new(options, Metrics::new()?);
        let (stop, stopped) = watch::channel(false);
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(cannot)?
        };
        let accepting = runtime.spawn(accept(listener, router(app.clone()), app.clone(), stopped));
        runtime.spawn(tick(app.clone(), log));
        Ok(Self {
            runtime,
            app,
            address,
            stop: Arc::new(stop),
            accepting,
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle for other threads.
    #[must_use]
    pub fn control(&self) -> Control {
        Control {
            app: self.app.clone(),
            stop: Arc::clone(&self.stop),
        }
    }

    /// Answers requests from now on.
    ///
    /// # Errors
    ///
    /// When the model cannot compute, or a thread cannot be started.
    pub fn load(&self, loaded: Loaded) -> Result<(), ServeError> {
        Ok(self.app.start(loaded)?)
    }

    /// Waits until [`Control::stop`], and for the requests that were accepted, at most the drain timeout.
    pub fn wait(self) {
        // The task ends by itself; it does not panic.
        let _ = self.runtime.block_on(self.accepting);
        self.app.stop_engine();
        self.runtime.shutdown_timeout(TICK);
    }
}

/// Counts a connection while it is open.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(app: &'a Shared) -> Self {
        app.metrics().connections.inc();
        Self(app)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.metrics().connections.dec();
    }
}

/// Files of a service beside its connections: the index, the store, the model.
#[cfg(unix)]
const OTHER_FILES: u64 = 1024;

/// Raises the limit of open files, of which each connection is one, as far as the system allows.
#[cfg(unix)]
fn allow_open_files(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    let wanted = limit.maximum.map_or(wanted, |most| most.min(wanted));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        // Without it, connections beyond the limit wait.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

#[cfg(not(unix))]
fn allow_open_files(_: usize) {}

/// Accepts connections until the service stops, then waits for those that are open.
async fn accept(
    listener: tokio::net::TcpListener,
    router: Router,
    app: Shared,
    mut stopped: watch::Receiver<bool>,
) {
    let options = app.options().clone();
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout);
    let serve = |stream: TcpStream, slot| {
        // Small responses go out at once.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let stream = WriteTimeout::new(TokioIo::new(stream), options.request_timeout);
        let connection = open.watch(http.serve_connection(stream, service));
        let app = app.clone();
        tokio::spawn(async move {
            let _open = Open::new(&app);
            // A client that breaks its connection is its own affair.
            let _ = connection.await;
            drop(slot);
        });
    };
    let mut end = std::pin::pin!(async {
        // An error is the end of the sender, and of the service.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        sleep(options.drain_delay).await;
    });
    loop {
        let accepted = async {
            // Semaphores are closed by nobody here.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (listener.accept().await, slot)
        };
        tokio::select! {
            () = &mut end => break,
            (accepted, slot) = accepted => match accepted {
                Ok((stream, _)) => serve(stream, slot),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    let last = Instant::now() + LAST_CONNECTIONS;
    while let Ok(Ok((stream, _))) = timeout_at(last, listener.accept()).await {
        serve(stream, None);
    }
    drop(listener);
    // A connection on which nothing was read yet is closed by the next line.
    sleep(LAST_CONNECTIONS).await;
    let _ = timeout(options.drain_timeout, open.shutdown()).await;
}

/// What happens every second: changes of the products are taken up, and refusals are logged.
async fn tick(app: Shared, log: impl Fn(String)) {
    let mut last_fault = String::new();
    loop {
        sleep(TICK).await;
        let refusals = app.take_refusals();
        match refusals.count {
            0 => {}
            1 => log(refusals.last),
            count => log(format!(
                "{} (and {} other refusals)",
                refusals.last,
                count - 1
            )),
        }
        let fault = match app.searching(|| app.refresh()).await {
            Ok(()) => String::new(),
            Err(problem) => problem.message,
        };
        if fault != last_fault && !fault.is_empty() {
            log(format!("changes of the products are not taken up: {fault}"));
        }
        last_fault = fault;
    }
}
