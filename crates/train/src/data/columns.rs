//! The columns to read, by role.

use std::fmt;
use std::str::FromStr;

use super::column_error::ColumnMapError;
use super::kind::RowKind;
use super::role::Role;

/// The columns to read, by role: an anchor, a positive, and any number of negatives, a score or a label,
/// or negatives with scores.
///
/// Its text form is `anchor=query,positive=description,score=relevance`; only `negative` may be
/// repeated, and with negatives also `score`. Column names are those of the file and cannot contain a
/// comma. No column has two roles.
///
/// A text may be made of several columns: `positive={title}. {brand} {color}`. An empty column leaves no
/// gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMap {
    kind: RowKind,
    /// Anchor, positive, negatives.
    texts: Vec<String>,
    /// The score or the label, or the scores.
    targets: Vec<String>,
}

impl ColumnMap {
    /// Assigns roles to columns; negatives and scores keep their order.
    ///
    /// # Errors
    ///
    /// The anchor or the positive is missing; a role is repeated that only one column can have; a column
    /// has two roles; a name is empty; the role is [`Role::Group`]; score and label are combined, or
    /// negatives and a label; or the number of scores is not one that the negatives allow.
    pub(crate) fn new<C: Into<String>>(
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
        let negatives = texts.len() - 2;
        let mut targets: Vec<String> = of(Role::Score).collect();
        let kind = match (targets.as_slice(), of(Role::Label).next(), negatives) {
            ([], None, 0) => RowKind::Pairs,
            ([], None, _) => RowKind::Tuples { negatives },
            ([], Some(label), 0) => {
                targets.push(label);
                RowKind::Labelled
            }
            ([], Some(_), _) => return Err(ColumnMapError::LabelWithNegatives),
            ([score, ..], Some(label), _) => {
                let score = score.clone();
                return Err(ColumnMapError::TwoTargets { score, label });
            }
            ([_], None, 0) => RowKind::Scored,
            (scores, None, _) if (negatives..=negatives + 1).contains(&scores.len()) => {
                let scores = scores.len();
                RowKind::ScoredTuples { negatives, scores }
            }
            (scores, None, _) => {
                let scores = scores.len();
                return Err(ColumnMapError::ScoreCount { negatives, scores });
            }
        };
        Ok(Self {
            kind,
            texts,
            targets,
        })
    }

    /// These columns of texts, each of whose texts is a row.
    pub(super) fn of_texts(texts: Vec<String>) -> Self {
        Self {
            kind: RowKind::Texts,
            texts,
            targets: Vec::new(),
        }
    }

    /// Kind of the rows.
    #[must_use]
    pub(crate) fn kind(&self) -> RowKind {
        self.kind
    }

    /// The columns of the texts: anchor, positive, negatives.
    #[must_use]
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The columns of the score or the label, or of the scores.
    #[must_use]
    pub(crate) fn targets(&self) -> &[String] {
        &self.targets
    }

    /// The columns of rows of another kind, which leaves out what it does not need. A label may be the
    /// score.
    ///
    /// # Errors
    ///
    /// [`ColumnMapError::Missing`] if a role has no column.
    pub(crate) fn of_kind(&self, kind: RowKind) -> Result<Self, ColumnMapError> {
        let missing = |role| ColumnMapError::Missing { role };
        let texts = self.texts.get(..kind.text_columns());
        let texts = texts.ok_or(missing(Role::Negative))?.to_vec();
        let targets = match kind.target() {
            Some(role) => self.targets.get(..kind.targets()).ok_or(missing(role))?,
            None => &[],
        };
        Ok(Self {
            kind,
            texts,
            targets: targets.to_vec(),
        })
    }

    /// Every column with its role, in the order they are read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Role, &str)> {
        let texts = self.texts.iter().map(String::as_str);
        let texts = texts
            .enumerate()
            .map(|(place, column)| (Role::of_text(place), column));
        let role = self.kind.target().into_iter();
        let targets = role.flat_map(|role| self.targets.iter().map(move |name| (role, name)));
        texts.chain(targets.map(|(role, column)| (role, column.as_str())))
    }
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it is.
    Literal(&'a str),
    /// The value of a column.
    Column(&'a str),
}

/// The pieces of a text: `{name}` are columns; without any, the whole is the name of one.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, (name, behind))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        if !before.is_empty() {
            pieces.push(Piece::Literal(before));
        }
        pieces.push(Piece::Column(name));
        rest = behind;
    }
    match (pieces.is_empty(), rest) {
        (true, _) => pieces.push(Piece::Column(text)),
        (false, "") => {}
        (false, rest) => pieces.push(Piece::Literal(rest)),
    }
    pieces
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
        return Err(ColumnMapError::Missing { role });
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
        if *other == role && !matches!(role, Role::Negative | Role::Score) {
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
        // A comma of a template is not the end of a part.
        let mut parts: Vec<String> = Vec::new();
        for part in text.split(',') {
            let role = part.split_once('=').map(|(name, _)| name.trim());
            match parts.last_mut() {
                Some(last) if last.contains('{') && role.and_then(Role::named).is_none() => {
                    last.push(',');
                    last.push_str(part);
                }
                _ => parts.push(part.to_owned()),
            }
        }
        let columns = parts.iter().map(|part| {
            let Some((name, column)) = part.split_once('=') else {
                return Err(ColumnMapError::NotAnAssignment {
                    part: part.trim().to_owned(),
                });
            };
            let name = name.trim();
            let role = Role::named(name).ok_or_else(|| ColumnMapError::UnknownRole {
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

#[cfg(test)]
mod tests;
