//! The command line of `tag`.

use clap::Args;

use super::FitArgs;
use crate::config::GivenForTagger;

pub(super) const TAG_EXAMPLES: &str = "\
Examples:
  train tag --train titles.jsonl --valid 0.1 --output tagger
  train tag --train products.csv --label brand --label colour=color --valid 0.1 --output tagger
  train tag --train products.csv --label brand --convert > rows.jsonl
  train evaluate --model tagger --tags test.jsonl --seen titles.jsonl
  infer attributes --model tagger --input products.csv --column title";

/// Arguments of `tag`.
#[derive(Clone, Debug, Args)]
pub struct TagArgs {
    /// Write the training rows to standard output, as JSON Lines with spans, and train nothing.
    #[arg(long, conflicts_with_all = ["resume", "output"])]
    pub convert: bool,
    /// Arguments as those of `fit`.
    #[command(flatten)]
    pub fit: FitArgs<GivenForTagger>,
}
