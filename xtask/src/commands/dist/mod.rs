//! `dist`: a release archive for this machine, its bill of materials and checksums.
//!
//! | task | module |
//! | --- | --- |
//! | packages that are in the programs | `packages` |
//! | their licences, in one file | `licenses` |
//! | the bill of materials | `sbom` |
//! | files in an archive, and their checksums | `archive` |
//! | errors | `error` |

mod archive;
mod error;
mod licenses;
mod packages;
mod sbom;

use std::path::{Path, PathBuf};

use crate::backend::Backend;
use crate::cargo::cargo;
use crate::cli::DistArgs;
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::{Step, workspace_root};
use archive::Entry;
pub(crate) use error::DistError;
use packages::{Build, Metadata};

/// The programs of the archive.
const PROGRAMS: [&str; 2] = ["infer", "train"];

/// First part of the name of the archive.
const NAME: &str = "mpnet-burn";

/// Where documents lie in the archive.
const DOCUMENTS: &str = "share/doc/mpnet-burn";

/// The small model, in the repository; the programs look for it in [`SHARED`].
const MODEL: &str = "models/static-256";

/// Where the programs find their own files, in the archive.
const SHARED: &str = "share/mpnet-burn";

/// Builds the programs and writes the archive, the bill of materials and the checksums into `dist` in the target
/// folder.
pub(crate) fn run(arguments: &DistArgs, runner: &mut Runner) -> Result<(), TaskError> {
    let build = build(arguments, runner)?;
    let metadata = metadata(arguments, &build.target, runner)?;
    let folder = metadata.target_directory.join("dist");
    create_folder(&folder)?;

    let version = metadata
        .version_of(PROGRAMS[0])
        .ok_or(DistError::NoPackage { name: PROGRAMS[0] })?;
    let name = format!("{NAME}-{version}-{}", build.target);
    let time = commit_time(runner);

    let lock = read_text(&workspace_root().join("Cargo.lock"))?;
    let checksums = packages::checksums(&lock);
    let linked = metadata.linked(&PROGRAMS, &build.compiled);
    let sbom = sbom::document(&linked, &checksums, &version, time);
    let licenses = licenses::document(&linked)?;

    let mut entries = programs(&build)?;
    entries.extend(manuals(&build, &folder, runner)?);
    for document in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        let path = workspace_root().join(document);
        entries.push(Entry::new(&format!("{DOCUMENTS}/{document}"), read(&path)?));
    }
    for path in files_of(&workspace_root().join(MODEL))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        entries.push(Entry::new(
            &format!("{SHARED}/{MODEL}/{name}"),
            read(&path)?,
        ));
    }
    let licenses_path = format!("{DOCUMENTS}/THIRD-PARTY-LICENSES.txt");
    entries.push(Entry::new(&licenses_path, licenses.into_bytes()));
    let sbom_path = format!("{DOCUMENTS}/sbom.cdx.json");
    entries.push(Entry::new(&sbom_path, sbom.clone().into_bytes()));
    let (file_name, archive) = archive::pack(&name, entries, time)?;

    let mut files = [
        Entry::new(&file_name, archive),
        Entry::new(&format!("{name}.cdx.json"), sbom.into_bytes()),
    ];
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let sums = Entry::new("SHA256SUMS", archive::checksums(&files).into_bytes());
    for file in files.iter().chain([&sums]) {
        let path = folder.join(&file.path);
        std::fs::write(&path, &file.bytes).map_err(DistError::io(&path))?;
        let kilobytes = file.bytes.len().div_ceil(1000);
        runner.note(format_args!("dist: {} ({kilobytes} kB)", path.display()));
    }
    Ok(())
}

/// Builds the programs and lists the compiled packages.
fn build(arguments: &DistArgs, runner: &mut Runner) -> Result<Build, TaskError> {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = runner.output(&Step::new("compiler", compiler).arguments(["-vV"]))?;
    let target = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or(DistError::NoTarget)?;
    let options = backend_options(arguments);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut step = cargo("build").arguments(["build", "--locked", "--bins"]);
    for program in PROGRAMS {
        step = step.arguments(["--package", program]);
    }
    let step = step
        .arguments(["--profile", &arguments.profile])
        .arguments(&options)
        .arguments(["--message-format", "json-render-diagnostics"]);
    let messages = runner.output(&step)?;
    Ok(Build::from_messages(&messages, target)?)
}

