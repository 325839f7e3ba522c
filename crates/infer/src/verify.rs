//! Checks that saved vectors belong to a corpus: with other vectors a search returns wrong products.

use std::path::Path;

use model::{Precision, SentenceEncoder};
use records::Row;
use search::{Similarity, VectorsView, pairwise_similarity};

use crate::error::{Error, MismatchKind};
use crate::vectors::{Difference, Provenance, TextsHash, Vectors, view};

/// The smallest cosine between a saved vector and the same vector computed again. Another batch or
/// backend moves it by 1e-10; another text or model moves it by far more than 1e-3.
const SAME_VECTOR: f32 = 0.999;

/// From this cosine on, the difference is probably one of precision: int8 has 0.998 on average.
const OTHER_PRECISION: f32 = 0.99;

/// The largest difference of the lengths of such vectors, relative to the length. float16 moves it by
/// 1e-3.
const SAME_LENGTH: f32 = 1e-2;

/// How many rows are embedded again, where the file does not say what the vectors are made of.
pub(crate) const SAMPLED_ROWS: usize = 8;

/// Compares what vectors are made of with what this search would make them of: `now` without the
/// hash of texts. Nothing is embedded.
pub(crate) fn verify_provenance(
    path: &Path,
    vectors: &Vectors,
    saved: &Provenance,
    rows: &[Row],
    now: &Provenance,
    similarity: Similarity,
) -> Result<(), Error> {
    let mismatch = mismatch(path);
    if saved.dimensions != now.dimensions {
        return Err(mismatch(MismatchKind::Width {
            found: saved.dimensions,
            expected: now.dimensions,
        }));
    }
    let differences = saved.differences(now);
    if !differences.is_empty() {
        return Err(mismatch(MismatchKind::Settings { differences }));
    }
    if now.normalized && !saved.normalized && similarity != Similarity::Cosine {
        return Err(mismatch(MismatchKind::Lengths {
            similarity: similarity.name(),
        }));
    }
    verify_rows(path, vectors, rows)?;
    verify_texts(path, &saved.texts, rows)
}

/// As [`verify_provenance`], where no model is needed: the vectors are compared with each other
/// alone. `options` are those of the command line that the file contradicts.
pub(crate) fn verify_without_model(
    path: &Path,
    vectors: &Vectors,
    saved: &Provenance,
    rows: &[Row],
    columns: &[String],
    mut differences: Vec<Difference>,
) -> Result<(), Error> {
    let now = Provenance {
        columns: columns.to_vec(),
        ..saved.clone()
    };
    differences.extend(saved.differences(&now));
    if !differences.is_empty() {
        return Err(mismatch(path)(MismatchKind::Settings { differences }));
    }
    verify_rows(path, vectors, rows)?;
    verify_texts(path, &saved.texts, rows)
}

