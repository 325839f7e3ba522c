//! What a run leaves behind, and what it says on the way.
//!
//! | word | module |
//! | --- | --- |
//! | steps and validations, a line each | `history`, `metrics_log` |
//! | what a run came to | `summary` |
//! | pictures, page, model card | `plots`, `html`, `model_card` |
//! | the line of progress | `progress` |

mod error;
mod format;
mod history;
mod html;
mod memory;
mod metrics_log;
mod model_card;
mod plots;
mod progress;
mod summary;

pub use error::ReportError;
pub use history::{EvaluationRecord, Event, History, StepRecord};
pub use memory::peak_memory_bytes;
pub use metrics_log::{MetricsLog, SharedHistory};
pub use model_card::model_card;
pub use progress::ProgressLine;
pub use summary::{DataFile, DataRole, ReferenceCurve, RunSummary, write_report};
