//! The metrics that burn's dashboard shows.

use std::sync::Arc;

use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::{
    EvaluationName, EvaluationProgress, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining, ProgressType, TrainingProgress,
};

use super::step::StepOutput;

/// The loss of a step, or the score of a validation.
pub(crate) struct Value<const SCORE: bool>(f64);

/// A [`Value`] as a metric of burn.
#[derive(Clone)]
pub(crate) struct ValueMetric<const SCORE: bool> {
    name: MetricName,
    state: NumericMetricState,
}

/// The loss of a step.
pub(crate) type Loss = ValueMetric<false>;
/// The score of a validation.
pub(crate) type Score = ValueMetric<true>;

impl<const SCORE: bool> ValueMetric<SCORE> {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            state: NumericMetricState::new(),
        }
    }
}

impl<const SCORE: bool> Adaptor<Value<SCORE>> for StepOutput {
    fn adapt(&self) -> Value<SCORE> {
        Value(if SCORE {
            self.score.unwrap_or(f64::NAN)
        } else {
            self.loss
        })
    }
}

impl<const SCORE: bool> Metric for ValueMetric<SCORE> {
    type Input = Value<SCORE>;

    fn name(&self) -> MetricName {
        Arc::clone(&self.name)
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: SCORE,
        }
        .into()
    }

    fn update(&mut self, value: &Value<SCORE>, _: &MetricMetadata) -> SerializedEntry {
        let format = FormatOptions::new(Arc::clone(&self.name)).precision(4);
        self.state.update(value.0, 1, format)
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl<const SCORE: bool> Numeric for ValueMetric<SCORE> {
    fn value(&self) -> NumericEntry {
        self.state.current_value()
    }

    fn running_value(&self) -> NumericEntry {
        self.state.running_value()
    }
}

/// Starts a dashboard during which Ctrl-C still reaches the program.
///
/// burn's renderer puts the terminal into raw mode on a separate thread and ignores Ctrl-C.
pub(crate) fn interruptible<R>(start: impl FnOnce() -> R) -> R {
    let terminal = terminal::Terminal::open();
    let renderer = start();
    if let Some(terminal) = terminal {
        terminal.let_interrupts_through();
    }
    renderer
}

/// Whether a dashboard is shown on the terminal.
pub(crate) fn is_shown() -> bool {
    terminal::before().is_some()
}

/// Restores the terminal, for a program that exits at once.
pub(crate) fn restore_terminal() {
    if let Some(before) = terminal::before() {
        before.restore();
    }
}

#[cfg(unix)]
mod terminal {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::sync::Mutex;
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
    };

    /// Maximum start time of the renderer.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// The code that disables a key.
    const NO_KEY: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

    /// Leaves the alternate screen and shows the cursor.
    const LEAVE: &[u8] = b"\x1b[?1049l\x1b[?25h";

    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    /// The terminal before the dashboard, while one is shown.
    pub(super) fn before() -> Option<Terminal> {
        let before = BEFORE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        // burn restores it when it ends.
        let now = with_terminal(|terminal| tcgetattr(terminal).ok())?;
        is_plain(&now).then_some(Terminal { before })
    }

    pub(super) struct Terminal {
        before: Termios,
    }

    impl Terminal {
        pub(super) fn open() -> Option<Self> {
            let before = with_terminal(|terminal| tcgetattr(terminal).ok())?;
            Some(Self { before })
        }

        pub(super) fn let_interrupts_through(&self) {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.before.clone());
            let begun = Instant::now();
            with_terminal(|terminal| {
                while begun.elapsed() < PATIENCE {
                    let mut modes = tcgetattr(terminal).ok()?;
                    if is_plain(&modes) {
                        modes.local_modes |= LocalModes::ISIG;
                        // Only Ctrl-C: a suspended program would leave its screen behind.
                        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
                            modes.special_codes[key] = NO_KEY;
                        }
                        return tcsetattr(terminal, OptionalActions::Now, &modes).ok();
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                None
            });
        }

        pub(super) fn restore(&self) {
            with_terminal(|terminal| tcsetattr(terminal, OptionalActions::Now, &self.before).ok());
            let mut out = io::stdout();
            let _ = out.write_all(LEAVE).and_then(|()| out.flush());
        }
    }

    /// Whether the terminal is in raw mode.
    fn is_plain(modes: &Termios) -> bool {
        !modes.local_modes.contains(LocalModes::ICANON)
    }

    /// The terminal that burn's renderer reads: standard input, else that of the process.
    fn with_terminal<R>(task: impl FnOnce(BorrowedFd<'_>) -> Option<R>) -> Option<R> {
        let stdin = io::stdin();
        if isatty(&stdin) {
            return task(stdin.as_fd());
        }
        let terminal = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        task(terminal.as_fd())
    }
}

/// On other systems the dashboard's own key ends a run.
#[cfg(not(unix))]
mod terminal {
    pub(super) struct Terminal;

    pub(super) fn before() -> Option<Terminal> {
        None
    }

    impl Terminal {
        pub(super) fn open() -> Option<Self> {
            None
        }

        pub(super) fn let_interrupts_through(&self) {}

        pub(super) fn restore(&self) {}
    }
}

/// Shows nothing: without a dashboard the run prints progress lines. burn's fallback would print
/// every step to stdout, which is for results.
pub(crate) struct NoDashboard;

impl MetricsRendererTraining for NoDashboard {
    fn update_train(&mut self, _: MetricState) {}
    fn update_valid(&mut self, _: MetricState) {}
    fn render_train(&mut self, _: TrainingProgress, _: Vec<ProgressType>) {}
    fn render_valid(&mut self, _: TrainingProgress, _: Vec<ProgressType>) {}
}

impl MetricsRendererEvaluation for NoDashboard {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
    fn render_test(&mut self, _: EvaluationProgress, _: Vec<ProgressType>) {}
}

impl MetricsRenderer for NoDashboard {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _: MetricDefinition) {}
}
