//! Selection of the columns of the text and of the id.

use crate::Row;
use crate::error::{ColumnErrorKind, RowErrorKind};

/// The column that is the text if several columns could be.
const DEFAULT_COLUMN: &str = "text";

/// The selected columns.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// The text column by the rules of the crate.
    Default,
    /// Every column except the id; in typed formats, every column of texts.
    EveryText,
    /// Every column except the id; in typed formats, every column of texts, numbers or booleans.
    EveryScalar,
    /// These columns, in this order.
    Named(Vec<String>),
}

/// Type of a column, in typed formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    NumberOrBoolean,
    /// Values that cannot become texts.
    Other,
}

impl Choice {
    /// The names of the selected columns among those of a file; `id` is a candidate only if it is
    /// named.
    pub(crate) fn among(
        &self,
        present: &[String],
        id: Option<&str>,
    ) -> Result<Vec<String>, ColumnErrorKind> {
        let candidates = || present.iter().filter(|name| Some(name.as_str()) != id);
        match self {
            Self::Named(names) => Ok(names.clone()),
            Self::EveryText | Self::EveryScalar => Ok(candidates().cloned().collect()),
            Self::Default => {
                let mut all = candidates();
                if let (Some(only), None) = (all.next(), all.next()) {
                    return Ok(vec![only.clone()]);
                }
                match candidates().find(|name| *name == DEFAULT_COLUMN) {
                    Some(text) => Ok(vec![text.clone()]),
                    None => Err(ColumnErrorKind::NotChosen {
                        present: present.to_vec(),
                    }),
                }
            }
        }
    }

    /// As [`Self::among`], for typed formats. A column named `text` is a candidate of any type: an
    /// error about its type helps more than ignoring it.
    pub(crate) fn among_typed(
        &self,
        present: &[(String, Kind)],
        id: Option<&str>,
    ) -> Result<Vec<String>, ColumnErrorKind> {
        let mut candidates: Vec<String> = Vec::new();
        for (name, kind) in present {
            let suits = match self {
                Self::EveryScalar => *kind != Kind::Other,
                _ => *kind == Kind::Text || name == DEFAULT_COLUMN,
            };
            if suits && !candidates.contains(name) {
                candidates.push(name.clone());
            }
        }
        self.among(&candidates, id)
            .map_err(|problem| match problem {
                ColumnErrorKind::NotChosen { .. } => ColumnErrorKind::NotChosen {
                    present: present.iter().map(|(name, _)| name.clone()).collect(),
                },
                other => other,
            })
    }
}

/// The header of a CSV or TSV file, and the positions of the selected columns in it.
#[derive(Debug)]
pub(crate) struct Table {
    width: usize,
    columns: Vec<Column>,
    id: Option<Column>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) index: usize,
}

impl Table {
    pub(crate) fn new(
        header: &[String],
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, ColumnErrorKind> {
        let id = id.map(|name| find(header, name)).transpose()?;
        let names = choice.among(header, id.as_ref().map(|id| id.name.as_str()))?;
        let columns = names
            .iter()
            .map(|name| find(header, name))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            width: header.len(),
            columns,
            id,
        })
    }

    /// Number of columns of the header.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// An error unless the row has as many columns as the header.
    pub(crate) fn check_width(&self, found: usize) -> Result<(), RowErrorKind> {
        let expected = self.width;
        if found == expected {
            Ok(())
        } else {
            Err(RowErrorKind::ColumnCount { found, expected })
        }
    }

    /// The names of the selected columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// Selects the fields of a row.
    pub(crate) fn record(&self, line: u64, row: &[&str]) -> Result<Row, RowErrorKind> {
        self.check_width(row.len())?;
        // The row is as wide as the header, so every index is inside.
        let value = |column: &Column| row.get(column.index).copied().unwrap_or_default();
        let id = self
            .id
            .as_ref()
            .map(|column| checked_id(&column.name, value(column).to_owned()))
            .transpose()?;
        let fields = self
            .columns
            .iter()
            .map(|column| value(column).to_owned())
            .collect();
        Ok(Row { line, id, fields })
    }
}

