//! Columns of a product file as spans: distant supervision.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::find::find;
use super::json_row::Counts;
use super::{Known, ReadRow};

/// A label, and the column of a product file that has its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelColumn {
    /// The label.
    pub(crate) label: String,
    /// The column.
    pub(crate) column: String,
}

/// A word that is not `LABEL` or `LABEL=COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not LABEL or LABEL=COLUMN")]
pub(crate) struct NotLabelColumn(String);

impl FromStr for LabelColumn {
    type Err = NotLabelColumn;

    fn from_str(word: &str) -> Result<Self, NotLabelColumn> {
        let (label, column) = word.split_once('=').unwrap_or((word, word));
        if label.is_empty() || column.is_empty() {
            return Err(NotLabelColumn(word.to_owned()));
        }
        Ok(Self {
            label: label.to_owned(),
            column: column.to_owned(),
        })
    }
}

impl fmt::Display for LabelColumn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.label == self.column {
            formatter.pad(&self.label)
        } else {
            write!(formatter, "{}={}", self.label, self.column)
        }
    }
}

impl Serialize for LabelColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The row of a text and the values of `labels`; an empty value says nothing. `None` if the text has none of the values.
pub(super) fn row(
    text: &str,
    labels: &[LabelColumn],
    values: &[String],
    category: Option<String>,
    counts: &mut Counts,
) -> Option<ReadRow> {
    let characters: Vec<char> = text.chars().collect();
    let (mut spans, mut repeats) = (Vec::new(), Vec::new());
    for (label, value) in labels.iter().zip(values) {
        if value.trim().is_empty() {
            continue;
        }
        match find(&characters, value, false) {
            Some(found) => {
                counts.ambiguous += usize::from(!found.others.is_empty());
                let named = |(start, end)| (start, end, label.label.clone());
                spans.push(named(found.place));
                repeats.extend(found.others.into_iter().map(named));
            }
            None => counts.missing += 1,
        }
    }
    if spans.is_empty() {
        counts.silent += 1;
        return None;
    }
    let stated = spans.iter().map(|(_, _, label)| label.clone()).collect();
    Some(ReadRow {
        text: text.to_owned(),
        spans,
        repeats,
        known: Known::Only(stated),
        category,
        ..ReadRow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_does_not_state_or_the_text_does_not_have_is_open() {
        let labels: Vec<LabelColumn> = ["brand", "colour=color", "size"]
            .map(|word| word.parse().unwrap())
            .into();
        assert_eq!(labels[1].to_string(), "colour=color");
        let mut counts = Counts::default();
        let values = ["ACME", "", "2 l"].map(str::to_owned);
        let found = row("Acme red kettle", &labels, &values, None, &mut counts).unwrap();
        assert_eq!(found.spans, [(0, 4, "brand".to_owned())]);
        assert_eq!(found.known, Known::Only(vec!["brand".to_owned()]));
        assert_eq!(counts.missing, 1);
        assert_eq!(row("red kettle", &labels, &values, None, &mut counts), None);
        assert_eq!((counts.missing, counts.silent), (3, 1));
        let again = "acme kettle by Acme";
        let found = row(again, &labels, &values, None, &mut counts).unwrap();
        assert_eq!(found.spans, [(0, 4, "brand".to_owned())]);
        assert_eq!(found.repeats, [(15, 19, "brand".to_owned())]);
        assert_eq!(counts.ambiguous, 1);
        assert!("=a".parse::<LabelColumn>().is_err());
    }
}