/// The options that choose the backend. There are none for the default, so that the archive shares its build with a
/// plain `cargo build --release -p infer -p train`.
fn backend_options(arguments: &DistArgs) -> Vec<String> {
    let backend = arguments.backend.backend;
    if backend == Backend::Cpu {
        return Vec::new();
    }
    let mut features = PROGRAMS
        .map(|program| format!("{program}/{}", backend.name()))
        .to_vec();
    features.push("infer/serve".to_owned());
    ["--no-default-features", "--features", &features.join(",")]
        .map(str::to_owned)
        .into()
}

fn metadata(
    arguments: &DistArgs,
    target: &str,
    runner: &mut Runner,
) -> Result<Metadata, TaskError> {
    let options = backend_options(arguments);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let step = cargo("packages")
        .arguments(["metadata", "--format-version", "1", "--locked"])
        .arguments(["--filter-platform", target])
        .arguments(&options);
    let text = runner.output(&step)?;
    Ok(serde_json::from_str(&text).map_err(DistError::Metadata)?)
}

/// Seconds since 1970 that every file of the archive bears: `SOURCE_DATE_EPOCH`, else the time of the commit, else 0.
fn commit_time(runner: &mut Runner) -> u64 {
    let chosen = std::env::var("SOURCE_DATE_EPOCH").ok();
    let step = Step::new("time of the commit", "git").arguments(["log", "-1", "--format=%ct"]);
    chosen
        .or_else(|| runner.output(&step).ok())
        .and_then(|seconds| seconds.trim().parse().ok())
        .unwrap_or(0)
}

fn programs(build: &Build) -> Result<Vec<Entry>, DistError> {
    PROGRAMS
        .iter()
        .map(|&program| {
            let path = build.program(program)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Ok(Entry::new(&format!("bin/{name}"), read(path)?).executable())
        })
        .collect()
}

/// Man pages and completion scripts. The programs write them from the definitions of their options.
fn manuals(build: &Build, folder: &Path, runner: &mut Runner) -> Result<Vec<Entry>, TaskError> {
    let mut entries = Vec::new();
    for program in PROGRAMS {
        let manual = folder.join(format!("{program}-manual"));
        create_folder(&manual)?;
        let path = build.program(program)?.to_string_lossy();
        let argument = manual.to_string_lossy();
        let step = Step::new("manual", path).arguments(["manual", &argument]);
        runner.run(&step)?;
        for path in files_of(&manual)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            entries.push(Entry::new(&manual_path(&name), read(&path)?));
        }
        std::fs::remove_dir_all(&manual).map_err(DistError::io(&manual))?;
    }
    Ok(entries)
}

/// Where the shells and `man` look for a file below a prefix such as `~/.local`.
fn manual_path(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, "1")) => format!("share/man/man1/{name}"),
        Some((program, "bash")) => format!("share/bash-completion/completions/{program}"),
        Some((_, "fish")) => format!("share/fish/vendor_completions.d/{name}"),
        None => format!("share/zsh/site-functions/{name}"),
        // PowerShell and Elvish have no such place.
        Some(_) => format!("{DOCUMENTS}/completions/{name}"),
    }
}

fn create_folder(path: &Path) -> Result<(), DistError> {
    std::fs::create_dir_all(path).map_err(DistError::io(path))
}

fn read(path: &Path) -> Result<Vec<u8>, DistError> {
    std::fs::read(path).map_err(DistError::io(path))
}

fn read_text(path: &Path) -> Result<String, DistError> {
    std::fs::read_to_string(path).map_err(DistError::io(path))
}

/// The files of a folder, in the order of their names.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, DistError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(DistError::io(folder))? {
        let path = entry.map_err(DistError::io(folder))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manuals_go_where_the_shells_look() {
        let places = [
            ("infer-embed.1", "share/man/man1/infer-embed.1"),
            ("train.bash", "share/bash-completion/completions/train"),
            ("_infer", "share/zsh/site-functions/_infer"),
            ("infer.fish", "share/fish/vendor_completions.d/infer.fish"),
            ("_infer.ps1", "share/doc/mpnet-burn/completions/_infer.ps1"),
        ];
        for (name, path) in places {
            assert_eq!(manual_path(name), path);
        }
    }
}
