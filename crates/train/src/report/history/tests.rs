use proptest::prelude::*;

use super::super::metrics_log::MetricsLog;
use super::*;
use crate::error::TrainError;

fn step(step: usize) -> StepRecord {
    StepRecord {
        step,
        epoch: 0.5,
        loss: 0.25,
        learning_rate: 0.001,
        gradient_norm: 1.5,
        texts: 64,
        tokens: 4096,
        seconds: 0.75,
        peak_memory_bytes: Some(1 << 30),
    }
}

fn evaluation(step: usize) -> EvaluationRecord {
    EvaluationRecord {
        step,
        epoch: 1.0,
        primary: "ndcg@10".to_owned(),
        scores: vec![("ndcg@10".to_owned(), 0.5), ("accuracy@1".to_owned(), 0.25)],
        loss: Some(0.125),
        seconds: 3.0,
    }
}

fn json(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

fn read(content: &[u8]) -> Result<History, TrainError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    std::fs::write(&path, content).unwrap();
    MetricsLog::resume(&path, usize::MAX).map(MetricsLog::into_history)
}

#[test]
fn a_line_is_an_object_that_names_its_event() {
    assert_eq!(
        json(&Event::Step(step(3))),
        "{\"event\":\"step\",\"step\":3,\"epoch\":0.5,\"loss\":0.25,\"learning_rate\":0.001,\
         \"gradient_norm\":1.5,\"texts\":64,\"tokens\":4096,\"seconds\":0.75,\
         \"peak_memory_bytes\":1073741824}"
    );
    assert_eq!(
        json(&Event::Evaluation(evaluation(3))),
        "{\"event\":\"evaluation\",\"step\":3,\"epoch\":1.0,\"primary\":\"ndcg@10\",\
         \"scores\":{\"ndcg@10\":0.5,\"accuracy@1\":0.25},\"loss\":0.125,\"seconds\":3.0}"
    );
    let note = Event::Note {
        step: 3,
        text: "two\nlines".to_owned(),
    };
    assert_eq!(
        json(&note),
        "{\"event\":\"note\",\"step\":3,\"text\":\"two\\nlines\"}"
    );
}

#[test]
fn events_come_back_in_their_order() {
    let events = [
        Event::Evaluation(evaluation(0)),
        Event::Step(step(1)),
        Event::Note {
            step: 1,
            text: "a note".to_owned(),
        },
        Event::Step(step(2)),
    ];
    let content: String = events.iter().map(|event| json(event) + "\n").collect();
    let history = read(content.as_bytes()).unwrap();
    assert_eq!(history.events, events);
    let steps: Vec<usize> = history.steps().map(|record| record.step).collect();
    assert_eq!(steps, [1, 2]);
    assert_eq!(history.evaluations().count(), 1);
    assert_eq!(history.notes().collect::<Vec<_>>(), ["a note"]);
    let positions: Vec<usize> = events.iter().map(Event::step).collect();
    assert_eq!(positions, [0, 1, 1, 2]);
}

#[test]
fn what_is_not_finite_is_null_and_comes_back_as_nan() {
    let mut record = step(1);
    record.loss = f64::INFINITY;
    record.gradient_norm = f64::NAN;
    record.peak_memory_bytes = None;
    let line = json(&Event::Step(record));
    assert!(line.contains("\"loss\":null,"), "{line}");
    assert!(!line.contains("peak_memory_bytes"), "{line}");
    let mut scored = evaluation(1);
    scored.scores[0].1 = f64::NEG_INFINITY;
    scored.loss = Some(f64::NAN);
    let mut without = evaluation(2);
    without.loss = None;
    let lines = [
        line,
        json(&Event::Evaluation(scored)),
        json(&Event::Evaluation(without)),
    ];

    let history = read(lines.join("\n").as_bytes()).unwrap();
    let back = history.steps().next().unwrap();
    assert!(back.loss.is_nan() && back.gradient_norm.is_nan());
    assert_eq!((back.epoch, back.peak_memory_bytes), (0.5, None));
    let evaluations: Vec<_> = history.evaluations().collect();
    assert!(evaluations[0].scores[0].1.is_nan());
    assert_eq!(evaluations[0].scores[1].1, 0.25);
    assert!(evaluations[0].loss.unwrap().is_nan());
    assert_eq!(evaluations[1].loss, None);
}

#[test]
fn a_last_line_may_be_cut_off_anywhere() {
    let whole = json(&Event::Step(step(1))) + "\n";
    let last = json(&Event::Note {
        step: 1,
        text: "Größe".to_owned(),
    });
    for length in 0..last.len() {
        let mut content = whole.clone().into_bytes();
        content.extend_from_slice(&last.as_bytes()[..length]);
        let history = read(&content).unwrap();
        assert_eq!(history.events.len(), 1, "cut after {length} bytes");
    }
    // Only the line break is missing.
    assert_eq!(
        read((whole.clone() + &last).as_bytes())
            .unwrap()
            .events
            .len(),
        2
    );
    // A file system may have filled the end with zeros.
    let history = read((whole + "\0\0\0\0").as_bytes()).unwrap();
    assert_eq!(history.events.len(), 1);
}

#[test]
fn another_damaged_line_is_named() {
    let good = json(&Event::Step(step(1)));
    let without_loss = good.replace("\"loss\":0.25,", "");
    for (content, expected) in [
        (format!("{good}\n{{\"event\":\"st\n{good}\n"), 2),
        (format!("{good}\n\n{{\"event\":\n"), 3),
        (format!("{good}\n{without_loss}\n"), 2),
        ("{\"event\":\"pause\",\"step\":1}".to_owned(), 1),
        (format!("{good}{good}\n"), 1),
    ] {
        match read(content.as_bytes()) {
            Err(TrainError::Log { line, .. }) => assert_eq!(line, expected, "{content}"),
            other => panic!("{content}: {other:?}"),
        }
    }
}

#[test]
fn empty_lines_and_unknown_fields_are_passed_over() {
    let good = json(&Event::Step(step(1)));
    let newer = good.replace('}', ",\"temperature\":61}");
    let history = read(format!("\n{good}\r\n \n{newer}\n").as_bytes()).unwrap();
    assert_eq!(history.events, [Event::Step(step(1)), Event::Step(step(1))]);
    assert_eq!(read(b"").unwrap(), History::default());
}

proptest! {
    #[test]
    fn any_step_survives(
        number in 1_usize..1 << 40,
        floats in prop::array::uniform5(1e-12..1e6_f64),
        counts in prop::array::uniform2(0_usize..1 << 40),
        memory in prop::option::of(any::<u64>()),
    ) {
        let record = StepRecord {
            step: number,
            epoch: floats[0],
            loss: floats[1],
            learning_rate: floats[2],
            gradient_norm: floats[3],
            texts: counts[0],
            tokens: counts[1],
            seconds: floats[4],
            peak_memory_bytes: memory,
        };
        let line = json(&Event::Step(record.clone()));
        let Event::Step(back) = serde_json::from_str(&line).unwrap() else {
            panic!("{line}");
        };
        let read =
            [back.epoch, back.loss, back.learning_rate, back.gradient_norm, back.seconds];
        prop_assert_eq!(read, floats);
        prop_assert_eq!(
            (back.step, back.texts, back.tokens, back.peak_memory_bytes),
            (number, counts[0], counts[1], memory)
        );
    }
}
