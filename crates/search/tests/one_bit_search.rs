//! The search by 1-bit codes: every score is exact, and the share of hits that it finds is the one it promises.
#![allow(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;
use roaring::RoaringBitmap;
use search::{Codes, Rows, SearchOptions, Similarity, VectorIndex, VectorsView};

fn index(values: &[f32], width: usize, similarity: Similarity) -> VectorIndex {
    let mut values = values.to_vec();
    similarity.normalize_rows(&mut values, width);
    let codes = Codes::build(VectorsView::new(&values, width).unwrap(), similarity, true);
    let mut bytes = Vec::new();
    codes.write(&mut bytes).unwrap();
    let codes = Codes::read(&bytes, values.len() / width, width).unwrap();
    VectorIndex::from_parts(Rows::owned(values), width, similarity, codes).unwrap()
}

fn row(width: usize) -> impl Strategy<Value = Vec<f32>> {
    let numbers = prop::collection::vec(-1.0f32..1.0, width);
    prop_oneof![
        8 => numbers.clone(),
        1 => Just(vec![0.5; width]),
        1 => Just(vec![0.0; width]),
        1 => numbers.prop_map(|row| row.into_iter().map(|value| value * 1e30).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn with_all_rows_as_candidates_it_is_exact(
        (width, rows, queries) in (1usize..150).prop_flat_map(|width| {
            (Just(width), prop::collection::vec(row(width), 16..300), prop::collection::vec(row(width), 1..20))
        }),
        similarity in prop::sample::select(Similarity::ALL.to_vec()),
        k in 0usize..20,
        step in prop::option::of(1usize..4),
        candidates in 0usize..100,
    ) {
        let (values, query_values) = (rows.concat(), queries.concat());
        let index = index(&values, width, similarity);
        let chosen: Option<RoaringBitmap> = step.map(|step| (0..rows.len() as u32).step_by(step).collect());
        let queries = VectorsView::new(&query_values, width).unwrap();
        let search = |candidates| {
            let options = SearchOptions { k, rows: chosen.as_ref(), candidates, ..SearchOptions::default() };
            index.search_with(queries, &options).unwrap()
        };
        let exact = search(None);
        prop_assert_eq!(&search(Some(rows.len())), &exact);
        for (query, (hits, exact)) in queries.iter().zip(search(Some(candidates)).into_iter().zip(exact)) {
            prop_assert_eq!(hits.len(), exact.len());
            let places: Vec<usize> = hits.iter().map(|hit| hit.index).collect();
            prop_assert!(chosen.as_ref().is_none_or(|rows| places.iter().all(|place| rows.contains(*place as u32))));
            let scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
            prop_assert!(scores.is_sorted_by(|one, other| one >= other));
            prop_assert_eq!(index.scores(query, &places).unwrap(), scores);
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

#[test]
fn the_recall_is_the_one_of_the_table() {
    let (width, rows, kinds, k) = (768, 4_000, 40, 10);
    // Rows around some directions that share a part, as the vectors of texts do.
    let (centre, directions) = (fixed_values(width, 1), fixed_values(kinds * width, 2));
    let noise = fixed_values(rows * width, 3);
    let near = |kind: usize, noise: &[f32]| -> Vec<f32> {
        let direction = &directions[kind % kinds * width..][..width];
        let parts = centre.iter().zip(direction).zip(noise);
        parts
            .map(|((centre, direction), noise)| centre + direction + noise)
            .collect()
    };
    let noise_rows = noise.chunks_exact(width).enumerate();
    let values: Vec<f32> = noise_rows
        .flat_map(|(row, noise)| near(row, noise))
        .collect();
    let query_noise = fixed_values(60 * width, 4);
    let noise_rows = query_noise.chunks_exact(width).enumerate();
    let query_values: Vec<f32> = noise_rows
        .flat_map(|(row, noise)| near(row, noise))
        .collect();
    let queries = VectorsView::new(&query_values, width).unwrap();

    let index = index(&values, width, Similarity::Cosine);
    let table = index.recall_table(queries, k).unwrap();
    let exact = index.search(queries, k).unwrap();
    assert_eq!(table.len(), 10);
    for one in &table {
        let options = SearchOptions {
            k,
            candidates: Some(one.candidates),
            ..SearchOptions::default()
        };
        let found = index.search_with(queries, &options).unwrap();
        let pairs = exact.iter().zip(&found);
        let hits: usize = pairs
            .map(|(exact, found)| exact.iter().filter(|hit| found.contains(hit)).count())
            .sum();
        assert_eq!(
            one.recall,
            hits as f32 / 600.0,
            "{} candidates",
            one.candidates
        );
    }
    assert!(table.is_sorted_by(|one, other| one.recall <= other.recall));
    // Twice the product of 1 bit with 768 values is off by some hundredths, which is less than these rows differ.
    assert!(table[0].recall > 0.4 && table[4].recall > 0.97, "{table:?}");
    // Nothing to measure without queries, hits or 1-bit codes.
    assert_eq!(
        index
            .recall_table(VectorsView::new(&[], width).unwrap(), k)
            .unwrap(),
        []
    );
    assert_eq!(index.recall_table(queries, 0).unwrap(), []);
    let without = VectorIndex::new(values, width, Similarity::Cosine).unwrap();
    assert_eq!(without.recall_table(queries, k).unwrap(), []);
}
