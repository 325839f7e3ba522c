//! Split into training and validation rows, with related rows on one side.

use super::error::DataError;
use super::hash::hash_normalised;
use super::random::{SPLIT_STREAM, generator, shuffle};
use super::table::TextTable;

/// Row numbers of a table on two sides, each in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// Training rows.
    pub train: Vec<usize>,
    /// Validation rows.
    pub validation: Vec<usize>,
}

/// Splits the rows of a table so that about `fraction` of them, above 0 and below 1, become
/// validation rows.
///
/// Rows of the same group stay together. In a table without groups, rows with the same anchor or
/// positive (ignoring case and white space) stay together, directly or through other rows, so
/// validation does not repeat texts of training. Negatives do not count, because they come from
/// everywhere.
///
/// Takes groups in random order and adds each to the validation rows if that brings their number
/// closer to `fraction`, so the number is off by less than the rows of one group. The same table,
/// fraction and seed give the same split on every machine.
///
/// For `n` rows this sorts `2 n` hashes, and needs about 60 bytes per row while it runs.
///
/// # Errors
///
/// [`DataError::CannotSplit`] if one side would be empty.
pub(crate) fn split(table: &TextTable, fraction: f64, seed: u64) -> Result<Split, DataError> {
    let group_of = number_groups(table);
    let mut sizes = vec![0_usize; group_of.iter().max().map_or(0, |last| last + 1)];
    for &group in &group_of {
        sizes[group] += 1;
    }
    let chosen = choose(&sizes, table.len(), fraction, seed);
    let side = |wanted: bool| -> Vec<usize> {
        let rows = 0..table.len();
        rows.filter(|&row| chosen[group_of[row]] == wanted)
            .collect()
    };
    let (train, validation) = (side(false), side(true));
    if train.is_empty() || validation.is_empty() {
        return Err(DataError::CannotSplit {
            fraction,
            rows: table.len(),
            groups: sizes.len(),
            largest: sizes.iter().copied().max().unwrap_or(0),
        });
    }
    Ok(Split { train, validation })
}

/// Chooses the groups of the validation rows.
fn choose(sizes: &[usize], rows: usize, fraction: f64, seed: u64) -> Vec<bool> {
    let target = (rows as f64 * fraction).round() as usize;
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    shuffle(&mut order, &mut generator(seed, SPLIT_STREAM));
    let mut chosen = vec![false; sizes.len()];
    let mut count = 0_usize;
    for group in order {
        let with = count + sizes[group];
        if with.abs_diff(target) < count.abs_diff(target) {
            chosen[group] = true;
            count = with;
        }
    }
    chosen
}

/// The group of every row, numbered from 0 in the order of their first rows.
fn number_groups(table: &TextTable) -> Vec<usize> {
    let rows = table.len();
    let mut sets = DisjointSets::new(rows);
    let mut keys: Vec<(u64, usize)> = if table.groups().is_empty() {
        let texts = table.rows().flat_map(|row| {
            let number = row.number();
            row.texts()
                .take(2)
                .map(move |text| (hash_normalised(text), number))
        });
        texts.collect()
    } else {
        table.groups().iter().copied().zip(0..rows).collect()
    };
    keys.sort_unstable();
    for pair in keys.windows(2) {
        let [(key, row), (next_key, next_row)] = [pair[0], pair[1]];
        if key == next_key {
            sets.union(row, next_row);
        }
    }
    sets.numbers()
}

/// Union-find over rows; the first row of a set represents it.
struct DisjointSets {
    /// An earlier row of the same set; the first row is its own parent.
    parent: Vec<usize>,
}

impl DisjointSets {
    fn new(rows: usize) -> Self {
        Self {
            parent: (0..rows).collect(),
        }
    }

    fn find(&mut self, mut row: usize) -> usize {
        while self.parent[row] != row {
            // Path halving.
            self.parent[row] = self.parent[self.parent[row]];
            row = self.parent[row];
        }
        row
    }

    fn union(&mut self, left: usize, right: usize) {
        let (left, right) = (self.find(left), self.find(right));
        self.parent[left.max(right)] = left.min(right);
    }

