//! Monitoring of a run: log, progress line, validation, best model, early stopping, collapse.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use model::backend::TrainingBackend;
use model::parts::SentenceModel;
use program::Console;

use super::checkpoint::{Best, Position};
use super::failed_batch::FailedBatch;
use crate::data::TextTable;
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::losses::collapse::has_collapsed;
use crate::report::{EvaluationRecord, Event, History, MetricsLog, ProgressLine, StepRecord};
use crate::step::StepOutput;

/// Whether a score replaces the best so far. NaN is never best; any number replaces a NaN best.
fn is_better(score: f64, best: Option<Best>) -> bool {
    !score.is_nan() && best.is_none_or(|best| best.score.is_nan() || score > best.score)
}

type Inner<B> = <B as AutodiffBackend>::InnerBackend;

/// Scores a model.
pub(crate) type Validate<B> =
    Box<dyn Fn(&SentenceModel<Inner<B>>) -> Result<Scores, TrainError> + Send>;

/// Saves the model of a step.
pub(crate) type Keep<B> =
    Box<dyn Fn(&SentenceModel<Inner<B>>, usize) -> Result<(), TrainError> + Send>;

/// Whether the run continues.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Continue,
    /// Stops, for this reason.
    Stop(String),
    /// The user stopped the validation: it has no score.
    Interrupted,
}

pub(crate) struct Supervisor<B: TrainingBackend> {
    pub(crate) log: Option<MetricsLog>,
    /// `None` if a dashboard is shown.
    pub(crate) line: Option<ProgressLine>,
    pub(crate) notes: Console,
    /// Whether a dashboard is shown: notes then wait until it closes.
    pub(crate) dashboard: bool,
    /// The folder of the run.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) table: Arc<TextTable>,
    pub(crate) validate: Option<Validate<B>>,
    pub(crate) keep_best: Option<Keep<B>>,
    /// Validations without a better score after which the run ends.
    pub(crate) patience: Option<usize>,
    /// Recommended loss instead of a loss without negatives.
    pub(crate) better_loss: Option<&'static str>,
    pub(crate) collapse_noted: bool,
    /// Passes over the rows so far.
    pub(crate) passes: f64,
}

/// Start of the note on a collapse.
const COLLAPSED: &str = "the vectors of different texts have collapsed into one";

/// Start of the same note in logs of earlier releases, which a resumed run may have.
const COLLAPSED_BEFORE: &str = "the vectors of different texts have become one";

/// Whether the log of a run notes a collapse.
pub(crate) fn has_noted_collapse(history: &History) -> bool {
    history
        .notes()
        .any(|note| note.starts_with(COLLAPSED) || note.starts_with(COLLAPSED_BEFORE))
}

impl<B: TrainingBackend> Supervisor<B> {
    pub(crate) fn validates(&self) -> bool {
        self.validate.is_some()
    }

    /// After an optimiser step.
    pub(crate) fn step(
        &mut self,
        record: &StepRecord,
        output: &StepOutput,
    ) -> Result<(), TrainError> {
        self.passes = record.epoch;
        self.append(&Event::Step(record.clone()))?;
        if let Some(line) = self.line.as_mut().and_then(|line| line.line(record)) {
            self.notes.note(line);
        }
        self.look_for_collapse(record.step, output)
    }

    /// A loss without negatives is smallest when all vectors are equal.
    fn look_for_collapse(&mut self, step: usize, output: &StepOutput) -> Result<(), TrainError> {
        let (Some(better), Some(cosine)) = (self.better_loss, output.mean_cosine) else {
            return Ok(());
        };
        if self.collapse_noted || !has_collapsed(cosine) {
            return Ok(());
        }
        self.collapse_noted = true;
        let text = format!(
            "{COLLAPSED} (mean cosine {cosine:.3}): this loss has no negatives; use --loss {better}"
        );
        self.warn(step, text)
    }

