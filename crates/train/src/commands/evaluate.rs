//! `evaluate`: score a model, or compare several.

mod index;
mod reranking;
mod rows;
mod tags;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use model::hub::DEFAULT_MODEL;
use model::{Prompt, SentenceEncoder};
use program::{Console, Unit};
use search::Similarity;

use self::rows::rows;
use crate::cli::EvaluateArgs;
use crate::data::RowKind;
use crate::error::TrainError;
use crate::evaluation::{
    Cutoffs, QueryFiles, Ranking, RetrievalEvaluator, RetrievalFiles, RetrievalOptions, ScoreTable,
    Suite, SuiteScores, TextColumns,
};

/// Data used if no option names any.
const DEFAULT_SIMILARITY: &str = "datasets/sts/stsb_open_test.tsv";
const DEFAULT_CORPUS: &str = "datasets/chorus-electronics/titles.tsv.gz";
const DEFAULT_QRELS: &str = "datasets/chorus-electronics/qrels.tsv";

pub(super) fn run(arguments: &EvaluateArgs, notes: Console) -> Result<(), TrainError> {
    program::interrupt::exit_on_interrupt();
    if let Some(folder) = &arguments.data.index {
        return index::run(arguments, folder, notes);
    }
    if !arguments.data.tags.is_empty() {
        return tags::run(arguments, notes);
    }
    if !arguments.data.reranker.is_empty() {
        return write(arguments, &reranking::scores(arguments, notes)?);
    }
    let suite = suite(arguments)?;
    let names = if arguments.model.is_empty() {
        vec![DEFAULT_MODEL.to_owned()]
    } else {
        arguments.model.clone()
    };
    let mut scores = Vec::with_capacity(names.len());
    for name in &names {
        scores.push((name.as_str(), score(arguments, &suite, name, notes)?));
    }
    write(arguments, &scores)
}

