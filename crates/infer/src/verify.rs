//! Checks that saved vectors belong to a corpus: with other vectors a search returns wrong products.

use std::path::Path;

use model::SentenceEncoder;
use records::Row;
use search::{Similarity, VectorsView, pairwise_similarity};

use crate::error::{Error, MismatchKind};
use crate::vectors::{Vectors, view};

/// The smallest cosine between a saved vector and the same vector computed again. Another batch or
/// backend moves it by 1e-10; another text or model moves it by far more than 1e-3.
const SAME_VECTOR: f32 = 0.999;

/// Compares the number of vectors, their width, their ids where both sides have ids, and the
/// vectors of the first, the middle and the last row.
pub(crate) fn verify(
    path: &Path,
    vectors: &Vectors,
    rows: &[Row],
    encoder: &SentenceEncoder,
) -> Result<(), Error> {
    let mismatch = |kind| {
        Err(Error::MismatchedVectors {
            path: path.to_owned(),
            kind,
        })
    };
    let count = vectors.values.len().checked_div(vectors.width).unwrap_or(0);
    // JSON Lines without a line has no width.
    if count > 0 && vectors.width != encoder.width() {
        return mismatch(MismatchKind::Width {
            found: vectors.width,
            expected: encoder.width(),
        });
    }
    if count != rows.len() {
        return mismatch(MismatchKind::Count {
            vectors: count,
            rows: rows.len(),
        });
    }
    for (row, saved) in rows.iter().zip(vectors.ids.iter().flatten()) {
        if let Some(id) = row.id.as_ref().filter(|id| *id != saved) {
            return mismatch(MismatchKind::Id {
                line: row.line,
                id: id.clone(),
                saved: saved.clone(),
            });
        }
    }
    let Some(last) = rows.len().checked_sub(1) else {
        return Ok(());
    };
    for position in [0, last / 2, last] {
        let computed = encoder.encode_document(&[rows[position].text()])?;
        let saved = &vectors.values[position * vectors.width..][..vectors.width];
        let cosines = pairwise_similarity(
            view(&computed)?,
            VectorsView::new(saved, vectors.width)?,
            Similarity::Cosine,
        )?;
        if let Some(&cosine) = cosines.first().filter(|cosine| **cosine < SAME_VECTOR) {
            return mismatch(MismatchKind::Text {
                line: rows[position].line,
                cosine,
            });
        }
    }
    Ok(())
}
