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

use super::columns::{ColumnMap, Role};
use super::error::ColumnMapError;

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
fn is_id(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    matches!(
        name.as_str(),
        "id" | "index" | "docid" | "qid" | "pid" | "uuid"
    ) || ["_id", "-id", " id"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(names: &str, first_row: &str, group: Option<&str>) -> Result<String, String> {
        let cells = |line: &str| -> Vec<String> { line.split('|').map(str::to_owned).collect() };
        match infer(&cells(names), &cells(first_row), group) {
            Ok(columns) => Ok(columns.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn names_tell_the_roles() {
        for (names, expected) in [
            ("anchor|positive", "anchor=anchor,positive=positive"),
            ("Positive|Anchor", "anchor=Anchor,positive=Positive"),
            (
                "source|id|title|description",
                "anchor=title,positive=description",
            ),
            (
                "id|name|description|price",
                "anchor=name,positive=description",
            ),
            (
                "query|title|description",
                "anchor=query,positive=description",
            ),
            (
                "genre|source|year|id|score|sentence1|sentence2",
                "anchor=sentence1,positive=sentence2,score=score",
            ),
            (
                "text1|text2|Label",
                "anchor=text1,positive=text2,label=Label",
            ),
            ("a|b|similarity", "anchor=a,positive=b,score=similarity"),
            (
                "question|answer|rating",
                "anchor=question,positive=answer,score=rating",
            ),
            (
                "query|passage|negative_1|negative_2",
                "anchor=query,positive=passage,negative=negative_1,negative=negative_2",
            ),
            (
                "neg2|query|document|neg1|negotiable|Hard_Negative",
                "anchor=query,positive=document,negative=neg2,negative=neg1,negative=Hard_Negative",
            ),
        ] {
            assert_eq!(
                inferred(names, "", None).as_deref(),
                Ok(expected),
                "{names}"
            );
        }
    }

    #[test]
    fn one_missing_text_is_the_one_that_is_left() {
        for (names, row, expected) in [
            ("query|product", "x|y", Ok("anchor=query,positive=product")),
            (
                "product|answer",
                "x|y",
                Ok("anchor=product,positive=answer"),
            ),
            (
                "query|docid|text|rating",
                "x|12|y|1",
                Ok("anchor=query,positive=text,score=rating"),
            ),
            (
                "query|text|clicks",
                "x|y|12",
                Ok("anchor=query,positive=text"),
            ),
            (
                "query|docid|rating",
                "x|12|3",
                Err(
                    "training needs an anchor and a positive, but the columns are: query, docid, rating; name two with --columns anchor=COLUMN,positive=COLUMN",
                ),
            ),
            (
                "query|brand|text",
                "x|y|z",
                Err(
                    "which column is the positive? Candidates: brand, text; name the columns with --columns anchor=COLUMN,positive=COLUMN",
                ),
            ),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(inferred(names, row, None), expected, "{names}");
        }
    }

    #[test]
    fn else_the_shape_tells_the_roles() {
        for (names, row, expected) in [
            ("x|y", "one|two", "anchor=x,positive=y"),
            ("id|x|y", "1|one|two", "anchor=x,positive=y"),
            ("x|y|product_id", "one|two|1", "anchor=x,positive=y"),
            ("x|y|z", "one|two|three", "anchor=x,positive=y,negative=z"),
            (
                "w|x|y|z",
                "one|two|three|four",
                "anchor=w,positive=x,negative=y,negative=z",
            ),
            ("x|y|z", "one|two|0.5", "anchor=x,positive=y,score=z"),
            ("x|y|z", "one|two| 1 ", "anchor=x,positive=y,label=z"),
            ("x|y|z", "one|two|0", "anchor=x,positive=y,label=z"),
            // Only a score is written with a point, though it is 1.
            ("x|y|z", "one|two|1.0", "anchor=x,positive=y,score=z"),
            ("x|y|score", "one|two|1", "anchor=x,positive=y,score=score"),
            (
                "label|x|y",
                "0.5|one|two",
                "anchor=x,positive=y,label=label",
            ),
            (
                "x|y|negative",
                "one|two|three",
                "anchor=x,positive=y,negative=negative",
            ),
        ] {
            assert_eq!(
                inferred(names, row, None).as_deref(),
                Ok(expected),
                "{names}: {row}"
            );
        }
    }

    #[test]
    fn what_is_open_is_asked() {
        for (names, row, start) in [
            ("x", "one", "training needs an anchor and a positive"),
            ("x|y", "one|2", "training needs an anchor and a positive"),
            (
                "x|y|z",
                "300|two|three",
                "is column `x` a text? Its first value is `300`",
            ),
            (
                "w|x|y|z",
                "one|two|three|0.5",
                "which column is the anchor?",
            ),
            (
                "query|text|score|label",
                "x|y|1|1",
                "rows cannot have both a score and a label",
            ),
            (
                "query|text|negative|label",
                "x|y|z|1",
                "rows with negatives cannot have a label",
            ),
        ] {
            let error = inferred(names, row, None).unwrap_err();
            assert!(error.starts_with(start), "{names}: {row}: {error}");
        }
    }

    #[test]
    fn the_group_is_no_text_unless_its_name_says_so() {
        assert_eq!(
            inferred("brand|x|y", "b|one|two", Some("brand")).as_deref(),
            Ok("anchor=x,positive=y")
        );
        assert_eq!(
            inferred("title|description", "one|two", Some("title")).as_deref(),
            Ok("anchor=title,positive=description")
        );
    }

    #[test]
    fn names_that_only_begin_like_a_negative_are_none() {
        for (name, expected) in [
            ("negative", true),
            ("NEG_10", true),
            ("hard_neg-3", true),
            ("negatives", true),
            ("negotiable", false),
            ("negative_score", false),
            ("hard", false),
        ] {
            assert_eq!(is_negative(name), expected, "{name}");
        }
    }
}
