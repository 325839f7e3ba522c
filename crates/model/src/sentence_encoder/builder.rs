//! The builder of an encoder.

use std::sync::OnceLock;

use kernels::{EncoderOps, Precision, UnknownPrecision};
use search::index::ModelFingerprint;

use super::files::ModelFiles;
use super::on_backend::{CheckPrecision, Load, default_batch_tokens, known, on_backend};
use super::route::{Dimensions, Finish, Network, Route};
use super::{ChosenPrompts, SentenceEncoder};
use crate::backend::Device;
use crate::batch::BatchLimit;
use crate::checkpoint::Checkpoint;
use crate::error::{ModelError, Result};
use crate::hub::{self, HubOptions, Origin};
use crate::prompt::{Prompt, Prompts};
use crate::routes::Routes;
use crate::sentence_model::SentenceModel;

/// Settings of a [`SentenceEncoder`] before it is loaded. Settings that are not made come from the model's
/// files.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SentenceEncoderBuilder {
    device: Device,
    hub: HubOptions,
    batch_tokens: Option<usize>,
    batch_texts: Option<usize>,
    max_length: Option<usize>,
    length_of_index: Option<usize>,
    normalize: Option<bool>,
    dimensions: Option<usize>,
    prompt: Prompt,
    query_prompt: Option<Prompt>,
    document_prompt: Option<Prompt>,
    precision: Option<Precision>,
}

impl SentenceEncoderBuilder {
    /// The device of the network; [`Device::Auto`] unless set.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// The precision of the linear layers' weights; on a GPU also of tables and activations. Unless set, that
    /// of the model's file, or float32 on a device without it. Every device can load a reduced-precision file
    /// with [`Precision::Float32`], which does not restore the lost precision. With a Router, of the routes with an encoder.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// How the model is found: revision, offline mode, download progress.
    pub fn hub(mut self, options: HubOptions) -> Self {
        self.hub = options;
        self
    }

