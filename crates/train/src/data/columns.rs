//! Roles of columns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ColumnMapError;

/// Role of a column in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Text to compare: a query, a title, the first of two sentences.
    Anchor,
    /// Text that matches the anchor; in scored and labelled rows it may not match.
    Positive,
    /// Text that does not match the anchor.
    Negative,
    /// Similarity of anchor and positive: a finite number.
    Score,
    /// Whether anchor and positive match: 0 or 1.
    Label,
    /// Group of the row: rows of a group stay on the same side of a split.
    Group,
}

impl Role {
    /// The roles of a [`ColumnMap`].
    const MAPPED: [Self; 5] = [
        Self::Anchor,
        Self::Positive,
        Self::Negative,
        Self::Score,
        Self::Label,
    ];

    /// Name of the role on the command line and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anchor => "anchor",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Score => "score",
            Self::Label => "label",
            Self::Group => "group",
        }
    }

    /// The role of the text column `column`, from 0.
    pub(super) fn of_text(column: usize) -> Self {
        match column {
            0 => Self::Anchor,
            1 => Self::Positive,
            _ => Self::Negative,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Content of a row, which determines the losses that accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// Anchor and positive.
    Pairs,
    /// Anchor, positive and `negatives` negatives.
    Tuples {
        /// Number of negatives in every row.
        negatives: usize,
    },
    /// Anchor, positive and a score.
    Scored,
    /// Anchor, positive and a label.
    Labelled,
}

impl RowKind {
    /// Number of texts in every row, at least 2.
    #[must_use]
    pub fn text_columns(self) -> usize {
        match self {
            Self::Pairs | Self::Scored | Self::Labelled => 2,
            Self::Tuples { negatives } => negatives.saturating_add(2),
        }
    }

    /// Role of the number of every row, if rows have one.
    #[must_use]
    pub fn target(self) -> Option<Role> {
        match self {
            Self::Pairs | Self::Tuples { .. } => None,
            Self::Scored => Some(Role::Score),
            Self::Labelled => Some(Role::Label),
        }
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pairs => formatter.pad("pairs"),
            Self::Tuples { negatives: 1 } => formatter.pad("pairs with a negative"),
            Self::Tuples { negatives } => write!(formatter, "pairs with {negatives} negatives"),
            Self::Scored => formatter.pad("pairs with a score"),
            Self::Labelled => formatter.pad("pairs with a label"),
        }
    }
}

/// The columns to read, by role: an anchor, a positive, and either any number of negatives or a score
/// or a label.
///
/// Its text form is `anchor=query,positive=description,score=relevance`; only `negative` may be
/// repeated. Column names are those of the file and cannot contain a comma. No column has two roles.
///
/// ```
/// use train::data::{ColumnMap, RowKind};
///
/// let columns: ColumnMap = "anchor=query,positive=clicked,negative=shown".parse()?;
/// assert_eq!(columns.kind(), RowKind::Tuples { negatives: 1 });
/// assert_eq!(columns.texts(), ["query", "clicked", "shown"]);
/// # Ok::<(), train::data::ColumnMapError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnMap {
    /// Anchor, positive, negatives.
    texts: Vec<String>,
    target: Option<(Role, String)>,
}

impl ColumnMap {
    /// Assigns roles to columns; negatives keep their order.
    ///
    /// # Errors
    ///
    /// The anchor or the positive is missing; a role other than the negative is repeated; a column has
    /// two roles; a name is empty; the role is [`Role::Group`]; or negatives, score and label are
    /// combined.
    pub fn new<C: Into<String>>(
        columns: impl IntoIterator<Item = (Role, C)>,
    ) -> Result<Self, ColumnMapError> {
        let columns: Vec<(Role, String)> = columns
            .into_iter()
            .map(|(role, column)| (role, column.into()))
            .collect();
        for (place, (role, column)) in columns.iter().enumerate() {
            let before = &columns[..place];
            check_assignment(before, *role, column)?;
        }
        let of = |role: Role| {
            columns
                .iter()
                .filter(move |(other, _)| *other == role)
                .map(|(_, column)| column.clone())
        };
        let needed = |role: Role| of(role).next().ok_or(ColumnMapError::Missing { role });
        let mut texts = vec![needed(Role::Anchor)?, needed(Role::Positive)?];
        texts.extend(of(Role::Negative));
        let target = match (of(Role::Score).next(), of(Role::Label).next()) {
            (Some(score), Some(label)) => return Err(ColumnMapError::TwoTargets { score, label }),
            (Some(score), None) => Some((Role::Score, score)),
            (None, Some(label)) => Some((Role::Label, label)),
            (None, None) => None,
        };
        match target {
            Some((target, _)) if texts.len() > 2 => {
                Err(ColumnMapError::TargetWithNegatives { target })
            }
            target => Ok(Self { texts, target }),
        }
    }

