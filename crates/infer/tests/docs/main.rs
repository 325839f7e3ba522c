//! Runs every `console` block of the README and of the book, as a reader would.
//!
//! A comment before a block says how it is run:
//!
//! | comment | on the tiny model | on the real model |
//! | --- | --- | --- |
//! | `<!-- test: tiny -->` | runs, and the output is compared | – |
//! | `<!-- test: real -->` | runs | runs with `MPNET_BURN_DOCS=all`, and the output is compared |
//! | `<!-- test: store -->` | runs where `MPNET_BURN_POSTGRES` names the programs of PostgreSQL | – |
//! | `<!-- not run: reason -->` | – | – |
//!
//! A block without such a comment fails the test. [`page`] describes the blocks, [`output`] the
//! comparison. The blocks of a page share a folder, in which `datasets` and `models` are links to the project's.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

#[path = "../../../store/tests/postgres/cluster.rs"]
#[allow(dead_code, reason = "the tests of the store use more of it")]
mod cluster;
mod output;
mod page;
mod shell;
#[path = "../../../model/tests/common/device.rs"]
mod test_device;

use std::path::{Path, PathBuf};

use page::{Block, Marker};
use shell::{Model, Shell};

fn project() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    project.canonicalize().unwrap()
}

/// Every page and its text, by its path in the project.
fn pages() -> Vec<(String, String)> {
    let project = project();
    let mut paths = vec![project.join("README.md")];
    let mut folders = vec![project.join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&project).unwrap().display().to_string();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// A command with servers of the test in the place of those of the page.
fn on_servers(text: &str) -> String {
    let [alone, one, two] = cluster::three();
    text.replace("postgres://shop@localhost/shop", &alone.address())
        .replace("postgres://shop@one/shop", &one.address())
        .replace("postgres://shop@two/shop", &two.address())
}

/// Runs the blocks of all pages, and returns what failed.
fn run(model: &Model) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, text) in pages() {
        let blocks = page::blocks(&text);
        let compares = |block: &Block| match block.marker {
            Some(Marker::Tiny | Marker::Store) => !model.is_real(),
            Some(Marker::Real) => model.is_real(),
            _ => false,
        };
        if model.is_real() && !blocks.iter().any(compares) {
            continue;
        }
        let shell = Shell::new(&project(), model);
        for block in &blocks {
            let place = format!("{name}:{}", block.line);
            match &block.marker {
                Some(Marker::NotRun(reason)) => {
                    eprintln!("{place}: not run: {reason}");
                    continue;
                }
                Some(Marker::Store) if model.is_real() => continue,
                Some(Marker::Store) if std::env::var_os("MPNET_BURN_POSTGRES").is_none() => {
                    eprintln!("{place}: not run without MPNET_BURN_POSTGRES");
                    continue;
                }
                // In a debug build the real model takes too long for commands of the tiny one.
                Some(Marker::Tiny) if model.is_real() => continue,
                Some(_) => {}
                None => {
                    failures.push(format!(
                        "{place}: put `<!-- test: tiny -->`, `<!-- test: real -->` or `<!-- not run: reason -->` \
                         before this console block"
                    ));
                    continue;
                }
            }
            for command in &block.commands {
                let text = if block.marker == Some(Marker::Store) {
                    on_servers(&command.text)
                } else {
                    command.text.clone()
                };
                let result = match shell.run(&text) {
                    Ok(Some(run)) => command.check(&run, compares(block)),
                    Ok(None) => Ok(()),
                    Err(reason) => Err(reason),
                };
                if let Err(reason) = result {
                    failures.push(format!("{place}: $ {}\n{reason}", command.text));
                }
            }
        }
    }
    failures
}

#[test]
fn every_block_runs_on_the_tiny_model() {
    let failures = run(&Model::tiny());
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[test]
fn blocks_of_the_real_model_show_its_output() {
    if !shell::runs_everything() {
        eprintln!("not run without MPNET_BURN_DOCS=all, which needs the real model in the cache");
        return;
    }
    let failures = run(&Model::Real);
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}
