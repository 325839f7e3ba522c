//! The end of a run: the weights to keep, the model's folder, the report.

use std::path::Path;

use model::backend::EncoderOps;
use model::hub::{self, HubOptions};
use model::parts::SentenceModel;
use model::{Checkpoint, Device, Embeddings, ModelError, SentenceEncoder};

use super::adapter;
use super::change::{SAMPLE_QUERIES, Samples, WeightChange, is_finite};
use super::folder::{MODEL_CARD, OutputFolder};
use super::rows::Rows;
use super::{FitResult, RunContext};
use crate::config::{FitConfig, Task, published_model, published_path};
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::report::{
    DataFile, History, ReferenceCurve, RunSummary, model_card, peak_memory_bytes, write_report,
};
use crate::settings::{Settings, Trained};
use crate::train::checkpoint::Position;

/// Folder of the adapters inside that of the tuned model.
const ADAPTER_FOLDER: &str = "adapter";

/// Writes a model with its adapters merged into the weights, and the adapters separately if the
/// settings ask for them.
pub(super) fn save_model<B: EncoderOps>(
    checkpoint: &Checkpoint,
    trained: Trained,
    base_model: &str,
    model: &SentenceModel<B>,
    folder: &Path,
) -> Result<(), TrainError> {
    let mut merged = model.clone();
    merged.network = merged.network.merge_adapters();
    checkpoint.save(&merged, folder)?;
    if let Trained::Adapters(config, true) = trained {
        adapter::write(
            &model.network,
            &checkpoint.config,
            config,
            &published_model(base_model),
            &folder.join(ADAPTER_FOLDER),
        )?;
    }
    Ok(())
}

/// An error if the folder of the best model does not exist.
pub(super) fn check_best_model(folder: &Path, step: usize) -> Result<(), TrainError> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(TrainError::BestModelMissing {
        path: folder.to_owned(),
        step,
    })
}

pub(super) struct Finish<'a> {
    pub(super) settings: &'a Settings,
    /// The settings, with the values that depend on the model.
    pub(super) config: FitConfig,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) rows: &'a Rows,
    pub(super) output: Option<&'a OutputFolder>,
    pub(super) context: &'a RunContext,
    pub(super) device_name: Device,
    pub(super) history: History,
    pub(super) position: Position,
    pub(super) stopped: Option<String>,
    pub(super) reference: Option<&'a ReferenceCurve>,
}

