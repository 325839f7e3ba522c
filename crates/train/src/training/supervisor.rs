//! Who watches a run: log, progress line, validation, the best model, early stopping, collapse.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use model::SentenceModel;
use model::TrainingBackend;

use super::checkpoint::{Best, Position};
use crate::data::TextTable;
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::losses::collapse::has_collapsed;
use crate::report::{EvaluationRecord, Event, MetricsLog, ProgressLine, StepRecord};
use crate::step::StepOutput;
use crate::terminal::Notes;

/// Texts of a batch that a message shows.
const SHOWN_TEXTS: usize = 4;

/// The most characters of each.
const SHOWN_CHARACTERS: usize = 60;

type Inner<B> = <B as AutodiffBackend>::InnerBackend;

/// Scores of a model.
pub(crate) type Validate<B> =
    Box<dyn Fn(&SentenceModel<Inner<B>>) -> Result<Scores, TrainError> + Send>;

/// Keeps a model.
pub(crate) type Keep<B> = Box<dyn Fn(&SentenceModel<Inner<B>>) -> Result<(), TrainError> + Send>;

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
    pub(crate) notes: Notes,
    pub(crate) table: Arc<TextTable>,
    pub(crate) validate: Option<Validate<B>>,
    pub(crate) keep_best: Option<Keep<B>>,
    /// Validations without a better score after which the run ends.
    pub(crate) patience: Option<usize>,
    /// What to use instead of a loss without negatives.
    pub(crate) better_loss: Option<&'static str>,
    pub(crate) collapse_noted: bool,
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
            "the vectors of different texts have become one (mean cosine {cosine:.3}): this loss \
             has no negatives; use --loss {better}"
        );
        self.notes.warning(format_args!("step {step}: {text}"));
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
            epoch: position.epoch as f64,
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
            if position.best.is_none_or(|best| score > best.score) {
                position.best = Some(Best {
                    score,
                    step: position.step,
                });
                position.without_improvement = 0;
                if let Some(keep) = &self.keep_best {
                    keep(model)?;
                }
            } else {
                position.without_improvement += 1;
            }
        }
        let verdict = match (self.patience, position.best) {
            (Some(patience), Some(best)) if position.without_improvement >= patience => {
                Verdict::Stop(format!(
                    "{name} has not risen above {:.4} of step {} in {} validations",
                    best.score, best.step, position.without_improvement
                ))
            }
            _ => Verdict::GoOn,
        };
        Ok((verdict, Some(score)))
    }

    fn append(&mut self, event: &Event) -> Result<(), TrainError> {
        match &mut self.log {
            Some(log) => Ok(log.append(event)?),
            None => Ok(()),
        }
    }

    /// The first texts of some rows, for a message.
    pub(crate) fn describe(&self, positions: &[usize]) -> String {
        let shown = positions.iter().take(SHOWN_TEXTS).map(|&position| {
            let row = self.table.row(position);
            let texts: Vec<String> = row
                .texts()
                .map(|text| format!("\"{}\"", shorten(text)))
                .collect();
            format!("line {}: {}", row.line(), texts.join(" / "))
        });
        let mut text = shown.collect::<Vec<_>>().join("; ");
        if positions.len() > SHOWN_TEXTS {
            text.push_str(&format!("; and {} more", positions.len() - SHOWN_TEXTS));
        }
        text
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