    /// Kind of the rows.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        match self.target {
            Some((Role::Score, _)) => RowKind::Scored,
            Some(_) => RowKind::Labelled,
            None if self.texts.len() > 2 => RowKind::Tuples {
                negatives: self.texts.len() - 2,
            },
            None => RowKind::Pairs,
        }
    }

    /// The columns of the texts: anchor, positive, negatives.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The column of the score or the label.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_ref().map(|(_, column)| column.as_str())
    }

    /// All columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        let target = self.target.iter().map(|(_, column)| column);
        self.texts.iter().chain(target)
    }

    /// Every column with its role, in the order they are read.
    pub fn iter(&self) -> impl Iterator<Item = (Role, &str)> {
        let texts = self.texts.iter().map(String::as_str);
        let texts = texts
            .enumerate()
            .map(|(place, column)| (Role::of_text(place), column));
        let target = self.target.iter();
        texts.chain(target.map(|(role, column)| (*role, column.as_str())))
    }
}

fn check_assignment(
    before: &[(Role, String)],
    role: Role,
    column: &str,
) -> Result<(), ColumnMapError> {
    if !Role::MAPPED.contains(&role) {
        return Err(ColumnMapError::UnknownRole {
            role: role.name().to_owned(),
        });
    }
    if column.is_empty() {
        return Err(ColumnMapError::NoColumn { role });
    }
    for (other, name) in before {
        if name == column && *other == role {
            return Err(ColumnMapError::Repeated {
                role,
                column: column.to_owned(),
            });
        }
        if name == column {
            return Err(ColumnMapError::TwoRoles {
                column: column.to_owned(),
                first: *other,
                second: role,
            });
        }
        if *other == role && role != Role::Negative {
            return Err(ColumnMapError::TwoColumns {
                role,
                first: name.clone(),
                second: column.to_owned(),
            });
        }
    }
    Ok(())
}

impl FromStr for ColumnMap {
    type Err = ColumnMapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let columns = text.split(',').map(|part| {
            let Some((name, column)) = part.split_once('=') else {
                return Err(ColumnMapError::NotAnAssignment {
                    part: part.trim().to_owned(),
                });
            };
            let name = name.trim();
            let role = Role::MAPPED
                .into_iter()
                .find(|role| role.name().eq_ignore_ascii_case(name))
                .ok_or_else(|| ColumnMapError::UnknownRole {
                    role: name.to_owned(),
                })?;
            Ok((role, column.trim()))
        });
        Self::new(columns.collect::<Result<Vec<_>, _>>()?)
    }
}

impl fmt::Display for ColumnMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (role, column)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{role}={column}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ColumnMap {
    type Error = ColumnMapError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ColumnMap> for String {
    fn from(columns: ColumnMap) -> Self {
        columns.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_as_it_is_printed() {
        for (text, kind) in [
            ("anchor=a,positive=b", RowKind::Pairs),
            (
                "anchor=q,positive=p,negative=n 2,negative=n=1",
                RowKind::Tuples { negatives: 2 },
            ),
            ("anchor=q,positive=p,score=relevance", RowKind::Scored),
            ("anchor=q,positive=p,label=is match", RowKind::Labelled),
        ] {
            let columns: ColumnMap = text.parse().unwrap();
            assert_eq!(columns.to_string(), text);
            assert_eq!(columns.kind(), kind, "{text}");
            assert_eq!(columns.texts().len(), kind.text_columns(), "{text}");
            let json = serde_json::to_string(&columns).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<ColumnMap>(&json).unwrap(), columns);
        }
    }

    #[test]
    fn roles_come_in_any_order_and_case_with_spaces_around() {
        let columns: ColumnMap = " Score = s , POSITIVE= p, anchor =a".parse().unwrap();
        assert_eq!(columns.to_string(), "anchor=a,positive=p,score=s");
        assert_eq!(columns.texts(), ["a", "p"]);
        assert_eq!(columns.target(), Some("s"));
    }

    #[test]
    fn a_bad_map_is_explained() {
        for (text, message) in [
            (
                "",
                "`` is not ROLE=COLUMN; write for example anchor=query,positive=description",
            ),
            (
                "anchor=a,title",
                "`title` is not ROLE=COLUMN; write for example anchor=query,positive=description",
            ),
            (
                "anchor=a,query=b",
                "`query` is not a role; the roles are: anchor, positive, negative, score, label",
            ),
            (
                "anchor=a,group=b",
                "`group` is not a role; the roles are: anchor, positive, negative, score, label",
            ),
            (
                "anchor=a,positive=",
                "the positive has no column; write positive=COLUMN",
            ),
            (
                "anchor=a",
                "the positive has no column; write positive=COLUMN",
            ),
            (
                "positive=a",
                "the anchor has no column; write anchor=COLUMN",
            ),
            (
                "anchor=a,anchor=b,positive=c",
                "columns `a` and `b` both have the role anchor; keep one",
            ),
            (
                "anchor=a,positive=a",
                "column `a` has the roles anchor and positive; give it one role",
            ),
            (
                "anchor=a,positive=b,negative=c,negative=c",
                "column `c` has the role negative more than once; name it once",
            ),
            (
                "anchor=a,positive=b,score=c,label=d",
                "rows cannot have both a score and a label; leave out column `c` or `d`",
            ),
            (
                "anchor=a,positive=b,negative=c,label=d",
                "rows with negatives cannot have a label; leave out the label or the negatives",
            ),
        ] {
            let error = text.parse::<ColumnMap>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }
}
