//! The tables of a store.

use search::filter::ColumnKind;

use crate::error::StoreError;
use search::index::Settings;

/// The format of the tables, which changes when they do.
pub(crate) const FORMAT: i32 = 1;

/// Rows with wider vectors would not fit a page of 8 kB beside their texts, so PostgreSQL puts those out of line.
const PLAIN_WIDTH: usize = 2000;

/// The schema of a store, quoted.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) name: String,
}

impl Schema {
    /// Fails for names that would need quoting, so that none does.
    pub(crate) fn new(name: &str) -> Result<Self, StoreError> {
        let fits = !name.is_empty()
            && name.len() <= 40
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.starts_with("pg_")
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if fits {
            Ok(Self {
                name: name.to_owned(),
            })
        } else {
            Err(StoreError::Name {
                name: name.to_owned(),
            })
        }
    }

    /// A table of it.
    pub(crate) fn table(&self, table: &str) -> String {
        format!("\"{}\".{table}", self.name)
    }

    /// The statements that make its tables.
    ///
    /// Filter columns are `f0`, `f1`, …, by their place; texts have a second column `k0`, … that holds them folded, by
    /// which they are compared. Columns that are no texts are compared as they are.
    pub(crate) fn tables(&self, settings: &Settings) -> String {
        let width = settings.width;
        let mut columns = String::new();
        for (number, column) in settings.filter_columns.iter().enumerate() {
            match column.kind {
                ColumnKind::Text | ColumnKind::Key => columns.push_str(&format!(
                    ", f{number} text COLLATE \"C\", k{number} text COLLATE \"C\""
                )),
                ColumnKind::Number => columns.push_str(&format!(", f{number} double precision")),
                ColumnKind::Boolean => columns.push_str(&format!(", f{number} boolean")),
                ColumnKind::Date => columns.push_str(&format!(", f{number} bigint")),
            }
        }
        let storage = if width <= PLAIN_WIDTH {
            "STORAGE PLAIN"
        } else {
            ""
        };
        format!(
            "CREATE SCHEMA \"{schema}\";
             CREATE TABLE {settings} (
                 one boolean PRIMARY KEY DEFAULT true CHECK (one),
                 format integer NOT NULL, settings jsonb NOT NULL, generation text NOT NULL,
                 shard integer NOT NULL, shards integer NOT NULL,
                 documents bigint, lengths double precision[]);
             CREATE TABLE {documents} (
                 id text COLLATE \"C\" PRIMARY KEY, folded_id text COLLATE \"C\" NOT NULL,
                 texts text[] NOT NULL, vector halfvec({width}) {storage} NOT NULL,
                 words tsvector NOT NULL, lengths integer[] NOT NULL{columns});
             CREATE TABLE {journal} (
                 load text, block bigint, rows bigint NOT NULL, PRIMARY KEY (load, block));
             CREATE TABLE {words} (
                 word text COLLATE \"C\" PRIMARY KEY, documents bigint[] NOT NULL);",
            schema = self.name,
            settings = self.table("settings"),
            documents = self.table("documents"),
            journal = self.table("journal"),
            words = self.table("words"),
        )
    }
}

/// The columns of a row in the order in which they are copied and inserted.
pub(crate) fn columns(settings: &Settings) -> Vec<String> {
    let mut columns: Vec<String> = ["id", "folded_id", "texts", "vector", "words", "lengths"]
        .map(str::to_owned)
        .to_vec();
    for (number, column) in settings.filter_columns.iter().enumerate() {
        columns.push(format!("f{number}"));
        if is_text(column.kind) {
            columns.push(format!("k{number}"));
        }
    }
    columns
}

/// The column by which values of a filter column are compared and ordered.
pub(crate) fn compared(number: usize, kind: ColumnKind) -> String {
    if is_text(kind) {
        format!("k{number}")
    } else {
        format!("f{number}")
    }
}

pub(crate) fn is_text(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Text | ColumnKind::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quotes_are_refused() {
        for name in ["", "a b", "a\"b", "Ab", "1a", "pg_a", "é", &"a".repeat(41)] {
            assert!(Schema::new(name).is_err(), "{name:?}");
        }
        assert_eq!(
            Schema::new("shop_2").map(|s| s.table("t")).ok().as_deref(),
            Some("\"shop_2\".t")
        );
    }
}
