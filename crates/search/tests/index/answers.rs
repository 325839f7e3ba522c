//! Answers are those of brute force, whatever the filter, the order and the segments.

use std::cmp::Reverse;

use proptest::prelude::*;
use search::filter::{ColumnKind, Comparison, Filter, FilterColumn, Value};
use search::index::{Document, IndexReader, IndexWriter};
use search::{Answer, Boost, Found, Fusion, Mode, Query, Sort};

use crate::common::{document, folder, settings};
use crate::operations::random;

const WORDS: [&str; 6] = ["red", "blue", "mouse", "keyboard", "wireless", "USB-C"];
const BRANDS: [&str; 3] = ["Logitech", "logitech", "Cherry"];

/// A product with its vector.
type Row = (Document, [f32; 3]);

fn row() -> impl Strategy<Value = ([usize; 3], Option<usize>, Option<u8>, [i8; 3])> {
    (
        [0..WORDS.len(), 0..WORDS.len(), 0..WORDS.len()],
        prop::option::of(0..BRANDS.len()),
        prop::option::of(0u8..4),
        prop::array::uniform3(-2i8..3),
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 1..40).prop_map(|rows| {
        let of_number = |(number, (words, brand, price, vector)): (usize, _)| {
            let words: [usize; 3] = words;
            let brand: Option<usize> = brand;
            let title: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
            let document = document(
                &format!("a{number}"),
                &title.join(" "),
                brand.map(|brand| BRANDS[brand]),
                Option::<u8>::map(price, f64::from),
            );
            (document, <[i8; 3]>::map(vector, f32::from))
        };
        rows.into_iter().enumerate().map(of_number).collect()
    })
}

fn query() -> impl Strategy<Value = Query> {
    let text = prop_oneof![
        prop::sample::subsequence(WORDS.to_vec(), 0..4).prop_map(|words| words.join(" ")),
        (0usize..50).prop_map(|number| format!(" A{number} ")),
        (0usize..50).prop_map(|number| format!("p-a{number}")),
    ];
    let filter = prop_oneof![
        Just(None),
        Just(Some(compare(
            "brand",
            Comparison::Equal,
            Value::Text("LOGITECH".to_owned())
        ))),
        (0u8..4).prop_map(|price| {
            Some(compare(
                "price",
                Comparison::Less,
                Value::Number(f64::from(price)),
            ))
        }),
        Just(Some(Filter::IsMissing {
            column: "price".to_owned()
        })),
    ];
    let sort = prop::option::of(
        (0usize..2, any::<bool>()).prop_map(|(column, descending)| Sort {
            column: ["brand", "price"][column].to_owned(),
            descending,
        }),
    );
    (
        (text, filter, sort, prop::sample::select(Mode::ALL.to_vec())),
        (
            prop::array::uniform3(-2i8..3),
            0usize..12,
            0usize..6,
            any::<bool>(),
        ),
        prop::option::of(-0.5f32..1.0),
        prop::collection::vec((0usize..40).prop_map(|number| format!("a{number}")), 0..3),
        prop::collection::vec(boost(), 0..4),
    )
        .prop_map(
            |((text, filter, sort, mode), (vector, k, offset, rrf), min_score, without, boosts)| {
                Query {
                    vector: vector.map(f32::from).to_vec(),
                    text,
                    mode,
                    fusion: rrf.then_some(Fusion::ReciprocalRank),
                    k,
                    offset,
                    filter,
                    without,
                    facets: vec!["brand".to_owned(), "price".to_owned()],
                    boosts,
                    sort,
                    min_score,
                    ..Query::default()
                }
            },
        )
}

/// Weights that join rows in sums, that change nothing, and that bring a row before all others.
fn boost() -> impl Strategy<Value = Boost> {
    let brand = prop::sample::select(BRANDS.to_vec()).prop_map(|brand| {
        let value = Value::Text(brand.to_uppercase());
        ("Brand".to_owned(), value)
    });
    let price = (0u8..4).prop_map(|price| ("price".to_owned(), Value::Number(f64::from(price))));
    let weight = prop::sample::select(vec![0.0, 0.1, 0.25, 9.0]);
    (prop_oneof![brand, price], weight).prop_map(|((column, value), weight)| Boost {
        column,
        value,
        weight,
    })
}

