//! The small model that comes with mpnet-burn, for a machine without a network. It is chosen by its name only.

use std::path::{Path, PathBuf};

/// What `--model` takes for the model that comes with mpnet-burn.
pub const SHIPPED_MODEL: &str = "static";

/// Its folder, in the repository and in a release archive.
const FOLDER: &str = "models/static-256";

/// Where a release archive has it, from the folder of the programs.
const IN_ARCHIVE: &str = "../share/mpnet-burn";

/// Why the model is in no place.
#[derive(Debug, thiserror::Error)]
#[error(
    "{FOLDER} is neither beside the program, nor in share/mpnet-burn of its archive, nor in this folder or one around it"
)]
pub(super) struct NotShipped;

/// The folder of the model: beside the program, in the archive that the program came in, or in the repository from
/// which it was built or in which it is run.
pub(super) fn find() -> Result<PathBuf, NotShipped> {
    let program = std::env::current_exe().and_then(|path| path.canonicalize());
    let program = program.ok();
    let beside = program.as_deref().and_then(Path::parent);
    let current = std::env::current_dir().ok();
    find_from(beside, current.as_deref()).ok_or(NotShipped)
}

fn find_from(beside: Option<&Path>, current: Option<&Path>) -> Option<PathBuf> {
    let archive = beside.map(|folder| folder.join(IN_ARCHIVE));
    let around = |folder: Option<&Path>| {
        let folders = folder.map(Path::ancestors).into_iter().flatten();
        folders.map(Path::to_owned).collect::<Vec<_>>()
    };
    // A built program lies inside the repository, unless CARGO_TARGET_DIR says otherwise.
    let mut folders = beside.map(Path::to_owned).into_iter().chain(archive);
    folders
        .by_ref()
        .chain(around(beside))
        .chain(around(current))
        .map(|folder| folder.join(FOLDER))
        .find(|folder| folder.join("modules.json").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_model(folder: &Path) -> PathBuf {
        let model = folder.join(FOLDER);
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(model.join("modules.json"), "[]").unwrap();
        model
    }

    #[test]
    fn it_lies_beside_the_program_or_in_its_archive_or_around_it() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("archive/bin");
        let build = root.path().join("repository/target/release");
        let crate_folder = root.path().join("repository/crates/model");
        let elsewhere = root.path().join("elsewhere");
        for folder in [&bin, &build, &crate_folder, &elsewhere] {
            std::fs::create_dir_all(folder).unwrap();
        }
        assert_eq!(find_from(Some(&bin), Some(&elsewhere)), None);

        let repository = with_model(&root.path().join("repository"));
        for (beside, current) in [(Some(&build), &elsewhere), (None, &crate_folder)] {
            let found = find_from(beside.map(PathBuf::as_path), Some(current)).unwrap();
            assert_eq!(
                found.canonicalize().unwrap(),
                repository.canonicalize().unwrap()
            );
        }
        let archive = with_model(&root.path().join("archive/share/mpnet-burn"));
        let found = find_from(Some(&bin), Some(&crate_folder)).unwrap();
        assert_eq!(
            found.canonicalize().unwrap(),
            archive.canonicalize().unwrap()
        );
        let beside = with_model(&bin);
        assert_eq!(find_from(Some(&bin), Some(&crate_folder)).unwrap(), beside);
    }
}
