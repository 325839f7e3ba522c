//! The scores of a model on the validation rows.

use std::ops::ControlFlow;

use model::backend::EncoderOps;
use model::{PairScorer, SentenceEncoder, Tagger};

use super::monitor::Validate;
use super::rows::ValidationRows;
use super::task::Fit;
use crate::error::TrainError;
use crate::train::step::TrainingModel;

impl Fit<'_> {
    /// A function that scores a model on these rows.
    ///
    /// # Errors
    ///
    /// The rows cannot be evaluated.
    pub(super) fn validate<B: EncoderOps>(
        &self,
        rows: ValidationRows,
    ) -> Result<Validate<TrainingModel<B>>, TrainError> {
        let reranker = self.settings.is_reranker();
        let tagger = self.settings.is_tagger();
        let checked = if reranker {
            rows.pair_evaluator().map(drop)
        } else if tagger {
            rows.tag_evaluator().map(drop)
        } else {
            rows.evaluator().map(drop)
        };
        checked.map_err(|error| match error {
            TrainError::EvaluationSetup(source) => TrainError::ValidationRows {
                place: self.settings.place_of_validation(),
                source,
            },
            error => error,
        })?;
        let checkpoint = self.checkpoint.clone();
        let (name, stop) = (self.devices[0], self.context.stop.clone());
        Ok(Box::new(move |model: &TrainingModel<B>| {
            let go_on = || {
                if stop.is_asked() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let model = model.model.clone();
            if tagger {
                let tagger = Tagger::builder().device(name);
                let tagger = tagger.with_model(&checkpoint, model)?;
                let scores = rows
                    .tag_evaluator()?
                    .evaluate(&tagger, 0.0, &mut |_| go_on())?;
                return Ok(scores.scores());
            }
            if reranker {
                let scorer = PairScorer::builder().device(name);
                let scorer = scorer.with_model(&checkpoint, model)?;
                let mut score = |pairs: &[(&str, &str)]| {
                    let scores = scorer.scores_with_progress(pairs, |_| go_on())?;
                    Ok(scores.values)
                };
                return Ok(rows.pair_evaluator()?.evaluate(&mut score)?);
            }
            let encoder = SentenceEncoder::builder().device(name);
            let encoder = encoder.with_model(checkpoint.clone(), model)?;
            let evaluator = rows.evaluator()?;
            Ok(evaluator.evaluate_with_progress(&encoder, &mut |_| go_on())?)
        }))
    }
}
