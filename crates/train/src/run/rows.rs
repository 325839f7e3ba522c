//! The rows of a run: read, checked against the loss, split, and put into batches.

use std::path::PathBuf;
use std::sync::Arc;

use model::{Checkpoint, TaggerSettings};
use program::Console;

use super::dataset::files_of;
use super::prompts::prompts;
use crate::batch::{PairInput, TokenBatcher};
use crate::data::{
    DataError, EpochRows, Example, Fingerprint, ReadOptions, Role, RowKind, SamplerKind,
    SamplerOptions, TaggedOptions, TextTable, schema, split,
};
use crate::error::TrainError;
use crate::evaluation::{self, Evaluator, PairEvaluator, TagEvaluator, TeacherEvaluator};
use crate::loader::BatchLoader;
use crate::losses::Loss;
use crate::report::{DataFile, DataRole};
use crate::settings::Settings;

/// The five demo pairs.
const DEMO_PAIRS: &str = include_str!("../../../../datasets/seed/pairs.tsv");

/// Training and validation rows.
pub(crate) struct Rows {
    pub(crate) train: Arc<TextTable>,
    train_rows: Vec<usize>,
    /// The number of rows of every `--train`, which may be a folder of several files.
    rows_of_train: Vec<usize>,
    valid: Option<(Arc<TextTable>, Vec<usize>)>,
    /// The files, for the report.
    pub(crate) files: Vec<DataFile>,
}

impl Rows {
    pub(crate) fn read(settings: &Settings) -> Result<Self, TrainError> {
        let mut files = Vec::new();
        let (train, rows_of_train) = if settings.train.is_empty() {
            let table = demo_pairs()?;
            files.push(DataFile {
                role: DataRole::Train,
                path: "datasets/seed/pairs.tsv".into(),
                rows: table.len() as u64,
                skipped: 0,
            });
            (table, Vec::new())
        } else {
            read(settings, &settings.train, DataRole::Train, &mut files)?
        };
        settings.check_kind(train.kind())?;
        settings.check_scores(&train)?;
        let train = Arc::new(train);
        let all = |table: &TextTable| (0..table.len()).collect::<Vec<_>>();
        let (train_rows, valid) = match (settings.valid.as_slice(), settings.split) {
            ([], None) => (all(&train), None),
            ([], Some(share)) => {
                let parts = split(&train, share, settings.seed)?;
                (parts.train, Some((Arc::clone(&train), parts.validation)))
            }
            (paths, _) => {
                let (table, _) = read(settings, paths, DataRole::Validation, &mut files)?;
                let rows = all(&table);
                (all(&train), Some((Arc::new(table), rows)))
            }
        };
        Ok(Self {
            train,
            train_rows,
            rows_of_train,
            valid,
            files,
        })
    }

    /// The tables whose rows the loss compares with vectors of a guide: those of training, and those of validation if
    /// the loss accepts them.
    pub(crate) fn for_guide(&self, settings: &Settings) -> impl Iterator<Item = &TextTable> {
        let valid = self.valid.as_ref().map(|(table, _)| table);
        let valid = valid.filter(|table| !Arc::ptr_eq(table, &self.train));
        let valid = valid.filter(|table| settings.check_kind(table.kind()).is_ok());
        [Some(&self.train), valid]
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
    }

    pub(crate) fn train_count(&self) -> usize {
        self.train_rows.len()
    }

    pub(crate) fn valid_count(&self) -> usize {
        self.valid.as_ref().map_or(0, |(_, rows)| rows.len())
    }

    /// Fingerprint of the training rows. With weights, it matters which rows are from which `--train`.
    pub(crate) fn train_fingerprint(&self, settings: &Settings) -> Fingerprint {
        let rows = self.train.fingerprint();
        if settings.train_weights.is_empty() {
            return rows;
        }
        self.rows_of_train
            .iter()
            .fold(rows, |rows, part| rows.and(*part as u64))
    }

    /// Fingerprint of the validation rows, if they come from separate files.
    pub(crate) fn validation_fingerprint(&self) -> Option<Fingerprint> {
        let (table, _) = self.valid.as_ref()?;
        (!Arc::ptr_eq(table, &self.train)).then(|| table.fingerprint())
    }