fn compare(column: &str, comparison: Comparison, value: Value) -> Filter {
    Filter::Compare {
        column: column.to_owned(),
        comparison,
        value,
    }
}

/// An index of the rows, committed after so many each time.
fn index(rows: &[Row], commits: &[usize]) -> (tempfile::TempDir, IndexReader) {
    let folder = folder();
    let mut writer = IndexWriter::create(folder.path(), settings()).unwrap();
    let mut rows = rows.iter();
    for rows_of_commit in commits.iter().chain(&[usize::MAX]) {
        for (document, vector) in rows.by_ref().take(*rows_of_commit) {
            writer.add(document, Some(vector)).unwrap();
        }
        writer.commit().unwrap();
    }
    let reader = IndexReader::open(folder.path()).unwrap();
    (folder, reader)
}

fn keeps(filter: Option<&Filter>, document: &Document) -> bool {
    match filter {
        None => true,
        Some(Filter::IsMissing { .. }) => document.values[1].is_none(),
        Some(Filter::Compare { column, .. }) if column == "brand" => {
            matches!(&document.values[0], Some(Value::Text(brand)) if brand.to_lowercase() == "logitech")
        }
        Some(Filter::Compare {
            value: Value::Number(than),
            ..
        }) => {
            matches!(&document.values[1], Some(Value::Number(price)) if price < than)
        }
        Some(other) => panic!("{other:?}"),
    }
}

/// A row that could be a hit, as brute force has it.
struct Candidate<'a> {
    document: &'a Document,
    similarity: f32,
    bm25: Option<f32>,
    key: bool,
    unraised: f32,
    score: f32,
}

/// What boosts add to the score of a document.
fn raised(document: &Document, boosts: &[Boost]) -> f32 {
    let has = |boost: &&Boost| match (&boost.value, &document.values[0], &document.values[1]) {
        (Value::Text(brand), Some(Value::Text(other)), _) => {
            brand.to_lowercase() == other.to_lowercase()
        }
        (Value::Number(price), _, Some(Value::Number(other))) => price == other,
        _ => false,
    };
    let weights = boosts.iter().filter(has).map(|boost| boost.weight);
    weights.fold(0.0, |sum, weight| sum + weight)
}

