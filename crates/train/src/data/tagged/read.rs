//! Reading the rows of a tagger.

use std::collections::BTreeSet;
use std::path::Path;

use records::{Format, ReaderOptions, RowReader, Source};

use super::conll::Sentence;
use super::fault::TaggedFault;
use super::json_row::{self, Counts};
use super::product_columns::{self, LabelColumn};
use super::{Annotation, Annotations, LabelledSpan, NamedSpan, ReadRow};
use crate::data::error::DataError;
use crate::data::kind::RowKind;
use crate::data::read::sources;
use crate::data::table::TextTable;

/// Options of [`TextTable::read_tagged`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaggedOptions {
    /// The labels of columns of product files; none for files with spans.
    pub(crate) labels: Vec<LabelColumn>,
    /// The column of the text in a product file.
    pub(crate) column: Option<String>,
    /// The column of the category in a product file.
    pub(crate) category_column: Option<String>,
    /// Whether attributes that a row does not state are absent.
    pub(crate) complete: bool,
    /// Skip and count bad rows instead of stopping at the first.
    pub(crate) skip_bad_rows: bool,
}

/// The column of the text unless another one is named.
const TEXT_COLUMN: &str = "title";

impl TextTable {
    /// Reads texts and their spans, of the kind [`RowKind::Tagged`]: from the columns of product files if the options name
    /// labels, and else from JSON Lines or CoNLL, which the name or the first line of a file tells.
    ///
    /// # Errors
    ///
    /// A file cannot be read or lacks a column; a row is bad and bad rows are not skipped; no file has rows.
    pub(crate) fn read_tagged<P: AsRef<Path>>(
        paths: &[P],
        options: &TaggedOptions,
    ) -> Result<Self, DataError> {
        let files = sources(paths);
        let mut reading = Reading {
            table: Self::new(RowKind::Tagged),
            annotations: Annotations::default(),
            named: options.labels.iter().map(|of| of.label.clone()).collect(),
            counts: Counts::default(),
            overlapping: 0,
            options,
        };
        for file in &files {
            reading.table.begin_file(file.clone());
            if options.labels.is_empty() {
                reading.lines(file)?;
            } else {
                reading.columns(file)?;
            }
        }
        let silent = reading.counts.silent;
        let (mut table, annotations) = reading.finish();
        table.annotations = annotations;
        table.finish(&files).map_err(|error| match error {
            DataError::NoRows {
                files, skipped: 0, ..
            } if silent > 0 => DataError::NoValues {
                files,
                rows: silent,
            },
            other => other,
        })
    }
}

struct Reading<'a> {
    table: TextTable,
    annotations: Annotations,
    /// Labels that rows and options name, with or without spans.
    named: BTreeSet<String>,
    counts: Counts,
    overlapping: usize,
    options: &'a TaggedOptions,
}

