//! Answers, compared with those of this process.

use search::{Mode, Query, Similarity, VectorIndex, VectorsView};

use crate::cluster::{addresses, three};
use crate::data::{loaded, options, settings, shop, vector_of, vectors_of};

#[test]
fn exact_search_is_that_of_this_process() {
    let documents = shop(600);
    let vectors = vectors_of(&documents, 24);
    let servers = addresses(three());
    for similarity in Similarity::ALL {
        let name = format!("exact_{}", similarity.name());
        let mut options = options(&name);
        options.exact = true;
        let store = loaded(
            &servers,
            options,
            &settings(24, similarity),
            &documents,
            &vectors,
        );
        let index = VectorIndex::new(vectors.concat(), 24, similarity).expect("an index");
        for text in ["wireless mouse", "gaming monitor black", "cable"] {
            let vector = vector_of(text, 24);
            let expected = &index
                .search(VectorsView::new(&vector, 24).expect("a query"), 20)
                .expect("hits")[0];
            let query = Query {
                vector,
                mode: Mode::Meaning,
                k: 20,
                ..Query::default()
            };
            let found = store.answer(&query).expect("an answer").hits;
            assert_eq!(found.len(), 20);
            for (found, expected) in found.iter().zip(expected) {
                // The score of the row itself, in half precision.
                let tolerance = 2e-3 * expected.score.abs().max(1.0);
                assert!(
                    (found.score - expected.score).abs() < tolerance,
                    "{text}: {found:?} {expected:?}"
                );
            }
        }
    }
}
