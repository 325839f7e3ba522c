//! `mine`: hard negatives for pairs, from a corpus.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use model::{PairScorer, Prompt, SentenceEncoder};
use program::atomic_file::{self, TargetErrorKind};
use program::{Console, Unit};
use search::VectorIndex;
use serde_json::{Map, Value};

use super::evaluate::text_columns;
use super::right_rows::right_rows;
use crate::cli::MineArgs;
use crate::data::{ReadOptions, TextTable};
use crate::error::TrainError;
use crate::evaluation::{Corpus, EvaluationError, corpus, distinct, distinct_ignoring_case};
use crate::mining::{
    Candidates, MiningCounts, MiningOptions, MiningVectors, Negatives, Pair, mine,
};
use crate::report::DataRole;
use crate::run::files_of;

pub(super) fn run(arguments: &MineArgs, notes: Console) -> Result<(), TrainError> {
    program::interrupt::exit_on_interrupt();
    let options = options(arguments)?;
    let files = files_of(&arguments.pairs, DataRole::Train)?;
    let output = output(arguments, &files)?;
    let read = ReadOptions {
        columns: arguments.columns.clone(),
        group_column: arguments.positive_id.clone(),
        ..ReadOptions::default()
    };
    let table = TextTable::read(&files, &read)?;
    let (pairs, wrong) = pairs(&arguments.pairs, &table)?;
    let columns = text_columns("--corpus-columns", &arguments.corpus_columns)?;
    let mut products = corpus(&arguments.corpus, columns.as_ref())?;
    let blank = products.remove_blank();
    if blank > 0 {
        notes.note(format_args!("left out {blank} products without a text"));
    }
    let encoder = arguments.machine.encoder(notes).load(&arguments.model)?;
    let scorer = match &arguments.reranker {
        Some(reranker) => Some(arguments.machine.reranker(notes).load(reranker)?),
        None => None,
    };

    let texts = |text: fn(&Pair<'_>) -> String| -> Vec<String> { pairs.iter().map(text).collect() };
    let anchors = texts(|pair| pair.anchor.to_owned());
    let (anchors, [anchor_of]) = distinct_ignoring_case([anchors]);
    let positives = texts(|pair| pair.positive.to_owned());
    let (positives, [positive_of]) = distinct([positives]);
    let anchors = encode(&encoder, &anchors, &Prompt::Query, "queries", notes)?;
    let positives = encode(&encoder, &positives, &Prompt::Document, "positives", notes)?;
    let of_products = encode(
        &encoder,
        &products.texts,
        &Prompt::Document,
        "products",
        notes,
    )?;
    let width = encoder.width();
    let index = VectorIndex::new(of_products, width, encoder.similarity())
        .map_err(EvaluationError::from)?;
    let rows = positive_of.iter();
    let vectors = MiningVectors {
        anchors,
        positives: rows
            .flat_map(|&text| &positives[text * width..][..width])
            .copied()
            .collect(),
        width,
        similarity: encoder.similarity(),
    };
    let mut candidates = Candidates::nearest(&anchor_of, &vectors, &index, options.range_max)
        .map_err(EvaluationError::from)?;
    if let Some(scorer) = &scorer {
        score_again(
            &mut candidates,
            &pairs,
            &anchor_of,
            &products,
            scorer,
            notes,
        )?;
    }
    let (mined, counts) = mine(&pairs, &anchor_of, &candidates, &products, options);
    if wrong > 0 {
        notes.note(format_args!("left out {wrong} pairs with label 0"));
    }
    if counts.unknown > 0 {
        notes.warning(format_args!(
            "{} of {} right products are not in the corpus by their text{}, so they may become negatives; {}",
            counts.unknown,
            pairs.len(),
            if arguments.positive_id.is_some() { " or id" } else { "" },
            if arguments.positive_id.is_some() {
                "name the same columns of the corpus"
            } else {
                "name the column of their ids with --positive-id, or the same columns of the corpus"
            }
        ));
    }
    report(&counts, options, notes);
    if counts.rows == 0 {
        return Err(TrainError::usage(
            "no pair has enough negatives: lower --per-row or --relative-margin, or raise --range-max",
        ));
    }
    let lines = lines(arguments, &pairs, &products, &mined);
    match output {
        Some(path) => atomic_file::write(&path, lines.as_bytes()).map_err(TrainError::io(path)),
        None => super::print(|out| out.write_all(lines.as_bytes())),
    }
}

/// The right pairs of the rows, and the number of those with label 0.
fn pairs<'a>(file: &Path, table: &'a TextTable) -> Result<(Vec<Pair<'a>>, usize), TrainError> {
    let right = right_rows(file, table)?;
    let pair = |&row: &usize| Pair {
        anchor: table.text(row, 0),
        positive: table.text(row, 1),
        id: table.row(row).group(),
    };
    Ok((right.iter().map(pair).collect(), table.len() - right.len()))
}

