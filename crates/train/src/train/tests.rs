//! The loop with a toy learner, without tensors and files.

use std::cell::Cell;

use ::burn::data::dataloader::{DataLoaderIterator, Progress};

use super::*;

/// Number of rows of the batches of every epoch.
const EPOCH: [usize; 5] = [4, 4, 4, 4, 2];

/// Rows of the batches of an epoch; row `n` of epoch `e` is `100 * e + n`.
struct Rows {
    epoch: usize,
    next: usize,
}

impl Iterator for Rows {
    type Item = TrainingBatch;

    fn next(&mut self) -> Option<TrainingBatch> {
        let rows = *EPOCH.get(self.next)?;
        let begin = 100 * self.epoch + EPOCH[..self.next].iter().sum::<usize>();
        self.next += 1;
        Some(TrainingBatch {
            rows,
            positions: (begin..begin + rows).collect(),
            ..TrainingBatch::default()
        })
    }
}

impl DataLoaderIterator<TrainingBatch> for Rows {
    fn progress(&self) -> Progress {
        Progress::new(EPOCH[..self.next].iter().sum(), EPOCH.iter().sum())
    }
}

struct Epochs;

impl Batches for Epochs {
    fn train(&self, epoch: usize, batch: usize) -> BatchIterator<'_> {
        let next = batch;
        Box::new(Rows { epoch, next })
    }

    fn validation(&self) -> BatchIterator<'_> {
        Box::new(Rows { epoch: 0, next: 3 })
    }
}

/// Counts what the loop asks for.
#[derive(Default)]
struct Toy {
    /// Positions of the rows of every step.
    steps: Vec<Vec<usize>>,
    pending: Vec<usize>,
    shares: Vec<f64>,
    saved: Vec<Position>,
    loss: f64,
    norm: f64,
}

impl Learner for Toy {
    type Model = usize;

    fn accumulate(&mut self, batch: TrainingBatch) -> StepOutput {
        self.shares.push(batch.share());
        self.pending.extend(&batch.positions);
        StepOutput {
            loss: self.loss + batch.rows as f64,
            rows: batch.rows,
            ..StepOutput::default()
        }
    }

    fn update(&mut self, _: Option<f64>) -> Update {
        self.steps.push(std::mem::take(&mut self.pending));
        Update {
            gradient_norm: self.norm,
            learning_rate: 0.1,
        }
    }

    fn model(&self) -> usize {
        self.steps.len()
    }

    fn loss(&self, _: &usize, batch: TrainingBatch) -> StepOutput {
        StepOutput {
            loss: batch.rows as f64,
            rows: batch.rows,
            ..StepOutput::default()
        }
    }

    fn save(&mut self, position: &Position) -> Result<(), TrainError> {
        self.saved.push(position.clone());
        Ok(())
    }

    fn prune(&mut self, _: &Position) {}
}

/// Validates, and stops as it is told.
#[derive(Default)]
struct Watcher {
    losses: Vec<f64>,
    /// Steps of the validations, with their losses.
    validated: Vec<(usize, f64)>,
    /// The validation after this step ends the run.
    stop_at: Option<usize>,
    /// The validation after this step is interrupted.
    interrupt_at: Option<usize>,
}

impl Observer<usize> for Watcher {
    fn stepped(&mut self, event: &StepEvent<'_>) -> Result<(), TrainError> {
        self.losses.push(event.record.loss);
        Ok(())
    }

    fn validates(&self) -> bool {
        true
    }

    fn validate(
        &mut self,
        _: &usize,
        loss: Option<f64>,
        position: &mut Position,
    ) -> Result<Validation, TrainError> {
        if self.interrupt_at == Some(position.step) {
            return Err(EvaluationError::Interrupted.into());
        }
        self.validated.push((position.step, loss.unwrap()));
        position.validation_due = false;
        Ok(Validation {
            verdict: match self.stop_at {
                Some(step) if step == position.step => Verdict::Stop("enough".to_owned()),
                _ => Verdict::Continue,
            },
            score: None,
        })
    }

