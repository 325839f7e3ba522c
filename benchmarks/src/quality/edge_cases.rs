//! The 65 edge-case texts of the tests of `model`: empty, very long, other scripts, special tokens.

use std::path::Path;

use model::SentenceEncoder;
use safetensors::SafeTensors;
use serde::Deserialize;

use super::report::Figure;
use crate::error::BenchmarkError;
use crate::statistics::{mean, smallest};
use crate::{in_repository, note};

const DATASET: &str = "edge_case_texts";

/// How near the vectors are to PyTorch's; no figures for a model of another width.
pub(super) fn figures(encoder: &SentenceEncoder) -> Result<Vec<Figure>, BenchmarkError> {
    let (texts, expected) = reference(&in_repository("crates/model/tests/fixtures"))?;
    let found = encoder.encode(&texts)?;
    if expected.len() != found.values().len() {
        note(format_args!(
            "no vectors of edge-case texts are known for a model of this width"
        ));
        return Ok(Vec::new());
    }
    let cosines: Vec<f64> = found
        .rows()
        .zip(expected.chunks_exact(found.width()))
        .map(|(found, expected)| cosine(found, expected))
        .collect();
    let far = cosines.iter().filter(|cosine| **cosine < 0.985).count();
    let figure = |metric, value, known| Figure {
        dataset: DATASET,
        metric,
        value,
        known: Some(known),
    };
    Ok(vec![
        figure("n", cosines.len() as f64, texts.len() as f64),
        figure("cosine_min", smallest(&cosines), 1.0),
        figure("cosine_mean", mean(&cosines), 1.0),
        figure("below_0.985", far as f64, 0.0),
    ])
}

/// The cosine of two vectors, summed in float64.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        std::iter::zip(a, b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The texts, and PyTorch's vectors of them, one after the other.
fn reference(fixtures: &Path) -> Result<(Vec<String>, Vec<f32>), BenchmarkError> {
    #[derive(Deserialize)]
    struct Tokens {
        texts: Vec<String>,
    }
    let path = fixtures.join("all-mpnet-base-v2_tokens.json");
    let tokens: Tokens = serde_json::from_slice(&read(&path)?)
        .map_err(|source| BenchmarkError::Json { path, source })?;
    let path = fixtures.join("all-mpnet-base-v2_embeddings.safetensors");
    let bytes = read(&path)?;
    let vectors = SafeTensors::deserialize(&bytes)
        .and_then(|tensors| Ok(floats(tensors.tensor("embeddings")?.data())))
        .map_err(|source| BenchmarkError::Vectors { path, source })?;
    Ok((tokens.texts, vectors))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (floats, _) = bytes.as_chunks();
    floats.iter().copied().map(f32::from_le_bytes).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, BenchmarkError> {
    std::fs::read(path).map_err(|source| BenchmarkError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_vector_of_length_1_for_each_text() {
        let fixtures = in_repository("crates/model/tests/fixtures");
        let (texts, vectors) = reference(&fixtures).unwrap();
        assert_eq!((texts.len(), vectors.len()), (65, 65 * 768));
        for vector in vectors.chunks_exact(768) {
            let squares: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            assert!((squares - 1.0).abs() < 1e-5, "{squares}");
        }
    }
}
