//! The distinct texts of a table, and their vectors by a guide or a teacher.

use std::collections::HashMap;

use model::ModelError;

use super::table::TextTable;
use super::vectors::TextVectors;

/// The distinct texts of a table.
pub(crate) struct DistinctTexts<'a> {
    /// In the order of their first occurrence, column by column.
    pub(crate) texts: Vec<&'a str>,
    /// How many of them, from the first, are anchors with a vector of their own.
    pub(crate) anchors: usize,
    /// The number of every text among the distinct ones, row by row.
    pub(crate) places: Vec<usize>,
}

impl TextTable {
    /// The numbers of some rows for a loss, row by row: the vectors of their texts if the table has some, else the
    /// [targets](Self::targets).
    pub(crate) fn targets_or_vectors(&self, rows: &[usize]) -> Result<Vec<f32>, ModelError> {
        match self.vectors.get() {
            Some(vectors) => vectors.of_rows(rows, self.text_columns()),
            None => Ok(self.targets(rows)),
        }
    }

    /// Adds the vectors of all texts by a guide or a teacher. Vectors that the table already has stay.
    pub(crate) fn set_vectors(&self, vectors: TextVectors) {
        // Fails only if there are some.
        let _ = self.vectors.set(vectors);
    }

    /// The distinct texts. With `anchors_apart`, a text that is an anchor and another text, too, is there twice: a
    /// model may have a prompt for queries.
    pub(crate) fn distinct_texts(&self, anchors_apart: bool) -> DistinctTexts<'_> {
        let columns = self.text_columns();
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut texts = Vec::new();
        let mut anchors = 0;
        let mut places = vec![0; self.len() * columns];
        for column in 0..columns {
            if column == 1 && anchors_apart {
                anchors = texts.len();
                known.clear();
            }
            for row in 0..self.len() {
                let text = self.text(row, column);
                places[row * columns + column] = *known.entry(text).or_insert_with(|| {
                    texts.push(text);
                    texts.len() - 1
                });
            }
        }
        DistinctTexts {
            texts,
            anchors,
            places,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::data::{Example, RowKind};

    fn table() -> TextTable {
        let rows = [["a", "b"], ["b", "c"], ["a", "a"]].map(|texts| Example {
            texts: texts.map(str::to_owned).to_vec(),
            target: None,
        });
        TextTable::from_rows(RowKind::Pairs, rows).unwrap()
    }

    #[test]
    fn a_text_is_there_once_or_once_per_prompt() {
        let table = table();
        let together = table.distinct_texts(false);
        assert_eq!((together.texts, together.anchors), (vec!["a", "b", "c"], 0));
        assert_eq!(together.places, [0, 1, 1, 2, 0, 0]);
        let apart = table.distinct_texts(true);
        assert_eq!(
            (apart.texts, apart.anchors),
            (vec!["a", "b", "b", "c", "a"], 2)
        );
        assert_eq!(apart.places, [0, 2, 1, 3, 0, 4]);
    }

    #[test]
    fn a_batch_has_the_vectors_of_its_rows() {
        let table = table();
        let mut file = tempfile::tempfile().unwrap();
        for value in [1.0f32, -1.0, 2.0, -2.0, 3.0, -3.0] {
            file.write_all(&value.to_le_bytes()).unwrap();
        }
        let places = table.distinct_texts(false).places;
        table.set_vectors(TextVectors::new(file, "vectors".into(), 2, places));
        // Row 1 is "b" and "c", row 2 twice "a".
        let expected = [2.0, -2.0, 3.0, -3.0, 1.0, -1.0, 1.0, -1.0];
        assert_eq!(table.targets_or_vectors(&[1, 2]).unwrap(), expected);
    }

    #[test]
    fn projected_vectors_are_narrower() {
        let table = table();
        let mut file = tempfile::tempfile().unwrap();
        // All along (3, 4), a long way, and a little across.
        for value in [3.0f32, 4.0, -3.0, -4.0, 0.4, -0.3] {
            file.write_all(&value.to_le_bytes()).unwrap();
        }
        let places = table.distinct_texts(false).places;
        let mut vectors = TextVectors::new(file, "vectors".into(), 2, places);
        let axes = vectors.axes(1, 2).unwrap();
        vectors.project(Arc::new(axes));
        table.set_vectors(vectors);
        // "b" and "c" of row 1.
        let found = table.targets_or_vectors(&[1]).unwrap();
        assert_eq!(found.len(), 2);
        assert!((found[0].abs() - 5.0).abs() < 1e-4, "{found:?}");
        assert!(found[1].abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn a_file_that_ends_early_is_named() {
        let table = table();
        let places = table.distinct_texts(false).places;
        let file = tempfile::tempfile().unwrap();
        table.set_vectors(TextVectors::new(file, "vectors.f32".into(), 2, places));
        let error = table.targets_or_vectors(&[0]).unwrap_err();
        assert!(error.to_string().contains("vectors.f32"), "{error}");
    }
}
