//! The progress of downloads.

use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use crate::console::{Console, Unit};

/// A progress bar for each download; where no bar is shown, a note for each.
///
/// It appears with the first bytes, because most runs download nothing.
#[derive(Debug)]
pub struct DownloadBar {
    console: Console,
    current: Mutex<Option<(String, ProgressBar)>>,
}

impl DownloadBar {
    /// Shows downloads on a console.
    #[must_use]
    pub fn new(console: Console) -> Self {
        Self {
            console,
            current: Mutex::new(None),
        }
    }

    /// Shows that `received` of `total` bytes have arrived. `label` names the file; a new label
    /// starts a new bar.
    pub fn update(&self, label: &str, received: u64, total: Option<u64>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|(shown, _)| shown != label) {
            if let Some((_, bar)) = current.take() {
                bar.finish_and_clear();
            }
            if !self.console.shows_progress() {
                self.console.note(format_args!("downloading {label}"));
            }
            let bar = self.console.progress_bar(total, Unit::Bytes);
            bar.set_message(label.to_owned());
            *current = Some((label.to_owned(), bar));
        }
        if let Some((_, bar)) = &*current {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(received);
        }
    }
}
