//! Search and recommendation against the plainest code there is: every score in a loop in `f64`,
//! and a sort.
#![allow(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;
use search::{Hit, Index, Rows, Similarity, similarity_matrix};

/// Similarity of one vector with every row.
fn plain_scores(query: &[f32], rows: Rows<'_>, similarity: Similarity) -> Vec<f64> {
    rows.iter()
        .map(|row| {
            let product = plain_dot(query, row);
            let scale = match similarity {
                Similarity::DotProduct => 1.0,
                Similarity::Cosine => plain_dot(query, query).sqrt() * plain_dot(row, row).sqrt(),
            };
            if scale == 0.0 { 0.0 } else { product / scale }
        })
        .collect()
}

fn plain_dot(left: &[f32], right: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (left, right) in left.iter().zip(right) {
        sum += f64::from(*left) * f64::from(*right);
    }
    sum
}

/// The best `k`, best first; of equal scores the lower index first.
fn plain_sort(scores: &[f64], without: Option<usize>, k: usize) -> Vec<usize> {
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
    let expected: Vec<_> = plain_sort(scores, without, k)
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
    let expected = plain_sort(scores, without, k);
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

/// What `f32` may lose of a score: a value passes the rounding of two lengths (for the cosine), of
/// one product, of the additions in one of 32 sums and of the 5 that join those. Each is at most
/// 2^-24 of what is added, which is never more than the sum of all products without their signs;
/// for the cosine that is at most 1. A hundredth is for roundings of roundings, and the last term
/// for products that are too small for a full `f32`.
fn tolerance(query: &[f32], rows: Rows<'_>, similarity: Similarity) -> f64 {
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
    };
    1.01 * roundings * largest / f64::from(1 << 24) + f64::from(f32::MIN_POSITIVE)
}

/// What is searched, and how.
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
    fn rows(&self) -> Rows<'_> {
        Rows::new(&self.values, self.width).unwrap()
    }

    fn queries(&self) -> Rows<'_> {
        Rows::new(&self.queries, self.width).unwrap()
    }

    fn index(&self) -> Index {
        Index::new(self.values.clone(), self.width, self.similarity).unwrap()
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

/// More rows and more queries than one block of the index has, and widths above and below the
/// number of sums of a product.
fn case(row: fn(Similarity, usize) -> BoxedStrategy<Vec<f32>>) -> impl Strategy<Value = Case> {
    let similarity = prop_oneof![Just(Similarity::Cosine), Just(Similarity::DotProduct)];
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

/// Rows whose scores `f32` holds exactly, few of them different, so that equal scores are frequent.
fn exact_row(similarity: Similarity, width: usize) -> BoxedStrategy<Vec<f32>> {
    match similarity {
        Similarity::DotProduct => {
            prop::collection::vec((-3i8..=3).prop_map(f32::from), width).boxed()
        }
        // 0, 1, 4 or 16 equal values but for their signs: the length is a whole number, and each
        // value is the length over a power of two.
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
            assert_equal(&hits, &plain_scores(query, rows, similarity), None, k)?;
        }
        let index = case.index();
        for (item, row) in rows.iter().enumerate() {
            let hits = index.recommend(item, k).unwrap();
            assert_equal(&hits, &plain_scores(row, rows, similarity), Some(item), k)?;
        }
    }

    #[test]
    fn rounded_scores_are_sorted_as_far_as_they_can_be_told_apart(case in case(any_row)) {
        let (rows, similarity, k) = (case.rows(), case.similarity, case.k);
        for (query, hits) in case.queries().iter().zip(case.search()) {
            let scores = plain_scores(query, rows, similarity);
            assert_close(&hits, &scores, None, k, tolerance(query, rows, similarity))?;
        }
        let index = case.index();
        for (item, row) in rows.iter().enumerate().take(40) {
            let hits = index.recommend(item, k).unwrap();
            let scores = plain_scores(row, rows, similarity);
            assert_close(&hits, &scores, Some(item), k, tolerance(row, rows, similarity))?;
        }
    }

    /// A score is that of its two vectors, whoever asks for it.
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
