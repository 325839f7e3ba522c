//! The encoder: texts in, vectors out.

mod builder;
mod files;
mod of_table;
pub(crate) mod on_backend;
mod options;
mod route;
mod tokenized;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kernels::Precision;
use search::Similarity;
use search::index::ModelFingerprint;

use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::hub::Origin;
use crate::prompt::{Prompt, Prompts};
use crate::router_error::RouterError;
use crate::routes::{RouteTask, Routes};
use crate::sentence_embeddings::Embeddings;
use crate::tokenizer::SentenceTokenizer;

pub use builder::SentenceEncoderBuilder;
use files::ModelFiles;
pub use options::EncodeOptions;
use route::Dimensions;
pub use route::{Progress, Route};
pub use tokenized::TokenizedTexts;

/// A sentence-embedding model on a device.
///
/// # Examples
///
/// ```
/// use model::{Device, SentenceEncoder};
///
/// // A model's name, such as "sentence-transformers/all-mpnet-base-v2", or a folder.
/// let encoder = SentenceEncoder::from_pretrained("tests/fixtures/tiny-mpnet", Device::Auto)?;
/// let vectors = encoder.encode(&["high end water bottle", "smart home speaker"])?;
/// assert_eq!((vectors.len(), vectors.width()), (2, encoder.width()));
/// # Ok::<(), model::ModelError>(())
/// ```
pub struct SentenceEncoder {
    routes: Routes<Route>,
    device: Device,
    folder: PathBuf,
    origin: Origin,
    dimensions: Dimensions,
    prompts: ChosenPrompts,
}

/// The texts of the prompts, which the builder may have replaced; the empty text is no prompt.
#[derive(Clone, Debug)]
struct ChosenPrompts {
    default: String,
    query: String,
    document: String,
}

impl SentenceEncoder {
    /// Settings to change before loading.
    pub fn builder() -> SentenceEncoderBuilder {
        SentenceEncoderBuilder::default()
    }

    /// Finds and loads a model by name or folder, with the settings of its files.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoderBuilder::load`].
    pub fn from_pretrained(name_or_folder: &str, device: Device) -> Result<Self> {
        Self::builder().device(device).load(name_or_folder)
    }

