//! How fast a store is loaded and asked, and how much its index finds: `store_speed VECTORS IDS TITLES QUERIES COPIES
//! [M,EF_CONSTRUCTION] ADDRESS…`.
//!
//! VECTORS and QUERIES are float32 matrices in NumPy's format, IDS has a line for each vector, and TITLES is a file of
//! ids and titles with a tab between them. COPIES above 1 load every row as often, with small noise.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use search::index::{Document, Settings, TextColumn};
use search::{Mode, Query};
use store::{BuildOptions, Options, PostgresStore};

const BLOCK: usize = 2048;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, ids, titles, queries, copies, addresses @ ..] = arguments.as_slice() else {
        return Err("give VECTORS IDS TITLES QUERIES COPIES [M,EF_CONSTRUCTION] ADDRESS…".into());
    };
    let mut build = BuildOptions::default();
    let addresses = match addresses.split_first() {
        Some((graph, addresses)) if !graph.contains("://") => {
            let (m, ef_construction) = graph.split_once(',').ok_or("no M,EF_CONSTRUCTION")?;
            (build.m, build.ef_construction) = (m.parse()?, ef_construction.parse()?);
            addresses
        }
        _ => addresses,
    };
    let (vectors, width) = matrix(vectors)?;
    let (queries, _) = matrix(queries)?;
    let titles = std::fs::read_to_string(titles)?;
    let titles: HashMap<&str, &str> = titles
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let ids = std::fs::read_to_string(ids)?;
    let ids: Vec<&str> = ids.lines().collect();
    let copies: usize = copies.parse()?;
    let options = Options {
        name: "speed".to_owned(),
        answer_timeout: Duration::from_secs(300),
        ..Options::default()
    };
    PostgresStore::delete(addresses, options.clone())?;
    let settings = Settings {
        width,
        text_columns: vec![TextColumn {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        ..Settings::default()
    };
    let store = PostgresStore::create(addresses, options, &settings)?;
    let mut out = std::io::stdout().lock();

    let start = Instant::now();
    let mut load = store.load("speed")?;
    let mut seed = 1_u64;
    for copy in 0..copies {
        for (block, (ids, rows)) in ids
            .chunks(BLOCK)
            .zip(vectors.chunks(BLOCK * width))
            .enumerate()
        {
            let documents: Vec<Document> = ids
                .iter()
                .map(|id| Document {
                    id: format!("{id}-{copy}"),
                    texts: vec![titles.get(id).copied().unwrap_or("").to_owned()],
                    values: Vec::new(),
                })
                .collect();
            let rows: Vec<Vec<f32>> = rows
                .chunks(width)
                .map(|row| {
                    row.iter()
                        .map(|value| value + copy.min(1) as f32 * noise(&mut seed))
                        .collect()
                })
                .collect();
            load.write(
                (copy * ids.len() + copy * 1_000_000 + block) as u64,
                &documents,
                &rows,
            )?;
        }
    }
    let (loaded, copied) = (start.elapsed().as_secs_f64(), load.copying().as_secs_f64());
    let start = Instant::now();
    store.build_indexes(build)?;
    load.finish()?;
    let built = start.elapsed().as_secs_f64();
    let rows = (ids.len() * copies) as f64;
    writeln!(
        out,
        "m {}, ef_construction {}; {rows} rows of width {width} on {} servers: COPY alone {:.0} rows/s, load {:.0} rows/s ({loaded:.1} s), words and \
         indexes {built:.1} s, all {:.0} rows/s; {:.0} MB",
        build.m,
        build.ef_construction,
        addresses.len(),
        rows / copied,
        rows / loaded,
        rows / (loaded + built),
        store
            .info()?
            .shards
            .iter()
            .map(|shard| shard.bytes)
            .sum::<u64>() as f64
            / 1e6
    )?;

    let question = |row: &[f32], recall: Option<f32>| Query {
        vector: row.to_vec(),
        mode: Mode::Meaning,
        k: 10,
        recall,
        ..Query::default()
    };
    let rows: Vec<&[f32]> = queries.chunks(width).collect();
    let start = Instant::now();
    let exact = rows
        .iter()
        .map(|row| store.answer(&question(row, Some(1.0))))
        .collect::<Result<Vec<_>, _>>()?;
    let each = start.elapsed().as_secs_f64() * 1e3 / rows.len() as f64;
    writeln!(out, "exact: {each:.1} ms per query")?;
    for ef_search in [40, 100, 200, 400, 800] {
        let options = Options {
            name: "speed".to_owned(),
            ef_search,
            ..Options::default()
        };
        let store = PostgresStore::open(addresses, options)?;
        store.answer(&question(rows[0], None))?;
        let start = Instant::now();
        let mut found = 0;
        for (row, exact) in rows.iter().zip(&exact) {
            let last = exact.hits.last().map_or(0.0, |hit| hit.score);
            // Equal titles are equally near.
            let hits = store.answer(&question(row, None))?.hits;
            found += hits.iter().filter(|hit| hit.score >= last - 1e-6).count();
        }
        let each = start.elapsed().as_secs_f64() * 1e3 / rows.len() as f64;
        let recall =
            found as f64 / exact.iter().map(|answer| answer.hits.len()).sum::<usize>() as f64;
        writeln!(
            out,
            "ef {ef_search}: recall@10 {recall:.4}, {each:.1} ms per query"
        )?;
    }
    PostgresStore::delete(
        addresses,
        Options {
            name: "speed".to_owned(),
            ..Options::default()
        },
    )?;
    Ok(())
}

/// A little more or less than nothing.
fn noise(seed: &mut u64) -> f32 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    ((*seed >> 40) as f32 / (1 << 23) as f32 - 1.0) * 0.002
}

/// The values and the width of a float32 matrix in NumPy's format, version 1.
fn matrix(path: &str) -> Result<(Vec<f32>, usize), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let length = bytes.get(8..10).ok_or("no NumPy file")?;
    let start = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let header = String::from_utf8_lossy(bytes.get(10..start).ok_or("no NumPy file")?).into_owned();
    let shape = header
        .split_once("'shape': (")
        .and_then(|(_, rest)| rest.split_once(')'));
    let width = shape.and_then(|(shape, _)| shape.split(',').nth(1)?.trim().parse().ok());
    let values = bytes[start..]
        .chunks_exact(4)
        .map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]]));
    Ok((values.collect(), width.ok_or("no matrix")?))
}
