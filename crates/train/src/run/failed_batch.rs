//! The rows of a batch whose loss or gradient is not finite.

use std::fmt;
use std::path::{Path, PathBuf};

use program::atomic_file;
use serde_json::json;

use crate::data::{Row, TextTable};

/// Maximum number of rows whose texts a message shows; it gives the position of every row.
const SHOWN_ROWS: usize = 2;

/// Maximum number of characters of a text in a message.
const SHOWN_CHARACTERS: usize = 60;

/// The rows of a failed batch: their positions, and the file with their texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedBatch {
    /// File and line of every row, and the first texts.
    rows: String,
    /// File with all rows in JSON Lines; `None` if the run has no folder or the file could not be
    /// written. It puts training texts into the folder of the model.
    file: Option<PathBuf>,
}

impl fmt::Display for FailedBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.rows)?;
        match &self.file {
            Some(file) => write!(
                formatter,
                "; {} holds all its texts: do not publish it",
                file.display()
            ),
            None => Ok(()),
        }
    }
}

impl FailedBatch {
    /// Describes the rows at `positions` and writes them into the folder of the run.
    pub(super) fn of_step(
        step: usize,
        table: &TextTable,
        positions: &[usize],
        folder: Option<&Path>,
    ) -> Self {
        let rows: Vec<Row<'_>> = positions.iter().map(|&row| table.row(row)).collect();
        let file = folder.and_then(|folder| {
            let path = folder.join(format!("non-finite-step-{step}.jsonl"));
            // The failure of the batch matters more than that of this file.
            atomic_file::write(&path, lines(&rows).as_bytes()).ok()?;
            Some(path)
        });
        Self {
            rows: describe(&rows),
            file,
        }
    }
}

fn describe(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 && row.file() == rows[index - 1].file() {
            text.push_str(&format!(", {}", row.line()));
            continue;
        }
        if index > 0 {
            text.push_str("; ");
        }
        if let Some(file) = row.file() {
            text.push_str(&format!("{file}, "));
        }
        text.push_str(&format!("line {}", row.line()));
    }
    let shown = rows.iter().take(SHOWN_ROWS).map(|row| {
        let texts: Vec<String> = row
            .texts()
            .map(|text| format!("\"{}\"", shorten(text)))
            .collect();
        texts.join(" / ")
    });
    let shown: Vec<String> = shown.collect();
    let more = if rows.len() > SHOWN_ROWS { ", ..." } else { "" };
    format!("{text} ({}{more})", shown.join(", "))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn lines(rows: &[Row<'_>]) -> String {
    rows.iter()
        .map(|row| {
            let line = json!({
                "file": row.file().map(ToString::to_string),
                "line": row.line(),
                "texts": row.texts().collect::<Vec<_>>(),
                "target": row.target(),
            });
            format!("{line}\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ReadOptions;

    #[test]
    fn every_row_is_named_by_file_and_line_and_written_in_full() {
        let folder = tempfile::tempdir().unwrap();
        let long = "word ".repeat(40);
        let paths = ["a.tsv", "b.tsv"].map(|name| folder.path().join(name));
        let rows: String = (0..6)
            .map(|row| format!("query {row}\t{long}{row}\n"))
            .collect();
        for path in &paths {
            std::fs::write(path, format!("query\tdescription\n{rows}")).unwrap();
        }
        let table = TextTable::read(&paths, &ReadOptions::default()).unwrap();
        let positions = [5, 0, 3, 6, 11];
        let batch = FailedBatch::of_step(7, &table, &positions, Some(folder.path()));
        let message = batch.to_string();
        let [a, b] = paths.map(|path| path.display().to_string());
        let places = format!("{a}, line 7, 2, 5; {b}, line 2, 7 (\"query 5\" / \"word");
        assert!(message.starts_with(&places), "{message}");
        assert!(message.len() < 600, "{message}");

        let file = folder.path().join("non-finite-step-7.jsonl");
        assert!(message.contains(&file.display().to_string()), "{message}");
        let written = std::fs::read_to_string(file).unwrap();
        let lines: Vec<serde_json::Value> = written
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[4]["file"], b);
        assert_eq!(
            (&lines[4]["line"], &lines[4]["texts"][0]),
            (&7.into(), &"query 5".into())
        );
        assert_eq!(lines[4]["texts"][1], format!("{long}5"));
    }

    #[test]
    fn without_a_folder_nothing_is_written() {
        let row = crate::data::Example {
            texts: vec!["a".to_owned(), "b".to_owned()],
            target: None,
        };
        let table = TextTable::from_rows(crate::data::RowKind::Pairs, [row]).unwrap();
        let batch = FailedBatch::of_step(1, &table, &[0], None);
        assert_eq!(batch.to_string(), "line 1 (\"a\" / \"b\")");
    }
}
