//! What a person sees: results on stdout, progress and notes on stderr, and Ctrl-C.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::unfinished;

/// Exit code after Ctrl-C, as shells count it: 128 + SIGINT.
const INTERRUPT_CODE: i32 = 130;

/// stdout and stderr of the program.
pub struct Terminal {
    stdout: BufWriter<StdoutLock<'static>>,
    notes: Notes,
}

impl Terminal {
    /// Takes stdout and catches Ctrl-C. With `quiet`, stderr gets errors only.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        // Fails only where a handler is set already, and then that one is wanted.
        let _ = ctrlc::set_handler(|| {
            let _ = writeln!(io::stderr(), "\ninterrupted");
            unfinished::remove_and_exit(INTERRUPT_CODE);
        });
        Self {
            stdout: BufWriter::new(io::stdout().lock()),
            notes: Notes { quiet },
        }
    }

    /// Where results go.
    pub fn out(&mut self) -> &mut impl Write {
        &mut self.stdout
    }

    /// Writes what is buffered for stdout.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// What may be said on stderr; needs no hold on stdout.
    #[must_use]
    pub fn notes(&self) -> Notes {
        self.notes
    }
}

/// Notes and progress bars on stderr, unless quiet.
#[derive(Clone, Copy, Debug)]
pub struct Notes {
    quiet: bool,
}

impl Notes {
    /// A line on stderr, unless quiet.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            // A closed stderr is no reason to fail.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// An error on stderr, even if quiet.
    pub fn error(self, error: &dyn Display) {
        let _ = writeln!(io::stderr(), "error: {error}");
    }

    /// A bar over `total` things (a spinner when the total is not known), shown only on a terminal.
    #[must_use]
    pub fn bar(self, total: Option<u64>, kind: BarKind) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(kind.style()),
            None => ProgressBar::new_spinner().with_style(kind.spinner_style()),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar.with_finish(ProgressFinish::AndClear)
    }
}

/// What a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Texts.
    Texts,
    /// Bytes of a file.
    Bytes,
}

impl BarKind {
    fn style(self) -> ProgressStyle {
        let template = match self {
            Self::Texts => "{bar:30} {human_pos}/{human_len} texts  {per_sec}  {eta} left",
            Self::Bytes => "{bar:30} {bytes}/{total_bytes}  {msg}  {eta} left",
        };
        // The templates are constants that indicatif takes; the default style would do otherwise.
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    }

    fn spinner_style(self) -> ProgressStyle {
        let template = match self {
            Self::Texts => "{spinner} {human_pos} texts  {per_sec}",
            Self::Bytes => "{spinner} {bytes}  {msg}",
        };
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
    }
}
