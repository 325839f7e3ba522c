//! The rows of a run: read, checked against the loss, split, and put into batches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::SentenceTokenizer;

use crate::batch::TokenBatcher;
use crate::data::{
    Example, Fingerprint, ReadOptions, RowKind, SamplerKind, SamplerOptions, TextTable, split,
};
use crate::error::TrainError;
use crate::evaluation::{
    Evaluator, Pair, PairedEvaluator, ScoredPair, SimilarityEvaluator, Triplet, TripletEvaluator,
};
use crate::loader::BatchLoader;
use crate::report::{DataFile, DataRole};
use crate::settings::{Settings, Validation};

/// The five demo pairs.
const DEMO_PAIRS: &str = include_str!("../../../../datasets/seed/pairs.tsv");

/// Training and validation rows.
pub(crate) struct Rows {
    pub(crate) train: Arc<TextTable>,
    train_rows: Vec<usize>,
    valid: Option<(Arc<TextTable>, Vec<usize>)>,
    /// The files, for the report.
    pub(crate) files: Vec<DataFile>,
}

impl Rows {
    pub(crate) fn read(settings: &Settings) -> Result<Self, TrainError> {
        let mut files = Vec::new();
        let train = if settings.train.is_empty() {
            let table = demo_pairs()?;
            files.push(file(
                DataRole::Train,
                Path::new("datasets/seed/pairs.tsv"),
                &table,
            ));
            table
        } else {
            read(settings, &settings.train, DataRole::Train, &mut files)?
        };
        settings.check_kind(train.kind())?;
        settings.check_scores(&train)?;
        let train = Arc::new(train);
        let all = |table: &TextTable| (0..table.len()).collect::<Vec<_>>();
        let (train_rows, valid) = match &settings.validation {
            Validation::None => (all(&train), None),
            Validation::Split(share) => {
                let parts = split(&train, *share, settings.seed)?;
                (parts.train, Some((Arc::clone(&train), parts.validation)))
            }
            Validation::Files(paths) => {
                let table = read(settings, paths, DataRole::Validation, &mut files)?;
                let rows = all(&table);
                (all(&train), Some((Arc::new(table), rows)))
            }
        };
        Ok(Self {
            train,
            train_rows,
            valid,
            files,
        })
    }

    pub(crate) fn train_count(&self) -> usize {
        self.train_rows.len()
    }

    pub(crate) fn valid_count(&self) -> usize {
        self.valid.as_ref().map_or(0, |(_, rows)| rows.len())
    }

    /// Fingerprint of the training rows.
    pub(crate) fn train_fingerprint(&self) -> Fingerprint {
        self.train.fingerprint()
    }

    /// Fingerprint of the validation rows, if they come from separate files.
    pub(crate) fn validation_fingerprint(&self) -> Option<Fingerprint> {
        let (table, _) = self.valid.as_ref()?;
        (!Arc::ptr_eq(table, &self.train)).then(|| table.fingerprint())
    }

    /// Training batches.
    pub(crate) fn train_loader(
        &self,
        settings: &Settings,
        tokenizer: Arc<SentenceTokenizer>,
    ) -> Result<BatchLoader, TrainError> {
        let options = SamplerOptions {
            kind: settings.sampler,
            batch_size: settings.batch_size,
            drop_last: settings.drop_last,
        };
        let loader = BatchLoader::new(
            Arc::clone(&self.train),
            &self.train_rows,
            options,
            TokenBatcher::new(tokenizer),
            settings.seed,
        )?;
        Ok(loader.with_workers(settings.workers))
    }

    /// Batches for the validation loss, the same in every validation. Empty without validation rows,
    /// and if the loss does not accept them (scores accept rows of any kind).
    pub(crate) fn valid_loader(
        &self,
        settings: &Settings,
        tokenizer: Arc<SentenceTokenizer>,
    ) -> Result<BatchLoader, TrainError> {
        let options = SamplerOptions {
            // In-batch negatives must differ in validation too.
            kind: match settings.sampler {
                SamplerKind::NoDuplicates | SamplerKind::LengthNoDuplicates => {
                    SamplerKind::NoDuplicates
                }
                SamplerKind::Sequential | SamplerKind::Shuffle | SamplerKind::Length => {
                    SamplerKind::Sequential
                }
            },
            batch_size: settings.batch_size,
            drop_last: false,
        };
        let (table, rows) = match &self.valid {
            Some((table, rows))
                if settings.check_kind(table.kind()).is_ok()
                    && settings.check_scores(table).is_ok() =>
            {
                (table, rows.as_slice())
            }
            _ => (&self.train, &[][..]),
        };
        let batcher = TokenBatcher::new(tokenizer);
        let table = Arc::clone(table);
        Ok(BatchLoader::new(
            table,
            rows,
            options,
            batcher,
            settings.seed,
        )?)
    }

