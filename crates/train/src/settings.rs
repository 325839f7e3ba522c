//! Settings of a run: the configuration, and what follows from several of its values.

mod tagger;

use std::num::NonZeroUsize;
use std::ops::Deref;

use model::Device;
use model::parts::LowRankConfig;

use self::tagger::{check_tagger, of_taggers};
use crate::config::{FitConfig, Task};
use crate::data::{RowKind, SamplerKind, TextTable};
use crate::error::TrainError;
use crate::losses::{Loss, LossError, Matryoshka, Objective, PairLoss, TargetKind};
use crate::train::step::Activations;

/// Prefix of losses with GradCache, as in sentence-transformers.
const CACHED: &str = "cached-";

/// Default number of texts per micro-batch of GradCache (sentence-transformers').
const DEFAULT_MINI_BATCH: usize = 32;

const COSINE: &str =
    "a cosine, from -1 to 1; scale the scores, or use --loss cosent, which takes any range";
const PROBABILITY: &str =
    "from 0 to 1, which binary-cross-entropy needs; scale the scores, or use labels";

/// Settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// All settings as a user would write them, with the defaults of the loss and of the adapters.
    pub config: FitConfig,
    /// How rows form batches.
    pub sampler: SamplerKind,
    /// Rows per batch.
    pub batch_size: NonZeroUsize,
    /// Weights to train.
    pub trained: Trained,
    /// Loss to minimise.
    pub objective: Objective,
    /// Activations kept between the forward and the backward pass.
    pub activations: Activations,
}

impl Deref for Settings {
    type Target = FitConfig;

    fn deref(&self) -> &FitConfig {
        &self.config
    }
}

/// Weights to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trained {
    /// All weights.
    All,
    /// All weights above the embeddings and this number of lowest layers.
    Above(usize),
    /// LoRA adapters, and whether to also save them in a separate folder.
    Adapters(LowRankConfig, bool),
}

impl Settings {
    /// Where the validation rows come from, for messages.
    pub(crate) fn place_of_validation(&self) -> String {
        match (self.split, self.valid.as_slice()) {
            (Some(share), _) => format!("--split {share}"),
            (None, []) => "the folder of --train".to_owned(),
            (None, [file]) => format!("--valid {}", file.display()),
            (None, [file, others @ ..]) => {
                format!("--valid {} and {} others", file.display(), others.len())
            }
        }
    }

    /// Checks everything that needs no file.
    ///
    /// # Errors
    ///
    /// [`TrainError::Usage`] names the invalid setting.
    pub(crate) fn resolve(mut config: FitConfig) -> Result<Self, TrainError> {
        if config.task == Task::Reranker && config.train.is_empty() {
            return Err(TrainError::usage(
                "train rerank needs rows: give --train FILE",
            ));
        }
        if config.task == Task::Tagger {
            check_tagger(&config)?;
        } else if let Some(flag) = of_taggers(&config) {
            return Err(TrainError::Usage(format!(
                "{flag} is for `train tag`; leave it out"
            )));
        }
        let objective = objective(&mut config)?;
        let sampler = match config.sampler {
            Some(sampler) => sampler,
            None if objective.loss.needs().in_batch_negatives => SamplerKind::NoDuplicates,
            None => SamplerKind::Shuffle,
        };
        config.sampler = Some(sampler);
        check_devices(&config.device)?;
        let validates = !config.valid.is_empty() || config.split.is_some();
        let usage = |problem: &str| Err(TrainError::Usage(problem.to_owned()));
        if !validates && (config.patience.is_some() || config.eval_steps.is_some()) {
            return usage(
                "--patience and --eval-steps need validation rows: give --valid FILE or --split 0.1",
            );
        }
        if config.group_column.is_some() && config.split.is_none() {
            return usage(
                "--group-column needs --split, for example --split 0.1: give it instead of --valid, or leave --group-column out",
            );
        }
        if !config.train.is_empty() && config.output.is_none() {
            return usage("give a folder for the tuned model: --output DIR");
        }
        let vectors = objective.loss.needs().target == TargetKind::Vectors;
        match config.guide.is_empty() {
            true if vectors => {
                return usage("this loss needs a guide: give --guide NAME|DIR");
            }
            false if !vectors => {
                return usage("--guide is for the losses gist and embed-distill; leave it out");
            }
            _ => {}
        }
        check_weights(
            "train",
            "files of --train",
            config.train_weights.len(),
            config.train.len(),
        )?;
        let guides = config.guide.len();
        if guides == 1 && !config.guide_weights.is_empty() {
            return usage("--guide-weights is for several models; leave it out");
        }
        check_weights("guide", "models", config.guide_weights.len(), guides)?;
        if config.texts && config.group_column.is_some() {
            return usage(
                "--texts makes a row of every text, and such rows have no --group-column: leave it out",
            );
        }
        if !config.layers.is_sorted_by(|one, other| one < other) {
            return usage(
                "--student: give layers in ascending order, each once, for example layers=0,4,8,11",
            );
        }
        if config.save_adapter && !config.layers.is_empty() {
            return usage(
                "--save-adapter is not for a model with some layers: its adapters would fit no model; leave it out",
            );
        }
        if config.save_adapter && config.lora.is_none() {
            return usage("--save-adapter needs --lora RANK");
        }
        let Some(batch_size) = NonZeroUsize::new(config.batch_size) else {
            return usage("--batch-size must be at least 1");
        };
        Ok(Self {
            sampler,
            batch_size,
            trained: trained(&mut config),
            objective,
            activations: match (config.mini_batch_size.is_some(), config.checkpointing) {
                (false, false) => Activations::Stored,
                (false, true) => Activations::Checkpointed,
                (true, false) => Activations::GradCache,
                (true, true) => Activations::GradCacheCheckpointed,
            },
            config,
        })
    }

