//! What all routes share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::{Device, PairScorer, SentenceEncoder};
use search::index::ModelFingerprint;

use crate::catalogue::{Catalogue, CatalogueSource};
use crate::engine::{Engine, EngineError, Models};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::options::ServeOptions;
use crate::problem::{Kind, Problem};
use crate::writer::Writer;

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
    writer: Option<Arc<Writer>>,
}

impl Shared {
    pub(crate) fn new(options: ServeOptions, metrics: Metrics) -> Self {
        Self(Arc::new(App {
            keys: Keys::new(options.api_keys.clone()),
            options,
            metrics: Arc::new(metrics),
            service: OnceLock::new(),
            stopping: AtomicBool::new(false),
            refusals: Mutex::default(),
        }))
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
            Some(Catalogue::Index { folder, .. }) if self.may_write() => {
                let app = self.clone();
                let writer = Writer::start(folder.clone(), move || app.refresh());
                Some(writer.map_err(EngineError::Thread)?)
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
        self.0.options.host.is_loopback() || !self.0.keys.is_empty()
    }

    /// The writer of the index, if this service writes.
    ///
    /// # Errors
    ///
    /// While the model loads.
    pub(crate) fn writer(&self) -> Result<Option<&Writer>, Problem> {
        Ok(self.service()?.writer.as_deref())
    }

    /// Takes up changes of the index.
    ///
    /// # Errors
    ///
    /// When the index cannot be read, or is of another model now.
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
            Err(Problem::new(
                Kind::Unhealthy,
                "a batch takes longer than --batch-limit",
            ))
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
