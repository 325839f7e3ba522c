//! Words: what is found, by which score, in one segment and in several.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;
use roaring::RoaringBitmap;
use search::words::{
    Analyzer, Language, Words, WordsError, WordsField, WordsQuery, WordsSettings, WordsWriter,
};

/// Sums of a few numbers in f32, in another order.
const TOLERANCE: f32 = 1e-5;

fn settings(weights: &[f32]) -> WordsSettings {
    let field = |(number, &weight): (usize, &f32)| WordsField {
        name: format!("column {number}"),
        weight,
    };
    WordsSettings {
        fields: weights.iter().enumerate().map(field).collect(),
        language: Language::English,
    }
}

fn write(folder: &Path, settings: &WordsSettings, rows: &[Vec<&str>]) -> Words {
    let mut writer = WordsWriter::create(folder, settings).unwrap();
    for row in rows {
        writer.add(row).unwrap();
    }
    writer.finish().unwrap();
    let words = Words::open(folder, settings).unwrap();
    assert_eq!(words.rows() as usize, rows.len());
    words
}

/// One column.
fn titles(folder: &Path, titles: &[&str]) -> Words {
    let rows: Vec<Vec<&str>> = titles.iter().map(|title| vec![*title]).collect();
    write(folder, &settings(&[1.0]), &rows)
}

fn found(words: &Words, text: &str, typos: bool) -> Vec<usize> {
    let query = WordsQuery::new(text, &[words], typos).unwrap();
    words
        .matches(&query, 10, None)
        .unwrap()
        .iter()
        .map(|hit| hit.index)
        .collect()
}

#[test]
fn part_numbers_are_found_however_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let words = titles(
        folder.path(),
        &[
            "Drill XJ-4520",
            "Drill XJ 4520",
            "Drill xj4520",
            "Drill AB-4521",
            "Card GTX1080Ti 16GB",
            "Card GTX 1080 Ti 16 GB",
        ],
    );
    for query in ["XJ-4520", "xj 4520", "xj4520", "XJ_4520"] {
        let mut rows = found(&words, query, true);
        rows.sort_unstable();
        assert_eq!(rows, [0, 1, 2], "{query}");
    }
    for query in ["gtx 1080 ti", "GTX1080Ti", "gtx-1080-ti", "16gb", "16 GB"] {
        let mut rows = found(&words, query, true);
        rows.sort_unstable();
        assert_eq!(rows, [4, 5], "{query}");
    }
    // Not by an edit, which would be another product: the one word of two that is the same.
    assert_eq!(found(&words, "XJ-4522", true), [1, 0]);
    assert_eq!(found(&words, "AB4520", true), [3, 1, 0]);
}

#[test]
fn typing_errors_are_forgiven_only_where_a_word_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let words = titles(
        folder.path(),
        &[
            "wireless keyboard",
            "wireless keyboards",
            "wireless keybord",
            "mouse pad",
            "house",
            "mice",
            "Logitech G502",
        ],
    );
    for (query, typos, rows) in [
        ("keybaord", true, &[0, 1, 2][..]),
        ("keybaords", true, &[0, 1, 2]),
        ("keybaord", false, &[]),
        ("keyboard", true, &[0, 1]),
        ("keybord", true, &[2]),
        ("wireles", true, &[0, 1, 2]),
        // One edit from both, of which neither is more frequent.
        ("fouse", true, &[3, 4]),
        // Of four letters, of two edits, and of letters and digits.
        ("mics", true, &[]),
        ("kebard", true, &[]),
        ("g503", true, &[]),
        ("logitehc", true, &[6]),
    ] {
        let mut hits = found(&words, query, typos);
        hits.sort_unstable();
        assert_eq!(hits, rows, "{query}");
    }
}

#[test]
fn words_of_a_query_are_highlighted() {
    let folder = tempfile::tempdir().unwrap();
    let words = titles(folder.path(), &["Wireless keyboards", "XJ-4520"]);
    let highlighted = |query: &str, text: &str| -> Vec<String> {
        let query = WordsQuery::new(query, &[&words], true).unwrap();
        query
            .highlights(text)
            .into_iter()
            .map(|range| text[range].to_owned())
            .collect()
    };
    assert_eq!(
        highlighted("keyboard wireles", "Keyboards, ‘Wireless’ — a keyboard"),
        ["Keyboards", "Wireless", "keyboard"]
    );
    assert_eq!(
        highlighted("xj4520", "The XJ-4520 (xj 4520)"),
        ["XJ-4520", "xj", "4520"]
    );
    assert_eq!(highlighted("", "keyboard"), [""; 0]);
}