    /// The validation rows.
    pub(crate) fn validation(&self) -> Option<ValidationRows> {
        let (table, rows) = self.valid.as_ref()?;
        Some(ValidationRows {
            table: Arc::clone(table),
            rows: rows.as_slice().into(),
        })
    }
}

/// Validation rows.
pub(crate) struct ValidationRows {
    table: Arc<TextTable>,
    rows: Arc<[usize]>,
}

impl ValidationRows {
    /// The evaluator for rows of this kind: retrieval for pairs, Spearman for scores and labels
    /// (labels count as 0 and 1), and the accuracy of triplets for rows with negatives, of which only
    /// the first counts. It copies the texts, so it is created on demand.
    pub(crate) fn evaluator(&self) -> Result<Box<dyn Evaluator>, TrainError> {
        let Self { table, rows } = self;
        let rows = rows.iter().map(|&row| table.row(row));
        let text = |row: &crate::data::Row<'_>, column: usize| {
            row.texts().nth(column).unwrap_or_default().to_owned()
        };
        let evaluator: Box<dyn Evaluator> = match table.kind() {
            RowKind::Scored | RowKind::Labelled => {
                let pairs = rows.map(|row| ScoredPair {
                    first: text(&row, 0),
                    second: text(&row, 1),
                    score: row.target().unwrap_or_default().into(),
                });
                Box::new(SimilarityEvaluator::new(pairs.collect())?)
            }
            RowKind::Tuples { .. } => {
                let triplets = rows.map(|row| Triplet {
                    anchor: text(&row, 0),
                    positive: text(&row, 1),
                    negative: text(&row, 2),
                });
                Box::new(TripletEvaluator::new(triplets.collect())?)
            }
            RowKind::Pairs => {
                let pairs = rows.map(|row| Pair {
                    first: text(&row, 0),
                    second: text(&row, 1),
                });
                Box::new(PairedEvaluator::new(pairs.collect())?)
            }
        };
        Ok(evaluator)
    }
}

fn read(
    settings: &Settings,
    paths: &[PathBuf],
    role: DataRole,
    files: &mut Vec<DataFile>,
) -> Result<TextTable, TrainError> {
    let options = ReadOptions {
        columns: settings.columns.clone(),
        infer_where_missing: role == DataRole::Validation,
        group_column: match role {
            DataRole::Train => settings.group_column.clone(),
            _ => None,
        },
        skip_bad_rows: settings.skip_bad_rows,
        ..ReadOptions::default()
    };
    let mut all: Option<TextTable> = None;
    for path in paths {
        let table = TextTable::read(&[path], &options)?;
        files.push(file(role, path, &table));
        match &mut all {
            Some(all) => all.append(table)?,
            None => all = Some(table),
        }
    }
    all.ok_or_else(|| TrainError::Usage("no file of rows is given: give --train FILE".to_owned()))
}

fn file(role: DataRole, path: &Path, table: &TextTable) -> DataFile {
    DataFile {
        role,
        path: path.to_owned(),
        rows: table.len() as u64,
        skipped: table.skipped(),
    }
}

fn demo_pairs() -> Result<TextTable, TrainError> {
    let rows = DEMO_PAIRS.lines().skip(1).map(|line| Example {
        texts: line.split('\t').map(str::to_owned).collect(),
        target: None,
    });
    Ok(TextTable::from_rows(RowKind::Pairs, rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_demo_pairs() {
        let table = demo_pairs().unwrap();
        assert_eq!((table.len(), table.text_columns()), (5, 2));
        assert_eq!(table.text(0, 0), "high end water bottle");
    }
}
