//! Every help text, held in the reference of the documentation.

use clap::CommandFactory;
use train::cli::Cli;

use crate::snapshot::assert_snapshot;

#[test]
fn the_reference_is_the_help_of_every_command() {
    let regenerate = "UPDATE_SNAPSHOTS=1 cargo test -p train --test program help";
    let page = program::reference::page(Cli::command(), regenerate);
    assert_snapshot("../../docs/src/reference/cli-train.md", &page);
}
