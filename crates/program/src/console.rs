//! The console: results on stdout; notes, warnings, errors and progress bars on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

pub use crate::stdout::{Stdout, stdout};
use crate::text;

/// How often a progress bar is drawn again while nothing moves.
const TICK: Duration = Duration::from_millis(200);

/// Messages and progress bars on stderr. A quiet console shows warnings and errors only.
///
/// Messages quote files and names. Their control characters are escaped, and long lines are cut.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    quiet: bool,
    verbose: bool,
}

impl Console {
    /// A console; `quiet` drops notes and progress bars.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            verbose: false,
        }
    }

    /// Shows details too, or not.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// Prints a line, unless quiet.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            print("", text);
        }
    }

    /// Prints a line if verbose.
    pub fn detail(self, text: impl Display) {
        if self.verbose {
            print("", text);
        }
    }

    /// Prints a warning, even if quiet.
    pub fn warning(self, text: impl Display) {
        print("warning: ", text);
    }

    /// Prints an error, even if quiet.
    pub fn error(self, error: impl Display) {
        print("error: ", error);
    }

    /// Prints the last line of clap's usage errors.
    pub(crate) fn help_hint(self) {
        print("", "\nFor more information, try '--help'.");
    }

    /// The width of the terminal that shows standard output, in columns; `None` where standard
    /// output is no terminal.
    #[must_use]
    pub fn stdout_width(self) -> Option<usize> {
        let (_, columns) = console::Term::stdout().size_checked()?;
        (columns > 0 && io::stdout().is_terminal()).then_some(columns.into())
    }

    /// Whether notes and progress bars are dropped.
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether progress bars are shown: stderr is a terminal, and the console is not quiet.
    #[must_use]
    pub fn shows_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether a full-screen dashboard can be shown: stdout is a terminal too.
    #[must_use]
    pub fn shows_dashboard(self) -> bool {
        self.shows_progress() && io::stdout().is_terminal()
    }

    /// A progress bar over `total` units, or a spinner where the total is unknown. It is hidden
    /// where [`shows_progress`](Self::shows_progress) is false.
    #[must_use]
    pub fn progress_bar(self, total: Option<u64>, unit: Unit) -> ProgressBar {
        if !self.shows_progress() {
            return ProgressBar::hidden();
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(unit.bar_style()),
            None => ProgressBar::new_spinner().with_style(unit.spinner_style()),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(TICK);
        bar.with_finish(ProgressFinish::AndClear)
    }
}

fn print(label: &str, text: impl Display) {
    let text = text.to_string();
    let text = text::message(text.trim_end());
    // A closed stderr is no reason to fail.
    let _ = writeln!(io::stderr(), "{label}{text}");
}

/// The unit that a progress bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Texts; the bar's message precedes it.
    Texts,
    /// Bytes of a file; the bar's message follows the count.
    Bytes,
}

impl Unit {
    /// The templates of the bar and of the spinner.
    fn templates(self) -> [&'static str; 2] {
        match self {
            Self::Texts => [
                "{msg}  {bar:30} {human_pos}/{human_len} texts  {per_sec}  {eta} left",
                "{spinner} {human_pos} texts  {per_sec}",
            ],
            Self::Bytes => [
                "{bar:30} {bytes}/{total_bytes}  {msg}  {eta} left",
                "{spinner} {bytes}  {msg}",
            ],
        }
    }

    fn bar_style(self) -> ProgressStyle {
        let [bar, _] = self.templates();
        // A test checks that indicatif accepts the templates.
        ProgressStyle::with_template(bar).unwrap_or_else(|_| ProgressStyle::default_bar())
    }

    fn spinner_style(self) -> ProgressStyle {
        let [_, spinner] = self.templates();
        ProgressStyle::with_template(spinner).unwrap_or_else(|_| ProgressStyle::default_spinner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_accepted() {
        for template in [Unit::Texts, Unit::Bytes].map(Unit::templates).concat() {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_quiet_console_shows_no_progress() {
        let console = Console::new(true);
        assert!(console.is_quiet() && !console.shows_progress() && !console.shows_dashboard());
        assert!(console.progress_bar(Some(3), Unit::Texts).is_hidden());
    }
}
