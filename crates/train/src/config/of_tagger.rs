//! The options of `train tag`: those of `train fit` that a tagger has, and its own.

use clap::{Args, Command};

use super::FitConfig;
use super::given::{Given, OF_ENCODERS, as_arguments, hide};

/// Further settings that a tagger does not have.
const NOT_OF_TAGGERS: [&str; 5] = ["columns", "group_column", "loss", "scale", "negatives"];

/// The help of options that say something else of a tagger.
const HELP_OF_TAGGERS: [(&str, &str); 7] = [
    (
        "train",
        "Read training rows from FILE: JSON Lines with spans, attributes or tokens, CoNLL, or with --label a product file; \
         repeat for several files",
    ),
    (
        "valid",
        "Read validation rows from FILE, or take this share of the training rows: above 0 and below 1",
    ),
    ("epochs", "Pass N times over the training rows"),
    ("lr", "Set the peak learning rate"),
    (
        "warmup",
        "Raise the learning rate from 0 during this share of the steps, from 0 to below 1",
    ),
    (
        "decay",
        "Change the learning rate after the warm-up: linear falls to 0, constant stays",
    ),
    (
        "sampler",
        "Form batches by shuffle, sequential or length (rows of similar length) [default: shuffle]",
    ),
];

/// Defaults of a tagger.
pub(crate) const TAGGER_DEFAULTS: [(&str, &str); 4] = [
    ("loss", "cross-entropy"),
    ("epochs", "10"),
    ("batch-size", "16"),
    ("lr", "1e-4"),
];

/// [`Given`] on the command line of `train tag`.
#[derive(Clone, Debug)]
pub struct GivenForTagger(pub(crate) Given);

as_arguments!(GivenForTagger, options_of_tagger, |given: Given| {
    Self(given.with("task", "tagger"))
});

fn options_of_tagger(command: Command) -> Command {
    let command = hide(FitConfig::augment_args(command), &OF_ENCODERS);
    let command = hide(command, &NOT_OF_TAGGERS);
    let helps = HELP_OF_TAGGERS.iter();
    let command = helps.fold(command, |command, &(option, help)| {
        command.mut_arg(option, |option| option.help(help))
    });
    // The defaults are those that the command gives; only what is typed counts.
    let defaults = TAGGER_DEFAULTS.iter().filter(|(name, _)| *name != "loss");
    defaults.fold(command, |command, &(name, value)| {
        command.mut_arg(name.replace('-', "_"), |option| option.default_value(value))
    })
}