    /// Norm to which gradients are clipped; `None` disables clipping.
    #[must_use]
    pub(crate) fn largest_norm(&self) -> Option<f64> {
        (self.max_grad_norm > 0.0).then_some(self.max_grad_norm)
    }

    /// Whether the run trains a reranker.
    #[must_use]
    pub(crate) fn is_reranker(&self) -> bool {
        self.task == Task::Reranker
    }

    /// Whether the run trains a tagger.
    #[must_use]
    pub(crate) fn is_tagger(&self) -> bool {
        self.task == Task::Tagger
    }

    /// Whether the run trains a model that gives texts vectors.
    #[must_use]
    pub(crate) fn is_encoder(&self) -> bool {
        self.task == Task::Encoder
    }

    /// Checks that the loss accepts rows of this kind.
    ///
    /// # Errors
    ///
    /// [`TrainError::Usage`] names the columns that the loss needs and those of the rows.
    pub(crate) fn check_kind(&self, kind: RowKind) -> Result<(), TrainError> {
        let loss = &self.objective.loss;
        let needs = loss.needs();
        let target = match kind {
            RowKind::Scored => TargetKind::Score,
            RowKind::Labelled => TargetKind::Label,
            RowKind::ScoredTuples { negatives, scores } if scores == negatives => {
                TargetKind::Margins
            }
            RowKind::ScoredTuples { .. } => TargetKind::Scores,
            RowKind::Tagged => TargetKind::Spans,
            RowKind::Texts | RowKind::Pairs | RowKind::Tuples { .. } => TargetKind::None,
        };
        let columns = kind.text_columns();
        // Labels are scores too: 0 and 1.
        let fits = match needs.target {
            TargetKind::Score => matches!(target, TargetKind::Score | TargetKind::Label),
            TargetKind::Margins => matches!(target, TargetKind::Scores | TargetKind::Margins),
            // A guide embeds the texts.
            TargetKind::Vectors => target == TargetKind::None,
            TargetKind::Probability => match target {
                TargetKind::Score | TargetKind::Label => true,
                target => target == TargetKind::None && columns > 2,
            },
            wanted => wanted == target,
        };
        if fits && needs.takes_columns(columns) {
            return Ok(());
        }
        Err(TrainError::Usage(format!(
            "--loss {} needs {needs}, but the rows have {columns} text columns{}; assign columns with \
             --columns, or choose another loss (`train losses` lists them)",
            loss.name(),
            match target {
                TargetKind::None => String::new(),
                target => format!(" and {target}"),
            },
        )))
    }

    /// Checks that the scores are in the range of the loss.
    ///
    /// # Errors
    ///
    /// [`TrainError::ScoreRange`] names the first row whose score is not in the range that the loss needs.
    pub(crate) fn check_scores(&self, table: &TextTable) -> Result<(), TrainError> {
        let (bounds, range) = if self.objective.loss == Loss::CosineSimilarity {
            (-1.0..=1.0, COSINE)
        } else if self.objective.loss.needs().target == TargetKind::Probability {
            (0.0..=1.0, PROBABILITY)
        } else {
            return Ok(());
        };
        for row in table.rows() {
            if let Some(score) = row.target().filter(|score| !bounds.contains(score)) {
                return Err(TrainError::ScoreRange {
                    file: row.file().cloned(),
                    line: row.line(),
                    score,
                    range,
                });
            }
        }
        Ok(())
    }
}

