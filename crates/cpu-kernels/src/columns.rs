//! The order of a layer's columns in its panels.

use std::ops::Range;

/// How the columns of a layer's matrices, which follow each other, are arranged in panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// One after another.
    InOrder,
    /// Of a gated layer: the first half of a panel has columns of the first half of the matrix, whose sums the activation
    /// takes, and the second half the columns that these are multiplied with. A panel stores half of its width.
    Gated,
}

impl Arrangement {
    /// Columns that a panel of `width` stores.
    pub(crate) fn stored(self, width: usize) -> usize {
        match self {
            Self::InOrder => width,
            Self::Gated => width / 2,
        }
    }

    /// Columns of the output of a layer whose matrices have `columns`.
    pub(crate) fn outputs(self, columns: usize) -> usize {
        match self {
            Self::InOrder => columns,
            Self::Gated => columns / 2,
        }
    }

    /// Number of panels.
    pub(crate) fn panels(self, columns: usize, width: usize) -> usize {
        self.outputs(columns).div_ceil(self.stored(width))
    }

    /// The columns in a panel, as ranges, each with the place in the panel where it begins. Places between them are empty.
    pub(crate) fn parts(
        self,
        panel: usize,
        columns: usize,
        width: usize,
    ) -> [(Range<usize>, usize); 2] {
        let (outputs, stored) = (self.outputs(columns), self.stored(width));
        let first = panel * stored..outputs.min((panel + 1) * stored);
        match self {
            Self::InOrder => [(first, 0), (0..0, 0)],
            Self::Gated => {
                let second = outputs + first.start..outputs + first.end;
                [(first, 0), (second, stored)]
            }
        }
    }

    /// The place of a column in all panels, one after another.
    pub(crate) fn place(self, column: usize, columns: usize, width: usize) -> usize {
        let (outputs, stored) = (self.outputs(columns), self.stored(width));
        let (half, column) = (column / outputs, column % outputs);
        column / stored * width + half * stored + column % stored
    }

    /// A value for each column in the order of the panels, with `missing` in empty places.
    pub(crate) fn arrange<T: Copy>(self, values: &[T], width: usize, missing: T) -> Vec<T> {
        let panels = self.panels(values.len(), width);
        let mut arranged = vec![missing; panels * width];
        for panel in 0..panels {
            for (columns, place) in self.parts(panel, values.len(), width) {
                let places = &mut arranged[panel * width + place..][..columns.len()];
                places.copy_from_slice(&values[columns]);
            }
        }
        arranged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_place() {
        for (columns, width) in [(2, 2), (10, 4), (6, 8), (46, 32), (64, 32)] {
            for arrangement in [Arrangement::InOrder, Arrangement::Gated] {
                let values: Vec<usize> = (0..columns).collect();
                let arranged = arrangement.arrange(&values, width, usize::MAX);
                assert_eq!(arranged.len() % width, 0);
                for column in 0..columns {
                    let place = arrangement.place(column, columns, width);
                    assert_eq!(arranged[place], column, "{arrangement:?} {columns} {width}");
                }
                let missing = arranged.iter().filter(|&&column| column == usize::MAX);
                assert_eq!(missing.count(), arranged.len() - columns);
            }
        }
        // Both factors of an output are as far from the beginnings of the halves of a panel.
        let arranged = Arrangement::Gated.arrange(&[0, 1, 2, 10, 11, 12], 4, -1);
        assert_eq!(arranged, [0, 1, 10, 11, 2, -1, 12, -1]);
    }
}