    fn numbers(mut self) -> Vec<usize> {
        let mut groups = 0;
        let mut numbers = vec![0; self.parent.len()];
        for row in 0..numbers.len() {
            let first = self.find(row);
            numbers[row] = if first == row {
                groups += 1;
                groups - 1
            } else {
                numbers[first]
            };
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::super::kind::RowKind;
    use super::super::table::Example;
    use super::*;

    fn table(pairs: &[(String, String)]) -> TextTable {
        let rows = pairs.iter().map(|(anchor, positive)| Example {
            texts: vec![anchor.clone(), positive.clone()],
            target: None,
        });
        TextTable::from_rows(RowKind::Pairs, rows).unwrap()
    }

    fn distinct(rows: usize) -> TextTable {
        let pairs: Vec<_> = (0..rows)
            .map(|row| (format!("a{row}"), format!("b{row}")))
            .collect();
        table(&pairs)
    }

    #[test]
    fn rows_that_share_a_text_by_way_of_others_are_one_group() {
        let pairs = [
            ("kettle", "boils water"),
            ("lamp", "light"),
            ("pot", "Boils  water "),
            ("POT", "for soup"),
            ("light", "weighs little"),
            ("chair", "for soup"),
            ("desk", "flat"),
        ];
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(anchor, positive)| ((*anchor).to_owned(), (*positive).to_owned()))
            .collect();
        assert_eq!(number_groups(&table(&pairs)), [0, 1, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn groups_count_instead_of_texts_where_there_are_any() {
        let same: Vec<_> = (0..4).map(|_| ("a".to_owned(), "b".to_owned())).collect();
        let table = table(&same).with_groups(["x", "y", "X", "y"]);
        assert_eq!(number_groups(&table), [0, 1, 2, 1]);
    }

    #[test]
    fn rows_that_share_nothing_are_split_exactly() {
        let table = distinct(1_000);
        let one = split(&table, 0.1, 1).unwrap();
        assert_eq!((one.train.len(), one.validation.len()), (900, 100));
        assert_eq!(split(&table, 0.1, 1).unwrap(), one);
        assert_ne!(split(&table, 0.1, 2).unwrap(), one);
        // The same on every machine.
        assert_eq!(
            split(&distinct(12), 0.25, 0).unwrap().validation,
            [6, 7, 11]
        );
    }

    #[test]
    fn a_split_that_leaves_a_side_empty_is_an_error() {
        let same: Vec<_> = (0..9)
            .map(|row| ("a".to_owned(), format!("b{row}")))
            .collect();
        assert_eq!(
            split(&table(&same), 0.3, 1).unwrap_err().to_string(),
            "cannot split off 0.3 of the rows: 9 rows are 1 groups, the largest of 9 rows, and a group stays together; choose another --group-column, or give separate rows with --valid"
        );
        assert!(matches!(
            split(&distinct(10), 0.01, 1),
            Err(DataError::CannotSplit { .. })
        ));
    }

    proptest! {
        #[test]
        fn nothing_is_on_both_sides(
            pairs in prop::collection::vec((0_u32..60, 60_u32..120), 2..120),
            fraction in 0.05..0.95_f64,
            seed: u64,
        ) {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(anchor, positive)| (anchor.to_string(), positive.to_string()))
                .collect();
            let table = table(&pairs);
            let group_of = number_groups(&table);
            let largest = (0..pairs.len())
                .map(|group| group_of.iter().filter(|&&other| other == group).count())
                .max()
                .unwrap();
            match split(&table, fraction, seed) {
                Ok(parts) => {
                    let texts = |rows: &[usize]| -> HashSet<&str> {
                        rows.iter().flat_map(|&row| table.row(row).texts()).collect()
                    };
                    let both = texts(&parts.train);
                    prop_assert!(both.is_disjoint(&texts(&parts.validation)));
                    let target = fraction * pairs.len() as f64;
                    let missed = (parts.validation.len() as f64 - target).abs();
                    prop_assert!(missed < largest as f64 + 0.5);
                    let mut rows = [parts.train, parts.validation].concat();
                    rows.sort_unstable();
                    prop_assert_eq!(rows, (0..pairs.len()).collect::<Vec<_>>());
                }
                Err(error) => {
                    let too_few = matches!(error, DataError::CannotSplit { .. });
                    prop_assert!(too_few);
                    let rows = fraction.min(1.0 - fraction) * pairs.len() as f64;
                    prop_assert!(rows < largest as f64 + 0.5);
                }
            }
        }

        #[test]
        fn a_group_is_on_one_side(
            groups in prop::collection::vec(0_u8..20, 2..100),
            seed: u64,
        ) {
            let names: Vec<String> = groups.iter().map(u8::to_string).collect();
            let table = distinct(groups.len())
                .with_groups(names.iter().map(String::as_str));
            if let Ok(parts) = split(&table, 0.3, seed) {
                let of = |rows: &[usize]| -> HashSet<u8> {
                    rows.iter().map(|&row| groups[row]).collect()
                };
                prop_assert!(of(&parts.train).is_disjoint(&of(&parts.validation)));
            }
        }
    }
}
