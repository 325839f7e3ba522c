//! `fit` and `rerank`: train a model.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use program::Console;

use crate::cli::FitArgs;
use crate::config::Given;
use crate::error::TrainError;
use crate::evaluation::{ScoreChange, Scores};
use crate::run::{FitResult, RunContext, SAMPLE_QUERIES, Samples, fit};
use crate::shell::quoted;
use crate::stop::{Phase, Stop};
use crate::train::dashboard;

/// Values printed per vector.
const SHOWN: usize = 3;

/// Runs the command `name`.
pub(super) fn run(
    name: &'static str,
    mut arguments: FitArgs<Given>,
    notes: Console,
) -> Result<(), TrainError> {
    arguments.read_config()?;
    let given = &arguments.settings;
    let result = fit(given, &context(name, &arguments, notes));
    let Some(result) = result.map_err(|error| given.located(error))? else {
        return Ok(());
    };
    super::print(|out| print(out, &result))
}

impl<S: Args> FitArgs<S> {
    /// The same arguments with the settings that `given` gets.
    pub(super) fn map(self, given: impl FnOnce(S) -> Given) -> FitArgs<Given> {
        FitArgs {
            config: self.config,
            resume: self.resume,
            no_dashboard: self.no_dashboard,
            threads: self.threads,
            settings: given(self.settings),
        }
    }
}

/// The context of a run of the command with these arguments, which Ctrl-C stops.
pub(super) fn context(
    name: &'static str,
    arguments: &FitArgs<Given>,
    notes: Console,
) -> RunContext {
    let stop = Stop::default();
    stop_on_interrupt(&stop, notes);
    RunContext {
        name,
        resume: arguments.resume,
        notes,
        dashboard: !arguments.no_dashboard,
        stop,
        command: command_line(std::env::args_os().map(|word| word.to_string_lossy().into_owned())),
    }
}

impl FitArgs<Given> {
    /// Adds the settings of the config file that are not given.
    pub(super) fn read_config(&mut self) -> Result<(), TrainError> {
        if let Some(path) = self.config.take() {
            self.settings = std::mem::take(&mut self.settings).over(config(&path)?);
        }
        Ok(())
    }
}

/// The settings of a config file. Invalid ones are usage errors, as on the command line.
fn config(path: &Path) -> Result<Given, TrainError> {
    Given::read(path).map_err(|error| match error {
        TrainError::Config { .. } => TrainError::Usage(error.to_string()),
        error => error,
    })
}

/// The first Ctrl-C ends the run after its current step, with a checkpoint; the second ends the
/// program at once.
fn stop_on_interrupt(stop: &Stop, notes: Console) {
    let stop = stop.clone();
    program::interrupt::on_interrupt(move |_| {
        if stop.is_asked() {
            dashboard::restore_terminal();
            program::interrupt::exit_now();
        }
        // The dashboard covers stderr.
        if !dashboard::is_shown() {
            let effect = match stop.phase() {
                Phase::Preparing => "stopping before the first step",
                Phase::Training => "stopping after this step, with a checkpoint",
                Phase::Finishing => "training is over, writing the model",
            };
            notes.warning(format_args!("{effect}; press Ctrl-C again to stop now"));
        }
        stop.ask();
    });
}

fn print(out: &mut impl Write, result: &FitResult) -> io::Result<()> {
    writeln!(out, "steps         {}", result.steps)?;
    if let Some(reason) = &result.stopped {
        writeln!(out, "stopped       {reason}")?;
    }
    let losses: Vec<f64> = result.history.steps().map(|step| step.loss).collect();
    if let (Some(first), Some(last)) = (losses.first(), losses.last()) {
        writeln!(out, "loss          {first:.6} -> {last:.6}")?;
    }
    let change = &result.change;
    writeln!(
        out,
        "weights       {} of {} tensors changed, {} of {} values, by at most {:.1e}",
        change.changed_tensors,
        change.tensors,
        change.changed_values,
        change.values,
        change.largest
    )?;
    scores(out, result.before.as_ref(), result.after.as_ref())?;
    if let Some(samples) = &result.samples {
        vectors(out, samples)?;
    }
    if let Some(output) = &result.output {
        writeln!(out, "\nmodel         {}", output.display())?;
        writeln!(
            out,
            "report        {}",
            output.join("report.html").display()
        )?;
    }
    Ok(())
}

