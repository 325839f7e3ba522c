//! Encoding in steps: tokenize, compute, finish. A service queues texts by their tokens, computes texts of several
//! callers together, and gives each the form of vectors that it asked for.

use super::route::Network;
use super::{EncodeOptions, Route, SentenceEncoder};
use crate::error::Result;
use crate::routes::RouteTask;
use crate::sentence_embeddings::Embeddings;
use crate::tokenizer::{SentenceTokenizer, TokenIds, TruncationSide};

/// Texts that are tokenized, behind one prompt.
#[derive(Clone, Debug)]
pub struct TokenizedTexts {
    task: RouteTask,
    /// Tokens at the beginning of each text that are not pooled.
    not_pooled: usize,
    tokens: Vec<TokenIds>,
}

impl TokenizedTexts {
    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no texts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Number of tokens of all texts, special tokens included.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.iter().map(|text| text.ids.len()).sum()
    }

    /// Number of tokens of the first text; 0 without any.
    #[must_use]
    pub fn first_tokens(&self) -> usize {
        self.tokens.first().map_or(0, |text| text.ids.len())
    }

    /// The place of the first text that lost tokens to the maximum length.
    #[must_use]
    pub fn first_truncated(&self) -> Option<usize> {
        self.tokens.iter().position(|text| text.truncated)
    }

    /// Whether both can be computed together: they take the same way through the model.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (self.task, self.not_pooled) == (other.task, other.not_pooled)
    }

    /// Takes texts from the front: as many as have `tokens` tokens together, and at least one.
    #[must_use]
    pub fn take(&mut self, tokens: usize) -> Self {
        let mut sum = 0;
        let fitting = self.tokens.iter().take_while(|text| {
            sum += text.ids.len();
            sum <= tokens
        });
        let texts = fitting.count().max(1).min(self.tokens.len());
        let rest = self.tokens.split_off(texts);
        Self {
            tokens: std::mem::replace(&mut self.tokens, rest),
            ..*self
        }
    }

    /// Puts texts that [are like these](Self::is_like) behind them.
    pub fn append(&mut self, mut other: Self) {
        self.tokens.append(&mut other.tokens);
    }
}

impl SentenceEncoder {
    /// Tokenizes texts behind the prompt of the options, on the calling thread. `side` is where long texts lose tokens, unless as the
    /// model's files say.
    ///
    /// # Errors
    ///
    /// As [`encode_with_progress`](Self::encode_with_progress).
    pub fn tokenize<S: AsRef<str>>(
        &self,
        texts: &[S],
        options: &EncodeOptions,
        side: Option<TruncationSide>,
    ) -> Result<TokenizedTexts> {
        let text = options.text(self)?;
        let route = self.route(&options.prompt)?;
        let tokenizer = route.tokenizer_truncating_at(side)?;
        Ok(TokenizedTexts {
            task: RouteTask::of(&options.prompt),
            not_pooled: route.not_pooled(text)?,
            tokens: tokenizer.encode_on_this_thread(text, texts)?,
        })
    }

    /// The vectors of tokenized texts as the network pools them, `[texts, full width]`: [`finish`](Self::finish) gives
    /// them their form. A vector does not depend on the texts that are computed with it on the device `cpu`.
    ///
    /// # Errors
    ///
    /// When the device fails.
    pub fn compute(&self, texts: &TokenizedTexts) -> Result<Embeddings> {
        let route = self.route_of(texts.task)?;
        let width = self.full_width();
        let mut values = vec![0.0; texts.len() * width];
        match &route.network {
            Network::Table(table) => {
                let rows = values.chunks_exact_mut(width).zip(&texts.tokens);
                rows.for_each(|(row, text)| table.mean(&text.ids, row));
            }
            Network::Encoder(network) => route.compute(
                network.as_ref(),
                &texts.tokens,
                texts.not_pooled,
                |batch, rows| {
                    for (row, &text) in rows.chunks_exact(width).zip(batch) {
                        values[text * width..][..width].copy_from_slice(row);
                    }
                    Ok(())
                },
            )?,
        }
        let truncated = texts.tokens.iter().filter(|text| text.truncated).count();
        Ok(Embeddings {
            values,
            width,
            truncated,
            tokens: texts.tokens(),
        })
    }

    /// Gives vectors of [`compute`](Self::compute) the form that the options of their texts ask for: they are those of
    /// [`encode_with_options`](Self::encode_with_options) then, to the bit on the device `cpu`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Dimensions`](crate::ModelError::Dimensions) when the vectors have fewer dimensions, or none are
    /// asked for.
    pub fn finish(&self, pooled: &Embeddings, options: &EncodeOptions) -> Result<Embeddings> {
        let route = self.route(&options.prompt)?;
        let finish = options.finish(route.finish, self.full_width())?;
        let width = finish.dimensions.kept;
        let mut values = vec![0.0; pooled.len() * width];
        let rows = pooled.rows().zip(values.chunks_exact_mut(width));
        rows.for_each(|(row, kept)| finish.write(row, kept));
        Ok(Embeddings {
            values,
            width,
            ..*pooled
        })
    }
}

