//! Infers the roles of columns from their names, else from their order and first row.
//!
//! 1. Names count first, in any case: [`ANCHORS`], [`POSITIVES`], [`SCORES`] and [`LABELS`]. Earlier
//!    names of a list win over later ones. Columns without a role are not read.
//! 2. If the names give only one of anchor and positive, the other is the only remaining text column;
//!    if several remain, the user must choose.
//! 3. If the names give neither, the columns are anchor, positive and negatives in order. If the first
//!    value of the last column is a number, the column is the label (for `0` or `1`) or the score.
//!    Columns whose names are those of ids, and the group column, are skipped.
//!
//! A number anywhere else in the first row is an error: a wrong guess would silently train a useless
//! model.

use super::column_error::ColumnMapError;
use super::columns::ColumnMap;
use super::role::Role;

/// Names of the anchor. `title` and `name` come last: next to a query they are not the anchor.
const ANCHORS: &[&str] = &[
    "anchor",
    "query",
    "question",
    "sentence1",
    "sentence_1",
    "text1",
    "text_1",
    "a",
    "title",
    "name",
];

/// Names of the positive.
const POSITIVES: &[&str] = &[
    "positive",
    "answer",
    "passage",
    "document",
    "sentence2",
    "sentence_2",
    "text2",
    "text_2",
    "b",
    "description",
];

/// Names of the score.
const SCORES: &[&str] = &["score", "similarity", "rating"];

/// Names of the label.
const LABELS: &[&str] = &["label"];

/// The roles of the columns `names`, if these include both an anchor and a positive.
pub(super) fn infer_by_name(names: &[String]) -> Option<Result<ColumnMap, ColumnMapError>> {
    let columns = Columns::new(names, &[]);
    let named = columns.has(Role::Anchor) && columns.has(Role::Positive);
    named.then(|| columns.into_map())
}

/// The roles of the columns `names`; `first_row` holds their first values.
///
/// # Errors
///
/// The roles are ambiguous.
pub(super) fn infer(
    names: &[String],
    first_row: &[String],
    group_column: Option<&str>,
) -> Result<ColumnMap, ColumnMapError> {
    let mut columns = Columns::new(names, first_row);
    match (columns.has(Role::Anchor), columns.has(Role::Positive)) {
        (true, true) => {}
        (true, false) => columns.fill_in(Role::Positive, group_column)?,
        (false, true) => columns.fill_in(Role::Anchor, group_column)?,
        (false, false) => columns.go_by_shape(group_column)?,
    }
    columns.into_map()
}

struct Columns<'a> {
    names: &'a [String],
    first_row: &'a [String],
    roles: Vec<Option<Role>>,
}

impl<'a> Columns<'a> {
    /// The columns with the roles of their names.
    fn new(names: &'a [String], first_row: &'a [String]) -> Self {
        let mut columns = Self {
            names,
            first_row,
            roles: vec![None; names.len()],
        };
        columns.name_roles();
        columns
    }

    fn name_roles(&mut self) {
        for (role, synonyms) in [
            (Role::Anchor, ANCHORS),
            (Role::Positive, POSITIVES),
            (Role::Score, SCORES),
            (Role::Label, LABELS),
        ] {
            let place = synonyms.iter().find_map(|synonym| {
                let same = |name: &String| name.trim().eq_ignore_ascii_case(synonym);
                self.names.iter().position(same)
            });
            if let Some(place) = place {
                self.roles[place] = Some(role);
            }
        }
        for (role, name) in self.roles.iter_mut().zip(self.names) {
            if is_negative(name) {
                *role = Some(Role::Negative);
            }
        }
    }

    fn has(&self, role: Role) -> bool {
        self.roles.contains(&Some(role))
    }

    /// Columns without a role, except ids and the group.
    fn left(&self, group_column: Option<&str>) -> Vec<usize> {
        let free = |&place: &usize| {
            let name = self.names[place].as_str();
            self.roles[place].is_none() && !is_id(name) && group_column != Some(name)
        };
        (0..self.names.len()).filter(free).collect()
    }

    fn first_value(&self, place: usize) -> &str {
        self.first_row.get(place).map_or("", String::as_str)
    }

    fn is_number(&self, place: usize) -> bool {
        let value = self.first_value(place).trim().parse::<f64>();
        value.is_ok_and(f64::is_finite)
    }

    fn fill_in(&mut self, role: Role, group_column: Option<&str>) -> Result<(), ColumnMapError> {
        let mut texts = self.left(group_column);
        texts.retain(|&place| !self.is_number(place));
        match texts[..] {
            [] => Err(self.too_few_texts()),
            [only] => {
                self.roles[only] = Some(role);
                Ok(())
            }
            _ => Err(ColumnMapError::Unclear {
                role,
                candidates: self.names_of(&texts),
            }),
        }
    }

    fn go_by_shape(&mut self, group_column: Option<&str>) -> Result<(), ColumnMapError> {
        let mut texts = self.left(group_column);
        let named_target = self.has(Role::Score) || self.has(Role::Label);
        if let Some(&last) = texts.last()
            && !named_target
            && self.is_number(last)
        {
            let label = matches!(self.first_value(last).trim(), "0" | "1");
            self.roles[last] = Some(if label { Role::Label } else { Role::Score });
            texts.pop();
        }
        if let Some(&place) = texts.iter().find(|&&place| self.is_number(place)) {
            return Err(ColumnMapError::Number {
                column: self.names[place].clone(),
                value: self.first_value(place).to_owned(),
            });
        }
        let target = self.has(Role::Score) || self.has(Role::Label);
        match texts.len() {
            0 | 1 => Err(self.too_few_texts()),
            // With a number or named negatives there must be two texts; more are ambiguous.
            3.. if target || self.has(Role::Negative) => Err(ColumnMapError::Unclear {
                role: Role::Anchor,
                candidates: self.names_of(&texts),
            }),
            _ => {
                for (column, place) in texts.into_iter().enumerate() {
                    self.roles[place] = Some(Role::of_text(column));
                }
                Ok(())
            }
        }
    }

    fn too_few_texts(&self) -> ColumnMapError {
        ColumnMapError::TooFewTexts {
            present: self.names.to_vec(),
        }
    }

    fn names_of(&self, places: &[usize]) -> Vec<String> {
        places
            .iter()
            .map(|&place| self.names[place].clone())
            .collect()
    }

    fn into_map(self) -> Result<ColumnMap, ColumnMapError> {
        let named = self.roles.into_iter().zip(self.names);
        ColumnMap::new(named.filter_map(|(role, name)| role.map(|role| (role, name.clone()))))
    }
}

/// `negative`, `negatives`, `neg`, `hard_negative`, and any of them with a number: `negative_1`,
/// `neg2`.
fn is_negative(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("hard_").unwrap_or(&name);
    ["negatives", "negative", "neg"]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|rest| {
            rest.trim_start_matches(['_', '-', ' '])
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
}

/// Names of id columns, such as `id`, `docid` or `product_id`.
pub(super) fn is_id(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    matches!(
        name.as_str(),
        "id" | "index" | "docid" | "qid" | "pid" | "uuid"
    ) || ["_id", "-id", " id"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests;