#[test]
fn scores_are_bm25() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&[2.0, 0.5, 0.0]);
    let rows = [
        vec!["red mouse", "a mouse for gamers", "pad"],
        vec!["keyboard", "red keys", "mouse"],
        vec!["pad", "", "red"],
    ];
    let words = write(folder.path(), &settings, &rows);
    // Columns: mean lengths 5/3 and 4/3 (stop words are none); of 3 rows, `red` is in 1 and 1, `mouse` in 1 and 1.
    let idf = |rows: f32| (1.0 + (3.0 - rows + 0.5) / (rows + 0.5)).ln();
    let bm25 = |length: f32, mean: f32| 2.2 / (1.0 + 1.2 * (0.25 + 0.75 * length / mean));
    let (first, second) = (4.0 / 3.0, 4.0 / 3.0);
    let expected = [
        2.0 * 2.0 * idf(1.0) * bm25(2.0, first) + 0.5 * idf(1.0) * bm25(2.0, second),
        0.5 * idf(1.0) * bm25(2.0, second),
    ];
    let query = WordsQuery::new("red mouse", &[&words], false).unwrap();
    let hits = words.matches(&query, 10, None).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [0, 1]);
    for (hit, expected) in hits.iter().zip(expected) {
        assert!(
            (hit.score - expected).abs() < TOLERANCE,
            "{} is not {expected}",
            hit.score
        );
    }
    let scores = words.scores(&query, &[2, 1, 0, 1]).unwrap();
    assert_eq!(
        scores,
        [
            None,
            Some(hits[1].score),
            Some(hits[0].score),
            Some(hits[1].score)
        ]
    );
}

#[test]
fn what_cannot_be_written_or_opened_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&[1.0, f32::NAN]);
    let error = WordsWriter::create(folder.path(), &settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "text column 'column 1' has the weight NaN; give a finite number from 0 on"
    );

    let one = titles(folder.path(), &["a mouse"]);
    let two = WordsSettings {
        fields: vec![
            WordsField {
                name: "title".to_owned(),
                weight: 1.0
            };
            2
        ],
        language: Language::None,
    };
    assert!(matches!(
        Words::open(folder.path(), &two),
        Err(WordsError::Other { expected: 2, .. })
    ));
    assert!(matches!(
        Words::open(&folder.path().join("absent"), &two),
        Err(WordsError::Read { .. })
    ));
    let mut writer = WordsWriter::create(&folder.path().join("two"), &two).unwrap();
    let error = writer.add(&["a mouse"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 0 has 1 texts, but there are 2 text columns"
    );
    // Not over words that are there.
    assert!(matches!(
        WordsWriter::create(folder.path(), &two),
        Err(WordsError::Write { .. })
    ));
    assert_eq!(found(&one, "mouse", false), [0]);
}

#[test]
fn nothing_is_found_in_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let empty = titles(&folder.path().join("empty"), &[]);
    assert_eq!(found(&empty, "mouse", true), [0; 0]);
    let blank = titles(&folder.path().join("blank"), &["", "the", "-- !"]);
    assert_eq!(found(&blank, "the mouse", true), [0; 0]);
    assert_eq!(
        WordsQuery::new("mouse", &[], true).unwrap().words().count(),
        0
    );
}

#[test]
fn hostile_queries_and_texts_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(100_000);
    let numbers: String = (0..20_000).map(|number| format!("a{number}-")).collect();
    let words = titles(
        folder.path(),
        &[
            "title:mouse AND (x OR y)^3~2 \"z\" [a TO b]",
            &long,
            &numbers,
            "\0\u{202e}\u{1f600}",
        ],
    );
    for query in [
        "title:(mouse AND".to_owned(),
        "*?~^\"'\\/+-!(){}[]".to_owned(),
        "\0".repeat(100_000),
        long.clone(),
        numbers.clone(),
        "mouse ".repeat(20_000),
        String::from_utf8_lossy(
            &(0..100_000u32)
                .map(|byte| byte.wrapping_mul(2_654_435_761) as u8)
                .collect::<Vec<_>>(),
        )
        .into_owned(),
    ] {
        let query = WordsQuery::new(&query, &[&words], true).unwrap();
        assert!(query.words().count() <= 64 * 3);
        words.matches(&query, 10, None).unwrap();
        assert!(query.highlights(&long).len() <= 1);
    }
    assert_eq!(found(&words, "title:mouse", false), [0]);
}

const VOCABULARY: [&str; 12] = [
    "red", "reds", "mouse", "mice", "keyboard", "keybaord", "XJ-4520", "xj", "4520", "the",
    "wi-fi", "wifi",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(VOCABULARY.to_vec()), 0..8)
        .prop_map(|words| words.join(" "))
}

