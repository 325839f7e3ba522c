//! The sentence-transformers folder, read and written.
//!
//! | file | content |
//! | --- | --- |
//! | `modules.json` | the stack: Transformer, Pooling, then Dense, LayerNorm, Dropout and Normalize, and the folder of each |
//! | `config.json` | [`EncoderConfig`] |
//! | `model.safetensors` or `pytorch_model.bin`, also in shards with an `….index.json` | the weights, also quantized |
//! | `tokenizer.json`, else `vocab.txt` | the tokenizer |
//! | `tokenizer_config.json` | its settings |
//! | `sentence_bert_config.json`, else `tokenizer_config.json` | the maximum length |
//! | `1_Pooling/config.json` | [`PoolingMode`]s |
//! | `config_sentence_transformers.json` | [`Prompts`], similarity and dimensions |

mod collect;
mod export;
pub(crate) mod folders;
pub(crate) mod identity;
mod ignored;
mod layers;
pub(crate) mod limits;
mod load;
pub(crate) mod modules;
mod pair;
mod pooled_modules;
pub(crate) mod pytorch_file;
pub(crate) mod router;
pub(crate) mod safetensors_file;
pub(crate) mod sentence;
pub(crate) mod settings;
pub(crate) mod stored_values;
mod tags;
mod tensors;
mod weights;
pub(crate) mod weights_files;
pub(crate) mod write;
mod write_pair;
mod write_tags;

use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use kernels::{EncoderOps, Precision};
use search::Similarity;

use crate::architecture::{CONFIG_FILE, EncoderConfig};
use crate::encoder::Encoder;
use crate::error::{ModelError, Result};
use crate::hub::ModelFolder;
use crate::modules::pooling::PoolingMode;
use crate::prompt::Prompts;
use crate::sentence_model::SentenceModel;
use crate::tokenizer::{SentenceTokenizer, TokenizerOverrides};
use layers::KeptLayers;
use limits::StatedLimit;
use load::Input;
use modules::{ModuleList, Pooling, Stack};
use pair::PairSettings;
use pooled_modules::ModuleSettings;
use sentence::Task;
use settings::Settings;
use tags::TagHead;
use weights::WeightsFile;

/// A model folder after reading its settings files; [`load`](Self::load) reads the weights.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The model folder.
    pub folder: PathBuf,
    /// Where the encoder's files are: the folder itself or, in older models, `0_Transformer`
    /// inside it.
    pub transformer_folder: PathBuf,
    /// Size and constants of the network.
    pub config: EncoderConfig,
    /// Pooling modes; the vectors of several modes are concatenated.
    pub pooling: Vec<PoolingMode>,
    /// Whether the tokens of a prompt are pooled too.
    pub include_prompt: bool,
    /// Whether vectors are scaled to L2 norm 1 at the end.
    pub normalize: bool,
    /// The modules between the pooling and that normalisation.
    modules: Vec<ModuleSettings>,
    /// The head of a cross-encoder.
    pub(crate) pair: Option<PairSettings>,
    /// The head of a tagger.
    pub(crate) tags: Option<TagHead>,
    /// The number of dimensions that an encoder keeps of each vector; `None` for all.
    pub truncate_dim: Option<usize>,
    /// The similarity for which the model was trained.
    pub similarity: Similarity,
    /// The prompts of the model.
    pub prompts: Prompts,
    /// Maximum tokens of a text, `<s>` and `</s>` included.
    pub max_seq_length: usize,
    /// Whether texts are lower-cased before all other steps of the tokenizer.
    pub lowercase: bool,
    /// Whether the folder has no `modules.json`: a plain transformer, whose vectors are means without
    /// normalisation.
    pub plain: bool,
    tokenizer_overrides: TokenizerOverrides,
    stated_limit: Option<StatedLimit>,
    /// Unless the network has all layers of the file.
    kept_layers: Option<KeptLayers>,
    /// Notes about the finding of the folder.
    notes_of_hub: Vec<String>,
    /// Names of prompts that are not those of the folder.
    changed_prompts: Vec<String>,
}