fn score(query: &Query, rows: &mut [Candidate<'_>]) {
    let fusion = query.fusion.unwrap_or(settings().fusion);
    let of_fusion: Vec<_> = rows
        .iter()
        .map(|row| search::Candidate {
            meaning: Some(row.similarity),
            words: row.bm25,
        })
        .collect();
    let joint = fusion.scores(settings().similarity, &of_fusion);
    for (row, joint) in rows.iter_mut().zip(joint) {
        row.unraised = match query.mode {
            Mode::Meaning => row.similarity,
            Mode::Words => row.bm25.unwrap_or(0.0),
            Mode::Hybrid => joint,
        };
        row.score = row.unraised + raised(row.document, &query.boosts);
    }
}

/// How many of the rows have a value in a column, and how many are of the one brand.
fn counts(rows: &[Candidate<'_>], column: usize) -> (usize, usize) {
    let values = || {
        rows.iter()
            .filter_map(|row| row.document.values[column].as_ref())
    };
    let logitech = values().filter(|value| value.to_string().to_lowercase() == "logitech");
    (values().count(), logitech.count())
}

/// Compares an answer with what the scores of all rows lead to.
fn check(reader: &IndexReader, rows: &[Row], query: &Query, answer: &Answer) {
    let everything = Query {
        vector: query.vector.clone(),
        text: query.text.clone(),
        k: rows.len(),
        ..Query::default()
    };
    let all = |mode| {
        reader
            .answer(&Query {
                mode,
                ..everything.clone()
            })
            .unwrap()
            .hits
    };
    let (similar, matching) = (all(Mode::Meaning), all(Mode::Words));
    for (column, (name, found)) in ["brand", "price"].iter().zip(&answer.facets).enumerate() {
        // The conditions on the column itself do not count.
        let relaxed = query.of_facet(name).unwrap_or_else(|| query.clone());
        let candidates = candidates(&relaxed, rows, &similar, &matching);
        let logitech = found
            .iter()
            .filter(|count| count.value.to_string().to_lowercase() == "logitech");
        let found: (usize, usize) = (
            found.iter().map(|count| count.rows).sum(),
            logitech.map(|count| count.rows).sum(),
        );
        assert_eq!(found, counts(&candidates, column), "{name} {query:?}");
    }
    let mut candidates = candidates(query, rows, &similar, &matching);
    match &query.sort {
        None => candidates.sort_by(|left, right| {
            right
                .key
                .cmp(&left.key)
                .then(right.score.total_cmp(&left.score))
                .then(right.unraised.total_cmp(&left.unraised))
        }),
        Some(sort) => {
            let column = usize::from(sort.column == "price");
            let key = |row: &Candidate<'_>| match &row.document.values[column] {
                None => None,
                Some(Value::Text(text)) => Some((text.to_lowercase(), 0)),
                Some(Value::Number(number)) => Some((String::new(), *number as u64)),
                Some(other) => panic!("{other:?}"),
            };
            match sort.descending {
                false => candidates.sort_by_key(|row| (key(row).is_none(), key(row))),
                true => candidates.sort_by_key(|row| (key(row).is_none(), Reverse(key(row)))),
            }
        }
    }
    let expected: Vec<_> = candidates
        .iter()
        .skip(query.offset)
        .take(query.k)
        .map(|row| (row.document.id.as_str(), row.score))
        .collect();
    let hits: Vec<_> = answer
        .hits
        .iter()
        .map(|hit| (hit.id.as_str(), hit.score))
        .collect();
    assert_eq!(hits, expected, "{query:?}");
    for hit in &answer.hits {
        let (document, _) = rows.iter().find(|(row, _)| row.id == hit.id).unwrap();
        let boost = (!query.boosts.is_empty()).then(|| raised(document, &query.boosts));
        assert_eq!(hit.explanation.boost, boost);
    }
}

/// The rows that could be hits, from the scores of all rows.
fn candidates<'a>(
    query: &Query,
    rows: &'a [Row],
    similar: &[Found],
    matching: &[Found],
) -> Vec<Candidate<'a>> {
    let wanted = query.text.trim().to_lowercase();
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for (document, _) in rows {
        let hit = similar.iter().find(|hit| hit.id == document.id).unwrap();
        let bm25 = matching.iter().find(|hit| hit.id == document.id);
        let key = document.id == wanted || format!("p-{}", document.id) == wanted;
        candidates.push(Candidate {
            document,
            similarity: hit.score,
            bm25: bm25.and_then(|hit| hit.explanation.bm25),
            key,
            unraised: 0.0,
            score: 0.0,
        });
    }
    candidates.retain(|row| {
        keeps(query.filter.as_ref(), row.document) && !query.without.contains(&row.document.id)
    });
    score(query, &mut candidates);
    candidates.retain(|row| {
        let found = query.mode != Mode::Words || row.bm25.is_some();
        row.key || found && query.min_score.is_none_or(|least| row.score >= least)
    });
    // Sorted by a column, rows that no word matches are left out where others have one.
    let matched = candidates.iter().any(|row| row.bm25.is_some());
    if query.mode == Mode::Hybrid && query.sort.is_some() && query.min_score.is_none() && matched {
        candidates.retain(|row| row.key || row.bm25.is_some());
    }
    candidates
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_those_of_brute_force(rows in rows(), queries in prop::collection::vec(query(), 1..8)) {
        let (_one, whole) = index(&rows, &[]);
        let (_many, parts) = index(&rows, &[rows.len() * 5 / 8, rows.len() / 4, rows.len() / 16]);
        let together = parts.answers(&queries).unwrap();
        for (query, answer) in queries.iter().zip(&together) {
            prop_assert_eq!(answer, &parts.answer(query).unwrap());
            prop_assert_eq!(answer, &whole.answer(query).unwrap());
            prop_assert!(answer.hits.len() <= query.k);
            check(&parts, &rows, query, answer);
            // Pages follow each other.
            let page = Query { k: query.k + query.offset, offset: 0, ..query.clone() };
            let page = parts.answer(&page).unwrap().hits;
            prop_assert_eq!(&answer.hits[..], &page[query.offset.min(page.len())..]);
            if query.min_score.is_none() && query.sort.is_none() && query.mode != Mode::Words {
                let possible = rows.iter().filter(|(document, _)| {
                    keeps(query.filter.as_ref(), document) && !query.without.contains(&document.id)
                });
                prop_assert_eq!(page.len(), possible.count().min(query.k + query.offset));
            }
        }
    }
}

