//! A second ranking: a model that reads the query and a text together.

use std::cell::Cell;
use std::ops::ControlFlow;

use model::{PairScorer, PairScores};
use program::{Console, Unit};

use crate::cli::{HubArgs, ModelArgs, RerankArgs};
use crate::commands::with_head;
use crate::error::Error;
use crate::stream::note_truncated;

/// What scores of a reranker are called in results.
pub(crate) const METRIC: &str = "rerank";

/// A loaded reranker.
pub(crate) struct Reranker {
    scorer: PairScorer,
    /// Hits that it reads for each query.
    depth: usize,
    /// Pairs that were truncated so far, and all.
    truncated: Cell<(usize, usize)>,
}

impl Reranker {
    /// The reranker that options of `search` name, on the device of the model.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded.
    pub(crate) fn of_search(
        args: &RerankArgs,
        model: &ModelArgs,
        console: Console,
    ) -> Result<Option<Self>, Error> {
        let Some(name) = &args.rerank else {
            return Ok(None);
        };
        let mut model = model.clone();
        // The maximum length is that of the encoder's texts.
        model.max_length = None;
        model.hub = HubArgs {
            model: Some(name.clone()),
            revision: None,
            offline: model.hub.offline,
        };
        Ok(Some(Self {
            scorer: load(&model, console)?,
            depth: args.rerank_depth,
            truncated: Cell::default(),
        }))
    }

    /// Hits to find for `k` results.
    pub(crate) fn depth(&self, k: usize) -> usize {
        self.depth.max(k)
    }

    /// The places of the best texts, best first, with their scores and the boosts in them. Equal scores keep their order.
    /// There is a boost for each text; none for texts without boosts.
    ///
    /// # Errors
    ///
    /// When the device fails.
    pub(crate) fn order(
        &self,
        query: &str,
        texts: &[String],
        boosts: &[f32],
        k: usize,
    ) -> Result<Vec<(usize, f32)>, Error> {
        let pairs = pairs(query, texts);
        let progress = |_| ControlFlow::Continue(());
        let scores = self.scorer.scores_with_progress(&pairs, progress)?;
        let (truncated, all) = self.truncated.get();
        self.truncated
            .set((truncated + scores.truncated, all + pairs.len()));
        let mut values = scores.values;
        for (score, boost) in values.iter_mut().zip(boosts) {
            *score += boost;
        }
        Ok(best(values, k))
    }

    /// Notes how many pairs of all queries were longer than the model reads.
    pub(crate) fn note_truncated(&self, console: Console) {
        let (truncated, all) = self.truncated.get();
        note_truncated(truncated, all, "pairs", self.scorer.tokenizer(), console);
    }
}

/// Loads the reranker that the command line names.
pub(crate) fn load(model: &ModelArgs, console: Console) -> Result<PairScorer, Error> {
    let name = model.hub.name();
    let scorer = with_head(PairScorer::builder(), model, console).load(name)?;
    for note in scorer.notes() {
        console.note(format_args!("note: {note}"));
    }
    console.detail(format_args!(
        "reranker: {name} on {}, {}",
        scorer.device(),
        scorer.precision()
    ));
    Ok(scorer)
}

fn pairs<'a>(query: &'a str, texts: &'a [String]) -> Vec<(&'a str, &'a str)> {
    texts.iter().map(|text| (query, text.as_str())).collect()
}

/// Scores a query with many texts, with a progress bar, and notes how many pairs were longer than the model reads.
///
/// # Errors
///
/// When the device fails.
pub(crate) fn score_all(
    scorer: &PairScorer,
    query: &str,
    texts: &[String],
    console: Console,
) -> Result<Vec<f32>, Error> {
    let pairs = pairs(query, texts);
    let bar = console.progress_bar(Some(texts.len() as u64), Unit::Texts);
    let scores = scorer.scores_with_progress(&pairs, |progress| {
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let PairScores {
        values, truncated, ..
    } = scores?;
    note_truncated(truncated, pairs.len(), "pairs", scorer.tokenizer(), console);
    Ok(values)
}

/// The places of the `k` highest scores, highest first; equal scores keep their order.
pub(crate) fn best(scores: Vec<f32>, k: usize) -> Vec<(usize, f32)> {
    let mut order: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
    order.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    order.truncate(k);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_come_first_and_equals_stay() {
        let scores = vec![0.5, 0.75, 0.5, -1.0];
        assert_eq!(best(scores.clone(), 3), [(1, 0.75), (0, 0.5), (2, 0.5)]);
        assert_eq!(best(scores, 9).len(), 4);
        assert!(best(Vec::new(), 3).is_empty());
    }
}
