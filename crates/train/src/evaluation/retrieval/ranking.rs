//! Ranking of the documents, one chunk of them at a time.

use std::cmp::Ordering;
use std::collections::HashMap;

use search::{Hit, VectorIndex, VectorsView, similarity_matrix};

use super::super::encoding::Vectors;
use super::super::error::EvaluationError;
use super::judgements::Query;

/// Positions of documents, ascending, and their vectors.
type Chunk<'a> = (&'a [usize], Vectors);

/// The relevance of the best `k` documents of every query, best match first. Of equal matches the
/// document with the lower position comes first.
pub(super) fn over_all_documents<'a>(
    queries: &[Query],
    vectors: &Vectors,
    chunks: impl Iterator<Item = Result<Chunk<'a>, EvaluationError>>,
    k: usize,
) -> Result<Vec<Vec<f64>>, EvaluationError> {
    let mut best: Vec<Vec<Hit>> = vec![Vec::new(); queries.len()];
    for chunk in chunks {
        let (documents, chunk) = chunk?;
        let width = chunk.width();
        let index = VectorIndex::new(chunk.into_values(), width, vectors.similarity())?;
        let found = index.search(vectors.rows()?, k)?;
        for (best, found) in best.iter_mut().zip(found) {
            let found = found.into_iter().map(|hit| Hit {
                index: documents[hit.index],
                score: hit.score,
            });
            merge(best, found, k);
        }
    }
    Ok(queries
        .iter()
        .zip(best)
        .map(|(query, hits)| relevances(query, &hits))
        .collect())
}

/// Adds hits of later documents, both best first, and keeps the best `k`.
fn merge(best: &mut Vec<Hit>, later: impl Iterator<Item = Hit>, k: usize) {
    best.extend(later);
    // A stable sort: of equal scores the earlier document stays first.
    best.sort_by(|a, b| descending(a.score, b.score));
    best.truncate(k);
}

/// Higher scores first. `search` ensures that none is NaN.
fn descending(a: f32, b: f32) -> Ordering {
    b.total_cmp(&a)
}

/// The relevance of hits; 0 for documents that are not judged.
fn relevances(query: &Query, hits: &[Hit]) -> Vec<f64> {
    let relevances: HashMap<_, _> = query.documents.iter().zip(&query.relevances).collect();
    hits.iter()
        .map(|hit| {
            relevances
                .get(&hit.index)
                .map_or(0.0, |&&relevance| relevance)
        })
        .collect()
}

/// The relevance of the judged documents of every query, best match first. Of equal matches the one
/// judged first comes first.
pub(super) fn over_judged_documents<'a>(
    queries: &[Query],
    vectors: &Vectors,
    chunks: impl Iterator<Item = Result<Chunk<'a>, EvaluationError>>,
) -> Result<Vec<Vec<f64>>, EvaluationError> {
    let width = vectors.width();
    let empty = queries
        .iter()
        .map(|query| vec![0.0; query.relevances.len()]);
    let mut scores: Vec<Vec<f32>> = empty.collect();
    for chunk in chunks {
        let (documents, chunk) = chunk?;
        for (number, (query, scores)) in queries.iter().zip(&mut scores).enumerate() {
            // The judgements of documents of this chunk, with their rows in it.
            let judged = query.documents.iter().enumerate();
            let here = judged.filter_map(|(judgement, document)| {
                let row = documents.binary_search(document).ok()?;
                Some((judgement, row))
            });
            let (judgements, rows): (Vec<usize>, Vec<usize>) = here.unzip();
            let judged = chunk.gather(&rows);
            let similarities = similarity_matrix(
                vectors.range(number, number + 1)?,
                VectorsView::new(&judged, width)?,
                vectors.similarity(),
            )?;
            for (judgement, similarity) in judgements.into_iter().zip(similarities) {
                scores[judgement] = similarity;
            }
        }
    }
    let ranked = queries.iter().zip(scores).map(|(query, scores)| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| descending(scores[a], scores[b]));
        order
            .into_iter()
            .map(|judgement| query.relevances[judgement])
            .collect()
    });
    Ok(ranked.collect())
}
