//! Times an index on disk: how long it takes to build, open, verify and ask, and the memory of it.
//!
//! `time_index VECTORS ROWS QUERIES TEXTS WIDTH COPIES FOLDER`: `VECTORS` and `QUERIES` are files of
//! little-endian float32, row after row. `ROWS` has a line `ID<TAB>TEXT` for every vector, `TEXTS` a line for
//! every query. Every row is added `COPIES` times, with small noise from the second time on. `FOLDER` is new.
//! Prints a line of JSON.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use search::filter::{ColumnKind, Filter, FilterColumn, Value};
use search::index::{Document, IndexReader, IndexWriter, Settings, TextColumn, verify};
use search::{Fusion, Mode, Query};

/// Queries one at a time.
const SINGLES: usize = 50;

/// Rows whose ids are asked for.
const NAMED: usize = 1_000;

/// Length of the noise, compared with that of a vector.
const NOISE: f32 = 0.05;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, rows, queries, texts, width, copies, folder] = arguments.as_slice() else {
        return Err("VECTORS ROWS QUERIES TEXTS WIDTH COPIES FOLDER".into());
    };
    let (width, copies): (usize, usize) = (width.parse()?, copies.parse()?);
    let (vectors, queries) = (floats(vectors)?, floats(queries)?);
    let (rows, texts) = (fs::read_to_string(rows)?, fs::read_to_string(texts)?);
    let rows: Vec<(&str, &str)> = rows
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let texts: Vec<&str> = texts.lines().collect();
    assert_eq!(vectors.len(), rows.len() * width);
    assert_eq!(queries.len(), texts.len() * width);
    let folder = Path::new(folder);

    // The vectors of the files are in memory too, and not counted.
    let before = anonymous_megabytes();
    let peak = watch_memory();
    let start = Instant::now();
    build(folder, &vectors, &rows, width, copies)?;
    let build_s = start.elapsed().as_secs_f64();
    let build_mb = peak.load(Ordering::Relaxed).saturating_sub(before);
    let start = Instant::now();
    let mut writer = IndexWriter::open(folder)?;
    writer.remove(rows[0].0)?;
    writer.commit()?;
    let small_commit_s = start.elapsed().as_secs_f64();
    drop(writer);
    let start = Instant::now();
    verify(folder)?;
    let verify_s = start.elapsed().as_secs_f64();
    let before = anonymous_megabytes();
    let start = Instant::now();
    let reader = IndexReader::open(folder)?;
    let open_s = start.elapsed().as_secs_f64();
    let open_mb = anonymous_megabytes().saturating_sub(before);

    let questions = |mode: Mode, filter: Option<Filter>| -> Vec<Query> {
        let query = |(text, vector): (&&str, &[f32])| Query {
            vector: vector.to_vec(),
            text: (*text).to_owned(),
            mode,
            k: 10,
            filter: filter.clone(),
            ..Query::default()
        };
        texts
            .iter()
            .zip(queries.chunks_exact(width))
            .map(query)
            .collect()
    };
    let tenth = Filter::In {
        column: "digit".to_owned(),
        values: vec![Value::Text("3".to_owned())],
    };
    let mut times = serde_json::Map::new();
    for (name, mode, filter) in [
        ("meaning", Mode::Meaning, None),
        ("words", Mode::Words, None),
        ("hybrid", Mode::Hybrid, None),
        ("hybrid, a tenth of the rows", Mode::Hybrid, Some(tenth)),
    ] {
        let queries = questions(mode, filter);
        let start = Instant::now();
        reader.answers(&queries)?;
        let batch_ms = start.elapsed().as_secs_f64() * 1e3;
        let mut singles = Vec::new();
        for query in queries.iter().take(SINGLES) {
            let start = Instant::now();
            reader.answer(query)?;
            singles.push(start.elapsed().as_secs_f64() * 1e3);
        }
        singles.sort_by(f64::total_cmp);
        let single_ms = singles[singles.len() / 2];
        let of_mode = serde_json::json!({ "single_ms": single_ms, "batch_ms": batch_ms });
        times.insert(name.to_owned(), of_mode);
    }
    let named_first = named_first(&reader, &rows, &queries[..width])?;
    let info = reader.info();
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::json!({
            "rows": info.rows,
            "segments": info.segments,
            "bytes": info.bytes,
            "vector_bytes": info.vector_bytes,
            "code_bytes": info.code_bytes,
            "word_bytes": info.word_bytes,
            "recall": info.recall.iter().map(|r| (r.candidates, r.recall)).collect::<Vec<_>>(),
            "build_s": build_s,
            "build_peak_mb": build_mb,
            "small_commit_s": small_commit_s,
            "verify_s": verify_s,
            "open_s": open_s,
            "open_mb": open_mb,
            "batch": texts.len(),
            "times": times,
            "named_first": named_first,
        })
    )?;
    Ok(())
}

fn build(
    folder: &Path,
    vectors: &[f32],
    rows: &[(&str, &str)],
    width: usize,
    copies: usize,
) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        width,
        text_columns: vec![TextColumn {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        filter_columns: vec![FilterColumn {
            name: "digit".to_owned(),
            kind: ColumnKind::Text,
        }],
        ..Settings::default()
    };
    let mut writer = IndexWriter::create(folder, settings)?;
    let mut state = 1;
    for copy in 0..copies {
        for ((id, text), vector) in rows.iter().zip(vectors.chunks_exact(width)) {
            let mut vector = vector.to_vec();
            let mut id = (*id).to_owned();
            if copy > 0 {
                id = format!("{id}-{copy}");
                let size = NOISE * (12.0 / width as f32).sqrt();
                for value in &mut vector {
                    *value += size * random(&mut state);
                }
            }
            let document = Document {
                texts: vec![(*text).to_owned()],
                values: vec![Some(Value::Text(id[id.len() - 1..].to_owned()))],
                id,
            };
            writer.add(&document, Some(&vector))?;
        }
    }
    writer.commit()?;
    Ok(())
}

/// How many of a thousand ids find their row first, with every weight of words.
fn named_first(
    reader: &IndexReader,
    rows: &[(&str, &str)],
    vector: &[f32],
) -> Result<usize, Box<dyn Error>> {
    let mut first = 0;
    // The first row was removed.
    for (id, _) in rows[1..]
        .iter()
        .step_by((rows.len() / NAMED).max(1))
        .take(NAMED)
    {
        let mut all = true;
        for weight in [0.0, 0.3, 1.0] {
            let query = Query {
                vector: vector.to_vec(),
                text: (*id).to_owned(),
                fusion: Some(Fusion::WeightedSum { weight }),
                k: 3,
                ..Query::default()
            };
            let hits = reader.answer(&query)?.hits;
            all &= hits.first().is_some_and(|hit| hit.id == *id);
        }
        first += usize::from(all);
    }
    Ok(first)
}

fn floats(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let (values, _) = bytes.as_chunks::<4>();
    Ok(values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect())
}

/// A number between -1/2 and 1/2 (xorshift).
fn random(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 40) as f32 / (1 << 24) as f32 - 0.5
}

/// Watches the memory of this process that is no mapped file, and returns where its peak is kept.
fn watch_memory() -> Arc<AtomicU64> {
    let peak = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&peak);
    std::thread::spawn(move || {
        loop {
            watched.fetch_max(anonymous_megabytes(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    peak
}

/// 0 where Linux does not tell.
fn anonymous_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}