/// Compares the number of vectors, their width, their ids where both sides have ids, the texts where
/// the file has them, and some vectors; their lengths too, unless the similarity is the cosine.
pub(crate) fn verify_sample(
    path: &Path,
    vectors: &Vectors,
    rows: &[Row],
    encoder: &SentenceEncoder,
    similarity: Similarity,
) -> Result<(), Error> {
    let mismatch = mismatch(path);
    // JSON Lines without a line has no width.
    if !vectors.values.is_empty() && vectors.width != encoder.width() {
        return Err(mismatch(MismatchKind::Width {
            found: vectors.width,
            expected: encoder.width(),
        }));
    }
    verify_rows(path, vectors, rows)?;
    if let Some(texts) = &vectors.texts {
        verify_texts(path, texts, rows)?;
    }
    let positions = sample(rows.len());
    if positions.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = positions.iter().map(|&row| rows[row].text()).collect();
    let computed = encoder.encode_document(&texts)?;
    let saved: Vec<f32> = positions
        .iter()
        .flat_map(|row| &vectors.values[row * vectors.width..][..vectors.width])
        .copied()
        .collect();
    let cosines = pairwise_similarity(
        view(&computed)?,
        VectorsView::new(&saved, vectors.width)?,
        Similarity::Cosine,
    )?;
    for (&position, &cosine) in positions.iter().zip(&cosines) {
        if let Some(kind) = difference(cosine, rows[position].line, encoder.precision()) {
            return Err(mismatch(kind));
        }
    }
    if similarity == Similarity::Cosine {
        return Ok(());
    }
    let pairs = saved
        .chunks_exact(vectors.width)
        .zip(computed.values().chunks_exact(vectors.width));
    for (&position, (saved, computed)) in positions.iter().zip(pairs) {
        let (saved, computed) = (length(saved), length(computed));
        if (saved - computed).abs() > SAME_LENGTH * computed {
            return Err(mismatch(MismatchKind::Length {
                line: rows[position].line,
                saved,
                computed,
                similarity: similarity.name(),
            }));
        }
    }
    Ok(())
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// What is wrong if a saved vector and that of its text have this cosine.
fn difference(cosine: f32, line: u64, precision: Precision) -> Option<MismatchKind> {
    if cosine < OTHER_PRECISION {
        Some(MismatchKind::Text { line, cosine })
    } else if cosine < SAME_VECTOR {
        let precision = precision.to_string();
        Some(MismatchKind::Precision { cosine, precision })
    } else {
        None
    }
}

/// The number of vectors, and their ids where both sides have ids.
fn verify_rows(path: &Path, vectors: &Vectors, rows: &[Row]) -> Result<(), Error> {
    let mismatch = mismatch(path);
    let count = vectors.values.len().checked_div(vectors.width).unwrap_or(0);
    if count != rows.len() {
        return Err(mismatch(MismatchKind::Count {
            vectors: count,
            rows: rows.len(),
        }));
    }
    for (row, saved) in rows.iter().zip(vectors.ids.iter().flatten()) {
        if let Some(id) = row.id.as_ref().filter(|id| *id != saved) {
            return Err(mismatch(MismatchKind::Id {
                line: row.line,
                id: id.clone(),
                saved: saved.clone(),
            }));
        }
    }
    Ok(())
}

fn verify_texts(path: &Path, saved: &str, rows: &[Row]) -> Result<(), Error> {
    if TextsHash::of_rows(rows) == saved {
        Ok(())
    } else {
        Err(mismatch(path)(MismatchKind::Texts))
    }
}

fn mismatch(path: &Path) -> impl Fn(MismatchKind) -> Error + use<'_> {
    move |kind| Error::MismatchedVectors {
        path: path.to_owned(),
        kind,
    }
}

/// Positions of rows: the first, the last and some between them.
fn sample(rows: usize) -> Vec<usize> {
    let Some(last) = rows.checked_sub(1) else {
        return Vec::new();
    };
    let count = SAMPLED_ROWS.min(rows);
    let mut positions: Vec<usize> = (0..count)
        .map(|number| last * number / (count - 1).max(1))
        .collect();
    positions.dedup();
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_ends_and_rows_between_them() {
        assert_eq!(sample(0), [0; 0]);
        assert_eq!(sample(1), [0]);
        assert_eq!(sample(2), [0, 1]);
        assert_eq!(sample(8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(sample(1000), [0, 142, 285, 428, 570, 713, 856, 999]);
    }

    #[test]
    fn a_small_difference_is_one_of_precision() {
        let message = |cosine| {
            difference(cosine, 7, Precision::Float32).map(|difference| difference.to_string())
        };
        assert_eq!(message(0.9999), None);
        // all-mpnet-base-v2 in int8, compared with float32.
        let int8 = message(0.998).unwrap();
        assert!(
            int8.contains("those of f32 (their cosine is 0.998)"),
            "{int8}"
        );
        assert!(int8.contains("give the --precision"), "{int8}");
        let other = message(0.7).unwrap();
        assert!(
            other.contains("the row in line 7") && other.contains("--precision"),
            "{other}"
        );
    }
}
