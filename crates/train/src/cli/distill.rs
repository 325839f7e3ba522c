//! The command line of `distill`.

use std::num::NonZeroUsize;

use clap::builder::Resettable;
use clap::{Args, Command};

use super::FitArgs;
use crate::config::{Given, as_arguments, options_of_encoder};

pub(super) const DISTILL_EXAMPLES: &str = "\
Examples:
  train distill --student layers=0,4,8,11 --train products.csv --train searches.txt \\
      --split 0.02 --output small
  train distill --teacher tuned --student static --train products.csv --output tiny
  train distill --output small --resume";

/// Arguments of `distill`.
#[derive(Clone, Debug, Args)]
pub struct DistillArgs {
    /// Copy the vectors of this model: a name on the hub or a folder. Repeat it for a student, other than a
    /// static one, with the mean of several models' cosines [default:
    /// sentence-transformers/all-mpnet-base-v2].
    #[arg(
        long,
        value_name = "NAME|DIR",
        env = "MPNET_BURN_MODEL",
        hide_env_values = true
    )]
    pub teacher: Vec<String>,
    /// Make a static model (static), keep layers of the first teacher, counted from 0
    /// (layers=0,4,8,11), or start from another encoder: a name on the hub or a folder. The
    /// defaults of a static model are --batch-size 512, --lr 1e-3 and --epochs 6.
    #[arg(
        long,
        value_name = "static|layers=N,...|NAME|DIR",
        required_unless_present = "resume"
    )]
    pub student: Option<String>,
    /// Give a static model vectors of N numbers [default: 256].
    #[arg(long, value_name = "N")]
    pub dimensions: Option<NonZeroUsize>,
    /// Give a static model rows for frequent words until it has N; all tokens of the teacher in Latin
    /// script have one [default: 29800].
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// Arguments as those of `fit`.
    #[command(flatten)]
    pub fit: FitArgs<StudentSettings>,
}

/// The settings of `train fit` except those that the student and the teacher decide.
#[derive(Clone, Debug)]
pub struct StudentSettings(pub Given);

/// These settings follow from `--teacher` and `--student`.
pub(crate) const DECIDED: [&str; 9] = [
    "model",
    "layers",
    "loss",
    "guide",
    "texts",
    "scale",
    "margin",
    "query-prompt",
    "document-prompt",
];

as_arguments!(StudentSettings, options, Self);

fn options(command: Command) -> Command {
    let hidden = |command: Command, name: String| {
        command.mut_arg(name, |option| {
            // `--teacher` has the variable of `--model`.
            let option = option.env(Resettable::Reset);
            option.hide(true).conflicts_with("student")
        })
    };
    // The defaults are those that the command gives; only what is typed counts.
    DECIDED
        .into_iter()
        .map(|name| name.replace('-', "_"))
        .fold(options_of_encoder(command), hidden)
        .mut_arg("batch_size", |option| option.default_value("64"))
        .mut_arg("lr", |option| option.default_value("1e-4"))
        .mut_arg("dropout", |option| {
            option.help("Set the dropout probability, from 0 to below 1 [default: 0]")
        })
}