/// The loss; fills in the defaults of its parameters.
fn objective(config: &mut FitConfig) -> Result<Objective, TrainError> {
    fn usage<T>(flag: &str, result: Result<T, impl std::fmt::Display>) -> Result<T, TrainError> {
        result.map_err(|error| TrainError::Usage(format!("{flag}: {error}")))
    }
    let name = match config.loss.strip_prefix(CACHED) {
        Some(plain) => {
            config.mini_batch_size.get_or_insert(DEFAULT_MINI_BATCH);
            plain
        }
        None => &config.loss,
    };
    let mut loss: Loss = match config.task {
        Task::Encoder => usage("--loss", name.parse())?,
        Task::Reranker => Loss::OfPairs(pair_loss(config, name)?),
        Task::Tagger => Loss::OfTags,
    };
    if let Some(negatives) = config.negatives {
        loss = match loss {
            Loss::OfPairs(pairs) => pairs.with_negatives(negatives).map(Loss::OfPairs),
            _ => None,
        }
        .ok_or_else(|| {
            let problem = LossError::NoSuchParameter {
                loss: loss.name(),
                parameter: "negatives of other rows",
            };
            TrainError::Usage(format!("--negatives: {problem}"))
        })?;
    }
    if let Some(scale) = config.scale {
        loss = usage("--scale", loss.with_scale(scale))?;
    }
    if let Some(margin) = config.margin {
        loss = usage("--margin", loss.with_margin(margin))?;
    }
    config.scale = loss.scale();
    config.margin = loss.margin();
    if let Loss::OfPairs(pairs) = loss {
        let pairs = pairs.with_negatives(pairs.negatives());
        config.negatives = pairs.map(|pairs| pairs.negatives());
    }
    let mut objective = Objective::new(loss);
    if !config.matryoshka.is_empty() {
        let mut matryoshka = Matryoshka::new(config.matryoshka.clone());
        if !config.matryoshka_weights.is_empty() {
            matryoshka.weights.clone_from(&config.matryoshka_weights);
        }
        objective = objective.with_matryoshka(matryoshka);
    }
    // The width of the vectors is known only after the model is loaded.
    objective.validate(usize::MAX)?;
    Ok(objective)
}

/// The loss of a reranker; refuses what only vectors have.
fn pair_loss(config: &FitConfig, name: &str) -> Result<PairLoss, TrainError> {
    let vectors = [
        ("--matryoshka", !config.matryoshka.is_empty()),
        ("--save-adapter", config.save_adapter),
        ("--query-prompt", config.query_prompt.is_some()),
        ("--document-prompt", config.document_prompt.is_some()),
    ];
    if let Some((flag, _)) = vectors.into_iter().find(|(_, given)| *given) {
        return Err(TrainError::Usage(format!(
            "{flag} is for encoders, not for a reranker; leave it out"
        )));
    }
    PairLoss::of_name(name).ok_or_else(|| {
        TrainError::Usage(format!(
            "--loss: {}",
            LossError::UnknownOfPairs(name.to_owned())
        ))
    })
}

/// Refuses weights of which there are more or fewer than of what they weigh.
fn check_weights(option: &str, what: &str, weights: usize, count: usize) -> Result<(), TrainError> {
    if weights == 0 || weights == count {
        return Ok(());
    }
    Err(TrainError::Usage(format!(
        "--{option}-weights has {weights} numbers for {count} {what}: give one for each"
    )))
}

/// Refuses several devices of different kinds, and one that is named twice.
fn check_devices(devices: &[Device]) -> Result<(), TrainError> {
    let kind = |device: &Device| std::mem::discriminant(device);
    let several = devices.len() > 1;
    if several && devices.contains(&Device::Auto)
        || devices.windows(2).any(|two| kind(&two[0]) != kind(&two[1]))
    {
        return Err(TrainError::usage(
            "several devices must be of one kind, for example --device cuda:0,cuda:1",
        ));
    }
    for (place, device) in devices.iter().enumerate() {
        if devices[..place].contains(device) {
            return Err(TrainError::Usage(format!(
                "--device names {device} twice; name each once"
            )));
        }
    }
    Ok(())
}

/// The weights to train; fills in the defaults of adapters.
fn trained(config: &mut FitConfig) -> Trained {
    match (config.lora, config.freeze) {
        (Some(rank), _) => {
            let alpha = *config.lora_alpha.get_or_insert(2.0 * rank as f64);
            let seed = config.seed;
            Trained::Adapters(LowRankConfig { rank, alpha, seed }, config.save_adapter)
        }
        (None, Some(layers)) => Trained::Above(layers),
        (None, None) => Trained::All,
    }
}

#[cfg(test)]
mod tests;