    /// Why the first epoch's batches hold fewer rows than they should, in a line; `None` if they do not.
    pub(crate) fn waiting_rows(&self, settings: &Settings, train: &BatchLoader) -> Option<String> {
        let waiting = train.waiting(0);
        if waiting == 0 {
            return None;
        }
        let of_epoch = train.rows_of_epoch(0);
        let (rows, batches) = (of_epoch.len(), train.batches(0).len().max(1));
        let (column, (most, distinct)) = (0..self.train.text_columns())
            .map(|column| (column, self.train.repetitions(&of_epoch, column)))
            .max_by_key(|&(_, (most, _))| most)?;
        if most <= batches {
            // Rows that only missed a full batch, which is dropped.
            return None;
        }
        let role = Role::of_text(column).to_string();
        Some(format!(
            "batches hold {:.1} rows of {}: {rows} rows have {distinct} distinct {}, one of them {most} \
             times, and a batch has no text twice; {waiting} rows wait for the next epoch",
            (rows - waiting) as f64 / batches as f64,
            settings.batch_size,
            if distinct == 1 {
                role
            } else {
                format!("{role}s")
            },
        ))
    }

    /// Says how many rows were skipped.
    pub(crate) fn warn_of_skipped(&self, notes: Console) {
        let valid = self.valid.as_ref().map(|(table, _)| table);
        // The rows of a split are in the table of the training rows.
        let valid = valid.filter(|table| !Arc::ptr_eq(table, &self.train));
        let valid = valid.and_then(|table| table.note_of_skipped("validation rows"));
        for note in self.train.note_of_skipped("rows").into_iter().chain(valid) {
            notes.warning(format_args!("{note}"));
        }
    }

    /// What the training rows say about the labels of a tagger.
    pub(crate) fn schema(&self) -> TaggerSettings {
        schema(&self.train.annotations, &self.train_rows)
    }

    /// Labels of validation rows that no training row has.
    pub(crate) fn labels_of_validation_alone(&self) -> Vec<&str> {
        let valid = self
            .valid
            .iter()
            .flat_map(|(table, _)| &table.annotations.labels);
        let known = &self.train.annotations.labels;
        valid
            .filter(|label| !known.contains(label))
            .map(String::as_str)
            .collect()
    }

    /// The training rows, with the weights of every `--train`, if there are any.
    fn weighted(&self, weights: &[f64]) -> EpochRows {
        if weights.is_empty() {
            return self.train_rows.clone().into();
        }
        let mut begin = 0;
        let parts = self
            .rows_of_train
            .iter()
            .zip(weights)
            .map(|(rows, weight)| {
                let of_part = begin..begin + rows;
                begin = of_part.end;
                let rows = self.train_rows.iter().copied();
                (rows.filter(|row| of_part.contains(row)).collect(), *weight)
            });
        EpochRows::weighted(parts)
    }

    /// Training batches.
    pub(crate) fn train_loader(&self, settings: &Settings, batcher: TokenBatcher) -> BatchLoader {
        let options = SamplerOptions {
            kind: settings.sampler,
            batch_size: settings.batch_size,
            drop_last: settings.drop_last,
        };
        let loader = BatchLoader::new(
            Arc::clone(&self.train),
            self.weighted(&settings.train_weights),
            options,
            batcher,
            settings.seed,
        );
        loader.with_workers(settings.workers)
    }

