//! Scores of pairs of texts: a reranker, which sentence-transformers calls a cross-encoder.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use kernels::{EncoderOps, Precision};

use crate::backend::Device;
use crate::batch::{BatchCost, BatchLimit, TokenBatch, plan_batches};
use crate::bucket::padded_length;
use crate::checkpoint::Checkpoint;
use crate::concurrency;
use crate::error::{ModelError, Result};
use crate::heads::builder::{HeadBuilder, Parts};
use crate::modules::dense::DenseActivation;
use crate::sentence_encoder::Progress;
use crate::sentence_encoder::on_backend::PooledVectors;
use crate::sentence_model::SentenceModel;
use crate::threads;
use crate::tokenizer::{PairTokenIds, SentenceTokenizer, TruncationSide};

/// A reranker on a device: it reads a query and a text together, and says how well they fit.
///
/// It is slower and better than the cosine of two vectors: an encoder finds some dozens of products, and a reranker
/// orders them. The folder is that of a `*ForSequenceClassification` with one label.
///
/// # Examples
///
/// ```
/// use model::{Device, PairScorer};
///
/// let scorer = PairScorer::builder()
///     .device(Device::Auto)
///     .load("tests/fixtures/rerankers/bert")?;
/// let scores = scorer.scores(&[
///     ("high end water bottle", "insulated steel bottle, 1 l"),
///     ("high end water bottle", "smart home speaker"),
/// ])?;
/// assert_eq!(scores.len(), 2);
/// # Ok::<(), model::ModelError>(())
/// ```
pub struct PairScorer {
    notes: Vec<String>,
    tokenizer: SentenceTokenizer,
    /// The tokenizer that truncates at the other side, where a caller has asked for one.
    other_side: OnceLock<SentenceTokenizer>,
    network: Box<dyn PooledVectors>,
    pad_token_id: u32,
    /// Whether the second text's tokens have a type of their own.
    token_types: bool,
    /// Whether the model names a sigmoid for its scores.
    probabilities: bool,
    device: Device,
    precision: Precision,
    limit: BatchLimit,
}

/// What a [`PairScorer`] says about pairs of texts.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PairScores {
    /// The score of each pair, in their order.
    pub values: Vec<f32>,
    /// Number of pairs that were truncated to the maximum length.
    pub truncated: usize,
}

impl HeadBuilder<PairScorer> {
    /// Finds and loads a reranker, by name or folder.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the model cannot be found or fetched, a file of it is damaged, it has no head
    /// with one label, or the maximum length is impossible.
    pub fn load(self, name_or_folder: &str) -> Result<PairScorer> {
        let (checkpoint, parts) = self.open(name_or_folder, Checkpoint::open_pairs)?;
        Ok(scorer(&checkpoint, parts))
    }

    /// A scorer of a model that is already in memory, for example one in training. `checkpoint` provides settings and
    /// tokenizer; `model` must be on the backend of [`device`](Self::device), as
    /// [`Checkpoint::load`](crate::Checkpoint::load) gives it.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, or the tokenizer is damaged.
    pub fn with_model<B: EncoderOps>(
        self,
        checkpoint: &Checkpoint,
        model: SentenceModel<B>,
    ) -> Result<PairScorer> {
        let model = match &checkpoint.pair {
            Some(pair) => model.activated(pair.activation),
            None => model,
        };
        let parts = self.take(checkpoint, model)?;
        Ok(scorer(checkpoint, parts))
    }
}

fn scorer(checkpoint: &Checkpoint, parts: Parts) -> PairScorer {
    PairScorer {
        notes: parts.notes,
        tokenizer: parts.tokenizer,
        other_side: OnceLock::new(),
        network: parts.loaded.network,
        pad_token_id: checkpoint.config.pad_token_id,
        token_types: checkpoint.config.token_types > 1,
        probabilities: checkpoint
            .pair
            .as_ref()
            .is_some_and(|pair| pair.activation == DenseActivation::Sigmoid),
        limit: parts.limit,
        device: parts.device,
        precision: parts.loaded.precision,
    }
}

impl PairScorer {
    /// Settings to change before loading.
    pub fn builder() -> HeadBuilder<Self> {
        HeadBuilder::new()
    }

    /// The scores of pairs of a query and a text, in their order: `predict` of sentence-transformers' `CrossEncoder`,
    /// with the activation that the model names. A pair that is too long loses tokens of its longer text.
    ///
    /// # Errors
    ///
    /// When the device fails (out of memory, for example).
    pub fn scores<Q, T>(&self, pairs: &[(Q, T)]) -> Result<Vec<f32>>
    where
        Q: AsRef<str> + Sync,
        T: AsRef<str> + Sync,
    {
        let scores = self.scores_with_progress(pairs, |_| ControlFlow::Continue(()))?;
        Ok(scores.values)
    }