impl Reading<'_> {
    /// A file of lines: JSON Lines, or CoNLL.
    fn lines(&mut self, file: &Source) -> Result<(), DataError> {
        let options = ReaderOptions {
            format: Some(Format::Text),
            ..ReaderOptions::default()
        };
        let reader = RowReader::open(file, &options)?;
        // The name tells the form where it can, and else the first line.
        let by_name = match file {
            Source::File(path) => Format::from_path(path),
            _ => None,
        };
        let mut is_json = matches!(by_name, Some(Format::Jsonl | Format::Json)).then_some(true);
        let mut sentence = Sentence::default();
        for line in reader {
            let (text, number) = match line {
                Ok(row) => (row.text(), row.line),
                Err(error) => {
                    self.skip_or(error.into())?;
                    sentence.leave_out();
                    continue;
                }
            };
            let text = text.trim_start_matches('\u{feff}');
            let is_empty = text.trim().is_empty();
            let is_json = match (is_json, is_empty) {
                (Some(known), _) => known,
                (None, true) => {
                    sentence.take();
                    continue;
                }
                (None, false) => *is_json.insert(text.trim_start().starts_with('{')),
            };
            let row = match (is_json, is_empty) {
                (true, true) => continue,
                (true, false) => json_row::read(text, self.options.complete, &mut self.counts),
                (false, false) => match sentence.add(text, number) {
                    Ok(()) => continue,
                    Err(fault) => {
                        sentence.leave_out();
                        Err(fault)
                    }
                },
                (false, true) => {
                    let first = sentence.line;
                    if let Some(row) = sentence.take() {
                        self.add(file, first, row)?;
                    }
                    continue;
                }
            };
            self.add(file, number, row)?;
        }
        let first = sentence.line;
        match sentence.take() {
            Some(row) => self.add(file, first, row),
            None => Ok(()),
        }
    }

    /// The columns of a product file.
    fn columns(&mut self, file: &Source) -> Result<(), DataError> {
        let options = self.options;
        let mut columns: Vec<String> = Vec::new();
        let mut place = |name: &str| {
            let known = columns.iter().position(|column| column == name);
            known.unwrap_or_else(|| {
                columns.push(name.to_owned());
                columns.len() - 1
            })
        };
        let text = place(options.column.as_deref().unwrap_or(TEXT_COLUMN));
        let labels: Vec<usize> = options
            .labels
            .iter()
            .map(|label| place(&label.column))
            .collect();
        let category = options.category_column.as_deref().map(&mut place);
        let reader_options = ReaderOptions {
            columns,
            ..ReaderOptions::default()
        };
        for row in RowReader::open(file, &reader_options)? {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    self.skip_or(error.into())?;
                    continue;
                }
            };
            let values: Vec<String> = labels
                .iter()
                .map(|&place| row.fields[place].clone())
                .collect();
            let category = category.map(|place| row.fields[place].trim().to_owned());
            let category = category.filter(|category| !category.is_empty());
            let title = &row.fields[text];
            if title.trim().is_empty() {
                self.add(file, row.line, Err(TaggedFault::Empty))?;
                continue;
            }
            let found =
                product_columns::row(title, &options.labels, &values, category, &mut self.counts);
            if let Some(found) = found {
                self.add(file, row.line, Ok(found))?;
            }
        }
        Ok(())
    }

    /// Skips a bad row, or ends with its error.
    fn skip_or(&mut self, error: DataError) -> Result<(), DataError> {
        if self.options.skip_bad_rows && error.is_row() {
            self.table.skip(error);
            return Ok(());
        }
        Err(error)
    }

    fn add(
        &mut self,
        file: &Source,
        line: u64,
        row: Result<ReadRow, TaggedFault>,
    ) -> Result<(), DataError> {
        let row = row.and_then(checked);
        let row = match row {
            Ok(row) => row,
            Err(source) => {
                let file = file.clone();
                return self.skip_or(DataError::Tagged { file, line, source });
            }
        };
        let labels = &mut self.annotations.labels;
        let mut number = |label: String| {
            let known = labels.iter().position(|known| *known == label);
            known.unwrap_or_else(|| {
                labels.push(label);
                labels.len() - 1
            })
        };
        let mut numbered = |mut named: Vec<NamedSpan>| -> Vec<LabelledSpan> {
            // So that labels have the same numbers whatever order the row has them in.
            named.sort_unstable();
            named.dedup();
            let numbered = named.into_iter().map(|(start, end, label)| LabelledSpan {
                start,
                end,
                label: number(label),
            });
            numbered.collect()
        };
        // A label has its number from a span.
        let mut repeats = row.repeats;
        repeats.retain(|(.., label)| row.spans.iter().any(|(.., known)| known == label));
        let spans = numbered(row.spans);
        let mut repeats = numbered(repeats);
        repeats.retain(|repeat| !spans.contains(repeat));
        self.named.extend(row.known.names().iter().cloned());
        self.named.extend(row.named_open);
        self.overlapping += spans
            .windows(2)
            .filter(|two| two[1].start < two[0].end)
            .count();
        self.table
            .push(std::iter::once(row.text.as_str()), &[], None, line);
        self.annotations.rows.push(Annotation {
            spans,
            repeats,
            known: row.known,
            category: row.category,
        });
        Ok(())
    }

    /// The table and its annotations.
    fn finish(self) -> (TextTable, Annotations) {
        let Self {
            table,
            mut annotations,
            named,
            counts,
            overlapping,
            ..
        } = self;
        let named = named.into_iter();
        annotations.without_spans = named
            .filter(|label| !annotations.labels.contains(label))
            .collect();
        for (count, what) in [
            (
                counts.ambiguous,
                "values are in their texts more than once: the first place counts, and the others teach nothing",
            ),
            (
                counts.missing,
                "values are not in their texts: such a row says nothing about the label",
            ),
            (
                counts.silent,
                "rows have no value in their texts and are left out",
            ),
            (
                overlapping,
                "spans overlap the one before them: training takes the longer one",
            ),
        ] {
            if count > 0 {
                annotations.notes.push(format!("{count} {what}"));
            }
        }
        (table, annotations)
    }
}

/// The row, if its spans are within its text.
fn checked(row: ReadRow) -> Result<ReadRow, TaggedFault> {
    if row.text.trim().is_empty() {
        return Err(TaggedFault::Empty);
    }
    let length = row.text.chars().count();
    for (start, end, label) in row.spans.iter().chain(&row.repeats) {
        if label.trim().is_empty() {
            return Err(TaggedFault::NoLabel);
        }
        if start >= end || *end > length {
            return Err(TaggedFault::Range {
                start: *start,
                end: *end,
                label: label.clone(),
                length,
            });
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests;