#[test]
fn a_search_by_one_bit_codes_finds_the_share_that_was_measured() {
    // The fewest rows that have such codes, of so many directions that neighbours are hard to tell apart.
    const ROWS: usize = 66_000;
    const WIDTH: usize = 32;
    let folder = folder();
    let settings = search::index::Settings {
        width: WIDTH,
        ..search::index::Settings::default()
    };
    let mut writer = IndexWriter::create(folder.path(), settings).unwrap();
    let mut state = 7;
    let mut vector = || -> Vec<f32> {
        let mut value = || random(&mut state) as u32 as f32 / u32::MAX as f32 - 0.5;
        (0..WIDTH).map(|_| value()).collect()
    };
    for number in 0..ROWS {
        let row = Document {
            id: number.to_string(),
            ..Document::default()
        };
        writer.add(&row, Some(&vector())).unwrap();
    }
    writer.commit().unwrap();
    let reader = IndexReader::open(folder.path()).unwrap();
    let table = reader.info().recall;
    assert!(table.is_sorted_by(|a, b| a.candidates < b.candidates && a.recall <= b.recall));
    assert!(table[0].recall < 0.9, "{table:?}");
    let queries: Vec<Query> = (0..40)
        .map(|_| Query {
            vector: vector(),
            mode: Mode::Meaning,
            k: 10,
            ..Query::default()
        })
        .collect();
    let with_recall = |recall| {
        let of_query = |query: &Query| Query {
            recall,
            ..query.clone()
        };
        let queries: Vec<_> = queries.iter().map(of_query).collect();
        reader.answers(&queries).unwrap()
    };
    let exact = with_recall(None);
    assert_eq!(with_recall(Some(1.0)), exact);
    let fast = with_recall(Some(0.9));
    let mut found = 0;
    for (exact, fast) in exact.iter().zip(&fast) {
        found += fast
            .hits
            .iter()
            .filter(|hit| exact.hits.contains(hit))
            .count();
    }
    // 400 hits: three standard deviations of a share of 0.9 are 0.045.
    assert!(found >= 342, "{found} of 400");
}

#[test]
fn a_query_that_names_a_row_puts_it_first_whatever_the_weight() {
    let folder = folder();
    let mut writer = IndexWriter::create(folder.path(), settings()).unwrap();
    for number in 0..30 {
        let text = if number < 20 {
            "XJ-4520 spare part"
        } else {
            "chair"
        };
        let row = document(&format!("XJ-45{number}"), text, None, None);
        writer.add(&row, Some(&[1.0, number as f32, 0.0])).unwrap();
    }
    writer.commit().unwrap();
    let reader = IndexReader::open(folder.path()).unwrap();
    for mode in Mode::ALL {
        for weight in [0.0, 0.5, 1.0] {
            for text in ["xj-4529", " XJ-4529 ", "p-xj-4529"] {
                let query = Query {
                    vector: vec![1.0, 0.0, 0.0],
                    text: text.to_owned(),
                    mode,
                    fusion: Some(Fusion::WeightedSum { weight }),
                    k: 3,
                    min_score: Some(0.99),
                    ..Query::default()
                };
                let hits = reader.answer(&query).unwrap().hits;
                assert_eq!(hits[0].id, "XJ-4529", "{mode:?} {weight} {text}");
                assert!(hits[0].explanation.key);
                assert!(hits[1..].iter().all(|hit| !hit.explanation.key));
            }
        }
    }
}