    /// [`scores`](Self::scores), where a pair that is too long loses tokens at this side of its longer text; `None` for
    /// the side that the model names.
    ///
    /// # Errors
    ///
    /// As [`scores`](Self::scores).
    pub fn scores_truncated_at<Q, T>(
        &self,
        side: Option<TruncationSide>,
        pairs: &[(Q, T)],
    ) -> Result<Vec<f32>>
    where
        Q: AsRef<str> + Sync,
        T: AsRef<str> + Sync,
    {
        let tokenizer = self.tokenizer_at(side)?;
        let scores = self.compute(tokenizer, pairs, |_| ControlFlow::Continue(()))?;
        Ok(scores.values)
    }

    /// The first pair that is too long and would lose tokens. Tokenizes on the calling thread.
    ///
    /// # Errors
    ///
    /// When the tokenizer cannot express a text.
    pub fn first_truncated<Q: AsRef<str>, T: AsRef<str>>(
        &self,
        pairs: &[(Q, T)],
    ) -> Result<Option<usize>> {
        self.tokenizer.first_truncated_pair(pairs)
    }

    fn tokenizer_at(&self, side: Option<TruncationSide>) -> Result<&SentenceTokenizer> {
        if side.is_none_or(|side| side == self.tokenizer.truncation_side()) {
            return Ok(&self.tokenizer);
        }
        if let Some(other) = self.other_side.get() {
            return Ok(other);
        }
        let other = self.tokenizer.truncating_at_other_side()?;
        Ok(self.other_side.get_or_init(|| other))
    }

    /// Whether scores are in `(0, 1)`, because the model names a sigmoid; else they are the network's own.
    #[must_use]
    pub fn gives_probabilities(&self) -> bool {
        self.probabilities
    }

    /// [`scores`](Self::scores) with a callback after every batch, which may stop the work.
    ///
    /// # Errors
    ///
    /// As [`scores`](Self::scores), and [`ModelError::Interrupted`] when the callback breaks.
    pub fn scores_with_progress<Q, T>(
        &self,
        pairs: &[(Q, T)],
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PairScores>
    where
        Q: AsRef<str> + Sync,
        T: AsRef<str> + Sync,
    {
        self.compute(&self.tokenizer, pairs, progress)
    }

    fn compute<Q, T>(
        &self,
        tokenizer: &SentenceTokenizer,
        pairs: &[(Q, T)],
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PairScores>
    where
        Q: AsRef<str> + Sync,
        T: AsRef<str> + Sync,
    {
        let tokens = tokenizer.encode_pairs(pairs)?;
        let lengths = tokens.iter().map(|pair| self.places(pair.ids.len()));
        let lengths: Vec<usize> = lengths.collect();
        let mut scores = vec![0.0; pairs.len()];
        let mut done = 0;
        let cost = self.device.is_gpu().then_some(BatchCost::GPU);
        concurrency::for_each(
            &plan_batches(&lengths, self.limit, cost),
            if self.device.is_gpu() {
                1
            } else {
                threads::count()
            },
            |batch| self.score_batch(&tokens, batch),
            |batch, of_batch| {
                for (&pair, score) in batch.iter().zip(of_batch) {
                    scores[pair] = score;
                }
                done += batch.len();
                let total = pairs.len();
                match progress(Progress { done, total }) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(ModelError::Interrupted),
                }
            },
        )?;
        Ok(PairScores {
            values: scores,
            truncated: tokens.iter().filter(|pair| pair.truncated).count(),
        })
    }

    fn score_batch(&self, tokens: &[PairTokenIds], batch: &[usize]) -> Result<Vec<f32>> {
        let ids = batch.iter().map(|&pair| tokens[pair].ids.as_slice());
        let length = |longest| self.places(longest);
        let mut pairs = TokenBatch::with_length(ids, self.pad_token_id, length);
        let types: Option<Vec<&[u32]>> = batch
            .iter()
            .map(|&pair| tokens[pair].types.as_deref())
            .collect();
        if let Some(types) = types.filter(|_| self.token_types) {
            pairs = pairs.with_types(types);
        }
        let scores = self.network.pooled(&pairs)?;
        if scores.len() == batch.len() {
            return Ok(scores);
        }
        let source = format!(
            "{} scores came back for {} pairs",
            scores.len(),
            batch.len()
        );
        Err(ModelError::Compute {
            device: self.device.to_string(),
            source: source.into(),
        })
    }

    /// Padded length of a batch whose longest pair has `length` tokens.
    fn places(&self, length: usize) -> usize {
        if self.device.is_gpu() {
            padded_length(length, self.tokenizer.max_length())
        } else {
            length
        }
    }

    /// Notes for the user about the finding of the model, a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The selected device; never [`Device::Auto`].
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The selected precision, or that of the model's file.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &SentenceTokenizer {
        &self.tokenizer
    }
}
