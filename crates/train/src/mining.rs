//! Hard negatives: products that the model finds near a query, but that are not right for it.

use std::collections::{HashMap, HashSet};

use search::{Hit, SearchError, Similarity, VectorIndex, VectorsView, pairwise_similarity};

use crate::data::{hash_text, normalised_hash};
use crate::evaluation::Corpus;

/// Queries that are searched at once.
const BLOCK: usize = 1024;

/// Which products become negatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MiningOptions {
    /// Negatives of every row.
    pub(crate) per_row: usize,
    /// Number of the nearest products that are left out.
    pub(crate) range_min: usize,
    /// Number of the nearest products to look at.
    pub(crate) range_max: usize,
    /// A negative's score must be below the positive's by this share of it.
    pub(crate) relative_margin: f32,
}

/// How many candidates were skipped, and why; and the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MiningCounts {
    /// Rows with negatives.
    pub(crate) rows: usize,
    /// Rows without enough negatives, which are left out.
    pub(crate) rows_left_out: usize,
    /// Candidates that are right for the query: the text of one of its positives, under any id.
    pub(crate) right: usize,
    /// Candidates with a text that the row already has.
    pub(crate) repeated: usize,
    /// Candidates that are nearly as similar as the positive, or more.
    pub(crate) too_similar: usize,
    /// Candidates among the nearest, before `range_min`.
    pub(crate) too_near: usize,
    /// Pairs whose product is not in the corpus, by its text or its id: it may become a negative of the query.
    pub(crate) unknown: usize,
}

/// Vectors of queries and of products, row-major.
pub(crate) struct MiningVectors {
    /// Of the distinct anchors.
    pub(crate) anchors: Vec<f32>,
    /// Of the positive of every row.
    pub(crate) positives: Vec<f32>,
    pub(crate) width: usize,
    pub(crate) similarity: Similarity,
}

/// The products near every query, with their scores, and the scores of what is right.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Candidates {
    /// Of every distinct anchor, the nearest first.
    pub(crate) near: Vec<Vec<Hit>>,
    /// The score of every row's positive.
    pub(crate) positives: Vec<f32>,
}

impl Candidates {
    /// The `most` products that are nearest to every anchor. `anchor_of` is the position of every row's anchor among
    /// the distinct ones.
    ///
    /// # Errors
    ///
    /// A vector holds a NaN or an infinity.
    pub(crate) fn nearest(
        anchor_of: &[usize],
        vectors: &MiningVectors,
        index: &VectorIndex,
        most: usize,
    ) -> Result<Self, SearchError> {
        let width = vectors.width;
        let mut near = Vec::new();
        for anchors in vectors.anchors.chunks(BLOCK * width) {
            near.extend(index.search(VectorsView::new(anchors, width)?, most)?);
        }
        let of_rows: Vec<f32> = anchor_of
            .iter()
            .flat_map(|&anchor| &vectors.anchors[anchor * width..][..width])
            .copied()
            .collect();
        let positives = pairwise_similarity(
            VectorsView::new(&of_rows, width)?,
            VectorsView::new(&vectors.positives, width)?,
            vectors.similarity,
        )?;
        Ok(Self { near, positives })
    }
}

/// The negatives of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Negatives {
    /// The score of the positive.
    pub(crate) positive: f32,
    /// Positions of products with their scores, the highest first.
    pub(crate) hits: Vec<Hit>,
}

/// What is right for a query: hashes of texts, the query's own among them, and of ids.
#[derive(Default)]
struct Right {
    texts: HashSet<u64>,
    ids: HashSet<u64>,
}

/// A query and a product that is right for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) anchor: &'a str,
    pub(crate) positive: &'a str,
    /// Hash of the product's id, if it is known.
    pub(crate) id: Option<u64>,
}

