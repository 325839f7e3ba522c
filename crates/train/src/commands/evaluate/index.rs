//! `evaluate --index`: rankings of an index, and the weight of words.

use std::io::{self, Write};
use std::path::Path;

use model::SentenceEncoder;
use program::Console;
use search::index::IndexReader;
use search::{Fusion, Mode};
use serde::Serialize;

use super::super::print;
use super::{cutoffs, query_files};
use crate::cli::EvaluateArgs;
use crate::error::TrainError;
use crate::evaluation::{Half, IndexEvaluator, RetrievalOptions, Scores};

/// Weights that `--tune` tries: 0, 0.05, …, 1.
const STEPS: u8 = 20;

/// Recall counts as many hits as the candidates of a first stage.
const RECALL: usize = 100;

/// A way to rank, and its metrics.
#[derive(Serialize)]
struct Line {
    ranking: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f32>,
    /// Over all queries or, with `--tune`, the half that chooses.
    scores: Option<Scores>,
    /// Over the half that tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Scores>,
}

pub(super) fn run(
    arguments: &EvaluateArgs,
    folder: &Path,
    notes: Console,
) -> Result<(), TrainError> {
    let (Some(judgements), [] | [_]) = (&arguments.data.qrels, arguments.model.as_slice()) else {
        return Err(TrainError::usage(
            "--index needs --qrels, and at most one --model: an index has vectors of one model",
        ));
    };
    let index = IndexReader::open(folder)?;
    let evaluator =
        IndexEvaluator::from_files(&query_files(arguments, judgements)?, options(arguments))?;
    let absent = evaluator.absent(&index)?;
    if absent > 0 {
        notes.note(format_args!(
            "note: {absent} judged documents are not in the index, and cannot be found"
        ));
    }
    let encoder = encoder(arguments, &index, notes)?;
    let queries: Vec<&str> = evaluator.queries().collect();
    let vectors = encoder.encode_query(&queries)?;
    let lines = if arguments.data.tune {
        tuned(&evaluator, &index, vectors.values())?
    } else {
        ranked(&evaluator, &index, vectors.values())?
    };
    print(|out| match arguments.json {
        true => json(&lines, out),
        false => table(&lines, arguments.data.tune, out),
    })
}

fn options(arguments: &EvaluateArgs) -> RetrievalOptions {
    let mut cutoffs = cutoffs(&arguments.data.cutoffs);
    if !arguments.data.judged_only && !cutoffs.precision_recall.contains(&RECALL) {
        cutoffs.precision_recall.push(RECALL);
    }
    RetrievalOptions {
        ranking: arguments.ranking(),
        cutoffs,
        ..RetrievalOptions::default()
    }
}

/// The model of the index, with its settings.
fn encoder(
    arguments: &EvaluateArgs,
    index: &IndexReader,
    notes: Console,
) -> Result<SentenceEncoder, TrainError> {
    let made_of = &index.settings().model;
    let name = arguments.model.first().unwrap_or(&made_of.name);
    let builder = arguments.machine.encoder(notes);
    let builder = builder
        .of_index(made_of)
        .map_err(|error| TrainError::Usage(format!("the model of the index: {error}")))?;
    let encoder = builder.load(name)?;
    made_of.check(&encoder.fingerprint(name)?)?;
    Ok(encoder)
}

/// Every way to rank.
fn ranked(
    evaluator: &IndexEvaluator,
    index: &IndexReader,
    vectors: &[f32],
) -> Result<Vec<Line>, TrainError> {
    let own = index.settings().fusion;
    let weight = match own {
        Fusion::WeightedSum { weight } => Some(weight),
        Fusion::ReciprocalRank => None,
    };
    let ways = [
        ("meaning", Mode::Meaning, None, None),
        ("words", Mode::Words, None, None),
        ("hybrid", Mode::Hybrid, Some(own), weight),
        (
            "reciprocal ranks",
            Mode::Hybrid,
            Some(Fusion::ReciprocalRank),
            None,
        ),
    ];
    let mut lines = Vec::new();
    for (name, mode, fusion, weight) in ways {
        lines.push(Line {
            ranking: name.to_owned(),
            weight,
            scores: evaluator.scores(index, vectors, mode, fusion, None)?,
            test: None,
        });
    }
    Ok(lines)
}

