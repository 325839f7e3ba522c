//! From the logits of a text's tokens to spans: the most probable sequence of tags in which `I-` follows only `B-` or `I-`
//! of the same label.
//!
//! There are no learned transitions: a CRF changed the strict F1 of three encoders on QueryNER by +0.1 to -1.5 points
//! (<https://github.com/mdfwg/queryner-kd>).

use super::labels::{Tag, TagLabels};

/// Tokens of a text that belong to one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TokenSpan {
    /// Positions of its first and last token.
    pub(super) tokens: [usize; 2],
    /// The number of its label.
    pub(super) label: usize,
    /// The probability of its least probable tag.
    pub(super) score: f32,
}

/// How logits become spans.
pub(super) struct Decoding<'a> {
    pub(super) labels: &'a TagLabels,
    /// Divides the logits.
    pub(super) temperature: f32,
    /// Whether the text may have each label; `None` for all.
    pub(super) allowed: Option<&'a [bool]>,
    /// Whether the text has at most one span of each label.
    pub(super) single_valued: &'a [bool],
    /// Least score of a span.
    pub(super) threshold: f32,
    /// Whether each token begins within a character that the token before it has a part of, as those of byte-level tokenizers
    /// can: both have one label. Empty if none does.
    pub(super) continued: &'a [bool],
}

impl Decoding<'_> {
    /// The spans of a text, in its order. `logits` are those of its tokens, `[tokens, outputs]`.
    pub(super) fn spans(&self, logits: &[f32]) -> Vec<TokenSpan> {
        let scores = self.log_probabilities(logits);
        let path = self.best_path(&scores);
        let outputs = self.labels.outputs().len();
        let mut spans: Vec<TokenSpan> = Vec::new();
        for (token, &output) in path.iter().enumerate() {
            let probability = scores[token * outputs + output].exp();
            match (self.labels.outputs()[output], spans.last_mut()) {
                (Tag::Outside, _) => {}
                // A legal path continues the last span.
                (Tag::Inside(_), Some(span)) => {
                    span.tokens[1] = token;
                    span.score = span.score.min(probability);
                }
                (Tag::Begin(label) | Tag::Inside(label), _) => spans.push(TokenSpan {
                    tokens: [token, token],
                    label,
                    score: probability,
                }),
            }
        }
        let mut best: Vec<Option<usize>> = vec![None; self.labels.labels().len()];
        for (place, span) in spans.iter().enumerate() {
            let best = &mut best[span.label];
            if best.is_none_or(|best| span.score > spans[best].score) {
                *best = Some(place);
            }
        }
        let mut place = 0;
        spans.retain(|span| {
            let is_best = best[span.label] == Some(place);
            place += 1;
            span.score >= self.threshold && (is_best || !self.single_valued[span.label])
        });
        spans
    }

    /// Log-probabilities of the tags that the text may have, at the temperature; minus infinity for the others.
    fn log_probabilities(&self, logits: &[f32]) -> Vec<f32> {
        let outputs = self.labels.outputs();
        let is_allowed = |tag: &Tag| match (self.allowed, *tag) {
            (None, _) | (_, Tag::Outside) => true,
            (Some(allowed), Tag::Begin(label) | Tag::Inside(label)) => allowed[label],
        };
        let allowed: Vec<bool> = outputs.iter().map(is_allowed).collect();
        let mut scores = Vec::with_capacity(logits.len());
        for row in logits.chunks_exact(outputs.len()) {
            let scaled = row
                .iter()
                .zip(&allowed)
                .map(|(logit, allowed)| match allowed {
                    true => logit / self.temperature,
                    false => f32::NEG_INFINITY,
                });
            let start = scores.len();
            scores.extend(scaled);
            let row = &mut scores[start..];
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = row.iter().map(|score| (score - largest).exp()).sum();
            let normaliser = largest + sum.ln();
            for score in row {
                *score -= normaliser;
            }
        }
        scores
    }

    /// The outputs of the legal sequence with the highest sum of scores (Viterbi, 1967). Of equal sums the one with the
    /// lower output counts, from the end of the text.
    fn best_path(&self, scores: &[f32]) -> Vec<usize> {
        let outputs = self.labels.outputs();
        let count = outputs.len();
        let outside = self.labels.output(Tag::Outside);
        let mut rows = scores.chunks_exact(count);
        let Some(first) = rows.next() else {
            return Vec::new();
        };
        let starts = first.iter().zip(outputs).map(|(&score, tag)| match tag {
            Tag::Inside(_) => f32::NEG_INFINITY,
            Tag::Outside | Tag::Begin(_) => score,
        });
        let mut sums: Vec<f32> = starts.collect();
        let mut back: Vec<usize> = Vec::with_capacity(scores.len());
        for (place, row) in rows.enumerate() {
            let best = highest(&sums, 0..count);
            let continued = self.continued.get(place + 1) == Some(&true);
            let next = row.iter().zip(outputs).map(|(&score, tag)| {
                let (from, score) = match *tag {
                    Tag::Outside if continued => (outside, score),
                    Tag::Begin(_) if continued => (best, f32::NEG_INFINITY),
                    Tag::Outside | Tag::Begin(_) => (best, score),
                    Tag::Inside(label) => {
                        let before = [Tag::Begin(label), Tag::Inside(label)];
                        (
                            highest(&sums, before.map(|tag| self.labels.output(tag))),
                            score,
                        )
                    }
                };
                back.push(from);
                sums[from] + score
            });
            sums = next.collect();
        }
        let mut output = highest(&sums, 0..count);
        let mut path = vec![output];
        for from in back.chunks_exact(count).rev() {
            output = from[output];
            path.push(output);
        }
        path.reverse();
        path
    }
}

