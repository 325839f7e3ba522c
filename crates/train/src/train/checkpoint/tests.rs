//! Checkpoints that are complete, and those that are not.

use super::*;

fn folder() -> (tempfile::TempDir, CheckpointFolder) {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::of_run(run.path());
    (run, folder)
}

fn position(step: usize, best: Option<Best>) -> Position {
    Position {
        step,
        best,
        ..Position::default()
    }
}

/// Writes the position and these other parts.
fn write(folder: &CheckpointFolder, parts: &[&str], position: &Position) {
    folder.write_position(position).unwrap();
    for part in parts {
        let file = folder.path.join(format!("{part}-{}", position.step));
        let (_, step, path) = part_of(&file, false).unwrap();
        assert_eq!(step, position.step);
        fs::write(path, "x").unwrap();
    }
}

const ALL: [&str; 3] = ["model", "optim", "scheduler"];

fn committed(folder: &CheckpointFolder, position: &Position) {
    write(folder, &ALL, position);
    assert!(folder.commit(position.step).unwrap());
}

#[test]
fn a_checkpoint_exists_once_it_is_complete() {
    let (_run, folder) = folder();
    assert_eq!(folder.latest().unwrap(), None);
    committed(&folder, &position(10, None));
    write(&folder, &["model", "optim"], &position(20, None));
    assert!(!folder.commit(20).unwrap());
    folder.prune(None);
    assert_eq!(folder.latest().unwrap().unwrap().step, 10);
    assert!(folder.path.join(".new/20").is_dir());
    committed(&folder, &position(20, None));
    assert_eq!(folder.names().len(), 2);
    folder.prune(None);
    assert_eq!(folder.names(), [(20, 0)]);
}

#[test]
fn a_second_checkpoint_of_a_step_does_not_touch_the_first() {
    let (_run, folder) = folder();
    for epoch in 0..3 {
        let again = Position {
            epoch,
            ..position(10, None)
        };
        committed(&folder, &again);
        assert_eq!(folder.latest().unwrap(), Some(again));
    }
    folder.prune(None);
    assert_eq!(folder.names(), [(10, 2)]);
    let (_, _, path) = part_of(&folder.path.join("optim-10"), true).unwrap();
    assert_eq!(path, folder.path.join("10.2/optim.bin"));
}

/// A score that came back a little lower would let an equal one of a later step take its place.
#[test]
fn a_score_is_read_as_it_was_written() {
    let (_run, folder) = folder();
    for part in 1..200 {
        let score = f64::from(part) / 1_999.0;
        let written = position(part as usize, Some(Best { score, step: 7 }));
        committed(&folder, &written);
        assert_eq!(folder.latest().unwrap(), Some(written));
    }
}

#[test]
fn only_checkpoints_and_what_is_unfinished_are_removed() {
    let (_run, folder) = folder();
    committed(&folder, &position(1, None));
    committed(&folder, &position(2, None));
    write(&folder, &["model"], &position(3, None));
    // Those of a user, and of earlier versions.
    let others = [
        "notes",
        "7",
        ".model-backup",
        ".model-A1b2C3",
        "best-of-mine",
    ];
    for name in others {
        fs::create_dir_all(folder.path.join(name)).unwrap();
        fs::write(folder.path.join(name).join("mine.txt"), "mine").unwrap();
    }
    fs::write(folder.path.join("8"), "mine").unwrap();
    folder.prune(None);
    folder.remove_unfinished().unwrap();
    folder.remove_best_models();
    let mut left: Vec<String> = entries(&folder.path).map(|(name, _)| name).collect();
    left.sort();
    let mut expected: Vec<&str> = others.iter().copied().chain(["2", "8"]).collect();
    expected.sort_unstable();
    assert_eq!(left, expected);
    // Nothing unfinished is no error.
    folder.remove_unfinished().unwrap();
}

#[test]
fn a_best_model_stays_as_long_as_a_checkpoint_or_the_run_refers_to_it() {
    let (_run, folder) = folder();
    let best = |step: usize| Some(Best { score: 0.5, step });
    let kept = |of_run: usize| {
        folder
            .keep_best(of_run, |path| {
                fs::create_dir_all(path).map_err(TrainError::io(path))
            })
            .unwrap();
        folder.prune(best(of_run));
        let mut kept = folder.best_models();
        kept.sort_unstable();
        kept
    };
    // Before the first checkpoint only the best one takes room.
    assert_eq!((kept(1), kept(2), kept(3)), (vec![1], vec![2], vec![3]));
    committed(&folder, &position(3, best(3)));
    // If it is killed now, the run resumes from step 3.
    assert_eq!((kept(5), kept(6)), (vec![3, 5], vec![3, 6]));
    committed(&folder, &position(6, best(6)));
    assert_eq!(kept(6), [6]);
    folder.remove_best_models();
    assert_eq!(folder.best_models(), [0; 0]);
}

#[test]
fn a_checkpoint_of_another_version_is_refused() {
    let (_run, folder) = folder();
    committed(&folder, &position(4, None));
    let path = folder.path.join("4").join(STATE);
    let text = fs::read_to_string(&path).unwrap();
    let current = format!("\"format\": {FORMAT}");
    assert!(text.contains(&current), "{text}");
    for other in ["2", "3", "99", "\"new\""].map(|number| format!("\"format\": {number}")) {
        fs::write(&path, text.replace(&current, &other)).unwrap();
        let message = folder.latest().unwrap_err().to_string();
        assert!(message.contains(STATE), "{message}");
        assert!(message.contains("start a new run"), "{message}");
    }
    fs::write(&path, text.replace(&format!("{current},"), "")).unwrap();
    let message = folder.latest().unwrap_err().to_string();
    assert!(message.contains("start a new run"), "{message}");
    // The files of format 2.
    fs::remove_dir_all(folder.path.join("4")).unwrap();
    fs::write(folder.path.join("position-4.json"), text).unwrap();
    let message = folder.latest().unwrap_err().to_string();
    assert!(message.contains("start a new run"), "{message}");
}
