//! Hub options of `train`, with a progress bar for downloads.

use model::hub::HubOptions;
use program::{Console, DownloadBar};

use crate::stop::Stop;

/// Options to resolve a model's name, with a progress bar for downloads, which end if `stop` is asked.
pub(crate) fn hub_options(
    revision: Option<String>,
    offline: bool,
    console: Console,
    stop: Stop,
) -> HubOptions {
    let bar = DownloadBar::new(console);
    HubOptions::of_program(
        revision,
        offline,
        move |progress| bar.update(&progress.label, progress.received, progress.total),
        move || stop.is_asked(),
    )
}
