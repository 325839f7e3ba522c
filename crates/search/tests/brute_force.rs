//! Search and recommendation against brute force: every score in a loop, and a full sort.
#![allow(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;
use search::{Hit, Similarity, VectorIndex, VectorsView, similarity_matrix};

/// Similarity of one vector with every row, in `f64`.
fn reference_scores(query: &[f32], rows: VectorsView<'_>, similarity: Similarity) -> Vec<f64> {
    rows.iter()
        .map(|row| match similarity {
            Similarity::DotProduct => reference_dot(query, row),
            Similarity::Cosine => {
                let scale = reference_dot(query, query).sqrt() * reference_dot(row, row).sqrt();
                if scale == 0.0 {
                    0.0
                } else {
                    reference_dot(query, row) / scale
                }
            }
            // The root is rounded to `f32`, as the score is.
            Similarity::Euclidean => {
                let squares: f64 = differences(query, row).map(|value| value * value).sum();
                0.0 - f64::from((squares as f32).sqrt())
            }
            Similarity::Manhattan => 0.0 - differences(query, row).map(f64::abs).sum::<f64>(),
        })
        .collect()
}

fn differences<'a>(left: &'a [f32], right: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    let pairs = left.iter().zip(right);
    pairs.map(|(left, right)| f64::from(*left) - f64::from(*right))
}

fn reference_dot(left: &[f32], right: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (left, right) in left.iter().zip(right) {
        sum += f64::from(*left) * f64::from(*right);
    }
    sum
}

/// The best `k`, best first; of equal scores the lower index first.
fn sorted(scores: &[f64], without: Option<usize>, k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.retain(|&index| Some(index) != without);
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap().then(a.cmp(&b)));
    order.truncate(k);
    order
}

/// Hits and scores have no rounding at all.
fn assert_equal(
    hits: &[Hit],
    scores: &[f64],
    without: Option<usize>,
    k: usize,
) -> Result<(), TestCaseError> {
    let found: Vec<_> = hits
        .iter()
        .map(|hit| (hit.index, f64::from(hit.score)))
        .collect();
    let expected: Vec<_> = sorted(scores, without, k)
        .into_iter()
        .map(|index| (index, scores[index]))
        .collect();
    prop_assert_eq!(found, expected);
    Ok(())
}

/// Scores are off by at most `tolerance`, so hits that are closer than twice that may change
/// places. The score at every rank may not: moving each of many numbers by at most `tolerance`
/// moves the largest of them, the second largest and so on by at most that.
fn assert_close(
    hits: &[Hit],
    scores: &[f64],
    without: Option<usize>,
    k: usize,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let expected = sorted(scores, without, k);
    prop_assert_eq!(hits.len(), expected.len());
    for (hit, index) in hits.iter().zip(expected) {
        let score = f64::from(hit.score);
        prop_assert!(Some(hit.index) != without);
        prop_assert!((score - scores[hit.index]).abs() <= tolerance);
        prop_assert!((score - scores[index]).abs() <= tolerance);
    }
    for pair in hits.windows(2) {
        let in_order = (pair[1].score, pair[0].index) < (pair[0].score, pair[1].index);
        prop_assert!(in_order, "{pair:?}");
    }
    let mut indices: Vec<usize> = hits.iter().map(|hit| hit.index).collect();
    indices.sort_unstable();
    indices.dedup();
    prop_assert_eq!(indices.len(), hits.len());
    Ok(())
}

/// Bound of the rounding error of a score in `f32`. A value is rounded by two normalisations (for the
/// cosine) or by two subtractions (for a distance), one multiplication, the additions into one of 32
/// accumulators and the 5 that join them. Each error is at most 2^-24 of the sum of the absolute terms,
/// which is at most 1 for the cosine; a root halves it. The factor 1.01 covers higher-order terms, the
/// last term subnormal products.
fn tolerance(query: &[f32], rows: VectorsView<'_>, similarity: Similarity) -> f64 {
    let roundings = (2 + 1 + query.len().div_ceil(32) + 5) as f64;
    let largest = match similarity {
        Similarity::Cosine => 1.0,
        Similarity::DotProduct => {
            let sums = rows.iter().map(|row| {
                let products = query
                    .iter()
                    .zip(row)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b));
                products.map(f64::abs).sum()
            });
            sums.fold(0.0, f64::max)
        }
        Similarity::Euclidean | Similarity::Manhattan => {
            let distances = reference_scores(query, rows, similarity).into_iter();
            distances.map(f64::abs).fold(0.0, f64::max)
        }
    };
    1.01 * roundings * largest / f64::from(1 << 24) + f64::from(f32::MIN_POSITIVE)
}

