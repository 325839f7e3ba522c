//! Batches without repeated texts.
//!
//! sentence-transformers fills one batch after the other with the first waiting rows that do not
//! repeat its texts. It so looks at every waiting row for every batch, which is quadratic in the number
//! of rows that share a text. We make the same batches row by row: each row goes into the first batch
//! that is not full and has none of its texts. Full batches are skipped, and for every text we store
//! the position before which all batches are full or have the text. A row whose texts collide
//! [`LOOK_AHEAD`] times goes behind the last batch of any of its texts, where it cannot collide. So an
//! epoch makes a bounded number of look-ups per shared text, and none for other texts.
//!
//! Texts are equal if they differ only in case and white space, as in the split: most tokenizers give
//! them the same tokens.

use std::collections::HashSet;

use super::super::hash::hash_normalised;
use super::super::table::TextTable;

/// Number of batches to try for a row after those known to have its texts. Only rows with two or more
/// frequent texts in changing combinations need so many.
const LOOK_AHEAD: usize = 64;

/// The texts that several rows share, by row: only these can collide.
#[derive(Clone, Debug)]
pub(super) struct SharedTexts {
    /// The shared texts of row `r` are `ids[starts[r]..starts[r + 1]]`.
    starts: Vec<usize>,
    ids: Vec<usize>,
    /// Number of shared texts; ids are below it.
    count: usize,
}

/// Result of [`SharedTexts::first_fit`].
pub(super) struct Fitted {
    /// The batches, with rows in the given order.
    pub(super) batches: Vec<Vec<usize>>,
    /// Number of rows that fit into none of them.
    pub(super) waiting: usize,
    /// Number of look-ups whether a batch has a text.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests check its bound"))]
    pub(super) look_ups: u64,
}

impl SharedTexts {
    /// Finds the shared texts of `rows`; later positions in `rows` identify them.
    pub(super) fn find(table: &TextTable, rows: &[usize]) -> Self {
        let mut cells: Vec<(u64, usize)> = Vec::with_capacity(rows.len() * table.text_columns());
        for (place, &row) in rows.iter().enumerate() {
            cells.extend(
                table
                    .row(row)
                    .texts()
                    .map(|text| (hash_normalised(text), place)),
            );
        }
        cells.sort_unstable();
        // A text may be repeated within a row.
        cells.dedup();

        let mut shared: Vec<(usize, usize)> = Vec::new();
        let mut count = 0;
        for same in cells.chunk_by(|left, right| left.0 == right.0) {
            if same.len() > 1 {
                shared.extend(same.iter().map(|&(_, place)| (place, count)));
                count += 1;
            }
        }
        drop(cells);
        shared.sort_unstable();

        let mut starts = vec![0; rows.len() + 1];
        for &(place, _) in &shared {
            starts[place + 1] += 1;
        }
        for place in 0..rows.len() {
            starts[place + 1] += starts[place];
        }
        let ids = shared.into_iter().map(|(_, id)| id).collect();
        Self { starts, ids, count }
    }

    /// Whether no text is shared.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn of(&self, place: usize) -> &[usize] {
        &self.ids[self.starts[place]..self.starts[place + 1]]
    }

    /// Puts each row of `order` into the first of at most `limit` batches with room and none of its
    /// texts. `size` gives the rows, at least 1, of a full batch by its number.
    pub(super) fn first_fit(
        &self,
        order: &[usize],
        limit: usize,
        size: impl Fn(usize) -> usize,
    ) -> Fitted {
        let mut fit = FirstFit {
            batches: OpenBatches::default(),
            limit,
            members: HashSet::new(),
            next_candidate: vec![0; self.count],
            last_batch: vec![0; self.count],
            look_ups: 0,
        };
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut waiting = 0;
        for &place in order {
            let Some(batch) = fit.place(self.of(place)) else {
                waiting += 1;
                continue;
            };
            if batch == batches.len() {
                batches.push(Vec::new());
                fit.batches.add();
            }
            batches[batch].push(place);
            if batches[batch].len() == size(batch) {
                fit.batches.fill(batch);
            }
        }
        Fitted {
            batches,
            waiting,
            look_ups: fit.look_ups,
        }
    }
}

