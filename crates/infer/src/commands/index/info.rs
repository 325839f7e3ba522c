//! `index info`: what an index holds, and what it is made of.

use std::io::Write;

use program::text::{count, one_line};
use search::Fusion;
use search::index::{IndexReader, Settings};
use serde::Serialize;

use crate::cli::InfoArgs;
use crate::error::Error;

#[derive(Serialize)]
struct Report {
    version: u32,
    rows: u64,
    removed_rows: u64,
    segments: usize,
    bytes: u64,
    vector_bytes: u64,
    code_bytes: u64,
    word_bytes: u64,
    commits: u64,
    model: String,
    model_identity: String,
    precision: String,
    dimensions: usize,
    max_length: usize,
    query_prompt: String,
    document_prompt: String,
    similarity: &'static str,
    id_column: String,
    text_columns: Vec<TextColumn>,
    filter_columns: Vec<FilterColumn>,
    /// Those of them that come from a file of attributes.
    attribute_columns: Vec<String>,
    language: &'static str,
    fusion: String,
    /// Candidates of the 1-bit scan, and the share of the exact hits among them.
    recall: Vec<Recall>,
}

#[derive(Serialize)]
struct TextColumn {
    name: String,
    weight: f32,
}

#[derive(Serialize)]
struct FilterColumn {
    name: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Recall {
    candidates: usize,
    recall: f32,
}

pub(super) fn run(args: &InfoArgs, out: &mut dyn Write) -> Result<(), Error> {
    let index = IndexReader::open(&args.index)?;
    let report = report(&index);
    if args.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    let line = |text: &str| one_line(text, None);
    let list = |names: Vec<String>| line(&names.join(", "));
    let texts = report
        .text_columns
        .iter()
        .map(|column| match column.weight {
            1.0 => column.name.clone(),
            weight => format!("{} (weight {weight})", column.name),
        });
    let filters = report.filter_columns.iter();
    let filters = filters.map(|column| format!("{} ({})", column.name, column.kind));
    let recall = report.recall.iter();
    let recall = recall.map(|point| format!("{:.3} with {}", point.recall, point.candidates));
    let rows = usize::try_from(report.rows).unwrap_or(usize::MAX);
    let mut lines = vec![
        ("rows", count(rows, "row")),
        ("segments", report.segments.to_string()),
        (
            "size",
            format!(
                "{} MB: vectors {}, codes {}, words {}",
                megabytes(report.bytes),
                megabytes(report.vector_bytes),
                megabytes(report.code_bytes),
                megabytes(report.word_bytes),
            ),
        ),
        (
            "model",
            line(&format!("{} ({})", report.model, report.model_identity)),
        ),
        ("precision", line(&report.precision)),
        ("dimensions", report.dimensions.to_string()),
        ("similarity", report.similarity.to_owned()),
        ("id column", line(&report.id_column)),
        ("text columns", list(texts.collect())),
        ("filter columns", list(filters.collect())),
        ("of attributes", list(report.attribute_columns.clone())),
        ("language", report.language.to_owned()),
        ("ranking", report.fusion.clone()),
        ("1-bit recall@10", list(recall.collect())),
    ];
    if report.removed_rows > 0 {
        let removed = format!("{} rows, until the next merge", report.removed_rows);
        lines.insert(1, ("removed", removed));
    }
    for (name, prompt) in [
        ("query prompt", &report.query_prompt),
        ("corpus prompt", &report.document_prompt),
    ] {
        if !prompt.is_empty() {
            lines.push((name, line(&format!("{prompt:?}"))));
        }
    }
    for (name, value) in lines {
        if !value.is_empty() {
            writeln!(out, "{name:16} {value}")?;
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn report(index: &IndexReader) -> Report {
    let info = index.info();
    let Settings {
        model,
        width,
        similarity,
        id_column,
        text_columns,
        filter_columns,
        attribute_columns,
        language,
        fusion,
    } = index.settings().clone();
    let texts = text_columns.into_iter().map(|column| TextColumn {
        name: column.name,
        weight: column.weight,
    });
    let filters = filter_columns.into_iter().map(|column| FilterColumn {
        name: column.name,
        kind: column.kind.name(),
    });
    let recall = info.recall.iter().map(|point| Recall {
        candidates: point.candidates,
        recall: point.recall,
    });
    Report {
        version: 1,
        rows: info.rows,
        removed_rows: info.deleted,
        segments: info.segments,
        bytes: info.bytes,
        vector_bytes: info.vector_bytes,
        code_bytes: info.code_bytes,
        word_bytes: info.word_bytes,
        commits: info.number,
        model: model.name,
        model_identity: model.identity,
        precision: model.precision,
        dimensions: width,
        max_length: model.max_length,
        query_prompt: model.query_prompt,
        document_prompt: model.document_prompt,
        similarity: similarity.name(),
        id_column,
        text_columns: texts.collect(),
        filter_columns: filters.collect(),
        attribute_columns,
        language: language.name(),
        fusion: match fusion {
            Fusion::WeightedSum { weight } => format!("weighted sum, words {weight}"),
            Fusion::ReciprocalRank => "reciprocal ranks".to_owned(),
        },
        recall: recall.collect(),
    }
}