/// Vectors, queries and settings of one search.
#[derive(Debug)]
struct Case {
    similarity: Similarity,
    width: usize,
    values: Vec<f32>,
    queries: Vec<f32>,
    k: usize,
    threads: usize,
}

impl Case {
    fn rows(&self) -> VectorsView<'_> {
        VectorsView::new(&self.values, self.width).unwrap()
    }

    fn queries(&self) -> VectorsView<'_> {
        VectorsView::new(&self.queries, self.width).unwrap()
    }

    fn index(&self) -> VectorIndex {
        VectorIndex::new(self.values.clone(), self.width, self.similarity).unwrap()
    }

    /// Hits for every query.
    fn search(&self) -> Vec<Vec<Hit>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .unwrap();
        let found = pool
            .install(|| self.index().search(self.queries(), self.k))
            .unwrap();
        assert_eq!(found.len(), self.queries().len());
        found
    }
}

/// Up to more rows and queries than one block of the index has, and widths below and above the 32
/// accumulators of a dot product.
fn case(row: fn(Similarity, usize) -> BoxedStrategy<Vec<f32>>) -> impl Strategy<Value = Case> {
    let similarity = prop::sample::select(Similarity::ALL.to_vec());
    (similarity, 1usize..40)
        .prop_flat_map(move |(similarity, width)| {
            let row = row(similarity, width);
            (
                Just((similarity, width)),
                prop::collection::vec(row.clone(), 0..400),
                prop::collection::vec(row, 0..70),
                0usize..20,
                1usize..4,
            )
        })
        .prop_map(|((similarity, width), rows, queries, k, threads)| Case {
            similarity,
            width,
            values: rows.concat(),
            queries: queries.concat(),
            k,
            threads,
        })
}

/// Rows whose scores `f32` holds exactly, with many equal scores.
fn exact_row(similarity: Similarity, width: usize) -> BoxedStrategy<Vec<f32>> {
    match similarity {
        Similarity::DotProduct | Similarity::Euclidean | Similarity::Manhattan => {
            prop::collection::vec((-3i8..=3).prop_map(f32::from), width).boxed()
        }
        // 0, 1, 4 or 16 values of equal magnitude: the L2 norm is a whole number, and each value
        // is the norm over a power of two.
        Similarity::Cosine => (
            0usize..4,
            1i8..=3,
            prop::collection::vec(any::<bool>(), width),
        )
            .prop_flat_map(|(count, value, signs)| {
                let count = [0, 1, 4, 16][count];
                let places: Vec<usize> = (0..signs.len()).collect();
                let count = if count <= signs.len() { count } else { 1 };
                (
                    Just((value, signs)),
                    prop::sample::subsequence(places, count),
                )
            })
            .prop_map(|((value, signs), places)| {
                let mut row = vec![0.0; signs.len()];
                for place in places {
                    row[place] = f32::from(if signs[place] { -value } else { value });
                }
                row
            })
            .boxed(),
    }
}

fn any_row(_: Similarity, width: usize) -> BoxedStrategy<Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, width).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn exact_scores_are_sorted_exactly(case in case(exact_row)) {
        let (rows, similarity, k) = (case.rows(), case.similarity, case.k);
        for (query, hits) in case.queries().iter().zip(case.search()) {
            assert_equal(&hits, &reference_scores(query, rows, similarity), None, k)?;
        }
        let index = case.index();
        for (item, row) in rows.iter().enumerate() {
            let hits = index.recommend(item, k).unwrap();
            assert_equal(&hits, &reference_scores(row, rows, similarity), Some(item), k)?;
        }
    }

    #[test]
    fn rounded_scores_are_sorted_as_far_as_they_can_be_told_apart(case in case(any_row)) {
        let (rows, similarity, k) = (case.rows(), case.similarity, case.k);
        for (query, hits) in case.queries().iter().zip(case.search()) {
            let scores = reference_scores(query, rows, similarity);
            assert_close(&hits, &scores, None, k, tolerance(query, rows, similarity))?;
        }
        let index = case.index();
        for (item, row) in rows.iter().enumerate().take(40) {
            let hits = index.recommend(item, k).unwrap();
            let scores = reference_scores(row, rows, similarity);
            assert_close(&hits, &scores, Some(item), k, tolerance(row, rows, similarity))?;
        }
    }

    /// A score depends only on its two vectors, so search and matrix agree bit for bit.
    #[test]
    fn a_hit_has_the_score_of_the_matrix(case in case(any_row)) {
        let matrix = similarity_matrix(case.queries(), case.rows(), case.similarity).unwrap();
        for (query, hits) in case.search().into_iter().enumerate() {
            for hit in hits {
                prop_assert_eq!(hit.score, matrix[query * case.rows().len() + hit.index]);
            }
        }
    }
}

