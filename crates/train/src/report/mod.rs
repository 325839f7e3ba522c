//! Files of a run, and its progress line.
//!
//! | subject | module |
//! | --- | --- |
//! | log with a line per step and validation | `history`, `metrics_log` |
//! | summary of a run | `summary` |
//! | charts, report page, model card | `plots`, `html`, `model_card` |
//! | progress line | `progress` |

mod format;
mod history;
mod html;
mod memory;
mod metrics_log;
mod model_card;
mod plots;
mod progress;
mod summary;
mod write;

pub(crate) use history::{EvaluationRecord, Event, History, StepRecord};
pub use memory::peak_memory_bytes;
pub(crate) use metrics_log::MetricsLog;
pub(crate) use model_card::model_card;
pub(crate) use progress::ProgressLine;
pub(crate) use summary::{DataFile, DataRole, ReferenceCurve, RunSummary};
pub(crate) use write::write_report;
