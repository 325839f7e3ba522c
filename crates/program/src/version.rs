//! The text of `--version`: version, commit, compiled-in backends and target.

/// The commit that the program was built from: short hash and date, or `unknown`.
pub const COMMIT: &str = env!("PROGRAM_COMMIT");

/// The target triple that the program was built for.
pub const TARGET: &str = env!("PROGRAM_TARGET");

/// The version of a program.
#[derive(Clone, Debug)]
pub struct Version {
    version: &'static str,
    backends: String,
}

impl Version {
    /// `version` is the version of the program's package, `backends` are those that are compiled in.
    #[must_use]
    pub fn new(version: &'static str, backends: &[&str]) -> Self {
        let backends = match backends {
            [] => "no backend".to_owned(),
            backends => backends.join("+"),
        };
        Self { version, backends }
    }

    /// One line, for `-V`: `0.1.0 (f839644 2026-11-28, cpu, x86_64-unknown-linux-gnu)`.
    #[must_use]
    pub fn short(&self) -> String {
        let Self { version, backends } = self;
        format!("{version} ({COMMIT}, {backends}, {TARGET})")
    }

    /// A line for each part, for `--version`.
    #[must_use]
    pub fn long(&self) -> String {
        let Self { version, backends } = self;
        format!("{version}\ncommit:   {COMMIT}\nbackends: {backends}\ntarget:   {TARGET}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_commit_backends_and_target() {
        let version = Version::new("1.2.3", &["cpu", "wgpu"]);
        assert_eq!(
            version.short(),
            format!("1.2.3 ({COMMIT}, cpu+wgpu, {TARGET})")
        );
        assert!(version.long().starts_with("1.2.3\ncommit: "));
        assert!(Version::new("1.2.3", &[]).short().contains("no backend"));
        assert!(
            !COMMIT.is_empty() && TARGET.contains('-'),
            "{COMMIT} {TARGET}"
        );
    }
}
