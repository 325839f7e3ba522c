//! Fingerprint of the rows of a run, which a resumed run must match.

use serde::{Deserialize, Serialize};

use super::hash::Fnv1a;
use super::table::TextTable;
use super::tagged::{Annotation, Annotations};

/// Number of rows, and a hash of their texts, scores, labels and groups in order. Equal rows have the
/// same fingerprint on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// Number of rows.
    pub rows: usize,
    /// 64-bit FNV-1a hash.
    pub hash: u64,
}

impl Fingerprint {
    /// The fingerprint of these rows together with a number that changes how they are used.
    #[must_use]
    pub(crate) fn and(self, number: u64) -> Self {
        let mut hash = Fnv1a::new();
        hash.write(&self.hash.to_le_bytes());
        hash.write(&number.to_le_bytes());
        Self {
            hash: hash.finish(),
            ..self
        }
    }
}

/// Separates two texts; not a byte of UTF-8.
const END: &[u8] = &[0xff];

impl TextTable {
    /// The fingerprint of these rows.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Fnv1a::new();
        for row in self.rows() {
            for text in row.texts() {
                hash.write(text.as_bytes());
                hash.write(END);
            }
            for target in row.targets() {
                hash.write(&target.to_le_bytes());
            }
            if let Some(group) = row.group() {
                hash.write(&group.to_le_bytes());
            }
            if let Some(annotation) = self.annotations.rows.get(row.number()) {
                add(&mut hash, &self.annotations, annotation);
            }
        }
        Fingerprint {
            rows: self.len(),
            hash: hash.finish(),
        }
    }
}

/// Adds the spans of a row. The numbers of labels follow from the rows before.
fn add(hash: &mut Fnv1a, annotations: &Annotations, annotation: &Annotation) {
    for spans in [&annotation.spans, &annotation.repeats] {
        for span in spans {
            for number in [span.start, span.end, span.label] {
                hash.write(&(number as u64).to_le_bytes());
            }
        }
        hash.write(END);
    }
    for label in annotations.open_labels(annotation) {
        hash.write(label.as_bytes());
        hash.write(END);
    }
    hash.write(
        annotation
            .category
            .as_deref()
            .unwrap_or_default()
            .as_bytes(),
    );
    hash.write(END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Example, RowKind};

    fn scored(rows: &[(&str, &str, f32)]) -> TextTable {
        let rows = rows.iter().map(|(first, second, score)| Example {
            texts: vec![(*first).to_owned(), (*second).to_owned()],
            target: Some(*score),
        });
        TextTable::from_rows(RowKind::Scored, rows).unwrap()
    }

    #[test]
    fn other_rows_have_another_fingerprint() {
        let rows = [("a", "b", 0.5), ("c", "d", 1.0)];
        let own = scored(&rows).fingerprint();
        assert_eq!(own, scored(&rows).fingerprint());
        assert_eq!(own.rows, 2);
        for other in [
            &rows[..1],
            &[rows[1], rows[0]],
            &[("a", "b", 0.5), ("c", "d", 0.9)],
            // The same letters, parted elsewhere.
            &[("a", "bc", 0.5), ("c", "d", 1.0)],
        ] {
            assert_ne!(own, scored(other).fingerprint(), "{other:?}");
        }
    }

    #[test]
    fn groups_count_since_a_split_goes_by_them() {
        let rows = [("a", "b", 0.5), ("c", "d", 1.0)];
        let grouped = |groups: [&str; 2]| scored(&rows).with_groups(groups).fingerprint();
        assert_ne!(grouped(["x", "x"]), grouped(["x", "y"]));
    }
}
