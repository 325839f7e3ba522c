//! A static model from a teacher: `train distill --student static`.
//!
//! 1. The vocabulary: tokens of the teacher and frequent words of the texts. The first row of a token is the teacher's
//!    vector of that token alone, weighted by its frequency.
//! 2. The teacher's vectors of all texts, projected on their principal axes.
//! 3. Regression of the rows. The model is written in float16.

mod regression;
mod vocabulary;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Prompt, SentenceEncoder, SentenceTokenizer, StaticFolder};

use self::regression::Regression;
use self::vocabulary::Vocabulary;
use super::RunContext;
use super::folder::{MODEL_CARD, OutputFolder};
use super::guide;
use crate::config::{FitConfig, published_model};
use crate::data::{ReadOptions, Sampler, SamplerKind, SamplerOptions, TextTable};
use crate::error::TrainError;
use crate::evaluation::{Evaluator, TeacherEvaluator};
use crate::train::checkpoint::CheckpointFolder;

/// The weight of a token is this divided by the sum of this and its share of all tokens: smooth inverse frequency (Arora,
/// Liang, Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017).
const SMOOTH: f64 = 1e-3;

/// The largest number of float16, in which rows are written.
const LARGEST: f32 = 65_504.0;

/// The most texts whose agreement with the teacher is measured at the end.
const MEASURED: usize = 10_000;

/// Size of a static model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StaticSize {
    /// Numbers of a row.
    pub(crate) dimensions: NonZeroUsize,
    /// Rows, if the teacher has no more tokens of Latin script.
    pub(crate) rows: usize,
}

/// A static model that was written.
pub(crate) struct StaticResult {
    /// Its folder.
    pub(crate) output: PathBuf,
    /// Its rows and their width.
    pub(crate) shape: [usize; 2],
    /// The mean cosine with the projected vectors of the teacher.
    pub(crate) cosine: f64,
}

/// Makes a static model of the texts of `config.train` by the teacher `config.guide`.
///
/// # Errors
///
/// Errors of the texts, the teacher, the device or the folder. A run that ended early keeps the teacher's vectors in its
/// folder, and the same command uses them.
pub(crate) fn distill(
    config: &FitConfig,
    size: StaticSize,
    context: &RunContext,
) -> Result<StaticResult, TrainError> {
    distilled(config, size, context).map_err(|error| match (error, &config.output) {
        (TrainError::InterruptedBefore, Some(output))
            if CheckpointFolder::of_run(output).path().is_dir() =>
        {
            let advice = "give the same command again".to_owned();
            TrainError::InterruptedWithVectors { advice }
        }
        (error, _) => error,
    })
}

fn distilled(
    config: &FitConfig,
    size: StaticSize,
    context: &RunContext,
) -> Result<StaticResult, TrainError> {
    let usage = |problem: &str| TrainError::Usage(problem.to_owned());
    let [teacher_name] = &config.guide[..] else {
        return Err(usage(
            "a static student learns from one --teacher; leave out the others",
        ));
    };
    let Some(output) = &config.output else {
        return Err(usage("give a folder for the model: --output DIR"));
    };
    let batch_size = NonZeroUsize::new(config.batch_size);
    let batch_size = batch_size.ok_or_else(|| usage("--batch-size must be at least 1"))?;
    let mut output = OutputFolder::new(output)?;
    let device = config
        .device
        .first()
        .copied()
        .unwrap_or_default()
        .select()?;
    let options = ReadOptions {
        columns: config.columns.clone(),
        skip_bad_rows: config.skip_bad_rows,
        ..ReadOptions::default()
    };
    let table = TextTable::read_texts(&config.train, &options)?;
    context.notes.note(format_args!("{} texts", table.len()));
    if let Some(note) = table.note_of_skipped("rows") {
        context.notes.warning(format_args!("{note}"));
    }
    for note in table.notes_on_texts() {
        context.notes.note(note);
    }
    let teacher = guide::open(teacher_name, config, context)?;
    let dimensions = size.dimensions.get();
    if teacher.width() < dimensions {
        return Err(TrainError::Usage(format!(
            "--dimensions {dimensions} is above the width of the teacher's vectors, {}; lower it",
            teacher.width()
        )));
    }
    let texts = || (0..table.len()).map(|row| table.text(row, 0));
    let folder = match teacher.checkpoint() {
        Some(checkpoint) => &checkpoint.transformer_folder,
        None => teacher.folder(),
    };
    let vocabulary = Vocabulary::new(&folder.join("tokenizer.json"), texts(), size.rows)?;
    let tokenizer = SentenceTokenizer::of_static(&vocabulary.tokenizer, vocabulary.texts.len())?;
    let tokens = tokenizer.encode(&texts().collect::<Vec<_>>())?;
    let tokens: Vec<Vec<u32>> = tokens.into_iter().map(|tokens| tokens.ids).collect();
    check_known(&tokens, context)?;

    output.hold()?;
    let checkpoints = output.checkpoints();
    let mut vectors = guide::embed(&table, &teacher, 0, Some(&checkpoints), context)?;
    let axes = Arc::new(guide::axes(&vectors, dimensions, 1, context)?);
    drop(teacher);
    // The length of a token's vector counts, too.
    let teacher = guide::builder(config, context).normalize(false);
    let teacher = teacher.load(teacher_name)?;
    let alone = teacher.encode_with_progress(&vocabulary.texts, &Prompt::Default, |_| {
        guide::go_on(context)
    });
    context.stop.check()?;
    let rows = axes.project(&first_rows(alone?.values(), teacher.width(), &tokens));
    let width = rows.len() / vocabulary.texts.len().max(1);
    vectors.project(axes);
    table.set_vectors(vectors);
    drop(teacher);

    let usable: Vec<usize> = (0..tokens.len())
        .filter(|&text| !tokens[text].is_empty())
        .collect();
    let options = SamplerOptions {
        kind: SamplerKind::Shuffle,
        batch_size: batch_size.min(NonZeroUsize::new(usable.len()).unwrap_or(batch_size)),
        drop_last: true,
    };
    let sampler = Sampler::new(&table, usable, options);
    let epochs = (0..config.epochs).map(|epoch| sampler.batches(config.seed, epoch));
    let epochs: Vec<Vec<Vec<usize>>> = epochs.collect();
    let steps = epochs.iter().map(Vec::len).sum();
    let rows = device.run(Regression {
        rows,
        width,
        tokens: &tokens,
        table: &table,
        epochs,
        rate: config.lr,
        context,
    })??;
    if !rows.iter().all(|value| value.abs() <= LARGEST) {
        return Err(TrainError::NonFiniteModel { step: steps });
    }
    let model = checkpoints.last_model();
    StaticFolder::write(&model, &vocabulary.tokenizer, rows, width)?;
    let cosine = agreement(&model, &table)?;
    output.install(&model)?;
    let card = card(&published_model(teacher_name), &table, &context.command);
    output.write(MODEL_CARD, card.as_bytes())?;
    // Without them the folder is the model alone.
    let _ = std::fs::remove_dir_all(checkpoints.path());
    Ok(StaticResult {
        output: output.path,
        shape: [vocabulary.texts.len(), width],
        cosine,
    })
}