/// The only column with that name.
pub(crate) fn find(header: &[String], name: &str) -> Result<Column, ColumnErrorKind> {
    let mut places = header
        .iter()
        .enumerate()
        .filter(|(_, present)| *present == name);
    match (places.next(), places.next()) {
        (Some((index, _)), None) => Ok(Column {
            name: name.to_owned(),
            index,
        }),
        (None, _) => Err(ColumnErrorKind::Unknown {
            column: name.to_owned(),
            present: header.to_vec(),
        }),
        (Some(_), Some(_)) => Err(ColumnErrorKind::Duplicate {
            column: name.to_owned(),
        }),
    }
}

/// The id, if it can be written on one line.
pub(crate) fn checked_id(column: &str, id: String) -> Result<String, RowErrorKind> {
    if id.is_empty() {
        Err(RowErrorKind::EmptyId {
            column: column.to_owned(),
        })
    } else if id.contains(['\n', '\r']) {
        Err(RowErrorKind::IdLineBreak {
            column: column.to_owned(),
        })
    } else {
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn named(names: &[&str]) -> Choice {
        Choice::Named(strings(names))
    }

    #[test]
    fn the_only_column_or_the_one_named_text_is_the_text() {
        let chosen = |header: &[&str], id| Choice::Default.among(&strings(header), id);
        assert_eq!(chosen(&["title"], None), Ok(strings(&["title"])));
        assert_eq!(
            chosen(&["sku", "title"], Some("sku")),
            Ok(strings(&["title"]))
        );
        assert_eq!(
            chosen(&["sku", "text", "title"], None),
            Ok(strings(&["text"]))
        );
        let error = chosen(&["sku", "title"], None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "which column is the text? None is named `text`; choose one by --column: sku, title"
        );
        assert!(matches!(
            chosen(&["text"], Some("text")),
            Err(ColumnErrorKind::NotChosen { .. })
        ));
    }

    #[test]
    fn columns_come_in_the_order_they_were_chosen() {
        let header = strings(&["sku", "title", "brand"]);
        let table = Table::new(&header, &named(&["brand", "title"]), Some("sku")).unwrap();
        assert_eq!(table.names(), ["brand", "title"]);
        let record = table.record(2, &["7", "kettle", "Acme"]).unwrap();
        assert_eq!(
            record,
            Row {
                line: 2,
                id: Some("7".to_owned()),
                fields: strings(&["Acme", "kettle"])
            }
        );
        assert_eq!(record.text(), "Acme kettle");

        let every = Table::new(&header, &Choice::EveryScalar, Some("sku")).unwrap();
        assert_eq!(every.names(), ["title", "brand"]);
    }

    #[test]
    fn a_column_that_is_not_there_or_there_twice_is_named() {
        let header = strings(&["a", "b", "b"]);
        let error = |choice: Choice, id| Table::new(&header, &choice, id).unwrap_err().to_string();
        assert_eq!(
            error(named(&["c"]), None),
            "no column `c`; there are: a, b, b"
        );
        assert_eq!(
            error(named(&["a"]), Some("sku")),
            "no column `sku`; there are: a, b, b"
        );
        assert_eq!(
            error(named(&["b"]), None),
            "column `b` is in the header more than once"
        );
    }

    #[test]
    fn rows_of_another_width_and_unusable_ids_are_bad() {
        let table = Table::new(&strings(&["id", "text"]), &Choice::Default, Some("id")).unwrap();
        let problem = |row: &[&str]| table.record(1, row).unwrap_err().to_string();
        assert_eq!(problem(&["1"]), "1 column where the header has 2");
        assert_eq!(
            problem(&["1", "a", "b"]),
            "3 columns where the header has 2"
        );
        assert_eq!(problem(&["", "a"]), "no id: field `id` is empty");
        assert_eq!(
            problem(&["1\n2", "a"]),
            "the id in field `id` has a line break"
        );
    }
}
