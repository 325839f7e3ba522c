//! How the cost of embedding grows with threads, length and batch, beside the floor under it:
//! `cargo xtask bench scaling`.
//!
//! | what | how |
//! | --- | --- |
//! | texts a second | `singles` and `queries` of `datasets/bench`, on 1, 2, 4, … threads and on all cores |
//! | milliseconds a batch by length | 8 to 384 tokens, in batches of 1 and of 8 texts, on all cores |
//! | milliseconds a batch by texts | 1 to 64 texts of 32 tokens, on all cores |
//! | the floor | see `floor.rs` |
//!
//! Times are of [`model::SentenceEncoder::encode`] with tokenization, the best of some runs. The
//! threads of a process cannot be changed, so each precision and number of threads is a process of
//! its own, which this program starts of itself, one after the other.

mod arguments;
mod error;
mod floor;
mod measure;
#[path = "../../../kernels/benches/kernels/peak.rs"]
mod peak;
mod report;
mod texts;

use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use infer::{Failure, Terminal};
use model::threads;

use arguments::Arguments;
use error::ScalingError;
use report::{Report, Sheet};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut terminal = Terminal::new(false);
    match run(&arguments, &mut terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.notes().error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<(), ScalingError> {
    if let Some(one) = arguments.one_sheet() {
        let sheet = measure::sheet(arguments, one)?;
        serde_json::to_writer(terminal.out(), &sheet).map_err(Failure::from)?;
        return Ok(terminal.flush().map_err(Failure::from)?);
    }
    let counts = arguments.thread_counts(threads::physical_cores());
    let mut sheets = Vec::new();
    for precision in arguments.precisions()? {
        for &threads in &counts {
            terminal
                .notes()
                .note(format_args!("measuring {precision} on {threads} threads"));
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
    Ok(report.print(arguments.json, terminal)?)
}

/// One sheet, measured by this program in another process.
fn in_a_process(arguments: &[String]) -> Result<Sheet, ScalingError> {
    let program = std::env::current_exe().map_err(ScalingError::NotStarted)?;
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(ScalingError::NotStarted)?;
    if !output.status.success() {
        return Err(ScalingError::Failed {
            status: output.status,
            arguments: arguments.join(" "),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(ScalingError::Answer)
}