fn vectors(out: &mut impl Write, samples: &Samples) -> io::Result<()> {
    writeln!(
        out,
        "\nvectors       before                            after                             cosine"
    )?;
    let vectors = samples.before.rows().zip(samples.after.rows());
    for ((query, (before, after)), cosine) in
        SAMPLE_QUERIES.iter().zip(vectors).zip(samples.cosines())
    {
        writeln!(out, "{query}")?;
        writeln!(
            out,
            "              {:<33} {:<33} {cosine:.6}",
            first_values(before),
            first_values(after)
        )?;
    }
    Ok(())
}

fn first_values(vector: &[f32]) -> String {
    let values: Vec<String> = vector
        .iter()
        .take(SHOWN)
        .map(|value| format!("{value:.5}"))
        .collect();
    format!("[{}, ...]", values.join(", "))
}

/// Scores before and after; flags the ones that dropped.
fn scores(out: &mut impl Write, before: Option<&Scores>, after: Option<&Scores>) -> io::Result<()> {
    for change in ScoreChange::all(before, after) {
        let (Some(was), Some(is)) = (change.before, change.after) else {
            continue;
        };
        let verdict = if change.is_worse() { "  worse" } else { "" };
        let (name, difference) = (change.name, is - was);
        writeln!(
            out,
            "{name:<13} {was:.4} -> {is:.4}  ({difference:+.4}){verdict}"
        )?;
    }
    Ok(())
}

/// The command as typed, with absolute paths reduced to file names: the model card is public.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let short = |argument: &str| {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (format!("{option}="), value),
            _ => (String::new(), argument),
        };
        let path = Path::new(value);
        let name = path.file_name().filter(|_| path.is_absolute());
        let value = name.map_or(value.into(), |name| name.to_string_lossy());
        quoted(&format!("{option}{value}"))
    };
    let words = arguments.enumerate().map(|(index, argument)| match index {
        0 => "train".to_owned(),
        _ => short(&argument),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let arguments = ["/usr/bin/train", "fit", "--train", "my pairs.tsv", "it's"];
        assert_eq!(
            command_line(arguments.iter().map(ToString::to_string)),
            r"train fit --train 'my pairs.tsv' 'it'\''s'"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_command_hides_the_folders_of_this_machine() {
        let arguments = [
            "train",
            "fit",
            "--train",
            "/home/me/pairs.tsv",
            "--valid=/home/me/held-out.tsv",
            "--output",
            "tuned/a",
        ];
        assert_eq!(
            command_line(arguments.iter().map(ToString::to_string)),
            "train fit --train pairs.tsv --valid=held-out.tsv --output tuned/a"
        );
    }

    #[test]
    fn dropped_scores_are_flagged() {
        let before = Scores::new("ndcg@10", 0.5)
            .with("mrr@10", 0.4)
            .with("accuracy@1", 0.3);
        let after = Scores::new("ndcg@10", 0.6)
            .with("mrr@10", 0.3)
            .with("accuracy@1", 0.299_999);
        let mut out = Vec::new();
        scores(&mut out, Some(&before), Some(&after)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("ndcg@10       0.5000 -> 0.6000  (+0.1000)\n"),
            "{text}"
        );
        assert!(
            text.contains("mrr@10        0.4000 -> 0.3000  (-0.1000)  worse\n"),
            "{text}"
        );
        // What four decimals do not show is no difference.
        assert!(text.ends_with("0.3000 -> 0.3000  (-0.0000)\n"), "{text}");
    }
}
