//! Vectors with filter columns and boosts, against all scores and a full sort.
#![allow(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;
use search::filter::{Column, ColumnBuilder, ColumnKind, Filter, FilterColumn, Value};
use search::{
    Boost, Query, SearchError, Similarity, Table, VectorIndex, VectorsView, similarity_matrix,
};

const BRANDS: [&str; 3] = ["Acme", "ACME", "Bolt"];
const COLOURS: [&str; 2] = ["red", "blue"];

fn declared() -> Vec<FilterColumn> {
    let column = |name: &str| FilterColumn {
        name: name.to_owned(),
        kind: ColumnKind::Text,
    };
    vec![column("brand"), column("colour")]
}

fn column(values: &[Option<&str>]) -> Column {
    let mut builder = ColumnBuilder::new(ColumnKind::Text);
    for value in values {
        let value = value.map(|value| Value::Text(value.to_owned()));
        builder.push(value).unwrap();
    }
    builder.finish()
}

fn equal(value: Option<&str>, other: &Value) -> bool {
    value.is_some_and(|value| value.to_lowercase() == other.to_string().to_lowercase())
}

/// A row's place among few directions, so that many are equal, and its brand and colour.
type Row = (u8, Option<usize>, Option<usize>);

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn equals_brute_force_to_the_bit(
        // More rows than the fewest that have codes.
        rows in prop::collection::vec(
            (any::<u8>(), prop::option::of(0..3usize), prop::option::of(0..2usize)), 2000..2300),
        similarity in prop::sample::select(Similarity::ALL.to_vec()),
        weights in prop::collection::vec((0..2usize, 0..3usize, prop::sample::select(vec![0.0f32, 1e-8, 0.02, 0.5])), 0..4),
        filter in prop::option::of(prop::sample::select(vec!["brand = acme", "colour != red", "brand IS MISSING"])),
        min_score in prop::option::of(-1.0f32..1.0),
        (k, offset) in (0..30usize, 0..3usize),
    ) {
        let rows: Vec<Row> = rows;
        let brands: Vec<Option<&str>> = rows.iter().map(|row| row.1.map(|brand| BRANDS[brand])).collect();
        let colours: Vec<Option<&str>> = rows.iter().map(|row| row.2.map(|colour| COLOURS[colour])).collect();
        let vectors: Vec<f32> = rows.iter().flat_map(|row| {
            let angle = f32::from(row.0) / 40.0;
            [angle.cos(), angle.sin(), 0.25]
        }).collect();
        let boosts: Vec<Boost> = weights.iter().map(|&(column, value, weight)| Boost {
            column: ["Brand", "colour"][column].to_owned(),
            value: Value::Text(if column == 0 { BRANDS[value] } else { COLOURS[value % 2] }.to_owned()),
            weight,
        }).collect();
        let (declared, values) = (declared(), [column(&brands), column(&colours)]);
        let index = VectorIndex::new(vectors.clone(), 3, similarity).unwrap();
        let table = Table::new(&index, &declared, &values).unwrap();
        let query = Query {
            vector: vec![0.6, 0.5, 0.1],
            k,
            offset,
            filter: filter.map(|text| Filter::parse(text, &declared).unwrap()),
            facets: vec!["brand".to_owned()],
            boosts,
            min_score,
            ..Query::default()
        };
        let answer = table.answer(&query).unwrap();

        let query_vector = VectorsView::new(&query.vector, 3).unwrap();
        let scores = similarity_matrix(query_vector, VectorsView::new(&vectors, 3).unwrap(), similarity).unwrap();
        let kept = |row: usize, filter: Option<&str>| match filter {
            None => true,
            Some("brand = acme") => brands[row].is_some_and(|brand| brand.to_lowercase() == "acme"),
            Some("colour != red") => colours[row].is_some_and(|colour| colour != "red"),
            Some(_) => brands[row].is_none(),
        };
        let boost = |row: usize| query.boosts.iter().filter(|boost| {
            let values = if boost.column == "Brand" { &brands } else { &colours };
            equal(values[row], &boost.value)
        }).fold(0.0f32, |sum, boost| sum + boost.weight);
        let could_be_hits = |filter: Option<&str>| -> Vec<(usize, f32, f32)> {
            (0..rows.len())
                .filter(|row| kept(*row, filter))
                .map(|row| (row, scores[row] + boost(row), scores[row]))
                .filter(|(_, score, _)| min_score.is_none_or(|least| *score >= least))
                .collect()
        };
        let mut expected = could_be_hits(filter);
        expected.sort_by(|left, right| {
            right.1.total_cmp(&left.1).then(right.2.total_cmp(&left.2)).then(left.0.cmp(&right.0))
        });
        let expected: Vec<_> = expected.into_iter().skip(offset).take(k).collect();
        let found: Vec<_> = answer.hits.iter().map(|hit| (hit.index, hit.score, hit.similarity)).collect();
        prop_assert_eq!(found, expected);
        // Facets pass over the conditions on their own column.
        let of_facet = filter.filter(|text| !text.starts_with("brand"));
        let rows = could_be_hits(of_facet);
        for (value, name) in [("acme", "Acme"), ("bolt", "Bolt")] {
            let expected = rows.iter().filter(|row| equal(brands[row.0], &Value::Text(name.to_owned()))).count();
            let found = answer.facets[0].iter().find(|count| count.value.to_string().to_lowercase() == value);
            prop_assert_eq!(found.map_or(0, |count| count.rows), expected);
        }
    }
}

#[test]
fn values_that_a_query_names() {
    let (declared, values) = (
        declared(),
        [column(&[Some("Acme"), None]), column(&[None, Some("red")])],
    );
    let index = VectorIndex::new(vec![1.0, 0.0, 0.0, 1.0], 2, Similarity::Cosine).unwrap();
    let table = Table::new(&index, &declared, &values).unwrap();
    let names = ["Colour".to_owned(), "brand".to_owned()];
    let text = |column: &str, value: &str| (column.to_owned(), Value::Text(value.to_owned()));
    assert_eq!(
        table.named_values("ACME lamp, Red", &names).unwrap(),
        [text("brand", "Acme"), text("colour", "red")]
    );
    assert!(table.named_values("", &["size".to_owned()]).is_err());
    let wrong = SearchError::Pairs { left: 2, right: 1 };
    let short = [column(&[None]), column(&[None])];
    assert_eq!(Table::new(&index, &declared, &short).unwrap_err(), wrong);
    assert!(Table::new(&index, &declared, &values[..1]).is_err());
}
