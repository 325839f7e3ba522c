//! `mine`: hard negatives for pairs, from a corpus.

use std::io::{self, Write};
use std::ops::ControlFlow;

use model::{PairScorer, Prompt, SentenceEncoder};
use program::{Console, Unit, atomic_file};
use search::VectorIndex;
use serde_json::{Map, Value};

use super::evaluate::text_columns;
use crate::cli::MineArgs;
use crate::data::{ColumnMap, ReadOptions, RowKind, TextTable};
use crate::error::TrainError;
use crate::evaluation::{EvaluationError, corpus, distinct};
use crate::mining::{Candidates, MiningCounts, MiningOptions, MiningVectors, Negatives, mine};

pub(super) fn run(arguments: &MineArgs, notes: Console) -> Result<(), TrainError> {
    program::interrupt::exit_on_interrupt();
    let options = options(arguments)?;
    let columns: Option<ColumnMap> = match &arguments.columns {
        Some(columns) => Some(
            columns
                .parse()
                .map_err(|error| TrainError::Usage(format!("--columns: {error}")))?,
        ),
        None => None,
    };
    let read = ReadOptions {
        columns,
        kind: Some(RowKind::Pairs),
        ..ReadOptions::default()
    };
    let table = TextTable::read(&[&arguments.pairs], &read)?;
    let columns = text_columns("--corpus-columns", &arguments.corpus_columns)?;
    let products = corpus(&arguments.corpus, columns.as_ref())?;
    let encoder = arguments.machine.encoder(notes).load(&arguments.model)?;

    let column = |column: usize| -> Vec<String> {
        let texts = (0..table.len()).map(|row| table.text(row, column).to_owned());
        texts.collect()
    };
    let (anchors, [anchor_of]) = distinct([column(0)]);
    let (positives, [positive_of]) = distinct([column(1)]);
    let anchors = encode(&encoder, &anchors, &Prompt::Query, "queries", notes)?;
    let positives = encode(&encoder, &positives, &Prompt::Document, "positives", notes)?;
    let of_products = encode(&encoder, &products, &Prompt::Document, "products", notes)?;
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
    if let Some(reranker) = &arguments.reranker {
        let scorer = arguments.machine.reranker(notes).load(reranker)?;
        score_again(
            &mut candidates,
            &table,
            &anchor_of,
            &products,
            &scorer,
            notes,
        )?;
    }
    let (mined, counts) = mine(&table, &anchor_of, &candidates, &products, options);
    write(arguments, &table, &products, &mined)?;
    report(&counts, options, notes);
    if counts.rows == 0 {
        return Err(TrainError::Usage(
            "no pair has enough negatives: lower --per-row or --relative-margin, or raise --range-max"
                .to_owned(),
        ));
    }
    Ok(())
}

fn options(arguments: &MineArgs) -> Result<MiningOptions, TrainError> {
    let usage = |message: &str| Err(TrainError::Usage(message.to_owned()));
    if arguments.per_row == 0 {
        return usage("--per-row must be at least 1");
    }
    if arguments.range_max < arguments.range_min.saturating_add(arguments.per_row) {
        return usage("--range-max must be at least --range-min and --per-row together");
    }
    if !(0.0..=1.0).contains(&arguments.relative_margin) {
        return usage("--relative-margin must be from 0 to 1");
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
    table: &TextTable,
    anchor_of: &[usize],
    products: &[String],
    scorer: &PairScorer,
    notes: Console,
) -> Result<(), TrainError> {
    let mut row_of = vec![0; candidates.near.len()];
    for (row, &anchor) in anchor_of.iter().enumerate() {
        row_of[anchor] = row;
    }
    let near = candidates
        .near
        .iter()
        .zip(&row_of)
        .flat_map(|(near, &row)| {
            near.iter()
                .map(move |hit| (table.text(row, 0), products[hit.index].as_str()))
        });
    let right = (0..table.len()).map(|row| (table.text(row, 0), table.text(row, 1)));
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
fn write(
    arguments: &MineArgs,
    table: &TextTable,
    products: &[String],
    mined: &[Option<Negatives>],
) -> Result<(), TrainError> {
    let mut text = String::new();
    for (row, negatives) in mined.iter().enumerate() {
        let Some(negatives) = negatives else { continue };
        let mut object = Map::new();
        object.insert("anchor".to_owned(), table.text(row, 0).into());
        object.insert("positive".to_owned(), table.text(row, 1).into());
        let numbered = || (1..).zip(&negatives.hits);
        for (number, hit) in numbered() {
            let text = products[hit.index].as_str();
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
    match &arguments.output {
        Some(path) => {
            atomic_file::write(path, text.as_bytes()).map_err(TrainError::io(path.as_path()))
        }
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .map_err(TrainError::Stdout)
        }
    }
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
