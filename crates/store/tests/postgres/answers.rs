//! Answers, compared with those of this process and of an index on disk.

use std::collections::HashSet;

use search::filter::{Comparison, Filter, Value};
use search::index::{Document, IndexReader, IndexWriter, Settings};
use search::{Answer, Fusion, Mode, Query, Similarity, Sort, VectorIndex, VectorsView};
use store::{Options, PostgresStore};

use crate::cluster::{addresses, three};
use crate::data::{chorus, loaded, options, settings, shop, vector_of, vectors_of};

const WIDTH: usize = 24;

fn exact(name: &str) -> Options {
    Options {
        exact: true,
        ..options(name)
    }
}

#[test]
fn exact_search_is_that_of_this_process() {
    let documents = shop(600);
    let vectors = vectors_of(&documents, WIDTH);
    let servers = addresses(three());
    for similarity in Similarity::ALL {
        let name = format!("exact_{}", similarity.name());
        let store = loaded(
            &servers,
            exact(&name),
            &settings(WIDTH, similarity),
            &documents,
            &vectors,
        );
        let index = VectorIndex::new(vectors.concat(), WIDTH, similarity).expect("an index");
        for text in ["wireless mouse", "gaming monitor black", "cable"] {
            let vector = vector_of(text, WIDTH);
            let view = VectorsView::new(&vector, WIDTH).expect("a query");
            let expected = &index.search(view, 20).expect("hits")[0];
            let query = Query {
                vector,
                mode: Mode::Meaning,
                k: 20,
                ..Query::default()
            };
            let found = store.answer(&query).expect("an answer").hits;
            assert_eq!(found.len(), 20);
            for (found, expected) in found.iter().zip(expected) {
                // Numbers of half precision have 11 bits.
                let tolerance = 2e-3 * expected.score.abs().max(1.0);
                assert!(
                    (found.score - expected.score).abs() < tolerance,
                    "{text}: {found:?} {expected:?}"
                );
            }
        }
    }
}

fn compare(column: &str, comparison: Comparison, value: Value) -> Filter {
    Filter::Compare {
        column: column.to_owned(),
        comparison,
        value,
    }
}

fn filters() -> Vec<Option<Filter>> {
    let text = |text: &str| Value::Text(text.to_owned());
    let logitech = || compare("brand", Comparison::Equal, text("LOGITECH"));
    let cheap = || compare("price", Comparison::Less, Value::Number(20.0));
    let dear = || compare("price", Comparison::GreaterOrEqual, Value::Number(100.0));
    vec![
        None,
        Some(logitech()),
        Some(Filter::Not(Box::new(logitech()))),
        Some(compare("brand", Comparison::NotEqual, text("ångström"))),
        Some(compare("brand", Comparison::Less, text("e"))),
        Some(Filter::And(vec![logitech(), cheap()])),
        Some(Filter::Or(vec![cheap(), dear()])),
        Some(Filter::Not(Box::new(Filter::And(vec![
            cheap(),
            logitech(),
        ])))),
        Some(Filter::IsMissing {
            column: "price".to_owned(),
        }),
        Some(Filter::Not(Box::new(Filter::IsMissing {
            column: "since".to_owned(),
        }))),
        Some(Filter::In {
            column: "brand".to_owned(),
            values: vec![text("hp"), text("dell"), text("none")],
        }),
        Some(compare("stock", Comparison::Equal, Value::Boolean(true))),
        Some(compare(
            "since",
            Comparison::Greater,
            Value::Date(1_720_000_000),
        )),
        Some(compare("sku", Comparison::Equal, text("xj-17"))),
        Some(compare("price", Comparison::Equal, Value::Number(-1.0))),
        Some(Filter::And(Vec::new())),
        Some(Filter::Or(Vec::new())),
    ]
}

/// A store on three servers, one on one server, and an index on disk, of the same rows.
struct Engines {
    three: PostgresStore,
    one: PostgresStore,
    index: IndexReader,
    _folder: tempfile::TempDir,
}

fn engines(
    name: &str,
    settings: &Settings,
    documents: &[Document],
    vectors: &[Vec<f32>],
) -> Engines {
    let servers = addresses(three());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index");
    let mut writer = IndexWriter::create(&path, settings.clone()).expect("an index");
    for (document, vector) in documents.iter().zip(vectors) {
        writer.add(document, Some(vector)).expect("a row");
    }
    writer.commit().expect("a commit");
    drop(writer);
    Engines {
        three: loaded(&servers, exact(name), settings, documents, vectors),
        one: loaded(
            &servers[..1],
            exact(&format!("{name}_one")),
            settings,
            documents,
            vectors,
        ),
        index: IndexReader::open(&path).expect("the index"),
        _folder: folder,
    }
}