struct FirstFit {
    batches: OpenBatches,
    /// The largest number of batches.
    limit: usize,
    /// Pairs of batch and shared text; only looked up, so their order does not matter.
    members: HashSet<(usize, usize)>,
    /// Per text: all batches before are full or have the text.
    next_candidate: Vec<usize>,
    /// Per text: no batch from this one on has the text.
    last_batch: Vec<usize>,
    look_ups: u64,
}

impl FirstFit {
    /// The batch for a row with these texts; `None` if it fits into none.
    fn place(&mut self, texts: &[usize]) -> Option<usize> {
        let mut batch = self.batches.open_from(0);
        for &text in texts {
            // Each step passes a batch that has the text, once.
            let mut first = self.batches.open_from(self.next_candidate[text]);
            while self.has(first, text) {
                first = self.batches.open_from(first + 1);
            }
            self.next_candidate[text] = first;
            batch = batch.max(first);
        }
        let mut tried = 0;
        while texts.iter().any(|&text| self.has(batch, text)) {
            tried += 1;
            batch = if tried < LOOK_AHEAD {
                self.batches.open_from(batch + 1)
            } else {
                let behind = texts.iter().map(|&text| self.last_batch[text]).max();
                self.batches.open_from(behind.unwrap_or(0))
            };
        }
        if batch >= self.limit {
            return None;
        }
        for &text in texts {
            self.members.insert((batch, text));
            self.last_batch[text] = self.last_batch[text].max(batch + 1);
        }
        Some(batch)
    }

    fn has(&mut self, batch: usize, text: usize) -> bool {
        self.look_ups += 1;
        self.members.contains(&(batch, text))
    }
}

/// Batches with room: union-find, in which a full batch points to a later one.
#[derive(Default)]
struct OpenBatches {
    /// An open batch points to itself.
    next: Vec<usize>,
}

impl OpenBatches {
    fn add(&mut self) {
        self.next.push(self.next.len());
    }

    fn fill(&mut self, batch: usize) {
        self.next[batch] = batch + 1;
    }

