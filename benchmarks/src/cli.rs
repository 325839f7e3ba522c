//! The command line.

use clap::{Parser, Subcommand};

use crate::batches::BatchesArgs;
use crate::compare::CompareArgs;
use crate::load::LoadArgs;
use crate::quality::QualityArgs;
use crate::scaling::ScalingArgs;
use crate::train_step::TrainStepArgs;

/// Measure speed, quality and training of mpnet-burn.
#[derive(Debug, Parser)]
#[command(name = "benchmarks", max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare a speed report of `infer bench --json` with the speeds of other programs.
    Compare(CompareArgs),
    /// Print what a GPU's batches cost by our model of it: seconds, and padded over real tokens.
    Batches(BatchesArgs),
    /// Measure texts/s by threads, length and batch, and compare them with the roofline.
    Scaling(ScalingArgs),
    /// Score the model on open data and compare every figure with PyTorch's.
    Quality(QualityArgs),
    /// Ask `infer serve` at several rates: latencies, refusals and memory.
    Load(LoadArgs),
    /// Time training steps: s/step, tokens/s and peak memory.
    TrainStep(TrainStepArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