    /// Batches for the validation loss, the same in every validation. Empty without validation rows,
    /// and if the loss does not accept them (scores accept rows of any kind). `token_types` is as in training.
    pub(crate) fn valid_loader(&self, settings: &Settings, batcher: TokenBatcher) -> BatchLoader {
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
        let table = Arc::clone(table);
        BatchLoader::new(table, rows.to_vec(), options, batcher, settings.seed)
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
    /// The [evaluator](evaluation::of_rows) for these rows. It copies the texts, so it is created on
    /// demand.
    pub(crate) fn evaluator(&self) -> Result<Box<dyn Evaluator>, TrainError> {
        if self.table.kind() != RowKind::Texts {
            return Ok(evaluation::of_rows(&self.table, &self.rows)?);
        }
        let texts = self.rows.iter().map(|&row| self.table.text(row, 0));
        let vectors = self.table.targets_or_vectors(&self.rows)?;
        let texts = texts.map(str::to_owned).collect();
        Ok(Box::new(TeacherEvaluator::new(texts, vectors)?))
    }

    /// The evaluator of a tagger for these rows.
    pub(crate) fn tag_evaluator(&self) -> Result<TagEvaluator, TrainError> {
        Ok(TagEvaluator::of_rows(&self.table, &self.rows)?)
    }

    /// The evaluator of a reranker for these rows.
    pub(crate) fn pair_evaluator(&self) -> Result<PairEvaluator, TrainError> {
        Ok(PairEvaluator::of_rows(&self.table, &self.rows)?)
    }
}

/// Tokenizes the texts of rows, or the pairs of a reranker.
pub(super) fn batcher(
    settings: &Settings,
    checkpoint: &Checkpoint,
    kind: RowKind,
) -> Result<TokenBatcher, TrainError> {
    let batcher = TokenBatcher::new(Arc::new(checkpoint.tokenizer()?));
    Ok(match settings.objective.loss {
        Loss::OfPairs(loss) => batcher.of_pairs(PairInput {
            token_types: checkpoint.config.token_types > 1,
            negatives: loss.negatives(),
        }),
        Loss::OfTags => match checkpoint.tag_labels() {
            Some(labels) => batcher.of_tags(labels.clone()),
            None => batcher,
        },
        _ => batcher.with_prompts(prompts(checkpoint, settings, kind)?),
    })
}

/// Reads rows; also the number of rows of every path.
fn read(
    settings: &Settings,
    paths: &[PathBuf],
    role: DataRole,
    files: &mut Vec<DataFile>,
) -> Result<(TextTable, Vec<usize>), TrainError> {
    let options = ReadOptions {
        columns: settings.columns.clone(),
        infer_where_missing: role == DataRole::Validation,
        group_column: match role {
            DataRole::Train => settings.group_column.clone(),
            DataRole::Validation => None,
        },
        skip_bad_rows: settings.skip_bad_rows,
        ..ReadOptions::default()
    };
    let found = paths.iter().map(|path| files_of(path, role));
    let found: Vec<Vec<PathBuf>> = found.collect::<Result<_, _>>()?;
    let table = if settings.is_tagger() {
        read_tagged(settings, &found.concat(), role)?
    } else if settings.texts && role == DataRole::Train {
        TextTable::read_texts(&found.concat(), &options)?
    } else {
        TextTable::read(&found.concat(), &options)?
    };
    let mut read = table.files();
    let mut rows_of_paths = Vec::with_capacity(paths.len());
    for of_path in found {
        let before = files.len();
        files.extend(
            of_path
                .into_iter()
                .zip(read.by_ref())
                .map(|(path, (_, rows, skipped))| DataFile {
                    role,
                    path,
                    rows: rows as u64,
                    skipped,
                }),
        );
        let added = files[before..].iter().map(|file| file.rows as usize);
        rows_of_paths.push(added.sum());
    }
    drop(read);
    Ok((table, rows_of_paths))
}

/// Reads texts with spans. Validation rows may have spans where the training rows are those of product files: then they lack
/// the columns.
fn read_tagged(
    settings: &Settings,
    files: &[PathBuf],
    role: DataRole,
) -> Result<TextTable, DataError> {
    let options = settings.tagged_options();
    match role {
        DataRole::Train => TextTable::read_tagged(files, &options),
        DataRole::Validation => read_validation(options, files),
    }
}

fn read_validation(options: TaggedOptions, files: &[PathBuf]) -> Result<TextTable, DataError> {
    let error = match TextTable::read_tagged(files, &options) {
        Err(error) if !options.labels.is_empty() && error.may_lack_columns() => error,
        read => return read,
    };
    let spans = TaggedOptions {
        labels: Vec::new(),
        ..options
    };
    TextTable::read_tagged(files, &spans).map_err(|of_spans| match of_spans.is_of_no_spans() {
        true => error,
        false => of_spans,
    })
}

fn demo_pairs() -> Result<TextTable, TrainError> {
    let rows = DEMO_PAIRS.lines().skip(1).map(|line| Example {
        texts: line.split('\t').map(str::to_owned).collect(),
        target: None,
    });
    Ok(TextTable::from_rows(RowKind::Pairs, rows)?)
}

#[cfg(test)]
mod tests;