fn write(arguments: &EvaluateArgs, scores: &[Scored<'_>]) -> Result<(), TrainError> {
    super::print(|out| match arguments.json {
        true => json(out, scores),
        false => text(out, scores),
    })
}

/// The evaluations of the arguments.
fn suite(arguments: &EvaluateArgs) -> Result<Suite, TrainError> {
    let columns = arguments.data.columns.as_ref();
    let files = [
        &arguments.data.similarity[..],
        &arguments.data.pairs,
        &arguments.data.triplets,
        arguments.data.qrels.as_slice(),
    ]
    .concat();
    let name = |path: &Path| name_among(path, &files);
    let mut suite = Suite::default();
    let mut used = false;
    for (paths, kind) in [
        (&arguments.data.similarity, RowKind::Scored),
        (&arguments.data.pairs, RowKind::Pairs),
        (&arguments.data.triplets, RowKind::Tuples { negatives: 1 }),
    ] {
        for path in paths {
            let (evaluator, used_columns) = rows(path, kind, columns)?;
            used |= used_columns;
            suite.add(name(path), evaluator)?;
        }
    }
    if let (Some(columns), false) = (columns, used) {
        return Err(TrainError::Usage(format!(
            "--columns: no file has the columns {columns} for the roles it needs; check their spelling"
        )));
    }
    let cutoffs = cutoffs(&arguments.data.cutoffs);
    if let Some((name, evaluator)) = retrieval(arguments, &cutoffs, name)? {
        suite.add(name, Box::new(evaluator))?;
    }
    if suite.is_empty() {
        check_default_files(&[DEFAULT_SIMILARITY, DEFAULT_CORPUS, DEFAULT_QRELS])?;
        let path = Path::new(DEFAULT_SIMILARITY);
        suite.add(self::name(path), rows(path, RowKind::Scored, None)?.0)?;
        let (name, evaluator) = default_retrieval(&cutoffs)?;
        suite.add(name, Box::new(evaluator))?;
    }
    Ok(suite)
}

/// The evaluation of documents with judgements, if the arguments name any.
fn retrieval(
    arguments: &EvaluateArgs,
    cutoffs: &Cutoffs,
    name: impl Fn(&Path) -> String,
) -> Result<Option<(String, RetrievalEvaluator)>, TrainError> {
    let (Some(corpus), Some(qrels)) = (&arguments.data.corpus, &arguments.data.qrels) else {
        return Ok(None);
    };
    let files = RetrievalFiles {
        queries: query_files(arguments, qrels)?,
        documents: corpus.clone(),
        document_columns: text_columns("--corpus-columns", &arguments.data.corpus_columns)?,
    };
    let (name, options) = ranking(&name(qrels), arguments.ranking(), cutoffs);
    Ok(Some((
        name,
        RetrievalEvaluator::from_files(&files, options)?,
    )))
}

/// The judged products of this project.
fn default_retrieval(cutoffs: &Cutoffs) -> Result<(String, RetrievalEvaluator), TrainError> {
    let files = RetrievalFiles::new(None, DEFAULT_CORPUS.into(), DEFAULT_QRELS.into());
    let (name, options) = ranking("chorus-electronics", Ranking::Judged, cutoffs);
    Ok((name, RetrievalEvaluator::from_files(&files, options)?))
}

fn query_files(arguments: &EvaluateArgs, judgements: &Path) -> Result<QueryFiles, TrainError> {
    Ok(QueryFiles {
        queries: arguments.data.queries.clone(),
        judgements: judgements.to_owned(),
        query_columns: text_columns("--query-columns", &arguments.data.query_columns)?,
        judgement_columns: judgement_columns(&arguments.data.qrels_columns)?,
    })
}

/// The default cut-offs, with `named` ones for accuracy, precision and recall.
fn cutoffs(named: &[usize]) -> Cutoffs {
    if named.is_empty() {
        return Cutoffs::default();
    }
    let mut named = named.to_vec();
    named.sort_unstable();
    named.dedup();
    Cutoffs {
        accuracy: named.clone(),
        precision_recall: named,
        ..Cutoffs::default()
    }
}

/// The id column, then the text columns; `None` if none is named.
pub(super) fn text_columns(
    flag: &str,
    named: &[String],
) -> Result<Option<TextColumns>, TrainError> {
    match named {
        [] => Ok(None),
        [_] => Err(TrainError::Usage(format!(
            "{flag} needs the id column, then at least one text column"
        ))),
        [id, text @ ..] => Ok(Some(TextColumns {
            id: id.clone(),
            text: text.to_vec(),
        })),
    }
}

fn judgement_columns(named: &[String]) -> Result<Option<[String; 3]>, TrainError> {
    if named.is_empty() {
        return Ok(None);
    }
    let columns = <[String; 3]>::try_from(named.to_vec());
    columns.map(Some).map_err(|_| {
        TrainError::usage("--qrels-columns needs three columns: query, document and relevance")
    })
}

fn check_default_files(files: &[&str]) -> Result<(), TrainError> {
    let Some(path) = files.iter().find(|path| !Path::new(path).is_file()) else {
        return Ok(());
    };
    let options = if files.contains(&DEFAULT_SIMILARITY) {
        "--similarity, --pairs, --triplets or --qrels"
    } else {
        "--corpus and --qrels"
    };
    Err(TrainError::Usage(format!(
        "{path} does not exist: name data with {options}, or run the command in the project's folder"
    )))
}

impl EvaluateArgs {
    /// The documents to rank.
    fn ranking(&self) -> Ranking {
        match self.data.judged_only {
            true => Ranking::Judged,
            false => Ranking::All,
        }
    }
}

fn ranking(name: &str, ranking: Ranking, cutoffs: &Cutoffs) -> (String, RetrievalOptions) {
    let name = match ranking {
        Ranking::Judged => format!("{name}, judged only"),
        Ranking::All => name.to_owned(),
    };
    let options = RetrievalOptions {
        ranking,
        cutoffs: cutoffs.clone(),
        ..RetrievalOptions::default()
    };
    (name, options)
}

/// The name of a file without its endings.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The name of a file among others, with its folder if another file has the same name.
fn name_among(path: &Path, files: &[PathBuf]) -> String {
    let own = name(path);
    if files.iter().filter(|file| name(file) == own).count() > 1 {
        path.display().to_string()
    } else {
        own
    }
}

fn score(
    arguments: &EvaluateArgs,
    suite: &Suite,
    name: &str,
    notes: Console,
) -> Result<SuiteScores, TrainError> {
    let encoder = encoder(arguments, name, notes)?;
    let started = Instant::now();
    let bar = notes.progress_bar(Some(0), Unit::Texts);
    let scores = suite.evaluate(&encoder, &mut |name, texts| {
        bar.set_length(texts.total as u64);
        bar.set_position(texts.done as u64);
        bar.set_message(name.to_owned());
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    notes.note(format_args!(
        "{name}: scored in {:.1} s on {}",
        started.elapsed().as_secs_f64(),
        encoder.device().description()
    ));
    Ok(scores?)
}

/// The model to score.
fn encoder(
    arguments: &EvaluateArgs,
    name: &str,
    notes: Console,
) -> Result<SentenceEncoder, TrainError> {
    let mut builder = arguments.machine.encoder(notes);
    if let Some(length) = arguments.max_length {
        builder = builder.max_length(length);
    }
    let encoder = builder.load(name)?;
    for note in encoder.notes() {
        notes.note(format_args!("note: {note}"));
    }
    if let Some(settings) = own_settings(&encoder) {
        notes.note(format_args!("{name}: {settings}"));
    }
    Ok(encoder)
}

/// The settings of a model that change its scores; `None` for a model with the cosine, all dimensions and no
/// prompt.
fn own_settings(encoder: &SentenceEncoder) -> Option<String> {
    let mut settings = Vec::new();
    if encoder.similarity() != Similarity::default() {
        settings.push(format!("similarity {}", encoder.similarity().name()));
    }
    if encoder.width() != encoder.full_width() {
        settings.push(format!("{} dimensions", encoder.width()));
    }
    for (side, prompt) in [
        ("texts", &Prompt::Default),
        ("queries", &Prompt::Query),
        ("documents", &Prompt::Document),
    ] {
        let text = encoder.prompt_text(prompt).unwrap_or_default();
        if !text.is_empty() {
            settings.push(format!("prompt of {side} {text:?}"));
        }
    }
    (!settings.is_empty()).then(|| settings.join(", "))
}

type Scored<'a> = (&'a str, SuiteScores);

/// The scores of one model, or comparisons of each further model with the first.
fn text(out: &mut impl Write, scores: &[Scored<'_>]) -> io::Result<()> {
    let Some(((first_name, first), others)) = scores.split_first() else {
        return Ok(());
    };
    if others.is_empty() {
        let table = ScoreTable {
            before: first,
            after: None,
        };
        return write!(out, "{table}");
    }
    for (index, (name, scores)) in others.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "before: {first_name}\nafter:  {name}\n")?;
        let table = ScoreTable {
            before: first,
            after: Some(scores),
        };
        write!(out, "{table}")?;
    }
    Ok(())
}

fn json(out: &mut impl Write, scores: &[Scored<'_>]) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        model: &'a str,
        evaluations: &'a SuiteScores,
    }
    let lines: Vec<Line<'_>> = scores
        .iter()
        .map(|(model, evaluations)| Line { model, evaluations })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &lines)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_its_name() {
        assert_eq!(name(Path::new("a/test.tsv.gz")), "test");
        let files = ["a/test.tsv", "b/test.tsv", "c.tsv"].map(PathBuf::from);
        let names = files.each_ref().map(|file| name_among(file, &files));
        assert_eq!(names, ["a/test.tsv", "b/test.tsv", "c"]);
    }
}
