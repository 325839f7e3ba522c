//! The order of the documents, a chunk of them at a time.

use std::cmp::Ordering;
use std::collections::HashMap;

use search::{Hit, Index, Similarity, VectorsView, similarity_matrix};

use super::super::encoding::Vectors;
use super::super::error::EvaluationError;
use super::judgements::Query;

/// Positions of documents, ascending, and their vectors.
type Chunk<'a> = (&'a [usize], Vectors);

/// The grades of the best `k` documents of every query, best match first. Of equal matches the
/// document of the lower position comes first.
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
        let index = Index::new(chunk.into_values(), width, Similarity::Cosine)?;
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
        .map(|(query, hits)| grades(query, &hits))
        .collect())
}

/// Adds hits of later documents, both best first, and keeps the best `k`.
fn merge(best: &mut Vec<Hit>, later: impl Iterator<Item = Hit>, k: usize) {
    best.extend(later);
    // Stable: of equal scores the earlier document stays first.
    best.sort_by(|a, b| descending(a.score, b.score));
    best.truncate(k);
}

/// Higher scores first. None is NaN: `search` sees to that.
fn descending(a: f32, b: f32) -> Ordering {
    b.total_cmp(&a)
}

/// What was not judged is irrelevant.
fn grades(query: &Query, hits: &[Hit]) -> Vec<f64> {
    let grades: HashMap<_, _> = query.documents.iter().zip(&query.grades).collect();
    hits.iter()
        .map(|hit| grades.get(&hit.index).map_or(0.0, |&&grade| grade))
        .collect()
}

/// The grades of the judged documents of every query, best match first. Of equal matches the one
/// that was judged first comes first.
pub(super) fn over_judged_documents<'a>(
    queries: &[Query],
    vectors: &Vectors,
    chunks: impl Iterator<Item = Result<Chunk<'a>, EvaluationError>>,
) -> Result<Vec<Vec<f64>>, EvaluationError> {
    let width = vectors.width();
    let empty = queries.iter().map(|query| vec![0.0; query.grades.len()]);
    let mut scores: Vec<Vec<f32>> = empty.collect();
    for chunk in chunks {
        let (documents, chunk) = chunk?;
        for (number, (query, scores)) in queries.iter().zip(&mut scores).enumerate() {
            // Which judgements are of a document of this chunk, and where it stands there.
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
                Similarity::Cosine,
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
            .map(|judgement| query.grades[judgement])
            .collect()
    });
    Ok(ranked.collect())
}
