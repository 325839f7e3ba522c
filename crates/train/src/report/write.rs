//! The files of a report.

use std::path::Path;

use program::atomic_file;

use super::summary::{ReferenceCurve, RunSummary};
use super::{History, html, plots};
use crate::error::TrainError;

/// Writes `report.html` into the folder, and its charts as separate files: `loss.svg`,
/// `learning_rate.svg` and `scores.svg`, each if it has data. Writes every file atomically and replaces
/// existing ones.
///
/// # Errors
///
/// A chart cannot be drawn, or a file cannot be written.
pub(crate) fn write_report(
    folder: &Path,
    summary: &RunSummary,
    history: &History,
    reference: Option<&ReferenceCurve>,
) -> Result<(), TrainError> {
    let pictures = html::Pictures {
        loss: plots::loss(history, reference)?,
        learning_rate: plots::learning_rate(history)?,
        scores: plots::scores(history)?,
    };
    let named = [
        ("loss.svg", &pictures.loss),
        ("learning_rate.svg", &pictures.learning_rate),
        ("scores.svg", &pictures.scores),
    ];
    for (name, picture) in named {
        if let Some(picture) = picture {
            write_file(&folder.join(name), picture)?;
        }
    }
    let page = html::page(summary, history, &pictures);
    write_file(&folder.join("report.html"), &page)
}

/// Writes a file atomically.
fn write_file(path: &Path, text: &str) -> Result<(), TrainError> {
    atomic_file::write(path, text.as_bytes()).map_err(TrainError::io(path))
}