/// The position with the highest value, the lowest of several.
fn highest(values: &[f32], positions: impl IntoIterator<Item = usize>) -> usize {
    let better = |best: usize, next: usize| {
        if values[next] > values[best] || (values[next] == values[best] && next < best) {
            next
        } else {
            best
        }
    };
    positions.into_iter().reduce(better).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> TagLabels {
        TagLabels::new(["a", "b"].map(str::to_owned))
    }

    fn decoding(labels: &TagLabels) -> Decoding<'_> {
        Decoding {
            labels,
            temperature: 1.0,
            allowed: None,
            single_valued: &[false, false],
            threshold: 0.0,
            continued: &[],
        }
    }

    /// Whether `I-` follows only its own `B-` or `I-`, and a token that goes on has the label of the one before it.
    fn is_legal(path: &[Tag], continued: &[bool]) -> bool {
        let mut before = Tag::Outside;
        path.iter().zip(continued).all(|(&tag, &continued)| {
            let fits = match tag {
                Tag::Inside(label) => [Tag::Begin(label), Tag::Inside(label)].contains(&before),
                Tag::Outside => !continued || before == Tag::Outside,
                Tag::Begin(_) => !continued,
            };
            before = tag;
            fits
        })
    }

    proptest! {
        /// Every sequence of tags is tried.
        #[test]
        fn no_legal_path_is_better(
            logits in prop::collection::vec(prop::array::uniform5(-4.0_f32..4.0), 1..6),
            temperature in 0.3_f32..3.0,
            mask in prop::option::of(prop::array::uniform2(any::<bool>())),
            mut continued in prop::array::uniform5(any::<bool>()),
        ) {
            continued[0] = false;
            let labels = labels();
            let allowed = mask.as_ref().map(<[bool; 2]>::as_slice);
            let decoding = Decoding { temperature, allowed, continued: &continued, ..decoding(&labels) };
            let flat: Vec<f32> = logits.iter().flatten().copied().collect();
            let scores = decoding.log_probabilities(&flat);
            for row in scores.chunks(5) {
                let sum: f32 = row.iter().map(|score| score.exp()).sum();
                // Five additions of numbers below 1.
                prop_assert!((sum - 1.0).abs() < 1e-5);
            }
            let path = decoding.best_path(&scores);
            let tags = |path: &[usize]| path.iter().map(|&output| labels.outputs()[output]).collect::<Vec<_>>();
            prop_assert!(is_legal(&tags(&path), &continued));
            let sum = |path: &[usize]| -> f32 {
                path.iter().enumerate().map(|(token, output)| scores[token * 5 + output]).sum()
            };
            let found = sum(&path);
            prop_assert!(found.is_finite());
            for number in 0..5_usize.pow(logits.len() as u32) {
                let other: Vec<usize> = (0..logits.len()).map(|token| number / 5_usize.pow(token as u32) % 5).collect();
                // The same additions: only equal paths have equal sums to the last bit.
                prop_assert!(!is_legal(&tags(&other), &continued) || sum(&other) <= found + 1e-5);
            }
        }
    }

    /// Logits that are certain of these outputs, by so much each.
    fn certain(path: &[(usize, f32)]) -> Vec<f32> {
        let row = |&(output, by): &(usize, f32)| {
            (0..5).map(move |place| if place == output { by } else { 0.0 })
        };
        path.iter().flat_map(row).collect()
    }

    #[test]
    fn spans_have_the_probability_of_their_least_probable_tag() {
        let labels = labels();
        // O B-a I-a B-a B-b
        let logits = certain(&[(0, 5.0), (1, 5.0), (2, 1.0), (1, 3.0), (3, 4.0)]);
        let spans = decoding(&labels).spans(&logits);
        let found: Vec<_> = spans.iter().map(|span| (span.tokens, span.label)).collect();
        assert_eq!(found, [([1, 2], 0), ([3, 3], 0), ([4, 4], 1)]);
        let probability = |by: f32| by.exp() / (by.exp() + 4.0);
        for (span, by) in spans.iter().zip([1.0, 3.0, 4.0]) {
            // Of f32 around 1.
            assert!((span.score - probability(by)).abs() < 1e-6, "{span:?}");
        }
        let single = Decoding {
            single_valued: &[true, false],
            ..decoding(&labels)
        }
        .spans(&logits);
        assert_eq!(single, spans[1..]);
        let likely = Decoding {
            threshold: 0.9,
            ..decoding(&labels)
        }
        .spans(&logits);
        assert_eq!(likely, spans[2..]);
        let masked = Decoding {
            allowed: Some(&[true, false]),
            ..decoding(&labels)
        }
        .spans(&logits);
        assert!(masked.iter().all(|span| span.label == 0), "{masked:?}");
        let hot = Decoding {
            temperature: 2.0,
            ..decoding(&labels)
        }
        .spans(&logits);
        assert!((hot[2].score - probability(2.0)).abs() < 1e-6, "{hot:?}");
        assert!(decoding(&labels).spans(&[]).is_empty());
    }
}
