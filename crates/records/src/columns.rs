//! Selection of the columns of the text and of the id.

use crate::error::{ColumnErrorKind, RowErrorKind};
use crate::options::ReaderOptions;

/// The column that is the text if several columns could be.
const DEFAULT_COLUMN: &str = "text";

/// The place that a path chooses in a list, from 0, and the rest of the path; `None` if it means every value.
pub(crate) fn place_in_list(path: &str) -> Option<(usize, &str)> {
    let (place, rest) = path.split_once('.').unwrap_or((path, ""));
    Some((place.parse().ok()?, rest))
}

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

/// Type of a column, in typed formats. Of several types in one column the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Values that are no default text: nested ones, nulls, dates.
    Other,
    NumberOrBoolean,
    Text,
}

/// The selection of the options.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) choice: Choice,
    id: Option<String>,
    require: Vec<String>,
    /// Whether the first row of JSON determines the columns.
    pub(crate) missing_is_bad: bool,
    /// Whether rows of JSON are kept as they are.
    pub(crate) keep_objects: bool,
}

/// The columns to read of a file. Their values come in the order of `names`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selected {
    /// Columns of the text, then those that are only required, then the id.
    pub(crate) names: Vec<String>,
    /// How many of them are columns of the text.
    pub(crate) texts: usize,
    /// Position of the id.
    pub(crate) id: Option<usize>,
    /// Positions of the columns that must have a text.
    pub(crate) required: Vec<usize>,
}

impl Selection {
    /// The columns that the options name, else `unnamed`.
    pub(crate) fn new(options: &ReaderOptions, unnamed: Choice) -> Self {
        let choice = if options.columns.is_empty() {
            unnamed
        } else {
            Choice::Named(options.columns.clone())
        };
        Self {
            choice,
            id: options.id_column.clone(),
            require: options.require.clone(),
            missing_is_bad: options.missing_is_bad,
            keep_objects: options.keep_objects,
        }
    }

    /// Whether columns are named.
    pub(crate) fn names_columns(&self) -> bool {
        self.id.is_some() || !self.require.is_empty() || matches!(self.choice, Choice::Named(_))
    }

    /// The named columns.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        let columns = match &self.choice {
            Choice::Named(names) => names.as_slice(),
            _ => &[],
        };
        let names = columns.iter().chain(&self.id).chain(&self.require);
        names.map(String::as_str)
    }

    /// The columns of a file that has those of `present`. Named columns need not be among them.
    pub(crate) fn among(&self, present: &[(String, Kind)]) -> Result<Selected, ColumnErrorKind> {
        let mut names = match &self.choice {
            Choice::Named(names) => names.clone(),
            choice => self.unnamed(choice, present)?,
        };
        let texts = names.len();
        let mut required = Vec::new();
        for name in &self.require {
            let place = names.iter().position(|known| known == name);
            required.push(place.unwrap_or(names.len()));
            if place.is_none() {
                names.push(name.clone());
            }
        }
        let id = self.id.as_ref().map(|id| {
            names.push(id.clone());
            names.len() - 1
        });
        Ok(Selected {
            names,
            texts,
            id,
            required,
        })
    }

    /// The columns where none are named. A column named `text` is a candidate of any type: an error
    /// about its type helps more than ignoring it.
    fn unnamed(
        &self,
        choice: &Choice,
        present: &[(String, Kind)],
    ) -> Result<Vec<String>, ColumnErrorKind> {
        let suits = |name: &str, kind: Kind| match choice {
            Choice::EveryScalar => kind != Kind::Other,
            _ => kind == Kind::Text || name == DEFAULT_COLUMN,
        };
        let candidates: Vec<&String> = present
            .iter()
            .filter(|(name, kind)| suits(name, *kind) && self.id.as_ref() != Some(name))
            .map(|(name, _)| name)
            .collect();
        let text = candidates.iter().find(|name| **name == DEFAULT_COLUMN);
        match (choice, candidates.as_slice(), text) {
            (Choice::Default, [only], _) => Ok(vec![(*only).clone()]),
            (Choice::Default, _, Some(text)) => Ok(vec![(*text).clone()]),
            (Choice::Default, ..) => Err(ColumnErrorKind::NotChosen {
                present: names_of(present),
            }),
            _ => Ok(candidates.into_iter().cloned().collect()),
        }
    }
}

pub(crate) fn names_of(columns: &[(String, Kind)]) -> Vec<String> {
    columns.iter().map(|(name, _)| name.clone()).collect()
}

/// The position of the only column with that name, else of the only one whose name has other spaces
/// around it.
pub(crate) fn find(header: &[String], name: &str) -> Result<usize, ColumnErrorKind> {
    let exact = |present: &String| present == name;
    let trimmed = |present: &String| present.trim() == name.trim();
    let is_exact = header.iter().any(exact);
    let is_named = |present: &String| trimmed(present) && (exact(present) || !is_exact);
    let mut places = (0..).zip(header).filter(|(_, present)| is_named(present));
    match (places.next(), places.next()) {
        (Some((index, _)), None) => Ok(index),
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

    fn selected(
        header: &[&str],
        columns: &[&str],
        id: Option<&str>,
        require: &[&str],
    ) -> Result<Selected, ColumnErrorKind> {
        let options = ReaderOptions {
            columns: strings(columns),
            id_column: id.map(str::to_owned),
            require: strings(require),
            ..ReaderOptions::default()
        };
        let header: Vec<_> = strings(header)
            .into_iter()
            .map(|name| (name, Kind::Text))
            .collect();
        Selection::new(&options, Choice::Default).among(&header)
    }

    #[test]
    fn the_only_column_or_the_one_named_text_is_the_text() {
        let chosen = |header: &[&str], id| selected(header, &[], id, &[]);
        assert_eq!(chosen(&["title"], None).unwrap().names, ["title"]);
        assert_eq!(
            chosen(&["sku", "title"], Some("sku")).unwrap().names,
            ["title", "sku"]
        );
        assert_eq!(
            chosen(&["sku", "text", "title"], None).unwrap().names,
            ["text"]
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
    fn a_required_column_is_read_also_where_it_is_not_chosen() {
        let header = ["sku", "title", "brand"];
        let found = selected(
            &header,
            &["brand", "title"],
            Some("sku"),
            &["title", "price"],
        )
        .unwrap();
        assert_eq!(found.names, ["brand", "title", "price", "sku"]);
        assert_eq!((found.texts, found.id), (2, Some(3)));
        assert_eq!(found.required, [1, 2]);
    }

    #[test]
    fn a_column_that_is_not_there_or_there_twice_is_named() {
        let header = strings(&["a", "b", "b"]);
        let error = |name| find(&header, name).unwrap_err().to_string();
        assert_eq!(error("c"), "no column `c`; there are: a, b, b");
        assert_eq!(error("b"), "column `b` is in the header more than once");
        assert_eq!(find(&header, " a "), Ok(0));
        let header = strings(&["a ", " b", "b"]);
        assert_eq!(find(&header, "a"), Ok(0));
        assert_eq!(find(&header, "b"), Ok(2), "the exact name comes first");
        assert_eq!(find(&header, " b"), Ok(1));
        assert!(find(&header, "b ").is_err());
    }

    #[test]
    fn an_id_is_one_line() {
        let problem = |id: &str| checked_id("id", id.to_owned()).unwrap_err().to_string();
        assert_eq!(problem(""), "no id: field `id` is empty");
        assert_eq!(problem("1\n2"), "the id in field `id` has a line break");
    }
}