impl Checkpoint {
    /// Reads the settings files of a model folder.
    ///
    /// # Errors
    ///
    /// When a file is missing or damaged, or describes a model that is not a known encoder with pooling;
    /// the error names the file and the field. [`RouterError::OneListNeeded`](crate::RouterError::OneListNeeded) for a model with a Router.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_modules(folder, ModuleList::read(folder)?.as_ref())
    }

    /// Reads the settings files of a model, or of a route of it, with these modules; `None` without `modules.json`.
    fn open_modules(folder: &Path, modules: Option<&ModuleList>) -> Result<Self> {
        let stack = match modules {
            Some(modules) => modules.stack()?,
            None => Stack::plain(folder),
        };
        let config = EncoderConfig::from_folder(&stack.transformer_folder)?;
        let plain = stack.pooling_folder.is_none();
        let limits = limits::read(&stack.transformer_folder, plain, Task::Vectors, &config)?;
        // For a plain transformer sentence-transformers takes the mean and reads no further settings.
        let (pooling, settings) = match &stack.pooling_folder {
            Some(pooling_folder) => (
                modules::read_pooling(pooling_folder, config.hidden_size)?,
                settings::read(folder)?,
            ),
            None => (Pooling::default(), Settings::default()),
        };
        let pooled_width = pooling.modes.len() * config.hidden_size;
        let mut modules = stack.pooled_modules(pooled_width)?;
        let normalize = modules.pop_if(|module| module.is_normalize()).is_some();
        Ok(Self {
            folder: folder.to_owned(),
            transformer_folder: stack.transformer_folder,
            modules,
            config,
            pooling: pooling.modes,
            include_prompt: pooling.include_prompt,
            normalize,
            pair: None,
            tags: None,
            truncate_dim: settings.truncate_dim,
            similarity: settings.similarity,
            prompts: settings.prompts,
            max_seq_length: limits.max_seq_length,
            lowercase: limits.lowercase,
            plain,
            tokenizer_overrides: limits.tokenizer,
            stated_limit: limits.stated,
            kept_layers: None,
            notes_of_hub: Vec::new(),
            changed_prompts: Vec::new(),
        })
    }

    /// Reads the settings files of a folder that [`hub::resolve`](crate::hub::resolve) found, and keeps its notes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_found(found: &ModelFolder) -> Result<Self> {
        Self::open_route(found, ModuleList::read(&found.path)?.as_ref())
    }

    /// As [`open_found`](Self::open_found), with the modules of a route.
    pub(crate) fn open_route(found: &ModelFolder, modules: Option<&ModuleList>) -> Result<Self> {
        let mut checkpoint = Self::open_modules(&found.path, modules)?;
        checkpoint.notes_of_hub.clone_from(&found.notes);
        Ok(checkpoint)
    }

    /// Gives the prompt `name` (`query` or `document`) another text, here and in every folder that is written.
    pub fn set_prompt(&mut self, name: &str, text: &str) {
        self.prompts.set(name, text);
        self.changed_prompts.push(name.to_owned());
    }

    /// Notes for the user about the finding and the reading of the folder, a sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let plain = (self.plain && self.pair.is_none() && self.tags.is_none()).then(|| {
            format!(
                "{} has no modules.json: its vectors are the mean over the tokens, without \
                 normalization, of at most {} tokens",
                self.folder.display(),
                self.max_seq_length
            )
        });
        let new_head = self.pair.as_ref().filter(|pair| pair.seed.is_some());
        let new_head = new_head.map(|_| {
            format!(
                "{} is no reranker yet: layers of the head that it has no weights for start from random values",
                self.folder.display()
            )
        });
        let new_tags = self.tags.as_ref().filter(|tags| tags.seed.is_some());
        let new_tags = new_tags.map(|_| {
            format!(
                "{} is no tagger of these labels yet: its head starts from random values",
                self.folder.display()
            )
        });
        let notes = self.notes_of_hub.iter().cloned();
        notes.chain(plain).chain(new_head).chain(new_tags).collect()
    }

    /// A hash of the files that decide on vectors, as 16 hexadecimal digits: models with the same one give the same
    /// vectors. Large files are hashed in samples.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn identity(&self) -> Result<String> {
        identity::identity(&self.folder).map_err(|source| ModelError::Io {
            path: self.folder.clone(),
            source,
        })
    }

    /// Width of the model's vectors before they are cut to [`truncate_dim`](Self::truncate_dim); 1 for the scores of a
    /// cross-encoder, and the number of outputs for the logits of a tagger.
    #[must_use]
    pub fn width(&self) -> usize {
        if self.pair.is_some() {
            return 1;
        }
        if let Some(tags) = &self.tags {
            return tags.labels.outputs().len();
        }
        let pooled = self.pooling.len() * self.config.hidden_size;
        let modules = self.modules.iter();
        modules.fold(pooled, |width, module| module.width(width))
    }

    /// The model around a network: pooling, the modules after it, and normalisation.
    fn sentence_model<B: Backend>(
        &self,
        network: Encoder<B>,
        device: &B::Device,
    ) -> Result<SentenceModel<B>> {
        let network = self.without_dropped(network);
        let model = SentenceModel::new(network, self.pooling.clone(), self.normalize);
        if let Some(pair) = &self.pair {
            return Ok(model.with_modules(self.head(pair, device)?));
        }
        if let Some(tags) = &self.tags {
            return Ok(model
                .of_tokens()
                .with_modules(self.tag_modules(tags, device)?));
        }
        let mut width = self.pooling.len() * self.config.hidden_size;
        let mut modules = Vec::new();
        for module in &self.modules {
            modules.push(module.load(width, device)?);
            width = module.width(width);
        }
        Ok(model.with_modules(modules))
    }

    /// Reads the weights onto a device in float32: half precision is upcast, int8 is dequantized.
    ///
    /// # Errors
    ///
    /// When the weights file is missing or damaged, or when a tensor is missing, not expected,
    /// wrongly shaped or holds a value that is not finite; the error names the file and the
    /// tensor.
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<SentenceModel<B>> {
        let network = load::load::<B>(&self.weights_file()?, &self.config_of_file(), device)?;
        let model = self.sentence_model(network, device)?;
        Ok(match &self.tags {
            Some(_) => model.map_modules(tags::for_training),
            None => model,
        })
    }

    /// Reads the weights for inference, packed on a backend that packs, and returns their precision: the
    /// requested one, or the file's if the device computes in it, or float32.
    pub(crate) fn load_packed<B: EncoderOps>(
        &self,
        device: &B::Device,
        precision: Option<Precision>,
    ) -> Result<(SentenceModel<B>, Precision)> {
        let path = self.weights_file()?;
        let input = match &self.pair {
            Some(_) => Input::Pairs,
            None => Input::Texts,
        };
        let (network, precision) =
            load::load_packed(&path, &self.config_of_file(), device, precision, input)?;
        let mut model = self.sentence_model(network, device)?;
        if let Some(pair) = &self.pair {
            model = model.activated(pair.activation);
        }
        Ok((model.pack_modules(), precision))
    }

    /// The precision of the linear layers' weights in the weights file.
    ///
    /// # Errors
    ///
    /// When the weights file is missing or damaged, or its tensors are not those of this network.
    pub fn precision(&self) -> Result<Precision> {
        Ok(WeightsFile::open(&self.weights_file()?, &self.config_of_file())?.precision())
    }

    /// The tokenizer, which truncates texts, or the pairs of a cross-encoder, to
    /// [`max_seq_length`](Self::max_seq_length) tokens.
    ///
    /// # Errors
    ///
    /// When the tokenizer's files are missing or damaged, or when the maximum length is impossible; where
    /// it is the length that a file of the model states, the error names that file and its field.
    pub fn tokenizer(&self) -> Result<SentenceTokenizer> {
        self.own_tokenizer()
            .map_err(|error| match (error, &self.stated_limit) {
                (
                    ModelError::MaxLength {
                        asked,
                        smallest,
                        largest,
                    },
                    Some(stated),
                ) if stated.length == asked => ModelError::Field {
                    path: stated.path.clone(),
                    field: stated.field,
                    reason: format!("{asked} is not a length from {smallest} to {largest} tokens"),
                },
                (error, _) => error,
            })
    }

    fn own_tokenizer(&self) -> Result<SentenceTokenizer> {
        let folder = &self.transformer_folder;
        let tokenizer = SentenceTokenizer::from_folder(
            folder,
            self.max_seq_length,
            &self.config,
            self.lowercase,
            self.tokenizer_overrides,
        )?;
        if self.pair.is_some() {
            tokenizer.check_pairs(folder, &self.config)?;
        }
        Ok(tokenizer)
    }

    /// Writes a model folder: these settings, the tokenizer files of this checkpoint, the weights of the network and those
    /// of the head of a cross-encoder or a tagger. Other modules after the pooling are copied.
    ///
    /// The folder appears whole or not at all, and older and newer sentence-transformers open it. An existing
    /// model folder is replaced as a whole: all other files in it, such as a model card, are lost.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written, when the device cannot give the weights back, or when
    /// `folder` exists and is not a model folder. The error names the place of a model
    /// folder that could be neither replaced nor restored.
    pub fn save<B: Backend>(&self, model: &SentenceModel<B>, folder: &Path) -> Result<()> {
        let contents = || {
            let tensors = match (&self.pair, &self.tags) {
                (Some(pair), _) => write_pair::tensors(model, &self.config, pair)?,
                (None, Some(tags)) => write_tags::tensors(model, &self.config, tags)?,
                (None, None) => {
                    let mut tensors = collect::collect(&model.network, &self.config)?;
                    // No vector depends on the pooler, but transformers warns if it is missing.
                    tensors.extend(collect::pooler(
                        &self.weights_file()?,
                        &self.config_of_file(),
                    )?);
                    tensors
                }
            };
            Ok(write::Contents {
                tensors,
                quantization: None,
            })
        };
        write::write(self, contents, folder)
    }

    /// Writes a model folder as [`save`](Self::save) does, with the weights of this checkpoint in
    /// another precision: [`Precision::Float32`], [`Precision::Float16`] or [`Precision::Bfloat16`] (all tensors), or
    /// [`Precision::Int8`] (the weights of the linear layers, each with a tensor `weight_scale` that
    /// holds a scale for every output, by the compressed-tensors convention, and a
    /// `quantization_config` in `config.json` that says so; all other tensors in float32).
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save), when the weights of this checkpoint cannot be read, or are too large for a requested
    /// float16, and for a cross-encoder or a tagger.
    pub fn export(&self, precision: Precision, folder: &Path) -> Result<()> {
        if self.pair.is_some() || self.tags.is_some() {
            return Err(ModelError::Field {
                path: self.transformer_folder.join(CONFIG_FILE),
                field: "architectures",
                reason:
                    "the weights of a reranker or a tagger cannot be written in another precision"
                        .to_owned(),
            });
        }
        let file = WeightsFile::open(&self.weights_file()?, &self.config)?;
        write::write(self, || export::contents(&file, precision), folder)
    }

    /// The weights file, or the index of its shards.
    fn weights_file(&self) -> Result<PathBuf> {
        weights_files::find(&self.transformer_folder)
    }
}
