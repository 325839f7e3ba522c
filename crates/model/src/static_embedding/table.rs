//! The table of a static model: a row of numbers for every token.

/// The rows of all tokens.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Row-major `[rows, width]`.
    values: Vec<f32>,
    width: usize,
    /// The row of each token id; without them, a token's id is its row.
    row_of_id: Option<Vec<u32>>,
    /// A factor for each token id.
    weights: Option<Vec<f32>>,
}

impl Table {
    /// `values` is `[rows, width]`, and `row_of_id` and `weights` have one element per token id. `None` if they do not
    /// fit, or if a row is not in the table.
    pub(crate) fn new(
        values: Vec<f32>,
        width: usize,
        row_of_id: Option<Vec<u32>>,
        weights: Option<Vec<f32>>,
    ) -> Option<Self> {
        let rows = values.len().checked_div(width)?;
        let fits = rows * width == values.len()
            && row_of_id.iter().flatten().all(|&row| (row as usize) < rows);
        let table = Self {
            values,
            width,
            row_of_id,
            weights,
        };
        let ids = table.tokens();
        let weighted = table.weights.as_ref().is_none_or(|each| each.len() == ids);
        (fits && weighted).then_some(table)
    }

    /// Width of the vectors.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The number of token ids, from 0.
    pub(crate) fn tokens(&self) -> usize {
        match &self.row_of_id {
            Some(row_of_id) => row_of_id.len(),
            None => self.values.len().checked_div(self.width).unwrap_or(0),
        }
    }

    /// Writes the mean of the rows of these tokens to `mean`, of [`width`](Self::width) numbers: zeros for no token. In
    /// `f32` and in the order of the tokens, as torch's EmbeddingBag does it. Ids must be below
    /// [`tokens`](Self::tokens).
    pub(crate) fn mean(&self, ids: &[u32], mean: &mut [f32]) {
        mean.fill(0.0);
        for &id in ids {
            let id = id as usize;
            let row = self.row_of_id.as_ref().map_or(id, |rows| rows[id] as usize);
            let row = &self.values[row * self.width..][..self.width];
            match &self.weights {
                None => std::iter::zip(&mut *mean, row).for_each(|(sum, value)| *sum += value),
                Some(weights) => {
                    let weight = weights[id];
                    for (sum, value) in std::iter::zip(&mut *mean, row) {
                        *sum += value * weight;
                    }
                }
            }
        }
        let count = ids.len().max(1) as f32;
        mean.iter_mut().for_each(|sum| *sum /= count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f32; 6] = [1.0, 2.0, 10.0, 20.0, 100.0, 200.0];

    fn means(table: &Table, texts: &[&[u32]]) -> Vec<f32> {
        let mean = |ids: &&[u32]| {
            let mut mean = vec![7.0; table.width()];
            table.mean(ids, &mut mean);
            mean
        };
        texts.iter().flat_map(mean).collect()
    }

    #[test]
    fn a_vector_is_the_mean_of_the_rows() {
        let table = Table::new(VALUES.to_vec(), 2, None, None).unwrap();
        assert_eq!((table.tokens(), table.width()), (3, 2));
        assert_eq!(
            means(&table, &[&[0, 2], &[], &[1, 1, 1]]),
            [50.5, 101.0, 0.0, 0.0, 10.0, 20.0]
        );
        assert_eq!(means(&table, &[]), [0.0; 0]);
    }

    #[test]
    fn tokens_share_rows_with_weights_of_their_own() {
        let rows = vec![2, 2, 0, 1];
        let table = Table::new(
            VALUES.to_vec(),
            2,
            Some(rows),
            Some(vec![1.0, 0.5, 3.0, 0.0]),
        );
        let table = table.unwrap();
        assert_eq!(table.tokens(), 4);
        assert_eq!(means(&table, &[&[0, 1], &[2, 3]]), [75.0, 150.0, 1.5, 3.0]);
    }

    #[test]
    fn parts_that_do_not_fit_are_no_table() {
        let new = |width, rows, weights| Table::new(VALUES.to_vec(), width, rows, weights);
        assert!(new(0, None, None).is_none());
        assert!(new(4, None, None).is_none());
        assert!(new(2, Some(vec![3]), None).is_none());
        assert!(new(2, None, Some(vec![1.0; 4])).is_none());
        assert!(new(2, Some(vec![0; 4]), Some(vec![1.0; 3])).is_none());
    }
}
