//! The temperature of a tagger, so that the score of a span is about the probability that it is right.

use std::ops::ControlFlow;

use model::Tagger;
use model::backend::EncoderOps;
use model::parts::SentenceModel;

use super::finish::Finish;
use crate::error::TrainError;
use crate::evaluation::TagEvaluator;

/// Fewer found spans of validation rows say too little: the temperature stays 1.
const FEWEST_SPANS: usize = 50;

/// The range of temperatures.
const RANGE: [f64; 2] = [0.2, 20.0];

/// Steps of the search, each of which leaves 0.62 of the range of logarithms: the last one is below 1e-3 of it.
const STEPS: usize = 16;

/// The probability of a score of 0 or 1, whose logarithm is finite.
const LEAST: f64 = 1e-6;

impl Finish<'_> {
    /// Fits the temperature of the tuned tagger on the validation rows, and writes it into the output folder.
    pub(super) fn calibrate<B: EncoderOps>(
        &self,
        tuned: &SentenceModel<B>,
    ) -> Result<(), TrainError> {
        let notes = self.context.notes;
        let (Some(rows), Some(output)) = (self.rows.validation(), self.output) else {
            notes.note("without validation rows the scores of spans are not fitted");
            return Ok(());
        };
        let evaluator = rows.tag_evaluator()?;
        let tagger = Tagger::builder().device(self.device_name);
        let tagger = tagger.with_model(self.checkpoint, tuned.clone())?;
        let Some(temperature) = fitted(&tagger, &evaluator)? else {
            notes.note(format_args!(
                "fewer than {FEWEST_SPANS} of the found spans can be compared with the validation rows: the scores of spans are not fitted"
            ));
            return Ok(());
        };
        let mut settings = tagger.settings().clone();
        settings.temperature = temperature;
        settings.write(&output.path)?;
        notes.note(format_args!("temperature {temperature:.3}"));
        Ok(())
    }
}

/// The temperature with the least mean `-log p` of whether a span is right, for spans that are right with the probability of
/// their score; `None` for too few spans of which the rows say whether they are right.
fn fitted(tagger: &Tagger, evaluator: &TagEvaluator) -> Result<Option<f64>, TrainError> {
    let logits = tagger.logits(&evaluator.texts, |_| ControlFlow::Continue(()))?;
    let judged = |temperature: f64| -> Vec<(f64, bool)> {
        let texts = logits.iter().zip(&evaluator.categories).enumerate();
        let of_text = |(text, (logits, category)): (usize, (_, &Option<String>))| {
            let spans = tagger.decode(logits, category.as_deref(), temperature);
            let judged = evaluator.judged(text, &spans);
            let judged = judged.map(|(span, right)| (f64::from(span.score), right));
            judged.collect::<Vec<_>>()
        };
        texts.flat_map(of_text).collect()
    };
    if judged(1.0).len() < FEWEST_SPANS {
        return Ok(None);
    }
    Ok(Some(
        smallest(
            |logarithm| mean_loss(&judged(logarithm.exp())),
            RANGE.map(f64::ln),
        )
        .exp(),
    ))
}

/// The mean of `-log p`, or of `-log(1 - p)` for a span that is wrong.
fn mean_loss(judged: &[(f64, bool)]) -> f64 {
    let loss = |&(score, right): &(f64, bool)| {
        let probability = score.clamp(LEAST, 1.0 - LEAST);
        -(if right {
            probability
        } else {
            1.0 - probability
        })
        .ln()
    };
    judged.iter().map(loss).sum::<f64>() / judged.len().max(1) as f64
}

/// Where a function with one minimum is smallest: golden-section search (Kiefer, "Sequential Minimax Search for a Maximum",
/// 1953).
fn smallest(value: impl Fn(f64) -> f64, [mut low, mut high]: [f64; 2]) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let inner = |low: f64, high: f64| [high - ratio * (high - low), low + ratio * (high - low)];
    for _ in 0..STEPS {
        let [left, right] = inner(low, high);
        if value(left) <= value(right) {
            high = right
        } else {
            low = left
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{TaggedOptions, TextTable};

    #[test]
    fn the_search_finds_the_minimum() {
        let found = smallest(|place| (place - 0.7).powi(2), [-2.0, 3.0]);
        // The last interval is 5 * 0.618^16 wide.
        assert!((found - 0.7).abs() < 2.5e-3, "{found}");
        assert!(smallest(|place| place, [0.0, 1.0]) < 1e-3);
    }

    /// The fitted temperature of a tagger of brands and colours for a text whose brand is right, again and again.
    fn of_rows(end: &str) -> Option<f64> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let row = format!(
            "{{\"text\": \"acme red kettle\", \"spans\": [{{\"start\": 0, \"end\": 4, \"label\": \"brand\"}}]{end}}}\n"
        );
        std::fs::write(&path, row.repeat(FEWEST_SPANS)).unwrap();
        let table = TextTable::read_tagged(&[path], &TaggedOptions::default()).unwrap();
        let rows: Vec<usize> = (0..table.len()).collect();
        let evaluator = TagEvaluator::of_rows(&table, &rows).unwrap();
        let tagger = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../model/tests/fixtures/taggers/mpnet"
        );
        let tagger = Tagger::builder().load(tagger).unwrap();
        fitted(&tagger, &evaluator).unwrap()
    }

    #[test]
    fn only_spans_that_the_rows_speak_of_fit_the_temperature() {
        // All brands are right, and nothing says that the colours are wrong: the scores are too low.
        let open = of_rows(", \"open\": [\"colour\"]").unwrap();
        assert!(open < 1.0, "{open}");
        // Half of the spans are wrong.
        let complete = of_rows("").unwrap();
        assert!(complete > 1.0, "{complete}");
        assert_eq!(
            of_rows(", \"open\": [\"colour\", \"brand\"], \"category\": \"a\""),
            Some(open)
        );
    }

    #[test]
    fn the_loss_is_least_at_the_share_that_is_right() {
        // Three of four spans are right, whatever their score is.
        let loss =
            |score: f64| mean_loss(&[(score, true), (score, true), (score, true), (score, false)]);
        let best = smallest(loss, [0.01, 0.99]);
        assert!((best - 0.75).abs() < 1e-3, "{best}");
        assert!(mean_loss(&[(1.0, false)]).is_finite());
    }
}
