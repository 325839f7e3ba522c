//! Token ids of the rows of a batch.

use std::sync::Arc;

use model::{ModelError, SentenceTokenizer};

use crate::data::Example;

/// Input of a training step: token ids of every text, and targets.
#[derive(Clone, Debug, Default)]
pub struct TrainingBatch {
    /// Token ids, column by column: all anchors, then all positives, and so on.
    pub texts: Vec<Vec<u32>>,
    /// Number of rows; `texts` has this many per column.
    pub rows: usize,
    /// The scores or the label of every row, or the vectors of its texts by a guide, if the data has them.
    pub targets: Option<Vec<f32>>,
    /// Number of rows of all batches of the optimiser step; 0 if this is the only one.
    pub rows_of_step: usize,
    /// Positions of the rows in their table, for messages.
    pub positions: Vec<usize>,
    /// Random seed of dropout.
    pub seed: u64,
    /// Why the texts could not be tokenized, or their vectors read; then the batch is empty.
    pub failure: Option<Arc<ModelError>>,
}

impl TrainingBatch {
    /// An empty batch of rows that cannot be used.
    pub(crate) fn failed(error: ModelError) -> Self {
        Self {
            failure: Some(Arc::new(error)),
            ..Self::default()
        }
    }

    /// Number of text columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.texts.len() / self.rows.max(1)
    }

    /// Share of the batch in its optimiser step, in `(0, 1]`. Losses are means over rows: with gradients times this share,
    /// the sum over the batches of a step is the gradient of one batch of all rows.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.rows_of_step <= self.rows {
            return 1.0;
        }
        self.rows as f64 / self.rows_of_step as f64
    }
}

/// Tokenizes the texts of rows.
#[derive(Clone)]
pub struct TokenBatcher {
    tokenizer: Arc<SentenceTokenizer>,
    prompts: Arc<TextPrompts>,
}

/// The texts that stand before every text; empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextPrompts {
    /// Before anchors.
    pub anchors: String,
    /// Before positives and negatives.
    pub others: String,
}

impl TokenBatcher {
    /// A batcher that truncates texts as `tokenizer` does.
    #[must_use]
    pub fn new(tokenizer: Arc<SentenceTokenizer>) -> Self {
        Self {
            tokenizer,
            prompts: Arc::default(),
        }
    }

    /// Puts these prompts before all texts.
    #[must_use]
    pub fn with_prompts(mut self, prompts: TextPrompts) -> Self {
        self.prompts = Arc::new(prompts);
        self
    }

    /// Tokenizes rows that all have the same number of texts.
    #[must_use]
    pub fn tokenize(&self, rows: &[Example]) -> TrainingBatch {
        let columns = rows.first().map_or(0, |row| row.texts.len());
        let texts: Vec<&str> = (0..columns)
            .flat_map(|column| rows.iter().map(move |row| row.texts[column].as_str()))
            .collect();
        let (anchors, others) = texts.split_at(rows.len().min(texts.len()));
        let (tokenizer, prompts) = (&self.tokenizer, &self.prompts);
        let anchors = tokenizer.encode_with_prompt(&prompts.anchors, anchors);
        let tokens = anchors.and_then(|mut tokens| {
            tokens.extend(tokenizer.encode_with_prompt(&prompts.others, others)?);
            Ok(tokens)
        });
        match tokens {
            Ok(tokens) => TrainingBatch {
                texts: tokens.into_iter().map(|tokens| tokens.ids).collect(),
                rows: rows.len(),
                targets: rows.iter().map(|row| row.target).collect(),
                ..TrainingBatch::default()
            },
            Err(error) => TrainingBatch::failed(error),
        }
    }
}
