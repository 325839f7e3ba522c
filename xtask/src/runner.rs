//! Runs steps, says which one is running, and how long each took.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::step::Step;

/// Runs steps and writes a log of them.
///
/// The log goes to stderr, where a failure to write it is no reason to stop.
pub(crate) struct Runner {
    log: Box<dyn Write>,
    times: Vec<(&'static str, Duration)>,
}

impl Runner {
    /// A runner that writes its log to `log`.
    pub(crate) fn new(log: Box<dyn Write>) -> Self {
        Self {
            log,
            times: Vec::new(),
        }
    }

    /// Runs one step; its output goes where this program's goes.
    pub(crate) fn run(&mut self, step: &Step) -> Result<(), TaskError> {
        self.time(step, |command| command.status().map(|status| (status, ())))
    }

    /// Runs steps until one fails.
    pub(crate) fn run_all(&mut self, steps: &[Step]) -> Result<(), TaskError> {
        steps.iter().try_for_each(|step| self.run(step))
    }

    /// Runs one step and returns what it wrote to stdout, without the white space around it.
    pub(crate) fn output(&mut self, step: &Step) -> Result<String, TaskError> {
        self.time(step, |command| {
            let output = command.stderr(Stdio::inherit()).output()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Ok((output.status, text))
        })
    }

    fn time<T>(
        &mut self,
        step: &Step,
        run: impl FnOnce(&mut Command) -> io::Result<(std::process::ExitStatus, T)>,
    ) -> Result<T, TaskError> {
        self.note(format_args!("{}: {}", step.title(), step.command_line()));
        let started = Instant::now();
        let outcome = run(&mut step.command());
        let (status, result) = outcome.map_err(|source| not_started(step, source))?;
        let elapsed = started.elapsed();
        self.times.push((step.title(), elapsed));
        if !status.success() {
            return Err(TaskError::Failed {
                title: step.title(),
                status,
                command: step.command_line(),
            });
        }
        self.note(format_args!("{}: {}", step.title(), seconds(elapsed)));
        Ok(result)
    }

    /// Writes a line to the log.
    pub(crate) fn note(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.log, "xtask: {line}");
    }

    /// Writes how long each step took, where there was more than one.
    pub(crate) fn summary(&mut self) {
        if self.times.len() < 2 {
            return;
        }
        for (title, time) in std::mem::take(&mut self.times) {
            self.note(format_args!("{:>10}  {title}", seconds(time)));
        }
    }

    /// Writes why the task ended early.
    pub(crate) fn failure(&mut self, error: &TaskError) {
        let mut line = format!("error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        self.note(format_args!("{line}"));
    }
}

fn not_started(step: &Step, source: io::Error) -> TaskError {
    let program = step.program().to_owned();
    match step.install() {
        Some(install) if source.kind() == io::ErrorKind::NotFound => TaskError::NotInstalled {
            title: step.title(),
            program,
            install,
        },
        _ => TaskError::NotStarted { program, source },
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::cargo::cargo;

    #[derive(Clone, Default)]
    struct Log(Rc<RefCell<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn runner(&self) -> Runner {
            Runner::new(Box::new(self.clone()))
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    #[test]
    fn steps_are_announced_and_timed() {
        let log = Log::default();
        let mut runner = log.runner();
        let step = cargo("version").arguments(["--version"]);
        assert!(runner.output(&step).unwrap().starts_with("cargo "));
        runner.output(&step).unwrap();
        runner.summary();
        let text = log.text();
        assert!(
            text.starts_with("xtask: version: cargo --version\n"),
            "{text}"
        );
        assert_eq!(text.matches(" s  version\n").count(), 2, "{text}");
    }

    #[test]
    fn the_first_failure_ends_the_task() {
        let log = Log::default();
        let mut runner = log.runner();
        let unknown = cargo("first").arguments(["version", "--no-such-option"]);
        let error = runner.run_all(&[unknown, cargo("second")]).unwrap_err();
        assert!(matches!(error, TaskError::Failed { title: "first", .. }));
        assert!(!log.text().contains("second"));
    }

    #[test]
    fn a_missing_program_says_how_to_install_it() {
        let log = Log::default();
        let mut runner = log.runner();
        let step = Step::new("spelling", "no-such-program").installed_by("pip install it");
        let error = runner.run(&step).unwrap_err();
        runner.failure(&error);
        let expected = "xtask: error: the step `spelling` needs `no-such-program`, which is not \
                        installed; install it with `pip install it`\n";
        assert!(log.text().ends_with(expected), "{}", log.text());
    }

    #[test]
    fn a_failure_is_told_with_its_cause() {
        let log = Log::default();
        let error = log
            .runner()
            .run(&Step::new("odd", "no-such-program"))
            .unwrap_err();
        log.runner().failure(&error);
        let text = log.text();
        assert!(
            text.contains("`no-such-program` could not be started: "),
            "{text}"
        );
    }
}