    /// The first batch from `batch` on with room, or the number of batches if none has room.
    fn open_from(&mut self, mut batch: usize) -> usize {
        while let Some(&next) = self.next.get(batch)
            && next != batch
        {
            // Path halving.
            let after = self.next.get(next).copied().unwrap_or(next);
            self.next[batch] = after;
            batch = after;
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kind::RowKind;
    use super::super::super::table::Example;
    use super::*;

    fn shared(rows: impl IntoIterator<Item = [String; 2]>) -> (SharedTexts, Vec<usize>) {
        let rows = rows.into_iter().map(|texts| Example {
            texts: texts.into(),
            target: None,
        });
        let table = TextTable::from_rows(RowKind::Pairs, rows).unwrap();
        let order: Vec<usize> = (0..table.len()).collect();
        (SharedTexts::find(&table, &order), order)
    }

    fn fit(rows: &[(&str, &str)], batch_size: usize) -> Vec<Vec<usize>> {
        let owned = |&(anchor, positive): &(&str, &str)| [anchor.to_owned(), positive.to_owned()];
        let (shared, order) = shared(rows.iter().map(owned));
        shared.first_fit(&order, usize::MAX, |_| batch_size).batches
    }

    #[test]
    fn only_texts_of_several_rows_are_shared() {
        let rows = [["a", "b"], ["c", "c"], ["b", "d"], ["e", "a"]];
        let (shared, _) = shared(rows.map(|row| row.map(str::to_owned)));
        assert_eq!(shared.count, 2);
        assert_eq!(shared.of(0).len(), 2);
        assert!(shared.of(1).is_empty());
        assert_eq!(shared.of(2).len(), 1);
        assert!(shared.of(0).contains(&shared.of(2)[0]));
        assert!(shared.of(0).contains(&shared.of(3)[0]));
    }

    #[test]
    fn a_row_that_clashes_waits_for_a_later_batch() {
        let rows = [
            ("a", "1"),
            ("a", "2"),
            ("b", "3"),
            ("c", "1"),
            ("d", "4"),
            ("a", "5"),
            ("6", "b"),
        ];
        // The first batch takes rows 0, 2 and 4; then 1, 3 and 6 wait least; 5 clashes with 1.
        assert_eq!(fit(&rows, 3), [vec![0, 2, 4], vec![1, 3, 6], vec![5]]);
    }

    /// The batches of sentence-transformers' algorithm, as it is written there.
    fn fill_one_by_one(rows: &[[String; 2]], batch_size: usize) -> Vec<Vec<usize>> {
        let mut waiting: Vec<usize> = (0..rows.len()).collect();
        let mut batches = Vec::new();
        while !waiting.is_empty() {
            let mut texts: HashSet<&str> = HashSet::new();
            let mut batch = Vec::new();
            for &row in &waiting {
                if batch.len() < batch_size && rows[row].iter().all(|text| !texts.contains(&**text))
                {
                    texts.extend(rows[row].iter().map(String::as_str));
                    batch.push(row);
                }
            }
            waiting.retain(|row| !batch.contains(row));
            batches.push(batch);
        }
        batches
    }

    #[test]
    fn the_batches_are_those_of_sentence_transformers() {
        for (anchors, positives, batch_size) in
            [(7, 300, 8), (40, 50, 16), (300, 5, 3), (20, 20, 5)]
        {
            let rows: Vec<[String; 2]> = (0_usize..300)
                .map(|row| {
                    let (anchor, positive) = (row * row % anchors, row * 31 % positives);
                    [format!("a{anchor}"), format!("p{positive}")]
                })
                .collect();
            let (shared, order) = shared(rows.clone());
            assert_eq!(
                shared.first_fit(&order, usize::MAX, |_| batch_size).batches,
                fill_one_by_one(&rows, batch_size),
                "{anchors} anchors, {positives} positives"
            );
        }
    }

    /// Where filling batch by batch would look at tens of millions of rows, a row costs no more
    /// look-ups than its texts, what they pass once, and the look-ahead.
    #[test]
    fn many_duplicates_cost_a_bounded_number_of_look_ups() {
        type Texts = fn(usize) -> [String; 2];
        let rows = 20_000_usize;
        let cases: [(&str, Texts, u64); 4] = [
            ("one anchor", |row| ["a".to_owned(), format!("p{row}")], 6),
            ("one row", |_| ["a".to_owned(), "p".to_owned()], 6),
            (
                "two anchors",
                |row| [format!("a{}", row % 2), format!("p{row}")],
                6,
            ),
            (
                "every anchor with every positive",
                |row| [format!("a{}", row / 142), format!("p{}", row % 142)],
                6 + 2 * LOOK_AHEAD as u64,
            ),
        ];
        for (name, texts, bound) in cases {
            let (shared, order) = shared((0..rows).map(texts));
            let fitted = shared.first_fit(&order, usize::MAX, |_| 32);
            let mut placed = fitted.batches.concat();
            placed.sort_unstable();
            assert_eq!(placed, order, "{name}");
            let most = bound * rows as u64;
            assert!(fitted.look_ups <= most, "{name}: {}", fitted.look_ups);
        }
    }

    #[test]
    fn a_row_that_fits_into_no_batch_waits() {
        let rows = [["a", "1"], ["A ", "2"], ["b", "3"], ["a", "4"], ["c", "5"]];
        let (shared, order) = shared(rows.map(|row| row.map(str::to_owned)));
        let fitted = shared.first_fit(&order, 2, |batch| [3, 1][batch]);
        assert_eq!(fitted.batches, [vec![0, 2, 4], vec![1]]);
        assert_eq!(fitted.waiting, 1);
    }

    #[test]
    fn full_batches_are_jumped_over() {
        let mut batches = OpenBatches::default();
        (0..5).for_each(|_| batches.add());
        for (full, from_start) in [(1, 0), (0, 2), (3, 2), (2, 4), (4, 5)] {
            batches.fill(full);
            assert_eq!(batches.open_from(0), from_start);
        }
        assert_eq!(batches.open_from(3), 5);
        assert_eq!(batches.open_from(5), 5);
    }
}
