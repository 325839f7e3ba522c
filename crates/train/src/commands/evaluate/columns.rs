//! Roles of the columns of evaluation files: from `--columns`, else inferred as in training.

use std::cell::Cell;
use std::path::Path;

use crate::data::{ColumnMap, columns_of, has_columns};
use crate::error::TrainError;

/// The roles of `--columns`, each with its name in training and its position.
const ROLES: [(Role, [&str; 2]); 4] = [
    (Role::First, ["anchor", "first"]),
    (Role::Second, ["positive", "second"]),
    (Role::Third, ["negative", "third"]),
    (Role::Score, ["score", "label"]),
];

/// Role of a column in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    First,
    Second,
    Third,
    Score,
}

/// The columns named by `--columns`. They apply to files that have them; other files use their own,
/// because one call may read files of several kinds.
pub(super) struct Columns {
    named: Vec<(Role, String)>,
    /// Whether any file had them.
    used: Cell<bool>,
}

impl Columns {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, TrainError> {
        let mut named: Vec<(Role, String)> = Vec::new();
        for part in text.into_iter().flat_map(|text| text.split(',')) {
            let Some((role, column)) = assignment(part) else {
                let names: Vec<&str> = ROLES.iter().flat_map(|(_, names)| *names).collect();
                return Err(TrainError::Usage(format!(
                    "--columns: `{part}` is not ROLE=NAME; the roles are {}",
                    names.join(", ")
                )));
            };
            if named.iter().any(|(known, _)| *known == role) {
                return Err(TrainError::Usage(format!(
                    "--columns: `{part}` repeats a role; name each role once"
                )));
            }
            named.push((role, column.to_owned()));
        }
        Ok(Self {
            named,
            used: Cell::new(false),
        })
    }

    /// The columns of a file with these roles. `None` if no columns are named and the file is a pipe,
    /// which can be read only once: the usual names apply.
    pub(super) fn of<const N: usize>(
        &self,
        file: &Path,
        roles: [Role; N],
    ) -> Result<Option<[String; N]>, TrainError> {
        let named = self.named(roles);
        if !file.is_file() {
            self.used.set(true);
            return Ok(named);
        }
        if let Some(named) = named
            && has_columns(file, &named)?
        {
            self.used.set(true);
            return Ok(Some(named));
        }
        let found = columns_of(file)?;
        let mut columns = [const { String::new() }; N];
        for (column, role) in columns.iter_mut().zip(roles) {
            *column = column_of(&found, role)
                .ok_or_else(|| {
                    TrainError::Usage(format!(
                        "{}: no column for the {} found; name it with --columns {}",
                        file.display(),
                        name(role),
                        roles.map(|role| format!("{}=NAME", name(role))).join(",")
                    ))
                })?
                .to_owned();
        }
        Ok(Some(columns))
    }

    /// An error if no file has the named columns: most likely one is misspelt.
    pub(super) fn check_used(&self) -> Result<(), TrainError> {
        if self.named.is_empty() || self.used.get() {
            return Ok(());
        }
        let columns: Vec<&str> = self.named.iter().map(|(_, name)| name.as_str()).collect();
        Err(TrainError::Usage(format!(
            "--columns: no file has the columns {} for the roles it needs; check their spelling",
            columns.join(", ")
        )))
    }

    /// The columns named for some roles, if all of them are named.
    fn named<const N: usize>(&self, roles: [Role; N]) -> Option<[String; N]> {
        let mut columns = [const { String::new() }; N];
        for (column, role) in columns.iter_mut().zip(roles) {
            let (_, name) = self.named.iter().find(|(known, _)| *known == role)?;
            column.clone_from(name);
        }
        Some(columns)
    }
}

fn assignment(part: &str) -> Option<(Role, &str)> {
    let (word, column) = part.split_once('=')?;
    let (word, column) = (word.trim().to_ascii_lowercase(), column.trim());
    let (role, _) = ROLES
        .iter()
        .find(|(_, names)| names.contains(&word.as_str()))?;
    (!column.is_empty()).then_some((*role, column))
}

/// The name of a role in training.
fn name(role: Role) -> &'static str {
    match role {
        Role::First => "anchor",
        Role::Second => "positive",
        Role::Third => "negative",
        Role::Score => "score",
    }
}

fn column_of(columns: &ColumnMap, role: Role) -> Option<&str> {
    let text = |place: usize| columns.texts().get(place).map(String::as_str);
    match role {
        Role::First => text(0),
        Role::Second => text(1),
        Role::Third => text(2),
        Role::Score => columns.target(),
    }
}

#[cfg(test)]
mod tests {
    use program::ProgramError as _;

    use super::*;

    const PAIR: [Role; 2] = [Role::First, Role::Second];
    const SCORED: [Role; 3] = [Role::First, Role::Second, Role::Score];
    const TRIPLET: [Role; 3] = [Role::First, Role::Second, Role::Third];

    fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> std::path::PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn columns_go_by_their_names_and_order_as_in_training() {
        let folder = tempfile::tempdir().unwrap();
        let columns = Columns::parse(None).unwrap();
        let pairs = file(&folder, "pairs.tsv", "id\tquestion\tanswer\n1\tx\ty\n");
        let found = columns.of(&pairs, PAIR).unwrap().unwrap();
        assert_eq!(found, ["question", "answer"]);
        let scored = file(&folder, "scored.csv", "left,right,gold\nx,y,0.5\n");
        let found = columns.of(&scored, SCORED).unwrap().unwrap();
        assert_eq!(found, ["left", "right", "gold"]);
        let triplets = file(
            &folder,
            "triplets.jsonl",
            "{\"query\": \"x\", \"positive\": \"y\", \"neg\": \"z\"}\n",
        );
        let found = columns.of(&triplets, TRIPLET).unwrap().unwrap();
        assert_eq!(found, ["query", "positive", "neg"]);
        let error = columns.of(&pairs, SCORED).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let message = error.to_string();
        assert!(
            message.contains("anchor=NAME,positive=NAME,score=NAME"),
            "{message}"
        );
    }

    #[test]
    fn both_spellings_of_a_role_count_for_the_files_that_have_the_columns() {
        let folder = tempfile::tempdir().unwrap();
        let products = file(&folder, "products.tsv", "one\ttwo\tthree\nx\ty\tz\n");
        let sts = file(&folder, "sts.tsv", "sentence1\tsentence2\tscore\nx\ty\t1\n");
        for text in ["anchor=two,positive=three", "first=two,second=three"] {
            let columns = Columns::parse(Some(text)).unwrap();
            let found = columns.of(&sts, SCORED).unwrap().unwrap();
            assert_eq!(found, ["sentence1", "sentence2", "score"]);
            assert!(columns.check_used().is_err(), "no file has had them yet");
            let found = columns.of(&products, PAIR).unwrap().unwrap();
            assert_eq!(found, ["two", "three"]);
            columns.check_used().unwrap();
        }
        for wrong in ["anchor", "anchor=", "fourth=x", "first=a,anchor=b"] {
            assert!(matches!(
                Columns::parse(Some(wrong)),
                Err(TrainError::Usage(_))
            ));
        }
    }
}