/// Every weight, on both halves of the queries.
fn tuned(
    evaluator: &IndexEvaluator,
    index: &IndexReader,
    vectors: &[f32],
) -> Result<Vec<Line>, TrainError> {
    let mut lines = Vec::new();
    for step in 0..=STEPS {
        let weight = f32::from(step) / f32::from(STEPS);
        let fusion = Some(Fusion::WeightedSum { weight });
        let scores = |half| evaluator.scores(index, vectors, Mode::Hybrid, fusion, Some(half));
        lines.push(Line {
            ranking: "hybrid".to_owned(),
            weight: Some(weight),
            scores: scores(Half::First)?,
            test: scores(Half::Second)?,
        });
    }
    if lines
        .iter()
        .any(|line| line.scores.is_none() || line.test.is_none())
    {
        return Err(TrainError::usage(
            "--tune needs more judged queries: one half of them is empty",
        ));
    }
    Ok(lines)
}

fn primary(scores: &Option<Scores>) -> f64 {
    scores
        .as_ref()
        .map_or(f64::NAN, |scores| scores.primary().1)
}

fn recall(scores: &Option<Scores>) -> Option<f64> {
    let scores = scores.as_ref()?;
    let mut metrics = scores.iter();
    let name = format!("recall@{RECALL}");
    metrics
        .find(|(metric, _)| metric.ends_with(&name))
        .map(|(_, value)| value)
}

/// The weight with the best primary metric on the half that chooses; of equal ones, the smallest.
fn best(lines: &[Line]) -> Option<&Line> {
    lines.iter().reduce(|best, line| {
        if primary(&line.scores) > primary(&best.scores) {
            line
        } else {
            best
        }
    })
}

fn table(lines: &[Line], tune: bool, out: &mut impl Write) -> io::Result<()> {
    let cells = |scores: &Option<Scores>| {
        let recall = recall(scores).map_or_else(String::new, |recall| format!("  {recall:10.4}"));
        format!("{:8.4}{recall}", primary(scores))
    };
    let names = lines.first().and_then(|line| line.scores.as_ref());
    let metric = names.map_or("ndcg@10", |scores| {
        let (name, _) = scores.primary();
        name.split_once('_').map_or(name, |(_, metric)| metric)
    });
    let recalls = lines
        .first()
        .is_some_and(|line| recall(&line.scores).is_some());
    let recall_name = if recalls { "  recall@100" } else { "" };
    if !tune {
        writeln!(out, "{:16}  weight  {metric:>8}{recall_name}", "ranking")?;
        for line in lines {
            let weight = line
                .weight
                .map_or_else(String::new, |weight| format!("{weight:.2}"));
            writeln!(
                out,
                "{:16}  {weight:>6}  {}",
                line.ranking,
                cells(&line.scores)
            )?;
        }
        return Ok(());
    }
    writeln!(
        out,
        "weight  {metric:>8}{recall_name}  | {metric:>8}{recall_name} on the other half of the queries"
    )?;
    let chosen = best(lines).and_then(|line| line.weight);
    for line in lines {
        let weight = line.weight.unwrap_or_default();
        let mark = if line.weight == chosen {
            "  <- chosen"
        } else {
            ""
        };
        writeln!(
            out,
            "{weight:6.2}  {}  | {}{mark}",
            cells(&line.scores),
            cells(&line.test)
        )?;
    }
    if let Some(weight) = chosen {
        writeln!(
            out,
            "\ninfer search --weight {weight}, or infer index build --weight {weight}"
        )?;
    }
    Ok(())
}

fn json(lines: &[Line], out: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        chosen_weight: Option<f32>,
        rankings: &'a [Line],
    }
    let tuned = lines.iter().any(|line| line.test.is_some());
    let chosen = best(lines).filter(|_| tuned);
    let report = Report {
        chosen_weight: chosen.and_then(|line| line.weight),
        rankings: lines,
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}
