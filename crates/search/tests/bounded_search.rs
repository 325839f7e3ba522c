//! The search by codes against all scores and a full sort: hits and scores are equal to the bit.
#![allow(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;
use roaring::RoaringBitmap;
use search::{
    Codes, Hit, Rows, SearchError, SearchOptions, Similarity, VectorIndex, VectorsView,
    similarity_matrix,
};

/// An index with codes, also of a few rows.
fn index(values: &[f32], width: usize, similarity: Similarity) -> VectorIndex {
    let mut values = values.to_vec();
    similarity.normalize_rows(&mut values, width);
    let codes = Codes::of(VectorsView::new(&values, width).unwrap(), similarity);
    let mut bytes = Vec::new();
    codes.write(&mut bytes).unwrap();
    let codes = Codes::read(&bytes, values.len() / width, width).unwrap();
    VectorIndex::from_parts(Rows::owned(values), width, similarity, codes).unwrap()
}

/// The hits of one query, as bits of their scores, from all of its scores.
fn expected(
    scores: &[f32],
    options: &SearchOptions<'_>,
    without: Option<usize>,
) -> Vec<(usize, u32)> {
    let wanted = |index: &usize| {
        Some(*index) != without
            && options.rows.is_none_or(|rows| rows.contains(*index as u32))
            && options
                .min_score
                .is_none_or(|lowest| scores[*index] >= lowest)
    };
    let mut order: Vec<usize> = (0..scores.len()).filter(wanted).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(options.k);
    order
        .into_iter()
        .map(|index| (index, scores[index].to_bits()))
        .collect()
}

fn bits(hits: &[Hit]) -> Vec<(usize, u32)> {
    hits.iter()
        .map(|hit| (hit.index, hit.score.to_bits()))
        .collect()
}

/// Rows of one of several kinds: any numbers, few directions with many equal rows, zeros, tiny and huge ones.
fn row(width: usize) -> impl Strategy<Value = Vec<f32>> {
    let numbers = prop::collection::vec(-1.0f32..1.0, width);
    let scaled =
        |scale: f32| move |row: Vec<f32>| row.into_iter().map(|value| value * scale).collect();
    prop_oneof![
        8 => numbers.clone(),
        6 => (0u8..4).prop_map(move |kind| (0..width).map(|place| f32::from(kind) - (place % 3) as f32).collect::<Vec<f32>>()),
        1 => Just(vec![0.0; width]),
        1 => numbers.clone().prop_map(scaled(1e-25)),
        1 => numbers.clone().prop_map(scaled(1e25)),
        1 => numbers.prop_map(scaled(1e-3)),
    ]
}

#[derive(Debug)]
struct Case {
    similarity: Similarity,
    width: usize,
    values: Vec<f32>,
    queries: Vec<f32>,
    k: usize,
    min_score: Option<f32>,
    rows: Option<RoaringBitmap>,
    threads: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let similarity = prop::sample::select(Similarity::ALL.to_vec());
    (similarity, 1usize..80)
        .prop_flat_map(|(similarity, width)| {
            (
                Just((similarity, width)),
                prop::collection::vec(row(width), 0..500),
                prop::collection::vec(row(width), 0..40),
                0usize..60,
                prop::option::of(-1.2f32..1.2),
                // Every row, every second and so on; some sets have rows that the index lacks.
                prop::option::of((1u32..20, 0u32..600)),
                1usize..4,
            )
        })
        .prop_map(
            |((similarity, width), rows, queries, k, min_score, step, threads)| Case {
                similarity,
                width,
                values: rows.concat(),
                queries: queries.concat(),
                k,
                min_score,
                rows: step.map(|(step, end)| (0..end).step_by(step as usize).collect()),
                threads,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn equals_brute_force_to_the_bit(case in case()) {
        let Case { similarity, width, ref values, ref queries, k, min_score, ref rows, threads } = case;
        let options = SearchOptions { k, min_score, rows: rows.as_ref(), ..SearchOptions::default() };
        let index = index(values, width, similarity);
        let queries = VectorsView::new(queries, width).unwrap();
        let vectors = VectorsView::new(values, width).unwrap();
        let matrix = similarity_matrix(queries, vectors, similarity).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| index.search_with(queries, &options)).unwrap();
        prop_assert_eq!(found.len(), queries.len());
        for (query, hits) in found.iter().enumerate() {
            let scores = &matrix[query * vectors.len()..][..vectors.len()];
            prop_assert_eq!(bits(hits), expected(scores, &options, None));
            let rows: Vec<usize> = hits.iter().map(|hit| hit.index).collect();
            let scores = index.scores(queries.get(query).unwrap(), &rows).unwrap();
            prop_assert_eq!(scores, hits.iter().map(|hit| hit.score).collect::<Vec<_>>());
        }
        for item in (0..vectors.len()).step_by(37) {
            let row = VectorsView::new(vectors.get(item).unwrap(), width).unwrap();
            let scores = similarity_matrix(row, vectors, similarity).unwrap();
            let options = SearchOptions { k, ..SearchOptions::default() };
            // The stored row is normalized once, a query made of the row twice: both may differ by a rounding.
            let again = VectorsView::new(index.row(item).unwrap(), width).unwrap();
            let hits = index.recommend(item, k).unwrap();
            if similarity == Similarity::Cosine {
                let others = index.scores(again.get(0).unwrap(), &(0..vectors.len()).collect::<Vec<_>>()).unwrap();
                prop_assert_eq!(hits.len(), expected(&others, &options, Some(item)).len());
            } else {
                prop_assert_eq!(bits(&hits), expected(&scores, &options, Some(item)));
            }
        }
    }
}

/// Values between -1 and 1 from a xorshift generator, so that no run differs.
fn fixed_values(count: usize, mut state: u64) -> Vec<f32> {
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 - 8_388_608.0) / 8_388_608.0
        })
        .collect()
}

