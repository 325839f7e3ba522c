//! Text tables with an evaluation, a metric and numbers per row.

use std::fmt;

/// A row of a table: one or several values of a metric.
pub(super) struct TableRow<'a> {
    /// The evaluation; printed only in its first row.
    pub(super) evaluation: &'a str,
    pub(super) metric: &'a str,
    /// Primary metrics are marked `*`.
    pub(super) primary: bool,
    /// Right-aligned under their headers.
    pub(super) numbers: Vec<String>,
    /// Note after the numbers; may be empty.
    pub(super) note: &'static str,
}

/// Writes a line of headers, then the rows.
pub(super) fn write_table<'a>(
    formatter: &mut fmt::Formatter<'_>,
    headers: &[&str],
    rows: impl Iterator<Item = TableRow<'a>>,
) -> fmt::Result {
    let header = ["evaluation", "metric"].iter().chain(headers);
    let mut lines = vec![header.map(|&header| header.to_owned()).collect::<Vec<_>>()];
    let mut notes = vec![""];
    let mut last = None;
    for row in rows {
        let repeated = last == Some(row.evaluation);
        last = Some(row.evaluation);
        let evaluation = if repeated { "" } else { row.evaluation };
        let mark = if row.primary { " *" } else { "" };
        let mut line = vec![evaluation.to_owned(), format!("{}{mark}", row.metric)];
        line.extend(row.numbers);
        lines.push(line);
        notes.push(row.note);
    }
    let widths: Vec<usize> = (0..headers.len() + 2)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for (line, note) in lines.iter().zip(notes) {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            match column {
                0 => write!(formatter, "{cell:<width$}")?,
                1 => write!(formatter, "  {cell:<width$}")?,
                _ => write!(formatter, "  {cell:>width$}")?,
            }
        }
        let gap = if note.is_empty() { "" } else { "  " };
        writeln!(formatter, "{gap}{note}")?;
    }
    Ok(())
}
