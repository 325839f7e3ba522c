//! `evaluate --tags`: the spans of taggers.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use program::{Console, Unit};
use serde::Serialize;

use super::name_among;
use crate::cli::EvaluateArgs;
use crate::data::{TaggedOptions, TextTable};
use crate::error::TrainError;
use crate::evaluation::{
    Description, ScoreTable, SpanCounts, SuiteScores, TagEvaluator, TagScores,
};

/// The scores of a tagger on a file.
struct Scored<'a> {
    model: &'a str,
    file: &'a str,
    texts: usize,
    scores: TagScores,
}

pub(super) fn run(arguments: &EvaluateArgs, notes: Console) -> Result<(), TrainError> {
    let data = &arguments.data;
    let options = TaggedOptions {
        complete: data.complete,
        ..TaggedOptions::default()
    };
    let read = |path: &Path| {
        let table = TextTable::read_tagged(&[path], &options)?;
        for note in &table.annotations.notes {
            notes.warning(format_args!("{}: {note}", path.display()));
        }
        Ok::<_, TrainError>(table)
    };
    let seen = data.seen.iter().map(|path| read(path));
    let seen = seen.collect::<Result<Vec<_>, _>>()?;
    let mut evaluators = Vec::new();
    for path in &data.tags {
        let table = read(path)?;
        let rows: Vec<usize> = (0..table.len()).collect();
        let evaluator = TagEvaluator::of_rows(&table, &rows)?;
        let evaluator = seen.iter().fold(evaluator, TagEvaluator::with_training);
        evaluators.push((name_among(path, &data.tags), evaluator));
    }
    let mut all = Vec::new();
    for model in &arguments.model {
        all.extend(score(arguments, model, &evaluators, notes)?);
    }
    super::super::print(|out| match arguments.json {
        true => json(out, &all),
        false => text(out, &all),
    })
}

fn score<'a>(
    arguments: &EvaluateArgs,
    model: &'a str,
    evaluators: &'a [(String, TagEvaluator)],
    notes: Console,
) -> Result<Vec<Scored<'a>>, TrainError> {
    let mut builder = arguments.machine.tagger(notes);
    if let Some(length) = arguments.max_length {
        builder = builder.max_length(length);
    }
    let tagger = builder.load(model)?;
    for note in tagger.notes() {
        notes.note(format_args!("note: {note}"));
    }
    let mut scored = Vec::new();
    for (file, evaluator) in evaluators {
        let texts = evaluator.texts.len();
        let started = Instant::now();
        let bar = notes.progress_bar(Some(texts as u64), Unit::Texts);
        let scores = evaluator.evaluate(&tagger, arguments.data.threshold, &mut |progress| {
            bar.set_position(progress.done as u64);
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let scores = scores?;
        notes.note(format_args!(
            "{model}: tagged {texts} texts in {:.1} s on {}",
            started.elapsed().as_secs_f64(),
            tagger.device().description()
        ));
        if scores.truncated > 0 {
            notes.note(format_args!(
                "note: {} of {texts} texts truncated to {} tokens: in their ends nothing is found",
                scores.truncated,
                tagger.tokenizer().max_length()
            ));
        }
        scored.push(Scored {
            model,
            file,
            texts,
            scores,
        });
    }
    Ok(scored)
}

impl Scored<'_> {
    /// The metrics of all spans.
    fn suite(&self) -> SuiteScores {
        let data = Description::Tags { texts: self.texts };
        SuiteScores::one(self.file, data, self.scores.scores())
    }
}

/// The metrics of all spans, of each further model next to those of the first one, and the labels of every model.
fn text(out: &mut impl Write, all: &[Scored<'_>]) -> io::Result<()> {
    for (place, scored) in all.iter().enumerate() {
        let first = all[..place].iter().find(|first| first.file == scored.file);
        let suite = scored.suite();
        if place > 0 {
            writeln!(out)?;
        }
        match first.map(|first| (first.model, first.suite())) {
            None => write!(
                out,
                "{}",
                ScoreTable {
                    before: &suite,
                    after: None
                }
            )?,
            Some((model, before)) => {
                writeln!(out, "before: {model}\nafter:  {}\n", scored.model)?;
                write!(
                    out,
                    "{}",
                    ScoreTable {
                        before: &before,
                        after: Some(&suite)
                    }
                )?;
            }
        }
        labels(out, &scored.scores)?;
    }
    Ok(())
}

fn labels(out: &mut impl Write, scores: &TagScores) -> io::Result<()> {
    const HEADER: &str = "label";
    let names = scores.labels.keys().map(|label| label.chars().count());
    let width = names.chain([HEADER.len()]).max().unwrap_or(0);
    writeln!(
        out,
        "\n{HEADER:<width$}  precision  recall      f1  support"
    )?;
    for (label, counts) in &scores.labels {
        let (precision, recall, f1) = (counts.precision(), counts.recall(), counts.f1());
        writeln!(
            out,
            "{label:<width$}  {precision:>9.4}  {recall:>6.4}  {f1:>6.4}  {:>7}",
            counts.gold
        )?;
    }
    Ok(())
}

fn json(out: &mut impl Write, all: &[Scored<'_>]) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        model: &'a str,
        evaluations: SuiteScores,
        labels: &'a std::collections::BTreeMap<String, SpanCounts>,
    }
    let lines = all.iter().map(|scored| Line {
        model: scored.model,
        evaluations: scored.suite(),
        labels: &scored.scores.labels,
    });
    serde_json::to_writer_pretty(&mut *out, &lines.collect::<Vec<_>>())?;
    writeln!(out)
}
