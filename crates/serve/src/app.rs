//! What all routes share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use model::{Device, PairScorer, SentenceEncoder};
use search::index::ModelFingerprint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::catalogue::{Catalogue, CatalogueSource, Place};
use crate::engine::{Engine, EngineError, Models, hanging};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::options::ServeOptions;
use crate::problem::{Kind, Problem};
use crate::writer::{IndexChanges, StoreChanges, Writer};

/// What a service answers with.
pub struct Loaded {
    /// The model.
    pub encoder: SentenceEncoder,
    /// Its name, as clients see it.
    pub model_name: String,
    /// A reranker, and its name.
    pub reranker: Option<(PairScorer, String)>,
    /// Products to search.
    pub catalogue: Option<CatalogueSource>,
}

/// Computations that may keep a thread at a time.
const BLOCKING: usize = 8;

/// Searches that may keep a thread at a time.
const SEARCHES: usize = 8;

/// Kilobytes of all bodies at a time, or one of the largest.
const BODIES: u32 = 128 * 1024;

/// Kilobytes of all responses that are computed or wait for their readers.
const RESPONSES: u32 = 256 * 1024;

/// Kilobytes that a response counts at most: a larger one is answered beside others, too.
const LARGEST_RESPONSE: u32 = RESPONSES / 4;

fn kilobytes(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX >> 4)
}

/// The state of the routes.
#[derive(Clone)]
pub(crate) struct Shared(Arc<App>);

struct App {
    options: ServeOptions,
    keys: Keys,
    metrics: Arc<Metrics>,
    service: OnceLock<Service>,
    stopping: AtomicBool,
    /// Refusals since the last line of the log.
    refusals: Mutex<Refusals>,
    /// Work that may keep a thread of connections, so that some stay free for others.
    blocking: Semaphore,
    /// Searches that may, so that slow servers of a store keep only other searches waiting.
    searches: Semaphore,
    /// Kilobytes of bodies that may be read at the same time.
    bodies: Arc<Semaphore>,
    /// Kilobytes of responses that may be computed or wait for their readers.
    responses: Arc<Semaphore>,
}

/// Refusals that are not logged yet.
#[derive(Default)]
pub(crate) struct Refusals {
    pub(crate) count: usize,
    pub(crate) last: String,
}

/// A service whose model is loaded.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) model_name: String,
    pub(crate) reranker_name: Option<String>,
    pub(crate) catalogue: Option<Catalogue>,
    /// What vectors of the catalogue are made of.
    fingerprint: ModelFingerprint,
    writer: Option<Writer>,
}

impl Shared {
    pub(crate) fn new(options: ServeOptions, metrics: Metrics) -> Self {
        let bodies = kilobytes(options.payload_limit).max(BODIES) as usize;
        Self(Arc::new(App {
            keys: Keys::new(options.api_keys.clone()),
            options,
            metrics: Arc::new(metrics),
            service: OnceLock::new(),
            stopping: AtomicBool::new(false),
            refusals: Mutex::default(),
            blocking: Semaphore::new(BLOCKING),
            searches: Semaphore::new(SEARCHES),
            bodies: Arc::new(Semaphore::new(bodies)),
            responses: Arc::new(Semaphore::new(RESPONSES as usize)),
        }))
    }

    /// Computes what takes longer than other connections should wait. A thread of its own is there for some of it at
    /// a time; the rest waits.
    pub(crate) async fn blocking<R>(&self, work: impl FnOnce() -> R) -> R {
        // Nobody closes the semaphore.
        let _permit = self.0.blocking.acquire().await;
        tokio::task::block_in_place(work)
    }

    /// Reads products, as a search does. A thread of its own is there for some searches at a time; the rest waits.
    ///
    /// # Errors
    ///
    /// Those of the work, and when the running searches take longer than a request may wait.
    pub(crate) async fn searching<R>(
        &self,
        work: impl FnOnce() -> Result<R, Problem>,
    ) -> Result<R, Problem> {
        let acquired = timeout(self.0.options.request_timeout, self.0.searches.acquire());
        let Ok(_permit) = acquired.await else {
            let wait = Kind::Overloaded(Duration::from_secs(1));
            return Err(Problem::new(
                wait,
                "the running searches take too long; try again later",
            ));
        };
        tokio::task::block_in_place(work)
    }