/// Finds the negatives of every pair; `None` for pairs that have not enough. The scores of `candidates` may come from
/// another model than the order of those that are near.
pub(crate) fn mine(
    pairs: &[Pair<'_>],
    anchor_of: &[usize],
    candidates: &Candidates,
    products: &Corpus,
    options: MiningOptions,
) -> (Vec<Option<Negatives>>, MiningCounts) {
    let texts = products.texts.iter().map(|text| normalised_hash(text));
    let ids = products.ids.iter().map(|id| hash_text(id));
    let products: Vec<(u64, u64)> = texts.zip(ids).collect();
    let mut texts_of: HashMap<u64, Vec<u64>> = HashMap::new();
    for (text, id) in &products {
        texts_of.entry(*id).or_default().push(*text);
    }
    let mut right: HashMap<usize, Right> = HashMap::new();
    for (pair, &anchor) in pairs.iter().zip(anchor_of) {
        let right = right.entry(anchor).or_default();
        right.texts.insert(normalised_hash(pair.anchor));
        right.texts.insert(normalised_hash(pair.positive));
        right.ids.extend(pair.id);
        // A right product may be there under another id, with the text that it has in the corpus.
        let texts = pair.id.and_then(|id| texts_of.get(&id));
        right.texts.extend(texts.into_iter().flatten());
    }
    let texts: HashSet<u64> = products.iter().map(|(text, _)| *text).collect();
    let is_known = |pair: &Pair<'_>| {
        texts.contains(&normalised_hash(pair.positive))
            || pair.id.is_some_and(|id| texts_of.contains_key(&id))
    };
    let unknown = pairs.iter().filter(|pair| !is_known(pair)).count();
    let near = candidates.near.iter().map(|near| {
        let mut ranked: Vec<(usize, Hit)> = near.iter().copied().enumerate().collect();
        ranked.sort_by(|one, other| other.1.score.total_cmp(&one.1.score));
        ranked
    });
    let near: Vec<Vec<(usize, Hit)>> = near.collect();
    let mut counts = MiningCounts {
        unknown,
        ..MiningCounts::default()
    };
    let rows = anchor_of.iter().zip(&candidates.positives);
    let rows = rows.map(|(&anchor, &positive)| {
        let highest = positive - options.relative_margin * positive.abs();
        let right = &right[&anchor];
        let mut taken = HashSet::new();
        let mut hits = Vec::new();
        for (rank, hit) in &near[anchor] {
            if hits.len() == options.per_row {
                break;
            }
            let (text, id) = products[hit.index];
            if right.texts.contains(&text) || right.ids.contains(&id) {
                counts.right += 1;
            } else if *rank < options.range_min {
                counts.too_near += 1;
            } else if hit.score > highest {
                counts.too_similar += 1;
            } else if !taken.insert(text) {
                counts.repeated += 1;
            } else {
                hits.push(*hit);
            }
        }
        let enough = hits.len() == options.per_row;
        counts.rows += usize::from(enough);
        counts.rows_left_out += usize::from(!enough);
        enough.then_some(Negatives { positive, hits })
    });
    let rows = rows.collect();
    (rows, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> MiningOptions {
        MiningOptions {
            per_row: 2,
            range_min: 0,
            range_max: 10,
            relative_margin: 0.05,
        }
    }

    fn mined(
        rows: &[(&str, &str)],
        products: &[(&str, f32)],
        options: MiningOptions,
    ) -> (Vec<Option<Vec<usize>>>, MiningCounts) {
        mined_with(rows, products, options, |_, _| ())
    }

    /// A query at the x axis, and products at angles from it, in degrees; `change` may give the candidates
    /// other scores, and the pairs ids. Product 3 has the id `p3`.
    fn mined_with(
        rows: &[(&str, &str)],
        products: &[(&str, f32)],
        options: MiningOptions,
        change: impl FnOnce(&mut Candidates, &mut [Pair<'_>]),
    ) -> (Vec<Option<Vec<usize>>>, MiningCounts) {
        let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
        let angle: HashMap<&str, f32> = products.iter().copied().collect();
        let pair = |&(anchor, positive)| Pair {
            anchor,
            positive,
            id: None,
        };
        let mut pairs: Vec<Pair<'_>> = rows.iter().map(pair).collect();
        let vectors = MiningVectors {
            anchors: at(0.0).to_vec(),
            positives: rows.iter().flat_map(|row| at(angle[row.1])).collect(),
            width: 2,
            similarity: Similarity::Cosine,
        };
        let names = products.iter().map(|product| product.0.to_owned());
        let corpus = Corpus {
            ids: (0..products.len())
                .map(|number| format!("p{number}"))
                .collect(),
            texts: names.collect(),
        };
        let values = products.iter().flat_map(|product| at(product.1)).collect();
        let index = VectorIndex::new(values, 2, Similarity::Cosine).unwrap();
        let anchor_of = vec![0; rows.len()];
        let mut candidates =
            Candidates::nearest(&anchor_of, &vectors, &index, options.range_max).unwrap();
        change(&mut candidates, &mut pairs);
        let (mined, counts) = mine(&pairs, &anchor_of, &candidates, &corpus, options);
        let places = mined.into_iter().map(|negatives| {
            negatives.map(|negatives| negatives.hits.iter().map(|hit| hit.index).collect())
        });
        (places.collect(), counts)
    }

    #[test]
    fn what_is_right_or_as_near_as_that_is_no_negative() {
        let products = [
            ("steel kettle", 10.0),
            ("Steel  Kettle", 10.0),
            ("glass kettle", 30.0),
            ("travel kettle", 31.0),
            ("kettle descaler", 40.0),
            ("Kettle descaler", 41.0),
            ("mug", 50.0),
        ];
        let rows = [("kettle", "steel kettle"), ("kettle", "glass kettle")];
        let (mined, counts) = mined(&rows, &products, options());
        // The cosines of 30 and 31 degrees are nearly the same, those of 10 and 31 are not.
        assert_eq!(mined, [Some(vec![3, 4]), Some(vec![4, 6])]);
        assert_eq!(
            counts,
            MiningCounts {
                rows: 2,
                rows_left_out: 0,
                right: 6,
                repeated: 1,
                too_similar: 1,
                too_near: 0,
                unknown: 0,
            }
        );
    }

    #[test]
    fn rows_without_enough_negatives_are_left_out_and_counted() {
        let products = [("a", 10.0), ("b", 40.0), ("c", 80.0)];
        let (all, counts) = mined(
            &[("q", "a")],
            &products,
            MiningOptions {
                range_min: 2,
                ..options()
            },
        );
        assert_eq!(all, [None]);
        let expected = MiningCounts {
            rows_left_out: 1,
            right: 1,
            too_near: 1,
            ..MiningCounts::default()
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn scores_of_another_model_choose_among_the_nearest() {
        let products = [
            ("a", 0.0),
            ("b", 10.0),
            ("c", 20.0),
            ("d", 30.0),
            ("e", 80.0),
        ];
        let options = MiningOptions {
            range_min: 2,
            range_max: 4,
            ..options()
        };
        let (rows, counts) = mined_with(&[("q", "a")], &products, options, |candidates, _| {
            // The reranker thinks that d fits better than c, and finds that b fits as well as a.
            for (hit, score) in candidates.near[0].iter_mut().zip([0.9, 0.9, 0.1, 0.2]) {
                hit.score = score;
            }
            candidates.positives = vec![0.9];
        });
        assert_eq!(rows, [Some(vec![3, 2])]);
        assert_eq!(
            (counts.right, counts.too_near, counts.too_similar),
            (1, 1, 0)
        );
    }

    #[test]
    fn a_product_is_right_by_its_id_too() {
        let products = [
            ("a, red, 1 l", 10.0),
            ("b", 40.0),
            ("c", 50.0),
            ("A, red, 1 l", 20.0),
        ];
        let rows = [("q", "b")];
        let by_text = mined(&rows, &products, options());
        assert_eq!(by_text.0, [None]);
        assert_eq!(by_text.1.unknown, 0);
        // The pair has another text for the first product, which is there twice.
        let (rows, counts) = mined_with(&rows, &products, options(), |candidates, pairs| {
            candidates.positives = vec![0.99];
            pairs[0].positive = "a";
            pairs[0].id = Some(hash_text("p0"));
        });
        assert_eq!(rows, [Some(vec![1, 2])]);
        assert_eq!((counts.right, counts.unknown), (2, 0));
    }
}
