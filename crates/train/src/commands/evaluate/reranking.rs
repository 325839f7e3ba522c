//! `evaluate --reranker`: an encoder finds documents, and rerankers order the first of them.

use std::ops::ControlFlow;
use std::time::Instant;

use model::hub::DEFAULT_MODEL;
use program::{Console, Unit};

use super::{
    DEFAULT_CORPUS, DEFAULT_QRELS, Scored, check_default_files, cutoffs, default_retrieval,
    encoder, name, retrieval,
};
use crate::cli::EvaluateArgs;
use crate::error::TrainError;
use crate::evaluation::{EvaluationError, Evaluator, FirstStage, Scores, SuiteScores};

/// The scores of the encoder alone, then those with each reranker.
pub(super) fn scores(
    arguments: &EvaluateArgs,
    notes: Console,
) -> Result<Vec<Scored<'_>>, TrainError> {
    let model = match arguments.model.as_slice() {
        [] => DEFAULT_MODEL,
        [model] => model,
        _ => {
            return Err(TrainError::usage(
                "--reranker orders what one --model finds: give one",
            ));
        }
    };
    let cutoffs = cutoffs(&arguments.data.cutoffs);
    let (name, evaluator) = match retrieval(arguments, &cutoffs, name)? {
        Some(given) => given,
        None => {
            check_default_files(&[DEFAULT_CORPUS, DEFAULT_QRELS])?;
            default_retrieval(&cutoffs)?
        }
    };
    let encoder = encoder(arguments, model, notes)?;
    let bar = notes.progress_bar(Some(0), Unit::Texts);
    let stage = evaluator.first_stage(&encoder, arguments.data.depth, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let stage = stage?;
    let named = |scores: Scores| SuiteScores::one(&name, evaluator.description(), scores);
    let mut all = vec![(model, named(stage.scores()))];
    for reranker in &arguments.data.reranker {
        let scores = reranked(arguments, reranker, &stage, notes)?;
        all.push((reranker.as_str(), named(scores)));
    }
    Ok(all)
}

fn reranked(
    arguments: &EvaluateArgs,
    name: &str,
    stage: &FirstStage<'_>,
    notes: Console,
) -> Result<Scores, TrainError> {
    let mut builder = arguments.machine.reranker(notes);
    if let Some(length) = arguments.max_length {
        builder = builder.max_length(length);
    }
    let scorer = builder.load(name)?;
    for note in scorer.notes() {
        notes.note(format_args!("note: {note}"));
    }
    let started = Instant::now();
    let bar = notes.progress_bar(Some(stage.pairs() as u64), Unit::Texts);
    let mut truncated = 0;
    let scores = stage.reranked(&mut |pairs| {
        let scores = scorer.scores_with_progress(pairs, |progress| {
            bar.set_position(progress.done as u64);
            ControlFlow::Continue(())
        });
        let scores = scores.map_err(EvaluationError::from)?;
        truncated = scores.truncated;
        Ok(scores.values)
    });
    bar.finish_and_clear();
    notes.note(format_args!(
        "{name}: scored {} pairs in {:.1} s on {}; {truncated} were truncated to {} tokens",
        stage.pairs(),
        started.elapsed().as_secs_f64(),
        scorer.device().description(),
        scorer.tokenizer().max_length()
    ));
    Ok(scores?)
}