impl Route {
    fn tokenizer_truncating_at(&self, side: Option<TruncationSide>) -> Result<&SentenceTokenizer> {
        if side.is_none_or(|side| side == self.tokenizer.truncation_side()) {
            return Ok(&self.tokenizer);
        }
        if let Some(other) = self.other_side.get() {
            return Ok(other);
        }
        let other = self.tokenizer.truncating_at_other_side()?;
        Ok(self.other_side.get_or_init(|| other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence_embeddings::norm;
    use crate::{Device, ModelError, Prompt};

    const TEXTS: [&str; 5] = [
        "high end water bottle",
        "",
        "wireless keyboard with a very long title, which is repeated, wireless keyboard with a very long title",
        "speaker",
        "a",
    ];

    fn tiny() -> SentenceEncoder {
        let builder = SentenceEncoder::builder()
            .device(Device::Auto)
            .max_length(16);
        builder.load("tests/fixtures/tiny-mpnet").unwrap()
    }

    #[test]
    #[cfg(feature = "cpu")]
    fn steps_give_the_bits_of_encode_whatever_is_computed_together() {
        let encoder = SentenceEncoder::builder()
            .device(Device::Cpu)
            .max_length(16);
        let encoder = encoder.load("tests/fixtures/tiny-mpnet").unwrap();
        let expected = encoder.encode(&TEXTS).unwrap();
        let options = EncodeOptions::default();
        let mut waiting = encoder.tokenize(&TEXTS, &options, None).unwrap();
        assert_eq!(
            (waiting.len(), waiting.tokens()),
            (TEXTS.len(), expected.tokens())
        );
        assert_eq!(waiting.first_truncated(), Some(2));
        let mut values = Vec::new();
        while !waiting.is_empty() {
            let mut slice = waiting.take(18);
            assert!(slice.len() == 1 || slice.tokens() <= 18);
            // Another caller's text shares the batch.
            let other = encoder.tokenize(&["other"], &options, None).unwrap();
            assert!(slice.is_like(&other));
            let own = slice.len();
            slice.append(other);
            let pooled = encoder.compute(&slice).unwrap();
            let finished = encoder.finish(&pooled, &options).unwrap();
            values.extend_from_slice(&finished.values()[..own * encoder.width()]);
        }
        assert_eq!(values, expected.values());
    }

    #[test]
    fn a_call_may_ask_for_another_form() {
        let encoder = tiny();
        let options = |normalize, dimensions| {
            let mut options = EncodeOptions::with_prompt(Prompt::Query);
            (options.normalize, options.dimensions) = (normalize, dimensions);
            options
        };
        let texts = encoder
            .tokenize(&TEXTS, &options(None, None), None)
            .unwrap();
        let pooled = encoder.compute(&texts).unwrap();
        let form = |normalize, dimensions| encoder.finish(&pooled, &options(normalize, dimensions));
        let raw = form(Some(false), None).unwrap();
        assert_eq!(raw.values(), pooled.values());
        let cut = form(Some(false), Some(3)).unwrap();
        assert_eq!(cut.rows().next().unwrap(), &raw.rows().next().unwrap()[..3]);
        for row in form(Some(true), Some(3)).unwrap().rows() {
            // Values of f32 around 1.
            assert!((norm(row) - 1.0).abs() < 1e-6, "{row:?}");
        }
        assert!(matches!(
            form(None, Some(9999)),
            Err(ModelError::Dimensions { .. })
        ));
        assert!(matches!(
            form(None, Some(0)),
            Err(ModelError::Dimensions { .. })
        ));
    }

    #[test]
    fn a_call_may_truncate_at_the_other_side() {
        let encoder = tiny();
        let long = TEXTS[2];
        let tokens = |side| {
            encoder
                .tokenize(&[long], &EncodeOptions::default(), side)
                .unwrap()
                .tokens
        };
        let (own, right, left) = (
            tokens(None),
            tokens(Some(TruncationSide::Right)),
            tokens(Some(TruncationSide::Left)),
        );
        assert_eq!(own, right);
        assert_eq!((left[0].ids.len(), left[0].truncated), (16, true));
        // Without the maximum length of the other encoder.
        let untruncated = SentenceEncoder::builder().device(Device::Auto);
        let untruncated = untruncated.load("tests/fixtures/tiny-mpnet").unwrap();
        let all = untruncated.tokenizer().pieces(long, true).unwrap();
        let whole: Vec<u32> = all.iter().map(|piece| piece.id).collect();
        let ends: Vec<u32> = [&whole[..1], &whole[whole.len() - 15..]].concat();
        assert_eq!(left[0].ids, ends);
    }

    #[test]
    fn pieces_say_where_they_stand() {
        let encoder = tiny();
        let text = "Ärger speaker";
        for piece in encoder.tokenizer().pieces(text, true).unwrap() {
            assert_eq!(piece.special, piece.place.is_none(), "{piece:?}");
            if let Some((start, end)) = piece.place {
                assert!(start < end && end <= text.chars().count(), "{piece:?}");
            }
        }
        let bare = encoder.tokenizer().pieces(text, false).unwrap();
        assert!(bare.iter().all(|piece| !piece.special));
    }
}