    /// Room for a body of so many bytes.
    ///
    /// # Errors
    ///
    /// While too many bodies are being read.
    pub(crate) fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let bodies = Arc::clone(&self.0.bodies);
        bodies
            .try_acquire_many_owned(kilobytes(bytes))
            .map_err(|_| {
                let wait = Kind::Overloaded(Duration::from_millis(200));
                Problem::new(wait, "too many bodies are being read; try again later")
            })
    }

    /// Room for a response of so many bytes.
    ///
    /// # Errors
    ///
    /// While too many responses are computed or wait to be read.
    pub(crate) fn response_room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let responses = Arc::clone(&self.0.responses);
        responses
            .try_acquire_many_owned(kilobytes(bytes).min(LARGEST_RESPONSE))
            .map_err(|_| {
                let wait = Kind::Overloaded(Duration::from_secs(1));
                Problem::new(
                    wait,
                    "too many large responses are computed or wait to be read; try again later",
                )
            })
    }

    /// Starts the engine on loaded models.
    ///
    /// # Errors
    ///
    /// When the model cannot compute, or the products do not belong to it.
    pub(crate) fn start(&self, loaded: Loaded) -> Result<(), EngineError> {
        let (reranker, reranker_name) = loaded.reranker.unzip();
        let fingerprint = loaded.encoder.fingerprint(&loaded.model_name)?;
        let catalogue = loaded.catalogue.map(Catalogue::new);
        let writer = match &catalogue {
            Some(catalogue) if self.may_write() => {
                Some(self.start_writer(catalogue, &fingerprint)?)
            }
            _ => None,
        };
        let models = Arc::new(Models {
            encoder: loaded.encoder,
            reranker,
        });
        let engine = Engine::start(models, &self.0.options, Arc::clone(&self.0.metrics))?;
        let service = Service {
            engine,
            model_name: loaded.model_name,
            reranker_name,
            catalogue,
            fingerprint,
            writer,
        };
        // A server loads once.
        let _ = self.0.service.set(service);
        Ok(())
    }

    fn start_writer(
        &self,
        catalogue: &Catalogue,
        model: &ModelFingerprint,
    ) -> Result<Writer, EngineError> {
        let writer = match &catalogue.place {
            Place::Index { folder, .. } => {
                // The writer belongs to the state, and must not keep it.
                let app = Arc::downgrade(&self.0);
                let refresh = move || {
                    if let Some(app) = app.upgrade() {
                        // What is on disk is acknowledged; the next second says what is wrong with it.
                        let _ = Self(app).refresh();
                    }
                };
                let (folder, model) = (folder.clone(), model.clone());
                Writer::start(|merges| IndexChanges::new(folder, model, refresh, merges))
            }
            Place::Store(store) => Writer::start(|_| StoreChanges(store.clone())),
        };
        writer.map_err(EngineError::Thread)
    }

    pub(crate) fn options(&self) -> &ServeOptions {
        &self.0.options
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whoever reaches a service beyond this machine needs a key to write.
    fn may_write(&self) -> bool {
        self.0.options.host.is_loopback() || self.0.keys.are_needed()
    }

    /// The writer of the products, if this service writes.
    ///
    /// # Errors
    ///
    /// While the model loads.
    pub(crate) fn writer(&self) -> Result<Option<&Writer>, Problem> {
        Ok(self.service()?.writer.as_ref())
    }

    /// Takes up changes of the products.
    ///
    /// # Errors
    ///
    /// When the index or the store cannot be read, or is of another model now.
    pub(crate) fn refresh(&self) -> Result<(), Problem> {
        let Some(service) = self.0.service.get() else {
            return Ok(());
        };
        match &service.catalogue {
            Some(catalogue) => catalogue.refresh(&service.fingerprint),
            None => Ok(()),
        }
    }

    /// The loaded service.
    ///
    /// # Errors
    ///
    /// While the model loads.
    pub(crate) fn service(&self) -> Result<&Service, Problem> {
        let loading = || Problem::new(Kind::Unhealthy, "the model is being loaded");
        self.0.service.get().ok_or_else(loading)
    }

    /// # Errors
    ///
    /// While the service loads, stops or hangs.
    pub(crate) fn ready(&self) -> Result<&Service, Problem> {
        if self.0.stopping.load(Ordering::Relaxed) {
            return Err(Problem::new(Kind::Unhealthy, "the service stops"));
        }
        let service = self.service()?;
        if service.engine.is_alive() {
            Ok(service)
        } else {
            Err(hanging())
        }
    }

    /// From now on the service is not ready.
    pub(crate) fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Ends the engine.
    pub(crate) fn stop_engine(&self) {
        if let Some(service) = self.0.service.get() {
            service.engine.stop();
        }
    }

    pub(crate) fn refused(&self, line: String) {
        let mut refusals = self
            .0
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        refusals.count += 1;
        refusals.last = line;
    }

    pub(crate) fn take_refusals(&self) -> Refusals {
        let mut refusals = self
            .0
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *refusals)
    }
}

impl Service {
    pub(crate) fn encoder(&self) -> &SentenceEncoder {
        &self.engine.models().encoder
    }

    /// The device of the model.
    pub(crate) fn device(&self) -> Device {
        self.encoder().device()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_that_hang_keep_only_searches_waiting() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let options = ServeOptions {
            request_timeout: Duration::from_millis(50),
            ..ServeOptions::default()
        };
        let app = Shared::new(options, Metrics::new().unwrap());
        let all = u32::try_from(SEARCHES).unwrap();
        let hanging = runtime.block_on(app.0.searches.acquire_many(all)).unwrap();
        assert_eq!(runtime.block_on(app.blocking(|| 1)), 1);
        let refused = runtime.block_on(app.searching(|| Ok(2)));
        assert!(
            matches!(&refused, Err(problem) if matches!(problem.kind, Kind::Overloaded(_))),
            "{refused:?}"
        );
        drop(hanging);
        assert_eq!(runtime.block_on(app.searching(|| Ok(2))).unwrap(), 2);
    }
}
