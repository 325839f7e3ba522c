//! Licences and sources of all packages, as `cargo tree` tells them, and the lists in deny.toml.

use std::collections::BTreeSet;
use std::path::Path;

use super::{read, tracked};
use crate::cargo::cargo;
use crate::error::TaskError;

pub(crate) fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let (allowed, exceptions) = lists(&read(&root.join("deny.toml"))?);
    let mut findings = Vec::new();
    let mut met = BTreeSet::new();
    for line in packages()?.lines() {
        // `name v1.2.3 (path or address, if it is not from the registry)|MIT OR Apache-2.0`
        let (package, licence) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or_default();
        let mut may = |licence: &str| {
            met.insert(licence.to_owned());
            allowed.contains(licence)
                || exceptions
                    .iter()
                    .any(|(to, more)| to == name && more == licence)
        };
        if !Expression::new(&licence.replace('/', " OR ")).either(&mut may) {
            findings.push(format!(
                "{package}: licence \"{licence}\" is not in deny.toml"
            ));
        }
        if package.contains("://") {
            findings.push(format!("{package}: is not from the package registry"));
        }
    }
    let excepted = exceptions.iter().map(|(_, licence)| licence);
    for unused in allowed
        .iter()
        .chain(excepted)
        .filter(|licence| !met.contains(*licence))
    {
        findings.push(format!("deny.toml: no package needs {unused}"));
    }
    for manifest in tracked(root, "Cargo.toml")? {
        let text = read(&root.join(&manifest))?;
        let any = |(_, line): &(usize, &str)| line.contains("= \"*\"");
        let lines = text.lines().enumerate().filter(any);
        findings.extend(lines.map(|(at, _)| format!("{manifest}:{}: any version will do", at + 1)));
    }
    Ok(findings)
}

/// All packages of all platforms and features, one per line, each once.
fn packages() -> Result<String, TaskError> {
    let step = cargo("packages")
        .arguments([
            "tree",
            "--locked",
            "--workspace",
            "--all-features",
            "--target",
            "all",
        ])
        .arguments(["--prefix", "none", "--format", "{p}|{l}"]);
    let output = step
        .command()
        .output()
        .map_err(|source| TaskError::NotStarted {
            program: step.program().to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(TaskError::Failed {
            title: step.title(),
            status: output.status,
            command: step.command_line(),
        });
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: BTreeSet<&str> = lines
        .lines()
        // Cargo marks a package that it has printed before.
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    Ok(lines.into_iter().collect::<Vec<_>>().join("\n"))
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
