//! One program that a task runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One program that a task runs, with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    title: &'static str,
    program: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    install: Option<&'static str>,
    folder: Option<PathBuf>,
}

impl Step {
    /// A program without arguments; the title is for the reader of the log.
    pub(crate) fn new(title: &'static str, program: impl Into<String>) -> Self {
        Self {
            title,
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            install: None,
            folder: None,
        }
    }

    /// Adds arguments.
    pub(crate) fn arguments<'a>(mut self, arguments: impl AsRef<[&'a str]>) -> Self {
        let arguments = arguments
            .as_ref()
            .iter()
            .map(|&argument| argument.to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Adds an option of cargo itself, before what is meant for another program.
    pub(crate) fn option(mut self, option: &str) -> Self {
        let end = self.arguments.iter().position(|argument| argument == "--");
        self.arguments
            .insert(end.unwrap_or(self.arguments.len()), option.to_owned());
        self
    }

    /// Sets an environment variable.
    pub(crate) fn environment(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Sets the folder to start in, instead of the root of the workspace.
    pub(crate) fn inside(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Says how to get the program where it is missing.
    pub(crate) fn installed_by(mut self, install: &'static str) -> Self {
        self.install = Some(install);
        self
    }

    /// What the step is, in a word or two.
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    /// The program.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// The command that installs the program, if it is one that a machine may lack.
    pub(crate) fn install(&self) -> Option<&'static str> {
        self.install
    }

    /// The command, as one would type it.
    pub(crate) fn command_line(&self) -> String {
        let mut words: Vec<String> = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let name = Path::new(&self.program).file_stem();
        words.push(name.map_or_else(|| self.program.clone(), |n| n.to_string_lossy().into()));
        words.extend(self.arguments.iter().cloned());
        words.join(" ")
    }

    /// The command to start.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.folder.as_deref().unwrap_or(workspace_root()))
            .envs(self.environment.iter().copied());
        // `cargo run` describes this package to this program. Handed on, that makes build scripts
        // which watch these variables (ring's, for one) run again, and all that depends on
        // them compile again, whenever a developer changes between `cargo test` and `cargo
        // xtask test`.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// The folder of the root manifest.
pub(crate) fn workspace_root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_reads_as_typed() {
        let step = Step::new("documentation", "/opt/rust/bin/cargo")
            .arguments(["doc", "--no-deps"])
            .environment("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            step.command_line(),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps"
        );
    }

    #[test]
    fn what_cargo_says_of_this_package_is_not_handed_on() {
        let command = Step::new("version", "cargo").command();
        let removed = command
            .get_envs()
            .filter(|(name, value)| *name == "CARGO_PKG_NAME" && value.is_none());
        assert_eq!(
            removed.count(),
            usize::from(std::env::var_os("CARGO_PKG_NAME").is_some())
        );
        assert!(
            command
                .get_current_dir()
                .unwrap()
                .join("Cargo.lock")
                .is_file()
        );
    }
}
