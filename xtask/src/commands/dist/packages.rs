//! The packages that are linked into the programs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DistError;

/// The output of `cargo build`.
#[derive(Debug)]
pub(super) struct Build {
    /// The machine that the programs are for, such as `x86_64-unknown-linux-gnu`.
    pub(super) target: String,
    /// Ids of the packages whose library was compiled, that of build scripts and macros too.
    pub(super) compiled: BTreeSet<String>,
    programs: BTreeMap<String, PathBuf>,
}

impl Build {
    /// Reads what `cargo build --message-format json` printed.
    pub(super) fn from_messages(messages: &str, target: &str) -> Result<Self, DistError> {
        /// The fields that we need of a message.
        #[derive(Deserialize)]
        struct Message {
            reason: String,
            package_id: Option<String>,
            target: Option<CargoTarget>,
            executable: Option<PathBuf>,
        }
        let mut build = Self {
            target: target.to_owned(),
            compiled: BTreeSet::new(),
            programs: BTreeMap::new(),
        };
        for line in messages.lines() {
            let message: Message = serde_json::from_str(line).map_err(DistError::Message)?;
            let (Some(id), Some(target)) = (message.package_id, message.target) else {
                continue;
            };
            if message.reason != "compiler-artifact" {
                continue;
            }
            match message.executable {
                Some(path) if target.is("bin") => {
                    build.programs.insert(target.name, path);
                }
                _ => {
                    build.compiled.insert(id);
                }
            }
        }
        Ok(build)
    }

    /// The file of a program.
    pub(super) fn program(&self, name: &str) -> Result<&Path, DistError> {
        let path = self.programs.get(name).map(PathBuf::as_path);
        path.ok_or_else(|| DistError::NotBuilt {
            name: name.to_owned(),
        })
    }
}

/// The output of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    /// The target folder.
    pub(super) target_directory: PathBuf,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    /// Cargo's name for exactly this package.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) license: Option<String>,
    /// A file with the licence, from the folder of the package.
    pub(super) license_file: Option<PathBuf>,
    pub(super) repository: Option<String>,
    /// The registry; `None` for a package of this workspace.
    pub(super) source: Option<String>,
    pub(super) manifest_path: PathBuf,
    targets: Vec<CargoTarget>,
}

#[derive(Debug, Deserialize)]
struct CargoTarget {
    name: String,
    kind: Vec<String>,
}

impl CargoTarget {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|each| each == kind)
    }
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

impl Metadata {
    /// The version of a package of the workspace.
    pub(super) fn version_of(&self, name: &str) -> Option<String> {
        let package = |package: &&Package| package.name == name && package.source.is_none();
        Some(self.packages.iter().find(package)?.version.clone())
    }

    /// The packages whose code is in the programs, by name and version: those that an ordinary dependency leads to and
    /// that were compiled, macros left out.
    pub(super) fn linked(
        &self,
        programs: &[&str],
        compiled: &BTreeSet<String>,
    ) -> Vec<(&Package, Vec<&Package>)> {
        let packages: BTreeMap<&str, &Package> = self
            .packages
            .iter()
            .filter(|package| !package.targets.iter().any(|target| target.is("proc-macro")))
            .map(|package| (package.id.as_str(), package))
            .collect();
        let nodes: BTreeMap<&str, &Node> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let is_program =
            |package: &Package| package.source.is_none() && programs.contains(&&*package.name);
        let mut waiting: VecDeque<&Package> = packages
            .values()
            .copied()
            .filter(|package| is_program(package))
            .collect();
        let mut linked: BTreeMap<(&str, &str), (&Package, Vec<&Package>)> = BTreeMap::new();
        while let Some(package) = waiting.pop_front() {
            let key = (package.name.as_str(), package.version.as_str());
            if linked.contains_key(&key) {
                continue;
            }
            let node = nodes.get(package.id.as_str());
            let mut needs: Vec<&Package> = node
                .into_iter()
                .flat_map(|node| &node.deps)
                .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()))
                .filter(|dependency| compiled.contains(&dependency.pkg))
                .filter_map(|dependency| packages.get(dependency.pkg.as_str()).copied())
                .collect();
            needs.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
            waiting.extend(&needs);
            linked.insert(key, (package, needs));
        }
        linked.into_values().collect()
    }
}

/// The checksums in Cargo.lock, by name and version.
pub(super) fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let mut checksums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            package
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim_matches('"'))
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (field("name"), field("version"), field("checksum"))
        {
            checksums.insert((name, version), checksum);
        }
    }
    checksums
}
