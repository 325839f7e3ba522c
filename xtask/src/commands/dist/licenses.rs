//! The licences of the packages whose code is in the programs, as one text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::packages::Package;
use super::{DistError, files_of};

/// How the names of licence files begin, in lower case.
const NAMES: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// The licence of a package as an SPDX expression.
///
/// Old packages write `MIT/Apache-2.0` for a choice.
pub(super) fn expression(package: &Package) -> Option<String> {
    let expression = package.license.as_ref()?;
    let words: Vec<&str> = expression.split('/').map(str::trim).collect();
    Some(words.join(" OR "))
}

/// A table of the packages, then every licence text that they come with, once.
pub(super) fn document(linked: &[(&Package, Vec<&Package>)]) -> Result<String, DistError> {
    let mut text = "The programs contain code of the Rust standard library (MIT OR Apache-2.0) and of these packages.\n\n".to_owned();
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (package, _) in linked {
        if package.source.is_none() {
            continue;
        }
        let name = format!("{} {}", package.name, package.version);
        let files = license_files(package)?;
        let expression = expression(package).unwrap_or_else(|| "see its text".to_owned());
        let note = if files.is_empty() {
            " (the package brings no text)"
        } else {
            ""
        };
        let _ = writeln!(text, "{name}: {expression}{note}");
        for file in files {
            let bytes = std::fs::read(&file).map_err(DistError::io(&file))?;
            let license = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            let license = license.trim().to_owned();
            let names = users.entry(license).or_default();
            if !names.contains(&name) {
                names.push(name.clone());
            }
        }
    }
    // In the order of the first package that brings it.
    let mut texts: Vec<(String, Vec<String>)> = users.into_iter().collect();
    texts.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    for (license, names) in texts {
        let line = "-".repeat(80);
        let _ = write!(text, "\n{line}\n{}:\n\n{license}\n", names.join(", "));
    }
    Ok(text)
}

/// The licence files of a package, in the order of their names.
fn license_files(package: &Package) -> Result<Vec<PathBuf>, DistError> {
    let folder = package.manifest_path.parent().unwrap_or(Path::new(""));
    let mut files: Vec<PathBuf> = files_of(folder)?
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.to_lowercase();
            NAMES.iter().any(|start| name.starts_with(start))
        })
        .collect();
    if let Some(file) = &package.license_file {
        let file = folder.join(file);
        if file.is_file() && !files.contains(&file) {
            files.push(file);
        }
    }
    Ok(files)
}