impl Finish<'_> {
    pub(super) fn run<B: EncoderOps>(
        self,
        last: SentenceModel<B>,
        device: &B::Device,
    ) -> Result<FitResult, TrainError> {
        let (tuned, kept_step) = self.kept::<B>(last, device)?;
        let base = self.checkpoint.load::<B>(device)?;
        let change = WeightChange::between(&base, &tuned);
        if self.settings.is_tagger() {
            self.calibrate(&tuned)?;
        }
        let samples = if self.settings.is_encoder() {
            Some(Samples {
                before: self.sample::<B>(base)?,
                after: self.sample::<B>(tuned)?,
            })
        } else {
            None
        };
        let (before, after) = (self.scores_at(0), self.scores_at(kept_step));
        let warning = base_scores_best(before.as_ref(), after.as_ref());
        if let Some(warning) = &warning {
            self.context.notes.warning(warning);
        }
        if let Some(output) = self.output {
            self.report(output, before.as_ref(), after.as_ref(), kept_step, warning)?;
            // Only now: a run killed earlier needs them when it resumes.
            output.remove_superfluous()?;
        }
        Ok(FitResult {
            before,
            after,
            history: self.history,
            change,
            samples,
            output: self.output.map(|output| output.path.clone()),
            steps: self.position.step,
            stopped: self.stopped,
        })
    }

    /// The model to keep and its step; copies its files into the output folder.
    fn kept<B: EncoderOps>(
        &self,
        last: SentenceModel<B>,
        device: &B::Device,
    ) -> Result<(SentenceModel<B>, usize), TrainError> {
        if let (Some(output), false, Some(best)) =
            (self.output, self.settings.keep_last, self.position.best)
        {
            let folder = output.checkpoints().best_model(best.step);
            check_best_model(&folder, best.step)?;
            let model = self.opened(&folder)?.load::<B>(device)?;
            output.install(&folder)?;
            return Ok((model, best.step));
        }
        if !self.is_finite::<B>(&last)? {
            return Err(TrainError::NonFiniteModel {
                step: self.position.step,
            });
        }
        if let Some(output) = self.output {
            let folder = output.checkpoints().last_model();
            let trained = self.settings.trained;
            save_model(
                self.checkpoint,
                trained,
                &self.settings.model,
                &last,
                &folder,
            )?;
            output.install(&folder)?;
        }
        let mut merged = last;
        merged.network = merged.network.merge_adapters();
        Ok((merged, self.position.step))
    }

    /// Whether the weights are numbers, and the vectors that they give.
    fn is_finite<B: EncoderOps>(&self, last: &SentenceModel<B>) -> Result<bool, TrainError> {
        if !is_finite(last) {
            return Ok(false);
        }
        if !self.settings.is_encoder() {
            return Ok(true);
        }
        let vectors = self.sample::<B>(last.clone())?;
        Ok(vectors.into_values().iter().all(|value| value.is_finite()))
    }

    /// A folder that this run has written.
    fn opened(&self, folder: &Path) -> Result<Checkpoint, TrainError> {
        match self.settings.task {
            Task::Encoder => return Ok(Checkpoint::open(folder)?),
            Task::Tagger => return Ok(Checkpoint::open_tagger(folder)?),
            Task::Reranker => {}
        }
        let found = hub::resolve(&folder.to_string_lossy(), &HubOptions::default());
        let found = found.map_err(ModelError::from)?;
        Ok(Checkpoint::open_reranker(&found, self.settings.seed)?)
    }

    fn sample<B: EncoderOps>(&self, model: SentenceModel<B>) -> Result<Embeddings, TrainError> {
        let encoder = SentenceEncoder::builder()
            .device(self.device_name)
            .with_model(self.checkpoint.clone(), model)?;
        Ok(encoder.encode(&SAMPLE_QUERIES)?)
    }

    fn scores_at(&self, step: usize) -> Option<Scores> {
        let record = self
            .history
            .evaluations()
            .filter(|record| record.step == step)
            .last()?;
        record.scores()
    }

    fn report(
        &self,
        output: &OutputFolder,
        before: Option<&Scores>,
        after: Option<&Scores>,
        kept_step: usize,
        warning: Option<String>,
    ) -> Result<(), TrainError> {
        let mut warnings: Vec<String> = self.history.notes().map(str::to_owned).collect();
        if self.output.is_some() && kept_step != self.position.step {
            warnings.push(format!(
                "the weights are those of step {kept_step}, which scored best on the validation rows"
            ));
        }
        warnings.extend(warning);
        let data = self.rows.files.iter().map(|file| DataFile {
            path: published_path(&file.path),
            ..file.clone()
        });
        let tokens: usize = self.history.steps().map(|step| step.tokens).sum();
        let summary = RunSummary {
            task: self.settings.task,
            base_model: published_model(&self.settings.model),
            output: published_path(&output.path),
            data: data.collect(),
            max_length: self.checkpoint.max_seq_length,
            loss: describe_loss(self.settings),
            settings: settings_table(&self.config)?,
            before: before.cloned(),
            after: after.cloned(),
            steps: self.position.step,
            epochs: self.history.steps().last().map_or(0.0, |step| step.epoch),
            seconds: self.position.seconds,
            tokens_per_second: tokens as f64 / self.position.seconds.max(f64::MIN_POSITIVE),
            peak_memory_bytes: peak_memory_bytes(),
            device: self.device_name.description(),
            command: self.context.command.clone(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            warnings,
            stopped: self.stopped.clone(),
        };
        write_report(&output.path, &summary, &self.history, self.reference)?;
        output.write(MODEL_CARD, model_card(&summary).as_bytes())
    }
}

/// The warning that no checkpoint scored above the base model, if so.
fn base_scores_best(before: Option<&Scores>, after: Option<&Scores>) -> Option<String> {
    let ((name, base), (_, tuned)) = (before?.primary(), after?.primary());
    // A NaN is not above any score.
    let is_above = tuned > base;
    (!is_above).then(|| {
        // As with a new head, whose random values find nothing.
        if base == 0.0 && tuned == 0.0 {
            return format!(
                "no checkpoint scored above the base model: {name} is 0 before and after training; train for more steps, or with another --lr"
            );
        }
        format!(
            "no checkpoint scored above the base model: {name} is {base:.4} without training and {tuned:.4} in this \
             model; for texts like the validation rows the base model is the better choice"
        )
    })
}

/// The loss and its parameters in one line.
fn describe_loss(settings: &Settings) -> String {
    let loss = &settings.objective.loss;
    let mut text = loss.name().to_owned();
    for (name, value) in [("scale", loss.scale()), ("margin", loss.margin())] {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    if let Some(matryoshka) = &settings.objective.matryoshka {
        text.push_str(&format!(", Matryoshka at {:?}", matryoshka.dimensions));
    }
    text
}

fn settings_table(config: &FitConfig) -> Result<Vec<(String, String)>, TrainError> {
    let table = config.clone().published().to_toml()?;
    let shown = table.into_iter().map(|(name, value)| (name, shown(value)));
    Ok(shown.collect())
}

/// A value as a reader wants it: without quotes and brackets.
fn shown(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(values) => {
            let values: Vec<String> = values.into_iter().map(shown).collect();
            values.join(", ")
        }
        value => value.to_string(),
    }
}

/// A curve to draw next to the run's: means of ten steps, each drawn in the middle of them.
pub(super) fn reference_curve(path: &Path) -> Result<ReferenceCurve, TrainError> {
    #[derive(serde::Deserialize)]
    struct Reference {
        loss_mean_of_10: Vec<f64>,
    }
    let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
    let reference: Reference = serde_json::from_slice(&bytes).map_err(TrainError::config(path))?;
    Ok(ReferenceCurve {
        label: "reference, mean of 10 steps".to_owned(),
        points: (0..)
            .zip(reference.loss_mean_of_10)
            .map(|(ten, loss)| (f64::from(ten) * 10.0 + 5.5, loss))
            .collect(),
    })
}
