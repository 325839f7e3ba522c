//! Runs steps, says which one is running, and how long each took.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::checks::Check;
use crate::error::TaskError;
use crate::step::{Step, workspace_root};

/// Runs steps and writes a log of them.
///
/// The log goes to stderr, where a failure to write it is no reason to stop.
pub(crate) struct Runner {
    log: Box<dyn Write>,
    times: Vec<Time>,
    counts: Counts,
}

/// What a step took.
struct Time {
    title: &'static str,
    elapsed: Duration,
    /// Units that cargo compiled, if it was asked: a library, program, test or build script each.
    units: Option<usize>,
}

/// Tests that passed, failed and were ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts([usize; 3]);

/// A program that cargo has built.
#[derive(Clone, Debug)]
pub(crate) struct Executable {
    /// The package.
    pub(crate) package: String,
    /// The folder of the package's manifest.
    pub(crate) folder: PathBuf,
    /// The target.
    pub(crate) name: String,
    /// Whether it holds tests.
    pub(crate) test: bool,
    /// The file.
    pub(crate) path: PathBuf,
}

impl Runner {
    /// A runner that writes its log to `log`.
    pub(crate) fn new(log: Box<dyn Write>) -> Self {
        Self {
            log,
            times: Vec::new(),
            counts: Counts::default(),
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

    /// Runs one check of the sources and prints what it found.
    pub(crate) fn check(&mut self, title: &'static str, check: Check) -> Result<(), TaskError> {
        let started = Instant::now();
        let findings = check(workspace_root())?;
        let elapsed = started.elapsed();
        self.times.push(Time {
            title,
            elapsed,
            units: None,
        });
        for finding in &findings {
            self.note(format_args!("{title}: {finding}"));
        }
        let count = findings.len();
        if count > 0 {
            return Err(TaskError::Findings { title, count });
        }
        self.note(format_args!("{title}: {}", seconds(elapsed)));
        Ok(())
    }

    /// Runs one step and returns what it wrote to stdout, without the white space around it.
    pub(crate) fn output(&mut self, step: &Step) -> Result<String, TaskError> {
        self.time(step, |command| {
            let output = command.stderr(Stdio::inherit()).output()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Ok((output.status, text))
        })
    }

    /// Runs a step of cargo that compiles, counts the units and returns the programs among them.
    pub(crate) fn cargo(&mut self, step: &Step) -> Result<Vec<Executable>, TaskError> {
        let step = step
            .clone()
            .option("--message-format=json-render-diagnostics");
        let mut units = 0;
        let built = self.time(&step, |command| {
            let mut built = Vec::new();
            let status = lines(command, |line| {
                let message: Value = serde_json::from_str(line).unwrap_or_default();
                if message["reason"] == "compiler-artifact" {
                    units += usize::from(message["fresh"] == false);
                    built.extend(executable(&message));
                }
            })?;
            Ok((status, built))
        })?;
        if let Some(time) = self.times.last_mut() {
            time.units = Some(units);
        }
        Ok(built)
    }

    /// Runs programs of tests, as one step of the summary, and counts the tests.
    pub(crate) fn tests(&mut self, title: &'static str, steps: &[Step]) -> Result<(), TaskError> {
        let first = self.times.len();
        let started = Instant::now();
        let outcome = steps.iter().try_for_each(|step| {
            let mut counts = self.counts;
            let outcome = self.time(step, |command| {
                let status = lines(command, |line| {
                    counts.add(line);
                    let _ = writeln!(io::stdout(), "{line}");
                })?;
                Ok((status, ()))
            });
            self.counts = counts;
            outcome
        });
        self.times.truncate(first);
        self.times.push(Time {
            title,
            elapsed: started.elapsed(),
            units: None,
        });
        outcome
    }

    fn time<T>(
        &mut self,
        step: &Step,
        run: impl FnOnce(&mut Command) -> io::Result<(ExitStatus, T)>,
    ) -> Result<T, TaskError> {
        self.note(format_args!("{}: {}", step.title(), step.command_line()));
        let started = Instant::now();
        let outcome = run(&mut step.command());
        let (status, result) = outcome.map_err(|source| not_started(step, source))?;
        let elapsed = started.elapsed();
        self.times.push(Time {
            title: step.title(),
            elapsed,
            units: None,
        });
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

    /// Writes how long each step took, where there was more than one, and how many units cargo
    /// compiled; where tests ran, their numbers too, in the words of Rust's test programs.
    pub(crate) fn summary(&mut self) {
        let times = std::mem::take(&mut self.times);
        if times.len() > 1 {
            for time in &times {
                let units = time.units.map_or(String::new(), |units| units.to_string());
                let elapsed = seconds(time.elapsed);
                self.note(format_args!("{elapsed:>10} {units:>6} {}", time.title));
            }
            let all = seconds(times.iter().map(|time| time.elapsed).sum());
            let units: usize = times.iter().filter_map(|time| time.units).sum();
            self.note(format_args!(
                "{all:>10} {units:>6} in all (seconds, units compiled, step)"
            ));
        }
        let Counts([passed, failed, ignored]) = self.counts;
        if passed + failed > 0 {
            let word = if failed == 0 { "ok" } else { "FAILED" };
            let line =
                format!("test result: {word}. {passed} passed; {failed} failed; {ignored} ignored");
            let _ = writeln!(io::stdout(), "{line}; all programs and backends together");
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

impl Counts {
    /// Adds the numbers of a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(line) = line.strip_prefix("test result: ") else {
            return;
        };
        for (sum, word) in self.0.iter_mut().zip([" passed", " failed", " ignored"]) {
            let before = line.split(word).next().unwrap_or_default();
            let number = before.rsplit(' ').next().unwrap_or_default();
            *sum += number.parse::<usize>().unwrap_or(0);
        }
    }
}

/// Runs a command and hands over each line that it writes to stdout.
fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            each(String::from_utf8_lossy(&line?).trim_end_matches('\r'));
        }
    }
    child.wait()
}

/// The program in one of cargo's messages, if there is one.
fn executable(message: &Value) -> Option<Executable> {
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?;
    // `path+file:///folder#0.1.0`, or `…#name@0.1.0` where the folder has another name.
    let id = message["package_id"].as_str()?.rsplit('#').next()?;
    let package = id.split_once('@').map(|(name, _)| name.to_owned());
    Some(Executable {
        package: package.unwrap_or_else(|| {
            folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into()
        }),
        folder: folder.to_owned(),
        name: message["target"]["name"].as_str()?.to_owned(),
        test: message["profile"]["test"] == true,
        path: message["executable"].as_str()?.into(),
    })
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
        assert_eq!(text.matches(" s        version\n").count(), 2, "{text}");
    }

    #[test]
    fn tests_are_counted() {
        let mut counts = Counts([1, 0, 0]);
        counts.add("test a ... ok");
        counts
            .add("test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; finished in 0.01s");
        assert_eq!(counts, Counts([13, 0, 3]));
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
