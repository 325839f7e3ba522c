//! A running service, and a client.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use model::{Device, PairScorer, SentenceEncoder};
use search::filter::{ColumnKind, FilterColumn, Value};
use search::index::{Document, IndexReader, IndexWriter, Settings, TextColumn, joined};
use serve::{CatalogueSource, Loaded, ServeOptions, Server};
use tempfile::TempDir;

/// The folder of a model of the tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../model/tests/fixtures")
        .join(name)
}

pub(crate) fn tiny() -> SentenceEncoder {
    let builder = SentenceEncoder::builder().device(Device::Cpu);
    builder
        .load(fixture("tiny-mpnet").to_str().unwrap())
        .unwrap()
}

/// A service on a free port, which ends with the test.
pub(crate) struct Service {
    server: Option<Server>,
    pub(crate) url: String,
    pub(crate) log: Mutex<Receiver<String>>,
    /// Removed with the service.
    index: Option<TempDir>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: ureq::http::HeaderMap,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error in the form of text-embeddings-inference.
    pub(crate) fn error(&self) -> String {
        self.json()["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
            .to_owned()
    }
}

impl Service {
    /// A service without products.
    pub(crate) fn new(options: ServeOptions) -> Self {
        Self::with(options, Parts::default())
    }

    pub(crate) fn with(options: ServeOptions, parts: Parts) -> Self {
        let mut service = Self::loading(options);
        service.load(parts.catalogue, parts.reranker);
        service.index = parts.folder;
        service
    }

    /// A service whose model is not loaded yet.
    pub(crate) fn loading(options: ServeOptions) -> Self {
        let (sender, log) = mpsc::channel();
        let options = ServeOptions { port: 0, ..options };
        let log_to = Mutex::new(sender);
        let server = Server::start(options, move |line| {
            // A test that has ended reads no log.
            let _ = log_to.lock().unwrap().send(line);
        })
        .unwrap();
        let mut address = server.address();
        if address.ip().is_unspecified() {
            // All addresses of a machine are none that every system connects to.
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self {
            url: format!("http://{address}"),
            server: Some(server),
            log: Mutex::new(log),
            index: None,
        }
    }

    pub(crate) fn load(&self, catalogue: Option<CatalogueSource>, reranker: Option<PairScorer>) {
        let loaded = Loaded {
            encoder: tiny(),
            model_name: "tiny".to_owned(),
            reranker: reranker.map(|reranker| (reranker, "tiny-reranker".to_owned())),
            catalogue,
        };
        self.server().load(loaded).unwrap();
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Ends the service, and waits for its end.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.control().stop();
            server.wait();
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        answer(agent().get(format!("{}{path}", self.url)).call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.post_with(path, body, &[])
    }

    pub(crate) fn post_with(
        &self,
        path: &str,
        body: &serde_json::Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = agent().post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send_json(body).unwrap())
    }

    /// The value of a counter or gauge.
    pub(crate) fn counter(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").body;
        let mut lines = metrics.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {metrics}"))
            .parse()
            .unwrap()
    }

    /// Posts bytes with a content type.
    pub(crate) fn post_bytes(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let request = agent()
            .post(format!("{}{path}", self.url))
            .content_type(kind);
        answer(request.send(body).unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into()
}

pub(crate) fn answer(response: ureq::http::Response<ureq::Body>) -> Answer {
    let (parts, mut body) = response.into_parts();
    Answer {
        status: parts.status.as_u16(),
        body: body
            .with_config()
            .limit(100_000_000)
            .read_to_string()
            .unwrap(),
        headers: parts.headers,
    }
}

/// What a service has beside its encoder.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) catalogue: Option<CatalogueSource>,
    pub(crate) reranker: Option<PairScorer>,
    pub(crate) folder: Option<TempDir>,
}

impl Parts {
    /// Four products.
    pub(crate) fn products() -> Self {
        Self::of(products())
    }

    /// Products and their vectors.
    pub(crate) fn of(products: Vec<(Document, Vec<f32>)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mut writer = IndexWriter::create(&path, settings()).unwrap();
        for (document, vector) in products {
            writer.add(&document, Some(&vector)).unwrap();
        }
        writer.commit().unwrap();
        let reader = IndexReader::open(&path).unwrap();
        Self {
            catalogue: Some(CatalogueSource::Index {
                folder: path,
                reader,
            }),
            reranker: None,
            folder: Some(folder),
        }
    }

    pub(crate) fn with_reranker(self) -> Self {
        let builder = PairScorer::builder().device(Device::Cpu);
        let reranker = builder.load(fixture("rerankers/bert").to_str().unwrap());
        Self {
            reranker: Some(reranker.unwrap()),
            ..self
        }
    }

    /// The folder of the index.
    pub(crate) fn index(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("index")
    }
}

/// The settings of a catalogue of products.
pub(crate) fn settings() -> Settings {
    let encoder = tiny();
    let column = |name: &str, kind| FilterColumn {
        name: name.to_owned(),
        kind,
    };
    Settings {
        model: encoder.fingerprint("tiny").unwrap(),
        width: encoder.width(),
        similarity: encoder.similarity(),
        id_column: "sku".to_owned(),
        text_columns: vec![TextColumn {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        filter_columns: vec![
            column("brand", ColumnKind::Text),
            column("price", ColumnKind::Number),
        ],
        ..Settings::default()
    }
}

/// The products, and their vectors.
pub(crate) fn products() -> Vec<(Document, Vec<f32>)> {
    let encoder = tiny();
    let products = PRODUCTS.map(|(id, title, brand, price)| {
        let document = document(id, title, brand, price);
        let vector = encoder.encode_document(&[joined(&document.texts)]);
        (document, vector.unwrap().into_values())
    });
    products.into()
}

/// Id, title, brand and price.
pub(crate) const PRODUCTS: [(&str, &str, &str, f64); 4] = [
    ("B1", "insulated steel water bottle", "Acme", 19.5),
    ("B2", "plastic water bottle", "Bolt", 4.0),
    ("K1", "compact wireless keyboard", "Acme", 49.0),
    ("S1", "smart home speaker", "Bolt", 99.0),
];

pub(crate) fn document(id: &str, title: &str, brand: &str, price: f64) -> Document {
    Document {
        id: id.to_owned(),
        texts: vec![title.to_owned()],
        values: vec![
            Some(Value::Text(brand.to_owned())),
            Some(Value::Number(price)),
        ],
    }
}
