//! Journals that a kill cut short, that are damaged, or that belong to another run.

use super::super::{Provenance, TextsHash};
use super::*;

const WIDTH: usize = 2;

fn settings() -> Settings {
    Settings {
        provenance: Provenance {
            texts: TextsHash::default().hex(),
            model: "m".to_owned(),
            model_identity: "1".to_owned(),
            columns: vec!["title".to_owned()],
            route: None,
            precision: "f32".to_owned(),
            dimensions: WIDTH,
            max_length: 384,
            prompt: None,
            normalized: true,
            similarity: "cosine".to_owned(),
            output_type: String::new(),
            numbers: None,
        },
        format: "parquet".to_owned(),
        id_column: Some("sku".to_owned()),
        device: "cpu".to_owned(),
    }
}

fn row(number: usize) -> Row {
    Row {
        id: Some(format!("{number}")),
        fields: vec![format!("text {number}")],
        ..Row::default()
    }
}

fn append(journal: &mut Journal, numbers: std::ops::Range<usize>) {
    let rows: Vec<Row> = numbers.clone().map(row).collect();
    let values: Vec<f32> = numbers.flat_map(|number| [number as f32, 0.5]).collect();
    journal.append(&rows, &values).unwrap();
}

fn content(journal: &mut Journal) -> (Vec<Row>, Vec<f32>) {
    let mut all = (Vec::new(), Vec::new());
    journal
        .for_each(&mut |rows, values| {
            all.0.extend_from_slice(rows);
            all.1.extend_from_slice(values);
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn whatever_the_length_that_a_kill_leaves_the_complete_windows_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("v.parquet");
    let mut journal = Journal::open(&output, &settings(), true, Earlier::Refuse).unwrap();
    let path = Journal::path_of(&output);
    let mut ends = vec![(std::fs::metadata(&path).unwrap().len(), 0)];
    for window in [0..3, 3..4, 4..9] {
        append(&mut journal, window.clone());
        ends.push((std::fs::metadata(&path).unwrap().len(), window.end));
    }
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut journal = Journal::open(&output, &settings(), true, Earlier::Resume).unwrap();
        let complete = ends.iter().filter(|end| end.0 <= length as u64);
        let rows = complete.map(|end| end.1).max().unwrap_or(0);
        assert_eq!(journal.rows(), rows as u64, "{length}");
        for number in 0..rows {
            journal.pass(&row(number));
        }
        journal.check_passed().unwrap();
        if rows < 9 {
            append(&mut journal, rows..9);
        }
        let (found, values) = content(&mut journal);
        assert_eq!(found, (0..9).map(row).collect::<Vec<_>>());
        assert_eq!(values.len(), 9 * WIDTH);
        assert_eq!((values[0], values[16]), (0.0, 8.0));
    }
}

#[test]
fn a_changed_byte_ends_the_journal_before_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("v.npy");
    let mut journal = Journal::open(&output, &settings(), false, Earlier::Refuse).unwrap();
    append(&mut journal, 0..2);
    let first = std::fs::metadata(Journal::path_of(&output)).unwrap().len();
    append(&mut journal, 2..4);
    drop(journal);
    let whole = std::fs::read(Journal::path_of(&output)).unwrap();
    for at in first as usize..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(Journal::path_of(&output), damaged).unwrap();
        let journal = Journal::open(&output, &settings(), false, Earlier::Resume).unwrap();
        assert_eq!(journal.rows(), 2, "{at}");
    }
    // Zeros, as after a power failure.
    let zeros = [&whole[..], &[0; 5000]].concat();
    std::fs::write(Journal::path_of(&output), zeros).unwrap();
    assert_eq!(
        Journal::open(&output, &settings(), false, Earlier::Resume)
            .unwrap()
            .rows(),
        4
    );
}

#[test]
fn other_settings_rows_or_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("v.npy");
    let message = |result: Result<Journal, VectorError>| result.unwrap_err().to_string();
    let mut journal = Journal::open(&output, &settings(), true, Earlier::Refuse).unwrap();
    append(&mut journal, 0..2);
    let second = message(Journal::open(&output, &settings(), true, Earlier::Resume));
    assert!(second.contains("another run is writing"), "{second}");
    drop(journal);
    let mut other = settings();
    other.device = "wgpu".to_owned();
    other.provenance.precision = "int8".to_owned();
    let refused = message(Journal::open(&output, &other, true, Earlier::Resume));
    assert!(
        refused.contains("--precision f32, not int8; --device cpu, not wgpu"),
        "{refused}"
    );
    let mut journal = Journal::open(&output, &settings(), true, Earlier::Resume).unwrap();
    for number in [0, 7] {
        journal.pass(&row(number));
    }
    let refused = journal.check_passed().unwrap_err().to_string();
    assert!(refused.contains("the first 2 rows"), "{refused}");
    drop(journal);
    // Rows are only dropped where that is asked for.
    let whole = std::fs::read(Journal::path_of(&output)).unwrap();
    for now in [&settings(), &other] {
        let refused = message(Journal::open(&output, now, true, Earlier::Refuse));
        assert!(
            refused.contains("--resume") && refused.contains("--restart"),
            "{refused}"
        );
        assert_eq!(std::fs::read(Journal::path_of(&output)).unwrap(), whole);
    }
    // The same before a model is loaded.
    let refused = Journal::check(&output, Earlier::Refuse).unwrap_err();
    assert!(refused.to_string().contains("--restart"), "{refused}");
    for earlier in [Earlier::Resume, Earlier::Restart] {
        Journal::check(&output, earlier).unwrap();
    }
    Journal::check(&folder.path().join("other.npy"), Earlier::Refuse).unwrap();
    assert_eq!(std::fs::read(Journal::path_of(&output)).unwrap(), whole);
    let journal = Journal::open(&output, &other, true, Earlier::Restart).unwrap();
    assert_eq!(journal.rows(), 0);
    drop(journal);
    // Without a row nothing is lost.
    Journal::open(&output, &settings(), true, Earlier::Refuse).unwrap();
    std::fs::write(Journal::path_of(&output), "mpnet-burn\0\x02").unwrap();
    let refused = message(Journal::open(&output, &settings(), true, Earlier::Resume));
    assert!(refused.contains("another version"), "{refused}");
    Journal::open(&output, &settings(), true, Earlier::Restart).unwrap();
    for earlier in [Earlier::Resume, Earlier::Refuse, Earlier::Restart] {
        std::fs::write(Journal::path_of(&output), "precious").unwrap();
        let refused = message(Journal::open(&output, &settings(), true, earlier));
        assert!(refused.contains("is no journal"), "{refused}");
        assert_eq!(
            std::fs::read(Journal::path_of(&output)).unwrap(),
            b"precious"
        );
    }
}
