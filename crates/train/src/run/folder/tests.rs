//! Output folders of new, killed and resumed runs.

use super::*;

const SETTINGS_OF_RUN: &str = "--train pairs.tsv --lr 1e-5 --device cpu";

fn config(line: &str) -> FitConfig {
    Given::from(line).complete().unwrap()
}

fn begun(path: &Path, line: &str) {
    let mut folder = OutputFolder::new(path).unwrap();
    folder.begin(&config(line)).unwrap();
}

/// Resumes a run whose process has ended.
fn resumed(path: &Path, line: &str) -> Result<(OutputFolder, FitConfig), TrainError> {
    OutputFolder::resume(path, &Given::from(line)).map(|resumed| resumed.expect("unfinished"))
}

#[track_caller]
fn refused(path: &Path, line: &str, setting: &str) {
    match resumed(path, line) {
        Err(TrainError::OtherSettings { name, .. }) => assert_eq!(name, setting),
        other => panic!("{setting}: {other:?}"),
    }
}

#[test]
fn a_run_does_not_start_in_a_used_folder() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    OutputFolder::new(&path).unwrap();
    assert!(!path.exists(), "no run has started");
    begun(&path, SETTINGS_OF_RUN);
    assert!(matches!(
        OutputFolder::new(&path),
        Err(TrainError::Folder {
            problem: IN_USE,
            ..
        })
    ));
    let other = parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    assert!(matches!(
        OutputFolder::new(&other),
        Err(TrainError::Folder {
            problem: NOT_EMPTY,
            ..
        })
    ));
    assert!(matches!(
        resumed(&other, ""),
        Err(TrainError::Folder {
            problem: NOTHING_TO_RESUME,
            ..
        })
    ));
}

#[test]
fn a_second_run_in_the_same_folder_is_refused_until_the_first_ends() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let config = config(SETTINGS_OF_RUN);
    // Both looked before either began.
    let (mut first, mut second) = (
        OutputFolder::new(&path).unwrap(),
        OutputFolder::new(&path).unwrap(),
    );
    first.begin(&config).unwrap();
    for error in [
        second.begin(&config).unwrap_err(),
        resumed(&path, "").unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                TrainError::Folder {
                    problem: LOCKED,
                    ..
                }
            ),
            "{error}"
        );
    }
    drop(first);
    assert!(matches!(
        second.begin(&config),
        Err(TrainError::Folder {
            problem: IN_USE,
            ..
        })
    ));
    drop(second);
    resumed(&path, "").unwrap();
}

#[test]
fn a_resumed_run_has_the_settings_that_it_started_with() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    begun(&path, SETTINGS_OF_RUN);
    let (_, now) = resumed(&path, "--workers 3").unwrap();
    assert_eq!((now.lr, now.workers), (1e-5, 3));
    refused(&path, "--lr 1e-4", "lr");
}

#[test]
fn replicas_belong_to_a_device() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    begun(&path, &format!("{SETTINGS_OF_RUN} --replicas 4"));
    let replicas = |line: &str| resumed(&path, line).unwrap().1.replicas;
    assert_eq!(replicas(""), Some(4));
    refused(&path, "--replicas 1", "replicas");
    // On another device they are set again.
    assert_eq!(replicas("--device cuda:0"), None);
    assert_eq!(replicas("--device cuda:0 --replicas 2"), Some(2));
}

#[test]
fn files_of_rows_may_move_but_none_may_be_added() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    begun(&path, SETTINGS_OF_RUN);
    let (mut folder, now) = resumed(&path, "--train elsewhere/pairs.tsv").unwrap();
    assert!(now.train[0].ends_with("elsewhere/pairs.tsv"));
    // The new value of a changeable setting is kept.
    folder.begin(&now).unwrap();
    drop(folder);
    let (folder, again) = resumed(&path, "").unwrap();
    assert_eq!(again.train, now.train);
    drop(folder);
    refused(&path, "--valid held-out.tsv", "valid");
}

#[test]
fn only_the_folder_of_checkpoints_knows_this_machine() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let model = parent.path().join("base");
    fs::create_dir(&model).unwrap();
    let home = parent.path().to_string_lossy().into_owned();
    let line = format!(
        "{SETTINGS_OF_RUN} --valid {home}/held-out.tsv --model {home}/base --output {home}/run --reference curve.json"
    );
    begun(&path, &line);
    let text = fs::read_to_string(path.join(SETTINGS)).unwrap();
    assert!(!text.contains(&home), "{text}");
    for part in [
        "\"pairs.tsv\"",
        "\"held-out.tsv\"",
        "\"base\"",
        "\"curve.json\"",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let (_, now) = resumed(&path, "").unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(now.train, [here.join("pairs.tsv")]);
    assert_eq!(now.valid, [parent.path().join("held-out.tsv")]);
    assert_eq!(Path::new(&now.model), model);
}

#[test]
fn a_run_that_was_killed_early_can_start_again_and_no_file_of_the_user_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let checkpoints = path.join(FOLDER);
    fs::create_dir_all(checkpoints.join(UNFINISHED)).unwrap();
    fs::write(checkpoints.join(LOCK), "").unwrap();
    for temporary in ["settings.toml-A1b2C3", "training.toml-A1b2C3"] {
        fs::write(checkpoints.join(format!(".tmp-{temporary}")), "half").unwrap();
    }
    begun(&path, SETTINGS_OF_RUN);
    // Folders and files of the user's count, with any name.
    const MINE: [&str; 3] = [".model-backup", ".model-A1b2C3", "partial-results"];
    for name in MINE {
        fs::create_dir_all(parent.path().join(name).join(name)).unwrap();
        assert!(matches!(
            OutputFolder::new(&parent.path().join(name)),
            Err(TrainError::Folder {
                problem: NOT_EMPTY,
                ..
            })
        ));
        // They may come later, and stay.
        fs::create_dir_all(path.join(name).join("inside")).unwrap();
    }
    let (mut folder, now) = resumed(&path, "").unwrap();
    folder.begin(&now).unwrap();
    for name in MINE {
        assert!(path.join(name).join("inside").is_dir(), "{name}");
    }
    assert!(!checkpoints.join(UNFINISHED).exists());
}

#[test]
fn a_run_has_finished_when_its_card_exists() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut folder = OutputFolder::new(&path).unwrap();
    folder.begin(&config(SETTINGS_OF_RUN)).unwrap();
    for (name, finished) in [(MODEL_MARKER, false), (MODEL_CARD, true)] {
        assert!(!folder.is_finished());
        folder.write(name, b"[]").unwrap();
        assert_eq!(folder.is_finished(), finished);
    }
    // Also without its checkpoints.
    fs::remove_dir_all(path.join(FOLDER)).unwrap();
    assert!(
        OutputFolder::resume(&path, &Given::default())
            .unwrap()
            .is_none()
    );
}