/// BM25 in f64, without tantivy. Lengths below 40 words are exact in tantivy's files.
fn bm25(rows: &[(String, String)], weights: [f64; 2], terms: &[&str]) -> Vec<f64> {
    let analyzer = Analyzer::new(Language::English);
    let words = |text: &str| {
        analyzer
            .words(text)
            .into_iter()
            .map(|word| word.text)
            .collect::<Vec<_>>()
    };
    let fields: [Vec<Vec<String>>; 2] = [
        rows.iter().map(|(first, _)| words(first)).collect(),
        rows.iter().map(|(_, second)| words(second)).collect(),
    ];
    let count = rows.len() as f64;
    let mut scores = vec![0.0; rows.len()];
    for term in terms {
        for (field, weight) in fields.iter().zip(weights) {
            let mean = field.iter().map(Vec::len).sum::<usize>() as f64 / count;
            let frequency =
                |row: &Vec<String>| row.iter().filter(|word| word == term).count() as f64;
            let with = field.iter().filter(|row| frequency(row) > 0.0).count() as f64;
            let idf = (1.0 + (count - with + 0.5) / (with + 0.5)).ln();
            for (score, row) in scores.iter_mut().zip(field) {
                let frequency = frequency(row);
                if frequency > 0.0 {
                    let norm = 1.2 * (0.25 + 0.75 * row.len() as f64 / mean);
                    *score += weight * idf * 2.2 * frequency / (frequency + norm);
                }
            }
        }
    }
    scores
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Scores are the same bits in one segment and in several, in `matches` and in `scores`, and those of BM25.
    #[test]
    fn scores_do_not_depend_on_the_segments(
        rows in prop::collection::vec((text(), text()), 1..25),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        asked in text(),
        typos in any::<bool>(),
        k in 1usize..30,
        kept in prop::option::of(prop::collection::vec(any::<bool>(), 25)),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&[1.0, 0.25]);
        let texts: Vec<Vec<&str>> = rows.iter().map(|(first, second)| vec![first.as_str(), second.as_str()]).collect();
        let whole = write(&folder.path().join("whole"), &settings, &texts);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(rows.len() + 1)).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let parts: Vec<Words> = cuts
            .windows(2)
            .enumerate()
            .map(|(number, cut)| write(&folder.path().join(number.to_string()), &settings, &texts[cut[0]..cut[1]]))
            .collect();

        let query = WordsQuery::new(&asked, &[&whole], typos).unwrap();
        let all_parts: Vec<&Words> = parts.iter().collect();
        let divided = WordsQuery::new(&asked, &all_parts, typos).unwrap();
        prop_assert_eq!(query.words().collect::<Vec<_>>(), divided.words().collect::<Vec<_>>());

        let numbers: Vec<u32> = (0..rows.len() as u32).collect();
        let scores = whole.scores(&query, &numbers).unwrap();
        let mut divided_scores = Vec::new();
        for (part, cut) in parts.iter().zip(cuts.windows(2)) {
            divided_scores.extend(part.scores(&divided, &numbers[..cut[1] - cut[0]]).unwrap());
        }
        prop_assert_eq!(&scores, &divided_scores);

        // With a correction, the frequency of another word counts.
        if !typos {
            let terms: Vec<&str> = query.words().collect();
            for (score, expected) in scores.iter().zip(bm25(&rows, [1.0, 0.25], &terms)) {
                prop_assert!((f64::from(score.unwrap_or(0.0)) - expected).abs() < f64::from(TOLERANCE));
            }
        }

        let allowed: RoaringBitmap =
            numbers.iter().copied().filter(|&row| kept.as_ref().is_none_or(|kept| kept[row as usize])).collect();
        let hits = whole.matches(&query, k, kept.as_ref().map(|_| &allowed)).unwrap();
        let mut expected: Vec<(usize, f32)> = scores
            .iter()
            .enumerate()
            .filter(|(row, _)| allowed.contains(*row as u32))
            .filter_map(|(row, score)| Some((row, (*score)?)))
            .collect();
        expected.sort_by(|left, right| right.1.total_cmp(&left.1));
        expected.truncate(k);
        prop_assert_eq!(hits.iter().map(|hit| (hit.index, hit.score)).collect::<Vec<_>>(), expected);
    }
}

/// A damaged byte anywhere is an error, or changes a score; it is no panic.
#[test]
fn damaged_files_do_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&[1.0]);
    let rows: Vec<String> = (0..300)
        .map(|number| format!("mouse {} {}", number % 7, VOCABULARY[number % 12]))
        .collect();
    let texts: Vec<&str> = rows.iter().map(String::as_str).collect();
    drop(titles(&folder.path().join("whole"), &texts));
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for entry in std::fs::read_dir(folder.path().join("whole")).unwrap() {
        let entry = entry.unwrap();
        files.insert(
            entry.file_name().into_string().unwrap(),
            std::fs::read(entry.path()).unwrap(),
        );
    }
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let damaged = folder.path().join("damaged");
    let mut refused = 0;
    for name in files.keys() {
        for round in 0..30 {
            let _ = std::fs::remove_dir_all(&damaged);
            std::fs::create_dir(&damaged).unwrap();
            for (other, bytes) in &files {
                let mut bytes = bytes.clone();
                if other == name && !bytes.is_empty() {
                    let at = random(bytes.len());
                    match round % 3 {
                        0 => bytes.truncate(at),
                        _ => bytes[at] ^= 1 << random(8),
                    }
                }
                std::fs::write(damaged.join(other), bytes).unwrap();
            }
            let searched = Words::open(&damaged, &settings).and_then(|words| {
                let query = WordsQuery::new("mouse keybaordd 4520 red", &[&words], true)?;
                words.matches(&query, 10, None)?;
                words.scores(&query, &[0, 5, 299, 1_000])
            });
            refused += usize::from(searched.is_err());
        }
    }
    assert!(refused > 0);
}
