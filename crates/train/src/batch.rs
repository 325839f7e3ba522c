//! Token ids of the rows of a batch.

use std::sync::Arc;

use model::{ModelError, SentenceTokenizer, TagLabels};

use crate::data::{Example, TextTable, in_batch_negatives, targets};
use crate::losses::GAP;

/// Input of a training step: token ids of every text, and targets.
#[derive(Clone, Debug, Default)]
pub struct TrainingBatch {
    /// Token ids, column by column: all anchors, then all positives, and so on. For a reranker the pairs of the anchors with
    /// the positives, then those with the first negatives, and so on.
    pub texts: Vec<Vec<u32>>,
    /// The type of every token of `texts`; `None` if all have type 0.
    pub types: Option<Vec<Vec<u32>>>,
    /// Number of rows; `texts` has this many per column.
    pub rows: usize,
    /// The scores or the label of every row, or the vectors of its texts by a guide, if the data has them. For a reranker
    /// whose rows have unequal numbers of negatives the label of every score, or `GAP`.
    pub targets: Option<Vec<f32>>,
    /// For a tagger, whose `targets` are the outputs that may be right of every token: the number of tokens of which some
    /// are wrong. `None` for other models.
    pub scored_tokens: Option<usize>,
    /// The weights of all batches of the optimiser step; 0 if this is the only one.
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

    /// Number of columns of `texts`.
    #[must_use]
    pub(crate) fn columns(&self) -> usize {
        self.texts.len() / self.rows.max(1)
    }

    /// What the loss is a mean over: the number of rows, or of the tokens of a tagger that are scored.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        self.scored_tokens.unwrap_or(self.rows)
    }

    /// Share of the batch in its optimiser step, in `[0, 1]`. Losses are means over rows, or scored tokens: with gradients
    /// times this share, the sum over the batches of a step is the gradient of one batch of all rows.
    #[must_use]
    pub(crate) fn share(&self) -> f64 {
        let weight = self.weight();
        if self.rows_of_step <= weight {
            return 1.0;
        }
        weight as f64 / self.rows_of_step as f64
    }
}

/// Tokenizes the texts of rows.
#[derive(Clone)]
pub struct TokenBatcher {
    tokenizer: Arc<SentenceTokenizer>,
    prompts: Arc<TextPrompts>,
    /// How a reranker reads its pairs; `None` for an encoder.
    pairs: Option<PairInput>,
    /// The labels of a tagger.
    labels: Option<Arc<TagLabels>>,
}