fn assert_alike(found: &Answer, expected: &Answer, tolerance: f32, of: &str) {
    let scores = |answer: &Answer| {
        answer
            .hits
            .iter()
            .map(|hit| (hit.score, hit.id.clone()))
            .collect::<Vec<_>>()
    };
    let (hits, others) = (scores(found), scores(expected));
    assert_eq!(hits.len(), others.len(), "{of}: {hits:?} {others:?}");
    for (hit, other) in hits.iter().zip(&others) {
        assert!(
            (hit.0 - other.0).abs() <= tolerance,
            "{of}: {hit:?} {other:?}"
        );
    }
    assert_eq!(found.facets, expected.facets, "{of}");
    assert!(found.missing.is_empty());
    // Of the same rows the same is told.
    for hit in &found.hits {
        if let Some(other) = expected.hits.iter().find(|other| other.id == hit.id) {
            assert_eq!(
                (&hit.texts, &hit.values, &hit.highlights),
                (&other.texts, &other.values, &other.highlights)
            );
            assert_eq!(hit.explanation.key, other.explanation.key);
        }
    }
}

#[test]
fn the_store_answers_as_an_index_does() {
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(400);
    let vectors = vectors_of(&documents, WIDTH);
    let engines = engines("alike", &settings, &documents, &vectors);
    let mut queries = Vec::new();
    for mode in Mode::ALL {
        for text in [
            "wireless mouse",
            "xj-17",
            "gaming keyboards the black",
            "id-00042",
            "nothing",
            "",
        ] {
            for filter in filters() {
                let query = Query {
                    vector: vector_of(text, WIDTH),
                    text: text.to_owned(),
                    mode,
                    k: 30,
                    filter,
                    facets: vec!["brand".to_owned(), "PRICE".to_owned(), "stock".to_owned()],
                    ..Query::default()
                };
                queries.push(query);
            }
        }
        for sort in ["price", "BRAND", "Stock", "since", "sku"] {
            for descending in [false, true] {
                let query = Query {
                    vector: vector_of("office cable", WIDTH),
                    text: "office cable".to_owned(),
                    mode,
                    k: 25,
                    offset: 5,
                    sort: Some(Sort {
                        column: sort.to_owned(),
                        descending,
                    }),
                    without: vec!["id-00003".to_owned(), "none".to_owned()],
                    ..Query::default()
                };
                queries.push(query.clone());
                queries.push(Query {
                    min_score: Some(0.4),
                    facets: vec!["brand".to_owned()],
                    ..query
                });
            }
        }
        for fusion in [Fusion::WeightedSum { weight: 0.7 }, Fusion::ReciprocalRank] {
            let query = Query {
                vector: vector_of("silver usb monitor", WIDTH),
                text: "silvre usb monitors".to_owned(),
                mode,
                k: 400,
                fusion: Some(fusion),
                typos: true,
                ..Query::default()
            };
            queries.push(query.clone());
            queries.push(Query {
                min_score: Some(0.01),
                ..query
            });
        }
    }
    for query in &queries {
        let three = engines.three.answer(query).expect("an answer");
        let one = engines.one.answer(query).expect("an answer");
        assert_eq!(three, one, "{query:?}");
        let index = engines.index.answer(query).expect("an answer");
        // Half precision, of which ranks and scores at a limit depend.
        if query.min_score.is_none() && query.fusion != Some(Fusion::ReciprocalRank) {
            assert_alike(&three, &index, 3e-3, &format!("{query:?}"));
        }
    }
}

#[test]
fn pages_are_of_one_ranking() {
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(1500);
    let vectors = vectors_of(&documents, WIDTH);
    let store = loaded(
        &addresses(three()),
        Options {
            // Fewer rows than are asked for, so that the index alone would not do.
            ef_search: 20,
            ..options("pages")
        },
        &settings,
        &documents,
        &vectors,
    );
    let ids = |mode: Mode, offset: usize, k: usize| -> Vec<String> {
        let query = Query {
            vector: vector_of("gaming mouse", WIDTH),
            text: "gaming mouse".to_owned(),
            mode,
            k,
            offset,
            ..Query::default()
        };
        let hits = store.answer(&query).expect("an answer").hits;
        hits.into_iter().map(|hit| hit.id).collect()
    };
    for mode in Mode::ALL {
        // Up to 100 hits, and behind them up to 1,000.
        for (first, last, page) in [(0, 100, 10), (100, 400, 60)] {
            let pages = (first..last).step_by(page);
            let pages: Vec<String> = pages.flat_map(|offset| ids(mode, offset, page)).collect();
            assert_eq!(pages, ids(mode, first, last - first), "{mode:?}");
            let different: HashSet<&String> = pages.iter().collect();
            assert_eq!(different.len(), last - first, "{mode:?}");
        }
    }
}

