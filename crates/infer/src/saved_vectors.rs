//! Whether saved vectors are those of a corpus: wrong ones would give wrong products without a word.

use std::path::Path;

use model::SentenceEncoder;
use records::Row;
use search::{Similarity, VectorsView, pairwise_similarity};

use crate::failure::Failure;
use crate::vectors::Vectors;

/// The least cosine of a saved vector and the one that is computed again. Another batch or backend
/// moves it by 1e-10, another text or model by far more than this leaves room for.
const SAME_VECTOR: f32 = 0.999;

/// Compares their number, their width, their ids where both sides have them, and the vectors of the
/// first, the middle and the last record.
pub(crate) fn check(
    path: &Path,
    vectors: &Vectors,
    records: &[Row],
    encoder: &SentenceEncoder,
) -> Result<(), Failure> {
    let path = path.to_owned();
    let rows = vectors.values.len().checked_div(vectors.width).unwrap_or(0);
    // JSON Lines without a line has no width.
    if rows > 0 && vectors.width != encoder.width() {
        return Err(Failure::VectorWidth {
            path,
            found: vectors.width,
            expected: encoder.width(),
        });
    }
    if rows != records.len() {
        return Err(Failure::VectorCount {
            path,
            vectors: rows,
            records: records.len(),
        });
    }
    for (record, saved) in records.iter().zip(vectors.ids.iter().flatten()) {
        if let Some(id) = record.id.as_ref().filter(|id| *id != saved) {
            return Err(Failure::VectorId {
                path,
                line: record.line,
                id: id.clone(),
                saved: saved.clone(),
            });
        }
    }
    let Some(last) = records.len().checked_sub(1) else {
        return Ok(());
    };
    for position in [0, last / 2, last] {
        let computed = encoder.encode(&[records[position].text()])?;
        let saved = &vectors.values[position * vectors.width..][..vectors.width];
        let cosines = pairwise_similarity(
            VectorsView::new(computed.values(), vectors.width)?,
            VectorsView::new(saved, vectors.width)?,
            Similarity::Cosine,
        )?;
        if let Some(&cosine) = cosines.first().filter(|cosine| **cosine < SAME_VECTOR) {
            return Err(Failure::ForeignVectors {
                path,
                line: records[position].line,
                cosine,
            });
        }
    }
    Ok(())
}