    fn verdict(&self, _: &Position) -> Verdict {
        Verdict::Continue
    }

    fn events(&self) -> usize {
        self.losses.len() + self.validated.len()
    }

    fn not_finite(&self, what: NotFinite, position: &Position, rows: &[usize]) -> TrainError {
        let (what, value) = what;
        TrainError::Usage(format!(
            "{what} {value} after step {}: {rows:?}",
            position.step
        ))
    }
}

fn plan() -> Plan {
    Plan {
        epochs: 2,
        total_steps: 6,
        accumulation: 2,
        largest_norm: None,
        evaluate_every: None,
        save_every: Some(100),
    }
}

/// Runs the loop to its end, from `position`.
fn run(
    plan: &Plan,
    toy: &mut Toy,
    watcher: &mut Watcher,
    position: &mut Position,
) -> Result<Ending, TrainError> {
    train(plan, toy, &Epochs, watcher, &|| false, position)
}

/// A whole run.
fn whole(plan: &Plan) -> (Toy, Watcher, Position) {
    let (mut toy, mut watcher) = (Toy::default(), Watcher::default());
    let mut position = Position::default();
    let ending = run(plan, &mut toy, &mut watcher, &mut position).unwrap();
    assert_eq!(ending, Ending::Finished);
    (toy, watcher, position)
}

fn steps(validated: &[(usize, f64)]) -> Vec<usize> {
    validated.iter().map(|(step, _)| *step).collect()
}

#[test]
fn batches_of_a_step_share_its_rows_and_the_remainder_is_a_step() {
    let (toy, watcher, position) = whole(&plan());
    let sizes: Vec<usize> = toy.steps.iter().map(Vec::len).collect();
    assert_eq!(sizes, [8, 8, 2, 8, 8, 2]);
    assert_eq!(toy.shares[..5], [0.5, 0.5, 0.5, 0.5, 1.0]);
    assert_eq!(watcher.losses[..3], [4.0, 4.0, 2.0]);
    assert_eq!((position.step, position.epoch, position.batch), (6, 2, 0));
    // Batches of different size count by their rows.
    let all = Plan {
        accumulation: 5,
        total_steps: 2,
        ..plan()
    };
    let (toy, watcher, _) = whole(&all);
    assert_eq!(toy.steps[1], (100..118).collect::<Vec<_>>());
    assert_eq!(toy.shares[4], 2.0 / 18.0);
    assert_eq!(watcher.losses[0], (4.0 * 16.0 + 2.0 * 2.0) / 18.0);
}

#[test]
fn validations_and_checkpoints_come_when_they_are_due_and_at_the_end() {
    let plan = Plan {
        evaluate_every: Some(2),
        save_every: Some(4),
        ..plan()
    };
    let (toy, watcher, _) = whole(&plan);
    // Before the first step, after every second, and after each epoch; once where they coincide.
    assert_eq!(steps(&watcher.validated), [0, 2, 3, 4, 6]);
    let losses = watcher.validated.iter().map(|(_, loss)| *loss);
    assert!(losses.into_iter().all(|loss| loss == (16.0 + 4.0) / 6.0));
    let saved: Vec<_> = toy
        .saved
        .iter()
        .map(|position| (position.step, position.epoch, position.batch))
        .collect();
    assert_eq!(saved, [(4, 1, 2), (6, 2, 0)]);
    // The checkpoint knows how much of the log belongs to it.
    let events: Vec<usize> = toy.saved.iter().map(|position| position.events).collect();
    assert_eq!(events, [4 + 4, 6 + 5]);
}

#[test]
fn a_checkpoint_before_the_validation_of_its_step_is_replaced() {
    let plan = Plan {
        save_every: Some(3),
        ..plan()
    };
    let (toy, _, _) = whole(&plan);
    let saved: Vec<_> = toy
        .saved
        .iter()
        .map(|position| (position.step, position.epoch))
        .collect();
    assert_eq!(saved, [(3, 0), (3, 1), (6, 1), (6, 2)]);
}

