//! Times searches over vectors of a file: `benchmarks/python/vector_search.py` runs it beside other libraries.
//!
//! `time_search VECTORS QUERIES WIDTH K BATCH REPETITIONS FORM [HITS]`: files of little-endian float32, row after row, whose
//! rows have length 1. `BATCH` queries are asked at once. `FORM` is `exact`, `brute-force` or a number of candidates of the
//! search by 1-bit codes. `HITS` takes the rows that were found (`u32`, `[queries, k]`). Prints a line of JSON: seconds for
//! the codes, bytes, and the milliseconds of every call, each of another batch.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::time::Instant;

use memmap2::Mmap;
use search::{Codes, Rows, SearchOptions, Similarity, VectorIndex, VectorsView};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        vectors,
        queries,
        width,
        k,
        batch,
        repetitions,
        form,
        hits @ ..,
    ] = arguments.as_slice()
    else {
        return Err("VECTORS QUERIES WIDTH K BATCH REPETITIONS FORM [HITS]".into());
    };
    let (width, k): (usize, usize) = (width.parse()?, k.parse()?);
    let (batch, repetitions): (usize, usize) = (batch.parse()?, repetitions.parse()?);
    let file = File::open(vectors)?;
    #[allow(unsafe_code, reason = "a mapped file; nobody writes it meanwhile")]
    // SAFETY: the file is not changed while this program runs.
    let rows = Rows::mapped(unsafe { Mmap::map(&file) }?)?;
    let queries = fs::read(queries)?;
    let queries: Vec<f32> = queries
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();

    let start = Instant::now();
    let view = VectorsView::new(&rows, width)?;
    let one_bit = form.parse::<usize>().is_ok();
    let codes = match form.as_str() {
        // Distances have no codes: an index with those of no use compares all vectors.
        "brute-force" => Codes::build(view, Similarity::Manhattan, false),
        _ => Codes::build(view, Similarity::DotProduct, one_bit),
    };
    let seconds = start.elapsed().as_secs_f64();
    let (int8, bits) = (codes.int8_bytes(), codes.one_bit_bytes());
    let start = Instant::now();
    let mut written = Vec::new();
    codes.write(&mut written)?;
    let writing = start.elapsed().as_secs_f64();
    drop(codes);
    let start = Instant::now();
    let codes = Codes::read(&written, view.len(), width)?;
    let reading = start.elapsed().as_secs_f64();
    drop(written);
    let index = VectorIndex::from_parts(rows.clone(), width, Similarity::DotProduct, codes)?;

    let options = SearchOptions {
        k,
        candidates: form.parse().ok(),
        ..SearchOptions::default()
    };
    let batches: Vec<&[f32]> = queries.chunks_exact(batch * width).collect();
    let mut times = Vec::new();
    for repetition in 0..repetitions {
        let queries = VectorsView::new(batches[repetition % batches.len()], width)?;
        let start = Instant::now();
        let found = index.search_with(queries, &options)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(found.len(), batch);
    }
    if let [path] = hits {
        let found = index.search_with(VectorsView::new(&queries, width)?, &options)?;
        let places: Vec<u32> = found.iter().flatten().map(|hit| hit.index as u32).collect();
        fs::write(path, bytemuck::cast_slice(&places))?;
    }
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::json!({
            "codes_s": seconds,
            "write_s": writing,
            "read_s": reading,
            "int8_bytes": int8,
            "one_bit_bytes": bits,
            "ms": times,
        })
    )?;
    Ok(())
}