/// The file that the output replaces or creates, checked before the long work; `None` for standard output.
fn output(arguments: &MineArgs, inputs: &[PathBuf]) -> Result<Option<PathBuf>, TrainError> {
    let Some(output) = &arguments.output else {
        return Ok(None);
    };
    let target = atomic_file::resolve_target(output).map_err(|kind| match kind {
        TargetErrorKind::Io(error) => TrainError::io(output.as_path())(error),
        kind => TrainError::Usage(format!("--output {}: {kind}", output.display())),
    })?;
    let is_target = |input: &Path| input.canonicalize().is_ok_and(|input| input == target);
    if inputs.iter().any(|input| is_target(input)) || is_target(&arguments.corpus) {
        return Err(TrainError::usage(
            "--output is one of the input files; give it another name",
        ));
    }
    Ok(Some(target))
}

fn options(arguments: &MineArgs) -> Result<MiningOptions, TrainError> {
    if arguments.range_max < arguments.range_min.saturating_add(arguments.per_row) {
        return Err(TrainError::usage(
            "--range-max must be at least --range-min and --per-row together",
        ));
    }
    Ok(MiningOptions {
        per_row: arguments.per_row,
        range_min: arguments.range_min,
        range_max: arguments.range_max,
        relative_margin: arguments.relative_margin,
    })
}

fn encode(
    encoder: &SentenceEncoder,
    texts: &[String],
    prompt: &Prompt,
    what: &'static str,
    notes: Console,
) -> Result<Vec<f32>, TrainError> {
    let bar = notes.progress_bar(Some(texts.len() as u64), Unit::Texts);
    bar.set_message(what);
    let vectors = encoder.encode_with_progress(texts, prompt, |batch| {
        bar.set_position(batch.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    Ok(vectors?.into_values())
}

/// Replaces the scores of the candidates and of what is right by those of a reranker.
fn score_again(
    candidates: &mut Candidates,
    pairs: &[Pair<'_>],
    anchor_of: &[usize],
    products: &Corpus,
    scorer: &PairScorer,
    notes: Console,
) -> Result<(), TrainError> {
    let mut anchors = vec![""; candidates.near.len()];
    for (pair, &anchor) in pairs.iter().zip(anchor_of) {
        anchors[anchor] = pair.anchor;
    }
    let near = candidates.near.iter().zip(&anchors);
    let near = near.flat_map(|(near, anchor)| {
        let texts = near.iter().map(|hit| products.texts[hit.index].as_str());
        texts.map(|text| (*anchor, text))
    });
    let right = pairs.iter().map(|pair| (pair.anchor, pair.positive));
    let pairs: Vec<(&str, &str)> = near.chain(right).collect();
    let bar = notes.progress_bar(Some(pairs.len() as u64), Unit::Texts);
    bar.set_message("pairs");
    let scores = scorer.scores_with_progress(&pairs, |batch| {
        bar.set_position(batch.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let mut scores = scores?.values.into_iter();
    let hits = candidates
        .near
        .iter_mut()
        .flatten()
        .map(|hit| &mut hit.score);
    for (place, score) in hits.chain(&mut candidates.positives).zip(&mut scores) {
        *place = score;
    }
    Ok(())
}

/// One JSON object per row: `anchor`, `positive`, `negative_1`, …; with the scores of a reranker also `score_positive`,
/// `score_negative_1`, ….
fn lines(
    arguments: &MineArgs,
    pairs: &[Pair<'_>],
    products: &Corpus,
    mined: &[Option<Negatives>],
) -> String {
    let mut text = String::new();
    for (pair, negatives) in pairs.iter().zip(mined) {
        let Some(negatives) = negatives else { continue };
        let mut object = Map::new();
        object.insert("anchor".to_owned(), pair.anchor.into());
        object.insert("positive".to_owned(), pair.positive.into());
        let numbered = || (1..).zip(&negatives.hits);
        for (number, hit) in numbered() {
            let text = products.texts[hit.index].as_str();
            object.insert(format!("negative_{number}"), text.into());
        }
        if arguments.reranker.is_some() {
            object.insert("score_positive".to_owned(), negatives.positive.into());
            for (number, hit) in numbered() {
                object.insert(format!("score_negative_{number}"), hit.score.into());
            }
        }
        text.push_str(&Value::Object(object).to_string());
        text.push('\n');
    }
    text
}

fn report(counts: &MiningCounts, options: MiningOptions, notes: Console) {
    notes.note(format_args!(
        "{} pairs have {} negatives each; {} pairs with fewer are left out",
        counts.rows, options.per_row, counts.rows_left_out
    ));
    notes.note(format_args!(
        "skipped {} products that are right for the query, {} with the score of the positive or nearly, {} \
         with a text that the row has, {} before --range-min",
        counts.right, counts.too_similar, counts.repeated, counts.too_near
    ));
}