/// Values between -1 and 1 in steps of 2^-11 from a xorshift generator, so that no run differs.
fn fixed_values(count: usize, mut state: u64) -> Vec<f32> {
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 52) as f32 - 2048.0) / 2048.0
        })
        .collect()
}

/// The dot product in the order of additions that the crate documents: product `i` goes to
/// accumulator `i % 32`, and the accumulators are added in halves.
fn ordered_dot(left: &[f32], right: &[f32]) -> f32 {
    let mut accumulators = vec![0.0f32; 32];
    for (i, (left, right)) in left.iter().zip(right).enumerate() {
        accumulators[i % 32] += left * right;
    }
    while accumulators.len() > 1 {
        let (low, high) = accumulators.split_at(accumulators.len() / 2);
        accumulators = low.iter().zip(high).map(|(low, high)| low + high).collect();
    }
    accumulators[0]
}

/// Two blocks of queries and four of vectors, neither of them full, at the width of MPNet.
#[test]
fn several_blocks_at_width_768_equal_brute_force_bit_for_bit() {
    let (width, vectors, queries) = (768, 3 * 128 + 17, 64 + 9);
    let mut values = fixed_values(vectors * width, 0x5EED);
    // Equal vectors in different blocks, so that ties are broken across blocks.
    values.copy_within(5 * width..6 * width, 300 * width);
    let query_values = fixed_values(queries * width, 0xCAFE);
    let query_rows = VectorsView::new(&query_values, width).unwrap();
    for similarity in [Similarity::DotProduct, Similarity::Cosine] {
        let normalized = |values: &[f32]| -> Vec<f32> {
            let mut values = values.to_vec();
            if similarity == Similarity::Cosine {
                for row in values.chunks_exact_mut(width) {
                    let norm = reference_dot(row, row).sqrt();
                    row.iter_mut()
                        .for_each(|value| *value = (f64::from(*value) / norm) as f32);
                }
            }
            values
        };
        let (rows, query_rows_of_case) = (normalized(&values), normalized(&query_values));
        let index = VectorIndex::new(values.clone(), width, similarity).unwrap();
        // The last `k` is above the number of vectors: every vector is a hit.
        for k in [1, 10, 200, vectors + 5] {
            let found = index.search(query_rows, k).unwrap();
            assert_eq!(found.len(), queries);
            for (query, hits) in query_rows_of_case.chunks_exact(width).zip(found) {
                let scores: Vec<f32> = rows
                    .chunks_exact(width)
                    .map(|row| ordered_dot(query, row))
                    .collect();
                let exact: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
                let expected: Vec<(usize, u32)> = sorted(&exact, None, k)
                    .into_iter()
                    .map(|index| (index, scores[index].to_bits()))
                    .collect();
                let hits: Vec<(usize, u32)> = hits
                    .iter()
                    .map(|hit| (hit.index, hit.score.to_bits()))
                    .collect();
                assert_eq!(hits, expected);
            }
        }
    }
}

/// A `k` as large as the index sorts all vectors, over many blocks, with many equal scores.
#[test]
fn a_k_of_all_vectors_sorts_them_all() {
    let vectors = 50_000;
    // Scores 0 to 96 in an order without pattern; every score comes about 515 times.
    let values: Vec<f32> = (0..vectors).map(|i| ((i * 7919) % 97) as f32).collect();
    let index = VectorIndex::new(values.clone(), 1, Similarity::DotProduct).unwrap();
    let query = [1.0];
    let scores: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
    for k in [vectors - 1, vectors, usize::MAX] {
        let hits = &index
            .search(VectorsView::new(&query, 1).unwrap(), k)
            .unwrap()[0];
        let found: Vec<(usize, f64)> = hits
            .iter()
            .map(|hit| (hit.index, f64::from(hit.score)))
            .collect();
        let expected: Vec<(usize, f64)> = sorted(&scores, None, k)
            .into_iter()
            .map(|index| (index, scores[index]))
            .collect();
        assert_eq!(found, expected);
    }
}