#[test]
fn a_row_that_the_question_names_comes_first() {
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(300);
    let vectors = vectors_of(&documents, WIDTH);
    let store = loaded(
        &addresses(three()),
        options("named"),
        &settings,
        &documents,
        &vectors,
    );
    for row in (0..300).step_by(7) {
        let wanted = &documents[row].id;
        for text in [wanted.to_uppercase(), format!(" xJ-{row} ")] {
            for mode in Mode::ALL {
                let query = Query {
                    vector: vector_of("mouse", WIDTH),
                    text: text.clone(),
                    mode,
                    k: 3,
                    ..Query::default()
                };
                let hit = &store.answer(&query).expect("an answer").hits[0];
                assert_eq!(
                    (&hit.id, hit.explanation.key),
                    (wanted, true),
                    "{text} {mode:?}"
                );
            }
        }
    }
}

#[test]
fn hostile_questions_are_words() {
    let settings = settings(4, Similarity::Cosine);
    let documents = shop(50);
    let store = loaded(
        &addresses(three()),
        options("hostile"),
        &settings,
        &documents,
        &vectors_of(&documents, 4),
    );
    let long = "mouse & ' | ! :* \\ ".repeat(5000);
    for text in [
        "'",
        "\\",
        "a' & !b",
        "mouse\0keyboard",
        ":*",
        "$1",
        "'; DROP SCHEMA hostile CASCADE; --",
        &long,
    ] {
        for mode in [Mode::Words, Mode::Hybrid] {
            let query = Query {
                vector: vec![1.0; 4],
                text: text.to_owned(),
                mode,
                k: 5,
                typos: true,
                filter: Some(compare(
                    "brand",
                    Comparison::NotEqual,
                    Value::Text(text.to_owned()),
                )),
                without: vec![text.to_owned()],
                ..Query::default()
            };
            store.answer(&query).expect("an answer");
        }
    }
    assert_eq!(store.info().expect("the state").rows(), 50);
}

/// The share of the `k` nearest that are among the hits, by their scores: equal titles are equally near.
fn recall(found: &Answer, exact: &Answer) -> f32 {
    let Some(last) = exact.hits.last() else {
        return 1.0;
    };
    let near = found
        .hits
        .iter()
        .filter(|hit| hit.score >= last.score - 1e-6)
        .count();
    near as f32 / exact.hits.len() as f32
}

#[test]
fn the_index_of_vectors_finds_nearly_all() {
    const WIDTH: usize = 96;
    let settings = Settings {
        filter_columns: Vec::new(),
        ..settings(WIDTH, Similarity::Cosine)
    };
    let documents: Vec<Document> = chorus()
        .into_iter()
        .map(|(id, title)| Document {
            id,
            texts: vec![title],
            values: Vec::new(),
        })
        .collect();
    assert_eq!(documents.len(), 19_406);
    let vectors = vectors_of(&documents, WIDTH);
    let servers = addresses(three());
    let approximate = Options {
        ef_search: 200,
        ..options("chorus")
    };
    let three = loaded(
        &servers,
        approximate.clone(),
        &settings,
        &documents,
        &vectors,
    );
    let one = Options {
        name: "chorus_one".to_owned(),
        ..approximate
    };
    let one = loaded(&servers[..1], one, &settings, &documents, &vectors);
    let info = three.info().expect("the state");
    assert!(
        info.rows() as usize == documents.len()
            && info.shards.iter().all(|shard| shard.hnsw && shard.words)
    );

    let mut recalls = [0.0; 2];
    let questions: HashSet<usize> = (0..documents.len()).step_by(194).collect();
    for &row in &questions {
        // A part of a title is what a customer types.
        let title: Vec<&str> = documents[row].texts[0].split_whitespace().take(4).collect();
        let vector = vector_of(&title.join(" "), WIDTH);
        let query = Query {
            vector,
            mode: Mode::Meaning,
            k: 10,
            ..Query::default()
        };
        let exact = one
            .answer(&Query {
                recall: Some(1.0),
                ..query.clone()
            })
            .expect("an answer");
        for (store, recalls) in [&one, &three].into_iter().zip(&mut recalls) {
            *recalls +=
                recall(&store.answer(&query).expect("an answer"), &exact) / questions.len() as f32;
        }
    }
    eprintln!(
        "recall@10 at ef 200: {} on one server, {} on three",
        recalls[0], recalls[1]
    );
    assert!(recalls.iter().all(|&recall| recall >= 0.98), "{recalls:?}");
    assert!((recalls[0] - recalls[1]).abs() <= 0.005, "{recalls:?}");
}
