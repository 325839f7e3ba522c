//! One precision on one number of threads.

use std::time::{Duration, Instant};

use model::{ModelError, Precision, SentenceEncoder, threads};

use super::arguments::{OneSheet, ScalingArgs};
use super::report::{BatchTime, Rate, Sheet};
use super::texts::{self, WORKLOADS};
use crate::error::BenchmarkError;
use crate::peak;
use crate::roofline::{Peak, Work};

/// Tokens of each text of a batch, and how many texts: by length, then by texts.
const LENGTHS: [usize; 7] = [8, 16, 32, 64, 128, 256, 384];
const FEW_AND_SOME: [usize; 2] = [1, 8];
const COUNTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const LENGTH_OF_COUNTS: usize = 32;

/// Shorter measurements repeat until this time is over: other programs disturb them more easily.
const LEAST_TIME: Duration = Duration::from_millis(300);

pub(crate) fn sheet(arguments: &ScalingArgs, one: OneSheet) -> Result<Sheet, BenchmarkError> {
    threads::start(Some(one.threads))?;
    let threads = rayon::current_num_threads();
    // In the same process and minute as the times, because a machine's speed drifts.
    let operations_per_second = peak::operations_per_second(threads);
    let peak = Peak {
        operations_per_second,
        linear_operations_per_second: match one.precision {
            Precision::Int8 => peak::int8_operations_per_second(threads),
            Precision::Bfloat16 => peak::bfloat16_operations_per_second(threads),
            _ => operations_per_second,
        },
        streamed_bytes_per_second: peak::streamed_bytes_per_second(threads),
    };
    let encoder = SentenceEncoder::builder()
        .device(arguments.device)
        .precision(one.precision)
        .load(&arguments.model)?;
    let checkpoint = encoder.checkpoint().ok_or(BenchmarkError::StaticModel)?;
    let measure = Measure {
        work: Work::of(&checkpoint.config, one.precision),
        encoder,
        peak,
        runs: arguments.runs,
    };
    let batches = if one.with_tables {
        shapes(measure.encoder.tokenizer().max_length())
    } else {
        Vec::new()
    };
    Ok(Sheet {
        precision: one.precision.to_string(),
        threads,
        weight_bytes: measure.work.bytes(),
        peak,
        rates: WORKLOADS
            .iter()
            .map(|name| measure.rate(name))
            .collect::<Result<_, _>>()?,
        batches: batches
            .into_iter()
            .map(|(count, length)| measure.batch(count, length))
            .collect::<Result<_, _>>()?,
    })
}

/// Texts and tokens of each, as far as the model reads.
fn shapes(longest: usize) -> Vec<(usize, usize)> {
    let by_length = FEW_AND_SOME
        .iter()
        .flat_map(|&count| LENGTHS.map(|length| (count, length)));
    let by_count = COUNTS.map(|count| (count, LENGTH_OF_COUNTS));
    by_length
        .chain(by_count)
        .filter(|&(_, length)| length <= longest)
        .collect()
}

struct Measure {
    encoder: SentenceEncoder,
    work: Work,
    peak: Peak,
    runs: u32,
}

impl Measure {
    fn rate(&self, name: &str) -> Result<Rate, BenchmarkError> {
        let texts = texts::workload(name)?;
        let lengths = texts::lengths(self.encoder.tokenizer(), &texts)?;
        let one_a_call = name == WORKLOADS[0];
        let calls: Vec<(&[String], &[usize])> = if one_a_call {
            texts.chunks(1).zip(lengths.chunks(1)).collect()
        } else {
            vec![(&texts, &lengths)]
        };
        let seconds = self.best(|| calls.iter().try_for_each(|(texts, _)| self.encode(texts)))?;
        let seconds_at_roofline: f64 = calls
            .iter()
            .map(|(_, lengths)| self.work.roofline(lengths, self.peak).seconds)
            .sum();
        Ok(Rate {
            workload: name.to_owned(),
            texts: texts.len(),
            texts_per_second: texts.len() as f64 / seconds,
            roofline_texts_per_second: texts.len() as f64 / seconds_at_roofline,
        })
    }

    fn batch(&self, count: usize, length: usize) -> Result<BatchTime, BenchmarkError> {
        let texts = vec![texts::of_length(self.encoder.tokenizer(), length)?; count];
        let seconds = self.best(|| self.encode(&texts))?;
        let lengths = vec![length; count];
        let roofline = self.work.roofline(&lengths, self.peak);
        Ok(BatchTime {
            texts: count,
            length,
            milliseconds: 1e3 * seconds,
            roofline_milliseconds: 1e3 * roofline.seconds,
            bound: roofline.bound,
            operations_per_second: self.work.operations(&lengths) / seconds,
        })
    }

    fn encode(&self, texts: &[String]) -> Result<(), ModelError> {
        self.encoder.encode(texts).map(drop)
    }

    /// Seconds of the best repetition, after one that does not count.
    fn best(&self, mut run: impl FnMut() -> Result<(), ModelError>) -> Result<f64, ModelError> {
        run()?;
        let begun = Instant::now();
        let mut best = f64::INFINITY;
        let mut runs = 0;
        while runs < self.runs || begun.elapsed() < LEAST_TIME {
            let start = Instant::now();
            run()?;
            best = best.min(start.elapsed().as_secs_f64());
            runs += 1;
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_that_the_model_reads() {
        assert_eq!(shapes(384).len(), 7 + 7 + 7);
        // By length at 1 and at 8 texts up to 16, and none by texts, which has 32 tokens.
        assert_eq!(shapes(16), [(1, 8), (1, 16), (8, 8), (8, 16)]);
    }
}
