//! Says what is being fetched.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use model::hub::{DownloadProgress, HubOptions};

use crate::fit::Stop;
use crate::terminal::Notes;

/// How a model's name becomes a folder; a line for each download, which ends when somebody stops.
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
            notes.note(format_args!("fetching {}", progress.label));
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