#[test]
fn a_hit_says_why_and_shows_its_words() {
    let rows = [
        (document("a", "Wireless mice", None, None), [1.0, 0.0, 0.0]),
        (
            document("b", "Wired keyboards", None, None),
            [0.8, 0.6, 0.0],
        ),
        (document("c", "Desk", None, None), [0.0, 1.0, 0.0]),
    ];
    let (_folder, reader) = index(&rows, &[]);
    let query = Query {
        vector: vec![0.0, 2.0, 0.0],
        text: "mouse, or a WIRELESS keyboard".to_owned(),
        k: 3,
        ..Query::default()
    };
    let hits = reader.answer(&query).unwrap().hits;
    let hit = |id: &str| hits.iter().find(|hit| hit.id == id).unwrap();
    assert_eq!(hit("c").explanation.similarity, Some(1.0));
    assert_eq!(hit("c").explanation.similarity_rank, Some(1));
    assert_eq!(hit("c").explanation.bm25, None);
    assert_eq!(hit("a").explanation.similarity, Some(0.0));
    let places = |id| hit(id).highlights.concat();
    assert_eq!(places("a").as_slice(), std::slice::from_ref(&(0..8)));
    assert_eq!(places("b").as_slice(), std::slice::from_ref(&(6..15)));
    assert_eq!(hit("b").explanation.similarity, Some(0.6));
    assert!(hit("b").explanation.bm25.is_some());
}

#[test]
fn an_index_without_texts_or_rows_answers() {
    let folder = folder();
    let mut settings = settings();
    settings.text_columns.clear();
    settings.filter_columns = vec![FilterColumn {
        name: "part".to_owned(),
        kind: ColumnKind::Key,
    }];
    let mut writer = IndexWriter::create(folder.path(), settings).unwrap();
    let query = Query {
        vector: vec![1.0, 0.0, 0.0],
        text: "mouse".to_owned(),
        k: 3,
        facets: vec!["part".to_owned()],
        ..Query::default()
    };
    let empty = IndexReader::open(folder.path())
        .unwrap()
        .answer(&query)
        .unwrap();
    assert_eq!(empty.hits, []);
    assert_eq!(empty.facets, [[]]);
    let row = Document {
        id: "a".to_owned(),
        texts: Vec::new(),
        values: vec![None],
    };
    writer.add(&row, Some(&[0.0; 3])).unwrap();
    writer.commit().unwrap();
    let one = IndexReader::open(folder.path())
        .unwrap()
        .answer(&query)
        .unwrap();
    assert_eq!(one.hits[0].id, "a");
    assert_eq!(one.hits[0].explanation.similarity, Some(0.0));
}

#[test]
fn pages_of_a_hybrid_list_are_of_one_ranking() {
    // More rows than are joined at least, all with the words and in another order by meaning.
    let rows: Vec<Row> = (0..400usize)
        .map(|number| {
            let title = ["red mouse", "red", "mouse red red"][number % 3];
            let angle = (number as f32) * 0.7;
            let document = document(
                &format!("a{number}"),
                title,
                None,
                Some((number % 7) as f64),
            );
            (document, [angle.cos(), angle.sin(), 0.3])
        })
        .collect();
    let (_folder, reader) = index(&rows, &[150]);
    let query = |k, offset| Query {
        vector: vec![1.0, 0.2, 0.0],
        text: "red mouse".to_owned(),
        k,
        offset,
        ..Query::default()
    };
    let ids = |query: &Query| -> Vec<String> {
        let answer = reader.answer(query).unwrap();
        answer.hits.into_iter().map(|hit| hit.id).collect()
    };
    let whole = ids(&query(100, 0));
    let pages: Vec<String> = (0..10)
        .flat_map(|page| ids(&query(10, 10 * page)))
        .collect();
    assert_eq!(pages, whole);
    // Facets of the rows that reach a score do not depend on the number of hits.
    let facets = |k| {
        let query = Query {
            facets: vec!["price".to_owned()],
            min_score: Some(0.2),
            ..query(k, 0)
        };
        reader.answer(&query).unwrap().facets
    };
    assert_eq!(facets(1), facets(400));
}

#[test]
fn columns_are_found_in_any_case() {
    let rows: Vec<Row> = (0..9usize)
        .map(|number| {
            let price = Some((number * 7 % 9) as f64);
            let document = document(&format!("a{number}"), "mouse", None, price);
            (document, [1.0, 0.0, 0.0])
        })
        .collect();
    let (_folder, reader) = index(&rows, &[]);
    let query = |column: &str| Query {
        text: "mouse".to_owned(),
        mode: Mode::Words,
        k: 9,
        facets: vec![column.to_owned()],
        sort: Some(Sort {
            column: column.to_owned(),
            descending: true,
        }),
        ..Query::default()
    };
    let expected = reader.answer(&query("price")).unwrap();
    assert_eq!(reader.answer(&query("PRICE")).unwrap(), expected);
    assert!(reader.answer(&query("prices")).is_err());
}

