//! Monitoring of a run: log, progress line, validation, best model, early stopping, collapse.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use program::Console;

use super::failed_batch::FailedBatch;
use crate::data::TextTable;
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::losses::collapse::has_collapsed;
use crate::report::{EvaluationRecord, Event, History, MetricsLog, ProgressLine};
use crate::shell::quoted;
use crate::train::checkpoint::{Best, CheckpointFolder, Position};
use crate::train::step::StepOutput;
use crate::train::{NotFinite, Observer, StepEvent, Validation, Verdict};

/// Whether a score replaces the best so far. NaN is never best; any number replaces a NaN best.
fn is_better(score: f64, best: Option<Best>) -> bool {
    !score.is_nan() && best.is_none_or(|best| best.score.is_nan() || score > best.score)
}

/// Scores a model.
pub(super) type Validate<M> = Box<dyn Fn(&M) -> Result<Scores, TrainError> + Send>;

/// Saves the model of a step.
pub(super) type Keep<M> = Box<dyn Fn(&M, usize) -> Result<(), TrainError> + Send>;

/// Observes the training of models `M`.
pub(super) struct Monitor<M> {
    pub(super) log: MetricsLog,
    /// `None` if a dashboard is shown.
    pub(super) line: Option<ProgressLine>,
    /// Silent if a dashboard is shown: warnings then wait until it closes.
    pub(super) console: Console,
    pub(super) dashboard: bool,
    /// The folder of the run.
    pub(super) folder: Option<PathBuf>,
    pub(super) table: Arc<TextTable>,
    /// `None` without validation rows.
    pub(super) validate: Option<Validate<M>>,
    /// `None` if the last weights are kept.
    pub(super) keep_best: Option<Keep<M>>,
    /// Validations without a better score after which the run ends.
    pub(super) patience: Option<usize>,
    /// Recommended loss instead of a loss without negatives.
    pub(super) better_loss: Option<&'static str>,
    /// The starts of notes that a run has once, and that this one has.
    pub(super) noted: Vec<&'static str>,
    /// Passes over the rows so far.
    pub(super) passes: f64,
}

/// Start of the note on a collapse.
const COLLAPSED: &str = "the vectors of different texts have collapsed into one";

/// Start of the note on a step that changes nothing.
const NO_GRADIENT: &str = "the gradient is 0";

/// The notes that the log of a run has, of those that it has once.
pub(super) fn noted(history: &History) -> Vec<&'static str> {
    let mut noted = vec![COLLAPSED, NO_GRADIENT];
    noted.retain(|start| history.notes().any(|note| note.starts_with(start)));
    noted
}

impl<M> Observer<M> for Monitor<M> {
    fn stepped(&mut self, event: &StepEvent<'_>) -> Result<(), TrainError> {
        self.passes = event.record.epoch;
        self.log.append(Event::Step(event.record.clone()))?;
        let line = self.line.as_mut();
        if let Some(line) = line.and_then(|line| line.line(event.record)) {
            self.console.note(line);
        }
        self.look_for_gradient(event.record.step, event.record.gradient_norm)?;
        self.look_for_collapse(event.record.step, event.output)
    }

    fn validates(&self) -> bool {
        self.validate.is_some()
    }