    /// The vectors of `texts`, in their order; an empty text has a vector too. The model's default prompt
    /// is put before every text, if it has one.
    ///
    /// # Errors
    ///
    /// When the device fails (out of memory, for example).
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(texts, &Prompt::Default, |_| ControlFlow::Continue(()))
    }

    /// The vectors of queries of a search: [`encode`](Self::encode) with [`Prompt::Query`].
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_query<S: AsRef<str> + Sync>(&self, queries: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(queries, &Prompt::Query, |_| ControlFlow::Continue(()))
    }

    /// The vectors of documents to search: [`encode`](Self::encode) with [`Prompt::Document`].
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_document<S: AsRef<str> + Sync>(&self, documents: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(documents, &Prompt::Document, |_| ControlFlow::Continue(()))
    }

    /// [`encode`](Self::encode) with another prompt and a callback after every batch, which may stop the
    /// work.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode), [`ModelError::UnknownPrompt`](crate::ModelError::UnknownPrompt) when the model has no
    /// prompt with that name, and [`ModelError::Interrupted`](crate::ModelError::Interrupted) when the callback breaks.
    pub fn encode_with_progress<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        prompt: &Prompt,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Embeddings> {
        let options = EncodeOptions::with_prompt(prompt.clone());
        self.encode_with_options(texts, &options, progress)
    }

    /// [`encode_with_progress`](Self::encode_with_progress) with more than another prompt.
    ///
    /// # Errors
    ///
    /// As there, and [`ModelError::Dimensions`](crate::ModelError::Dimensions) for more dimensions than
    /// [`full_width`](Self::full_width), or none.
    pub fn encode_with_options<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        options: &EncodeOptions,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Embeddings> {
        let route = self.route(&options.prompt)?;
        let finish = options.finish(route.finish, self.full_width())?;
        route.encode(options.text(self)?, texts, finish, progress)
    }

    /// The part of the model that computes the vectors of texts with this prompt: with a Router the route of queries for
    /// [`Prompt::Query`], that of documents for [`Prompt::Document`], and the default route for any other prompt.
    ///
    /// # Errors
    ///
    /// [`RouterError::NoRoute`] when the Router has no route for them.
    pub fn route(&self, prompt: &Prompt) -> Result<&Route> {
        self.route_of(RouteTask::of(prompt))
    }

    fn route_of(&self, task: RouteTask) -> Result<&Route> {
        let route = self.routes.of(task).ok_or_else(|| RouterError::NoRoute {
            path: self.folder.clone(),
            text: task.text(),
            routes: self.routes.all().map(|(name, _)| name.clone()).collect(),
        })?;
        Ok(route)
    }

    /// Names of the tensors of heads in the weights file, which no vector depends on.
    ///
    /// # Errors
    ///
    /// When the weights file has become unreadable.
    pub fn ignored_tensors(&self) -> Result<Vec<String>> {
        let routes = self.routes.all();
        let ignored = routes.map(|(_, route)| route.files.ignored_tensors());
        Ok(ignored.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Width of the vectors.
    #[must_use]
    pub fn width(&self) -> usize {
        self.dimensions.kept
    }

    /// The text of a prompt; empty for no prompt.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownPrompt`](crate::ModelError::UnknownPrompt) when the model has no prompt with that name.
    pub fn prompt_text<'a>(&'a self, prompt: &'a Prompt) -> Result<&'a str> {
        match prompt {
            Prompt::Default => Ok(&self.prompts.default),
            Prompt::Query => Ok(&self.prompts.query),
            Prompt::Document => Ok(&self.prompts.document),
            other => self.prompts().text(other),
        }
    }

    /// What tells vectors of this encoder from those of others, for an index of them. `name` is the name of the model
    /// in messages. With a Router, precision and maximum length are those of documents.
    ///
    /// # Errors
    ///
    /// When a file of the model cannot be read.
    pub fn fingerprint(&self, name: &str) -> Result<ModelFingerprint> {
        let truncated = self.width() != self.full_width();
        Ok(ModelFingerprint {
            name: name.to_owned(),
            identity: self.identity()?,
            precision: self.precision().to_string(),
            dimensions: truncated.then(|| self.width()),
            max_length: self.tokenizer().max_length(),
            query_prompt: self.prompts.query.clone(),
            document_prompt: self.prompts.document.clone(),
        })
    }

    /// The similarity for which the model was trained.
    #[must_use]
    pub fn similarity(&self) -> Similarity {
        self.files().similarity()
    }

    /// The settings files of the model, or of its documents.
    fn files(&self) -> &ModelFiles {
        &self.routes.main().files
    }

    /// The tokenizer; with a Router, that of documents.
    #[must_use]
    pub fn tokenizer(&self) -> &SentenceTokenizer {
        self.routes.main().tokenizer()
    }

    /// The model's settings files; `None` for a static model, and for one with a Router.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match self.files() {
            ModelFiles::Transformer(checkpoint) if !self.has_router() => Some(checkpoint),
            _ => None,
        }
    }

    /// Whether queries and documents may take different parts of the model.
    #[must_use]
    pub fn has_router(&self) -> bool {
        self.routes.all().any(|(name, _)| !name.is_empty())
    }

    /// Notes for the user about the finding and the reading of the model, a sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (_, route) in self.routes.all() {
            for note in route.files.notes() {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        notes
    }

    /// Width of the vectors before they are cut to [`width`](Self::width).
    #[must_use]
    pub fn full_width(&self) -> usize {
        self.files().width()
    }

    /// The prompts of the model.
    #[must_use]
    pub fn prompts(&self) -> &Prompts {
        self.files().prompts()
    }

    /// A hash of the files that decide on vectors, as [`Checkpoint::identity`].
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn identity(&self) -> Result<String> {
        self.files().identity()
    }

    /// The selected device; never [`Device::Auto`]. A static model computes on the CPU whatever it is.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The selected precision, or that of the model's file; with a Router, that of documents.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.routes.main().precision()
    }

    /// The folder of the model.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The origin of that folder.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}
