//! Hub options of `train`, with a line per download.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use model::hub::{DownloadProgress, HubOptions};

use crate::fit::Stop;
use crate::terminal::Notes;

/// Options to resolve a model's name. Prints a line per download, and ends it if the user stops.
pub(crate) fn hub_options(
    revision: Option<String>,
    offline: bool,
    notes: Notes,
    stop: Stop,
) -> HubOptions {
    let mut options = HubOptions::default();
    options.revision = revision;
    options.offline = offline;
    let announced = Mutex::new(None);
    options.progress = Some(Arc::new(move |progress: &DownloadProgress| {
        let mut announced = announced.lock().unwrap_or_else(PoisonError::into_inner);
        if announced.as_ref() != Some(&progress.label) {
            notes.note(format_args!("downloading {}", progress.label));
            *announced = Some(progress.label.clone());
        }
        if stop.is_asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }));
    options
}
