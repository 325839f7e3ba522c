//! Man pages and completion scripts, from the same definitions as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, ValueEnum};
use clap_complete::Shell;

/// A man page or a completion script could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the manual to {}: {source}", folder.display())]
pub struct ManualError {
    /// The folder of the manual.
    folder: PathBuf,
    /// The report of the system.
    source: io::Error,
}

/// Writes a man page per command, and a completion script per shell, into a folder that exists or is created.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write(command: Command, folder: &Path) -> Result<(), ManualError> {
    write_files(command, folder).map_err(|source| ManualError {
        folder: folder.to_owned(),
        source,
    })
}

fn write_files(mut command: Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = command.get_name().to_owned();
    // The man pages first: completion scripts build `command` with its subcommand `help`, which needs no page.
    clap_mangen::generate_to(command.clone(), folder)?;
    for &shell in Shell::value_variants() {
        clap_complete::generate_to(shell, &mut command, &name, folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn commands_have_pages_and_shells_have_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new("tool")
            .version("1.2.3")
            .about("Does a task")
            .subcommand(
                Command::new("run").arg(Arg::new("depth").long("depth").help("Set the depth")),
            )
            .subcommand(Command::new("manual").hide(true));
        write(command, folder.path()).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let scripts = ["_tool", "_tool.ps1", "tool.bash", "tool.elv", "tool.fish"];
        let mut expected: Vec<&str> = ["tool.1", "tool-run.1"]
            .into_iter()
            .chain(scripts)
            .collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
        let page = std::fs::read_to_string(folder.path().join("tool-run.1")).unwrap();
        assert!(page.contains("Set the depth"), "{page}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let folder = file.path().join("manual");
        let error = write(Command::new("tool"), &folder).unwrap_err();
        assert!(error.to_string().contains("manual"), "{error}");
    }
}
