//! Checks of the options before defaults are filled in.

use crate::error::TrainError;
use crate::options::FitOptions;

/// Refuses in a config file the combinations that clap refuses on the command line.
pub(super) fn check_choices(options: &FitOptions) -> Result<(), TrainError> {
    for (one, other, both) in [
        (
            "--split",
            "--valid",
            options.split.is_some() && !options.valid.is_empty(),
        ),
        (
            "--device",
            "--devices",
            options.device.is_some() && options.devices.is_some(),
        ),
    ] {
        if both {
            return Err(TrainError::Usage(format!(
                "{one} and {other} exclude each other: leave one out"
            )));
        }
    }
    Ok(())
}

/// Refuses numbers that TOML cannot hold, before the run instead of at its end.
pub(super) fn check_sizes(options: &FitOptions) -> Result<(), TrainError> {
    let size = |value: Option<usize>| value.map(|value| value as u64);
    let matryoshka = options.matryoshka.iter().max().copied();
    for (name, value) in [
        ("--workers", size(options.workers)),
        ("--max-length", size(options.max_length)),
        ("--freeze", size(options.freeze)),
        ("--lora", size(options.lora)),
        ("--matryoshka", size(matryoshka)),
        ("--epochs", size(options.epochs)),
        ("--max-steps", size(options.max_steps)),
        ("--batch-size", size(options.batch_size)),
        ("--mini-batch-size", size(options.mini_batch_size)),
        ("--accumulation", size(options.accumulation)),
        ("--replicas", size(options.replicas)),
        ("--seed", options.seed),
        ("--eval-steps", size(options.eval_steps)),
        ("--patience", size(options.patience)),
        ("--save-steps", size(options.save_steps)),
    ] {
        if let Some(value) = value.filter(|&value| i64::try_from(value).is_err()) {
            return Err(TrainError::Usage(format!(
                "{name} must be at most {}, not {value}",
                i64::MAX
            )));
        }
    }
    Ok(())
}