/// More rows than a ranking is joined from, so that boosts bring rows that no list without them has.
#[test]
fn boosts_bring_rows_from_far_behind() {
    const HITS: usize = 5;
    let mut state = 11;
    let mut number = |below: usize| random(&mut state) as usize % below;
    let rows: Vec<Row> = (0..3000usize)
        .map(|row| {
            // So many words that few rows have both of the query.
            let title = format!("word{} word{}", number(20), number(20));
            let brand = (number(20) == 0).then(|| BRANDS[number(3)]);
            let price = Some(number(4) as f64);
            let document = document(&format!("a{row}"), &title, brand, price);
            let vector = std::array::from_fn(|_| number(2001) as f32 - 1000.0);
            (document, vector)
        })
        .collect();
    let (_folder, reader) = index(&rows, &[1700, 900]);
    let boost = |column: &str, value: Value, weight| Boost {
        column: column.to_owned(),
        value,
        weight,
    };
    let brand = |weight| boost("brand", Value::Text("Cherry".to_owned()), weight);
    let price = |weight| boost("price", Value::Number(2.0), weight);
    for boosts in [
        vec![brand(0.05)],
        vec![brand(0.4), price(0.03)],
        vec![price(1e-7), brand(5.0)],
    ] {
        for mode in Mode::ALL {
            let query = |k, boosts: &[Boost]| Query {
                vector: vec![0.3, -0.2, 0.9],
                text: "word3 word7".to_owned(),
                mode,
                k,
                boosts: boosts.to_vec(),
                ..Query::default()
            };
            // Every row, with scores that do not depend on how many rows are joined.
            let mut all = reader.answer(&query(rows.len(), &[])).unwrap().hits;
            for hit in &mut all {
                let (document, _) = rows.iter().find(|(row, _)| row.id == hit.id).unwrap();
                hit.score += raised(document, &boosts);
            }
            // Stable: of equal scores the one that was better without boosts.
            all.sort_by(|left, right| right.score.total_cmp(&left.score));
            let boosted = reader.answer(&query(HITS, &boosts)).unwrap();
            assert_eq!(boosted.boosts, boosts);
            let ids = |hits: &[Found]| -> Vec<(String, f32)> {
                let hits = hits.iter().take(HITS);
                hits.map(|hit| (hit.id.clone(), hit.score)).collect()
            };
            assert_eq!(ids(&boosted.hits), ids(&all), "{mode:?}");
            if boosts[0].weight == 0.4 {
                let plain = reader.answer(&query(HITS, &[])).unwrap();
                assert_ne!(ids(&plain.hits), ids(&all), "{mode:?}");
            }
        }
    }
}

#[test]
fn boosts_that_order_nothing_are_refused() {
    let rows = [(
        document("a", "mouse", Some("Acme"), Some(1.0)),
        [1.0, 0.0, 0.0],
    )];
    let (_folder, reader) = index(&rows, &[]);
    let answer = |column: &str, value: Value, weight| {
        let query = Query {
            text: "mouse".to_owned(),
            mode: Mode::Words,
            k: 1,
            boosts: vec![Boost {
                column: column.to_owned(),
                value,
                weight,
            }],
            ..Query::default()
        };
        reader.answer(&query).map(|answer| answer.hits[0].score)
    };
    let acme = || Value::Text("acme".to_owned());
    let plain = answer("brand", acme(), 0.0).unwrap();
    assert_eq!(answer("BRAND", acme(), 0.5).unwrap(), plain + 0.5);
    for weight in [-0.1, f32::NAN, f32::INFINITY] {
        assert!(answer("brand", acme(), weight).unwrap_err().is_usage());
    }
    assert!(answer("colour", acme(), 0.1).unwrap_err().is_usage());
    assert!(answer("price", acme(), 0.1).is_err());
    let names = |column: &str| reader.named_values("an ACME mouse", &[column.to_owned()]);
    assert_eq!(
        names("Brand").unwrap(),
        [("brand".to_owned(), Value::Text("Acme".to_owned()))]
    );
    assert!(names("price").unwrap_err().is_usage());
}
