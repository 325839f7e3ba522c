//! Settings that depend on more than one option.

use model::Device;
use model::parts::LowRankConfig;

use super::Trained;
use crate::error::TrainError;
use crate::losses::{Loss, Matryoshka, Objective};
use crate::options::FitOptions;
use crate::step::Activations;

/// Prefix of losses with GradCache, as in sentence-transformers.
const CACHED: &str = "cached-";

/// Default number of texts per micro-batch of GradCache (sentence-transformers').
const DEFAULT_MINI_BATCH: usize = 32;

/// The loss; fills in the defaults of its parameters.
pub(super) fn objective(options: &mut FitOptions) -> Result<Objective, TrainError> {
    let name = options.loss.clone().unwrap_or_default();
    let plain = match name.strip_prefix(CACHED) {
        Some(plain) => {
            options.mini_batch_size.get_or_insert(DEFAULT_MINI_BATCH);
            plain
        }
        None => &name,
    };
    let mut loss: Loss = usage("--loss", plain.parse())?;
    if let Some(scale) = options.scale {
        loss = usage("--scale", loss.with_scale(scale))?;
    }
    if let Some(margin) = options.margin {
        loss = usage("--margin", loss.with_margin(margin))?;
    }
    options.scale = loss.scale();
    options.margin = loss.margin();
    let mut objective = Objective::new(loss);
    if options.matryoshka.contains(&0) {
        return Err(TrainError::Usage(
            "--matryoshka must be at least 1".to_owned(),
        ));
    }
    if !options.matryoshka.is_empty() {
        let mut matryoshka = Matryoshka::new(options.matryoshka.clone());
        if !options.matryoshka_weights.is_empty() {
            matryoshka.weights = options.matryoshka_weights.clone();
        }
        objective = objective.with_matryoshka(matryoshka);
    } else if !options.matryoshka_weights.is_empty() {
        return Err(TrainError::Usage(
            "--matryoshka-weights needs the dimensions: give --matryoshka".to_owned(),
        ));
    }
    // The width of the vectors is known only after the model is loaded.
    objective.validate(usize::MAX)?;
    Ok(objective)
}

/// The devices, of one kind.
pub(super) fn devices(options: &FitOptions) -> Result<Vec<Device>, TrainError> {
    let parse = |flag: &str, name: &str| usage(flag, name.trim().parse::<Device>());
    match (&options.devices, &options.device) {
        (Some(list), _) => {
            let devices = list
                .split(',')
                .map(|name| parse("--devices", name))
                .collect::<Result<Vec<_>, _>>()?;
            let kind = |device: &Device| std::mem::discriminant(device);
            let auto = devices.contains(&Device::Auto);
            if auto || devices.windows(2).any(|two| kind(&two[0]) != kind(&two[1])) {
                return Err(TrainError::Usage(
                    "--devices must be of one kind, for example cuda:0,cuda:1".to_owned(),
                ));
            }
            for (place, device) in devices.iter().enumerate() {
                if devices[..place].contains(device) {
                    return Err(TrainError::Usage(
                        "--devices names a device twice; name each once".to_owned(),
                    ));
                }
            }
            Ok(devices)
        }
        (None, Some(name)) => Ok(vec![parse("--device", name)?]),
        (None, None) => Ok(vec![Device::Auto]),
    }
}

/// The weights to train; fills in the defaults of adapters.
pub(super) fn trained(options: &mut FitOptions) -> Result<Trained, TrainError> {
    let seed = options.seed.unwrap_or_default();
    match (options.lora, options.freeze) {
        (Some(_), Some(_)) => Err(TrainError::Usage(
            "--lora already freezes all weights: leave --freeze out".to_owned(),
        )),
        (Some(0), None) => Err(TrainError::Usage("--lora must be at least 1".to_owned())),
        (Some(rank), None) => {
            let alpha = *options.lora_alpha.get_or_insert(2.0 * rank as f64);
            if !(alpha.is_finite() && alpha > 0.0) {
                return Err(TrainError::Usage(format!(
                    "--lora-alpha must be above 0, not {alpha}"
                )));
            }
            let config = LowRankConfig { rank, alpha, seed };
            let alone = *options.save_adapter.get_or_insert(false);
            Ok(Trained::Adapters(config, alone))
        }
        (None, _) if options.lora_alpha.is_some() || options.save_adapter == Some(true) => Err(
            TrainError::Usage("--lora-alpha and --save-adapter need --lora RANK".to_owned()),
        ),
        (None, Some(layers)) => Ok(Trained::Above(layers)),
        (None, None) => Ok(Trained::All),
    }
}

/// The activations to keep between the passes.
pub(super) fn activations(options: &FitOptions) -> Activations {
    let layers = options.checkpointing == Some(true);
    match (options.mini_batch_size.is_some(), layers) {
        (false, false) => Activations::Stored,
        (false, true) => Activations::Checkpointed,
        (true, false) => Activations::GradCache,
        (true, true) => Activations::GradCacheCheckpointed,
    }
}

/// The value of a flag, or a usage error that names the flag.
pub(super) fn usage<T, E: std::fmt::Display>(
    flag: &str,
    result: Result<T, E>,
) -> Result<T, TrainError> {
    result.map_err(|error| TrainError::Usage(format!("{flag}: {error}")))
}
