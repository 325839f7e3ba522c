//! Runs with odd texts, and their numbers.

use super::super::{EvaluationRecord, Event, History, StepRecord, write_report};
use super::*;
use crate::config::Task;
use crate::error::TrainError;

/// A run with what can go wrong in a text: markup, quotes, pipes, backticks, a line break.
pub(in super::super) fn edge_case() -> RunSummary {
    let scores = |a: f64, b: f64| Scores::new("ndcg@10", a).with("<i>mrr</i> | `x`", b);
    RunSummary {
        task: Task::Encoder,
        base_model: "sentence-transformers/all-mpnet-base-v2".to_owned(),
        output: PathBuf::from("runs/it's \"mine\" & <yours>"),
        data: vec![
            DataFile {
                role: DataRole::Train,
                path: PathBuf::from("data/<script>alert(1)</script>|`pairs`.tsv"),
                rows: 12_345,
                skipped: 1,
            },
            DataFile {
                role: DataRole::Validation,
                path: PathBuf::from("held_out.tsv"),
                rows: 1,
                skipped: 0,
            },
        ],
        max_length: 1384,
        loss: "multiple-negatives-ranking, scale 20".to_owned(),
        settings: vec![
            ("batch-size".to_owned(), "16".to_owned()),
            ("columns".to_owned(), "[\"a|b\", \"<c>\"]".to_owned()),
        ],
        before: Some(scores(0.5, 0.75)),
        after: Some(scores(0.625, 0.7)),
        steps: 1000,
        epochs: 1.95,
        seconds: 83.2,
        tokens_per_second: 5123.4,
        peak_memory_bytes: Some(3 << 30),
        device: "CPU (2 threads) <fast>".to_owned(),
        command: "train fit --train 'a b.tsv' \\\n  --note '```' & <x>".to_owned(),
        program_version: "0.1.0".to_owned(),
        warnings: vec!["1 row of <pairs> | had an\nempty text".to_owned()],
        stopped: Some("no gain in 3 evaluations <early>".to_owned()),
    }
}

pub(in super::super) fn plain() -> RunSummary {
    RunSummary {
        task: Task::Encoder,
        base_model: "/models/base".to_owned(),
        output: PathBuf::from("tuned"),
        data: Vec::new(),
        max_length: 128,
        loss: "cosent, scale 20".to_owned(),
        settings: Vec::new(),
        before: None,
        after: None,
        steps: 1,
        epochs: 1.0,
        seconds: 0.0,
        tokens_per_second: f64::NAN,
        peak_memory_bytes: None,
        device: "CPU".to_owned(),
        command: String::new(),
        program_version: "0.1.0".to_owned(),
        warnings: Vec::new(),
        stopped: None,
    }
}

pub(in super::super) fn step(step: usize, loss: f64, learning_rate: f64) -> Event {
    Event::Step(StepRecord {
        step,
        epoch: 0.0,
        loss,
        learning_rate,
        gradient_norm: 1.0,
        texts: 32,
        tokens: 500,
        seconds: 0.1,
        peak_memory_bytes: None,
    })
}

pub(in super::super) fn evaluation(step: usize, scores: &[(&str, f64)]) -> Event {
    Event::Evaluation(EvaluationRecord {
        step,
        epoch: 0.0,
        primary: scores.first().map_or("", |(name, _)| name).to_owned(),
        scores: scores
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
        loss: None,
        seconds: 0.1,
    })
}

/// A loss that falls with noise, a warm-up, and scores that rise and fall.
pub(in super::super) fn sample() -> History {
    let mut history = History::default();
    for at in 0..=400_u32 {
        let done = f64::from(at) / 400.0;
        if at > 0 {
            let noise = f64::from(at * 7919 % 101) / 101.0 - 0.5;
            let loss = 0.25 + 1.6 * (-6.0 * done).exp() + 0.3 * noise * (1.1 - done);
            let rate = 2e-5 * (done * 10.0).min((1.0 - done) / 0.9);
            history.events.push(step(at as usize, loss, rate));
        }
        if at.is_multiple_of(50) {
            let scores = [
                ("ndcg@10", 0.62 + 0.2 * done.sqrt()),
                ("accuracy@1", 0.5 + 0.25 * done.sqrt() - 0.1 * done),
                ("mrr@10", 0.58 + 0.21 * done.sqrt()),
            ];
            history.events.push(evaluation(at as usize, &scores));
        }
    }
    history
}

#[test]
fn a_report_is_whole_files_and_replaces_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("report.html"), "old").unwrap();
    write_report(folder.path(), &edge_case(), &sample(), None).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["learning_rate.svg", "loss.svg", "report.html", "scores.svg"];
    assert_eq!(names, expected);
    let page = std::fs::read_to_string(path("report.html")).unwrap();
    for name in ["learning_rate.svg", "loss.svg", "scores.svg"] {
        let picture = std::fs::read_to_string(path(name)).unwrap();
        assert!(page.contains(picture.trim_end()), "{name} is in the page");
    }
}

#[test]
fn nothing_to_draw_is_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    write_report(folder.path(), &plain(), &History::default(), None).unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_report(
        &folder.path().join("gone"),
        &plain(),
        &History::default(),
        None,
    )
    .unwrap_err();
    let TrainError::Io { path, source } = error else {
        panic!("{error}")
    };
    assert_eq!(path, folder.path().join("gone").join("report.html"));
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn changes_are_those_of_before_then_the_new_ones() {
    let mut summary = plain();
    summary.before = Some(Scores::new("a", 0.5).with("b", 0.25).with("c", 0.5));
    summary.after = Some(Scores::new("d", 1.0).with("b", 0.5).with("a", 0.25));
    let changes: Vec<_> = summary
        .score_changes()
        .iter()
        .map(|change| {
            (
                change.name.to_owned(),
                change.difference(),
                change.is_worse(),
            )
        })
        .collect();
    let expected = [
        ("a".to_owned(), Some(-0.25), true),
        ("b".to_owned(), Some(0.25), false),
        ("c".to_owned(), None, false),
        ("d".to_owned(), None, false),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn what_four_decimals_do_not_show_is_no_fall() {
    let change = |before, after| ScoreChange {
        name: "a",
        before: Some(before),
        after: Some(after),
    };
    assert_eq!(fall(&change(0.5, 0.499_99)), None);
    let text = fall(&change(0.5, 0.499_9)).unwrap();
    assert!(text.contains("0.0001, from 0.5000 to 0.4999"), "{text}");
    assert!(fall(&change(0.5, f64::NAN)).is_some());
    assert_eq!(fall(&change(f64::NAN, f64::NAN)), None);
    assert!(!change(f64::NAN, 0.5).is_worse());
}
