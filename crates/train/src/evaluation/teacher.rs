//! Agreement with a teacher.

use std::ops::ControlFlow;

use model::Prompt;
use search::{VectorsView, pairwise_similarity};

use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// `teacher_cosine`: the mean cosine of the vectors of texts with those of a teacher. A model with another similarity has
/// its name in place of `cosine`. Texts have the default prompt.
#[derive(Clone, Debug)]
pub(crate) struct TeacherEvaluator {
    texts: Vec<String>,
    vectors: Vec<f32>,
}

impl TeacherEvaluator {
    /// An evaluator over texts and the vectors of the teacher, `[texts, width]`.
    pub(crate) fn new(texts: Vec<String>, vectors: Vec<f32>) -> Result<Self, SetupError> {
        if texts.is_empty() {
            return Err(SetupError::Empty { what: "texts" });
        }
        Ok(Self { texts, vectors })
    }
}

impl Evaluator for TeacherEvaluator {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        let mut encoding = Encoding::new(encoder, progress, self.texts.len());
        let vectors = encoding.encode(&self.texts, &Prompt::Default)?;
        let similarities = pairwise_similarity(
            vectors.range(0, vectors.len())?,
            VectorsView::new(&self.vectors, vectors.width())?,
            vectors.similarity(),
        )?;
        let sum: f64 = similarities.iter().copied().map(f64::from).sum();
        let metric = format!("teacher_{}", vectors.similarity().name());
        Ok(Scores::new(metric, sum / self.texts.len() as f64))
    }

    fn description(&self) -> Description {
        Description::Teacher {
            texts: self.texts.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::FakeEncoder;

    #[test]
    fn the_mean_cosine() {
        let encoder = FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [1.0, 1.0])]);
        let texts = ["a", "b"].map(str::to_owned).to_vec();
        let evaluator = TeacherEvaluator::new(texts, vec![2.0, 0.0, 0.0, 3.0]).unwrap();
        let scores = evaluator.evaluate(&encoder).unwrap();
        let (name, value) = scores.primary();
        assert_eq!(name, "teacher_cosine");
        // 1 and the cosine of 45 degrees.
        assert!(
            (value - (1.0 + 0.5f64.sqrt()) / 2.0).abs() < 1e-6,
            "{value}"
        );
        assert_eq!(evaluator.description(), Description::Teacher { texts: 2 });
    }

    #[test]
    fn no_texts_are_refused() {
        let refused = TeacherEvaluator::new(Vec::new(), Vec::new()).unwrap_err();
        assert_eq!(refused, SetupError::Empty { what: "texts" });
    }
}