/// The row of what is no token.
const UNKNOWN: u32 = 1;

/// Refuses texts of which nothing is known, and warns of those of which little is.
fn check_known(texts: &[Vec<u32>], context: &RunContext) -> Result<(), TrainError> {
    let all = texts.iter().flatten().count();
    let unknown = texts
        .iter()
        .flatten()
        .filter(|token| **token == UNKNOWN)
        .count();
    if unknown == all {
        return Err(TrainError::usage(
            "the static model would know no word of the texts: it has the teacher's tokens of Latin script alone",
        ));
    }
    if 10 * unknown > all {
        context.notes.warning(format_args!(
            "{unknown} of {all} tokens are unknown to the static model, which has the teacher's tokens of Latin script"
        ));
    }
    Ok(())
}

/// The first row of every token, `[tokens, width]`: the teacher's vector of the token alone, from the mean of all of them,
/// times the weight of its frequency in `texts`. A token of no text counts as if it were there once.
fn first_rows(alone: &[f32], width: usize, texts: &[Vec<u32>]) -> Vec<f32> {
    let tokens = alone.len() / width.max(1);
    let mut counts = vec![0usize; tokens];
    for &token in texts.iter().flatten() {
        counts[token as usize] += 1;
    }
    let total = counts.iter().sum::<usize>().max(1) as f64;
    let mut mean = vec![0.0; width];
    for row in alone.chunks_exact(width) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= tokens.max(1) as f64);
    let mut rows: Vec<f32> = alone
        .chunks_exact(width)
        .flat_map(|row| {
            row.iter()
                .zip(&mean)
                .map(|(value, mean)| (f64::from(*value) - mean) as f32)
        })
        .collect();
    let norm = |row: &[f32]| {
        row.iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let norms = rows.chunks_exact(width).map(norm).sum::<f64>() / tokens.max(1) as f64;
    for (row, count) in rows.chunks_exact_mut(width).zip(counts) {
        let share = count.max(1) as f64 / total;
        let factor = SMOOTH / (SMOOTH + share) / norms.max(f64::MIN_POSITIVE);
        row.iter_mut().for_each(|value| *value *= factor as f32);
    }
    rows
}

/// The mean cosine of the vectors of the model with those of the table, on its first texts.
fn agreement(model: &Path, table: &TextTable) -> Result<f64, TrainError> {
    let encoder = SentenceEncoder::builder().load(&model.to_string_lossy())?;
    let rows: Vec<usize> = (0..table.len().min(MEASURED)).collect();
    let texts = rows.iter().map(|&row| table.text(row, 0).to_owned());
    let evaluator = TeacherEvaluator::new(texts.collect(), table.targets_or_vectors(&rows)?)?;
    Ok(evaluator.evaluate(&encoder)?.primary().1)
}

fn card(teacher: &str, table: &TextTable, command: &str) -> String {
    format!(
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n---\n\n\
         A static model: the vector of a text is the mean of the rows of its tokens, scaled to norm 1.\n\
         It was distilled from {teacher} with {} texts, by mpnet-burn {}:\n\n```sh\n{command}\n```\n",
        table.len(),
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_row_is_smaller_the_more_often_its_token_is_there() {
        // Around their mean (0, 1) all vectors have norm 2.
        let alone = [2.0, 1.0, -2.0, 1.0, 0.0, 3.0, 0.0, -1.0];
        let texts = [vec![0, 0, 0], vec![1]];
        let rows = first_rows(&alone, 2, &texts);
        let weight = |share: f64| (SMOOTH / (SMOOTH + share)) as f32;
        let expected = [
            [weight(0.75), 0.0],
            [-weight(0.25), 0.0],
            [0.0, weight(0.25)],
            [0.0, -weight(0.25)],
        ];
        for (found, expected) in rows.iter().zip(expected.as_flattened()) {
            assert!((found - expected).abs() < 1e-7, "{rows:?}");
        }
    }
}
