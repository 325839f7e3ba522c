//! Tells the program which commit it is built from: `git` in a checkout, `MPNET_BURN_COMMIT` elsewhere.
#![allow(
    clippy::print_stdout,
    reason = "a build script talks to cargo through stdout"
)]

use std::path::Path;
use std::process::Command;

/// Names the commit where there is no checkout, as in a container or an unpacked archive.
const COMMIT: &str = "MPNET_BURN_COMMIT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let named = std::env::var(COMMIT)
        .ok()
        .filter(|commit| !commit.is_empty());
    let commit = named.or_else(commit_of_checkout);
    let target = std::env::var("TARGET").unwrap_or_default();
    println!(
        "cargo::rustc-env=PROGRAM_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
    println!("cargo::rustc-env=PROGRAM_TARGET={target}");
}

/// The short hash and the date of the checked-out commit.
fn commit_of_checkout() -> Option<String> {
    // An archive that somebody unpacked inside another repository is not that repository.
    let top_level = git(&["rev-parse", "--show-toplevel"])?;
    let package = Path::new(&top_level).join("crates/program/build.rs");
    let own = Path::new("build.rs").canonicalize().ok()?;
    if package.canonicalize().ok()? != own {
        return None;
    }
    watch_checkout();
    git(&["show", "--no-patch", "--format=%h %cs", "HEAD"])
}

/// Runs this script again when another commit is checked out or made, and only then.
fn watch_checkout() {
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let mut names = vec!["HEAD", "packed-refs"];
    names.extend(branch.as_deref());
    for name in names {
        // `--git-path` knows worktrees. A missing file would run this script at each build.
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
