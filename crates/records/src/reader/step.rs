//! The next row of the files.

use super::RowReader;
use super::open::open_file;
use crate::Row;
use crate::columns::checked_id;
use crate::error::{ColumnErrorKind, ReadError, RowErrorKind};
use crate::html;
use crate::row_source::Values;

impl RowReader {
    /// The next row, or `None` for one that is skipped because it has no text.
    fn row(&mut self, values: Values) -> Result<Option<Row>, RowErrorKind> {
        let Values { line, mut values } = values;
        let selected = self.rows.selected();
        let name = |place: usize| selected.names.get(place).cloned().unwrap_or_default();
        let is_missing = |value: Option<&Option<String>>| {
            value
                .and_then(Option::as_ref)
                .is_none_or(|text| text.trim().is_empty())
        };
        let id = match selected.id {
            Some(place) => {
                let id = values.get_mut(place).and_then(Option::take);
                Some(checked_id(&name(place), id.unwrap_or_default())?)
            }
            None => None,
        };
        let lacks = |place: &usize| is_missing(values.get(*place));
        if let Some(place) = selected.required.iter().find(|place| lacks(place)) {
            return Err(RowErrorKind::MissingField {
                column: name(*place),
            });
        }
        values.truncate(selected.texts);
        if self.options.missing_is_bad
            && let Some(place) = values.iter().position(Option::is_none)
        {
            return Err(RowErrorKind::MissingField {
                column: name(place),
            });
        }
        let counts = &mut self.counts;
        counts.good += 1;
        let mut fields: Vec<String> = values.into_iter().map(Option::unwrap_or_default).collect();
        if self.options.clean_html {
            fields = fields.into_iter().map(html::clean).collect();
        } else {
            counts.html += u64::from(fields.iter().any(|field| html::has_html(field)));
        }
        for (field, missing) in fields.iter().zip(&mut counts.missing) {
            *missing += u64::from(field.trim().is_empty());
        }
        let texts = self.options.text_columns.unwrap_or(fields.len());
        if fields
            .iter()
            .take(texts)
            .all(|field| field.trim().is_empty())
        {
            counts.empty += 1;
            if self.options.skip_empty_rows {
                return Ok(None);
            }
        }
        Ok(Some(Row {
            file: self.file,
            number: counts.rows,
            line,
            id,
            fields,
            object: self.rows.take_object(),
        }))
    }

    /// Opens the next file; `false` if there is none.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        if let Some((seen, _)) = self.rows.unseen() {
            self.counts.seen.resize(seen.len(), false);
            for (all, seen) in self.counts.seen.iter_mut().zip(seen) {
                *all |= seen;
            }
        }
        let Some(source) = self.sources.get(self.file + 1) else {
            self.check_seen()?;
            return Ok(false);
        };
        let opened = open_file(source, &self.options, &self.selection, false)?;
        self.file += 1;
        self.bytes_before += self.rows.total_bytes().unwrap_or(0);
        self.notes.extend(self.rows.notes());
        self.rows = opened.rows;
        self.numbering = opened.numbering;
        self.notes.extend(opened.notes);
        Ok(true)
    }

    /// An error if JSON has good rows, but no row has one of the columns.
    fn check_seen(&self) -> Result<(), ReadError> {
        let Some((_, present)) = self.rows.unseen() else {
            return Ok(());
        };
        let unseen = self.counts.seen.iter().position(|seen| !seen);
        let name = unseen.and_then(|place| self.rows.selected().names.get(place));
        match (name, self.sources.last()) {
            (Some(column), Some(file)) if self.counts.good > 0 => Err(ReadError::Columns {
                file: file.clone(),
                source: ColumnErrorKind::Unknown {
                    column: column.clone(),
                    present,
                },
            }),
            _ => Ok(()),
        }
    }

    /// The next row, `None` for a skipped one.
    pub(super) fn step(&mut self) -> Result<Option<Row>, ReadError> {
        let values = match self.rows.next() {
            Ok(Some(values)) => values,
            Ok(None) => {
                self.ended = !self.open_next()?;
                return Ok(None);
            }
            Err(error) => {
                self.counts.rows += u64::from(error.is_row());
                return Err(error);
            }
        };
        self.counts.rows += 1;
        if let Some(shard) = self.options.shard
            && !shard.has(self.counts.rows)
        {
            return Ok(None);
        }
        let line = values.line;
        self.row(values).map_err(|source| ReadError::Row {
            file: self.sources[self.file].clone(),
            numbering: self.numbering,
            line,
            source,
        })
    }
}