    /// Maximum tokens of a batch, padding included; every batch has at least one text.
    ///
    /// Unless set, 1,024 on a CPU, so that the activations of a layer stay in its cache, and 32,768 on a
    /// GPU.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_tokens = Some(tokens);
        self
    }

    /// Maximum texts of a batch; unlimited unless set.
    pub fn batch_size(mut self, texts: usize) -> Self {
        self.batch_texts = Some(texts);
        self
    }

    /// Maximum tokens of a text, `<s>` and `</s>` included; with a Router, of every route with an encoder.
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// Whether vectors are scaled to L2 norm 1.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = Some(normalize);
        self
    }

    /// Keeps only the first dimensions of each vector; normalisation follows this truncation. Unless set, the
    /// `truncate_dim` of the model.
    pub fn dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// The prompt of [`encode`](SentenceEncoder::encode) and of [`Prompt::Default`].
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = prompt;
        self
    }

    /// The prompt of [`encode_query`](SentenceEncoder::encode_query) and of [`Prompt::Query`].
    pub fn query_prompt(mut self, prompt: Prompt) -> Self {
        self.query_prompt = Some(prompt);
        self
    }

    /// The prompt of [`encode_document`](SentenceEncoder::encode_document) and of [`Prompt::Document`].
    pub fn document_prompt(mut self, prompt: Prompt) -> Self {
        self.document_prompt = Some(prompt);
        self
    }

    /// The settings of an index's model: its vectors can be compared with those of this encoder, if it is the same model.
    ///
    /// # Errors
    ///
    /// When the index names a precision that does not exist.
    pub fn of_index(self, model: &ModelFingerprint) -> std::result::Result<Self, UnknownPrecision> {
        let precision = model.precision.parse()?;
        let mut builder = self.precision(precision);
        builder.length_of_index = Some(model.max_length);
        let builder = builder
            .query_prompt(Prompt::Text(model.query_prompt.clone()))
            .document_prompt(Prompt::Text(model.document_prompt.clone()));
        Ok(match model.dimensions {
            Some(dimensions) => builder.dimensions(dimensions),
            None => builder,
        })
    }

    /// Finds and loads a model, by name or folder.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the model cannot be found or fetched, a file of it is
    /// damaged, or a setting is impossible for it.
    pub fn load(self, name_or_folder: &str) -> Result<SentenceEncoder> {
        // The device first: without it, no model needs to be fetched.
        let device = self.device.select()?;
        let precision = self.precision;
        device.run(CheckPrecision {
            device_name: device.to_string(),
            precision,
        })??;
        let found = hub::resolve(name_or_folder, &self.hub)?;
        let routes = self.with_length(ModelFiles::open(&found)?)?;
        let (dimensions, prompts) = self.settings(routes.main())?;
        let any_encoder = has_encoder(&routes);
        let routes = routes.try_map(|name, files| {
            self.route(name, files, device, dimensions, |files| match files {
                ModelFiles::Transformer(checkpoint) => {
                    let loaded = device.run(Load {
                        checkpoint,
                        device_name: device.to_string(),
                        precision,
                    })?;
                    loaded.map(Network::encoder)
                }
                ModelFiles::Static(folder) => {
                    Network::table(folder, precision.filter(|_| !any_encoder))
                }
            })
        })?;
        Ok(SentenceEncoder {
            routes,
            device,
            folder: found.path,
            origin: found.origin,
            dimensions,
            prompts,
        })
    }

    /// An encoder of a model that is already in memory, for example one in training. `checkpoint` provides
    /// settings and tokenizer; `model` must be on the backend of [`device`](Self::device).
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the tokenizer is damaged, or a setting is impossible.
    pub fn with_model<B: EncoderOps>(
        self,
        checkpoint: Checkpoint,
        model: SentenceModel<B>,
    ) -> Result<SentenceEncoder> {
        let precision = self.precision.unwrap_or_default();
        let device = self.device.select()?;
        let folder = checkpoint.folder.clone();
        let mut files = ModelFiles::Transformer(Box::new(checkpoint));
        if let Some(asked) = self.max_length.or(self.length_of_index) {
            files.set_max_length(asked)?;
        }
        let (dimensions, prompts) = self.settings(&files)?;
        let route = self.route("", files, device, dimensions, |_| {
            let name = device.to_string();
            known::<B>(Some(precision), &name, &model.network.device())?;
            let packed = on_backend(model.pack(precision), precision, name);
            Ok(Network::encoder(packed))
        })?;
        Ok(SentenceEncoder {
            routes: Routes::one(route),
            device,
            folder,
            origin: Origin::Folder,
            dimensions,
            prompts,
        })
    }

    /// The files with the maximum length that was asked for. A wrong one is an error before the weights are read.
    fn with_length(&self, routes: Routes<ModelFiles>) -> Result<Routes<ModelFiles>> {
        let any_encoder = has_encoder(&routes);
        // Queries may have a maximum length of their own: an index states that of its documents.
        let own = routes.main().max_length();
        let of_index = self.length_of_index;
        let of_index =
            of_index.filter(|length| !any_encoder || own.is_some_and(|own| own != *length));
        let Some(asked) = self.max_length.or(of_index) else {
            return Ok(routes);
        };
        routes.try_map(|_, mut files| {
            if files.is_encoder() || !any_encoder {
                files.set_max_length(asked)?;
                files.tokenizer()?;
            }
            Ok(files)
        })
    }

    /// The dimensions and prompts of a model; impossible ones are an error before the weights are read.
    fn settings(&self, files: &ModelFiles) -> Result<(Dimensions, ChosenPrompts)> {
        Ok((
            self.kept_dimensions(files)?,
            self.chosen_prompts(files.prompts())?,
        ))
    }

    /// Loads a model, or one route of it.
    fn route(
        &self,
        name: &str,
        files: ModelFiles,
        device: Device,
        dimensions: Dimensions,
        load: impl FnOnce(&ModelFiles) -> Result<(Network, Precision)>,
    ) -> Result<Route> {
        // The tokenizer's file takes a tenth of the time that the weights take.
        let (tokenizer, loaded) = std::thread::scope(|scope| {
            let tokenizer = scope.spawn(|| files.tokenizer());
            let loaded = load(&files);
            (tokenizer.join(), loaded)
        });
        let tokenizer = tokenizer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let (network, precision) = loaded?;
        Ok(Route {
            name: name.to_owned(),
            tokenizer,
            other_side: OnceLock::new(),
            network,
            device,
            limit: BatchLimit {
                tokens: self.batch_tokens.unwrap_or(default_batch_tokens(device)),
                texts: self.batch_texts.unwrap_or(usize::MAX),
            },
            finish: Finish {
                normalize: self.normalize.unwrap_or(files.normalize()),
                dimensions,
            },
            precision,
            files,
        })
    }

    fn kept_dimensions(&self, files: &ModelFiles) -> Result<Dimensions> {
        let width = files.width();
        match self.dimensions {
            Some(asked) if asked == 0 || asked > width => {
                Err(ModelError::Dimensions { asked, width })
            }
            Some(asked) => Ok(Dimensions {
                kept: asked,
                normalized_after: true,
            }),
            None => Ok(Dimensions {
                kept: files.truncate_dim().unwrap_or(width).min(width),
                normalized_after: self.normalize == Some(true),
            }),
        }
    }

    /// The texts of the prompts; an unknown name is an error before the weights are read.
    fn chosen_prompts(&self, prompts: &Prompts) -> Result<ChosenPrompts> {
        let text = |chosen: Option<&Prompt>, own: Prompt| {
            let text = prompts.text(chosen.unwrap_or(&own));
            text.map(str::to_owned)
        };
        Ok(ChosenPrompts {
            default: text(Some(&self.prompt), Prompt::Default)?,
            query: text(self.query_prompt.as_ref(), Prompt::Query)?,
            document: text(self.document_prompt.as_ref(), Prompt::Document)?,
        })
    }
}

fn has_encoder(routes: &Routes<ModelFiles>) -> bool {
    routes.all().any(|(_, files)| files.is_encoder())
}
