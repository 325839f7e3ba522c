//! `store`: an index into PostgreSQL.

use std::io::Write;
use std::time::Instant;

use program::text::{count, one_line};
use program::{Console, Unit};
use search::index::{Document, IndexReader};
use serde::Serialize;
use store::{BuildOptions, Options, PostgresStore, ShardInfo};

use super::index::{read_ids, rows};
use crate::cli::{LoadArgs, RenameArgs, StoreArgs, StoreCommand, StoreInfoArgs, StoreRemoveArgs};
use crate::error::Error;

/// Rows of a block of a load: some megabytes.
const BLOCK_ROWS: usize = 2048;

pub(super) fn run(
    command: StoreCommand,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match command {
        StoreCommand::Load(args) => load(&args, console),
        StoreCommand::Remove(args) => remove(args, console),
        StoreCommand::Info(args) => info(&args, out),
        StoreCommand::Rename(args) => rename(&args, console),
    }
}

fn options(servers: &StoreArgs) -> Options {
    Options {
        name: servers.store_name.clone(),
        ..Options::default()
    }
}

fn load(args: &LoadArgs, console: Console) -> Result<(), Error> {
    let index = IndexReader::open(&args.index)?;
    let servers = &args.servers;
    let store = PostgresStore::create(&servers.store, options(servers), index.settings())?;
    let start = Instant::now();
    // Blocks of another state of the index are other blocks.
    let mut load = store.load(&load_name(&index))?;
    let bar = console.progress_bar(Some(index.len()), Unit::Texts);
    let mut documents = index.documents();
    let (mut written, mut passed_over) = (0, 0);
    for block in 0.. {
        let rows: Vec<Document> = documents
            .by_ref()
            .take(BLOCK_ROWS)
            .collect::<Result<_, _>>()?;
        if rows.is_empty() {
            break;
        }
        if load.is_done(block) {
            passed_over += rows.len() as u64;
        } else {
            let mut vectors = Vec::with_capacity(rows.len());
            for row in &rows {
                vectors.push(index.vector(&row.id)?.unwrap_or_default());
            }
            let block = load.write(block, &rows, &vectors)?;
            written += block.rows;
            passed_over += block.passed_over;
        }
        bar.inc(rows.len() as u64);
    }
    bar.finish_and_clear();
    let loaded = start.elapsed().as_secs_f64();
    if passed_over > 0 {
        console.note(format_args!(
            "note: {} in the store already",
            rows(passed_over)
        ));
    }
    store.build_indexes(BuildOptions {
        memory_mb: args.build_memory,
        ..BuildOptions::default()
    })?;
    load.finish()?;
    console.note(format_args!(
        "loaded {written} rows in {loaded:.1} s ({:.0} rows/s), and built the indexes in {:.1} s, on {}",
        written as f64 / loaded.max(1e-9),
        start.elapsed().as_secs_f64() - loaded,
        store.servers().collect::<Vec<_>>().join(", "),
    ));
    Ok(())
}

fn remove(args: StoreRemoveArgs, console: Console) -> Result<(), Error> {
    let ids = read_ids(args.rows)?;
    let store = PostgresStore::open(&args.servers.store, options(&args.servers))?;
    let removed = store.remove(&ids)?;
    console.note(format_args!(
        "removed {removed} of {}",
        count(ids.len(), "row")
    ));
    Ok(())
}

fn rename(args: &RenameArgs, console: Console) -> Result<(), Error> {
    PostgresStore::rename(&args.servers.store, options(&args.servers), &args.to)?;
    console.note(format_args!(
        "the store {} is now {}",
        args.servers.store_name, args.to
    ));
    Ok(())
}

/// Says what the blocks of a load are made of: the files of the index, by their checksums.
fn load_name(index: &IndexReader) -> String {
    format!("{} in blocks of {BLOCK_ROWS}", index.content_hash())
}

#[derive(Serialize)]
struct Report {
    version: u32,
    rows: u64,
    model: String,
    dimensions: usize,
    similarity: &'static str,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    server: String,
    postgres: String,
    pgvector: String,
    rows: u64,
    bytes: u64,
    hnsw: bool,
    words: bool,
    unfinished_loads: Vec<String>,
}

impl From<ShardInfo> for Server {
    fn from(shard: ShardInfo) -> Self {
        Self {
            server: shard.server,
            postgres: shard.postgres,
            pgvector: shard.pgvector,
            rows: shard.rows,
            bytes: shard.bytes,
            hnsw: shard.hnsw,
            words: shard.words,
            unfinished_loads: shard.loads,
        }
    }
}

fn info(args: &StoreInfoArgs, out: &mut dyn Write) -> Result<(), Error> {
    let servers = &args.servers;
    let store = PostgresStore::open(&servers.store, options(servers))?;
    let info = store.info()?;
    let settings = store.settings();
    let report = Report {
        version: 1,
        rows: info.rows(),
        model: settings.model.name.clone(),
        dimensions: settings.width,
        similarity: settings.similarity.name(),
        servers: info.shards.into_iter().map(Into::into).collect(),
    };
    if args.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{}", rows(report.rows))?;
    writeln!(
        out,
        "{}",
        one_line(
            &format!(
                "{}, {} dimensions, {}",
                report.model, report.dimensions, report.similarity
            ),
            None
        )
    )?;
    for server in &report.servers {
        let mut state = format!(
            "{}: {}, {:.1} MB, PostgreSQL {}, pgvector {}",
            server.server,
            rows(server.rows),
            server.bytes as f64 / 1e6,
            server.postgres,
            server.pgvector
        );
        for (built, missing) in [
            (server.hnsw, "no HNSW index"),
            (server.words, "words not counted"),
        ] {
            if !built {
                state.push_str(", ");
                state.push_str(missing);
            }
        }
        for load in &server.unfinished_loads {
            state.push_str(&format!(", unfinished load of {load}"));
        }
        writeln!(out, "{}", one_line(&state, None))?;
    }
    Ok(())
}
