//! How the time of embedding grows with threads, length and batch, compared with the roofline.
//!
//! | figure | of |
//! | --- | --- |
//! | texts/s | `singles` and `queries` of `datasets/bench`, on 1, 2, 4, … threads and on all cores |
//! | ms per batch by length | 8 to 384 tokens, in batches of 1 and of 8 texts, on all cores |
//! | ms per batch by number of texts | 1 to 64 texts of 32 tokens, on all cores |
//! | the roofline | see `roofline.rs` |
//!
//! Times are of [`model::SentenceEncoder::encode`] with tokenization, the best of some repetitions.
//! A process cannot change its number of threads, so this program starts itself again for each
//! precision and number of threads, one process after the other.

mod arguments;
mod measure;
mod report;
pub(crate) mod texts;

use std::io::Write;
use std::process::{Command, Stdio};

use model::threads;

pub(crate) use arguments::ScalingArgs;

use crate::error::BenchmarkError;
use crate::note;
use report::{Report, Sheet};

pub(crate) fn run(arguments: &ScalingArgs, out: &mut impl Write) -> Result<(), BenchmarkError> {
    if let Some(one) = arguments.one_sheet() {
        let sheet = measure::sheet(arguments, one)?;
        serde_json::to_writer(&mut *out, &sheet).map_err(std::io::Error::from)?;
        return Ok(out.flush()?);
    }
    let counts = arguments.thread_counts(threads::physical_cores());
    let mut sheets = Vec::new();
    for precision in arguments.precisions()? {
        for &threads in &counts {
            note(format_args!("measuring {precision} on {threads} threads"));
            let tables = counts.last() == Some(&threads);
            sheets.push(in_a_process(
                &arguments.of_one_sheet(precision, threads, tables),
            )?);
        }
    }
    let report = Report {
        model: arguments.model.clone(),
        device: arguments.device.to_string(),
        sheets,
    };
    report.print(arguments.json, out)
}

/// One sheet, measured by this program in another process.
fn in_a_process(arguments: &[String]) -> Result<Sheet, BenchmarkError> {
    let program = std::env::current_exe().map_err(BenchmarkError::NotStarted)?;
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(BenchmarkError::NotStarted)?;
    if !output.status.success() {
        return Err(BenchmarkError::Failed {
            status: output.status,
            arguments: arguments.join(" "),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(BenchmarkError::Answer)
}
