//! Packages from the Python registry, by running pip: it knows the user's registry, proxy and
//! certificates.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Interrupted;
use super::mirror::{MirrorError, PackageSource, Requirement};

/// How often a running pip is checked.
const TICK: Duration = Duration::from_millis(200);

/// The names of Python 3 on different systems.
const INTERPRETERS: [&str; 2] = ["python3", "python"];

/// `pip download` of a package that is a wheel, because the other kind runs code while it is downloaded. The
/// requirement has a hash. `-I` keeps modules of the user's folder, and of `PYTHONPATH`, out.
const ARGUMENTS: [&str; 14] = [
    "-I",
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--no-cache-dir",
    "--only-binary=:all:",
    "--require-hashes",
    "--disable-pip-version-check",
    "--no-input",
    "--dest",
    ".",
    "--requirement",
];

const REQUIREMENTS_FILE: &str = "requirements.txt";

/// The `pip` of the first Python found.
pub(super) struct Pip {
    interpreters: [PathBuf; 2],
}

impl Pip {
    pub(super) fn new() -> Self {
        Self {
            interpreters: INTERPRETERS.map(PathBuf::from),
        }
    }
}

impl PackageSource for Pip {
    fn fetch(
        &self,
        requirement: &Requirement,
        destination: &Path,
        tick: &mut dyn FnMut() -> Result<(), Interrupted>,
    ) -> Result<PathBuf, MirrorError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| MirrorError::Io { path, source }
        };
        std::fs::create_dir_all(destination).map_err(io(destination))?;
        let destination = std::path::absolute(destination).map_err(io(destination))?;
        let requirements = destination.join(REQUIREMENTS_FILE);
        let Requirement { package, sha256 } = requirement;
        std::fs::write(&requirements, format!("{package} --hash=sha256:{sha256}\n"))
            .map_err(io(&requirements))?;
        let log_path = destination.join("pip.log");
        for interpreter in &self.interpreters {
            let mut log = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&log_path)
                .map_err(io(&log_path))?;
            let spawned = Command::new(interpreter)
                .args(ARGUMENTS)
                .arg(REQUIREMENTS_FILE)
                // Python looks for modules in the current folder.
                .current_dir(&destination)
                // Its temporary files count as progress, and are removed with the folder.
                .env("TMPDIR", &destination)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log.try_clone().map_err(io(&log_path))?)
                .spawn();
            let mut child = match spawned {
                Ok(child) => child,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io(interpreter)(error)),
            };
            let status = loop {
                if let Some(status) = child.try_wait().map_err(io(interpreter))? {
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
                return wheel_in(&destination, package);
            }
            let mut output = String::new();
            // A part of the reason is better than none.
            let _ = log.rewind().and_then(|()| log.read_to_string(&mut output));
            return Err(MirrorError::Pip {
                package: package.clone(),
                reason: reason_in(&output, &interpreter.display().to_string()),
            });
        }
        Err(MirrorError::NoPython)
    }
}

fn wheel_in(folder: &Path, package: &str) -> Result<PathBuf, MirrorError> {
    let entries = std::fs::read_dir(folder).map_err(|source| MirrorError::Io {
        path: folder.to_owned(),
        source,
    })?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| MirrorError::Pip {
            package: package.to_owned(),
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

    #[cfg(unix)]
    #[test]
    fn pip_runs_apart_from_the_users_folder_and_takes_only_the_wheel_with_this_hash() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let python = root.path().join("python");
        let script =
            "#!/bin/sh\npwd > seen\necho \"$@\" >> seen\ncat requirements.txt >> seen\n: > x.whl\n";
        std::fs::write(&python, script).unwrap();
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        let pip = Pip {
            interpreters: [root.path().join("none"), python],
        };
        let requirement = Requirement {
            package: "part==1.0".to_owned(),
            sha256: "abc",
        };
        let destination = root.path().join("packages");
        let wheel = pip
            .fetch(&requirement, &destination, &mut || Ok(()))
            .unwrap();
        assert_eq!(wheel, destination.join("x.whl"));
        let seen = std::fs::read_to_string(destination.join("seen")).unwrap();
        let lines: Vec<_> = seen.lines().collect();
        let folder = destination.canonicalize().unwrap();
        assert_eq!(Path::new(lines[0]), folder);
        assert!(lines[1].starts_with("-I -m pip download "), "{seen}");
        for argument in [
            "--only-binary=:all:",
            "--require-hashes",
            "--no-deps",
            "--dest .",
            "--requirement requirements.txt",
        ] {
            assert!(lines[1].contains(argument), "{seen}");
        }
        assert_eq!(lines[2], "part==1.0 --hash=sha256:abc");
    }
}