/// More queries than a block has, more panels than a thread takes at once, many nearly equal rows.
#[test]
fn many_near_rows_at_width_768_equal_brute_force() {
    let (width, kinds, copies) = (768, 60, 60);
    let kinds_of_rows = fixed_values(kinds * width, 0x5EED);
    let noise = fixed_values(kinds * copies * width, 0xFEED);
    let mut values = Vec::with_capacity(noise.len());
    for copy in 0..copies {
        for kind in 0..kinds {
            let row = &kinds_of_rows[kind * width..][..width];
            let noise = &noise[(copy * kinds + kind) * width..][..width];
            // Every fifth copy is equal to the row.
            let factor = if copy % 5 == 0 { 0.0 } else { 0.01 };
            values.extend(
                row.iter()
                    .zip(noise)
                    .map(|(value, noise)| value + factor * noise),
            );
        }
    }
    let mut query_values = fixed_values(530 * width, 0xCAFE);
    query_values[..values.len().min(100 * width)].copy_from_slice(&values[..100 * width]);
    let vectors = VectorsView::new(&values, width).unwrap();
    let queries = VectorsView::new(&query_values, width).unwrap();
    for similarity in [Similarity::Cosine, Similarity::DotProduct] {
        let index = VectorIndex::new(values.clone(), width, similarity).unwrap();
        let matrix = similarity_matrix(queries, vectors, similarity).unwrap();
        for k in [1, 10, 100] {
            let options = SearchOptions {
                k,
                ..SearchOptions::default()
            };
            let found = index.search_with(queries, &options).unwrap();
            for (hits, scores) in found.iter().zip(matrix.chunks_exact(vectors.len())) {
                assert_eq!(bits(hits), expected(scores, &options, None));
            }
        }
    }
}

#[test]
fn parts_of_others_are_refused() {
    let codes = || Codes::of(VectorsView::new(&[1.0; 6], 2).unwrap(), Similarity::Cosine);
    let open = |values: Vec<f32>, width| {
        VectorIndex::from_parts(Rows::owned(values), width, Similarity::Cosine, codes())
    };
    assert!(open(vec![1.0; 6], 2).is_ok());
    let others = |rows, width| SearchError::CodesOfOthers {
        rows,
        width,
        codes: 3,
        codes_width: 2,
    };
    assert_eq!(open(vec![1.0; 4], 2).unwrap_err(), others(2, 2));
    assert_eq!(open(vec![1.0; 6], 3).unwrap_err(), others(2, 3));
    assert_eq!(
        open(vec![1.0; 5], 2).unwrap_err(),
        SearchError::Shape {
            values: 5,
            width: 2
        }
    );
}

#[test]
fn rows_come_from_a_mapped_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let values = [0.6f32, 0.8, 1.0, 0.0];
    std::io::Write::write_all(&mut file, bytemuck::cast_slice(&values)).unwrap();
    #[allow(unsafe_code, reason = "nobody else writes the file")]
    // SAFETY: the file is this test's own, and nothing shortens it.
    let mapping = unsafe { memmap2::Mmap::map(file.as_file()) }.unwrap();
    let rows = Rows::mapped(mapping).unwrap();
    let codes = Codes::of(VectorsView::new(&rows, 2).unwrap(), Similarity::Cosine);
    let index = VectorIndex::from_parts(rows, 2, Similarity::Cosine, codes).unwrap();
    assert_eq!(index.row(0), Some(&values[..2]));
    assert_eq!(index.row(2), None);
    assert_eq!(index.scores(&[2.0, 0.0], &[1, 0]).unwrap(), [1.0, 0.6]);
    let missing = SearchError::NoSuchVector { index: 2, len: 2 };
    assert_eq!(index.scores(&[1.0, 0.0], &[2]), Err(missing));
}
