//! Encoding with a static model: no batch and no device, only tokens and means.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::route::Finish;
use super::{Progress, Route};
use crate::error::{ModelError, Result};
use crate::sentence_embeddings::Embeddings;
use crate::static_embedding::Table;
use crate::threads;

/// Texts between two calls of the progress callback, a hundredth of a second's work.
const TEXTS_PER_STEP: usize = 4096;

impl Route {
    /// The vectors of `texts` behind a prompt.
    pub(super) fn encode_with_table<S: AsRef<str> + Sync>(
        &self,
        table: &Table,
        prompt: &str,
        texts: &[S],
        finish: Finish,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Embeddings> {
        let (total, width) = (texts.len(), finish.dimensions.kept);
        let mut embeddings = Embeddings {
            values: vec![0.0; total * width],
            width,
            ..Embeddings::default()
        };
        let mut done = 0;
        let steps = embeddings.values.chunks_mut(TEXTS_PER_STEP * width);
        for (texts, values) in texts.chunks(TEXTS_PER_STEP).zip(steps) {
            let tokens = self.tokenizer.encode_with_prompt(prompt, texts)?;
            let chunks = values.par_chunks_exact_mut(width).zip(&tokens);
            threads::in_pool(|| {
                chunks.for_each_init(
                    || vec![0.0; table.width()],
                    |row, (kept, text)| {
                        table.mean(&text.ids, row);
                        finish.write(row, kept);
                    },
                );
            });
            embeddings.truncated += tokens.iter().filter(|text| text.truncated).count();
            embeddings.tokens += tokens.iter().map(|text| text.ids.len()).sum::<usize>();
            done += texts.len();
            if progress(Progress { done, total }).is_break() {
                return Err(ModelError::Interrupted);
            }
        }
        Ok(embeddings)
    }
}