    /// Prints a warning, unless a dashboard is shown, and logs it for the report.
    fn warn(&mut self, step: usize, text: String) -> Result<(), TrainError> {
        if !self.dashboard {
            self.notes.warning(format_args!("step {step}: {text}"));
        }
        self.append(&Event::Note { step, text })
    }

    /// Validates a model, before the first step and whenever it is due.
    pub(crate) fn validate(
        &mut self,
        model: &SentenceModel<Inner<B>>,
        loss: Option<f64>,
        position: &mut Position,
    ) -> Result<(Verdict, Option<f64>), TrainError> {
        let Some(validate) = &self.validate else {
            return Ok((Verdict::Continue, None));
        };
        let started = Instant::now();
        let scores = validate(model)?;
        let (name, score) = scores.primary();
        let record = EvaluationRecord {
            step: position.step,
            epoch: self.passes,
            primary: name.to_owned(),
            scores: scores
                .iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            loss,
            seconds: started.elapsed().as_secs_f64(),
        };
        let loss = loss.map_or_else(String::new, |loss| format!("  validation loss {loss:.4}"));
        self.notes.note(format_args!(
            "step {}  {name} {score:.4}{loss}",
            position.step
        ));
        self.append(&Event::Evaluation(record))?;

        // The base model is never kept as the best.
        if position.step > 0 {
            if is_better(score, position.best) {
                if let Some(keep) = &self.keep_best {
                    keep(model, position.step)?;
                }
                position.best = Some(Best {
                    score,
                    step: position.step,
                });
                position.without_improvement = 0;
            } else {
                position.without_improvement += 1;
            }
            if score.is_nan() {
                let text = "the validation score is NaN: no model is kept as the best";
                self.warn(position.step, text.to_owned())?;
            }
        }
        position.validation_due = false;
        Ok((self.verdict(position), Some(score)))
    }

    /// Whether the validations so far exhaust the patience.
    pub(crate) fn verdict(&self, position: &Position) -> Verdict {
        let count = position.without_improvement;
        if self.patience.is_none_or(|patience| count < patience) {
            return Verdict::Continue;
        }
        Verdict::Stop(match position.best {
            Some(Best { score, step }) => format!(
                "the validation score has not risen above {score:.4} of step {step} in {count} \
                 validations"
            ),
            None => format!("the validation score was NaN in {count} validations"),
        })
    }

    fn append(&mut self, event: &Event) -> Result<(), TrainError> {
        match &mut self.log {
            Some(log) => Ok(log.append(event)?),
            None => Ok(()),
        }
    }

    /// Number of events in the log.
    pub(crate) fn events(&self) -> usize {
        self.log.as_ref().map_or(0, MetricsLog::events)
    }

    /// The rows of a batch whose loss or gradient is not finite.
    pub(crate) fn failed_batch(&self, step: usize, positions: &[usize]) -> FailedBatch {
        FailedBatch::of_step(step, &self.table, positions, self.folder.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collapse_is_noted_once_in_all_runs_together() {
        let note = |text: &str| Event::Note {
            step: 3,
            text: text.to_owned(),
        };
        let mut history = History::default();
        assert!(!has_noted_collapse(&history));
        history.events.push(note("the validation score is NaN"));
        assert!(!has_noted_collapse(&history));
        history
            .events
            .push(note(&format!("{COLLAPSED} (mean cosine 0.999)")));
        assert!(has_noted_collapse(&history));
        let mut old = History::default();
        old.events.push(note(COLLAPSED_BEFORE));
        assert!(has_noted_collapse(&old));
    }

    #[test]
    fn nan_is_never_the_best() {
        let best = |score| Some(Best { score, step: 1 });
        assert!(is_better(-1.0, None));
        assert!(is_better(0.6, best(0.5)));
        assert!(!is_better(0.5, best(0.5)));
        assert!(!is_better(f64::NAN, None));
        assert!(!is_better(f64::NAN, best(0.5)));
        assert!(is_better(0.1, best(f64::NAN)));
    }
}
