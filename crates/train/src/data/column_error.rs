//! Errors of the roles of columns.

use super::role::Role;

/// Error of assigning roles to columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnMapError {
    /// A part that is not `role=column`.
    #[error("`{part}` is not ROLE=COLUMN; write for example anchor=query,positive=description")]
    NotAnAssignment { part: String },
    /// An unknown role.
    #[error("`{role}` is not a role; the roles are: anchor, positive, negative, score, label")]
    UnknownRole { role: String },
    /// A required role is missing.
    #[error("the {role} has no column; write {role}=COLUMN")]
    Missing { role: Role },
    /// Two columns with a role that only one can have.
    #[error("columns `{first}` and `{second}` both have the role {role}; keep one")]
    TwoColumns {
        role: Role,
        first: String,
        second: String,
    },
    /// A column with the same role twice.
    #[error("column `{column}` has the role {role} more than once; name it once")]
    Repeated { role: Role, column: String },
    /// A column with two roles.
    #[error("column `{column}` has the roles {first} and {second}; give it one role")]
    TwoRoles {
        column: String,
        first: Role,
        second: Role,
    },
    /// No column holds texts.
    #[error(
        "no column holds texts, among: {}; name them with --columns",
        list(present)
    )]
    NoTexts { present: Vec<String> },
    /// The given columns are in no file.
    #[error("no file has the columns {}; correct --columns", list(wanted))]
    NotThere { wanted: Vec<String> },
    /// Score and label in the same rows.
    #[error("rows cannot have both a score and a label; leave out column `{score}` or `{label}`")]
    TwoTargets { score: String, label: String },
    /// A label in rows with negatives.
    #[error("rows with negatives cannot have a label; leave out the label or the negatives")]
    LabelWithNegatives,
    /// Scores that are neither one per negative nor one per candidate.
    #[error(
        "{scores} scores do not fit {negatives} negatives: give one score per negative (the positive's lead), or one per text but the anchor"
    )]
    ScoreCount { negatives: usize, scores: usize },
    /// Fewer than two columns could be texts.
    #[error(
        "training needs an anchor and a positive, but the columns are: {}; name two with --columns anchor=COLUMN,positive=COLUMN",
        list(present)
    )]
    TooFewTexts { present: Vec<String> },
    /// Several columns could have a role.
    #[error(
        "which column is the {role}? Candidates: {}; name the columns with --columns anchor=COLUMN,positive=COLUMN",
        list(candidates)
    )]
    Unclear { role: Role, candidates: Vec<String> },
    /// A numeric column among columns without known names.
    #[error(
        "is column `{column}` a text? Its first value is `{value}`; name the columns with --columns anchor=COLUMN,positive=COLUMN"
    )]
    Number { column: String, value: String },
}

/// Names in a message: the first 20, then the number of the rest.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names {
        [] => "none".to_owned(),
        names if names.len() <= SHOWN => names.join(", "),
        names => format!(
            "{} and {} more",
            names[..SHOWN].join(", "),
            names.len() - SHOWN
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_cut() {
        let names: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        assert_eq!(list(&[]), "none");
        assert_eq!(list(&names[..3]), "0, 1, 2");
        assert!(list(&names).ends_with("18, 19 and 5 more"));
    }
}