/// How a reranker reads the pairs of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairInput {
    /// Whether the tokens of the second text have a type of their own.
    pub token_types: bool,
    /// Number of texts of other rows that become further negatives of a row.
    pub negatives: usize,
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
            pairs: None,
            labels: None,
        }
    }

    /// Puts these prompts before all texts.
    #[must_use]
    pub(crate) fn with_prompts(mut self, prompts: TextPrompts) -> Self {
        self.prompts = Arc::new(prompts);
        self
    }

    /// The batcher of a reranker: each anchor is read together with each other text of its row.
    #[must_use]
    pub(crate) fn of_pairs(self, pairs: PairInput) -> Self {
        Self {
            pairs: Some(pairs),
            ..self
        }
    }

    /// The batcher of a tagger of these labels, which reads rows by [`tokenize_tagged`](Self::tokenize_tagged).
    #[must_use]
    pub(crate) fn of_tags(self, labels: TagLabels) -> Self {
        Self {
            labels: Some(Arc::new(labels)),
            ..self
        }
    }

    /// Tokenizes rows of texts with spans, and gives their tokens the tags that may be right; `None` for other models.
    #[must_use]
    pub(crate) fn tokenize_tagged(
        &self,
        table: &TextTable,
        rows: &[usize],
    ) -> Option<TrainingBatch> {
        let labels = self.labels.as_deref()?;
        let batch = self.tokenize_spans(labels, table, rows);
        Some(batch.unwrap_or_else(TrainingBatch::failed))
    }

    fn tokenize_spans(
        &self,
        labels: &TagLabels,
        table: &TextTable,
        rows: &[usize],
    ) -> Result<TrainingBatch, ModelError> {
        let of_table = table.annotations.labels.iter();
        let numbers: Vec<Option<usize>> = of_table.map(|label| labels.number(label)).collect();
        let texts: Vec<&str> = rows.iter().map(|&row| table.text(row, 0)).collect();
        let mut batch = TrainingBatch {
            rows: rows.len(),
            ..TrainingBatch::default()
        };
        let (mut possible, mut scored) = (Vec::new(), 0);
        for (tokens, &row) in self
            .tokenizer
            .encode_with_places(&texts)?
            .into_iter()
            .zip(rows)
        {
            let annotation = &table.annotations.rows[row];
            let of_text = targets(&tokens.places, annotation, labels, &numbers);
            possible.extend(of_text.possible);
            scored += of_text.scored;
            batch.texts.push(tokens.ids);
        }
        batch.targets = Some(possible);
        batch.scored_tokens = Some(scored);
        Ok(batch)
    }

    /// Tokenizes rows that all have the same number of texts. `seed` chooses the negatives of a reranker.
    #[must_use]
    pub fn tokenize(&self, rows: &[Example], seed: u64) -> TrainingBatch {
        let batch = match self.pairs {
            Some(pairs) => self.tokenize_pairs(rows, pairs, seed),
            None => self.tokenize_texts(rows),
        };
        batch.unwrap_or_else(TrainingBatch::failed)
    }

    fn tokenize_pairs(
        &self,
        rows: &[Example],
        pairs: PairInput,
        seed: u64,
    ) -> Result<TrainingBatch, ModelError> {
        let negatives = in_batch_negatives(rows, pairs.negatives, seed);
        let anchors = rows
            .iter()
            .map(|row| row.texts.first().map_or("", String::as_str));
        let anchors: Vec<&str> = anchors.collect();
        let columns = rows.first().map_or(0, |row| row.texts.len());
        let own =
            (1..columns).flat_map(|column| rows.iter().map(move |row| row.texts[column].as_str()));
        // The text of a gap does not count, but the row has as many scores as the others.
        let filled = anchors.iter().cycle().zip(&negatives);
        let filled = filled.map(|(anchor, negative)| negative.unwrap_or(anchor));
        let targets = match negatives.iter().any(Option::is_none) {
            true => Some(labels_with_gaps(
                &negatives,
                rows.len(),
                columns.saturating_sub(1),
            )),
            false => rows.iter().map(|row| row.target).collect(),
        };
        let texts = own.chain(filled);
        let read: Vec<(&str, &str)> = anchors.iter().copied().cycle().zip(texts).collect();
        let tokens = self.tokenizer.encode_pairs(&read)?;
        let (texts, types): (Vec<_>, Vec<_>) = tokens
            .into_iter()
            .map(|pair| (pair.ids, pair.types))
            .unzip();
        let types: Option<Vec<Vec<u32>>> = types.into_iter().collect();
        Ok(TrainingBatch {
            texts,
            types: types.filter(|_| pairs.token_types),
            rows: rows.len(),
            targets,
            ..TrainingBatch::default()
        })
    }

    fn tokenize_texts(&self, rows: &[Example]) -> Result<TrainingBatch, ModelError> {
        let columns = rows.first().map_or(0, |row| row.texts.len());
        let texts: Vec<&str> = (0..columns)
            .flat_map(|column| rows.iter().map(move |row| row.texts[column].as_str()))
            .collect();
        let (anchors, others) = texts.split_at(rows.len().min(texts.len()));
        let (tokenizer, prompts) = (&self.tokenizer, &self.prompts);
        let mut tokens = tokenizer.encode_with_prompt(&prompts.anchors, anchors)?;
        tokens.extend(tokenizer.encode_with_prompt(&prompts.others, others)?);
        Ok(TrainingBatch {
            texts: tokens.into_iter().map(|tokens| tokens.ids).collect(),
            rows: rows.len(),
            targets: rows.iter().map(|row| row.target).collect(),
            ..TrainingBatch::default()
        })
    }
}

/// The labels of the scores of a row, row by row: 1 for the positive, 0 for a negative, and [`GAP`] where a row has none.
/// `own` is the number of texts of a row but the anchor, and `negatives` are column by column.
fn labels_with_gaps(negatives: &[Option<&str>], rows: usize, own: usize) -> Vec<f32> {
    let of_row = |row: usize| {
        let drawn = negatives.iter().skip(row).step_by(rows);
        let drawn = drawn.map(|negative| if negative.is_some() { 0.0 } else { GAP });
        let own = (0..own).map(|column| if column == 0 { 1.0 } else { 0.0 });
        own.chain(drawn)
    };
    (0..rows).flat_map(of_row).collect()
}
