//! Packages from the Python registry, by running pip: it knows the user's registry, proxy and
//! certificates.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Interrupted;
use super::mirror::{MirrorError, PackageSource};

/// How often a running pip is checked.
const TICK: Duration = Duration::from_millis(200);

/// The names of Python 3 on different systems.
const INTERPRETERS: &[&str] = &["python3", "python"];

/// The `pip` of the first Python found.
pub(super) struct Pip;

impl PackageSource for Pip {
    fn fetch(
        &self,
        requirement: &str,
        destination: &Path,
        tick: &mut dyn FnMut() -> Result<(), Interrupted>,
    ) -> Result<PathBuf, MirrorError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| MirrorError::Io { path, source }
        };
        std::fs::create_dir_all(destination).map_err(io(destination))?;
        let log_path = destination.join("pip.log");
        for interpreter in INTERPRETERS {
            let mut log = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&log_path)
                .map_err(io(&log_path))?;
            let spawned = Command::new(interpreter)
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--no-cache-dir",
                ])
                .args(["--disable-pip-version-check", "--no-input", "--dest"])
                .arg(destination)
                .arg(requirement)
                // Its temporary files count as progress, and are removed with the folder.
                .env("TMPDIR", destination)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log.try_clone().map_err(io(&log_path))?)
                .spawn();
            let mut child = match spawned {
                Ok(child) => child,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io(Path::new(interpreter))(error)),
            };
            let status = loop {
                if let Some(status) = child.try_wait().map_err(io(Path::new(interpreter)))? {
                    break status;
                }
                if let Err(interrupted) = tick() {
                    // It may have ended already: a terminal's Ctrl-C reaches pip as well.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(interrupted.into());
                }
                std::thread::sleep(TICK);
            };
            // Once more: the signal that ended pip may make the callback break, and then pip's failure is not the
            // reason.
            tick()?;
            if status.success() {
                return wheel_in(destination, requirement);
            }
            let mut output = String::new();
            // A part of the reason is better than none.
            let _ = log.rewind().and_then(|()| log.read_to_string(&mut output));
            return Err(MirrorError::Pip {
                requirement: requirement.to_owned(),
                reason: reason_in(&output, interpreter),
            });
        }
        Err(MirrorError::NoPython)
    }
}

fn wheel_in(folder: &Path, requirement: &str) -> Result<PathBuf, MirrorError> {
    let entries = std::fs::read_dir(folder).map_err(|source| MirrorError::Io {
        path: folder.to_owned(),
        source,
    })?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| MirrorError::Pip {
            requirement: requirement.to_owned(),
            reason: "it left no package".to_owned(),
        })
}

/// The line of pip's output with the reason.
fn reason_in(output: &str, interpreter: &str) -> String {
    let lines = || {
        output
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    lines()
        .rfind(|line| line.starts_with("ERROR:") || line.contains("No module named"))
        .or_else(|| lines().next_back())
        .map_or_else(
            || format!("{interpreter} said nothing"),
            |line| line.trim_start_matches("ERROR:").trim().to_owned(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_error_of_pip() {
        let output = "WARNING: Retrying\nERROR: Could not find a version\nERROR: No matching distribution found for x\n\n[notice] y\n";
        assert_eq!(
            reason_in(output, "python3"),
            "No matching distribution found for x"
        );
        assert_eq!(
            reason_in("/usr/bin/python3: No module named pip\n", "python3"),
            "/usr/bin/python3: No module named pip"
        );
        assert_eq!(reason_in("", "python3"), "python3 said nothing");
    }
}
