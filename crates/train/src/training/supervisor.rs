//! Who watches a run: log, progress line, validation, the best model, early stopping, collapse.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use model::SentenceModel;
use model::TrainingBackend;
use program::Console;

use super::checkpoint::{Best, Position};
use super::failed_batch::FailedBatch;
use crate::data::TextTable;
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::losses::collapse::has_collapsed;
use crate::report::{EvaluationRecord, Event, History, MetricsLog, ProgressLine, StepRecord};
use crate::step::StepOutput;

/// Whether a score is to be kept rather than the best so far. One that is no number never is, and
/// gives way to any that is.
fn is_better(score: f64, best: Option<Best>) -> bool {
    !score.is_nan() && best.is_none_or(|best| best.score.is_nan() || score > best.score)
}

type Inner<B> = <B as AutodiffBackend>::InnerBackend;

/// Scores of a model.
pub(crate) type Validate<B> =
    Box<dyn Fn(&SentenceModel<Inner<B>>) -> Result<Scores, TrainError> + Send>;

/// Keeps the model of a step.
pub(crate) type Keep<B> =
    Box<dyn Fn(&SentenceModel<Inner<B>>, usize) -> Result<(), TrainError> + Send>;

/// Whether the run goes on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    GoOn,
    /// And why.
    Stop(String),
    /// Somebody stopped the validation: there is no score.
    Interrupted,
}

pub(crate) struct Supervisor<B: TrainingBackend> {
    pub(crate) log: Option<MetricsLog>,
    /// None where a dashboard is shown.
    pub(crate) line: Option<ProgressLine>,
    pub(crate) notes: Console,
    /// Whether a dashboard is shown: what is printed meanwhile is lost, so it waits.
    pub(crate) dashboard: bool,
    /// The folder of the run.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) table: Arc<TextTable>,
    pub(crate) validate: Option<Validate<B>>,
    pub(crate) keep_best: Option<Keep<B>>,
    /// Validations without a better score after which the run ends.
    pub(crate) patience: Option<usize>,
    /// What to use instead of a loss without negatives.
    pub(crate) better_loss: Option<&'static str>,
    pub(crate) collapse_noted: bool,
    /// Passes over the rows so far.
    pub(crate) passes: f64,
}

/// How the note on a collapse begins.
const COLLAPSED: &str = "the vectors of different texts have become one";

/// Whether a collapse has been noted in a run.
pub(crate) fn has_noted_collapse(history: &History) -> bool {
    history.notes().any(|note| note.starts_with(COLLAPSED))
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

    /// A loss that only draws texts together is at its best when all vectors are one.
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

    /// Says something at once, if it can be seen, and keeps it for the report.
    fn warn(&mut self, step: usize, text: String) -> Result<(), TrainError> {
        if !self.dashboard {
            self.notes.warning(format_args!("step {step}: {text}"));
        }
        self.append(&Event::Note { step, text })
    }

    /// Scores a model: before the first step, and whenever it is due.
    pub(crate) fn validate(
        &mut self,
        model: &SentenceModel<Inner<B>>,
        loss: Option<f64>,
        position: &mut Position,
    ) -> Result<(Verdict, Option<f64>), TrainError> {
        let Some(validate) = &self.validate else {
            return Ok((Verdict::GoOn, None));
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

        // Before the first step nothing has been trained that could be kept.
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
                let text = "the validation score is no number: no model is kept as the best for it";
                self.warn(position.step, text.to_owned())?;
            }
        }
        position.validation_due = false;
        Ok((self.verdict(position), Some(score)))
    }

    /// What the validations so far say.
    pub(crate) fn verdict(&self, position: &Position) -> Verdict {
        let count = position.without_improvement;
        if self.patience.is_none_or(|patience| count < patience) {
            return Verdict::GoOn;
        }
        Verdict::Stop(match position.best {
            Some(Best { score, step }) => format!(
                "the validation score has not risen above {score:.4} of step {step} in {count} \
                 validations"
            ),
            None => format!("the validation score was no number in {count} validations"),
        })
    }

    fn append(&mut self, event: &Event) -> Result<(), TrainError> {
        match &mut self.log {
            Some(log) => Ok(log.append(event)?),
            None => Ok(()),
        }
    }

    /// The rows of a batch that cannot be trained on.
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
        history
            .events
            .push(note("the validation score is no number"));
        assert!(!has_noted_collapse(&history));
        history
            .events
            .push(note(&format!("{COLLAPSED} (mean cosine 0.999)")));
        assert!(has_noted_collapse(&history));
    }

    #[test]
    fn what_is_no_number_is_never_the_best() {
        let best = |score| Some(Best { score, step: 1 });
        assert!(is_better(-1.0, None));
        assert!(is_better(0.6, best(0.5)));
        assert!(!is_better(0.5, best(0.5)));
        assert!(!is_better(f64::NAN, None));
        assert!(!is_better(f64::NAN, best(0.5)));
        assert!(is_better(0.1, best(f64::NAN)));
    }
}