    fn validate(
        &mut self,
        model: &M,
        loss: Option<f64>,
        position: &mut Position,
    ) -> Result<Validation, TrainError> {
        let Some(validate) = &self.validate else {
            return Ok(Validation {
                verdict: Verdict::Continue,
                score: None,
            });
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
        self.console.note(format_args!(
            "step {}  {name} {score:.4}{loss}",
            position.step
        ));
        self.log.append(Event::Evaluation(record))?;
        // The base model is no checkpoint: nothing is kept of it.
        if position.step > 0 {
            self.judge(model, score, position)?;
        }
        position.validation_due = false;
        Ok(Validation {
            verdict: self.verdict(position),
            score: Some(score),
        })
    }

    fn verdict(&self, position: &Position) -> Verdict {
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

    fn events(&self) -> usize {
        self.log.history().events.len()
    }

    fn not_finite(
        &self,
        (what, value): NotFinite,
        position: &Position,
        rows: &[usize],
    ) -> TrainError {
        let step = position.step + 1;
        let batch = FailedBatch::of_step(step, &self.table, rows, self.folder.as_deref());
        TrainError::NotFinite {
            step,
            what,
            value,
            advice: self.recovery_advice(position),
            batch: batch.to_string(),
        }
    }
}

impl<M> Monitor<M> {
    /// The events of the run.
    pub(super) fn into_history(self) -> History {
        self.log.into_history()
    }

    /// Keeps the model if it is the best so far, else counts the validation.
    fn judge(&mut self, model: &M, score: f64, position: &mut Position) -> Result<(), TrainError> {
        let step = position.step;
        if is_better(score, position.best) {
            if let Some(keep) = &self.keep_best {
                keep(model, step)?;
            }
            position.best = Some(Best { score, step });
            position.without_improvement = 0;
        } else {
            position.without_improvement += 1;
        }
        if score.is_nan() {
            let text = "the validation score is NaN: no model is kept as the best";
            self.warn(step, text.to_owned())?;
        }
        Ok(())
    }

    /// Rows may have nothing to teach, such as one row alone, whose batch has no negatives.
    fn look_for_gradient(&mut self, step: usize, norm: f64) -> Result<(), TrainError> {
        if norm > 0.0 {
            return Ok(());
        }
        let text = ": its rows teach this loss nothing, such as a row without negatives";
        self.warn_once(step, NO_GRADIENT, text)
    }

    /// A loss without negatives is smallest when all vectors are equal.
    fn look_for_collapse(&mut self, step: usize, output: &StepOutput) -> Result<(), TrainError> {
        let (Some(better), Some(cosine)) = (self.better_loss, output.mean_cosine) else {
            return Ok(());
        };
        if !has_collapsed(cosine) {
            return Ok(());
        }
        let text =
            format!(" (mean cosine {cosine:.3}): this loss has no negatives; use --loss {better}");
        self.warn_once(step, COLLAPSED, &text)
    }

    fn warn_once(
        &mut self,
        step: usize,
        start: &'static str,
        rest: &str,
    ) -> Result<(), TrainError> {
        if self.noted.contains(&start) {
            return Ok(());
        }
        self.noted.push(start);
        self.warn(step, format!("{start}{rest}"))
    }

    /// Prints a warning, unless a dashboard is shown, and logs it for the report.
    fn warn(&mut self, step: usize, text: String) -> Result<(), TrainError> {
        if !self.dashboard {
            self.console.warning(format_args!("step {step}: {text}"));
        }
        self.log.append(Event::Note { step, text })?;
        Ok(())
    }

    /// Advice for a run with a NaN or infinite loss: resuming it would fail again.
    fn recovery_advice(&self, position: &Position) -> String {
        const ADVICE: &str =
            "start a new run with another --output and a lower --lr or a longer --warmup";
        let best = self.folder.as_deref().zip(position.best);
        let best = best.map(|(run, best)| CheckpointFolder::of_run(run).best_model(best.step));
        match best.filter(|model| model.is_dir()) {
            Some(model) => format!(
                "{ADVICE}; the best weights so far can be its --model {}",
                quoted(&model.to_string_lossy())
            ),
            None => ADVICE.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::data::{Example, RowKind};

    /// A monitor of models that are their own scores, and the steps whose models it kept.
    fn monitor(patience: Option<usize>) -> (Monitor<f64>, Arc<Mutex<Vec<usize>>>) {
        let kept: Arc<Mutex<Vec<usize>>> = Arc::default();
        let keeper = Arc::clone(&kept);
        let row = Example {
            texts: vec!["a".to_owned(), "b".to_owned()],
            target: None,
        };
        let monitor = Monitor {
            log: MetricsLog::in_memory(),
            line: None,
            console: Console::new(true),
            dashboard: false,
            folder: None,
            table: Arc::new(TextTable::from_rows(RowKind::Pairs, [row]).unwrap()),
            validate: Some(Box::new(|score: &f64| Ok(Scores::new("ndcg@10", *score)))),
            keep_best: Some(Box::new(move |_, step| {
                keeper.lock().unwrap().push(step);
                Ok(())
            })),
            patience,
            better_loss: Some("multiple-negatives-ranking"),
            noted: Vec::new(),
            passes: 0.0,
        };
        (monitor, kept)
    }

    /// Validates models with these scores, before the first step and after each.
    fn validated(monitor: &mut Monitor<f64>, scores: &[f64]) -> (Position, Vec<Verdict>) {
        let mut position = Position::default();
        let verdicts = scores.iter().enumerate().map(|(step, score)| {
            position.step = step;
            position.validation_due = true;
            let validation = monitor.validate(score, None, &mut position).unwrap();
            assert!(!position.validation_due);
            validation.verdict
        });
        let verdicts = verdicts.collect();
        (position, verdicts)
    }

    #[test]
    fn the_best_checkpoint_is_kept_and_never_the_base_model() {
        let (mut monitor, kept) = monitor(None);
        let (position, verdicts) = validated(&mut monitor, &[0.9, 0.5, 0.4, 0.6, 0.6, f64::NAN]);
        assert_eq!(*kept.lock().unwrap(), [1, 3]);
        let best = Best {
            score: 0.6,
            step: 3,
        };
        assert_eq!(position.best, Some(best));
        assert_eq!(position.without_improvement, 2);
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Continue));
        let history = monitor.into_history();
        assert_eq!(history.evaluations().count(), 6);
        let notes: Vec<&str> = history.notes().collect();
        assert!(notes.len() == 1 && notes[0].contains("NaN"), "{notes:?}");
    }

    #[test]
    fn patience_ends_a_run() {
        let (mut monitor, _) = monitor(Some(2));
        let (position, verdicts) = validated(&mut monitor, &[0.1, 0.5, 0.4, 0.6, 0.6, 0.5]);
        let stops = |verdict: &Verdict| matches!(verdict, Verdict::Stop(_));
        assert_eq!(verdicts.iter().position(stops), Some(5));
        assert_eq!(monitor.verdict(&position), verdicts[5]);
        let Verdict::Stop(reason) = &verdicts[5] else {
            panic!("{verdicts:?}")
        };
        assert!(reason.contains("0.6000 of step 3 in 2"), "{reason}");
        let (mut monitor, _) = self::monitor(Some(1));
        let (_, verdicts) = validated(&mut monitor, &[0.1, f64::NAN]);
        let Verdict::Stop(reason) = &verdicts[1] else {
            panic!("{verdicts:?}")
        };
        assert!(reason.contains("NaN in 1"), "{reason}");
    }

    #[test]
    fn a_collapse_is_noted_once_in_all_runs_together() {
        let (mut monitor, _) = monitor(None);
        assert_eq!(noted(&History::default()), [""; 0]);
        for (step, cosine) in [(1, 0.5), (2, 0.999), (3, 0.999)] {
            let output = StepOutput {
                mean_cosine: Some(cosine),
                ..StepOutput::default()
            };
            monitor.look_for_collapse(step, &output).unwrap();
        }
        let history = monitor.into_history();
        assert_eq!(noted(&history), [COLLAPSED]);
        assert_eq!(history.events.len(), 1);
        assert_eq!(history.events[0].step(), 2);
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_step_and_rows() {
        let (monitor, _) = monitor(None);
        let position = Position {
            step: 4,
            ..Position::default()
        };
        for what in [("loss", f64::NAN), ("norm of the gradients", f64::INFINITY)] {
            let message = monitor.not_finite(what, &position, &[0]).to_string();
            for part in ["step 5", "line 1", "--lr"] {
                assert!(message.contains(part), "{message}");
            }
        }
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
