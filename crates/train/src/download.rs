//! Hub options of `train`, with a progress bar for downloads.

use std::ops::ControlFlow;
use std::sync::Arc;

use model::hub::{DownloadProgress, HubOptions};
use program::{Console, DownloadBar};

use crate::fit::Stop;

/// Options to resolve a model's name, with a progress bar for downloads, which end if `stop` is asked.
pub(crate) fn hub_options(
    revision: Option<String>,
    offline: bool,
    console: Console,
    stop: Stop,
) -> HubOptions {
    let mut options = HubOptions::default();
    options.revision = revision;
    options.offline = offline;
    let bar = DownloadBar::new(console);
    options.progress = Some(Arc::new(move |progress: &DownloadProgress| {
        bar.update(&progress.label, progress.received, progress.total);
        if stop.is_asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }));
    options
}