#[test]
fn a_stopped_run_has_a_checkpoint_and_the_rest_of_it_is_that_of_a_whole_run() {
    let (expected, all, end) = whole(&plan());
    for stop_after in 1..6 {
        let (mut toy, mut watcher) = (Toy::default(), Watcher::default());
        let mut position = Position::default();
        let asked = Cell::new(0);
        let is_stopped = || {
            asked.set(asked.get() + 1);
            asked.get() > stop_after + 2
        };
        let ending = train(
            &plan(),
            &mut toy,
            &Epochs,
            &mut watcher,
            &is_stopped,
            &mut position,
        );
        assert_eq!(ending.unwrap(), Ending::Interrupted);
        let mut resumed = toy.saved.last().unwrap().clone();
        assert_eq!(resumed, position);
        assert_eq!(resumed.step, toy.steps.len());
        let ending = run(&plan(), &mut toy, &mut watcher, &mut resumed).unwrap();
        assert_eq!(ending, Ending::Finished);
        assert_eq!(toy.steps, expected.steps, "stopped after {stop_after}");
        assert_eq!(steps(&watcher.validated), steps(&all.validated));
        assert_eq!((resumed.step, resumed.epoch), (end.step, end.epoch));
    }
}

#[test]
fn an_interrupted_validation_is_made_up_for() {
    let (mut toy, mut position) = (Toy::default(), Position::default());
    let mut watcher = Watcher {
        interrupt_at: Some(3),
        ..Watcher::default()
    };
    let ending = run(&plan(), &mut toy, &mut watcher, &mut position).unwrap();
    assert_eq!(ending, Ending::Interrupted);
    let mut resumed = toy.saved.last().unwrap().clone();
    assert!(resumed.validation_due);
    watcher.interrupt_at = None;
    run(&plan(), &mut toy, &mut watcher, &mut resumed).unwrap();
    assert_eq!(steps(&watcher.validated), [0, 3, 6]);
    assert_eq!(toy.steps.len(), 6);
}

#[test]
fn a_verdict_ends_a_run_within_and_after_an_epoch() {
    for (stop_at, evaluate_every) in [(2, Some(2)), (3, None)] {
        let plan = Plan {
            evaluate_every,
            ..plan()
        };
        let (mut toy, mut position) = (Toy::default(), Position::default());
        let mut watcher = Watcher {
            stop_at: Some(stop_at),
            ..Watcher::default()
        };
        let ending = run(&plan, &mut toy, &mut watcher, &mut position).unwrap();
        assert_eq!(ending, Ending::Stopped("enough".to_owned()));
        assert_eq!((toy.steps.len(), toy.saved.len()), (stop_at, 1));
    }
}

#[test]
fn a_limit_of_steps_ends_an_epoch_with_its_validation() {
    let plan = Plan {
        total_steps: 4,
        ..plan()
    };
    let (toy, watcher, position) = whole(&plan);
    assert_eq!(toy.steps.len(), 4);
    assert_eq!(steps(&watcher.validated), [0, 3, 4]);
    assert_eq!(toy.saved.last(), Some(&position));
}

#[test]
fn numbers_that_are_not_finite_name_their_rows() {
    let failed = |mut toy: Toy| {
        let (mut watcher, mut position) = (Watcher::default(), Position::default());
        let error = run(&plan(), &mut toy, &mut watcher, &mut position).unwrap_err();
        assert!(toy.saved.is_empty());
        error.to_string()
    };
    let loss = failed(Toy {
        loss: f64::NAN,
        ..Toy::default()
    });
    // Only those of the batch.
    assert_eq!(loss, "loss NaN after step 0: [0, 1, 2, 3]");
    let norm = failed(Toy {
        norm: f64::INFINITY,
        ..Toy::default()
    });
    assert_eq!(
        norm,
        "norm of the gradients inf after step 0: [0, 1, 2, 3, 4, 5, 6, 7]"
    );
}
