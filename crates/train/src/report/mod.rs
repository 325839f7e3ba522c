//! stub
#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
#[derive(Debug, thiserror::Error)]
#[error("report")]
pub struct ReportError;
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepRecord {
    pub step: usize,
    pub epoch: f64,
    pub loss: f64,
    pub learning_rate: f64,
    pub gradient_norm: f64,
    pub texts: usize,
    pub tokens: usize,
    pub seconds: f64,
    pub peak_memory_bytes: Option<u64>,
}
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationRecord {
    pub step: usize,
    pub epoch: f64,
    pub primary: String,
    pub scores: Vec<(String, f64)>,
    pub loss: Option<f64>,
    pub seconds: f64,
}
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    Step(StepRecord),
    Evaluation(EvaluationRecord),
    Note { step: usize, text: String },
}
#[derive(Clone, Debug, Default)]
pub struct History {
    pub events: Vec<Event>,
}
impl History {
    pub fn steps(&self) -> impl Iterator<Item = &StepRecord> {
        self.events.iter().filter_map(|e| match e {
            Event::Step(s) => Some(s),
            _ => None,
        })
    }
    pub fn evaluations(&self) -> impl Iterator<Item = &EvaluationRecord> {
        self.events.iter().filter_map(|e| match e {
            Event::Evaluation(s) => Some(s),
            _ => None,
        })
    }
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|e| match e {
            Event::Note { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }
}
#[derive(Clone, Default)]
pub struct SharedHistory(Arc<Mutex<History>>);
impl SharedHistory {
    pub fn snapshot(&self) -> History {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
pub struct MetricsLog {
    history: SharedHistory,
    file: Option<PathBuf>,
}
impl MetricsLog {
    pub fn create(path: &Path) -> Result<Self, ReportError> {
        Ok(Self {
            history: SharedHistory::default(),
            file: Some(path.to_owned()),
        })
    }
    pub fn resume(path: &Path, _: usize) -> Result<Self, ReportError> {
        Self::create(path)
    }
    pub fn in_memory() -> Self {
        Self {
            history: SharedHistory::default(),
            file: None,
        }
    }
    pub fn history(&self) -> SharedHistory {
        self.history.clone()
    }
    pub fn append(&mut self, event: &Event) -> Result<(), ReportError> {
        let _ = &self.file;
        self.history
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .events
            .push(event.clone());
        Ok(())
    }
}
pub struct ProgressLine;
impl ProgressLine {
    pub fn new(_: usize, _: usize) -> Self {
        Self
    }
    pub fn line(&mut self, r: &StepRecord) -> Option<String> {
        Some(format!(
            "step {} loss {:.4} lr {:.2e} norm {:.3} {:.2} s",
            r.step, r.loss, r.learning_rate, r.gradient_norm, r.seconds
        ))
    }
}
#[derive(Clone, Copy, Debug)]
pub enum DataRole {
    Train,
    Validation,
    Evaluation,
}
#[derive(Clone, Debug)]
pub struct DataFile {
    pub role: DataRole,
    pub path: PathBuf,
    pub rows: u64,
    pub skipped: u64,
}
pub struct ReferenceCurve {
    pub label: String,
    pub points: Vec<(f64, f64)>,
}
pub struct RunSummary {
    pub base_model: String,
    pub output: PathBuf,
    pub data: Vec<DataFile>,
    pub loss: String,
    pub settings: Vec<(String, String)>,
    pub before: Option<Vec<(String, f64)>>,
    pub after: Option<Vec<(String, f64)>>,
    pub steps: usize,
    pub epochs: usize,
    pub seconds: f64,
    pub tokens_per_second: f64,
    pub peak_memory_bytes: Option<u64>,
    pub device: String,
    pub command: String,
    pub program_version: String,
    pub warnings: Vec<String>,
    pub stopped: Option<String>,
}
pub fn write_report(
    _: &Path,
    _: &RunSummary,
    _: &History,
    _: Option<&ReferenceCurve>,
) -> Result<(), ReportError> {
    Ok(())
}
pub fn model_card(_: &RunSummary) -> String {
    String::new()
}
pub fn peak_memory_bytes() -> Option<u64> {
    None
}
