//! Licences, sources and versions of all packages, from `cargo metadata` and the lists in deny.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::read;
use crate::cargo::cargo;
use crate::error::TaskError;

/// The one place that packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let deny = read(&root.join("deny.toml"))?;
    let (allowed, exceptions) = lists(&deny);
    let metadata = metadata()?;
    let used = reachable(&metadata);
    let mut findings = Vec::new();
    let mut met = BTreeSet::new();
    for package in list(&metadata["packages"]) {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = text("name");
        if !used.contains(text("id")) {
            continue;
        }
        let more: Vec<&str> = exceptions
            .iter()
            .filter(|(to, _)| to == name)
            .map(|(_, licence)| licence.as_str())
            .collect();
        let mut may = |licence: &str| {
            met.insert(licence.to_owned());
            allowed.contains(licence) || more.contains(&licence)
        };
        let licence = text("license").replace('/', " OR ");
        if !Expression::new(&licence).either(&mut may) {
            findings.push(format!(
                "{name} {}: licence \"{licence}\" is not in deny.toml",
                text("version")
            ));
        }
        match package["source"].as_str() {
            Some(source) if source != REGISTRY => findings.push(format!("{name}: from {source}")),
            Some(_) => {}
            None => {
                let wild = |d: &&Value| d["req"] == "*" && d["path"].is_null();
                for dependency in list(&package["dependencies"]).filter(wild) {
                    findings.push(format!("{name}: {} has no version", dependency["name"]));
                }
            }
        }
    }
    let listed = allowed
        .iter()
        .chain(exceptions.iter().map(|(_, licence)| licence));
    for unused in listed.filter(|licence| !met.contains(*licence)) {
        findings.push(format!("deny.toml: no package needs {unused}"));
    }
    Ok(findings)
}

fn metadata() -> Result<Value, TaskError> {
    let step = cargo("metadata").arguments([
        "metadata",
        "--locked",
        "--all-features",
        "--format-version",
        "1",
    ]);
    let output = step
        .command()
        .output()
        .map_err(|source| TaskError::NotStarted {
            program: step.program().to_owned(),
            source,
        })?;
    serde_json::from_slice(&output.stdout).map_err(|source| TaskError::NoReport {
        title: step.title(),
        source,
    })
}

/// The ids of the packages that those of the workspace lead to; a lock file holds more.
fn reachable(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .filter_map(|node| Some((node["id"].as_str()?, &node["dependencies"])))
        .collect();
    let mut used = BTreeSet::new();
    let mut next: Vec<&str> = list(&metadata["workspace_members"])
        .filter_map(Value::as_str)
        .collect();
    while let Some(package) = next.pop() {
        if used.insert(package) {
            next.extend(
                nodes
                    .get(package)
                    .into_iter()
                    .flat_map(|to| list(to))
                    .filter_map(Value::as_str),
            );
        }
    }
    used
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The allowed licences and those of single packages, from the lines of deny.toml.
fn lists(deny: &str) -> (BTreeSet<String>, Vec<(String, String)>) {
    let mut allowed = BTreeSet::new();
    let mut exceptions = Vec::new();
    for line in deny
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        match quoted[..] {
            [licence] if line.starts_with('"') => _ = allowed.insert(licence.to_owned()),
            [name, ref licences @ ..] if line.starts_with("{ name") => {
                exceptions.extend(
                    licences
                        .iter()
                        .map(|licence| (name.to_owned(), (*licence).to_owned())),
                );
            }
            _ => {}
        }
    }
    (allowed, exceptions)
}

/// An SPDX expression: `OR` binds less than `AND`, and `WITH` belongs to the name before it.
struct Expression<'a>(Vec<&'a str>);

impl<'a> Expression<'a> {
    fn new(text: &'a str) -> Self {
        let mut words: Vec<&str> = Vec::new();
        for word in text.split_whitespace() {
            let name = word.trim_start_matches('(');
            words.extend(std::iter::repeat_n("(", word.len() - name.len()));
            let bare = name.trim_end_matches(')');
            words.push(bare);
            words.extend(std::iter::repeat_n(")", name.len() - bare.len()));
        }
        words.reverse();
        Self(words)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.0.last() == Some(&word);
        if is_next {
            self.0.pop();
        }
        is_next
    }

    fn either(&mut self, may: &mut impl FnMut(&str) -> bool) -> bool {
        let mut any = self.both(may);
        while self.takes("OR") {
            any |= self.both(may);
        }
        any
    }

    fn both(&mut self, may: &mut impl FnMut(&str) -> bool) -> bool {
        let mut all = self.one(may);
        while self.takes("AND") {
            all &= self.one(may);
        }
        all
    }

    fn one(&mut self, may: &mut impl FnMut(&str) -> bool) -> bool {
        if self.takes("(") {
            let inner = self.either(may);
            return self.takes(")") && inner;
        }
        let name = self.0.pop().unwrap_or_default();
        if self.takes("WITH") {
            return may(&format!("{name} WITH {}", self.0.pop().unwrap_or_default()));
        }
        may(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed_as_spdx_says() {
        for (text, is_allowed) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("MIT OR GPL-3.0 AND GPL-3.0", true),
            ("(MIT OR GPL-3.0) AND GPL-3.0", false),
            ("MIT AND (GPL-3.0 OR (ISC AND MIT))", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ] {
            let mut may =
                |name: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name);
            assert_eq!(Expression::new(text).either(&mut may), is_allowed, "{text}");
        }
    }

    #[test]
    fn the_lists_are_read() {
        let (allowed, exceptions) = lists(
            "allow = [\n  \"MIT\",\n]\nexceptions = [\n  { name = \"a\", allow = [\"MPL-2.0\"] },\n]\nx = \"deny\"",
        );
        assert_eq!(allowed, BTreeSet::from(["MIT".to_owned()]));
        assert_eq!(exceptions, [("a".to_owned(), "MPL-2.0".to_owned())]);
    }
}
