//! The rows of every epoch, when files count with different weights.

use super::super::random::{generator, shuffle};
use crate::random::derive_seed;

/// The rows of a sampler. Without weights every epoch has each of them once.
///
/// A part with weight 0.5 gives half of its rows to an epoch, and the other half to the next; one with weight 2 gives
/// each row twice. Over many epochs all rows of a part come equally often.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EpochRows {
    /// Row numbers of a table. A row that an epoch may have several times is listed as often.
    rows: Vec<usize>,
    /// Empty without weights.
    parts: Vec<Part>,
}

/// Rows with a weight, from `begin` on in the list of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    begin: usize,
    /// Number of different rows.
    rows: usize,
    /// How often each of them is listed.
    copies: usize,
    /// Rows of an epoch, at least 1.
    of_epoch: usize,
}

impl From<Vec<usize>> for EpochRows {
    fn from(rows: Vec<usize>) -> Self {
        Self {
            rows,
            parts: Vec::new(),
        }
    }
}

impl EpochRows {
    /// Parts with weights above 0. An epoch has `rows * weight` rows of a part, rounded, but at least one.
    #[must_use]
    pub(crate) fn weighted(parts: impl IntoIterator<Item = (Vec<usize>, f64)>) -> Self {
        let mut all = Self::from(Vec::new());
        for (rows, weight) in parts {
            if rows.is_empty() {
                continue;
            }
            // With a fraction, an epoch may begin and end within a pass over the rows.
            let copies = weight.ceil() as usize + usize::from(weight.fract() > 0.0);
            all.parts.push(Part {
                begin: all.rows.len(),
                rows: rows.len(),
                copies,
                of_epoch: ((rows.len() as f64 * weight).round() as usize).max(1),
            });
            for _ in 0..copies {
                all.rows.extend(&rows);
            }
        }
        all
    }

    /// All row numbers.
    #[must_use]
    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Number of rows of an epoch.
    #[must_use]
    pub(crate) fn of_epoch(&self) -> usize {
        if self.parts.is_empty() {
            return self.rows.len();
        }
        self.parts.iter().map(|part| part.of_epoch).sum()
    }

    /// The row numbers of an epoch, which has a row several times if its weight says so.
    pub(crate) fn of_epoch_number(&self, seed: u64, epoch: usize) -> Vec<usize> {
        let places = self.places(seed, epoch, false);
        places.iter().map(|&place| self.rows[place]).collect()
    }

    /// The places of an epoch's rows in [`rows`](Self::rows), none of them twice.
    pub(super) fn places(&self, seed: u64, epoch: usize, in_order: bool) -> Vec<usize> {
        if self.parts.is_empty() {
            return (0..self.rows.len()).collect();
        }
        let parts = (1_u64..).zip(&self.parts);
        parts
            .flat_map(|(number, part)| part.places(derive_seed(seed, number), epoch, in_order))
            .collect()
    }
}

impl Part {
    /// A part is passed over again and again, in another order each time. An epoch takes the next rows of this line.
    fn places(&self, seed: u64, epoch: usize, in_order: bool) -> Vec<usize> {
        let first = epoch.saturating_mul(self.of_epoch);
        let end = first.saturating_add(self.of_epoch);
        let mut places = Vec::with_capacity(self.of_epoch);
        for pass in first / self.rows..end.div_ceil(self.rows) {
            let copy = self.begin + pass % self.copies * self.rows;
            let mut order: Vec<usize> = (copy..copy + self.rows).collect();
            if !in_order {
                shuffle(&mut order, &mut generator(seed, pass as u64));
            }
            let from = first.saturating_sub(pass * self.rows);
            let to = (end - pass * self.rows).min(self.rows);
            places.extend(&order[from..to]);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn of_epochs(rows: &EpochRows, epochs: usize) -> Vec<Vec<usize>> {
        let rows_of = |epoch| {
            let places = rows.places(7, epoch, false);
            let mut distinct = places.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), places.len());
            places.iter().map(|&place| rows.rows()[place]).collect()
        };
        (0..epochs).map(rows_of).collect()
    }

    #[test]
    fn without_weights_an_epoch_has_every_row_once() {
        let rows = EpochRows::from(vec![4, 2, 9]);
        assert_eq!(rows.of_epoch(), 3);
        assert_eq!(rows.places(7, 3, false), [0, 1, 2]);
    }

    #[test]
    fn two_epochs_of_half_the_rows_have_each_once() {
        let rows = EpochRows::weighted([((0..10).collect(), 0.5)]);
        assert_eq!(rows.of_epoch(), 5);
        let mut both = of_epochs(&rows, 2).concat();
        assert_ne!(both, (0..10).collect::<Vec<_>>());
        both.sort_unstable();
        assert_eq!(both, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn rows_come_as_often_as_their_weight_says() {
        let parts = [
            ((0..7).collect::<Vec<_>>(), 2.5),
            ((7..27).collect(), 0.3),
            ((27..30).collect(), 1.0),
        ];
        let rows = EpochRows::weighted(parts);
        assert_eq!(rows.of_epoch(), 18 + 6 + 3);
        let epochs = of_epochs(&rows, 70);
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for &row in epochs.iter().flatten() {
            *counts.entry(row).or_default() += 1;
        }
        for row in 0..30 {
            let wanted = match row {
                // 70 epochs of 18 rows, spread over 7 rows.
                0..7 => 180,
                7..27 => 21,
                _ => 70,
            };
            assert_eq!(counts[&row], wanted, "row {row}");
        }
        // Every epoch has each row of weight 2.5 two or three times, or four times where passes meet.
        for epoch in &epochs {
            let first = (0..7).map(|row| epoch.iter().filter(|&&other| other == row).count());
            assert!(first.clone().all(|times| (1..=4).contains(&times)));
            assert_eq!(first.sum::<usize>(), 18);
        }
    }

    #[test]
    fn a_small_weight_keeps_a_row() {
        let rows = EpochRows::weighted([(vec![3, 5], 0.01), (Vec::new(), 1.0)]);
        let of_epochs = of_epochs(&rows, 2).concat();
        assert!(of_epochs == [3, 5] || of_epochs == [5, 3]);
    }
}
